"""VAE and GAN of 64x64 faces in one model that edits photographs: 128 filters, latent dimension 128.

    python VAEGAN_filter128_latent128.py --data img_align_celeba --attributes list_attr_celeba.txt
    python VAEGAN_filter128_latent128.py --beside runs/VAE_filter64_latent128 runs/GAN_filter128_latent128

Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016: a reconstruction is compared with
its original in the features of a discriminator. `feature_error` is the mean squared difference of these features, each
channel divided by its deviation over the real pictures of the batch: 0 if they are alike, 2 if they have nothing in
common. `kl` is in nats per picture. The discriminator learns to call pictures real, and samples of the prior and
reconstructions generated. The encoder gets no gradient of the adversarial loss, the discriminator none of the feature
error. Networks with averaged weights are shown, measured and saved. `--attributes` names a file like CelebA's; drawn
faces have known ones.

Writes `runs/VAEGAN_filter128_latent128/`: settings.json, history.csv, curves.png, samples/, samples.gif,
reconstructions.png, interpolation.png (between two held-out faces), beside.png and comparison.csv (with the runs of
`--beside`), results.json, encoder.keras, generator.keras, discriminator.keras, checkpoint/; with attributes, reader/
(the network that reads them: reader.keras, attributes.csv, and as above), edits.png (held-out faces edited),
effects.csv and effects.png (what is read after a step along each attribute's direction), directions.csv (these steps).
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

from pathlib import Path

import numpy as np
from keras import ops

import shared_adversarial
import shared_attributes
import shared_blocks
import shared_codes
import shared_command_line
import shared_data
import shared_distances
import shared_files
import shared_networks
import shared_run
import shared_training

FILTERS = 128
LATENT_DIM = 128
IMAGE_SIZE = 64  # pixels, height and width
CENTRE_CROP = True  # of pictures that are not square; False squashes them
EPOCHS = 50
BATCH_SIZE = 64
LEARNING_RATE = 2e-4
BETA_1 = 0.5  # of Adam: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
FEATURES = "conv_3"  # convolution of the discriminator in which reconstructions are compared: 8x8 of 64x64 pictures
FEATURE_WEIGHT = 2.0  # of feature_error + BETA * kl, beside the adversarial losses
BETA = 1e-3  # 2 / (8*8*128) would be the lower bound, of 8x8x128 normalised features with variance 1 given the code
NARROWEST = 0.1  # of channels' deviations, as a share of their mean; narrower ones count as so wide
JUDGE_RECONSTRUCTIONS = True  # whether the discriminator is shown them, as in the paper; its authors' code does not
PENALTY, STEP = 1.0, 0.1  # weight of D's squared slope, 0 for none; deviation of the step by which it is found
LOG_VARIANCES = (-30, 20)  # to which those of the codes are clipped, as an exponential of more ends training
AVERAGING = 0.998  # share of the averaged weights that stays in each step, but for the first steps
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 20_000  # pictures
HELD_OUT = 0.05  # share of the pictures that is never trained on
ATTRIBUTES = (  # that are edited, where there are such; the last two are of drawn faces
    *("Smiling", "Mouth_Slightly_Open", "Eyeglasses", "Male", "Young", "Blond_Hair", "Bangs", "Heavy_Makeup"),
    *("Pale_Skin", "Wearing_Hat", "Long_Hair", "Beard"),
)
READER = {"epochs": 12, "filters": 64, "batch_size": 64, "learning_rate": 1e-3}  # of attributes
DIRECTION = "others held equal"  # or "means": which of the directions is shown in edits.png
STRENGTH = 2.0  # of an edit, in standard deviations of the codes along its direction
RANDOM = "a random direction"  # which shows what any step does
SAMPLES = 32
COLUMNS = 10  # pictures in a row of beside.png and reconstructions.png
EDITED = 6  # faces in edits.png
INTERPOLATION_STEPS = COLUMNS
FEWEST = 20  # pictures
LOOKS = ("attributes", "beside", "DIRECTION", "STRENGTH", "COLUMNS", "EDITED", "LOOKS")  # may change
TINY = {"FILTERS": 8, "LIMIT": 60, "BATCH_SIZE": 20, "EPOCHS": 1, "READER": READER | {"epochs": 2, "filters": 8}}


def build_encoder():
    """Return the encoder: float (batch, 64, 64, 3) in [0, 1] -> {"z_mean", "z_log_var"}, each (batch, LATENT_DIM)."""
    conv_net = shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=2 * LATENT_DIM, filters=FILTERS, dtype=PRECISION
    )
    z_mean, z_log_var = ops.split(conv_net.output, 2, axis=-1)
    outputs = {"z_mean": z_mean, "z_log_var": ops.clip(z_log_var, *LOG_VARIANCES)}
    return keras.Model(inputs=conv_net.input, outputs=outputs, name="encoder")


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
    """Return the discriminator: float (batch, 64, 64, 3) in [-1, 1] -> {"logit", "features"}.

    The logit (batch, 1) is that of "this is real"; the features (batch, height, width, FILTERS) are those of the
    convolution FEATURES.
    """
    conv_net = shared_blocks.build_conv_net(
        image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3), outputs=1, filters=FILTERS, dtype=PRECISION
    )
    features = ops.cast(conv_net.get_layer(FEATURES).output, "float32")
    outputs = {"logit": conv_net.output, "features": features}
    return keras.Model(inputs=conv_net.input, outputs=outputs, name="discriminator")


def scale(images):
    """Map pictures from 0..255 to float32 in [-1, 1]."""
    return ops.cast(images, "float32") / 127.5 - 1


def flipped(images, rng):
    """Return a batch in which each picture is mirrored or not: a `transform` of `Batches`."""
    return (shared_training.mirrored(images, rng),)


def feature_errors(features, originals):
    """Return the mean squared difference of features, each channel in deviations of the originals': (batch,).

    Args:
        features: float (batch, height, width, channels), of reconstructions.
        originals: the same, of the real pictures; constants.
    """
    deviations = ops.std(originals, axis=(0, 1, 2))
    deviations = ops.maximum(deviations, NARROWEST * ops.mean(deviations)) + keras.backend.epsilon()
    return ops.mean(ops.square((features - originals) / deviations), axis=(1, 2, 3))


def divergences(z_mean, z_log_var):
    """Return KL of N(z_mean, exp(z_log_var)) from N(0, I), summed over the latent axis: (batch,), in nats."""
    return -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)


class VAEGAN(keras.Model):
    """Encoder, generator and discriminator, trained together by `fit` on one sum of losses.

    What a loss must not reach is a constant to it (`stop_gradient`). The averaged encoder and generator, `averaged`,
    fit each other, as both lag behind alike; held-out pictures are measured with them.

    Args:
        encoder: as from `build_encoder`.
        generator: as from `build_generator`.
        discriminator: as from `build_discriminator`.
        seed: of everything random.
    """

    def __init__(self, encoder, generator, discriminator, seed):
        super().__init__(name="vaegan")
        self.trained = [encoder, generator]
        self.discriminator = discriminator
        self.averages = [shared_adversarial.Average(network, AVERAGING) for network in self.trained]
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("feature_error", "kl", "pixel_mse", "d_loss", "g_loss", "slopes")
        names += ("d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    @property
    def averaged(self):
        """The encoder and the generator with averaged weights."""
        return [average.network for average in self.averages]

    def call(self, images, training=None):
        """Return what encoder and generator make of uint8 pictures (batch, 64, 64, 3) and of as much noise.

        Returns:
            {"z_mean", "z_log_var": (batch, LATENT_DIM); "reconstructions": pictures in [-1, 1]; "generated": list of
            sets of pictures, through whose codes no gradient passes: samples of the prior, reconstructions}.
        """
        encoder, generator = self.trained if training else self.averaged
        latent = encoder((scale(images) + 1) / 2, training=training)
        z_mean, z_log_var = latent["z_mean"], latent["z_log_var"]
        prior, noise = (keras.random.normal(ops.shape(z_mean), seed=self.seed_generator) for _ in range(2))
        z = z_mean + ops.exp(z_log_var / 2) * noise
        codes = [prior, ops.stop_gradient(z)] if JUDGE_RECONSTRUCTIONS else [prior]
        return {
            **latent,
            "reconstructions": generator(z, training=training),
            "generated": [generator(each, training=training) for each in codes],
        }

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the sum of all losses for real uint8 pictures `x` and what `call` made of them, `y_pred`."""
        pictures, generated = scale(x), y_pred["generated"]
        real = self.discriminator(pictures, training=training)
        fakes = [self.discriminator(ops.stop_gradient(each), training=training)["logit"] for each in generated]
        d_losses = (ops.softplus(-real["logit"]) + sum(map(ops.softplus, fakes)) / len(fakes)) / 2
        slopes = self.squared_slopes(pictures, real["logit"], training) if PENALTY else ops.zeros((1, 1))

        judged = [shared_adversarial.held_still(self.discriminator, each, training)["logit"] for each in generated]
        g_losses = sum(ops.softplus(-logit) for logit in judged) / len(judged)

        seen = shared_adversarial.held_still(self.discriminator, y_pred["reconstructions"], training)["features"]
        errors = feature_errors(seen, ops.stop_gradient(real["features"]))
        kl = divergences(y_pred["z_mean"], y_pred["z_log_var"])

        if training:
            for average, network in zip(self.averages, self.trained, strict=True):
                average.follow(network)
        squares = ops.square((y_pred["reconstructions"] - pictures) / 2)  # of pixels in [0, 1]
        answers = (
            real["logit"] > 0,
            fakes[0] < 0,
            ops.sigmoid(real["logit"]),
            ops.sigmoid(fakes[0]),
        )  # to samples alone
        values = (errors, kl, ops.mean(squares, axis=(1, 2, 3)), d_losses, g_losses, slopes, *answers)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        similarity = ops.mean(errors) + BETA * ops.mean(kl)
        return ops.mean(d_losses) + PENALTY / 2 * ops.mean(slopes) + ops.mean(g_losses) + FEATURE_WEIGHT * similarity

    def squared_slopes(self, pictures, logits, training):
        """Return `shared_adversarial.squared_slopes` of a quarter of the real pictures."""

        def judge(pictures):
            return self.discriminator(pictures, training=training)["logit"]

        return shared_adversarial.squared_slopes(judge, pictures[::4], logits[::4], STEP, self.seed_generator)


