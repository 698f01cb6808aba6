"""Figures and a table over several runs, from their run folders alone (report: figures 1-9).

    python compare_runs.py runs/VAE_filter64_latent32 runs/VAE_filter64_latent64 runs/VAE_filter64_latent128

Writes to `runs/comparison/`, or the folder that `--out` names, over what is there:
    curves.png          every curve that all runs have, one line a run (figure 5)
    interpolations.png  the interpolations, one row a run (figures 6 and 9)
    first_last.png      samples before training over those after the last epoch, one column a run (figures 1-4, 7, 8)
    results.csv         the final numbers, one row a run
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import os
from pathlib import Path

import numpy as np
from PIL import Image

from shared_command_line import OneLineParser, run_script
from shared_figures import read_picture, save_curves
from shared_files import InputError, epoch_files, make_folder, read_history, read_results, write_table
from shared_run import RUNS_DIR
from shared_settings import sources

NOT_CURVES = {"epoch", "seconds"}
GAN_LOSSES = {"d_loss", "g_loss"}  # which pull against each other, so that "loss", their sum, says nothing
NEEDED = ("settings.json", "results.json", "history.csv", "interpolation.png", "samples")


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
    """Save the curves that all runs have, a panel a curve and a line a run, `warning` in the title."""
    histories = {name: read_history(folder / "history.csv", "epoch") for name, folder in runs.items()}
    common = set.intersection(*(set(history) for history in histories.values())) - NOT_CURVES
    if common >= GAN_LOSSES:
        common.remove("loss")
    if not common:
        raise InputError("These runs have no curve in common.")
    panels = {name: [name] for name in sorted(common) if not name.startswith("val_")}
    lines = "training (solid) and held out (dashed)" if len(panels) < len(common) else "training"
    title = f"{lines}; {sources(runs.values())}\n{warning}".strip()
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


def compare_results(runs, out):
    """Write the final numbers as a table, and print it as Markdown."""
    results = {name: read_results(folder / "results.json") for name, folder in runs.items()}
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
    args = parser.parse_args(argv)
    for folder in args.runs:
        require_finished(folder)
    runs = label(args.runs)
    make_folder(args.out)
    warning = differences(runs)
    if warning:
        print(warning)
    compare_curves(runs, warning, args.out)
    compare_pictures(runs.values(), args.out)
    compare_results(runs, args.out)
    print(f"Figures and table are in {args.out}")


if __name__ == "__main__":
    run_script(main, resumable=False)
