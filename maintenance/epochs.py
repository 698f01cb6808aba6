"""Seconds that an epoch takes of the models of faces that RESULTS.md puts on one yardstick; prints a table.

    python -m maintenance.epochs                                       # some twenty minutes on two cores
    python -m maintenance.epochs --keep "two cores of an Intel Xeon"   # put the numbers into assets/results.csv as well

Each script trains for two epochs of PICTURES drawn faces. The second counts, in which nothing is compiled any more; it
is scaled to EPOCH pictures. With far fewer pictures the fixed cost of an epoch would count too much.
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import importlib
import tempfile
from pathlib import Path

import numpy as np

from maintenance import tables
from shared_command_line import OneLineParser, run_script
from shared_drawings import draw_faces
from shared_files import print_table, read_history

SCRIPTS = (
    "VAE_filter64_latent128",
    "GAN_filter128_latent128",
    "GAN_filter128_latent128_stable",
    "VAEGAN_filter128_latent128",
    "FLOW_filter128_latent512",
    "maintenance.dcgan",
)
PICTURES = 2_560
EPOCH = 7_680  # pictures


def seconds_an_epoch(name, data, folder):
    """Return {part: seconds that an epoch of EPOCH pictures takes} of a script; "." is the run itself.

    Args:
        name: of its module.
        data: file of PICTURES pictures.
        folder: to run in.
    """
    script = importlib.import_module(name)
    for constant in vars(script).values():
        if isinstance(constant, dict) and "epochs" in constant:  # of a part
            constant["epochs"] = 2
    script.main(["--data", str(data), "--limit", str(PICTURES), "--epochs", "2", "--out", str(folder)])
    return {
        path.parent.relative_to(folder).as_posix(): read_history(path)["seconds"][-1] * EPOCH / PICTURES
        for path in sorted(folder.rglob("history.csv"))
    }


def main(argv=None):
    """Time the scripts one after the other."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--keep", metavar="MACHINE", help="put the numbers into assets/results.csv, of this machine")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces.npy"
        np.save(faces, draw_faces(PICTURES, 64, seed=0))
        for name in SCRIPTS:
            for part, seconds in seconds_an_epoch(name, faces, Path(folder) / name).items():
                rows.append({"script": name.replace(".", "/"), "part": part, "seconds_epoch": seconds})
    print_table(rows)
    if args.keep:
        for row in rows:
            setting, data = f"an epoch of {row['script']}, part {row['part']}", f"{PICTURES} drawn faces"
            numbers, command = {"seconds_epoch": row["seconds_epoch"]}, "python -m maintenance.epochs"
            tables.put_times(numbers, "maintenance/epochs", setting, args.keep, command, data=data, epochs=2)


if __name__ == "__main__":
    run_script(main, resumable=False)
