"""The GAN scripts: each network learns by its own loss, in whatever layers, and nothing broken is saved."""

import gc
import os
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import compare_runs
import GAN_filter128_latent64 as script
import shared_drawings
import shared_figures
import shared_run
from shared_files import InputError, read_results

SEED = 7


@pytest.fixture
def small(monkeypatch):
    """Shrink the networks and keep them in float32, so that gradients can be compared."""
    monkeypatch.setattr(script, "FILTERS", 8)
    monkeypatch.setattr(script, "PRECISION", "float32")


def build(optimizer):
    keras.utils.set_random_seed(0)
    gan = script.GAN(script.build_generator(), script.build_discriminator(), seed=SEED)
    gan.compile(optimizer=optimizer, jit_compile=False)
    return gan


def weights_of(model):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]


def cross_entropy(probability, label):
    return -(label * np.log(probability) + (1 - label) * np.log(1 - probability)).mean()


def test_one_step_moves_every_weight_of_both_networks(small):
    gan = build(keras.optimizers.Adam(script.LEARNING_RATE, beta_1=script.BETA_1))
    networks = (gan.generator, gan.discriminator)
    before = [weights_of(network) for network in networks]
    gan.train_on_batch(shared_drawings.draw_faces(8, 64, seed=0))
    for network, old_weights in zip(networks, before, strict=True):
        for weight, old, new in zip(network.weights, old_weights, weights_of(network), strict=True):
            assert np.any(new != old), weight.path


def test_each_network_learns_by_its_own_loss_alone(small):
    """One fused step equals a step of each network trained alone, so neither loss reaches the other's weights."""
    images = shared_drawings.draw_faces(8, 64, seed=0)
    gan = build(keras.optimizers.SGD(1.0))
    # In a graph, TensorFlow may update the discriminator before the generator's gradient is found.
    gan.run_eagerly = True
    noise = keras.random.normal((8, script.LATENT_DIM), seed=keras.random.SeedGenerator(SEED))
    gan.train_on_batch(images)

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    alone = build(keras.optimizers.SGD(1.0))
    fake = keras.ops.convert_to_numpy(alone.generator(noise))
    real = keras.ops.convert_to_numpy(script.scale(images))
    critic = keras.models.clone_model(alone.discriminator)
    critic.set_weights(alone.discriminator.get_weights())
    critic.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss, jit_compile=False)
    labels = np.concatenate([np.ones((8, 1)), np.zeros((8, 1))])
    critic.train_on_batch(np.concatenate([real, fake]), labels)

    alone.discriminator.trainable = False
    chain = keras.Sequential([alone.generator, alone.discriminator])
    chain.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss, jit_compile=False)
    chain.train_on_batch(noise, np.ones((8, 1)))

    for got, expected in ((gan.discriminator, critic), (gan.generator, alone.generator)):
        for new, wanted in zip(weights_of(got), weights_of(expected), strict=True):
            np.testing.assert_allclose(new, wanted, rtol=1e-3, atol=1e-6)


def test_losses_are_binary_cross_entropy_and_the_shares_are_right(small):
    images = shared_drawings.draw_faces(6, 64, seed=0)
    gan = build("sgd")
    fake = gan(images)
    real_belief = 1 / (1 + np.exp(-keras.ops.convert_to_numpy(gan.discriminator(script.scale(images)))))
    fake_belief = 1 / (1 + np.exp(-keras.ops.convert_to_numpy(gan.discriminator(fake))))
    total = float(gan.compute_loss(images, y_pred=fake))
    logged = {tracker.name: float(tracker.result()) for tracker in gan.trackers}
    d_loss = (cross_entropy(real_belief, 1) + cross_entropy(fake_belief, 0)) / 2
    assert logged["d_loss"] == pytest.approx(d_loss, rel=1e-5)
    assert logged["g_loss"] == pytest.approx(cross_entropy(fake_belief, 1), rel=1e-5)
    assert total == pytest.approx(logged["d_loss"] + logged["g_loss"], rel=1e-5)
    assert logged["d_accuracy_real"] == pytest.approx((real_belief > 0.5).mean())
    assert logged["d_accuracy_fake"] == pytest.approx((fake_belief < 0.5).mean())
    assert logged["d_x"] == pytest.approx(real_belief.mean(), rel=1e-5)
    assert logged["d_g_z"] == pytest.approx(fake_belief.mean(), rel=1e-5)


