"""Convolutional autoencoder of 64x64 cats: 128 filters, latent dimension 512, with four ways to sample from it.

    python CAE_filter128_latent512.py --data cats    # any folder of pictures, or a .npy file; else drawn faces
    python CAE_filter128_latent512.py --data cats --beside runs/VAE_filter64_latent128 runs/GAN_filter128_latent256

Trained on the mean squared error of pixels in [0, 1]. Nothing shapes its codes, so that they must be looked at before
one can draw new ones: from N(0, I), from a Gaussian or a mixture of Gaussians fitted to the training codes (Ghosh et
al., "From Variational to Deterministic Autoencoders", 2020), or half way between neighbours. `--beside` shows and
measures finished runs of a VAE and a GAN on the same pictures too, with the same noise.

Writes `runs/CAE_filter128_latent512/`: settings.json, history.csv, curves.png, samples/ (held-out pictures,
reconstructed), samples.gif, comparison.png and comparison.csv (reconstructions and samples of all models), sampling.png
(all ways to sample, over the nearest training pictures), codes.png (how the codes are spread), map.png, neighbours.png,
directions.png, interpolation.png, results.json, encoder.keras, decoder.keras, prior.keras (noise to code, the fitted
Gaussian), checkpoint/.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

from pathlib import Path

import numpy as np
from keras import layers, ops

import shared_blocks
import shared_codes
import shared_command_line
import shared_data
import shared_distances
import shared_figures
import shared_files
import shared_networks
import shared_run
import shared_training

FILTERS = 128
LATENT_DIM = 512
IMAGE_SIZE = 64  # pixels, height and width; 75 and others work as well
CENTRE_CROP = True  # of pictures that are not square; False squashes them
EPOCHS = 20
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
HALVING = 6  # epochs after which the learning rate has come to a half
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
FEWEST = 20  # pictures
HELD_OUT = 0.05  # share of the pictures that is never trained on
SAMPLES = 32
COLUMNS = 10  # pictures in a row of comparison.png, sampling.png and neighbours.png
ROWS = 6  # of neighbours.png, directions.png and interpolation.png
STEPS = (-4, -2, 0, 2, 4)  # of directions.png, in standard deviations; at 0 the direction is taken out
INTERPOLATION_STEPS = 9
OURS = "autoencoder"  # its name in figures and tables
LOOKS = ("beside", "FEWEST", "COLUMNS", "ROWS", "STEPS", "OURS", "LOOKS")  # what a resumed run may change
TINY = {"FILTERS": 8, "LIMIT": 100, "EPOCHS": 1}  # for the tests


def build_encoder():
    """Return the encoder: float (batch, 64, 64, 3) in [0, 1] -> codes (batch, LATENT_DIM)."""
    return shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=LATENT_DIM, filters=FILTERS, dtype=PRECISION, name="encoder"
    )


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


class Autoencoder(keras.Model):
    """Encoder and decoder with the loss of the module's docstring.

    Args:
        encoder: as from `build_encoder`.
        decoder: as from `build_decoder`.
    """

    def __init__(self, encoder, decoder):
        super().__init__(name="autoencoder")
        self.encoder = encoder
        self.decoder = decoder
        self.built = True

    def call(self, images):
        """Return uint8 pictures (batch, 64, 64, 3), reconstructed, in [0, 1]."""
        return self.decoder(self.encoder(scale(images)))

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean squared error of the reconstructions `y_pred` of the pictures `x`."""
        return ops.mean(ops.square(scale(x) - y_pred))


def build_prior(codes):
    """Return the Gaussian fitted to `codes` as a network: noise (batch, LATENT_DIM) from N(0, I) -> codes."""
    noise = keras.Input((LATENT_DIM,), name="noise")
    dense = layers.Dense(LATENT_DIM, name="fitted_gaussian")
    prior = keras.Model(inputs=noise, outputs=dense(noise[:, : codes.pca.n_components_]), name="prior")
    dense.set_weights(codes.restoring_weights())
    return prior


def ways_to_sample(codes, mixture, picks, seed):
    """Return {way to sample: codes (count, LATENT_DIM)} of the autoencoder, all from the same noise and picks."""
    noise = shared_codes.noise_of(LATENT_DIM, len(picks), seed)
    return {
        "N(0, I)": noise,
        "fitted Gaussian": codes.restore(noise),
        "mixture of Gaussians": codes.restore(mixture.draw(noise, picks[:, 0])),
        "half way between neighbours": codes.half_way(picks),
    }


