"""Flow matching as the prior of a convolutional autoencoder of 64x64 faces: 128 filters, latent dimension 512.

    python FLOW_filter128_latent512.py                # data/celeba, or drawn faces
    python FLOW_filter128_latent512.py --data cats --beside runs/VAE_filter64_latent128 runs/GAN_filter128_latent256

An autoencoder reconstructs well but cannot generate. A flow on its codes (Lipman et al., "Flow Matching for Generative
Modeling", 2022) makes it a generator. Samples can be no better than reconstructions, so these are improved first: the
decoder is trained further, against a discriminator beside its squared error, while the codes stay. The flow starts as
the Gaussian fitted to the codes, whose loss on held-out codes is `val_loss_gaussian`; a lower loss is what it has
learned beyond that Gaussian. All parts learn from mirror images, too. --epochs and --batch-size are those of the flow;
each of its epochs is PASSES passes over the codes.

Writes `runs/FLOW_filter128_latent512/`: settings.json, history.csv, curves.png, samples/, samples.gif, results.json,
comparison.csv and comparison.png (ceiling, N(0, I), Gaussian and flow by both decoders), nearest.png (and the nearest
training pictures), path.png (from a draw of the Gaussian to one of the flow), steps.csv and steps.png (quality over the
solver's steps), interpolation.png, encoder.keras, decoder.keras, velocity.keras, prior.keras (noise to code),
checkpoint/, and for each part, `autoencoder/`, `sharpened/`: history.csv, curves.png, samples/, samples.gif,
results.json, checkpoint/, networks.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

from pathlib import Path

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_adversarial
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
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square; False squashes them
AUTOENCODER = {"epochs": 12, "batch_size": 64, "learning_rate": 1e-3}
SHARPENED = {"epochs": 4, "batch_size": 16, "learning_rate": 2e-4}
ADVERSARIAL = 2e-3  # weight of the adversarial loss beside the squared error of pixels in [0, 1]
BETA_1 = 0.5  # of Adam with a discriminator: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
EPOCHS = 10  # of the flow
PASSES = 10  # over the codes, in an epoch of the flow
BATCH_SIZE = 256  # codes
LEARNING_RATE = 5e-4
WEIGHT_DECAY = 0.01
UNITS = 512  # of the flow
BLOCKS = 3
DROPOUT = 0.1
FREQUENCIES = np.geomspace(0.25, 16, 32).tolist()  # of the waves that tell the time from 0 to 1
AVERAGING = {"sharpened": 0.998, "flow": 0.999}  # share of averaged weights that stays in a step
STEPS_PER_EXECUTION = 25  # of the flow, in one call of the compiled graph
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
FEWEST = 20  # pictures
HELD_OUT = 0.05  # share of the pictures that is never trained on
HELD_OUT_PASSES = 20  # over the held-out codes, each with other noise, for a steady loss
SOLVER_STEPS = 18  # from noise to code, by the midpoint method
COMPARED_STEPS = (1, 2, 5, 10, 20, 50)  # of steps.png
PATH_TIMES = 10  # of path.png
SAMPLES = 32
COLUMNS = 10  # pictures in a row of comparison.png and nearest.png
ROWS = 6  # of path.png and interpolation.png
INTERPOLATION_STEPS = 9
LOOKS = ("beside", "FEWEST", "SOLVER_STEPS", "COMPARED_STEPS", "PATH_TIMES", "COLUMNS", "ROWS", "LOOKS")
TINY = {
    **{"FILTERS": 8, "UNITS": 16, "BLOCKS": 1, "LIMIT": 100, "EPOCHS": 1, "PASSES": 2, "SOLVER_STEPS": 2},
    **{"AUTOENCODER": AUTOENCODER | {"epochs": 2}, "SHARPENED": SHARPENED | {"epochs": 2}, "COMPARED_STEPS": (1, 3)},
}


def build_encoder():
    """Return the encoder: float (batch, 64, 64, 3) in [0, 1] -> codes (batch, LATENT_DIM)."""
    return shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=LATENT_DIM, filters=FILTERS, dtype=PRECISION, name="encoder"
    )


def build_decoder():
    """Return the decoder: float (batch, LATENT_DIM) -> (batch, 64, 64, 3) in [0, 1]."""
    return shared_blocks.build_deconv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), latent_dim=LATENT_DIM, filters=FILTERS, dtype=PRECISION, name="decoder"
    )


def build_discriminator():
    """Return the discriminator: float (batch, 64, 64, 3) in [0, 1] -> (batch, 1), the logit of "this is real"."""
    return shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=1, filters=FILTERS, dtype=PRECISION, name="discriminator"
    )


def build_velocity(dimensions):
    """Return the flow's velocity: codes x_t (batch, dimensions), time t (batch, 1) in [0, 1] -> (batch, dimensions).

    Codes are whitened, and x_t = (1 - t) x_0 + t x_1, on the way from noise x_0 to a code x_1. If x_1 were from N(0, I)
    as x_0 is, the velocity, the mean of x_1 - x_0 given x_t, would be x_t (2 t - 1) / (t^2 + (1 - t)^2). The network
    learns what comes on top of that.
    """
    codes, time = keras.Input((dimensions,), name="codes"), keras.Input((1,), name="time")
    phases = time * (2 * np.pi * np.array(FREQUENCIES, np.float32))
    waves = layers.Concatenate(name="waves")([ops.sin(phases), ops.cos(phases)])
    when = layers.Dense(UNITS, activation="silu", name="when")(waves)
    x = layers.Dense(UNITS, name="widen")(codes)
    for index in range(1, BLOCKS + 1):
        change = layers.Dense(UNITS, name=f"first_{index}")(layers.LayerNormalization(name=f"norm_{index}")(x))
        change = layers.Add(name=f"timed_{index}")([change, layers.Dense(UNITS, name=f"time_{index}")(when)])
        change = layers.Dropout(DROPOUT, name=f"dropout_{index}")(ops.silu(change))
        x = layers.Add(name=f"block_{index}")([x, layers.Dense(UNITS, name=f"second_{index}")(change)])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dense(dimensions, kernel_initializer="zeros", name="narrow")(x)
    gaussian = codes * (2 * time - 1) / (ops.square(time) + ops.square(1 - time))
    return keras.Model([codes, time], layers.Add(name="velocity")([gaussian, x]), name="velocity")


class Sharpening(keras.Model):
    """Decoder and discriminator, trained together by `fit` on one sum of losses, each of which reaches its own network.

    The decoder's is the squared error plus ADVERSARIAL times the cross-entropy of its reconstructions being called real
    (Goodfellow et al., "Generative Adversarial Nets", 2014, in its non-saturating form). It takes codes (batch,
    LATENT_DIM) and their pictures, float (batch, 64, 64, 3) in [0, 1]. `average` holds the decoder with its
    weights averaged over the last steps.

    Args:
        decoder: as from `build_decoder`.
        discriminator: as from `build_discriminator`.
    """

    def __init__(self, decoder, discriminator):
        super().__init__(name="sharpening")
        self.decoder = decoder
        self.discriminator = discriminator
        self.average = shared_adversarial.Average(decoder, AVERAGING["sharpened"])
        names = ("mse", "d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, codes, training=None):
        """Return reconstructions (batch, 64, 64, 3) in [0, 1], outside of training by the averaged decoder."""
        return self.decoder(codes, training=True) if training else self.average.network(codes, training=False)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return decoder's plus discriminator's loss for pictures `y`, reconstructed as `y_pred`."""
        real, fake = (self.discriminator(each, training=training) for each in (y, ops.stop_gradient(y_pred)))
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2
        g_losses = ops.softplus(-shared_adversarial.held_still(self.discriminator, y_pred, training))
        errors = ops.square(y - y_pred)
        if training:
            self.average.follow(self.decoder)
        values = (errors, d_losses, g_losses, real > 0, fake < 0)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return ops.mean(errors) + ADVERSARIAL * ops.mean(g_losses) + ops.mean(d_losses)


