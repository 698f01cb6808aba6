"""The DCGAN that the GAN scripts are measured beside."""

import keras
import numpy as np
import pytest

import shared_networks
from maintenance import dcgan
from shared_drawings import draw_faces


def test_generated_pictures_are_labelled_1_and_the_generator_wants_0(monkeypatch):
    monkeypatch.setattr(dcgan, "LABEL_NOISE", 0.0)
    keras.utils.set_random_seed(0)
    pictures, belief = keras.Input((64, 64, 3)), 0.2  # which the discriminator has of "generated", whatever it sees
    logit = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(keras.layers.Flatten()(pictures))
    discriminator = keras.Model(pictures, keras.layers.Activation("sigmoid")(logit))
    discriminator.get_layer("logit").bias.assign([np.log(belief / (1 - belief))])
    gan = dcgan.GAN(dcgan.build_generator(), discriminator, seed=0)
    images = draw_faces(4, 64, seed=0)
    total = float(gan.compute_loss(images, y_pred=gan(images)))
    found = {tracker.name: float(tracker.result()) for tracker in gan.trackers}
    d_loss = -(np.log(belief) + np.log(1 - belief)) / 2  # of generated and of real pictures
    assert found["d_loss"] == pytest.approx(d_loss, rel=1e-4)
    assert found["g_loss"] == pytest.approx(-np.log(1 - belief), rel=1e-4)
    assert total == pytest.approx(found["d_loss"] + found["g_loss"], rel=1e-5)
    assert (found["d_accuracy_real"], found["d_accuracy_fake"]) == (1, 0)


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