def between(start, end):
    """Return codes on the line from one to another: (INTERPOLATION_STEPS, latent_dim)."""
    share = np.linspace(0, 1, INTERPOLATION_STEPS, dtype=np.float32)[:, None]
    return (1 - share) * start + share * end


def decoder_of(network, low):
    """Return the function from codes to uint8 pictures that a network with pictures in [low, 1] is."""
    return lambda codes: shared_networks.decode(network, codes, low=low)


class Beside:
    """What models make of the same held-out pictures and of the same noise.

    Args:
        train: uint8 (count, 64, 64, 3), the training pictures.
        held_out: uint8 (others, 64, 64, 3).
        seed: of the noise.

    Attributes:
        comparison: `shared_distances.Comparison` of reconstructions and samples.
        interpolations: {title: uint8 (INTERPOLATION_STEPS, 64, 64, 3)}.
    """

    def __init__(self, train, held_out, seed):
        self.comparison = shared_distances.Comparison(train, held_out, COLUMNS)
        self.interpolations = {}
        self.seed = seed

    def add(self, model, epochs, encoder, decode, latent_dim):
        """Add a model.

        Args:
            model: its name.
            epochs: that it was trained for.
            encoder: network that gives {"z_mean", ...} of pictures in [0, 1]; None if it has none.
            decode: function from codes (count, latent_dim) to uint8 pictures.
            latent_dim: length of its codes.
        """
        held_out = self.comparison.held_out
        noise = np.random.default_rng(self.seed).standard_normal((len(held_out) + 1, latent_dim), np.float32)
        if encoder is None:
            line = shared_codes.slerp(noise[0], noise[1], INTERPOLATION_STEPS)
            self.interpolations[f"{model}, between two samples"] = decode(line)
        else:
            codes = shared_networks.encode(encoder, held_out)["z_mean"]
            self.comparison.add_reconstructions(model, decode(codes), epochs=epochs)
            self.interpolations[f"{model}, between two held-out faces"] = decode(between(codes[0], codes[-1]))
        self.comparison.add(f"{model}, samples", decode(noise[:-1]), epochs=epochs)

    def save(self, run):
        """Write comparison.csv, beside.png, and of the first model reconstructions.png and interpolation.png."""
        comparison, columns = self.comparison, min(COLUMNS, len(self.comparison.held_out))
        comparison.save(run)
        run.save_rows("beside.png", {**comparison.captioned(), **self.interpolations}, COLUMNS)
        (_, originals), (name, reconstructed), *_ = comparison.shown.items()
        groups = {"held-out faces": originals, comparison.caption(name): reconstructed}
        run.save_rows("reconstructions.png", groups, columns)
        title, line = next(iter(self.interpolations.items()))
        run.save_grid("interpolation.png", line, title, INTERPOLATION_STEPS)


