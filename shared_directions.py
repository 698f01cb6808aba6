"""Directions of codes along which pictures change most, and what they are measured to do."""

import csv
from functools import cached_property

import numpy as np

from shared_drawings import cv2
from shared_drums import INSTRUMENTS
from shared_files import InputError

NAMED = 12  # directions at most that came with a model
DIRECTIONS = 8  # that are sought
FITTED = 384  # pictures to which directions are fitted
MEASURED = 48  # pictures that say how much a measure varies
RIDGE = 0.1  # of the fit, in variances of the codes
SHRUNK = 16  # pixels, to which colour pictures are shrunk before the fit
BASES = 4  # pictures on which a direction is measured, moved one step to either side
NOTABLE = 0.4  # standard deviations of a measure, which a direction must move by a step to be named after it
NAMES = {  # what is more and what is less of it, by measure
    "brightness": ("brighter", "darker"),
    "right": ("light from the right", "light from the left"),
    "above": ("lighter above", "lighter below"),
    "contrast": ("more contrast", "less contrast"),
    "warmth": ("warmer colours", "colder colours"),
    "border": ("lighter border", "darker border"),
    "thickness": ("thicker", "thinner"),
    "slant": ("leans to the right", "leans to the left"),
    "width": ("wider", "narrower"),
    "height": ("taller", "lower"),
    "length": ("longer strokes", "shorter strokes"),
    "hits": ("more hits", "fewer hits"),
    **{name: (f"more {name}", f"less {name}") for name in INSTRUMENTS},
}


def principal_directions(codes, values, count=DIRECTIONS):
    """Return unit directions of codes, a row each, along which values change most, the strongest first.

    Values are fitted linearly to the codes, by least squares with a ridge; the directions are the singular vectors of
    that map. GANSpace (Harkonen et al., 2020) takes principal components of features instead, and fits codes to them.

    Args:
        codes: float (pictures, dimensions), of mean 0 and variance 1, as those of N(0, I).
        values: (pictures, numbers), such as pixels.
        count: number of directions, at most as many as dimensions.

    Returns:
        float32 (count, dimensions).
    """
    values = np.asarray(values, np.float32)
    gram = codes.T @ codes + RIDGE * len(codes) * np.eye(codes.shape[1])
    slopes = np.linalg.solve(gram, codes.T @ (values - values.mean(axis=0)))
    left, _, _ = np.linalg.svd(slopes, full_matrices=False)
    return left[:, :count].T.astype(np.float32)


def name_directions(directions, codes, units, measure):
    """Return pairs of a name and a direction, turned so that it is more of what the name says first.

    Args:
        directions: float (count, latent_dim), of one standard deviation each.
        codes: (bases, latent_dim), from which steps to either side are measured.
        units: {measure: float}, of change, such as its standard deviation over random codes.
        measure: function from codes to {measure: (count,)}.

    Returns:
        list of (str, float (latent_dim,)); the name has the two measures that change most, "" if none does notably.
    """
    sides = [codes + side * direction for direction in directions for side in (-1, 1)]
    measured = measure(np.concatenate(sides).astype(np.float32))
    pairs = []
    for index, direction in enumerate(directions):
        change = {
            name: np.diff(values.reshape(len(directions), 2, -1)[index].mean(axis=1))[0] / 2 / units[name]
            for name, values in measured.items()
        }
        notable = sorted((name for name in change if abs(change[name]) > NOTABLE), key=lambda name: -abs(change[name]))
        turn = -1 if notable and change[notable[0]] < 0 else 1
        words = [NAMES[name][int(turn * change[name] < 0)] for name in notable[:2]]
        pairs.append((", ".join(words), turn * direction))
    return pairs


def shrink(pictures):
    """Return uint8 pictures (count, height, width, 3) as (count, SHRUNK, SHRUNK, 3)."""
    return np.stack([cv2.resize(picture, (SHRUNK, SHRUNK), interpolation=cv2.INTER_AREA) for picture in pictures])


