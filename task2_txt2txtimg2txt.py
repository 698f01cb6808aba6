"""Arithmetic by LSTM encoder-decoders: from text to text, and from digit images to text (report: tables 1-3).

    python task2_txt2txtimg2txt.py                                     # both parts, the image models with augmentation
    python task2_txt2txtimg2txt.py --part image --no-augmentation --resume    # adds them without it, for figure 13
    python task2_txt2txtimg2txt.py --part text --shares 0.25 0.05      # two of the seven train shares
    python task2_txt2txtimg2txt.py --part image --models flatten       # one of the two image models

Models: Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 2014; the convolution model reads with
the ConvLSTM of Shi et al., "Convolutional LSTM Network", 2015. The loss is the categorical cross-entropy of each
character, in nats; `accuracy` is per character, `exact_match` per whole answer.

Data: all 20,000 sums and differences of two numbers 0..99; digits from MNIST, which keras.datasets fetches once or
`--mnist` names, else drawn ones. A part that is done is not done again on `--resume`, and all figures are drawn anew.

Measured, seed 0, MNIST, two CPU cores (AMD EPYC), TensorFlow 2.21, beside other work: text at train shares .95 to .05,
100 epochs each, 1,762 s in all, test accuracy per character 1.0000, 1.0000, .9931, .9998, .9919, .7798, .6122; flatten,
100 epochs, .927 without augmentation (693 s) and .676 with it (822 s); convolution without it, 200 epochs, .932
(17,694 s), and with it, 106 of its 200 epochs, .558 (7,932 s).

Writes `runs/task2_txt2txtimg2txt/`: settings.json, results.json, text_accuracy_by_share.png (figure 10),
text_accuracy_by_epoch.png (11), image_accuracy_augmented.png (12), image_accuracy_plain.png (13), and for each part,
`text_<share>/` or `image_<model>_<augmented|plain>/`: history.csv, curves.png, results.json, model.keras, checkpoint/,
for text errors.csv, error_kinds.csv and errors.png (every wrong answer), for images answers.png.

Departs from the report: pixels are divided by 255 once, not twice; training pictures are drawn anew each epoch, from
other digits than the test's; no expression is on both sides; accuracy per epoch from text is of 2,000 tests at most.
"""

import argparse
import csv
from collections import Counter

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_blocks
import shared_data
import shared_run

UNITS = 256  # of every LSTM
SHARES = (0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05)  # of the expressions, trained on by the text model
EPOCHS = 100
BATCH_SIZE = 32
IMAGE_SHARE = 0.8  # of the expressions, trained on by the image models
IMAGE_BATCHES = 2  # times BATCH_SIZE, for the image models
CONVOLUTION_EPOCHS = 2  # times EPOCHS, for the convolution model
DROPOUT = 0.3
ROTATION = 0.05  # of a full turn, to either side
ZOOM = 0.1
TRANSLATION = 0.1  # of the picture's size
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 50  # of the text model, in one call of the compiled graph
WATCHED = 2_000  # test expressions, at most, that the text model's accuracy per epoch is of; the final one is of all
REPORT_ACCURACY = {0.95: 0.9993, 0.9: 1.0, 0.75: 0.9989, 0.5: 0.9940, 0.25: 0.9617, 0.1: 0.6789, 0.05: 0.5445}

QUERY_SHAPE = (shared_blocks.QUERY_LENGTH, len(shared_blocks.CHARACTERS))
GLYPHS_SHAPE = (shared_blocks.QUERY_LENGTH, shared_blocks.GLYPH_SIZE, shared_blocks.GLYPH_SIZE)


def build_text_model():
    """Return Table 1's model, 805,133 parameters: one-hot query (batch, 5, 13) -> probabilities (batch, 3, 13)."""
    query = keras.Input(QUERY_SHAPE, name="query")
    code = layers.LSTM(UNITS, unroll=True, name="encoder")(query)
    return keras.Model(query, decode(code), name="text")


def decode(code):
    """Turn a code (batch, units) into an answer's probabilities (batch, 3, 13)."""
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(code)
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="decoder")(x)
    return layers.Dense(len(shared_blocks.CHARACTERS), activation="softmax", name="answer")(x)


def build_flatten_model(augmented):
    """Return Table 2's model, 1,594,637 parameters: uint8 (batch, 5, 28, 28) -> probabilities (batch, 3, 13)."""
    pictures = keras.Input(GLYPHS_SHAPE, dtype="uint8", name="pictures")
    x = layers.Reshape((shared_blocks.QUERY_LENGTH, -1), name="flatten")(prepare(pictures, augmented))
    x = layers.LSTM(UNITS, unroll=True, name="encoder")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return keras.Model(pictures, decode(x), name="flatten")


