"""Runs that are killed, full disks, damaged files: one line each, and nothing of a finished epoch lost."""

import io
import pickle
import re
import resource
import signal
import time

import cv2
import numpy as np
import pytest
from conftest import Trap, start_python, tiny_mnist, without_seconds

import shared_command_line
import shared_data
import shared_drawings
import shared_files
from shared_files import InputError

EPOCHS = 6
START = """
import os, signal
from pathlib import Path
import {name} as script, shared_command_line, shared_data, shared_training
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
shared_training.fast_steps = lambda steps: {{'jit_compile': False, 'steps_per_execution': steps}}
shared_data.DATA_DIR, shared_data.CELEBA_DIR = Path({data!r}), Path({data!r}) / "celeba"
vars(script).update(script.TINY)
replace = os.replace

def replace_or_die(source, target):
    if Path(target).name == {dies_before!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replace_or_die
shared_command_line.run_script(lambda: script.main({flags!r}))
"""


def start(name, flags, dies_before=None):
    """Start a run in a process of its own; it kills itself when a file `dies_before` is about to be renamed to that."""
    return start_python(START.format(name=name, data=str(shared_data.DATA_DIR), flags=flags, dies_before=dies_before))


def epochs_done(folder):
    try:
        return sum(len(path.read_text().splitlines()) - 1 for path in folder.rglob("history.csv"))
    except FileNotFoundError:  # it went between being listed and being read
        return 0


def wait_for(condition, process, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(process.communicate()[0])
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "dies_before"),
    [("GAN_filter128_latent64", "epoch_005.npz"), ("A2_RNNs_text2image", "history.csv")],
)
def test_killed_runs_end_as_if_never_killed(name, dies_before, tiny, tmp_path, capsys):
    """While it saves. Of the two one keeps a watch that counts, one the best epoch and a patience."""
    digits = ["--mnist", str(tiny_mnist(tmp_path))] if name == "A2_RNNs_text2image" else []
    flags = [*digits, "--epochs", str(EPOCHS), "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    script = tiny(name)
    script.main([*flags, str(whole)])

    process = start(name, [*flags, str(killed)], dies_before)
    printed = process.communicate(timeout=240)[0]
    assert process.returncode == -signal.SIGKILL, printed
    assert list(killed.rglob(f"unfinished_*_{dies_before}"))
    capsys.readouterr()
    script.main([*flags, str(killed), "--resume"])
    assert "Resumed after epoch" in capsys.readouterr().out

    (expected,) = whole.rglob("history.csv")
    folder = killed / expected.parent.relative_to(whole)
    histories = [without_seconds(shared_files.read_history(path)) for path in (expected, folder / "history.csv")]
    assert histories[0]["epoch"] == list(range(1, EPOCHS + 1))
    assert histories[0] == histories[1]
    checkpoints = [shared_files.epoch_files(path / "checkpoint") for path in (expected.parent, folder)]
    assert checkpoints[0].keys() == checkpoints[1].keys()
    for epoch, path in checkpoints[0].items():
        arrays, twins = (shared_files.read_arrays(each) for each in (path, checkpoints[1][epoch]))
        assert arrays.keys() == twins.keys()
        assert all(np.array_equal(arrays[key], twins[key]) for key in arrays if key != "about")
    pictures = sorted((expected.parent / "samples").glob("*.png"))
    assert len(pictures) == EPOCHS + 1
    assert all((folder / "samples" / path.name).read_bytes() == path.read_bytes() for path in pictures)


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path):
    process = start("VAE_filter64_latent32", ["--epochs", "50", "--out", str(tmp_path / "run")])
    wait_for(lambda: epochs_done(tmp_path / "run") >= 1, process)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert printed.endswith("stopped. To continue a run that has started, repeat the command with --resume.\n")
    assert "Traceback" not in printed


