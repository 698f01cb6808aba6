"""The VAE-GAN: each loss reaches what it should, features are compared in units of their own."""

import csv
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import WIDE_LATENT, assert_drawn, read_comparison

import shared_drawings
import shared_networks
import VAEGAN_filter128_latent128 as script
from shared_files import InputError

FACES = shared_drawings.draw_faces(60, 64, seed=0)
NETWORKS = ("encoder", "generator", "discriminator")


@pytest.fixture
def small(monkeypatch):
    """Shrink the networks and keep them in float32, so that gradients can be compared."""
    monkeypatch.setattr(script, "FILTERS", 8)
    monkeypatch.setattr(script, "PRECISION", "float32")


def build(optimizer="sgd"):
    keras.utils.set_random_seed(0)
    networks = script.build_encoder(), script.build_generator(), script.build_discriminator()
    model = script.VAEGAN(*networks, seed=7)
    model.compile(optimizer=optimizer, jit_compile=False)
    return model


def parts_of(model):
    return dict(zip(NETWORKS, (*model.trained, model.discriminator), strict=True))


def values_of(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def moved_by(loss_of):
    """Return {network: how far its weights go} in a step of SGD down `loss_of(model, terms)` alone.

    `terms` are the mean values that the model's trackers got, as tensors with gradients.
    """

    class Spy:
        def __init__(self, name):
            self.name = name

        def update_state(self, value):
            self.value = keras.ops.mean(keras.ops.cast(value, "float32"))

    class One(script.VAEGAN):
        def compute_loss(self, *args, **options):
            super().compute_loss(*args, **options)
            return loss_of({tracker.name: tracker.value for tracker in spies})

    keras.utils.set_random_seed(0)
    model = One(script.build_encoder(), script.build_generator(), script.build_discriminator(), seed=7)
    spies = [Spy(tracker.name) for tracker in model.trackers]
    model.trackers = spies
    model.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False, run_eagerly=True)
    before = {name: values_of(network.weights) for name, network in parts_of(model).items()}
    model.train_on_batch(FACES[:8])
    return {
        name: max(np.abs(new - old).max() for new, old in zip(values_of(network.weights), before[name], strict=True))
        for name, network in parts_of(model).items()
    }


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(
    ("terms", "reached"),
    [
        (["d_loss"], {"discriminator"}),
        (["slopes"], {"discriminator"}),
        (["g_loss"], {"generator"}),
        (["feature_error"], {"encoder", "generator"}),
        (["kl"], {"encoder"}),
        (["d_x", "d_g_z"], {"discriminator"}),
    ],
)
def test_each_term_reaches_what_it_should(small, monkeypatch, terms, reached, shown):
    monkeypatch.setattr(script, "JUDGE_RECONSTRUCTIONS", shown)
    moved = moved_by(lambda values: sum(values[term] for term in terms))
    assert {name for name, distance in moved.items() if distance > 0} == reached


def test_the_loss_is_the_weighted_sum_of_its_terms(small):
    model = build()
    outputs = model(FACES[:8], training=True)
    total = float(model.compute_loss(FACES[:8], y_pred=outputs))
    logged = {tracker.name: float(tracker.result()) for tracker in model.trackers}
    expected = logged["d_loss"] + logged["g_loss"] + script.PENALTY / 2 * logged["slopes"]
    expected += script.FEATURE_WEIGHT * (logged["feature_error"] + script.BETA * logged["kl"])
    assert total == pytest.approx(expected, rel=1e-5)
    squares = ((np.asarray(outputs["reconstructions"]) + 1) / 2 - FACES[:8] / 255) ** 2
    assert logged["pixel_mse"] == pytest.approx(squares.mean(), rel=1e-5)
    variance, mean = np.exp(np.asarray(outputs["z_log_var"])), np.asarray(outputs["z_mean"])
    kl = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(axis=1).mean()
    assert logged["kl"] == pytest.approx(kl, rel=1e-3)


@pytest.mark.parametrize("shown", [True, False])
def test_adversarial_losses_are_cross_entropies_of_all_that_is_shown(small, monkeypatch, shown):
    monkeypatch.setattr(script, "JUDGE_RECONSTRUCTIONS", shown)
    model = build()
    outputs = model(FACES[:8], training=True)
    assert len(outputs["generated"]) == 1 + shown
    if shown:  # from the same codes
        np.testing.assert_allclose(outputs["generated"][1], outputs["reconstructions"], atol=1e-5)
    real, *fakes = (
        1 / (1 + np.exp(-np.asarray(model.discriminator(pictures)["logit"])))
        for pictures in (script.scale(FACES[:8]), *outputs["generated"])
    )
    model.compute_loss(FACES[:8], y_pred=outputs)
    logged = {tracker.name: float(tracker.result()) for tracker in model.trackers}
    called_generated = np.mean([-np.log(1 - fake).mean() for fake in fakes])
    assert logged["d_loss"] == pytest.approx((-np.log(real).mean() + called_generated) / 2, rel=1e-5)
    assert logged["g_loss"] == pytest.approx(np.mean([-np.log(fake).mean() for fake in fakes]), rel=1e-5)
    assert logged["d_accuracy_real"] == pytest.approx((real > 0.5).mean())
    assert logged["d_accuracy_fake"] == pytest.approx((fakes[0] < 0.5).mean())
    assert logged["d_x"] == pytest.approx(real.mean(), rel=1e-5)
    assert logged["d_g_z"] == pytest.approx(fakes[0].mean(), rel=1e-5)


