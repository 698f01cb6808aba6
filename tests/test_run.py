"""The run folder: one run has it, its settings tell the truth, and it is gone on with only as it was begun."""

import argparse
import gc
import json
import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from conftest import ROOT, parse

import shared_files
import shared_run
import shared_settings
import shared_training
from shared_drawings import STAND_IN
from shared_files import InputError

PICTURES = [np.arange(12, dtype=np.uint8)]


def open_run(name="script", *, constants=None, source="4 drawn faces", data=PICTURES, may_change=(), **arguments):
    args = argparse.Namespace(**{**vars(parse()), **arguments})
    experiment = {"__file__": f"{name}.py", "BETA": 8.0, "EPOCHS": 3, "MEASURED": 32, **(constants or {})}
    return shared_run.Run(experiment, args, source, data, may_change)


def settings_of(run):
    return json.loads((run.folder / "settings.json").read_text())


def test_run_folders_are_numbered_never_overwritten():
    folders = [open_run().folder for _ in range(3)]
    assert [folder.name for folder in folders] == ["script", "script_2", "script_3"]
    assert open_run(resume=True).folder == folders[-1]
    settings = settings_of(open_run())
    assert settings["constants"] == {"BETA": 8.0, "EPOCHS": 3, "MEASURED": 32}
    assert settings["data"] == "4 drawn faces"
    assert settings["backend"] in settings["versions"]


def test_out_is_the_folder_that_is_meant(tmp_path):
    first, second = tmp_path / "A", tmp_path / "A_2"
    for folder in (first, second):
        assert open_run(out=str(folder)).folder == folder
    with pytest.raises(InputError, match="A: is taken; name another --out, or add --resume"):
        open_run(out=str(first))
    assert open_run(out=str(first), resume=True).folder == first
    (tmp_path / "empty").mkdir()
    assert open_run(out=str(tmp_path / "empty")).folder == tmp_path / "empty"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    for resume in (False, True):
        with pytest.raises(InputError, match="thesis: "):
            open_run(out=str(tmp_path / "thesis"), resume=resume)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_a_copy_that_ends_in_a_number_has_runs_of_its_own():
    open_run("X")
    copied = open_run("X_2")
    assert copied.folder.name == "X_2"
    assert open_run("X", resume=True).folder.name == "X"
    assert open_run("X").folder.name == "X_3"
    assert open_run("X_2").folder.name == "X_2_2"
    assert open_run("X_2", resume=True).folder.name == "X_2_2"
    assert open_run("X", resume=True).folder.name == "X_3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_runs_that_start_at_the_same_instant_have_a_folder_each():
    for _ in range(10):
        start = time.time() + 0.05
        children = []
        for _ in range(8):
            children.append(os.fork())
            if children[-1] == 0:
                status = 1
                try:
                    while time.time() < start:
                        pass
                    shared_run.claim_next("script")
                    status = 0
                finally:
                    os._exit(status)  # else the child would go on with the tests
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    names = {folder.name for folder in shared_run.RUNS_DIR.iterdir()}
    assert names == {"script", *(f"script_{number}" for number in range(2, 81))}


def test_of_two_that_want_a_folder_one_gets_it(tmp_path, monkeypatch):
    """The other one comes between the look and the lock, and may be done by then."""
    lock = shared_files.lock

    def lock_late(folder):
        (folder / "settings.json").touch()
        lock(folder)

    monkeypatch.setattr(shared_files, "lock", lock_late)
    assert not shared_files.claim(tmp_path)


def test_what_a_killed_claim_left_is_free(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "unfinished_0000000a_settings.json").touch()
    assert open_run(out=str(folder)).folder == folder


def test_files_of_the_user_that_are_called_unfinished_stay(tmp_path):
    (tmp_path / "unfinished_novel.txt").touch()
    with pytest.raises(InputError, match="is taken"):
        open_run(out=str(tmp_path))
    run = open_run()
    (run.folder / "unfinished_novel.txt").touch()
    open_run(resume=True)
    assert (run.folder / "unfinished_novel.txt").exists()


def test_a_second_process_is_refused():
    run = open_run()
    assert "another process is at work in this folder" in lock_elsewhere(run.folder)
    shared_files.LOCKS.pop(shared_files.number_of(run.folder / "lock")).close()
    assert lock_elsewhere(run.folder) == ""


def lock_elsewhere(folder):
    """Return the error of a process of its own that locks a folder."""
    code = f"import shared_files; from pathlib import Path; shared_files.lock(Path({str(folder)!r}))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60).stderr


def test_the_same_process_may_go_on_and_keeps_the_lock(tmp_path):
    """As in a notebook, whose first run may have ended in an error."""
    first = open_run(out=str(tmp_path / "run"))
    second = open_run(out=str(tmp_path / "run"), resume=True)
    assert second.folder == first.folder
    del first
    gc.collect()
    assert "another process is at work" in lock_elsewhere(second.folder)


