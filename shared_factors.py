"""What can be measured of a handwritten digit, and how much of it each dimension of a code tells."""

import numpy as np
from scipy.ndimage import correlate
from skimage.morphology import medial_axis
from skimage.transform import pyramid_expand
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import mutual_info_score

STROKES = {  # what is measured of a digit, and its unit
    "thickness": "pixels",
    "slant": "degrees",
    "width": "pixels",
    "height": "pixels",
    "length": "pixels",
}
SCALE = 4  # to which a digit is enlarged before it is measured
OUTSIDE = 0.01  # share of the ink beyond each side of the box that width and height are of
STEPS = np.array([[0, 0, 0], [0, 0, 1], [np.sqrt(2), 1, np.sqrt(2)]])  # lengths to the neighbours not yet counted
CODE_BINS = 20  # of equal width, within
CLIP = 4  # standard deviations, since one outlier would leave all others in one bin
FACTOR_BINS = 20  # of equally many digits
TREES = 50  # of a random forest
SMALLEST_LEAF = 5  # digits


def measure(picture):
    """Return what STROKES names of a digit, with the definitions of Castro et al., "Morpho-MNIST", 2019, section 3.

    Thickness is twice the mean distance of the skeleton to the edge; length is that of the skeleton; slant, to the
    right above 0, is the shear that the moments of the ink have; width and height are the sides of the parallelogram of
    that slant around the ink, but for OUTSIDE on each side.

    Args:
        picture: uint8 (height, width), 0..255, white on black.

    Returns:
        float (5,), in the order of STROKES; 0 throughout for a black picture.
    """
    if not picture.any():
        return np.zeros(len(STROKES))
    large = pyramid_expand(picture / 255, upscale=SCALE, order=3)
    ink = large >= (large.min() + large.max()) / 2
    skeleton, distance = medial_axis(ink, return_distance=True, rng=0)
    length = np.sum(correlate(skeleton.astype(float), STEPS, mode="constant") * skeleton)

    y, x = np.indices(large.shape)
    weights = large / large.sum()
    x = x - np.sum(weights * x)
    y = y - np.sum(weights * y)
    shear = np.sum(weights * x * y) / np.sum(weights * y * y)
    width, height = (extent(values, weights) for values in (x - shear * y, y))
    sizes = 2 * distance[skeleton].mean(), width, height, length
    thickness, width, height, length = (size / SCALE for size in sizes)
    return np.array([thickness, np.degrees(np.arctan(-shear)), width, height, length])


def extent(values, weights):
    """Return how far apart the values are below and above which OUTSIDE of the weights lies."""
    order = np.argsort(values, axis=None)
    below = np.cumsum(weights.ravel()[order])
    low, high = np.interp([OUTSIDE, 1 - OUTSIDE], below, values.ravel()[order])
    return high - low


def measure_all(pictures):
    """Return `measure` of each of many digits: uint8 (count, height, width) -> float (count, 5)."""
    return np.stack([measure(picture) for picture in pictures])


def to_bins(values, bins):
    """Return in which of so many bins of equally many values each value lies: (count,) -> int (count,)."""
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def mutual_information(codes, factors):
    """Return the mutual information of each dimension and each factor, in nats, (latent_dim, factors).

    Args:
        codes: float (count, latent_dim), cut into CODE_BINS bins within CLIP standard deviations of the mean.
        factors: {name: int (count,)}.
    """
    deviations = (codes - codes.mean(axis=0)) / np.maximum(codes.std(axis=0), 1e-9)
    bins = np.floor((np.clip(deviations, -CLIP, CLIP - 1e-6) + CLIP) / (2 * CLIP) * CODE_BINS).astype(int)
    return np.array([[mutual_info_score(factor, column) for factor in factors.values()] for column in bins.T])


def mutual_information_gaps(codes, factors):
    """Return how much more the best dimension tells of each factor than the second best, 0 to 1.

    Chen et al., "Isolating Sources of Disentanglement", 2018, section 4; their mean is the mutual information gap, MIG.

    Args:
        codes: float (count, latent_dim), latent_dim at least 2.
        factors: {name: int (count,)}, none of them constant.

    Returns:
        {name: float}, the gaps as shares of the factors' entropies.
    """
    told = np.sort(mutual_information(codes, factors), axis=0)
    gaps = told[-1] - told[-2]
    entropies = [mutual_info_score(factor, factor) for factor in factors.values()]
    return {name: float(gap / entropy) for name, gap, entropy in zip(factors, gaps, entropies, strict=True)}


def dci(codes, labels, measured, seed):
    """Return disentanglement, completeness and informativeness, each 0 to 1.

    Eastwood & Williams, "A Framework for the Quantitative Evaluation of Disentangled Representations", 2018, with
    random forests. The first half of the rows is learnt from, the other tells the informativeness.

    Args:
        codes: float (count, latent_dim).
        labels: int (count,), the digits.
        measured: float (count, factors), as from `measure_all`.
        seed: of the forests.

    Returns:
        dict: `disentanglement`, how far each dimension tells of one factor alone; `completeness`, how far each factor
        is told by one dimension alone; `informativeness`, the accuracy of the label and the coefficients of
        determination of what is measured, averaged.
    """
    half = len(codes) // 2
    options = {"n_estimators": TREES, "min_samples_leaf": SMALLEST_LEAF, "random_state": seed, "n_jobs": -1}
    forests = [RandomForestClassifier(**options)] + [RandomForestRegressor(**options) for _ in measured.T]
    targets = [labels, *measured.T]
    for forest, target in zip(forests, targets, strict=True):
        forest.fit(codes[:half], target[:half])
    scores = [forest.score(codes[half:], target[half:]) for forest, target in zip(forests, targets, strict=True)]
    importance = np.stack([forest.feature_importances_ for forest in forests], axis=1)
    by_dimension = importance.sum(axis=1) / importance.sum()
    return {
        "disentanglement": float(by_dimension @ concentration(importance)),
        "completeness": float(concentration(importance.T).mean()),
        "informativeness": float(np.mean(scores)),
    }


def concentration(importance):
    """Return how far each row of (rows, columns) lies on one column: 1 minus its entropy to the base `columns`."""
    shares = importance / np.maximum(importance.sum(axis=1, keepdims=True), 1e-12)
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=1)
    return 1 - entropy / np.log(importance.shape[1])
