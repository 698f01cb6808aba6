"""The expressions, their pictures, and the script that learns from them."""

import numpy as np
import pytest
from conftest import tiny_mnist

import shared_blocks
import shared_data
import shared_run
import task2_txt2txtimg2txt as script


@pytest.fixture(scope="module")
def texts():
    return shared_blocks.arithmetic_expressions()


def test_all_expressions_are_right_and_padded_in_front(texts):
    queries, answers = texts
    assert len(queries) == len(set(queries)) == 20_000
    assert {len(query) for query in queries} == {5}
    assert {len(answer) for answer in answers} == {3}
    for query, answer in zip(queries, answers, strict=True):
        assert not query.endswith(" ")
        sign = 1 if "+" in query else -1
        first, second = map(int, query.replace("-", "+").split("+"))
        assert int(answer) == first + sign * second
    assert {min(map(int, answers)), max(map(int, answers))} == {-99, 198}
    assert " 1+17" in queries
    assert answers[queries.index(" 1+17")] == " 18"


def test_tokens_and_one_hot_lead_back_to_the_text(texts):
    queries, answers = texts
    tokens = shared_blocks.to_tokens(queries)
    assert tokens.dtype == np.int8
    assert shared_blocks.to_texts(tokens) == queries
    one_hot = shared_blocks.to_one_hot(tokens)
    assert one_hot.shape == (20_000, 5, 13)
    assert one_hot.dtype == np.float32
    assert (one_hot.sum(axis=-1) == 1).all()
    assert shared_blocks.to_texts(one_hot.argmax(-1)) == queries
    assert shared_blocks.to_one_hot(shared_blocks.to_tokens(answers)).shape == (20_000, 3, 13)


@pytest.mark.parametrize("commuted_together", [False, True])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.05])
def test_no_expression_is_on_both_sides(texts, share, commuted_together):
    queries = texts[0]
    tokens = shared_blocks.to_tokens(queries)
    train, test = shared_blocks.split_expressions(tokens, share, 1, commuted_together)
    assert abs(len(train) - share * 20_000) <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(20_000))
    trained = {queries[row].strip() for row in train}
    twins = 0
    for row in test:
        query = queries[row].strip()
        assert query not in trained
        if "+" in query:
            twins += "+".join(reversed(query.split("+"))) in trained
    assert (twins == 0) == commuted_together
    again, _ = shared_blocks.split_expressions(tokens, share, 1, commuted_together)
    other, _ = shared_blocks.split_expressions(tokens, share, 2, commuted_together)
    np.testing.assert_array_equal(train, again)
    assert not np.array_equal(train, other)


def test_pictures_show_their_text():
    """Glyphs of a bank whose pictures carry their own label can be read back."""
    labels = np.repeat(np.arange(10), 30)
    digits = np.broadcast_to((labels + 1).astype(np.uint8)[:, None, None] * 10, (300, 28, 28)).copy()
    digits[:, 0, 0] = np.arange(300) % 30
    bank = shared_blocks.GlyphBank(digits, labels, seed=0)
    tokens = shared_blocks.to_tokens([" 0+99", "12-34", "56+78"])
    pictures = bank.draw(tokens, np.random.default_rng(0))
    assert pictures.shape == (3, 5, 28, 28)
    assert pictures.dtype == np.uint8
    for row, text in enumerate([" 0+99", "12-34", "56+78"]):
        for picture, character in zip(pictures[row], text, strict=True):
            if character.isdigit():
                assert (picture[1:] == (int(character) + 1) * 10).all()
            elif character == " ":
                assert (picture == 0).all()
            else:
                across, down = picture[14, 8:21].mean(), picture[8:12, 14].mean() + picture[17:20, 14].mean()
                assert across > 100
                assert (down > 100) == (character == "+")
    np.testing.assert_array_equal(pictures, bank.draw(tokens, np.random.default_rng(0)))
    nines = bank.draw(np.full(200, 9), np.random.default_rng(1))
    assert len(np.unique(nines[:, 0, 0])) > 20  # all of a digit's glyphs are used
    strokes = bank.draw(np.full(50, shared_blocks.CHARACTERS.index("-")), np.random.default_rng(1))
    assert len(np.unique(strokes.reshape(50, -1), axis=0)) > 40
    assert ((strokes > 0) & (strokes < 255)).any()


def test_drawn_digits_can_be_told_apart():
    images, labels = shared_data.draw_digits(1_500, seed=0)
    assert images.shape == (1_500, 28, 28)
    assert images.dtype == np.uint8
    flat = images.reshape(len(images), -1).astype(np.float32)
    known, asked = flat[:1000], flat[1000:]
    nearest = np.argmin((known**2).sum(axis=1) - 2 * asked @ known.T, axis=1)
    assert (labels[nearest] == labels[1000:]).mean() > 0.9
    assert flat[labels == 3].std(axis=0).mean() > 20


