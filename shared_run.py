"""What every run needs and no reader comes for: command line, run folder, checkpoints, sample grids, curves."""

import argparse
import copy
import csv
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from shared_data import InputError, written_whole

RUNS_DIR = Path(__file__).resolve().parent / "runs"
MAY_CHANGE = {
    "EPOCHS",
    "distribute",
    "epochs",
    "out",
    "resume",
    "tensorboard",
}  # settings in which a resumed run may differ
DPI = 100  # dots per inch of every figure
TITLE_HEIGHT = 28  # pixels above a picture
GO_ON = "A run that had begun goes on with the same command and --resume."


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` that answers wrong use with one line and status 2, and leaves its description as it is."""

    def __init__(self, **options):
        """Take what `ArgumentParser` takes."""
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        """Print the line and leave."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the flags)\n")


DATA_FLAGS = {
    "pictures": ("--data", "folder of pictures or .npy file (data/celeba/, else drawn faces)"),
    "expressions": ("--mnist", "MNIST as .npz file (keras.datasets, else drawn digits)"),
}


def command_line(script, *, epochs, batch_size, limit, unit="pictures"):
    """Return a parser with the flags that all scripts share.

    Args:
        script: the script's `__file__`.
        epochs: default of `--epochs`, as the next two; the defaults are the script's constants.
        batch_size: default of `--batch-size`.
        limit: default of `--limit`.
        unit: what the last two count, "pictures" or "expressions".
    """
    script = Path(script)
    parser = OneLineParser(prog=script.name)
    data_flag, data_help = DATA_FLAGS[unit]
    parser.add_argument(data_flag, help=data_help)
    parser.add_argument("--epochs", type=positive, default=epochs, help="passes over the training set (%(default)s)")
    parser.add_argument("--batch-size", type=positive, default=batch_size, help=f"{unit} per step (%(default)s)")
    parser.add_argument("--limit", type=positive, default=limit, help=f"use at most so many {unit} (%(default)s)")
    parser.add_argument("--out", help=f"run folder (runs/{script.stem}/); numbered if it is taken")
    parser.add_argument("--seed", type=seed, default=0, help="seed of everything random (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with the newest run after its last whole epoch")
    parser.add_argument("--distribute", action="store_true", help="share batches out to all devices (JAX backend)")
    parser.add_argument("--tensorboard", action="store_true", help="write logs for TensorBoard as well")
    return parser


def positive(text):
    """Return the whole number above 0 that a flag's value stands for; anything else is argparse's error."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def seed(text):
    """Return the seed that a flag's value stands for, 0 to 2**32 - 1; anything else is argparse's error."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def run_script(main, resumable=True):
    """Call a script's `main()`; answer what the user can mend, and Ctrl-C, with one line instead of a traceback.

    To what the user can mend belongs what the operating system refuses, such as space on a full disk.

    Args:
        main: function without required arguments.
        resumable: whether the script knows `--resume`.
    """
    how_to_go_on = GO_ON if resumable else ""
    script = Path(sys.argv[0]).name
    try:
        main()
    except InputError as error:
        print(f"{script}: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        print(f"{script}: error: {where}{what}. {how_to_go_on}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\n{script}: stopped. {how_to_go_on}", file=sys.stderr)
        sys.exit(130)


def constants(module_globals):
    """Return the constants of a script, its globals in capitals, for `settings.json`."""
    return {name: value for name, value in module_globals.items() if name.isupper() and not isinstance(value, type)}


def distribute():
    """Share every later batch out to all devices, of this machine or of all that the environment names.

    The environment is `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `..._NUM_PROCESSES` and `..._PROCESS_ID`, as
    `keras.distribution.initialize` documents it. No model may have been built before.

    Raises:
        InputError: the backend is not JAX, the only one for which Keras can do it; the environment is incomplete; or
            the processes have not the same number of devices each.
    """
    if keras.backend.backend() != "jax":
        raise InputError("--distribute: needs the JAX backend (pip install jax, and set KERAS_BACKEND=jax).")
    if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
        try:
            keras.distribution.initialize()
        except (RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"--distribute: the processes cannot be joined ({error}).") from error
    # Batches gives each process its part.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    devices, processes, process = shares()
    import jax  # an optional dependency

    if jax.local_device_count() * processes != devices:
        raise InputError("--distribute: every process must have the same number of devices.")
    print(f"Batches are shared out to {devices} devices; this is process {process} of {processes}.")


def shares():
    """Return how many devices and how many processes a batch is shared out to, and the number of this process."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1, 1, 0
    import jax  # an optional dependency, without which nothing is distributed

    return distribution.device_mesh.devices.size, jax.process_count(), jax.process_index()


