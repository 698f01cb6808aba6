"""Arithmetic from text to digit images by stacked LSTMs, with a reader that says what they show (report: table 4).

    python A2_RNNs_text2image.py                                         # the five configurations of table 4
    python A2_RNNs_text2image.py --encoders 1 --decoders 1 --units 512   # one of them, or any other
    python A2_RNNs_text2image.py --encoders 1 --decoders 1 --units 512 --batch-size 32 --epochs 150 --patience 30

Model: Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 2014, with a dense layer that draws each
of the three glyphs of the answer. The loss is the mean squared error over pixels in [0, 1]. Nobody can foretell a
handwriting from an expression, so the best that can be drawn is the mean of all glyphs of the right character; its
error, `mean_glyph_mse`, is the floor. `constant_mse` is that of one picture for each position, which needs no query.

Data: all 20,000 sums and differences of two numbers 0..99; digits from MNIST, which keras.datasets fetches once or
`--mnist` names, else drawn ones.

Measured, MNIST, two CPU cores (AMD EPYC), TensorFlow 2.21, beside other work: the first configuration .0512 ± .0017
over seeds 0 to 2, the others .0541 ± .0002, which is their `constant_mse`: nothing learnt (82 to 316 s each). The third
command, seed 0, 150 epochs in 2,397 s: .0381, which is `mean_glyph_mse`, and the reader (right on 99.09 % of MNIST's
test digits) reads every one of the 4,000 held-out answers right.

Writes `runs/A2_RNNs_text2image/`: settings.json, results.json, table4.csv (ours beside the report's), and for each
configuration, `encoders<n>_decoders<n>_units<n>/`: history.csv, curves.png (figure 15), samples/epoch_NNN.png,
samples.gif, samples.png (figure 14), misread.csv (what the reader took for what), results.json (of the best epoch),
model.keras, checkpoint/. The reader itself is kept in `data/`.

Departs from the report: the split is shuffled, queries are padded in front, the output is a sigmoid; answers are drawn
anew each epoch, from other digits than those of the validation; what is drawn is read back.
"""

import csv
import zlib

import keras
import numpy as np
from keras import layers

import shared_blocks
import shared_data
import shared_run

CONFIGURATIONS = ((1, 1, 512), (2, 1, 512), (1, 2, 512), (2, 2, 256), (3, 2, 256))  # encoders, decoders, units
EPOCHS = 20
BATCH_SIZE = 128
PATIENCE = 5  # epochs without a better validation loss before training stops
RATE_PATIENCE = 0.6  # times PATIENCE: epochs without one before the learning rate is halved
LEARNING_RATE = 1e-3
TRAIN_SHARE = 0.8
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 25  # in one call of the compiled graph
WATCHED = 1_000  # validation expressions that are read back after each epoch; at the end all are
READER_EPOCHS = 6
READER_BATCH_SIZE = 128
SAMPLES = 12
REPORT = {  # best validation loss and MAE of the report's table 4
    "encoders1_decoders1_units512": (0.0535, 0.1140),
    "encoders2_decoders1_units512": (0.0546, 0.1184),
    "encoders1_decoders2_units512": (0.0545, 0.1169),
    "encoders2_decoders2_units256": (0.0546, 0.1202),
    "encoders3_decoders2_units256": (0.0546, 0.1212),
}

QUERY_SHAPE = (shared_blocks.QUERY_LENGTH, len(shared_blocks.CHARACTERS))
GLYPH_SHAPE = (shared_blocks.GLYPH_SIZE, shared_blocks.GLYPH_SIZE)
ANSWER_SHAPE = (shared_blocks.ANSWER_LENGTH, *GLYPH_SHAPE)


def build_model(encoders, decoders, units):
    """Return a model of table 4: one-hot query (batch, 5, 13) -> pictures (batch, 3, 28, 28) in [0, 1].

    Args:
        encoders: number of stacked LSTMs that read the query.
        decoders: number of stacked LSTMs that write the answer.
        units: of every LSTM.
    """
    query = x = keras.Input(QUERY_SHAPE, name="query")
    for index in range(1, encoders + 1):
        x = layers.LSTM(units, return_sequences=index < encoders, unroll=True, name=f"encoder_{index}")(x)
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(x)
    for index in range(1, decoders + 1):
        x = layers.LSTM(units, return_sequences=True, unroll=True, name=f"decoder_{index}")(x)
    x = layers.Dense(shared_blocks.GLYPH_SIZE**2, activation="sigmoid", name="pixels")(x)
    return keras.Model(query, layers.Reshape(ANSWER_SHAPE, name="pictures")(x), name="text2image")