def compare(run, epochs, encoder, generator, train, held_out, others):
    """Show and measure reconstructions, samples and interpolations, beside those of other models.

    Args:
        run: the `shared_run.Run` to write to.
        epochs: that the networks were trained for.
        encoder: as from `build_encoder`, trained.
        generator: as from `build_generator`, trained.
        train: uint8 (count, 64, 64, 3), the training pictures.
        held_out: uint8 (others, 64, 64, 3).
        others: VAEs and GANs, as from `shared_networks.open_beside`.

    Returns:
        dict: `psnr` and `ssim` of the reconstructions, as by `shared_distances.fidelity`; `swd`, the sliced Wasserstein
        distance of the samples; `sharpness_faces`, `sharpness_reconstructions`, `sharpness_samples`.
    """
    beside = Beside(train, held_out, run.args.seed)
    beside.add(run.name, epochs, encoder, decoder_of(generator, low=-1), LATENT_DIM)
    for model, trained_for, networks in others:
        is_vae = shared_networks.is_vae(networks)
        decoder, encoder = (networks["decoder"], networks["encoder"]) if is_vae else (networks["generator"], None)
        decode = decoder_of(decoder, low=0 if is_vae else -1)
        beside.add(model, trained_for, encoder, decode, decoder.input_shape[1])
    beside.save(run)
    faces, reconstructions, samples = list(beside.comparison.rows.values())[:3]
    return {
        "psnr": reconstructions["psnr"],
        "ssim": reconstructions["ssim"],
        "swd": samples["swd"],
        "sharpness_faces": faces["sharpness"],
        "sharpness_reconstructions": reconstructions["sharpness"],
        "sharpness_samples": samples["sharpness"],
    }


