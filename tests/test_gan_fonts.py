"""The GAN of letters: its losses, what is said of coverage and style, and the noise that is sought for a face."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import some_masters

import GAN_fonts as script
import shared_letters
import shared_readers
from shared_files import write_json


@pytest.fixture(scope="module")
def masters():
    return some_masters()


def build(deviation=False, **options):
    keras.utils.set_random_seed(0)
    return script.GAN(script.build_generator(), script.build_discriminator(deviation), 0, **options)


def some_letters(masters, count=16):
    labels = script.even_labels(count).astype(np.int32)
    return shared_letters.Letters(masters).pick(labels, seed=0), labels


@pytest.mark.parametrize("arm", list(script.ARMS))
def test_a_step_moves_both_networks(tiny, masters, arm):
    settings = {key: value for key, value in script.ARMS[arm].items() if key != "seeds"}
    tiny("GAN_fonts")
    model = build(**settings)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    before = {weight.path: np.array(weight) for weight in model.trainable_variables}
    model.fit(*some_letters(masters), epochs=2, verbose=0)
    still = {weight.path for weight in model.trainable_variables if np.array_equal(weight, before[weight.path])}
    of_labels = {path for path in before if "label_embedding" in path}
    assert still == (set() if settings.get("labelled") else of_labels)


@pytest.mark.parametrize("arm", list(script.ARMS))
def test_each_network_learns_by_its_own_loss_alone(tiny, masters, monkeypatch, arm):
    settings = {key: value for key, value in script.ARMS[arm].items() if key != "seeds"}
    tiny("GAN_fonts")
    softplus = keras.ops.softplus

    def moved(network, weights):
        """Say whether a step moves a network, the losses of real, generated and judged letters weighed so."""
        model = build(**settings)
        left = iter(weights)
        monkeypatch.setattr(script.ops, "softplus", lambda logits: next(left) * softplus(logits))
        before = [np.array(weight) for weight in getattr(model, network).trainable_weights]
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        model.train_on_batch(*some_letters(masters))
        after = getattr(model, network).trainable_weights
        return any(np.any(np.asarray(new) != old) for new, old in zip(after, before, strict=True))

    assert moved("discriminator", (1, 1, 0))
    if "matching" in settings:  # whose loss is not weighed here
        assert moved("generator", (0, 0, 0))
    else:
        assert moved("generator", (0, 0, 1))
        assert not moved("generator", (1, 1, 0)), "nor by the penalty, where there is one"
    assert moved("discriminator", (0, 0, 1)) == ("penalty" in settings), "which is not weighed either"


@pytest.mark.parametrize(("arm", "settings"), [(arm, script.ARMS[arm]) for arm in ("penalty", "penalty_deviation")])
def test_only_an_arm_with_deviation_judges_a_letter_by_its_batch(tiny, tmp_path, monkeypatch, arm, settings):
    monkeypatch.setattr(tiny("GAN_fonts"), "ARMS", {arm: settings | {"seeds": 1}})
    script.main(["--out", str(tmp_path / "run"), "--arms", arm])
    discriminator = keras.saving.load_model(tmp_path / "run" / f"{arm}_0" / "discriminator.keras")
    letters, labels = np.zeros((4, *script.SHAPE), np.float32), np.zeros((4, 26), np.float32)
    alike = np.asarray(discriminator([letters, labels])["logits"])[0]
    letters[1:] = np.random.default_rng(0).uniform(-1, 1, (3, *script.SHAPE))
    differing = np.asarray(discriminator([letters, labels])["logits"])[0]
    assert np.array_equal(alike, differing) == (arm == "penalty")


def test_matching_compares_the_means_of_features(tiny, masters):
    tiny("GAN_fonts")
    letters, labels = some_letters(masters)
    losses = {}
    for matching in (False, True):
        model = build(matching=matching)
        made = {"pictures": keras.ops.full((16, 28, 28, 1), -1.0), "labels": script.one_hot(labels, False)}
        model.compute_loss(letters, labels, y_pred=made)
        losses[matching] = {tracker.name: float(tracker.result()) for tracker in model.trackers}
    seen = [
        np.asarray(model.discriminator([pictures, made["labels"]])["features"]).mean(axis=0)
        for pictures in (script.scale(letters), made["pictures"])
    ]
    assert losses[True]["g_loss"] == pytest.approx(np.mean((seen[0] - seen[1]) ** 2), rel=1e-2)
    assert losses[True]["d_loss"] == pytest.approx(losses[False]["d_loss"], rel=1e-4)


def test_the_penalty_is_the_squared_length_of_the_gradient(tiny, masters):
    """With one layer the gradient is the kernel itself, everywhere."""
    tiny("GAN_fonts")
    model = build(penalty=True)
    picture, label = keras.Input(script.SHAPE), keras.Input((26,))
    logits = keras.layers.Dense(1)(keras.layers.Flatten()(picture)) + 0 * label[:, :1]
    model.discriminator = keras.Model([picture, label], {"logits": logits})
    kernel = np.asarray(model.discriminator.weights[0])
    inputs = [keras.ops.zeros((4_000, *script.SHAPE)), keras.ops.zeros((4_000, 26))]
    norms = np.asarray(model.squared_slopes(inputs, model.discriminator(inputs)["logits"]))
    assert norms.shape == (4_000, 1)
    assert norms.mean() == pytest.approx(np.sum(kernel**2), rel=0.1)
    letters, labels = some_letters(masters)
    letters, labels = np.tile(letters, (250, 1, 1)), np.tile(labels, 250)
    model.discriminator = keras.Model([picture, label], {"logits": logits, "features": logits})
    with_penalty = float(model.compute_loss(letters, labels, y_pred={"pictures": inputs[0], "labels": inputs[1]}))
    model.penalty = False
    without = float(model.compute_loss(letters, labels, y_pred={"pictures": inputs[0], "labels": inputs[1]}))
    both = 2 * np.sum(kernel**2)  # of real letters and of generated ones
    assert with_penalty - without == pytest.approx(script.PENALTY / 2 * both, rel=0.1)


def test_unseen_faces_judge_and_are_never_trained_on(tiny, masters, monkeypatch):
    tiny("GAN_fonts")
    seen = {}

    def find_reader(lessons, *args):
        seen["lessons"] = lessons

    def judge_reader(reader, unseen, seed):
        seen["judged"] = unseen
        return {"reader_accuracy": 1.0}

    def fit(part, gan, batches, *, callbacks, **options):
        seen.update(batches=batches, judge=callbacks[1])
        raise InterruptedError

    monkeypatch.setattr(shared_letters, "find_faces", lambda *args: (list("abcd"), masters, "4 faces"))
    monkeypatch.setattr(shared_readers, "find_reader", find_reader)
    monkeypatch.setattr(script, "judge_reader", judge_reader)
    monkeypatch.setattr("shared_run.Run.fit", fit)
    with pytest.raises(InterruptedError):
        script.main([])
    trained_on = {*map(bytes, seen["batches"].arrays[0])}
    assert trained_on == {*map(bytes, seen["lessons"].arrays[0])}
    assert not trained_on & {*map(bytes, seen["judged"].masters)}
    assert seen["judge"].letters is seen["judged"]


def test_an_alphabet_is_carried_on_from_the_letters_that_are_given_alone(tiny, masters, monkeypatch):
    """By noise that draws the face's other letters, and nothing else."""
    tiny("GAN_fonts")
    train, unseen = shared_letters.Letters(masters[:3]), shared_letters.Letters(masters[3:])
    given = [script.LETTERS.index(letter) for letter in script.SHOWN]
    others = np.setdiff1d(np.arange(26), given)

    def find_noise(generator, pictures, labels, seed):
        np.testing.assert_array_equal(pictures, unseen.plain[:, given])
        np.testing.assert_array_equal(labels, given)
        return np.full((1, script.LATENT_DIM), 9, np.float32)

    def draw(noise, labels):
        pictures = unseen.plain[0, labels].copy()
        pictures[np.isin(labels, given) | (noise[:, 0] != 9)] = 0
        return pictures

    monkeypatch.setattr(script, "find_noise", find_noise)
    monkeypatch.setattr(shared_readers, "read", lambda reader, pictures: np.tile(others, (len(pictures), 1)))
    part = SimpleNamespace(args=SimpleNamespace(seed=0), save_grid=lambda *args: None)
    found = script.save_styles(part, draw, None, None, train, unseen)
    assert found["carried_agreement"] == 1
    assert found["carried_distance"] == 0 < min(found["copied_distance"], found["random_distance"])


