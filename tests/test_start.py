"""What is printed before a script's own first line."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT


def run(code, **environment):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_tensorflow_starts_without_a_word():
    done = run("import VAE_filter64_latent32 as script; script.build_decoder()(script.keras.ops.zeros((1, 32)))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_other_lines_are_shown(tmp_path):
    """A module that speaks up while Keras is loaded, one line of noise and one that is none."""
    (tmp_path / "keras.py").write_text(
        "import os\n"
        "os.write(2, b'W0000 oneDNN custom operations are on\\nW0000 the disk is on fire\\n')\n"
        "class backend:\n    def backend():\n        return 'jax'\n"
    )
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shared_start")
    assert done.stderr == "W0000 the disk is on fire\n"


@pytest.mark.parametrize("backend", ["nonsense", "openvino"])
def test_a_missing_backend_is_one_line(backend):
    done = run("import shared_start", KERAS_BACKEND=backend)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: the backend {backend} cannot be loaded (")
    assert done.stderr.count("\n") == 1
