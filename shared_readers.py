"""Readers of glyphs: a network that tells digits, or letters, trained once and kept, and what it sees in pictures."""

import keras
import numpy as np
from keras import layers

import shared_data
from shared_blocks import GLYPH_SHAPE
from shared_checkpoints import assign, state_variables, to_arrays
from shared_figures import to_unit
from shared_files import InputError, digest, fingerprint, make_folder, read_arrays, write_arrays
from shared_training import SeedEachEpoch, device_layout, predict

READER_EPOCHS = 6
READER_BATCH_SIZE = 128


def reader_epochs(quick):
    """Return for how many epochs a reader is trained, one if it is for a first look."""
    return 1 if quick else READER_EPOCHS


def build_reader(classes, seed):
    """Return a compiled reader with new weights: (batch, 28, 28) in [0, 1] -> probabilities (batch, classes)."""
    keras.utils.set_random_seed(seed)
    picture = keras.Input(GLYPH_SHAPE, name="picture")
    x = layers.Reshape((*GLYPH_SHAPE, 1), name="channel")(picture)
    for index, filters in enumerate((32, 64), start=1):
        x = layers.Conv2D(filters, kernel_size=3, activation="relu", name=f"conv_{index}")(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(128, activation="relu", name="dense")(x)
    x = layers.Dense(classes, activation="softmax", name="character")(x)
    reader = keras.Model(picture, x, name="reader")
    reader.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return reader


def train_reader(reader, batches, seed, epochs):
    """Train a compiled reader on `shared_training.Batches` of pictures in [0, 1] and int labels, in a seed's order."""
    reader.fit(batches, epochs=epochs, shuffle=False, callbacks=[SeedEachEpoch(seed, batches)], verbose=2)


def find_reader(batches, classes, seed, epochs, *settings):
    """Return a reader, trained now or, on the same arrays, before.

    It is kept in `data/` under a name that follows from arrays, model, seed, epochs, batch size and settings.

    Args:
        batches: `shared_training.Batches` of pictures (batch, 28, 28) in [0, 1] and int labels (batch,).
        classes: number of labels.
        seed: of weights and order.
        epochs: to train it for.
        settings: plain values by which the batches' transform can change.
    """
    reader = build_reader(classes, seed)
    name = digest(
        fingerprint(*batches.arrays, batches.rows), reader.get_config(), seed, epochs, batches.batch_size, *settings
    )
    path = shared_data.DATA_DIR / f"reader_{name}.npz"
    one_process = device_layout()[1] == 1  # another process might not have it, and must not train it alone
    if one_process and path.exists():
        try:
            assign(state_variables(reader), read_arrays(path))
            return reader
        except InputError as error:
            print(f"Warning: {path}: is made anew ({error})")
    steps = f"{epochs} epochs of {len(batches)} steps"
    print(f"Training the reader, once: {steps}; an epoch on all of MNIST takes 10 to 20 s.")
    train_reader(reader, batches, seed, epochs)
    try:
        make_folder(path.parent)
        write_arrays(path, **to_arrays(state_variables(reader), "state"))
    except (InputError, OSError) as error:
        print(f"Warning: the reader could not be kept in {path.parent} ({error}); the run goes on without.")
    return reader


def read(reader, pictures):
    """Return the labels that the reader sees: pictures (..., 28, 28) in [0, 1] -> int (...)."""
    return read_surely(reader, pictures)[0]


def read_surely(reader, pictures):
    """Return the labels that the reader sees, as `read`, and how probable it holds them, (...)."""
    seen = predict(reader, pictures.reshape(-1, *GLYPH_SHAPE))
    return tuple(values.reshape(pictures.shape[:-2]) for values in (seen.argmax(-1), seen.max(-1)))


def reader_accuracy(reader, glyphs):
    """Return the share of glyphs, a pair of uint8 (count, 28, 28) and labels (count,), that the reader reads right."""
    return float(np.mean(read(reader, to_unit(glyphs[0])) == glyphs[1]))


def diversity(generated, pictures, labels, classes=10):
    """Return how much generated glyphs of a label differ from each other, as a share of how much real ones do.

    It is the standard deviation of each pixel over all glyphs of a label, averaged over pixels and labels; one mean
    picture for each label would have 0.

    Args:
        generated: (count, 3, 28, 28), or (count, 28, 28), in [0, 1].
        pictures: uint8 of that shape, the real glyphs.
        labels: their labels (count, 3), or (count,).
        classes: the labels 0, 1, ... below which count; of arithmetic the ten digits, not the signs.

    Returns:
        float; 0.0 if there is no such label, or one real glyph of each alone.
    """
    there = [label for label in range(classes) if (labels == label).any()]
    spread = [
        np.sum([values[labels == label].std(axis=0).mean() for label in there])
        for values in (generated, to_unit(pictures))
    ]
    return float(spread[0] / spread[1]) if spread[1] else 0.0
