"""Networks of finished runs, opened for others to use, and what they make of pictures and codes."""

import os
from math import ceil

import keras
import numpy as np

from shared_figures import PART, to_uint8, to_unit
from shared_files import InputError, fingerprint, read_json, read_results
from shared_training import predict


def network_names(folder):
    """Return the names of a finished run's networks, sorted; raise `InputError` if it has none or has not ended."""
    names = sorted(path.stem for path in folder.glob("*.keras"))
    if not (folder / "results.json").exists() or not names:
        raise InputError(f"{folder}: not the folder of a finished run with networks.")
    return names


def load_networks(folder, *names):
    """Return the networks `<name>.keras` of a folder, a list of `keras.Model`; raise `InputError` if one is damaged."""
    networks = []
    for name in names:
        try:
            networks.append(keras.saving.load_model(folder / f"{name}.keras", compile=False))
        except Exception as error:  # nearly anything, of a damaged file
            raise InputError(f"{folder}: a network is damaged ({name}.keras: {error}).") from error
    return networks


def is_vae(networks):
    """Say whether networks are those of a VAE: a "decoder" and an "encoder" that gives {"z_mean", "z_log_var"}."""
    latent = networks["encoder"].output if "encoder" in networks else None
    return "decoder" in networks and isinstance(latent, dict) and {"z_mean", "z_log_var"} <= latent.keys()


def open_networks(folder, pictures, held_out, seed):
    """Return the networks of a finished run of a VAE or a GAN; say so if it was trained with the held-out pictures.

    Args:
        folder: `pathlib.Path` of the run.
        pictures: fingerprint of those that it must have been given.
        held_out: share of them that is held out, and that it must have held out if it held out any.
        seed: by which they are chosen.

    Returns:
        str, the name of its script; int, the epochs that it was trained for; {name: `keras.Model`}, with "encoder",
        which gives {"z_mean", "z_log_var"}, and "decoder", or with "generator".

    Raises:
        InputError: it is no such run, has not ended, is damaged, had other pictures or held out others of them.
    """
    names = network_names(folder)
    settings = read_json(folder / "settings.json", "script", "fingerprint", "data", "constants", "arguments")
    if settings["fingerprint"] != pictures:
        raise InputError(f"{folder}: was trained on other pictures ({settings['data']}).")
    share = settings["constants"].get("HELD_OUT")
    if share is None:
        print(f"Note: {folder.name} held out no pictures; it was trained with those that it is measured beside.")
    elif (share, settings["arguments"].get("seed")) != (held_out, seed):
        raise InputError(f"{folder}: held out other pictures (its --seed or HELD_OUT is another).")
    epochs = read_results(folder / "results.json", "epochs")["epochs"]
    networks = dict(zip(names, load_networks(folder, *names), strict=True))
    if not (is_vae(networks) or "generator" in networks):
        raise InputError(f"{folder}: holds no networks of a VAE or a GAN.")
    return settings["script"], epochs, networks


def open_beside(folders, images, held_out, seed, script):
    """Return the runs that a script is compared with, as a list of what `open_networks` returns.

    Args:
        folders: list of `pathlib.Path`, of the runs.
        images: the pictures of this run.
        held_out: share of them that is held out.
        seed: by which they are chosen.
        script: name of this one.

    Raises:
        InputError: two are runs of one script, or one is of this script; several processes are to be joined, for which
            no network may have been opened; as `open_networks`.
    """
    if folders and "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
        raise InputError("--beside: not in several processes; train without it, then add it with --resume in one.")
    pictures = fingerprint(images)
    others = [open_networks(folder, pictures, held_out, seed) for folder in folders]
    scripts = [script, *(name for name, *_ in others)]
    if len({*scripts}) < len(scripts):
        raise InputError("--beside: takes one run of a script, and none of this one.")
    return others


def encode(encoder, images):
    """Return what an encoder, which takes values in [0, 1], makes of uint8 pictures (count, height, width[, 3])."""
    parts = np.array_split(images, ceil(len(images) / PART))
    codes = [predict(encoder, to_unit(part)) for part in parts]
    return keras.tree.map_structure(lambda *some: np.concatenate(some), *codes)


def decode(decoder, codes, low=0):
    """Return uint8 pictures (count, height, width[, 3]) of codes (count, latent_dim).

    Args:
        decoder: network from codes to pictures in [low, 1].
        codes: float (count, latent_dim).
        low: value that stands for black, 0 of a decoder that ends in a sigmoid, -1 of one that ends in tanh.
    """
    return to_uint8(predict(decoder, codes), low=low, high=1)