class Flow(keras.Model):
    """The velocity, trained by `fit` on squared error, and `average`, which holds it with its weights averaged.

    It takes codes on their way (batch, dimensions) with their times (batch, 1), and the velocities (batch, dimensions)
    that they should have.

    Args:
        velocity: as from `build_velocity`.
    """

    def __init__(self, velocity):
        super().__init__(name="flow")
        self.velocity = velocity
        self.average = shared_adversarial.Average(velocity, AVERAGING["flow"])
        self.built = True

    def call(self, inputs, training=None):
        """Return the velocity of codes at times, outside of training by the averaged network."""
        return self.velocity(inputs, training=True) if training else self.average.network(inputs, training=False)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean squared error of the velocities `y_pred` where they should be `y`."""
        if training:
            self.average.follow(self.velocity)
        return ops.mean(ops.square(y - y_pred))


def reconstructing(images, rng):
    """Return uint8 pictures (batch, 64, 64, 3) in [0, 1] twice, for the autoencoder: a `transform` of `Batches`."""
    pictures = shared_figures.to_unit(images)
    return pictures, pictures


def decoding(codes, images, rng):
    """Return codes (batch, LATENT_DIM) and their pictures in [0, 1], for `Sharpening`: a `transform` of `Batches`."""
    return codes, shared_figures.to_unit(images)


def flowing(codes, rng):
    """Return whitened codes (batch, dimensions) on the straight way from noise, for `Flow`: a `transform` of `Batches`.

    The times are spread evenly over the batch, which makes the loss steadier: Kingma et al., "Variational Diffusion
    Models", 2021, appendix I.1.

    Returns:
        (codes on the way, times (batch, 1)), the velocities of the way.
    """
    noise = rng.standard_normal(codes.shape, np.float32)
    time = ((rng.permutation(len(codes)) + rng.random()) / len(codes)).astype(np.float32)[:, None]
    return ((1 - time) * noise + time * codes, time), codes - noise


def euler(velocity, x, time, step):
    """Return `x` (batch, dimensions) moved by one step of Euler's method, at the velocity of the step's start."""
    return x + step * velocity([x, ops.full_like(x[:, :1], time)])


def midpoint(velocity, x, time, step):
    """Return `x` (batch, dimensions) moved by one step of the midpoint method, at the velocity of the step's middle."""
    middle = euler(velocity, x, time, step / 2)
    return x + step * velocity([middle, ops.full_like(x[:, :1], time + step / 2)])


