"""Trained models that are found in folders, and opened so that their codes can be moved along named directions."""

import json
import zipfile
from functools import lru_cache

import numpy as np

import shared_factors
import shared_models
from shared_bars import decode as decode_bars
from shared_bars import expected, low_codes
from shared_codes import slerp
from shared_data import read_image, resize_square
from shared_directions import DIRECTIONS, NAMED, Moved, measure_colours, principal_directions, read_directions, shrink
from shared_drums import INSTRUMENTS
from shared_files import InputError
from shared_networks import decode, encode, load_networks, open_sampler
from shared_training import predict

KEPT = 96  # principal directions of codes that a prior draws, among which directions are sought


def find_models(folders):
    """Return the models below folders, by what can be done with them, and what cannot be opened.

    Args:
        folders: {text to be shown: `pathlib.Path`}, such as of `models/` and `runs/`.

    Returns:
        {kind: {label: `pathlib.Path`}}, kinds as from `kind_of`; list of str, a line for each folder without.
    """
    found = {kind: {} for kind in ("pictures", "digit codes", "digits", "letters", "patches", "drums", "text", "hand")}
    notes = []
    for name, root in folders.items():
        try:
            notes += find_below(name, root, found)
        except OSError as error:
            notes.append(f"{name}: {error.strerror}.")
    return found, notes


def find_below(name, root, found):
    """Enter the models below a folder, shown as `name`, in what is found; return list of str, what cannot be opened."""
    if not root.is_dir():
        return [f"{name}: no such folder."]
    notes, known = [], []
    for folder in sorted({path.parent for path in root.rglob("*.keras")}):
        try:
            if kind := kind_of(folder):
                found[kind][f"{name}/{folder.relative_to(root).as_posix()}" if folder != root else name] = folder
                known.append(folder)
        except InputError as error:
            notes.append(str(error))
            known.append(folder)
    for run in sorted(root.iterdir()):
        if (run / "settings.json").exists() and not any(folder.is_relative_to(run) for folder in known):
            ended = (run / "results.json").exists()
            what = "its networks are none that the page knows" if ended else "has no networks yet; they come at its end"
            notes.append(f"{name}/{run.name}: {what}.")
    return notes


def kind_of(folder):
    """Return what can be done with the networks in a folder, without loading them; None if nothing by themselves.

    "pictures" and "digit codes" are samplers of pictures in colour and of digits; "digits" and "letters" are generators
    that are told a label; "patches" and "drums" are those of their experiments; "text" models take expressions in
    characters, "hand" ones in pictures.

    Raises:
        InputError: a network is damaged.
    """
    configs = {path.stem: read_config(path) for path in sorted(folder.glob("*.keras"))}
    shapes = {name: input_shapes(config) for name, config in configs.items()}
    first = {name: inputs[0] for name, inputs in shapes.items()}
    if {"lstm", "head"} <= shapes.keys():
        return "patches"
    if {"encoder_high", "encoder_low", "prior", "decoder"} <= shapes.keys():
        return "drums"
    if "text2image" in shapes or len(first.get("model", ())) == 2:
        return "text"
    if len(first.get("model", ())) == 3:
        return "hand"
    if len(shapes.get("generator", ())) == 2:
        return {(10,): "digits", (26,): "letters"}.get(tuple(shapes["generator"][1]))
    if len(shapes.get("generator", ())) == len(first.get("generator", ())) == 1:
        return "pictures"
    of_vae = isinstance(configs.get("encoder", {}).get("output_layers"), dict)  # z_mean and z_log_var
    if "decoder" in shapes and (of_vae or "prior" in shapes):
        return "digit codes" if len(first.get("encoder", (0, 0, 0))) == 2 else "pictures"
    return None


def read_config(path):
    """Return what a file says of its network, without the weights: a dict; raise `InputError` if it is damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))["config"]
        input_shapes(config)
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path.parent}: a network is damaged ({path.name}: {error}).") from error
    return config


def input_shapes(config):
    """Return the shapes of a network's inputs, without the batch; one without, of a model that lists no layers."""
    layers = [layer["config"] for layer in config.get("layers", ()) if layer["class_name"] == "InputLayer"]
    return [layer["batch_shape"][1:] for layer in layers] or [()]


