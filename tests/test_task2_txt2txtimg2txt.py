"""Arithmetic from text and from images: models, splits, parts that run alone."""

import shutil

import numpy as np
import pytest
from conftest import marked_digits, tiny_mnist

import shared_blocks
import shared_drawings
import shared_run
import shared_settings
import shared_training
import task2_txt2txtimg2txt as script
from shared_files import InputError


def test_parameter_counts_are_the_reports():
    assert script.build_text_model().count_params() == 805_133
    layer_params = {layer.name: layer.count_params() for layer in script.build_flatten_model(True).layers}
    assert (layer_params["encoder"], layer_params["decoder"], layer_params["answer"]) == (1_065_984, 525_312, 3_341)
    for augmented in (True, False):
        assert script.build_flatten_model(augmented).count_params() == 1_594_637
        assert script.build_convolution_model(augmented).count_params() == 6_989_581


def test_augmentation_is_on_in_training_only():
    pictures = shared_drawings.draw_digits(10, seed=0)[0].reshape(2, 5, 28, 28)
    model = script.build_flatten_model(augmented=True)
    prepared = script.keras.Model(model.input, model.get_layer("translation").output)
    tested = np.asarray(prepared(pictures, training=False)).reshape(10, 28, 28)
    np.testing.assert_allclose(tested, pictures.reshape(10, 28, 28) / 255, atol=1e-6)
    trained = np.asarray(prepared(pictures, training=True)).reshape(10, 28, 28)
    assert all(np.abs(new - old).mean() > 0.01 for new, old in zip(trained, tested, strict=True))
    plain = script.build_flatten_model(augmented=False)
    assert {layer.name for layer in model.layers} - {layer.name for layer in plain.layers} >= {"rotation", "zoom"}


def test_image_models_are_trained_and_tested_with_their_own_glyphs(tmp_path, monkeypatch):
    """Training digits are marked by a bright corner, test digits by a grey one."""
    images, labels = shared_drawings.draw_digits(50, seed=0)
    images[:, 0, 0] = 255
    path = marked_digits(tmp_path, images, labels)
    seen = {}

    def fit(part, model, batches, *, epochs, validation_data):
        for name, data in (("train", batches), ("test", validation_data)):
            corners = np.concatenate([data[index][0][:, :, 0, 0].ravel() for index in range(len(data))])
            seen[name] = set(corners.tolist()) - {0}
        rows = [set(shared_blocks.to_texts(data.arrays[0][data.rows])) for data in (batches, validation_data)]
        assert not rows[0] & rows[1]
        seen["commuted"] = {text for text in rows[1] if "+" in text and "+".join(text.split("+")[::-1]) in rows[0]}
        raise KeyboardInterrupt

    monkeypatch.setattr("shared_run.Run.fit", fit)
    flags = ["--part", "image", "--mnist", str(path), "--no-augmentation"]
    for together in ([], ["--commuted-together"]):
        with pytest.raises(KeyboardInterrupt):
            script.main([*flags, *together])
        assert (seen["train"], seen["test"]) == ({255}, {99})
        assert bool(seen["commuted"]) != bool(together)


def test_text_model_learns_a_few_expressions_by_heart():
    queries, answers = (shared_blocks.to_tokens(column[::500]) for column in shared_blocks.arithmetic_expressions())
    script.keras.utils.set_random_seed(0)
    model = script.build_text_model()
    script.compile_model(model)
    rows = np.arange(len(queries))
    batches = shared_training.Batches((queries, answers), rows, 20, shared_blocks.to_one_hot_batch)
    history = model.fit(batches, epochs=60, verbose=0, shuffle=False).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.8


def run(*flags):
    return script.main([*map(str, flags), "--limit", "60", "--epochs", "1", "--batch-size", "8"])


def test_parts_run_alone_and_are_not_done_twice(without_xla, tmp_path, monkeypatch, capsys, eagerly):
    monkeypatch.setattr(script, "UNITS", 8)
    out = ("--out", tmp_path / "run")
    first = run("--part", "text", "--shares", "0.5", *out)
    assert set(first) == {"text_0.5_test_accuracy", "text_0.5_test_exact_match"}
    assert capsys.readouterr().out.count("/step - accuracy") == 1
    second = run("--part", "text", "--shares", "0.5", "0.2", "--resume", *out)
    assert capsys.readouterr().out.count("/step - accuracy") == 1
    assert set(second) > set(first)
    assert all(second[name] == value for name, value in first.items())
    third = run("--part", "image", "--no-augmentation", "--mnist", tiny_mnist(tmp_path), "--resume", *out)
    assert {"image_flatten_plain_test_accuracy", "image_convolution_plain_test_exact_match"} <= set(third)
    assert all(0 <= value <= 1 for value in third.values())
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"text_accuracy_by_share.png", "text_accuracy_by_epoch.png", "image_accuracy_plain.png"} <= files
    assert {"errors.csv", "errors.png", "model.keras"} <= {path.name for path in (tmp_path / "run/text_0.5").iterdir()}
    assert (tmp_path / "run" / "image_flatten_plain" / "answers.png").exists()
    (tmp_path / "run" / "text_0.5 (copy)").mkdir()
    shutil.copy(tmp_path / "run" / "text_0.5" / "results.json", tmp_path / "run" / "text_0.5 (copy)")
    assert run("--part", "text", "--shares", "0.5", "--resume", *out).keys() == third.keys()
    wrong = (tmp_path / "run" / "text_0.5" / "errors.csv").read_text().splitlines()[1:]
    assert len(wrong) == round(30 * (1 - first["text_0.5_test_exact_match"]))


def test_drawn_digits_have_a_folder_of_their_own(tiny, monkeypatch, eagerly):
    """MNIST may be there the next time."""

    def fail():
        raise Exception("no network")

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    monkeypatch.setattr("shared_data.DRAWN_DIGITS", {"train": 20, "test": 10})
    tiny("task2_txt2txtimg2txt").main([])
    (folder,) = shared_run.RUNS_DIR.iterdir()
    assert folder.name == "task2_txt2txtimg2txt_drawn"
    assert shared_settings.sources([folder / "text_0.5"]) == "50 expressions"


@pytest.mark.parametrize("flags", [("--part", "text", "--shares", "0.5", "0.005"), ("--limit", "1")])
def test_a_split_that_cannot_be_leaves_no_folder(flags):
    with pytest.raises(InputError, match="cannot be split"):
        script.main([*([] if "--limit" in flags else ["--limit", "50"]), *flags])
    assert not shared_run.RUNS_DIR.exists()


@pytest.mark.parametrize("flags", [("--shares", "1.5"), ("--shares", "x"), ("--part", "sound")])
def test_wrong_flags_get_one_line(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(list(flags))
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
