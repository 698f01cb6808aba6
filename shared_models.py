"""Trained models of any experiment, opened by the networks that a folder holds, and what each of them makes."""

import numpy as np

import shared_bars
import shared_blocks
import shared_patches
from shared_figures import to_uint8, to_unit
from shared_files import InputError, read_json, read_results
from shared_letters import LETTERS
from shared_networks import load_networks, open_sampler
from shared_settings import run_of
from shared_training import predict

ALPHABETS = {len(characters): characters for characters in ("0123456789", LETTERS)}  # of generators that are told one


class Glyphs:
    """A generator of digits or letters that is told which, or of letters that is told nothing.

    Args:
        generator: network from noise (count, latent_dim) and one-hot labels to pictures (count, 28, 28, 1) in [-1, 1].
        labelled: whether it was told labels; else it saw zeros.

    Raises:
        InputError: the labels are neither 10 nor 26.

    Attributes:
        letters: text of all that it can be asked for; "" if it is told nothing.
        latent_dim: dimensions of the noise.
    """

    def __init__(self, generator, labelled):
        self.generator = generator
        (self.latent_dim, self.labels) = (tensor.shape[1] for tensor in generator.inputs)
        if self.labels not in ALPHABETS:
            raise InputError(
                f"{generator.name}: takes one of {self.labels} labels; known are 10 digits and 26 letters."
            )
        self.letters = ALPHABETS[self.labels] if labelled else ""

    def generate(self, noise, letters=None):
        """Return uint8 pictures (count, 28, 28) of noise (count, latent_dim) and as many letters.

        Raises:
            InputError: a letter is not among those that it can be asked for.
        """
        labels = np.zeros((len(noise), self.labels), np.float32)
        for row, letter in enumerate(letters or ""):
            if letter not in self.letters:
                raise InputError(f"{letter!r} cannot be asked for; {self.letters or 'nothing'} can.")
            labels[row, self.letters.index(letter)] = 1
        return to_uint8(predict(self.generator, [noise, labels]), low=-1, high=1)[..., 0]

    def sample(self, count, seed, text=""):
        """Return uint8 pictures (count, 28, 28), of the letters of `text` again and again, or of all in turn."""
        noise = np.random.default_rng(seed).standard_normal((count, self.latent_dim), np.float32)
        letters = text or self.letters
        return self.generate(noise, [letters[index % len(letters)] for index in range(count)] if letters else None)


class Patches:
    """An LSTM and a head that complete digits patch by patch, as `shared_patches.complete`."""

    def __init__(self, lstm, head):
        self.lstm, self.head = lstm, head

    def complete(self, pictures, given, seed):
        """Return uint8 pictures (count, 28, 28) of which all but the first `given` patches are drawn anew."""
        patches = shared_patches.to_patches((pictures > 127).astype(np.float32))
        rng = np.random.default_rng(seed)
        return shared_patches.to_grey(shared_patches.complete(self.lstm, self.head, patches, given, rng))

    def sample(self, count, seed):
        """Return uint8 pictures (count, 28, 28) that nothing was given of."""
        return self.complete(np.zeros((count, *shared_blocks.GLYPH_SHAPE), np.uint8), 0, seed)


class Drums:
    """Prior and decoder of drum bars.

    Args:
        prior: network from z_high to {"z_mean", "z_log_var"} of z_low; None if z_low is from N(0, I).
        decoder: network from both to {"logits"}.
        threshold: logit above which there is a hit at temperature 0.
    """

    def __init__(self, prior, decoder, threshold):
        self.prior, self.decoder, self.threshold = prior, decoder, threshold
        self.sizes = [tensor.shape[1] for tensor in decoder.inputs]

    def play(self, z_high, z_low, temperature=0, rng=None):
        """Return hits, uint8 (count, 16, 9), of codes of both levels, as `shared_bars.to_hits`."""
        logits = shared_bars.decode(self.decoder, z_high, z_low)
        return shared_bars.to_hits(logits, temperature, self.threshold, rng)

    def sample(self, count, seed):
        """Return hits, uint8 (count, 16, 9), of bars drawn from the prior."""
        rng = np.random.default_rng(seed)
        return self.play(*shared_bars.draw_codes(self.prior, *self.sizes, count, rng))


