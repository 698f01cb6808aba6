"""Attributes of faces: known ones, a network that reads them, directions among codes, what a step along one does."""

from collections import Counter
from pathlib import Path

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

import shared_blocks
import shared_data
import shared_drawings
from shared_figures import DPI, draw_map, to_unit
from shared_files import InputError, first_of
from shared_networks import load_networks
from shared_training import Batches, mirrored


def read_attributes(path):
    """Return what a file in the layout of CelebA's `list_attr_celeba.txt` says.

    Its first line is the number of pictures, its second the names of the attributes; then there is a line for each
    picture: its file name, and 1 or -1 for each attribute.

    Returns:
        list of str, the names; {file name: text of its numbers}, in the file's order.

    Raises:
        InputError: it cannot be read, or is laid out otherwise.
    """
    try:
        count, names, *lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:  # fewer than two lines, or no text
        raise InputError(
            f"{path}: is no list of attributes (a count, their names, a line for each picture)."
        ) from error
    rows = dict(line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2)
    if not count.strip().isdecimal() or int(count) != len(rows):
        raise InputError(f"{path}: its first line says {count.strip()[:20]!r}; it has {len(rows):,} pictures.")
    return names.split(), rows


def labels_of(path, pictures):
    """Return the attributes of pictures from a file as `read_attributes` takes it.

    Args:
        path: the file.
        pictures: file names; or int, the number of pictures without names, which then go by the file's order.

    Returns:
        {attribute: bool (pictures,)}.

    Raises:
        InputError: a picture has no line, there are more or fewer lines than pictures without names, or a line has
            something else than a 1 or -1 for each attribute; as `read_attributes`.
    """
    names, rows = read_attributes(path)
    if isinstance(pictures, int):
        if len(rows) != pictures:
            raise InputError(f"{path}: has {len(rows):,} lines for {pictures:,} pictures without names.")
        pictures = list(rows)
    if missing := [name for name in pictures if name not in rows]:
        raise InputError(f"{path}: says nothing of {len(missing):,} pictures: {first_of(missing)}")
    table = [rows[name].split() for name in pictures]
    for name, row in zip(pictures, table, strict=True):
        if len(row) != len(names) or not {*row} <= {"1", "-1"}:
            raise InputError(f"{path}: its line of {name} is not a 1 or -1 for each of {len(names)} attributes.")
    return dict(zip(names, np.array(table).T == "1", strict=True))


def find_attributes(path, data, source, count, limit, seed):
    """Return the attributes of the pictures that `shared_data.find_images` has found: {attribute: bool (count,)}.

    Args:
        path: the file of `--attributes`; None leaves photographs without attributes, and says so in a printed line.
            Drawn faces have known ones.
        data: as for `find_images`.
        source: as from `find_images`.
        count: number of pictures that were found.
        limit: as for `find_images`.
        seed: of the drawn faces.

    Raises:
        InputError: a file is given for drawn faces; some files of a folder are no readable pictures, or have one name,
            so that names and pictures cannot be matched; as `labels_of`.
    """
    if shared_drawings.STAND_IN in source:
        if path is not None:
            raise InputError(f"{path}: attributes of photographs; there are only drawn faces (--data names pictures).")
        return shared_drawings.traits_of_faces(count, seed)
    if path is None:
        print("There is no --attributes: nothing is edited.")
        return {}
    folder = Path(data or shared_data.CELEBA_DIR).expanduser()
    if folder.is_file():
        labels = labels_of(path, len(shared_data.open_array(folder)))
        return {name: values[:count] for name, values in labels.items()}
    names = [picture.name for picture in shared_data.list_images(folder)[:limit]]
    if len(names) != count:
        raise InputError(f"{folder}: {len(names) - count:,} unreadable pictures must go before attributes are matched.")
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise InputError(f"{folder}: several pictures are called {first_of(twice)}; attributes go by their names.")
    return labels_of(path, names)


def choose(labels, wanted, rows):
    """Return the attributes in `wanted` that some of the pictures in `rows` have and some have not, in that order.

    Raises:
        InputError: there are labels, and none of these.
    """
    chosen = {name: labels[name] for name in wanted if name in labels and 0 < labels[name][rows].mean() < 1}
    if labels and not chosen:
        raise InputError(f"--attributes: tells nothing apart of {', '.join(wanted)}.")
    if dropped := [name for name in wanted if name in labels and name not in chosen]:
        print(f"Note: all training pictures are alike in {', '.join(dropped)}, which is left out.")
    return chosen


def to_reader_batch(images, labels, rng):
    """Return uint8 pictures in [0, 1], mirrored at random, and labels as float32: a `transform` of `Batches`."""
    return to_unit(mirrored(images, rng)), labels.astype(np.float32)


def balanced_cross_entropy(shares):
    """Return the binary cross-entropy in which having and not having an attribute weigh the same.

    So 0.5 is the border for rare attributes, too.

    Args:
        shares: float (attributes,), of the training pictures that have each, above 0 and below 1.
    """
    shares = np.asarray(shares, np.float32)

    def loss(labels, probabilities):
        weights = ops.where(labels > 0.5, 0.5 / shares, 0.5 / (1 - shares))
        return ops.mean(weights * keras.losses.binary_crossentropy(labels[..., None], probabilities[..., None]), -1)

    return loss


