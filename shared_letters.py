"""Letters A to Z out of font files: drawn once, bent a little each time they are used, and compared by their style."""

from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics.pairwise import euclidean_distances

from shared_drawings import cv2  # OpenCV as it is set up there
from shared_files import InputError, find_folder, first_of
from shared_training import Batches

FONTS_FLAG = ("--data", "folder of TTF or OTF files (the faces of Matplotlib and of this machine)")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIDE = 28  # pixels, height and width of a letter
MASTER = 3 * SIDE  # pixels, at which a letter is drawn before it is bent and shrunk
CAPITAL = 18 * MASTER // SIDE  # height of a face's capitals
REACH = 12 * MASTER // SIDE  # from the middle, to which its largest letter goes
BENDS = 0.05, 0.7, 0.06  # deviations of the share by which the size changes, the place in pixels, the slant's tangent


def find_faces(data, limit):
    """Return the faces a run works on, and say in printed lines what they are.

    Args:
        data: folder of TTF and OTF files, searched with all folders below it; None takes the faces that Matplotlib
            brings and finds on the machine.
        limit: largest number of faces, in the order of their names; of files of one name the first is taken.

    Returns:
        names: list of the file names without suffix.
        masters: uint8 (faces, 26, MASTER, MASTER), white on black; a face's capitals have one height and one line.
        source: a short text for titles and settings.

    Raises:
        InputError: no such folder, or fewer than two font files with all letters in it.
    """
    if data is None:
        files = [Path(entry.fname) for entry in font_manager.fontManager.ttflist]
        where = "this machine"
    else:
        folder = find_folder(data)
        files = [path for path in folder.rglob("*") if not path.name.startswith(".")]
        where = folder.resolve().name
    paths = {path.stem: path for path in sorted(files, reverse=True) if path.suffix.lower() in (".ttf", ".otf")}
    faces, skipped = {}, []
    for name, path in sorted(paths.items()):
        if len(faces) < limit:
            letters = draw_face(path)
            if letters is None:
                skipped.append(path.name)
            else:
                faces[name] = letters
    if skipped:
        print(f"Warning: {len(skipped):,} font files are damaged or lack letters and are skipped: {first_of(skipped)}")
    if len(faces) < 2:
        raise InputError(f"{where}: {len(faces)} faces with all letters A to Z (.ttf, .otf, --limit); 2 are needed.")
    source = f"{len(faces):,} faces of {where}"
    print(f"Data: {source}: {first_of(faces, 5)}.")
    return list(faces), np.stack(list(faces.values())), source


def draw_face(path):
    """Return a font file's letters, uint8 (26, MASTER, MASTER), or None if it cannot be read or has not all of them.

    What a font draws in place of a letter that it lacks, often a box, is no letter: its character map is asked. A face
    that leaves letters blank, or draws one picture for several of them, does not have them either.
    """
    try:
        with TTFont(path, lazy=True) as font:
            known = font.getBestCmap() or {}
        if not all(ord(letter) in known for letter in LETTERS):
            return None
        font = ImageFont.truetype(path, MASTER)
        boxes = np.array([font.getbbox(letter, anchor="ls") for letter in LETTERS])  # left, top, right, bottom
        capital = max(-np.median(boxes[:, 1]), 1)
        widest = (boxes[:, 2] - boxes[:, 0]).max() / 2
        farthest = max(widest, np.abs(boxes[:, [1, 3]] + capital / 2).max())
        scale = min(CAPITAL / capital, REACH / farthest)
        font = ImageFont.truetype(path, MASTER * scale)
        letters = np.stack([draw_letter(font, letter, capital * scale) for letter in LETTERS])
    except Exception:  # nearly anything, of a damaged file
        return None
    return letters if len(np.unique(letters, axis=0)) == len(LETTERS) else None


