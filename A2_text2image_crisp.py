"""Arithmetic from text to digit images that are right and look handwritten, in a hand that can be chosen.

    python A2_text2image_crisp.py                      # MNIST through keras.datasets, or drawn digits
    python A2_text2image_crisp.py --mnist mnist.npz

`A2_RNNs_text2image` learns by squared error, whose best answer is the mean digit: it is read right, but never looks
handwritten. Here an encoder-decoder learns the answer in characters first (from the right, as one adds). A generator
draws these, with noise. It learns from true characters, against a critic, which is a discriminator (Goodfellow et al.,
"Generative Adversarial Nets", 2014). The critic sees single glyphs and is told their characters (projection: Miyato &
Koyama, 2018). The noise has two parts: one of a whole answer, its hand, and one of each glyph. The hand is slant and
thickness, measured of real glyphs and ranked within each digit; the critic is told it, too, so that the glyphs of an
answer are of one hand. --epochs and --batch-size are those of generator and critic. The judge is the digit reader,
which no loss has seen. *regression* is the same generator without noise, by squared error.

Writes `runs/A2_text2image_crisp/`: settings.json, results.json, agreement.csv and agreement.png (answers read right
over diversity, at several temperatures of hand and noise), beside.png (real, regression, critic), hands.png (one answer
in many hands), text2image.keras (query, hand, noise to pictures), and for each part, `characters/`, `regression/`,
`critic/`: history.csv, curves.png, results.json, checkpoint/, networks; `regression/` and `critic/` have samples/ and
samples.gif as well, and `critic/` has nearest.png (and the nearest training glyphs). The digit reader is kept in
`data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from sklearn.preprocessing import QuantileTransformer

import shared_adversarial
import shared_answers
import shared_blocks
import shared_command_line
import shared_data
import shared_distances
import shared_factors
import shared_figures
import shared_files
import shared_networks
import shared_readers
import shared_run
import shared_training

UNITS = 256  # of both LSTMs
FILTERS = 64  # channels at 14x14 pixels; there are twice as many at 7x7
NOISE_DIM = 62  # of a glyph
HAND = ("slant", "thickness")  # of a whole answer, each from N(0, 1)
FEATURES = 256  # of a picture, by which the critic judges
EPOCHS = 10  # of generator and critic
BATCH_SIZE = 64  # glyphs
LEARNING_RATE = 4e-4
HALVING = 4  # epochs after which the learning rate has come to a half
WRITER = {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3, "weight_decay": 0.1}  # of the LSTMs
REGRESSION = {"epochs": 2, "learning_rate": 1e-3}
BETA_1 = 0.5  # of Adam: Radford et al., "Unsupervised Representation Learning with DCGANs", 2016
SLOPE = 0.2  # of leaky ReLUs, for values below 0
MOMENTUM = 0.9  # of batch normalisation
AVERAGING = 0.998  # share of the averaged generator's weights that stays in each step, but for the first steps
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
TRAIN_SHARE = 0.8  # of the expressions
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 25  # of the LSTMs, in one call of the compiled graph
QUICK = 2_000  # expressions; with fewer the reader learns for one epoch instead of six, and reads a little worse
WATCHED = 1_000  # held-out expressions that are read back after each epoch; at the end all are
TEMPERATURES = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3)  # by which hand and noise are multiplied
SAMPLES = 12
MEASURED = 1_000  # drawn digits, at most, whose hand is measured and whose nearest training glyph is sought
SHOWN_HANDS = np.linspace(-2, 2, 7).tolist()  # of slant and of thickness, in hands.png
LOOKS = ("TEMPERATURES", "SHOWN_HANDS", "LOOKS")  # what a resumed run may change, besides samples
TINY = {
    **{"UNITS": 8, "FILTERS": 8, "FEATURES": 8, "LIMIT": 60, "WATCHED": 12, "MEASURED": 12},
    **{"EPOCHS": 1, "WRITER": WRITER | {"epochs": 2}, "REGRESSION": REGRESSION | {"epochs": 2}},
}

ANSWER_SHAPE = (shared_blocks.ANSWER_LENGTH, *shared_blocks.GLYPH_SHAPE)
CLASSES = len(shared_blocks.CHARACTERS)  # of which a glyph is one
BLANK = shared_blocks.CHARACTERS.index(" ")
SHAPE = (*shared_blocks.GLYPH_SHAPE, 1)


def build_writer():
    """Return the encoder-decoder of characters: one-hot query (batch, 5, 13) -> probabilities (batch, 3, 13)."""
    query = keras.Input(shared_blocks.QUERY_SHAPE, name="query")
    x = layers.LSTM(UNITS, unroll=True, name="encoder")(query)
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(x)
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="decoder")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="answer")(ops.flip(x, axis=1))
    return keras.Model(query, x, name="writer")


def build_generator():
    """Return the generator: said (batch, 13), hand (batch, 2), noise (batch, NOISE_DIM) -> (batch, 28, 28, 1).

    Said are the probabilities of the characters; its pictures are in [-1, 1]. The ink is multiplied by the probability
    of any character but the blank, so that a blank need not be learned: all real ones are alike, and from those a
    critic taught one of three seeds nothing but a fixed blot.
    """
    said, hand = keras.Input((CLASSES,), name="said"), keras.Input((len(HAND),), name="hand")
    noise = keras.Input((NOISE_DIM,), name="noise")
    x = layers.Concatenate(name="all")([said, hand, noise])
    x = layers.Dense(7 * 7 * 2 * FILTERS, use_bias=False, name="project")(x)
    x = layers.Reshape((7, 7, 2 * FILTERS), name="first_map")(x)
    x = layers.ReLU(name="relu_1")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_1")(x))
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    x = layers.Conv2DTranspose(FILTERS, use_bias=False, dtype=PRECISION, name="deconv_1", **options)(x)
    x = layers.ReLU(name="relu_2")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_2")(x))
    pictures = layers.Conv2DTranspose(1, activation="tanh", name="deconv_2", **options)(x)
    not_blank = 1 - said[:, BLANK, None, None, None]
    return keras.Model(inputs=[said, hand, noise], outputs=(pictures + 1) * not_blank - 1, name="generator")


def build_critic():
    """Return the critic: glyphs (batch, 28, 28, 1) in [-1, 1] and what is told of them -> logits of "real" (batch, 1).

    Told are the one-hot character and the hand, (batch, 13 + 2).
    """
    pictures, told = keras.Input(SHAPE, name="pictures"), keras.Input((CLASSES + len(HAND),), name="told")
    x = pictures
    for index, filters in enumerate((FILTERS, 2 * FILTERS), start=1):
        options = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": PRECISION}
        x = layers.Conv2D(filters, name=f"conv_{index}", **options)(x)
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{index}")(x)
    x = layers.Dense(FEATURES, name="features")(layers.Flatten(name="flatten")(x))
    features = layers.LeakyReLU(SLOPE, name="leaky_features")(x)
    of_told = layers.Dense(FEATURES, use_bias=False, name="told_embedding")(told)
    fits = ops.sum(features * of_told, axis=-1, keepdims=True)
    logits = layers.Add(name="logit")([layers.Dense(1, name="is_real")(features), fits])
    return keras.Model(inputs=[pictures, told], outputs=logits, name="critic")


class GlyphGAN(keras.Model):
    """Generator and critic, trained together by `fit` on one sum of losses, each of which reaches its own network.

    It takes {"said": (batch, 13), "character": int (batch,), "hand": (batch, 2), "picture": uint8 (batch, 28, 28)},
    the latter two of real glyphs. `average` holds the generator with its weights averaged over the last steps.

    Args:
        generator: as from `build_generator`.
        critic: as from `build_critic`.
        seed: of hands and noise.
    """

    def __init__(self, generator, critic, seed):
        super().__init__(name="glyph_gan")
        self.generator = generator
        self.critic = critic
        self.average = shared_adversarial.Average(generator, AVERAGING)
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, inputs, training=None):
        """Return generated glyphs of what is said, and their hands."""
        count = ops.shape(inputs["said"])[0]
        hand = keras.random.normal((count, len(HAND)), seed=self.seed_generator)
        noise = keras.random.normal((count, NOISE_DIM), seed=self.seed_generator)
        return {"pictures": self.generator([inputs["said"], hand, noise], training=training), "hand": hand}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return critic's plus generator's loss for real glyphs `x` and generated ones `y_pred`."""
        character = ops.one_hot(x["character"], CLASSES)
        told = [ops.concatenate([character, hand], axis=-1) for hand in (x["hand"], y_pred["hand"])]
        real = self.critic([scale(x["picture"]), told[0]], training=training)
        fake = self.critic([ops.stop_gradient(y_pred["pictures"]), told[1]], training=training)
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2

        judged = shared_adversarial.held_still(self.critic, [y_pred["pictures"], told[1]], training)
        g_losses = ops.softplus(-judged)

        if training:
            self.average.follow(self.generator)
        values = (d_losses, g_losses, real > 0, fake < 0, ops.sigmoid(real), ops.sigmoid(fake))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return ops.mean(d_losses) + ops.mean(g_losses)


