"""What scores arithmetic: how much is right, which kinds of mistake, and what a reader sees in generated answers."""

from collections import Counter

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from shared_blocks import CHARACTERS, to_texts, to_tokens
from shared_figures import DPI, save_captioned, to_unit
from shared_files import write_table
from shared_readers import READER_BATCH_SIZE, find_reader, read, reader_epochs
from shared_training import Batches, predict

ERROR_KINDS = (
    "off by one",
    "off by ten",
    "wrong sign",
    "lost carry or borrow",
    "wrong length",
    "wrong padding",
    "not a number",
    "other",
)


def exact_match(y_true, y_pred):
    """Return 1.0 for each answer (batch, 3, 13) of which all characters are right, else 0.0: (batch,)."""
    right = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
    return ops.cast(ops.all(right, axis=-1), "float32")


def shares_right(answers, predicted):
    """Return the share of characters, and that of whole answers, that are right in tokens (count, 3)."""
    right = answers == predicted
    return float(right.mean()), float(right.all(axis=1).mean())


def error_kinds(query, answer, predicted):
    """Return the names out of ERROR_KINDS of what is wrong with `predicted`; more than one may hold.

    Args:
        query: text such as "17+25".
        answer: the true answer as text.
        predicted: the wrong answer as text.
    """
    kinds = []
    if len(predicted.strip()) != len(answer.strip()):
        kinds.append("wrong length")
    try:
        value = int(predicted)
    except ValueError:
        return [*kinds, "not a number"]
    true = int(answer)
    if value == true:
        kinds.append("wrong padding")
    if abs(value - true) in (1, 10):
        kinds.append("off by one" if abs(value - true) == 1 else "off by ten")
    if value == -true != 0:
        kinds.append("wrong sign")
    if value in without_carry(query, true):
        kinds.append("lost carry or borrow")
    return kinds or ["other"]


def without_carry(query, true):
    """Return the answers that come out if a carry of the sum, or the borrow of the difference, `query` is forgotten."""
    if "+" in query:
        a, b = map(int, query.split("+"))
        without_tens = true - 10 * (a % 10 + b % 10 >= 10)
        return {without_tens, true % 100, without_tens % 100} - {true}
    a, b = map(int, query.split("-"))
    needs_borrow = max(a, b) % 10 < min(a, b) % 10
    return {true + (10 if true > 0 else -10)} if needs_borrow else set()


def digits_of(query):
    """Return operator and digits of a query's operands: "1+2" for " 7+15"."""
    sign = "+" if "+" in query else "-"
    return sign.join(str(len(operand.strip())) for operand in query.split(sign))


def save_errors(run, queries, answers, predicted):
    """Write the wrong ones of predicted answers to `errors.csv`, their kinds to `error_kinds.csv`, and `errors.png`.

    Args:
        run: the `shared_run.Run`, or part of one.
        queries: int tokens (count, 5).
        answers: int tokens (count, 3) of the true answers.
        predicted: int tokens (count, 3).
    """
    queries, *columns = map(to_texts, (queries, answers, predicted))
    wrong = [
        {"query": query, "answer": answer, "predicted": guess, "kinds": "; ".join(error_kinds(query, answer, guess))}
        for query, answer, guess in zip(queries, *columns, strict=True)
        if guess != answer
    ]
    write_table(run.folder / "errors.csv", wrong, ["query", "answer", "predicted", "kinds"])

    groups = {
        group: {"digits of the operands": group, "asked": n} for group, n in Counter(map(digits_of, queries)).items()
    }
    for group, numbers in sorted(groups.items()):
        failed = [row["kinds"].split("; ") for row in wrong if digits_of(row["query"]) == group]
        numbers |= {"wrong": len(failed), **{kind: sum(kind in kinds for kinds in failed) for kind in ERROR_KINDS}}
    groups = [groups[group] for group in sorted(groups)]
    write_table(run.folder / "error_kinds.csv", groups)
    save_error_figure(
        run.folder / "errors.png", groups, wrong, run.title(f"{len(wrong):,} wrong answers of {len(queries):,}")
    )