def judge_reader(part, labels, train_rows, held_out_rows, seen, kept):
    """Write attributes.csv, print it, and return how well attributes are read.

    Args:
        part: of the run, the reader's.
        labels: {attribute: bool (count,)}.
        train_rows: row numbers of the training pictures.
        held_out_rows: of the others.
        seen: float (held out, attributes), the probabilities read in the held-out faces.
        kept: the same of their reconstructions.

    Returns:
        dict: `attributes_read` and `attributes_kept`, the balanced accuracies in the faces and their reconstructions,
        means of the attributes.
    """
    rows = []
    for column, (name, values) in enumerate(labels.items()):
        read, reconstructed = (
            shared_attributes.balanced_accuracy(values[held_out_rows], each[:, column]) for each in (seen, kept)
        )
        share = float(values[train_rows].mean())
        accuracies = {"balanced_accuracy": read, "of_reconstructions": reconstructed}
        rows.append({"attribute": name, "share": share, **accuracies})
    shared_files.write_table(part.folder / "attributes.csv", rows)
    shared_files.print_table(rows)
    columns = {"attributes_read": "balanced_accuracy", "attributes_kept": "of_reconstructions"}
    return {name: float(np.mean([row[column] for row in rows])) for name, column in columns.items()}


def save_edits(run, decode, held_out, codes, steps, changes):
    """Write edits.png: held-out faces, a step back and a step forth along each attribute.

    Args:
        run: the `shared_run.Run` to write to.
        decode: function from codes to uint8 pictures.
        held_out: uint8 (count, 64, 64, 3).
        codes: float (count, LATENT_DIM), of these.
        steps: {attribute: float (LATENT_DIM,)}.
        changes: {attribute: float}, of its probability.
    """
    few = codes[:EDITED]
    groups = {"held-out faces (left) and reconstructions": np.concatenate([held_out[:EDITED], decode(few)])}
    for name, step in steps.items():
        way = f"{name}: {STRENGTH:g} deviations back (left) and forth"
        title = f"{way}; its probability changes by {changes[name]:+.2f} on average"
        groups[title] = np.concatenate([decode(few - step), decode(few + step)])
    run.save_rows("edits.png", groups, 2 * len(few))