def test_coverage_of_known_letters():
    even = script.coverage(np.arange(260) % 26)
    assert even["letters_found"] == 26
    assert even["letter_kl"] == pytest.approx(0, abs=1e-9)
    assert even["rarest_letter"] == pytest.approx(1)
    one = script.coverage(np.full(100, 7))
    assert one["letters_found"] == 1
    assert one["letter_kl"] == pytest.approx(np.log(26))
    assert one["rarest_letter"] == 0
    two = script.coverage(np.array([0] * 75 + [1] * 25))
    assert two["letter_kl"] == pytest.approx(np.log(26) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_the_judge_says_what_the_reader_sees(monkeypatch, masters):
    letters = shared_letters.Letters(masters)

    def read_surely(reader, pictures):
        labels = np.rint(pictures[:, 0, 0] * 255 / 8).astype(int)
        return labels, np.full(len(labels), 0.5)

    def draw(noise, labels):
        assert noise.shape == (len(labels), script.LATENT_DIM)
        return np.tile((8 * np.maximum(labels, 1)).astype(np.uint8)[:, None, None], (1, 28, 28))  # B for A

    monkeypatch.setattr(shared_readers, "read_surely", read_surely)
    for labelled in (True, False):
        logs = {}
        script.Judge(draw, labelled, None, letters, seed=0).on_epoch_end(0, logs)
        assert logs["letters_found"] == 25
        assert logs["confidence"] == 0.5
        assert logs["diversity"] == pytest.approx(0, abs=1e-6)
        assert logs.get("agreement") == (pytest.approx(961 / 1000) if labelled else None)


def test_noise_is_found_again(monkeypatch):
    monkeypatch.setattr(script, "FILTERS", 4)
    monkeypatch.setattr(
        script, "SEARCH", script.SEARCH | {"epochs": 100, "prior": 0}
    )  # an untrained network's contrast is low
    keras.utils.set_random_seed(0)
    generator = script.build_generator()
    noise = script.noise_of(2, seed=5)
    given = np.array([0, 17])
    asked = np.tile(np.eye(26, dtype=np.float32)[given], (2, 1))
    before = [np.array(weight) for weight in generator.weights]
    letters = script.generate(generator, np.repeat(noise, 2, axis=0), asked).reshape(2, 2, 28, 28)
    found = script.find_noise(generator, letters, given, seed=0)
    assert found.shape == noise.shape
    again = script.generate(generator, np.repeat(found, 2, axis=0), asked).reshape(letters.shape)
    start = script.generate(generator, np.repeat(script.noise_of(2, 0), 2, axis=0), asked).reshape(letters.shape)
    assert np.abs(again.astype(int) - letters).mean() < 0.3 * np.abs(start.astype(int) - letters).mean()
    for weight, old in zip(generator.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), old)


