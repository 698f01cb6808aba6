"""Generative adversarial network of 64x64 faces: 128 filters, latent dimension 64 (report: figures 7 and 9).

    python GAN_filter128_latent64.py                            # pictures in data/celeba/, else drawn faces
    python GAN_filter128_latent64.py --data img_align_celeba    # any folder of pictures, or a .npy file

Model: Goodfellow et al., "Generative Adversarial Nets", 2014, with the non-saturating loss of its section 3, computed
from logits. The discriminator's loss is the binary cross-entropy, averaged over real pictures, called real, and as many
generated ones, called generated; the generator's, that of generated ones called real. Both are nats per picture.

`history.csv` holds both losses, `d_loss` and `g_loss`; `d_accuracy_real` and `d_accuracy_fake`, the shares of real
and of generated pictures that the discriminator tells right; `d_x` and `d_g_z`, its mean belief D(x), D(G(z)) that they
are real; `pixel_std`, how much the samples differ from each other. `loss`, the sum of the two, says nothing by itself.
`results.json` holds the last of these, and `sharpness_samples`, as by `shared_run.sharpness`.

Measured: 50 epochs on 10,000 CelebA photographs, seed 0, two CPU cores (AMD EPYC with bf16 units), TensorFlow 2.21:
3,988 s beside other work; d_loss 0.34, g_loss 1.90; the discriminator tells 82 % of the real and 89 % of the generated
pictures right. Sharpness of samples 1,039, where photographs have 1,239. Faces from epoch 10; at 50 many are whole,
some broken.

Writes `runs/GAN_filter128_latent64/`: settings.json, history.csv, curves.png, samples/epoch_NNN.png (from the same
noise before training and after each epoch), samples.gif, interpolation.png, results.json, generator.keras,
discriminator.keras, checkpoint/.

Departs from the report: one generated batch serves both losses, and the discriminator learns from a whole batch of real
and of generated pictures in the same step (the report: half a batch of each, then another batch for the generator); the
interpolation follows the sphere; convolutions in bfloat16 on processors that have it; centre crop instead of squash.
"""

import keras
import numpy as np
from keras import ops

import shared_blocks
import shared_data
import shared_run

FILTERS = 128
LATENT_DIM = 64
IMAGE_SIZE = 64  # pixels, height and width
EPOCHS = 50
BATCH_SIZE = 64
LEARNING_RATE = 2e-4
BETA_1 = 0.5  # of Adam: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
PRECISION = shared_blocks.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
SAMPLES = 32
INTERPOLATION_STEPS = 9


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

    def call(self, images):
        """Return as many generated pictures (batch, 64, 64, 3) in [-1, 1] as there are real ones."""
        noise = keras.random.normal((ops.shape(images)[0], self.generator.input_shape[1]), seed=self.seed_generator)
        return self.generator(noise)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return discriminator's plus generator's loss for real uint8 pictures `x` and generated ones `y_pred`."""
        real = self.discriminator(scale(x))
        fake = self.discriminator(ops.stop_gradient(y_pred))
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2

        constants = [ops.stop_gradient(ops.convert_to_tensor(weight)) for weight in self.discriminator.weights]
        judged, _ = self.discriminator.stateless_call(constants, [], y_pred)
        g_losses = ops.softplus(-judged)

        values = (d_losses, g_losses, real > 0, fake < 0, ops.sigmoid(real), ops.sigmoid(fake))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return ops.mean(d_losses) + ops.mean(g_losses)


def slerp(start, end, steps):
    """Return `steps` vectors from `start` to `end`, both (latent_dim,), on the arc between them: (steps, latent_dim).

    Normal noise of many dimensions lies near a sphere; a straight line would cut through its empty inside, where the
    generator was never trained. Shoemake, "Animating Rotation with Quaternion Curves", 1985; White, "Sampling
    Generative Networks", 2016.
    """
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    share = np.linspace(0, 1, steps)[:, None]
    return ((np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)).astype(np.float32)


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_images` and `shared_run.Run`.
    """
    args = shared_run.command_line(__file__, epochs=EPOCHS, batch_size=BATCH_SIZE, limit=LIMIT).parse_args(argv)
    keras.utils.set_random_seed(args.seed)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed)
    batches = shared_run.Batches((images,), np.arange(len(images)), args.batch_size)
    run = shared_run.Run(__file__, args, shared_run.constants(globals()), source)

    generator, discriminator = build_generator(), build_discriminator()
    gan = GAN(generator, discriminator, args.seed)
    gan.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1))

    def generate(noise):
        return shared_run.to_uint8(generator(noise), low=-1, high=1)

    def save_samples(name, text):
        run.save_grid(name, generate(noise), text, columns=8)

    noise = np.random.default_rng(args.seed).standard_normal((SAMPLES, LATENT_DIM), np.float32)
    gan.fit(
        batches,
        epochs=args.epochs,
        initial_epoch=run.restore(gan),
        shuffle=False,  # Batches orders itself, by seed and epoch
        callbacks=[
            shared_run.GANWatch(run.folder, lambda: generator(noise), low=-1, high=1),
            *run.callbacks(batches=batches, save_samples=save_samples),
        ],
        verbose=run.verbose,
    )

    between = generate(slerp(noise[0], noise[1], INTERPOLATION_STEPS))
    run.save_grid("interpolation.png", between, "between two noise vectors", columns=INTERPOLATION_STEPS)
    generator.save(run.folder / "generator.keras")
    discriminator.save(run.folder / "discriminator.keras")
    return run.finish(
        {
            "loss": ["d_loss", "g_loss"],
            "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
            "D(x), D(G(z))": ["d_x", "d_g_z"],
            "differences between samples": ["pixel_std"],
        },
        args.epochs,
        sharpness_samples=shared_run.sharpness(generate(noise)),
    )


if __name__ == "__main__":
    shared_run.run_script(main)
