"""What can be measured of a handwritten digit, and how much of it each dimension of a code tells."""

import numpy as np
from skimage.morphology import medial_axis
from skimage.transform import pyramid_expand
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import mutual_info_score

MEASURES = {  # what is measured of a digit, and its unit
    "thickness": "pixels",
    "slant": "degrees",
    "width": "pixels",
    "height": "pixels",
    "length": "pixels",
}
SCALE = 4  # to which a digit is enlarged before it is measured
TRIMMED = 0.01  # share of the ink that is left out at each end of width and height
BINS = 20  # of equally many digits, for mutual information
TREES = 50  # of a random forest
SMALLEST_LEAF = 5  # digits


def measure(picture):
    """Return what MEASURES names of a digit, with the definitions of Castro et al., "Morpho-MNIST", 2019, section 3.

    Thickness is twice the mean distance of the skeleton to the edge; length is that of the skeleton; slant, above 0 to
    the right, is the angle whose tangent is the shear that the second moments of the ink have; width and height are
    those of the parallelogram of that slant around the ink, but for the share TRIMMED at each end.

    Args:
        picture: uint8 (height, width), 0..255, white on black.

    Returns:
        float (5,), in the order of MEASURES; 0 throughout for a black picture.
    """
    if not picture.any():
        return np.zeros(len(MEASURES))
    large = pyramid_expand(picture / 255, upscale=SCALE, order=3)
    ink = large >= (large.min() + large.max()) / 2
    skeleton, distance = medial_axis(ink, return_distance=True, rng=0)
    straight = np.sum(skeleton[1:] & skeleton[:-1]) + np.sum(skeleton[:, 1:] & skeleton[:, :-1])
    diagonal = np.sum(skeleton[1:, 1:] & skeleton[:-1, :-1]) + np.sum(skeleton[1:, :-1] & skeleton[:-1, 1:])
    length = straight + np.sqrt(2) * diagonal

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
    """Return how far apart the values are below and above which the share TRIMMED of the weights lies."""
    order = np.argsort(values, axis=None)
    below = np.cumsum(weights.ravel()[order])
    low, high = np.interp([TRIMMED, 1 - TRIMMED], below, values.ravel()[order])
    return high - low


def measure_all(pictures):
    """Return `measure` of each of many digits: uint8 (count, height, width) -> float (count, 5)."""
    return np.stack([measure(picture) for picture in pictures])


def to_bins(values):
    """Return in which of BINS bins of equally many values each value lies: (count,) -> int (count,)."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def mutual_information_gaps(codes, factors):
    """Return how much more the best dimension tells of each factor than the second best, 0 to 1.

    Chen et al., "Isolating Sources of Disentanglement", 2018, section 4, with mutual information counted in bins of
    equally many digits, as one outlier would spoil bins of equal width. The mean of the gaps is the MIG.

    Args:
        codes: float (count, latent_dim), latent_dim at least 2, drawn from the posterior: means alone would show
            differences that noise drowns.
        factors: {name: int (count,)}, none of them constant.

    Returns:
        {name: float}, the gaps as shares of the factors' entropies.
    """
    bins = [to_bins(column) for column in codes.T]
    gaps = {}
    for name, factor in factors.items():
        told = sorted(mutual_info_score(factor, column) for column in bins)
        gaps[name] = float((told[-1] - told[-2]) / mutual_info_score(factor, factor))
    return gaps


def dci(codes, labels, measured, seed):
    """Return disentanglement and completeness, 0 to 1, and informativeness, at most 1.

    Eastwood & Williams, "A Framework for the Quantitative Evaluation of Disentangled Representations", 2018, with
    random forests. A random half of the digits is learnt from, the other tells the informativeness.

    Args:
        codes: float (count, latent_dim), drawn from the posterior.
        labels: int (count,), the digits.
        measured: float (count, factors), as from `measure_all`.
        seed: of the halves and the forests.

    Returns:
        dict: `disentanglement`, how far each dimension tells of one factor alone; `completeness`, how far each factor
        is told by one dimension alone; `informativeness`, the accuracy of the label and the coefficients of
        determination of what is measured, averaged (a score, where the paper has an error).
    """
    learnt, tested = np.array_split(np.random.default_rng(seed).permutation(len(codes)), 2)
    options = {"n_estimators": TREES, "min_samples_leaf": SMALLEST_LEAF, "random_state": seed}
    forests = [RandomForestClassifier(**options)] + [RandomForestRegressor(**options) for _ in measured.T]
    targets = [labels, *measured.T]
    for forest, target in zip(forests, targets, strict=True):
        forest.fit(codes[learnt], target[learnt])
    scores = [forest.score(codes[tested], target[tested]) for forest, target in zip(forests, targets, strict=True)]
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