def build_convolution_model(augmented):
    """Return Table 3's model, 6,989,581 parameters: uint8 (batch, 5, 28, 28) -> probabilities (batch, 3, 13)."""
    pictures = keras.Input(GLYPHS_SHAPE, dtype="uint8", name="pictures")
    x = prepare(pictures, augmented)
    x = layers.ConvLSTM2D(filters=32, kernel_size=3, padding="same", unroll=True, name="encoder")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="dense")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return keras.Model(pictures, decode(x), name="convolution")


def prepare(pictures, augmented):
    """Scale uint8 (batch, 5, 28, 28) to [0, 1], (batch, 5, 28, 28, 1), each glyph moved by chance while training."""
    x = layers.Rescaling(1 / 255, name="scale")(pictures)
    if augmented:
        x = ops.reshape(x, (-1, *GLYPHS_SHAPE[1:], 1))
        x = layers.RandomRotation(ROTATION, fill_mode="constant", name="rotation")(x)
        x = layers.RandomZoom(ZOOM, fill_mode="constant", name="zoom")(x)
        x = layers.RandomTranslation(TRANSLATION, TRANSLATION, fill_mode="constant", name="translation")(x)
    return ops.reshape(x, (-1, *GLYPHS_SHAPE, 1))


def exact_match(y_true, y_pred):
    """Return 1.0 for each answer (batch, 3, 13) of which all characters are right, else 0.0: (batch,)."""
    right = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
    return ops.cast(ops.all(right, axis=-1), "float32")


def compile_model(model, **options):
    """Give a model its optimiser, loss and metrics, and `compile` some more options."""
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy", exact_match], **options)


def train(part, model, batches, watched, epochs):
    """Train a compiled model on `batches` up to `epochs`, after the last whole one if the part was cut off; save it."""
    model.fit(
        batches,
        validation_data=watched,
        epochs=epochs,
        initial_epoch=part.restore(model),
        shuffle=False,  # Batches orders itself, by seed and epoch
        callbacks=part.callbacks(batches=batches),
        verbose=part.verbose,
    )
    model.save(part.folder / "model.keras")


def finish(part, epochs, answers, predicted):
    """End a part of `epochs`: test accuracies from tokens (count, 3) of true and predicted answers, and the curves."""
    right = answers == predicted
    part.finish(
        {"loss": ["loss"], "accuracy per character": ["accuracy"], "exact match": ["exact_match"]},
        epochs,
        test_accuracy=float(right.mean()),
        test_exact_match=float(right.all(axis=1).mean()),
    )


def to_one_hot_batch(query, answer, rng):
    """Return a batch of tokens (batch, 5) and (batch, 3) as the text model takes it; `rng` has nothing to decide."""
    return shared_blocks.to_one_hot(query), shared_blocks.to_one_hot(answer)


def draw_from(bank):
    """Return the function that makes a batch of the image models from one of tokens, in glyphs of a `GlyphBank`."""
    return lambda query, answer, rng: (bank.draw(query, rng), shared_blocks.to_one_hot(answer))


def run_text(run, queries, answers, share):
    """Train the text model on one share of the expressions, and look into every wrong answer to the others.

    Args:
        run: the `shared_run.Run`.
        queries: int8 tokens (count, 5).
        answers: int8 tokens (count, 3).
        share: of the expressions that is trained on.
    """
    part, args = run.part(f"text_{share:g}", run.source), run.args
    if part.is_done(args.epochs):
        return
    train_rows, test_rows = shared_blocks.split_expressions(queries, share, args.seed, args.commuted_together)
    watched_rows = np.random.default_rng(args.seed).permutation(test_rows)[:WATCHED]

    batches = shared_run.Batches((queries, answers), train_rows, args.batch_size, to_one_hot_batch)
    watched = shared_run.Batches((queries, answers), watched_rows, 500, to_one_hot_batch)
    keras.utils.set_random_seed(args.seed)
    model = build_text_model()
    compile_model(model, **shared_blocks.fast_lstm(STEPS_PER_EXECUTION))
    train(part, model, batches, watched, args.epochs)
    predicted = shared_run.predict(model, shared_blocks.to_one_hot(queries[test_rows])).argmax(-1)
    save_errors(part, *(shared_blocks.to_texts(t) for t in (queries[test_rows], answers[test_rows], predicted)))
    finish(part, args.epochs, answers[test_rows], predicted)