def walk(velocity, noise, advance, steps):
    """Return the way from noise (batch, dimensions) at time 0 to whitened codes at time 1: a list of `steps` + 1.

    Args:
        velocity: as from `build_velocity`.
        noise: from N(0, I).
        advance: `euler` or `midpoint`.
        steps: of this solver.
    """
    way = [noise]
    for index in range(steps):
        way.append(advance(velocity, way[-1], index / steps, 1 / steps))
    return way


def way_of(velocity, codes, noise, advance=midpoint, steps=None):
    """Return the whitened codes on the way from noise (count, LATENT_DIM): a list of `steps` + 1.

    Args:
        velocity: as from `build_velocity`.
        codes: `shared_codes.Codes`, which whitened those that it was trained on.
        noise: from N(0, I).
        advance: `euler` or `midpoint`.
        steps: of this solver; None takes SOLVER_STEPS.
    """
    noise = ops.convert_to_tensor(noise[:, : codes.pca.n_components_])
    return [ops.convert_to_numpy(x) for x in walk(velocity, noise, advance, steps or SOLVER_STEPS)]


def flow_to_codes(velocity, codes, noise, advance=midpoint, steps=None):
    """Return the codes, float32 (count, LATENT_DIM), in which the way from noise ends; arguments as of `way_of`."""
    return codes.restore(way_of(velocity, codes, noise, advance, steps)[-1])


def build_prior(velocity, codes):
    """Return the flow as one network, all steps of the solver in it: noise (batch, LATENT_DIM) from N(0, I) -> codes.

    Args:
        velocity: as from `build_velocity`, not compiled.
        codes: `shared_codes.Codes`, which whitened those that it was trained on.
    """
    noise = keras.Input((LATENT_DIM,), name="noise")
    *_, whitened = walk(velocity, noise[:, : codes.pca.n_components_], midpoint, SOLVER_STEPS)
    dense = layers.Dense(LATENT_DIM, name="restore")
    prior = keras.Model(noise, dense(whitened), name="prior")
    dense.set_weights(codes.restoring_weights())
    return prior


def with_mirrored(images):
    """Return pictures (count, height, width, 3) and behind them their mirror images."""
    return np.concatenate([images, images[:, :, ::-1]])


