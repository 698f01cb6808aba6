"""Flags, and errors of one line."""

import io
from pathlib import Path

import pytest
from conftest import parse

import shared_command_line
from shared_files import InputError


def test_defaults_are_the_constants():
    args = parse()
    assert (args.epochs, args.batch_size, args.limit, args.seed) == (3, 4, 5, 0)
    assert (args.data, args.out, args.resume, args.tensorboard) == (None, None, False, False)


def test_defaults_may_differ_by_model(capsys):
    constants = {"EPOCHS": {"a": 3, "b": 6}, "BATCH_SIZE": 4, "LIMIT": 5}
    experiment = {"__file__": "script.py", "__doc__": "A script.", **constants}
    parser = shared_command_line.parser(experiment, ("--data", "what"))
    assert parser.parse_args([]).epochs is None
    assert parser.parse_args(["--epochs", "7"]).epochs == 7
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    text = "number of epochs, each a pass over the training set (a: 3, b: 6)"
    assert text in " ".join(capsys.readouterr().out.split())


def test_an_experiment_that_makes_its_own_data_has_no_flag_for_them(capsys):
    experiment = {"__file__": "script.py", "__doc__": "A script.", "EPOCHS": 3, "BATCH_SIZE": 4, "LIMIT": 5}
    with pytest.raises(SystemExit):
        shared_command_line.parser(experiment).parse_args(["--data", "somewhere"])
    assert "unrecognized arguments: --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs", "0"),
        ("--batch-size", "-1"),
        ("--limit", "1.5"),
        ("--seed", "-1"),
        ("--seed", "2000000001"),
        ("--epochs",),
        ("--unknown",),
        ("--res",),
        ("stray",),
    ],
)
def test_wrong_flags_get_one_line(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*flags)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert flags[0] in error


def fail():
    raise InputError("celeba: no such folder.")


def stop():
    raise KeyboardInterrupt


def open_nowhere():
    Path("nowhere/file").read_text()


@pytest.mark.parametrize(
    ("main", "status", "words"),
    [(fail, 2, "no such folder"), (stop, 130, "--resume"), (open_nowhere, 2, "nowhere/file: No such file")],
)
def test_user_errors_and_interruption_have_no_traceback(main, status, words, capsys):
    with pytest.raises(SystemExit) as caught:
        shared_command_line.run_script(main)
    assert caught.value.code == status
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_names_that_are_no_text_can_be_printed(monkeypatch):
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, encoding="utf-8"))
    shared_command_line.run_script(lambda: print("face_\udcff.jpg", flush=True))
    assert printed.getvalue() == b"face_\\udcff.jpg\n"


@pytest.mark.parametrize(("main", "kind"), [(fail, InputError), (open_nowhere, FileNotFoundError)])
def test_a_traceback_is_to_be_had(main, kind, monkeypatch):
    """An error of the operating system can be one of the program."""
    assert parse("--traceback").traceback
    monkeypatch.setattr("sys.argv", ["script.py", "--traceback"])
    with pytest.raises(kind):
        shared_command_line.run_script(main)
