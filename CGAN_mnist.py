"""Conditional GAN of MNIST digits: generator and discriminator see the label, beside the same GAN without labels.

    python CGAN_mnist.py                      # MNIST through keras.datasets, or drawn digits
    python CGAN_mnist.py --mnist mnist.npz

Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014. The generator gets the label beside its noise; the
discriminator multiplies it into its features, as by Miyato & Koyama, "cGANs with Projection Discriminator", 2018.
Networks after Radford et al., "Unsupervised Representation Learning with DCGANs", 2016, with batch normalisation in the
generator alone. Losses, in nats per picture, as in section 3 of Goodfellow et al., "Generative Adversarial Nets", 2014.
What is generated is read by the digit reader, which no loss has seen; and a reader that learns from generated digits
alone reads real ones (Shmelkov et al., "How good is my GAN?", 2018). All is trained on the training digits alone.

Writes `runs/CGAN_mnist/`: settings.json, results.json, beside.png (from the same noise, with and without labels), and
for each of the two, in its own folder, `labels/` and `no_labels/`: history.csv, curves.png, samples/ (with labels a row
a digit), samples.gif, nearest.png (samples and the nearest training digits), results.json, generator.keras,
discriminator.keras, checkpoint/; `labels/` has styles.png (the same noise down each column) and sweep.png (from one
label to another, with what the reader sees) as well. The digit reader is kept in `data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops

import shared_adversarial
import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_distances
import shared_figures
import shared_files
import shared_networks
import shared_readers
import shared_run
import shared_training

FILTERS = 64  # channels at 14x14 pixels; there are twice as many at 7x7
LATENT_DIM = 100
FEATURES = 256  # of a picture, by which the discriminator judges
EPOCHS = 7
BATCH_SIZE = 64
LEARNING_RATE = 2e-4
HALVING = 4  # epochs after which the learning rate has come to a half
SLOPE = 0.2  # of leaky ReLUs, for values below 0
MOMENTUM = 0.9  # of batch normalisation
BETA_1 = 0.5  # of Adam: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 60_000  # digits to train with, which is all
QUICK = 2_000  # digits; with fewer the readers learn for one epoch instead of six
WATCHED = 1_000  # generated digits that are read after each epoch
JUDGED = 10_000  # in the end, beside as many test digits
TAUGHT = 60_000  # generated digits that a reader learns from
CLASSES = 10
COLUMNS = 10  # digits in a row of a figure
SWEEPS = ((3, 8), (4, 9), (1, 7), (5, 6), (7, 2), (0, 6))  # labels between which is swept
SWEEP_STEPS = 9
SHAPE = (*shared_blocks.GLYPH_SHAPE, 1)
PARTS = {"labels": True, "no_labels": False}  # name: whether the networks see the labels
LOOKS = ("JUDGED", "TAUGHT", "COLUMNS", "SWEEPS", "SWEEP_STEPS", "LOOKS")  # what a resumed run may change
TINY = {"FILTERS": 8, "FEATURES": 8, "LIMIT": 60, "WATCHED": 20, "JUDGED": 20, "TAUGHT": 60, "EPOCHS": 1}


def build_generator():
    """Return the generator: noise (batch, LATENT_DIM), one-hot labels (batch, 10) -> (batch, 28, 28, 1) in [-1, 1]."""
    noise, label = keras.Input((LATENT_DIM,), name="noise"), keras.Input((CLASSES,), name="label")
    x = layers.Concatenate(name="noise_and_label")([noise, label])
    x = layers.Dense(7 * 7 * 2 * FILTERS, use_bias=False, name="project")(x)
    x = layers.Reshape((7, 7, 2 * FILTERS), name="first_map")(x)
    x = layers.ReLU(name="relu_1")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_1")(x))
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    x = layers.Conv2DTranspose(FILTERS, use_bias=False, dtype=PRECISION, name="deconv_1", **options)(x)
    x = layers.ReLU(name="relu_2")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_2")(x))
    pictures = layers.Conv2DTranspose(1, activation="tanh", name="deconv_2", **options)(x)
    return keras.Model(inputs=[noise, label], outputs=pictures, name="generator")


def build_discriminator():
    """Return the discriminator: (batch, 28, 28, 1) in [-1, 1], labels (batch, 10) -> logits of "real" (batch, 1)."""
    pictures, label = keras.Input(SHAPE, name="pictures"), keras.Input((CLASSES,), name="label")
    x = pictures
    for index, filters in enumerate((FILTERS, 2 * FILTERS), start=1):
        options = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": PRECISION}
        x = layers.Conv2D(filters, name=f"conv_{index}", **options)(x)
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{index}")(x)
    x = layers.Dense(FEATURES, name="features")(layers.Flatten(name="flatten")(x))
    features = layers.LeakyReLU(SLOPE, name="leaky_features")(x)
    of_label = layers.Dense(FEATURES, use_bias=False, name="label_embedding")(label)
    fits = ops.sum(features * of_label, axis=-1, keepdims=True)
    logits = layers.Add(name="logit")([layers.Dense(1, name="is_real")(features), fits])
    return keras.Model(inputs=[pictures, label], outputs=logits, name="discriminator")


def scale(images):
    """Map uint8 pictures (batch, 28, 28) to float32 (batch, 28, 28, 1) in [-1, 1]."""
    return ops.cast(images, "float32")[..., None] / 127.5 - 1


class CGAN(keras.Model):
    """Generator and discriminator, trained together by `fit` on one sum of losses.

    Each of the two losses reaches only its own network: the discriminator's sees the generated pictures, and the
    generator's sees the discriminator's weights, as constants (`stop_gradient`).

    Args:
        generator: as from `build_generator`.
        discriminator: as from `build_discriminator`.
        labelled: whether the networks see the labels; else they see zeros in their place.
        seed: of noise and labels.
    """

    def __init__(self, generator, discriminator, labelled, seed):
        super().__init__(name="cgan")
        self.generator = generator
        self.discriminator = discriminator
        self.labelled = labelled
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, images, training=None):
        """Return as many generated pictures as there are real ones, and what was seen of their random labels."""
        count = ops.shape(images)[0]
        noise = keras.random.normal((count, LATENT_DIM), seed=self.seed_generator)
        labels = keras.random.randint((count,), 0, CLASSES, seed=self.seed_generator)
        labels = one_hot(labels, self.labelled)
        return {"pictures": self.generator([noise, labels], training=training), "labels": labels}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return discriminator's plus generator's loss for real digits `x` labelled `y` and generated ones `y_pred`."""
        pictures, labels = y_pred["pictures"], y_pred["labels"]
        real = self.discriminator([scale(x), one_hot(y, self.labelled)], training=training)
        fake = self.discriminator([ops.stop_gradient(pictures), labels], training=training)
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2

        judged = shared_adversarial.held_still(self.discriminator, [pictures, labels], training)
        g_losses = ops.softplus(-judged)

        values = (d_losses, g_losses, real > 0, fake < 0, ops.sigmoid(real), ops.sigmoid(fake))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return ops.mean(d_losses) + ops.mean(g_losses)