def add_model(comparison, model, epochs, decoder, held_out, codes, ways):
    """Add the reconstructions and the samples of a model with codes to a comparison.

    Args:
        comparison: the `shared_distances.Comparison`.
        model: its name.
        epochs: that it was trained for.
        decoder: its decoder.
        held_out: codes (count, latent_dim) from which the held-out pictures are reconstructed.
        codes: its `shared_codes.Codes`.
        ways: {way to sample: codes (count, latent_dim)}.
    """
    comparison.add_reconstructions(model, shared_networks.decode(decoder, held_out), epochs=epochs)
    for way, z in ways.items():
        comparison.add(f"{model}, {way}", shared_networks.decode(decoder, z), epochs=epochs, **codes.place(z))


def add_other(comparison, model, epochs, networks, picks, seed):
    """Add a trained VAE or GAN, as from `shared_networks.open_networks`, to a comparison."""
    if "generator" in networks:
        generator = networks["generator"]
        noise = shared_codes.noise_of(generator.input_shape[1], len(picks), seed)
        comparison.add(f"{model}, N(0, I)", shared_networks.decode(generator, noise, low=-1), epochs=epochs)
        return
    rng = np.random.default_rng([seed, 2])
    posteriors = [shared_networks.encode(networks["encoder"], each) for each in (comparison.train, comparison.held_out)]
    means, deviations = zip(*((each["z_mean"], np.exp(each["z_log_var"] / 2)) for each in posteriors), strict=True)
    draws = [
        mean + deviation * rng.standard_normal(mean.shape, np.float32)
        for mean, deviation in zip(means, deviations, strict=True)
    ]
    noise = shared_codes.noise_of(means[0].shape[1], len(picks), seed)
    picked = (picks[:, 0] * len(means[0])).astype(int)
    ways = {"prior N(0, I)": noise, "aggregate posterior": means[0][picked] + deviations[0][picked] * noise}
    add_model(comparison, model, epochs, networks["decoder"], means[1], shared_codes.Codes(*draws), ways)


def save_comparison(run, comparison, codes):
    """Write comparison.csv, comparison.png and sampling.png."""
    comparison.save(run)
    run.save_rows("comparison.png", comparison.captioned(), COLUMNS)
    widths = np.sqrt(codes.pca.explained_variance_)
    extent = f"codes reach {widths[0]:.2g} to {widths[-1]:.1g} in {len(widths)} directions"
    why = f"; {extent}, N(0, I) 1 in all {LATENT_DIM}"
    groups = {}
    for name, numbers in comparison.rows.items():
        if "ssim" not in numbers:  # which reconstructions have
            note = why if name == f"{OURS}, N(0, I)" else ""
            groups[comparison.caption(name)] = comparison.shown[name]
            groups[f"{name}: the nearest training pictures{note}"] = comparison.nearest[name]
    run.save_rows("sampling.png", groups, COLUMNS)


def save_latent_space(run, codes, decoder, train, held_out):
    """Write neighbours.png, directions.png and interpolation.png.

    Args:
        run: the `shared_run.Run` to write to.
        codes: the `shared_codes.Codes`.
        decoder: as from `build_decoder`, trained.
        train: uint8 (count, 64, 64, 3), the training pictures.
        held_out: uint8 (others, 64, 64, 3).
    """
    neighbours = codes.neighbours(codes.held_out[:ROWS], min(COLUMNS - 1, len(train)))
    pictures = np.concatenate([held_out[:ROWS, None], train[neighbours]], axis=1)
    text = "held-out pictures (left) and the training pictures with the nearest codes"
    run.save_grid("neighbours.png", np.concatenate(pictures), text, pictures.shape[1])

    directions = min(ROWS, codes.pca.n_components_)
    plainest = codes.held_out[[np.argmin(codes.radii(codes.held_out))]]
    changed = np.tile(codes.pca.transform(plainest), (directions, 1 + len(STEPS), 1))
    for direction in range(directions):
        changed[direction, 1:, direction] = STEPS
    pictures = shared_networks.decode(decoder, codes.restore(np.concatenate(changed)))
    text = f"a code, its directions 1 to {directions} set to {', '.join(map(str, STEPS))}"
    run.save_grid("directions.png", pictures, text, 1 + len(STEPS))

    steps = np.linspace(0, 1, INTERPOLATION_STEPS, dtype=np.float32)[:, None]
    pairs = zip(codes.held_out[:ROWS], codes.held_out[::-1], strict=False)
    between = [(1 - steps) * start + steps * end for start, end in pairs]
    pictures = shared_networks.decode(decoder, np.concatenate(between))
    run.save_grid("interpolation.png", pictures, "between two held-out pictures", INTERPOLATION_STEPS)


