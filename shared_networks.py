"""Networks of finished runs, opened for others to use, and what they make of pictures and codes."""

from math import ceil

import keras
import numpy as np

from shared_figures import PART, to_uint8, to_unit
from shared_files import InputError, read_json, read_results
from shared_training import predict


def network_files(folder):
    """Return {name: path} of the networks of a finished run; raise `InputError` if it has none or has not ended."""
    paths = {path.stem: path for path in sorted(folder.glob("*.keras"))}
    if not (folder / "results.json").exists() or not paths:
        raise InputError(f"{folder}: not the folder of a finished run with networks.")
    return paths


def open_networks(folder, fingerprint, seed):
    """Return the networks of a finished run of a VAE or a GAN.

    Args:
        folder: `pathlib.Path` of the run.
        fingerprint: of the pictures that it must have been given.
        seed: that it must have had, by which pictures are held out.

    Returns:
        str, the name of its script; int, the epochs that it was trained for; {name: `keras.Model`}, with "encoder",
        which gives {"z_mean", "z_log_var"}, and "decoder", or with "generator".

    Raises:
        InputError: it is no such run, has not ended, is damaged, or had other pictures or another seed.
    """
    paths = network_files(folder)
    settings = read_json(folder / "settings.json", "script", "fingerprint", "data", "arguments")
    if settings["fingerprint"] != fingerprint:
        raise InputError(f"{folder}: was trained on other pictures ({settings['data']}).")
    if settings["arguments"].get("seed") != seed:
        raise InputError(f"{folder}: was trained with another seed, so that it held out other pictures.")
    epochs = read_results(folder / "results.json", "epochs")["epochs"]
    try:
        networks = {name: keras.saving.load_model(path, compile=False) for name, path in paths.items()}
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{folder}: a network is damaged ({error}).") from error
    latent = networks["encoder"].output if "encoder" in networks else {}
    is_vae = "decoder" in networks and isinstance(latent, dict) and {"z_mean", "z_log_var"} <= latent.keys()
    if not (is_vae or "generator" in networks):
        raise InputError(f"{folder}: holds no networks of a VAE or a GAN.")
    return settings["script"], epochs, networks


def encode(encoder, images):
    """Return what an encoder, which takes values in [0, 1], makes of uint8 pictures (count, height, width, 3)."""
    parts = np.array_split(images, ceil(len(images) / PART))
    codes = [predict(encoder, to_unit(part)) for part in parts]
    return keras.tree.map_structure(lambda *some: np.concatenate(some), *codes)


def decode(decoder, codes, low=0):
    """Return uint8 pictures (count, height, width, 3) of codes (count, latent_dim).

    Args:
        decoder: network from codes to pictures in [low, 1].
        codes: float (count, latent_dim).
        low: value that stands for black, 0 of a decoder that ends in a sigmoid, -1 of one that ends in tanh.
    """
    return to_uint8(predict(decoder, codes), low=low, high=1)
