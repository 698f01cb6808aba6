"""Batches shared out to two devices, and to two processes: the losses of one."""

import importlib.util
import socket

import numpy as np
import pytest
from conftest import start_python, without_seconds

import shared_files
import shared_training
import VAE_filter64_latent32 as script

FLAGS = ["--limit", "42", "--epochs", "2"]  # 40 to train on, so that every batch of 8 divides by two
START = """
from pathlib import Path
import VAE_filter64_latent32 as script, shared_command_line, shared_data
shared_data.CELEBA_DIR = Path("nowhere")
script.FILTERS = 8
for flags in {runs!r}:
    shared_command_line.run_script(lambda: script.main(flags))
"""
needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs the package jax")


def start(*runs, **environment):
    """Start a process that makes these runs, each a list of flags, one after the other."""
    environment |= {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # most of the time goes to compiling
    return start_python(START.format(runs=[[*FLAGS, *map(str, flags)] for flags in runs]), **environment)


def printed_by(process):
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0, printed
    return printed


def history_of(folder):
    return without_seconds(shared_files.read_history(folder / "history.csv"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def assert_same(history, history_of_one):
    assert history.keys() == history_of_one.keys()
    for name, values in history_of_one.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@needs_jax
def test_two_devices_and_two_processes_give_the_losses_of_one(tmp_path):
    """The first epoch is that of two processes, the second that of two devices of one process."""
    one, shared = tmp_path / "one", ["--out", tmp_path / "shared", "--distribute"]
    address = f"127.0.0.1:{free_port()}"
    pair = [
        start(
            [*shared, "--epochs", "1"],
            KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES="2",
            KERAS_DISTRIBUTION_PROCESS_ID=str(index),
        )
        for index in (0, 1)
    ]
    try:
        printed = [printed_by(process) for process in pair]
    finally:
        for process in pair:
            process.kill()
    assert "this is process 1 of 2" in printed[1]
    two_devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    printed = printed_by(start(["--out", one], [*shared, "--resume"], **two_devices))
    assert printed.count("shared out to 2 devices; this is process 0 of 1") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"one", "shared"}
    assert_same(history_of(tmp_path / "shared"), history_of(one))


def test_other_backends_say_what_to_set(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(shared_files.InputError, match="set KERAS_BACKEND=jax"):
        script.main(["--distribute", "--limit", "2"])


def test_predictions_in_parts_are_the_whole(monkeypatch):
    encoder = script.build_encoder()
    pictures = np.random.default_rng(0).random((5, 64, 64, 3), np.float32)
    whole = encoder.predict(pictures, verbose=0)
    monkeypatch.setattr(shared_training, "device_layout", lambda: (2, 1, 0))  # else it would be the same call
    parts = shared_training.predict(encoder, pictures, batch_size=2)
    assert parts.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, atol=1e-5)


def test_batches_that_do_not_divide_are_filled_up(monkeypatch):
    batches = shared_training.Batches((np.arange(10),), np.arange(10), batch_size=7)
    parts = []
    for process in (0, 1):
        monkeypatch.setattr(shared_training, "device_layout", lambda process=process: (4, 2, process))
        parts.append([batches[index][0].tolist() for index in range(len(batches))])
    assert parts == [[[0, 1, 2, 3], [7, 8]], [[4, 5, 6, 0], [9, 7]]]
    named = shared_training.Batches((np.arange(10),), np.arange(10), 7, lambda rows, rng: ({"rows": rows},))
    assert named[0][0]["rows"].tolist() == parts[1][0]
