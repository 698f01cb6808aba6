"""The flow: its loss, its solvers, the saved prior, what it learns, and the decoder that is sharpened for it."""

import csv

import keras
import numpy as np
import pytest
from conftest import parse, read_comparison

import FLOW_filter128_latent512 as script
import shared_drawings
from shared_codes import Codes
from shared_data import split_held_out
from shared_training import Batches

FACES = shared_drawings.draw_faces(60, 64, seed=0)


def noise_of(count, dimensions, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimensions), np.float32)


def some_codes():
    """Return codes with an extent in 20 of LATENT_DIM directions, none of them alike."""
    mixing = noise_of(20, script.LATENT_DIM, seed=1) * np.linspace(0.2, 3, 20, dtype=np.float32)[:, None]
    return Codes(noise_of(300, 20, seed=2) @ mixing + 1, noise_of(30, 20, seed=3) @ mixing + 1)


def moving_velocity(dimensions=20):
    """Return a velocity whose network does something, unlike an untrained one."""
    velocity = script.build_velocity(dimensions)
    kernel, bias = velocity.get_layer("narrow").get_weights()
    velocity.get_layer("narrow").set_weights([0.3 * noise_of(*kernel.shape), bias + 0.5])
    return velocity


@pytest.mark.parametrize("deviation", [1.0, 0.5])
def test_the_flow_starts_as_the_fitted_gaussian(tiny, deviation):
    """The loss of N(0, I) is pi / 2; of codes with variance v that of a network of zeros, 1 + v, less what is known."""
    tiny("FLOW_filter128_latent512")
    codes = deviation * noise_of(4_000, 8)
    flow = script.Flow(script.build_velocity(8))
    (codes_on_way, time), target = script.flowing(codes, np.random.default_rng(1))
    found = float(flow.compute_loss((codes_on_way, time), target, flow((codes_on_way, time), training=True)))
    times = (np.arange(10_000) + 0.5) / 10_000
    known = (2 * times - 1) / (times**2 + (1 - times) ** 2)  # the velocity for each unit of the code
    expected = np.mean((known * times - 1) ** 2 * deviation**2 + (known * (1 - times) + 1) ** 2)
    assert found == pytest.approx(expected, rel=0.03)
    if deviation == 1:
        assert expected == pytest.approx(np.pi / 2, rel=1e-3)


def test_codes_lie_between_noise_and_code_at_times_spread_evenly():
    codes = noise_of(50, 4)
    (on_way, time), target = script.flowing(codes, np.random.default_rng(1))
    assert on_way.dtype == time.dtype == target.dtype == np.float32
    np.testing.assert_allclose(on_way + (1 - time) * target, codes, atol=1e-5)
    noise = codes - target
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(np.sort(np.floor(50 * time[:, 0])), np.arange(50))
    (other, _), _ = script.flowing(codes, np.random.default_rng(2))
    assert np.abs(other - on_way).max() > 0.1


@pytest.mark.parametrize("advance", [script.euler, script.midpoint])
def test_a_constant_velocity_is_followed_exactly(advance):
    noise = noise_of(5, 3)
    way = script.walk(lambda inputs: 2 + 0 * inputs[0], noise, advance, steps=4)
    np.testing.assert_allclose(way, [noise + 2 * time for time in (0, 0.25, 0.5, 0.75, 1)], rtol=1e-5)


@pytest.mark.parametrize(("advance", "growth"), [(script.euler, 1 + 0.1), (script.midpoint, 1 + 0.1 + 0.1**2 / 2)])
def test_a_velocity_equal_to_the_code_grows_it_by_the_solver_s_power(advance, growth):
    noise = noise_of(5, 3)
    found = script.walk(lambda inputs: inputs[0], noise, advance, steps=10)[-1]
    np.testing.assert_allclose(found, noise * growth**10, rtol=1e-4)


