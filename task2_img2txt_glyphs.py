"""Arithmetic from digit images to text by a model that reads glyph by glyph, with symbols that nobody taught it.

    python task2_img2txt_glyphs.py                      # MNIST through keras.datasets, or drawn digits
    python task2_img2txt_glyphs.py --mnist mnist.npz

The models of `task2_txt2txtimg2txt` read a whole glyph as 784 numbers, or five glyphs with one recurrent convolution.
Here one small convolution reads every glyph by itself (shared weights: LeCun et al., "Gradient-Based Learning Applied
to Document Recognition", 1998) and may only say which of 32 symbols it is; the same encoder-decoder calculates with
that. It learns from answers alone: no glyph is labelled. Batch normalisation spreads the symbols over the glyphs;
without it all glyphs begin as the same symbol, and nothing is learnt. Training glyphs are turned, sheared and moved a
little; the answer is written from the right, and units and tens have places of their own, as in
`task2_txt2txt_identities`. While it learns, the calculator sees the probabilities of all symbols; the finished model
answers from the most probable symbol of each glyph. Afterwards labels give the symbols their names: a symbol is named
after the commonest character among the training glyphs that have it.

Writes `runs/task2_img2txt_glyphs/`: settings.json, history.csv, curves.png, results.json, symbols.png (what each symbol
stands for), answers.png, wrong.png (wrong answers, with what was read), misread.csv, errors.csv, error_kinds.csv and
errors.png (every wrong answer), model.keras (pictures to answers), reader.keras (glyphs to symbols), checkpoint/.
The digit reader that it is compared with is kept in `data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops

import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_figures
import shared_readers
import shared_run
import shared_training
from shared_drawings import cv2  # as it is set up there

UNITS = 256  # of both LSTMs
FILTERS = 16  # of the first convolution; the second has twice as many
SYMBOLS = 32  # more than the 13 characters, as one is written in several ways
SHARPNESS = 3.0  # deviation of the symbols' logits
EPOCHS = 80
COSINE_EPOCHS = 80  # after which the learning rate is 0, and nothing more is learnt
BATCH_SIZE = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.3
TURN, SHEAR, ZOOM, MOVE = 0.1, 0.1, 0.08, 0.8  # deviations: radians, slope, logarithm of the size, pixels
MOMENTUM = 0.95  # of batch normalisation
TRAIN_SHARE = 0.8  # of the expressions
LIMIT = 20_000  # expressions, which is all
QUICK = 2_000  # expressions; with fewer the labelled reader learns for one epoch instead of six
NAMED_BY = 10_000  # training glyphs
WATCHED = 5_000  # test glyphs that are read after each epoch
SHOWN = 12  # answers, and glyphs of a symbol
LOOKS = ("SHOWN", "LOOKS")  # what a resumed run may change
TINY = {
    **{"UNITS": 8, "FILTERS": 4, "SYMBOLS": 8, "LIMIT": 60, "NAMED_BY": 100, "WATCHED": 50},
    **{"EPOCHS": 1, "COSINE_EPOCHS": 3},
}

GLYPHS_SHAPE = (shared_blocks.QUERY_LENGTH, *shared_blocks.GLYPH_SHAPE)


def build_reader():
    """Return the reader of one glyph: (batch, 28, 28) in [0, 1] -> probabilities of the symbols (batch, SYMBOLS)."""
    glyph = keras.Input(shared_blocks.GLYPH_SHAPE, name="glyph")
    x = layers.Reshape((*shared_blocks.GLYPH_SHAPE, 1), name="channel")(glyph)
    options = {"strides": 2, "padding": "same", "activation": "relu"}
    x = layers.Conv2D(FILTERS, kernel_size=5, name="conv_1", **options)(x)
    x = layers.Conv2D(2 * FILTERS, kernel_size=3, name="conv_2", **options)(x)
    x = layers.Dropout(DROPOUT, name="dropout")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(128, activation="relu", name="dense")(x)
    x = layers.Dense(SYMBOLS, name="logits")(x)
    x = layers.BatchNormalization(center=False, scale=False, momentum=MOMENTUM, name="spread")(x)
    x = layers.Softmax(name="symbol")(layers.Rescaling(SHARPNESS, name="sharpen")(x))
    return keras.Model(glyph, x, name="reader")


def build_calculator():
    """Return the encoder-decoder: symbols (batch, 5, SYMBOLS) -> probabilities (batch, 3, 13), in order of reading."""
    symbols = keras.Input((shared_blocks.QUERY_LENGTH, SYMBOLS), name="symbols")
    x = layers.LSTM(UNITS, unroll=True, name="encoder")(symbols)
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(x)
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="decoder")(x)
    x = layers.Dense(len(shared_blocks.CHARACTERS), activation="softmax", name="answer")(ops.flip(x, axis=1))
    return keras.Model(symbols, x, name="calculator")


def build_model(reader, calculator, decided=False):
    """Return both as one model: uint8 pictures (batch, 5, 28, 28) -> probabilities (batch, 3, 13).

    Args:
        reader: as from `build_reader`.
        calculator: as from `build_calculator`.
        decided: whether the calculator sees the most probable symbol alone, one-hot, through which nothing can be
            learnt, instead of all probabilities.
    """
    pictures = keras.Input(GLYPHS_SHAPE, dtype="uint8", name="pictures")
    x = layers.Rescaling(1 / 255, name="scale")(pictures)
    x = reader(ops.reshape(x, (-1, *shared_blocks.GLYPH_SHAPE)))
    x = ops.one_hot(ops.argmax(x, axis=-1), SYMBOLS) if decided else x
    return keras.Model(pictures, calculator(ops.reshape(x, (-1, shared_blocks.QUERY_LENGTH, SYMBOLS))), name="glyphs")


def align(queries):
    """Return int8 tokens of queries (count, 5), padded in front of each number instead of in front of the whole."""
    parts = map(shared_blocks.read_query, shared_blocks.to_texts(queries))
    return shared_blocks.to_tokens([shared_blocks.write_query(*each, aligned=True) for each in parts])


def move(glyphs, rng):
    """Return uint8 glyphs (..., 28, 28), each turned, sheared, zoomed and moved a little by chance about its centre."""
    flat = glyphs.reshape(-1, *shared_blocks.GLYPH_SHAPE)
    count = len(flat)
    turn, shear = rng.normal(0, TURN, count), rng.normal(0, SHEAR, count)
    zoom, shift = np.exp(rng.normal(0, ZOOM, (count, 1, 2))), rng.normal(0, MOVE, (count, 2, 1))
    rows = [[np.cos(turn), shear - np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrices = np.moveaxis(np.array(rows), 2, 0) * zoom
    centre = np.array(shared_blocks.GLYPH_SHAPE)[:, None] / 2 - 0.5
    matrices = np.concatenate([matrices, centre - matrices @ centre + shift], axis=2)
    size = shared_blocks.GLYPH_SHAPE[::-1]
    moved = [cv2.warpAffine(glyph, matrix, size) for glyph, matrix in zip(flat, matrices, strict=True)]
    return np.stack(moved).reshape(glyphs.shape)


def queries_in_glyphs(bank, moved):
    """Return the function that makes a batch from one of tokens, in glyphs of a `GlyphBank`, `moved` or as they are."""

    def transform(query, answer, rng):
        glyphs = bank.pick(query, rng)
        return move(glyphs, rng) if moved else glyphs, shared_blocks.to_one_hot(answer)

    return transform


def symbols_of(reader, glyphs):
    """Return the most probable symbol of each of uint8 glyphs (..., 28, 28): int (...)."""
    return shared_readers.read(reader, shared_figures.to_unit(glyphs))


def count_symbols(reader, glyphs, tokens):
    """Return how often glyphs of each character have each symbol: int (SYMBOLS, 13).

    Args:
        reader: as from `build_reader`.
        glyphs: uint8 (count, 28, 28).
        tokens: int (count,), what they are.
    """
    counts = np.zeros((SYMBOLS, len(shared_blocks.CHARACTERS)), int)
    np.add.at(counts, (symbols_of(reader, glyphs), tokens), 1)
    return counts


def name_symbols(counts):
    """Return the token that most glyphs with each symbol are, that of a blank if none is: counts -> int (SYMBOLS,)."""
    return np.where(counts.any(axis=1), counts.argmax(axis=1), shared_blocks.CHARACTERS.index(" "))


def example_glyphs(bank, count, seed):
    """Return glyphs of a `GlyphBank`, each character about as often as the others, and their tokens.

    Returns:
        uint8 (count, 28, 28) and int (count,).
    """
    tokens = np.arange(count) % len(shared_blocks.CHARACTERS)
    return bank.pick(tokens, np.random.default_rng(seed)), tokens


class ReadEachEpoch(keras.callbacks.Callback):
    """Log `reading`, the share of test glyphs whose symbol has the name of what they are."""

    def __init__(self, reader, named_by, watched):
        """Take the reader and two pairs of glyphs and tokens, as from `example_glyphs`."""
        super().__init__()
        self.reader, self.named_by, self.watched = reader, named_by, watched

    def on_epoch_end(self, epoch, logs=None):
        """Add it to what the later callbacks see."""
        glyphs, tokens = self.watched
        names = name_symbols(count_symbols(self.reader, *self.named_by))
        logs["reading"] = float(np.mean(names[symbols_of(self.reader, glyphs)] == tokens))


def save_symbols(run, reader, names, glyphs, tokens):
    """Write symbols.png: glyphs of each symbol that is used, its name, and how many of its glyphs are that."""
    seen = symbols_of(reader, glyphs)
    rows, captions = [], []
    for symbol in sorted(np.unique(seen), key=lambda symbol: names[symbol]):
        its = np.flatnonzero(seen == symbol)
        share = np.mean(tokens[its] == names[symbol])
        row = glyphs[np.resize(its, SHOWN)] * (np.arange(SHOWN) < len(its))[:, None, None].astype(np.uint8)
        rows.append(np.concatenate(row, axis=1))
        captions.append((f"{shared_blocks.CHARACTERS[names[symbol]]!r} {share:.1%} of {len(its):,}", share > 0.5))
    title = run.title("symbols and what most glyphs with them are")
    shared_figures.save_captioned(run.folder / "symbols.png", np.stack(rows), captions, title, columns=4)


def save_pictures(run, name, pictures, tokens, read, text):
    """Write pictures of expressions with what was read and answered.

    Args:
        run: the `shared_run.Run`.
        name: of the file.
        pictures: uint8 (count, 5, 28, 28).
        tokens: of queries (count, 5), true answers and given answers (count, 3).
        read: tokens of what was read (count, 5).
        text: for the title.
    """
    query, true, given, seen = (shared_blocks.to_texts(part) for part in (*tokens, read))
    captions = [
        (f"{q} = {t.strip()}: read {s}, answered {g.strip()}", g == t)
        for q, t, g, s in zip(query, true, given, seen, strict=True)
    ]
    joined = pictures.swapaxes(1, 2).reshape(len(pictures), pictures.shape[2], -1)
    shared_figures.save_captioned(run.folder / name, joined, captions, run.title(text), columns=3)


def main(argv=None):
    """Train, find out what was read and what was calculated wrong, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    args = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="expressions").parse_args(argv)
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    train_rows, test_rows = shared_blocks.split_expressions(queries, TRAIN_SHARE, args.seed)
    queries = align(queries)
    *sets, source = shared_data.find_digits(args.data, args.seed)
    data = [queries, answers, *sets[0], *sets[1]]
    run = shared_run.Run(globals(), args, f"{len(queries):,} expressions in {source}", data, LOOKS)
    banks = [shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate(sets)]
    batches = shared_training.Batches(
        (queries, answers), train_rows, args.batch_size, queries_in_glyphs(banks[0], moved=True)
    )
    held_out = shared_training.Batches((queries, answers), test_rows, 500, queries_in_glyphs(banks[1], moved=False))
    named_by = example_glyphs(banks[0], NAMED_BY, args.seed)
    watched = example_glyphs(banks[1], WATCHED, args.seed)

    keras.utils.set_random_seed(args.seed)
    reader, calculator = build_reader(), build_calculator()
    model = build_model(reader, calculator)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, COSINE_EPOCHS * len(batches))
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY),
        loss="categorical_crossentropy",
        metrics=["accuracy", shared_answers.exact_match],
    )
    callbacks = [ReadEachEpoch(reader, named_by, watched)]
    history = run.fit(model, batches, epochs=args.epochs, validation_data=held_out, callbacks=callbacks)
    model = build_model(reader, calculator, decided=True)
    run.save_model("model.keras", model)
    run.save_model("reader.keras", reader)

    pictures, _ = held_out.all()
    asked, true = queries[test_rows], answers[test_rows]
    given = shared_training.predict(model, pictures).argmax(-1)
    counts = count_symbols(reader, *named_by)
    names, seen = name_symbols(counts), symbols_of(reader, pictures)
    read = names[seen]
    right, misread = (given == true).all(axis=1), (read != asked).any(axis=1)
    typical = np.eye(SYMBOLS, dtype=np.float32)[counts.argmax(axis=0)]  # the commonest symbol of each character
    calculated = shared_training.predict(calculator, typical[asked]).argmax(-1)
    labelled = shared_answers.find_digit_reader(sets[0], banks[0], args.seed, quick=len(queries) < QUICK)
    right_by_it = shared_readers.read(labelled, shared_figures.to_unit(pictures)) == asked
    right_by_it |= asked == shared_blocks.CHARACTERS.index("+")  # which it has never seen

    save_symbols(run, reader, names, *watched)
    shown = np.random.default_rng(0).permutation(len(asked))
    for name, rows, text in (
        ("answers.png", shown[:SHOWN], "test pictures"),
        ("wrong.png", shown[~right[shown]][: 2 * SHOWN], f"{(~right).sum():,} wrong answers of {len(right):,}"),
    ):
        if len(rows):
            save_pictures(run, name, pictures[rows], (asked[rows], true[rows], given[rows]), read[rows], text)
    shared_answers.save_errors(run, asked, true, given)
    shared_answers.save_misread(run.folder / "misread.csv", asked, read)
    panels = {
        "loss": ["loss"],
        "accuracy per character": ["accuracy"],
        "exact match": ["exact_match"],
        "glyphs read right": ["reading"],
    }
    test_accuracy, test_exact_match = shared_answers.shares_right(true, given)
    return run.finish(
        history,
        panels,
        args.epochs,
        test_accuracy=test_accuracy,
        test_exact_match=test_exact_match,
        read_queries=float(1 - misread.mean()),
        wrong_misread=float(np.mean(misread & ~right)),
        wrong_calculated=float(np.mean(~misread & ~right)),
        exact_match_ideal=shared_answers.shares_right(true, calculated)[1],
        read_queries_labelled=float(right_by_it.all(axis=1).mean()),
        symbols_used=len(np.unique(seen)),
    )


if __name__ == "__main__":
    shared_command_line.run_script(main)
