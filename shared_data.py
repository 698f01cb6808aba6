"""Pictures in, as uint8 arrays: a folder, a `.npy` file or MNIST; where there are none, drawn faces and digits."""

import hashlib
import os
import secrets
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# Read when OpenCV is loaded: a damaged header can claim any size, and memory would be taken for it.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

import cv2
import keras
import numpy as np

DATA_DIR = Path(__file__).resolve().parent / "data"
CELEBA_DIR = DATA_DIR / "celeba"  # pictures put here are used when no --data is given
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
CENTRE_CROP = True  # False squashes pictures that are not square, as the report did
DRAWN_FACES = 2_000  # pictures in the stand-in set
DRAWN_DIGITS = {"train": 20_000, "test": 4_000}
MNIST_CRC = 0xF3639B56  # of its training digits
FONTS = [getattr(cv2, f"FONT_HERSHEY_{name}") for name in ("SIMPLEX", "DUPLEX", "TRIPLEX", "SCRIPT_COMPLEX")]


class InputError(Exception):
    """Something the user gave that the user can mend; its text is the one line that says what and how."""


def find_images(data, size, limit, seed):
    """Return the pictures a run works on, and say in one printed line what they are.

    Args:
        data: an image folder or a `.npy` file; None takes `data/celeba/` if it holds pictures, else draws faces.
        size: height and width of the returned pictures, in pixels.
        limit: largest number of pictures to return.
        seed: of the drawn faces.

    Returns:
        images: uint8 (count, size, size, 3), RGB, 0..255; memory-mapped where that is possible.
        source: a short text for titles and settings, such as "10,000 pictures of celeba".

    Raises:
        InputError: as `load_images`.
    """
    if data is None and not (CELEBA_DIR.is_dir() and list_images(CELEBA_DIR)):
        images = draw_faces(min(limit, DRAWN_FACES), size, seed)
        source = f"{len(images):,} drawn faces (stand-in data)"
        print(f"Data: {source}, since there is no --data and no picture in {CELEBA_DIR}.")
    else:
        path = Path(data or CELEBA_DIR)
        images = load_images(path, size, limit)
        source = f"{len(images):,} pictures of {path.resolve().stem}{'' if CENTRE_CROP else ', squashed'}"
        print(f"Data: {source} ({path}).")
        if len(images) < limit:
            print(f"Warning: the limit is {limit:,} pictures; there are {len(images):,}.")
    return images, source


def load_images(path, size, limit=20_000):
    """Return the first `limit` pictures of a folder or a `.npy` file at one size.

    A folder is searched with all folders below it, in sorted order. Grey, RGBA (its alpha is ignored), 16-bit and
    EXIF-rotated pictures become upright 8-bit RGB; damaged ones and those of more than 100 million pixels are skipped.
    Pictures that are not square lose their longer ends first (`CENTRE_CROP`). The result is cached in `data/` and made
    anew when a file, the size or the limit changes.

    Args:
        path: folder with jpg, jpeg, png, webp or bmp files, or a `.npy` file of uint8 (count, height, width, 3).
        size: height and width of the returned pictures, in pixels.
        limit: largest number of pictures to return.

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
        return convert_once(path, files, files, read_image, size, limit)
    if path.suffix == ".npy" and path.is_file():
        pictures = open_array(path)[:limit]
        if pictures.shape[1:3] == (size, size):
            return pictures
        return convert_once(path, [path], pictures, np.asarray, size, limit)
    raise InputError(f"{path}: no such folder or .npy file.")


def list_images(folder):
    """Return the sorted paths of all pictures in `folder` and below, without hidden files."""
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )


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
        InputError: the file has gone.
    """
    try:
        # Reading and decoding apart also works for names that are not ASCII on Windows.
        data = path.read_bytes()
        cut_off = data.startswith(b"\x89PNG") and not png_is_whole(data)
        image = None if cut_off else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except FileNotFoundError as error:
        raise InputError(f"{path}: has gone while the pictures were read.") from error
    except (OSError, cv2.error):
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def png_is_whole(data):
    """Say whether a PNG file is as long as its chunks claim; OpenCV takes memory for all that they claim."""
    place, name = 8, None  # behind the signature; a chunk has its length, a name, content and a checksum
    while place < len(data) and name != b"IEND":  # some programs add bytes of their own behind the last chunk
        name = data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return name == b"IEND" and place <= len(data)


