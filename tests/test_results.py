"""The table of all results and the README that is made from it."""

import argparse
import re

import pytest
from conftest import ROOT

import results_tables
import shared_data
import shared_run


def test_readme_shows_what_the_results_say():
    text = results_tables.README.read_text()
    assert len(results_tables.TABLE.findall(text)) >= 6
    assert results_tables.with_tables(text) == text, "run: python results_tables.py"


def test_every_number_says_where_it_comes_from():
    rows = results_tables.read_results()
    assert rows
    for row in rows:
        assert tuple(row) == results_tables.FIELDS
        assert all(row[field] for field in results_tables.FIELDS if field != "report"), row
        assert (ROOT / f"{row['script']}.py").exists()
        assert row["command"].startswith(f"python {row['script']}.py")
        float(row["value"])
    keys = [(row["script"], row["setting"], row["metric"], row["seed"]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_pictures_in_the_readme_exist():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", results_tables.README.read_text())
    assert len(pictures) > 10
    assert all((ROOT / picture).exists() for picture in pictures)


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    monkeypatch.setattr(results_tables, "RESULTS", tmp_path / "results.csv")


def finished_run(seed=3, **results):
    args = argparse.Namespace(out=None, resume=False, distribute=False, seed=seed)
    run = shared_run.Run("script.py", args, {}, "10 drawn faces")
    for folder in (run.folder, run.part("part", "5 drawn digits").folder):
        shared_run.write_json(folder / "results.json", {"epochs": 2, "epochs_asked": 2, "seconds": 1234.5, **results})
    return run.folder


def test_runs_and_their_parts_are_taken_in_and_replaced(own_results):
    folder = finished_run(val_loss=6738.4, accuracy=0.98765)
    for loss in ("first", "second"):
        results_tables.add_run(folder, "latent 8", "a laptop", f"python script.py  # {loss}", {"accuracy": "0.9"})
    results_tables.add_run(folder / "part", "latent 9", "a laptop", "python script.py", {})
    rows = results_tables.read_results()
    assert len(rows) == 4
    assert {row["seed"] for row in rows} == {"3"}
    assert [row["data"] for row in rows] == ["10 drawn faces"] * 2 + ["5 drawn digits"] * 2
    columns = {"setting": "which", "val_loss": "loss", "accuracy": "ours", "accuracy report": "report", "seconds": "s"}
    assert results_tables.render(rows, "script *", columns) == (
        "| which | loss | ours | report | s |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| latent 8 | 6,738 | 0.9877 | 0.9000 | 1,234 |\n"
        "| latent 9 | 6,738 | 0.9877 |  | 1,234 |\n"
    )
    assert (
        results_tables.render(rows, "script latent 9", {"command": "c"}) == "| c |\n| --- |\n| `python script.py` |\n"
    )


def test_seeds_become_mean_and_spread_where_the_first_stood(own_results):
    for seed, accuracy in ((0, 0.5), (1, 0.9), (0, 0.7)):
        results_tables.add_run(finished_run(seed, accuracy=accuracy), "half", "a laptop", "c", {"accuracy": "0.75"})
        results_tables.add_run(finished_run(accuracy=0.2), "tenth", "a laptop", "c", {})
    rows = results_tables.read_results()
    assert [(row["setting"], row["seed"], row["value"]) for row in rows] == [
        ("half", "0", "0.7"),
        ("tenth", "3", "0.2"),
        ("half", "1", "0.9"),
    ]
    columns = {"setting": "share", "accuracy report": "report", "accuracy": "ours"}
    assert results_tables.render(rows, "*", columns).endswith(
        "| half | 0.7500 | 0.8000 ± 0.1414 |\n| tenth |  | 0.2000 |\n"
    )


def test_tables_are_filled_between_their_comments(own_results):
    results_tables.add_run(finished_run(kl=23.64), "latent 8", "a laptop", "python script.py", {})
    empty = "before\n<!-- table: script * | kl = KL, nats -->\nold\n<!-- end of table -->\nafter\n"
    filled = results_tables.with_tables(empty)
    assert "| KL, nats |\n| ---: |\n| 23.6 |\n" in filled
    assert "old" not in filled
    assert results_tables.with_tables(filled) == filled


def test_damaged_runs_are_refused(own_results):
    folder = finished_run(kl=1)
    (folder / "results.json").write_text("{")
    with pytest.raises(shared_data.InputError, match=r"results\.json: is damaged"):
        results_tables.add_run(folder, "latent 8", "a laptop", "python script.py", {})
