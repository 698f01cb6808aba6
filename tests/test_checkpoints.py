"""A checkpoint holds all that belongs together, and a damaged one harms nothing."""

import json

import keras
import numpy as np
import pytest

import shared_files
from shared_checkpoints import Checkpoint, state_variables
from shared_files import InputError


def build(dtype="float32", units=1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units, dtype=dtype)])
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse")
    return model


def train(folder, epochs, model=None, callbacks=(), **options):
    """Train on four numbers, from the checkpoint in `folder` on, and return the model and its `Checkpoint`."""
    model = model or build()
    checkpoint = Checkpoint(folder, model, callbacks, **options)
    x = np.arange(4, dtype=np.float32)[:, None]
    data = {"x": x, "y": 2 * x, "validation_data": (x, 3 * x), "shuffle": False, "verbose": 0}
    epochs = checkpoint.epochs if checkpoint.stopped else epochs
    model.fit(**data, epochs=epochs, initial_epoch=checkpoint.epochs, callbacks=[*callbacks, checkpoint])
    return model, checkpoint


def state_of(model):
    return [keras.ops.convert_to_numpy(variable) for variable in state_variables(model)]


def test_state_and_history_come_back(tmp_path):
    model, checkpoint = train(tmp_path, 3)
    again = build()
    restored = Checkpoint(tmp_path, again)
    assert restored.epochs == 3
    assert restored.history() == checkpoint.history() == shared_files.read_history(tmp_path / "history.csv")
    assert restored.history()["epoch"] == [1, 2, 3]
    for old, new in zip(state_of(model), state_of(again), strict=True):
        np.testing.assert_array_equal(old, new)
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["epoch_002.npz", "epoch_003.npz"]


def counters():
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="fixed", mode="min", patience=2, factor=0.5)
    stopping, later = (keras.callbacks.EarlyStopping("fixed", mode="min", patience=patience) for patience in (5, 9))
    return [Plateau(), plateau, stopping, later]


class Plateau(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["fixed"] = 1.0


def test_patience_and_learning_rate_come_back(tmp_path):
    """On a plateau the third and the fifth epoch halve the rate, and the sixth stops the training."""
    rates = []
    for epochs in (2, 4, 9):  # cut off after the second and the fourth
        model, checkpoint = train(tmp_path, epochs, callbacks=counters())
        rates.append(float(model.optimizer.learning_rate))
    assert rates == [pytest.approx(rate) for rate in (0.1, 0.05, 0.025)]
    assert checkpoint.epochs == 6
    assert checkpoint.stopped
    assert [callback.wait for callback in checkpoint.callbacks[2:]] == [5, 5]
    assert train(tmp_path, 12, callbacks=counters())[1].epochs == 6  # nothing is trained after it


class Counting(keras.callbacks.Callback):
    counters = ("count",)
    count = 0

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.other = 7


def test_callbacks_of_ones_own_say_what_they_count(tmp_path):
    train(tmp_path, 2, callbacks=[Counting()])
    resumed = Counting()
    train(tmp_path, 3, callbacks=[resumed])
    assert resumed.count == 3


def test_best_weights_are_those_of_the_results(tmp_path):
    """The loss on the wrong answers rises while that on the right ones falls; of equal ones the first is best."""
    weights = {}

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["judged"] = {0: 3.0, 1: 1.0, 2: 1.0}.get(epoch, 2.0)
            weights[epoch + 1] = self.model.get_weights()

    for epochs in (1, 3, 5):
        model, checkpoint = train(tmp_path, epochs, callbacks=[Keep()], best="judged")
    last = model.get_weights()
    checkpoint.finish()
    best = 1 + int(np.argmin(checkpoint.history()["judged"]))
    assert best == 2
    np.testing.assert_array_equal(model.get_weights()[0], weights[best][0])
    assert np.any(model.get_weights()[0] != last[0])


def test_columns_may_come_in_later(tmp_path):
    train(tmp_path, 1)
    _, checkpoint = train(tmp_path, 2, callbacks=[Plateau()])
    history = shared_files.read_history(tmp_path / "history.csv")
    assert history["epoch"] == [1, 2]
    assert np.isnan(history["fixed"][0])
    assert history["fixed"][1] == 1
    assert all(np.isfinite(history["loss"] + history["val_loss"]))
    np.testing.assert_equal(checkpoint.history(), history)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_bfloat16_comes_back(tmp_path, dtype):
    unbroken, _ = train(tmp_path / "unbroken", 3, build(dtype=dtype))
    train(tmp_path / "broken", 2, build(dtype=dtype))
    resumed, _ = train(tmp_path / "broken", 3, build(dtype=dtype))
    for old, new in zip(state_of(unbroken), state_of(resumed), strict=True):
        np.testing.assert_array_equal(old.astype(np.float32), new.astype(np.float32))


def test_another_model_is_refused(tmp_path):
    train(tmp_path, 1)
    with pytest.raises(InputError, match=r"epoch_001\.npz: holds another model"):
        Checkpoint(tmp_path, build(units=2))
    shared_files.write_arrays(tmp_path / "checkpoint" / "epoch_002.npz", arr_0=np.zeros(3))
    with pytest.raises(InputError, match=r"epoch_002\.npz: is no checkpoint"):
        Checkpoint(tmp_path, build())


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capsys):
    unbroken = train(tmp_path / "unbroken", 3)[0]
    train(tmp_path, 3)
    older, newest = shared_files.epoch_files(tmp_path / "checkpoint").values()
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    copy = tmp_path / "checkpoint" / "epoch_003 copy.npz"
    copy.touch()
    model, checkpoint = train(tmp_path, 3)
    printed = capsys.readouterr().out
    assert f"Warning: {newest}: is damaged" in printed
    assert "Resumed after epoch 2." in printed
    assert checkpoint.epochs == 3
    for old, new in zip(state_of(unbroken), state_of(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert set((tmp_path / "checkpoint").iterdir()) == {older, newest, copy}

    for path in (newest, older):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="every checkpoint is damaged"):
        Checkpoint(tmp_path, build())


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(tmp_path):
    train(tmp_path, 2)
    history = (tmp_path / "history.csv").read_bytes()
    for path in (tmp_path / "checkpoint").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no checkpoint to go on with"):
        Checkpoint(tmp_path, build())
    assert (tmp_path / "history.csv").read_bytes() == history


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_kill_before_the_last_row_was_written_loses_none(tmp_path, epochs):
    train(tmp_path, epochs)
    lines = (tmp_path / "history.csv").read_text().splitlines(keepends=True)
    (tmp_path / "history.csv").write_text("".join(lines[:-1]))
    train(tmp_path, epochs)
    assert shared_files.read_history(tmp_path / "history.csv")["epoch"] == list(range(1, epochs + 1))


def test_what_stands_in_history_csv_does_not_matter(tmp_path):
    train(tmp_path, 2)
    expected = train(tmp_path / "unbroken", 3)[1].history()
    (tmp_path / "history.csv").write_text("epoch,loss\n9,x\n")
    assert train(tmp_path, 3)[1].history() == expected == shared_files.read_history(tmp_path / "history.csv")


def test_a_checkpoint_can_be_read_without_the_code(tmp_path):
    train(tmp_path, 1)
    with np.load(tmp_path / "checkpoint" / "epoch_001.npz", allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
    assert about["history"][0]["epoch"] == 1
    assert about["stopped"] is False
