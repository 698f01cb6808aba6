"""Pictures and digits in, as uint8 arrays: a folder, a `.npy` file, MNIST, and what is drawn where there are none."""

import os
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from glob import escape
from pathlib import Path

import keras
import numpy as np

from shared_drawings import STAND_IN, cv2, draw_digits, draw_faces  # OpenCV as it is set up there
from shared_files import InputError, digest, first_of, picture_is_whole, written_whole

PICTURES_FLAG = ("--data", "folder of pictures or .npy file (data/celeba/, else drawn faces)")
DIGITS_FLAG = ("--mnist", "MNIST as .npz file (keras.datasets, else drawn digits)")
DATA_DIR = Path(__file__).resolve().parent / "data"
CELEBA_DIR = DATA_DIR / "celeba"  # pictures put here are used when no --data is given
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
DRAWN_FACES = 2_000  # pictures in the stand-in set
DRAWN_DIGITS = {"train": 20_000, "test": 4_000}
MNIST_CRC = 0xF3639B56  # of its training digits


def find_images(data, size, limit, seed, centre_crop=True):
    """Return the pictures a run works on, and say in one printed line what they are.

    Args:
        data: an image folder or a `.npy` file; None takes `data/celeba/` if it holds pictures, else draws faces.
        size: height and width of the returned pictures, in pixels.
        limit: largest number of pictures to return.
        seed: of the drawn faces.
        centre_crop: as for `load_images`.

    Returns:
        images: uint8 (count, size, size, 3), RGB, 0..255; memory-mapped where that is possible.
        source: a short text for titles and settings, such as "10,000 pictures of celeba".

    Raises:
        InputError: as `load_images`.
    """
    if data is None and not (CELEBA_DIR.is_dir() and list_images(CELEBA_DIR)):
        images = draw_faces(min(limit, DRAWN_FACES), size, seed)
        source = f"{len(images):,} drawn faces ({STAND_IN})"
        print(f"Data: {source}, since there is no --data and no picture in {CELEBA_DIR}.")
    else:
        path = Path(data or CELEBA_DIR)
        images = load_images(path, size, limit, centre_crop)
        name = path.resolve().name.removesuffix(".npy")
        source = f"{len(images):,} pictures of {name}{'' if centre_crop else ', squashed'}"
        print(f"Data: {source} ({path}).")
        if len(images) < limit:
            print(f"Warning: the limit is {limit:,} pictures; there are {len(images):,}.")
    return images, source


def load_images(path, size, limit=20_000, centre_crop=True):
    """Return the first `limit` pictures of a folder or a `.npy` file at one size.

    A folder is searched with all folders below it, in sorted order. Grey, RGBA (its alpha is ignored), 16-bit and
    EXIF-rotated pictures become upright 8-bit RGB; damaged ones and those of more than 100 million pixels are skipped.
    The result is cached in `data/` and made anew when a file, the size or the limit changes.

    Args:
        path: folder with jpg, jpeg, png, webp or bmp files, or a `.npy` file of uint8 (count, height, width, 3).
        size: height and width of the returned pictures, in pixels.
        limit: largest number of pictures to return.
        centre_crop: whether pictures that are not square lose their longer ends; else they are squashed.

    Returns:
        uint8 array (count, size, size, 3), RGB, 0..255, memory-mapped unless `data/` cannot be written.

    Raises:
        InputError: no such path, no (readable) picture in it, an array of another shape or type, or a file that goes
            while it is read.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        files = list_images(path)[:limit]
        if not files:
            raise InputError(f"{path}: no pictures in this folder ({', '.join(sorted(SUFFIXES))}).")
        return convert_once(path, files, files, read_image, size, limit, centre_crop)
    if path.suffix == ".npy" and path.is_file():
        pictures = open_array(path)[:limit]
        if pictures.shape[1:3] == (size, size):
            return pictures
        return convert_once(path, [path], pictures, np.asarray, size, limit, centre_crop)
    raise InputError(f"{path}: no such folder or .npy file.")


def list_images(folder):
    """Return the sorted paths of all pictures in `folder` and below, without hidden files and folders.

    Raises:
        InputError: a folder cannot be read.
    """

    def refuse(error):
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        seen = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
        found += [Path(parent, name) for name in seen]
    return sorted(found)


def open_array(path):
    """Return a `.npy` file's uint8 (count, height, width, 3), memory-mapped; raise `InputError` if it holds no such."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # refuses pickles and archives
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path}: not a readable .npy file of plain numbers ({error}).") from error
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise InputError(f"{path}: holds {array.dtype} {array.shape}; wanted is uint8 (count, height, width, 3).")
    return array