def measure_colours(pictures):
    """Return what can be measured of uint8 pictures (count, height, width, 3): {measure: (count,)}, in grey values."""
    small = shrink(pictures).astype(np.float32)
    grey, half, edge = small.mean(axis=-1), SHRUNK // 2, SHRUNK // 8
    inside = grey[:, edge:-edge, edge:-edge].mean(axis=(1, 2))
    mean = grey.mean(axis=(1, 2))
    share = ((SHRUNK - 2 * edge) / SHRUNK) ** 2
    return {
        "brightness": mean,
        "right": (grey[:, :, half:] - grey[:, :, :half]).mean(axis=(1, 2)),
        "above": (grey[:, :half] - grey[:, half:]).mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)),
        "warmth": (small[..., 0] - small[..., 2]).mean(axis=(1, 2)),
        "border": (mean - share * inside) / (1 - share) - inside,
    }


def read_directions(path, latent_dim):
    """Return the directions in a CSV file, pairs of a name and float32 (latent_dim,); none if there is no file.

    Its first column is `attribute`; the others are a step of one standard deviation.

    Raises:
        InputError: it is damaged or of another size.
    """
    if not path.exists():
        return ()
    try:
        with open(path, newline="", encoding="utf-8") as file:
            _, *rows = csv.reader(file)
        pairs = [(name.replace("_", " "), np.array(numbers, np.float32)) for name, *numbers in rows]
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}).") from error
    if any(direction.shape != (latent_dim,) or not np.isfinite(direction).all() for _, direction in pairs):
        raise InputError(f"{path}: is damaged (a direction is not {latent_dim} numbers).")
    return tuple(pairs)


class Moved:
    """A model whose codes are moved along named directions.

    A subclass has `latent_dim`; `look(codes)`, which gives what it makes of codes (count, latent_dim); of that
    `values_of` gives numbers (count, n), to which directions are fitted, and `measures_of` {measure: (count,)}.
    """

    named = ()  # pairs of a name and a direction that came with the model
    least = 1e-9  # unit of a measure that hardly varies

    def draw(self, noise):
        """Return codes of noise (count, latent_dim): the noise itself, unless there is a prior."""
        return noise

    @cached_property
    def directions(self):
        """Pairs of a name and a direction, a step of one standard deviation, by how much they change."""
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((FITTED, self.latent_dim), np.float32)
        codes = self.draw(noise)
        seen = self.look(codes)
        units = {name: max(np.std(values), self.least) for name, values in self.measures_of(seen[:MEASURED]).items()}
        return [
            (f"{level}{index}: {name or 'mixed'}", direction)
            for level, steps in self.fit(codes, self.values_of(seen)).items()
            for index, (name, direction) in enumerate(name_directions(steps, codes[:BASES], units, self.measure), 1)
        ]

    def fit(self, codes, values):
        """Return directions, (count, latent_dim), by the level of the code to which they belong, "" if it has one."""
        return {"": principal_directions(codes - codes.mean(axis=0), values)}

    def measure(self, codes):
        """Return what is measured of codes: {name: (count,)}."""
        return self.measures_of(self.look(codes))

    def moved(self, code, steps):
        """Return a code, float32 (latent_dim,), moved by numbers of steps along `named` and then `directions`.

        Directions are only found, which takes seconds, if one of their steps is not 0.
        """
        pairs = list(self.named) + (self.directions if any(steps[len(self.named) :]) else [])
        for step, (_, direction) in zip(steps, pairs, strict=False):
            code = code + step * direction
        return np.asarray(code, np.float32)

    def random(self, seed, variety=1):
        """Return the code, float32 (latent_dim,), of the noise that belongs to `seed`, times `variety`."""
        noise = np.random.default_rng(seed).standard_normal((1, self.latent_dim), np.float32)
        return self.draw(np.float32(variety) * noise)[0]