def test_a_resumed_run_shows_arms_that_ended_before(tiny, tmp_path, monkeypatch):
    tiny("GAN_fonts")
    monkeypatch.setattr(script, "ARMS", {"vanilla": {"seeds": 2}, "labels": {"seeds": 1}})
    monkeypatch.setattr(shared_readers, "find_reader", lambda *args: None)
    monkeypatch.setattr(script, "judge_reader", lambda *args: {"reader_accuracy": 1.0})
    numbers, seeds = {"letters_found": 26, "letter_kl": 0.1, "epochs_asked": 1}, {}

    def run_part(run, name, count, settings, seed, *args):
        seeds[name] = seed
        write_json(run.part(name, "").folder / "results.json", numbers)

    monkeypatch.setattr(script, "run_part", run_part)
    shown = []
    monkeypatch.setattr(script, "save_coverage", lambda run, parts: None)
    monkeypatch.setattr(script, "save_arms", lambda run, parts, letters, results: shown.append(parts))
    flags = ["--out", str(tmp_path / "run"), "--seed", "5", "--arms"]
    script.main([*flags, "labels"])
    results = script.main([*flags, "vanilla", "--resume"])
    assert [list(parts) for parts in shown] == [["labels_0"], ["vanilla_0", "vanilla_1", "labels_0"]]
    assert {f"{name}_letters_found" for name in shown[1]} <= results.keys()
    assert seeds == {"labels_0": 5, "vanilla_0": 5, "vanilla_1": 6}
