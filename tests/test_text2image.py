"""The text-to-image script: models, yardsticks, reading back, and a table that can be trusted."""

import csv
import json

import keras
import numpy as np
import pytest
from conftest import tiny_mnist

import A2_RNNs_text2image as script
import shared_blocks
import shared_data
import shared_run


@pytest.mark.parametrize(
    ("configuration", "parameters"),
    [
        ((1, 1, 512), 3_578_640),
        ((2, 1, 512), 5_677_840),
        ((1, 2, 512), 5_677_840),
        ((2, 2, 256), 2_053_904),
        ((3, 2, 256), 2_579_216),
    ],
)
def test_parameter_counts_are_the_reports(configuration, parameters):
    model = script.build_model(*configuration)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 3, 28, 28)
    assert configuration in script.CONFIGURATIONS


def test_yardsticks_are_the_mean_squared_errors_that_they_say():
    """Two writers, one black and one white: the mean glyph is grey, and half a unit off every pixel."""
    digits = np.zeros((20, 28, 28), np.uint8)
    digits[1::2] = 255
    bank = shared_blocks.GlyphBank(digits, np.repeat(np.arange(10), 2), seed=0)
    answers = shared_blocks.to_tokens(["123", " 45", "  6"])
    pictures = bank.draw(answers, np.random.default_rng(0))
    measured = script.yardsticks(bank, answers, answers, pictures)
    assert measured["mean_glyph_mse"] == pytest.approx(0.25 * 6 / 9)  # blanks are drawn without error
    shares = np.array([1 / 3, 2 / 3, 1])  # of digits at each position
    constant = np.broadcast_to((0.5 * shares)[None, :, None, None], pictures.shape)
    assert measured["constant_mse"] == pytest.approx(np.square(constant - pictures / 255).mean(), rel=1e-5)
    assert measured["constant_mse"] > measured["mean_glyph_mse"]


def test_diversity_is_one_for_real_glyphs_and_zero_for_one_picture_a_digit():
    images, labels = shared_data.draw_digits(300, seed=0)
    answers, pictures = labels.reshape(100, 3), images.reshape(100, 3, 28, 28)
    assert script.diversity(script.scale(pictures), pictures, answers) == pytest.approx(1)
    means = np.stack([script.scale(images[labels == digit]).mean(axis=0) for digit in range(10)])
    assert script.diversity(means[answers], pictures, answers) == pytest.approx(0, abs=1e-6)


def test_reader_reads_what_it_was_trained_on_and_is_reused(tmp_path, capsys):
    train, test = shared_data.draw_digits(4_000, seed=0), shared_data.draw_digits(500, seed=1)
    bank = shared_blocks.GlyphBank(*train, seed=0)
    reader = script.find_reader(train, bank, seed=0)
    assert "Training the digit reader" in capsys.readouterr().out
    assert (script.read(reader, script.scale(test[0])) == test[1]).mean() > 0.95
    tokens = shared_blocks.to_tokens(["-9 ", "  -"] * 20)
    pictures = script.scale(bank.draw(tokens, np.random.default_rng(0)))
    assert (script.read(reader, pictures) == tokens).mean() > 0.95
    again = script.find_reader(train, bank, seed=0)
    assert "Training" not in capsys.readouterr().out
    np.testing.assert_array_equal(again.get_weights()[0], reader.get_weights()[0])


def test_damaged_or_unkept_reader_is_trained_anew(monkeypatch, capsys):
    monkeypatch.setattr(script, "READER_EPOCHS", 1)
    digits = shared_data.draw_digits(40, seed=0)
    bank = shared_blocks.GlyphBank(*digits, seed=0)
    script.find_reader(digits, bank, seed=0)
    (kept,) = shared_data.DATA_DIR.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    script.find_reader(digits, bank, seed=0)
    printed = capsys.readouterr().out
    assert f"{kept}: is damaged" in printed
    assert "It is made anew" in printed
    kept.unlink()
    shared_data.DATA_DIR.rmdir()
    shared_data.DATA_DIR.write_text("a file where the folder should be")
    script.find_reader(digits, bank, seed=0)
    assert "could not be kept" in capsys.readouterr().out


