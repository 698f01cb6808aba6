"""Batches, and the callbacks that watch over a training."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import shared_training
from shared_files import InputError


def test_batches_cover_every_row_once_and_reorder_by_epoch():
    array = np.arange(20) * 10
    batches = shared_training.Batches((array,), np.arange(3, 14), batch_size=4)
    orders = []
    for epoch in (0, 1, 0):
        batches.shuffle(seed=5, epoch=epoch)
        orders.append(np.concatenate([batches[index][0] for index in range(len(batches))]).tolist())
    assert len(batches) == 3
    assert sorted(orders[0]) == list(range(30, 140, 10))
    assert orders[0] == orders[2] != orders[1]


def test_transforms_follow_from_seed_and_epoch():
    def add_noise(values, rng):
        return (values + rng.random(len(values)),)

    batches = shared_training.Batches((np.zeros(6),), np.arange(6), batch_size=3, transform=add_noise)
    fixed = [batches[0][0].tolist(), batches[0][0].tolist()]
    assert fixed[0] == fixed[1] != batches[1][0].tolist()
    drawn = []
    for seed, epoch in ((5, 0), (5, 1), (6, 0), (5, 0)):
        batches.shuffle(seed, epoch)
        drawn.append(batches[0][0].tolist())
    assert drawn[0] == drawn[3]
    assert len({tuple(values) for values in [*drawn, *fixed]}) == 4


def test_each_epoch_and_seed_has_random_numbers_of_its_own():
    dropouts = [keras.layers.Dropout(0.5) for _ in range(2)]
    model = keras.Sequential([keras.Input((1,)), *dropouts])
    batches = shared_training.Batches((np.arange(20),), np.arange(20), batch_size=20)

    def state(seed, epoch):
        callback = shared_training.SeedEachEpoch(seed, batches)
        callback.set_model(model)
        callback.on_epoch_begin(epoch)
        return [batches[0][0].tolist(), *(np.asarray(layer.seed_generator.state).tolist() for layer in dropouts)]

    first = state(5, 0)
    assert first[1] != first[2], "layers differ"
    for other in (state(5, 1), state(6, 0)):
        assert all(one != two for one, two in zip(first, other, strict=True))
    assert state(5, 0) == first


@pytest.mark.parametrize(
    ("processor", "precision"),
    [
        ("AuthenticAMD avx512f", "float32"),
        ("AuthenticAMD avx512_bf16", "mixed_bfloat16"),
        ("GenuineIntel avx512_bf16", "float32"),
        ("GenuineIntel avx512_bf16 amx_bf16", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_convolutions_are_in_bf16_where_that_is_faster(tmp_path, monkeypatch, processor, precision):
    if processor:
        (tmp_path / "cpuinfo").write_text(processor)
    monkeypatch.setattr(shared_training, "Path", lambda _: tmp_path / "cpuinfo")
    assert shared_training.fast_precision() == precision


def test_all_is_every_batch_in_order():
    batches = shared_training.Batches((np.arange(7), -np.arange(7)), np.arange(2, 7), batch_size=2)
    assert [part.tolist() for part in batches.all()] == [[2, 3, 4, 5, 6], [-2, -3, -4, -5, -6]]


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    return model


@pytest.mark.parametrize("logs", [{"loss": np.inf}, {"loss": 3.0, "val_loss": np.nan}])
def test_a_loss_that_is_no_number_ends_the_run(logs, model):
    callback = shared_training.StopAtNaN()
    callback.set_model(model)
    callback.on_epoch_end(4, {"loss": 3.0})
    with pytest.raises(InputError, match=r"loss is (nan|inf) in epoch 5; try a lower learning rate"):
        callback.on_epoch_end(4, logs)


def test_a_weight_that_is_no_number_ends_the_run(model):
    """As the last update leaves it, which no loss has seen."""
    callback = shared_training.StopAtNaN()
    callback.set_model(model)
    model.layers[0].bias.assign([np.nan])
    with pytest.raises(InputError, match="A weight is no number after epoch 5"):
        callback.on_epoch_end(4, {"loss": 3.0})


def watch(samples, epochs, steps=1_000):
    """Return what a `GANWatch` logs in the end for `samples` over epochs of (accuracy, generator's loss)."""
    callback = shared_training.GANWatch(lambda: samples, low=-1, high=1)
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(iterations=steps)))
    for epoch, (accuracy, g_loss) in enumerate(epochs):
        logs = {"d_accuracy_real": accuracy, "d_accuracy_fake": accuracy, "g_loss": g_loss}
        callback.on_epoch_end(epoch, logs)
    return logs


def test_the_watch_is_quiet_when_all_is_well_and_plain_when_not(capsys):
    rng = np.random.default_rng(0)
    good = rng.uniform(-1, 1, (8, 16, 16, 3))
    logs = watch(good, [(0.8, 1.0), (0.8, 2.0), (0.8, 3.0), (0.8, 4.0)])
    assert capsys.readouterr().out == ""
    assert logs["pixel_std"] == pytest.approx(np.std(good / 2, axis=0).mean(), rel=1e-4)
    troubles = {
        "all alike": np.repeat(good[:1], 8, axis=0),
        "flat": np.broadcast_to(rng.uniform(-1, 1, (8, 1, 1, 3)), good.shape),
        "leave their range": 1.5 * good,
        "leave their range.": np.where(good > 0.9, np.nan, good),
    }
    for words, samples in troubles.items():
        watch(samples, [(0.8, 1.0)])
        out = capsys.readouterr().out
        assert words in out
        assert out.count("Warning") == 1
    watch(good, [(0.9, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0)])
    assert "after epoch 4 the discriminator has won" in capsys.readouterr().out
    watch(good, [(1.0, 1.0), (1.0, 2.0), (0.9, 3.0), (1.0, 4.0), (1.0, 3.5)])
    assert capsys.readouterr().out == ""


def test_the_watch_is_quiet_in_the_first_steps(capsys):
    """Samples of photographs are flat for some epochs where all is well, too."""
    logs = watch(np.zeros((8, 16, 16, 3)), [(0.8, 1.0)], steps=999)
    assert logs["pixel_std"] == 0
    assert capsys.readouterr().out == ""


def test_the_stopwatch_says_once_how_long_it_takes(capsys):
    callback = shared_training.Stopwatch()
    callback.set_params({"epochs": 30})
    callback.on_train_begin()
    for epoch in range(4, 8):
        callback.on_epoch_begin(epoch)
        callback.start -= 100
        callback.on_epoch_end(epoch, logs := {})
    assert logs["seconds"] == pytest.approx(100, abs=1)
    assert capsys.readouterr().out == "\nAbout 40 min left for epochs 7 to 30.\n"