def run_image(run, queries, answers, name, augmented, banks, digits):
    """Train an image model on expressions and glyphs that the test never shows, and show what it answers.

    Args:
        run: the `shared_run.Run`.
        queries: int8 tokens (count, 5).
        answers: int8 tokens (count, 3).
        name: "flatten" or "convolution".
        augmented: whether glyphs are moved at random in training.
        banks: two `GlyphBank`, to train and to test with.
        digits: text that says what these hold.
    """
    part = run.part(f"image_{name}_{'augmented' if augmented else 'plain'}", f"{run.source} in {digits}")
    args = run.args
    epochs = args.epochs * (CONVOLUTION_EPOCHS if name == "convolution" else 1)
    if part.is_done(epochs):
        return
    train_rows, test_rows = shared_blocks.split_expressions(queries, IMAGE_SHARE, args.seed, args.commuted_together)

    batch_size = IMAGE_BATCHES * args.batch_size
    batches = shared_run.Batches((queries, answers), train_rows, batch_size, draw_from(banks[0]))
    watched = shared_run.Batches((queries, answers), test_rows, 500, draw_from(banks[1]))
    keras.utils.set_random_seed(args.seed)
    model = (build_flatten_model if name == "flatten" else build_convolution_model)(augmented)
    compile_model(model)
    train(part, model, batches, watched, epochs)
    pictures = np.concatenate([watched.whole(index)[0] for index in range(len(watched))])
    predicted = shared_run.predict(model, pictures).argmax(-1)
    texts = [shared_blocks.to_texts(tokens) for tokens in (queries[test_rows], answers[test_rows], predicted)]
    draw_answers(part, pictures, *texts)
    finish(part, epochs, answers[test_rows], predicted)


KINDS = (
    "off by one",
    "off by ten",
    "wrong sign",
    "lost carry or borrow",
    "wrong length",
    "wrong padding",
    "not a number",
    "other",
)


def error_kinds(query, answer, predicted):
    """Return the names out of KINDS of what is wrong with `predicted`; more than one may hold.

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


def save_errors(part, queries, answers, predicted):
    """Write every wrong answer to `errors.csv`, how many there are of each kind to `error_kinds.csv`, and a figure."""
    wrong = [
        (query, answer, guess, error_kinds(query, answer, guess))
        for query, answer, guess in zip(queries, answers, predicted, strict=True)
        if guess != answer
    ]
    with open(part.folder / "errors.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "answer", "predicted", "kinds"])
        writer.writerows([*texts, "; ".join(kinds)] for *texts, kinds in wrong)

    asked = Counter(map(digits_of, queries))
    failed = Counter(digits_of(query) for query, *_ in wrong)
    counts = Counter((digits_of(query), kind) for query, _, _, kinds in wrong for kind in kinds)
    groups = sorted(asked)
    with open(part.folder / "error_kinds.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["digits of the operands", "asked", "wrong", *KINDS])
        writer.writerows(
            [group, asked[group], failed[group], *(counts[group, kind] for kind in KINDS)] for group in groups
        )
    examples = np.random.default_rng(0).permutation(len(wrong))[:10]
    draw_errors(part, len(queries), len(wrong), asked, failed, counts, [wrong[index] for index in examples])


def draw_errors(part, total, wrong, asked, failed, counts, examples):
    """Draw `errors.png`: kinds of error by operator, share of wrong answers by digits of the operands, and examples."""
    figure = Figure(figsize=(13, 3.8), dpi=shared_run.DPI, layout="constrained")
    figure.suptitle(part.title(f"{wrong:,} wrong answers of {total:,}"), fontsize=10)
    by_kind, by_digits, texts = figure.subplots(1, 3)
    groups = sorted(asked)
    for offset, sign in ((-0.2, "+"), (0.2, "-")):
        sums = [sum(counts[group, kind] for group in groups if sign in group) for kind in KINDS]
        by_kind.barh(np.arange(len(KINDS)) + offset, sums, height=0.4, label=sign)
    by_kind.set(title="kinds of error (one may be of several)", xlabel="wrong answers")
    by_kind.set_yticks(range(len(KINDS)), KINDS)
    by_kind.legend()
    by_digits.bar(groups, [100 * failed[group] / asked[group] for group in groups])
    by_digits.set(title="by operator and digits of the operands", ylabel="% wrong")
    by_digits.tick_params(axis="x", rotation=45)
    lines = [f"{query} ={answer:>4}, not {guess:>3}: {', '.join(kinds)}" for query, answer, guess, kinds in examples]
    texts.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=8, transform=texts.transAxes)
    texts.set_title(f"{len(examples)} of them")
    texts.axis("off")
    figure.savefig(part.folder / "errors.png")


def digits_of(query):
    """Return operator and digits of a query's operands: "1+2" for " 7+15"."""
    sign = "+" if "+" in query else "-"
    return sign.join(str(len(operand)) for operand in query.strip().split(sign))