def draw_letter(font, letter, capital):
    """Return one letter, uint8 (MASTER, MASTER), its ink in the middle from left to right, capitals from top to bottom.

    Args:
        font: of PIL.
        letter: one character.
        capital: height of the face's capitals, in pixels.
    """
    picture = Image.new("L", (3 * MASTER, MASTER))  # wide, since ink can lie far from where a font says
    place = (3 * MASTER / 2, (MASTER + capital) / 2)
    ImageDraw.Draw(picture).text(place, letter, fill=255, font=font, anchor="ms")
    columns = np.flatnonzero(np.asarray(picture).any(axis=0))
    left = (columns[0] + columns[-1] + 1 - MASTER) // 2
    return np.asarray(picture)[:, left : left + MASTER]


def bend(masters, rng):
    """Return letters at SIDE pixels, each a little larger or smaller, moved and slanted, from a normal distribution.

    Args:
        masters: uint8 (count, MASTER, MASTER).
        rng: `numpy.random.Generator`; None leaves them as they are but for the size.

    Returns:
        uint8 (count, SIDE, SIDE).
    """
    resize, move, slant = BENDS
    sizes, slants, *moves = np.zeros((4, len(masters))) if rng is None else rng.standard_normal((4, len(masters)))
    middle, pixel = MASTER / 2, MASTER / SIDE
    letters = np.empty((len(masters), SIDE, SIDE), np.uint8)
    for index, master in enumerate(masters):
        size = 1 + resize * sizes[index]
        turn = size * np.array([[1, -slant * slants[index]], [0, 1]])
        shift = middle - turn @ [middle, middle] + [move * pixel * each[index] for each in moves]
        bent = cv2.warpAffine(master, np.column_stack([turn, shift]), (MASTER, MASTER), flags=cv2.INTER_LINEAR)
        letters[index] = cv2.resize(bent, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return letters


class Letters:
    """The letters of some faces, bent anew each time.

    Args:
        masters: uint8 (faces, 26, MASTER, MASTER), as from `shared_letters.find_faces`.

    Attributes:
        plain: uint8 (faces, 26, 28, 28), not bent.
        labels: int32 (faces * 26,), 0 for A.
    """

    def __init__(self, masters):
        self.masters = masters.reshape(-1, *masters.shape[2:])
        self.labels = np.tile(np.arange(len(LETTERS), dtype=np.int32), len(masters))
        self.plain = bend(self.masters, None).reshape(len(masters), len(LETTERS), SIDE, SIDE)

    def batches(self, batch_size, times, to_input=lambda letters: letters):
        """Return `Batches` of letters, uint8 (batch, 28, 28) through `to_input`, and labels, each so many times."""
        rows = np.tile(np.arange(len(self.labels)), times)
        arrays = (self.masters, self.labels)
        return Batches(arrays, rows, batch_size, lambda x, y, rng: (to_input(bend(x, rng)), y))

    def pick(self, labels, seed):
        """Return a random bent letter for each of int labels (count,): uint8 (count, 28, 28)."""
        rng = np.random.default_rng(seed)
        faces = rng.integers(0, len(self.plain), len(labels))
        return bend(self.masters[len(LETTERS) * faces + labels], rng)


def face_distances(alphabets, faces, letters):
    """Return how far alphabets are from faces in some letters, (alphabets, faces): root mean squares, in grey values.

    Args:
        alphabets: uint8 (alphabets, 26, 28, 28).
        faces: uint8 (faces, 26, 28, 28).
        letters: numbers of the letters that count.
    """
    one, two = (each[:, letters].reshape(len(each), -1).astype(np.float32) for each in (alphabets, faces))
    return euclidean_distances(one, two) / np.sqrt(one.shape[1])


def style_kept(alphabets, faces, near):
    """Return the share of alphabets with one style: the face nearest in A to M is among the `near` nearest in N to Z.

    By chance it is `near` divided by the number of faces, and with no more faces than that always 1.
    """
    first, second = (face_distances(alphabets, faces, half) for half in np.split(np.arange(len(LETTERS)), 2))
    distance = np.take_along_axis(second, first.argmin(axis=1)[:, None], axis=1)
    return float(np.mean(np.sum(second < distance, axis=1) < near))
