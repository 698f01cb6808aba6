"""What `fit` is given: batches, callbacks, and the devices and precision to compute with."""

import os
import time
from math import ceil
from pathlib import Path

import keras
import numpy as np

from shared_figures import to_unit
from shared_files import InputError


def fast_steps(steps_per_execution):
    """Return arguments of `compile` that make unrolled LSTMs and small dense layers fast: XLA, several steps per call.

    Keras leaves XLA off on a CPU unless it is asked for. Convolutions and dropout are slower with it. PyTorch makes one
    step at a time and takes minutes to compile.
    """
    if keras.backend.backend() == "torch":
        return {}
    return {"jit_compile": True, "steps_per_execution": steps_per_execution}


def fast_precision():
    """Return "mixed_bfloat16" if the processor multiplies bf16 numbers faster than float32 ones, else "float32".

    AMD's do from AVX-512's instructions for bf16 on, Intel's with matrix units (AMX) alone: RESULTS.md, "How fast". It
    asks the processor alone: for GPUs, and for machines that are not alike, set the precision by hand.
    """
    cpuinfo = Path("/proc/cpuinfo")  # Linux only; elsewhere nothing tells without a package of its own
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    faster = "amx_bf16" in text or ("avx512_bf16" in text and "AuthenticAMD" in text)
    return "mixed_bfloat16" if faster else "float32"


def require_precision(policy):
    """Raise `InputError` for precisions in which small gradients, or small steps of 16-bit weights, become 0."""
    if policy in ("float16", "mixed_float16", "bfloat16"):
        raise InputError(
            f"PRECISION {policy}: small gradients or steps would become 0; take mixed_bfloat16 or float32."
        )


def distribute():
    """Let every later batch go to all devices, of this machine or of all that the environment names.

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
    devices, processes, process = device_layout()
    import jax  # an optional dependency

    if jax.local_device_count() * processes != devices:
        raise InputError("--distribute: every process must have the same number of devices.")
    print(f"Batches are shared out to {devices} devices; this is process {process} of {processes}.")


def device_layout():
    """Return how many devices and how many processes a batch goes to, and the number of this process."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1, 1, 0
    import jax  # an optional dependency, without which nothing is distributed

    return distribution.device_mesh.devices.size, jax.process_count(), jax.process_index()


def in_all_processes(holds):
    """Say whether something holds in every process of a distributed run, once all of them have come here."""
    if device_layout()[1] == 1:
        return holds
    from jax.experimental import multihost_utils  # an optional dependency

    return bool(multihost_utils.process_allgather(np.array(holds)).all())


def predict(model, inputs, batch_size=500):
    """Return a model's outputs for an array, or a list of arrays, as NumPy; in a distributed run each process has all.

    In a distributed run `Model.predict` would give each process its part, and not let it read that.
    """
    count = len(keras.tree.flatten(inputs)[0])
    if device_layout()[0] == 1:
        if count <= batch_size:
            return model.predict_on_batch(inputs)  # without the time that `predict` takes to set up a data set
        return model.predict(inputs, batch_size=batch_size, verbose=0)
    outputs = []
    for start in range(0, count, batch_size):
        batch = keras.tree.map_structure(lambda array, start=start: array[start : start + batch_size], inputs)
        outputs.append(keras.tree.map_structure(keras.ops.convert_to_numpy, model(batch)))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)