class Run:
    """The folder of one run, and what is written to it.

    A new run gets a folder of its own: `runs/<script>/`, or `<folder>_2` and so on where that is taken. A resumed one
    goes on in the newest of these, and only with the settings that it was started with (but for `MAY_CHANGE`). Of the
    processes of a distributed run, which all do the same, the first keeps the folder; the others throw theirs away.

    Attributes:
        folder: `pathlib.Path` of the run folder.
        args: parsed command line.
        source: text that says what the data are.

    Raises:
        InputError: the folder cannot be written; there is nothing to resume, or it was started with other settings;
            TensorBoard is asked for and not installed; as `distribute`.
    """

    def __init__(self, script, args, constants, source, may_change=()):
        """Open the run folder of `script` (its `__file__`) and write `settings.json` to it.

        Args:
            script: the script's `__file__`.
            args: parsed command line.
            constants: as from `constants`.
            source: text that says what the data are.
            may_change: names of the script's own flags in which a resumed run may differ.
        """
        if args.tensorboard and not importlib.util.find_spec("tensorboard"):
            raise InputError("--tensorboard: needs the package of that name (pip install tensorboard).")
        self.name = Path(script).stem
        self.args = args
        self.source = source
        if args.distribute:
            distribute()
        backend = keras.backend.backend()
        settings = {
            "script": self.name,
            "command": " ".join(sys.argv),
            "data": source,
            "constants": constants,
            "arguments": vars(args),
            "versions": {
                "python": platform.python_version(),
                **{module: importlib.import_module(module).__version__ for module in ("keras", "numpy", backend)},
            },
            "backend": backend,
        }
        first = Path(args.out).resolve() if args.out else RUNS_DIR / self.name
        runs = numbered_folders(first)
        if not args.resume:
            self.folder = runs[max(runs)].with_name(f"{first.name}_{max(runs) + 1}") if runs else first
        elif runs and (runs[max(runs)] / "settings.json").exists():
            self.folder = runs[max(runs)]
            self._require_same(settings, MAY_CHANGE.union(may_change))
        else:
            raise InputError(f"{first}: no run to resume; leave --resume out to start one.")
        if shares()[2] > 0:
            self._move_to_temporary_folder()
        make_folder(self.folder)
        write_json(self.folder / "settings.json", settings)
        print(f"Run folder: {self.folder}")

    def _require_same(self, settings, may_change):
        """Raise `InputError` that names the first setting in which this run differs from the one in its folder."""
        before = read_json(self.folder / "settings.json", "script", "constants", "arguments", "data")
        now = json.loads(json.dumps(settings, default=str))
        if before["script"] != now["script"]:
            raise InputError(f"{self.folder}: is a run of {before['script']}.py.")
        for group in ("constants", "arguments"):
            for name in sorted((before[group].keys() | now[group].keys()) - may_change):
                old, new = before[group].get(name), now[group].get(name)
                if old != new:
                    raise InputError(f"{self.folder}: was started with {name} {old}, not {new}.")
        if before["data"] != now["data"]:
            raise InputError(f"{self.folder}: was started on {before['data']}, not {now['data']}.")

    def _move_to_temporary_folder(self):
        """Go on in a copy of the folder, if there is one, that goes when the process ends."""
        self.temporary = tempfile.TemporaryDirectory()
        folder = Path(self.temporary.name) / self.folder.name
        if self.args.resume:
            shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("unfinished_*", "tmp*"))
        self.folder = folder

    def part(self, name, source):
        """Return part `name` of this run, with a folder of its own in the run folder, trained and resumed by itself.

        Raises:
            InputError: the part was started on other data than `source` says, or its folder is damaged.
        """
        part = copy.copy(self)
        part.name = f"{self.name}/{name}"
        part.folder = self.folder / name
        part.source = source
        make_folder(part.folder)
        settings = part.folder / "settings.json"
        started_on = read_sources([part.folder]) if settings.exists() else source
        if started_on != source:
            raise InputError(f"{part.folder}: was started on {started_on}, not {source}.")
        write_json(settings, {"data": source})
        return part

    def is_done(self, epochs):
        """Say whether this run or part has ended after it was asked for at least so many epochs.

        Raises:
            InputError: its results are damaged.
        """
        path = self.folder / "results.json"
        return path.exists() and read_json(path, "epochs_asked")["epochs_asked"] >= epochs

    def has_stopped(self, metric, patience):
        """Say whether `keras.callbacks.EarlyStopping` on `metric` has ended this run before it was cut off.

        Raises:
            InputError: the history is damaged.
        """
        values = read_history(self.folder / "history.csv").get(metric, [])
        return len(values) > 0 and len(values) - 1 - int(np.argmin(values)) >= patience

    def title(self, text):
        """Return the title of a figure: script, `text`, data."""
        return f"{self.name}: {text}; {self.source}"

    def restore(self, model):
        """Load the newest whole checkpoint into the built and compiled `model`, if there is one.

        The history is cut to the epochs behind it, and earlier results go, which are not those of a run that goes on.

        Returns:
            The number of these epochs, which is `fit`'s `initial_epoch`.

        Raises:
            InputError: every checkpoint is damaged, or there is none although epochs have been finished.
        """
        folder = self.folder / "checkpoint"
        checkpoints = find_checkpoints(folder)
        for path, epochs in checkpoints.items():
            try:
                load_state(path, model)
            except InputError as error:
                print(f"Warning: {error} The one before it is taken.")
                continue
            trim_history(self.folder / "history.csv", epochs)
            (self.folder / "results.json").unlink(missing_ok=True)
            print(f"Resumed after epoch {epochs}.")
            return epochs
        if checkpoints:
            raise InputError(f"{folder}: every checkpoint is damaged; leave --resume out to start another run.")
        history = self.folder / "history.csv"
        if len(read_history(history).get("epoch", [])) > 1:  # one row: killed before it was saved
            raise InputError(f"{folder}: no checkpoint to go on with; leave --resume out to start another run.")
        history.unlink(missing_ok=True)
        return 0

    def restore_best(self, model):
        """Load the best epoch's state, as `callbacks` kept it, into `model`.

        Raises:
            InputError: it is damaged or has gone.
        """
        load_state(self.folder / "checkpoint" / "best.npz", model)

    def callbacks(self, *, batches, save_samples=None, best=None):
        """Return the callbacks of `fit`, in the order in which an epoch's end needs them: the checkpoint comes last.

        Args:
            batches: the training `Batches`, shuffled anew each epoch.
            save_samples: function (name, text) that writes a picture of samples, of the same latent points or queries
                each time, to the file `name` of the run folder, `text` in its title; None writes none.
            best: metric by whose smallest value `checkpoint/best.npz` is kept, such as "val_loss"; None keeps the last
                epochs' state alone.

        Raises:
            InputError: the folder cannot be written.
        """
        make_folder(self.folder / "checkpoint")
        callbacks = [
            SeedEachEpoch(self.args.seed, batches),
            StopAtNaN(),
            Stopwatch(),
            keras.callbacks.CSVLogger(self.folder / "history.csv", append=True),
        ]
        if save_samples is not None:
            make_folder(self.folder / "samples")
            callbacks.append(Samples(self.folder / "samples", save_samples))
        callbacks.append(Checkpoint(self.folder, best))
        if self.args.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(self.folder / "tensorboard", write_graph=False))
        return callbacks

    @property
    def verbose(self):
        """How `fit` reports: a progress bar on a terminal, a line an epoch in a log."""
        return 1 if sys.stdout.isatty() else 2

    def save_grid(self, name, images, text, columns):
        """Write uint8 pictures (count, height, width, 3) as one titled grid, row by row."""
        save_picture(self.folder / name, tile(images, columns), self.title(text))

    def finish(self, panels, epochs, best=None, **metrics):
        """Write `curves.png`, `samples.gif` if there are samples, and `results.json`; print the results.

        Args:
            panels: the curves' columns of `history.csv` by panel, as for `draw_curves`.
            epochs: number of epochs that were asked for; early stopping may have made fewer.
            best: metric whose smallest value names the epoch that the results are of; None takes the last one.
            metrics: numbers that are known only at the end.

        Returns:
            dict: the metrics of that epoch and those given.

        Raises:
            InputError: the history is damaged.
        """
        history = read_history(self.folder / "history.csv")
        draw_curves(self.folder / "curves.png", {self.name: history}, panels, self.title("curves"))
        grids = sample_grids(self.folder)
        if grids:
            pictures = [Image.open(grid).convert("RGB").reduce(2) for grid in grids]
            write_gif(self.folder / "samples.gif", pictures)
        row = int(np.argmin(history[best])) if best else -1
        results = {name: values[row] for name, values in history.items() if name not in ("epoch", "seconds")}
        results.update(epochs=len(history["epoch"]), epochs_asked=epochs, seconds=sum(history["seconds"]), **metrics)
        self.report(results)
        return results

    def report(self, results):
        """Write a dict of numbers to `results.json` and print it."""
        write_json(self.folder / "results.json", results)
        for name, value in results.items():
            print(f"{name:>28}  {value:,.5g}")
        print(f"Everything is in {self.folder}")


