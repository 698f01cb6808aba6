"""What the page of `explore.py` does: functions of paths, texts, numbers and arrays, without the page."""

import base64
import html
import secrets
from pathlib import Path

import numpy as np

import shared_explorer
import shared_handwriting
import shared_sounds
from shared_drawings import cv2
from shared_drums import INSTRUMENTS, STEPS
from shared_figures import tile, to_rgb
from shared_files import InputError, digest
from shared_patches import ROW

LARGE = 384  # pixels of the picture that is moved
MIDDLE = 128  # of pictures beside others
STEPS_OF_PATH = 9  # pictures
WAYS = 8  # in which a digit is completed
CELL, MARGIN = 40, 140  # pixels of a cell of a drum bar, and left of the bar for the instruments' names
REPEATED = 4  # times that a bar is heard
SOUNDS = 64  # files of bars that stay when another bar is written
NOTHING_KEPT = "Keep two pictures first."


class Handlers:
    """All that the page asks for, of the models below some folders.

    Every function raises `InputError` with one line for whatever the user can mend. Pictures that it returns are uint8.

    Args:
        folders: as for `shared_explorer.find_models`.
        scratch: `pathlib.Path` of a folder for sounds.
    """

    def __init__(self, folders, scratch):
        self.folders, self.scratch = folders, scratch
        self.find()

    def find(self):
        """Look for models anew; return the line of what cannot be opened."""
        self.found, self.notes = shared_explorer.find_models(self.folders)
        return " ".join(self.notes)

    def labels(self, *kinds):
        """Return the labels of all models of some kinds."""
        return [label for kind in kinds for label in self.found[kind]]

    def folder(self, kind, label):
        """Return the folder of a model."""
        if label not in self.found[kind]:
            raise InputError(f"{label}: no such model any more; load the page again." if label else "Choose a model.")
        return self.found[kind][label]

    def open(self, kind, label):
        """Return a model of a kind that is named, as from `shared_explorer.opened`."""
        return shared_explorer.opened(kind, self.folder(kind, label))

    # Codes that are moved: of pictures, digits, letters and drums.

    def draw(self, kind, label, variety=1):
        """Return a random code of a model, of noise times `variety`."""
        return self.open(kind, label).random(secrets.randbelow(2**32), variety)

    def named(self, kind, label):
        """Return the names of the directions that came with a model."""
        return [name for name, _ in self.open(kind, label).named]

    def measured(self, kind, label):
        """Return the names of the directions that are measured, which takes seconds at first."""
        model = self.open(kind, label)
        if "directions" not in vars(model):
            # On networks of its own, so that the page can use the others meanwhile.
            model.directions = type(model)(self.folder(kind, label)).directions
        return [name for name, _ in model.directions]

    def moved(self, kind, label, code, *steps):
        """Return a code that is moved along the directions of a model."""
        model = self.open(kind, label)
        if code is None or len(code) != model.latent_dim:
            raise InputError("Press Random first.")
        return model.moved(code, steps)

    def show(self, kind, label, code, *steps):
        """Return the picture of a code that is moved, enlarged."""
        code = self.moved(kind, label, code, *steps)
        return enlarge(self.open(kind, label).look(code[None])[0], LARGE)

    def path(self, kind, label, start, end, share=None):
        """Return the pictures between two that are kept in a row, or the one at a share of the way, 0 to 1.

        Both are pairs of a model's label and a code, or None.
        """
        if start is None or end is None:
            raise InputError(NOTHING_KEPT)
        if not start[0] == end[0] == label:  # kept while another model was being chosen
            raise InputError(f"The pictures that are kept are another model's. {NOTHING_KEPT}")
        model, start, end = self.open(kind, label), start[1], end[1]
        if share is None:
            pictures = model.look(model.between(start, end, STEPS_OF_PATH))
            return tile(np.stack([enlarge(picture, MIDDLE) for picture in pictures]), STEPS_OF_PATH)
        codes = model.between(start, end, 101)
        return enlarge(model.look(codes[[round(100 * share)]])[0], MIDDLE * 2)

    def photograph(self, kind, label, path):
        """Return the code of a photograph, and its centre beside what the model makes of it."""
        model = self.open(kind, label)
        picture, code = model.encode_photograph(path and Path(path))
        return code, tile(np.stack([enlarge(each, MIDDLE * 2) for each in (picture, model.look(code[None])[0])]), 2)

    def drawn_digit(self, kind, label, drawing):
        """Return the code of a drawn digit, and the digit, prepared, beside what the model makes of it."""
        model = self.open(kind, label)
        digit = shared_handwriting.to_digit(drawing)
        code = model.code_of((digit > 127).astype(np.uint8) * 255)
        return code, tile(np.stack([enlarge(each, MIDDLE) for each in (digit, model.look(code[None])[0])]), 2)

    # Digits and letters that are asked for.

    def show_letter(self, kind, label, code, letter, *steps):
        """Return one letter, enlarged, and all letters of the same moved noise."""
        model = self.open(kind, label)
        pictures = model.all_letters(self.moved(kind, label, code, *steps))
        chosen = pictures[model.letters.index(letter)] if letter and letter in model.letters else pictures[0]
        return enlarge(chosen, LARGE), tile(np.stack([enlarge(each, MIDDLE // 2) for each in pictures]), 13)

    def complete(self, label, drawing, rows):
        """Return a digit whose upper rows of patches are drawn by hand, completed in several ways, in a row."""
        given = shared_handwriting.to_top(drawing)
        top = int(rows) * given.shape[0] // ROW
        if not (given[:top] > 127).any():
            raise InputError("Nothing is drawn in the part that is kept.")
        model = self.open("patches", label)
        seed = secrets.randbelow(2**32)
        completed = model.complete(np.repeat(given[None], WAYS, axis=0), int(rows) * ROW, seed)
        return tile(np.stack([enlarge(each, MIDDLE) for each in completed]), WAYS // 2)

    # Arithmetic.

    def solvers(self, labels):
        """Return {label: model} of arithmetic models, and lines on those that cannot be opened."""
        models, notes = {}, []
        for label in labels or ():
            try:
                models[label] = self.open("text" if label in self.found["text"] else "hand", label)
            except (InputError, OSError) as error:
                notes.append(str(error))
        if not models:
            raise InputError(" ".join(notes) or "Choose a model.")
        return models, notes

    def solve(self, labels, text):
        """Return a table in HTML of answers to an expression, and the glyphs that were read, or None."""
        right = shared_handwriting.right_answer(text or "")
        models, notes = self.solvers(labels)
        digits = None
        if any(label in self.found["hand"] for label in models):
            if writers := self.labels("digits"):
                digits = self.open("digits", writers[0])
            else:
                notes.append("Models that read pictures need models/CGAN_mnist, which writes digits: write by hand.")
        written, drawn, read = shared_handwriting.answers_to(text, models, digits, secrets.randbelow(2**32))
        return table(written, drawn, right, notes), None if read is None else show_glyphs(read)

    def read(self, labels, *drawings):
        """Return a table in HTML of answers to five drawings, and these as they were read."""
        glyphs = shared_handwriting.to_glyphs(drawings)
        models, notes = self.solvers(labels)
        answers = [(label, *shared_handwriting.read_by(model, glyphs)) for label, model in models.items()]
        return table(answers, [], None, notes), show_glyphs(glyphs)

    # Drums.

    def hits(self, label, code, *steps):
        """Return the hits, uint8 (16, 9), of a code that is moved."""
        return self.open("drums", label).hits_of(self.moved("drums", label, code, *steps))

    def clicked(self, hits, x, y):
        """Return hits with the one that was clicked at a pixel of `show_bar` turned on or off."""
        step, instrument = int((x - MARGIN) // CELL), len(INSTRUMENTS) - 1 - int(y // CELL)
        if hits is None or not (0 <= step < STEPS and 0 <= instrument < len(INSTRUMENTS)):
            raise InputError("Click into a cell of the grid.")
        hits = hits.copy()
        hits[step, instrument] ^= 1
        return hits

    def rebuilt(self, label, hits):
        """Return the code that a model gives hits, from which it makes what it takes them for."""
        if hits is None or not hits.any():
            raise InputError("The grid is empty: click some hits.")
        return self.open("drums", label).code_of(hits)

    def play(self, hits, tempo):
        """Return the paths of a WAV file with the bar, some times over, and of a MIDI file; of an empty bar None."""
        if not hits.any():
            return None, None
        path = self.scratch / f"bar_{digest(hits.tobytes(), tempo)}"
        if not path.with_suffix(".wav").exists():
            for old in sorted(self.scratch.glob("bar_*"), key=lambda file: file.stat().st_mtime)[:-SOUNDS]:
                old.unlink()
            shared_sounds.save_sound(path, np.repeat(hits[None], REPEATED, axis=0), tempo)
        return str(path.with_suffix(".wav")), str(path.with_suffix(".mid"))


def enlarge(picture, height):
    """Return a uint8 picture (height, width[, 3]) enlarged to a height, smoothly."""
    size = (round(picture.shape[1] * height / picture.shape[0]), height)
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


def show_glyphs(glyphs):
    """Return glyphs, uint8 (count, 28, 28), in a row."""
    return tile(np.stack([enlarge(glyph, MIDDLE // 2) for glyph in glyphs]), len(glyphs))


def show_bar(hits):
    """Return hits, uint8 (16, 9), as a picture, (9 * CELL, MARGIN + 16 * CELL, 3), with the instruments' names."""
    grid = to_rgb(shared_sounds.to_pictures(hits[None], CELL))[0].copy()
    grid[::CELL], grid[:, ::CELL] = 90, 90
    names = np.full((len(grid), MARGIN, 3), 255, np.uint8)
    for row, name in enumerate(reversed(INSTRUMENTS)):
        cv2.putText(names, name, (6, row * CELL + 25), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([names, grid], axis=1)


def table(written, drawn, right, notes):
    """Return answers as a table in HTML, and lines below it.

    Args:
        written: list of (label, answer, probabilities (3, 13)).
        drawn: list of (label, uint8 (height, width)).
        right: the right answer, or None if nobody knows it.
        notes: list of lines.
    """
    rows = [("model", "answer", "probability of each character")]
    for label, answer, probabilities in written:
        mark = "" if right is None else " \N{CHECK MARK}" if answer == right else f" (right: {right})"
        said = shared_handwriting.say_probabilities(probabilities)
        rows.append((html.escape(label), html.escape(f"{answer or 'nothing'}{mark}"), html.escape(said)))
    for label, picture in drawn:
        _, data = cv2.imencode(".png", picture)
        source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        rows.append((html.escape(label), f"<img src='{source}' alt='drawn' height='{MIDDLE // 2}'>", "drawn"))
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table class='answers'>{cells}</table>" + "".join(f"<p>{html.escape(note)}</p>" for note in notes)
