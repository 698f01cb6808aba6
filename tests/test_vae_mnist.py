"""The VAE of digits: its loss, its likelihood, and what is said of its dimensions."""

import csv
from types import SimpleNamespace
from unittest.mock import MagicMock

import keras
import numpy as np
import pytest
from conftest import WIDE_LATENT, assert_drawn, tiny_digits

import shared_files
import shared_training
import VAE_mnist_traversal as script


def black_and_white(count, seed=0):
    return (np.random.default_rng(seed).random((count, 28, 28)) < 0.3).astype(np.float32)


def build(latent_dim=3):
    keras.utils.set_random_seed(0)
    return script.VAE(script.build_encoder(latent_dim), script.build_decoder(latent_dim), 1.0, 0)


def test_kl_of_dimensions_is_the_closed_form():
    latent = {"z_mean": np.array([[0.0, 1.0, 0.0]], np.float32), "z_log_var": np.array([[0, 0, 1.0]], np.float32)}
    np.testing.assert_allclose(script.kl_of_dimensions(latent), [[0, 0.5, (np.e - 2) / 2]], atol=1e-6)


def test_cross_entropy_is_summed_over_pixels():
    pictures = black_and_white(2)
    np.testing.assert_allclose(script.cross_entropy(pictures, 0 * pictures), 784 * np.log(2), rtol=1e-5)
    sure = 50 * (2 * pictures - 1)
    np.testing.assert_allclose(script.cross_entropy(pictures, sure), 0, atol=1e-5)
    np.testing.assert_allclose(script.cross_entropy(pictures, -sure), 784 * 50, rtol=1e-5)


def test_loss_is_cross_entropy_plus_beta_times_kl(tiny):
    tiny("VAE_mnist_traversal")
    model = build()
    pictures = black_and_white(4)
    latent = {name: np.full((4, 3), value, np.float32) for name, value in (("z_mean", 1), ("z_log_var", 0))}
    for beta in (1.0, 4.0):
        model.beta = beta
        loss = model.compute_loss(pictures, y_pred={"logits": 0 * pictures, **latent})
        assert float(loss) == pytest.approx(784 * np.log(2) + beta * 1.5, rel=1e-5)


def test_codes_are_drawn_with_their_mean_and_variance():
    vae = script.VAE(lambda pictures: WIDE_LATENT, lambda z: z, beta=1.0, seed=0)
    assert_drawn(vae(np.zeros(1))["logits"])


def test_loss_falls_on_one_batch(tiny):
    tiny("VAE_mnist_traversal")
    model = build()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    batch = black_and_white(8)
    before = [np.array(weight) for weight in model.get_weights()]
    start = float(model.compute_loss(batch, y_pred=model(batch)))
    for _ in range(60):
        model.train_on_batch(batch)
    assert float(model.compute_loss(batch, y_pred=model(batch))) < 0.7 * start
    changed = [np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert all(changed)


def test_the_likelihood_is_exact_where_the_posterior_is(tiny):
    tiny("VAE_mnist_traversal")
    model = build()
    for network in (model.encoder, model.decoder):  # a code that says nothing: q(z | x) = p(z), p(x | z) = p(x)
        network.set_weights([0 * weight for weight in network.get_weights()])
    found = script.negative_log_likelihood(model.encoder, model.decoder, black_and_white(3), 5, seed=0)
    assert found == pytest.approx(784 * np.log(2), rel=1e-5)


def test_the_likelihood_is_that_of_numerical_integration(tiny):
    tiny("VAE_mnist_traversal")
    model = build(latent_dim=1)
    rng = np.random.default_rng(0)
    model.set_weights([weight + 0.05 * rng.standard_normal(weight.shape) for weight in model.get_weights()])
    pictures = black_and_white(3)
    z = np.linspace(-6, 6, 2_001, dtype=np.float32)[:, None]
    log_prior = -0.5 * z[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    joint = [log_prior - np.asarray(script.cross_entropy(picture, model.decoder(z))) for picture in pictures]
    exact = -np.mean([np.log(np.sum(np.exp(row - row.max())) * (z[1, 0] - z[0, 0])) + row.max() for row in joint])
    found = script.negative_log_likelihood(model.encoder, model.decoder, pictures, 4_000, seed=0)
    assert found == pytest.approx(exact, abs=0.05)
    model.compile()
    bound = model.evaluate(pictures, verbose=0, return_dict=True)["loss"]
    assert bound > exact


def test_what_dimensions_tell_is_asked_of_codes_that_are_drawn(tiny, monkeypatch, tmp_path):
    """Their means alone would know more than the decoder is ever told."""
    tiny("VAE_mnist_traversal")

    def mutual_information_gaps(z, factors):
        assert_drawn(z)
        raise InterruptedError

    monkeypatch.setattr("shared_training.predict", lambda *args: WIDE_LATENT)
    monkeypatch.setattr(script, "decode", lambda *args: None)
    monkeypatch.setattr("shared_traversals.Traversals", MagicMock())
    monkeypatch.setattr("shared_factors.measure_all", lambda digits: np.random.default_rng(0).random((1_000, 5)))
    monkeypatch.setattr("shared_factors.mutual_information_gaps", mutual_information_gaps)
    part = MagicMock(folder=tmp_path, args=SimpleNamespace(seed=0))
    test = np.zeros((1_000, 28, 28), np.uint8), np.arange(1_000) % 10
    monkeypatch.setattr("shared_files.write_table", lambda *args: None)
    with pytest.raises(InterruptedError):
        script.examine(part, None, None, test[0], test, test[0], None)


def test_too_few_digits_are_one_line(tiny, tmp_path):
    with pytest.raises(shared_files.InputError, match="19 digits are too few"):
        tiny("VAE_mnist_traversal").main(["--out", str(tmp_path / "run"), "--limit", "19"])
    assert not (tmp_path / "run").exists()


def test_a_run_describes_every_dimension(tiny, tmp_path, monkeypatch, eagerly):
    module = tiny("VAE_mnist_traversal")
    results = module.main(["--out", str(tmp_path / "run")])
    with open(tmp_path / "run" / "many" / "dimensions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["dimension"]) for row in rows) == list(range(module.LATENT_DIM))
    kls = [float(row["kl"]) for row in rows]
    assert kls == sorted(kls, reverse=True)
    assert sum(kls) == pytest.approx(results["many_val_kl"], rel=0.01)
    assert results["many_active_units"] == sum(int(row["active"]) for row in rows)
    gaps = [value for name, value in results.items() if name.startswith("many_gap_")]
    assert results["many_mig"] == pytest.approx(np.mean(gaps))
    assert len(gaps) == 6
    (train, _), _ = tiny_digits()
    decoder = keras.saving.load_model(tmp_path / "run" / "two" / "decoder.keras")
    greys = decoder.predict(np.zeros((3, 2), np.float32), verbose=0)
    assert greys.shape == (3, *train.shape[1:])
    assert 0 <= greys.min() <= greys.max() <= 1
    monkeypatch.setattr(shared_training.Batches, "all", None)  # what is done is not begun again
    monkeypatch.setattr(module, "VAE", None)
    assert module.main(["--out", str(tmp_path / "run"), "--resume"]) == results