@pytest.mark.parametrize(("advance", "expected"), [(script.euler, 0.75 / 2), (script.midpoint, 0.5)])
def test_solvers_ask_for_the_velocity_at_the_start_and_in_the_middle(advance, expected):
    found = script.walk(lambda inputs: inputs[1] + 0 * inputs[0], np.zeros((2, 3), np.float32), advance, steps=4)[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_untrained_flow_draws_from_the_fitted_gaussian(tiny):
    tiny("FLOW_filter128_latent512")
    codes, noise = some_codes(), noise_of(10, script.LATENT_DIM)
    found = script.flow_to_codes(script.build_velocity(20), codes, noise, steps=40)
    expected = codes.restore(noise)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_the_way_leads_from_noise_to_the_codes_of_the_saved_prior(tiny, tmp_path):
    tiny("FLOW_filter128_latent512")
    codes, noise, velocity = some_codes(), noise_of(10, script.LATENT_DIM), moving_velocity()
    way = [codes.restore(each) for each in script.way_of(velocity, codes, noise)]
    assert len(way) == script.SOLVER_STEPS + 1
    np.testing.assert_array_equal(way[0], codes.restore(noise))
    np.testing.assert_array_equal(way[-1], script.flow_to_codes(velocity, codes, noise))
    script.build_prior(velocity, codes).save(tmp_path / "prior.keras")
    found = keras.saving.load_model(tmp_path / "prior.keras").predict(noise, verbose=0)
    np.testing.assert_allclose(found, way[-1], rtol=1e-3, atol=1e-3)
    assert np.abs(way[-1] - way[0]).max() > 0.1


def test_two_clusters_are_learned_with_their_mean_and_covariance(monkeypatch):
    for constant, value in {"UNITS": 64, "BLOCKS": 2, "DROPOUT": 0.0}.items():
        monkeypatch.setattr(script, constant, value)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    centres = np.array([[1.5, 0.5, 0], [-0.5, -1, 0.5]], np.float32)
    codes = centres[(rng.random(4_000) < 0.3).astype(int)] + 0.3 * rng.standard_normal((4_000, 3), np.float32)
    flow = script.Flow(script.build_velocity(3))
    flow.compile(optimizer=keras.optimizers.Adam(3e-3))
    batches = Batches((codes,), np.tile(np.arange(len(codes)), 12), 256, script.flowing)
    before = flow.evaluate(batches, verbose=0)
    flow.fit(batches, epochs=3, verbose=0)
    assert flow.evaluate(batches, verbose=0) < 0.8 * before
    noise = keras.ops.convert_to_tensor(noise_of(4_000, 3, seed=5))
    found = np.asarray(script.walk(flow.average.network, noise, script.midpoint, 10)[-1])
    np.testing.assert_allclose(found.mean(axis=0), codes.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(found.T), np.cov(codes.T), atol=0.15)
    distances = np.linalg.norm(found[:, None] - centres, axis=2)
    assert np.mean(distances.min(axis=1) < 1) > 0.95  # few between the clusters, where a Gaussian has most
    assert np.mean(distances.argmin(axis=1)) == pytest.approx(0.3, abs=0.05)


def test_held_out_codes_are_judged_by_the_averaged_velocity(tiny):
    tiny("FLOW_filter128_latent512")
    flow = script.Flow(moving_velocity(8))
    inputs, target = script.flowing(noise_of(6, 8), np.random.default_rng(0))
    kernel, bias = flow.velocity.get_layer("narrow").get_weights()
    flow.velocity.get_layer("narrow").set_weights([kernel, bias + 1])
    average = np.asarray(flow(inputs))
    np.testing.assert_allclose(flow(inputs, training=False), flow.average.network(inputs), rtol=1e-5)
    assert np.abs(np.asarray(flow.velocity(inputs)) - average).max() > 0.9
    flow.compute_loss(inputs, target, average, training=False)
    np.testing.assert_array_equal(flow(inputs), average)
    flow.compute_loss(inputs, target, average, training=True)
    np.testing.assert_allclose(flow(inputs), average + 0.9, rtol=1e-4, atol=1e-4)  # the first step moves it by so much


def build_sharpening():
    keras.utils.set_random_seed(0)
    return script.Sharpening(script.build_decoder(), script.build_discriminator())


def sharpening_batch():
    return noise_of(8, script.LATENT_DIM), FACES[:8] / np.float32(255)


def test_sharpening_adds_up_its_losses(tiny, monkeypatch):
    tiny("FLOW_filter128_latent512")
    monkeypatch.setattr(script, "ADVERSARIAL", 0.25)
    model = build_sharpening()
    codes, pictures = sharpening_batch()
    made = np.full_like(pictures, 0.25)
    found = float(model.compute_loss(codes, pictures, made))
    real, fake = (np.asarray(model.discriminator(each)) for each in (pictures, made))
    critics = np.mean(np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))) / 2
    expected = np.mean((pictures - made) ** 2) + 0.25 * np.mean(np.log1p(np.exp(-fake))) + critics
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("network", ["decoder", "discriminator"])
def test_each_network_learns_by_its_own_loss_alone(tiny, monkeypatch, network):
    """One fused step equals a step of each network trained alone, so neither loss reaches the other's weights."""
    tiny("FLOW_filter128_latent512")
    monkeypatch.setattr(script, "PRECISION", "float32")
    monkeypatch.setattr(script, "ADVERSARIAL", 0.25)
    codes, pictures = sharpening_batch()
    # In a graph, TensorFlow may update one network before the other's gradient is found.
    options = {"optimizer": keras.optimizers.SGD(1e-2), "run_eagerly": True}
    fused = build_sharpening()
    fused.compile(**options)
    fused.train_on_batch(codes, pictures)

    alone = build_sharpening()
    options["optimizer"] = keras.optimizers.SGD(1e-2)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    made = np.asarray(alone.decoder(codes))
    if network == "discriminator":
        alone.discriminator.compile(loss=loss, **options)
        both = np.concatenate([pictures, made])
        alone.discriminator.train_on_batch(both, np.concatenate([np.ones((8, 1)), np.zeros((8, 1))]))
    else:
        alone.discriminator.trainable = False
        outputs = [alone.decoder.output, alone.discriminator(alone.decoder.output)]
        chain = keras.Model(alone.decoder.input, outputs)
        chain.compile(loss=["mean_squared_error", loss], loss_weights=[1.0, 0.25], **options)
        chain.train_on_batch(codes, [pictures, np.ones((8, 1), np.float32)])

    networks = (getattr(model, network) for model in (build_sharpening(), fused, alone))
    for old, new, wanted in zip(*(map(np.asarray, each.weights) for each in networks), strict=True):
        assert np.abs(wanted - old).max() > 0
        assert np.linalg.norm(new - wanted) < 0.02 * np.linalg.norm(wanted - old)