def resize_square(image, size):
    """Return uint8 (height, width, 3) as (size, size, 3), antialiased; the centre square of it if `CENTRE_CROP`."""
    height, width = image.shape[:2]
    if CENTRE_CROP:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    shrinks = size < min(image.shape[:2])
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def convert_once(path, files, items, read, size, limit):
    """Return all `items` of the source `path` as one array, from the cache if its files have not changed.

    Args:
        path: the source, named in the cache's file name and in errors.
        files: the files whose names, sizes and times tell whether the cache still holds.
        items: what to convert, in order; `read(item)` gives uint8 (height, width, 3) or None.
        read: see `items`.
        size: height and width of the result, in pixels.
        limit: the largest number of items that was asked for.

    Returns:
        uint8 array (count, size, size, 3).

    Raises:
        InputError: no item could be read, or a file has gone.
    """
    # What was asked for names the family, the state of the files the member: a new member replaces its family.
    family = f"{path.resolve().stem}_{size}x{size}_{digest(path.resolve(), limit, CENTRE_CROP)}"
    try:
        states = [(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    cache = DATA_DIR / f"{family}_{digest(*states)}.npy"
    if cache.exists():
        try:
            return open_array(cache)
        except InputError:
            print(f"Warning: {cache} is damaged and is made anew.")
    images = convert(path, items, read, size)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(cache) as unfinished, open(unfinished, "wb") as file:
            np.save(file, images)
        for old in set(DATA_DIR.glob(f"{family}_*.npy")) - {cache}:
            old.unlink()
        return open_array(cache)
    except OSError as error:
        print(f"Warning: the pictures could not be cached in {DATA_DIR} ({error.strerror}); the run goes on without.")
        return images


def convert(path, items, read, size):
    """Return all readable `items` as uint8 (count, size, size, 3), on all cores; name how many were skipped."""
    images = np.empty((len(items), size, size, 3), np.uint8)

    def fill(index):
        image = read(items[index])
        if image is not None:
            images[index] = resize_square(image, size)
        return image is not None

    print(f"Converting {len(items):,} pictures of {path} to {size}x{size}, once.")
    progress = keras.utils.Progbar(len(items), verbose=1 if sys.stdout.isatty() else 0, unit_name="picture")
    readable = np.zeros(len(items), bool)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, readable[index] in enumerate(pool.map(fill, range(len(items)))):
            progress.update(index + 1)
    skipped = np.flatnonzero(~readable)
    if len(skipped) == len(items):
        raise InputError(f"{path}: none of its {len(items):,} pictures can be read.")
    if len(skipped):
        names = ", ".join(str(items[index]) for index in skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        print(f"Warning: {len(skipped):,} unreadable pictures are skipped: {names}")
        images = images[readable]
    return images


@contextmanager
def written_whole(path):
    """Give another path to write to, and rename it to `path` in the end: nobody, at no moment, finds half a file."""
    unfinished = path.with_name(f"unfinished_{secrets.token_hex(4)}_{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def digest(*parts):
    """Return ten hexadecimal digits that stand for the given values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:10]


def split_held_out(count, share, seed):
    """Return the shuffled row numbers of a training set and of a held-out set.

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
            source = "drawn digits (stand-in data)"
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


def draw_digits(count, seed):
    """Return drawn digits, which stand in for handwritten ones: uint8 (count, 28, 28), 0..255, and uint8 (count,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    return np.stack([draw_digit(rng, label) for label in labels]), labels


def draw_digit(rng, digit):
    """Return one digit in a random font, turned, sheared and bent: uint8 (28, 28), white on black."""
    side = 56  # drawn at twice the size
    canvas = np.zeros((side, side), np.uint8)
    font = FONTS[rng.integers(len(FONTS))]
    size, thickness = rng.uniform(1.2, 1.7), int(rng.integers(2, 6))
    (width, height), _ = cv2.getTextSize(str(digit), font, size, thickness)
    cv2.putText(
        canvas, str(digit), ((side - width) // 2, (side + height) // 2), font, size, 255, thickness, cv2.LINE_AA
    )
    y, x = np.mgrid[:side, :side].astype(np.float32) - side / 2
    angle, shear, bend, phase = rng.normal(0, 0.15), rng.normal(0, 0.15), rng.normal(0, 2), rng.uniform(0, 6)
    from_x = np.cos(angle) * x - np.sin(angle) * y + shear * y + bend * np.sin(y / 9 + phase) + side / 2
    from_y = np.sin(angle) * x + np.cos(angle) * y + rng.normal(0, 1.5) + side / 2
    bent = cv2.remap(canvas, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_LINEAR)
    return cv2.resize(bent, (28, 28), interpolation=cv2.INTER_AREA)


def draw_sign(sign, rng):
    """Return "+" or "-" as anti-aliased lines with jittered ends: uint8 (28, 28), white on black."""
    canvas = np.zeros((28, 28), np.uint8)
    lines = [[(6, 14), (22, 14)], [(14, 6), (14, 22)]] if sign == "+" else [[(6, 14), (22, 14)]]
    thickness = int(rng.integers(2, 4))
    for line in lines:
        start, end = np.rint((np.array(line) + rng.normal(0, 1.2, (2, 2))) * 16).astype(int).tolist()
        cv2.line(canvas, start, end, 255, thickness, cv2.LINE_AA, 4)  # ends in sixteenths of a pixel
    return canvas


SKINS = np.array([(255, 224, 196), (241, 194, 155), (224, 172, 125), (198, 134, 90), (141, 85, 54), (90, 56, 38)])
HAIRS = np.array([(28, 22, 20), (62, 40, 26), (106, 68, 38), (168, 120, 60), (222, 188, 120), (190, 190, 190)])
IRISES = np.array([(70, 45, 25), (95, 120, 70), (70, 110, 160), (110, 110, 110)])


def draw_faces(count, size, seed):
    """Return drawn faces, which stand in for photographs; skin, hair, glasses, pose, mood, light and background vary.

    Args:
        count: number of faces.
        size: height and width, in pixels.
        seed: face i of a seed is the same for every count.

    Returns:
        uint8 array (count, size, size, 3), RGB, 0..255.
    """
    faces = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        faces[index] = draw_face(np.random.default_rng([seed, index]), size)
    return faces


def draw_face(rng, size):
    """Return one drawn face, uint8 (size, size, 3); `rng` decides everything about it."""
    sketch = Sketch(rng, 2 * size)  # drawn at twice the size and shrunk, which softens every edge
    skin, hair = blend(rng, SKINS), blend(rng, HAIRS)
    draw_head(rng, sketch, skin, hair)
    draw_eyes(rng, sketch, skin, hair)
    draw_nose_and_mouth(rng, sketch, skin)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    ramp = np.linspace(-0.5, 0.5, 2 * size)
    slope = np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None]
    lit = sketch.canvas * (rng.uniform(0.8, 1.08) * (1 + strength * slope))[..., None]
    return np.clip(np.rint(cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)), 0, 255).astype(np.uint8)


def blend(rng, palette):
    """Return a random mix of two neighbours of a palette, slightly tinted: float (3,), 0..255."""
    index, share = rng.integers(len(palette) - 1), rng.uniform()
    return np.clip(palette[index] * (1 - share) + palette[index + 1] * share + rng.normal(0, 5, 3), 0, 255)


class Sketch:
    """A canvas on which a head of random pose is drawn in its own coordinates.

    The head's centre is (0, 0), its half height 1, y points down; `yaw` and `nod` say how far its features are shifted
    by a turn of the head. `canvas` is float32 (side, side, 3), 0..255, and starts as a background of two colours.
    """

    def __init__(self, rng, side):
        self.tilt, self.yaw, self.nod = rng.normal(0, 6), rng.normal(0, 0.09), rng.normal(0, 0.04)
        self.scale = side * rng.uniform(0.33, 0.40)
        self.centre = side * rng.normal((0.5, 0.52), 0.02)
        turn = np.deg2rad(self.tilt)
        self.rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        top, bottom = rng.uniform(30, 240, (2, 3))
        ramp = np.linspace(0, 1, side)[:, None, None]
        self.canvas = np.repeat(top + (bottom - top) * ramp, side, axis=1).astype(np.float32)

    def place(self, x, y):
        """Return a point in sixteenths of a pixel, which is OpenCV's `shift=4`."""
        return tuple(int(value) for value in (self.centre + self.rotation @ (x, y) * self.scale) * 16)

    def oval(self, x, y, width, height, colour, *, arc=(0, 360), line=None):
        """Fill an ellipse of half axes `width` and `height`, or the part of it that `arc` (degrees) cuts off."""
        axes = (int(width * self.scale * 16), int(height * self.scale * 16))
        thickness = -1 if line is None else max(1, round(line * self.scale))
        cv2.ellipse(self.canvas, self.place(x, y), axes, self.tilt, *arc, tuple(colour), thickness, cv2.LINE_AA, 4)

    def stroke(self, points, colour, width):
        """Draw a line through `points`."""
        corners = np.array([self.place(x, y) for x, y in points], np.int32)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(self.canvas, [corners], False, tuple(colour), thickness, cv2.LINE_AA, 4)


def draw_head(rng, sketch, skin, hair):
    """Draw shoulders, neck, head, and hair of one of four styles, perhaps with a beard."""
    style = rng.choice(["bald", "short", "side", "long"], p=[0.08, 0.37, 0.2, 0.35])
    jaw = rng.uniform(0.68, 0.80)
    shadow = skin * 0.82
    if style == "long":
        sketch.oval(0, 0.15, jaw + 0.26, rng.uniform(1.15, 1.45), hair)
    sketch.oval(0, 1.85, 1.35, 0.75, rng.uniform(20, 235, 3))
    sketch.stroke([(0, 0.7), (0, 1.25)], shadow, 0.62)
    if style in ("short", "side"):
        sketch.oval(0, -0.22, jaw + 0.11, 0.92, hair)
    if style != "long":
        for ear in (-1, 1):
            sketch.oval(ear * (jaw + 0.01) - 0.4 * sketch.yaw, 0.05, 0.12, 0.2, shadow)
    sketch.oval(0, 0, jaw, 1.0, skin)
    if style != "long" and rng.uniform() < 0.18:
        sketch.oval(0, 0.02, jaw, 1.0, 0.65 * hair + 0.35 * skin, arc=(25, 155))
        sketch.oval(sketch.yaw, 0.3, 0.5 * jaw, 0.34, skin)
    if style != "bald":
        sketch.oval(0, -0.05, jaw + 0.04, 1.0, hair, arc=(205 + rng.uniform(-6, 6), 335 + rng.uniform(-6, 6)))
    if style in ("side", "long"):
        sketch.oval(rng.choice([-1, 1]) * 0.34, -0.66, 0.52, 0.30, hair)


def draw_eyes(rng, sketch, skin, hair):
    """Draw eyes and brows, and glasses on one face in five."""
    y, gap, middle = -0.08 + sketch.nod, rng.uniform(0.30, 0.36), 1.6 * sketch.yaw
    openness, gaze, iris = rng.uniform(0.06, 0.12), rng.normal(0, 0.03) + 0.3 * sketch.yaw, blend(rng, IRISES)
    brow, brow_tilt, brow_width = rng.uniform(0.17, 0.24), rng.normal(0, 0.04), rng.uniform(0.04, 0.08)
    brow_colour = 0.8 * hair if hair.mean() < 150 else 0.6 * skin
    glasses = rng.uniform(10, 90, 3) if rng.uniform() < 0.2 else None
    for side in (-1, 1):
        x = middle + side * gap * (1 - side * sketch.yaw)
        sketch.oval(x, y, 0.17, openness + 0.04, 0.82 * skin)
        sketch.oval(x, y, 0.15, openness, (245, 243, 240))
        sketch.oval(x + gaze, y, 0.075, min(0.075, openness), iris)
        sketch.oval(x + gaze, y, 0.035, min(0.035, openness), (15, 12, 12))
        lid = [(x - 0.16, y - 0.3 * openness), (x, y - openness), (x + 0.16, y - 0.3 * openness)]
        sketch.stroke(lid, 0.4 * hair, 0.03)
        arch = [(x - side * 0.16, y - brow + brow_tilt), (x, y - brow - 0.04), (x + side * 0.18, y - brow)]
        sketch.stroke(arch, brow_colour, brow_width)
        if glasses is not None:
            sketch.oval(x, y, 0.25, 0.2, glasses, line=0.04)
    if glasses is not None:
        sketch.stroke([(middle - gap + 0.25, y - 0.03), (middle + gap - 0.25, y - 0.03)], glasses, 0.045)


def draw_nose_and_mouth(rng, sketch, skin):
    """Draw the nose and a mouth between a frown and an open smile."""
    yaw, nod = sketch.yaw, sketch.nod
    nose = [(1.6 * yaw - 0.03, nod), (2.2 * yaw + 0.07, 0.26 + nod), (2.2 * yaw - 0.08, 0.28 + nod)]
    sketch.stroke(nose, 0.82 * skin, 0.05)
    x, y, width, smile = 1.7 * yaw, 0.54 + nod, rng.uniform(0.20, 0.32), rng.uniform(-0.03, 0.14)
    lips = skin * (0.86, 0.58, 0.58)
    if smile > 0.03 and rng.uniform() < 0.4:
        sketch.oval(x, y - smile, width, 1.1 * smile + 0.08, lips, arc=(0, 180))
        sketch.oval(x, y - smile + 0.02, 0.82 * width, 0.8 * smile + 0.03, (248, 246, 242), arc=(0, 180))
    else:
        curve = [(x - width, y - smile), (x, y + 0.35 * smile), (x + width, y - smile)]
        sketch.stroke(curve, lips, rng.uniform(0.07, 0.13))
        sketch.stroke(curve, 0.6 * lips, 0.03)