def test_mnist_files(tmp_path, capsys, monkeypatch):
    train, test, source = shared_data.find_digits(tiny_mnist(tmp_path), seed=0)
    assert (len(train[0]), len(test[0]), source) == (200, 100, "MNIST")
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x_train=np.zeros(3))
    np.savez(tmp_path / "objects.npz", **{f"{x}_{part}": np.array([{}]) for x in "xy" for part in ("train", "test")})
    whole = (tmp_path / "mnist.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.npz").write_bytes(whole[:3000] + bytes(200) + whole[3200:])
    for name in ("nowhere.npz", "text.npz", "other.npz", "objects.npz", "cut.npz", "flipped.npz"):
        with pytest.raises(shared_data.InputError, match=name):
            shared_data.find_digits(tmp_path / name, seed=0)

    def fail():
        raise Exception("no network")

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    monkeypatch.setattr(shared_data, "DRAWN_DIGITS", {"train": 20, "test": 10})
    train, test, source = shared_data.find_digits(None, seed=0)
    assert (len(train[0]), len(test[0])) == (20, 10)
    assert "drawn digits" in source
    assert "MNIST cannot be had (no network)" in capsys.readouterr().out


def test_parameter_counts_are_the_reports():
    assert script.build_text_model().count_params() == 805_133
    layer_params = {layer.name: layer.count_params() for layer in script.build_flatten_model(True).layers}
    assert (layer_params["encoder"], layer_params["decoder"], layer_params["answer"]) == (1_065_984, 525_312, 3_341)
    for augmented in (True, False):
        assert script.build_flatten_model(augmented).count_params() == 1_594_637
        assert script.build_convolution_model(augmented).count_params() == 6_989_581


def test_augmentation_is_on_in_training_only():
    pictures = shared_data.draw_digits(10, seed=0)[0].reshape(2, 5, 28, 28)
    model = script.build_flatten_model(augmented=True)
    prepared = script.keras.Model(model.input, model.get_layer("translation").output)
    tested = np.asarray(prepared(pictures, training=False)).reshape(10, 28, 28)
    np.testing.assert_allclose(tested, pictures.reshape(10, 28, 28) / 255, atol=1e-6)
    trained = np.asarray(prepared(pictures, training=True)).reshape(10, 28, 28)
    assert all(np.abs(new - old).mean() > 0.01 for new, old in zip(trained, tested, strict=True))
    plain = script.build_flatten_model(augmented=False)
    assert {layer.name for layer in model.layers} - {layer.name for layer in plain.layers} >= {"rotation", "zoom"}


def test_exact_match_wants_every_character():
    true = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 18", "-99", "198", "  0"]))
    guess = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 18", "-98", "891", "  0"]))
    assert np.asarray(script.exact_match(true, guess)).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("query", "predicted", "kinds"),
    [
        ("17+25", " 41", ["off by one"]),
        ("17+25", " 32", ["off by ten", "lost carry or borrow"]),
        ("10+25", " 25", ["off by ten"]),
        ("95+17", " 12", ["wrong length", "lost carry or borrow"]),
        ("95+17", "  2", ["wrong length", "lost carry or borrow"]),
        ("42-17", " 35", ["off by ten", "lost carry or borrow"]),
        ("17-42", "-35", ["off by ten", "lost carry or borrow"]),
        ("48-17", " 41", ["off by ten"]),
        (" 3-12", "  9", ["wrong length", "wrong sign"]),
        ("10-20", "-9 ", ["wrong length", "off by one"]),
        ("17+25", "4-2", ["wrong length", "not a number"]),
        ("17+25", " 77", ["other"]),
    ],
)
def test_errors_are_named(query, predicted, kinds):
    first, second = map(int, query.replace("-", "+").split("+"))
    answer = str(first + second if "+" in query else first - second).rjust(3)
    assert script.error_kinds(query, answer, predicted) == kinds


def test_text_model_learns_a_few_expressions_by_heart(texts):
    queries, answers = (shared_blocks.to_tokens(column[::500]) for column in texts)
    script.keras.utils.set_random_seed(0)
    model = script.build_text_model()
    script.compile_model(model)
    rows = np.arange(len(queries))
    batches = shared_run.Batches((queries, answers), rows, 20, script.to_one_hot_batch)
    history = model.fit(batches, epochs=60, verbose=0, shuffle=False).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.8


def run(*flags):
    return script.main([*map(str, flags), "--limit", "60", "--epochs", "1", "--batch-size", "8"])


def test_parts_run_alone_and_are_not_done_twice(tmp_path, capsys):
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
    wrong = (tmp_path / "run" / "text_0.5" / "errors.csv").read_text().splitlines()[1:]
    assert len(wrong) == round(30 * (1 - first["text_0.5_test_exact_match"]))


def test_augmented_image_models_run_and_resume(tmp_path):
    flags = ("--part", "image", "--mnist", tiny_mnist(tmp_path), "--out", tmp_path / "run")
    run(*flags)
    done = tmp_path / "run" / "image_flatten_augmented" / "results.json"
    done.unlink()
    before = shared_run.read_history(done.parent / "history.csv")
    run(*flags, "--resume")
    assert done.exists()
    assert shared_run.read_history(done.parent / "history.csv") == before
    assert (tmp_path / "run" / "image_accuracy_augmented.png").exists()


@pytest.mark.parametrize("flags", [("--shares", "1.5"), ("--shares", "x"), ("--part", "sound")])
def test_wrong_flags_get_one_line(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(list(flags))
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
