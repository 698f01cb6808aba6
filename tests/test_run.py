"""Command line, run folder and the mapping of pictures."""

import argparse
import json

import cv2
import numpy as np
import pytest
from conftest import parse
from PIL import Image

import shared_run
from shared_data import InputError


def test_defaults_are_the_constants():
    args = parse()
    assert (args.epochs, args.batch_size, args.limit, args.seed) == (3, 4, 5, 0)
    assert (args.data, args.out, args.resume, args.tensorboard) == (None, None, False, False)


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs", "0"),
        ("--batch-size", "-1"),
        ("--limit", "1.5"),
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--epochs",),
        ("--unknown",),
        ("stray",),
    ],
)
def test_wrong_flags_get_one_line(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*flags)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert flags[0] in error


def open_run(**changes):
    args = argparse.Namespace(**{**vars(parse()), **changes})
    return shared_run.Run("script.py", args, {"BETA": 8.0, "EPOCHS": 3}, "4 drawn faces")


def test_run_folders_are_numbered_never_overwritten(tmp_path):
    folders = [open_run().folder for _ in range(3)]
    assert [folder.name for folder in folders] == ["script", "script_2", "script_3"]
    assert open_run(resume=True).folder == folders[-1]
    assert open_run(out=str(tmp_path / "mine")).folder == tmp_path / "mine"
    assert open_run(out=str(tmp_path / "mine")).folder == tmp_path / "mine_2"
    settings = json.loads((folders[0] / "settings.json").read_text())
    assert settings["constants"] == {"BETA": 8.0, "EPOCHS": 3}
    assert settings["data"] == "4 drawn faces"
    assert settings["backend"] in settings["versions"]


def test_resume_only_with_the_same_settings(tmp_path):
    with pytest.raises(InputError, match="no run to resume"):
        open_run(resume=True)
    open_run()
    open_run(resume=True, epochs=9)
    with pytest.raises(InputError, match="started with seed 0, not 1"):
        open_run(resume=True, seed=1)
    other = tmp_path / "runs" / "script_2"
    other.mkdir()
    (other / "settings.json").write_text('{"script": "script_2", "constants": {}, "arguments": {}, "data": ""}')
    with pytest.raises(InputError, match="is a run of script_2"):
        open_run(resume=True)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        open_run(out=str(tmp_path / "file" / "run"))


def test_user_errors_and_interruption_have_no_traceback(capsys):
    def stop():
        raise KeyboardInterrupt

    def fail():
        raise InputError("celeba: no such folder.")

    for main, status, words in ((fail, 2, "no such folder"), (stop, 130, "--resume")):
        with pytest.raises(SystemExit) as caught:
            shared_run.run_script(main)
        assert caught.value.code == status
        error = capsys.readouterr().err
        assert words in error
        assert "Traceback" not in error


def test_sharpness_is_the_variance_of_the_laplacian():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 12, 10, 3), np.uint8)
    assert shared_run.sharpness(np.full_like(noise, 77)) == 0
    expected = np.mean([cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1].var() for grey in noise.mean(axis=-1)])
    assert shared_run.sharpness(noise) == pytest.approx(expected, rel=1e-5)
    blurred = np.stack([cv2.GaussianBlur(image, (5, 5), 1) for image in noise])
    assert shared_run.sharpness(blurred) < 0.1 * shared_run.sharpness(noise)


def test_mapping_to_uint8_is_exact():
    assert shared_run.to_uint8(np.array([-1.0, 0.0, 1.0, 1.2]), low=-1, high=1).tolist() == [0, 128, 255, 255]
    assert shared_run.to_uint8(np.array([-0.1, 0.0, 0.5, 1.0]), low=0, high=1).tolist() == [0, 0, 128, 255]
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(shared_run.to_uint8(every / np.float32(255), low=0, high=1), every)
    np.testing.assert_array_equal(shared_run.to_uint8(every / np.float32(127.5) - 1, low=-1, high=1), every)