def save_effects(run, names, before, after):
    """Write effects.csv and effects.png: what is read of held-out faces before and after each edit.

    Args:
        run: the `shared_run.Run` to write to.
        names: of the attributes.
        before: float (attributes,), the mean probabilities read before.
        after: {kind of direction: float (edited, 2, attributes)}, after a step back and a step forth; RANDOM is one of
            the kinds, and its direction stands for no attribute.
    """
    edited = {kind: [RANDOM] if kind == RANDOM else names for kind in after}
    rows = []
    for kind, table in after.items():
        for row, column in np.ndindex(len(table), len(names)):
            back, forth = map(float, table[row, :, column])
            numbers = {"before": float(before[column]), "back": back, "forth": forth, "change": forth - back}
            rows.append({"direction": kind, "edited": edited[kind][row], "read": names[column], **numbers})
    shared_files.write_table(run.folder / "effects.csv", rows)
    changes = {kind: dict(zip(edited[kind], table[:, 1] - table[:, 0], strict=True)) for kind, table in after.items()}
    by_chance = changes.pop(RANDOM)
    title = run.title(f"probability read {STRENGTH:g} deviations forth less that {STRENGTH:g} back, held-out faces")
    matrices = {kind: rows | by_chance for kind, rows in changes.items()}
    shared_attributes.save_matrices(run.folder / "effects.png", matrices, names, title)


def save_directions(run, steps):
    """Write directions.csv: of each attribute a step of one standard deviation, {attribute: float (LATENT_DIM,)}."""
    rows = [{"attribute": name, **dict(enumerate(map(float, step), start=1))} for name, step in steps.items()]
    shared_files.write_table(run.folder / "directions.csv", rows)


def edit(run, encoder, generator, images, labels, train_rows, held_out_rows):
    """Train the reader, move the codes of held-out faces along attributes, and show and measure what this changes.

    Args:
        run: the `shared_run.Run` to write to.
        encoder: as from `build_encoder`, trained.
        generator: as from `build_generator`, trained.
        images: uint8 (count, 64, 64, 3).
        labels: {attribute: bool (count,)}.
        train_rows: row numbers of the training pictures.
        held_out_rows: of the others.

    Returns:
        dict: as `judge_reader`; and how much the probability that an attribute is read changes from a step back to a
        step forth: `edit_effect` along its own direction, `side_effect`, the mean size, along those of the others, both
        "others held equal"; `means_edit_effect` and `means_side_effect`, along "means"; `random_effect`, the mean size
        along a random direction.
    """
    names, held_out = [*labels], images[held_out_rows]
    part = run.part("reader", "1 of 1", run.source, [images, *labels.values()])
    reader = shared_attributes.train_reader(part, images, labels, train_rows, held_out_rows, **READER)
    decode = decoder_of(generator, low=-1)
    train_codes, codes = (shared_networks.encode(encoder, each)["z_mean"] for each in (images[train_rows], held_out))

    def read(codes):
        return shared_networks.encode(reader, decode(codes))

    before = read(codes)
    seen = shared_networks.encode(reader, held_out)
    found = judge_reader(part, labels, train_rows, held_out_rows, seen, before)

    table = np.stack([values[train_rows] for values in labels.values()], axis=1)
    directions = shared_attributes.unit_directions(train_codes, table)
    anywhere = np.random.default_rng(run.args.seed).standard_normal((1, LATENT_DIM), np.float32)
    directions[RANDOM] = shared_attributes.to_unit_length(anywhere)
    steps = {kind: shared_attributes.steps_along(each, train_codes, STRENGTH) for kind, each in directions.items()}
    after = {kind: shared_attributes.measure_effects(read, codes, each) for kind, each in steps.items()}
    changes = {kind: each[:, 1] - each[:, 0] for kind, each in after.items()}

    save_effects(run, names, before.mean(axis=0), after)
    shown = dict(zip(names, steps[DIRECTION], strict=True))
    save_directions(run, {name: step / STRENGTH for name, step in shown.items()})
    own_changes = dict(zip(names, np.diag(changes[DIRECTION]), strict=True))
    save_edits(run, decode, held_out, codes, shown, own_changes)
    for kind, prefix in (("others held equal", ""), ("means", "means_")):
        own, others = shared_attributes.own_and_other_effects(changes[kind])
        found |= {f"{prefix}edit_effect": own, f"{prefix}side_effect": others}
    return found | {"random_effect": float(np.abs(changes[RANDOM]).mean())}


