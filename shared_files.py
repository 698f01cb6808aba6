"""Files that are whole or not there, what tells contents apart, and the error that a user reads as one line."""

import csv
import hashlib
import io
import json
import os
import re
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PNG, JPEG = b"\x89PNG", b"\xff\xd8\xff"  # first bytes of such files
LOCKS = {}  # files by their numbers; to open one again and close it would end this process's lock on it


class InputError(Exception):
    """Something that the user can mend; its text is the one line that says what and how."""


def first_of(names, count=3):
    """Return the first few of many texts as one, with dots if there are more: "a, b, c, ..."."""
    names = [str(name) for name in names]
    return ", ".join([*names[:count], *(["..."] if len(names) > count else [])])


def find_folder(text):
    """Return the path of a folder that a user named; raise `InputError` if there is none."""
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.")
    return folder


def make_folder(folder):
    """Make a folder and those above it; raise `InputError` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from error


def claim(folder):
    """Make and lock a folder for a new run; say whether it was free: of two processes that want it one gets it.

    What a claim that was killed has left is free.

    Raises:
        InputError: it cannot be written.
    """

    def is_free():
        return all(path.name == "lock" or is_unfinished(path) for path in folder.iterdir())

    make_folder(folder)
    if not is_free():
        return False
    try:
        lock(folder)
    except InputError:
        return False
    return is_free()  # another process can have had the lock, and be done


def lock(folder):
    """Keep other processes out of `folder` until this one ends, even if it is killed.

    Nobody is kept out on Windows, and on network disks that know no locks.

    Raises:
        InputError: another process has the lock.
    """
    path = folder / "lock"
    if path.exists() and number_of(path) in LOCKS:
        return
    file = open(path, "w")  # noqa: SIM115, it stays open
    try:
        if fcntl is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InputError(f"{folder}: another process is at work in this folder.") from error
    except OSError:
        pass  # a disk without locks
    LOCKS[number_of(path)] = file


def number_of(path):
    """Return the numbers of disk and file by which the operating system knows a file."""
    return path.stat().st_dev, path.stat().st_ino


@contextmanager
def written_whole(path):
    """Give another path to write to, and rename it to `path` in the end: nobody, at no moment, finds half a file."""
    unfinished = path.with_name(f"unfinished_{secrets.token_hex(4)}_{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_unfinished(path):
    """Say whether a file has a name from `written_whole`, and so is what a kill has left, or still being written."""
    return re.match("unfinished_[0-9a-f]{8}_", path.name) is not None


def write_json(path, content):
    """Write `content` as indented JSON; paths and other objects become text."""
    with written_whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2, default=str) + "\n")


def read_json(path, *keys):
    """Return the dict in a JSON file; raise `InputError` if it is damaged or has not all the `keys`."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is damaged (it names nothing).")
    require_keys(path, content, keys)
    return content


def read_results(path, *keys):
    """Return the dict of numbers in a `results.json`; raise `InputError` if it is damaged or has not all the `keys`."""
    content = read_json(path, "epochs_asked", *keys)
    for name, value in content.items():
        if not isinstance(value, (int, float)):
            raise InputError(f"{path}: is damaged ({name} is no number).")
    return content


def require_keys(path, content, keys):
    """Raise `InputError` if what was read from a file has not all the `keys`."""
    if missing := [key for key in keys if key not in content]:
        raise InputError(f"{path}: is damaged (has no {missing[0]}).")


def write_table(path, rows, columns=()):
    """Write dicts as the rows of a CSV file; its columns are `columns` and all others that a row has."""
    columns = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    with written_whole(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def print_table(rows):
    """Print dicts of texts and numbers as the rows of a table, aligned, under the keys of the first."""
    texts = [[f"{value:,.4g}" if isinstance(value, float) else f"{value}" for value in row.values()] for row in rows]
    lines = [list(rows[0]), *texts]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def read_history(path, *columns):
    """Return the columns of a CSV file of numbers, such as a run's `history.csv`, as {name: list of float}.

    A number that is missing is NaN. There are no columns where there is no file.

    Raises:
        InputError: it holds something else, or has not all the `columns`.
    """
    if not path.exists():
        require_keys(path, {}, columns)
        return {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        history = {name: [float(row[name] or "nan") for row in rows] for name in rows[0]} if rows else {}
    except (csv.Error, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}).") from error
    require_keys(path, history, columns)
    return history


def epoch_files(folder):
    """Return {number: path} of the files `epoch_NNN.*` in a folder, in their order; from 1,000 on N has more digits."""
    matches = {path: re.fullmatch(r"epoch_(\d+)\.\w+", path.name) for path in folder.glob("epoch_*")}
    return dict(sorted((int(match[1]), path) for path, match in matches.items() if match))


def write_arrays(path, **arrays):
    """Write arrays to an `.npz` file.

    Each has a CRC-32 in it, so that a damaged file is never taken for a whole one; HDF5, which Keras writes, has none,
    and crashes the process on a full disk.
    """
    content = io.BytesIO()  # a zip archive on a full disk would complain once more when it is closed
    np.savez(content, **arrays)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(content.getbuffer())


def read_arrays(path):
    """Return the arrays of an `.npz` file as a dict, without unpickling; raise `InputError` if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path}: is damaged ({error}).") from error


def digest(*parts):
    """Return ten hexadecimal digits that stand for the given values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:10]


def fingerprint(*arrays):
    """Return ten hexadecimal digits that stand for the contents of arrays, wherever they come from."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(f"{array.dtype} {array.shape}".encode())
        content.update(np.ascontiguousarray(array))
    return content.hexdigest()[:10]


def picture_is_whole(data):
    """Say whether the bytes of a PNG or JPEG file are all there; of other files that is not known."""
    return png_is_whole(data) if data.startswith(PNG) else jpeg_is_whole(data) if data.startswith(JPEG) else True


def png_is_whole(data):
    """Say whether a PNG file is as long as its chunks claim; OpenCV takes memory for all that they claim."""
    place, name = 8, None  # behind the signature; a chunk has its length, a name, content and a checksum
    while place < len(data) and name != b"IEND":  # some programs add bytes of their own behind the last chunk
        name = data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return name == b"IEND" and place <= len(data)


def jpeg_is_whole(data):
    """Say whether a JPEG file has its end marker; older versions of OpenCV fill up with grey what is cut off."""
    place = 2  # behind the first marker; up to the picture itself a segment has a marker, a length and content
    while (marker := data[place : place + 2]) != b"\xff\xda" and marker:  # a preview has an end marker of its own
        filler = marker[:1] != b"\xff" or marker == b"\xff\xff"
        place += 1 if filler else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return b"\xff\xd9" in data[place:]
