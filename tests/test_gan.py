"""The GAN scripts: each network learns by its own loss, the watch speaks up, the files are there."""

import gc
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import GAN_SCRIPTS

import compare_runs
import GAN_filter128_latent64 as script
import shared_data
import shared_run

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
    gan.train_on_batch(shared_data.draw_faces(8, 64, seed=0))
    for network, old_weights in zip(networks, before, strict=True):
        for weight, old, new in zip(network.weights, old_weights, weights_of(network), strict=True):
            assert np.any(new != old), weight.path


def test_each_network_learns_by_its_own_loss_alone(small):
    """One fused step equals a step of each network trained alone, so neither loss reaches the other's weights."""
    images = shared_data.draw_faces(8, 64, seed=0)
    gan = build(keras.optimizers.SGD(1.0))
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
    images = shared_data.draw_faces(6, 64, seed=0)
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
    np.testing.assert_array_equal(shared_run.to_uint8(script.scale(every), low=-1, high=1), every)


def test_nothing_grows_over_200_steps(small):
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("resident memory is read from /proc")
    gan = build("adam")
    images = shared_data.draw_faces(4, 64, seed=0)

    def resident_mib(steps):
        for _ in range(steps):
            gan.train_on_batch(images)
        gc.collect()
        return int(status.read_text().split()[1]) * 4096 / 2**20

    before = resident_mib(100)
    assert (
        resident_mib(200) - before < 10
    )  # one 64-picture batch of activations that stays behind a step would be 1,000


def test_slerp_stays_on_the_sphere_in_equal_angles():
    rng = np.random.default_rng(0)
    start, end = rng.standard_normal((2, 64))
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    path = script.slerp(start, end, 9)
    assert path.shape == (9, 64)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-6)
    cosines = np.sum(path[1:] * path[:-1], axis=1)
    np.testing.assert_allclose(cosines, cosines[0], atol=1e-6)


def watch(folder, samples, epochs):
    """Return what a `GANWatch` prints and logs for `samples` over epochs of (accuracy, generator's loss).

    Each epoch has a watch of its own, as if the run had been cut off after every one.
    """
    history = folder / "history.csv"
    history.write_text("d_accuracy_real,d_accuracy_fake,g_loss\n")
    for epoch, (accuracy, g_loss) in enumerate(epochs):
        logs = {"d_accuracy_real": accuracy, "d_accuracy_fake": accuracy, "g_loss": g_loss}
        shared_run.GANWatch(folder, lambda: samples, low=-1, high=1).on_epoch_end(epoch, logs)
        with open(history, "a") as file:
            file.write(f"{accuracy},{accuracy},{g_loss}\n")
    return logs


def test_the_watch_is_quiet_when_all_is_well_and_plain_when_not(tmp_path, capsys):
    rng = np.random.default_rng(0)
    good = rng.uniform(-1, 1, (8, 16, 16, 3))
    logs = watch(tmp_path, good, [(0.8, 1.0), (0.8, 2.0), (0.8, 3.0), (0.8, 4.0)])
    assert capsys.readouterr().out == ""
    assert logs["pixel_std"] == pytest.approx(np.std(good / 2, axis=0).mean(), rel=1e-4)
    troubles = {
        "all alike": np.repeat(good[:1], 8, axis=0),
        "flat": np.broadcast_to(rng.uniform(-1, 1, (8, 1, 1, 3)), good.shape),
        "leave their range": 1.5 * good,
    }
    for words, samples in troubles.items():
        watch(tmp_path, samples, [(0.8, 1.0)])
        out = capsys.readouterr().out
        assert words in out
        assert out.count("Warning") == 1
    watch(tmp_path, good, [(0.9, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0)])
    assert "after epoch 4 the discriminator has won" in capsys.readouterr().out
    watch(tmp_path, good, [(1.0, 1.0), (1.0, 2.0), (0.9, 3.0), (1.0, 4.0), (1.0, 3.5)])
    assert capsys.readouterr().out == ""


def test_resumed_run_equals_an_unbroken_one_and_can_be_compared(small, tmp_path, monkeypatch):
    flags = ["--limit", "12", "--batch-size", "8"]
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    script.main([*flags, "--epochs", "1", "--out", str(broken)])
    script.main([*flags, "--epochs", "3", "--out", str(broken), "--resume"])
    script.main([*flags, "--epochs", "3", "--out", str(unbroken)])
    histories = [shared_run.read_history(folder / "history.csv") for folder in (broken, unbroken)]
    for history in histories:
        assert history.pop("epoch") == [0, 1, 2]
        history.pop("seconds")
    assert histories[0] == histories[1]
    panels = []
    monkeypatch.setattr(shared_run, "draw_curves", lambda path, histories, names, title: panels.extend(names))
    compare_runs.main([str(broken), str(unbroken), "--out", str(tmp_path / "out")])
    assert panels == ["d_accuracy_fake", "d_accuracy_real", "d_g_z", "d_loss", "d_x", "g_loss", "pixel_std"]
    assert {"first_last.png", "interpolations.png"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("name", GAN_SCRIPTS)
def test_every_script_runs(name, tmp_path):
    module = importlib.import_module(name)
    results = module.main(["--limit", "6", "--batch-size", "4", "--epochs", "1", "--out", str(tmp_path / name)])
    assert all(np.isfinite(value) for value in results.values())
    columns = {"d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_x", "d_g_z", "pixel_std"}
    assert columns | {"sharpness_samples"} <= set(results)
    expected = {"generator.keras", "discriminator.keras", "interpolation.png", "curves.png", "samples.gif"}
    assert expected <= {path.name for path in (tmp_path / name).iterdir()}
    generator = keras.saving.load_model(tmp_path / name / "generator.keras")
    pictures = np.asarray(generator(np.zeros((2, module.LATENT_DIM), np.float32)))
    assert pictures.dtype == np.float32
    assert pictures.shape == (2, 64, 64, 3)
