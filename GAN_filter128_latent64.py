"""Generative adversarial network of 64x64 faces: 128 filters, latent dimension 64 (report: figures 7 and 9).

    python GAN_filter128_latent64.py                            # pictures in data/celeba/, else drawn faces
    python GAN_filter128_latent64.py --data img_align_celeba    # any folder of pictures, or a .npy file

Goodfellow et al., "Generative Adversarial Nets", 2014, with the non-saturating loss of its section 3, from logits. The
discriminator's loss is the binary cross-entropy, averaged over real pictures (target: real) and as many generated ones
(target: generated). The generator's is that of generated pictures with the target real. Both are nats per picture.

Writes `runs/GAN_filter128_latent64/`: settings.json, history.csv, curves.png, samples/ (of the same noise before
training and after each epoch), samples.gif, interpolation.png, results.json, generator.keras, discriminator.keras,
checkpoint/.
Departs from the report: one step trains both networks on one real and one generated batch; the interpolation follows
the sphere; convolutions in bfloat16 on processors that are faster with it; centre crop instead of squash.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import ops

import shared_adversarial
import shared_blocks
import shared_codes
import shared_command_line
import shared_data
import shared_figures
import shared_run
import shared_training

FILTERS = 128
LATENT_DIM = 64
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square; False squashes them, as the report did
EPOCHS = 50
BATCH_SIZE = 64
LEARNING_RATE = 2e-4
BETA_1 = 0.5  # of Adam: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
SAMPLES = 32
INTERPOLATION_STEPS = 9
TINY = {"FILTERS": 8, "LIMIT": 6, "BATCH_SIZE": 4, "EPOCHS": 1}  # for the tests


def build_generator():
    """Return the generator: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [-1, 1]."""
    return shared_blocks.build_deconv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        latent_dim=LATENT_DIM,
        filters=FILTERS,
        activation="tanh",
        dtype=PRECISION,
        name="generator",
    )


def build_discriminator():
    """Return the discriminator: float (batch, 64, 64, 3) in [-1, 1] -> (batch, 1), the logit of "this is real"."""
    return shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=1, filters=FILTERS, dtype=PRECISION, name="discriminator"
    )


def scale(images):
    """Map pictures from 0..255 to float32 in [-1, 1]."""
    return ops.cast(images, "float32") / 127.5 - 1


class GAN(keras.Model):
    """Generator and discriminator, trained together by `fit` on one sum of losses.

    Each of the two losses reaches only its own network: the discriminator's sees the generated pictures, and the
    generator's sees the discriminator's weights, as constants (`stop_gradient`).

    Args:
        generator: as from `build_generator`.
        discriminator: as from `build_discriminator`.
        seed: of the noise.
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
        """Return as many generated pictures (batch, 64, 64, 3) in [-1, 1] as there are real ones."""
        noise = keras.random.normal((ops.shape(images)[0], self.generator.input_shape[1]), seed=self.seed_generator)
        return self.generator(noise, training=training)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return discriminator's plus generator's loss for real uint8 pictures `x` and generated ones `y_pred`."""
        real = self.discriminator(scale(x), training=training)
        fake = self.discriminator(ops.stop_gradient(y_pred), training=training)
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2

        judged = shared_adversarial.held_still(self.discriminator, y_pred, training)
        g_losses = ops.softplus(-judged)

        values = (d_losses, g_losses, real > 0, fake < 0, ops.sigmoid(real), ops.sigmoid(fake))
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

    generator, discriminator = build_generator(), build_discriminator()
    gan = GAN(generator, discriminator, args.seed)
    gan.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1))
    noise = np.random.default_rng(args.seed).standard_normal((SAMPLES, LATENT_DIM), np.float32)

    def generate(noise):
        return shared_figures.to_uint8(generator(noise), low=-1, high=1)

    def save_samples(name, text):
        run.save_grid(name, generate(noise), text, columns=8)

    watch = shared_training.GANWatch(lambda: generator(noise), low=-1, high=1)
    history = run.fit(gan, batches, epochs=args.epochs, save_samples=save_samples, callbacks=[watch])

    between = generate(shared_codes.slerp(noise[0], noise[1], INTERPOLATION_STEPS))
    run.save_grid("interpolation.png", between, "between two noise vectors", columns=INTERPOLATION_STEPS)
    run.save_model("generator.keras", generator)
    run.save_model("discriminator.keras", discriminator)
    panels = {
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
        "D(x), D(G(z))": ["d_x", "d_g_z"],
        "differences between samples": ["pixel_std"],
    }
    return run.finish(history, panels, args.epochs, sharpness_samples=shared_figures.sharpness(generate(noise)))


if __name__ == "__main__":
    shared_command_line.run_script(main)
