"""GAN of letters from fonts: mode collapse provoked and cured, in the eyes of a letter reader that no loss has seen.

    python GAN_fonts.py                         # the faces of Matplotlib and of this machine
    python GAN_fonts.py --data fonts --arms vanilla penalty

Adam with the settings that Radford et al., "Unsupervised Representation Learning with DCGANs", 2016, warn of (beta_1 of
0.9, a high learning rate) makes the `vanilla` arm collapse. Beside it, with all else the same, `matching`: the
generator matches the means of the discriminator's features (feature matching, Salimans et al., "Improved Techniques for
Training GANs", 2016, section 3.1); `deviation`: the discriminator is told how much the letters of a batch differ
(Karras et al., "Progressive Growing of GANs", 2018, section 3); and `penalty`: a gradient penalty on the discriminator
(R1 and R2: Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018), estimated by what noise on
the pictures changes; `penalty_deviation` has both. Three seeds each, since collapse depends on chance. `labels`, with
the penalty, sees the letter (projection discriminator, Miyato & Koyama 2018): one noise is then one style from A to Z.
Letters are bent anew each time they come. They are split by font face (a bold face may be on one side and the italic of
the same font on the other). The letter reader, a classifier, learns from the GAN's faces and is tested on the others.

Writes `runs/GAN_fonts/`: settings.json, results.json, coverage.png (letters found, and how evenly, by epoch), arms.png
(samples of each arm), and for each arm and seed, in its own folder, such as `vanilla_0/`: history.csv, curves.png,
samples/, samples.gif, interpolation.png, results.json, generator.keras, discriminator.keras, checkpoint/; `labels_0/`
has styles.png (the same noise from A to Z) and carried.png (five letters of an unseen face, and the rest of its
alphabet) as well. The reader is kept in `data/`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import shared_adversarial
import shared_codes
import shared_command_line
import shared_data
import shared_figures
import shared_files
import shared_letters
import shared_networks
import shared_readers
import shared_run
import shared_training
from shared_letters import LETTERS, Letters

ARMS = {  # name: what it changes in the GAN, and from how many seeds it is trained: --seed and those after it
    "vanilla": {"seeds": 3},
    "matching": {"seeds": 3, "matching": True},
    "deviation": {"seeds": 3, "deviation": True},
    "penalty": {"seeds": 3, "penalty": True},
    "penalty_deviation": {"seeds": 3, "penalty": True, "deviation": True},
    "labels": {"seeds": 1, "penalty": True, "labelled": True},
}
FILTERS = 32  # channels at 14x14 pixels; there are twice as many at 7x7
FEATURES = 128  # of a picture, by which the discriminator judges
LATENT_DIM = 64
EPOCHS = 7
BATCH_SIZE = 64
BENT = 8  # times that each letter of each face comes in an epoch, bent otherwise
LEARNING_RATE = 1e-2
HALVING = 1.75  # epochs after which the learning rate has come to a half
BETA_1 = 0.9  # of Adam
SLOPE = 0.2  # of leaky ReLUs, for values below 0
MOMENTUM = 0.9  # of batch normalisation
PENALTY, STEP = 0.3, 0.1  # weight of the squared slope; deviation of the step by which it is found, of values -1 to 1
PRECISION = shared_training.fast_precision()  # of the convolutions; weights, losses and pictures are float32
LIMIT = 1_000  # faces
HELD_OUT = 0.15  # share of the faces
READER_EPOCHS = 10  # of as many letters as in an epoch of the GAN
WATCHED = 1_000  # generated letters that are read after each epoch
COLUMNS = len(LETTERS)  # letters in a row of a figure
ROWS = 5  # of samples
PAIRS, INTERPOLATION_STEPS = 4, 13
STYLES = 100  # alphabets that are judged
NEAR = 10  # faces among which the nearest one must be for a style to count as kept
SHOWN = "RAVEN"  # letters by which a face's noise is sought
CARRIED = 4  # faces that carried.png shows
SEARCH = {"epochs": 300, "learning_rate": 0.05, "prior": 1e-3}  # for that noise; weight of its squares
LOOKS = ("arms", "WATCHED", "COLUMNS", "ROWS", "PAIRS", "STYLES", "NEAR", "SHOWN", "CARRIED", "SEARCH", "LOOKS")
TINY = {"FILTERS": 4, "FEATURES": 8, "LIMIT": 4, "BENT": 1, "WATCHED": 40, "STYLES": 2, "EPOCHS": 1}
TINY |= {"READER_EPOCHS": 1, "SEARCH": SEARCH | {"epochs": 2}}
TINY |= {"ARMS": {"labels": ARMS["labels"]}}
SHAPE = (shared_letters.SIDE, shared_letters.SIDE, 1)


def build_generator():
    """Return the generator: noise (batch, LATENT_DIM), one-hot labels (batch, 26) -> (batch, 28, 28, 1) in [-1, 1]."""
    noise, label = keras.Input((LATENT_DIM,), name="noise"), keras.Input((len(LETTERS),), name="label")
    x = layers.Concatenate(name="noise_and_label")([noise, label])
    x = layers.Dense(7 * 7 * 2 * FILTERS, use_bias=False, name="project")(x)
    x = layers.Reshape((7, 7, 2 * FILTERS), name="first_map")(x)
    x = layers.ReLU(name="relu_1")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_1")(x))
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    x = layers.Conv2DTranspose(FILTERS, use_bias=False, dtype=PRECISION, name="deconv_1", **options)(x)
    x = layers.ReLU(name="relu_2")(layers.BatchNormalization(momentum=MOMENTUM, name="norm_2")(x))
    pictures = layers.Conv2DTranspose(1, activation="tanh", name="deconv_2", **options)(x)
    return keras.Model(inputs=[noise, label], outputs=pictures, name="generator")


def build_discriminator(deviation=False):
    """Return the discriminator: (batch, 28, 28, 1) in [-1, 1], labels (batch, 26) -> {"logits", "features"}.

    The logits of "real" are (batch, 1), the features (batch, FEATURES).

    Args:
        deviation: whether it is told how much the pictures of a batch differ.
    """
    pictures, label = keras.Input(SHAPE, name="pictures"), keras.Input((len(LETTERS),), name="label")
    x = pictures
    for index, filters in enumerate((FILTERS, 2 * FILTERS), start=1):
        options = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": PRECISION}
        x = layers.Conv2D(filters, name=f"conv_{index}", **options)(x)
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{index}")(x)
    x = shared_adversarial.with_deviation(x) if deviation else x
    x = layers.Dense(FEATURES, name="features")(layers.Flatten(name="flatten")(x))
    features = layers.LeakyReLU(SLOPE, name="leaky_features")(x)
    of_label = layers.Dense(FEATURES, use_bias=False, name="label_embedding")(label)
    fits = ops.sum(features * of_label, axis=-1, keepdims=True)
    logits = layers.Add(name="logit")([layers.Dense(1, name="is_real")(features), fits])
    return keras.Model(inputs=[pictures, label], outputs={"logits": logits, "features": features}, name="discriminator")


def scale(images):
    """Map uint8 pictures (batch, 28, 28) to float32 (batch, 28, 28, 1) in [-1, 1]."""
    return ops.cast(images, "float32")[..., None] / 127.5 - 1


class GAN(keras.Model):
    """Generator and discriminator, trained together by `fit` on one sum of losses.

    Each of the two losses reaches only its own network: the discriminator's sees the generated pictures, and the
    generator's sees the discriminator's weights, as constants (`stop_gradient`).

    Args:
        generator: as from `build_generator`.
        discriminator: as from `build_discriminator`.
        seed: of noise and labels.
        labelled: whether the networks see the labels; else they see zeros in their place.
        penalty: whether slopes of the discriminator cost.
        matching: whether the generator's loss is the mean squared difference of the features' means over real and
            generated pictures, instead of the cross-entropy of being called real.
    """

    def __init__(self, generator, discriminator, seed, *, labelled=False, penalty=False, matching=False):
        super().__init__(name="gan")
        self.generator = generator
        self.discriminator = discriminator
        self.labelled = labelled
        self.penalty = penalty
        self.matching = matching
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def call(self, images, training=None):
        """Return as many generated pictures as there are real ones, and what was seen of their random labels."""
        count = ops.shape(images)[0]
        noise = keras.random.normal((count, LATENT_DIM), seed=self.seed_generator)
        labels = keras.random.randint((count,), 0, len(LETTERS), seed=self.seed_generator)
        labels = one_hot(labels, self.labelled)
        return {"pictures": self.generator([noise, labels], training=training), "labels": labels}

    def squared_slopes(self, inputs, logits):
        """Return `shared_adversarial.squared_slopes` of the discriminator's logits of pictures, whose labels stay."""
        pictures, labels = inputs

        def judge(moved):
            return self.discriminator([moved, labels])["logits"]

        return shared_adversarial.squared_slopes(judge, pictures, logits, STEP, self.seed_generator)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Return both networks' losses for real letters `x` labelled `y` and generated ones `y_pred`."""
        pictures, labels = y_pred["pictures"], y_pred["labels"]
        reals = [scale(x), one_hot(y, self.labelled)]
        fakes = [ops.stop_gradient(pictures), labels]
        seen, seen_fake = (self.discriminator(inputs, training=training) for inputs in (reals, fakes))
        real, fake = seen["logits"], seen_fake["logits"]
        d_losses = (ops.softplus(-real) + ops.softplus(fake)) / 2

        judged = shared_adversarial.held_still(self.discriminator, [pictures, labels], training)
        g_losses = ops.softplus(-judged["logits"])
        if self.matching:
            wanted = ops.mean(ops.stop_gradient(seen["features"]), axis=0)
            g_losses = ops.square(ops.mean(judged["features"], axis=0) - wanted)

        values = (d_losses, g_losses, real > 0, fake < 0, ops.sigmoid(real), ops.sigmoid(fake))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        loss = ops.mean(d_losses) + ops.mean(g_losses)
        if self.penalty:
            loss = loss + PENALTY / 2 * ops.mean(self.squared_slopes(reals, real) + self.squared_slopes(fakes, fake))
        return loss