def scale(images):
    """Map uint8 pictures (batch, 28, 28) to float32 (batch, 28, 28, 1) in [-1, 1]."""
    return ops.cast(images, "float32")[..., None] / 127.5 - 1


def slant_and_thickness(glyphs):
    """Return slant and thickness of uint8 glyphs (count, 28, 28): float (count, 2).

    Slant is the shear that the second moments of the ink have, above 0 to the right. Thickness, in pixels, is twice the
    ink over the length of its edge, as of a long stroke: the edge is the sum of the gradients' lengths.
    """
    ink = shared_figures.to_unit(glyphs)
    y, x = np.indices(shared_blocks.GLYPH_SHAPE)
    mass = ink.sum(axis=(1, 2), keepdims=True)
    x, y = (axis - (ink * axis).sum(axis=(1, 2), keepdims=True) / mass for axis in (x, y))
    shear = (ink * x * y).sum(axis=(1, 2)) / (ink * y * y).sum(axis=(1, 2))
    edge = np.hypot(*np.gradient(ink, axis=(1, 2))).sum(axis=(1, 2))
    return np.stack([-shear, 2 * mass[:, 0, 0] / edge], axis=1)


def hands_of(bank, seed):
    """Return slant and thickness of every glyph of a `GlyphBank`, ranked within its digit: float32 (count, 2).

    Ranks are mapped to N(0, 1), so that every digit is written by every hand; signs and blanks, which tell nothing of
    a hand, get one at random.
    """
    hands = np.random.default_rng(seed).standard_normal((len(bank.glyphs), len(HAND)))
    for start, count in zip(bank.starts[:10], bank.counts[:10], strict=True):
        ranks = QuantileTransformer(n_quantiles=min(count, 1_000), output_distribution="normal", subsample=None)
        hands[start : start + count] = ranks.fit_transform(slant_and_thickness(bank.glyphs[start : start + count]))
    return hands.clip(-3, 3).astype(np.float32)