def test_what_a_kill_left_unfinished_goes():
    run = open_run()
    (run.part("one", "1 of 1").folder / "unfinished_12345678_history.csv").touch()
    (run.folder / "unfinished_9abcdef0_settings.json").touch()
    open_run(resume=True)
    assert not list(run.folder.rglob("unfinished_*"))


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
def test_precisions_in_which_small_gradients_or_steps_are_lost_are_refused(dtype):
    with pytest.raises(InputError, match=f"PRECISION {dtype}: small gradients or steps"):
        open_run(constants={"PRECISION": dtype})
    assert not shared_run.RUNS_DIR.exists()


def test_resume_only_with_the_same_settings(monkeypatch):
    with pytest.raises(InputError, match="no run to resume"):
        open_run(resume=True)
    assert not shared_run.RUNS_DIR.exists()
    open_run()
    for arguments, words in (
        ({"seed": 1}, "started with seed 0, not 1"),
        ({"batch_size": 9}, "started with batch_size 4, not 9"),
        ({"constants": {"BETA": 1.0}}, "started with BETA 8.0, not 1.0"),
        ({"constants": {"NEW": 1}}, "started with NEW None, not 1"),
    ):
        with pytest.raises(InputError, match=words):
            open_run(resume=True, **arguments)
    monkeypatch.setattr("keras.backend.backend", lambda: "numpy")
    with pytest.raises(InputError, match=r"was started with KERAS_BACKEND=tensorflow, not numpy"):
        open_run(resume=True)


def test_what_only_looks_at_the_model_may_change(capsys):
    open_run(constants={"PRECISION": "float32", "OWN": 1})
    changes = {"MEASURED": 8, "EPOCHS": 9, "PRECISION": "mixed_bfloat16", "OWN": 2}
    resumed = open_run(constants=changes, may_change=("OWN",), resume=True, epochs=7, limit=99)
    settings = settings_of(resumed)
    assert {name: settings["constants"][name] for name in changes} == changes
    first, second = settings["starts"]
    assert "changed" not in first
    assert {name: second["changed"][name] for name in changes} == {
        "MEASURED": [32, 8],
        "EPOCHS": [3, 9],
        "PRECISION": ["float32", "mixed_bfloat16"],
        "OWN": [1, 2],
    }
    assert "Note: PRECISION was float32 before and is mixed_bfloat16 now" in capsys.readouterr().out
    assert settings_of(open_run(constants=changes, resume=True))["starts"][:2] == [first, second]


def test_constants_that_json_does_not_bring_back_are_left_out():
    constants = {"OPTIMIZER": keras.optimizers.Adam(), "NAMES": {"a"}, "SIZES": {(6, 4): 8}, "RATE": float("nan")}
    assert settings_of(open_run(constants=constants))["constants"].keys() >= {"BETA", "RATE"}
    settings = settings_of(open_run(constants=constants, resume=True))
    assert not {"OPTIMIZER", "NAMES", "SIZES"} & settings["constants"].keys()


def test_versions_of_earlier_starts_are_kept(capsys):
    run = open_run()
    settings = settings_of(run)
    settings["versions"]["keras"] = "3.0.0"
    shared_files.write_json(run.folder / "settings.json", settings)
    changed = settings_of(open_run(resume=True))["starts"][1]["changed"]
    assert changed["keras"][0] == "3.0.0"
    assert "Note: keras was 3.0.0" in capsys.readouterr().out


def test_data_are_known_by_content():
    open_run()
    moved = open_run(resume=True, source="4 pictures of elsewhere", data=[PICTURES[0].copy()])
    assert settings_of(moved)["data"] == "4 pictures of elsewhere"
    for other in ([PICTURES[0] + 1], [PICTURES[0][::-1]], [PICTURES[0].reshape(3, 4)], PICTURES * 2):
        with pytest.raises(InputError, match="was started on other data"):
            open_run(resume=True, data=other)


def test_results_of_a_run_that_goes_on_are_not_its_results():
    run = open_run()
    run.save_results({"loss": 1.0})
    resumed = open_run(resume=True)
    assert (resumed.folder / "results.json").exists()  # nothing is lost if the run is refused now
    part = resumed.part("one", "1 of 1")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    batches = shared_training.Batches((np.zeros((4, 1)), np.zeros((4, 1))), np.arange(4), 2)
    part.fit(model, batches, epochs=1)
    assert not (resumed.folder / "results.json").exists()


def test_damaged_settings_are_named():
    run = open_run()
    whole = (run.folder / "settings.json").read_text()
    for content in ("", "{", "{}", "[]", "null", whole.replace('"versions": {', '"versions": null, "old": {')):
        (run.folder / "settings.json").write_text(content)
        with pytest.raises(InputError, match=r"settings\.json: is damaged"):
            open_run(resume=True)


def test_a_claim_that_was_killed_is_not_resumed():
    first = open_run()
    shared_run.claim_next("script")  # and nothing more
    assert open_run(resume=True).folder == first.folder


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        open_run(out=str(tmp_path / "file" / "run"))