def noise_of(count, seed):
    """Return noise from N(0, I), float32 (count, LATENT_DIM); the first rows are always the same."""
    return np.random.default_rng(seed).standard_normal((count, LATENT_DIM), np.float32)


def one_hot(labels, labelled):
    """Return what the networks see of int labels (count,): one-hot (count, 10), or zeros if they see none."""
    return ops.one_hot(labels, CLASSES) * float(labelled)


def generate(generator, noise, labels):
    """Return uint8 digits (count, 28, 28) of noise (count, LATENT_DIM) and what is seen of labels (count, 10)."""
    return shared_figures.to_uint8(shared_training.predict(generator, [noise, labels]), low=-1, high=1)[..., 0]


def even_labels(count):
    """Return the digits 0 to 9 in order, each as often as the others but for one: int (count,)."""
    return np.arange(count) * CLASSES // count


class Judge:
    """What the digit reader says of digits that were generated from the same noise each time.

    Args:
        generate: function (noise, int labels (count,)) -> uint8 (count, 28, 28).
        labelled: whether labels mean something to it.
        reader: the digit reader.
        bank: `shared_blocks.GlyphBank` of the test digits.
        seed: of noise and of the test digits that they are compared with.
    """

    def __init__(self, generate, labelled, reader, bank, seed):
        self.generate, self.labelled, self.reader, self.bank, self.seed = generate, labelled, reader, bank, seed

    def __call__(self, count):
        """Return so many digits, uint8 (count, 28, 28), and what is measured of them.

        It is `agreement`, the share that are read as the label asked for, if labels mean something; `diversity`, as by
        `shared_readers.diversity`, by what is read; `rarest_digit`, ten times the share of the digit that is read least
        often, about 0.9 in MNIST itself, and near 1 if labels mean something, since each is asked for equally often.
        """
        asked = even_labels(count)
        digits = self.generate(noise_of(count, self.seed), asked)
        seen = shared_readers.read(self.reader, shared_figures.to_unit(digits))
        real = self.bank.pick(seen, np.random.default_rng(self.seed))
        numbers = {"agreement": float(np.mean(seen == asked))} if self.labelled else {}
        counts = np.bincount(seen, minlength=CLASSES)[:CLASSES]
        return digits, {
            **numbers,
            "diversity": shared_readers.diversity(shared_figures.to_unit(digits), real, seen),
            "rarest_digit": float(CLASSES * counts.min() / count),
        }


