"""What a run that was cut off at any moment needs to go on: one file an epoch that holds all that belongs together."""

import json
import math

import keras
import numpy as np

from shared_files import InputError, epoch_files, make_folder, read_arrays, write_arrays, write_table

# By which early stopping and its like count; a callback of one's own names them in its attribute `counters`.
KERAS_COUNTERS = ("best", "best_epoch", "cooldown_counter", "stopped_epoch", "wait")


class Checkpoint(keras.callbacks.Callback):
    """Keep all that the next epoch depends on in `checkpoint/epoch_NNN.npz`, and the history in `history.csv` as well.

    A file holds the state of model and optimiser, the history so far, the model's state after the best epoch, the
    numbers by which other callbacks count, such as early stopping, and whether these have stopped the training. It is
    written under another name and renamed, so that a kill at any moment leaves one that is whole. The last but one
    stays in case the disk damages the last. It has to be the last of `fit`'s callbacks.

    Attributes:
        stopped: whether another callback has stopped the training.

    Raises:
        InputError: every checkpoint is damaged, the newest is another model's, there is none although there is a
            history, or the folder cannot be written.
    """

    def __init__(self, folder, model, callbacks=(), best=None):
        """Load the newest checkpoint of a run folder, if there is one, into the built and compiled `model`.

        Args:
            folder: of the run.
            model: the one that is trained.
            callbacks: those that may count, such as early stopping; `counters_of` says by what.
            best: metric by whose smallest value the best epoch is chosen, such as "val_loss"; None chooses none.
        """
        super().__init__()
        self.run_folder, self.folder = folder, folder / "checkpoint"
        self.callbacks, self.best = callbacks, best
        self.rows, self.best_state, self.counters, self.stopped = [], {}, [], False
        make_folder(self.folder)
        self._restore(model)

    @property
    def epochs(self):
        """The number of epochs behind the model, 0 for a new run."""
        return len(self.rows)

    def history(self):
        """Return the columns of the history as {name: list of float}; NaN stands where a column had no number."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name, math.nan) for row in self.rows] for name in names}

    def _restore(self, model):
        """Load the newest whole checkpoint."""
        checkpoints = epoch_files(self.folder)
        for path in reversed(checkpoints.values()):
            try:
                kept = read_arrays(path)
            except InputError as error:
                print(f"Warning: {error}")
                continue
            self._load(path, kept, model)
            print(f"Resumed after epoch {self.epochs}.")
            return
        if checkpoints:
            raise InputError(f"{self.folder}: every checkpoint is damaged; leave --resume out to start another run.")
        if (self.run_folder / "history.csv").exists():
            raise InputError(f"{self.folder}: no checkpoint to go on with; leave --resume out to start another run.")

    def _load(self, path, kept, model):
        """Take over what a checkpoint file held."""
        about = json.loads(str(kept.get("about", "{}")))
        state, self.best_state = (
            {name: array for name, array in kept.items() if name.startswith(kind)} for kind in ("state", "best")
        )
        if not about:
            raise InputError(f"{path}: is no checkpoint; leave --resume out to start another run.")
        try:
            assign(state_variables(model), state)
        except InputError as error:
            raise InputError(f"{path}: {error} Leave --resume out to start another run.") from error
        self.rows, self.counters, self.stopped = about["history"], about["counters"], about["stopped"]
        write_table(self.run_folder / "history.csv", self.rows)  # a kill can have come before it was written

    def on_train_begin(self, logs=None):
        """Let the callbacks that count go on where they were."""
        for callback, counters in zip(self.callbacks, self.counters, strict=False):
            vars(callback).update(counters)

    def on_epoch_end(self, epoch, logs=None):
        """Write the checkpoint and the history."""
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        if self.best and logs[self.best] < min((row[self.best] for row in self.rows[:-1]), default=math.inf):
            self.best_state = to_arrays(self.model.variables, "best")
        self.counters = [counters_of(callback) for callback in self.callbacks]
        self.stopped = bool(self.model.stop_training)
        write_arrays(
            self.folder / f"epoch_{self.epochs:03d}.npz",
            about=json.dumps({"history": self.rows, "counters": self.counters, "stopped": self.stopped}),
            **to_arrays(state_variables(self.model), "state"),
            **self.best_state,
        )
        write_table(self.run_folder / "history.csv", self.rows)
        for epochs, path in epoch_files(self.folder).items():
            if epochs not in (self.epochs - 1, self.epochs):
                path.unlink()

    def finish(self):
        """Give the model its state after the best epoch, if one was to be chosen; keep the last checkpoint alone."""
        if self.best:
            assign(self.model.variables, self.best_state)
        for epochs, path in epoch_files(self.folder).items():
            if epochs < self.epochs:
                path.unlink()


def state_variables(model):
    """Build the optimiser and return all variables that the next epoch depends on, in the same order every time."""
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def to_arrays(variables, kind):
    """Return variables as {kind_<n>: NumPy array}; bfloat16, which NumPy's files do not know, becomes float32."""
    arrays = map(keras.ops.convert_to_numpy, variables)
    known = [array if array.dtype.kind in "biuf" else array.astype(np.float32) for array in arrays]
    return {f"{kind}_{index}": array for index, array in enumerate(known)}


def assign(variables, arrays):
    """Give variables the values that `to_arrays` returned; raise `InputError` if these are another model's."""
    if [variable.shape for variable in variables] != [array.shape for array in arrays.values()]:
        raise InputError("holds another model.")
    for variable, array in zip(variables, arrays.values(), strict=True):
        variable.assign(array)


def counters_of(callback):
    """Return the attributes by which a callback counts and their values."""
    names = getattr(callback, "counters", KERAS_COUNTERS)
    return {name: value for name, value in vars(callback).items() if name in names}
