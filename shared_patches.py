"""Digits as sixteen patches, one after another, and how networks that know those before draw the next."""

import numpy as np

from shared_figures import to_uint8
from shared_training import predict

SIDE = 7  # pixels of a patch, in height and width
ROW = 4  # patches
PATCHES, PIXELS = ROW**2, SIDE**2


def to_patches(pictures):
    """Return pictures (count, 28, 28) as patches (count, 16, 49), row by row."""
    grid = np.reshape(pictures, (-1, ROW, SIDE, ROW, SIDE))
    return grid.swapaxes(2, 3).reshape(-1, PATCHES, PIXELS)


def to_pictures(patches):
    """Return patches (count, 16, 49) as pictures (count, 28, 28); the inverse of `to_patches`."""
    grid = np.reshape(patches, (-1, ROW, ROW, SIDE, SIDE))
    return grid.swapaxes(2, 3).reshape(-1, ROW * SIDE, ROW * SIDE)


def to_grey(patches):
    """Return patches of 0 and 1, (count, 16, 49), as uint8 pictures (count, 28, 28)."""
    return to_uint8(to_pictures(patches), low=0, high=1)


def draw_patch(head, known, rng):
    """Return patches (count, 49), drawn by `rng` given what is known before them.

    Args:
        head: network from (count, units) and patches (count, 49) to (count, components, 50), of each component a logit
            of its weight and those of its pixels; if its name is "masked", each pixel's look at the pixels before it.
        known: float (count, units), from the LSTM.
        rng: `numpy.random.Generator`.
    """
    patches = np.zeros((len(known), PIXELS), np.float32)
    chance = rng.random((len(known), 1 + PIXELS))
    pixels = [[pixel] for pixel in range(PIXELS)] if head.name == "masked" else [list(range(PIXELS))]
    for together in pixels:
        logits = predict(head, [known, patches], batch_size=len(known))
        weights = np.cumsum(np.exp(logits[..., 0] - logits[..., 0].max(axis=-1, keepdims=True)), axis=-1)
        chosen = np.argmax(chance[:, :1] * weights[:, -1:] <= weights, axis=-1)
        of_chosen = logits[np.arange(len(known)), chosen, 1:][:, together]
        patches[:, together] = chance[:, 1:][:, together] < 1 / (1 + np.exp(-of_chosen))
    return patches


def complete(lstm, head, patches, given, rng):
    """Return patches (count, 16, 49) of which all but the first `given` are drawn anew, one after another.

    Args:
        lstm: network from patches (count, 16, 49) to what is known before each, (count, 16, units).
        head: as for `draw_patch`.
        patches: 0 and 1; those that are drawn anew do not count.
        given: number of patches that stay.
        rng: `numpy.random.Generator`.
    """
    patches = np.array(patches)
    for index in range(given, PATCHES):
        patches[:, index] = draw_patch(head, predict(lstm, patches)[:, index], rng)
    return patches
