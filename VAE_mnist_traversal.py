"""Variational autoencoder of MNIST digits that says what each of its latent dimensions does.

    python VAE_mnist_traversal.py                      # MNIST through keras.datasets, or drawn digits
    python VAE_mnist_traversal.py --mnist mnist.npz

Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, on digits binarised anew each epoch as by Burda et al.,
"Importance Weighted Autoencoders", 2016. Loss in nats per picture: cross-entropy summed over pixels, plus beta times
KL. Each dimension is moved through its range while the others stay; the pictures are measured (thickness, slant, width,
height, length), read by the digit reader, and held against the training digits, to see which moves leave the data. Two
models: one of LATENT_DIM dimensions, and one of two, of which a plane can be drawn.

Writes `runs/VAE_mnist_traversal/`: settings.json, results.json, and for each model, in its own folder, `many/` and
`two/`: history.csv, curves.png, samples/, samples.gif, reconstructions.png, results.json, encoder.keras, decoder.keras
(codes to greys in [0, 1]), checkpoint/; `many/` has traversals.png (a row per dimension, by KL, with what it does),
dimensions.csv and dimensions.png (KL, slopes, where moves leave the data) as well, `two/` plane.png and map.png. The
digit reader is kept in `data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

from statistics import NormalDist

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_factors
import shared_figures
import shared_files
import shared_readers
import shared_run
import shared_training
import shared_traversals

LATENT_DIM = 16
UNITS = 512  # of two dense layers in encoder and decoder each
EPOCHS = 40
BATCH_SIZE = 100
LEARNING_RATE = 1e-3
HALVING = 8  # epochs after which the learning rate has come to a half
STEPS_PER_EXECUTION = 20  # in one call of the compiled graph
BETA = 1.0  # weight of KL; 1.0 is the plain lower bound
LIMIT = 60_000  # digits to train with, which is all; at most as many are tested
TEST_BATCH_SIZE = 500
TESTED = 10_000  # test digits that are looked at, at most
FEWEST = 20  # of them
QUICK = 2_000  # digits; with fewer the reader learns for one epoch instead of six
ACTIVE_VARIANCE = 0.01  # a latent unit is active above it: Burda et al. 2016
IMPORTANCE_SAMPLES = 1_000  # of each test digit, for its likelihood
MOVED = 40  # test digits whose codes are moved, the first
SAMPLES = 40
PLANE = 20  # pictures of the plane, across and down
SHAPE = shared_blocks.GLYPH_SHAPE
LOOKS = ("ACTIVE_VARIANCE", "IMPORTANCE_SAMPLES", "MOVED", "PLANE", "FEWEST", "LOOKS")  # what a resumed run may change
TINY = {"UNITS": 32, "LIMIT": 100, "TESTED": 60, "EPOCHS": 1, "IMPORTANCE_SAMPLES": 10, "MOVED": 2, "LATENT_DIM": 4}


def build_encoder(latent_dim):
    """Return the encoder: float (batch, 28, 28) in [0, 1] -> {"z_mean", "z_log_var"}, each (batch, latent_dim)."""
    pictures = keras.Input(SHAPE, name="pictures")
    x = layers.Flatten(name="flatten")(pictures)
    for index in (1, 2):
        x = layers.Dense(UNITS, activation="relu", name=f"dense_{index}")(x)
    heads = {name: layers.Dense(latent_dim, name=name)(x) for name in ("z_mean", "z_log_var")}
    return keras.Model(inputs=pictures, outputs=heads, name="encoder")


def build_decoder(latent_dim):
    """Return the decoder: float (batch, latent_dim) -> (batch, 28, 28), the logits of a pixel's being white."""
    z = x = keras.Input((latent_dim,), name="latent")
    for index in (1, 2):
        x = layers.Dense(UNITS, activation="relu", name=f"dense_{index}")(x)
    x = layers.Dense(SHAPE[0] * SHAPE[1], name="logits")(x)
    return keras.Model(inputs=z, outputs=layers.Reshape(SHAPE, name="picture")(x), name="decoder")


def cross_entropy(pictures, logits):
    """Return the cross-entropy in nats, summed over pixels: pictures of 0 and 1 and logits (..., 28, 28) -> (...)."""
    return ops.sum(ops.softplus(logits) - ops.multiply(pictures, logits), axis=(-2, -1))