class JudgeEachEpoch(keras.callbacks.Callback):
    """Log what a `Judge` measures of WATCHED digits."""

    def __init__(self, judge):
        super().__init__()
        self.judge = judge

    def on_epoch_end(self, epoch, logs=None):
        """Add its numbers to what the later callbacks see."""
        logs.update(self.judge(WATCHED)[1])


def teach(digits, labels, test, bank, seed, epochs):
    """Return the share of real test digits that a reader trained on generated ones alone reads right.

    That is "GAN-train" of Shmelkov et al., "How good is my GAN?", 2018.

    Args:
        digits: uint8 (count, 28, 28), generated.
        labels: int (count,).
        test: pair of real digits and their labels.
        bank: `shared_blocks.GlyphBank`, for the minus signs and blanks that a reader learns besides.
        seed: of the reader.
        epochs: to train it for.
    """
    reader = shared_readers.build_reader(len(shared_blocks.CHARACTERS), seed)
    shared_readers.train_reader(reader, shared_answers.digit_batches((digits, labels), bank, seed), seed, epochs)
    return shared_readers.reader_accuracy(reader, test)


def save_sweep(part, generator, reader):
    """Write sweep.png: the label moved from one digit to another, the noise the same, and what the reader sees."""
    share = np.linspace(0, 1, SWEEP_STEPS)[:, None]
    every = np.eye(CLASSES)
    labels = np.concatenate([(1 - share) * every[start] + share * every[end] for start, end in SWEEPS])
    noise = np.repeat(noise_of(len(SWEEPS), part.args.seed), SWEEP_STEPS, axis=0)
    digits = generate(generator, noise, labels.astype(np.float32))
    seen = zip(*shared_readers.read_surely(reader, shared_figures.to_unit(digits)), strict=True)
    captions = [
        (f"{shared_blocks.CHARACTERS[token]!r} {probability:.2f}", token in pair)
        for (token, probability), pair in zip(seen, np.repeat(SWEEPS, SWEEP_STEPS, axis=0), strict=True)
    ]
    title = part.title("labels swept; the reader's digit and its probability")
    shared_figures.save_captioned(part.folder / "sweep.png", digits, captions, title, SWEEP_STEPS)


