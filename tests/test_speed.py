"""The benchmark runs, and what it keeps has a place in the table of results."""

import pytest

from maintenance import contests, speed, tables
from shared_files import InputError


def test_a_contest_is_measured_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(speed, "in_pytorch", object())
    speed.main(["generator", "--rounds", "1", "--keep", "a laptop"])
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]) == 3
    rows = {row["metric"]: row for row in tables.read_rows()}
    assert {"ms_ours", "ms_plain", "times"} <= rows.keys()
    assert all(float(row["value"]) > 0 for row in rows.values())
    assert rows["ms_ours"]["command"].endswith("python -m maintenance.speed generator --rounds 1")
    with pytest.raises(InputError, match=r"has 'picking glyphs.*' of a laptop"):
        tables.put_times(
            {"ms_ours": 1.0}, "maintenance/speed", rows["ms_ours"]["setting"], "b", "c", data="d", epochs=0
        )


def test_rows_of_pytorch_are_not_lost_where_it_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(speed, "in_pytorch", None)
    with pytest.raises(SystemExit):
        speed.main(["generator", "--keep", "a laptop"])
    assert "PyTorch is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "contest"),
    [
        ("VAE_mnist_traversal", contests.digits_contest),
        ("HVAE_drums", contests.drums_contest),
        ("RNN_mnist_patches", contests.patches_contest),
    ],
)
def test_contests_are_of_the_scripts_models(tiny, name, contest):
    tiny(name)
    made = contest(steps=1)
    assert {"ours", "plain"} <= made.functions.keys()
    assert made.operations["ours"] > 1e6
