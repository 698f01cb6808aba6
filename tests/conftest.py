"""What several test modules need."""

import csv
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib import get_data_path

import shared_command_line
import shared_data
import shared_drawings
import shared_letters
import shared_run
import shared_training

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
KEPT = sorted({path.parent for path in MODELS.rglob("*.keras")})  # trained models
TOOLS = {"compare_runs", "explore", "sample"}  # top-level scripts that are no experiments
EXPERIMENTS = sorted(path.stem for path in ROOT.glob("*.py") if not path.stem.startswith("shared_"))
EXPERIMENTS = [name for name in EXPERIMENTS if name not in TOOLS]
FAMILIES = {}  # of siblings, whose names differ in numbers alone
for name in EXPERIMENTS:
    FAMILIES.setdefault(re.sub(r"\d+", "#", name), []).append(name)
ONE_OF_EACH = [names[0] for names in FAMILIES.values()]


# What an encoder could give for a thousand pictures, of a mean of 3 and a standard deviation of 2.
WIDE_LATENT = {
    name: np.full((1_000, 8), value, np.float32) for name, value in (("z_mean", 3), ("z_log_var", np.log(4)))
}


def pytest_configure(config):
    """Leave each of several workers, which inherit the environment, one thread: more would wait for each other."""
    if config.getoption("numprocesses", None):
        os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep each test to itself: cache, runs, random numbers; without pictures that lie there, and off the network."""
    monkeypatch.setattr(shared_data, "DATA_DIR", tmp_path / "data")
    monkeypatch.setattr(shared_data, "CELEBA_DIR", tmp_path / "data" / "celeba")
    monkeypatch.setattr(shared_run, "RUNS_DIR", tmp_path / "runs")
    monkeypatch.setattr("keras.datasets.mnist.load_data", tiny_digits)
    keras.utils.set_random_seed(0)  # of weights and layers, else they would follow from the tests before


@pytest.fixture
def without_xla(monkeypatch):
    """Leave out XLA, which takes longer to compile than small LSTMs to train."""
    options = {"jit_compile": False}
    monkeypatch.setattr(shared_training, "fast_steps", lambda steps: {**options, "steps_per_execution": steps})


@pytest.fixture
def eagerly(monkeypatch):
    """Compile no steps, which takes longer than the few of a tiny run; the tests of the house compile them."""
    monkeypatch.setattr("keras.Model.run_eagerly", property(lambda model: True, lambda model, value: None))


@pytest.fixture
def tiny(monkeypatch, without_xla):
    """Return a function that gives the module of an experiment, with the settings that make it run in seconds."""

    def shrink(name):
        module = importlib.import_module(name)
        for constant, value in module.TINY.items():
            monkeypatch.setattr(module, constant, value)
        return module

    return shrink


@pytest.fixture(scope="session")
def kept_runs(tmp_path_factory):
    """Return the folder of the runs that `trained` keeps, in which a file of faces lies."""
    folder = tmp_path_factory.mktemp("kept")
    np.save(folder / "faces.npy", shared_drawings.draw_faces(60, 64, seed=0))
    return folder


@pytest.fixture
def data(kept_runs):
    """Return the flags of 60 drawn faces in a file, the same in all tests."""
    return ["--data", str(kept_runs / "faces.npy"), "--limit", "60"]


@pytest.fixture
def trained(tiny, eagerly, kept_runs, tmp_path):
    """Return a function that gives a copy of a tiny run, trained once for all tests that want it."""

    def copy(name, *flags, to=None):
        kept = kept_runs / re.sub(r"\W+", "_", " ".join([name, *flags]))
        if not (kept / "results.json").exists():
            shutil.rmtree(kept, ignore_errors=True)  # of a run that has failed in another test
            tiny(name).main([*flags, "--out", str(kept)])
        folder = tmp_path / (to or name)
        shutil.copytree(kept, folder)
        return folder

    return copy


def assert_drawn(z, mean=3, deviation=2):
    """Assert that codes are drawn with a mean and a standard deviation, if not told, with those of WIDE_LATENT."""
    assert np.mean(z) == pytest.approx(mean, abs=0.15)
    assert np.std(z) == pytest.approx(deviation, rel=0.05)


def some_masters():
    """Return the letters of four faces that Matplotlib brings, uint8 (4, 26, MASTER, MASTER)."""
    files = sorted((Path(get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"))[:4]
    return np.stack([shared_letters.draw_face(path) for path in files])


def marked_digits(folder, digits, labels):
    """Write an `.npz` file whose training digits are uint8 `digits` (count, 28, 28), and whose test digits are grey."""
    arrays = {"x_train": digits, "y_train": labels, "x_test": np.minimum(digits, 99), "y_test": labels}
    np.savez(folder / "marked.npz", **arrays)
    return folder / "marked.npz"


def parse(*flags):
    """Return the arguments that the flags all scripts share come to, with small defaults."""
    experiment = {"__file__": "script.py", "__doc__": "A script.", "EPOCHS": 3, "BATCH_SIZE": 4, "LIMIT": 5}
    return shared_command_line.parser(experiment, shared_data.PICTURES_FLAG).parse_args(flags)


def start_python(code, **environment):
    """Start Python code in a process of its own, in the checkout; what it prints, errors too, is in its `stdout`."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def tiny_digits():
    """Return drawn digits in the layout of `keras.datasets.mnist.load_data`."""
    return shared_drawings.draw_digits(200, seed=0), shared_drawings.draw_digits(100, seed=1)


def tiny_mnist(folder):
    """Write drawn digits as an MNIST file into `folder` and return its path."""
    path = folder / "mnist.npz"
    (x_train, y_train), (x_test, y_test) = tiny_digits()
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


def without_seconds(history):
    """Return a history without the column that no two runs share."""
    return {name: values for name, values in history.items() if name != "seconds"}


def read_comparison(folder):
    """Return the rows of a run's `comparison.csv`, by the pictures that they are of."""
    with open(folder / "comparison.csv", newline="") as file:
        return {row.pop("pictures"): row for row in csv.DictReader(file)}


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
