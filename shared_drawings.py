"""What is invented where there is no data: faces, handwritten digits, arithmetic signs, all from a seed."""

import os

# Read when OpenCV is loaded: a damaged header can claim any size, and memory would be taken for it.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

import cv2
import numpy as np

STAND_IN = "stand-in data"  # said of data that are drawn
FONTS = [getattr(cv2, f"FONT_HERSHEY_{name}") for name in ("SIMPLEX", "DUPLEX", "TRIPLEX", "SCRIPT_COMPLEX")]
SKINS = np.array([(255, 224, 196), (241, 194, 155), (224, 172, 125), (198, 134, 90), (141, 85, 54), (90, 56, 38)])
HAIRS = np.array([(28, 22, 20), (62, 40, 26), (106, 68, 38), (168, 120, 60), (222, 188, 120), (190, 190, 190)])
PALE, BLOND = 170, 110  # means of red, green and blue, above which skin is called pale and hair blond
SMILE = 0.055  # by how much the corners of a smiling mouth are raised: half of the faces smile
SMALL = 8  # pixels of a face of which only the traits are asked for
IRISES = np.array([(70, 45, 25), (95, 120, 70), (70, 110, 160), (110, 110, 110)])


def draw_digits(count, seed):
    """Return drawn digits, which stand in for handwritten ones: uint8 (count, 28, 28), 0..255, and uint8 (count,)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
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


def traits_of_faces(count, seed):
    """Return what the faces of `draw_faces` have: {trait: bool (count,)}, under CelebA's names where it has such."""
    traits = [sketch_face(np.random.default_rng([seed, index]), SMALL).traits for index in range(count)]
    return {name: np.array([each[name] for each in traits]) for name in traits[0]}


def sketch_face(rng, size):
    """Return the `Sketch` of one face, without light; `rng` decides everything about it, and `size` nothing."""
    sketch = Sketch(rng, 2 * size)  # drawn at twice the size and shrunk, which softens every edge
    skin, hair = blend(rng, SKINS), blend(rng, HAIRS)
    sketch.traits |= {"Pale_Skin": skin.mean() > PALE, "Blond_Hair": hair.mean() > BLOND}
    draw_head(rng, sketch, skin, hair)
    draw_eyes(rng, sketch, skin, hair)
    draw_nose_and_mouth(rng, sketch, skin)
    return sketch


def draw_face(rng, size):
    """Return one drawn face, uint8 (size, size, 3); `rng` decides everything about it."""
    sketch = sketch_face(rng, size)
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
    `traits` says what the face has, {trait: bool}.
    """

    def __init__(self, rng, side):
        self.tilt, self.yaw, self.nod = rng.normal(0, 6), rng.normal(0, 0.09), rng.normal(0, 0.04)
        self.unit = side * rng.uniform(0.33, 0.40)
        self.centre = side * rng.normal((0.5, 0.52), 0.02)
        turn = np.deg2rad(self.tilt)
        self.rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        top, bottom = rng.uniform(30, 240, (2, 3))
        ramp = np.linspace(0, 1, side)[:, None, None]
        self.canvas = np.repeat(top + (bottom - top) * ramp, side, axis=1).astype(np.float32)
        self.traits = {}

    def place(self, x, y):
        """Return a point in sixteenths of a pixel, which is OpenCV's `shift=4`."""
        return tuple(int(value) for value in (self.centre + self.rotation @ (x, y) * self.unit) * 16)

    def oval(self, x, y, width, height, colour, *, arc=(0, 360), line=None):
        """Fill an ellipse of half axes `width` and `height`, or the part of it that `arc` (degrees) cuts off."""
        axes = (int(width * self.unit * 16), int(height * self.unit * 16))
        thickness = -1 if line is None else max(1, round(line * self.unit))
        cv2.ellipse(self.canvas, self.place(x, y), axes, self.tilt, *arc, tuple(colour), thickness, cv2.LINE_AA, 4)

    def stroke(self, points, colour, width):
        """Draw a line through `points`."""
        corners = np.array([self.place(x, y) for x, y in points], np.int32)
        thickness = max(1, round(width * self.unit))
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
    beard = style != "long" and rng.uniform() < 0.18
    sketch.traits |= {"Long_Hair": style == "long", "Beard": beard}
    if beard:
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
    sketch.traits["Eyeglasses"] = glasses is not None
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
    is_open = smile > 0.03 and rng.uniform() < 0.4
    sketch.traits |= {"Smiling": smile > SMILE, "Mouth_Slightly_Open": is_open}
    if is_open:
        sketch.oval(x, y - smile, width, 1.1 * smile + 0.08, lips, arc=(0, 180))
        sketch.oval(x, y - smile + 0.02, 0.82 * width, 0.8 * smile + 0.03, (248, 246, 242), arc=(0, 180))
    else:
        curve = [(x - width, y - smile), (x, y + 0.35 * smile), (x + width, y - smile)]
        sketch.stroke(curve, lips, rng.uniform(0.07, 0.13))
        sketch.stroke(curve, 0.6 * lips, 0.03)