def test_accuracies_count_glyphs_and_whole_answers():
    seen, true = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2, 3], [4, 5, 0]])
    assert script.accuracies("read", seen, true) == {"read_glyphs": pytest.approx(5 / 6), "read_answers": 0.5}


def run(tmp_path, *flags):
    mnist = tmp_path / "mnist.npz"
    return script.main(
        [
            *("--mnist", str(mnist if mnist.exists() else tiny_mnist(tmp_path))),
            *("--encoders", "1", "--decoders", "2", "--units", "16", "--limit", "120", "--batch-size", "16"),
            *("--out", str(tmp_path / "run"), *flags),
        ]
    )


def test_run_leaves_table_and_pictures_and_resumes_early_stopping(tmp_path, monkeypatch, without_xla):
    monkeypatch.setattr(script, "READER_EPOCHS", 1)
    monkeypatch.setattr(script, "SAMPLES", 2)
    name = "encoders1_decoders2_units16"
    run(tmp_path, "--epochs", "2")
    part = tmp_path / "run" / name
    files = {path.name for path in part.iterdir()}
    assert {"model.keras", "samples.png", "samples.gif", "curves.png", "misread.csv", "results.json"} <= files
    results = json.loads((part / "results.json").read_text())
    history = shared_run.read_history(part / "history.csv")
    assert results["val_loss"] == min(history["val_loss"])
    assert 0 < results["mean_glyph_mse"] < results["constant_mse"]
    with open(tmp_path / "run" / "table4.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["configuration"] == name
    assert float(row["val_loss"]) == results["val_loss"]
    with open(part / "misread.csv") as file:
        counts = [list(map(int, row[1:])) for row in list(csv.reader(file))[1:]]
    assert np.sum(counts) == 3 * 24

    resumed = run(tmp_path, "--epochs", "4", "--resume")
    assert resumed[f"{name}_epochs"] == 4
    unbroken = script.main(
        [
            *("--mnist", str(tmp_path / "mnist.npz"), "--encoders", "1", "--decoders", "2", "--units", "16"),
            *("--limit", "120", "--batch-size", "16", "--epochs", "4", "--out", str(tmp_path / "unbroken")),
        ]
    )
    for metric, value in unbroken.items():
        if not metric.endswith("_seconds"):
            assert resumed[metric] == value, metric


def test_a_run_that_had_stopped_early_is_not_trained_further(tmp_path, monkeypatch, without_xla):
    """With a learning rate of 0 nothing gets better, so that training stops after the second epoch."""
    monkeypatch.setattr(script, "READER_EPOCHS", 1)
    monkeypatch.setattr(script, "SAMPLES", 2)
    monkeypatch.setattr(script, "LEARNING_RATE", 0.0)
    run(tmp_path, "--epochs", "5", "--patience", "1")
    part = tmp_path / "run" / "encoders1_decoders2_units16"
    before = (part / "history.csv").read_text()
    assert len(before.splitlines()) == 3
    (part / "results.json").unlink()
    run(tmp_path, "--epochs", "7", "--patience", "1", "--resume")
    assert (part / "history.csv").read_text() == before
    assert (part / "results.json").exists()


def test_replay_brings_back_patience_and_learning_rate(tmp_path):
    """A plateau of four epochs, then a cut: the fifth must halve the rate and the sixth must stop the training."""
    rows = "".join(f"{epoch},1.0\n" for epoch in range(4))
    (tmp_path / "history.csv").write_text("epoch,val_loss\n" + rows)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse")
    plateau = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.5)
    stopping = keras.callbacks.EarlyStopping(patience=5)
    replay = shared_run.Replay(tmp_path, [plateau, stopping], learning_rate=0.1)
    for callback in (plateau, stopping, replay):
        callback.set_model(model)
        callback.on_train_begin()
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    for epoch in (4, 5):
        assert not model.stop_training
        for callback in (plateau, stopping):
            callback.on_epoch_end(epoch, {"val_loss": 1.0})
    assert model.stop_training
    assert float(model.optimizer.learning_rate) == pytest.approx(0.025)


def test_a_configuration_is_given_whole_or_not_at_all(capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(["--units", "5"])
    assert caught.value.code == 2
    assert "belong together" in capsys.readouterr().err