def run_autoencoder(run, train, held_out):
    """Train encoder and decoder by squared error, and return them.

    Args:
        run: the `shared_run.Run`.
        train: uint8 (count, 64, 64, 3), the pictures to train with.
        held_out: uint8 (others, 64, 64, 3).
    """
    part = run.part("autoencoder", "1 of 3")
    names = ("encoder", "decoder")
    if part.is_done(AUTOENCODER["epochs"]):
        return shared_networks.load_networks(part.folder, *names)
    batches, watched = (
        shared_training.Batches((images,), np.arange(len(images)), AUTOENCODER["batch_size"], reconstructing)
        for images in (train, held_out)
    )
    keras.utils.set_random_seed(run.args.seed)
    encoder, decoder = build_encoder(), build_decoder()
    model = keras.Model(encoder.input, decoder(encoder.output), name="autoencoder")
    rate = keras.optimizers.schedules.CosineDecay(AUTOENCODER["learning_rate"], AUTOENCODER["epochs"] * len(batches))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mean_squared_error")

    def save_samples(name, text):
        pictures = shared_networks.decode(decoder, shared_networks.encode(encoder, held_out[:SAMPLES]))
        part.save_grid(name, pictures, f"{text}, held-out pictures reconstructed", columns=8)

    epochs = AUTOENCODER["epochs"]
    history = part.fit(model, batches, epochs=epochs, validation_data=watched, save_samples=save_samples)
    for name, network in zip(names, (encoder, decoder), strict=True):
        part.save_model(f"{name}.keras", network)
    part.finish(history, {"mean squared error": ["loss"]}, epochs)
    return encoder, decoder


def run_sharpened(run, plain, codes, train, held_out):
    """Train the decoder on against a discriminator, and return it averaged.

    Args:
        run: the `shared_run.Run`.
        plain: the decoder from `run_autoencoder`, which stays as it is.
        codes: `shared_codes.Codes` of the pictures.
        train: uint8 (count, 64, 64, 3), the pictures to train with.
        held_out: uint8 (others, 64, 64, 3).
    """
    part = run.part("sharpened", "2 of 3")
    if part.is_done(SHARPENED["epochs"]):
        return shared_networks.load_networks(part.folder, "decoder")[0]
    batches, watched = (
        shared_training.Batches(arrays, np.arange(len(arrays[0])), SHARPENED["batch_size"], decoding)
        for arrays in ((codes.train, train), (codes.held_out, held_out))
    )
    keras.utils.set_random_seed(run.args.seed)
    decoder = build_decoder()
    decoder.set_weights(plain.get_weights())
    model = Sharpening(decoder, build_discriminator())
    model.compile(optimizer=keras.optimizers.Adam(SHARPENED["learning_rate"], beta_1=BETA_1))

    def save_samples(name, text):
        pictures = shared_networks.decode(model.average.network, codes.held_out[:SAMPLES])
        part.save_grid(name, pictures, f"{text}, held-out pictures reconstructed", columns=8)

    epochs = SHARPENED["epochs"]
    history = part.fit(model, batches, epochs=epochs, validation_data=watched, save_samples=save_samples)
    part.save_model("decoder.keras", model.average.network)
    part.save_model("discriminator.keras", model.discriminator)
    panels = {
        "mean squared error": ["mse"],
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
    }
    part.finish(history, panels, epochs)
    return model.average.network


def run_flow(run, codes, decoder):
    """Train the flow on whitened codes; return the averaged velocity, the history, and the fitted Gaussian's loss.

    Args:
        run: the `shared_run.Run`, to whose folder it goes itself.
        codes: `shared_codes.Codes`.
        decoder: for the samples.
    """
    print("\nThe flow (3 of 3)")
    args = run.args
    train, held_out = (codes.pca.transform(some).astype(np.float32) for some in (codes.train, codes.held_out))
    batches, watched = (
        shared_training.Batches((some,), np.tile(np.arange(len(some)), passes), args.batch_size, flowing)
        for some, passes in ((train, PASSES), (held_out, HELD_OUT_PASSES))
    )
    keras.utils.set_random_seed(args.seed)
    flow = Flow(build_velocity(train.shape[1]))
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    flow.compile(optimizer=optimizer, **shared_training.fast_steps(STEPS_PER_EXECUTION))
    loss_gaussian = flow.evaluate(watched, verbose=0)
    noise = shared_codes.noise_of(LATENT_DIM, SAMPLES, args.seed)

    def save_samples(name, text):
        pictures = shared_networks.decode(decoder, flow_to_codes(flow.average.network, codes, noise))
        run.save_grid(name, pictures, text, columns=8)

    history = run.fit(flow, batches, epochs=args.epochs, validation_data=watched, save_samples=save_samples)
    return flow.average.network, history, loss_gaussian


