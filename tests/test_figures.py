"""Pictures out: exact values, every pixel in its place."""

import cv2
import numpy as np
import pytest
from PIL import Image

import shared_figures
from shared_files import InputError


def test_sharpness_is_the_variance_of_the_laplacian():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 12, 10, 3), np.uint8)
    assert shared_figures.sharpness(np.full_like(noise, 77)) == 0
    expected = np.mean([cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1].var() for grey in noise.mean(axis=-1)])
    assert shared_figures.sharpness(noise) == pytest.approx(expected, rel=1e-5)
    blurred = np.stack([cv2.GaussianBlur(image, (5, 5), 1) for image in noise])
    assert shared_figures.sharpness(blurred) < 0.1 * shared_figures.sharpness(noise)


def test_mapping_to_uint8_is_exact():
    assert shared_figures.to_uint8(np.array([-1.0, 0.0, 1.0, 1.2]), low=-1, high=1).tolist() == [0, 128, 255, 255]
    assert shared_figures.to_uint8(np.array([-0.1, 0.0, 0.5, 1.0]), low=0, high=1).tolist() == [0, 0, 128, 255]
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(shared_figures.to_uint8(every / np.float32(255), low=0, high=1), every)
    np.testing.assert_array_equal(shared_figures.to_uint8(every / np.float32(127.5) - 1, low=-1, high=1), every)


def test_a_damaged_picture_is_one_line(tmp_path):
    path = tmp_path / "epoch_001.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:500], whole[:-100_000] + bytes(100_000)):  # the last as a power cut leaves it
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"epoch_001\.png: is damaged"):
            shared_figures.read_picture(path)


def test_grids_keep_every_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)
    grid = shared_figures.tile(images, 3)
    assert grid.shape == (84, 126, 3)
    np.testing.assert_array_equal(grid[43:83, 43:83], images[4])
    assert (grid[42:, 84:] == 255).all()
    shared_figures.save_grid(tmp_path / "grid.png", images, "title", columns=3)
    written = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    assert written.shape == (168 + shared_figures.TITLE_HEIGHT, 252, 3)
    np.testing.assert_array_equal(written[shared_figures.TITLE_HEIGHT :: 2, ::2], grid)
    assert written[: shared_figures.TITLE_HEIGHT].min() < 100  # the title is there


def test_a_title_wider_than_its_picture_takes_more_lines(tmp_path):
    images = np.zeros((1, 64, 64, 3), np.uint8)
    for words, lines in ((2, 1), (12, 4)):
        shared_figures.save_grid(tmp_path / "grid.png", images, " ".join(["wide"] * words), columns=1)
        written = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
        title = shared_figures.TITLE_HEIGHT + (lines - 1) * shared_figures.LINE_HEIGHT
        assert written.shape == (title + 132, 132, 3)
        assert (written[:title, [0, -1]] == 255).all(), "not cut off at the sides"


def test_dollar_signs_in_a_title_are_no_formula(tmp_path):
    images, title = np.zeros((1, 64, 64, 3), np.uint8), r"$\a$ b"
    with pytest.raises(ValueError, match="Unknown symbol"):
        shared_figures.save_grid(tmp_path / "formula.png", images, title, columns=1)
    shared_figures.save_grid(tmp_path / "plain.png", images, shared_figures.plain(title), columns=1)


def test_captioned_pictures_need_not_fill_the_last_row(tmp_path):
    pictures = np.zeros((4, 8, 16), np.uint8)
    shared_figures.save_captioned(tmp_path / "figure.png", pictures, [("text", True)] * 4, "title", columns=3)
    assert Image.open(tmp_path / "figure.png").size == (600, 255)  # two rows


@pytest.mark.parametrize("right", [True, False])
def test_captions_of_what_is_right_are_green_and_of_what_is_wrong_red(right, tmp_path):
    shared_figures.save_captioned(tmp_path / "figure.png", np.zeros((1, 8, 16), np.uint8), [("MMMM", right)], "", 1)
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")).reshape(-1, 3).astype(int)
    there = [bool((np.abs(pixels - colour).max(axis=1) < 9).any()) for colour in ((44, 160, 44), (214, 39, 40))]
    assert there == [right, not right]


def test_an_animation_shows_all_its_pictures(tmp_path):
    """Cut from above where the title of one takes more lines."""
    frames = [np.full((9, 9, 3), grey, np.uint8) for grey in (0, 99, 255)]
    frames[1] = np.concatenate([np.full((4, 9, 3), 255, np.uint8), frames[1]])
    shared_figures.save_gif(tmp_path / "frames.gif", list(map(Image.fromarray, frames)))
    with Image.open(tmp_path / "frames.gif") as animation:
        assert (animation.n_frames, animation.size) == (3, (9, 9))
        animation.seek(1)
        assert set(np.asarray(animation.convert("L")).ravel()) == {99}


@pytest.mark.parametrize("shape", [(3, 6, 5), (3, 6, 5, 1)])
def test_grey_pictures_stay_grey(shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    grid = shared_figures.tile(images, columns=3)
    assert grid.shape == (8, 21, 3)
    np.testing.assert_array_equal(grid[1:7, 8:13], np.repeat(images[1].reshape(6, 5, 1), 3, axis=-1))
    shared_figures.save_grid(tmp_path / "grid.png", images, "title", columns=3)
    written = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))[shared_figures.TITLE_HEIGHT :: 2, ::2]
    np.testing.assert_array_equal(written, grid)
