"""What the front page tells people to do works."""

import importlib
import re

import keras
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

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


def test_commands_name_scripts_and_flags_that_exist(capsys):
    commands = re.findall(r"python (\w+)\.py((?: --[\w-]+(?: [^-\s`&]\S*)?)*)", README)
    assert len(commands) >= 8
    missing = {script for script, _ in commands if not (ROOT / f"{script}.py").exists()}
    assert missing <= {"VAE_filter64_latent8"}  # which is to be copied
    for script, flags in set(commands):
        if script in missing:
            continue
        module = importlib.import_module(script)
        with pytest.raises(SystemExit):
            module.main(["--help"])
        shown = capsys.readouterr().out
        for flag in re.findall(r"--[\w-]+", flags):
            assert flag in shown, (script, flag)