def test_what_a_run_says_and_leaves(tiny, trained, data, tmp_path):
    others = ["VAE_filter64_latent128", "GAN_filter128_latent256"]
    folder = tmp_path / "run"
    beside = [str(trained(name, *data)) for name in others]
    results = tiny("FLOW_filter128_latent512").main([*data, "--out", str(folder), "--beside", *beside])
    rows = read_comparison(folder)
    ways = ("reconstructions", "N(0, I)", "fitted Gaussian", "flow")
    assert rows.keys() == {
        "held-out pictures, beside training pictures",
        *(f"{decoder}, {way}" for decoder in ("plain", "sharpened") for way in ways),
        "VAE_filter64_latent128, reconstructions",
        "VAE_filter64_latent128, N(0, I)",
        "GAN_filter128_latent256, N(0, I)",
    }
    for name, row in rows.items():
        assert float(row["swd"]) > 0
        assert bool(row["ssim"]) == name.endswith("reconstructions")
    assert float(rows["sharpened, flow"]["swd"]) == results["swd"]
    assert float(rows["plain, reconstructions"]["psnr"]) == results["psnr_plain"]
    assert float(rows["GAN_filter128_latent256, N(0, I)"]["channel_gap"]) < 100  # grey, where black would be 130 away
    with open(folder / "steps.csv", newline="") as file:
        steps = [(row["solver"], int(row["steps"]), int(row["evaluations"])) for row in csv.DictReader(file)]
    assert steps == [("euler", 1, 1), ("euler", 3, 3), ("midpoint", 1, 2), ("midpoint", 3, 6)]
    assert rows["plain, flow"]["epochs"] < rows["sharpened, flow"]["epochs"]

    def weights_of(name):
        return keras.saving.load_model(folder / f"{name}.keras").get_weights()

    encoders = weights_of("encoder"), weights_of("autoencoder/encoder")
    assert all(np.array_equal(*pair) for pair in zip(*encoders, strict=True))
    decoders = weights_of("decoder"), weights_of("autoencoder/decoder")
    assert all(np.any(a != b) for a, b in zip(*decoders, strict=True))