def read_image(path):
    """Return the picture in a file as upright uint8 (height, width, 3) RGB, or None if it cannot be read.

    Raises:
        InputError: the file has gone, or reading is not allowed.
    """
    try:
        data = path.read_bytes()  # apart from decoding, which on Windows takes ASCII names alone
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if picture_is_whole(data) else None
    except OSError as error:  # which would be cached if the picture were skipped
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except cv2.error:
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def resize_square(image, size, centre_crop=True):
    """Return uint8 (height, width, 3), or the centre square of it, as (size, size, 3), antialiased."""
    if centre_crop:
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    height, width = image.shape[:2]
    shrunk = cv2.resize(image, (min(size, width), min(size, height)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)  # what is smaller is enlarged


def convert_once(path, files, items, read, size, limit, centre_crop):
    """Return all `items` of the source `path` as one array, from the cache if its files have not changed.

    Args:
        path: the source, named in the cache's file name and in errors.
        files: the files whose names, sizes and times tell whether the cache still holds.
        items: what to convert, in order; `read(item)` gives uint8 (height, width, 3) or None.
        read: see `items`.
        size: height and width of the result, in pixels.
        limit: the largest number of items that was asked for.
        centre_crop: as for `load_images`.

    Returns:
        uint8 array (count, size, size, 3).

    Raises:
        InputError: no item could be read, or a file has gone.
    """
    # What was asked for names the family, the files' state the member, which replaces the family.
    family = f"{path.resolve().stem}_{size}x{size}_{digest(path.resolve(), limit, centre_crop)}"
    try:
        states = [(file.relative_to(path), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    cache = DATA_DIR / f"{family}_{digest(*states)}.npy"
    if cache.exists():
        with suppress(InputError):
            pictures = open_array(cache)
            if pictures.shape[1:3] == (size, size):
                return pictures
        print(f"Warning: {cache} is damaged and is made anew.")
    images = convert(path, items, read, size, centre_crop)
    try:
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        with written_whole(cache) as unfinished, open(unfinished, "wb") as file:
            np.save(file, images)
        for old in set(DATA_DIR.glob(f"{escape(family)}_*.npy")) - {cache}:
            old.unlink(missing_ok=True)
        return open_array(cache)
    except (InputError, OSError) as error:  # a full disk; another run that replaces the family at the same moment
        print(f"Warning: the pictures could not be cached in {DATA_DIR} ({error}); the run goes on without.")
        return images


def convert(path, items, read, size, centre_crop=True):
    """Return readable `items` as uint8 (count, size, size, 3), on all cores; raise `InputError` if there are none."""
    images = np.empty((len(items), size, size, 3), np.uint8)

    def fill(index):
        image = read(items[index])
        if image is not None:
            images[index] = resize_square(image, size, centre_crop)
            small[index] = min(image.shape[:2]) < size
            readable[index] = True

    print(f"Converting {len(items):,} pictures of {path} to {size}x{size}, once.")
    progress = keras.utils.Progbar(len(items), verbose=1 if sys.stdout.isatty() else 0, unit_name="picture")
    readable, small = np.zeros((2, len(items)), bool)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for count, _ in enumerate(pool.map(fill, range(len(items))), start=1):
            progress.update(count)
    if small.any():
        print(f"Note: {small.sum():,} of them are smaller and are enlarged, which blurs them.")
    skipped = np.flatnonzero(~readable)
    if not readable.any():
        raise InputError(f"{path}: none of its {len(items):,} pictures can be read.")
    if len(skipped):
        names = first_of([items[index] for index in skipped])
        print(f"Warning: {len(skipped):,} unreadable pictures are skipped: {names}")
        images = images[readable]
    return images


def split_held_out(count, share, seed):
    """Return the row numbers of a random training set and of the held-out rest.

    Args:
        count: number of rows to split.
        share: of the rows that is held out, 0 < share < 1; at least one row is.
        seed: of the shuffling.

    Returns:
        Two int arrays, sorted: rows to train on and rows held out, disjoint and together all.

    Raises:
        InputError: fewer than two rows.
    """
    if count < 2:
        raise InputError("At least 2 pictures are needed: one to train on and one held out.")
    rows = np.random.default_rng(seed).permutation(count)
    held_out = max(1, round(share * count))
    return np.sort(rows[held_out:]), np.sort(rows[:held_out])


def find_digits(path, seed):
    """Return handwritten digits, and say in one printed line what they are.

    Args:
        path: `.npz` file with `x_train`, `y_train`, `x_test`, `y_test`, as `keras.datasets.mnist` keeps it; None asks
            `keras.datasets`, which downloads it once, and draws digits if it cannot.
        seed: of the drawn digits.

    Returns:
        train: pair of uint8 (count, 28, 28), 0..255, white on black, and uint8 (count,), the digits 0..9.
        test: the same, of other writers.
        source: a short text for titles and settings.

    Raises:
        InputError: the file does not hold that.
    """
    if path is not None:
        path = Path(path).expanduser()
        train, test = load_digits(path)
        source = "MNIST" if zlib.crc32(train[0]) == MNIST_CRC else f"digits of {path.name}"
    else:
        try:
            train, test = keras.datasets.mnist.load_data()
            source = "MNIST"
        except Exception as error:  # keras raises plain Exception when it cannot download
            print(f"Warning: MNIST cannot be had ({error}); --mnist FILE takes it from a file.")
            train, test = (draw_digits(count, [seed, index]) for index, count in enumerate(DRAWN_DIGITS.values()))
            source = f"drawn digits ({STAND_IN})"
    print(f"Data: {source}, {len(train[0]):,} digits to train with and {len(test[0]):,} to test with.")
    return train, test, source


def load_digits(path):
    """Return (x_train, y_train), (x_test, y_test) of an `.npz` file; see `find_digits`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            train, test = (
                tuple(np.ascontiguousarray(file[f"{array}_{part}"]) for array in "xy") for part in ("train", "test")
            )
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path}: not a readable MNIST .npz file ({error}).") from error
    for images, labels in (train, test):
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            raise InputError(f"{path}: holds {images.dtype} {images.shape}; wanted is uint8 (count, 28, 28).")
        if set(np.unique(labels)) != set(range(10)):
            raise InputError(f"{path}: its labels are not the digits 0 to 9.")
    return train, test