def noise_of(count, seed):
    """Return noise from N(0, I), float32 (count, LATENT_DIM); the first rows are always the same."""
    return np.random.default_rng(seed).standard_normal((count, LATENT_DIM), np.float32)


def one_hot(labels, labelled):
    """Return what the networks see of int labels (count,): one-hot (count, 26), or zeros if they see none."""
    return ops.one_hot(labels, len(LETTERS)) * float(labelled)


def even_labels(count):
    """Return the letters 0 to 25 in turn: int (count,)."""
    return np.arange(count) % len(LETTERS)


def generate(generator, noise, labels):
    """Return uint8 letters (count, 28, 28) of noise (count, LATENT_DIM) and what is seen of labels (count, 26)."""
    return shared_figures.to_uint8(shared_training.predict(generator, [noise, labels]), low=-1, high=1)[..., 0]


class Judge(keras.callbacks.Callback):
    """Log what the letter reader sees in WATCHED letters, generated from the same noise each time.

    Args:
        draw: function (noise, int labels (count,)) -> uint8 (count, 28, 28).
        labelled: whether labels mean something to it.
        reader: the letter reader.
        letters: `Letters` that the generated ones are compared with.
        seed: of noise and of these.
    """

    def __init__(self, draw, labelled, reader, letters, seed):
        super().__init__()
        self.draw, self.labelled, self.reader, self.letters, self.seed = draw, labelled, reader, letters, seed

    def on_epoch_end(self, epoch, logs=None):
        """Add the numbers of `coverage`, and `agreement`, the share read as asked for, to what later callbacks see."""
        asked = even_labels(WATCHED)
        pictures = self.draw(noise_of(WATCHED, self.seed), asked)
        seen, sure = shared_readers.read_surely(self.reader, shared_figures.to_unit(pictures))
        if self.labelled:
            logs["agreement"] = float(np.mean(seen == asked))
        real = self.letters.pick(seen, self.seed)
        spread = shared_readers.diversity(shared_figures.to_unit(pictures), real, seen, len(LETTERS))
        logs.update(coverage(seen), confidence=float(sure.mean()), diversity=spread)


