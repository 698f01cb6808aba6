"""The steadier GAN: what each remedy does, that the averaged generator is shown, and what the pyramid costs."""

import keras
import numpy as np
import pytest

import GAN_filter128_latent128 as plain_script
import GAN_filter128_latent128_stable as script
import shared_drawings
import shared_files
from maintenance.contests import multiply_adds

FACES = shared_drawings.draw_faces(8, 64, seed=0)


def build(*remedies):
    keras.utils.set_random_seed(0)
    return script.StableGAN(*script.build_networks(remedies), remedies, seed=0)


def logged(gan):
    return {tracker.name: float(tracker.result()) for tracker in gan.trackers}


def belief(logits):
    return 1 / (1 + np.exp(-np.asarray(logits)))


def test_the_pyramid_costs_no_more_than_the_plain_networks():
    pyramid = [script.build_pyramid_generator(), script.build_pyramid_discriminator()]
    plain = [plain_script.build_generator(), plain_script.build_discriminator()]
    assert sum(map(multiply_adds, pyramid)) <= sum(map(multiply_adds, plain))


def test_without_remedies_it_trains_as_the_plain_script(tiny, monkeypatch):
    for module in (script, plain_script):
        tiny(module.__name__)
        monkeypatch.setattr(module, "PRECISION", "float32")
    gan = build()
    keras.utils.set_random_seed(0)
    twin = plain_script.GAN(plain_script.build_generator(), plain_script.build_discriminator(), seed=0)
    for each in (gan, twin):
        each.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        each.train_on_batch(FACES)
    for ours, theirs in ((gan.generator, twin.generator), (gan.discriminator, twin.discriminator)):
        for new, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(new, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("remedies", [(), ("moved", "colours")])
def test_losses_of_held_out_pictures_are_binary_cross_entropy(tiny, remedies):
    tiny("GAN_filter128_latent128_stable")
    gan = build(*remedies)
    fake = gan(FACES, training=False)
    total = float(gan.compute_loss(FACES, y_pred=fake, training=False))
    real, made = (belief(gan.discriminator(each)) for each in (script.scale(FACES), fake))
    d_loss = -(np.log(real).mean() + np.log(1 - made).mean()) / 2
    assert logged(gan)["d_loss"] == pytest.approx(d_loss, rel=1e-2)
    assert logged(gan)["g_loss"] == pytest.approx(-np.log(made).mean(), rel=1e-2)
    assert total == pytest.approx(logged(gan)["d_loss"] + logged(gan)["g_loss"], rel=1e-5)
    assert logged(gan)["d_accuracy_real"] == pytest.approx((real > 0.5).mean())


def test_relativistic_losses_are_of_differences(tiny):
    tiny("GAN_filter128_latent128_stable")
    gan = build("relativistic")
    fake = gan(FACES, training=False)
    gan.compute_loss(FACES, y_pred=fake, training=False)
    real, made = (np.asarray(gan.discriminator(each)) for each in (script.scale(FACES), fake))
    assert logged(gan)["d_loss"] == pytest.approx(np.log1p(np.exp(made - real)).mean() / 2, rel=1e-3)
    assert logged(gan)["g_loss"] == pytest.approx(np.log1p(np.exp(real - made)).mean(), rel=1e-3)
    middle = (real.mean() + made.mean()) / 2
    assert logged(gan)["d_accuracy_real"] == pytest.approx((real > middle).mean())
    assert logged(gan)["d_g_z"] == pytest.approx(belief(made - middle).mean(), rel=1e-3)


@pytest.mark.parametrize(
    "remedies",
    [
        script.REMEDIES,
        ("moved", "colours"),
        ("moved", "penalty"),
        ("moved", "penalty", "relativistic"),
        ("moved", "spectral"),
        ("moved", "pyramid"),
        ("moved", "deviation"),
    ],
)
def test_each_network_learns_by_its_own_loss_alone(tiny, monkeypatch, remedies):
    """Without one of the two losses, its network stands still, and the other moves as before."""
    tiny("GAN_filter128_latent128_stable")
    monkeypatch.setattr(script, "PRECISION", "float32")
    softplus = keras.ops.softplus

    def flat(network):
        return np.concatenate([np.ravel(keras.ops.convert_to_numpy(weight)) for weight in network.trainable_weights])

    def train(weights):
        """Return how both networks move in one step, with the losses of real, generated, judged pictures weighted."""
        gan = build(*remedies)
        networks = gan.generator, gan.discriminator
        before = [flat(network) for network in networks]
        left = iter(weights)
        monkeypatch.setattr(script.ops, "softplus", lambda logits: next(left) * softplus(logits))
        gan.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        gan.train_on_batch(FACES)
        monkeypatch.setattr(script.ops, "softplus", softplus)
        return [flat(network) - start for network, start in zip(networks, before, strict=True)]

    d = 1 if "relativistic" in remedies else 2  # softplus of the discriminator's loss, before that of the generator's
    both, without_g, without_d = train((1,) * d + (1,)), train((1,) * d + (0,)), train((0,) * d + (1,))
    assert all(np.abs(moved).max() > 1e-6 for moved in both)  # else what follows holds of networks that stand still
    assert np.abs(without_g[0]).max() == 0
    np.testing.assert_allclose(without_g[1], both[1], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(without_d[0], both[0], rtol=1e-3, atol=1e-7)
    assert (np.abs(without_d[1]).max() > 0) == ("penalty" in remedies), "the penalty moves it, the other loss does not"


def test_the_penalty_is_of_real_and_of_generated_pictures(tiny, monkeypatch):
    tiny("GAN_filter128_latent128_stable")
    seen = []

    def slopes(judge, pictures, logits, step, seed):
        seen.append(np.asarray(pictures))
        return keras.ops.ones((len(pictures), 1))

    monkeypatch.setattr("shared_adversarial.squared_slopes", slopes)
    gan = build("penalty")
    fake = gan(FACES, training=True)
    loss = float(gan.compute_loss(FACES, y_pred=fake))
    for pictures, wanted in zip(seen, (script.scale(FACES), fake), strict=True):
        np.testing.assert_array_equal(pictures, np.asarray(wanted))
    assert loss == pytest.approx(logged(gan)["d_loss"] + logged(gan)["g_loss"] + script.PENALTY, rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("networks", [(), ("pyramid",)])
def test_the_discriminator_is_told_how_much_the_pictures_of_a_batch_differ(tiny, monkeypatch, networks, precision):
    tiny("GAN_filter128_latent128_stable")
    monkeypatch.setattr(script, "PRECISION", precision)
    *_, last_shared, before_last, _, _ = script.build_networks(networks)[1].layers
    told = script.build_networks((*networks, "deviation"))[1]
    outputs = [told.get_layer(last_shared.name).output, told.get_layer(before_last.name).input, told.output]
    look = keras.Model(told.inputs, outputs)
    pictures = np.asarray(script.scale(FACES))
    features, joined, logits = map(np.asarray, look(pictures))
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(joined[..., :-1], features)
    np.testing.assert_allclose(joined[..., -1], features.astype(np.float32).std(axis=0).mean(), rtol=1e-2)
    _, joined_copies, logits_of_copies = map(np.asarray, look(np.repeat(pictures[:1], 8, axis=0)))
    assert joined_copies[..., -1].max() < 1e-3
    assert np.abs(logits[0] - logits_of_copies[0]) > 1e-4


def test_averaged_weights_are_shown_where_there_are_some(tiny):
    tiny("GAN_filter128_latent128_stable")
    gan = build()
    assert gan.shown is gan.generator
    gan = build("averaged")
    assert gan.shown is gan.average.network
    gan.generator.set_weights([np.array(weight) + 1 for weight in gan.generator.weights])
    before = [np.array(weight) for weight in gan.average.network.weights]
    gan.compute_loss(FACES, y_pred=gan(FACES), training=False)
    for old, new in zip(before, gan.average.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(new), old)
    gan.compute_loss(FACES, y_pred=gan(FACES), training=True)
    for old, new in zip(before, gan.average.network.weights, strict=True):
        np.testing.assert_allclose(np.asarray(new), old + 0.9, rtol=1e-4)


def test_the_averaged_generator_is_saved(tiny, monkeypatch, tmp_path):
    tiny("GAN_filter128_latent128_stable")

    def fit(run, gan, *args, **options):
        average = gan.average.network
        average.set_weights([0 * weight for weight in average.get_weights()])
        return {name: [1.0] for name in ("epoch", "seconds", *script.TINTS, *(each.name for each in gan.trackers))}

    monkeypatch.setattr("shared_run.Run.fit", fit)
    script.main(["--out", str(tmp_path / "run")])
    saved = keras.saving.load_model(tmp_path / "run" / "generator.keras")
    assert not any(weight.any() for weight in saved.get_weights())


@pytest.fixture
def prepared(tiny, monkeypatch, tmp_path):
    """Return the function that says with which batches, trained on and held out, a run with such flags would train."""
    tiny("GAN_filter128_latent128_stable")
    seen = []

    def stop(run, model, batches, validation_data, **options):
        seen.append((batches, validation_data))
        raise KeyboardInterrupt

    def prepare(*flags):
        monkeypatch.setattr("shared_run.Run.fit", stop)
        with pytest.raises(KeyboardInterrupt):
            script.main([*flags, "--out", str(tmp_path / f"run_{len(seen)}")])
        return seen[-1]

    return prepare


def test_small_batches_make_four_times_the_steps(prepared, monkeypatch):
    monkeypatch.setattr(script, "LIMIT", 17)  # 16 to train on
    (plain, held_out), (small, small_held_out) = prepared("--remedies"), prepared("--remedies", "small")
    assert (plain.batch_size, small.batch_size) == (held_out.batch_size, small_held_out.batch_size) == (8, 2)
    assert len(small) == 4 * len(plain)


def test_batches_that_cannot_be_made_smaller_are_refused(capsys):
    with pytest.raises(SystemExit):
        script.main(["--batch-size", "3"])
    assert "--batch-size: 3 is below 4" in capsys.readouterr().err


def test_the_learning_rate_falls_in_so_many_epochs_of_the_runs_own_steps(prepared, monkeypatch):
    asked = []
    monkeypatch.setattr(script, "learning_rate", lambda steps: asked.append(steps) or script.LEARNING_RATE)
    batches, _ = prepared("--decay", "3")
    prepared()
    assert asked == [3 * len(batches), 0]


def test_remedies_are_taken_in_their_own_order_whatever_is_said(prepared, tmp_path):
    prepared("--remedies", "spectral", "flips", "small")
    assert shared_files.read_json(tmp_path / "run_0" / "settings.json")["arguments"]["remedies"] == [
        "small",
        "flips",
        "spectral",
    ]


def test_flips_mirror_photographs_in_training_alone(prepared):
    for remedy, transform in (("averaged", None), ("flips", script.flipped)):
        batches, held_out = prepared("--remedies", remedy)
        assert batches.transform is transform
        assert held_out.transform is None
    (found,) = script.flipped(FACES, np.random.default_rng(0))
    turned = np.array([np.array_equal(*pair) for pair in zip(found, FACES[:, :, ::-1], strict=True)])
    assert 0 < turned.sum() < 8
    np.testing.assert_array_equal(found[~turned], FACES[~turned])


@pytest.mark.parametrize("remedies", [("moved",), ("colours",), ("moved", "colours")])
def test_a_share_of_pictures_is_augmented(monkeypatch, remedies):
    monkeypatch.setattr(script, "AUGMENTED", 0.3)
    pictures = np.asarray(script.scale(np.tile(FACES, (40, 1, 1, 1))))
    changed = np.asarray(script.augment(pictures, keras.random.SeedGenerator(0), remedies))
    share = np.any(changed != pictures, axis=(1, 2, 3)).mean()
    assert share == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(
    ("remedies", "training", "times"),
    [(("flips",), True, 0), (("moved",), False, 0), (("moved",), True, 3), (("colours",), True, 3)],
)
def test_all_that_is_judged_in_training_is_augmented(tiny, monkeypatch, remedies, training, times):
    """Real pictures, generated ones for the discriminator, and generated ones for the generator."""
    tiny("GAN_filter128_latent128_stable")
    seen = []
    monkeypatch.setattr(script, "augment", lambda pictures, *others: seen.append(pictures) or pictures)
    gan = build(*remedies)
    gan.compute_loss(FACES, y_pred=gan(FACES), training=training)
    assert len(seen) == times


def test_recoloured_pictures_have_another_light():
    def recoloured(picture):
        pictures = np.broadcast_to(picture, (100, 64, 64, 3)).astype(np.float32)
        return np.asarray(script.recolour(pictures, keras.random.SeedGenerator(0)))

    brightness = recoloured(np.zeros((64, 64, 3)))
    assert brightness.std(axis=(1, 2, 3)).max() < 1e-6
    assert -0.5 <= brightness.min() < -0.4
    assert 0.4 < brightness.max() <= 0.5
    halves = np.where(np.arange(64)[:, None, None] < 32, -0.5, 0.5) * np.ones((64, 64, 3))
    contrast = recoloured(halves).std(axis=(1, 2, 3)) / 0.5
    assert 0.5 <= contrast.min() < 0.6
    assert 1.4 < contrast.max() <= 1.5
    red = recoloured(np.ones((64, 64, 3)) * [0.5, 0, -0.5])
    saturation = (red[:, 0, 0, 0] - red[:, 0, 0, 2]) / contrast  # the same seed, so the same contrast
    assert 0 <= saturation.min() < 0.1
    assert 1.9 < saturation.max() <= 2


def test_shifted_pictures_have_another_place():
    seed = keras.random.SeedGenerator(0)
    white = np.ones((50, 64, 64, 3), np.float32)
    moved = np.asarray(script.shift(white, seed))
    rows, columns = moved[..., 0].max(axis=2).sum(axis=1), moved[..., 0].max(axis=1).sum(axis=1)
    for each in (rows, columns):
        assert set(each) <= {*range(64 - script.SHIFT, 65)}
        assert len(set(each)) > 4
    spot = np.zeros((50, 64, 64, 3), np.float32)
    spot[:, 32, 32] = 1
    places = np.argwhere(np.asarray(script.shift(spot, seed))[..., 0])
    assert len(places) == 50
    assert np.abs(places[:, 1:] - 32).max() == script.SHIFT


def test_spectral_normalisation_divides_kernels_by_their_largest_singular_value(tiny):
    tiny("GAN_filter128_latent128_stable")
    gan = build("spectral")
    for _ in range(60):
        kernels = gan.judging_weights(training=True)
    for weight, kernel in zip(gan.discriminator.trainable_variables, kernels, strict=True):
        if len(weight.shape) > 1:
            matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
            assert np.linalg.norm(matrix, 2) == pytest.approx(1, rel=0.03)
        else:
            np.testing.assert_array_equal(np.asarray(kernel), np.asarray(weight))


def test_gradients_pass_through_the_singular_value(tiny, monkeypatch):
    """Kernels of any length judge alike, so no step goes along them."""
    tiny("GAN_filter128_latent128_stable")
    monkeypatch.setattr(script, "PRECISION", "float32")
    gan = build("spectral")
    before = gan.discriminator.get_weights()
    gan.compile(optimizer=keras.optimizers.SGD(1.0), run_eagerly=True)
    gan.train_on_batch(FACES)
    for old, new in zip(before, gan.discriminator.get_weights(), strict=True):
        if old.ndim > 1:
            assert np.linalg.norm(new - old) > 0
            assert abs(np.sum((new - old) * old)) < 1e-3 * np.linalg.norm(new - old) * np.linalg.norm(old)


@pytest.mark.parametrize("remedy", ["pyramid", "spectral"])
def test_held_out_pictures_change_nothing_and_all_state_is_saved(tiny, remedy):
    tiny("GAN_filter128_latent128_stable")
    gan = build(*script.REMEDIES, remedy)
    saved = {id(variable) for variable in gan.variables}
    assert {id(each) for each in (gan.average.steps, *gan.average.network.weights, *gan.vectors.values())} <= saved
    gan.compile(optimizer="adam", run_eagerly=True)
    gan.train_on_batch(FACES)
    kept = [weight for weight in gan.weights if "seed_generator" not in weight.path]
    before = [np.array(weight) for weight in kept]
    gan.test_on_batch(FACES)
    for old, weight in zip(before, kept, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))


def test_swinging_is_the_change_of_the_mean_colour_an_epoch():
    history = {"mean_red": [0, 50, 10, 20, 10], "mean_green": [1, 1, 1, 2, 3], "mean_blue": [0.0] * 5}
    assert script.tint_swing(history) == 10
    assert script.tint_swing({name: [3.0] for name in script.TINTS}) == 0


def test_the_learning_rate_falls_to_nothing_where_it_decays():
    assert script.learning_rate(0) == script.LEARNING_RATE
    schedule = script.learning_rate(10)
    assert float(schedule(0)) == pytest.approx(script.LEARNING_RATE)
    assert float(schedule(10)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("remedies", [("penalty", "relativistic"), ("spectral",)])
def test_runs_with_other_remedies_train_and_are_saved(tiny, tmp_path, remedies):
    tiny("GAN_filter128_latent128_stable")
    script.main(["--remedies", *remedies, "--decay", "3", "--out", str(tmp_path / "run")])
    saved = keras.saving.load_model(tmp_path / "run" / "discriminator.keras")
    norm = np.linalg.norm(saved.get_layer("head").get_weights()[0])
    assert (norm == pytest.approx(1, rel=1e-3)) == ("spectral" in remedies)  # of one column, exact after one step
