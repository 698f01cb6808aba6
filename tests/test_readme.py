"""What the front page tells people to do works."""

import importlib
import re

import keras
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from maintenance import tables

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_trained_networks_need_no_script(tmp_path, monkeypatch):
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    picture = np.asarray(Image.open(tmp_path / "faces.png"))
    assert picture.shape == (64, 8 * 64, 3)
    assert picture.std() > 40  # an untrained network is grey


def test_a_notebook_sets_a_constant_and_calls_main(tiny, tmp_path, capsys, monkeypatch):
    v = tiny("VAE_filter64_latent32")
    assert "v.LATENT_DIM = 8; v.main([" in README
    monkeypatch.setattr(v, "LATENT_DIM", 8)
    v.main(["--epochs", "1", "--out", str(tmp_path / "run")])
    assert keras.saving.load_model(tmp_path / "run" / "decoder.keras").input_shape == (None, 8)
    assert "the name VAE_filter64_latent32 says 32; LATENT_DIM is 8" in capsys.readouterr().out


def flags_in_commands():
    """Return {module: set of flags} of all commands for Python on the pages and in `results.csv`."""
    spans = [row["command"] for row in tables.read_rows()]
    for page in (*tables.PAGES, ROOT / "models" / "README.md"):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```sh\n(.+?)```", text, re.DOTALL):
            spans += block.splitlines()
        spans += re.findall(r"`([^`]+)`", re.sub(r"```.+?```", "", text, flags=re.DOTALL))
    flags_of = {}
    for span in spans:
        for script, module, rest in re.findall(r"python\s+(?:([\w.]+)\.py|-m\s+([\w.]+))\b([^&#]*)", span):
            flags_of.setdefault(script or module, set()).update(re.findall(r"(?<!\S)--[\w-]+", rest))
    return flags_of


def test_commands_name_scripts_and_flags_that_exist(capsys):
    flags_of = flags_in_commands()
    assert len(flags_of) >= 20
    flags_of.pop("VAE_filter64_latent8")  # which is to be copied
    flags_of.pop("pytest")
    for module, flags in flags_of.items():
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(module).main(["--help"])
        assert caught.value.code == 0
        known = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
        assert flags <= known, module