def build_reader():
    """Return the digit reader: pictures (batch, 28, 28) in [0, 1] -> probabilities of the characters (batch, 13)."""
    picture = keras.Input(GLYPH_SHAPE, name="picture")
    x = layers.Reshape((*GLYPH_SHAPE, 1), name="channel")(picture)
    for index, filters in enumerate((32, 64), start=1):
        x = layers.Conv2D(filters, kernel_size=3, activation="relu", name=f"conv_{index}")(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(128, activation="relu", name="dense")(x)
    return keras.Model(picture, layers.Dense(QUERY_SHAPE[1], activation="softmax", name="character")(x), name="reader")


def find_reader(train_digits, bank, seed):
    """Return a reader of digits, minus and blank, trained now or, by the same code on the same digits, before.

    Args:
        train_digits: pair of uint8 (count, 28, 28) and labels (count,).
        bank: `GlyphBank` of these digits, for the minus signs and blanks.
        seed: of weights and order.
    """
    reader = build_reader()
    name = shared_data.digest(*map(zlib.crc32, train_digits), reader.to_json(), seed, READER_EPOCHS, READER_BATCH_SIZE)
    path = shared_data.DATA_DIR / f"digit_reader_{name}.npz"
    reader.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    one_process = shared_run.shares()[1] == 1  # another process might not have it, and must not train it alone
    if one_process and path.exists():
        try:
            shared_run.load_state(path, reader)
            return reader
        except shared_data.InputError as error:
            print(f"Warning: {error} It is made anew.")
    train_reader(reader, train_digits, bank, seed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shared_run.save_state(path, reader)
    except OSError as error:
        print(f"Warning: the reader could not be kept in {path.parent} ({error.strerror}); the run goes on without.")
    return reader


def train_reader(reader, train_digits, bank, seed):
    """Train the compiled reader on all digits and, as often as each, on minus signs and blanks; see `find_reader`."""
    print("Training the digit reader, once.")
    signs = shared_blocks.to_tokens(["-", " "]).repeat(len(train_digits[1]) // 10)
    pictures = np.concatenate([train_digits[0], bank.draw(signs, np.random.default_rng(seed))])
    characters = np.concatenate([train_digits[1], signs]).astype(np.int32)
    batches = shared_run.Batches(
        (pictures, characters), np.arange(len(pictures)), READER_BATCH_SIZE, lambda x, y, rng: (scale(x), y)
    )
    reader.fit(
        batches,
        epochs=READER_EPOCHS,
        shuffle=False,
        callbacks=[shared_run.SeedEachEpoch(seed, batches)],
        verbose=2,
    )


def scale(pictures):
    """Map uint8 pictures from 0..255 to float32 in [0, 1]."""
    return pictures.astype(np.float32) / 255


def read(reader, pictures):
    """Return the characters that the reader sees: pictures (..., 28, 28) in [0, 1] -> tokens (...)."""
    seen = shared_run.predict(reader, pictures.reshape(-1, *GLYPH_SHAPE))
    return seen.argmax(-1).reshape(pictures.shape[:-2])


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
        right = read(self.reader, shared_run.predict(self.model, self.queries)) == self.answers
        logs["glyph_accuracy"] = float(right.mean())
        logs["answer_accuracy"] = float(right.all(axis=1).mean())


def yardsticks(bank, train_answers, answers, pictures):
    """Return the mean squared errors that knowing nothing, and knowing everything but the handwriting, would have.

    Args:
        bank: `GlyphBank` to train with.
        train_answers: tokens (count, 3) of the answers trained on.
        answers: tokens (count, 3) of the validation answers.
        pictures: uint8 (count, 3, 28, 28), the validation pictures.

    Returns:
        dict with `constant_mse` and `mean_glyph_mse`.
    """
    means = scale(np.stack([glyphs.mean(axis=0) for glyphs in np.split(bank.glyphs, bank.starts[1:])]))
    constant = means[train_answers].mean(axis=0)
    return {
        "constant_mse": mean_squared_error(np.broadcast_to(constant, pictures.shape), pictures),
        "mean_glyph_mse": mean_squared_error(means[answers], pictures),
    }


def mean_squared_error(guess, pictures, chunk=1_000):
    """Return the mean squared difference between values in [0, 1] and uint8 pictures, chunk by chunk."""
    pairs = ((guess[i : i + chunk], scale(pictures[i : i + chunk])) for i in range(0, len(pictures), chunk))
    return float(sum(np.square(a - b).sum(dtype=np.float64) for a, b in pairs) / pictures.size)


def diversity(generated, pictures, answers):
    """Return how much generated glyphs of a digit differ from each other, as a share of how much real ones do.

    It is the standard deviation of each pixel over all glyphs of a digit, averaged over pixels and digits; one mean
    picture for each digit would have 0.

    Args:
        generated: (count, 3, 28, 28) in [0, 1].
        pictures: uint8 of that shape, the real glyphs.
        answers: their tokens (count, 3).
    """
    digits = [digit for digit in range(10) if (answers == digit).any()]
    spread = [
        np.mean([values[answers == digit].std(axis=0).mean() for digit in digits])
        for values in (generated, scale(pictures))
    ]
    return float(spread[0] / spread[1])


def draw_from(bank):
    """Return the function that makes a batch of the model from one of tokens, in glyphs of a `GlyphBank`."""
    return lambda query, answer, rng: (shared_blocks.to_one_hot(query), scale(bank.draw(answer, rng)))


def run_configuration(run, configuration, data, banks, reader):
    """Train one configuration, read back what it draws, and write its part of the run.

    Args:
        run: the `shared_run.Run`.
        configuration: encoders, decoders, units.
        data: tokens of queries (count, 5) and answers (count, 3), and the rows to train and to validate with.
        banks: two `GlyphBank`, to train and to validate with.
        reader: as from `find_reader`.
    """
    encoders, decoders, units = configuration
    part, args = run.part(f"encoders{encoders}_decoders{decoders}_units{units}", run.source), run.args
    if part.is_done(args.epochs):
        return
    queries, answers, train_rows, validation_rows = data

    train = shared_run.Batches((queries, answers), train_rows, args.batch_size, draw_from(banks[0]))
    validation = shared_run.Batches((queries, answers), validation_rows, 500, draw_from(banks[1]))
    keras.utils.set_random_seed(args.seed)
    model = build_model(*configuration)
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="mean_squared_error",
        metrics=[keras.metrics.MeanAbsoluteError(name="mae")],
        **shared_blocks.fast_lstm(STEPS_PER_EXECUTION),
    )
    drawn_for_validation = (validation.whole(index)[1] for index in range(len(validation)))
    real = np.concatenate([np.rint(255 * pictures).astype(np.uint8) for pictures in drawn_for_validation])
    asked, true = shared_blocks.to_one_hot(queries[validation_rows]), answers[validation_rows]
    watched = np.random.default_rng(args.seed).permutation(len(asked))[:WATCHED]
    shown = watched[:SAMPLES]

    def save_samples(name, text):
        drawn = shared_run.predict(model, asked[shown])
        texts = [shared_blocks.to_texts(t) for t in (queries[validation_rows][shown], true[shown], read(reader, drawn))]
        save_expected_above_drawn(part.folder / name, real[shown], drawn, texts, part.title(text))

    initial_epoch = part.restore(model)
    stopped = part.has_stopped("val_loss", args.patience)
    counting = [
        keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=max(1, round(RATE_PATIENCE * args.patience))),
        keras.callbacks.EarlyStopping(patience=args.patience),
    ]
    model.fit(
        train,
        validation_data=validation,
        epochs=initial_epoch if stopped else args.epochs,
        initial_epoch=initial_epoch,
        shuffle=False,  # Batches orders itself, by seed and epoch
        callbacks=[
            ReadBack(reader, asked[watched], true[watched]),
            *counting,
            shared_run.Replay(part.folder, counting, LEARNING_RATE),
            *part.callbacks(batches=train, save_samples=save_samples, best="val_loss"),
        ],
        verbose=part.verbose,
    )
    part.restore_best(model)
    model.save(part.folder / "model.keras")
    save_samples("samples.png", "expected above generated")
    drawn = shared_run.predict(model, asked)
    seen = read(reader, drawn)
    save_misread(part, true, seen)
    part.finish(
        {
            "mean squared error": ["loss"],
            "mean absolute error": ["mae"],
            "read back": ["glyph_accuracy", "answer_accuracy"],
        },
        args.epochs,
        best="val_loss",
        parameters=model.count_params(),
        **accuracies("read", seen, true),
        **accuracies("read_real", read(reader, scale(real)), true),
        diversity=diversity(drawn, real, true),
        **yardsticks(banks[0], answers[train_rows], true, real),
    )


def save_expected_above_drawn(path, real, drawn, texts, title):
    """Write a figure of real answers (count, 3, 28, 28), uint8, above those drawn, in [0, 1].

    Args:
        path: file to write.
        real: see above.
        drawn: see above.
        texts: lists of the queries, of their true answers, and of what the reader reads in `drawn`.
        title: of the figure.
    """
    rows = (real, shared_run.to_uint8(drawn, low=0, high=1))
    stacked = np.concatenate([np.concatenate(np.moveaxis(row, 1, 0), axis=-1) for row in rows], axis=1)
    captions = [
        (f"{query.strip()} = {answer.strip()}, read {seen.strip()}", answer == seen)
        for query, answer, seen in zip(*texts, strict=True)
    ]
    shared_run.save_captioned(path, stacked, captions, title, columns=6)


def accuracies(name, seen, true):
    """Return {name_glyphs: share of right characters, name_answers: of right answers} of tokens (count, 3)."""
    right = seen == true
    return {f"{name}_glyphs": float(right.mean()), f"{name}_answers": float(right.all(axis=1).mean())}


def save_misread(part, true, seen):
    """Write `misread.csv`, how often each true character (a row) was read as each other (a column)."""
    counts = np.zeros((len(shared_blocks.CHARACTERS),) * 2, int)
    np.add.at(counts, (true.ravel(), seen.ravel()), 1)
    with open(part.folder / "misread.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true", *(f"read as {character!r}" for character in shared_blocks.CHARACTERS)])
        writer.writerows([repr(c), *row] for c, row in zip(shared_blocks.CHARACTERS, counts, strict=True) if any(row))


