"""The command line of every script: its flags, and errors that are one line."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

from shared_files import InputError

HIGHEST_SEED = 2_000_000_000  # a little below 2**31, as scripts add to it, and PyTorch takes no more
GO_ON = "To continue a run that has started, repeat the command with --resume."


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` that answers wrong use with one line and status 2, and leaves its description as it is."""

    def __init__(self, **options):
        """Take what `ArgumentParser` takes."""
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.add_argument("--traceback", action="store_true", help="show where in the code an error came from")

    def error(self, message):
        """Print the line and leave."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the flags)\n")


def parser(
    experiment, data_flag=None, unit="pictures", *, batch_of=None, epoch="a pass over the training set", limit="at most"
):
    """Return a parser with the flags that all scripts share.

    Args:
        experiment: the script's `globals()`: its docstring is the help, its constants EPOCHS, BATCH_SIZE and LIMIT are
            the defaults. One may be a dict {model: number}: its flag is None unless it is given, for all models.
        data_flag: pair of the flag that names the data and its help, such as `shared_data.PICTURES_FLAG`; None for an
            experiment that makes its own.
        unit: what the limit counts.
        batch_of: what the batch size counts, if it is something else.
        epoch: what one is.
        limit: how strictly it is kept.
    """
    script = Path(experiment["__file__"])
    flags = OneLineParser(prog=script.name, description=experiment["__doc__"])
    if data_flag is not None:
        flags.add_argument(data_flag[0], dest="data", metavar="PATH", help=data_flag[1])
    for flag, text in (
        ("--epochs", f"number of epochs, each {epoch}"),
        ("--batch-size", f"{batch_of or unit} per step"),
        ("--limit", f"use {limit} so many {unit}"),
    ):
        value = experiment[flag[2:].replace("-", "_").upper()]
        by_model = isinstance(value, dict)
        default = ", ".join(f"{model}: {number}" for model, number in value.items()) if by_model else f"{value}"
        flags.add_argument(flag, type=positive, default=None if by_model else value, help=f"{text} ({default})")
    flags.add_argument("--out", help=f"run folder, free or to be resumed (runs/{script.stem}/, or the next number)")
    flags.add_argument("--seed", type=seed_number, default=0, help="seed of everything random (%(default)s)")
    flags.add_argument("--resume", action="store_true", help="continue the newest run, or --out's, where it stopped")
    flags.add_argument("--distribute", action="store_true", help="share batches out to all devices (JAX backend)")
    flags.add_argument("--tensorboard", action="store_true", help="write logs for TensorBoard as well")
    return flags


def positive(text):
    """Return the whole number above 0 that a flag's value stands for; anything else is argparse's error."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def seed_number(text):
    """Return the whole number, 0 to HIGHEST_SEED, that a flag's value stands for; anything else is argparse's error."""
    if not text.isdecimal() or int(text) > HIGHEST_SEED:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {HIGHEST_SEED}")
    return int(text)


def fraction(text):
    """Return the number above 0 and below 1 that a flag's value stands for; anything else is argparse's error."""
    if not 0 < float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and below 1")
    return float(text)


def run_script(main, resumable=True):
    """Call a script's `main()`; answer what the user can mend, and Ctrl-C, with one line instead of a traceback.

    To what the user can mend belongs what the operating system refuses, such as space on a full disk. Since that can
    also be a mistake in the code, `--traceback` on the command line shows where it came from.

    Args:
        main: function without required arguments.
        resumable: whether the script knows `--resume`.
    """
    how_to_go_on = f" {GO_ON}" if resumable else ""
    script = Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # of a notebook, whose streams know no encoding
            stream.reconfigure(errors="backslashreplace")  # for names of files that are no text
    try:
        main()
    except (InputError, OSError) as error:
        if "--traceback" in sys.argv:
            raise
        text = " ".join(str(error).split())
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            text = f"{where}{os.strerror(error.errno) if error.errno else text}.{how_to_go_on}"
        print(f"{script}: error: {text}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\n{script}: stopped.{how_to_go_on}", file=sys.stderr)
        sys.exit(130)
