"""The collection keeps its own rules: names equal constants, siblings are twins, importing does nothing."""

import ast
import importlib
import re
import subprocess
import sys

import pytest
from conftest import GAN_SCRIPTS, ROOT, VAE_SCRIPTS

SIBLINGS = VAE_SCRIPTS + GAN_SCRIPTS
SCRIPTS = [*SIBLINGS, "task2_txt2txtimg2txt", "A2_RNNs_text2image", "compare_runs"]


@pytest.mark.parametrize("name", SIBLINGS)
def test_name_equals_constants(name):
    module = importlib.import_module(name)
    filters, latent_dim = map(int, re.fullmatch(r"[A-Z]+_filter(\d+)_latent(\d+)", name).groups())
    assert (filters, latent_dim) == (module.FILTERS, module.LATENT_DIM)
    assert f"latent dimension {latent_dim} " in module.__doc__
    assert f"{filters} filters" in module.__doc__
    assert set(re.findall(r"[A-Z]+_filter\d+_latent\d+", module.__doc__)) == {name}


def without_docstring_and_constants(name):
    """Return a script's code with its docstring and the values of its constants taken out."""
    tree = ast.parse((ROOT / f"{name}.py").read_text())
    tree.body = tree.body[1:]
    for node in tree.body:
        if isinstance(node, ast.Assign) and all(target.id.isupper() for target in node.targets):
            node.value = ast.Constant(None)
    return ast.dump(tree)


@pytest.mark.parametrize("siblings", [VAE_SCRIPTS, GAN_SCRIPTS])
def test_siblings_differ_only_in_docstring_and_constants(siblings):
    assert len({without_docstring_and_constants(name) for name in siblings}) == 1
    assert len({importlib.import_module(name).LATENT_DIM for name in siblings}) == len(siblings)
    constants = [vars(importlib.import_module(name)) for name in siblings]
    for name in constants[0]:
        if name.isupper() and name != "LATENT_DIM" and not isinstance(constants[0][name], type):
            assert len({module[name] for module in constants}) == 1, name


def test_importing_does_nothing(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join(SCRIPTS)}"
    before = {path.name for path in ROOT.iterdir()}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())
    assert {path.name for path in ROOT.iterdir()} - before <= {"__pycache__"}


def test_no_script_imports_another():
    scripts = {path.stem for path in ROOT.glob("*.py")} - {"shared_blocks", "shared_data", "shared_run"}
    for path in ROOT.glob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
        assert not imported & scripts, path.name


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("VAE_filter64_latent32", ("--data", "nowhere"), "nowhere: no such folder or .npy file."),
        ("GAN_filter128_latent64", ("--limit", "0"), "argument --limit: 0 is not a whole number above 0"),
        ("task2_txt2txtimg2txt", ("--part", "image", "--mnist", "nowhere"), "nowhere: not a readable MNIST .npz file"),
        ("A2_RNNs_text2image", ("--units", "8"), "--encoders, --decoders and --units belong together"),
        ("compare_runs", (".",), ".: not the folder of a finished run of faces"),
    ],
)
def test_user_errors_are_one_line_and_status_2(name, flags, message, run_script, tmp_path):
    done = run_script(name, *flags)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{name}.py: error: {message}")
    assert not (tmp_path / "scripts" / "runs").exists(), "a folder that the mended command cannot have any more"