class Solver:
    """A model that answers expressions, written as text or as pictures.

    Args:
        model: network from one-hot queries (count, 5, 13), or glyphs (count, 5, 28, 28), to the probabilities of
            answers (count, 3, 13).
        aligned: whether each number of a query is padded to two places.
        turned: whether it writes the last character first.
    """

    def __init__(self, model, aligned, turned):
        self.model = model
        self.aligned, self.turned = aligned, turned
        self.reads_pictures = model.input_shape[1:] != shared_blocks.QUERY_SHAPE
        self.in_bytes = model.inputs[0].dtype == "uint8"

    def tokens_of(self, text):
        """Return int8 tokens (1, 5) of an expression; raise `InputError` as `shared_blocks.read_query`."""
        return shared_blocks.to_tokens([shared_blocks.write_query(*shared_blocks.read_query(text), self.aligned)])

    def answer(self, text):
        """Return the answer to an expression, and the probability of each character, (3, 13)."""
        return self.probable(predict(self.model, shared_blocks.to_one_hot(self.tokens_of(text))))

    def answer_pictures(self, glyphs):
        """Return the same for an expression in glyphs, uint8 (5, 28, 28), white on black."""
        return self.probable(predict(self.model, glyphs[None] if self.in_bytes else to_unit(glyphs[None])))

    def probable(self, probabilities):
        """Return the most probable answer, as it is read, and `probabilities[0]` in the same order."""
        found = probabilities[0, ::-1] if self.turned else probabilities[0]
        return shared_blocks.to_texts([found.argmax(axis=-1)])[0].strip(), found


class Writer:
    """A model that draws the answer to an expression.

    Args:
        model: network from one-hot queries (count, 5, 13), and if it takes them hands (count, 2) and noise
            (count, 3, numbers), to glyphs (count, 3, 28, 28) in [0, 1].
    """

    def __init__(self, model):
        self.model = model

    def draw(self, text, noise):
        """Return answers, uint8 (count, 28, 84), a row of `noise` each, which is a list of (count, ...) arrays.

        Raises:
            InputError: as `shared_blocks.read_query`.
        """
        query = shared_blocks.write_query(*shared_blocks.read_query(text))
        count = len(noise[0]) if noise else 1
        queries = np.repeat(shared_blocks.to_one_hot(shared_blocks.to_tokens([query])), count, axis=0)
        glyphs = to_uint8(predict(self.model, [queries, *noise] if noise else queries), low=0, high=1)
        return np.concatenate(list(glyphs.swapaxes(0, 1)), axis=2)

    def sample(self, count, seed, text):
        """Return answers to `text`, uint8 (count, 28, 84), in other hands each; one if it has but one way to write."""
        rng = np.random.default_rng(seed)
        return self.draw(
            text, [rng.standard_normal((count, *each.shape[1:]), np.float32) for each in self.model.inputs[1:]]
        )


def script_and_arm(folder):
    """Return the name of the script of a run or a part, and what its ARMS says of the arm: a dict or a list of ideas.

    Raises:
        InputError: the script has arms, and the folder is not named after one; the settings are damaged.
    """
    settings = read_json(run_of(folder) / "settings.json", "script", "constants")
    arms = settings["constants"].get("ARMS", {})
    names = (folder.name, folder.name.rpartition("_")[0])  # "linear"; "all_1000", "labels_0"
    arm = next((name for name in names if name in arms), "")
    if arms and not arm:
        raise InputError(f"{folder}: is not named after one of {', '.join(arms)}.")
    return settings["script"], arms.get(arm, {})


def open_model(folder):
    """Return what the networks in a folder make: a `Sampler` of pictures, or one of the classes above.

    Args:
        folder: `pathlib.Path` of a run or of a part of one, finished or not, or of a folder in `models/`. If it has
            no networks itself, and just one folder below it has, that one is opened.

    Raises:
        InputError: it holds no such networks, or a damaged one, or is not named as the run named it; as
            `script_and_arm`.
    """
    folder = folder.resolve()
    names = {path.stem for path in folder.glob("*.keras")}
    if not names:
        parts = sorted({path.parent for path in folder.glob("*/*.keras")})
        if len(parts) == 1:
            return open_model(parts[0])
        which = f" itself; take one of {', '.join(part.name for part in parts)}" if parts else ""
        raise InputError(f"{folder}: holds no networks{which}.")
    if {"lstm", "head"} <= names:
        return Patches(*load_networks(folder, "lstm", "head"))
    if {"encoder_high", "prior", "decoder"} <= names:
        prior, decoder = load_networks(folder, "prior", "decoder")
        _, arm = script_and_arm(folder)
        threshold = read_results(folder / "results.json", "threshold")["threshold"]
        return Drums(prior if arm.get("learned_prior", True) else None, decoder, threshold)
    if "text2image" in names:
        return Writer(*load_networks(folder, "text2image"))
    if "model" in names:
        return open_arithmetic(folder, *load_networks(folder, "model"))
    if "generator" in names:
        (generator,) = load_networks(folder, "generator")
        if len(generator.inputs) == 2:
            _, arm = script_and_arm(folder)
            return Glyphs(generator, arm.get("labelled", folder.name.startswith("labels")))
    return open_sampler(folder)


def open_arithmetic(folder, model):
    """Return the `Solver` or `Writer` that a model of an arithmetic experiment is."""
    if model.output_shape[1:] != (shared_blocks.ANSWER_LENGTH, len(shared_blocks.CHARACTERS)):
        return Writer(model)
    script, ideas = script_and_arm(folder)
    return Solver(model, aligned="aligned" in ideas or script == "task2_img2txt_glyphs", turned="reversed" in ideas)