def makes_pictures(chain):
    """Say whether networks, one after the other, lead from vectors to square pictures, with no other inputs."""
    ways = [(network.inputs, keras.tree.flatten(network.outputs)) for network in chain]
    if any(len(tensors) != 1 for way in ways for tensors in way):
        return False
    starts, ends = zip(*((first.shape[1:], last.shape[1:]) for (first,), (last,) in ways), strict=True)
    shape = ends[-1]
    is_picture = len(shape) in (2, 3) and shape[0] == shape[1] and shape[2:] in ((), (3,))  # grey, or in colour
    return len(starts[0]) == 1 and starts[1:] == ends[:-1] and is_picture


class Sampler:
    """Networks that make pictures of noise from N(0, I).

    Args:
        networks: list of `keras.Model`, each of which takes what the one before it gives: the first noise
            (count, latent_dim), the last of which gives pictures in [low, 1].
        low: as for `decode`.
        encoder: network from pictures in [0, 1] to what the last of them takes, as for `encode`; None without.

    Attributes:
        latent_dim: dimensions of the noise.
        size: height and width of the pictures, in pixels.
    """

    def __init__(self, networks, low, encoder=None):
        *self.before, self.last = networks
        self.low, self.encoder = low, encoder
        self.latent_dim = networks[0].input_shape[1]
        self.size = self.last.output_shape[1]

    def codes_of(self, noise):
        """Return what the last network takes, (count, numbers), of noise (count, latent_dim)."""
        for network in self.before:
            noise = predict(network, noise)
        return noise

    def generate(self, noise):
        """Return uint8 pictures (count, size, size, 3), grey ones (count, size, size), of noise (count, latent_dim)."""
        return decode(self.last, self.codes_of(noise), self.low)

    def sample(self, count, seed):
        """Return so many pictures of the noise that belongs to `seed`."""
        return self.generate(np.random.default_rng(seed).standard_normal((count, self.latent_dim), np.float32))


def open_sampler(folder):
    """Return the `Sampler` of a run of pictures, finished or not, by the networks that its folder holds.

    These are a "generator" from noise to pictures in [-1, 1], of a GAN or a VAE-GAN; a "prior" from noise to the codes
    of a "decoder"; or the "decoder" of a VAE, whose prior is N(0, I). Decoders give pictures in [0, 1].

    Args:
        folder: `pathlib.Path` of the run.

    Raises:
        InputError: it holds no such networks, or a damaged one.
    """
    names = [name for name in ("generator", "prior", "encoder", "decoder") if (folder / f"{name}.keras").exists()]
    networks = dict(zip(names, load_networks(folder, *names), strict=True))
    if "generator" in networks:
        chain, low = [networks["generator"]], -1
    elif {"prior", "decoder"} <= networks.keys():
        chain, low = [networks["prior"], networks["decoder"]], 0
    elif is_vae(networks):
        chain, low = [networks["decoder"]], 0
    else:
        raise InputError(f"{folder}: holds no networks that make pictures of noise.")
    if not makes_pictures(chain):
        raise InputError(f"{folder}: its networks do not lead from one noise vector to square pictures.")
    return Sampler(chain, low, networks.get("encoder"))


def open_features(path, size):
    """Return what a reader of pictures has before its last layer: uint8 (count, size, size, 3) -> (count, numbers).

    Args:
        path: `pathlib.Path` of a network from pictures in [0, 1], such as the VAE-GAN's reader of attributes.
        size: height and width of the pictures.

    Raises:
        InputError: it is damaged, or no such network.
    """
    if path.suffix != ".keras" or not path.is_file():
        raise InputError(f"{path}: no such file of Keras (.keras).")
    (reader,) = load_networks(path.parent, path.stem)
    seen = keras.tree.flatten(reader.layers[-1].input)
    if reader.input_shape != (None, size, size, 3) or len(seen) > 1 or seen[0].ndim != 2:
        raise InputError(f"{path}: does not lead from {size}x{size} pictures by way of a vector to what it reads.")
    pictures = keras.Input(reader.input_shape[1:])
    return keras.Model(pictures, keras.Model(reader.input, seen[0])(pictures / 255))


def open_inception(size):
    """Return InceptionV3 as keras.io takes it for KID: uint8 pictures (count, size, size, 3) -> (count, 2048).

    Pictures are resized to 75x75, bilinear and not antialiased; features are the averages of its last maps.

    Raises:
        InputError: its weights cannot be had.
    """
    shape = (75, 75, 3)
    try:
        inception = keras.applications.InceptionV3(include_top=False, input_shape=shape, pooling="avg")
    except Exception as error:  # keras raises plain Exception when it cannot download
        raise InputError(f"The weights of InceptionV3 cannot be had ({error}).") from error
    pictures = keras.Input((size, size, 3))
    resized = keras.ops.image.resize(pictures, shape[:2], interpolation="bilinear", antialias=False)
    return keras.Model(pictures, inception(keras.applications.inception_v3.preprocess_input(resized)))
