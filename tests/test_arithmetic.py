"""The expressions, their pictures, and the script that learns from them."""

import csv

import numpy as np
import pytest
from conftest import parse, tiny_mnist

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
    images, labels = shared_data.draw_digits(4_500, seed=0)
    assert images.shape == (4_500, 28, 28)
    assert images.dtype == np.uint8
    flat = images.reshape(len(images), -1).astype(np.float32)
    known, asked = flat[:4000], flat[4000:]
    nearest = np.argmin((known**2).sum(axis=1) - 2 * asked @ known.T, axis=1)
    assert (labels[nearest] == labels[4000:]).mean() > 0.9
    assert flat[labels == 3].std(axis=0).mean() > 20


def test_mnist_files(tmp_path, capsys, monkeypatch):
    train, test, source = shared_data.find_digits(tiny_mnist(tmp_path), seed=0)
    assert (len(train[0]), len(test[0]), source) == (200, 100, "digits of mnist.npz")
    with np.load(tmp_path / "mnist.npz") as file:
        np.savez(tmp_path / "columns.npz", **{name: np.asfortranarray(file[name]) for name in file.files})
    (images, _), _, _ = shared_data.find_digits(tmp_path / "columns.npz", seed=0)
    np.testing.assert_array_equal(images, train[0])
    assert images.flags.c_contiguous  # as a checksum wants it
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
        ("55+47", " 92", ["wrong length", "off by ten", "lost carry or borrow"]),
        ("55+47", " -8", ["wrong length"]),
        ("55+47", "  2", ["wrong length", "lost carry or borrow"]),
        ("12-12", "0  ", ["wrong padding"]),
        ("17+25", "4-2", ["wrong length", "not a number"]),
        ("17+25", " 77", ["other"]),
    ],
)
def test_errors_are_named(query, predicted, kinds):
    first, second = map(int, query.replace("-", "+").split("+"))
    answer = str(first + second if "+" in query else first - second).rjust(3)
    assert script.error_kinds(query, answer, predicted) == kinds


def test_errors_are_counted(tmp_path):
    run = shared_run.Run("script.py", parse(), {}, "expressions")
    queries, answers = ["17+25", "95+17", " 9-12", "42-17"], [" 42", "112", " -3", " 25"]
    script.save_errors(run, queries, answers, [" 42", " 12", "  3", " 35"])
    with open(run.folder / "error_kinds.csv") as file:
        rows = list(csv.DictReader(file))
    counted = {row.pop("digits of the operands"): {k: int(v) for k, v in row.items() if int(v)} for row in rows}
    assert counted == {
        "2+2": {"asked": 2, "wrong": 1, "wrong length": 1, "lost carry or borrow": 1},
        "1-2": {"asked": 1, "wrong": 1, "wrong length": 1, "wrong sign": 1},
        "2-2": {"asked": 1, "wrong": 1, "off by ten": 1, "lost carry or borrow": 1},
    }
    assert len((run.folder / "errors.csv").read_text().splitlines()) == 4
    assert (run.folder / "errors.png").exists()


def test_a_split_without_a_side_is_refused(texts):
    tokens = shared_blocks.to_tokens(texts[0])
    for share in (1e-6, 1 - 1e-6):
        with pytest.raises(shared_data.InputError, match="cannot be split"):
            shared_blocks.split_expressions(tokens, share, 0)


def test_limit_takes_a_part_of_the_expressions(capsys):
    queries, answers = shared_blocks.sample_expressions(50, seed=0)
    assert (queries.shape, answers.shape) == ((50, 5), (50, 3))
    assert len({text.strip()[0] for text in shared_blocks.to_texts(queries)}) > 3  # not the first ones only
    assert capsys.readouterr().out == ""
    assert len(shared_blocks.sample_expressions(30_000, seed=0)[0]) == 20_000
    assert "the limit is 30,000 expressions; there are 20,000" in capsys.readouterr().out


def test_banks_of_other_seeds_share_no_stroke():
    digits = shared_data.draw_digits(10, seed=0)
    banks = [shared_blocks.GlyphBank(*digits, [0, index]) for index in (0, 1)]
    signs = [set(map(bytes, bank.glyphs[10:-1])) for bank in banks]
    assert min(map(len, signs)) > 1_900
    assert not signs[0] & signs[1]


def test_image_models_are_trained_and_tested_with_their_own_glyphs(tmp_path, monkeypatch):
    """Training digits are marked by a bright corner, test digits by a grey one."""
    marks = {"train": 255, "test": 99}
    arrays = {}
    for part, mark in marks.items():
        images, labels = shared_data.draw_digits(50, seed=0)
        images[:, 0, 0] = mark
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez(tmp_path / "marked.npz", **arrays)
    seen = {}

    def train(part, model, batches, watched, epochs):
        for name, data in (("train", batches), ("test", watched)):
            corners = np.concatenate([data[index][0][:, :, 0, 0].ravel() for index in range(len(data))])
            seen[name] = set(corners.tolist()) - {0}
        rows = [
            {shared_blocks.to_texts(row[None])[0] for row in data.arrays[0][data.rows]} for data in (batches, watched)
        ]
        assert not rows[0] & rows[1]
        seen["commuted"] = {text for text in rows[1] if "+" in text and "+".join(text.split("+")[::-1]) in rows[0]}
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "train", train)
    flags = ["--part", "image", "--mnist", str(tmp_path / "marked.npz"), "--no-augmentation"]
    for together in ([], ["--commuted-together"]):
        with pytest.raises(KeyboardInterrupt):
            script.main([*flags, *together])
        assert {name: seen[name] for name in marks} == {"train": {255}, "test": {99}}
        assert bool(seen["commuted"]) != bool(together)


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


def test_augmented_image_models_resume_as_if_never_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(script, "CONVOLUTION_EPOCHS", 1)  # times as many epochs as the flatten model
    flags = ["--part", "image", "--mnist", tiny_mnist(tmp_path), "--limit", 50, "--batch-size", 8, "--out"]
    for name, epochs in (("unbroken", [2]), ("broken", [1, 2])):
        for index, count in enumerate(epochs):
            resume = ["--resume"] if index else []
            script.main([*map(str, [*flags, tmp_path / name]), "--epochs", str(count), *resume])
    for model in ("flatten", "convolution"):
        histories = [
            shared_run.read_history(tmp_path / name / f"image_{model}_augmented" / "history.csv")
            for name in ("unbroken", "broken")
        ]
        for history in histories:
            assert history.pop("epoch") == [0, 1]
            history.pop("seconds")
        assert histories[0] == histories[1]
    assert (tmp_path / "broken" / "image_accuracy_augmented.png").exists()


@pytest.mark.parametrize("flags", [("--shares", "1.5"), ("--shares", "x"), ("--part", "sound")])
def test_wrong_flags_get_one_line(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(list(flags))
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