def test_the_decoder_is_sharpened_from_the_plain_one_and_its_average_is_kept(tiny, tmp_path, monkeypatch):
    tiny("FLOW_filter128_latent512")
    keras.utils.set_random_seed(1)
    plain = script.build_decoder()

    def fit(part, model, *args, **options):
        for decoder in (model.decoder, model.average.network):
            for new, old in zip(decoder.get_weights(), plain.get_weights(), strict=True):
                np.testing.assert_array_equal(new, old)
        model.average.network.set_weights([0 * weight for weight in plain.get_weights()])
        return {name: [1.0] for name in ("epoch", "seconds", *(each.name for each in model.trackers))}

    monkeypatch.setattr("shared_run.Run.fit", fit)
    args = parse("--out", str(tmp_path / "run"))
    run = script.shared_run.Run(vars(script), args, "codes", [FACES])
    codes = some_codes()
    pictures = np.zeros((len(codes.train), 64, 64, 3), np.uint8)
    found = script.run_sharpened(run, plain, codes, pictures, pictures[: len(codes.held_out)])
    saved = keras.saving.load_model(tmp_path / "run" / "sharpened" / "decoder.keras")
    for decoder in (found, saved):
        assert not any(weight.any() for weight in decoder.get_weights())


def test_the_loss_of_the_gaussian_is_that_of_codes_whitened_by_the_training_ones(tiny, tmp_path):
    """The mean square of held-out codes differs by direction; no more than that counts."""
    tiny("FLOW_filter128_latent512")
    codes = some_codes()
    keras.utils.set_random_seed(0)
    run = script.shared_run.Run(
        vars(script),
        parse("--epochs", "1", "--batch-size", "100", "--out", str(tmp_path / "run")),
        "codes",
        [codes.train],
    )
    _, _, found = script.run_flow(run, codes, script.build_decoder())
    square = np.mean(codes.pca.transform(codes.held_out) ** 2)
    times = (np.arange(10_000) + 0.5) / 10_000
    known = (2 * times - 1) / (times**2 + (1 - times) ** 2)
    expected = np.mean((known * times - 1) ** 2 * square + (known * (1 - times) + 1) ** 2)
    assert found == pytest.approx(expected, rel=0.05)


def test_mirror_images_are_those_of_training_pictures_alone(tiny, tmp_path, monkeypatch):
    tiny("FLOW_filter128_latent512")
    np.save(tmp_path / "faces.npy", FACES)
    seen = []

    def keep(run, train, held_out):
        seen.extend((train, held_out))
        raise InterruptedError

    monkeypatch.setattr(script, "run_autoencoder", keep)
    with pytest.raises(InterruptedError):
        script.main(["--data", str(tmp_path / "faces.npy"), "--limit", "60"])
    train_rows, held_out_rows = split_held_out(60, script.HELD_OUT, 0)
    np.testing.assert_array_equal(seen[0], script.with_mirrored(FACES[train_rows]))
    np.testing.assert_array_equal(seen[1], FACES[held_out_rows])


def test_mirror_images_come_behind_the_pictures():
    both = script.with_mirrored(FACES[:3])
    np.testing.assert_array_equal(both[:3], FACES[:3])
    np.testing.assert_array_equal(both[3:], FACES[:3, :, ::-1])