def glyphs_with_hands(bank, hands):
    """Return the function that makes a batch of `GlyphGAN` from one of probabilities and tokens."""

    def transform(said, token, rng):
        picks = bank.choose(token, rng)
        inputs = {"said": said, "character": token.astype(np.int32)}
        return ({**inputs, "hand": hands[picks], "picture": bank.glyphs[picks]},)

    return transform


def glyphs_without_noise(bank):
    """Return the function that makes a batch of the regression from one of probabilities and tokens."""

    def transform(said, token, rng):
        still = [np.zeros((len(token), size), np.float32) for size in (len(HAND), NOISE_DIM)]
        return (said, *still), shared_figures.to_unit(bank.pick(token, rng))[..., None] * 2 - 1

    return transform


class Draw:
    """Answers drawn from what the writer says, with the same hands and noise each time.

    Args:
        generator: as from `build_generator`.
        said: probabilities, float32 (count, 3, 13).
        seed: of hands and noise.
        temperature: by which both are multiplied.
    """

    def __init__(self, generator, said, seed, temperature=1.0):
        rng = np.random.default_rng(seed)
        self.generator, self.said = generator, said
        self.hand = (temperature * rng.standard_normal((len(said), len(HAND)))).astype(np.float32)
        self.noise = (temperature * rng.standard_normal((*said.shape[:2], NOISE_DIM))).astype(np.float32)

    def inputs(self, count=None):
        """Return what the generator takes for the first `count` answers, or all: a row per glyph."""
        return to_glyphs(self.said[:count], self.hand[:count], self.noise[:count])

    def __call__(self, count=None):
        """Return the first `count` answers, or all: uint8 (count, 3, 28, 28)."""
        return draw(self.generator, self.inputs(count))


