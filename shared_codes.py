"""Codes of pictures: how they are spread, what lies among and between them, how new ones are drawn."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from shared_distances import nearest
from shared_figures import DPI

SHELL = 0.99  # share of the held-out codes that lie inside the shell
MIXTURE_DIM = 64  # principal directions along which a mixture is fitted; the others stay one Gaussian
MIXTURE_COMPONENTS = (1, 2, 4, 8, 16, 32)
SMALLEST_VARIANCE = 1e-3  # of a component, of whitened codes, so that a few alike codes make none of no extent
NEIGHBOURS = 10
STRAIGHT = 1e-3  # sine of the angle between two vectors, below which they lie on one line
NO_EXTENT = 1e-5  # of the widest direction: below it there is nothing but rounding
THUMBNAIL = 0.14  # half of the width of a picture in a map, in standard deviations


def slerp(start, end, steps):
    """Return `steps` vectors from `start` to `end`, both (latent_dim,), on the arc between them: (steps, latent_dim).

    Normal noise of many dimensions lies near a sphere; a straight line would cut through its empty inside, where the
    generator was never trained. Shoemake, "Animating Rotation with Quaternion Curves", 1985; White, "Sampling
    Generative Networks", 2016. Between vectors on one line, or from 0, there is no arc: the way is straight.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    angle = np.arccos(np.clip(np.dot(start, end) / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < STRAIGHT:
        return np.linspace(start, end, steps, dtype=np.float32)
    share = np.linspace(0, 1, steps)[:, None]
    return ((np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)).astype(np.float32)


def noise_of(dimensions, count, seed):
    """Return noise from N(0, I), float32 (count, dimensions); of the same count more dimensions begin with the same."""
    return np.random.default_rng(seed).standard_normal((dimensions, count), np.float32).T


class Codes:
    """The codes of the pictures that a model was trained on, in their own principal directions.

    Whitened codes have mean 0 and deviation 1 along each direction, so that a Gaussian fitted to the codes is N(0, I)
    there.

    Args:
        train: float (count, latent_dim), at least three codes, not all alike.
        held_out: float (others, latent_dim), codes of pictures that were never trained on.

    Attributes:
        train, held_out: as given.
        pca: whitening `sklearn.decomposition.PCA` with the directions in which the training codes have an extent.
        shell: pair, the radii of whitened codes between which SHELL of the held-out ones lie.
        usual_distance: median distance of a held-out code to the nearest training code.
    """

    def __init__(self, train, held_out):
        self.train = train
        self.held_out = held_out
        deviations = np.linalg.svd(train - train.mean(axis=0), compute_uv=False)
        directions = int(np.sum(deviations > NO_EXTENT * deviations[0]))
        self.pca = PCA(max(1, directions), whiten=True, svd_solver="full").fit(train)
        self.shell = np.quantile(self.radii(held_out), [(1 - SHELL) / 2, (1 + SHELL) / 2])
        self.usual_distance = np.median(nearest(held_out, train)[1])

    def radii(self, codes):
        """Return the lengths of codes (count, latent_dim) once they are whitened: float (count,)."""
        return np.linalg.norm(self.pca.transform(codes), axis=1)

    def restore(self, whitened):
        """Return the codes, float32 (count, latent_dim), of whitened ones; columns too many are ignored."""
        return self.pca.inverse_transform(whitened[:, : self.pca.n_components_]).astype(np.float32)

    def restoring_weights(self):
        """Return kernel (directions, latent_dim) and bias (latent_dim,) of the dense layer that is `restore`."""
        return [np.sqrt(self.pca.explained_variance_)[:, None] * self.pca.components_, self.pca.mean_]

    def directions_for(self, share):
        """Return how many principal directions it takes to explain a share of the variance of the training codes."""
        explained = np.cumsum(self.pca.explained_variance_ratio_)
        return int(min(np.searchsorted(explained, share) + 1, len(explained)))

    def place(self, codes):
        """Return where other codes lie.

        Returns:
            dict: `code_distance`, the median distance to the nearest training code, divided by that of held-out codes;
            `inside_shell`, the share of them that lie inside the shell of the held-out ones.
        """
        return {
            "code_distance": float(np.median(nearest(codes, self.train)[1]) / self.usual_distance),
            "inside_shell": self.inside_shell(codes),
        }

    def inside_shell(self, codes):
        """Return the share of codes (count, latent_dim) that lie inside the shell of the held-out ones."""
        low, high = self.shell
        radii = self.radii(codes)
        return float(np.mean((low <= radii) & (radii <= high)))

    def neighbours(self, codes, count):
        """Return the rows of the `count` training codes that are nearest to each code, the nearest first."""
        return NearestNeighbors(n_neighbors=count).fit(self.train).kneighbors(codes, return_distance=False)

    def half_way(self, picks):
        """Return codes half way between a training code and one of its NEIGHBOURS nearest ones.

        Args:
            picks: float (count, 2) in [0, 1), which choose the code and the neighbour.
        """
        among = min(NEIGHBOURS, len(self.train) - 1)
        codes = self.train[(picks[:, 0] * len(self.train)).astype(int)]
        chosen = 1 + (picks[:, 1] * among).astype(int)  # the nearest is the code itself
        rows = self.neighbours(codes, among + 1)[np.arange(len(codes)), chosen]
        return (codes + self.train[rows]) / 2


