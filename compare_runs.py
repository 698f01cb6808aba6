"""Figures and a table over several runs, from their run folders alone (report: figures 1-9).

    python compare_runs.py runs/VAE_filter64_latent32 runs/VAE_filter64_latent64 runs/VAE_filter64_latent128
    python compare_runs.py runs/VAE_filter64_latent128 runs/GAN_filter128_latent128 --data img_align_celeba

Writes to `runs/comparison/`, or the folder that `--out` names, over what is there:
    curves.png          every curve that all runs have, one line per run (figure 5)
    interpolations.png  the interpolations, one row per run (figures 6 and 9)
    first_last.png      samples before training over those after the last epoch, one column per run (figures 1-4, 7, 8)
    results.csv         the final numbers, one row per run

`--data` names the pictures that the runs were trained on; each run must have had the first ones (`--limit`). Samples
of each run are compared with as many later pictures, which no run has seen. `swd_64`, `swd_32`, `swd_16` and their mean
`swd` are the sliced Wasserstein distance, in thousandths; `channel_gap` is the difference in colour that it cannot see,
in grey values. `picture_distance` is how far 500 samples are from the nearest training picture or mirror image of one
(the median, in grey values), `smallest_distance` the smallest of these. `--reader` names a network such as the
VAE-GAN's reader of attributes, of whose features are `kernel_distance`, `density` and `coverage`; `--kid`, which needs
a download, adds `kid`. All these replace a run's own numbers of the same names. As many training pictures, measured in
the same way, are the floor, below which no difference can be told. How far the later pictures are from the training
pictures stands beside it.
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from shared_command_line import OneLineParser, positive, run_script
from shared_data import load_images
from shared_distances import (
    SlicedWasserstein,
    channel_gap,
    density_and_coverage,
    kernel_distance,
    nearest,
)
from shared_figures import plain, read_picture, save_curves
from shared_files import (
    InputError,
    epoch_files,
    fingerprint,
    make_folder,
    read_history,
    read_json,
    read_results,
    require_keys,
    write_table,
)
from shared_networks import open_features, open_inception, open_sampler
from shared_run import RUNS_DIR
from shared_settings import sources
from shared_training import predict

NOT_CURVES = {"epoch", "seconds"}
GAN_LOSSES = {"d_loss", "g_loss"}  # which pull against each other, so that "loss", their sum, says nothing
FEWEST = 1_000  # pictures on either side of a distance
SEED = 0  # of the samples that are measured
COPIES = 500  # samples, at most, whose nearest training picture is sought, which takes longer than all else
FLOOR, HELD_OUT = "training pictures", "held-out pictures"
KID = (
    "KID: InceptionV3 of keras.applications on pictures resized to 75x75, bilinear and not antialiased; kernel "
    "(x.y / 2048 + 1)^3 of the averages of its last maps; unbiased, over all {count:,} pictures of both sets at once."
)
NEEDED = ("settings.json", "results.json", "history.csv", "interpolation.png")


def require_finished(folder):
    """Raise `InputError` unless `folder` is the folder of a face experiment's run that has ended."""
    missing = [name for name in NEEDED if not (folder / name).exists()]
    if not epoch_files(folder / "samples"):
        missing.append("samples")
    if missing:
        raise InputError(f"{folder}: not the folder of a finished run of faces (it holds no {missing[0]}).")


def label(folders):
    """Return {label: folder}, labelled by the part of their paths in which the folders differ."""
    folders = [folder.resolve() for folder in folders]
    shared = os.path.commonpath([folder.parent for folder in folders])
    return {str(folder.relative_to(shared)): folder for folder in folders}


def stack(pictures, axis):
    """Return uint8 pictures (height, width, 3) joined below (`axis` 0) or beside (1) each other, on white."""
    across = 1 - axis
    longest = max(picture.shape[across] for picture in pictures)
    padding = [[(0, 0), (0, 0), (0, 0)] for _ in pictures]
    for pad, picture in zip(padding, pictures, strict=True):
        pad[across] = (0, longest - picture.shape[across])
    padded = [np.pad(picture, pad, constant_values=255) for picture, pad in zip(pictures, padding, strict=True)]
    return np.concatenate(padded, axis)