def to_glyphs(said, hands, noise):
    """Return probabilities (count, 3, 13), hands (count, 2) and noise (count, 3, NOISE_DIM) a row per glyph."""
    hands = np.repeat(hands[:, None], said.shape[1], axis=1)
    return [part.reshape(-1, part.shape[-1]) for part in (said, hands, noise)]


def draw(generator, inputs):
    """Return the answers, uint8 (count, 3, 28, 28), of what the generator takes, as from `to_glyphs`."""
    pictures = shared_figures.to_uint8(shared_training.predict(generator, inputs), low=-1, high=1)
    return pictures.reshape(-1, *ANSWER_SHAPE)


class Judge:
    """What the digit reader sees in drawn answers, and how much these differ.

    Args:
        reader: as from `shared_answers.find_digit_reader`.
        true: int tokens of the answers (count, 3).
        real: uint8 (count, 3, 28, 28), the answers in real digits.
    """

    def __init__(self, reader, true, real):
        self.reader, self.true, self.real = reader, true, real

    def read(self, pictures):
        """Return the tokens that the reader sees in answers, uint8 (count, 3, 28, 28): int (count, 3)."""
        return shared_readers.read(self.reader, shared_figures.to_unit(pictures))

    def __call__(self, pictures):
        """Return `read_glyphs`, `read_answers` and `diversity` of answers to the first of the queries."""
        true, real = self.true[: len(pictures)], self.real[: len(pictures)]
        read_glyphs, read_answers = shared_answers.shares_right(true, self.read(pictures))
        diversity = shared_readers.diversity(shared_figures.to_unit(pictures), real, true)
        return {"read_glyphs": read_glyphs, "read_answers": read_answers, "diversity": diversity}


class JudgeEachEpoch(keras.callbacks.Callback):
    """Log what a `Judge` says of WATCHED answers."""

    def __init__(self, judge, drawing):
        super().__init__()
        self.judge, self.drawing = judge, drawing

    def on_epoch_end(self, epoch, logs=None):
        """Add its numbers to what the later callbacks see."""
        logs.update(self.judge(self.drawing(WATCHED)))


def run_characters(run, count, expressions):
    """Train the writer on characters, and return it.

    Args:
        run: the `shared_run.Run`.
        count: which part it is of how many, as text.
        expressions: tokens of queries (count, 5) and answers (count, 3), and the rows to train on and to test on.
    """
    queries, answers, train_rows, test_rows = expressions
    part = run.part("characters", count)
    if part.is_done(WRITER["epochs"]):
        return shared_networks.load_networks(part.folder, "writer")[0]
    to_batch = shared_blocks.to_one_hot_batch
    batches = shared_training.Batches((queries, answers), train_rows, WRITER["batch_size"], to_batch)
    held_out = shared_training.Batches((queries, answers), test_rows, 500, to_batch)
    keras.utils.set_random_seed(run.args.seed)
    writer = build_writer()
    rate = keras.optimizers.schedules.CosineDecay(WRITER["learning_rate"], WRITER["epochs"] * len(batches))
    writer.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=WRITER["weight_decay"]),
        loss="categorical_crossentropy",
        metrics=["accuracy", shared_answers.exact_match],
        **shared_training.fast_steps(STEPS_PER_EXECUTION),
    )
    history = part.fit(writer, batches, epochs=WRITER["epochs"], validation_data=held_out)
    part.save_model("writer.keras", writer)
    panels = {"loss": ["loss"], "accuracy per character": ["accuracy"], "exact match": ["exact_match"]}
    part.finish(history, panels, WRITER["epochs"])
    return shared_networks.load_networks(part.folder, "writer")[0]  # without metrics of the script's own


