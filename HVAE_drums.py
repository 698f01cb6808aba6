"""Hierarchical VAE of drum bars that can be heard: a small code that knows the style, a larger one for the pattern.

    python HVAE_drums.py                        # bars made by rules in five styles
    python HVAE_drums.py --data groove          # MIDI files, such as the Groove MIDI Dataset

A bar is 16 steps by 9 instruments, hit or not. There are two encoders, q(z_high | x) and q(z_low | x, z_high), and a
learned prior p(z_low | z_high). The loss, in nats, is the binary cross-entropy of all cells + beta * (KL of z_high + KL
of z_low) + STYLE_WEIGHT * the cross-entropy of a linear head that tells the style from z_high. Each KL counts as its
free bits at least, so that a smaller one gains nothing (Kingma et al., "Improved Variational Inference with Inverse
Autoregressive Flow", 2016); beta rises in a line (Bowman et al. 2016) or in cycles (Fu et al., "Cyclical Annealing",
2019). Each of these is left out in an arm of its own. Bars are split by performance; one arm splits them at random, to
show what that would hide. The model knows the grid of steps alone, not the timing; the names of sound files end in
`_grid`, or in `_human` where a drummer's timing was put back.

Writes `runs/HVAE_drums/`: settings.json, results.json, arms.csv, leak.csv; and for each arm, in its own folder:
history.csv, curves.png, samples/, samples.gif, results.json, encoder_high.keras, encoder_low.keras, prior.keras,
decoder.keras, checkpoint/ (prior.keras of `plain_prior/` is unused, N(0, I) in its place); `linear/` also has
reconstructions.png, temperatures.png, density.png, interpolation.png, swaps.png, map.png and sounds/ with a .mid and a
.wav of each.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops

import shared_bars
import shared_command_line
import shared_drums
import shared_files
import shared_run
import shared_sounds
import shared_training
from shared_bars import Corpus, f1, to_hits
from shared_drums import CELLS

ARMS = {  # name: in what it differs from the first
    "linear": {},
    "cyclical": {"annealing": "cyclical"},
    "no_annealing": {"annealing": "none"},
    "no_free_bits": {"free_bits": False},
    "plain_prior": {"learned_prior": False},
    "no_style": {"style": False},
    "random_bars": {"by_performance": False},
}
HIGH, LOW = 8, 32  # dimensions of z_high and z_low
UNITS = 512  # of each of two hidden layers
PRIOR_UNITS = 128
BETA = 0.5
FREE_BITS = {"high": 1.0, "low": 4.0}  # nats
STYLE_WEIGHT = 3.0  # of the head's cross-entropy, in nats
EPOCHS = 60
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
HALVING = 12  # epochs after which the learning rate has come to a half
WARM_UP = 15  # epochs in which beta rises, if it does in a line
CYCLE, RISING = 15, 0.5  # epochs of a cycle, and the share of it in which beta rises
STEPS_PER_EXECUTION = 20  # in one call of the compiled graph
LIMIT = 100_000  # bars
ACTIVE = 0.01  # variance of a dimension's mean over bars from which on it counts as used (Burda et al. 2016)
EMPTY = 0.1  # nats; below, a level says nothing
TEMPERATURES = (0, 0.5, 1, 1.5)  # by which logits are divided before hits are drawn; at 0 they are thresholded
SAMPLES = 1_000  # bars drawn at each temperature
SWAPPED = 500  # pairs of test bars, of which those of two styles count
COLUMNS = 8  # bars in a row of a figure
INTERPOLATION_STEPS = 8
CELL = 4  # pixels of a cell in a figure
TABLE = ("f1", "val_kl_high", "val_kl_low", "active_high", "active_low", "style_high", "style_low", "density_gap")
LOOKS = ("arms", "TABLE", "ACTIVE", "EMPTY", "TEMPERATURES", "SAMPLES", "SWAPPED", "COLUMNS", "CELL", "LOOKS")
TINY = {"UNITS": 8, "PRIOR_UNITS": 4, "LIMIT": 400, "SAMPLES": 20, "SWAPPED": 20, "EPOCHS": 1}
TINY |= {"ARMS": {"linear": {}}}


def build_network(name, inputs, outputs, units):
    """Return a network of two hidden layers from vectors, joined, to vectors.

    Args:
        name: of the model.
        inputs: {name: length}.
        outputs: {name: length}.
        units: of each hidden layer.
    """
    given = {key: keras.Input((length,), name=key) for key, length in inputs.items()}
    x = layers.Concatenate(name="joined")(list(given.values())) if len(given) > 1 else next(iter(given.values()))
    for index in (1, 2):
        x = layers.Dense(units, activation="relu", name=f"dense_{index}")(x)
    heads = {key: layers.Dense(length, name=key)(x) for key, length in outputs.items()}
    return keras.Model(inputs=list(given.values()), outputs=heads, name=name)


def build_networks(styles):
    """Return {name: `keras.Model`}: the two encoders, the prior of z_low, the decoder, the style's head."""
    return {
        "encoder_high": build_network("encoder_high", {"hits": CELLS}, {"z_mean": HIGH, "z_log_var": HIGH}, UNITS),
        "encoder_low": build_network(
            "encoder_low", {"hits": CELLS, "z_high": HIGH}, {"z_mean": LOW, "z_log_var": LOW}, UNITS
        ),
        "prior": build_network("prior", {"z_high": HIGH}, {"z_mean": LOW, "z_log_var": LOW}, PRIOR_UNITS),
        "decoder": build_network("decoder", {"z_high": HIGH, "z_low": LOW}, {"logits": CELLS}, UNITS),
        "style": keras.Sequential([keras.Input((HIGH,)), layers.Dense(styles)], name="style"),
    }