class Mixture:
    """A mixture of Gaussians of the first MIXTURE_DIM whitened directions; the others stay N(0, I).

    With one component it is the fitted Gaussian, but for SMALLEST_VARIANCE.

    Args:
        codes: `Codes` to fit it to.
        seed: of the fit.

    Attributes:
        scores: {number of components: mean log-likelihood of the held-out codes, in nats}, of these directions. Samples
            are measured beside the same held-out pictures, a small advantage of the mixture.
        components: the number with the highest one, which is taken.
    """

    def __init__(self, codes, seed):
        train, held_out = (
            codes.pca.transform(some)[:, :MIXTURE_DIM].astype(float) for some in (codes.train, codes.held_out)
        )
        few = [number for number in MIXTURE_COMPONENTS if number == 1 or number * train.shape[1] <= len(train)]
        fitted = {
            number: GaussianMixture(number, reg_covar=SMALLEST_VARIANCE, random_state=seed).fit(train) for number in few
        }
        self.scores = {number: float(mixture.score(held_out)) for number, mixture in fitted.items()}
        self.components = max(self.scores, key=self.scores.get)
        self.mixture = fitted[self.components]

    def draw(self, noise, picks):
        """Return whitened codes.

        Args:
            noise: float (count, directions), from N(0, I).
            picks: float (count,) in [0, 1), which choose the components.
        """
        chosen = np.searchsorted(np.cumsum(self.mixture.weights_)[:-1], picks, side="right")
        roots = np.linalg.cholesky(self.mixture.covariances_)[chosen]
        first, others = np.split(noise, [roots.shape[1]], axis=1)
        return np.hstack([self.mixture.means_[chosen] + (roots @ first[..., None])[..., 0], others])


def save_spread(path, codes, mixture, noise, title):
    """Write three curves that show why N(0, I) does not suit the codes, and which distribution does.

    They are the codes' deviation along each principal direction; how far out codes lie; and how well mixtures of
    Gaussians suit held-out codes.

    Args:
        path: file to write.
        codes: `Codes`.
        mixture: `Mixture` of them.
        noise: float (count, latent_dim), from N(0, I).
        title: of the figure.
    """
    figure = Figure(figsize=(15, 4.5), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=10)
    spread, distances, scores = figure.subplots(1, 3)

    deviations = np.sqrt(codes.pca.explained_variance_)
    spread.semilogy(np.arange(1, len(deviations) + 1), deviations, label="training codes")
    spread.axhline(1, color="tab:red", label="N(0, I)")
    extent = f"{deviations[0]:.2g} to {deviations[-1]:.2g} in {len(deviations)} of {noise.shape[1]} directions"
    heading = f"N(0, I) reaches 1 in every direction,\nthe codes {extent}"
    spread.set(title=heading, xlabel="principal direction", ylabel="standard deviation")

    for label, some in {"held-out": codes.held_out, "N(0, I)": noise, "fitted Gaussian": codes.restore(noise)}.items():
        distances.hist(np.log10(np.maximum(codes.radii(some), 1e-6)), bins=60, alpha=0.6, label=label)
    for radius in codes.shell:
        distances.axvline(np.log10(radius), color="black", linestyle=":")
    heading = (
        f"{codes.inside_shell(noise):.0%} of N(0, I) lies in the shell of {SHELL:.0%}\nof the held-out codes (dotted)"
    )
    distances.set(title=heading, xlabel="log10 of the length of a whitened code", ylabel="codes")

    scores.plot(list(mixture.scores), list(mixture.scores.values()), "o-", label="held-out")
    scores.set_xscale("log", base=2)
    heading = f"{mixture.components} Gaussians suit the held-out codes best"
    scores.set(title=heading, xlabel="Gaussians in the mixture", ylabel="log-likelihood of a code, nats")

    for axes in (spread, distances, scores):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(path)


def save_map(path, codes, pictures, title):
    """Write held-out pictures where their codes lie along the two widest directions; none covers another.

    Args:
        path: file to write.
        codes: `Codes`.
        pictures: uint8 (held out, height, width, 3), those of its held-out codes.
        title: of the figure.
    """
    places = codes.pca.transform(codes.held_out)[:, :2]
    figure = Figure(figsize=(10, 10), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    free = np.ones(len(places), bool)
    for index, (x, y) in enumerate(places):
        if free[index]:
            free &= np.max(np.abs(places - places[index]), axis=1) > 2 * THUMBNAIL
            axes.imshow(pictures[index], extent=(x - THUMBNAIL, x + THUMBNAIL, y - THUMBNAIL, y + THUMBNAIL))
    (left, bottom), (right, top) = places.min(axis=0) - THUMBNAIL, places.max(axis=0) + THUMBNAIL
    axes.set(title=title, xlim=(left, right), ylim=(bottom, top))
    axes.set(xlabel="first principal direction, standard deviations", ylabel="second")
    figure.savefig(path)
