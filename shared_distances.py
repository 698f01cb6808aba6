"""How far pictures are from others: reconstructions from their originals, a set from a set, each from its nearest."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

from shared_drawings import cv2  # OpenCV as it is set up there
from shared_figures import PART, sharpness
from shared_files import write_table

SMALLEST_LEVEL = 16  # pixels: the coarsest of the sizes at which sets are compared
PATCH_SIZE = 7  # pixels, height and width
PATCHES = 128  # of each picture, at each size
REPEATS, DIRECTIONS = 4, 128  # random directions in all: their product
SSIM = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1, "data_range": 255}
CAPTIONS = {  # what figures say of a set of pictures
    "psnr": "PSNR {:.1f} dB",
    "ssim": "SSIM {:.3f}",
    "swd": "SWD {:.1f}",
    "code_distance": "distance to the nearest training code {:.2f}",
    "inside_shell": "{:.0%} in the shell of the codes",
}


def fidelity(pictures, originals):
    """Return how close reconstructions are to their originals, averaged over pictures.

    Args:
        pictures: uint8 (count, height, width, 3), height and width at least 11 pixels.
        originals: the same.

    Returns:
        dict: `mse`, the mean squared error of pixels in [0, 1]; `psnr`, the peak signal-to-noise ratio in decibels;
        `ssim`, the structural similarity of Wang et al., "Image Quality Assessment", 2004, up to 1, in windows of
        11x11 pixels weighed by a Gaussian of deviation 1.5, for values 0..255, the mean of the three channels.
    """
    pairs = list(zip(originals, pictures, strict=True))
    errors = [np.mean(((a.astype(np.float32) - b) / 255) ** 2) for a, b in pairs]
    return {
        "mse": float(np.mean(errors)),
        "psnr": float(np.mean([peak_signal_noise_ratio(a, b, data_range=255) for a, b in pairs])),
        "ssim": float(np.mean([structural_similarity(a, b, **SSIM) for a, b in pairs])),
    }


def laplacian_pyramid(pictures):
    """Return uint8 pictures (count, size, size, 3) as what each size adds to the next coarser one.

    Returns:
        {size in pixels: float32 (count, size, size, 3)}, halved, rounding up, down to a size below twice
        SMALLEST_LEVEL; the coarsest is the shrunk picture itself.
    """
    levels = {}
    current = pictures.astype(np.float32)
    while (size := current.shape[1]) >= 2 * SMALLEST_LEVEL:
        coarser = np.stack([cv2.pyrDown(picture) for picture in current])
        grown = np.stack([cv2.pyrUp(picture, dstsize=(size, size)) for picture in coarser])
        levels[size] = current - grown
        current = coarser
    return levels | {size: current}


def patches_at(pictures, places):
    """Return patches of each picture, each channel of the whole set at mean 0 and deviation 1.

    Args:
        pictures: float (count, size, size, 3).
        places: int (2, count, patches), the top rows and the left columns of a picture's patches.

    Returns:
        float32 (count * patches, 3 * PATCH_SIZE * PATCH_SIZE).
    """
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (PATCH_SIZE, PATCH_SIZE), axis=(1, 2))
    patches = windows[np.arange(len(pictures))[:, None], places[0], places[1]].reshape(-1, 3, PATCH_SIZE**2)
    deviation = np.maximum(patches.std(axis=(0, 2), keepdims=True), 1e-6)  # of a set of one colour it is 0
    return ((patches - patches.mean(axis=(0, 2), keepdims=True)) / deviation).reshape(len(patches), -1)


def sorted_projections(patches, directions):
    """Return patches (count, numbers) projected on `directions` (numbers, some), each in order: (some, count)."""
    projections = directions.T @ patches.T
    projections.sort(axis=1)
    return projections


class SlicedWasserstein:
    """The sliced Wasserstein distance of sets of pictures to one set, whose projections are computed once and kept.

    Karras et al., "Progressive Growing of GANs", 2018, section 5 and their code: local patches of the levels of a
    Laplacian pyramid, projected on random directions, sorted and compared. Each set is brought to its own mean and
    deviation, so that a tint or a flat contrast of a whole set is not seen; `channel_gap` sees it. The
    distance of two sets of real pictures, the floor, is not 0 and falls with their number. Of 2,048 pictures of 64x64
    1.6 GB are kept.

    Args:
        others: uint8 (count, size, size, 3), size at least 16.
        seed: of the patches' places, other ones in the two sets, and of the directions.
    """

    def __init__(self, others, seed=0):
        rng = np.random.default_rng(seed)
        self.shape = others.shape
        self.levels = {}
        for size, pictures in laplacian_pyramid(others).items():
            places, places_of_others = (
                rng.integers(0, size - PATCH_SIZE + 1, (2, len(pictures), PATCHES)) for _ in range(2)
            )
            patches = patches_at(pictures, places_of_others)
            pairs = []
            for _ in range(REPEATS):
                directions = rng.standard_normal((patches.shape[1], DIRECTIONS)).astype(np.float32)
                directions /= np.linalg.norm(directions, axis=0)
                pairs.append((directions, sorted_projections(patches, directions)))
            self.levels[size] = places, pairs

    def distances(self, pictures):
        """Return how far a set of pictures is from the others at each size, in thousandths.

        Args:
            pictures: uint8 of the shape of the others.

        Returns:
            dict: `swd_<size>` of each size, and `swd`, their mean.

        Raises:
            ValueError: the sets differ in number or size.
        """
        if pictures.shape != self.shape:
            raise ValueError(f"the sets must be alike, not {pictures.shape} and {self.shape}")
        found = {}
        for size, level in laplacian_pyramid(pictures).items():
            places, pairs = self.levels[size]
            patches = patches_at(level, places)
            gaps = [np.mean(np.abs(sorted_projections(patches, directions) - others)) for directions, others in pairs]
            found[f"swd_{size}"] = 1e3 * float(np.mean(gaps))
        return found | {"swd": float(np.mean(list(found.values())))}


def sliced_wasserstein(pictures, others, seed=0):
    """Return the `SlicedWasserstein` distances of two sets of pictures, once."""
    return SlicedWasserstein(others, seed).distances(pictures)


def channel_gap(pictures, others):
    """Return the largest difference of two sets in the mean or the deviation of a colour channel, in grey values.

    Args:
        pictures: uint8 (count, height, width, 3).
        others: the same, of any number.
    """
    one, two = (
        np.stack([images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2), dtype=np.float64)])
        for images in (pictures, others)
    )
    return float(np.max(np.abs(one - two)))


def kernel_distance(features, others):
    """Return the squared maximum mean discrepancy of two sets of features, without bias, so that it may be negative.

    That of features of InceptionV3 is the KID of Binkowski et al., "Demystifying MMD GANs", 2018; here with their
    kernel, (x.y / numbers + 1)^3, over the two whole sets at once.

    Args:
        features: float (count, numbers), count at least 2.
        others: the same, of any number from 2 on.
    """

    def kernel(one, two):
        return (one @ two.T / one.shape[1] + 1) ** 3

    def within(points):  # pairs of a point and itself, which would add a bias, left out
        values = kernel(points, points)
        return (np.sum(values) - np.trace(values)) / (len(points) * (len(points) - 1))

    features, others = features.astype(np.float64), others.astype(np.float64)
    return float(within(features) + within(others) - 2 * np.mean(kernel(features, others)))


def density_and_coverage(features, others, neighbours=5):
    """Return how near pictures lie to real ones, and how many of the real ones have a picture near them.

    Around each real one lies a ball that reaches to the `neighbours`-th nearest of the other real ones. "density" is
    the number of balls that a picture lies in, divided by `neighbours`, averaged: 1 of pictures that are as the real
    ones, more of some that keep to where these are many. "coverage" is the share of the balls that hold a picture:
    nearly 1 of as many such pictures, less where a kind of real ones never comes (Naeem et al., "Reliable Fidelity and
    Diversity Metrics for Generative Models", 2020, equations 3 and 4).

    Args:
        features: float (count, numbers), of the pictures.
        others: float (others, numbers), of the real ones, more than `neighbours`.
        neighbours: how far the balls reach.
    """
    reach = NearestNeighbors(n_neighbors=neighbours).fit(others).kneighbors()[0][:, -1]  # each one itself is left out
    inside = pairwise_distances(features, others) < reach
    return {
        "density": float(inside.sum() / (neighbours * len(features))),
        "coverage": float(inside.any(axis=0).mean()),
    }


def nearest(points, among):
    """For each point return the row of its nearest neighbour in `among`, and the Euclidean distance to it.

    Args:
        points: (count, ...) numbers; pictures may be uint8.
        among: (others, ...) of the same shape otherwise.

    Returns:
        int (count,) and float (count,).
    """
    points = np.reshape(points, (len(points), -1)).astype(np.float32)
    nearest_rows, shortest = np.zeros(len(points), int), np.full(len(points), np.inf)
    for start in range(0, len(among), PART):
        part = among[start : start + PART]
        rows, distances = pairwise_distances_argmin_min(points, np.reshape(part, (len(part), -1)).astype(np.float32))
        closer = distances < shortest
        nearest_rows[closer], shortest[closer] = start + rows[closer], distances[closer]
    return nearest_rows, shortest


def nearest_pictures(pictures, among):
    """Return of each picture the nearest of others, and how far these are: the median, in grey values.

    Args:
        pictures: uint8 (count, ...).
        among: uint8 (others, ...) of the same size.

    Returns:
        uint8 of the shape of `pictures`; float, the median of the root mean squared differences.
    """
    rows, distances = nearest(pictures, among)
    return among[rows], float(np.median(distances) / np.sqrt(pictures[0].size))


class Comparison:
    """Sets of pictures, each measured beside the held-out ones, with the training pictures that they come nearest to.

    Args:
        train: uint8 (count, height, width, 3), pictures that the models were trained on.
        held_out: uint8 (others, height, width, 3), pictures that were held out; each set has as many.
        columns: pictures of a set that figures show.

    Attributes:
        rows: {name of a set: its numbers, by column of the table}; the first are the held-out pictures themselves,
            beside as many training pictures, which is the floor.
        shown: {name: the set's first pictures}.
        nearest: {name: the training pictures that are nearest to these}.
    """

    def __init__(self, train, held_out, columns):
        self.train, self.held_out = train, held_out
        self.columns = columns
        self.sliced_wasserstein = SlicedWasserstein(held_out)
        self.rows, self.shown, self.nearest = {}, {}, {}
        spread = np.linspace(0, len(train) - 1, len(held_out)).astype(int)
        self.add("held-out pictures, beside training pictures", held_out, beside=train[spread], epochs=0)

    def add(self, name, pictures, beside=None, **numbers):
        """Measure a set.

        Args:
            name: of the set.
            pictures: uint8 (others, height, width, 3).
            beside: as many, whose distance is measured; None for the held-out pictures.
            numbers: what else is known of the set.
        """
        if beside is None:
            beside, swd = self.held_out, self.sliced_wasserstein.distances(pictures)
        else:
            swd = sliced_wasserstein(pictures, beside)
        others, distance = nearest_pictures(pictures, self.train)
        self.shown[name], self.nearest[name] = pictures[: self.columns], others[: self.columns]
        self.rows[name] = {
            **numbers,
            **swd,
            "channel_gap": channel_gap(pictures, beside),
            "sharpness": sharpness(pictures),
            "picture_distance": distance,
        }

    def add_reconstructions(self, model, pictures, **numbers):
        """Measure what a model makes of the held-out pictures: as `add`, and the `fidelity` to each."""
        self.add(f"{model}, reconstructions", pictures, **numbers, **fidelity(pictures, self.held_out))

    def save(self, run):
        """Write comparison.csv to the folder of a `shared_run.Run`."""
        table = [{"pictures": name, **numbers} for name, numbers in self.rows.items()]
        write_table(run.folder / "comparison.csv", table)

    def captioned(self):
        """Return {caption: the set's first pictures}, in the order of the sets."""
        return {self.caption(name): pictures for name, pictures in self.shown.items()}

    def caption(self, name):
        """Return the name of a set with what was measured of it."""
        numbers = self.rows[name]
        return f"{name}: {', '.join(text.format(numbers[key]) for key, text in CAPTIONS.items() if key in numbers)}"
