"""GAN of 64x64 faces, 128 filters, latent dimension 128, made steadier by remedies that are added one by one.

    python GAN_filter128_latent128_stable.py
    python GAN_filter128_latent128_stable.py --remedies small --epochs 12 --out runs/small    # one of them alone

With no remedy (`--remedies` alone) it is GAN_filter128_latent128 without the 5% of the photographs that are held out. A
bare command takes three: *small* batches, of a quarter of `--batch-size`, so four times the steps; *averaged*, samples
from an exponential moving average of its weights (Karras et al., "Progressive Growing of GANs", 2018); *deviation*, the
discriminator is told how much the pictures of a batch differ (minibatch standard deviation, Karras et al.). Others can
be added: *flips* of the photographs; *moved*, the discriminator sees some pictures moved (Zhao et al., "Differentiable
Augmentation for Data-Efficient GAN Training", 2020); *colours*, it sees them changed in colour; *pyramid*, other
networks that cost no more a picture: more channels the smaller the map, 4x4 kernels, leaky units and one convolution
fewer in the discriminator, batch normalisation in the generator (Radford et al., "Unsupervised Representation Learning
with DCGANs", 2016); *penalty*, of the gradient on real and generated pictures (Mescheder et al., "Which Training
Methods for GANs do actually Converge?", 2018); *relativistic*, a photograph needs only to look more real than a
generated one (Huang et al., "The GAN is dead; long live the GAN!", 2024); *spectral* normalisation (Miyato et al.
2018). `--decay 50` lets the learning rate fall to 0 in 50 epochs.

Writes `runs/GAN_filter128_latent128_stable/`: settings.json, history.csv, curves.png, samples/ (of the same noise, from
before training on), samples.gif, interpolation.png, results.json, generator.keras, discriminator.keras, checkpoint/.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops

import shared_adversarial
import shared_blocks
import shared_codes
import shared_command_line
import shared_data
import shared_figures
import shared_run
import shared_training

FILTERS = 128
LATENT_DIM = 128
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square; False squashes them
GENERATOR_FILTERS = (256, 256, 128, 64, 32)  # of *pyramid*: of the maps of 4x4, 8x8, ..., 64x64 pixels
DISCRIMINATOR_FILTERS = (48, 96, 192, 384)  # the same, of the maps of 32x32, ..., 4x4
SLOPE = 0.2  # of leaky units below 0
MOMENTUM = 0.9  # of batch normalisation
REMEDIES = ("small", "averaged", "deviation")  # of a bare command
CHANGES = ("moved", "colours")  # the ones that change what the discriminator sees
OTHERS = ("flips", "moved", "colours", "pyramid", "penalty", "relativistic", "spectral")
EPOCHS = 50
BATCH_SIZE = 64
SMALLER = 4  # times: how much smaller the batches of *small* are than --batch-size, rounded down
LEARNING_RATE = 2e-4
BETA_1 = 0.5  # of Adam
AVERAGING = 0.999  # share of the averaged weights that stays at a step
PENALTY, STEP = 0.1, 0.1  # weight of the squared slope; deviation of the step by which it is found, of values -1 to 1
AUGMENTED = 0.3  # share of pictures that are changed
SHIFT = 8  # pixels that a picture is moved by, at most
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
HELD_OUT = 0.05  # share of the pictures that is never trained on
SAMPLES = 32
TINTS = ("mean_red", "mean_green", "mean_blue")
INTERPOLATION_STEPS = 9
TINY = {  # for the tests
    "FILTERS": 8,
    "GENERATOR_FILTERS": (16, 8, 8, 8, 8),
    "DISCRIMINATOR_FILTERS": (8, 8, 8, 16),
    "LIMIT": 10,
    "BATCH_SIZE": 8,
    "EPOCHS": 1,
}


def build_generator():
    """Return the generator, without *pyramid*: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [-1, 1]."""
    return shared_blocks.build_deconv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        latent_dim=LATENT_DIM,
        filters=FILTERS,
        activation="tanh",
        dtype=PRECISION,
        name="generator",
    )


def build_discriminator():
    """Return the discriminator, without *pyramid*: pictures (batch, 64, 64, 3) in [-1, 1] -> logits (batch, 1)."""
    return shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=1, filters=FILTERS, dtype=PRECISION, name="discriminator"
    )


def build_pyramid_generator():
    """Return the generator of *pyramid*: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [-1, 1]."""
    side = IMAGE_SIZE // 2 ** (len(GENERATOR_FILTERS) - 1)
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    noise = keras.Input((LATENT_DIM,), name="noise")
    x = layers.Dense(side * side * GENERATOR_FILTERS[0], use_bias=False, dtype=PRECISION, name="project")(noise)
    x = layers.Reshape((side, side, GENERATOR_FILTERS[0]), dtype=PRECISION, name="first_map")(x)
    x = layers.ReLU(dtype=PRECISION, name="relu_1")(
        layers.BatchNormalization(momentum=MOMENTUM, dtype=PRECISION, name="norm_1")(x)
    )
    for index, filters in enumerate(GENERATOR_FILTERS[1:], start=2):
        x = layers.Conv2DTranspose(filters, use_bias=False, dtype=PRECISION, name=f"deconv_{index}", **options)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, dtype=PRECISION, name=f"norm_{index}")(x)
        x = layers.ReLU(dtype=PRECISION, name=f"relu_{index}")(x)
    pictures = layers.Conv2D(3, 3, padding="same", activation="tanh", name="to_picture")(x)
    return keras.Model(inputs=noise, outputs=pictures, name="generator")


def build_pyramid_discriminator():
    """Return the discriminator of *pyramid*: as `build_discriminator`."""
    pictures = x = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="pictures")
    for index, filters in enumerate(DISCRIMINATOR_FILTERS, start=1):
        x = layers.Conv2D(filters, 4, strides=2, padding="same", dtype=PRECISION, name=f"conv_{index}")(x)
        x = layers.LeakyReLU(SLOPE, dtype=PRECISION, name=f"leaky_{index}")(x)
    logits = layers.Dense(1, name="head")(layers.Flatten(name="flatten")(x))
    return keras.Model(inputs=pictures, outputs=logits, name="discriminator")


def told_deviation(discriminator):
    """Return a discriminator that is told before its last three layers how much the batch's pictures differ.

    It is told by `shared_adversarial.with_deviation`, before the last convolution of `build_discriminator`, but before
    the last activation of `build_pyramid_discriminator`, so that only its head makes use of it.

    Args:
        discriminator: as from `build_discriminator` or `build_pyramid_discriminator`, whose other layers it shares.
    """
    *first, before_last, flatten, head = discriminator.layers
    x = shared_adversarial.with_deviation(first[-1].output)
    for layer in (before_last, flatten, head):
        x = layer.from_config(layer.get_config())(x)  # a new one: a built kernel has no place for the channel
    return keras.Model(discriminator.input, x, name=discriminator.name)


def build_networks(remedies):
    """Return generator and discriminator of a run with these remedies."""
    pyramid = "pyramid" in remedies
    generator = build_pyramid_generator() if pyramid else build_generator()
    discriminator = build_pyramid_discriminator() if pyramid else build_discriminator()
    return generator, told_deviation(discriminator) if "deviation" in remedies else discriminator


def scale(images):
    """Map pictures from 0..255 to float32 in [-1, 1]."""
    return ops.cast(images, "float32") / 127.5 - 1


def flipped(images, rng):
    """Return a batch in which each picture is mirrored or not: a `transform` of `Batches`."""
    return (shared_training.mirrored(images, rng),)


def shift(pictures, seed):
    """Return each picture moved by up to SHIFT pixels down or up and across; what comes in is 0."""
    moved, places = pictures, ops.arange(IMAGE_SIZE)
    for axes in ("bij,bjkc->bikc", "bij,bkjc->bkic"):
        by = keras.random.randint((ops.shape(pictures)[0], 1, 1), -SHIFT, SHIFT + 1, seed=seed)
        taken = ops.equal(places[None, :, None] + by, places[None, None])  # (batch, to, from)
        moved = ops.einsum(axes, ops.cast(taken, moved.dtype), moved)
    return moved


def recolour(pictures, seed):
    """Return pictures changed in brightness, saturation and contrast, each in its own way."""
    draws = keras.random.uniform((3, ops.shape(pictures)[0], 1, 1, 1), seed=seed)
    changed = pictures + draws[0] - 0.5
    grey = ops.mean(changed, axis=3, keepdims=True)
    changed = grey + 2 * draws[1] * (changed - grey)
    mean = ops.mean(changed, axis=(1, 2, 3), keepdims=True)
    return mean + (0.5 + draws[2]) * (changed - mean)


def augment(pictures, seed, remedies):
    """Return pictures, a share AUGMENTED of them changed in "colours", "moved", or both, as the remedies say.

    The changes are the "color" and "translation" of Zhao et al. 2020, for values -1 to 1.
    """
    changed = recolour(pictures, seed) if "colours" in remedies else pictures
    chosen = keras.random.uniform((ops.shape(pictures)[0], 1, 1, 1), seed=seed) < AUGMENTED
    changed = shift(changed, seed) if "moved" in remedies else changed
    return ops.where(chosen, changed, pictures)


class StableGAN(keras.Model):
    """Generator and discriminator, trained together by `fit` on the sum of two losses, each of which trains one.

    In training, metrics are of pictures as the discriminator sees them, changed or not. On held-out photographs they
    are of unchanged pictures, and without the penalty. Generated pictures are always those of the generator that
    learns, not of its average. With "relativistic", accuracies and probabilities are of logits from which the mean of
    the real and the generated ones is taken.

    Args:
        generator: as from `build_networks`.
        discriminator: as from `build_networks`.
        remedies: some of REMEDIES and OTHERS.
        seed: of noise and changes.
    """

    def __init__(self, generator, discriminator, remedies, seed):
        super().__init__(name="gan")
        self.generator = generator
        self.discriminator = discriminator
        self.remedies = remedies
        self.average = shared_adversarial.Average(generator, AVERAGING)
        self.vectors = {  # the last right singular vectors of the discriminator's kernels, by their place
            index: self.add_weight((weight.shape[-1],), trainable=False, name=f"vector_{index}")
            for index, weight in enumerate(discriminator.trainable_variables)
            if "spectral" in remedies and len(weight.shape) > 1
        }
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    @property
    def shown(self):
        """The generator whose samples are shown and which is saved."""
        return self.average.network if "averaged" in self.remedies else self.generator

    def call(self, images, training=None):
        """Return as many generated pictures (batch, 64, 64, 3) in [-1, 1] as there are real ones."""
        noise = keras.random.normal((ops.shape(images)[0], LATENT_DIM), seed=self.seed_generator)
        return self.generator(noise, training=training)

    def judging_weights(self, training):
        """Return the discriminator's weights; with "spectral", each kernel is divided by its largest singular value.

        One step of power iteration from the vector of the last one finds it, as by Miyato et al., "Spectral
        Normalization for Generative Adversarial Networks", 2018, algorithm 1. `layers.SpectralNormalization` overwrites
        the kernels, so that no gradient passes through the singular value.
        """
        values = [ops.convert_to_tensor(weight) for weight in self.discriminator.trainable_variables]
        for index, vector in self.vectors.items():
            matrix = ops.reshape(values[index], (-1, vector.shape[0]))
            left = ops.normalize(ops.stop_gradient(matrix @ vector[:, None]), axis=0)
            right = ops.normalize(ops.stop_gradient(ops.transpose(matrix) @ left), axis=0)
            if training:
                vector.assign(right[:, 0])
            values[index] = values[index] / ops.sum(left * (matrix @ right))
        return values

    def judge(self, weights, pictures):
        """Return the discriminator's logits (batch, 1) of pictures, with these weights in place of its own."""
        return self.discriminator.stateless_call(weights, [], pictures)[0]

    def both_losses(self, real, fake, judged):
        """Return losses (batch, 1) of discriminator and generator, and the logit above which pictures count as real.

        Args:
            real: logits (batch, 1) of real pictures.
            fake: of generated ones, through which the discriminator learns.
            judged: of generated ones, through which the generator learns.
        """
        if "relativistic" in self.remedies:  # only differences of logits count
            middle = (ops.mean(real) + ops.mean(fake)) / 2
            # Halved as the loss below is, so that the penalty weighs as much beside either.
            return ops.softplus(fake - real) / 2, ops.softplus(ops.stop_gradient(real) - judged), middle
        return (ops.softplus(-real) + ops.softplus(fake)) / 2, ops.softplus(-judged), 0.0

    def penalty(self, weights, pictures, logits):
        """Return the cost of the slopes at the real and at the generated pictures, whose logits are given."""

        def judge(moved):
            return self.judge(weights, moved)

        slopes = [
            shared_adversarial.squared_slopes(judge, each, found, STEP, self.seed_generator)
            for each, found in zip(pictures, logits, strict=True)
        ]
        return PENALTY / 2 * sum(map(ops.mean, slopes))

    def prepare(self, pictures, training):
        """Return pictures as the discriminator sees them."""
        if not training or not {*CHANGES} & {*self.remedies}:
            return pictures
        return augment(pictures, self.seed_generator, self.remedies)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return both losses' sum, in training with the penalty, for real uint8 `x` and generated pictures `y_pred`."""
        pictures = [self.prepare(scale(x), training), self.prepare(ops.stop_gradient(y_pred), training)]
        weights = self.judging_weights(training)
        real, fake = (self.judge(weights, each) for each in pictures)
        judged = self.judge(list(map(ops.stop_gradient, weights)), self.prepare(y_pred, training))
        d_losses, g_losses, middle = self.both_losses(real, fake, judged)
        d_x, d_g_z = (ops.sigmoid(logits - middle) for logits in (real, fake))
        values = (d_losses, g_losses, d_x > 0.5, d_g_z < 0.5, d_x, d_g_z)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        if training and "averaged" in self.remedies:
            self.average.follow(self.generator)
        loss = ops.mean(d_losses) + ops.mean(g_losses)
        if training and "penalty" in self.remedies:
            loss = loss + self.penalty(weights, pictures, (real, fake))
        return loss


