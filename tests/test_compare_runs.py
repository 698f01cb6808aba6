"""Samples of several runs beside photographs that none of them has seen."""

import csv

import keras
import numpy as np
import pytest

import compare_runs
from shared_distances import (
    channel_gap,
    density_and_coverage,
    kernel_distance,
    nearest_pictures,
    sliced_wasserstein,
)
from shared_drawings import draw_faces
from shared_files import InputError
from shared_networks import open_sampler

VAE, GAN = "VAE_filter64_latent32", "GAN_filter128_latent64"


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """Let few faces be enough; return them, and the file in which they are."""
    monkeypatch.setattr(compare_runs, "FEWEST", 10)
    faces = draw_faces(50, 64, seed=0)
    np.save(tmp_path / "faces.npy", faces)
    return faces, str(tmp_path / "faces.npy")


def table(folder):
    """Return the rows of a comparison."""
    with open(folder / "results.csv", newline="") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def averages(size):
    """Return a network in place of InceptionV3."""
    first = keras.Input((size, size, 3))
    return keras.Model(first, keras.layers.GlobalAveragePooling2D()(first / 255))


def test_samples_are_measured_with_pictures_that_no_run_has_seen(faces, tiny, tmp_path, monkeypatch, capsys, eagerly):
    pictures, path = faces
    for script, limit in ((VAE, "20"), (GAN, "30")):
        tiny(script).main(["--data", path, "--limit", limit, "--out", str(tmp_path / script)])
    folders = [str(tmp_path / VAE), str(tmp_path / GAN)]
    monkeypatch.setattr(compare_runs, "open_inception", averages)
    capsys.readouterr()
    first = keras.Input((64, 64, 3))
    reader = keras.Model(first, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(first)))
    reader.save(tmp_path / "reader.keras")
    flags = ["--samples", "12", "--kid", "--reader", str(tmp_path / "reader.keras"), "--out", str(tmp_path / "out")]
    compare_runs.main([*folders, "--data", path, *flags])
    printed = capsys.readouterr().out
    assert "12 samples to 12 pictures" in printed
    assert "unbiased, over all 12 pictures" in printed

    held_out = pictures[30:42]
    sets = {script: open_sampler(tmp_path / script).sample(12, compare_runs.SEED) for script in (VAE, GAN)}
    sets[compare_runs.FLOOR] = pictures[np.linspace(0, 29, 12).astype(int)]
    rows = table(tmp_path / "out")
    assert list(rows) == [*sets, compare_runs.HELD_OUT]
    means = {name: images.mean(axis=(1, 2)) / 255 for name, images in [*sets.items(), ("held out", held_out)]}
    for name, images in sets.items():
        expected = {
            **sliced_wasserstein(images, held_out),
            "channel_gap": channel_gap(images, held_out),
            "kid": kernel_distance(means[name], means["held out"]),
            "kernel_distance": kernel_distance(means[name], means["held out"]),
            **density_and_coverage(means[name], means["held out"]),
        }
        assert {key: float(rows[name][key]) for key in expected} == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert rows[VAE]["val_loss"]
    assert not rows[compare_runs.FLOOR]["loss"]
    for name, images in (*sets.items(), (compare_runs.HELD_OUT, held_out)):
        if name != compare_runs.FLOOR:
            expected |= compare_runs.copies(images, pictures[:30])
            assert float(rows[name]["picture_distance"]) == pytest.approx(expected["picture_distance"], rel=1e-3)
    for name in expected:
        assert f"| {name} |" in printed

    compare_runs.main([*folders, "--data", path, "--out", str(tmp_path / "most")])  # all 20 that are left
    assert "20 samples to 20 pictures" in capsys.readouterr().out
    assert not {"kid", "kernel_distance", "density"} & table(tmp_path / "most")[VAE].keys()
    compare_runs.main([*folders, "--out", str(tmp_path / "without")])
    assert "swd" not in table(tmp_path / "without")[GAN]
    assert "samples to" not in capsys.readouterr().out


def test_copies_and_mirror_images_are_found(faces):
    pictures, _ = faces
    copied = [pictures[3], np.flip(pictures[4], axis=1), *pictures[30:40]]
    found = compare_runs.copies(np.stack(copied), pictures[:30])
    assert found["smallest_distance"] == 0
    alone = compare_runs.copies(np.stack(copied[1:2]), pictures[:30])
    assert alone == {"picture_distance": 0, "smallest_distance": 0}
    far = nearest_pictures(pictures[30:40], np.concatenate([pictures[:30], np.flip(pictures[:30], axis=2)]))[1]
    assert compare_runs.copies(pictures[30:40], pictures[:30])["picture_distance"] == pytest.approx(far, rel=1e-4)


def test_what_cannot_be_measured_is_said_in_one_line(faces, tiny, tmp_path, monkeypatch, capsys, eagerly):
    pictures, path = faces
    run = str(tmp_path / "run")
    tiny(VAE).main(["--data", path, "--limit", "45", "--out", run])
    cut = str(tmp_path / "cut.npy")
    np.save(cut, pictures[:45])
    other = str(tmp_path / "other.npy")
    np.save(other, pictures[::-1])
    monkeypatch.setattr(tiny(VAE), "CENTRE_CROP", False)
    few = str(tmp_path / "few")
    tiny(VAE).main(["--data", path, "--limit", "9", "--out", few])
    for runs, data, words in (
        ([run], path, r"45 of 50 pictures were trained on, too many; train with --limit 38 to leave 12\."),
        ([run], cut, r"45 of 45 pictures .* --limit 33 to leave 12\."),
        ([run], other, r"run: was not trained on the first pictures of .*other\.npy \(45 pictures of faces\)"),
        ([run, few], path, "one size and one crop"),
        ([few], path, "trained on 9 pictures; the floor needs 10"),
        ([run], str(tmp_path / "nowhere"), "nowhere: no such folder"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            compare_runs.main([*runs, "--data", data, "--samples", "12", "--out", str(tmp_path / "out")])
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    for flags in (["--kid"], ["--reader", "reader.keras"], ["--data", path, "--samples", "9"]):
        with pytest.raises(SystemExit) as caught:
            compare_runs.main([run, *flags])
        assert caught.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