def differences(runs):
    """Return a sentence on what keeps runs from being compared, or "": other data, other numbers of epochs."""
    found = {
        "epochs": sorted({f"{read_results(folder / 'results.json', 'epochs')['epochs']}" for folder in runs.values()}),
        "data": sorted({sources([folder]) for folder in runs.values()}),
    }
    differ = [f"{name} ({', '.join(values)})" for name, values in found.items() if len(values) > 1]
    return f"Careful: these runs differ in {' and in '.join(differ)}." if differ else ""


def compare_curves(runs, warning, out):
    """Save the curves that all runs have, a panel per curve and a line per run, `warning` in the title."""
    histories = {name: read_history(folder / "history.csv", "epoch") for name, folder in runs.items()}
    common = set.intersection(*(set(history) for history in histories.values())) - NOT_CURVES
    if common >= GAN_LOSSES:
        common.remove("loss")
    if not common:
        raise InputError("These runs have no curve in common.")
    shown = {"epoch", *common}
    histories = {name: {column: history[column] for column in shown} for name, history in histories.items()}
    panels = {name: [name] for name in sorted(common) if not name.startswith("val_")}
    lines = "training (solid) and held out (dashed)" if len(panels) < len(common) else "training"
    title = plain(f"{lines}; {sources(runs.values())}\n{warning}".strip())
    save_curves(out / "curves.png", histories, panels, title)


def compare_pictures(folders, out):
    """Put the interpolations below each other, and first over last samples beside each other."""
    interpolations = [np.asarray(read_picture(folder / "interpolation.png")) for folder in folders]
    Image.fromarray(stack(interpolations, axis=0)).save(out / "interpolations.png")
    columns = []
    for folder in folders:
        grids = list(epoch_files(folder / "samples").values())
        columns.append(stack([np.asarray(read_picture(grid)) for grid in (grids[0], grids[-1])], axis=0))
    Image.fromarray(stack(columns, axis=1)).save(out / "first_last.png")


def given_to(folder):
    """Return the number and the fingerprint of the pictures that a run was given, and their (size, centre crop)."""
    path = folder / "settings.json"
    settings = read_json(path, "data", "fingerprint", "constants")
    require_keys(path, settings["constants"], ("IMAGE_SIZE", "CENTRE_CROP"))
    count = re.match("[0-9,]*", settings["data"])[0].replace(",", "")  # of a text such as "10,000 pictures of celeba"
    form = settings["constants"]["IMAGE_SIZE"], settings["constants"]["CENTRE_CROP"]
    return int(count or 0), settings["fingerprint"], form


