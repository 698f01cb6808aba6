"""The VAE scripts: loss, learning, what is measured."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import WIDE_LATENT, assert_drawn

import compare_runs
import shared_drawings
import shared_figures
import shared_run
import shared_training
import VAE_filter64_latent32 as script
from shared_files import InputError


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    model = script.VAE(script.build_encoder(), script.build_decoder(), beta=script.BETA, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(script.LEARNING_RATE), jit_compile=False)
    return model


def output(batch, *, probability=0.5, z_mean=0.0, z_log_var=0.0):
    """Return what `call` would, with the same value everywhere."""
    latent = np.ones((batch, script.LATENT_DIM), np.float32)
    return {
        "reconstruction": np.full((batch, 64, 64, 3), probability, np.float32),
        "z_mean": z_mean * latent,
        "z_log_var": z_log_var * latent,
    }


def test_reconstruction_is_summed_over_pixels_and_averaged_over_the_batch(vae):
    pixels = 64 * 64 * 3
    white = np.full((4, 64, 64, 3), 255, np.uint8)
    loss = float(vae.compute_loss(white, y_pred=output(4, probability=0.25)))
    assert loss == pytest.approx(pixels * np.log(4), rel=1e-5)
    grey = np.full((2, 64, 64, 3), 51, np.uint8)  # 0.2
    loss = float(vae.compute_loss(grey, y_pred=output(2, probability=0.25)))
    assert loss == pytest.approx(-pixels * (0.2 * np.log(0.25) + 0.8 * np.log(0.75)), rel=1e-5)


def test_kl_is_the_closed_form_summed_over_the_latent_axis(vae):
    black = np.zeros((3, 64, 64, 3), np.uint8)
    baseline = float(vae.compute_loss(black, y_pred=output(3)))
    rng = np.random.default_rng(0)
    for mean, log_var in [(0, 0), (1.5, 0), (0, -2), (0, 1.3), (-0.7, 0.4)]:
        variance = np.exp(log_var)
        # The Kullback-Leibler divergence as the expectation that defines it.
        z = mean + np.sqrt(variance) * rng.standard_normal(400_000)
        expected = np.mean(-0.5 * (log_var + (z - mean) ** 2 / variance) + 0.5 * z**2)
        loss = float(vae.compute_loss(black, y_pred=output(3, z_mean=mean, z_log_var=log_var)))
        kl = (loss - baseline) / script.BETA / script.LATENT_DIM
        assert kl == pytest.approx(expected, abs=0.01)
        assert kl >= -1e-6


def test_tracked_numbers_add_up_to_the_loss(vae):
    faces = shared_drawings.draw_faces(5, 64, seed=0)
    results = vae.evaluate(shared_training.Batches((faces,), np.arange(5), 2), verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(results["reconstruction"] + script.BETA * results["kl"], rel=1e-5)


def test_loss_falls_on_one_batch():
    keras.utils.set_random_seed(0)
    model = script.VAE(script.build_encoder(), script.build_decoder(), beta=script.BETA, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(script.LEARNING_RATE), jit_compile=False)
    batch = shared_drawings.draw_faces(8, 64, seed=0)
    before = [np.array(weight) for weight in model.get_weights()]
    losses = []
    for _ in range(60):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(batch, return_dict=True)["loss"]))
    share = np.clip(batch / 255, 1e-7, 1 - 1e-7)
    floor = -np.sum(share * np.log(share) + (1 - share) * np.log(1 - share)) / len(batch)  # of any reconstruction
    assert losses[-1] - floor < 0.85 * (losses[0] - floor)  # a picture of one colour would reach 0.89
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))


def test_codes_are_drawn_with_their_mean_and_variance():
    vae = script.VAE(lambda faces: WIDE_LATENT, lambda z: z, beta=1.0, seed=0)
    assert_drawn(vae(np.zeros(1))["reconstruction"])


def test_a_run_measures_active_units_and_sharpness(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny("VAE_filter64_latent32"), "ACTIVE_VARIANCE", 0.0)
    results = script.main(["--limit", "40", "--out", str(tmp_path / "run")])  # two faces are held out
    assert {"loss", "reconstruction", "kl", "val_loss", "val_reconstruction", "val_kl"} <= set(results)
    assert results["active_units"] == script.LATENT_DIM  # everything varies more than not at all
    assert results["sharpness_faces"] > results["sharpness_reconstructions"]
    assert results["sharpness_narrow_samples"] < results["sharpness_samples"]
    encoder, decoder = (keras.saving.load_model(tmp_path / "run" / f"{name}.keras") for name in ("encoder", "decoder"))
    latent = encoder.predict(np.zeros((2, 64, 64, 3), np.float32), verbose=0)
    assert decoder.predict(latent["z_mean"], verbose=0).shape == (2, 64, 64, 3)


def test_saved_models_give_the_same_output(vae, tmp_path):
    faces = np.asarray(script.scale(shared_drawings.draw_faces(2, 64, seed=0)))
    shared_run.Run.save_model(SimpleNamespace(folder=tmp_path), "encoder.keras", vae.encoder)
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    for name, value in vae.encoder.predict(faces, verbose=0).items():
        np.testing.assert_array_equal(loaded.predict(faces, verbose=0)[name], value)


def test_a_loss_that_is_no_number_ends_the_run_with_one_line(tiny, tmp_path, monkeypatch):
    tiny("VAE_filter64_latent32")
    monkeypatch.setattr(script, "LEARNING_RATE", 1e30)
    with pytest.raises(InputError, match=r"is (nan|inf|no number) (in|after) epoch [12]; try a lower learning rate"):
        script.main(["--epochs", "2", "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run" / "results.json").exists()
    assert not list((tmp_path / "run" / "checkpoint").iterdir())


def test_comparison_of_runs(tiny, trained, tmp_path, capsys, monkeypatch):
    folders = [trained("VAE_filter64_latent32", to=name) for name in ("one", "two")]
    compare_runs.main([*map(str, folders), "--out", str(tmp_path / "out")])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"curves.png", "interpolations.png", "first_last.png", "results.csv"}
    strips = [np.asarray(shared_figures.read_picture(folder / "interpolation.png")) for folder in folders]
    together = np.asarray(shared_figures.read_picture(tmp_path / "out" / "interpolations.png"))
    np.testing.assert_array_equal(together, np.concatenate(strips))
    grids = [
        np.asarray(shared_figures.read_picture(folders[1] / "samples" / f"epoch_{epoch:03d}.png")) for epoch in (0, 1)
    ]
    both = np.asarray(shared_figures.read_picture(tmp_path / "out" / "first_last.png"))
    np.testing.assert_array_equal(both[:, -grids[0].shape[1] :], np.concatenate(grids))
    loss = json.loads((folders[1] / "results.json").read_text())["val_loss"]
    printed = capsys.readouterr().out
    assert f"{loss:,.5g}" in printed
    assert "Careful" not in printed
    tiny("VAE_filter64_latent32").main(["--out", str(tmp_path / "longer"), "--epochs", "2", "--limit", "19"])
    titles = []
    monkeypatch.setattr(compare_runs, "save_curves", lambda path, histories, panels, title: titles.append(title))
    compare_runs.main([str(folders[0]), str(tmp_path / "longer"), "--out", str(tmp_path / "out")])
    careful = "these runs differ in epochs (1, 2) and in data (19 drawn faces (stand-in data), 20 drawn faces"
    assert careful in capsys.readouterr().out
    assert careful in titles[0]
    with pytest.raises(InputError, match="not the folder of a finished run of faces"):
        compare_runs.main([str(tmp_path)])


def test_damaged_runs_are_not_compared(tiny, trained, tmp_path):
    folder = trained("VAE_filter64_latent32")
    tiny("VAE_filter64_latent32")
    for name, content, words in (
        ("results.json", b'{"epochs": 1, "epochs_asked": 1, "loss": "low"}', "loss is no number"),
        ("results.json", b"[]", "it names nothing"),
        ("history.csv", b"", "has no epoch"),
        ("interpolation.png", b"\x89PNG", "is damaged"),
    ):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            compare_runs.main([str(folder), "--out", str(tmp_path / "out")])
        (folder / name).write_bytes(whole)
    (folder / "samples" / "epoch_001.png").write_bytes((folder / "samples" / "epoch_001.png").read_bytes()[:500])
    with pytest.raises(InputError, match=r"epoch_001\.png: is damaged"):
        script.main(["--out", str(folder), "--resume"])
