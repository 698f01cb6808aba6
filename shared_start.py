"""Keras, loaded without TensorFlow's noise; every script takes it from here, before all else.

TensorFlow prints eight lines before a script's own first one. Those in NOISE are left out, all others are shown.
"""

import importlib
import logging
import os
import sys
import tempfile

NOISE = (  # of a machine without a GPU, and of a TensorFlow that was not built for its processor
    "absl::InitializeLog() is called",
    "oneDNN custom operations are on",
    "Could not find cuda drivers",
    "failed call to cuInit",
    "optimized to use available CPU instructions",
    "To enable the following instructions",
    "Could not find TensorRT",
    "Unable to register cu",
)


def load_keras():
    """Return Keras with its backend loaded, and TensorFlow's devices found; without backend end with one line."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        module = missing = None
        try:
            module = importlib.import_module("keras")
            if module.backend.backend() == "tensorflow":
                module.ops.zeros(1)
        except (ImportError, ValueError) as error:
            missing = error
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines()
            sys.stderr.writelines(f"{line}\n" for line in lines if line and not any(noise in line for noise in NOISE))
    if missing:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        how = f"pip install {backend}" if backend in ("jax", "torch") else "pip install -r requirements.txt"
        print(f"error: the backend {backend} cannot be loaded ({missing}): {how}", file=sys.stderr)
        sys.exit(2)
    return module


if {"-h", "--help"} & set(sys.argv[1:]):
    os.environ["KERAS_BACKEND"] = "numpy"  # loads in a second, and no model is built
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what comes later: errors, no information
keras = load_keras()
# TensorFlow takes several models in one script for a mistake.
logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in record.getMessage())