def test_pictures_are_scaled_to_the_range_of_tanh():
    assert np.asarray(script.scale(np.array([0, 255], np.uint8))).tolist() == [-1, 1]
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(shared_figures.to_uint8(script.scale(every), low=-1, high=1), every)


def test_nothing_grows_over_200_steps(small):
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("resident memory is read from /proc")
    gan = build("adam")
    images = shared_drawings.draw_faces(4, 64, seed=0)

    def resident_mib(steps):
        for _ in range(steps):
            gan.train_on_batch(images)
        gc.collect()
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    before = resident_mib(100)
    assert resident_mib(200) - before < 10


@pytest.mark.parametrize("kind", ["BatchNormalization", "SpectralNormalization", "Dropout"])
def test_discriminators_with_a_state_of_their_own_train(small, kind):
    """A copy may put them in; the generator's loss must leave their state to the discriminator's."""
    plain = script.build_discriminator()
    if kind == "SpectralNormalization":
        head = keras.layers.SpectralNormalization(keras.layers.Dense(1))(plain.layers[-2].output)
    else:
        layer = keras.layers.BatchNormalization() if kind == "BatchNormalization" else keras.layers.Dropout(0.5)
        head = plain.layers[-1](layer(plain.layers[-2].output))
    gan = script.GAN(script.build_generator(), keras.Model(plain.input, head), seed=SEED)
    gan.compile(optimizer=keras.optimizers.Adam(script.LEARNING_RATE), jit_compile=False)
    before = weights_of(gan)
    gan.train_on_batch(shared_drawings.draw_faces(8, 64, seed=0))
    moved = [np.any(new != old) for new, old in zip(weights_of(gan), before, strict=True)]
    assert all(moved), [weight.path for weight, one in zip(gan.weights, moved, strict=True) if not one]


def test_a_sequential_discriminator_can_be_saved(small, tmp_path):
    """As a copy may have it."""
    layers = [keras.Input((64, 64, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    shared_run.Run.save_model(SimpleNamespace(folder=tmp_path), "discriminator.keras", keras.Sequential(layers))
    assert keras.saving.load_model(tmp_path / "discriminator.keras").output_shape == (None, 1)


def test_batch_normalisation_learns_from_the_discriminators_own_batches(small):
    """Real and generated pictures move its statistics once each, and the generator's loss not at all."""
    plain = script.build_discriminator()
    layer = keras.layers.BatchNormalization(momentum=0.5)
    head = plain.layers[-1](layer(plain.layers[-2].output))
    gan = script.GAN(script.build_generator(), keras.Model(plain.input, head), seed=SEED)
    features = keras.Model(plain.input, plain.layers[-2].output)
    images = shared_drawings.draw_faces(8, 64, seed=0)
    fake = gan(images, training=True)
    expected = np.zeros(layer.moving_mean.shape)
    for pictures in (script.scale(images), fake):
        expected = 0.5 * expected + 0.5 * keras.ops.convert_to_numpy(features(pictures)).mean(axis=0)
    gan.compute_loss(images, y_pred=fake, training=True)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_mean), expected, rtol=1e-4, atol=1e-6)


def test_a_last_update_that_overflows_is_not_saved(small, tmp_path, monkeypatch):
    """One step an epoch: its loss is that of the weights before it."""
    monkeypatch.setattr(script, "LEARNING_RATE", np.inf)
    with pytest.raises(InputError, match="A weight is no number after epoch 1"):
        script.main(["--limit", "4", "--batch-size", "4", "--epochs", "1", "--out", str(tmp_path / "run")])
    assert not list((tmp_path / "run" / "checkpoint").iterdir())
    assert not list((tmp_path / "run").glob("*.keras"))


def test_runs_can_be_compared(trained, tmp_path, monkeypatch):
    folders = [trained("GAN_filter128_latent64", to=name) for name in ("one", "two")]
    results = read_results(folders[0] / "results.json")
    columns = {"d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z", "pixel_std"}
    assert results.keys() == columns | {"loss", "sharpness_samples", "epochs", "epochs_asked", "seconds"}
    panels = []
    monkeypatch.setattr(compare_runs, "save_curves", lambda path, histories, names, title: panels.extend(names))
    compare_runs.main([*map(str, folders), "--out", str(tmp_path / "out")])
    assert panels == sorted(columns)
    assert {"first_last.png", "interpolations.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    generator = keras.saving.load_model(folders[0] / "generator.keras")
    pictures = np.asarray(generator(np.zeros((2, script.LATENT_DIM), np.float32)))
    assert pictures.dtype == np.float32
    assert pictures.shape == (2, 64, 64, 3)