def test_feature_errors_are_in_deviations_of_each_channel():
    rng = np.random.default_rng(0)
    widths = np.array([1.0, 5.0, 30.0], np.float32)
    originals, others = (widths * rng.standard_normal((50, 8, 8, 3), np.float32) + 3 for _ in range(2))

    def errors(features, of):
        return np.asarray(script.feature_errors(features.astype(np.float32), of.astype(np.float32)))

    assert errors(originals, originals).shape == (50,)
    assert not errors(originals, originals).any()
    deviations = originals.std(axis=(0, 1, 2))
    for channel in (1, 2):  # shifted by one deviation
        shifted = originals + deviations * np.eye(3)[channel]
        np.testing.assert_allclose(errors(shifted, originals), 1 / 3, rtol=1e-4)
    assert errors(others[..., 1:], originals[..., 1:]).mean() == pytest.approx(2, rel=0.03)  # nothing in common
    np.testing.assert_allclose(errors(1_000 * others, 1_000 * originals), errors(others, originals), rtol=1e-3)
    dead = originals * [1, 1, 0]
    assert 0 < errors(dead + 0.1 * np.eye(3)[2], dead).mean() < 0.1  # and not a division by 0


def test_log_variances_are_clipped(small):
    model = build()
    encoder = model.trained[0]
    head = encoder.get_layer("head")
    head.set_weights([0 * head.get_weights()[0], np.repeat([0, 99], script.LATENT_DIM)])
    assert np.asarray(encoder(FACES[:2] / np.float32(255))["z_log_var"]).max() == 20
    head.set_weights([0 * head.get_weights()[0], np.repeat([0, -99], script.LATENT_DIM)])
    assert np.asarray(encoder(FACES[:2] / np.float32(255))["z_log_var"]).min() == -30


def test_training_moves_both_averages_and_validation_nothing(small):
    """A step moves them towards the weights that it finds; those of the first are where they started."""
    model = build(keras.optimizers.Adam(1e-3, beta_1=0.5))
    first = [values_of(network.weights) for network in model.trained]
    model.train_on_batch(FACES[:8])
    second = [values_of(network.weights) for network in model.trained]
    model.train_on_batch(FACES[:8])
    for average, *weights in zip(model.averaged, first, second, strict=True):
        for mean, old, new in zip(values_of(average.weights), *weights, strict=True):
            np.testing.assert_allclose(mean, old + 9 / 11 * (new - old), atol=1e-6)
            assert np.any(new != old)
    assert [float(average.steps) for average in model.averages] == [2, 2]
    before = values_of(weight for weight in model.weights if "seed_generator" not in weight.path)
    model.test_on_batch(FACES[:8])
    after = values_of(weight for weight in model.weights if "seed_generator" not in weight.path)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_held_out_pictures_are_measured_with_the_averages(small):
    model = build()
    trained = model(FACES[:4], training=True)["z_mean"]
    model.averaged[0].set_weights([2 * weight for weight in model.averaged[0].get_weights()])
    assert np.abs(np.asarray(model(FACES[:4], training=False)["z_mean"]) - np.asarray(trained)).max() > 1e-3
    np.testing.assert_allclose(np.asarray(model(FACES[:4], training=True)["z_mean"]), np.asarray(trained), atol=1e-6)


def test_averaged_networks_are_saved_and_measured(tiny, data, monkeypatch, tmp_path):
    tiny("VAEGAN_filter128_latent128")

    def fit(run, model, *args, **options):
        for network in model.averaged:
            network.set_weights([0 * weight for weight in network.get_weights()])
        return {name: [1.0] for name in ("epoch", "seconds", "pixel_std", *(each.name for each in model.trackers))}

    monkeypatch.setattr("shared_run.Run.fit", fit)
    script.main([*data, "--out", str(tmp_path / "run")])
    for name in ("encoder", "generator"):
        saved = keras.saving.load_model(tmp_path / "run" / f"{name}.keras")
        assert not any(weight.any() for weight in saved.get_weights())
    rows = read_comparison(tmp_path / "run")
    assert float(rows["VAEGAN_filter128_latent128, samples"]["sharpness"]) < 1, "all grey"