class Batches(keras.utils.PyDataset):
    """Batches of rows of arrays that may lie on disk; nothing is copied but the batch.

    In a distributed run each process gets its part of every batch; one that the devices cannot share out evenly is
    filled up with rows of its own.

    Args:
        arrays: tuple of arrays (count, ...), indexed by lists of row numbers.
        rows: numbers of the rows that belong to this set.
        batch_size: rows in a batch; the last one may be shorter.
        transform: function (*batch of each array, rng) -> tuple for the model; None passes the batch as it is. `rng`
            follows from the batch's number and, once `shuffle` has been called, from its seed and epoch: a training
            set can be made anew each epoch, while a held-out set stays the same, with any seed.
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
        devices, processes, process = device_layout()
        if devices == 1:
            return batch
        count = len(keras.tree.flatten(batch)[0])
        rows = np.split(np.resize(np.arange(count), devices * ceil(count / devices)), processes)[process]
        return keras.tree.map_structure(lambda part: part[rows], batch)

    def whole(self, index):
        """Return batch `index` of the current order as a tuple."""
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        batch = tuple(array[rows] for array in self.arrays)
        if self.transform is None:
            return batch
        return self.transform(*batch, np.random.default_rng([*self.key, index]))

    def all(self):
        """Return all batches of the current order joined, as a tuple of what each of them has."""
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *map(self.whole, range(len(self))))

    def shuffle(self, seed, epoch):
        """Put the rows in the order that belongs to `epoch`, and transform them as belongs to it."""
        self.key = (seed, epoch + 1)
        self.order = np.random.default_rng(self.key).permutation(self.rows)


def binarised(digits, labels, rng):
    """Return grey digits as black and white, without their labels: a `transform` of `Batches`.

    A pixel is white with its grey as probability, as by Burda et al., "Importance Weighted Autoencoders", 2016. Numbers
    that were published for the one fixed binarisation of MNIST are close to those found so, not equal.

    Args:
        digits: uint8 (batch, 28, 28).
        labels: (batch,).
        rng: `numpy.random.Generator`.

    Returns:
        A tuple of float32 (batch, 28, 28), 0 and 1.
    """
    return ((rng.random(digits.shape, np.float32) < to_unit(digits)).astype(np.float32),)


def mirrored(images, rng):
    """Return uint8 pictures (batch, height, width, channels), each of them mirrored or not, as `rng` decides."""
    turned = rng.random(len(images)) < 0.5
    return np.where(turned[:, None, None, None], images[:, :, ::-1], images)


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
    """End a run with an `InputError` after an epoch with a loss or a weight that is infinite or not a number.

    Nothing is written of that epoch. `keras.callbacks.TerminateOnNaN` lets `fit` return as if all were well, and makes
    a GPU wait after each batch; the mean loss of the epoch shows a NaN just as well. The weights are looked at because
    the last step can have spoilt them, which no training loss shows.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Look at the losses and the weights."""
        for name in ("loss", "val_loss"):
            if not np.isfinite(logs.get(name, 0.0)):
                raise InputError(f"The {name} is {logs[name]} in epoch {epoch + 1}; try a lower learning rate.")
        if not all(bool(keras.ops.all(keras.ops.isfinite(weight))) for weight in self.model.weights):
            raise InputError(f"A weight is no number after epoch {epoch + 1}; try a lower learning rate.")


class Stopwatch(keras.callbacks.Callback):
    """Log the seconds that each epoch took, validation included, and say once how long the others will take."""

    def on_train_begin(self, logs=None):
        """Count the epochs from now on."""
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Start the watch."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Add `seconds` to what the later callbacks see."""
        logs["seconds"] = time.perf_counter() - self.start
        self.epochs += 1
        left = (self.params["epochs"] - epoch - 1) * logs["seconds"] / 60
        if self.epochs == 2 and left >= 1:  # the first one compiles
            print(f"\nAbout {left:.0f} min left for epochs {epoch + 2} to {self.params['epochs']}.")


class Samples(keras.callbacks.Callback):
    """Write `samples/epoch_000.png` before training and one picture more after each epoch."""

    def __init__(self, save_samples):
        """Take the function (name, text) that writes one."""
        super().__init__()
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
    samples' range (0..1); photographs of faces have about 0.27.

    Args:
        samples: function without arguments that returns float pictures (count, height, width, channels) from the same
            noise each time.
        low: smallest value that a picture may have.
        high: largest value.
    """

    counters = ("g_loss", "epochs_won")
    patience = 3  # epochs of certain discriminator and rising generator loss before the warning
    warm_up = 1_000  # steps before the first warning; until then samples of photographs are flat where all is well, too

    def __init__(self, samples, *, low, high):
        super().__init__()
        self.samples = samples
        self.low = low
        self.high = high
        self.g_loss = np.inf
        self.epochs_won = 0

    def on_epoch_end(self, epoch, logs=None):
        """Judge the samples and the last epochs' `d_accuracy_real`, `d_accuracy_fake`, `g_loss`."""
        samples = (keras.ops.convert_to_numpy(self.samples()).astype(np.float32) - self.low) / (self.high - self.low)
        logs["pixel_std"] = float(np.std(samples, axis=0).mean())
        certain = min(logs["d_accuracy_real"], logs["d_accuracy_fake"]) > 0.999
        self.epochs_won = self.epochs_won + 1 if certain and logs["g_loss"] > self.g_loss else 0
        self.g_loss = logs["g_loss"]
        found = {
            "the samples leave their range": not (samples.min() >= 0 and samples.max() <= 1),  # NaN does, too
            "the samples are flat": np.std(samples, axis=(1, 2)).mean() < 0.05,
            "the samples are all alike": logs["pixel_std"] < 0.05,
            "the discriminator has won": self.epochs_won >= self.patience,
        }
        for text, holds in found.items():
            if holds and int(self.model.optimizer.iterations) >= self.warm_up:
                print(f"\nWarning: after epoch {epoch + 1} {text}.")
