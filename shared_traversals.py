"""Latent codes with one dimension at a time moved: what that does to digits, and where it leaves the data."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shared_distances import nearest
from shared_factors import MEASURES, measure_all
from shared_figures import DPI, draw_map

STEPS = (-3, -2, -1, 0, 1, 2, 3)  # values that a dimension is set to
USUAL = 0.99  # share of reconstructed test digits, the others of which count as outside the data
CLEAR = 0.1  # standard deviations over digits; a smaller change is not worth a caption
SHOWN = 2  # digits whose traversals are drawn
TITLE = "one dimension set to -3 to 3; what changes most for 1 more; framed: read as another character"


class Traversals:
    """Codes of digits with one dimension at a time set to each of STEPS, decoded, measured and read.

    Args:
        decode: function from codes (count, latent_dim) to uint8 pictures (count, height, width).
        read: function from such pictures (..., height, width) to characters (...).
        codes: float (digits, latent_dim).

    Attributes:
        pictures: uint8 (digits, latent_dim, len(STEPS), height, width).
        flipped: bool (digits, latent_dim, len(STEPS)), where not the same is read as in the unmoved code's picture.
        slopes: float (latent_dim, 5), by how much each of MEASURES grows for 1 more: that of a straight line, mean
            over digits; what grows at both ends has none.
    """

    def __init__(self, decode, read, codes):
        latent_dim = codes.shape[1]
        moved = np.tile(codes[:, None, None], (1, latent_dim, len(STEPS), 1))
        for dimension in range(latent_dim):
            moved[:, dimension, :, dimension] = STEPS
        flat = decode(moved.reshape(-1, latent_dim))
        self.pictures = flat.reshape(*moved.shape[:3], *flat.shape[1:])
        self.flipped = read(self.pictures) != read(decode(codes))[:, None, None]
        measured = measure_all(flat).reshape(*moved.shape[:3], -1).mean(axis=0)
        steps = np.array(STEPS) - np.mean(STEPS)
        self.slopes = np.einsum("s,dsq->dq", steps / np.sum(steps**2), measured)

    def left_data(self, train, reconstructed):
        """Return the share of pictures that lie outside the data, (latent_dim, len(STEPS)).

        They do if the nearest training digit is farther away than that of the share USUAL of reconstructed test digits.
        Faint and blurred pictures lie near some thin digit and are not found so.

        Args:
            train: uint8 (count, height, width), the training digits.
            reconstructed: uint8 (others, height, width), reconstructions of test digits.
        """
        _, usual = nearest(reconstructed, train)
        _, distances = nearest(self.pictures.reshape(-1, *self.pictures.shape[3:]), train)
        return np.mean(distances.reshape(self.pictures.shape[:3]) > np.quantile(usual, USUAL), axis=0)

    def describe(self, kl, active, deviations, left):
        """Return a row for each dimension, sorted by KL.

        Args:
            kl: float (latent_dim,), mean over test digits, in nats.
            active: bool (latent_dim,), which dimensions are used at all.
            deviations: float (5,), standard deviations of MEASURES over test digits.
            left: as from `left_data`.

        Returns:
            list of dict: `dimension`, `kl`, `active`; `does`, that of MEASURES with the largest slope in units of its
            deviation, `slope`, in `unit` for 1 more, `deviations`, the slope in such units; `flipped` and `left_data`,
            the shares of the pictures at both ends that are read as another character, and that lie outside the data.
        """
        rows = []
        by_deviation = self.slopes / deviations
        for dimension in map(int, np.argsort(-kl)):
            most = int(np.argmax(np.abs(by_deviation[dimension])))
            name = list(MEASURES)[most]
            rows.append(
                {
                    "dimension": dimension,
                    "kl": float(kl[dimension]),
                    "active": int(active[dimension]),
                    "does": name,
                    "slope": float(self.slopes[dimension, most]),
                    "unit": MEASURES[name],
                    "deviations": float(by_deviation[dimension, most]),
                    "flipped": float(self.flipped[:, dimension, [0, -1]].mean()),
                    "left_data": float(left[dimension, [0, -1]].mean()),
                }
            )
        return rows

    def save(self, path, rows, title):
        """Write a row of pictures for each dimension, captioned; what is read as another character has a frame.

        Args:
            path: file to write.
            rows: as from `describe`.
            title: of the figure.
        """
        height, width = self.pictures.shape[3:]
        shown = min(SHOWN, len(self.pictures))
        figure = Figure(figsize=(12, 0.75 * len(rows) + 0.8), dpi=DPI)
        figure.suptitle(title, fontsize=10)
        inches = figure.get_figheight()
        places = {"left": 0.13, "right": 0.99, "top": 1 - 0.4 / inches, "bottom": 0.3 / inches, "hspace": 0.05}
        for row, axes in zip(rows, np.ravel(figure.subplots(len(rows), 1, gridspec_kw=places)), strict=True):
            pictures, flipped = (
                np.concatenate(each[:shown, row["dimension"]]) for each in (self.pictures, self.flipped)
            )
            axes.imshow(np.concatenate(pictures, axis=1), cmap="gray", vmin=0, vmax=255)
            for place in np.flatnonzero(flipped):
                corner = (place * width, 0)
                axes.add_patch(Rectangle(corner, width - 1, height - 1, fill=False, color="tab:red"))
            axes.set_ylabel(caption(row), rotation=0, ha="right", va="center", fontsize=9)
            axes.set_xticks(
                np.arange(len(pictures)) * width + width / 2, [f"{step:+d}" if step else "0" for step in STEPS] * shown
            )
            axes.tick_params(length=0, labelbottom=row is rows[-1])
            axes.set_yticks([])
        figure.savefig(path)

    def save_dimensions(self, path, rows, deviations, left, title):
        """Write KL, slopes, and the shares outside the data, of each dimension, as one figure.

        Args:
            path: file to write.
            rows: as from `describe`.
            deviations: as for `describe`.
            left: as from `left_data`.
            title: of the figure.
        """
        order = [row["dimension"] for row in rows]
        names = [f"z{dimension}" for dimension in order]
        figure = Figure(figsize=(13, 0.25 * len(rows) + 1.6), dpi=DPI, layout="constrained")
        figure.suptitle(title, fontsize=10)
        bars, slopes, shares = figure.subplots(1, 3)
        bars.barh(names, [row["kl"] for row in rows])
        bars.invert_yaxis()
        bars.set(title="KL from N(0, 1)", xlabel="nats")
        slopes.set_title("change for 1 more, in standard deviations")
        draw_map(slopes, (self.slopes / deviations)[order], names, MEASURES, "RdBu", -1)
        shares.set_title(f"share of {len(self.pictures)} pictures outside the data")
        draw_map(shares, left[order], names, STEPS, "gray_r", 0)
        figure.savefig(path)


def caption(row):
    """Return two lines of text on the dimension of a row that `Traversals.describe` gave."""
    if not row["active"]:
        does = "not used"
    elif abs(row["deviations"]) < CLEAR:
        does = "nothing measured"
    else:
        does = f"{row['does']} {row['slope']:+.2g} {row['unit']}"
    return f"z{row['dimension']}: KL {row['kl']:.2f}\n{does}"