def save_error_figure(path, groups, wrong, title):
    """Write a figure of the kinds of error by operator, the share of wrong answers by digits, and ten examples.

    Args:
        path: file to write.
        groups: the rows of `error_kinds.csv`.
        wrong: the rows of `errors.csv`.
        title: of the figure.
    """
    figure = Figure(figsize=(13, 3.8), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=10)
    by_kind, by_digits, texts = figure.subplots(1, 3)
    for offset, sign in ((-0.2, "+"), (0.2, "-")):
        sums = [sum(row[kind] for row in groups if sign in row["digits of the operands"]) for kind in ERROR_KINDS]
        by_kind.barh(np.arange(len(ERROR_KINDS)) + offset, sums, height=0.4, label=sign)
    by_kind.set(title="kinds of error (one may be of several)", xlabel="wrong answers")
    by_kind.set_yticks(range(len(ERROR_KINDS)), ERROR_KINDS)
    by_kind.legend()
    shares = {row["digits of the operands"]: 100 * row["wrong"] / row["asked"] for row in groups}
    by_digits.bar(shares.keys(), shares.values())
    by_digits.set(title="by operator and digits of the operands", ylabel="% wrong")
    by_digits.tick_params(axis="x", rotation=45)
    examples = [wrong[index] for index in np.random.default_rng(0).permutation(len(wrong))[:10]]
    lines = [
        "{query} ={answer:>4}, not {predicted:>3}: ".format(**row) + row["kinds"].replace(";", ",") for row in examples
    ]
    texts.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=8, transform=texts.transAxes)
    texts.set_title(f"{len(examples)} of them")
    texts.axis("off")
    figure.savefig(path)


def save_answers(path, pictures, tokens, verb, title, columns):
    """Write pictures with a caption each: query, true answer, and what was made of it, green if that is right.

    Args:
        path: file to write.
        pictures: uint8 (count, rows, glyphs, 28, 28), rows of glyphs below each other.
        tokens: int tokens of the queries (count, 5), of the true answers and of those seen in it, (count, 3) each.
        verb: before the latter, such as "read".
        title: of the figure.
        columns: pictures in a row.
    """
    count, rows, glyphs, height, width = pictures.shape
    joined = pictures.swapaxes(2, 3).reshape(count, rows * height, glyphs * width)
    captions = [
        (f"{query.strip()} = {answer.strip()}, {verb} {seen.strip()}", answer == seen)
        for query, answer, seen in zip(*map(to_texts, tokens), strict=True)
    ]
    save_captioned(path, joined, captions, title, columns)


def find_digit_reader(digits, bank, seed, quick=False):
    """Return a reader of digits, minus and blank, as `shared_readers.find_reader`.

    Args:
        digits: pair of uint8 (count, 28, 28) and labels (count,), to train with.
        bank: `GlyphBank` of these digits, for the minus signs and blanks.
        seed: of weights and order.
        quick: whether to train for one epoch, for a first look.
    """
    return find_reader(digit_batches(digits, bank, seed), len(CHARACTERS), seed, reader_epochs(quick))


def digit_batches(digits, bank, seed):
    """Return what a reader learns from: `Batches` of all digits and, as often as each, minus signs and blanks."""
    signs = to_tokens(["-", " "]).repeat(len(digits[1]) // 10)
    pictures = np.concatenate([digits[0], bank.pick(signs, np.random.default_rng(seed))])
    characters = np.concatenate([digits[1], signs]).astype(np.int32)
    rows = np.arange(len(pictures))
    return Batches((pictures, characters), rows, READER_BATCH_SIZE, lambda x, y, rng: (to_unit(x), y))


class ReadBack(keras.callbacks.Callback):
    """Log how much of what is generated for `queries` the reader reads as the true answers: by glyph and by answer."""

    def __init__(self, reader, queries, answers):
        """Take the reader, one-hot queries (count, 5, 13) and the tokens (count, 3) of their answers."""
        super().__init__()
        self.reader = reader
        self.queries = queries
        self.answers = answers

    def on_epoch_end(self, epoch, logs=None):
        """Add `glyph_accuracy` and `answer_accuracy` to what the later callbacks see."""
        seen = read(self.reader, predict(self.model, self.queries))
        logs["glyph_accuracy"], logs["answer_accuracy"] = shares_right(self.answers, seen)


def save_misread(path, answers, seen):
    """Write how often each true character (a row) of tokens (count, 3) was read as each other (a column)."""
    counts = np.zeros((len(CHARACTERS),) * 2, int)
    np.add.at(counts, (answers.ravel(), seen.ravel()), 1)
    columns = [f"read as {character!r}" for character in CHARACTERS]
    rows = [
        {"true": repr(c), **dict(zip(columns, row, strict=True))} for c, row in zip(CHARACTERS, counts, strict=True)
    ]
    write_table(path, [row for row, occurs in zip(rows, counts.any(axis=1), strict=True) if occurs])