class Tint(keras.callbacks.Callback):
    """Log `mean_red`, `mean_green` and `mean_blue`, the mean colour of samples from the same noise; grey values."""

    def __init__(self, samples):
        """Take the function that returns them as uint8 pictures."""
        super().__init__()
        self.samples = samples

    def on_epoch_end(self, epoch, logs=None):
        """Look at the samples of this epoch."""
        logs.update(zip(TINTS, self.samples().mean(axis=(0, 1, 2)).tolist(), strict=True))


def tint_swing(history):
    """Return how far the mean colour of the samples moves in an epoch, over the last half of the epochs; grey values.

    It is the mean absolute change of the channel that moves most; 0 for fewer than three epochs.
    """
    tints = np.array([history[name] for name in TINTS])
    changes = np.abs(np.diff(tints[:, tints.shape[1] // 2 :]))
    return float(changes.mean(axis=1).max()) if changes.size else 0.0


def learning_rate(steps):
    """Return the learning rate, or the schedule by which it falls to 0 along a cosine in so many steps, unless 0."""
    return keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps) if steps else LEARNING_RATE


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_images`, `shared_data.split_held_out` and `shared_run.Run`.
    """
    parser = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG)
    known = (*REMEDIES, *OTHERS)
    parser.add_argument("--remedies", nargs="*", choices=known, default=REMEDIES, help="to take, of %(choices)s")
    what = "epochs in which the learning rate falls to 0; without, it stays"
    parser.add_argument("--decay", type=shared_command_line.positive, default=0, metavar="EPOCHS", help=what)
    args = parser.parse_args(argv)
    remedies = args.remedies = [remedy for remedy in known if remedy in args.remedies]
    if "small" in remedies and args.batch_size < SMALLER:
        parser.error(f"argument --batch-size: {args.batch_size} is below {SMALLER}; *small* takes a quarter of it")
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    train_rows, held_out_rows = shared_data.split_held_out(len(images), HELD_OUT, args.seed)
    batch_size = args.batch_size // SMALLER if "small" in remedies else args.batch_size
    train = shared_training.Batches((images,), train_rows, batch_size, flipped if "flips" in remedies else None)
    held_out = shared_training.Batches((images,), held_out_rows, batch_size)  # of that size for *deviation*
    run = shared_run.Run(globals(), args, source, [images])

    keras.utils.set_random_seed(args.seed)
    gan = StableGAN(*build_networks(remedies), remedies, args.seed)
    rate = learning_rate(args.decay * len(train))
    gan.compile(optimizer=keras.optimizers.Adam(rate, beta_1=BETA_1))
    noise = np.random.default_rng(args.seed).standard_normal((SAMPLES, LATENT_DIM), np.float32)

    def generate(noise):
        return shared_figures.to_uint8(gan.shown(noise, training=False), low=-1, high=1)

    def save_samples(name, text):
        run.save_grid(name, generate(noise), f"{', '.join(remedies) or 'plain'}, {text}", columns=8)

    watch = shared_training.GANWatch(lambda: gan.shown(noise, training=False), low=-1, high=1)
    history = run.fit(
        gan,
        train,
        epochs=args.epochs,
        validation_data=held_out,
        save_samples=save_samples,
        callbacks=[watch, Tint(lambda: generate(noise))],
    )

    between = generate(shared_codes.slerp(noise[0], noise[1], INTERPOLATION_STEPS))
    run.save_grid("interpolation.png", between, "between two noise vectors", columns=INTERPOLATION_STEPS)
    run.save_model("generator.keras", gan.shown)
    judging_weights = map(ops.convert_to_numpy, gan.judging_weights(training=False))
    gan.discriminator.set_weights(list(judging_weights))  # with *spectral*, divided
    run.save_model("discriminator.keras", gan.discriminator)
    panels = {
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy, held out dashed": ["d_accuracy_real", "d_accuracy_fake"],
        "D(x), D(G(z))": ["d_x", "d_g_z"],
        "mean colour of the samples": list(TINTS),
    }
    sharpness = shared_figures.sharpness(generate(noise))
    return run.finish(history, panels, args.epochs, sharpness_samples=sharpness, tint_swing=tint_swing(history))


if __name__ == "__main__":
    shared_command_line.run_script(main)
