"""Digits by patches: exact likelihoods, what each head may see, completions that keep what is given."""

from itertools import product
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import RNN_mnist_patches as script
import shared_answers
import shared_patches
import shared_readers
from shared_files import read_history, read_json


@pytest.fixture(params=script.HEADS)
def model(request, tiny):
    tiny("RNN_mnist_patches")
    keras.utils.set_random_seed(0)
    model = script.PatchModel(script.build_lstm(), script.build_head(request.param))
    rng = np.random.default_rng(0)
    model.set_weights([weight + 0.07 * rng.standard_normal(weight.shape) for weight in model.get_weights()])
    return model


def random_patches(count, seed=0):
    return (np.random.default_rng(seed).random((count, script.PATCHES, script.PIXELS)) < 0.3).astype(np.float32)


def test_patches_are_cut_row_by_row_and_put_together_again():
    pictures = np.arange(2 * 28 * 28).reshape(2, 28, 28)
    patches = script.to_patches(pictures)
    np.testing.assert_array_equal(patches[1, 6].reshape(7, 7), pictures[1, 7:14, 14:21])
    np.testing.assert_array_equal(shared_patches.to_pictures(patches), pictures)


def test_binarised_pixels_are_white_as_often_as_they_are_bright():
    greys = np.full((400, 28, 28), 51, np.uint8)
    (patches,) = script.to_binary_patches(greys, None, np.random.default_rng(0))
    assert set(np.unique(patches)) == {0, 1}
    assert patches.mean() == pytest.approx(0.2, abs=0.005)
    black_and_white = np.tile(np.array([0, 255], np.uint8), 28 * 14).reshape(1, 28, 28)
    (patches,) = script.to_binary_patches(black_and_white, None, np.random.default_rng(0))
    np.testing.assert_array_equal(shared_patches.to_pictures(patches), black_and_white / 255)


@pytest.mark.parametrize("components", [1, 3])
def test_likelihoods_of_all_patches_sum_to_one(components):
    logits = np.random.default_rng(0).standard_normal((1, components, 1 + 8)).astype(np.float32)
    every = np.array(list(product((0, 1), repeat=8)), np.float32)
    found = np.exp(script.log_likelihood(np.repeat(logits, len(every), 0), every))
    assert found.sum() == pytest.approx(1, rel=1e-4)


def test_a_patch_is_told_from_those_before_it_alone(model):
    patches = random_patches(2)
    changed = patches.copy()
    changed[:, 9:] = random_patches(2, seed=1)[:, 9:]
    before, after = (np.asarray(model(each)) for each in (patches, changed))
    np.testing.assert_allclose(after[:, :9], before[:, :9], rtol=1e-5)
    assert np.all(np.abs(after[:, 9:] - before[:, 9:]) > 1e-4)


def test_a_pixel_of_the_masked_head_sees_those_before_it_alone(model):
    known = np.random.default_rng(0).standard_normal((1, script.UNITS)).astype(np.float32)
    patch = random_patches(1)[:, 0]
    before = np.asarray(model.head([known, patch]))
    for pixel in (0, 20, 48):
        changed = patch.copy()
        changed[0, pixel] = 1 - changed[0, pixel]
        moved = np.abs(np.asarray(model.head([known, changed])) - before).max(axis=(0, 1))[1:] > 1e-7
        assert not moved[: pixel + 1].any()
        assert moved[pixel + 1 :].mean() > 0.9 if model.head.name == "masked" and pixel < 48 else not moved.any()


def test_patches_are_drawn_as_often_as_their_likelihood_says(model):
    known = np.random.default_rng(1).standard_normal((1, script.UNITS)).astype(np.float32)
    drawn = shared_patches.draw_patch(model.head, np.repeat(known, 4_000, axis=0), np.random.default_rng(0))
    logits = np.asarray(model.head([np.repeat(known, 4_000, axis=0), drawn]))
    found = -np.mean(np.asarray(script.log_likelihood(logits, drawn)))
    # The first pixel's chance is known in closed form, and so is the entropy where there is one component.
    if logits.shape[1] == 1:
        first = 1 / (1 + np.exp(-logits[0, 0, 1]))
        assert drawn[:, 0].mean() == pytest.approx(first, abs=0.04)
        chances = 1 / (1 + np.exp(-logits[:, 0, 1:]))
        entropy = -np.sum(chances * np.log(chances) + (1 - chances) * np.log1p(-chances), axis=-1).mean()
        assert entropy > 1
        assert found == pytest.approx(entropy, rel=0.03)
    else:
        weights = np.exp(logits[0, :, 0]) / np.exp(logits[0, :, 0]).sum()
        expected = weights @ (1 / (1 + np.exp(-logits[0, :, 1:])))
        np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.05)