def examine(run, epochs, encoder, decoder, train, held_out, others):
    """Show and measure what the trained networks make of held-out pictures, and how to sample from them.

    Args:
        run: the `shared_run.Run` to write to.
        epochs: that they were trained for.
        encoder: as from `build_encoder`, trained.
        decoder: as from `build_decoder`, trained.
        train: uint8 (count, 64, 64, 3), the training pictures.
        held_out: uint8 (others, 64, 64, 3).
        others: VAEs and GANs to compare with, as from `shared_networks.open_beside`.

    Returns:
        `shared_codes.Codes` of the autoencoder; dict: the `shared_distances.fidelity` of its reconstructions; `swd`,
        the sliced Wasserstein distance of samples from the mixture; `dimensions_90` and `dimensions_99`, how many
        principal directions explain so much of the variance of the codes; `dimensions_used`, in how many the codes have
        an extent at all; `mixture_components`.
    """
    seed = run.args.seed
    codes = shared_codes.Codes(*(shared_networks.encode(encoder, pictures) for pictures in (train, held_out)))
    mixture = shared_codes.Mixture(codes, seed)
    picks = np.random.default_rng([seed, 1]).random((len(held_out), 2))
    comparison = shared_distances.Comparison(train, held_out, COLUMNS)
    ways = ways_to_sample(codes, mixture, picks, seed)
    add_model(comparison, OURS, epochs, decoder, codes.held_out, codes, ways)
    for other in others:
        add_other(comparison, *other, picks, seed)
    save_comparison(run, comparison, codes)
    title = run.title("codes and N(0, I)")
    shared_codes.save_spread(run.folder / "codes.png", codes, mixture, ways["N(0, I)"], title)
    shared_codes.save_map(run.folder / "map.png", codes, held_out, run.title("held-out pictures by their codes"))
    save_latent_space(run, codes, decoder, train, held_out)
    return codes, {
        **{name: comparison.rows[f"{OURS}, reconstructions"][name] for name in ("mse", "psnr", "ssim")},
        "swd": comparison.rows[f"{OURS}, mixture of Gaussians"]["swd"],
        "dimensions_90": codes.directions_for(0.9),
        "dimensions_99": codes.directions_for(0.99),
        "dimensions_used": codes.pca.n_components_,
        "mixture_components": mixture.components,
    }


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: there are fewer than FEWEST pictures; as `shared_data.find_images`, `shared_run.Run` and
            `shared_networks.open_beside`.
    """
    parser = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG)
    what = "finished runs of a VAE and a GAN on the same pictures, to compare with"
    parser.add_argument("--beside", nargs="+", type=Path, default=[], metavar="RUN", help=what)
    args = parser.parse_args(argv)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    train_rows, held_out_rows = shared_data.split_held_out(len(images), HELD_OUT, args.seed)
    train = shared_training.Batches((images,), train_rows, args.batch_size)
    held_out = shared_training.Batches((images,), held_out_rows, args.batch_size)
    if len(images) < FEWEST:
        raise shared_files.InputError(f"{len(images)} pictures are too few to look at their codes; take {FEWEST}.")
    others = shared_networks.open_beside(args.beside, images, HELD_OUT, args.seed, Path(__file__).stem)
    run = shared_run.Run(globals(), args, source, [images], may_change=LOOKS)

    keras.utils.set_random_seed(args.seed)
    encoder, decoder = build_encoder(), build_decoder()
    autoencoder = Autoencoder(encoder, decoder)
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, decay_steps=HALVING * len(train), decay_rate=0.5)
    autoencoder.compile(optimizer=keras.optimizers.Adam(rate))

    def save_samples(name, text):
        pictures = shared_figures.to_uint8(autoencoder(images[held_out_rows[:SAMPLES]]), low=0, high=1)
        run.save_grid(name, pictures, f"{text}, held-out pictures reconstructed", columns=8)

    history = run.fit(autoencoder, train, epochs=args.epochs, validation_data=held_out, save_samples=save_samples)

    epochs = len(history["epoch"])
    codes, found = examine(run, epochs, encoder, decoder, images[train_rows], images[held_out_rows], others)
    run.save_model("encoder.keras", encoder)
    run.save_model("decoder.keras", decoder)
    run.save_model("prior.keras", build_prior(codes))
    return run.finish(history, {"mean squared error": ["loss"]}, args.epochs, **found)


if __name__ == "__main__":
    shared_command_line.run_script(main)