def coverage(seen):
    """Return how many letters are among labels (count,), and how evenly: a dict of numbers.

    `letters_found`; `letter_kl`, the divergence of their histogram from the uniform one, in nats, about 12.5 / count if
    they are drawn from that; `rarest_letter`, 26 times the share of the rarest.
    """
    shares = np.bincount(seen, minlength=len(LETTERS)) / len(seen)
    there = shares[shares > 0]
    return {
        "letters_found": len(there),
        "letter_kl": float(np.sum(there * np.log(there * len(LETTERS)))),
        "rarest_letter": float(len(LETTERS) * shares.min()),
    }


def find_noise(generator, pictures, labels, seed):
    """Return the noise by which the generator comes nearest to some letters of each face, found by gradient descent.

    Creswell & Bharath, "Inverting the Generator of a Generative Adversarial Network", 2016, with N(0, I) as prior.

    Args:
        generator: as from `build_generator`, trained with labels.
        pictures: uint8 (faces, letters, 28, 28).
        labels: int (letters,).
        seed: of where the search begins.

    Returns:
        float32 (faces, LATENT_DIM).
    """
    keras.utils.set_random_seed(seed)
    faces = len(pictures)
    options = {"embeddings_initializer": "random_normal"}
    noises = layers.Embedding(
        faces, LATENT_DIM, embeddings_regularizer=keras.regularizers.L2(SEARCH["prior"] / faces), **options
    )
    face, label = keras.Input((), dtype="int32"), keras.Input((len(LETTERS),))
    generator.trainable = False
    search = keras.Model([face, label], generator([noises(face), label]))
    search.compile(optimizer=keras.optimizers.Adam(SEARCH["learning_rate"]), loss="mse")
    rows = np.repeat(np.arange(faces, dtype=np.int32), len(labels))
    asked = np.tile(np.eye(len(LETTERS), dtype=np.float32)[labels], (faces, 1))
    wanted = ops.convert_to_numpy(scale(pictures.reshape(-1, *SHAPE[:2])))
    search.fit([rows, asked], wanted, batch_size=len(rows), epochs=SEARCH["epochs"], shuffle=False, verbose=0)
    generator.trainable = True
    return ops.convert_to_numpy(noises.embeddings)