def make_folder(folder):
    """Make a folder and those above it; raise `InputError` if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from error


def numbered_folders(first):
    """Return {1: `first`, n: `<first>_n`} of those folders that exist and hold anything."""
    found = {}
    for folder in first.parent.glob("*"):
        match = re.fullmatch(rf"{re.escape(first.name)}(?:_(\d+))?", folder.name)
        if match and folder.is_dir() and any(folder.iterdir()):
            found[int(match[1] or 1)] = folder
    return found


class Batches(keras.utils.PyDataset):
    """Batches of rows of arrays that may lie on disk; nothing is copied but the batch.

    In a distributed run each process gets its part of every batch; one that the devices cannot share out evenly is
    filled up with rows of its own.

    Args:
        arrays: tuple of arrays (count, ...), indexed by lists of row numbers.
        rows: numbers of the rows that belong to this set.
        batch_size: rows in a batch; the last one may be shorter.
        transform: function (*batch of each array, rng) -> tuple for the model; None passes the batch as it is. `rng`
            follows from seed, epoch and batch, so that pictures can be drawn anew each epoch.
    """

    def __init__(self, arrays, rows, batch_size, transform=None):
        super().__init__()
        self.arrays = arrays
        self.rows = self.order = rows
        self.batch_size = batch_size
        self.transform = transform
        self.key = (0, 0)

    def __len__(self):
        """Return the number of batches in an epoch."""
        return ceil(len(self.rows) / self.batch_size)

    def __getitem__(self, index):
        """Return this process's part of batch `index` as a tuple."""
        batch = self.whole(index)
        devices, processes, process = shares()
        if devices == 1:
            return batch
        rows = np.resize(np.arange(len(batch[0])), devices * ceil(len(batch[0]) / devices))
        return tuple(part[np.split(rows, processes)[process]] for part in batch)

    def whole(self, index):
        """Return batch `index` of the current order as a tuple."""
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        batch = tuple(array[rows] for array in self.arrays)
        if self.transform is None:
            return batch
        return self.transform(*batch, np.random.default_rng([*self.key, index]))

    def shuffle(self, seed, epoch):
        """Put the rows in the order that belongs to `epoch`, and transform them as belongs to it."""
        self.key = (seed, epoch + 1)
        self.order = np.random.default_rng(self.key).permutation(self.rows)