class VAE(keras.Model):
    """Encoder, sampling and decoder with the loss of the module's docstring.

    Args:
        encoder: as from `build_encoder`.
        decoder: as from `build_decoder`.
        beta: weight of KL.
        seed: of the sampling.
    """

    def __init__(self, encoder, decoder, beta, seed):
        super().__init__(name="vae")
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.built = True

    def call(self, pictures):
        """Encode pictures of 0 and 1, (batch, 28, 28), sample a latent vector for each, and decode it."""
        latent = self.encoder(pictures)
        noise = keras.random.normal(ops.shape(latent["z_mean"]), seed=self.seed_generator)
        z = latent["z_mean"] + ops.exp(latent["z_log_var"] / 2) * noise
        return {"logits": self.decoder(z), **latent}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return reconstruction + beta * KL of the pictures `x`, given the output `y_pred` of `call`."""
        reconstruction = cross_entropy(x, y_pred["logits"])
        kl = ops.sum(kl_of_dimensions(y_pred), axis=-1)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return ops.mean(reconstruction + self.beta * kl)


def kl_of_dimensions(latent):
    """Return KL from N(0, 1) of each dimension, in nats, (batch, latent_dim), of what the encoder gives."""
    z_mean, z_log_var = (ops.convert_to_tensor(latent[name]) for name in ("z_mean", "z_log_var"))
    return -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))


def decode(decoder, z):
    """Return uint8 pictures (count, 28, 28) of latent vectors (count, latent_dim)."""
    return shared_figures.to_uint8(ops.sigmoid(shared_training.predict(decoder, z)), low=0, high=1)


def negative_log_likelihood(encoder, decoder, pictures, samples, seed):
    """Return the importance-weighted estimate of -log p(x), in nats, averaged over pictures.

    Burda et al. 2016, equation 8, which is an upper bound that falls with the number of samples.

    Args:
        encoder: as from `build_encoder`, trained.
        decoder: as from `build_decoder`, trained.
        pictures: float (count, 28, 28) of 0 and 1.
        samples: of each picture.
        seed: of them.
    """
    rng = np.random.default_rng(seed)
    latent = shared_training.predict(encoder, pictures)
    nats = []
    for picture, mean, log_var in zip(pictures, latent["z_mean"], latent["z_log_var"], strict=True):
        noise = rng.standard_normal((samples, len(mean)), np.float32)
        z = mean + np.exp(log_var / 2) * noise
        # log p(x | z) + log p(z) - log q(z | x), of which the constants of the two normal densities cancel
        of_code = 0.5 * np.sum(noise**2 - z**2 + log_var, axis=-1)
        logits = shared_training.predict(decoder, z, batch_size=samples)
        of_picture = ops.convert_to_numpy(cross_entropy(picture, logits))
        nats.append(np.log(samples) - float(ops.logsumexp(of_code - of_picture)))
    return float(np.mean(nats))


def save_plane(part, decoder, z_mean, labels):
    """Write plane.png, the pictures of a two-dimensional code, and map.png, where the test digits lie in it.

    Args:
        part: of the `shared_run.Run`.
        decoder: as from `build_decoder`, of two dimensions, trained.
        z_mean: float (count, 2) of the test digits.
        labels: int (count,), their digits.
    """
    quantiles = [NormalDist().inv_cdf((index + 0.5) / PLANE) for index in range(PLANE)]
    across, down = np.meshgrid(quantiles, quantiles[::-1])
    codes = np.stack([across, down], axis=-1).reshape(-1, 2).astype(np.float32)
    part.save_grid("plane.png", decode(decoder, codes), f"z at {PLANE} quantiles of N(0, 1), across and down", PLANE)
    figure = Figure(figsize=(7, 6), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    for digit in range(10):
        axes.plot(*z_mean[labels == digit].T, ".", markersize=2, color=f"C{digit}", label=str(digit))
    axes.set(xlabel="z0", ylabel="z1", aspect="equal")
    axes.set_title(part.title("test digits by z_mean"), fontsize=9)
    axes.legend(markerscale=5, fontsize=9, loc="upper right")
    figure.savefig(part.folder / "map.png")


def examine(part, encoder, decoder, train, test, binary, reader):
    """Show and measure what each dimension of a trained model does.

    Args:
        part: of the `shared_run.Run`.
        encoder: as from `build_encoder`, trained.
        decoder: as from `build_decoder`, trained.
        train: uint8 (count, 28, 28), the training digits.
        test: pair of uint8 (others, 28, 28) and their digits (others,).
        binary: float (others, 28, 28), the test digits as 0 and 1.
        reader: the digit reader.

    Returns:
        dict: `active_units`; `mig`, and `gap_<factor>` of which it is the mean; what `shared_factors.dci` gives;
        `flipped` and `left_data`, means over active dimensions.
    """
    latent = shared_training.predict(encoder, binary)
    z_mean, deviation = latent["z_mean"], np.exp(latent["z_log_var"] / 2)
    z = z_mean + deviation * np.random.default_rng(part.args.seed).standard_normal(z_mean.shape, np.float32)
    kl = ops.convert_to_numpy(kl_of_dimensions(latent)).mean(axis=0)
    active = np.var(z_mean, axis=0) > ACTIVE_VARIANCE
    measured = shared_factors.measure_all(test[0])
    traversals = shared_traversals.Traversals(
        lambda z: decode(decoder, z),
        lambda pictures: shared_readers.read(reader, shared_figures.to_unit(pictures)),
        z_mean[:MOVED],
    )
    left = traversals.left_data(train, decode(decoder, z_mean))
    deviations = measured.std(axis=0)
    rows = traversals.describe(kl, active, deviations, left)
    shared_files.write_table(part.folder / "dimensions.csv", rows)
    traversals.save(part.folder / "traversals.png", rows, part.title(shared_traversals.TITLE))
    traversals.save_dimensions(part.folder / "dimensions.png", rows, deviations, left, part.title("dimensions"))

    factors = {"digit": test[1].astype(int)}
    for name, values in zip(shared_factors.MEASURES, measured.T, strict=True):
        factors[name] = shared_factors.to_bins(values)
    gaps = shared_factors.mutual_information_gaps(z, factors)
    used = [row for row in rows if row["active"]] or rows
    return {
        "active_units": int(active.sum()),
        "mig": float(np.mean(list(gaps.values()))),
        **{f"gap_{name}": gap for name, gap in gaps.items()},
        **shared_factors.dci(z, test[1], measured, part.args.seed),
        **{name: float(np.mean([row[name] for row in used])) for name in ("flipped", "left_data")},
    }


def run_model(run, name, count, latent_dim, sets, reader):
    """Train a model of so many latent dimensions, and look at it.

    Args:
        run: the `shared_run.Run`.
        name: of its part of the run, "many" or "two".
        count: which part it is of how many, as text.
        latent_dim: its latent dimensions.
        sets: digits to train with and to test with, pairs of uint8 (count, 28, 28) and labels (count,).
        reader: the digit reader.

    Returns:
        dict: its final metrics.
    """
    args = run.args
    part = run.part(name, count)
    if part.is_done(args.epochs):
        return shared_files.read_results(part.folder / "results.json")
    train, test = (
        shared_training.Batches(digits, np.arange(len(digits[0])), size, shared_training.binarised)
        for digits, size in zip(sets, (args.batch_size, TEST_BATCH_SIZE), strict=True)
    )
    (binary,) = test.all()
    keras.utils.set_random_seed(args.seed)
    encoder, decoder = build_encoder(latent_dim), build_decoder(latent_dim)
    vae = VAE(encoder, decoder, BETA, args.seed)
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, decay_steps=HALVING * len(train), decay_rate=0.5)
    vae.compile(optimizer=keras.optimizers.Adam(rate), **shared_training.fast_steps(STEPS_PER_EXECUTION))
    points = np.random.default_rng(args.seed).standard_normal((SAMPLES, latent_dim), np.float32)

    def save_samples(name, text):
        part.save_grid(name, decode(decoder, points), text, columns=10)

    history = part.fit(vae, train, epochs=args.epochs, validation_data=test, save_samples=save_samples)

    z_mean = shared_training.predict(encoder, binary)["z_mean"]
    shown = sets[1][0][:10], shared_figures.to_uint8(binary[:10], 0, 1), decode(decoder, z_mean[:10])
    part.save_grid("reconstructions.png", np.concatenate(shown), "test digits, binarised, reconstructed", len(shown[0]))
    found = {"nll": negative_log_likelihood(encoder, decoder, binary, IMPORTANCE_SAMPLES, args.seed)}
    if latent_dim == 2:
        save_plane(part, decoder, z_mean, sets[1][1])
    else:
        found |= examine(part, encoder, decoder, sets[0][0], sets[1], binary, reader)
    part.save_model("encoder.keras", encoder)
    part.save_model("decoder.keras", keras.Model(decoder.input, ops.sigmoid(decoder.output), name="decoder"))
    panels = {"loss": ["loss"], "reconstruction": ["reconstruction"], "KL": ["kl"]}
    return part.finish(history, panels, args.epochs, **found)


def main(argv=None):
    """Train both models, and return their final metrics as a dict of numbers.

    Raises:
        InputError: there are fewer than FEWEST digits; as `shared_data.find_digits` and `shared_run.Run`.
    """
    args = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="digits").parse_args(argv)
    train, test, source = shared_data.find_digits(args.data, args.seed)
    train, test = [part[: args.limit] for part in train], [part[: min(TESTED, args.limit)] for part in test]
    if len(test[0]) < FEWEST:
        raise shared_files.InputError(f"{len(test[0])} digits are too few to look at their codes; take {FEWEST}.")
    run = shared_run.Run(globals(), args, source, [*train, *test], LOOKS)
    bank = shared_blocks.GlyphBank(*train, [args.seed, 0])
    reader = shared_answers.find_digit_reader(train, bank, args.seed, quick=len(train[0]) < QUICK)
    results = {}
    for index, (name, latent_dim) in enumerate({"many": LATENT_DIM, "two": 2}.items(), start=1):
        numbers = run_model(run, name, f"{index} of 2", latent_dim, (train, test), reader)
        results |= {f"{name}_{metric}": value for metric, value in numbers.items()}
    run.save_results(results)
    return results


if __name__ == "__main__":
    shared_command_line.run_script(main)
