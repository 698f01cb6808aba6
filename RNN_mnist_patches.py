"""Recurrent network that completes MNIST digits patch by patch, with three heads for what is inside a patch.

    python RNN_mnist_patches.py                         # all three heads; MNIST through keras.datasets
    python RNN_mnist_patches.py --heads masked --mnist mnist.npz

A digit is sixteen patches of 7x7 black or white pixels, row by row. An LSTM reads those so far and gives the
distribution of the next one, by one of three heads: 49 independent Bernoulli pixels; a mixture of 32 such products; or
a masked one, in which each pixel sees those before it (NADE: Larochelle & Murray, "The Neural Autoregressive
Distribution Estimator", 2011). All likelihoods are exact; the loss is the negative log-likelihood of a picture, in
nats. Greys are binarised anew each epoch, a pixel being white with its grey as probability, and once for the test, as
by Burda et al., "Importance Weighted Autoencoders", 2016.

Writes `runs/RNN_mnist_patches/`: settings.json, results.json, heads.png (the same starts, completed with each head),
positions.png (nats by position, beside those of independent pixels), and for each head, in its own folder: history.csv,
curves.png, samples/, samples.gif, completions.png (from 4, 8 and 12 patches), choices.png (several from the same 4),
positions.csv, results.json, lstm.keras, head.keras, checkpoint/. The digit reader is kept in `data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_figures
import shared_files
import shared_networks
import shared_patches
import shared_readers
import shared_run
import shared_training
from shared_patches import PATCHES, PIXELS, to_grey, to_patches

HEADS = ("independent", "mixture", "masked")
UNITS = 256
COMPONENTS = 32  # of the mixture
HIDDEN = 128  # units of a head
EPOCHS = 15
BATCH_SIZE = 100
LEARNING_RATE = 2e-3
STEPS_PER_EXECUTION = 20  # in one call of the compiled graph
HALVING = 4  # epochs after which the learning rate has come to a half
QUICK = 2_000  # digits; with fewer the reader learns for one epoch instead of six
TEST_BATCH_SIZE = 500
LIMIT = 60_000  # digits to train with, which is all
TESTED = 10_000  # test digits whose likelihood is measured, at most
COMPLETED = 1_000  # of them that are completed
GIVEN = (4, 8, 12)  # patches
CHOICES = 20  # completions of the same 4 patches
CHOSEN = 100  # digits whose first 4 patches are completed so often
SURE = 0.9  # probability from which on a reading counts as a plausible label
SAMPLES = 40
COLUMNS = 12  # digits in a row of completions.png and heads.png
LOOKS = ("HEADS", "heads", "COMPLETED", "GIVEN", "CHOICES", "CHOSEN", "SURE", "COLUMNS", "LOOKS")  # may change
TINY = {"HEADS": ("independent", "mixture"), "UNITS": 16, "LIMIT": 60, "TESTED": 20, "COMPLETED": 6}  # for the tests
TINY |= {"CHOICES": 3, "CHOSEN": 2, "EPOCHS": 1}


def to_binary_patches(digits, labels, rng):
    """Return digits as `shared_training.binarised` does, as patches (batch, 16, 49)."""
    return tuple(map(to_patches, shared_training.binarised(digits, labels, rng)))


def batches_of(digits, size):
    """Return a pair of digits and labels as `shared_training.Batches` of binary patches, `size` in each."""
    return shared_training.Batches(digits, np.arange(len(digits[0])), size, to_binary_patches)


def build_lstm():
    """Return the network that reads patches (batch, 16, 49) and says what it knows before each: (batch, 16, UNITS)."""
    patches = keras.Input((PATCHES, PIXELS), name="patches")
    before = layers.Cropping1D((0, 1), name="before")(layers.ZeroPadding1D((1, 0), name="start")(patches))
    place = ops.zeros_like(patches[..., :PATCHES]) + ops.eye(PATCHES)  # one-hot, in every row of the batch
    x = layers.Concatenate(name="before_and_place")([before, place])
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="lstm")(x)
    return keras.Model(patches, x, name="lstm")


def build_head(kind):
    """Return a head: what is known before a patch (batch, UNITS) and the patch (batch, 49) -> (batch, components, 50).

    Of each component of the patch's distribution these are a logit of its weight and the logits of its pixels. The
    patch is looked at by the masked head alone, and for each of its pixels only as far as it lies before that pixel.
    """
    known, patch = keras.Input((UNITS,), name="known"), keras.Input((PIXELS,), name="patch")
    if kind != "masked":
        components = COMPONENTS if kind == "mixture" else 1
        x = layers.Dense(HIDDEN, activation="relu", name="hidden")(known)
        x = layers.Dense(components * (1 + PIXELS), name="logits")(x)
        return keras.Model([known, patch], layers.Reshape((components, 1 + PIXELS), name="components")(x), name=kind)
    copies = ops.tril(layers.RepeatVector(PIXELS, name="copies")(patch), k=-1)  # in copy i what lies before pixel i
    x = layers.Dense(HIDDEN, name="pixels_before")(copies)
    of_known = layers.Reshape((1, HIDDEN), name="to_every_pixel")(layers.Dense(HIDDEN, name="known_before")(known))
    x = layers.ReLU(name="hidden")(layers.Add(name="both")([x, of_known]))
    logits = layers.EinsumDense("bph,ph->bp", output_shape=PIXELS, bias_axes="p", name="of_hidden")(x)
    logits = layers.Add(name="logits")([logits, layers.Dense(PIXELS, name="of_known")(known)])
    weight_and_pixels = ops.pad(logits, ((0, 0), (1, 0)))
    return keras.Model([known, patch], layers.Reshape((1, 1 + PIXELS), name="components")(weight_and_pixels), name=kind)


def log_likelihood(logits, patches):
    """Return the log-likelihoods in nats, (count,), of patches (count, 49), from the output of a head for them."""
    weights, pixels = logits[..., 0], logits[..., 1:]
    of_components = ops.sum(patches[:, None] * pixels - ops.softplus(pixels), axis=-1)
    return ops.logsumexp(weights + of_components, axis=-1) - ops.logsumexp(weights, axis=-1)


class PatchModel(keras.Model):
    """LSTM and head with the loss of the module's docstring.

    Args:
        lstm: as from `build_lstm`.
        head: as from `build_head`.
    """

    def __init__(self, lstm, head):
        super().__init__(name=head.name)
        self.lstm = lstm
        self.head = head
        self.built = True

    def call(self, patches, training=None):
        """Return the negative log-likelihoods in nats, (batch, 16), of patches (batch, 16, 49), given those before."""
        known = ops.reshape(self.lstm(patches, training=training), (-1, UNITS))
        flat = ops.reshape(patches, (-1, PIXELS))
        nats = -log_likelihood(self.head([known, flat], training=training), flat)
        return ops.reshape(nats, (-1, PATCHES))

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean over pictures of the sum of `y_pred` over their patches."""
        return ops.mean(ops.sum(y_pred, axis=-1))

    def complete(self, patches, given, rng):
        """Return patches (count, 16, 49) completed from the first `given`, as by `shared_patches.complete`."""
        return shared_patches.complete(self.lstm, self.head, patches, given, rng)