def test_grids_keep_every_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)
    grid = shared_run.tile(images, 3)
    assert grid.shape == (84, 126, 3)
    np.testing.assert_array_equal(grid[43:83, 43:83], images[4])
    assert (grid[42:, 84:] == 255).all()
    shared_run.save_picture(tmp_path / "grid.png", grid, "title", zoom=2)
    written = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    assert written.shape == (168 + shared_run.TITLE_HEIGHT, 252, 3)
    np.testing.assert_array_equal(written[shared_run.TITLE_HEIGHT :: 2, ::2], grid)
    assert written[: shared_run.TITLE_HEIGHT].min() < 100  # the title is there


def test_batches_cover_every_row_once_and_reorder_by_epoch():
    array = np.arange(20) * 10
    batches = shared_run.Batches((array,), np.arange(3, 14), batch_size=4)
    orders = []
    for epoch in (0, 1, 0):
        batches.shuffle(seed=5, epoch=epoch)
        orders.append(np.concatenate([batches[index][0] for index in range(len(batches))]).tolist())
    assert len(batches) == 3
    assert sorted(orders[0]) == list(range(30, 140, 10))
    assert orders[0] == orders[2] != orders[1]


def test_transforms_follow_from_seed_and_epoch():
    def add_noise(values, rng):
        return (values + rng.random(len(values)),)

    batches = shared_run.Batches((np.zeros(6),), np.arange(6), batch_size=3, transform=add_noise)
    fixed = [batches[0][0].tolist(), batches[0][0].tolist()]
    assert fixed[0] == fixed[1] != batches[1][0].tolist()
    drawn = []
    for seed, epoch in ((5, 0), (5, 1), (6, 0), (5, 0)):
        batches.shuffle(seed, epoch)
        drawn.append(batches[0][0].tolist())
    assert drawn[0] == drawn[3]
    assert len({tuple(values) for values in [*drawn, *fixed]}) == 4


def test_parts_keep_to_their_data(tmp_path):
    run = open_run()
    assert run.part("one", "MNIST").folder == run.folder / "one"
    assert run.part("one", "MNIST").title("text") == "script/one: text; MNIST"
    with pytest.raises(InputError, match="was started on MNIST, not drawn digits"):
        run.part("one", "drawn digits")


def test_early_stopping_is_recognised_in_the_history(tmp_path):
    run = open_run()
    assert not run.has_stopped("val_loss", 2)
    for values, stopped in (([3, 2, 1], False), ([3, 1, 2], False), ([3, 1, 2, 1], True), ([1, 1, 1], True)):
        rows = "".join(f"{epoch},{value}\n" for epoch, value in enumerate(values))
        (run.folder / "history.csv").write_text("epoch,val_loss\n" + rows)
        assert run.has_stopped("val_loss", 2) == stopped


def test_captioned_pictures_need_not_fill_the_last_row(tmp_path):
    pictures = np.zeros((4, 8, 16), np.uint8)
    shared_run.save_captioned(tmp_path / "figure.png", pictures, [("text", True)] * 4, "title", columns=3)
    assert Image.open(tmp_path / "figure.png").size == (600, 255)  # two rows


def test_tensorboard_is_asked_for_in_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        open_run(tensorboard=True)
    assert not shared_run.RUNS_DIR.exists()


def test_sample_grids_are_in_the_order_of_their_epochs(tmp_path):
    (tmp_path / "samples").mkdir()
    for epoch in (999, 0, 1000, 101):
        (tmp_path / f"samples/epoch_{epoch:03d}.png").touch()
    assert [path.name for path in shared_run.sample_grids(tmp_path)] == [
        "epoch_000.png",
        "epoch_101.png",
        "epoch_999.png",
        "epoch_1000.png",
    ]


def test_history_is_cut_to_the_checkpoint(tmp_path):
    path = tmp_path / "history.csv"
    assert shared_run.read_history(path) == {}
    path.write_text("epoch,loss,val_loss\n0,3.5,NA\n1,2.5,NA\n2,1.5,NA\n")
    shared_run.trim_history(path, 2)
    assert shared_run.read_history(path) == {"epoch": [0, 1], "loss": [3.5, 2.5]}