@pytest.fixture
def small_run(tiny, tmp_path, eagerly):
    """Return a function that makes or resumes a small VAE run and returns status, what it printed, and the error."""
    vae_script = tiny("VAE_filter64_latent32")
    flags = ["--limit", "10", "--out", str(tmp_path / "run")]

    def run(capsys, epochs, *more):
        capsys.readouterr()
        try:
            shared_command_line.run_script(lambda: vae_script.main([*flags, "--epochs", str(epochs), *more]))
            status = 0
        except SystemExit as stopped:
            status = stopped.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_full_disk_takes_nothing(small_run, tmp_path, capsys):
    """No file can grow beyond a size that pictures have and checkpoints have not, as on a disk that is full."""
    small_run(capsys, 2)
    before = {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoint").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        status, _, error = small_run(capsys, 3, "--resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    assert error.count("\n") == 1
    assert "File too large. To continue a run that has started, repeat the command with --resume." in error
    assert (tmp_path / "run" / "samples" / "epoch_003.png").exists()  # so it was the checkpoint that did not fit
    assert {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoint").iterdir()} == before
    assert not (tmp_path / "run" / "results.json").exists()  # a run that goes on has not ended
    status, printed, _ = small_run(capsys, 3, "--resume")
    assert status == 0
    assert "Resumed after epoch 2." in printed
    assert shared_files.read_history(tmp_path / "run" / "history.csv")["epoch"] == [1, 2, 3]


def test_damaged_run_folder_gets_one_line(small_run, tmp_path, capsys):
    small_run(capsys, 2)
    settings = tmp_path / "run" / "settings.json"
    checkpoints = tmp_path / "run" / "checkpoint"
    for path, contents in (
        (settings, {settings: b"{"}),
        (settings, {settings: b"{}"}),
        (checkpoints, dict.fromkeys(checkpoints.iterdir(), b"PK")),
        (checkpoints, dict.fromkeys(checkpoints.iterdir(), None)),
    ):
        whole = {damaged: damaged.read_bytes() for damaged in contents}
        for damaged, content in contents.items():
            damaged.unlink() if content is None else damaged.write_bytes(content)
        status, _, error = small_run(capsys, 3, "--resume")
        assert status == 2
        assert str(path) in error
        assert error.count("\n") == 1
        for damaged, content in whole.items():
            damaged.write_bytes(content)
    assert small_run(capsys, 3, "--resume")[0] == 0


def test_pictures_that_vanish_get_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, face in enumerate(shared_drawings.draw_faces(3, 32, seed=0)):
        cv2.imwrite(str(folder / f"{index}.png"), face)

    def read_and_remove(path):
        (folder / "2.png").unlink(missing_ok=True)
        return read_image(path)

    read_image = shared_data.read_image
    monkeypatch.setattr(shared_data, "read_image", read_and_remove)
    with pytest.raises(InputError, match=r"2\.png: cannot be read \(No such file"):
        shared_data.load_images(folder, 16)


def damaged(rng, content):
    """Return a file's content cut off, overwritten, in its header or anywhere, lengthened or shortened."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(content) + 1))
        count = int(rng.integers(1, 40))
        match rng.integers(5):
            case 0:
                del content[place:]
            case 1:
                content[place : place + count] = rng.bytes(min(count, len(content) - place))
            case 2:
                content[place % 130 : place % 130 + 1] = rng.bytes(1)
            case 3:
                content[place:place] = rng.bytes(count)
            case 4:
                del content[place : place + count]
    return bytes(content)


def saved(save, *args, **kwargs):
    buffer = io.BytesIO()
    save(buffer, *args, **kwargs)
    return buffer.getvalue()


def test_a_thousand_damaged_pictures_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    face = shared_drawings.draw_faces(1, 48, seed=0)[0]
    whole = [(suffix, cv2.imencode(suffix, face)[1].tobytes()) for suffix in (".jpg", ".png", ".webp", ".bmp")]
    read = 0
    for index in range(1000):
        suffix, content = whole[index % len(whole)]
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(damaged(rng, content))
        image = shared_data.read_image(path)
        if image is not None:
            read += 1
            assert image.dtype == np.uint8
            assert image.size <= 3e8
            assert shared_data.resize_square(image, 16).shape == (16, 16, 3)
    assert 100 < read < 900


CLAIMS = """
import resource
from pathlib import Path
import task2_txt2txtimg2txt, shared_data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = [shared_data.read_image(path) for path in sorted(Path({folder!r}).iterdir())]
print("took", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, "KiB for", read)
"""


def test_sizes_that_damaged_headers_claim_take_no_memory(tmp_path):
    """A chunk of 3 GB; a picture of 29,952 x 29,952 pixels."""
    for suffix, place, claim in ((".png", 33, b"\xbe\0\0\0"), (".bmp", 18, b"\0\x75\0\0" * 2)):
        content = bytearray(cv2.imencode(suffix, shared_drawings.draw_faces(1, 48, seed=0)[0])[1].tobytes())
        content[place : place + len(claim)] = claim
        (tmp_path / f"picture{suffix}").write_bytes(content)
    printed = start_python(CLAIMS.format(folder=str(tmp_path))).communicate(timeout=120)[0]
    taken, read = re.search(r"took (\d+) KiB for (.+)", printed).groups()
    assert int(taken) < 200_000
    assert read == "[None, None]"


def test_a_thousand_damaged_arrays_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    faces = shared_drawings.draw_faces(4, 16, seed=0)
    trap = Trap(tmp_path / "sprung")
    traps = np.array([trap], dtype=object)
    mnist = tiny_mnist(tmp_path).read_bytes()
    whole = [
        saved(np.save, faces),
        saved(np.save, faces),
        saved(np.save, traps, allow_pickle=True),
        pickle.dumps(trap),
        saved(np.savez, x_train=traps, allow_pickle=True),
        mnist,
    ]
    outcomes = {True: 0, False: 0}
    for index in range(1000):
        content = damaged(rng, whole[index % len(whole)])
        (tmp_path / "array.npy").write_bytes(content)
        (tmp_path / "array.npz").write_bytes(content)
        for read, path in ((shared_data.open_array, "array.npy"), (shared_data.load_digits, "array.npz")):
            try:
                read(tmp_path / path)
                outcomes[True] += 1
            except InputError as error:
                outcomes[False] += 1
                assert path in str(error)
    assert min(outcomes.values()) > 20
    assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap)).close()
    assert trap.path.exists()  # so it would have sprung