def save_styles(part, draw, generator, reader, train, unseen):
    """Write styles.png and carried.png, and return what is measured of letter and style: a dict of numbers.

    Args:
        part: of the `shared_run.Run`.
        draw: function (noise, int labels (count,)) -> uint8 (count, 28, 28).
        generator: as from `build_generator`, trained with labels.
        reader: the letter reader.
        train: `Letters` of the faces that it was trained with.
        unseen: of the others.

    Returns:
        `style_kept` of STYLES alphabets, `style_kept_real` of the unseen faces; and of these faces' letters but SHOWN,
        drawn with noise that was found by SHOWN alone: `carried_agreement`, the share read as what they are,
        `carried_distance` to the face's own letters, the median in grey values, `copied_distance`, that of the training
        face that is nearest in SHOWN, `random_distance`, that of random noise.
    """

    def alphabets(noise):
        labels = np.tile(np.arange(len(LETTERS)), len(noise))
        return draw(np.repeat(noise, len(LETTERS), axis=0), labels).reshape(len(noise), len(LETTERS), *SHAPE[:2])

    styles = alphabets(noise_of(STYLES, part.args.seed))
    part.save_grid("styles.png", np.concatenate(styles[: 2 * ROWS]), "the same noise in each row", COLUMNS)

    given = np.array([LETTERS.index(letter) for letter in SHOWN])
    others = np.setdiff1d(np.arange(len(LETTERS)), given)
    faces = unseen.plain
    carried = alphabets(find_noise(generator, faces[:, given], given, part.args.seed))
    copied = train.plain[shared_letters.face_distances(faces, train.plain, given).argmin(axis=1)]
    random = alphabets(noise_of(len(faces), part.args.seed + 1))
    rows = np.stack([faces, carried, copied], axis=1)[:CARRIED].reshape(-1, *SHAPE[:2])
    text = f"an unseen face; the GAN's, by {SHOWN} alone; the training face nearest in {SHOWN}"
    part.save_grid("carried.png", rows, text, COLUMNS)

    def distance(pictures):
        errors = (pictures[:, others].astype(np.float32) - faces[:, others]) ** 2
        return float(np.median(np.sqrt(errors.mean(axis=(2, 3)))))

    seen = shared_readers.read(reader, shared_figures.to_unit(carried[:, others]))
    return {
        "style_kept": shared_letters.style_kept(styles, train.plain, NEAR),
        "style_kept_real": shared_letters.style_kept(faces, train.plain, NEAR),
        "carried_agreement": float(np.mean(seen == others)),
        "carried_distance": distance(carried),
        "copied_distance": distance(copied),
        "random_distance": distance(random),
    }


