"""The rules that every experiment keeps, also one that came in today: it is found by its name alone."""

import ast
import csv
import importlib
import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import EXPERIMENTS, FAMILIES, ONE_OF_EACH, ROOT, TOOLS, marked_digits, some_masters, without_seconds

import shared_checkpoints
import shared_files
import shared_run
from shared_settings import settings_in_name

FLOORS = [  # of the shared files; each stands on those before it alone
    {"shared_start", "shared_files", "shared_drawings", "shared_figures", "shared_adversarial"},
    {"shared_data", "shared_drums", "shared_blocks", "shared_checkpoints", "shared_training"}
    | {"shared_command_line", "shared_settings"},
    {
        "shared_run",
        "shared_distances",
        "shared_networks",
        "shared_factors",
        "shared_readers",
        "shared_sounds",
        "shared_letters",
        "shared_patches",
        "shared_directions",
    },
    {"shared_answers", "shared_codes", "shared_traversals", "shared_bars", "shared_attributes"},
    {"shared_models"},
    {"shared_explorer", "shared_handwriting", "shared_layout"},
    {"shared_handlers"},
    {"shared_page"},
]
MAKE_THEIR_OWN_DATA = {"task2_txt2txt_identities"}


def imports_of(path):
    """Return the names of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


WITH_DIGITS = ("A2_RNNs_text2image", "A2_text2image_crisp", "CGAN_mnist", "RNN_mnist_patches", "VAE_mnist_traversal")


@pytest.mark.parametrize("name", WITH_DIGITS)
def test_the_digit_reader_learns_from_training_digits_alone(name, tiny, tmp_path, monkeypatch):
    def find_digit_reader(digits, bank, *args, **options):
        for pictures in (digits[0], bank.glyphs[: bank.counts[:10].sum()]):
            assert set(pictures.max(axis=(1, 2)).tolist()) == {255}
        raise InterruptedError

    monkeypatch.setattr("shared_answers.find_digit_reader", find_digit_reader)
    path = marked_digits(tmp_path, np.full((50, 28, 28), 255, np.uint8), np.arange(50) % 10)  # test digits are grey
    with pytest.raises(InterruptedError):
        tiny(name).main(["--mnist", str(path)])


@pytest.mark.parametrize(
    "name",
    [
        *("CGAN_mnist", "GAN_fonts", "HVAE_drums", "RNN_mnist_patches", "VAE_mnist_traversal"),
        *("GAN_filter128_latent64", "GAN_filter128_latent128_stable", "VAEGAN_filter128_latent128"),
    ],
)
def test_the_optimiser_is_that_of_the_constants(name, tiny, monkeypatch):
    """And a rate that is halved is so by epochs, not by steps."""
    module, seen = tiny(name), []

    def fit(run, model, batches, **options):
        seen.append((model.optimizer.get_config(), len(batches)))
        raise InterruptedError

    monkeypatch.setattr("shared_run.Run.fit", fit)
    monkeypatch.setattr("shared_answers.find_digit_reader", lambda *args, **options: None)
    monkeypatch.setattr("shared_readers.find_reader", lambda *args: None)
    monkeypatch.setattr("shared_readers.reader_accuracy", lambda *args: 1.0)
    monkeypatch.setattr("shared_letters.find_faces", lambda *args: (list("abcd"), some_masters(), "4 faces"))
    monkeypatch.setattr(module, "judge_reader", lambda *args: {"reader_accuracy": 1.0}, raising=False)
    with pytest.raises(InterruptedError):
        module.main(["--batch-size", "4"])
    ((config, steps),) = seen
    assert steps > 1
    rate = config["learning_rate"]
    if hasattr(module, "HALVING"):
        assert rate["config"]["decay_steps"] == module.HALVING * steps
        assert rate["config"]["decay_rate"] == 0.5
        rate = rate["config"]["initial_learning_rate"]
    assert rate == pytest.approx(module.LEARNING_RATE)
    assert config["beta_1"] == getattr(module, "BETA_1", 0.9)


def constants_of(name):
    """Return the constants of an experiment."""
    module = vars(importlib.import_module(name))
    return {key: value for key, value in module.items() if key.isupper() and not callable(value)}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_names_equal_constants(name):
    assert settings_in_name(name).items() <= constants_of(name).items()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_docstrings_say_what_one_must_know(name):
    text = importlib.import_module(name).__doc__
    first, *lines = text.rstrip().splitlines()
    assert first.endswith(".")
    assert len(lines) <= 20
    assert f"    python {name}.py" in text
    assert f"Writes `runs/{name}/`: settings.json, " in text
    assert set(re.findall(r"\w+(?=\.py)", text)) == {name}
    said = {"FILTERS": r"\b{} filters\b", "LATENT_DIM": r"\blatent dimension {}\b"}
    for constant, value in settings_in_name(name).items():
        assert re.search(said[constant].format(value), first)


def without_docstring_and_constants(name):
    """Return a script's code with its docstring and the values of its constants taken out."""
    tree = ast.parse((ROOT / f"{name}.py").read_text())
    tree.body = tree.body[1:]
    for node in tree.body:
        if isinstance(node, ast.Assign) and all(target.id.isupper() for target in node.targets):
            node.value = ast.Constant(None)
    return ast.dump(tree)


