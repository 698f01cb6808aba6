"""The autoencoder: learning, samplers, and the comparison with a VAE and a GAN."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import WIDE_LATENT, assert_drawn, read_comparison

import CAE_filter128_latent512 as script
import shared_codes
import shared_drawings
import shared_networks
from shared_codes import Codes, Mixture
from shared_files import InputError, read_json

FACES = shared_drawings.draw_faces(60, 64, seed=0)


def build():
    keras.utils.set_random_seed(0)
    model = script.Autoencoder(script.build_encoder(), script.build_decoder())
    model.compile(optimizer=keras.optimizers.Adam(script.LEARNING_RATE), jit_compile=False)
    return model


def test_loss_is_the_mean_squared_error(tiny):
    tiny("CAE_filter128_latent512")
    white = np.full((2, 64, 64, 3), 255, np.uint8)
    loss = build().compute_loss(white, y_pred=np.full((2, 64, 64, 3), 0.25, np.float32))
    assert float(loss) == pytest.approx(0.75**2)


def test_loss_falls_on_one_batch(monkeypatch):
    monkeypatch.setattr(script, "FILTERS", 16)
    model = build()
    batch = FACES[:8]
    before = [np.array(weight) for weight in model.get_weights()]
    for _ in range(120):
        model.train_on_batch(batch)
    found = float(model.compute_loss(batch, y_pred=model(batch)))
    assert found < 0.7 * np.mean(np.var(batch / 255, axis=0))  # what their mean would reach
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))


def test_another_size_is_trained_on_and_looked_at(tiny, monkeypatch, data, tmp_path, eagerly):
    tiny("CAE_filter128_latent512")
    monkeypatch.setattr(script, "IMAGE_SIZE", 75)
    script.main([*data, "--limit", "20", "--out", str(tmp_path / "run")])  # the fewest; one is held out
    decoder = keras.saving.load_model(tmp_path / "run" / "decoder.keras")
    assert decoder.output_shape == (None, 75, 75, 3)


def test_the_learning_rate_is_halved(tiny, data, tmp_path, monkeypatch, eagerly):
    tiny("CAE_filter128_latent512")
    monkeypatch.setattr(script, "HALVING", 1)
    rates = []
    fit = script.Autoencoder.fit

    def spy(model, *args, **options):
        result = fit(model, *args, **options)
        rates.append(float(model.optimizer.learning_rate))
        return result

    monkeypatch.setattr(script.Autoencoder, "fit", spy)
    script.main([*data, "--epochs", "2", "--out", str(tmp_path / "run")])
    assert rates == [pytest.approx(script.LEARNING_RATE / 4)]


def test_all_ways_to_sample_start_from_the_same_noise():
    codes = Codes(
        np.random.default_rng(0).standard_normal((700, script.LATENT_DIM)).astype(np.float32) * 3 + 1,
        np.random.default_rng(1).standard_normal((20, script.LATENT_DIM)).astype(np.float32) * 3 + 1,
    )
    picks = np.random.default_rng(2).random((20, 2))
    ways = script.ways_to_sample(codes, Mixture(codes, seed=0), picks, seed=0)
    assert all(z.shape == (20, script.LATENT_DIM) and z.dtype == np.float32 for z in ways.values())
    noise = ways["N(0, I)"]
    np.testing.assert_array_equal(noise[:, :100], shared_codes.noise_of(100, 20, seed=0))
    np.testing.assert_allclose(codes.pca.transform(ways["fitted Gaussian"]), noise, atol=1e-2)
    np.testing.assert_allclose(codes.pca.transform(ways["mixture of Gaussians"])[:, 64:], noise[:, 64:], atol=1e-2)
    assert len(np.unique(ways["half way between neighbours"], axis=0)) > 15
    prior = script.build_prior(codes)
    np.testing.assert_allclose(prior.predict(noise, verbose=0), ways["fitted Gaussian"], rtol=1e-3, atol=1e-3)


def test_posterior_codes_of_a_vae_are_drawn(monkeypatch):
    seen = {}
    monkeypatch.setattr(shared_networks, "encode", lambda encoder, pictures: WIDE_LATENT)
    monkeypatch.setattr(
        script,
        "add_model",
        lambda comparison, model, epochs, decoder, held_out, codes, ways: seen.update(ways, all=codes),
    )
    picks = np.random.default_rng(0).random((1_000, 2))
    networks = dict.fromkeys(("encoder", "decoder"))
    script.add_other(SimpleNamespace(train=None, held_out=None), "VAE", 1, networks, picks, seed=0)
    assert_drawn(seen["aggregate posterior"])
    assert_drawn(seen["all"].train)
    assert_drawn(seen["all"].held_out)
    assert_drawn(seen["prior N(0, I)"], mean=0, deviation=1)


def test_a_vae_and_a_gan_are_compared(tiny, trained, data, tmp_path, capsys):
    others = ["VAE_filter64_latent128", "GAN_filter128_latent256"]
    folder = tmp_path / "run"
    beside = [str(trained(name, *data)) for name in others]
    results = tiny("CAE_filter128_latent512").main([*data, "--out", str(folder), "--beside", *beside])
    assert capsys.readouterr().out.count("GAN_filter128_latent256 held out no pictures") == 1
    rows = read_comparison(folder)
    ours = [f"{script.OURS}, {way}" for way in ("reconstructions", "N(0, I)", "fitted Gaussian")]
    assert {
        *ours,
        "held-out pictures, beside training pictures",
        "VAE_filter64_latent128, reconstructions",
        "VAE_filter64_latent128, prior N(0, I)",
        "VAE_filter64_latent128, aggregate posterior",
        "GAN_filter128_latent256, N(0, I)",
    } <= rows.keys()
    assert float(rows[ours[0]]["psnr"]) == results["psnr"]
    assert results["mse"] == pytest.approx(results["val_loss"], rel=0.01)  # but for rounding to 0..255
    for name, row in rows.items():
        assert float(row["swd"]) > 0
        assert bool(row["ssim"]) == name.endswith("reconstructions")
        assert row["epochs"] == ("0" if "beside" in name else "1")

    assert float(rows["GAN_filter128_latent256, N(0, I)"]["channel_gap"]) < 100  # grey, where black would be 130 away

    again = tiny("CAE_filter128_latent512").main([*data, "--out", str(folder), "--resume"])  # without the two
    assert again == {**results, "seconds": pytest.approx(results["seconds"])}
    assert "VAE" not in (folder / "comparison.csv").read_text()

    (tmp_path / others[0] / "encoder.keras").write_bytes(b"PK")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    for wrong, words in (
        (tmp_path / others[0], "a network is damaged"),
        (tmp_path, "not the folder of a finished run"),
    ):
        with pytest.raises(InputError, match=words):
            script.main([*data, "--out", str(tmp_path / "new"), "--beside", str(wrong)])
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before  # said before training
    fingerprint, share = read_json(folder / "settings.json")["fingerprint"], script.HELD_OUT
    for wrong, words in (
        ((tmp_path / others[1], "another", share, 0), "was trained on other pictures"),
        ((tmp_path / others[0], fingerprint, share, 1), "held out other pictures"),
        ((tmp_path / others[0], fingerprint, 0.5, 0), "held out other pictures"),
        ((folder, fingerprint, share, 0), "holds no networks of a VAE or a GAN"),
    ):
        with pytest.raises(InputError, match=words):
            shared_networks.open_networks(*wrong)
    with pytest.raises(InputError, match="one run of a script"):
        script.main([*data, "--beside", *[str(tmp_path / others[1])] * 2])
