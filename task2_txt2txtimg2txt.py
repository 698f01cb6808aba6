"""Arithmetic by LSTM encoder-decoders: from text to text, and from digit images to text (report: tables 1-3).

    python task2_txt2txtimg2txt.py                                     # both parts, the image models with augmentation
    python task2_txt2txtimg2txt.py --part image --no-augmentation --resume    # adds those without (figure 13)

Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 2014, but the code of the query goes into each
step of the decoder, and no output is fed back; the convolution model reads with the ConvLSTM of Shi et al., 2015. The
loss is the categorical cross-entropy of a character, in nats. A part that is done is not done again on --resume.

Writes `runs/task2_txt2txtimg2txt/`: settings.json, results.json, text_accuracy_by_share.png (figure 10),
text_accuracy_by_epoch.png (11), image_accuracy_<augmented|plain>.png (12 and 13), and for each part,
`text_<share>/` or `image_<model>_<augmented|plain>/`: history.csv, curves.png, results.json, model.keras, checkpoint/,
for text errors.csv, error_kinds.csv and errors.png (every wrong answer), for images answers.png.
Departs from the report: pixels are divided by 255 once, not twice; training pictures are made anew each epoch, from
other digits than the test's; no expression is on both sides; accuracy per epoch from text is of 2,000 tests at most.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import re

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_figures
import shared_files
import shared_run
import shared_settings
import shared_training

UNITS = 256  # of every LSTM
SHARES = (0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05)  # of the expressions, trained on by the text model
EPOCHS = {"text": 100, "flatten": 100, "convolution": 200}
BATCH_SIZE = {"text": 32, "flatten": 64, "convolution": 64}
MODELS = ("flatten", "convolution")  # that read images
IMAGE_SHARE = 0.8  # of the expressions, trained on by the image models
DROPOUT = 0.3
ROTATION = 0.05  # of a full turn, to either side
ZOOM = 0.1
TRANSLATION = 0.1  # of the picture's size
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 50  # of the text model, in one call of the compiled graph
WATCHED = 2_000  # test expressions, at most, that the text model's accuracy per epoch is of; the final one is of all
SHOWN = 12  # test pictures
REPORT = {0.95: 0.9993, 0.9: 1.0, 0.75: 0.9989, 0.5: 0.9940, 0.25: 0.9617, 0.1: 0.6789, 0.05: 0.5445}  # its accuracies
TINY = {"UNITS": 8, "SHARES": (0.5,), "MODELS": ("flatten",), "LIMIT": 50, "EPOCHS": {"text": 1, "flatten": 1}}

GLYPHS_SHAPE = (shared_blocks.QUERY_LENGTH, *shared_blocks.GLYPH_SHAPE)


def build_text_model():
    """Return Table 1's model, 805,133 parameters: one-hot query (batch, 5, 13) -> probabilities (batch, 3, 13)."""
    query = keras.Input(shared_blocks.QUERY_SHAPE, name="query")
    code = layers.LSTM(UNITS, unroll=True, name="encoder")(query)
    return keras.Model(query, answer_of(code), name="text")


def answer_of(code):
    """Turn a code (batch, units) into an answer's probabilities (batch, 3, 13), by the decoder of all three models."""
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(code)
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="decoder")(x)
    return layers.Dense(len(shared_blocks.CHARACTERS), activation="softmax", name="answer")(x)


def build_flatten_model(augmented):
    """Return Table 2's model, 1,594,637 parameters: uint8 (batch, 5, 28, 28) -> probabilities (batch, 3, 13)."""
    pictures = keras.Input(GLYPHS_SHAPE, dtype="uint8", name="pictures")
    x = layers.Reshape((shared_blocks.QUERY_LENGTH, -1), name="flatten")(prepare(pictures, augmented))
    x = layers.LSTM(UNITS, unroll=True, name="encoder")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return keras.Model(pictures, answer_of(x), name="flatten")


def build_convolution_model(augmented):
    """Return Table 3's model, 6,989,581 parameters: uint8 (batch, 5, 28, 28) -> probabilities (batch, 3, 13)."""
    pictures = keras.Input(GLYPHS_SHAPE, dtype="uint8", name="pictures")
    x = prepare(pictures, augmented)
    x = layers.ConvLSTM2D(filters=32, kernel_size=3, padding="same", unroll=True, name="encoder")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="dense")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return keras.Model(pictures, answer_of(x), name="convolution")


