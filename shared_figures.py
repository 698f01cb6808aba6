"""Pictures out: values mapped to 0..255 and back, grids, captions, curves, animations, and how sharp a picture is."""

from math import ceil
from textwrap import fill

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from shared_files import InputError

DPI = 100  # dots per inch of every figure
TITLE_HEIGHT = 28  # pixels above a grid
LETTER_WIDTH, LINE_HEIGHT = 8, 15  # pixels of a title's letters, nearly all of which are narrower, and of a line more
PART = 2_000  # pictures that are floats at a time; as floats 20,000 of them would take a gigabyte
ZOOM = 2  # dots, across and down, of a pixel in a grid


def to_uint8(images, low, high):
    """Map pictures from [low, high] to 0..255 exactly, rounding to the nearest; what lies outside is clipped.

    Args:
        images: float (..., height, width, channels) of any backend.
        low: value that becomes 0.
        high: value that becomes 255.

    Returns:
        uint8 NumPy array of the same shape.
    """
    images = keras.ops.convert_to_numpy(images).astype(np.float32)
    return np.clip(np.rint((images - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def to_unit(images):
    """Map NumPy pictures from 0..255 to float32 in [0, 1]; the inverse of `to_uint8(..., low=0, high=1)`."""
    return images.astype(np.float32) / 255


def to_rgb(images):
    """Return uint8 pictures (count, height, width[, 1 or 3]) as (count, height, width, 3); grey stays grey."""
    if images.ndim == 3:
        images = images[..., None]
    return np.broadcast_to(images, (*images.shape[:3], 3))


def sharpness(images):
    """Return the mean over pictures of the variance of the Laplacian of their grey values: low where they are blurred.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.

    Args:
        images: uint8 (count, height, width, 3).

    Returns:
        float, in squared grey values; 0 for a picture of one colour.
    """
    grey = images.mean(axis=-1, dtype=np.float32)
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return float(np.var(neighbours - 4 * grey[:, 1:-1, 1:-1], axis=(1, 2)).mean())


def tile(images, columns):
    """Return uint8 pictures, as `to_rgb` takes them, as one, row by row, two white pixels between them."""
    images = np.pad(to_rgb(images), ((0, -len(images) % columns), (1, 1), (1, 1), (0, 0)), constant_values=255)
    rows = len(images) // columns
    _, height, width, channels = images.shape
    return images.reshape(rows, columns, height, width, channels).swapaxes(1, 2).reshape(rows * height, -1, channels)


def plain(text):
    """Return a text for figures with its dollar signs, such as those of a folder's name, taken for no formula."""
    return text.replace("$", r"\$")


def save_grid(path, images, title, columns):
    """Write uint8 pictures, as `to_rgb` takes them, row by row below a title."""
    save_rows(path, {title: images}, columns)


def save_rows(path, groups, columns):
    """Write groups of uint8 pictures, as `to_rgb` takes them, below each other, each row by row below its title.

    A title takes as many lines as it needs for the width of its pictures.

    Args:
        path: file to write.
        groups: {title: pictures}; all pictures have one size.
        columns: pictures in a row.
    """
    pictures = [tile(images, columns) for images in groups.values()]
    width = ZOOM * max(picture.shape[1] for picture in pictures)
    titles = [fill(title, width // LETTER_WIDTH) for title in groups]
    spaces = [TITLE_HEIGHT + LINE_HEIGHT * title.count("\n") for title in titles]
    height = sum(spaces) + sum(ZOOM * picture.shape[0] for picture in pictures)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    top = height
    for title, space, picture in zip(titles, spaces, pictures, strict=True):
        figure.text(0.5, (top - space / 2) / height, title, ha="center", va="center", fontsize=9)
        top -= space + ZOOM * picture.shape[0]
        axes = figure.add_axes((0, top / height, 1, ZOOM * picture.shape[0] / height))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.axis("off")
    figure.savefig(path)


def save_captioned(path, pictures, captions, title, columns):
    """Write grey pictures with a caption each.

    Args:
        path: file to write.
        pictures: uint8 (count, height, width), 0..255.
        captions: pairs of the text over a picture and whether what it says is right, which colours it.
        title: of the figure.
        columns: pictures in a row.
    """
    count, height, width = pictures.shape
    cell_width, cell_height = 4, 4 * height / width + 0.35  # inches, with the gap and the caption
    size = (cell_width * columns, cell_height * ceil(count / columns) + 0.4)
    figure = Figure(figsize=size, dpi=DPI / 2)
    axes = figure.add_axes((0, 0, 1, 1))  # a single one, in inches: one a picture takes seconds to lay out
    for index, (picture, (text, right)) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(index, columns)
        left, bottom = cell_width * column + 0.05, 0.4 + cell_height * (row + 1)
        extent = (left, left + 3.9, bottom, bottom - 3.9 * height / width)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
        style = {"fontsize": 14, "ha": "center", "color": "tab:green" if right else "tab:red"}
        axes.text(left + 3.9 / 2, extent[3] - 0.08, text, **style)
    axes.text(size[0] / 2, 0.3, title, fontsize=14, ha="center")
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")
    figure.savefig(path)


def save_curves(path, histories, panels, title):
    """Write curves of one or more histories over the epochs, a panel for each group of columns.

    Args:
        path: file to write.
        histories: {label: history as from `shared_files.read_history`}.
        panels: {panel's title: names of its columns}; the held-out `val_` twin of a column is dashed.
        title: of the figure.
    """
    columns_wide = min(4, len(panels))
    rows = ceil(len(panels) / columns_wide)
    figure = Figure(figsize=(4.5 * columns_wide, 3.5 * rows + 0.3), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=10)
    alone = len(histories) == 1
    for index, (heading, columns) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns_wide, index + 1)
        for label, history in histories.items():
            epochs = history["epoch"]
            marker = "." if len(epochs) < 20 else None
            for column in columns:
                (line,) = axes.plot(epochs, history[column], marker=marker, label=column if alone else label)
                if f"val_{column}" in history:
                    held_out = f"{column}, held out" if alone else None
                    axes.plot(epochs, history[f"val_{column}"], "--", color=line.get_color(), label=held_out)
        axes.set(title=heading, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if alone:
            axes.legend(fontsize=8)
    if not alone:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path)


def draw_map(axes, values, names, columns, colours, low, signed=False):
    """Draw numbers as a table in colours, and return the picture, for a colour bar.

    Args:
        axes: of Matplotlib, to draw into.
        values: float (rows, columns); beyond `low` and 1 they have the colours of those.
        names: of the rows.
        columns: their names.
        colours: name of a colour map.
        low: value that has the first colour; 1 has the last.
        signed: whether each number has a sign.
    """
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(values):
        text, colour = f"{value:{'+' if signed else ''}.2f}", "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    return image


def read_picture(path):
    """Return a picture file as RGB of PIL; raise `InputError` if it is damaged."""
    try:
        return Image.open(path).convert("RGB")
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path}: is damaged ({error}); it may be deleted.") from error


def save_gif(path, pictures):
    """Write PIL pictures of one width, cut from above to one height, as an endless animation, four a second."""
    height = min(picture.height for picture in pictures)  # the titles of some may take a line more
    pictures = [picture.crop((0, picture.height - height, picture.width, picture.height)) for picture in pictures]
    first, *others = [picture.quantize(128) for picture in pictures]
    durations = [250] * len(others) + [2000]  # milliseconds
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)