@pytest.mark.parametrize(
    "siblings", [names for names in FAMILIES.values() if len(names) > 1], ids=lambda names: names[0]
)
def test_siblings_differ_only_where_their_names_do(siblings):
    assert len({without_docstring_and_constants(name) for name in siblings}) == 1
    constants = [constants_of(name) for name in siblings]
    differ = {key for key in constants[0] if any(other[key] != constants[0][key] for other in constants)}
    told = [settings_in_name(name) for name in siblings]
    assert len({frozenset(files_in(importlib.import_module(name).__doc__)) for name in siblings}) == 1
    assert differ == {key for key in told[0] if len({settings[key] for settings in told}) > 1}


def test_importing_does_nothing(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join([*EXPERIMENTS, *TOOLS])}"
    before = {path.name for path in ROOT.iterdir()}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())
    assert {path.name for path in ROOT.iterdir()} - before <= {"__pycache__"}


def test_no_script_imports_another_and_shared_files_stand_on_lower_floors():
    shared = {path.stem for path in ROOT.glob("shared_*.py")}
    assert set.union(*FLOORS) == shared
    for name in [*EXPERIMENTS, *TOOLS]:
        first = next(
            node for node in ast.parse((ROOT / f"{name}.py").read_text()).body if not isinstance(node, ast.Expr)
        )
        assert "shared_start" in ast.unparse(first)
        assert not imports_of(ROOT / f"{name}.py") & {*EXPERIMENTS, *TOOLS}, name
    below = set()
    for floor in FLOORS:
        for name in floor:
            assert imports_of(ROOT / f"{name}.py") & {*shared, *EXPERIMENTS, *TOOLS} <= below | {"shared_files"}, name
        below |= floor


def test_shared_files_are_short():
    for path in ROOT.glob("shared_*.py"):
        assert len(path.read_text().splitlines()) <= 300, path.name


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_user_errors_are_one_line_and_leave_no_folder(name, capsys):
    main = importlib.import_module(name).main
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert importlib.import_module(name).__doc__.splitlines()[0] in shown
    data_flags = set(re.findall(r"^  (--data|--mnist)\b", shown, re.MULTILINE))
    assert len(data_flags) == (name not in MAKE_THEIR_OWN_DATA)
    for flags in (["--epochs", "0"], ["--batch-size", "x"], ["--limit"], ["--seed", "-1"], ["stray"]):
        with pytest.raises(SystemExit) as caught:
            main(flags)
        assert caught.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    wrong = [([flag, "nowhere"], "nowhere: ") for flag in data_flags]
    for flags, words in (*wrong, (["--resume"], "no run to resume")):
        with pytest.raises(shared_files.InputError, match=words) as caught:
            main(flags)
        assert "\n" not in str(caught.value)
    assert not shared_run.RUNS_DIR.exists(), "a folder that the mended command cannot have any more"


