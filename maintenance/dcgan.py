"""The DCGAN that keras.io teaches, on the same pictures and as measurable as the GAN scripts, to stand beside them.

    python -m maintenance.dcgan --data img_align_celeba --limit 7680    # leaves the others to measure with
    python compare_runs.py runs/dcgan runs/GAN_filter128_latent128 --data img_align_celeba

Built from its example "DCGAN to generate face images": its networks, rates, labels (generated is 1, real is 0, noise
added) and batches. Unlike there, one step trains both networks, so that the generator learns from the discriminator
before its update, pictures are cropped instead of squashed, and the saved generator gives [-1, 1].

Writes `runs/dcgan/`: settings.json, history.csv, curves.png, samples/, samples.gif, interpolation.png, results.json,
generator.keras, checkpoint/.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops

import shared_adversarial
import shared_codes
import shared_command_line
import shared_data
import shared_figures
import shared_run
import shared_training

LATENT_DIM = 128
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square
GENERATOR_FILTERS = (128, 256, 512)  # of the maps of 16x16, 32x32 and 64x64 pixels
EPOCHS = 100  # what the example advises; it shows one
BATCH_SIZE = 32
LEARNING_RATE = 1e-4
LABEL_NOISE = 0.05
LIMIT = 20_000  # pictures
SAMPLES = 32
INTERPOLATION_STEPS = 9


def build_generator():
    """Return the generator: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [0, 1]."""
    noise = keras.Input((LATENT_DIM,))
    features = layers.Reshape((8, 8, 128))(layers.Dense(8 * 8 * 128)(noise))
    for filters in GENERATOR_FILTERS:
        features = layers.Conv2DTranspose(filters, kernel_size=4, strides=2, padding="same")(features)
        features = layers.LeakyReLU(negative_slope=0.2)(features)
    pictures = layers.Conv2D(3, kernel_size=5, padding="same", activation="sigmoid")(features)
    return keras.Model(noise, pictures, name="generator")


def build_discriminator():
    """Return the discriminator: float (batch, 64, 64, 3) in [0, 1] -> (batch, 1), how sure it is of "generated"."""
    pictures = features = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    for filters in (64, 128, 128):
        features = layers.Conv2D(filters, kernel_size=4, strides=2, padding="same")(features)
        features = layers.LeakyReLU(negative_slope=0.2)(features)
    features = layers.Dropout(0.2)(layers.Flatten()(features))
    return keras.Model(pictures, layers.Dense(1, activation="sigmoid")(features), name="discriminator")


class GAN(keras.Model):
    """Generator and discriminator, trained together by `fit` on one sum of losses, each of which reaches only its own.

    Args:
        generator: as from `build_generator`.
        discriminator: as from `build_discriminator`.
        seed: of noise and labels.
    """

    def __init__(self, generator, discriminator, seed):
        super().__init__(name="gan")
        self.generator = generator
        self.discriminator = discriminator
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, images, training=None):
        """Return as many generated pictures (batch, 64, 64, 3) in [0, 1] as there are real ones."""
        noise = keras.random.normal((ops.shape(images)[0], LATENT_DIM), seed=self.seed_generator)
        return self.generator(noise, training=training)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return discriminator's plus generator's loss for real uint8 pictures `x` and generated ones `y_pred`."""
        real = self.discriminator(ops.cast(x, "float32") / 255, training=training)
        fake = self.discriminator(ops.stop_gradient(y_pred), training=training)
        found = ops.concatenate([fake, real])
        labels = ops.concatenate([ops.ones_like(fake), ops.zeros_like(real)])
        labels = labels + LABEL_NOISE * keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
        d_losses = keras.losses.binary_crossentropy(labels, found)

        judged = shared_adversarial.held_still(self.discriminator, self(x, training=training), training)
        g_losses = keras.losses.binary_crossentropy(ops.zeros_like(judged), judged)

        values = (d_losses, g_losses, real < 0.5, fake > 0.5, 1 - real, 1 - fake)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return ops.mean(d_losses) + ops.mean(g_losses)


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_images` and `shared_run.Run`.
    """
    args = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG).parse_args(argv)
    keras.utils.set_random_seed(args.seed)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    batches = shared_training.Batches((images,), np.arange(len(images)), args.batch_size)
    run = shared_run.Run(globals(), args, source, [images])

    generator = build_generator()
    gan = GAN(generator, build_discriminator(), args.seed)
    gan.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE))
    noise = np.random.default_rng(args.seed).standard_normal((SAMPLES, LATENT_DIM), np.float32)

    def generate(noise):
        return shared_figures.to_uint8(generator(noise), low=0, high=1)

    def save_samples(name, text):
        run.save_grid(name, generate(noise), text, columns=8)

    watch = shared_training.GANWatch(lambda: generator(noise), low=0, high=1)
    history = run.fit(gan, batches, epochs=args.epochs, save_samples=save_samples, callbacks=[watch])

    between = generate(shared_codes.slerp(noise[0], noise[1], INTERPOLATION_STEPS))
    run.save_grid("interpolation.png", between, "between two noise vectors", columns=INTERPOLATION_STEPS)
    pictures = layers.Rescaling(2, offset=-1)(generator.output)  # to [-1, 1], as the generators of all scripts
    run.save_model("generator.keras", keras.Model(generator.input, pictures, name="generator"))
    panels = {
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
        "D(x), D(G(z))": ["d_x", "d_g_z"],
        "differences between samples": ["pixel_std"],
    }
    return run.finish(history, panels, args.epochs, sharpness_samples=shared_figures.sharpness(generate(noise)))


if __name__ == "__main__":
    shared_command_line.run_script(main)