def opened(kind, folder):
    """Return the model in a folder, opened once: `Pictures`, `Glyphs`, `Bars`, or as from `shared_models.open_model`.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        newest = max(path.stat().st_mtime_ns for path in folder.glob("*.keras"))
    except (ValueError, OSError) as error:
        raise InputError(f"{folder}: holds no networks any more.") from error
    return open_once(kind, folder, newest)


@lru_cache(maxsize=24)
def open_once(kind, folder, newest):
    """Return `opened(kind, folder)` of the networks that are as old as `newest`."""
    if kind in ("pictures", "digit codes"):
        return Pictures(folder)
    if kind in ("digits", "letters"):
        return Glyphs(folder)
    return Bars(folder) if kind == "drums" else shared_models.open_model(folder)


class Pictures(Moved):
    """Sampler of pictures with codes that are moved, and the encoder of photographs if there is one.

    Codes are what the last network takes: noise, or what a prior makes of it.
    """

    def __init__(self, folder):
        self.sampler = open_sampler(folder)
        self.latent_dim = self.sampler.latent_dim
        self.size = self.sampler.size
        self.encoder = self.sampler.encoder
        self.named = read_directions(folder / "directions.csv", self.latent_dim)[:NAMED]
        self.centre = self.draw(np.zeros((1, self.latent_dim), np.float32))[0]

    def draw(self, noise):
        """Return codes of noise (count, latent_dim)."""
        return self.sampler.codes_of(noise)

    def look(self, codes):
        """Return uint8 pictures of codes (count, latent_dim)."""
        return decode(self.sampler.last, codes, self.sampler.low)

    def fit(self, codes, values):
        """Return directions, (count, latent_dim), as `Moved.fit`."""
        if not self.sampler.before:
            return super().fit(codes, values)
        # A prior is cheap: most of what its codes do is known before a picture is drawn.
        noise = np.random.default_rng(1).standard_normal((4 * self.latent_dim, self.latent_dim), np.float32)
        variances, axes = np.linalg.eigh(np.cov(self.draw(noise), rowvar=False))
        deviations, axes = np.sqrt(variances[-KEPT:]), axes[:, -KEPT:]
        scores = (codes - codes.mean(axis=0)) @ axes / deviations
        return {"": principal_directions(scores, values) @ (axes * deviations).T}

    def values_of(self, pictures):
        """Return what directions are fitted to: (count, numbers)."""
        if pictures.ndim == 3:
            return pictures.reshape(len(pictures), -1)
        return shrink(pictures).reshape(len(pictures), -1)

    def measures_of(self, pictures):
        """Return what is measured of pictures: {measure: (count,)}."""
        return measure_digits(pictures) if pictures.ndim == 3 else measure_colours(pictures)

    def between(self, start, end, count):
        """Return so many codes from one to another, on the arc around the mean code."""
        return self.centre + slerp(start - self.centre, end - self.centre, count)

    def encode_photograph(self, path):
        """Return the centre square of a photograph, uint8 (size, size, 3), and its code; path is where it lies.

        Raises:
            InputError: there is no encoder or photograph, or it cannot be read.
        """
        if self.encoder is None:
            raise InputError("This model has no encoder: it cannot take photographs. VAE, VAE-GAN, CAE and flow can.")
        if path is None:
            raise InputError("Choose a photograph first.")
        image = read_image(path)
        if image is None:
            raise InputError(f"{path.name}: no picture that can be read; JPEG, PNG, WebP and BMP can.")
        photograph = resize_square(image, self.size)
        return photograph, self.code_of(photograph)

    def code_of(self, picture):
        """Return the code of one uint8 picture of the model's size."""
        codes = encode(self.encoder, picture[None])
        return (codes["z_mean"] if isinstance(codes, dict) else codes)[0]


class Glyphs(Moved):
    """Generator of digits or letters whose noise is moved; `letters` as for `shared_models.Glyphs`."""

    def __init__(self, folder):
        self.model = shared_models.open_model(folder)
        self.latent_dim, self.letters = self.model.latent_dim, self.model.letters

    def look(self, codes):
        """Return uint8 pictures (count, 28, 28) of noise, of all letters in turn."""
        letters = self.letters and [self.letters[index % len(self.letters)] for index in range(len(codes))]
        return self.model.generate(codes, letters)

    def values_of(self, pictures):
        """Return what directions are fitted to: (count, numbers)."""
        return pictures.reshape(len(pictures), -1)

    def measures_of(self, pictures):
        """Return what is measured of pictures: {measure: (count,)}."""
        return measure_digits(pictures)

    def all_letters(self, code):
        """Return uint8 pictures of one noise with each letter; one picture if it is told nothing."""
        return self.model.generate(np.repeat(code[None], len(self.letters) or 1, axis=0), self.letters)


class Bars(Moved):
    """Drum bars whose noise is moved: that of z_high, and that by which z_low differs from what z_high expects."""

    least = 1  # hit

    def __init__(self, folder):
        self.model = shared_models.open_model(folder)
        self.high, low = self.model.sizes
        self.latent_dim = self.high + low
        self.encoder_high, self.encoder_low = load_networks(folder, "encoder_high", "encoder_low")

    def codes_of(self, noise):
        """Return z_high and z_low of noise (count, latent_dim)."""
        z_high = noise[:, : self.high]
        return z_high, low_codes(self.model.prior, z_high, noise[:, self.high :])

    def look(self, codes):
        """Return chances of hits, float (count, 16, 9)."""
        return 1 / (1 + np.exp(self.model.threshold - decode_bars(self.model.decoder, *self.codes_of(codes))))

    def fit(self, codes, values):
        """Return directions of the noise of z_high, and of that of z_low."""
        levels = {}
        for level, part in zip(("z_high ", "z_low "), np.split(np.arange(self.latent_dim), [self.high]), strict=True):
            found = principal_directions(codes[:, part], values, DIRECTIONS // 2)
            levels[level] = np.zeros((len(found), self.latent_dim), np.float32)
            levels[level][:, part] = found
        return levels

    def values_of(self, chances):
        """Return what directions are fitted to: (count, numbers)."""
        return chances.reshape(len(chances), -1)

    def measures_of(self, chances):
        """Return the expected hits, of all and of each instrument: {measure: (count,)}."""
        counts = chances.sum(axis=1)
        return {"hits": counts.sum(axis=1), **dict(zip(INSTRUMENTS, counts.T, strict=True))}

    def hits_of(self, code):
        """Return the hits, uint8 (16, 9), that the model is surest of."""
        return (self.look(code[None])[0] > 0.5).astype(np.uint8)

    def code_of(self, hits):
        """Return the code, float32 (latent_dim,), of hits, uint8 (16, 9)."""
        cells = hits.reshape(1, -1).astype(np.float32)
        z_high = predict(self.encoder_high, cells)["z_mean"]
        mean, deviation = expected(self.model.prior, z_high)
        z_low = predict(self.encoder_low, [cells, z_high])["z_mean"]
        return np.concatenate([z_high, (z_low - mean) / deviation], axis=1)[0]


def measure_digits(pictures):
    """Return what can be measured of uint8 digits or letters (count, 28, 28): {measure: (count,)}."""
    return dict(zip(shared_factors.MEASURES, shared_factors.measure_all(pictures).T, strict=True))