def test_what_is_read_in_faces_and_kept_in_reconstructions(tmp_path):
    part = SimpleNamespace(folder=tmp_path)
    labels = {"smiling": np.array([1, 0, 1, 0, 1, 1], bool)}
    seen, kept = np.array([[0.9], [0.1], [0.9], [0.1]]), np.full((4, 1), 0.9)
    found = script.judge_reader(part, labels, [4, 5], np.arange(4), seen, kept)
    assert found == {"attributes_read": 1.0, "attributes_kept": 0.5}
    with open(tmp_path / "attributes.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["share"]) == 1, "of the training pictures"


def test_codes_are_drawn_with_their_mean_and_variance(small, monkeypatch):
    model = build()
    monkeypatch.setattr(model, "trained", [lambda pictures, training: WIDE_LATENT, lambda codes, training: codes])
    made = model(FACES[:1], training=True)
    assert_drawn(made["reconstructions"])
    assert_drawn(made["generated"][0], mean=0, deviation=1)
    assert_drawn(made["generated"][1])


def test_batches_are_mirrored_at_random():
    (found,) = script.flipped(FACES, np.random.default_rng(0))
    same = (found == FACES).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(found[~same], FACES[~same][:, :, ::-1])
    assert 15 < same.sum() < 45


def test_reconstructions_learn_to_resemble_their_originals(small):
    """In the features of a discriminator that stays as it is they come nearer to them than to any other picture."""
    model = build()
    model.discriminator.trainable = False
    model.compile(optimizer=keras.optimizers.Adam(2e-3, beta_1=0.5), jit_compile=False)
    for _ in range(250):
        model.train_on_batch(FACES[:8])
    pictures = script.scale(FACES[:8]), model(FACES[:8], training=True)["reconstructions"]
    originals, reconstructions = (np.asarray(model.discriminator(each)["features"]) for each in pictures)
    errors = [np.asarray(script.feature_errors(reconstructions, np.roll(originals, by, 0))) for by in range(8)]
    assert not np.argmin(errors, axis=0).any()
    assert errors[0].mean() < 0.5 * np.mean(errors[1:])


def test_a_vae_and_a_gan_are_shown_beside(tiny, trained, data, tmp_path):
    others = ["VAE_filter64_latent128", "GAN_filter128_latent256"]
    beside = [str(trained(name, *data)) for name in others]
    names = ["Eyeglasses", "Male", "Smiling"]
    table = np.random.default_rng(0).choice(["1", "-1"], (60, 3))
    lines = [f"{index}.jpg {' '.join(row)}" for index, row in enumerate(table)]
    (tmp_path / "list.txt").write_text("\n".join(["60", " ".join(names), *lines]))
    attributes = ["--attributes", str(tmp_path / "list.txt")]
    folder = tmp_path / "run"
    results = tiny(script.__name__).main([*data, *attributes, "--out", str(folder), "--beside", *beside])

    rows = read_comparison(folder)
    of_ours = f"{script.__name__}, reconstructions"
    assert {of_ours, f"{others[0]}, reconstructions"} == {name for name, row in rows.items() if row["psnr"]}
    models = {name.removesuffix(", samples") for name in rows if name.endswith(", samples")}
    assert models == {script.__name__, *others}
    assert float(rows[of_ours]["psnr"]) == results["psnr"]

    with open(folder / "effects.csv", newline="") as file:
        effects = list(csv.DictReader(file))
    assert len(effects) == 2 * 3 * 3 + 3
    kinds = {row["direction"] for row in effects}
    assert kinds == {"means", "others held equal", script.RANDOM}
    own = [float(row["change"]) for row in effects if row["direction"] == "means" and row["edited"] == row["read"]]
    assert len(own) == 3
    assert results["means_edit_effect"] == pytest.approx(np.mean(own))
    for row in effects:
        assert float(row["change"]) == pytest.approx(float(row["forth"]) - float(row["back"]), abs=1e-6)

    encoder, generator = (keras.saving.load_model(folder / f"{name}.keras") for name in ("encoder", "generator"))
    codes = shared_networks.encode(encoder, FACES)["z_mean"]
    held_out = script.shared_data.split_held_out(60, script.HELD_OUT, 0)[1]
    pictures = shared_networks.decode(generator, codes[held_out], low=-1)
    assert script.shared_distances.fidelity(pictures, FACES[held_out])["psnr"] == pytest.approx(results["psnr"])
    with open(folder / "directions.csv", newline="") as file:
        steps = {row.pop("attribute"): np.array([*row.values()], float) for row in csv.DictReader(file)}
    assert len(steps) == 3
    for step in steps.values():  # of one deviation of the training codes, which are most of these
        length = np.linalg.norm(step)
        assert np.std(codes @ step / length) == pytest.approx(length, rel=0.3)

    again = tiny(script.__name__).main([*data, "--out", str(folder), "--resume"])  # without attributes and others
    assert again.items() <= {**results, "seconds": again["seconds"]}.items()
    assert "edit_effect" not in again
    for wrong in ([beside[0]] * 2, [str(folder)]):
        with pytest.raises(InputError, match="one run of a script, and none of this one"):
            script.main([*data, "--beside", *wrong])
