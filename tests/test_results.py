"""The table of all results and the pages that are made from it."""

import ast
import re
import shlex
import subprocess

import numpy as np
import pytest
from conftest import EXPERIMENTS, ROOT, parse

import shared_drawings
import shared_figures
import shared_files
import shared_run
from maintenance import pictures, tables


def read(page):
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_pages_show_what_the_results_say(page):
    text = read(page)
    assert all(match[0].count("\n") > 3 for match in tables.TABLE.finditer(text)), "a table without rows"
    assert len(tables.NUMBER.findall(text)) >= 8
    assert tables.with_numbers(text) == text, "run: python -m maintenance.tables"


def test_changes_that_commands_make_to_a_script_find_their_place():
    commands = {row["command"] for row in tables.read_rows() if row["command"].startswith("sed -i ")}
    assert len(commands) > 5
    for command in commands:
        _, _, change, script, *_ = shlex.split(command)
        changed = subprocess.run(["sed", change, ROOT / script], capture_output=True, text=True, check=True).stdout
        assert changed != read(ROOT / script), command
        ast.parse(changed)


def test_the_front_page_is_one_page_and_all_tables_are_behind_it():
    front, results = map(read, tables.PAGES)
    assert len(front.splitlines()) <= 150
    assert tables.GALLERY.search(front)
    assert not tables.TABLE.search(front)
    assert len(tables.TABLE.findall(results)) >= 8


def test_links_between_the_pages_lead_somewhere():
    pages = {page.name: read(page) for page in tables.PAGES}
    anchors = {}
    for name, text in pages.items():
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors[name] = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name, text in pages.items():
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert not file or (ROOT / file).exists(), target
            assert not anchor or anchor in anchors[file or name], target


