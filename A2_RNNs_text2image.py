"""Arithmetic from text to digit images by stacked LSTMs, with a reader that says what they show (report: table 4).

    python A2_RNNs_text2image.py                                         # the five configurations of table 4
    python A2_RNNs_text2image.py --encoders 1 --decoders 1 --units 512 --batch-size 32 --epochs 150 --patience 30

Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 2014, but the code of the query goes into each
step of the decoder, and no output is fed back; a dense layer writes each of the three glyphs of the answer. The loss is
the mean squared error over pixels in [0, 1]. An expression does not say in which handwriting its answer will be. So the
floor is `mean_glyph_mse`, the error of the mean glyph of each right character; `constant_mse` is the error of one
picture for each position, which needs no query.

Writes `runs/A2_RNNs_text2image/`: settings.json, results.json, table4.csv (ours beside the report's), and for each
configuration, `encoders<n>_decoders<n>_units<n>/`: history.csv, curves.png (figure 15), samples/, samples.gif,
samples.png (figure 14), misread.csv (what the reader took for what), results.json (of the best epoch), model.keras,
checkpoint/. The reader is kept in `data/`.
Departs from the report: the split is shuffled, queries are padded in front, the output is a sigmoid; answers are made
anew each epoch, from other digits than those of the validation; what is generated is read back.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

from math import prod

import numpy as np
from keras import layers

import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_figures
import shared_files
import shared_readers
import shared_run
import shared_training

CONFIGURATIONS = ((1, 1, 512), (2, 1, 512), (1, 2, 512), (2, 2, 256), (3, 2, 256))  # encoders, decoders, units
EPOCHS = 20
BATCH_SIZE = 128
PATIENCE = 5  # epochs without a better validation loss before training stops
RATE_PATIENCE = 0.6  # times PATIENCE: epochs without one better by 0.0001 before the learning rate is halved
LEARNING_RATE = 1e-3
TRAIN_SHARE = 0.8
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 25  # in one call of the compiled graph
WATCHED = 1_000  # validation expressions that are read back after each epoch; at the end all are
QUICK = 2_000  # expressions; with fewer the reader learns for one epoch instead of six, and reads a little worse
SAMPLES = 12
REPORT = {  # best validation loss and MAE of the report's table 4
    "encoders1_decoders1_units512": (0.0535, 0.1140),
    "encoders2_decoders1_units512": (0.0546, 0.1184),
    "encoders1_decoders2_units512": (0.0545, 0.1169),
    "encoders2_decoders2_units256": (0.0546, 0.1202),
    "encoders3_decoders2_units256": (0.0546, 0.1212),
}
TABLE = (  # columns of table4.csv
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
TINY = {"CONFIGURATIONS": ((1, 1, 8),), "LIMIT": 60, "BATCH_SIZE": 16, "EPOCHS": 1}  # for the tests

ANSWER_SHAPE = (shared_blocks.ANSWER_LENGTH, *shared_blocks.GLYPH_SHAPE)


def build_model(encoders, decoders, units):
    """Return a model of table 4: one-hot query (batch, 5, 13) -> pictures (batch, 3, 28, 28) in [0, 1].

    Args:
        encoders: number of stacked LSTMs that read the query.
        decoders: number of stacked LSTMs that write the answer.
        units: of every LSTM.
    """
    query = x = keras.Input(shared_blocks.QUERY_SHAPE, name="query")
    for index in range(1, encoders + 1):
        x = layers.LSTM(units, return_sequences=index < encoders, unroll=True, name=f"encoder_{index}")(x)
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(x)
    for index in range(1, decoders + 1):
        x = layers.LSTM(units, return_sequences=True, unroll=True, name=f"decoder_{index}")(x)
    x = layers.Dense(prod(shared_blocks.GLYPH_SHAPE), activation="sigmoid", name="pixels")(x)
    return keras.Model(query, layers.Reshape(ANSWER_SHAPE, name="pictures")(x), name="text2image")


def compile_model(model, **options):
    """Give a model its optimiser, loss and metrics, and `compile` some more options."""
    optimizer, mae = keras.optimizers.Adam(LEARNING_RATE), keras.metrics.MeanAbsoluteError(name="mae")
    model.compile(optimizer=optimizer, loss="mean_squared_error", metrics=[mae], **options)


def answers_in_glyphs(bank):
    """Return the function that makes a batch of the model from one of tokens, in glyphs of a `GlyphBank`."""
    return lambda query, answer, rng: (
        shared_blocks.to_one_hot(query),
        shared_figures.to_unit(bank.pick(answer, rng)),
    )


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
    glyphs = np.split(bank.glyphs, bank.starts[1:])
    means = shared_figures.to_unit(np.stack([of_character.mean(axis=0) for of_character in glyphs]))
    constant = means[train_answers].mean(axis=0)
    return {
        "constant_mse": mean_squared_error(np.broadcast_to(constant, pictures.shape), pictures),
        "mean_glyph_mse": mean_squared_error(means[answers], pictures),
    }


def mean_squared_error(guess, pictures):
    """Return the mean squared difference between values in [0, 1] and uint8 pictures."""
    chunks = range(0, len(pictures), 1_000)  # all at once would take gigabytes
    pairs = ((guess[i : i + 1_000], shared_figures.to_unit(pictures[i : i + 1_000])) for i in chunks)
    return float(sum(np.square(a - b).sum(dtype=np.float64) for a, b in pairs) / pictures.size)


def run_configuration(run, count, configuration, expressions, banks, reader):
    """Train one configuration, read back what it generates, and write its part of the run.

    Args:
        run: the `shared_run.Run`.
        count: which part it is of how many, as text.
        configuration: encoders, decoders, units.
        expressions: tokens of queries (count, 5) and answers (count, 3), and the rows to train and to validate with.
        banks: two `GlyphBank`, to train and to validate with.
        reader: as from `shared_answers.find_digit_reader`.
    """
    name, args = "encoders{}_decoders{}_units{}".format(*configuration), run.args
    part = run.part(name, count)
    if part.is_done(args.epochs):
        return
    queries, answers, train_rows, validation_rows = expressions
    train = shared_training.Batches((queries, answers), train_rows, args.batch_size, answers_in_glyphs(banks[0]))
    validation = shared_training.Batches((queries, answers), validation_rows, 500, answers_in_glyphs(banks[1]))
    asked, real = validation.all()
    real = shared_figures.to_uint8(real, low=0, high=1)
    query, true = queries[validation_rows], answers[validation_rows]
    watched = np.random.default_rng(args.seed).permutation(len(asked))[:WATCHED]
    shown = watched[:SAMPLES]

    keras.utils.set_random_seed(args.seed)
    model = build_model(*configuration)
    compile_model(model, **shared_training.fast_steps(STEPS_PER_EXECUTION))

    def save_samples(name, text):
        generated = shared_training.predict(model, asked[shown])
        tokens = (query[shown], true[shown], shared_readers.read(reader, generated))
        pictures = np.stack([real[shown], shared_figures.to_uint8(generated, low=0, high=1)], axis=1)
        shared_answers.save_answers(part.folder / name, pictures, tokens, "read", part.title(text), columns=6)

    history = part.fit(
        model,
        train,
        epochs=args.epochs,
        validation_data=validation,
        save_samples=save_samples,
        callbacks=[
            shared_answers.ReadBack(reader, asked[watched], true[watched]),
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=max(1, round(RATE_PATIENCE * args.patience))),
            keras.callbacks.EarlyStopping(patience=args.patience),
        ],
        best="val_loss",
    )
    part.save_model("model.keras", model)
    save_samples("samples.png", "expected above generated")
    generated = shared_training.predict(model, asked)
    seen = shared_readers.read(reader, generated)
    shared_answers.save_misread(part.folder / "misread.csv", true, seen)
    read_glyphs, read_answers = shared_answers.shares_right(true, seen)
    seen_in_real = shared_readers.read(reader, shared_figures.to_unit(real))
    read_real_glyphs, read_real_answers = shared_answers.shares_right(true, seen_in_real)
    panels = {
        "mean squared error": ["loss"],
        "mean absolute error": ["mae"],
        "read back": ["glyph_accuracy", "answer_accuracy"],
    }
    part.finish(
        history,
        panels,
        args.epochs,
        best="val_loss",
        parameters=model.count_params(),
        read_glyphs=read_glyphs,
        read_answers=read_answers,
        read_real_glyphs=read_real_glyphs,
        read_real_answers=read_real_answers,
        diversity=shared_readers.diversity(generated, real, true),
        **yardsticks(banks[0], answers[train_rows], true, real),
    )


def save_table(run):
    """Write `table4.csv` of all configurations that have ended, print the gist of it, and return its rows."""
    rows = []
    for path in sorted(run.folder.glob("encoders[0-9]*_decoders[0-9]*_units*[0-9]/results.json")):
        name, numbers = path.parent.name, shared_files.read_results(path)
        numbers |= dict(zip(("report_val_loss", "report_val_mae"), REPORT.get(name, ()), strict=False))
        rows.append({"configuration": name, **{column: numbers[column] for column in TABLE if column in numbers}})
    shared_files.write_table(run.folder / "table4.csv", rows, ["configuration", *TABLE])
    shown = ("configuration", "val_loss", "report_val_loss", "mean_glyph_mse", "read_answers", "diversity")
    shared_files.print_table([{name: row.get(name, "") for name in shown} for row in rows])
    return rows


def main(argv=None):
    """Train the configurations that are asked for and not yet done, and return the numbers of table 4.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    parser = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="expressions")
    positive = shared_command_line.positive
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
    train_digits, test_digits, source = shared_data.find_digits(args.data, args.seed)
    data = [queries, answers, *train_digits, *test_digits]
    which_parts = ("CONFIGURATIONS", "TABLE", "encoders", "decoders", "units")
    run = shared_run.Run(globals(), args, f"{len(queries):,} expressions in {source}", data, which_parts)

    banks = [
        shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate((train_digits, test_digits))
    ]
    reader = shared_answers.find_digit_reader(train_digits, banks[0], args.seed, quick=len(queries) < QUICK)
    reader_accuracy = shared_readers.reader_accuracy(reader, test_digits)
    print(f"The reader reads {reader_accuracy:.2%} of the test digits.")
    configurations = [one] if all(one) else CONFIGURATIONS
    for index, configuration in enumerate(configurations, start=1):
        count = f"{index} of {len(configurations)}"
        run_configuration(run, count, configuration, (queries, answers, *rows), banks, reader)
    numbers = {"reader_accuracy": reader_accuracy}
    for row in save_table(run):
        name = row.pop("configuration")
        numbers |= {f"{name}_{column}": number for column, number in row.items()}
    run.save_results(numbers)
    return numbers


if __name__ == "__main__":
    shared_command_line.run_script(main)