def draw_answers(part, pictures, queries, answers, predicted):
    """Write a figure of twelve test pictures, uint8 (count, 5, 28, 28), each with the true answer and the model's."""
    shown = np.random.default_rng(0).permutation(len(pictures))[:12]
    captions = [
        (f"{queries[i].strip()} = {answers[i].strip()}, answered {predicted[i].strip()}", answers[i] == predicted[i])
        for i in shown
    ]
    side_by_side = np.concatenate(np.moveaxis(pictures[shown], 1, 0), axis=-1)
    shared_run.save_captioned(part.folder / "answers.png", side_by_side, captions, part.title("test pictures"), 3)


def draw_shares(run, results):
    """Draw test accuracy over the train share, ours beside the report's (report: figure 10)."""
    figure = Figure(figsize=(8, 4), dpi=shared_run.DPI, layout="constrained")
    axes = figure.subplots()
    series = {
        "per character": {share: numbers["test_accuracy"] for share, numbers in results.items()},
        "exact match": {share: numbers["test_exact_match"] for share, numbers in results.items()},
        "per character, report": {share: REPORT_ACCURACY[share] for share in results if share in REPORT_ACCURACY},
    }
    shares = list(results)
    for index, (label, values) in enumerate(series.items()):
        places = [shares.index(share) + 0.27 * (index - 1) for share in values]
        bars = axes.bar(places, values.values(), width=0.26, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=6)
    axes.set_xticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    axes.set(title=run.title("test accuracy"), xlabel="share of the expressions trained on", ylim=(0, 1.2))
    axes.legend(fontsize=8, loc="upper right", ncols=3)
    figure.savefig(run.folder / "text_accuracy_by_share.png")


def ended_parts(run):
    """Return {folder: results} of all parts of the run that have ended, now or before."""
    paths = sorted(run.folder.glob("*/results.json"), reverse=True)
    return {path.parent: shared_run.read_json(path) for path in paths}


def draw_figures(run, parts):
    """Draw figures 10 to 13 from `ended_parts`."""
    panels = {"accuracy per character": ["accuracy"], "exact match": ["exact_match"]}
    figures = {
        "text_*": "text_accuracy_by_epoch.png",
        "image_*_augmented": "image_accuracy_augmented.png",
        "image_*_plain": "image_accuracy_plain.png",
    }
    for pattern, name in figures.items():
        folders = [folder for folder in parts if folder.match(pattern)]
        if not folders:
            continue
        histories = {folder.name: shared_run.read_history(folder / "history.csv") for folder in folders}
        title = f"{run.name}: training (solid) and test (dashed); {shared_run.read_sources(folders)}"
        shared_run.draw_curves(run.folder / name, histories, panels, title)
        if pattern == "text_*":
            draw_shares(run, {float(folder.name.removeprefix("text_")): parts[folder] for folder in folders})


def share(text):
    """Return the share, above 0 and below 1, that a flag's value stands for."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and below 1")
    return value


def main(argv=None):
    """Train the parts that are asked for and not yet done, draw the figures, and return the test accuracies.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    parser = shared_run.command_line(__file__, epochs=EPOCHS, batch_size=BATCH_SIZE, limit=LIMIT, unit="expressions")
    parser.description = "The image models take twice the --batch-size, the convolution model twice the --epochs."
    parser.add_argument("--part", choices=("text", "image", "all"), default="all", help="what to train (%(default)s)")
    parser.add_argument("--shares", type=share, nargs="+", default=SHARES, help="train shares of the text model")
    models = ("flatten", "convolution")
    parser.add_argument("--models", choices=models, nargs="+", default=models, help="image models to train (both)")
    parser.add_argument("--no-augmentation", action="store_true", help="train the image models without augmentation")
    parser.add_argument(
        "--commuted-together", action="store_true", help="keep a + b and b + a on the same side of the split"
    )
    args = parser.parse_args(argv)
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    if args.part != "text":
        *sets, digits = shared_data.find_digits(args.mnist, args.seed)
        banks = [shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate(sets)]
    run = shared_run.Run(
        __file__,
        args,
        shared_run.constants(globals()),
        f"{len(queries):,} expressions",
        may_change=("part", "shares", "models", "no_augmentation", "mnist"),
    )
    if args.part != "image":
        for train_share in args.shares:
            run_text(run, queries, answers, train_share)
    if args.part != "text":
        for name in args.models:
            run_image(run, queries, answers, name, not args.no_augmentation, banks, digits)
    parts = ended_parts(run)
    draw_figures(run, parts)
    metrics = ("test_accuracy", "test_exact_match")
    accuracies = {f"{folder.name}_{name}": results[name] for folder, results in parts.items() for name in metrics}
    run.report(accuracies)
    return accuracies


if __name__ == "__main__":
    shared_run.run_script(main)
