"""Letters from font files: which faces have them all, how they are drawn, and how they are bent."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import some_masters
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import get_data_path

import shared_files
import shared_letters

DEJAVU = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def write_font(path, letters, same=False):
    """Write a font whose letters are rectangles of growing width, or all the same one."""
    names = [".notdef", *letters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): letter for letter in letters})
    glyphs = {}
    for index, name in enumerate(names):
        pen = TTGlyphPen(None)
        width = 500 if same else 200 + 20 * index
        for place, move in zip([(0, 0), (0, 700), (width, 700), (width, 0)], ["moveTo"] + 3 * ["lineTo"], strict=True):
            getattr(pen, move)(place)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def test_faces_without_all_letters_are_skipped_and_named(tmp_path, capsys):
    shutil.copy(DEJAVU, tmp_path / "b_good.ttf")
    (tmp_path / "deep").mkdir()
    write_font(tmp_path / "deep" / "a_bars.otf", shared_letters.LETTERS)
    write_font(tmp_path / "c_no_z.ttf", shared_letters.LETTERS[:-1])
    write_font(tmp_path / "d_one_box_for_all.ttf", shared_letters.LETTERS, same=True)
    (tmp_path / "e_damaged.ttf").write_bytes(DEJAVU.read_bytes()[:5_000])
    (tmp_path / "notes.txt").write_text("no font")
    names, masters, source = shared_letters.find_faces(str(tmp_path), limit=10)
    assert names == ["a_bars", "b_good"]
    assert masters.shape == (2, 26, shared_letters.MASTER, shared_letters.MASTER)
    assert masters.dtype == np.uint8
    assert source == f"2 faces of {tmp_path.name}"
    printed = capsys.readouterr().out
    assert "3 font files are damaged or lack letters and are skipped: c_no_z.ttf, d_one_box_for_all.ttf" in printed
    assert "e_damaged.ttf" in printed
    assert "a_bars, b_good" in printed


def test_of_files_of_one_name_the_first_is_taken_and_the_limit_counts_faces(tmp_path):
    for name in ("a.ttf", "b.ttf", "c.ttf"):
        shutil.copy(DEJAVU, tmp_path / name)
    (tmp_path / "z").mkdir()
    write_font(tmp_path / "z" / "a.ttf", shared_letters.LETTERS)
    names, masters, _ = shared_letters.find_faces(str(tmp_path), limit=2)
    assert names == ["a", "b"]
    np.testing.assert_array_equal(masters[0], masters[1])


@pytest.mark.parametrize("content", [[], ["c_no_z.ttf"]])
def test_a_folder_without_faces_is_one_line(tmp_path, content):
    for name in content:
        write_font(tmp_path / name, shared_letters.LETTERS[:-1])
    with pytest.raises(shared_files.InputError, match="0 faces with all letters"):
        shared_letters.find_faces(str(tmp_path), limit=10)


def test_without_a_folder_the_machine_has_faces(capsys):
    names, masters, source = shared_letters.find_faces(None, limit=3)
    assert len(names) == len(masters) == 3
    assert source == "3 faces of this machine"
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


def test_capitals_of_a_face_have_one_height_and_one_line():
    masters = shared_letters.draw_face(DEJAVU)
    ink = [np.flatnonzero(masters[shared_letters.LETTERS.index(letter)].any(axis=1)) for letter in "EFHILTXZ"]
    tops, bottoms = {rows[0] for rows in ink}, {rows[-1] for rows in ink}
    assert max(tops) - min(tops) <= 1
    assert max(bottoms) - min(bottoms) <= 1
    height = np.mean(list(bottoms)) - np.mean(list(tops)) + 1
    assert 0.8 * shared_letters.CAPITAL < height <= shared_letters.CAPITAL + 1, "less, so that W has room"
    columns = [np.flatnonzero(letter.any(axis=0)) for letter in masters]
    assert all(abs(each[0] + each[-1] + 1 - shared_letters.MASTER) <= 3 for each in columns), "not in the middle"


def test_letters_are_bent_by_the_seed(monkeypatch):
    masters = shared_letters.draw_face(DEJAVU)
    plain = shared_letters.bend(masters, None)
    assert plain.shape == (26, 28, 28)
    assert plain.dtype == np.uint8
    one, same, other = (shared_letters.bend(masters, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one.astype(int) - other).mean() > 5
    monkeypatch.setattr(shared_letters, "BENDS", (0, 0, 0))
    np.testing.assert_array_equal(shared_letters.bend(masters, np.random.default_rng(0)), plain)


def centre(picture):
    y, x = np.indices(picture.shape)
    return np.array([np.sum(x * picture), np.sum(y * picture)]) / picture.sum()


def test_each_bend_does_what_it_is_called(monkeypatch):
    masters = np.repeat(shared_letters.draw_face(DEJAVU)[[8]], 200, axis=0)  # I, a straight stroke
    plain = shared_letters.bend(masters[:1], None)[0].astype(float)
    rng = np.random.default_rng(0)
    monkeypatch.setattr(shared_letters, "BENDS", (0, 1.2, 0))
    moved = shared_letters.bend(masters, rng)
    places = np.array([centre(picture.astype(float)) for picture in moved]) - centre(plain)
    assert places.std(axis=0) == pytest.approx([1.2, 1.2], rel=0.2)
    monkeypatch.setattr(shared_letters, "BENDS", (0.07, 0, 0))
    sizes = shared_letters.bend(masters, rng).sum(axis=(1, 2)) / plain.sum()
    assert sizes.std() == pytest.approx(0.14, rel=0.25), "area grows as the square"
    monkeypatch.setattr(shared_letters, "BENDS", (0, 0, 0.1))
    slanted = shared_letters.bend(masters, rng).astype(float)
    tops = np.array([centre(picture[:14])[0] - centre(picture[14:])[0] for picture in slanted])
    assert tops.std() == pytest.approx(0.1 * 9, rel=0.3), "halves whose middles are nine pixels apart"
    assert abs(tops.mean()) < 0.2


def test_letters_are_picked_by_label():
    masters = some_masters()
    letters = shared_letters.Letters(masters)
    assert letters.plain.shape == (4, 26, 28, 28)
    assert letters.labels[:27].tolist() == [*range(26), 0]
    picked = letters.pick(np.full(50, 8), seed=0)  # narrow I
    wide = letters.pick(np.full(50, 12), seed=0)  # M
    assert (picked > 128).sum() < 0.8 * (wide > 128).sum()
    batches, again = (letters.batches(32, times=8) for _ in range(2))
    pictures, labels = batches[0]
    again.shuffle(0, 1)
    batches.shuffle(0, 0)
    by_epoch = [each.all()[0][each.all()[1] == 8].mean(axis=(1, 2)) for each in (batches, again)]
    assert pictures.shape == (32, 28, 28)
    assert len(batches) * 32 >= 8 * 4 * 26 > (len(batches) - 1) * 32
    assert labels.shape == (32,)
    assert sorted(by_epoch[0]) != sorted(by_epoch[1]), "bent otherwise in each epoch"


def test_one_style_is_kept_and_mixed_styles_are_not():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (6, 26, 28, 28), np.uint8)
    assert shared_letters.style_kept(faces, faces, near=1) == 1
    mixed = np.concatenate([faces[:, :13], np.roll(faces, 1, axis=0)[:, 13:]], axis=1)
    assert shared_letters.style_kept(mixed, faces, near=1) == 0
    distances = shared_letters.face_distances(faces[:2], faces, [0, 3])
    expected = np.sqrt(np.mean((faces[1, [0, 3]].astype(float) - faces[4, [0, 3]]) ** 2))
    assert distances[1, 4] == pytest.approx(expected, rel=1e-4)
