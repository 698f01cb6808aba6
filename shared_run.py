"""A run and its folder, from the settings that it was started with to its results."""

import copy
import importlib.util
import re
import shutil
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from shared_checkpoints import Checkpoint
from shared_drawings import STAND_IN
from shared_figures import plain, read_picture, save_curves, save_gif, save_grid, save_rows
from shared_files import (
    InputError,
    claim,
    epoch_files,
    fingerprint,
    is_unfinished,
    lock,
    make_folder,
    read_json,
    read_results,
    write_json,
    written_whole,
)
from shared_settings import continued, settings_of, warn_of_name
from shared_training import (
    Samples,
    SeedEachEpoch,
    StopAtNaN,
    Stopwatch,
    device_layout,
    distribute,
    in_all_processes,
    require_precision,
)

RUNS_DIR = Path(__file__).resolve().parent / "runs"
DRAWN = "_drawn"  # ends the names of runs on drawn data


class Run:
    """The folder of one run, and what is written to it.

    A new run gets a folder of its own: the one that `--out` names, or `runs/<script>/`, or `runs/<script>_2/` and so
    on where that is taken; on drawn data it is `runs/<script>_drawn/`. A resumed one goes on in the one that `--out`
    names, or in the script's newest, and only on the same data, backend and settings, but for those that
    `shared_settings` lets change. `settings.json` lists every start. Of the processes of a distributed run, which all
    do the same, the first keeps the folder; the others throw theirs away.

    Attributes:
        name: of the script, with that of the part behind it.
        folder: `pathlib.Path` of the run folder, or of the part's in it.
        whole: of the run folder.
        args: parsed command line.
        source: text that says what the data are.
    """

    def __init__(self, experiment, args, source, data, may_change=()):
        """Open the run folder and write `settings.json` to it.

        Args:
            experiment: the script's `globals()`: its name and its constants, the names in capitals.
            args: parsed command line.
            source: text that says what the data are.
            data: list of the arrays that the run works on, by whose contents the data are known.
            may_change: names of the script's own constants and flags in which a resumed run may differ.

        Raises:
            InputError: the folder is taken or cannot be written; there is nothing to resume, or it was started
                otherwise, or another process is at work on it; TensorBoard is asked for and not installed; as
                `shared_training.distribute` and `shared_training.require_precision`.
        """
        if args.tensorboard and not importlib.util.find_spec("tensorboard"):
            raise InputError("--tensorboard: needs the package of that name (pip install tensorboard).")
        if args.distribute:
            distribute()
        self.name = Path(experiment["__file__"]).stem
        self.args = args
        self.source = source
        self.fingerprint = fingerprint(*data)
        settings = settings_of(experiment, args, source, self.fingerprint)
        require_precision(settings["constants"].get("PRECISION"))
        warn_of_name(self.name, settings["constants"])
        failure = None
        try:
            settings = self._open_folder(settings, may_change)
        except (InputError, OSError) as error:
            failure = error
        if not in_all_processes(failure is None):  # and the first must not write where others still read
            raise failure or InputError(f"{self.name}: another process of this run has failed.")
        self.whole = self.folder
        for path in filter(is_unfinished, self.folder.rglob("unfinished_*")):
            path.unlink(missing_ok=True)
        write_json(self.folder / "settings.json", settings)
        print(f"Run folder: {self.folder}")

    def _open_folder(self, settings, may_change):
        """Choose and take the folder; return `settings`, with those of earlier starts if the run is a resumed one."""
        named = Path(self.args.out).expanduser().resolve() if self.args.out else None
        name = self.name + (DRAWN if STAND_IN in self.source else "")
        is_first = device_layout()[2] == 0
        if self.args.resume:
            self.folder = named or newest_run(name, self.name)
            settings = continued(self.folder, settings, may_change)
            if is_first:
                lock(self.folder)
        elif is_first:
            self.folder = named or claim_next(name)
            if named and not claim(named):
                raise InputError(f"{named}: is taken; name another --out, or add --resume to go on there.")
        if not is_first:
            self._copy_to_temporary_folder()
        return settings

    def _copy_to_temporary_folder(self):
        """Go on in a copy of what a resumed run needs, in a folder that goes when the process ends."""
        self.temporary = tempfile.TemporaryDirectory()
        folder = Path(self.temporary.name) / self.name
        if self.args.resume:
            shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("unfinished_*", "*.png", "*.gif"))
        self.folder = folder
        make_folder(folder)

    def part(self, name, count, source=None, data=None):
        """Return a part of this run, with a folder of its own in the run folder, trained and resumed by itself.

        Args:
            name: of part and folder.
            count: which part it is of how many, as text such as "4 of 7".
            source: text that says what its data are; None for the run's own.
            data: their arrays.

        Raises:
            InputError: the part was started on other data, or its folder is damaged.
        """
        print(f"\nPart {name} ({count})")
        part = copy.copy(self)
        part.name = f"{self.name}/{name}"
        part.folder = self.folder / name
        if source is not None:
            part.source, part.fingerprint = source, fingerprint(*data)
        make_folder(part.folder)
        settings = {"data": part.source, "fingerprint": part.fingerprint}
        path = part.folder / "settings.json"
        before = read_json(path, *settings) if path.exists() else settings
        if before["fingerprint"] != settings["fingerprint"]:
            raise InputError(f"{part.folder}: was started on other data ({before['data']}).")
        write_json(path, settings)
        return part

    def ended(self, names, *keys):
        """Return {name: results} of the parts that have ended; raise `InputError` if one is damaged or lacks `keys`."""
        paths = {name: self.folder / name / "results.json" for name in names}
        return {name: read_results(path, *keys) for name, path in paths.items() if path.exists()}

    def is_done(self, epochs):
        """Say, and print, whether this part has ended after it was asked for at least so many epochs.

        Raises:
            InputError: its results are damaged.
        """
        path = self.folder / "results.json"
        done = path.exists() and read_results(path)["epochs_asked"] >= epochs
        if done:
            print("It was done before.")
        return done

    def fit(
        self, model, batches, *, epochs, validation_data=None, save_samples=None, callbacks=(), best=None, seed=None
    ):
        """Train a built and compiled model as `Model.fit` does, after its last whole epoch if it was cut off.

        Everything random in an epoch follows from seed and epoch. Each epoch leaves a checkpoint, a row in
        `history.csv` and, if asked for, samples.

        Args:
            model: the `keras.Model`.
            batches: the training `shared_training.Batches`, which are shuffled anew each epoch.
            epochs: as for `Model.fit`, the number after which training ends, counted from the run's first.
            validation_data: the held-out `Batches`, or None.
            save_samples: function (name, text) that writes a picture of samples, of the same latent points or queries
                each time, to the file `name` of the run folder, `text` in its title; None writes none.
            callbacks: more callbacks, whose counters, such as a patience used up, are kept in the checkpoint.
            best: metric by whose smallest value the best epoch is chosen, whose weights the model has in the end, such
                as "val_loss"; None leaves it those of the last one.
            seed: of all that is random in training; None takes the run's.

        Returns:
            The history as {column: list of float}; its "epoch" counts from 1.

        Raises:
            InputError: a loss or a weight is no number; as `shared_checkpoints.Checkpoint`.
        """
        checkpoint = Checkpoint(self.folder, model, callbacks, best)
        for folder in (self.folder, self.whole):  # a run that goes on, or a part of which does, has no results
            (folder / "results.json").unlink(missing_ok=True)
        seed = self.args.seed if seed is None else seed
        callbacks = [SeedEachEpoch(seed, batches), StopAtNaN(), *callbacks, Stopwatch()]
        if save_samples is not None:
            make_folder(self.folder / "samples")
            callbacks.append(Samples(save_samples))
        if self.args.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(self.folder / "tensorboard", write_graph=False))
        model.fit(
            batches,
            validation_data=validation_data,
            epochs=checkpoint.epochs if checkpoint.stopped else epochs,
            initial_epoch=checkpoint.epochs,
            shuffle=False,  # Batches orders itself, by seed and epoch
            callbacks=[*callbacks, checkpoint],
            verbose=1 if sys.stdout.isatty() else 2,  # a progress bar on a terminal, a line per epoch in a log
        )
        checkpoint.finish()
        return checkpoint.history()

    def title(self, text):
        """Return the title of a figure: script, `text`, data."""
        return plain(f"{self.name}: {text}; {self.source}")

    def save_grid(self, name, images, text, columns):
        """Write uint8 pictures as one titled grid to the run folder; see `shared_figures.save_grid`."""
        save_grid(self.folder / name, images, self.title(text), columns)

    def save_rows(self, name, groups, columns):
        """Write groups of uint8 pictures to the run folder, as `shared_figures.save_rows`; the first has the title."""
        first, *others = groups
        titles = [self.title(first), *others]
        save_rows(self.folder / name, dict(zip(titles, groups.values(), strict=True)), columns)

    def save_model(self, name, model):
        """Save a model to the run folder, without optimiser and metrics, so that plain Keras loads it."""
        if model.compiled:
            model = keras.Model(model.input, model.output, name=model.name)
        with written_whole(self.folder / name) as unfinished:
            model.save(unfinished)

    def finish(self, history, panels, epochs, best=None, **metrics):
        """Write `curves.png`, `samples.gif` if there are samples, and `results.json`; print the results.

        Args:
            history: as from `fit`.
            panels: the curves' columns of the history by panel, as for `shared_figures.save_curves`.
            epochs: number of epochs that were asked for; early stopping may have made fewer.
            best: metric whose smallest value names the epoch that the results are of; None takes the last one.
            metrics: numbers that are known only at the end.

        Returns:
            dict: the metrics of that epoch and those given.

        Raises:
            InputError: a sample picture is damaged.
        """
        save_curves(self.folder / "curves.png", {self.name: history}, panels, self.title("curves"))
        grids = [read_picture(path).reduce(2) for path in epoch_files(self.folder / "samples").values()]
        if grids:
            save_gif(self.folder / "samples.gif", grids)
        row = int(np.argmin(history[best])) if best else -1
        results = {name: values[row] for name, values in history.items() if name not in ("epoch", "seconds")}
        results.update(epochs=len(history["epoch"]), epochs_asked=epochs, seconds=sum(history["seconds"]), **metrics)
        for name, value in results.items():
            print(f"{name:>28}  {value:,.5g}")
        self.save_results(results)
        return results

    def save_results(self, results):
        """Write a dict of numbers to `results.json`, and say where everything is."""
        write_json(self.folder / "results.json", results)
        print(f"Everything is in {self.folder}")


def numbered_folders(name):
    """Return {1: `runs/<name>`, n: `runs/<name>_<n>`} of those folders that exist."""
    matches = ((re.fullmatch(rf"{re.escape(name)}(?:_(\d+))?", folder.name), folder) for folder in RUNS_DIR.glob("*"))
    return {int(match[1] or 1): folder for match, folder in matches if match}


def newest_run(name, script):
    """Return the newest `runs/<name>` or `runs/<name>_<n>` that is a run of `script`; `<name>_2` may be another one.

    If there is none, it looks for one on other data, whether drawn or not: that may do for what is asked of it.
    """
    for each in dict.fromkeys((name, script, script + DRAWN)):
        for _, folder in sorted(numbered_folders(each).items(), reverse=True):
            path = folder / "settings.json"
            if path.exists() and read_json(path, "script")["script"] == script:
                return folder
    return RUNS_DIR / name


def claim_next(name):
    """Return `runs/<name>`, or that with the number after those that are there, taken for a new run."""
    number = max(numbered_folders(name), default=0) + 1
    while not claim(folder := RUNS_DIR / (name if number == 1 else f"{name}_{number}")):
        number += 1
    return folder
