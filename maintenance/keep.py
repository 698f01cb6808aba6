"""The networks of finished runs, made small and kept in `models/`, since run folders do not last.

    python -m maintenance.keep runs/CAE_filter128_latent512 runs/RNN_mnist_patches/masked

Writes `models/<run>/`, or `models/<run>/<part>/` for a part, over what is there: the networks without discriminator,
kernels rounded and files compressed, to a quarter of their size, to be loaded by plain Keras; results.json;
directions.csv, if there is one; and settings.json, without the paths and the starts of the run.
"""

import shutil
import zipfile
from pathlib import Path

import numpy as np

from shared_command_line import OneLineParser, run_script
from shared_files import make_folder, read_json, write_json, written_whole
from shared_networks import load_networks, network_names
from shared_settings import run_of

MODELS = Path(__file__).resolve().parent.parent / "models"
KEPT_SETTINGS = ("script", "data", "fingerprint", "backend", "constants", "versions")
NOT_OF_USE = {"data", "attributes", "beside", "out", "resume", "distribute", "tensorboard", "traceback"}  # flags
KEPT_TABLES = ("results.json", "directions.csv")
STEPS = 32  # to a standard deviation; the distance of the three GANs' faces from photographs changes by at most 0.05
ATTRIBUTE_READER = "reader"  # part of a VAE-GAN's run, whose network is kept with the others
NOT_KEPT = {"discriminator", "velocity"}  # for training alone; the prior of a flow holds its velocity


def rounded(weight):
    """Return an array of a layer's weights, rounded to multiples of a power of two, which compress well.

    It is the largest one of which at least STEPS fit into their standard deviation. Vectors (biases, the means of a
    batch normalisation) are returned as they are: they are few, and some lie far from 0.
    """
    spread = weight.std() if weight.ndim > 1 else 0
    if not spread:
        return weight
    step = np.exp2(np.floor(np.log2(spread / STEPS)))
    return step * np.round(weight / step)


def save_small(model, path):
    """Save a model with its weights `rounded`, compressed."""
    model.set_weights([rounded(weight) for weight in model.get_weights()])
    with written_whole(path) as unfinished:
        model.save(unfinished)
        with zipfile.ZipFile(unfinished) as whole:
            parts = {name: whole.read(name) for name in whole.namelist()}
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_LZMA) as small:
            for name, content in parts.items():
                small.writestr(name, content)


def keep(folder, models):
    """Keep the networks of one finished run, or of a part of one, in a folder of its name in `models`.

    Raises:
        InputError: as `shared_networks.network_names` and `shared_networks.load_networks`.
    """
    names = [name for name in network_names(folder) if name not in NOT_KEPT]
    run = run_of(folder)
    settings = read_json(run / "settings.json", *KEPT_SETTINGS, "arguments")
    arguments = {name: value for name, value in settings["arguments"].items() if name not in NOT_OF_USE}
    kept = models / folder.relative_to(run.parent)
    networks = dict(zip(names, load_networks(folder, *names), strict=True))
    if (folder / ATTRIBUTE_READER / "reader.keras").exists():
        (networks["reader"],) = load_networks(folder / ATTRIBUTE_READER, "reader")
    make_folder(kept)
    write_json(kept / "settings.json", {**{name: settings[name] for name in KEPT_SETTINGS}, "arguments": arguments})
    for old in {*kept.glob("*.keras"), *(kept / name for name in KEPT_TABLES)}:  # of a run that was kept before
        old.unlink(missing_ok=True)
    for name in KEPT_TABLES:
        if (folder / name).exists():
            shutil.copy(folder / name, kept)
    for name, network in networks.items():
        path = kept / f"{name}.keras"
        save_small(network, path)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def main(argv=None):
    """Keep the networks of the runs that the command line names."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, or folders of their parts")
    for folder in parser.parse_args(argv).runs:
        keep(folder.resolve(), MODELS)


if __name__ == "__main__":
    run_script(main, resumable=False)
