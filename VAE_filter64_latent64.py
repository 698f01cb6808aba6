"""Variational autoencoder of 64x64 faces: 64 filters, latent dimension 64 (report: figures 2, 5 and 6).

    python VAE_filter64_latent64.py                            # pictures in data/celeba/, else drawn faces
    python VAE_filter64_latent64.py --data img_align_celeba    # any folder of pictures, or a .npy file

Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, with the weight beta of Higgins et al., "beta-VAE", 2017. The
loss, in nats per picture, is reconstruction (binary cross-entropy summed over pixels and channels) plus beta times KL
(summed over the latent axis, equation 10 of the first paper), both averaged over the batch.

Writes `runs/VAE_filter64_latent64/`: settings.json, history.csv, curves.png, samples/ (the same latent points before
training and after each epoch), samples.gif, samples_narrow.png (the same divided by 6, the report's way),
reconstructions.png, interpolation.png, results.json, encoder.keras, decoder.keras, checkpoint/.
Departs from the report: KL is weighed by a constant instead of by the batch size; samples are from N(0, I), not from a
sixth of it; no sigmoid in the encoder; 5 % of the pictures are held out; centre crop instead of squash.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import ops

import shared_blocks
import shared_command_line
import shared_data
import shared_figures
import shared_run
import shared_training

FILTERS = 64
LATENT_DIM = 64
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square; False squashes them, as the report did
EPOCHS = 50
BATCH_SIZE = 8
LEARNING_RATE = 1e-3
BETA = 8.0  # the report's: KL summed over its batch of 8; 1.0 is the lower bound, of pixels that are 0 or 1
PRECISION = "float32"  # of the convolutions; shared_training.fast_precision() pays off at 128 filters
LIMIT = 20_000  # pictures
HELD_OUT = 0.05  # share of the pictures that is never trained on
ACTIVE_VARIANCE = 0.01  # a latent unit is active above it: Burda et al., "Importance Weighted Autoencoders", 2016
SAMPLES = 32
NARROWING = 6  # the report divided latent vectors by it before decoding them
MEASURED = 100  # pictures of each kind whose sharpness is measured, at most; SAMPLES of them are shown
INTERPOLATION_STEPS = 9
TINY = {"FILTERS": 8, "LIMIT": 20, "EPOCHS": 1}  # for the tests


def build_encoder():
    """Return the encoder: float (batch, 64, 64, 3) in [0, 1] -> {"z_mean", "z_log_var"}, each (batch, LATENT_DIM)."""
    conv_net = shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=2 * LATENT_DIM, filters=FILTERS, dtype=PRECISION
    )
    z_mean, z_log_var = ops.split(conv_net.output, 2, axis=-1)
    return keras.Model(inputs=conv_net.input, outputs={"z_mean": z_mean, "z_log_var": z_log_var}, name="encoder")


def build_decoder():
    """Return the decoder: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [0, 1]."""
    return shared_blocks.build_deconv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        latent_dim=LATENT_DIM,
        filters=FILTERS,
        dtype=PRECISION,
        name="decoder",
    )


def scale(images):
    """Map pictures from 0..255 to float32 in [0, 1]."""
    return ops.cast(images, "float32") / 255


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

    def call(self, images):
        """Encode uint8 pictures (batch, 64, 64, 3), sample a latent vector for each, and decode it."""
        latent = self.encoder(scale(images))
        z_mean, z_log_var = latent["z_mean"], latent["z_log_var"]
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        z = z_mean + ops.exp(z_log_var / 2) * noise
        return {"reconstruction": self.decoder(z), "z_mean": z_mean, "z_log_var": z_log_var}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return reconstruction + beta * KL of the pictures `x`, given the output `y_pred` of `call`."""
        cross_entropy = keras.losses.binary_crossentropy(scale(x), y_pred["reconstruction"])  # mean over channels
        reconstruction = 3 * ops.sum(cross_entropy, axis=(1, 2))
        z_mean, z_log_var = y_pred["z_mean"], y_pred["z_log_var"]
        kl = -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return ops.mean(reconstruction + self.beta * kl)


def decode(decoder, z):
    """Return uint8 pictures (batch, 64, 64, 3) of latent vectors (batch, LATENT_DIM)."""
    return shared_figures.to_uint8(decoder(z), low=0, high=1)


def examine(run, encoder, decoder, faces, points):
    """Show and measure what the trained model makes of held-out faces and of random latent points.

    Args:
        run: the `shared_run.Run` to write to.
        encoder: as from `build_encoder`, trained.
        decoder: as from `build_decoder`, trained.
        faces: uint8 (held out, 64, 64, 3).
        points: float (MEASURED, LATENT_DIM), from N(0, I).

    Returns:
        dict: `active_units`, the number of latent units whose mean varies by more than ACTIVE_VARIANCE over the faces;
        `sharpness_faces`, `sharpness_reconstructions`, `sharpness_samples` and `sharpness_narrow_samples`, as by
        `shared_figures.sharpness`.
    """
    z_mean = shared_training.predict(encoder, scale(faces))["z_mean"]
    pictures = {
        "faces": faces[:MEASURED],
        "reconstructions": decode(decoder, z_mean[:MEASURED]),
        "samples": decode(decoder, points),
        "narrow_samples": decode(decoder, points / NARROWING),
    }
    run.save_grid("samples_narrow.png", pictures["narrow_samples"][:SAMPLES], f"samples, z / {NARROWING}", columns=8)
    pairs = np.concatenate([pictures["faces"][:8], pictures["reconstructions"][:8]])
    run.save_grid("reconstructions.png", pairs, "held-out faces, reconstructed", columns=len(pairs) // 2)
    steps = np.linspace(0, 1, INTERPOLATION_STEPS, dtype=np.float32)[:, None]
    between = decode(decoder, (1 - steps) * z_mean[0] + steps * z_mean[-1])
    run.save_grid("interpolation.png", between, "between two held-out faces", columns=INTERPOLATION_STEPS)
    return {
        "active_units": int(np.sum(np.var(z_mean, axis=0) > ACTIVE_VARIANCE)),
        **{f"sharpness_{kind}": shared_figures.sharpness(images) for kind, images in pictures.items()},
    }


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: as `shared_data.find_images`, `shared_data.split_held_out` and `shared_run.Run`.
    """
    args = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG).parse_args(argv)
    keras.utils.set_random_seed(args.seed)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    train_rows, held_out_rows = shared_data.split_held_out(len(images), HELD_OUT, args.seed)
    train = shared_training.Batches((images,), train_rows, args.batch_size)
    held_out = shared_training.Batches((images,), held_out_rows, args.batch_size)
    run = shared_run.Run(globals(), args, source, [images], may_change=("NARROWING", "ACTIVE_VARIANCE"))

    encoder, decoder = build_encoder(), build_decoder()
    vae = VAE(encoder, decoder, BETA, args.seed)
    vae.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE))
    points = np.random.default_rng(args.seed).standard_normal((MEASURED, LATENT_DIM), np.float32)

    def save_samples(name, text):
        run.save_grid(name, decode(decoder, points[:SAMPLES]), text, columns=8)

    history = run.fit(vae, train, epochs=args.epochs, validation_data=held_out, save_samples=save_samples)

    found = examine(run, encoder, decoder, images[held_out_rows], points)
    run.save_model("encoder.keras", encoder)
    run.save_model("decoder.keras", decoder)
    panels = {"loss": ["loss"], "reconstruction": ["reconstruction"], "KL": ["kl"]}
    return run.finish(history, panels, args.epochs, **found)


if __name__ == "__main__":
    shared_command_line.run_script(main)