def cut(patches, given):
    """Return patches (count, 16, 49) with grey in the place of all but the first `given`."""
    return np.where(np.arange(PATCHES)[:, None] < given, patches, 0.5)


def marginal_nats(train, test):
    """Return what test patches cost by position, in nats, (16,), if each pixel only has its mean over training patches.

    Args:
        train: float (count, 16, 49), 0 and 1.
        test: float (others, 16, 49).
    """
    mean = np.clip(train.mean(axis=0), 1e-4, 1 - 1e-4)
    return -(test * np.log(mean) + (1 - test) * np.log(1 - mean)).sum(axis=-1).mean(axis=0)


def kept_labels(completions, truth, labels, reader):
    """Return how often completions keep the label.

    Args:
        completions: {given: uint8 (count, 28, 28)}, from so many patches.
        truth: uint8 (count, 28, 28), the digits themselves, of black and white pixels.
        labels: int (count,).
        reader: the digit reader.

    Returns:
        dict: `kept_<given>`, the share of completions that are read as the label; `kept_real`, that of the digits.
    """
    asked = {f"kept_{given}": pictures for given, pictures in completions.items()} | {"kept_real": truth}
    return {name: shared_readers.reader_accuracy(reader, (pictures, labels)) for name, pictures in asked.items()}