def run_glyphs(run, name, count, answers, said, bank, hands, judge, tokens):
    """Train the generator, by squared error or against the critic, and return it.

    Args:
        run: the `shared_run.Run`.
        name: "regression" or "critic".
        count: which part it is of how many, as text.
        answers: int8 (count, 3), to train with.
        said: what the writer says to the test queries, float32 (count, 3, 13).
        bank: `shared_blocks.GlyphBank` to train with.
        hands: of its glyphs, as from `hands_of`.
        judge: the `Judge`.
        tokens: of the test queries and answers, for the samples.
    """
    args = run.args
    epochs = args.epochs if name == "critic" else REGRESSION["epochs"]
    part = run.part(name, count)
    if part.is_done(epochs):
        return shared_networks.load_networks(part.folder, "generator")[0]
    tokens_to_draw = answers.reshape(-1)
    arrays = shared_blocks.to_one_hot(tokens_to_draw), tokens_to_draw
    rows = np.flatnonzero(tokens_to_draw != BLANK)  # which the generator need not learn
    keras.utils.set_random_seed(args.seed)
    generator = build_generator()
    if name == "regression":
        batches = shared_training.Batches(arrays, rows, args.batch_size, glyphs_without_noise(bank))
        model, panels = generator, {"mean squared error, of values from -1 to 1": ["loss"]}
        model.compile(optimizer=keras.optimizers.Adam(REGRESSION["learning_rate"]), loss="mean_squared_error")
        drawing = Draw(generator, said, args.seed, temperature=0.0)
        callbacks = [JudgeEachEpoch(judge, drawing)]
    else:
        batches = shared_training.Batches(arrays, rows, args.batch_size, glyphs_with_hands(bank, hands))
        model = GlyphGAN(generator, build_critic(), args.seed)
        decay = {"decay_steps": HALVING * len(batches), "decay_rate": 0.5}
        rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, **decay)
        model.compile(optimizer=keras.optimizers.Adam(rate, beta_1=BETA_1))
        generator = model.average.network
        drawing = Draw(generator, said, args.seed)
        watch = shared_training.GANWatch(lambda: generator(drawing.inputs(32)), low=-1, high=1)
        callbacks = [watch, JudgeEachEpoch(judge, drawing)]
        panels = {"loss": ["d_loss", "g_loss"], "critic's accuracy": ["d_accuracy_real", "d_accuracy_fake"]}

    def save_samples(name, text):
        made = drawing(SAMPLES)
        pictures = np.stack([judge.real[:SAMPLES], made], axis=1)
        seen = [*(part[:SAMPLES] for part in tokens), judge.read(made)]
        shared_answers.save_answers(part.folder / name, pictures, seen, "read", part.title(text), columns=6)

    history = part.fit(model, batches, epochs=epochs, save_samples=save_samples, callbacks=callbacks)
    part.save_model("generator.keras", generator)
    panels |= {"read back": ["read_glyphs", "read_answers"], "diversity": ["diversity"]}
    answered = drawing()
    found = judge(answered)
    if name == "critic":
        found |= save_nearest(part, answered[judge.true < 10], judge.real[judge.true < 10], bank.glyphs)
        found |= hand_followed(answered, drawing.hand, judge.true)
    part.finish(history, panels, epochs, **found)
    return generator