def test_a_patch_is_drawn_from_one_component(monkeypatch):
    """Of two, one has black pixels, the other white ones."""
    logits = np.zeros((1_000, 2, 1 + 49))
    logits[:, :, 1:] = [[[-20], [20]]]
    monkeypatch.setattr(shared_patches, "predict", lambda *args, **options: logits)
    drawn = shared_patches.draw_patch(SimpleNamespace(name="mixture"), np.zeros((1_000, 1)), np.random.default_rng(0))
    assert set(drawn.mean(axis=1)) == {0, 1}
    assert drawn.mean() == pytest.approx(0.5, abs=0.06)


def test_completions_keep_what_is_given(model):
    patches = random_patches(3)
    completed = model.complete(patches, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(completed[:, :12], patches[:, :12])
    assert np.any(completed[:, 12:] != patches[:, 12:])
    np.testing.assert_array_equal(model.complete(patches, 12, np.random.default_rng(0)), completed)
    np.testing.assert_array_equal(patches, random_patches(3))


def test_the_loss_is_the_sum_over_patches_and_falls_on_one_batch(model):
    patches = np.repeat(random_patches(4), 4, axis=0)
    nats = np.asarray(model(patches))
    assert float(model.compute_loss(patches, y_pred=nats)) == pytest.approx(nats.sum() / 16, rel=1e-5)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    before = [np.array(weight) for weight in model.get_weights()]
    for _ in range(15):
        model.train_on_batch(patches)
    assert np.asarray(model(patches)).sum() < 0.9 * nats.sum()
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))


def test_marginals_cost_their_entropy():
    train = np.zeros((100, 16, 49))
    train[:30, 3] = 1
    nats = script.marginal_nats(train, train)
    assert nats[3] == pytest.approx(-49 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7)))
    assert nats[0] < 0.01


def test_kept_labels_are_counted_for_each_start(monkeypatch):
    monkeypatch.setattr(shared_readers, "read", lambda reader, digits: np.rint(255 * digits[:, 0, 0]))

    def drawn(*labels):
        return np.tile(np.array(labels)[:, None, None], (1, 28, 28))

    completions = {4: drawn(1, 1, 1, 1), 12: drawn(1, 2, 3, 1)}
    found = script.kept_labels(completions, drawn(1, 2, 3, 4), np.array([1, 2, 3, 4]), None)
    assert found == {"kept_4": 0.25, "kept_12": 0.75, "kept_real": 1}


def test_other_labels_are_those_that_are_read_surely(monkeypatch):
    minus = shared_answers.CHARACTERS.index("-")
    seen, sure = [1, 7, 7, 9, 2, minus], [0.99, 0.99, 0.95, 0.5, 0.99, 0.99]
    read = np.reshape(seen, (2, 3)), np.reshape(sure, (2, 3))
    monkeypatch.setattr(shared_readers, "read_surely", lambda reader, digits: read)
    # Of a 1, another label is 7, twice; of a 2, none: the 9 is unsure and the minus no digit.
    assert script.other_labels(np.zeros((2, 3, 28, 28)), np.array([1, 2]), None) == 0.5


def test_what_positions_cost_sums_to_the_test_loss(trained):
    folder = trained("RNN_mnist_patches", "--heads", "mixture", "--batch-size", "7")  # the last batch is a part of one
    found = read_history(folder / "mixture" / "positions.csv", "nats")["nats"]
    assert sum(found) == pytest.approx(read_json(folder / "results.json")["mixture_val_loss"], rel=1e-4)


def test_heads_are_shown_from_every_start(trained):
    folder = trained("RNN_mnist_patches", "--heads", "mixture", "--batch-size", "7") / "mixture"
    shown = {}
    run = SimpleNamespace(
        args=SimpleNamespace(seed=0), save_rows=lambda name, groups, columns: shown.update({name: groups})
    )
    script.save_heads(run, dict.fromkeys(("independent", "mixture"), folder), random_patches(12))
    assert len(shown["heads.png"]) == 1 + 2 * (1 + 2)  # the digits; two starts, each cut and completed by two heads
    truth, cut, drawn = list(shown["heads.png"].values())[:3]
    np.testing.assert_array_equal(drawn[:, :7], truth[:, :7])
    assert (cut[:, 7:] == 128).all()
