"""What scores arithmetic: how much is right, which kinds of mistake, and what a reader sees in generated answers."""

from collections import Counter

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_data
from shared_blocks import CHARACTERS, GLYPH_SHAPE, to_texts, to_tokens
from shared_checkpoints import assign, state_variables, to_arrays
from shared_figures import DPI, save_captioned, to_unit
from shared_files import InputError, digest, fingerprint, make_folder, read_arrays, write_arrays, write_table
from shared_training import Batches, SeedEachEpoch, device_layout, predict

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
READER_EPOCHS = 6
READER_BATCH_SIZE = 128


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
    return sign.join(str(len(operand)) for operand in query.strip().split(sign))


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


def build_reader(seed):
    """Return a compiled digit reader with new weights: (batch, 28, 28) in [0, 1] -> probabilities (batch, 13)."""
    keras.utils.set_random_seed(seed)
    picture = keras.Input(GLYPH_SHAPE, name="picture")
    x = layers.Reshape((*GLYPH_SHAPE, 1), name="channel")(picture)
    for index, filters in enumerate((32, 64), start=1):
        x = layers.Conv2D(filters, kernel_size=3, activation="relu", name=f"conv_{index}")(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(128, activation="relu", name="dense")(x)
    x = layers.Dense(len(CHARACTERS), activation="softmax", name="character")(x)
    reader = keras.Model(picture, x, name="reader")
    reader.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return reader


def reader_epochs(quick):
    """Return for how many epochs a reader is trained, one if it is for a first look."""
    return 1 if quick else READER_EPOCHS


def find_reader(digits, bank, seed, quick=False):
    """Return a reader of digits, minus and blank, trained now or, on the same digits, before.

    It is kept in `data/` under a name that follows from digits, model, seed and the constants above.

    Args:
        digits: pair of uint8 (count, 28, 28) and labels (count,), to train with.
        bank: `GlyphBank` of these digits, for the minus signs and blanks.
        seed: of weights and order.
        quick: whether to train for one epoch instead of READER_EPOCHS, for a first look.
    """
    reader, epochs = build_reader(seed), reader_epochs(quick)
    name = digest(fingerprint(*digits), reader.get_config(), seed, epochs, READER_BATCH_SIZE)
    path = shared_data.DATA_DIR / f"digit_reader_{name}.npz"
    one_process = device_layout()[1] == 1  # another process might not have it, and must not train it alone
    if one_process and path.exists():
        try:
            assign(state_variables(reader), read_arrays(path))
            return reader
        except InputError as error:
            print(f"Warning: {path}: is made anew ({error})")
    print(f"Training the digit reader, once: {epochs} epochs, on all of MNIST each of 10 to 20 s.")
    train_reader(reader, digits, bank, seed, epochs)
    try:
        make_folder(path.parent)
        write_arrays(path, **to_arrays(state_variables(reader), "state"))
    except (InputError, OSError) as error:
        print(f"Warning: the reader could not be kept in {path.parent} ({error}); the run goes on without.")
    return reader


def train_reader(reader, digits, bank, seed, epochs):
    """Train a compiled reader on all digits and, as often as each, on minus signs and blanks; see `find_reader`."""
    signs = to_tokens(["-", " "]).repeat(len(digits[1]) // 10)
    pictures = np.concatenate([digits[0], bank.pick(signs, np.random.default_rng(seed))])
    characters = np.concatenate([digits[1], signs]).astype(np.int32)
    batches = Batches(
        (pictures, characters), np.arange(len(pictures)), READER_BATCH_SIZE, lambda x, y, rng: (to_unit(x), y)
    )
    reader.fit(batches, epochs=epochs, shuffle=False, callbacks=[SeedEachEpoch(seed, batches)], verbose=2)


def read(reader, pictures):
    """Return the characters that the reader sees: pictures (..., 28, 28) in [0, 1] -> tokens (...)."""
    return read_surely(reader, pictures)[0]


def read_surely(reader, pictures):
    """Return the characters that the reader sees, as `read`, and how probable it holds them, (...)."""
    seen = predict(reader, pictures.reshape(-1, *GLYPH_SHAPE))
    return tuple(values.reshape(pictures.shape[:-2]) for values in (seen.argmax(-1), seen.max(-1)))


def reader_accuracy(reader, digits):
    """Return the share of digits, a pair of uint8 (count, 28, 28) and labels (count,), that the reader reads right."""
    return float(np.mean(read(reader, to_unit(digits[0])) == digits[1]))


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


def diversity(generated, pictures, answers):
    """Return how much generated glyphs of a digit differ from each other, as a share of how much real ones do.

    It is the standard deviation of each pixel over all glyphs of a digit, averaged over pixels and digits; one mean
    picture for each digit would have 0.

    Args:
        generated: (count, 3, 28, 28), or (count, 28, 28), in [0, 1].
        pictures: uint8 of that shape, the real glyphs.
        answers: their tokens (count, 3), or (count,).

    Returns:
        float; 0.0 if there is no digit, or one real glyph of each alone.
    """
    digits = [digit for digit in range(10) if (answers == digit).any()]
    spread = [
        np.sum([values[answers == digit].std(axis=0).mean() for digit in digits])
        for values in (generated, to_unit(pictures))
    ]
    return float(spread[0] / spread[1]) if spread[1] else 0.0


def save_misread(path, answers, seen):
    """Write how often each true character (a row) of tokens (count, 3) was read as each other (a column)."""
    counts = np.zeros((len(CHARACTERS),) * 2, int)
    np.add.at(counts, (answers.ravel(), seen.ravel()), 1)
    columns = [f"read as {character!r}" for character in CHARACTERS]
    rows = [
        {"true": repr(c), **dict(zip(columns, row, strict=True))} for c, row in zip(CHARACTERS, counts, strict=True)
    ]
    write_table(path, [row for row, occurs in zip(rows, counts.any(axis=1), strict=True) if occurs])