def save_nearest(part, digits, real, among):
    """Write nearest.png, of drawn digits and the nearest training glyphs, and return how far they are, and real ones.

    Args:
        part: of the run.
        digits: uint8 (count, 28, 28), drawn.
        real: as many test digits.
        among: the training glyphs.
    """
    digits, real = digits[:MEASURED], real[:MEASURED]
    others, distance = shared_distances.nearest_pictures(digits, among)
    _, distance_real = shared_distances.nearest_pictures(real, among)
    every = slice(None, None, max(1, len(digits) // (2 * 3 * SAMPLES)))
    part.save_rows("nearest.png", {"drawn": digits[every], "the nearest training glyphs": others[every]}, 3 * SAMPLES)
    return {"picture_distance": distance, "picture_distance_real": distance_real}


def hand_followed(answers, hands, true):
    """Return how far drawn digits follow the hand that was asked for: a correlation for slant and for thickness.

    They are measured as by Castro et al., "Morpho-MNIST", 2019, not as the critic was told.

    Args:
        answers: uint8 (count, 3, 28, 28), drawn.
        hands: float (count, 2), asked for.
        true: int tokens (count, 3).
    """
    digits, hands = answers[true < 10][:MEASURED], np.repeat(hands[:, None], true.shape[1], axis=1)[true < 10]
    measured = shared_factors.measure_all(digits)
    found = {}
    for index, name in enumerate(HAND):
        column = measured[:, list(shared_factors.MEASURES).index(name)]
        found[f"{name}_followed"] = correlation(hands[: len(digits), index], column)
    return found


def hand_followed_by_real(bank, true, seed):
    """Return `hand_followed` of real digits, each with its own slant and thickness: the ceiling for drawn digits.

    Args:
        bank: `shared_blocks.GlyphBank` of the test digits.
        true: int tokens of answers, of which the digits are taken.
        seed: by which pictures of them are picked.
    """
    true = true[true < 10][:MEASURED, None]
    picks = bank.choose(true, np.random.default_rng(seed))
    found = hand_followed(bank.glyphs[picks], hands_of(bank, seed)[picks[:, 0]], true)
    return {f"{name}_real": value for name, value in found.items()}


def correlation(values, others):
    """Return the correlation of two arrays (count,), 0 if one of them is constant."""
    return float(np.corrcoef(values, others)[0, 1]) if np.std(values) and np.std(others) else 0.0


def save_agreement(run, rows, reader_sees):
    """Write `agreement.csv` and agreement.png: answers read right over diversity.

    Args:
        run: the `shared_run.Run`.
        rows: dicts of `what`, `temperature` and what a `Judge` says.
        reader_sees: the share of answers in real digits that is read right.
    """
    shared_files.write_table(run.folder / "agreement.csv", rows)
    figure = Figure(figsize=(8, 4.5), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    critic = [row for row in rows if row["what"] == "critic"]
    axes.plot([row["diversity"] for row in critic], [row["read_answers"] for row in critic], "o-", label="critic")
    for row in critic:
        place = {"xytext": (4, 6), "textcoords": "offset points", "fontsize": 7}
        axes.annotate(f"{row['temperature']:g}", (row["diversity"], row["read_answers"]), **place)
    for row in rows:
        if row["what"] == "regression":
            axes.plot(row["diversity"], row["read_answers"], "s", label="regression")
    axes.plot(1, reader_sees, "*", markersize=12, label="real digits")
    axes.set(xlabel="diversity, as a share of that of real digits", ylabel="answers read right")
    axes.set_title(run.title("numbers at the points: temperature of hand and noise"), fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(run.folder / "agreement.png")


def save_hands(run, generator, said):
    """Write hands.png: one answer with the same noise, slant growing to the right, thickness downwards."""
    hands = np.array([(slant, thickness) for thickness in SHOWN_HANDS for slant in SHOWN_HANDS], np.float32)
    noise = np.random.default_rng(run.args.seed).standard_normal((1, shared_blocks.ANSWER_LENGTH, NOISE_DIM))
    many = [np.repeat(part, len(hands), axis=0).astype(np.float32) for part in (said, noise)]
    pictures = draw(generator, to_glyphs(many[0], hands, many[1])).swapaxes(1, 2)
    pictures = pictures.reshape(len(hands), shared_blocks.GLYPH_SHAPE[0], -1)
    run.save_grid("hands.png", pictures, "slant to the right, thickness downwards", len(SHOWN_HANDS))


def join(writer, generator):
    """Return one network of both: query (batch, 5, 13), hand (batch, 2), noise (batch, 3, NOISE_DIM) -> answer.

    The answer is (batch, 3, 28, 28) in [0, 1].
    """
    length = shared_blocks.ANSWER_LENGTH
    query = keras.Input(shared_blocks.QUERY_SHAPE, name="query")
    hand, noise = keras.Input((len(HAND),), name="hand"), keras.Input((length, NOISE_DIM), name="noise")
    hands = layers.RepeatVector(length, name="hands")(hand)
    flat = [ops.reshape(part, (-1, part.shape[-1])) for part in (writer(query), hands, noise)]
    pictures = (ops.reshape(generator(flat), (-1, *ANSWER_SHAPE)) + 1) / 2
    return keras.Model([query, hand, noise], pictures, name="text2image")


def main(argv=None):
    """Train what is not yet done, judge it, and return the numbers.

    Raises:
        InputError: as `shared_run.Run`, `shared_data.find_digits` and `shared_blocks.split_expressions`.
    """
    parser = shared_command_line.parser(globals(), shared_data.DIGITS_FLAG, unit="expressions", batch_of="glyphs")
    args = parser.parse_args(argv)
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    train_rows, test_rows = shared_blocks.split_expressions(queries, TRAIN_SHARE, args.seed)
    train_digits, test_digits, source = shared_data.find_digits(args.data, args.seed)
    data = [queries, answers, *train_digits, *test_digits]
    run = shared_run.Run(globals(), args, f"{len(queries):,} expressions in {source}", data, LOOKS)
    banks = [
        shared_blocks.GlyphBank(*glyphs, [args.seed, index]) for index, glyphs in enumerate((train_digits, test_digits))
    ]
    reader = shared_answers.find_digit_reader(train_digits, banks[0], args.seed, quick=len(queries) < QUICK)
    test_rows = np.random.default_rng(args.seed).permutation(test_rows)
    true = answers[test_rows]
    judge = Judge(reader, true, banks[1].pick(true, np.random.default_rng(args.seed)))
    real = judge(judge.real)
    results = {"reader_accuracy": shared_readers.reader_accuracy(reader, test_digits)}
    results |= {"read_real_glyphs": real["read_glyphs"], "read_real_answers": real["read_answers"]}
    results |= hand_followed_by_real(banks[1], true, args.seed)
    print(f"The reader reads {results['reader_accuracy']:.2%} of the test digits.")

    writer = run_characters(run, "1 of 3", (queries, answers, train_rows, test_rows))
    said = shared_training.predict(writer, shared_blocks.to_one_hot(queries[test_rows]))
    hands = hands_of(banks[0], args.seed)
    asked, rows, beside = queries[test_rows], [], [judge.real[:SAMPLES]]
    for index, name in enumerate(("regression", "critic"), start=2):
        generator = run_glyphs(
            run, name, f"{index} of 3", answers[train_rows], said, banks[0], hands, judge, (asked, true)
        )
        for temperature in TEMPERATURES if name == "critic" else (0.0,):
            drawing = Draw(generator, said, args.seed, temperature)
            rows.append({"what": name, "temperature": temperature, **judge(drawing())})
        beside.append(Draw(generator, said, args.seed, float(name == "critic"))(SAMPLES))
    for name in ("characters", "regression", "critic"):
        numbers = shared_files.read_results(run.folder / name / "results.json")
        results |= {f"{name}_{metric}": value for metric, value in numbers.items()}
    shared_files.print_table(rows)
    save_agreement(run, rows, real["read_answers"])
    save_hands(run, generator, said[:1])
    tokens = [asked[:SAMPLES], true[:SAMPLES], judge.read(beside[-1])]
    title = run.title("real, regression, critic")
    path = run.folder / "beside.png"
    shared_answers.save_answers(path, np.stack(beside, axis=1), tokens, "read", title, columns=6)
    run.save_model("text2image.keras", join(writer, generator))
    run.save_results(results)
    return results


if __name__ == "__main__":
    shared_command_line.run_script(main)