def run_part(run, name, count, arm, seed, letters, reader):
    """Train one arm from one seed, and write its part of the run.

    Args:
        run: the `shared_run.Run`.
        name: of the part.
        count: which part it is of how many, as text.
        arm: of ARMS, its settings.
        seed: of weights, order, bends and the noise of training; samples come from the run's.
        letters: `Letters` to train with, and of unseen faces.
        reader: the letter reader.
    """
    args = run.args
    part = run.part(name, count)
    if part.is_done(args.epochs):
        return
    keras.utils.set_random_seed(seed)
    labelled = arm.get("labelled", False)
    generator, discriminator = build_generator(), build_discriminator(arm.get("deviation", False))
    options = {key: arm[key] for key in ("labelled", "penalty", "matching") if key in arm}
    gan = GAN(generator, discriminator, seed, **options)
    batches = letters[0].batches(args.batch_size, BENT)
    decay = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, HALVING * len(batches), 0.5)
    gan.compile(optimizer=keras.optimizers.Adam(decay, beta_1=BETA_1))

    def draw(noise, labels):
        return generate(generator, noise, ops.convert_to_numpy(one_hot(labels, labelled)))

    def save_samples(name, text):
        count = ROWS * COLUMNS
        part.save_grid(name, draw(noise_of(count, args.seed), even_labels(count)), text, COLUMNS)

    watched = [ops.convert_to_tensor(noise_of(32, args.seed)), one_hot(even_labels(32), labelled)]
    watch = shared_training.GANWatch(lambda: generator(watched), low=-1, high=1)
    judge = Judge(draw, labelled, reader, letters[1], args.seed)
    history = part.fit(gan, batches, epochs=args.epochs, save_samples=save_samples, callbacks=[watch, judge], seed=seed)

    ends = zip(*np.split(noise_of(2 * PAIRS, args.seed), 2), strict=True)
    noise = np.concatenate([shared_codes.slerp(start, end, INTERPOLATION_STEPS) for start, end in ends])
    pictures = draw(noise, even_labels(PAIRS).repeat(INTERPOLATION_STEPS))
    part.save_grid("interpolation.png", pictures, "between two noise vectors", INTERPOLATION_STEPS)
    found = save_styles(part, draw, generator, reader, *letters) if labelled else {}
    part.save_model("generator.keras", generator)
    part.save_model("discriminator.keras", discriminator)
    panels = {
        "loss": ["d_loss", "g_loss"],
        "discriminator's accuracy": ["d_accuracy_real", "d_accuracy_fake"],
        "letters found": ["letters_found"],
        "KL from even letters, nats": ["letter_kl"],
        "spread within a letter, confidence": ["diversity", "confidence"],
    }
    part.finish(history, panels, args.epochs, **found)


