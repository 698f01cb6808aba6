"""Pictures come in upright, RGB, uint8 and in order, once; what cannot come in is named in one line."""

import io
import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Trap, tiny_mnist
from PIL import Image

import shared_data
import shared_drawings
from shared_files import InputError


def write_pictures(folder, count):
    """Write PNG files of 20x20 pixels, number i of them grey of value i."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", (20, 20), (index,) * 3).save(folder / f"{index:03d}.png")
    return folder


def test_folder_is_sorted_nested_and_limited(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 6)
    write_pictures(folder / "deeper", 1)
    (folder / "000.png").rename(folder / "zzz.PNG")
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"not a picture")
    write_pictures(folder / ".thumbnails", 3)
    images = shared_data.load_images(folder, 8)
    assert images.dtype == np.uint8
    assert images.shape == (7, 8, 8, 3)
    assert images[:, 4, 4, 0].tolist() == [1, 2, 3, 4, 5, 0, 0]
    assert shared_data.load_images(folder, 8, limit=2)[:, 0, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "webp", "bmp", "JPG"])
def test_every_format_keeps_the_order_of_colours(tmp_path, suffix):
    Image.new("RGB", (16, 16), (200, 100, 30)).save(tmp_path / f"picture.{suffix}")
    image = shared_data.load_images(tmp_path, 8)[0]
    np.testing.assert_allclose(image, np.broadcast_to((200, 100, 30), (8, 8, 3)), atol=4)


def test_odd_pictures_become_upright_rgb(tmp_path):
    Image.new("L", (9, 9), 77).save(tmp_path / "1_grey.png")
    Image.new("RGBA", (9, 9), (10, 20, 30, 128)).save(tmp_path / "2_rgba.png")
    cv2.imwrite(str(tmp_path / "3_deep.png"), np.full((9, 9, 3), 51 * 257, np.uint16))
    Image.new("RGB", (9, 9), (40, 80, 160)).quantize(4).save(tmp_path / "4_palette.png")
    rotated = Image.new("RGB", (40, 40), (255, 255, 255))
    rotated.paste((0, 0, 0), (0, 0, 20, 40))  # black on the left; upright, after a quarter turn clockwise, on top
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated.save(tmp_path / "5_rotated.jpg", exif=exif, quality=95)
    images = shared_data.load_images(tmp_path, 8)
    assert images.shape == (5, 8, 8, 3)
    assert (images[0] == 77).all()
    assert (images[1] == (10, 20, 30)).all()
    assert (images[2] == 51).all()
    assert (images[3] == (40, 80, 160)).all()
    assert images[4, :3].max() < 30
    assert images[4, 5:].min() > 225


def test_centre_crop_or_squash(tmp_path):
    picture = np.zeros((30, 60, 3), np.uint8)
    picture[:, 15:45] = 255
    Image.fromarray(picture).save(tmp_path / "wide.png")
    assert (shared_data.load_images(tmp_path, 10, limit=1) == 255).all()
    squashed, source = shared_data.find_images(tmp_path, 10, limit=1, seed=0, centre_crop=False)
    assert source.endswith(", squashed")
    assert squashed.min() == 0
    assert squashed.max() == 255


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    shrunk = shared_data.resize_square(stripes, 16)
    assert np.ptp(shrunk) <= 1
    assert abs(int(shrunk.mean()) - 127) <= 1


def test_squashing_is_antialiased_along_the_side_that_shrinks():
    stripes = np.zeros((256, 16, 3), np.uint8)
    stripes[::2] = 255
    squashed = shared_data.resize_square(stripes, 64, centre_crop=False)
    assert squashed.shape == (64, 64, 3)
    assert np.ptp(squashed) <= 1


def test_enlarging_is_said(tmp_path, capsys):
    write_pictures(tmp_path / "pictures", 3)
    Image.new("RGB", (9, 40)).save(tmp_path / "pictures" / "thin.png")
    shared_data.load_images(tmp_path / "pictures", 20)
    assert "Note: 1 of them are smaller and are enlarged" in capsys.readouterr().out
    shared_data.load_images(tmp_path / "pictures", 8)
    assert "enlarged" not in capsys.readouterr().out


def test_cache_is_used_and_refreshed(tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", 4)
    first = shared_data.load_images(folder, 8)
    assert isinstance(first, np.memmap)
    assert "Converting" in capsys.readouterr().out
    shared_data.load_images(folder, 8)
    assert "Converting" not in capsys.readouterr().out
    assert shared_data.load_images(folder, 9).shape[1] == 9
    Image.new("RGB", (20, 20), (99, 99, 99)).save(folder / "000.png")
    os.utime(folder / "000.png", ns=(1, 1))
    assert (shared_data.load_images(folder, 8)[0] == 99).all()
    (folder / "003.png").unlink()
    assert len(shared_data.load_images(folder, 8)) == 3
    assert len(shared_data.load_images(folder, 8, limit=2)) == 2
    caches = sorted(path.name.rsplit("_", 2)[0] for path in shared_data.DATA_DIR.iterdir())
    assert caches == ["pictures_8x8", "pictures_8x8", "pictures_9x9"]  # what the folder was before is gone


def test_a_cache_is_the_same_however_its_folder_is_written(tmp_path, capsys, monkeypatch):
    folder = write_pictures(tmp_path / "some [small] pictures", 3)
    shared_data.load_images(folder, 8)
    monkeypatch.chdir(tmp_path)
    shared_data.load_images(folder.name, 8)
    shared_data.load_images(f"{folder.name}/../{folder.name}", 8)
    assert capsys.readouterr().out.count("Converting") == 1
    (folder / "002.png").unlink()
    shared_data.load_images(folder, 8)
    assert len([*shared_data.DATA_DIR.iterdir()]) == 1


def test_truncated_cache_is_made_anew(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 4)
    expected = np.array(shared_data.load_images(folder, 8))
    (cache,) = shared_data.DATA_DIR.iterdir()
    other = io.BytesIO()
    np.save(other, np.zeros((4, 9, 9, 3), np.uint8))
    for damaged in (b"", cache.read_bytes()[:-1], b"garbage", other.getvalue()):
        cache.write_bytes(damaged)
        np.testing.assert_array_equal(shared_data.load_images(folder, 8), expected)


def test_no_harm_without_a_cache(tmp_path, capsys):
    shared_data.DATA_DIR.write_text("a file where the folder should be")
    images = shared_data.load_images(write_pictures(tmp_path / "pictures", 3), 8)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert "could not be cached" in capsys.readouterr().out


def test_unreadable_pictures_are_skipped_and_named(tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", 5)
    (folder / "001.png").write_bytes(b"")
    (folder / "003.png").write_bytes(b"no picture")
    assert shared_data.load_images(folder, 8)[:, 0, 0, 0].tolist() == [0, 2, 4]
    out = capsys.readouterr().out
    assert "2 unreadable pictures are skipped" in out
    assert "001.png" in out
    assert "003.png" in out


def test_bytes_behind_the_end_of_a_png_do_no_harm(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 2)
    whole = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(whole + b"\n")
    assert shared_data.load_images(folder, 8)[:, 0, 0, 0].tolist() == [0, 1]
    for end in (-1, -12):  # in its last chunk, and before it
        (folder / "001.png").write_bytes(whole[:end])
        assert len(shared_data.load_images(folder, 8)) == 1


def test_jpegs_cut_off_are_skipped_and_named(tmp_path, capsys):
    """OpenCV 4 reads one that is cut off at half as a photograph; a preview in it has an end marker of its own."""
    face = Image.fromarray(shared_drawings.draw_faces(1, 64, seed=0)[0])
    preview = saved_jpeg(face.resize((16, 16)))
    for name, options in (
        ("baseline", {}),
        ("progressive", {"progressive": True}),
        ("preview", {"exif": b"Exif\x00\x00" + preview}),
    ):
        whole = saved_jpeg(face, **options)
        (tmp_path / f"{name}_whole.jpg").write_bytes(whole)
        (tmp_path / f"{name}_longer.jpg").write_bytes(whole + b"\n")
        (tmp_path / f"{name}_half.jpg").write_bytes(whole[: len(whole) - len(saved_jpeg(face)) // 2])
        (tmp_path / f"{name}_end.jpg").write_bytes(whole[:-1])
    assert len(shared_data.load_images(tmp_path, 16)) == 6
    printed = capsys.readouterr().out
    assert "6 unreadable pictures are skipped" in printed
    assert "baseline_half.jpg" in printed


def test_fill_bytes_between_the_segments_of_a_jpeg_do_no_harm(tmp_path):
    whole = saved_jpeg(Image.fromarray(shared_drawings.draw_faces(1, 32, seed=0)[0]))
    (tmp_path / "filled.jpg").write_bytes(whole[:2] + b"\xff\xff" + whole[2:])
    (tmp_path / "padded.jpg").write_bytes(whole.replace(b"\xff\xdb", b"\0\0\0\xff\xdb", 1))
    assert shared_data.load_images(tmp_path, 16).shape == (2, 16, 16, 3)


def refusing(read, name):
    """Return a function that reads paths as `read` does, and refuses those of a name as the operating system does."""

    def refuse(path):
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    return refuse


def test_a_picture_that_may_not_be_read_ends_the_run(tmp_path, monkeypatch):
    """To skip it would leave it out of the cache for good."""
    folder = write_pictures(tmp_path / "pictures", 2)
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes, "001.png"))
    with pytest.raises(InputError, match=r"001\.png: cannot be read \(Permission denied\)"):
        shared_data.load_images(folder, 8)


def test_a_folder_that_may_not_be_read_ends_the_run(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "pictures", 2)
    (folder / "secret").mkdir()
    monkeypatch.setattr(os, "scandir", refusing(os.scandir, "secret"))
    with pytest.raises(InputError, match=r"secret: cannot be read \(Permission denied\)"):
        shared_data.load_images(folder, 8)


def test_versions_of_a_folder_have_names_of_their_own(tmp_path, capsys):
    for name in ("faces_v1.0", "faces_v1.1"):
        _, source = shared_data.find_images(write_pictures(tmp_path / name, 1), 8, limit=1, seed=0)
        assert source == f"1 pictures of {name}"


def saved_jpeg(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".png"])
def test_other_formats_cut_off_are_skipped(tmp_path, suffix):
    whole = cv2.imencode(suffix, shared_drawings.draw_faces(1, 64, seed=0)[0])[1].tobytes()
    (tmp_path / f"whole{suffix}").write_bytes(whole)
    (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
    assert len(shared_data.load_images(tmp_path, 16)) == 1


def test_array_file(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    same = shared_data.load_images(tmp_path / "pictures.npy", 12, limit=4)
    assert isinstance(same, np.memmap)
    np.testing.assert_array_equal(same, pictures[:4])
    assert shared_data.load_images(tmp_path / "pictures.npy", 6).shape == (5, 6, 6, 3)


def test_bad_sources_are_named_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    unreadable = write_pictures(tmp_path / "unreadable", 1)
    (unreadable / "000.png").write_bytes(b"no picture")
    np.save(tmp_path / "float.npy", np.zeros((2, 8, 8, 3), np.float32))
    np.save(tmp_path / "grey.npy", np.zeros((2, 8, 8), np.uint8))
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8, 3), np.uint8))
    np.save(tmp_path / "objects.npy", np.array([Trap(tmp_path / "sprung")]), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    (tmp_path / "text.npy").write_text("not an array")
    np.savez(tmp_path / "archive.npz", np.zeros(3))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    (tmp_path / "photo.jpg").write_text("a file, not a folder")
    expected = {
        "nowhere": "no such folder",
        "empty": "no pictures in this folder",
        "unreadable": "none of its 1 pictures can be read",
        "float.npy": "float32",
        "grey.npy": r"uint8 \(2, 8, 8\)",
        "none.npy": r"\(0, 8, 8, 3\)",
        "objects.npy": "not a readable .npy file",
        "pickle.npy": "not a readable .npy file",
        "text.npy": "not a readable .npy file",
        "archive.npy": "not a readable .npy file",
        "photo.jpg": "no such folder or .npy file",
    }
    for name, message in expected.items():
        with pytest.raises(InputError, match=message) as caught:
            shared_data.load_images(tmp_path / name, 8)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_source_is_chosen_and_said(tmp_path, capsys):
    drawn, source = shared_data.find_images(None, 16, 5, seed=0)
    assert source == "5 drawn faces (stand-in data)"
    assert source in capsys.readouterr().out
    write_pictures(shared_data.CELEBA_DIR, 3)
    real, source = shared_data.find_images(None, 16, 3, seed=0)
    assert source == "3 pictures of celeba"
    assert "Warning" not in capsys.readouterr().out
    given, _ = shared_data.find_images(write_pictures(tmp_path / "other", 4), 16, 9, seed=0)
    assert (len(drawn), len(real), len(given)) == (5, 3, 4)
    assert "the limit is 9 pictures; there are 4" in capsys.readouterr().out


def test_held_out_rows_are_never_trained_on():
    train, held_out = shared_data.split_held_out(1000, 0.05, seed=0)
    assert (len(train), len(held_out)) == (950, 50)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(1000))
    np.testing.assert_array_equal(held_out, shared_data.split_held_out(1000, 0.05, seed=0)[1])
    assert held_out.tolist() != list(range(950, 1000))
    assert held_out.tolist() != shared_data.split_held_out(1000, 0.05, seed=1)[1].tolist()
    assert [len(rows) for rows in shared_data.split_held_out(2, 0.05, seed=0)] == [1, 1]
    with pytest.raises(InputError, match="At least 2"):
        shared_data.split_held_out(1, 0.05, seed=0)


def test_mnist_files(tmp_path, capsys, monkeypatch):
    train, test, source = shared_data.find_digits(tiny_mnist(tmp_path), seed=0)
    assert (len(train[0]), len(test[0]), source) == (200, 100, "digits of mnist.npz")
    with np.load(tmp_path / "mnist.npz") as file:
        np.savez(tmp_path / "columns.npz", **{name: np.asfortranarray(file[name]) for name in file.files})
    (images, _), _, _ = shared_data.find_digits(tmp_path / "columns.npz", seed=0)
    np.testing.assert_array_equal(images, train[0])
    assert images.flags.c_contiguous  # as a checksum wants it
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x_train=np.zeros(3))
    np.savez(tmp_path / "objects.npz", **{f"{x}_{part}": np.array([{}]) for x in "xy" for part in ("train", "test")})
    whole = (tmp_path / "mnist.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.npz").write_bytes(whole[:3000] + bytes(200) + whole[3200:])
    digits = {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}
    np.savez(tmp_path / "floats.npz", **digits | {"x_test": test[0] / 255})
    np.savez(tmp_path / "no_nine.npz", **digits | {"y_test": np.minimum(test[1], 8)})
    for name in (
        "nowhere.npz",
        "floats.npz",
        "no_nine.npz",
        "text.npz",
        "other.npz",
        "objects.npz",
        "cut.npz",
        "flipped.npz",
    ):
        with pytest.raises(InputError, match=name):
            shared_data.find_digits(tmp_path / name, seed=0)

    def fail():
        raise Exception("no network")

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    monkeypatch.setattr(shared_data, "DRAWN_DIGITS", {"train": 20, "test": 10})
    train, test, source = shared_data.find_digits(None, seed=0)
    assert (len(train[0]), len(test[0])) == (20, 10)
    assert not {*map(bytes, train[0])} & {*map(bytes, test[0])}
    assert "drawn digits" in source
    assert "MNIST cannot be had (no network)" in capsys.readouterr().out