def trained_and_held_out(folders, data, samples):
    """Return all pictures that runs were given, and some that no run was given, at most as many.

    Args:
        folders: of the runs.
        data: folder of pictures or `.npy` file of which each run was given the first ones.
        samples: pictures of the second kind, at most.

    Returns:
        Two uint8 (count, size, size, 3).

    Raises:
        InputError: a run was given other pictures; sizes or crops differ; there are fewer than FEWEST of a kind; as
            `shared_data.load_images`.
    """
    counts, fingerprints, forms = zip(*map(given_to, folders), strict=True)
    if len(set(forms)) > 1:
        raise InputError("--data: takes runs on pictures of one size and one crop.")
    trained = max(counts)
    size, centre_crop = forms[0]
    images = load_images(data, size, trained + samples, centre_crop)
    for folder, count, expected in zip(folders, counts, fingerprints, strict=True):
        if fingerprint(images[:count]) != expected:
            raise InputError(f"{folder}: was not trained on the first pictures of {data} ({sources([folder])}).")
    left = len(images) - trained
    if left < FEWEST:
        wanted = min(samples, len(images) // 2)
        how = f"train with --limit {len(images) - wanted} to leave {wanted:,}"
        if wanted < FEWEST:
            how = f"{2 * FEWEST:,} are needed, half of them to train on"
        raise InputError(f"{data}: {trained:,} of {len(images):,} pictures were trained on, too many; {how}.")
    if trained < FEWEST:
        raise InputError(f"--data: these runs were trained on {trained:,} pictures; the floor needs {FEWEST:,}.")
    return images[:trained], images[trained : trained + min(samples, trained, left)]


def measure(runs, data, samples, reader, kid):
    """Return {run, FLOOR or HELD_OUT: its distances}, as the module's docstring explains them.

    Args:
        runs: {label: folder}.
        data: as for `trained_and_held_out`.
        samples: the same.
        reader: file of a network that reads pictures, or None.
        kid: whether the Kernel Inception Distance is measured.

    Raises:
        InputError: as `trained_and_held_out` and the functions of `shared_networks` that open networks.
    """
    samplers = {name: open_sampler(folder) for name, folder in runs.items()}
    trained, held_out = trained_and_held_out(list(runs.values()), data, samples)
    count = len(held_out)
    print(f"Distances are those of {count:,} samples to {count:,} pictures that no run was trained on.")
    if reader:
        reader = open_features(reader, held_out.shape[1])
        read = predict(reader, held_out)
    if kid:
        inception = open_inception(held_out.shape[1])
        features = predict(inception, held_out)
        print(KID.format(count=count))
    sliced_wasserstein = SlicedWasserstein(held_out)

    def distances(pictures):
        found = {**sliced_wasserstein.distances(pictures), "channel_gap": channel_gap(pictures, held_out)}
        if reader:
            own = predict(reader, pictures)
            found |= {"kernel_distance": kernel_distance(own, read), **density_and_coverage(own, read)}
        if kid:
            found["kid"] = kernel_distance(predict(inception, pictures), features)
        return found

    found = {}
    for name, sampler in samplers.items():
        pictures = sampler.sample(count, SEED)
        found[name] = distances(pictures) | copies(pictures[:COPIES], trained)
    spread = trained[np.linspace(0, len(trained) - 1, count).astype(int)]
    return {**found, FLOOR: distances(spread), HELD_OUT: copies(held_out[:COPIES], trained)}


def copies(pictures, trained):
    """Return how far pictures are from the nearest training picture, or mirror image of one, in grey values.

    Args:
        pictures: uint8 (count, size, size, 3).
        trained: the training pictures, of the same size.

    Returns:
        dict: `picture_distance`, the median of the root mean squared differences, and `smallest_distance`.
    """
    distances = np.minimum(*(nearest(each, trained)[1] for each in (pictures, pictures[:, :, ::-1])))
    distances /= np.sqrt(pictures[0].size)
    return {"picture_distance": float(np.median(distances)), "smallest_distance": float(distances.min())}


def compare_results(runs, measured, out):
    """Write the final numbers, and those `measured`, as a table, and print it as Markdown."""
    results = {name: read_results(folder / "results.json") for name, folder in runs.items()}
    results = {name: results.get(name, {}) | measured.get(name, {}) for name in dict.fromkeys([*results, *measured])}
    write_table(out / "results.csv", [{"run": run, **numbers} for run, numbers in results.items()])
    print(f"| | {' | '.join(results)} |\n|{' --- |' * (len(results) + 1)}")
    for name in dict.fromkeys(name for numbers in results.values() for name in numbers):
        cells = [f"{numbers[name]:,.5g}" if name in numbers else "" for numbers in results.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def main(argv=None):
    """Compare the runs that the command line names."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--out", type=Path, default=RUNS_DIR / "comparison", help="folder to write to")
    what = "folder of pictures or .npy file, of which the runs were trained on the first ones; measures samples"
    parser.add_argument("--data", type=Path, help=what)
    what = "samples to measure, and pictures to measure them with, at most (%(default)s)"
    parser.add_argument("--samples", type=positive, default=2_048, help=what)
    what = "network of pictures in [0, 1], by whose features samples are measured, too"
    parser.add_argument("--reader", type=Path, metavar="FILE.keras", help=what)
    parser.add_argument("--kid", action="store_true", help="measure the Kernel Inception Distance, too")
    args = parser.parse_args(argv)
    if args.data is None and (args.kid or args.reader):
        parser.error("--kid and --reader: need --data")
    if args.samples < FEWEST:
        parser.error(f"--samples: distances need {FEWEST:,}")
    for folder in args.runs:
        require_finished(folder)
    runs = label(args.runs)
    measured = {} if args.data is None else measure(runs, args.data, args.samples, args.reader, args.kid)
    make_folder(args.out)
    warning = differences(runs)
    if warning:
        print(warning)
    compare_curves(runs, warning, args.out)
    compare_pictures(runs.values(), args.out)
    compare_results(runs, measured, args.out)
    print(f"Figures and table are in {args.out}")


if __name__ == "__main__":
    run_script(main, resumable=False)