def add_other(comparison, model, epochs, networks, seed):
    """Add a trained VAE or GAN, as from `shared_networks.open_networks`, to a comparison."""
    is_vae = shared_networks.is_vae(networks)
    network, low = (networks["decoder"], 0) if is_vae else (networks["generator"], -1)
    if is_vae:
        codes = shared_networks.encode(networks["encoder"], comparison.held_out)["z_mean"]
        comparison.add_reconstructions(model, shared_networks.decode(network, codes), epochs=epochs)
    noise = shared_codes.noise_of(network.input_shape[1], len(comparison.held_out), seed)
    comparison.add(f"{model}, N(0, I)", shared_networks.decode(network, noise, low), epochs=epochs)


def compare(codes, decoders, velocity, train, held_out, others, seed):
    """Return the `shared_distances.Comparison` of all reconstructions and samples.

    Args:
        codes: `shared_codes.Codes`.
        decoders: {name: pair of a decoder and the epochs that it was trained for}.
        velocity: the averaged one from `run_flow`.
        train: uint8 (count, 64, 64, 3), the training pictures, not mirrored.
        held_out: uint8 (others, 64, 64, 3).
        others: VAEs and GANs to compare with, as from `shared_networks.open_beside`.
        seed: of the noise.
    """
    comparison = shared_distances.Comparison(train, held_out, COLUMNS)
    noise = shared_codes.noise_of(LATENT_DIM, len(held_out), seed)
    flown = flow_to_codes(velocity, codes, noise)
    ways = {"N(0, I)": noise, "fitted Gaussian": codes.restore(noise), "flow": flown}
    places = {way: codes.place(z) for way, z in ways.items()}
    for name, (decoder, epochs) in decoders.items():
        comparison.add_reconstructions(name, shared_networks.decode(decoder, codes.held_out), epochs=epochs)
        for way, z in ways.items():
            comparison.add(f"{name}, {way}", shared_networks.decode(decoder, z), epochs=epochs, **places[way])
    for other in others:
        add_other(comparison, *other, seed)
    return comparison


def save_comparison(run, comparison):
    """Write comparison.csv, comparison.png and nearest.png."""
    comparison.save(run)
    run.save_rows("comparison.png", comparison.captioned(), COLUMNS)
    name = "sharpened, flow"
    groups = {name: comparison.shown[name], "the nearest training pictures": comparison.nearest[name]}
    run.save_rows("nearest.png", groups, COLUMNS)


