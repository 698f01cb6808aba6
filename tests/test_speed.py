"""The benchmark runs, and what it keeps has a place in the table of results."""

import pytest

from maintenance import contests, speed, tables


def test_a_contest_is_measured_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")
    speed.main(["generator", "--rounds", "1", "--keep", "a laptop"])
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]) == 3
    rows = {row["metric"]: row for row in tables.read_rows()}
    assert {"ms_ours", "ms_plain", "times"} <= rows.keys()
    assert all(float(row["value"]) > 0 for row in rows.values())
    assert rows["ms_ours"]["command"] == "python -m maintenance.speed generator --rounds 1"


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