@pytest.mark.parametrize("name", ["CAE_filter128_latent512", "FLOW_filter128_latent512", "VAEGAN_filter128_latent128"])
def test_too_few_pictures_are_said_before_training(name, data, tmp_path):
    with pytest.raises(shared_files.InputError, match="12 pictures are too few"):
        importlib.import_module(name).main([*data, "--limit", "12", "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def files_in(docstring):
    """Return the names of files and folders that a script's docstring says it writes."""
    _, _, text = docstring.partition("Writes ")
    return set(re.findall(r"\b\w+(?:\.(?:json|csv|png|gif|keras)\b|/(?=[ ,.;\n]))", text))


def finite(values):
    return all(np.isfinite(value) for value in values)


def never_trained_on_what_is_held_out(fit):
    """Return `Run.fit` with a look at the rows, where training and validation take theirs from the same array."""

    def watched(run, model, batches, *, validation_data=None, **options):
        if validation_data and np.may_share_memory(batches.arrays[0], validation_data.arrays[0]):
            assert not {*batches.rows} & {*validation_data.rows}
        return fit(run, model, batches, validation_data=validation_data, **options)

    return watched


def copied_when_cut_off(copy):
    """Return an `on_epoch_end` of checkpoints that copies the run folder into `copy` after first epochs, as if killed.

    The last copy stays: of a script in parts, that in the first epoch of the last one.
    """
    write = shared_checkpoints.Checkpoint.on_epoch_end

    def write_and_copy(self, epoch, logs=None):
        write(self, epoch, logs)
        if self.epochs == 1:
            shutil.rmtree(copy, ignore_errors=True)
            (folder,) = shared_run.RUNS_DIR.iterdir()
            shutil.copytree(folder, copy)

    return write_and_copy


def goes_on_as_if_unbroken(main, unbroken, results, broken):
    """Assert that a run cut off after the first of two epochs ends as one that was left alone.

    Args:
        main: of the script.
        unbroken: folder of the run that was left alone.
        results: of that.
        broken: folder of the other.
    """
    assert not (broken / "results.json").exists()
    resumed = main(["--epochs", "2", "--out", str(broken), "--resume"])
    for metric, value in results.items():
        assert metric.endswith("seconds") or resumed[metric] == value, metric
    for path in unbroken.rglob("history.csv"):
        twin = broken / path.relative_to(unbroken)
        histories = [without_seconds(shared_files.read_history(each)) for each in (path, twin)]
        assert histories[0] == histories[1]
        assert len(histories[0]["epoch"]) >= 2


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_run_leaves_what_the_docstring_says_and_goes_on_if_it_is_cut_off(name, tiny, tmp_path, monkeypatch, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    module = tiny(name)
    monkeypatch.setattr(shared_run.Run, "fit", never_trained_on_what_is_held_out(shared_run.Run.fit))
    broken = tmp_path / "broken"
    with monkeypatch.context() as patched:
        patched.setattr(shared_checkpoints.Checkpoint, "on_epoch_end", copied_when_cut_off(broken))
        results = module.main(["--epochs", "2"])
    assert results
    assert finite(results.values())
    assert not list(elsewhere.iterdir())
    (folder,) = shared_run.RUNS_DIR.iterdir()
    assert folder.name.removesuffix("_drawn") == name
    assert json.loads((folder / "results.json").read_text()) == pytest.approx(results)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["constants"].keys() == constants_of(name).keys()

    there = {path.name + "/" * path.is_dir() for path in folder.rglob("*")}
    assert files_in(module.__doc__) <= there
    for path in folder.rglob("history.csv"):
        with open(path, newline="") as file:
            assert all(finite(map(float, row.values())) for row in csv.DictReader(file))
            explained = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
            for metric in json.loads((path.parent / "results.json").read_text()):
                assert f"`{metric.removeprefix('val_')}`" in explained, metric
    models = list(folder.rglob("*.keras"))
    assert models
    for path in models:
        model = keras.saving.load_model(path)  # in safe mode, without the script
        inputs = [np.zeros((2, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
        for output in keras.tree.flatten(model(inputs[0] if len(inputs) == 1 else inputs)):
            assert np.isfinite(keras.ops.convert_to_numpy(output)).all()
    assert f"Everything is in {folder}" in capsys.readouterr().out
    # Here, since the run is the unbroken one that a resumed one is compared with.
    goes_on_as_if_unbroken(module.main, folder, results, broken)


def test_errors_reach_the_user_as_one_line(tmp_path):
    command = [sys.executable, ROOT / f"{EXPERIMENTS[-1]}.py", "--epochs", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{EXPERIMENTS[-1]}.py: error: argument --epochs: 0 is not")