class SeedEachEpoch(keras.callbacks.Callback):
    """Make all that is random in an epoch follow from seed and epoch, so that a resumed run repeats an unbroken one."""

    def __init__(self, seed, batches):
        """Take the run's seed and its training `Batches`."""
        super().__init__()
        self.seed = seed
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        """Order the batches and set the state of every `SeedGenerator` in the model."""
        self.batches.shuffle(self.seed, epoch)
        generators = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        for index, state in enumerate(generators):
            state.assign(np.random.SeedSequence([self.seed, epoch, index]).generate_state(2))


class StopAtNaN(keras.callbacks.Callback):
    """End a run with an `InputError` once a loss is infinite or not a number, before anything is written of that epoch.

    `keras.callbacks.TerminateOnNaN` lets `fit` return as if all were well.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Remember which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Look at the loss so far."""
        self.require_finite(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        """Look at the held-out loss, if there is one: the last step can have spoilt the weights."""
        self.require_finite(logs.get("val_loss", 0.0))

    def require_finite(self, loss):
        """Raise the error if `loss` is not finite."""
        if not np.isfinite(loss):
            raise InputError(f"The loss is {loss} in epoch {self.epoch + 1}; try a lower learning rate.")


class Stopwatch(keras.callbacks.Callback):
    """Log the seconds that each epoch took, validation included."""

    def on_epoch_begin(self, epoch, logs=None):
        """Start the watch."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Add `seconds` to what the later callbacks see."""
        logs["seconds"] = time.perf_counter() - self.start


class Samples(keras.callbacks.Callback):
    """Write `samples/epoch_000.png` before training and one picture more after each epoch."""

    def __init__(self, folder, save_samples):
        """Take the folder of the pictures and the function (name, text) that writes one."""
        super().__init__()
        self.folder = folder
        self.save_samples = save_samples

    def on_train_begin(self, logs=None):
        """Write the samples of the untrained model, unless the run is a resumed one."""
        if int(self.model.optimizer.iterations) == 0:
            self.on_epoch_end(-1)

    def on_epoch_end(self, epoch, logs=None):
        """Write the samples after `epoch`, which Keras counts from 0."""
        self.save_samples(f"samples/epoch_{epoch + 1:03d}.png", f"samples after epoch {epoch + 1}")


class GANWatch(keras.callbacks.Callback):
    """Log `pixel_std` and warn in plain words when a GAN's samples, or the balance of its networks, have gone wrong.

    `pixel_std` is the standard deviation of each pixel over the samples, averaged over pixels, in units of the
    samples' range (0..1); photographs of faces have about 0.25.

    Args:
        folder: the run folder, whose history tells about the epochs before.
        samples: function without arguments that returns float pictures (count, height, width, 3) from the same noise
            each time.
        low: smallest value that a picture may have.
        high: largest value.
        patience: epochs of certain discriminator and rising generator loss before the warning.
    """

    def __init__(self, folder, samples, *, low, high, patience=3):
        super().__init__()
        self.history = folder / "history.csv"
        self.samples = samples
        self.low = low
        self.high = high
        self.patience = patience

    def on_epoch_end(self, epoch, logs=None):
        """Judge the samples and the last epoch's `d_accuracy_real`, `d_accuracy_fake`, `g_loss`."""
        samples = (keras.ops.convert_to_numpy(self.samples()).astype(np.float32) - self.low) / (self.high - self.low)
        logs["pixel_std"] = float(np.std(samples, axis=0).mean())
        found = {
            "the samples leave their range": samples.min() < 0 or samples.max() > 1,
            "the samples are flat": np.std(samples, axis=(1, 2)).mean() < 0.05,
            "the samples are all alike": logs["pixel_std"] < 0.05,
            "the discriminator has won": self.discriminator_has_won(logs),
        }
        for text, holds in found.items():
            if holds:
                print(f"\nWarning: after epoch {epoch + 1} {text}.")

    def discriminator_has_won(self, logs):
        """Say whether it has been certain, and the generator's loss rising, for `patience` epochs including this."""
        before = read_history(self.history)
        last = {
            name: np.array([*before.get(name, []), logs[name]][-self.patience - 1 :])
            for name in ("d_accuracy_real", "d_accuracy_fake", "g_loss")
        }
        certain = np.minimum(last["d_accuracy_real"], last["d_accuracy_fake"])[1:] > 0.999
        rising = np.diff(last["g_loss"]) > 0
        return len(rising) == self.patience and bool(np.all(certain & rising))


class Checkpoint(keras.callbacks.Callback):
    """Keep weights and optimiser of the last two whole epochs in `checkpoint/epoch_NNN.npz`.

    They are written under another name and renamed, so that a kill at any moment leaves one that is whole and knows its
    epoch; `keras.callbacks.BackupAndRestore` writes weights and epoch number to two files in place. The last but one is
    there in case the disk damages the last.
    """

    def __init__(self, folder, best):
        """Take the run folder, and the metric by which the best weights are kept, or None."""
        super().__init__()
        self.folder = folder
        self.best = best

    def on_train_begin(self, logs=None):
        """Remove what a kill has left unfinished."""
        for path in (self.folder / "checkpoint").glob("unfinished_*"):
            path.unlink()

    def on_epoch_end(self, epoch, logs=None):
        """Write the checkpoint, and keep one before it."""
        folder = self.folder / "checkpoint"
        if self.best and logs[self.best] <= min(read_history(self.folder / "history.csv")[self.best]):
            save_state(folder / "best.npz", self.model)
        save_state(folder / f"epoch_{epoch + 1:03d}.npz", self.model)
        for path, epochs in find_checkpoints(folder).items():
            if epochs not in (epoch, epoch + 1):
                path.unlink()


def find_checkpoints(folder):
    """Return {path: epochs behind it} of the checkpoints in a folder, the newest first."""
    return {path: epoch_of(path) for path in sorted(folder.glob("epoch_*.npz"), key=epoch_of, reverse=True)}


def epoch_of(path):
    """Return the number in the name of a checkpoint or a sample grid, `epoch_NNN`; from 1,000 on it has more digits."""
    return int(path.stem.removeprefix("epoch_"))


def save_state(path, model):
    """Write weights, random generators and optimiser of a compiled model to an `.npz` file.

    Each array has a CRC-32 in it, so that a damaged file is never taken for a whole one; HDF5, which `save_weights`
    writes, has none, and crashes the process on a full disk.

    Raises:
        OSError: as of any file that cannot be written.
    """
    content = io.BytesIO()  # a zip archive on a full disk would complain once more when it is closed
    np.savez(content, *map(keras.ops.convert_to_numpy, state_variables(model)))
    with written_whole(path) as unfinished:
        unfinished.write_bytes(content.getbuffer())


def load_state(path, model):
    """Read what `save_state` wrote into a built and compiled model.

    Raises:
        InputError: the file is damaged, or another model's; this one is as it was before.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in file.files]
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError(f"{path}: is damaged ({error}).") from error
    variables = state_variables(model)
    if [variable.shape for variable in variables] != [array.shape for array in arrays]:
        raise InputError(f"{path}: holds another model.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def state_variables(model):
    """Build the optimiser and return all variables that the next epoch depends on, in the same order every time."""
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


class Replay(keras.callbacks.Callback):
    """Tell callbacks that keep count, such as early stopping, what happened before a run was cut off.

    Args:
        folder: the run folder.
        callbacks: such callbacks, which stand before this one in `fit`'s list.
        learning_rate: the one that the run was started with, which they may lower again.
    """

    def __init__(self, folder, callbacks, learning_rate):
        super().__init__()
        self.folder = folder
        self.callbacks = callbacks
        self.learning_rate = learning_rate

    def on_train_begin(self, logs=None):
        """Call their `on_epoch_end` for every epoch in the history."""
        history = read_history(self.folder / "history.csv")
        if not history:
            return
        self.model.optimizer.learning_rate = self.learning_rate
        for row in range(len(history["epoch"])):
            for callback in self.callbacks:
                callback.on_epoch_end(row, {name: values[row] for name, values in history.items()})


def predict(model, inputs, batch_size=500):
    """Return a model's outputs for an array, as NumPy, in every process all of them.

    In a distributed run `Model.predict` would give each process its part, and not let it read that.
    """
    if shares()[0] == 1:
        return model.predict(inputs, batch_size=batch_size, verbose=0)
    batches = (inputs[start : start + batch_size] for start in range(0, len(inputs), batch_size))
    outputs = [keras.tree.map_structure(keras.ops.convert_to_numpy, model(batch)) for batch in batches]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)


def read_history(path):
    """Return the columns of a `history.csv` as {name: list of float}, without columns that were never filled.

    There are none before the first epoch has ended, when the file may be missing.

    Raises:
        InputError: it holds something else.
    """
    if not path.exists():
        return {}
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        filled = [name for name in rows[0] if rows[0][name] != "NA"] if rows else []
        return {name: [float(row[name]) for row in rows] for name in filled}
    except (csv.Error, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}); leave --resume out to start another run.") from error


def sample_grids(folder):
    """Return the paths of a run's sample grids, from the untrained model's to the last epoch's."""
    return sorted((folder / "samples").glob("epoch_*.png"), key=epoch_of)


def read_sources(folders):
    """Return the text that says what the data of several run folders, or parts of runs, are."""
    return " and ".join(sorted({read_json(folder / "settings.json", "data")["data"] for folder in folders}))


def trim_history(path, epochs):
    """Cut a `history.csv` to its first `epochs` epochs, since a kill can fall between history and checkpoint.

    Raises:
        InputError: what is left is no history of so many epochs.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    with written_whole(path) as unfinished:
        unfinished.write_bytes(b"".join(lines[: epochs + 1]))
    if len(read_history(path).get("epoch", [])) != epochs:
        raise InputError(f"{path}: has not all of the {epochs} epochs; leave --resume out to start another run.")


def to_uint8(images, low, high):
    """Map pictures from [low, high] to 0..255 exactly, rounding to the nearest; what lies outside is clipped.

    Args:
        images: float (..., height, width, channels) of any backend.
        low: value that becomes 0.
        high: value that becomes 255.

    Returns:
        uint8 NumPy array of the same shape.
    """
    images = keras.ops.convert_to_numpy(images).astype(np.float32)
    return np.clip(np.rint((images - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def sharpness(images):
    """Return the mean over pictures of the variance of the Laplacian of their grey values: low where they are blurred.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.

    Args:
        images: uint8 (count, height, width, 3).

    Returns:
        float, in squared grey values; 0 for a picture of one colour.
    """
    grey = images.mean(axis=-1, dtype=np.float32)
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return float(np.var(neighbours - 4 * grey[:, 1:-1, 1:-1], axis=(1, 2)).mean())


def tile(images, columns):
    """Return uint8 pictures (count, height, width, 3) as one picture, row by row, two white pixels between them."""
    images = np.pad(images, ((0, -len(images) % columns), (1, 1), (1, 1), (0, 0)), constant_values=255)
    rows = len(images) // columns
    _, height, width, channels = images.shape
    return images.reshape(rows, columns, height, width, channels).swapaxes(1, 2).reshape(rows * height, -1, channels)


def save_picture(path, picture, title, zoom=2):
    """Write a uint8 picture (height, width, 3) below its title, every pixel as a square of `zoom` pixels."""
    height, width = picture.shape[0] * zoom, picture.shape[1] * zoom
    figure = Figure(figsize=(width / DPI, (height + TITLE_HEIGHT) / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, height / (height + TITLE_HEIGHT)))
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.axis("off")
    figure.text(0.5, 1 - TITLE_HEIGHT / 2 / (height + TITLE_HEIGHT), title, ha="center", va="center", fontsize=9)
    figure.savefig(path)


def save_captioned(path, pictures, captions, title, columns):
    """Write grey pictures with a caption each.

    Args:
        path: file to write.
        pictures: uint8 (count, height, width), 0..255.
        captions: pairs of the text over a picture and whether what it says is right, which colours it.
        title: of the figure.
        columns: pictures in a row.
    """
    count, height, width = pictures.shape
    rows = ceil(count / columns)
    size = (4 * columns, rows * (4 * height / width + 0.35) + 0.4)
    figure = Figure(figsize=size, dpi=DPI / 2, layout="constrained")
    figure.suptitle(title, fontsize=14)
    for index, (picture, (text, right)) in enumerate(zip(pictures, captions, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(text, fontsize=14, color="tab:green" if right else "tab:red")
        axes.axis("off")
    figure.savefig(path)


def draw_curves(path, histories, panels, title):
    """Draw columns of one or more histories over the epochs, a panel for each group of columns.

    Args:
        path: file to write.
        histories: {label: history as from `read_history`}.
        panels: {panel's title: names of its columns}; the held-out `val_` twin of a column is drawn dashed.
        title: of the figure.
    """
    columns_wide = min(4, len(panels))
    rows = ceil(len(panels) / columns_wide)
    figure = Figure(figsize=(4.5 * columns_wide, 3.5 * rows + 0.3), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=10)
    alone = len(histories) == 1
    for index, (heading, columns) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns_wide, index + 1)
        for label, history in histories.items():
            epochs = np.array(history["epoch"]) + 1
            marker = "." if len(epochs) < 20 else None
            for column in columns:
                (line,) = axes.plot(epochs, history[column], marker=marker, label=column if alone else label)
                if f"val_{column}" in history:
                    held_out = f"{column}, held out" if alone else None
                    axes.plot(epochs, history[f"val_{column}"], "--", color=line.get_color(), label=held_out)
        axes.set(title=heading, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if alone:
            axes.legend(fontsize=8)
    if not alone:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path)


def write_gif(path, pictures):
    """Write PIL pictures of one size as an endless animation, four a second, the last for two."""
    first, *others = [picture.quantize(128) for picture in pictures]
    durations = [250] * len(others) + [2000]  # milliseconds
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def write_json(path, content):
    """Write `content` as indented JSON; paths and other objects become text."""
    with written_whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2, default=str) + "\n")


def read_json(path, *keys):
    """Return the dict in a JSON file; raise `InputError` if it is damaged or has not all the `keys`."""
    try:
        content = json.loads(path.read_text())
        missing = [key for key in keys if key not in content]
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}).") from error
    if missing:
        raise InputError(f"{path}: is damaged (has no {missing[0]}).")
    return content