def prepare(pictures, augmented):
    """Scale uint8 (batch, 5, 28, 28) to [0, 1], (batch, 5, 28, 28, 1), each glyph moved by chance while training."""
    x = layers.Rescaling(1 / 255, name="scale")(pictures)
    if augmented:
        x = ops.reshape(x, (-1, *shared_blocks.GLYPH_SHAPE, 1))
        x = layers.RandomRotation(ROTATION, fill_mode="constant", name="rotation")(x)
        x = layers.RandomZoom(ZOOM, fill_mode="constant", name="zoom")(x)
        x = layers.RandomTranslation(TRANSLATION, TRANSLATION, fill_mode="constant", name="translation")(x)
    return ops.reshape(x, (-1, *GLYPHS_SHAPE, 1))


def compile_model(model, **options):
    """Give a model its optimiser, loss and metrics, and `compile` some more options."""
    metrics = ["accuracy", shared_answers.exact_match]
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=metrics, **options)


def queries_in_glyphs(bank):
    """Return the function that makes a batch of the image models from one of tokens, in glyphs of a `GlyphBank`."""
    return lambda query, answer, rng: (bank.pick(query, rng), shared_blocks.to_one_hot(answer))


def run_text(run, count, queries, answers, share, rows):
    """Train the text model on one share of the expressions, and look into every wrong answer to the others.

    Args:
        run: the `shared_run.Run`.
        count: which part it is of how many, as text.
        queries: int8 tokens (count, 5).
        answers: int8 tokens (count, 3).
        share: of the expressions that is trained on.
        rows: to train on and to test on.
    """
    part, args = run.part(f"text_{share}", count, f"{len(queries):,} expressions", [queries, answers]), run.args
    epochs, batch_size = args.epochs or EPOCHS["text"], args.batch_size or BATCH_SIZE["text"]
    if part.is_done(epochs):
        return
    train_rows, test_rows = rows
    watched_rows = np.random.default_rng(args.seed).permutation(test_rows)[:WATCHED]
    batches = shared_training.Batches((queries, answers), train_rows, batch_size, shared_blocks.to_one_hot_batch)
    watched = shared_training.Batches((queries, answers), watched_rows, 500, shared_blocks.to_one_hot_batch)

    keras.utils.set_random_seed(args.seed)
    model = build_text_model()
    compile_model(model, **shared_training.fast_steps(STEPS_PER_EXECUTION))
    history = part.fit(model, batches, epochs=epochs, validation_data=watched)
    predicted = shared_training.predict(model, shared_blocks.to_one_hot(queries[test_rows])).argmax(-1)
    shared_answers.save_errors(part, queries[test_rows], answers[test_rows], predicted)
    finish_part(part, model, history, epochs, answers[test_rows], predicted)


def run_image(run, count, queries, answers, name, digits, rows):
    """Train an image model on expressions and glyphs that the test never shows, and show what it answers.

    Args:
        run: the `shared_run.Run`.
        count: which part it is of how many, as text.
        queries: int8 tokens (count, 5).
        answers: int8 tokens (count, 3).
        name: "flatten" or "convolution".
        digits: as from `shared_data.find_digits`: those to train with, those to test with, and what they are.
        rows: to train on and to test on.
    """
    args = run.args
    epochs, batch_size = args.epochs or EPOCHS[name], args.batch_size or BATCH_SIZE[name]
    *sets, source = digits
    data = [queries, answers, *sets[0], *sets[1]]
    kind = "plain" if args.no_augmentation else "augmented"
    part = run.part(f"image_{name}_{kind}", count, f"{len(queries):,} expressions in {source}", data)
    if part.is_done(epochs):
        return
    train_rows, test_rows = rows
    banks = [shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate(sets)]
    batches = shared_training.Batches((queries, answers), train_rows, batch_size, queries_in_glyphs(banks[0]))
    watched = shared_training.Batches((queries, answers), test_rows, 500, queries_in_glyphs(banks[1]))

    keras.utils.set_random_seed(args.seed)
    build_model = build_flatten_model if name == "flatten" else build_convolution_model
    model = build_model(augmented=not args.no_augmentation)
    compile_model(model)
    history = part.fit(model, batches, epochs=epochs, validation_data=watched)
    pictures, _ = watched.all()
    predicted = shared_training.predict(model, pictures).argmax(-1)
    shown = np.random.default_rng(0).permutation(len(pictures))[:SHOWN]
    tokens = [texts[shown] for texts in (queries[test_rows], answers[test_rows], predicted)]
    path, title = part.folder / "answers.png", part.title("test pictures")
    shared_answers.save_answers(path, pictures[shown][:, None], tokens, "answered", title, columns=3)
    finish_part(part, model, history, epochs, answers[test_rows], predicted)


def finish_part(part, model, history, epochs, answers, predicted):
    """Save a part's model, curves and test accuracies, from tokens (count, 3) of true and predicted answers."""
    part.save_model("model.keras", model)
    test_accuracy, test_exact_match = shared_answers.shares_right(answers, predicted)
    panels = {"loss": ["loss"], "accuracy per character": ["accuracy"], "exact match": ["exact_match"]}
    part.finish(history, panels, epochs, test_accuracy=test_accuracy, test_exact_match=test_exact_match)


