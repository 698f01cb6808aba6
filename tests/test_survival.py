"""Runs that are killed, full disks, damaged files: one line each, and nothing of a finished epoch lost."""

import importlib
import io
import pickle
import re
import resource
import signal
import time

import cv2
import keras
import numpy as np
import pytest
from conftest import Trap, start_python, tiny_mnist

import shared_data
import shared_run
import VAE_filter64_latent32 as vae_script

EPOCHS = 8
TEXT2IMAGE_FLAGS = ("--encoders", 1, "--decoders", 1, "--units", 8, "--limit", 100, "--batch-size", 20)
KINDS = {  # script, constants that make it small, flags; two kills each
    "vae": ("VAE_filter64_latent32", {"FILTERS": 8, "SAMPLES": 8, "MEASURED": 8}, ("--limit", 40)),
    "gan": ("GAN_filter128_latent64", {"FILTERS": 8, "SAMPLES": 8}, ("--limit", 16, "--batch-size", 8)),
    "text": ("task2_txt2txtimg2txt", {"UNITS": 8}, ("--part", "text", "--shares", 0.5, "--limit", 200)),
    "image": ("task2_txt2txtimg2txt", {"UNITS": 8}, ("--part", "image", "--models", "flatten", "--limit", 100)),
    "text2image": ("A2_RNNs_text2image", {"READER_EPOCHS": 1, "SAMPLES": 2}, TEXT2IMAGE_FLAGS),
}
START = """
import os, signal
from pathlib import Path
import {name} as script, shared_blocks, shared_data, shared_run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
shared_blocks.fast_lstm = lambda steps: {{'jit_compile': False, 'steps_per_execution': steps}}
shared_data.DATA_DIR, shared_data.CELEBA_DIR = Path({data!r}), Path({data!r}) / "celeba"
vars(script).update({constants!r})
replace = os.replace

def replace_or_die(source, target):
    if Path(target).name == {dies_before!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replace_or_die
shared_run.run_script(lambda: script.main({flags!r}))
"""


def start(name, constants, flags, dies_before=None):
    """Start a run in a process of its own; it kills itself when a file `dies_before` is about to be renamed to that."""
    data = str(shared_data.DATA_DIR)
    return start_python(START.format(name=name, data=data, constants=constants, flags=flags, dies_before=dies_before))


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


@pytest.mark.parametrize("kind", KINDS)
def test_killed_runs_end_as_if_never_killed(kind, tmp_path, monkeypatch, capsys, without_xla):
    name, constants, flags = KINDS[kind]
    script = importlib.import_module(name)
    for constant, value in constants.items():
        monkeypatch.setattr(script, constant, value)
    if "VAE" not in name and "GAN" not in name:
        flags = (*flags, "--mnist", tiny_mnist(tmp_path))
    flags = [*map(str, flags), "--epochs", str(EPOCHS), "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    script.main([*flags, str(whole)])

    rng = np.random.default_rng(list(map(ord, kind)))
    process = start(name, constants, [*flags, str(killed)])
    target = rng.integers(1, 3)
    wait_for(lambda: epochs_done(killed) >= target, process)
    time.sleep(rng.uniform(0, 0.1))  # anywhere in an epoch
    process.kill()
    printed = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, printed

    while_saving = f"epoch_{EPOCHS - rng.integers(0, 2):03d}.npz"
    process = start(name, constants, [*flags, str(killed), "--resume"], dies_before=while_saving)
    printed = process.communicate(timeout=240)[0]
    assert process.returncode == -signal.SIGKILL, printed
    assert list(killed.rglob(f"checkpoint/unfinished_*_{while_saving}"))
    capsys.readouterr()
    script.main([*flags, str(killed), "--resume"])
    assert "Resumed after epoch" in capsys.readouterr().out

    (expected,) = whole.rglob("history.csv")
    folder = killed / expected.parent.relative_to(whole)
    histories = [shared_run.read_history(path) for path in (expected, folder / "history.csv")]
    for history in histories:
        history.pop("seconds")
    assert histories[0]["epoch"] == list(range(EPOCHS))
    assert histories[0] == histories[1]
    checkpoints = [list(shared_run.find_checkpoints(path / "checkpoint")) for path in (expected.parent, folder)]
    assert [path.name for path in checkpoints[0]] == [path.name for path in checkpoints[1]]
    assert all(path.read_bytes() == twin.read_bytes() for path, twin in zip(*checkpoints, strict=True))
    pictures = sorted((expected.parent / "samples").glob("*.png"))
    assert len(pictures) in (0, EPOCHS + 1)
    assert all((folder / "samples" / path.name).read_bytes() == path.read_bytes() for path in pictures)


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path):
    process = start("VAE_filter64_latent32", {"FILTERS": 8}, ["--limit", "40", "--out", str(tmp_path / "run")])
    wait_for(lambda: epochs_done(tmp_path / "run") >= 1, process)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert printed.endswith("stopped. A run that had begun goes on with the same command and --resume.\n")
    assert "Traceback" not in printed