def run_part(run, name, count, sets, banks, reader):
    """Train the GAN with or without labels, and judge it.

    Args:
        run: the `shared_run.Run`.
        name: of PARTS.
        count: which part it is of how many, as text.
        sets: digits to train with and to test with, pairs of uint8 (count, 28, 28) and labels (count,).
        banks: `shared_blocks.GlyphBank` of each.
        reader: the digit reader.

    Returns:
        dict: its final metrics.
    """
    args, labelled = run.args, PARTS[name]
    part = run.part(name, count)
    if part.is_done(args.epochs):
        return shared_files.read_results(part.folder / "results.json")
    keras.utils.set_random_seed(args.seed)
    batches = shared_training.Batches(sets[0], np.arange(len(sets[0][0])), args.batch_size)
    generator, discriminator = build_generator(), build_discriminator()
    cgan = CGAN(generator, discriminator, labelled, args.seed)
    decay = {"decay_steps": HALVING * len(batches), "decay_rate": 0.5}
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, **decay)
    cgan.compile(optimizer=keras.optimizers.Adam(rate, beta_1=BETA_1))

    def draw(noise, labels):
        return generate(generator, noise, ops.convert_to_numpy(one_hot(labels, labelled)))

    def save_samples(name, text):
        labels = even_labels(CLASSES * COLUMNS)
        part.save_grid(name, draw(noise_of(len(labels), args.seed), labels), text, COLUMNS)

    judge = Judge(draw, labelled, reader, banks[1], args.seed)
    watched = [ops.convert_to_tensor(noise_of(32, args.seed)), one_hot(even_labels(32), labelled)]
    watch = shared_training.GANWatch(lambda: generator(watched), low=-1, high=1)
    callbacks = [watch, JudgeEachEpoch(judge)]
    history = part.fit(cgan, batches, epochs=args.epochs, save_samples=save_samples, callbacks=callbacks)

    digits, found = judge(JUDGED)
    others, found["picture_distance"] = shared_distances.nearest_pictures(digits, sets[0][0])
    _, found["picture_distance_real"] = shared_distances.nearest_pictures(sets[1][0][:JUDGED], sets[0][0])
    every = slice(None, None, max(1, len(digits) // (2 * COLUMNS)))
    groups = {"samples": digits[every], "the nearest training digits": others[every]}
    part.save_rows("nearest.png", groups, COLUMNS)
    if labelled:
        noise = np.tile(noise_of(COLUMNS, args.seed), (CLASSES, 1))
        pictures = draw(noise, even_labels(len(noise)))
        part.save_grid("styles.png", pictures, "the same noise down each column", COLUMNS)
        save_sweep(part, generator, reader)
        taught = even_labels(min(TAUGHT, len(sets[0][0])))
        digits = draw(noise_of(len(taught), args.seed + 1), taught)
        epochs = shared_readers.reader_epochs(len(sets[0][0]) < QUICK)
        found["taught_accuracy"] = teach(digits, taught, sets[1], banks[0], args.seed, epochs)
    part.save_model("generator.keras", generator)
    part.save_model("discriminator.keras", discriminator)
    panels = {
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
        "agreement, rarest digit": [name for name in ("agreement", "rarest_digit") if name in history],
        "diversity": ["diversity"],
    }
    return part.finish(history, panels, args.epochs, **found)


def main(argv=None):
    """Train with and without labels, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_digits` and `shared_run.Run`.
    """
    args = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="digits").parse_args(argv)
    train, test, source = shared_data.find_digits(args.data, args.seed)
    train = [part[: args.limit] for part in train]
    run = shared_run.Run(globals(), args, source, [*train, *test], LOOKS)
    banks = [shared_blocks.GlyphBank(*digits, [args.seed, index]) for index, digits in enumerate((train, test))]
    reader = shared_answers.find_digit_reader(train, banks[0], args.seed, quick=len(train[0]) < QUICK)
    results = {"reader_accuracy": shared_readers.reader_accuracy(reader, test)}
    print(f"The reader reads {results['reader_accuracy']:.2%} of the test digits.")
    pictures = {}
    for index, (name, labelled) in enumerate(PARTS.items(), start=1):
        numbers = run_part(run, name, f"{index} of {len(PARTS)}", (train, test), banks, reader)
        results |= {f"{name}_{metric}": value for metric, value in numbers.items()}
        (generator,) = shared_networks.load_networks(run.folder / name, "generator")
        asked = ops.convert_to_numpy(one_hot(even_labels(CLASSES * COLUMNS), labelled))
        text = "a row per label" if labelled else "from the same noise without labels"
        pictures[text] = generate(generator, noise_of(len(asked), args.seed), asked)
    run.save_rows("beside.png", pictures, COLUMNS)
    run.save_results(results)
    return results


if __name__ == "__main__":
    shared_command_line.run_script(main)