def main(argv=None):
    """Train, write the run folder, and return the final metrics as a dict of numbers.

    Raises:
        InputError: there are fewer than FEWEST pictures; as `shared_data.find_images`, `shared_run.Run`,
            `shared_attributes.find_attributes`, `shared_attributes.choose` and `shared_networks.open_beside`.
    """
    parser = shared_command_line.parser(globals(), shared_data.PICTURES_FLAG)
    what = "what the photographs show, laid out as CelebA's list_attr_celeba.txt"
    parser.add_argument("--attributes", type=Path, metavar="FILE", help=what)
    what = "finished runs of a VAE and a GAN on the same pictures, to compare with"
    parser.add_argument("--beside", nargs="+", type=Path, default=[], metavar="RUN", help=what)
    args = parser.parse_args(argv)
    images, source = shared_data.find_images(args.data, IMAGE_SIZE, args.limit, args.seed, CENTRE_CROP)
    if len(images) < FEWEST:
        raise shared_files.InputError(f"{len(images)} pictures are too few; take {FEWEST}.")
    labels = shared_attributes.find_attributes(args.attributes, args.data, source, len(images), args.limit, args.seed)
    others = shared_networks.open_beside(args.beside, images, HELD_OUT, args.seed, Path(__file__).stem)
    train_rows, held_out_rows = shared_data.split_held_out(len(images), HELD_OUT, args.seed)
    labels = shared_attributes.choose(labels, ATTRIBUTES, train_rows)
    train = shared_training.Batches((images,), train_rows, args.batch_size, flipped)
    held_out = shared_training.Batches((images,), held_out_rows, args.batch_size)
    run = shared_run.Run(globals(), args, source, [images], may_change=LOOKS)

    keras.utils.set_random_seed(args.seed)
    discriminator = build_discriminator()
    vaegan = VAEGAN(build_encoder(), build_generator(), discriminator, args.seed)
    vaegan.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1))
    encoder, generator = vaegan.averaged
    noise = np.random.default_rng(args.seed).standard_normal((SAMPLES, LATENT_DIM), np.float32)

    def save_samples(name, text):
        run.save_grid(name, shared_networks.decode(generator, noise, low=-1), text, columns=8)

    watch = shared_training.GANWatch(lambda: generator(noise), low=-1, high=1)
    options = {"validation_data": held_out, "save_samples": save_samples, "callbacks": [watch]}
    history = run.fit(vaegan, train, epochs=args.epochs, **options)

    run.save_model("encoder.keras", encoder)
    run.save_model("generator.keras", generator)
    run.save_model("discriminator.keras", discriminator)
    pictures = images[train_rows], images[held_out_rows]
    found = compare(run, len(history["epoch"]), encoder, generator, *pictures, others)
    if labels:
        found |= edit(run, encoder, generator, images, labels, train_rows, held_out_rows)
    panels = {
        "discriminator and generator": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
        "D(x), D(G(z))": ["d_x", "d_g_z"],
        "differences between samples": ["pixel_std"],
        "feature error": ["feature_error"],
        "KL (nats)": ["kl"],
        "squared error of pixels": ["pixel_mse"],
        "squared slopes": ["slopes"],
    }
    return run.finish(history, panels, args.epochs, **found)


if __name__ == "__main__":
    shared_command_line.run_script(main)
