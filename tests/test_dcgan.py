"""The DCGAN that the GAN scripts are measured beside."""

import keras
import numpy as np
import pytest

import shared_networks
from maintenance import dcgan


def test_generated_pictures_are_labelled_1_and_the_generator_wants_0(monkeypatch):
    """For a discriminator that holds light pictures for generated ones, and says how light they are."""
    monkeypatch.setattr(dcgan, "LABEL_NOISE", 0.0)
    keras.utils.set_random_seed(0)
    pictures = keras.Input((64, 64, 3))
    lightness = keras.layers.GlobalAveragePooling2D()(pictures)
    logit = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(1.0))(lightness)
    discriminator = keras.Model(pictures, keras.layers.Activation("sigmoid")(logit))
    gan = dcgan.GAN(dcgan.build_generator(), discriminator, seed=0)
    images = np.full((4, 64, 64, 3), 255, np.uint8)
    made = gan(images)
    total = float(gan.compute_loss(images, y_pred=made))
    found = {tracker.name: float(tracker.result()) for tracker in gan.trackers}
    real, fake = (np.asarray(discriminator(each)) for each in (np.ones((4, 64, 64, 3), np.float32), made))
    assert found["d_loss"] == pytest.approx(-(np.log(fake).mean() + np.log(1 - real).mean()) / 2, rel=1e-4)
    assert found["g_loss"] == pytest.approx(-np.log(1 - fake).mean(), rel=2e-2)  # of other noise
    assert total == pytest.approx(found["d_loss"] + found["g_loss"], rel=1e-5)
    assert (found["d_x"], found["d_g_z"]) == pytest.approx(((1 - real).mean(), (1 - fake).mean()), rel=1e-4)
    assert (found["d_accuracy_real"], found["d_accuracy_fake"]) == (0, 1)


def test_a_run_can_be_sampled_as_those_of_the_scripts(tmp_path, monkeypatch, eagerly):
    monkeypatch.setattr(dcgan, "GENERATOR_FILTERS", (8, 8, 8))
    dcgan.main(["--limit", "4", "--batch-size", "4", "--epochs", "1", "--out", str(tmp_path / "run")])
    saved = keras.saving.load_model(tmp_path / "run" / "generator.keras")
    noise = np.random.default_rng(0).standard_normal((2, dcgan.LATENT_DIM), np.float32)
    last = saved.layers[-2].output  # before [0, 1] becomes [-1, 1]
    inner = np.asarray(keras.Model(saved.input, last)(noise))
    assert inner.min() > 0
    assert inner.max() < 1
    np.testing.assert_allclose(np.asarray(saved(noise)), 2 * inner - 1, atol=1e-5)
    assert shared_networks.open_sampler(tmp_path / "run").sample(3, seed=0).shape == (3, 64, 64, 3)
