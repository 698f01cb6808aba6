"""What is drawn by hand on a page, prepared the way MNIST was, and expressions that are read and answered."""

import base64

import numpy as np

import shared_blocks
from shared_drawings import cv2, draw_sign
from shared_files import InputError
from shared_models import Solver

FIELDS = ("first number, tens", "first number, units", "sign", "second number, tens", "second number, units")
BOX = {"digit": 20, "sign": 16}  # pixels of a glyph that the ink fills
FAINT = 30  # grey values, below which there is no ink


def ink_of(drawing):
    """Return the ink of a drawing in black, uint8 (height, width), 0 where there is none.

    Args:
        drawing: PNG as a data URL, of which the opacity is taken if it has one; "" or None for a blank canvas.

    Raises:
        InputError: it is something else.
    """
    if not drawing:
        return np.zeros(shared_blocks.GLYPH_SHAPE, np.uint8)
    try:
        data = base64.b64decode(drawing.removeprefix("data:image/png;base64,"), validate=True)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except (ValueError, cv2.error):
        picture = None
    if picture is None or picture.dtype != np.uint8:
        raise InputError("A drawing cannot be read: it is no PNG.")
    if picture.ndim == 3 and picture.shape[-1] == 4:
        return picture[..., 3].copy()
    return 255 - (picture if picture.ndim == 2 else picture.mean(axis=-1).astype(np.uint8))


def to_glyph(ink, box=BOX["digit"]):
    """Return ink as MNIST has it, uint8 (28, 28), white on black: cropped, fitted into a box, its mass in the middle.

    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section 3: "size normalised ... in a
    20x20 pixel box while preserving their aspect ratio", then centred "by computing the center of mass of the pixels".

    Args:
        ink: uint8 (height, width), 0 where there is none.
        box: pixels, height and width, into which the ink is fitted.
    """
    side = shared_blocks.GLYPH_SHAPE[0]
    rows, columns = np.nonzero(ink > FAINT)
    if len(rows) == 0:
        return np.zeros((side, side), np.uint8)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = box / max(ink.shape)
    height, width = (max(1, round(scale * length)) for length in ink.shape)
    small = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if not small.any():  # dots so few and faint that nothing is left of them
        return np.zeros((side, side), np.uint8)
    small = small.astype(np.float32) * 255 / small.max()
    y, x = (np.sum(small * places) / small.sum() for places in np.indices(small.shape))
    top, left = (
        int(np.clip(round(side / 2 - centre), 0, side - length)) for centre, length in ((y, height), (x, width))
    )
    glyph = np.zeros((side, side), np.uint8)
    glyph[top : top + height, left : left + width] = small.round()
    return glyph


def to_digit(drawing):
    """Return a drawing as a digit of MNIST, uint8 (28, 28); raise `InputError` if nothing is drawn."""
    glyph = to_glyph(ink_of(drawing))
    if not glyph.any():
        raise InputError("Nothing is drawn.")
    return glyph


def to_top(drawing):
    """Return a drawing as it stands on its canvas, uint8 (28, 28); raise `InputError` if nothing is drawn."""
    ink = ink_of(drawing)
    if not (ink > FAINT).any():
        raise InputError("Nothing is drawn.")
    return cv2.resize(ink, shared_blocks.GLYPH_SHAPE[::-1], interpolation=cv2.INTER_AREA)


def to_glyphs(drawings):
    """Return five drawings as an expression, uint8 (5, 28, 28), each number in two places.

    Raises:
        InputError: the sign or the units of a number are not drawn.
    """
    inks = [ink_of(drawing) for drawing in drawings]
    glyphs = np.stack(
        [to_glyph(ink, BOX["sign" if name == "sign" else "digit"]) for ink, name in zip(inks, FIELDS, strict=True)]
    )
    if not glyphs.any():
        raise InputError("Nothing is drawn.")
    empty = [FIELDS[index] for index in (1, 2, 4) if not glyphs[index].any()]
    if empty:
        raise InputError(f"Still to be drawn: {'; '.join(empty)}.")
    return glyphs


def read_by(solver, glyphs):
    """Return what a `Solver` of pictures answers to `to_glyphs`: the answer, and the probabilities (3, 13)."""
    if not solver.aligned:  # all blanks in front
        drawn = glyphs.any(axis=(1, 2))
        glyphs = np.concatenate([glyphs[~drawn], glyphs[drawn]])
    return solver.answer_pictures(glyphs)


def write_by_hand(text, digits, seed):
    """Return an expression in glyphs, uint8 (5, 28, 28), each number in two places.

    Args:
        text: such as "12+34".
        digits: `shared_explorer.Glyphs` that are told the digit, which write them.
        seed: of the hand.

    Raises:
        InputError: as `shared_blocks.read_query`.
    """
    rng = np.random.default_rng(seed)
    query = shared_blocks.write_query(*shared_blocks.read_query(text), aligned=True)
    glyphs = np.zeros((len(query), *shared_blocks.GLYPH_SHAPE), np.uint8)
    places = [place for place, character in enumerate(query) if character.isdecimal()]
    noise = rng.standard_normal((len(places), digits.latent_dim), np.float32)
    glyphs[places] = digits.model.generate(noise, [query[place] for place in places])
    glyphs[2] = draw_sign(query[2], rng)
    return glyphs


def right_answer(text):
    """Return the answer to an expression; raise `InputError` as `shared_blocks.read_query`."""
    a, sign, b = shared_blocks.read_query(text)
    return str(a + b if sign == "+" else a - b)


def answers_to(text, models, digits, seed):
    """Return the answers of models to an expression.

    Args:
        text: such as "12+34".
        models: {label: `Solver` or `Writer`}.
        digits: as for `write_by_hand`, or None: then models that read pictures answer nothing.
        seed: of hands.

    Returns:
        list of (label, answer, probabilities (3, 13)) of those that write; list of (label, uint8 (28, 84)) of those
        that draw; uint8 (5, 28, 28) of what was read, or None.

    Raises:
        InputError: as `shared_blocks.read_query`.
    """
    written, drawn, glyphs = [], [], None
    for label, model in models.items():
        if not isinstance(model, Solver):
            drawn.append((label, model.sample(1, seed, text)[0]))
        elif not model.reads_pictures:
            written.append((label, *model.answer(text)))
        elif digits is not None:
            glyphs = write_by_hand(text, digits, seed) if glyphs is None else glyphs
            written.append((label, *read_by(model, glyphs)))
    return written, drawn, glyphs


def say_probabilities(probabilities):
    """Return the probability of each character of an answer as text, such as "4 0.980, 6 0.710 (5 0.22)"."""
    said = []
    for row in probabilities:
        *_, second, best = np.argsort(row)
        also = f" ({name_of(second)} {row[second]:.2f})" if row[second] > 0.05 else ""
        said.append(f"{name_of(best)} {row[best]:.3f}{also}")
    return ", ".join(said)


def name_of(token):
    """Return a token's character as it is shown: a blank needs a word."""
    character = shared_blocks.CHARACTERS[token]
    return "(none)" if character == " " else character