@pytest.fixture
def small_run(tmp_path, monkeypatch):
    """Return a function that makes or resumes a small VAE run and returns status, what it printed, and the error."""
    monkeypatch.setattr(vae_script, "FILTERS", 8)
    flags = ["--limit", "10", "--out", str(tmp_path / "run")]

    def run(capsys, epochs, *more):
        capsys.readouterr()
        try:
            shared_run.run_script(lambda: vae_script.main([*flags, "--epochs", str(epochs), *more]))
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
    assert "File too large. A run that had begun goes on with the same command and --resume." in error
    assert (tmp_path / "run" / "samples" / "epoch_003.png").exists()  # so it was the checkpoint that did not fit
    assert {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoint").iterdir()} == before
    assert not (tmp_path / "run" / "results.json").exists()  # a run that goes on has not ended
    status, printed, _ = small_run(capsys, 3, "--resume")
    assert status == 0
    assert "Resumed after epoch 2." in printed
    assert shared_run.read_history(tmp_path / "run" / "history.csv")["epoch"] == [0, 1, 2]


def test_damaged_checkpoint_gives_way_to_the_one_before(small_run, tmp_path, capsys):
    small_run(capsys, 3)
    history = shared_run.read_history(tmp_path / "run" / "history.csv")
    newest, older = shared_run.find_checkpoints(tmp_path / "run" / "checkpoint")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    status, printed, _ = small_run(capsys, 3, "--resume")
    assert status == 0
    assert f"Warning: {newest}: is damaged" in printed
    assert "Resumed after epoch 2." in printed
    again = shared_run.read_history(tmp_path / "run" / "history.csv")
    assert {**again, "seconds": 0} == {**history, "seconds": 0}
    assert list(shared_run.find_checkpoints(tmp_path / "run" / "checkpoint")) == [newest, older]  # made anew

    for path in (newest, older):
        path.write_bytes(path.read_bytes()[:-1])
    status, _, error = small_run(capsys, 4, "--resume")
    assert status == 2
    assert "every checkpoint is damaged" in error
    assert error.count("\n") == 1
    assert newest.exists()


DAMAGE = (
    ("settings.json", b"{"),
    ("settings.json", b"{}"),
    ("history.csv", None),
    ("history.csv", b"epoch,loss\n0,x\n1,y\n"),
    ("history.csv", b"epoch,loss\n0,1\n"),
    ("history.csv", b"epoch,loss\n0,\xff\n1,2\n"),
)


def test_damaged_run_folder_gets_one_line(small_run, tmp_path, capsys):
    small_run(capsys, 2)
    for name, content in DAMAGE:
        path = tmp_path / "run" / name
        whole = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        status, _, error = small_run(capsys, 3, "--resume")
        assert status == 2
        assert str(path) in error
        assert error.count("\n") == 1
        path.write_bytes(whole)


def test_run_whose_checkpoints_are_gone_is_not_begun_anew(small_run, tmp_path, capsys):
    small_run(capsys, 2)
    history = (tmp_path / "run" / "history.csv").read_bytes()
    for path in (tmp_path / "run" / "checkpoint").iterdir():
        path.unlink()
    status, _, error = small_run(capsys, 3, "--resume")
    assert status == 2
    assert "no checkpoint to go on with" in error
    assert (tmp_path / "run" / "history.csv").read_bytes() == history


def test_checkpoint_of_another_model_is_refused(tmp_path):
    model, other = (keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)]) for units in (3, 4))
    for each in (model, other):
        each.compile(optimizer="adam")
    shared_run.save_state(tmp_path / "state.npz", model)
    with pytest.raises(shared_data.InputError, match=r"state\.npz: holds another model"):
        shared_run.load_state(tmp_path / "state.npz", other)


def test_pictures_that_vanish_get_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, face in enumerate(shared_data.draw_faces(3, 32, seed=0)):
        cv2.imwrite(str(folder / f"{index}.png"), face)

    def read_and_remove(path):
        (folder / "2.png").unlink(missing_ok=True)
        return read_image(path)

    read_image = shared_data.read_image
    monkeypatch.setattr(shared_data, "read_image", read_and_remove)
    with pytest.raises(shared_data.InputError, match=r"2\.png: has gone while the pictures were read"):
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
    face = shared_data.draw_faces(1, 48, seed=0)[0]
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
import shared_data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = [shared_data.read_image(path) for path in sorted(Path({folder!r}).iterdir())]
print("took", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, "KiB for", read)
"""


def test_sizes_that_damaged_headers_claim_take_no_memory(tmp_path):
    """A chunk of 3 GB; a picture of 29,952 x 29,952 pixels."""
    for suffix, place, claim in ((".png", 33, b"\xbe\0\0\0"), (".bmp", 18, b"\0\x75\0\0" * 2)):
        content = bytearray(cv2.imencode(suffix, shared_data.draw_faces(1, 48, seed=0)[0])[1].tobytes())
        content[place : place + len(claim)] = claim
        (tmp_path / f"picture{suffix}").write_bytes(content)
    printed = start_python(CLAIMS.format(folder=str(tmp_path))).communicate(timeout=120)[0]
    taken, read = re.search(r"took (\d+) KiB for (.+)", printed).groups()
    assert int(taken) < 200_000
    assert read == "[None, None]"


def test_a_thousand_damaged_arrays_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    faces = shared_data.draw_faces(4, 16, seed=0)
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
            except shared_data.InputError as error:
                outcomes[False] += 1
                assert path in str(error)
    assert min(outcomes.values()) > 20
    assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap)).close()
    assert trap.path.exists()  # so it would have sprung