def other_labels(choices, labels, reader):
    """Return how many other labels are read, with a probability of SURE or more, in completions of the same start.

    Args:
        choices: uint8 (count, completions, 28, 28), of each start several.
        labels: int (count,), of the digits that they start from.
        reader: the digit reader.

    Returns:
        float, the mean over starts.
    """
    seen, probability = shared_readers.read_surely(reader, shared_figures.to_unit(choices))
    digits = [set(row[sure]) & set(range(10)) for row, sure in zip(seen, probability >= SURE, strict=True)]
    return float(np.mean([len(found - {label}) for found, label in zip(digits, labels.tolist(), strict=True)]))


def run_head(run, count, kind, sets, reader):
    """Train the LSTM with one head, and show what it completes.

    Args:
        run: the `shared_run.Run`.
        count: which head it is of how many, as text.
        kind: "independent", "mixture" or "masked".
        sets: digits to train with and to test with, pairs of uint8 (count, 28, 28) and labels (count,).
        reader: the digit reader.
    """
    args = run.args
    part = run.part(kind, count)
    if part.is_done(args.epochs):
        return
    train, test = batches_of(sets[0], args.batch_size), batches_of(sets[1], TEST_BATCH_SIZE)
    (truth,), labels = test.all(), sets[1][1]

    keras.utils.set_random_seed(args.seed)
    model = PatchModel(build_lstm(), build_head(kind))
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, decay_steps=HALVING * len(train), decay_rate=0.5)
    model.compile(optimizer=keras.optimizers.Adam(rate), **shared_training.fast_steps(STEPS_PER_EXECUTION))

    def save_samples(name, text):
        drawn = model.complete(np.zeros((SAMPLES, PATCHES, PIXELS)), 0, np.random.default_rng(args.seed))
        part.save_grid(name, to_grey(drawn), text, columns=10)

    history = part.fit(model, train, epochs=args.epochs, validation_data=test, save_samples=save_samples)

    rng = np.random.default_rng(args.seed)
    asked = truth[:COMPLETED]
    completions = {given: to_grey(model.complete(asked, given, rng)) for given in GIVEN}
    numbers = kept_labels(completions, to_grey(asked), labels[:COMPLETED], reader)
    groups = {"test digits": to_grey(asked[:COLUMNS])}
    for given, pictures in completions.items():
        groups[f"the first {given} of 16 patches"] = to_grey(cut(asked[:COLUMNS], given))
        groups[f"completed, read as the right digit in {numbers[f'kept_{given}']:.1%}"] = pictures[:COLUMNS]
    part.save_rows("completions.png", groups, COLUMNS)

    starts = truth[:CHOSEN]
    choices = to_grey(model.complete(np.repeat(starts, CHOICES, axis=0), GIVEN[0], rng))
    choices = choices.reshape(len(starts), CHOICES, *shared_blocks.GLYPH_SHAPE)
    numbers["other_labels"] = other_labels(choices, labels[:CHOSEN], reader)
    shown = np.concatenate([to_grey(starts)[:, None], choices], axis=1)[:10, :COLUMNS]
    text = f"completions of the same first {GIVEN[0]} patches, each of the digit on the left"
    part.save_grid("choices.png", np.concatenate(shown), text, columns=shown.shape[1])

    nats = shared_training.predict(model, truth).mean(axis=0)
    table = [{"position": index + 1, "nats": float(value)} for index, value in enumerate(nats)]
    shared_files.write_table(part.folder / "positions.csv", table)
    part.save_model("lstm.keras", model.lstm)
    part.save_model("head.keras", model.head)
    part.finish(history, {"nats of a picture": ["loss"]}, args.epochs, **numbers)


