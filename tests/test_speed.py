"""The benchmark runs, and what it keeps has a place in the table of results."""

import pytest

from maintenance import speed, tables


@pytest.mark.parametrize("name", ["generator", "text"])
def test_a_contest_is_measured_and_kept(name, without_xla, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(speed, "fast_steps", lambda steps: {"jit_compile": False})
    speed.main([name, "--rounds", "1", "--keep", "a laptop"])
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]) == 3
    rows = {row["metric"]: row for row in tables.read_rows()}
    assert {"ms_ours", "ms_plain", "times"} <= rows.keys()
    assert all(float(row["value"]) > 0 for row in rows.values())
    assert rows["ms_ours"]["command"] == f"python -m maintenance.speed {name} --rounds 1"
