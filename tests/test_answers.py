"""Answers are marked as one would by hand."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

import shared_answers
import shared_blocks
import shared_data
import shared_drawings
import shared_figures
import shared_readers
import shared_training


@pytest.mark.parametrize("query, group", [(" 7+15", "1+2"), (" 7+ 5", "1+1"), ("12- 3", "2-1"), ("  0-0", "1-1")])
def test_expressions_are_grouped_by_their_digits(query, group):
    assert shared_answers.digits_of(query) == group


def test_exact_match_wants_every_character():
    true = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 18", "-99", "198", "  0"]))
    guess = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 18", "-98", "891", "  0"]))
    assert np.asarray(shared_answers.exact_match(true, guess)).tolist() == [1, 0, 0, 1]


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
    assert shared_answers.error_kinds(query, answer, predicted) == kinds


def test_errors_are_counted(tmp_path):
    run = SimpleNamespace(folder=tmp_path, title=str)
    queries, answers = ["17+25", "95+17", " 9-12", "42-17"], [" 42", "112", " -3", " 25"]
    predicted = [" 42", " 12", "  3", " 35"]
    shared_answers.save_errors(run, *map(shared_blocks.to_tokens, (queries, answers, predicted)))
    with open(run.folder / "error_kinds.csv") as file:
        rows = list(csv.DictReader(file))
    counted = {row.pop("digits of the operands"): {k: int(v) for k, v in row.items() if int(v)} for row in rows}
    assert counted == {
        "2+2": {"asked": 2, "wrong": 1, "wrong length": 1, "lost carry or borrow": 1},
        "1-2": {"asked": 1, "wrong": 1, "wrong length": 1, "wrong sign": 1},
        "2-2": {"asked": 1, "wrong": 1, "off by ten": 1, "lost carry or borrow": 1},
    }
    with open(run.folder / "errors.csv") as file:
        assert [list(row.values()) for row in csv.DictReader(file)] == [
            ["95+17", "112", " 12", "wrong length; lost carry or borrow"],
            [" 9-12", " -3", "  3", "wrong length; wrong sign"],
            ["42-17", " 25", " 35", "off by ten; lost carry or borrow"],
        ]
    assert (run.folder / "errors.png").exists()


def test_diversity_is_one_for_real_glyphs_and_zero_for_one_picture_a_digit():
    images, labels = shared_drawings.draw_digits(300, seed=0)
    answers, pictures = labels.reshape(100, 3), images.reshape(100, 3, 28, 28)
    assert shared_readers.diversity(shared_figures.to_unit(pictures), pictures, answers) == pytest.approx(1)
    means = np.stack([shared_figures.to_unit(images[labels == digit]).mean(axis=0) for digit in range(10)])
    assert shared_readers.diversity(means[answers], pictures, answers) == pytest.approx(0, abs=1e-6)


def test_reader_reads_what_it_was_trained_on_and_is_reused(capsys):
    train, test = shared_drawings.draw_digits(4_000, seed=0), shared_drawings.draw_digits(500, seed=1)
    bank = shared_blocks.GlyphBank(*train, seed=0)
    reader = shared_answers.find_digit_reader(train, bank, seed=0)
    assert "Training the reader" in capsys.readouterr().out
    assert (shared_readers.read(reader, shared_figures.to_unit(test[0])) == test[1]).mean() > 0.95
    tokens = shared_blocks.to_tokens(["-9 ", "  -"] * 20)
    pictures = shared_figures.to_unit(bank.pick(tokens, np.random.default_rng(0)))
    assert (shared_readers.read(reader, pictures) == tokens).mean() > 0.95
    again = shared_answers.find_digit_reader(train, bank, seed=0)
    assert "Training" not in capsys.readouterr().out
    np.testing.assert_array_equal(again.get_weights()[0], reader.get_weights()[0])


def test_a_quick_reader_learns_for_one_epoch(capsys):
    digits = shared_drawings.draw_digits(200, seed=0)
    bank = shared_blocks.GlyphBank(*digits, seed=0)
    shared_answers.find_digit_reader(digits, bank, seed=0, quick=True)
    printed = capsys.readouterr().out
    assert "Training the reader, once: 1 epochs" in printed
    assert printed.count("accuracy:") == 1
    shared_answers.find_digit_reader(digits, bank, seed=0)
    assert "once: 6 epochs" in capsys.readouterr().out


def test_damaged_or_unkept_reader_is_trained_anew(monkeypatch, capsys):
    monkeypatch.setattr(shared_readers, "READER_EPOCHS", 1)
    digits = shared_drawings.draw_digits(40, seed=0)
    bank = shared_blocks.GlyphBank(*digits, seed=0)
    shared_answers.find_digit_reader(digits, bank, seed=0)
    (kept,) = shared_data.DATA_DIR.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    shared_answers.find_digit_reader(digits, bank, seed=0)
    printed = capsys.readouterr().out
    assert f"Warning: {kept}: is made anew" in printed
    np.savez(kept, np.zeros(3))  # whole, but of another model
    shared_answers.find_digit_reader(digits, bank, seed=0)
    assert f"Warning: {kept}: is made anew (holds another model.)" in capsys.readouterr().out
    kept.unlink()
    shared_data.DATA_DIR.rmdir()
    shared_data.DATA_DIR.write_text("a file where the folder should be")
    shared_answers.find_digit_reader(digits, bank, seed=0)
    assert "could not be kept" in capsys.readouterr().out


def test_a_reader_is_reused_for_the_same_lessons_alone(monkeypatch, capsys):
    monkeypatch.setattr(shared_readers, "train_reader", lambda *args: None)
    images, labels = shared_drawings.draw_digits(20, seed=0)

    def is_trained(images=images, labels=labels, rows=20, size=8, seed=0, epochs=1, settings=()):
        batches = shared_training.Batches((shared_figures.to_unit(images), labels), np.arange(rows), size)
        shared_readers.find_reader(batches, 13, seed, epochs, *settings)
        return "Training" in capsys.readouterr().out

    assert [is_trained(), is_trained()] == [True, False]
    others = {
        "images": 255 - images,
        "labels": labels[::-1],
        "rows": 19,
        "size": 7,
        "seed": 1,
        "epochs": 2,
        "settings": (1,),
    }
    for name, other in others.items():
        assert is_trained(**{name: other}), name


def test_glyphs_and_answers_are_read_back_each_epoch(monkeypatch):
    monkeypatch.setattr(shared_answers, "predict", lambda model, queries: queries)
    monkeypatch.setattr(shared_answers, "read", lambda reader, pictures: np.array([[1, 2, 3], [4, 5, 0]]))
    callback, logs = shared_answers.ReadBack(None, None, np.array([[1, 2, 3], [4, 5, 6]])), {}
    callback.set_model(None)
    callback.on_epoch_end(0, logs)
    assert logs == {"glyph_accuracy": pytest.approx(5 / 6), "answer_accuracy": 0.5}


def test_shares_are_of_characters_and_of_whole_answers():
    true, seen = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2, 3], [4, 5, 0]])
    assert shared_answers.shares_right(true, seen) == (pytest.approx(5 / 6), 0.5)


def test_no_wrong_answer_leaves_a_table_without_rows(tmp_path):
    run = SimpleNamespace(folder=tmp_path, title=str)
    tokens = [shared_blocks.to_tokens([text]) for text in ("17+25", " 42", " 42")]
    shared_answers.save_errors(run, *tokens)
    assert (tmp_path / "errors.csv").read_text() == "query,answer,predicted,kinds\n"


def test_misread_characters_are_counted(tmp_path):
    true, seen = (shared_blocks.to_tokens(texts) for texts in ([" 17", "-17"], [" 11", "-17"]))
    shared_answers.save_misread(tmp_path / "misread.csv", true, seen)
    with open(tmp_path / "misread.csv") as file:
        rows = {row.pop("true"): {k: int(v) for k, v in row.items() if int(v)} for row in csv.DictReader(file)}
    assert rows == {
        "'1'": {"read as '1'": 2},
        "'7'": {"read as '1'": 1, "read as '7'": 1},
        "'-'": {"read as '-'": 1},
        "' '": {"read as ' '": 1},
    }