def save_heads(run, folders, truth):
    """Write heads.png: the same starts of test digits, completed with each head.

    Args:
        run: the `shared_run.Run`.
        folders: {head: `pathlib.Path` of its part}, of those that are trained.
        truth: float (count, 16, 49), patches of test digits.
    """
    models = {
        head: PatchModel(*shared_networks.load_networks(folder, "lstm", "head")) for head, folder in folders.items()
    }
    groups = {"test digits": to_grey(truth)}
    for given in GIVEN[:2]:
        groups[f"their first {given} of 16 patches"] = to_grey(cut(truth, given))
        for head, model in models.items():
            drawn = model.complete(truth, given, np.random.default_rng(run.args.seed))
            groups[f"completed from {given} with the {head} head"] = to_grey(drawn)
    run.save_rows("heads.png", groups, len(truth))


def save_positions(run, marginal, by_head):
    """Write positions.png: nats of each patch by its position, and as a share of what the position's pixels alone give.

    Args:
        run: the `shared_run.Run`.
        marginal: float (16,), as from `marginal_nats`.
        by_head: {head: float (16,)}.
    """
    figure = Figure(figsize=(11, 4), dpi=shared_figures.DPI, layout="constrained")
    figure.suptitle(run.title("test digits, by patch"), fontsize=10)
    nats, share = figure.subplots(1, 2)
    positions = np.arange(1, PATCHES + 1)
    nats.plot(positions, marginal, "k:", label=f"independent pixels that know nothing ({marginal.sum():.0f})")
    for head, values in by_head.items():
        nats.plot(positions, values, ".-", label=f"{head} ({np.sum(values):.1f})")
        share.plot(positions, values / marginal, ".-", label=head)
    nats.set(title="nats of a patch", xlabel="patch", ylim=(0, 1.4 * marginal.max()))  # room for the legend
    share.set(title="as a share of the dotted line", xlabel="patch", ylim=(0, 1))
    for axes in (nats, share):
        axes.grid(alpha=0.3)
    nats.legend(fontsize=8)
    figure.savefig(run.folder / "positions.png")


def main(argv=None):
    """Train the heads that are asked for and not yet done, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_digits` and `shared_run.Run`.
    """
    parser = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="digits")
    parser.add_argument("--heads", choices=HEADS, nargs="+", default=HEADS, help="heads to train (all three)")
    args = parser.parse_args(argv)
    train, test, source = shared_data.find_digits(args.data, args.seed)
    train = [part[: args.limit] for part in train]
    mixed = np.random.default_rng(args.seed).permutation(len(test[0]))[:TESTED]  # MNIST's first half is the easier one
    test = [part[mixed] for part in test]
    run = shared_run.Run(globals(), args, source, [*train, *test], LOOKS)
    bank = shared_blocks.GlyphBank(*train, [args.seed, 0])
    reader = shared_answers.find_digit_reader(train, bank, args.seed, quick=len(train[0]) < QUICK)
    for index, head in enumerate(args.heads, start=1):
        run_head(run, f"{index} of {len(args.heads)}", head, (train, test), reader)

    names = ("val_loss", *(f"kept_{given}" for given in GIVEN), "kept_real", "other_labels")
    results = run.ended(HEADS, *names)
    folders = {head: run.folder / head for head in results}
    by_head = {
        head: np.array(shared_files.read_history(folder / "positions.csv", "nats")["nats"])
        for head, folder in folders.items()
    }
    (train_patches,), (truth,) = (batches_of(digits, TEST_BATCH_SIZE).all() for digits in (train, test))
    save_positions(run, marginal_nats(train_patches, truth), by_head)
    save_heads(run, folders, truth[:COLUMNS])
    shared_files.print_table([{"head": head, **{name: results[head][name] for name in names}} for head in folders])
    numbers = {f"{head}_{name}": values[name] for head, values in results.items() for name in names}
    run.save_results(numbers)
    return numbers


if __name__ == "__main__":
    shared_command_line.run_script(main)