def test_every_number_says_where_it_comes_from():
    rows = tables.read_rows()
    assert rows
    for row in rows:
        assert tuple(row) == tables.FIELDS
        assert all(row[field] for field in tables.FIELDS if field not in ("report", "headline")), row
        assert (ROOT / f"{row['script']}.py").exists()
        module = f"-m {row['script'].replace('/', '.')}" if "/" in row["script"] else f"{row['script']}.py"
        assert f"python {module}" in row["command"]
        float(row["value"])
    keys = [(row["script"], row["setting"], row["metric"], row["seed"], row["backend"]) for row in rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_results_and_a_picture_and_is_in_the_gallery(name):
    rows = tables.read_rows()
    (headline,) = (row for row in rows if row["script"] == name and row["headline"])
    assert (pictures.ASSETS / tables.picture_of(name)).exists()
    shown = tables.GALLERY.search(read(tables.PAGES[0]))[0]
    assert f"{name}.py" in shown
    assert tables.mean_of(rows, headline) in shown


def test_the_pages_show_all_assets_and_they_are_small():
    shown = set(re.findall(r"\]\(assets/(.+?)\)", "".join(map(read, tables.PAGES))))
    assert len(shown) > 20
    assert {path.name for path in pictures.ASSETS.iterdir()} == shown | {"results.csv"}
    assert sum(path.stat().st_size for path in pictures.ASSETS.iterdir()) < 12e6  # bytes


def test_faces_are_read_back_from_a_sample_grid(tmp_path):
    faces = shared_drawings.draw_faces(20, 64, seed=0)
    shared_figures.save_grid(tmp_path / "grid.png", faces, "faces", columns=8)
    grid = pictures.read_grid(tmp_path / "grid.png", rows=2, columns=5)
    np.testing.assert_array_equal(grid, shared_figures.tile(faces[[0, 1, 2, 3, 4, 8, 9, 10, 11, 12]], columns=5))


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")


def finished_run(seed=3, **results):
    run = shared_run.Run({"__file__": "script.py"}, parse("--seed", str(seed)), "10 drawn faces", [])
    for folder in (run.folder, run.part("part", "1 of 1", "5 drawn digits", []).folder):
        shared_files.write_json(folder / "results.json", {"epochs": 2, "epochs_asked": 2, "seconds": 1234.5, **results})
    return run.folder


def test_runs_and_their_parts_are_taken_in_and_replaced(own_results):
    folder = finished_run(val_loss=6738.4, accuracy=0.98765)
    for loss in ("first", "second"):
        tables.add_run(folder, "latent 8", "a laptop", f"python script.py  # {loss}", {"accuracy": "0.9"})
    tables.add_run(folder / "part", "latent 9", "a laptop", "python script.py", {})
    rows = tables.read_rows()
    assert len(rows) == 4
    assert {row["seed"] for row in rows} == {"3"}
    assert [row["data"] for row in rows] == ["10 drawn faces"] * 2 + ["5 drawn digits"] * 2
    columns = {"setting": "which", "val_loss": "loss", "accuracy": "ours", "accuracy report": "report", "seconds": "s"}
    assert tables.render(rows, "script *", columns) == (
        "| which | loss | ours | report | s |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| latent 8 | 6,738 | 0.9877 | 0.9000 | 1,234 |\n"
        "| latent 9 | 6,738 | 0.9877 |  | 1,234 |\n"
    )
    assert tables.render(rows, "script latent 9", {"command": "c"}) == "| c |\n| --- |\n| `python script.py` |\n"


def test_one_number_of_a_script_is_its_headline(own_results):
    def headlines():
        return [(row["setting"], row["metric"]) for row in tables.read_rows() if row["headline"]]

    folder = finished_run(kl=1.0, loss=2.0)
    tables.add_run(folder, "long", "a laptop", "c", {}, headline="loss")
    tables.add_run(folder, "short", "a laptop", "c", {})
    tables.add_run(folder, "long", "a laptop", "c again", {})
    assert headlines() == [("long", "loss")]
    tables.add_run(folder, "short", "a laptop", "c", {}, headline="kl")
    assert headlines() == [("short", "kl")]


def test_whole_numbers_and_milestones_are_kept(own_results):
    folder = finished_run(parameters=2053904, kl=2053904.0)
    (folder / "history.csv").write_text("epoch,val_exact_match\n1,0.05\n2,0.1\n3,0.3\n4,0.05\n")
    tables.add_run(folder, "latent 8", "a laptop", "python script.py", {})
    values = {row["metric"]: row["value"] for row in tables.read_rows()}
    assert values == {"parameters": "2053904", "kl": "2.0539e+06", "epochs_to_tenth": "2"}


def test_compared_sets_of_pictures_are_settings_of_their_own(own_results):
    folder = finished_run(psnr=20.5)
    table = [{"pictures": "a GAN, N(0, I)", "epochs": 7, "swd": 81.25}, {"pictures": "ours", "epochs": 2, "ssim": 0.5}]
    shared_files.write_table(folder / "comparison.csv", table)
    tables.add_run(folder, "cats", "a laptop", "python script.py", {}, headline="psnr")
    rows = [tuple(row[name] for name in ("setting", "epochs", "metric", "value")) for row in tables.read_rows()]
    assert rows == [
        ("cats", "2", "psnr", "20.5"),
        ("cats: a GAN, N(0, I)", "7", "swd", "81.25"),
        ("cats: ours", "2", "ssim", "0.5"),
    ]
    assert [row["metric"] for row in tables.read_rows() if row["headline"]] == ["psnr"]
    tables.add_run(finished_run(4, psnr=20.0), "dogs", "a laptop", "python script.py", {})
    shared_files.write_table(folder / "comparison.csv", table[1:])
    tables.add_run(folder, "cats", "a laptop", "python script.py", {})
    settings = [row["setting"] for row in tables.read_rows()]
    assert settings == ["cats", "cats: ours", "dogs"], "in their place, without the set that is gone"


def test_seeds_become_mean_and_spread_where_the_first_stood(own_results):
    for seed, accuracy in ((0, 0.5), (1, 0.9), (0, 0.7)):
        numbers = {"accuracy": accuracy, "loss": 10_000 * accuracy}
        tables.add_run(finished_run(seed, **numbers), "half", "a laptop", "c", {"accuracy": "0.75"})
        tables.add_run(finished_run(accuracy=0.2), "tenth", "a laptop", "c", {})
    rows = tables.read_rows()
    assert [(row["setting"], row["seed"], row["value"]) for row in rows if row["metric"] == "accuracy"] == [
        ("half", "0", "0.7"),
        ("tenth", "3", "0.2"),
        ("half", "1", "0.9"),
    ]
    columns = {"setting": "share", "accuracy report": "report", "accuracy": "ours", "loss": "loss"}
    assert tables.render(rows, "*", columns).endswith(
        "| half | 0.7500 | 0.8000 ± 0.1414 | 8,000 ± 1,414 |\n| tenth |  | 0.2000 |  |\n"
    )


def test_other_backends_are_not_taken_for_seeds(own_results):
    fields = dict.fromkeys(tables.FIELDS, 0) | {"script": "script", "setting": "step"}
    for backend, loss in (("tensorflow", 6738.4), ("jax", 50)):
        tables.put({"loss": loss, f"ms_{backend}": loss / 7}, **fields | {"backend": backend})
    rows = tables.read_rows()
    columns = {"loss": "loss", "ms_jax": "JAX", "ms_tensorflow": "TensorFlow"}
    assert tables.render(rows, "*", columns).endswith("| 6,738 | 7.14 | 963 |\n")


def test_tables_are_filled_between_their_comments(own_results):
    tables.add_run(finished_run(kl=23.64), "latent 8", "a laptop", "python script.py", {})
    empty = "before\n<!-- table: script * | kl = KL, nats -->\nold\n<!-- end of table -->\nafter\n"
    filled = tables.with_numbers(empty)
    assert "| KL, nats |\n| ---: |\n| 23.6 |\n" in filled
    assert "old" not in filled
    assert tables.with_numbers(filled) == filled


def test_numbers_in_sentences_are_filled(own_results):
    for seed, kl in ((0, 23.64), (1, 25.64)):
        tables.add_run(finished_run(seed, kl=kl), "latent 8", "a laptop", "python script.py", {})
    filled = tables.with_numbers("KL is 9,999<!-- script | latent 8 | kl --> nats.")
    assert filled == "KL is 24.6 ± 1.4<!-- script | latent 8 | kl --> nats."
    assert tables.with_numbers(filled) == filled
    with pytest.raises(shared_files.InputError, match="has no row for <!-- script"):
        tables.with_numbers("1<!-- script | latent 9 | kl -->")


def test_a_report_value_that_is_none_gets_one_line(capsys):
    for text in ("accuracy", "accuracy=high", "=0.5", "accuracy=0.5.5", "accuracy=nan", "two words=1"):
        with pytest.raises(SystemExit):
            tables.main(["--report", text])
        assert f"argument --report: {text} is not METRIC=VALUE" in capsys.readouterr().err
    assert tables.report_value("loss=-1e-3") == ("loss", "-0.001")


def test_what_describes_a_run_needs_one(capsys):
    for flags in (["--setting", "latent 8"], ["--headline", "loss"], ["--report", "loss=1"]):
        with pytest.raises(SystemExit):
            tables.main(flags)
        assert "need --add" in capsys.readouterr().err


def test_damaged_runs_are_refused(own_results):
    folder = finished_run(kl=1)
    (folder / "results.json").write_text("{")
    with pytest.raises(shared_files.InputError, match=r"results\.json: is damaged"):
        tables.add_run(folder, "latent 8", "a laptop", "python script.py", {})