def test_drawn_data_have_folders_of_their_own():
    """Photographs may arrive later, and get the plain name then."""
    drawn = {"source": f"4 drawn faces ({STAND_IN})"}
    assert open_run(**drawn).folder.name == "script_drawn"
    assert open_run(**drawn).folder.name == "script_drawn_2"
    with pytest.raises(InputError, match="was started on other data"):
        open_run(data=[PICTURES[0] + 1], resume=True)
    assert open_run(resume=True).folder.name == "script_drawn_2", "of the same data, it may be another part's run"
    assert open_run().folder.name == "script"
    assert open_run(**drawn, resume=True).folder.name == "script_drawn_2"
    assert open_run(resume=True).folder.name == "script"


def test_a_name_that_says_something_else_is_warned_of(capsys):
    open_run("VAE_filter64_latent16", constants={"FILTERS": 64, "LATENT_DIM": 8})
    assert "Warning: the name VAE_filter64_latent16 says 16; LATENT_DIM is 8." in capsys.readouterr().out
    open_run("VAE_filter64_latent8", constants={"FILTERS": 64, "LATENT_DIM": 8})
    assert "Warning" not in capsys.readouterr().out


def test_parts_keep_to_their_data():
    run = open_run()
    part = run.part("one", "1 of 2", "MNIST", PICTURES)
    assert part.folder == run.folder / "one"
    assert part.title("text") == "script/one: text; MNIST"
    assert run.part("costs", "1 of 2", "files of $x$", PICTURES).title("text").endswith(r"files of \$x\$")
    assert run.part("one", "1 of 2", "MNIST, moved", PICTURES).source == "MNIST, moved"
    with pytest.raises(InputError, match=r"was started on other data \(MNIST, moved\)"):
        run.part("one", "1 of 2", "drawn digits", [PICTURES[0] + 1])
    assert run.part("two", "2 of 2").title("text") == "script/two: text; 4 drawn faces"
    with pytest.raises(InputError, match="was started on other data"):
        run.part("two", "2 of 2", "MNIST", PICTURES * 2)


def test_sources_of_several_runs_are_named_once():
    folders = [open_run(source=source).folder for source in ("MNIST", "drawn digits", "MNIST")]
    assert shared_settings.sources(folders) == "MNIST and drawn digits"


def test_tensorboard_is_asked_for_in_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        open_run(tensorboard=True)
    assert not shared_run.RUNS_DIR.exists()


@pytest.mark.parametrize("process", [0, 1])
def test_of_a_distributed_resume_the_first_process_waits_until_the_others_have_copied(process, monkeypatch):
    begun = open_run()
    (begun.folder / "checkpoint").mkdir()
    (begun.folder / "checkpoint" / "epoch_001.npz").touch()
    before = (begun.folder / "settings.json").read_text()
    copies = []

    def wait(holds):
        assert holds
        assert (begun.folder / "settings.json").read_text() == before
        frame = sys._getframe(1)
        copies.append((frame.f_locals["self"].folder / "checkpoint" / "epoch_001.npz").exists())
        return holds

    monkeypatch.setattr(shared_run, "device_layout", lambda: (2, 2, process))
    monkeypatch.setattr(shared_run, "in_all_processes", wait)
    run = open_run(resume=True)
    assert copies == [True]
    assert (run.folder == begun.folder) == (process == 0)
    assert ((begun.folder / "settings.json").read_text() == before) == (process == 1)


def test_all_processes_stop_if_one_fails(monkeypatch):
    monkeypatch.setattr(shared_run, "in_all_processes", lambda holds: False)
    with pytest.raises(InputError, match="another process of this run has failed"):
        open_run()


def test_the_checkpoint_is_the_last_callback(monkeypatch):
    """What another one logs would be missing in the history."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("keras.callbacks.TensorBoard", lambda *args, **options: "tensorboard")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    fitted = {}
    monkeypatch.setattr(model, "fit", lambda *args, **options: fitted.update(options))
    batches = shared_training.Batches((np.zeros((4, 1)), np.zeros((4, 1))), np.arange(4), 2)
    open_run(tensorboard=True).fit(model, batches, epochs=3, save_samples=print, callbacks=["own"], seed=5)
    names = [callback if isinstance(callback, str) else type(callback).__name__ for callback in fitted["callbacks"]]
    assert names == ["SeedEachEpoch", "StopAtNaN", "own", "Stopwatch", "Samples", "tensorboard", "Checkpoint"]
    assert fitted["callbacks"][0].seed == 5
    assert (fitted["epochs"], fitted["initial_epoch"], fitted["shuffle"]) == (3, 0, False)
    open_run(seed=7).fit(model, batches, epochs=3)
    assert fitted["callbacks"][0].seed == 7, "that of the run, if none is given"


def test_a_part_is_done_if_it_was_asked_for_as_many_epochs(capsys):
    """Though it may have made fewer, ended early."""
    part = open_run().part("one", "1 of 1")
    assert not part.is_done(1)
    shared_files.write_json(part.folder / "results.json", {"epochs": 2, "epochs_asked": 3})
    assert [part.is_done(epochs) for epochs in (2, 3, 4)] == [True, True, False]
    assert capsys.readouterr().out.count("It was done before.") == 2