def save_accuracy_by_share(run, results):
    """Write figure 10, the test accuracy over the train share, ours beside the report's.

    Args:
        run: the `shared_run.Run`.
        results: {share: the results of its part}.
    """
    figure = Figure(figsize=(8, 4), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    series = {
        "per character": {share: numbers["test_accuracy"] for share, numbers in results.items()},
        "exact match": {share: numbers["test_exact_match"] for share, numbers in results.items()},
        "per character, report": {share: REPORT[share] for share in results if share in REPORT},
    }
    shares = list(results)
    for index, (label, values) in enumerate(series.items()):
        places = [shares.index(share) + 0.27 * (index - 1) for share in values]
        bars = axes.bar(places, values.values(), width=0.26, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=6)
    axes.set_xticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    axes.set(title=f"{run.name}: test accuracy", xlabel="share of the expressions trained on", ylim=(0, 1.2))
    axes.legend(fontsize=8, loc="upper right", ncols=3)
    figure.savefig(run.folder / "text_accuracy_by_share.png")


def save_figures(run, parts):
    """Write figures 10 to 13 from {folder: results} of all parts that have ended, now or before."""
    columns = ("epoch", "accuracy", "exact_match")
    panels = {"accuracy per character": ["accuracy"], "exact match": ["exact_match"]}
    figures = {
        "text_*": "text_accuracy_by_epoch.png",
        "image_*_augmented": "image_accuracy_augmented.png",
        "image_*_plain": "image_accuracy_plain.png",
    }
    for pattern, name in figures.items():
        folders = [folder for folder in parts if folder.match(pattern)]
        if folders:
            histories = {folder.name: shared_files.read_history(folder / "history.csv", *columns) for folder in folders}
            title = f"{run.name}: training (solid) and test (dashed); {shared_settings.sources(folders)}"
            shared_figures.save_curves(run.folder / name, histories, panels, title)
    if by_share := {float(folder.name[5:]): parts[folder] for folder in parts if folder.match("text_*")}:
        save_accuracy_by_share(run, by_share)


def main(argv=None):
    """Train the parts that are asked for and not yet done, save the figures, and return the test accuracies.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    parser = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="expressions")
    parser.add_argument("--part", choices=("text", "image", "all"), default="all", help="what to train (%(default)s)")
    share = shared_command_line.fraction
    parser.add_argument("--shares", type=share, nargs="+", default=SHARES, help="train shares of the text model")
    parser.add_argument("--models", choices=MODELS, nargs="+", default=MODELS, help="image models to train (both)")
    parser.add_argument("--no-augmentation", action="store_true", help="train the image models without augmentation")
    parser.add_argument(
        "--commuted-together", action="store_true", help="keep a + b and b + a on the same side of the split"
    )
    args = parser.parse_args(argv)
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    todo = [*(args.shares if args.part != "image" else ()), *(args.models if args.part != "text" else ())]
    shares = {IMAGE_SHARE if what in MODELS else what for what in todo}
    rows = {
        share: shared_blocks.split_expressions(queries, share, args.seed, args.commuted_together) for share in shares
    }
    digits = shared_data.find_digits(args.data, args.seed) if args.part != "text" else None
    which_parts = ("SHARES", "MODELS", "SHOWN", "part", "shares", "models", "no_augmentation")
    source = f"{len(queries):,} expressions" + (f" in {digits[2]}" if digits else "")
    run = shared_run.Run(globals(), args, source, [queries, answers], which_parts)
    for index, what in enumerate(todo, start=1):
        count = f"{index} of {len(todo)}"
        if what in MODELS:
            run_image(run, count, queries, answers, what, digits, rows[IMAGE_SHARE])
        else:
            run_text(run, count, queries, answers, what, rows[what])
    metrics = ("test_accuracy", "test_exact_match")
    paths = sorted(run.folder.glob("*/results.json"), reverse=True)
    paths = [path for path in paths if re.fullmatch(r"text_[\d.e-]+|image_[a-z]+_(augmented|plain)", path.parent.name)]
    parts = {path.parent: shared_files.read_results(path, *metrics) for path in paths}
    save_figures(run, parts)
    accuracies = {f"{folder.name}_{name}": results[name] for folder, results in parts.items() for name in metrics}
    shared_files.print_table([{"part": part.name, **{name: parts[part][name] for name in metrics}} for part in parts])
    run.save_results(accuracies)
    return accuracies


if __name__ == "__main__":
    shared_command_line.run_script(main)
