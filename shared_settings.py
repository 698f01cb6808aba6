"""What `settings.json` says of a run: what it was started with, when, and whether it may go on with something else."""

import importlib
import json
import platform
import re
import sys
import time
from pathlib import Path

import keras

from shared_files import InputError, read_json

# Constants and flags that may differ when a run is resumed. Data and limit may, since the data's contents may not.
MAY_CHANGE = {
    *("EPOCHS", "LIMIT", "PRECISION", "MEASURED", "INTERPOLATION_STEPS", "REPORT", "TINY"),
    *("data", "distribute", "epochs", "limit", "out", "resume", "tensorboard", "traceback"),
}

CONSTANT_OF = {"filter": "FILTERS", "latent": "LATENT_DIM"}  # by the word before its value in a script's name


def is_plain(value):
    """Say whether a value is made of numbers, texts, lists and the like, so that JSON can hold it."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def settings_in_name(name):
    """Return {constant: value} that the name of a script tells, such as {"LATENT_DIM": 32} of `VAE_latent32`."""
    return {CONSTANT_OF[word]: int(value) for word, value in re.findall(rf"_({'|'.join(CONSTANT_OF)})(\d+)", name)}


def warn_of_name(name, constants):
    """Print a warning for each constant that is not what a script's name says."""
    for constant, value in settings_in_name(name).items():
        if constants.get(constant) != value:
            print(f"Warning: the name {name} says {value}; {constant} is {constants.get(constant)}.")


def settings_of(experiment, args, source, fingerprint):
    """Return the settings of a run that starts now, as a dict.

    Args:
        experiment: the script's `globals()`: its name and its constants, the names in capitals with plain values.
        args: parsed command line.
        source: text that says what the data are.
        fingerprint: of the data's contents.
    """
    backend = keras.backend.backend()
    modules = ("keras", "numpy", backend)
    return {
        "script": Path(experiment["__file__"]).stem,
        "data": source,
        "fingerprint": fingerprint,
        "backend": backend,
        "constants": {name: value for name, value in experiment.items() if name.isupper() and is_plain(value)},
        "arguments": vars(args),
        "versions": {
            "python": platform.python_version(),
            **{module: importlib.import_module(module).__version__ for module in modules},
        },
        "starts": [{"time": time.strftime("%Y-%m-%d %H:%M:%S"), "command": " ".join(sys.argv)}],
    }


def continued(folder, settings, may_change):
    """Return the settings of a run that goes on in `folder`: those given, with all starts so far, and what has changed.

    Args:
        folder: of the run.
        settings: as of a run that starts now.
        may_change: names of constants and flags in which the two may differ, besides MAY_CHANGE.

    Raises:
        InputError: there is no run, it is damaged, another script's, or differs in something else.
    """
    path = folder / "settings.json"
    if not path.exists():
        raise InputError(f"{folder}: no run to resume; leave --resume out to start one.")
    before = read_json(path, *settings)
    if any(not isinstance(before[name], type(settings[name])) for name in settings):
        raise InputError(f"{path}: is damaged.")
    now = json.loads(json.dumps(settings, default=str))
    if before["script"] != now["script"]:
        raise InputError(f"{folder}: is a run of {before['script']}.py.")
    if before["fingerprint"] != now["fingerprint"]:
        raise InputError(f"{folder}: was started on other data ({before['data']}).")
    if before["backend"] != now["backend"]:
        raise InputError(f"{folder}: was started with KERAS_BACKEND={before['backend']}, not {now['backend']}.")
    changed = {
        name: [before[group].get(name), now[group].get(name)]
        for group in ("constants", "arguments", "versions")
        for name in sorted(before[group].keys() | now[group].keys())
        if repr(before[group].get(name)) != repr(now[group].get(name))  # NaN is not equal to itself
    }
    for name, (old, new) in changed.items():
        if name not in {*MAY_CHANGE, *may_change, *now["versions"]}:
            raise InputError(f"{folder}: was started with {name} {old}, not {new}.")
    noted = {name: pair for name, pair in changed.items() if name in now["versions"] or name == "PRECISION"}
    for name, (old, new) in noted.items():
        print(f"Note: {name} was {old} before and is {new} now; the numbers may differ in their last digits.")
    start = now["starts"][0] | {"changed": changed}
    return now | {"starts": [*before["starts"], start]}


def run_of(folder):
    """Return the folder of a run, given that or a part's of it; raise `InputError` if its settings are damaged."""
    return folder if "script" in read_json(folder / "settings.json") else folder.parent


def sources(folders):
    """Return the text that says what the data of several run folders, or parts of runs, are."""
    return " and ".join(sorted({read_json(folder / "settings.json", "data")["data"] for folder in folders}))
