"""What the experiments are built from: the convolutional backbone of the faces, the expressions of the arithmetic."""

import re
from math import ceil

import keras
import numpy as np
from keras import layers

from shared_drawings import draw_sign
from shared_files import InputError


def build_conv_net(
    *, image_shape, outputs, filters=64, conv_layers=5, activation=None, dtype="float32", name="conv_net"
):
    """Return a network that halves a picture `conv_layers` times and reads the rest with one dense layer.

    Args:
        image_shape: (height, width, channels) of the pictures, each of height and width at least 1 pixel.
        outputs: units of the dense head.
        filters: channels of every convolution.
        conv_layers: number of 3x3 convolutions with stride 2; five take 64x64 to 2x2.
        activation: of the dense head; None leaves it linear.
        dtype: precision policy of the convolutions; the head is float32.
        name: name of the returned model.

    Returns:
        A functional `keras.Model`: float (batch, height, width, channels) -> (batch, outputs).
    """
    pictures = keras.Input(image_shape, name="pictures")
    x = pictures
    for index in range(1, conv_layers + 1):
        x = layers.Conv2D(
            filters=filters,
            kernel_size=3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=dtype,
            name=f"conv_{index}",
        )(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units=outputs, activation=activation, name="head")(x)
    return keras.Model(inputs=pictures, outputs=x, name=name)


def build_deconv_net(
    *,
    image_shape,
    latent_dim,
    filters=64,
    deconv_layers=4,
    activation="sigmoid",
    dtype="float32",
    name="deconv_net",
):
    """Return a network that grows a latent vector into a picture by doubling it `deconv_layers` times.

    The first map has the picture's size divided by 2 ** deconv_layers, rounded up (4x4x64 for 64x64 pictures),
    and what the doubling brings too much is cropped evenly from the edges.

    Args:
        image_shape: (height, width, channels) of the pictures.
        latent_dim: length of the latent vector.
        filters: channels of every transposed convolution.
        deconv_layers: number of 3x3 transposed convolutions with stride 2.
        activation: of the picture: "sigmoid" for the range [0, 1], "tanh" for [-1, 1].
        dtype: precision policy of all but the last convolution, which is float32.
        name: name of the returned model.

    Returns:
        A functional `keras.Model`: float (batch, latent_dim) -> (batch, height, width, channels).
    """
    height, width, channels = image_shape
    growth = 2**deconv_layers
    start_height, start_width = ceil(height / growth), ceil(width / growth)

    latent = keras.Input((latent_dim,), name="latent")
    x = layers.Dense(units=start_height * start_width * 64, dtype=dtype, name="project")(latent)
    x = layers.Reshape((start_height, start_width, 64), dtype=dtype, name="first_map")(x)
    for index in range(1, deconv_layers + 1):
        x = layers.Conv2DTranspose(
            filters=filters,
            kernel_size=3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=dtype,
            name=f"deconv_{index}",
        )(x)
    x = layers.Conv2D(filters=channels, kernel_size=3, padding="same", activation=activation, name="to_picture")(x)
    if (start_height * growth, start_width * growth) != (height, width):
        x = layers.CenterCrop(height, width, name="crop")(x)
    return keras.Model(inputs=latent, outputs=x, name=name)


CHARACTERS = "0123456789+- "
QUERY_LENGTH = 5
ANSWER_LENGTH = 3
GLYPH_SHAPE = (28, 28)  # pixels
QUERY_SHAPE = (QUERY_LENGTH, len(CHARACTERS))  # one-hot
STROKES = 1_000  # different pictures of "+", and of "-", in a glyph bank


def arithmetic_expressions():
    """Return every sum and difference of two whole numbers 0..99, all sums first, as text padded in front.

    Returns:
        queries: list of str of length QUERY_LENGTH, such as " 1+17".
        answers: list of str of length ANSWER_LENGTH, such as " 18".
    """
    operands = range(100)
    triples = [(a, sign, b) for sign in "+-" for a in operands for b in operands]
    queries = [write_query(a, sign, b) for a, sign, b in triples]
    answers = [str(a + b if sign == "+" else a - b).rjust(ANSWER_LENGTH) for a, sign, b in triples]
    return queries, answers


def read_query(text):
    """Return the numbers and the sign of a sum or difference, spaces or none between them: (a, sign, b).

    Raises:
        InputError: it is none of two whole numbers 0 to 99.
    """
    found = re.fullmatch(r" *(\d{1,2}) *([+-]) *(\d{1,2}) *", text, re.ASCII)
    if found is None:
        raise InputError(f"{text.strip()[:20]!r} is no sum or difference of two whole numbers 0 to 99, such as 12+34.")
    a, sign, b = found.groups()
    return int(a), sign, int(b)


