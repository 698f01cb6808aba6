"""What several test modules need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import shared_blocks
import shared_data
import shared_run

ROOT = Path(__file__).resolve().parent.parent
VAE_SCRIPTS = [f"VAE_filter64_latent{latent_dim}" for latent_dim in (32, 64, 128)]
GAN_SCRIPTS = [f"GAN_filter128_latent{latent_dim}" for latent_dim in (64, 128, 256)]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep every test's cache and runs out of the checkout, and away from pictures that lie there."""
    monkeypatch.setattr(shared_data, "DATA_DIR", tmp_path / "data")
    monkeypatch.setattr(shared_data, "CELEBA_DIR", tmp_path / "data" / "celeba")
    monkeypatch.setattr(shared_run, "RUNS_DIR", tmp_path / "runs")


@pytest.fixture
def without_xla(monkeypatch):
    """Leave out XLA, which takes longer to compile than small LSTMs to train."""
    monkeypatch.setattr(shared_blocks, "fast_lstm", lambda steps: {"jit_compile": False, "steps_per_execution": steps})


@pytest.fixture
def run_script(tmp_path):
    """Return a function that runs a copy of a script as a user does: (name, *flags) -> completed process.

    It runs from another folder, and the copy has no `data/` beside it that could hold somebody's pictures.
    """
    scripts, elsewhere = tmp_path / "scripts", tmp_path / "elsewhere"
    scripts.mkdir()
    elsewhere.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, scripts)

    def run(name, *flags):
        return subprocess.run(
            [sys.executable, scripts / f"{name}.py", *map(str, flags)],
            cwd=elsewhere,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def parse(*flags):
    """Return the arguments that the flags all scripts share come to, with small defaults."""
    return shared_run.command_line("script.py", epochs=3, batch_size=4, limit=5).parse_args(flags)


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


def tiny_mnist(folder):
    """Write drawn digits as an MNIST file into `folder` and return its path."""
    path = folder / "mnist.npz"
    (x_train, y_train), (x_test, y_test) = shared_data.draw_digits(200, seed=0), shared_data.draw_digits(100, seed=1)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
