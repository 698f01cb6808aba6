"""Drum bars: decoded from codes and drawn; those of a run split, read for style, compared, and shown as figures."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shared_distances import nearest
from shared_drums import CELLS, INSTRUMENTS, SPLITS, STEPS
from shared_figures import DPI
from shared_training import Batches, predict

COLOURED = 8  # styles


def f1(hits, others):
    """Return the F1 score of hits against others, uint8 of one shape, over all cells; 1.0 if both have none."""
    both = hits.sum(dtype=int) + others.sum(dtype=int)
    return float(2 * np.sum(hits & others, dtype=int) / both) if both else 1.0


def to_hits(logits, temperature, threshold, rng):
    """Return hits, uint8 of the shape of the logits.

    Args:
        logits: float (count, 16, 9).
        temperature: by which they are divided before hits are drawn; at 0 a hit is where they exceed `threshold`.
        threshold: see there.
        rng: `numpy.random.Generator`; at temperature 0 it may be None.
    """
    if temperature == 0:
        return (logits > threshold).astype(np.uint8)
    return (rng.logistic(size=logits.shape) < logits / temperature).astype(np.uint8)


def decode(decoder, z_high, z_low):
    """Return the logits of hits, float (count, 16, 9), that a decoder makes of codes of both levels."""
    return predict(decoder, [z_high, z_low])["logits"].reshape(-1, STEPS, len(INSTRUMENTS))


def expected(prior, z_high):
    """Return the mean and the standard deviation of z_low, given z_high: (count, low) each; 0 and 1 without a prior.

    Args:
        prior: network from z_high to {"z_mean", "z_log_var"} of z_low; None stands for N(0, I).
        z_high: float (count, high).
    """
    if prior is None:
        return 0.0, 1.0
    found = predict(prior, z_high)
    return found["z_mean"], np.exp(found["z_log_var"] / 2)


def low_codes(prior, z_high, noise):
    """Return codes z_low (count, low) that are `noise`, in standard deviations, from what is `expected` of z_high."""
    mean, deviation = expected(prior, z_high)
    return mean + deviation * noise


def draw_codes(prior, high, low, count, rng):
    """Return codes of new bars, float32 z_high (count, high) and z_low (count, low).

    Args:
        prior: as for `expected`.
        high: dimensions of z_high, which is from N(0, I).
        low: dimensions of z_low.
        count: number of bars.
        rng: `numpy.random.Generator`.
    """
    z_high, noise = (rng.standard_normal((count, size), np.float32) for size in (high, low))
    return z_high, low_codes(prior, z_high, noise)


class Corpus:
    """The bars of a run, split by performance or at random, with what needs no network to be known of them.

    Args:
        bars: `shared_drums.Bars`.
        by_performance: whether they are split as they are marked; else as many bars each are picked at random.
        seed: of that.

    Attributes:
        rows: {split: row numbers}.
        styles: names of all styles, sorted.
        labels: int (count,), of the bars' styles.
    """

    def __init__(self, bars, by_performance, seed):
        self.bars = bars
        splits = bars.splits if by_performance else np.random.default_rng(seed).permutation(bars.splits)
        self.rows = {name: np.flatnonzero(splits == name) for name in SPLITS}
        self.styles, self.labels = np.unique(bars.styles, return_inverse=True)

    def hits(self, split):
        """Return a split's bars, uint8 (count, 16, 9)."""
        return self.bars.hits[self.rows[split]]

    def batches(self, split, batch_size):
        """Return a split's `Batches` of float hits (batch, 144) and int styles (batch,)."""
        hits = self.bars.hits.reshape(-1, CELLS)
        return Batches((hits, self.labels), self.rows[split], batch_size, lambda x, y, rng: (x.astype(np.float32), y))

    def read_styles(self, features, name):
        """Return how often a linear reader (logistic regression) tells the style of test bars: a dict of two shares.

        `style_<name>` is that of all test bars, `style_<name>_balanced` the mean of that of each style.

        Args:
            features: float (count, n) of all bars; it learns from those for training and validation.
            name: of the features.
        """
        test = self.rows["test"]
        learnt = np.concatenate([self.rows["train"], self.rows["validation"]])
        reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        read, labels = reader.fit(features[learnt], self.labels[learnt]).predict(features[test]), self.labels[test]
        return {
            f"style_{name}": float(np.mean(read == labels)),
            f"style_{name}_balanced": float(recall_score(labels, read, labels=np.unique(labels), average="macro")),
        }

    def known(self):
        """Return what can be said without a network: a dict of numbers.

        `copied_f1`, the F1 score of each test bar's nearest training bar; `copies`, the share of test bars that are a
        training bar; `style_raw` and `style_raw_balanced`, as by `read_styles` of the bars themselves;
        `style_majority`, of the commonest style.
        """
        train, test = self.hits("train"), self.hits("test")
        rows, distances = nearest(test, train)
        commonest = np.bincount(self.labels[self.rows["train"]]).argmax()
        return {
            "copied_f1": f1(train[rows], test),
            "copies": float(np.mean(distances == 0)),
            **self.read_styles(self.bars.hits.reshape(-1, CELLS).astype(np.float32), "raw"),
            "style_majority": float(np.mean(self.labels[self.rows["test"]] == commonest)),
        }

    def one_of_each_style(self, count, rng):
        """Return row numbers of `count` test bars: one of each style, the commonest first, then of any."""
        rows = rng.permutation(self.rows["test"])
        _, first, counts = np.unique(self.labels[rows], return_index=True, return_counts=True)
        first = first[np.argsort(-counts)]
        return np.concatenate([rows[first], np.delete(rows, first)])[:count]


def save_density(part, real, drawn):
    """Write density.png: hits per bar of each instrument, in test bars and at each temperature {temperature: hits}."""
    groups = {"test bars": real} | {f"temperature {temperature}": hits for temperature, hits in drawn.items()}
    figure = Figure(figsize=(11, 4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(groups)
    for index, (name, hits) in enumerate(groups.items()):
        density = hits.sum(axis=1, dtype=int).mean(axis=0)
        axes.bar(
            np.arange(len(INSTRUMENTS)) + index * width, density, width, label=f"{name} ({density.sum():.1f} in all)"
        )
    axes.set_xticks(np.arange(len(INSTRUMENTS)) + 0.4 - width / 2, INSTRUMENTS)
    axes.set(title=part.title("hits per bar"), ylabel="hits per bar")
    axes.legend()
    figure.savefig(part.folder / "density.png")


def save_map(part, codes, styles):
    """Write map.png: the first two principal directions of each level, test bars coloured by style.

    Args:
        part: of the `shared_run.Run`.
        codes: z_high and z_low, float (count, dimensions) each.
        styles: text (count,); the COLOURED commonest have a colour of their own.
    """
    names, counts = np.unique(styles, return_counts=True)
    figure = Figure(figsize=(12, 5.5), dpi=DPI, layout="constrained")
    figure.suptitle(part.title("codes of test bars, by style"), fontsize=10)
    for axes, level, z in zip(figure.subplots(1, 2), ("high", "low"), codes, strict=True):
        places = PCA(2).fit_transform(z)
        axes.scatter(*places.T, s=4, color="lightgrey", label="others")
        for name in names[np.argsort(-counts)][:COLOURED]:
            axes.scatter(*places[styles == name].T, s=6, label=name)
        axes.set(title=f"z_{level}", xlabel="first principal direction", ylabel="second")
    axes.legend(fontsize=8, markerscale=3)
    figure.savefig(part.folder / "map.png")