def train_reader(part, images, labels, train_rows, held_out_rows, *, epochs, filters, batch_size, learning_rate):
    """Return a network that reads attributes, trained in a part of a run: (batch, h, w, 3) in [0, 1] -> probabilities.

    Args:
        part: as from `shared_run.Run.part`; its folder gets the network, reader.keras.
        images: uint8 (count, height, width, 3).
        labels: {attribute: bool (count,)}.
        train_rows: row numbers of the pictures to train on.
        held_out_rows: of the others.
        epochs: to train for.
        filters: of its convolutions.
        batch_size: pictures in a step.
        learning_rate: at the start; it falls to 0 along a cosine.
    """
    if not part.is_done(epochs):
        table = np.stack([*labels.values()], axis=1)
        train, held_out = (
            Batches((images, table), rows, batch_size, to_reader_batch) for rows in (train_rows, held_out_rows)
        )
        keras.utils.set_random_seed(part.args.seed)
        reader = shared_blocks.build_conv_net(
            image_shape=images.shape[1:],
            outputs=len(labels),
            filters=filters,
            activation="sigmoid",
            name="attribute_reader",
        )
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(train))
        loss = balanced_cross_entropy(table[train_rows].mean(axis=0))
        reader.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=0.05), loss=loss)
        history = part.fit(reader, train, epochs=epochs, validation_data=held_out)
        part.save_model("reader.keras", reader)
        part.finish(history, {"balanced cross-entropy": ["loss"]}, epochs)
    return load_networks(part.folder, "reader")[0]


def balanced_accuracy(labels, probabilities):
    """Return the mean share read right of the pictures that have an attribute and of those that have not.

    Args:
        labels: bool (count,).
        probabilities: float (count,); above 0.5 it is read.
    """
    right = (probabilities > 0.5) == labels
    return float(np.mean([right[labels == value].mean() for value in np.unique(labels)]))


def unit_directions(codes, labels):
    """Return two directions for each attribute, of length 1: {kind: float32 (attributes, latent_dim)}.

    "means" leads from the mean code without the attribute to that with it, and so carries along what goes with it in
    the data. "others held equal" is the attribute's coefficients in a least-squares fit of the codes to all attributes:
    how codes differ by it among pictures that are alike in the others, as far as these add up.

    Args:
        codes: float (count, latent_dim).
        labels: bool (count, attributes), each with both values.
    """
    means = [codes[has].mean(axis=0) - codes[~has].mean(axis=0) for has in labels.T]
    columns = np.column_stack([np.ones(len(codes)), labels])
    coefficients = np.linalg.lstsq(columns, codes, rcond=None)[0][1:]
    both = {"means": np.stack(means), "others held equal": coefficients}
    return {kind: to_unit_length(directions).astype(np.float32) for kind, directions in both.items()}


def to_unit_length(directions):
    """Return vectors (count, dimensions) divided by their lengths; those of length 0 stay."""
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions / np.where(lengths > 0, lengths, 1)


def steps_along(directions, codes, strength):
    """Return a step along each direction, `strength` standard deviations long: float32 (directions, latent_dim).

    Args:
        directions: float (directions, latent_dim), of length 1.
        codes: float (count, latent_dim), whose deviation along each direction counts.
        strength: number of deviations.
    """
    return (strength * (codes @ directions.T).std(axis=0)[:, None] * directions).astype(np.float32)


def measure_effects(read, codes, steps):
    """Return what is read, on average over codes, after a step back and a step forth: float (steps, 2, attributes).

    Args:
        read: function from codes (count, latent_dim) to probabilities (count, attributes).
        codes: float (count, latent_dim).
        steps: float (steps, latent_dim).
    """
    return np.array([[read(codes + sign * step).mean(axis=0) for sign in (-1, 1)] for step in steps])


def own_and_other_effects(changes):
    """Return how much edits change what they should, and the rest: means of the diagonal and of the size of all others.

    Args:
        changes: float (attributes, attributes), edited by read.
    """
    others = np.abs(changes)[~np.eye(len(changes), dtype=bool)]
    return float(np.mean(np.diag(changes))), float(others.mean()) if len(others) else 0.0


def save_matrices(path, matrices, columns, title):
    """Write matrices of changes of probabilities beside each other.

    Args:
        path: file to write.
        matrices: {heading: {edited attribute: changes of those read}}.
        columns: names of the attributes read.
        title: of the figure.
    """
    rows = max(map(len, matrices.values()))
    size = (len(matrices) * (0.55 * len(columns) + 2.2) + 1, 0.4 * rows + 2.2)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=9)
    all_axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (heading, matrix) in zip(all_axes, matrices.items(), strict=True):
        values = np.array([*matrix.values()])
        image = draw_map(axes, values, matrix, columns, "RdBu_r", -1, signed=True)
        axes.set_title(heading, fontsize=9)
        axes.set_xticklabels(columns, rotation=45, ha="right", fontsize=8)
        axes.tick_params("y", labelsize=8)
        axes.set(xlabel="read", ylabel="edited")
    figure.colorbar(image, ax=all_axes, label="change of the probability")
    figure.savefig(path)
