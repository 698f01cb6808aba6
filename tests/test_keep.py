"""Networks that are kept: small, loaded by plain Keras, with nearly the same output."""

import shutil

import keras
import numpy as np
import pytest
from conftest import KEPT, MODELS, ROOT

import shared_files
from maintenance import keep
from shared_files import InputError


def test_a_finished_run_is_kept_without_discriminator_and_paths(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "MODELS", tmp_path / "models")
    folder = trained("GAN_filter128_latent64", to="a_run")
    kept = tmp_path / "models" / "a_run"
    kept.mkdir(parents=True)
    for name in ("encoder.keras", "directions.csv"):  # of a run that was kept before
        (kept / name).touch()
    (folder / keep.ATTRIBUTE_READER).mkdir()
    shutil.copy(folder / "discriminator.keras", folder / keep.ATTRIBUTE_READER / "reader.keras")
    keep.main([str(folder)])
    kept_files = {"generator.keras", "reader.keras", "settings.json", "results.json"}
    assert {path.name for path in kept.iterdir()} == kept_files
    assert str(tmp_path) not in (kept / "settings.json").read_text()
    arguments = shared_files.read_json(kept / "settings.json", "arguments")["arguments"]
    assert arguments.keys() == {"epochs", "batch_size", "limit", "seed"}
    noise = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    before, after = (keras.saving.load_model(path / "generator.keras") for path in (folder, kept))
    np.testing.assert_allclose(after.predict(noise, verbose=0), before.predict(noise, verbose=0), atol=0.01)
    for weight, exact in zip(after.get_weights(), before.get_weights(), strict=True):
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, exact, atol=exact.std() / keep.STEPS / 2 if exact.ndim > 1 else 0)
    assert (kept / "generator.keras").stat().st_size < 0.6 * (folder / "generator.keras").stat().st_size


def test_weights_are_rounded_to_a_power_of_two_below_a_part_of_their_deviation():
    weight = np.array([[3.0, -3.0], [2.97, -3.02]], np.float32)  # deviation 2.998, a 32nd of it 0.0937
    np.testing.assert_array_equal(keep.rounded(weight), [[3, -3], [3, -3]])
    np.testing.assert_array_equal(keep.rounded(np.add(weight, [[0, 0], [0.07, 0]])), [[3, -3], [3 + 1 / 16, -3]])
    np.testing.assert_array_equal(keep.rounded(weight[1]), weight[1])
    np.testing.assert_array_equal(keep.rounded(np.full((2, 2), 0.3)), np.full((2, 2), 0.3))


def test_a_part_is_kept_in_the_folder_of_its_run(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "MODELS", tmp_path / "models")
    folder = trained("RNN_mnist_patches", "--heads", "mixture", "--batch-size", "7", to="digits")
    keep.main([str(folder / "mixture")])
    kept = tmp_path / "models" / "digits" / "mixture"
    assert {path.name for path in kept.iterdir()} == {"lstm.keras", "head.keras", "settings.json", "results.json"}
    assert shared_files.read_json(kept / "settings.json")["script"] == "RNN_mnist_patches"


def test_what_cannot_be_kept_is_said(tmp_path):
    with pytest.raises(InputError, match="not the folder of a finished run with networks"):
        keep.main([str(tmp_path)])


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.relative_to(MODELS).as_posix())
def test_kept_networks_load_in_safe_mode_and_give_finite_numbers(folder):
    assert (ROOT / f"{shared_files.read_json(folder / 'settings.json')['script']}.py").exists()
    assert shared_files.read_json(folder / "results.json")
    paths = list(folder.glob("*.keras"))
    for path in paths:
        model = keras.saving.load_model(path)
        inputs = [np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
        for output in keras.tree.flatten(model(inputs[0] if len(inputs) == 1 else inputs)):
            assert np.isfinite(keras.ops.convert_to_numpy(output)).all()


def test_kept_networks_are_there_and_small():
    assert KEPT
    assert sum(path.stat().st_size for path in MODELS.rglob("*.*")) < 30e6  # bytes