def read_table(run):
    """Return {configuration: numbers} of table 4 for all configurations that have ended, None where unknown."""
    columns = (
        "parameters",
        "epochs",
        "val_loss",
        "val_mae",
        "report_val_loss",
        "report_val_mae",
        "constant_mse",
        "mean_glyph_mse",
        "read_glyphs",
        "read_answers",
        "read_real_glyphs",
        "read_real_answers",
        "diversity",
        "seconds",
    )
    table = {}
    for path in sorted(run.folder.glob("encoders*/results.json")):
        name, numbers = path.parent.name, shared_run.read_json(path)
        if name in REPORT:
            numbers["report_val_loss"], numbers["report_val_mae"] = REPORT[name]
        table[name] = {column: numbers.get(column) for column in columns}
    return table


def save_table(run, table):
    """Write `table4.csv` and print it."""
    path = run.folder / "table4.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["configuration", *next(iter(table.values()))])
        writer.writerows([name, *numbers.values()] for name, numbers in table.items())
    print(path.read_text())


def main(argv=None):
    """Train the configurations that are asked for and not yet done, and return the numbers of table 4.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    parser = shared_run.command_line(__file__, epochs=EPOCHS, batch_size=BATCH_SIZE, limit=LIMIT, unit="expressions")
    positive = shared_run.positive
    parser.add_argument("--encoders", type=positive, help="encoder LSTMs of one configuration (all five of table 4)")
    parser.add_argument("--decoders", type=positive, help="its decoder LSTMs")
    parser.add_argument("--units", type=positive, help="units of its LSTMs")
    parser.add_argument("--patience", type=positive, default=PATIENCE, help="epochs until early stopping (%(default)s)")
    args = parser.parse_args(argv)
    one = (args.encoders, args.decoders, args.units)
    if any(one) and not all(one):
        parser.error("--encoders, --decoders and --units belong together")
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    rows = shared_blocks.split_expressions(queries, TRAIN_SHARE, args.seed)
    train_digits, test_digits, digits = shared_data.find_digits(args.mnist, args.seed)
    banks = [
        shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate((train_digits, test_digits))
    ]
    run = shared_run.Run(
        __file__,
        args,
        shared_run.constants(globals()),
        f"{len(queries):,} expressions in {digits}",
        may_change=("encoders", "decoders", "units", "mnist"),
    )
    keras.utils.set_random_seed(args.seed)
    reader = find_reader(train_digits, banks[0], args.seed)
    reader_accuracy = float((read(reader, scale(test_digits[0])) == test_digits[1]).mean())
    print(f"The reader reads {reader_accuracy:.2%} of the test digits.")
    data = (queries, answers, *rows)
    for configuration in [one] if all(one) else CONFIGURATIONS:
        run_configuration(run, configuration, data, banks, reader)
    table = read_table(run)
    save_table(run, table)
    numbers = {"reader_accuracy": reader_accuracy}
    for name, row in table.items():
        numbers |= {f"{name}_{column}": number for column, number in row.items() if number is not None}
    run.report(numbers)
    return numbers


if __name__ == "__main__":
    shared_run.run_script(main)