def kl(q, p):
    """Return the divergence of one diagonal Gaussian from another, in nats, summed over dimensions: (batch,).

    Args:
        q: {"z_mean", "z_log_var"}, each (batch, dimensions).
        p: the same, or None for N(0, I).
    """
    p = p or {name: ops.zeros_like(value) for name, value in q.items()}
    distance = ops.exp(q["z_log_var"]) + ops.square(q["z_mean"] - p["z_mean"])
    return ops.sum(p["z_log_var"] - q["z_log_var"] + distance / ops.exp(p["z_log_var"]) - 1, axis=-1) / 2


def annealed(step, steps_per_epoch, annealing):
    """Return the share of beta that counts at a step, 0 to 1, rising in a line or in cycles, or 1 throughout."""
    epoch = ops.cast(step, "float32") / steps_per_epoch
    if annealing == "linear":
        return ops.minimum(epoch / WARM_UP, 1.0)
    if annealing == "cyclical":
        return ops.minimum((epoch / CYCLE) % 1 / RISING, 1.0)
    return ops.ones_like(epoch)


class HVAE(keras.Model):
    """The networks, sampling at two levels, and the loss of the module's docstring.

    Args:
        networks: as from `build_networks`.
        steps_per_epoch: batches in an epoch, by which beta's rise is told.
        seed: of the sampling.
        annealing: "linear", "cyclical" or "none".
        free_bits: whether FREE_BITS count.
        learned_prior: whether z_low's prior depends on z_high; else it is N(0, I).
        style: whether the style's head is trained; else it learns nothing and teaches nothing.
    """

    def __init__(
        self, networks, steps_per_epoch, seed, *, annealing="linear", free_bits=True, learned_prior=True, style=True
    ):
        super().__init__(name="hvae")
        self.encoder_high, self.encoder_low = networks["encoder_high"], networks["encoder_low"]
        self.prior, self.decoder, self.style = networks["prior"], networks["decoder"], networks["style"]
        self.steps_per_epoch = steps_per_epoch
        self.annealing = annealing
        self.free_bits = FREE_BITS if free_bits else dict.fromkeys(FREE_BITS, 0.0)
        self.learned_prior = learned_prior
        self.style_weight = STYLE_WEIGHT if style else 0.0
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.step = self.add_weight(name="step", initializer="zeros", trainable=False)  # JAX hides the optimiser's
        names = ("reconstruction", "kl_high", "kl_low", "beta", "style_accuracy")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def sample(self, latent):
        """Return a draw from a Gaussian {"z_mean", "z_log_var"}, (batch, dimensions)."""
        noise = keras.random.normal(ops.shape(latent["z_mean"]), seed=self.seed_generator)
        return latent["z_mean"] + ops.exp(latent["z_log_var"] / 2) * noise

    def call(self, hits):
        """Encode bars, float (batch, 144), sample both levels and decode them; return all that the loss needs."""
        high = self.encoder_high(hits)
        z_high = self.sample(high)
        low = self.encoder_low([hits, z_high])
        prior = self.prior(z_high) if self.learned_prior else None
        logits = self.decoder([z_high, self.sample(low)])["logits"]
        return {"logits": logits, "style": self.style(z_high), "kl_high": kl(high, None), "kl_low": kl(low, prior)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of bars `x` of int styles `y`, given the output `y_pred` of `call`."""
        reconstruction = ops.sum(ops.softplus(y_pred["logits"]) - x * y_pred["logits"], axis=-1)
        beta = BETA * annealed(self.step, self.steps_per_epoch, self.annealing)
        if training:
            self.step.assign_add(1)
        style = keras.losses.sparse_categorical_crossentropy(y, y_pred["style"], from_logits=True)
        right = ops.equal(ops.cast(ops.argmax(y_pred["style"], axis=-1), "int32"), ops.cast(y, "int32"))
        values = (reconstruction, y_pred["kl_high"], y_pred["kl_low"], beta, right)
        for tracker, value in zip(self.trackers.values(), values, strict=True):
            tracker.update_state(value)
        levels = sum(ops.maximum(ops.mean(y_pred[f"kl_{name}"]), nats) for name, nats in self.free_bits.items())
        return ops.mean(reconstruction) + beta * levels + self.style_weight * ops.mean(style)

    def encode(self, hits):
        """Return the means of both levels, float (count, HIGH) and (count, LOW), of bars uint8 (count, 16, 9)."""
        flat = hits.reshape(-1, CELLS).astype(np.float32)
        z_high = shared_training.predict(self.encoder_high, flat)["z_mean"]
        return z_high, shared_training.predict(self.encoder_low, [flat, z_high])["z_mean"]

    def decode(self, z_high, z_low):
        """Return the logits of hits, float (count, 16, 9), of codes of both levels."""
        return shared_bars.decode(self.decoder, z_high, z_low)

    def draw(self, count, rng):
        """Return the logits of bars drawn from the prior, float (count, 16, 9); `rng` is a `numpy.random.Generator`."""
        prior = self.prior if self.learned_prior else None
        return self.decode(*shared_bars.draw_codes(prior, HIGH, LOW, count, rng))


class WatchLevels(keras.callbacks.Callback):
    """Log the F1 score of held-out bars and the dimensions that each level uses; warn if a level says nothing."""

    def __init__(self, hits):
        """Take the held-out bars, uint8 (count, 16, 9)."""
        super().__init__()
        self.hits = hits

    def on_epoch_end(self, epoch, logs=None):
        """Add `val_f1`, `active_high` and `active_low` to what the later callbacks see."""
        codes = self.model.encode(self.hits)
        logs["val_f1"] = f1(to_hits(self.model.decode(*codes), 0, 0, None), self.hits)
        for level, z_mean in zip(FREE_BITS, codes, strict=True):
            logs[f"active_{level}"] = int(np.sum(z_mean.var(axis=0) > ACTIVE))
            if logs[f"val_kl_{level}"] < EMPTY:
                print(
                    f"\nWarning: after epoch {epoch + 1} z_{level} says nothing ({logs[f'val_kl_{level}']:.2f} nats)."
                )


def run_arm(run, name, count, corpus):
    """Train and judge one arm, and write its part of the run.

    Args:
        run: the `shared_run.Run`.
        name: of ARMS.
        count: which arm it is of how many, as text.
        corpus: the `Corpus`.
    """
    args, settings = run.args, {key: value for key, value in ARMS[name].items() if key != "by_performance"}
    part = run.part(name, count)
    if part.is_done(args.epochs):
        return
    keras.utils.set_random_seed(args.seed)
    networks = build_networks(len(corpus.styles))
    batches = corpus.batches("train", args.batch_size)
    model = HVAE(networks, len(batches), args.seed, **settings)
    decay = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, HALVING * len(batches), 0.5)
    model.compile(optimizer=keras.optimizers.Adam(decay), **shared_training.fast_steps(STEPS_PER_EXECUTION))

    def save_samples(file, text):
        rng = np.random.default_rng(args.seed)
        hits = to_hits(model.draw(4 * COLUMNS, rng), 1, 0, rng)
        part.save_grid(file, shared_sounds.to_pictures(hits, CELL), text, COLUMNS)

    history = part.fit(
        model,
        batches,
        epochs=args.epochs,
        validation_data=corpus.batches("validation", args.batch_size),
        save_samples=save_samples,
        callbacks=[WatchLevels(corpus.hits("validation"))],
    )
    numbers = judge(model, corpus, args.seed)
    if name == next(iter(ARMS)):
        save_pictures(part, model, corpus, numbers["threshold"])
        numbers |= save_swaps(part, model, corpus, numbers["threshold"])
    for key, network in networks.items():
        if key != "style":
            part.save_model(f"{key}.keras", network)
    panels = {
        "nats of a bar": ["reconstruction"],
        "KL by level, nats": ["kl_high", "kl_low"],
        "F1 of held-out bars": ["val_f1"],
        "dimensions used": ["active_high", "active_low"],
    }
    part.finish(history, panels, args.epochs, **numbers)


def judge(model, corpus, seed):
    """Return what is measured of a trained model: a dict of numbers.

    `threshold`, the logit from which on a hit is played, with the best F1 score of validation bars; `f1` of test bars
    decoded from their codes' means; `f1_train`; `style_high`, `style_low`, and the same `_balanced`, as
    `Corpus.read_styles` of the codes; `hits_real` and `hits_drawn`, hits in a test bar, and in one drawn at temperature
    1; `density_gap`, the sum over instruments of how much these differ, as a share of `hits_real`.
    """
    codes = model.encode(corpus.bars.hits)
    logits = model.decode(*codes)

    def score(split, threshold):
        return f1(to_hits(logits[corpus.rows[split]], 0, threshold, None), corpus.hits(split))

    thresholds = np.linspace(-2, 2, 41)
    threshold = float(max(thresholds, key=lambda each: score("validation", each)))
    rng = np.random.default_rng(seed)
    drawn = to_hits(model.draw(SAMPLES, rng), 1, threshold, rng).mean(axis=0).sum(axis=0)
    real = corpus.hits("test").mean(axis=0).sum(axis=0)
    return {
        "threshold": threshold,
        "f1": score("test", threshold),
        "f1_train": score("train", threshold),
        **corpus.read_styles(codes[0], "high"),
        **corpus.read_styles(codes[1], "low"),
        "hits_real": float(real.sum()),
        "hits_drawn": float(drawn.sum()),
        "density_gap": float(np.abs(drawn - real).sum() / real.sum()),
    }


def save_pictures(part, model, corpus, threshold):
    """Write the figures and sounds of one arm, but for the swaps: of test bars, samples, interpolations, latent codes.

    Args:
        part: of the `shared_run.Run`.
        model: the trained `HVAE`.
        corpus: the `Corpus`.
        threshold: as from `judge`.
    """
    rng = np.random.default_rng(part.args.seed)
    shown = corpus.one_of_each_style(COLUMNS, rng)
    played = corpus.bars.take(shown)
    z_high, z_low = model.encode(played.hits)
    tempo = float(played.tempos[0])
    sounds = part.folder / "sounds"
    shared_files.make_folder(sounds)

    def save(name, groups):
        pictures = {title: shared_sounds.to_pictures(hits, CELL) for title, hits in groups.items()}
        part.save_rows(name, pictures, COLUMNS)

    def play(*codes):
        return to_hits(model.decode(*codes), 0, threshold, None)

    rebuilt = play(z_high, z_low)
    save("reconstructions.png", {"test bars": played.hits, "decoded from their codes' means": rebuilt})
    shared_sounds.save_sound(sounds / "test_bars_human", played.hits, tempo, played)
    shared_sounds.save_sound(sounds / "test_bars_grid", played.hits, tempo)
    shared_sounds.save_sound(sounds / "reconstructions_human", rebuilt, tempo, played)
    shared_sounds.save_sound(sounds / "reconstructions_grid", rebuilt, tempo)

    logits = model.draw(SAMPLES, np.random.default_rng(part.args.seed))
    drawn = {temperature: to_hits(logits, temperature, threshold, rng) for temperature in TEMPERATURES}
    save("temperatures.png", {f"temperature {key}": hits[: 2 * COLUMNS] for key, hits in drawn.items()})
    for temperature, hits in drawn.items():
        name = f"samples_temperature_{temperature}_grid".replace(".", "_")
        shared_sounds.save_sound(sounds / name, hits[:COLUMNS], tempo)
    shared_bars.save_density(part, corpus.hits("test"), drawn)

    share = np.linspace(0, 1, INTERPOLATION_STEPS)[:, None]
    high, low = (z[0] + share * (z[-1] - z[0]) for z in (z_high, z_low))
    still_high, still_low = (np.repeat(z[:1], INTERPOLATION_STEPS, axis=0) for z in (z_high, z_low))
    ends = " and ".join(corpus.bars.styles[shown[[0, -1]]])
    between = {"z_high": play(high, still_low), "z_low": play(still_high, low), "both": play(high, low)}
    save("interpolation.png", {f"between {ends}: {name} moves": hits for name, hits in between.items()})
    for name, hits in between.items():
        shared_sounds.save_sound(sounds / f"interpolation_{name}_grid", hits, tempo)
    shared_bars.save_map(part, model.encode(corpus.hits("test")), corpus.bars.styles[corpus.rows["test"]])


def save_swaps(part, model, corpus, threshold):
    """Write swaps.png and its sounds: z_high of one test bar (a row) with z_low of another (a column).

    Args:
        part: of the `shared_run.Run`.
        model: the trained `HVAE`.
        corpus: the `Corpus`.
        threshold: as from `judge`.

    Returns:
        dict, over those of SWAPPED pairs of test bars that differ in style, or empty if none does: `swap_f1_high`,
        `swap_f1_low`, the F1 score of a swapped bar against the bar that gave z_high, and z_low; `swap_style_high`,
        `swap_style_low`, the share of them whose style, as the head reads it, is the one that it reads from the one
        bar, and the other; both count where it reads the same style from these two.
    """
    rng = np.random.default_rng(part.args.seed)
    shown = corpus.one_of_each_style(4, rng)
    z_high, z_low = model.encode(corpus.bars.hits[shown])
    table = to_hits(model.decode(z_high.repeat(4, axis=0), np.tile(z_low, (4, 1))), 0, threshold, None)
    names = ", ".join(corpus.bars.styles[shown])
    pictures = shared_sounds.to_pictures(table, 2 * CELL)
    part.save_grid("swaps.png", pictures, f"down: z_high of {names}; across: z_low of the same", columns=4)
    shared_sounds.save_sound(part.folder / "sounds" / "swaps_grid", table, float(corpus.bars.tempos[shown[0]]))

    first, second = rng.choice(corpus.rows["test"], (2, SWAPPED))
    differ = corpus.labels[first] != corpus.labels[second]
    if not differ.any():
        return {}
    bars = [corpus.bars.hits[rows[differ]] for rows in (first, second)]
    (high, _), (other_high, other_low) = (model.encode(each) for each in bars)
    swapped = to_hits(model.decode(high, other_low), 0, threshold, None)
    codes = (high, other_high, model.encode(swapped)[0])
    read = [shared_training.predict(model.style, z).argmax(axis=-1) for z in codes]
    return {
        "swap_f1_high": f1(swapped, bars[0]),
        "swap_f1_low": f1(swapped, bars[1]),
        "swap_style_high": float(np.mean(read[2] == read[0])),
        "swap_style_low": float(np.mean(read[2] == read[1])),
    }


def main(argv=None):
    """Train the arms that are asked for and not yet done, and return the final metrics of all that have ended.

    Raises:
        InputError: as `shared_drums.find_bars` and `shared_run.Run`.
    """
    about = "whole performances of about"
    parser = shared_command_line.parser(globals(), shared_drums.DRUMS_FLAG, unit="bars", limit=about)
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS), help="arms to train (all)")
    args = parser.parse_args(argv)
    bars, source = shared_drums.find_bars(args.data, args.limit, args.seed)
    marks = [np.unique(texts, return_inverse=True)[1] for texts in (bars.styles, bars.splits)]
    run = shared_run.Run(globals(), args, source, [bars.hits, bars.velocities, *marks], LOOKS)
    corpora = {split: Corpus(bars, split == "by performance", args.seed) for split in ("by performance", "at random")}
    split_of = {
        name: "by performance" if arm.get("by_performance", True) else "at random" for name, arm in ARMS.items()
    }
    for index, name in enumerate(args.arms, start=1):
        run_arm(run, name, f"{index} of {len(args.arms)}", corpora[split_of[name]])

    ended = run.ended(ARMS, *TABLE)
    known = {split: corpora[split].known() for split in dict.fromkeys(split_of[name] for name in ended)}
    results = {
        name: {key: numbers[key] for key in TABLE} | {"style_raw": known[split_of[name]]["style_raw"]}
        for name, numbers in ended.items()
    }
    for file, title, rows in (("leak.csv", "split", known), ("arms.csv", "arm", results)):
        table = [{title: name, **numbers} for name, numbers in rows.items()]
        shared_files.write_table(run.folder / file, table)
        shared_files.print_table(table)
    numbers = {f"{name}_{key}": value for name, values in results.items() for key, value in values.items()}
    run.save_results(numbers)
    return numbers


if __name__ == "__main__":
    shared_command_line.run_script(main)