def write_query(a, sign, b, aligned=False):
    """Return a query of QUERY_LENGTH characters, padded in front, or if `aligned`, in front of each number."""
    return f"{a:>2}{sign}{b:>2}" if aligned else f"{a}{sign}{b}".rjust(QUERY_LENGTH)


def sample_expressions(limit, seed):
    """Return the tokens of all expressions, or of `limit` of them that follow from `seed`.

    Returns:
        queries: int8 (count, 5).
        answers: int8 (count, 3).
    """
    queries, answers = map(to_tokens, arithmetic_expressions())
    if limit > len(queries):
        print(f"Warning: the limit is {limit:,} expressions; there are {len(queries):,}.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(queries))[:limit])
    return queries[rows], answers[rows]


def to_tokens(texts):
    """Return texts of one length as int8 (count, length), the positions of their letters in CHARACTERS."""
    letters = np.array([list(text) for text in texts])
    order = np.argsort(list(CHARACTERS))
    return order[np.searchsorted(np.array(list(CHARACTERS))[order], letters)].astype(np.int8)


def to_texts(tokens):
    """Return the texts that int tokens (count, length) stand for, padding included; the inverse of `to_tokens`."""
    return ["".join(CHARACTERS[token] for token in row) for row in tokens]


def to_one_hot(tokens):
    """Return tokens (..., length) as float32 (..., length, 13)."""
    return np.eye(len(CHARACTERS), dtype=np.float32)[tokens]


def to_one_hot_batch(query, answer, rng):
    """Return tokens (batch, 5) and (batch, 3) one-hot: a `transform` of `Batches`, for which `rng` decides nothing."""
    return to_one_hot(query), to_one_hot(answer)


def split_expressions(queries, share, seed, commuted_together=False):
    """Return the rows of a random training set and those of the test set, which is all the rest.

    Args:
        queries: int tokens (count, 5).
        share: of the expressions that is trained on, 0 < share < 1.
        seed: of the shuffling.
        commuted_together: whether a + b and b + a must fall on the same side.

    Returns:
        Two sorted int arrays, disjoint and together all rows.

    Raises:
        InputError: one of the two would be empty.
    """
    keys = [query.strip() for query in to_texts(queries)]
    if commuted_together:
        keys = ["+".join(sorted(key.split("+"))) for key in keys]
    _, groups = np.unique(keys, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
    order = np.argsort(rank, kind="stable")
    count = round(share * len(keys))
    while 0 < count < len(keys) and rank[order[count - 1]] == rank[order[count]]:
        count += 1  # the last group goes to the training set whole
    if count in (0, len(keys)):
        raise InputError(f"{len(keys):,} expressions cannot be split so that {share:.3g} of them are trained on.")
    return np.sort(order[:count]), np.sort(order[count:])


class GlyphBank:
    """Pictures of all 13 characters, of which texts are made: handwritten digits, stroked "+" and "-", a blank.

    Args:
        digits: uint8 (count, 28, 28), 0..255, white on black.
        labels: int (count,), the digits 0..9, each at least once.
        seed: of the strokes, as `numpy.random.default_rng` takes it; banks that share none need seeds of their own.
    """

    def __init__(self, digits, labels, seed):
        rng = np.random.default_rng(seed)
        signs = {sign: np.stack([draw_sign(sign, rng) for _ in range(STROKES)]) for sign in "+-"}
        blank = np.zeros((1, *GLYPH_SHAPE), np.uint8)
        by_character = [digits[labels == digit] for digit in range(10)] + [signs["+"], signs["-"], blank]
        self.glyphs = np.concatenate(by_character)
        self.counts = np.array([len(glyphs) for glyphs in by_character])
        self.starts = np.cumsum(self.counts) - self.counts

    def pick(self, tokens, rng):
        """Return tokens (...) as pictures, uint8 (..., 28, 28), each glyph picked at random by `rng`."""
        return self.glyphs[self.choose(tokens, rng)]

    def choose(self, tokens, rng):
        """Return the rows in `glyphs`, int (...), of which `pick` takes the pictures."""
        picks = (rng.random(tokens.shape, np.float32) * self.counts[tokens]).astype(np.int64)
        return self.starts[tokens] + np.minimum(picks, self.counts[tokens] - 1)