def save_coverage(run, parts):
    """Write coverage.png: what the reader finds, by epoch, a colour for each arm and a line for each seed.

    Args:
        run: the `shared_run.Run`.
        parts: {name of a part: its arm and which of its seeds it has, from 0}.
    """
    panels = {
        "letters_found": f"letters among {WATCHED:,} samples",
        "letter_kl": "KL from even letters, nats",
        "diversity": "spread within a letter, of real ones'",
        "confidence": "reader's mean confidence",
    }
    figure = Figure(figsize=(16, 3.8), dpi=shared_figures.DPI, layout="constrained")
    figure.suptitle(run.title("by epoch; a line a seed"), fontsize=10)
    for axes, (column, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for name, (arm, seed) in parts.items():
            history = shared_files.read_history(run.folder / name / "history.csv")
            colour, label = f"C{list(ARMS).index(arm)}", arm if seed == 0 else None
            axes.plot(history["epoch"], history[column], ".-", color=colour, alpha=0.8, label=label)
        axes.set(title=title, xlabel="epoch")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(run.folder / "coverage.png")


def save_arms(run, parts, letters, results):
    """Write arms.png: real letters, and two rows of what each generator draws from the same noise.

    Args:
        run: the `shared_run.Run`.
        parts: as for `save_coverage`.
        letters: `Letters` that they were trained with.
        results: {metric, with the part's name before it: number}.
    """
    noise, asked = noise_of(2 * COLUMNS, run.args.seed), even_labels(2 * COLUMNS)
    pictures = {"letters of the training faces": letters.pick(even_labels(ROWS * COLUMNS), run.args.seed)}
    for name, (arm, _) in parts.items():
        (generator,) = shared_networks.load_networks(run.folder / name, "generator")
        seen = ops.convert_to_numpy(one_hot(asked, ARMS[arm].get("labelled", False)))
        found, kl = (results[f"{name}_{metric}"] for metric in ("letters_found", "letter_kl"))
        pictures[f"{name}: {found:.0f} letters, KL {kl:.3f} nats"] = generate(generator, noise, seen)
    run.save_rows("arms.png", pictures, COLUMNS)


def judge_reader(reader, unseen, seed):
    """Return what the letter reader makes of letters of unseen faces, and of what is no letter: a dict of numbers.

    `reader_accuracy`; its mean confidence in letters, `confidence_real`, in the mean of two, `confidence_mixed`, and in
    noise, `confidence_noise`.
    """
    labels = np.tile(even_labels(len(unseen.labels)), BENT)
    letters = unseen.pick(labels, seed)
    halves = letters // 2 + np.roll(letters, 1, axis=0) // 2  # of two that differ
    noise = np.random.default_rng(seed).integers(0, 256, letters.shape, np.uint8)
    seen = {
        name: shared_readers.read_surely(reader, shared_figures.to_unit(pictures))
        for name, pictures in (("real", letters), ("mixed", halves), ("noise", noise))
    }
    return {
        "reader_accuracy": float(np.mean(seen["real"][0] == labels)),
        **{f"confidence_{name}": float(sure.mean()) for name, (_, sure) in seen.items()},
    }


def main(argv=None):
    """Train the arms that are asked for and not yet done, and return the final metrics of all that have ended.

    Raises:
        InputError: as `shared_letters.find_faces` and `shared_run.Run`.
    """
    parser = shared_command_line.parser(globals(), shared_letters.FONTS_FLAG, unit="faces", batch_of="letters")
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS), help="arms to train (all)")
    args = parser.parse_args(argv)
    _, masters, source = shared_letters.find_faces(args.data, args.limit)
    run = shared_run.Run(globals(), args, source, [masters], LOOKS)
    letters = [Letters(masters[rows]) for rows in shared_data.split_held_out(len(masters), HELD_OUT, args.seed)]
    lessons = letters[0].batches(shared_readers.READER_BATCH_SIZE, BENT, shared_figures.to_unit)
    reader = shared_readers.find_reader(lessons, len(LETTERS), args.seed, READER_EPOCHS, *shared_letters.BENDS)
    results = judge_reader(reader, letters[1], args.seed)
    print(f"The reader reads {results['reader_accuracy']:.2%} of the letters of {len(letters[1].plain)} unseen faces.")

    parts = {f"{arm}_{seed}": (arm, seed) for arm, settings in ARMS.items() for seed in range(settings["seeds"])}
    asked = {name: part for name, part in parts.items() if part[0] in args.arms}
    for index, (name, (arm, seed)) in enumerate(asked.items(), start=1):
        run_part(run, name, f"{index} of {len(asked)}", ARMS[arm], args.seed + seed, letters, reader)

    ended = run.ended(parts, "letters_found", "letter_kl")
    results |= {f"{name}_{metric}": value for name, numbers in ended.items() for metric, value in numbers.items()}
    shown = {name: parts[name] for name in ended}
    save_coverage(run, shown)
    save_arms(run, shown, letters[0], results)
    run.save_results(results)
    return results


if __name__ == "__main__":
    shared_command_line.run_script(main)