def save_steps(run, codes, decoder, velocity, comparison):
    """Write steps.csv and steps.png: quality over how often a solver asks for the velocity.

    Args:
        run: the `shared_run.Run`.
        codes: `shared_codes.Codes`.
        decoder: the sharpened one.
        velocity: the averaged one from `run_flow`.
        comparison: as from `compare`.
    """
    noise = shared_codes.noise_of(LATENT_DIM, len(comparison.held_out), run.args.seed)
    rows = []
    for advance, evaluations in ((euler, 1), (midpoint, 2)):
        for steps in COMPARED_STEPS:
            pictures = shared_networks.decode(decoder, flow_to_codes(velocity, codes, noise, advance, steps))
            distances = comparison.sliced_wasserstein.distances(pictures)
            rows.append({"solver": advance.__name__, "steps": steps, "evaluations": steps * evaluations, **distances})
    shared_files.write_table(run.folder / "steps.csv", rows)
    figure = Figure(figsize=(8, 4.5), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    for solver in dict.fromkeys(row["solver"] for row in rows):
        own = [row for row in rows if row["solver"] == solver]
        axes.plot([row["evaluations"] for row in own], [row["swd"] for row in own], "o-", label=f"flow, {solver}")
    for name, colour in {"fitted Gaussian": "tab:red", "reconstructions": "tab:green"}.items():
        axes.axhline(comparison.rows[f"sharpened, {name}"]["swd"], color=colour, linestyle="--", label=name)
    axes.set(xscale="log", xlabel="evaluations of the velocity", ylabel="sliced Wasserstein distance")
    axes.set_title(run.title("samples over steps"), fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(run.folder / "steps.png")


def save_ways(run, codes, decoder, velocity):
    """Write path.png, from draws of the fitted Gaussian to those of the flow, and interpolation.png.

    Args:
        run: the `shared_run.Run`.
        codes: `shared_codes.Codes`.
        decoder: the sharpened one.
        velocity: the averaged one from `run_flow`.
    """
    noise = shared_codes.noise_of(LATENT_DIM, 2 * ROWS, run.args.seed)
    seen = np.linspace(0, SOLVER_STEPS, PATH_TIMES).round().astype(int)
    way = way_of(velocity, codes, noise[:ROWS])
    rows = np.stack([codes.restore(way[index]) for index in seen], axis=1)
    times = ", ".join(f"{index / SOLVER_STEPS:.2g}" for index in seen)
    text = f"from a draw of the fitted Gaussian to one of the flow, at times {times}"
    run.save_grid("path.png", shared_networks.decode(decoder, np.concatenate(rows)), text, PATH_TIMES)
    pairs = zip(noise[:ROWS], noise[ROWS:], strict=True)
    between = np.concatenate([shared_codes.slerp(*pair, INTERPOLATION_STEPS) for pair in pairs])
    pictures = shared_networks.decode(decoder, flow_to_codes(velocity, codes, between))
    run.save_grid("interpolation.png", pictures, "between two noise vectors", INTERPOLATION_STEPS)


def main(argv=None):
    """Train what is not yet done, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: there are fewer than FEWEST pictures; as
            `shared_data.find_images`, `shared_run.Run` and `shared_networks.open_beside`.
    """
    epoch = f"{PASSES} passes over the codes"
    parser = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG, batch_of="codes", epoch=epoch)
    what = "finished runs of VAEs and GANs on the same pictures, to compare with"
    parser.add_argument("--beside", nargs="+", type=Path, default=[], metavar="RUN", help=what)
    args = parser.parse_args(argv)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    train_rows, held_out_rows = shared_data.split_held_out(len(images), HELD_OUT, args.seed)
    if len(images) < FEWEST:
        raise shared_files.InputError(f"{len(images)} pictures are too few to look at their codes; take {FEWEST}.")
    others = shared_networks.open_beside(args.beside, images, HELD_OUT, args.seed, Path(__file__).stem)
    run = shared_run.Run(globals(), args, source, [images], may_change=LOOKS)
    train, held_out = with_mirrored(images[train_rows]), images[held_out_rows]

    encoder, plain = run_autoencoder(run, train, held_out)
    codes = shared_codes.Codes(*(shared_networks.encode(encoder, pictures) for pictures in (train, held_out)))
    sharpened = run_sharpened(run, plain, codes, train, held_out)
    velocity, history, loss_gaussian = run_flow(run, codes, sharpened)

    epochs = AUTOENCODER["epochs"], AUTOENCODER["epochs"] + SHARPENED["epochs"]
    decoders = {"plain": (plain, epochs[0]), "sharpened": (sharpened, epochs[1])}
    comparison = compare(codes, decoders, velocity, images[train_rows], held_out, others, args.seed)
    save_comparison(run, comparison)
    save_steps(run, codes, sharpened, velocity, comparison)
    save_ways(run, codes, sharpened, velocity)
    networks = {"encoder": encoder, "decoder": sharpened, "velocity": velocity, "prior": build_prior(velocity, codes)}
    for name, network in networks.items():
        run.save_model(f"{name}.keras", network)
    rows = comparison.rows
    reconstructed, flown = (rows[f"sharpened, {name}"] for name in ("reconstructions", "flow"))
    found = {
        "val_loss_gaussian": loss_gaussian,
        **{name: reconstructed[name] for name in ("mse", "psnr", "ssim")},
        **{f"{name}_plain": rows["plain, reconstructions"][name] for name in ("mse", "psnr", "ssim")},
        **{name: flown[name] for name in ("swd", "code_distance", "inside_shell", "picture_distance")},
        "swd_gaussian": rows["sharpened, fitted Gaussian"]["swd"],
        "swd_reconstructions": reconstructed["swd"],
        "dimensions_used": codes.pca.n_components_,
    }
    return run.finish(history, {"squared error of the velocity": ["loss"]}, args.epochs, **found)


if __name__ == "__main__":
    shared_command_line.run_script(main)
