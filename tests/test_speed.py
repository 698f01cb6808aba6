"""The benchmark runs, and what it keeps has a place in the table of results."""

from maintenance import speed, tables


def test_a_contest_is_measured_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")
    speed.main(["generator", "--rounds", "1", "--keep", "a laptop"])
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]) == 3
    rows = {row["metric"]: row for row in tables.read_rows()}
    assert {"ms_ours", "ms_plain", "times"} <= rows.keys()
    assert all(float(row["value"]) > 0 for row in rows.values())
    assert rows["ms_ours"]["command"] == "python -m maintenance.speed generator --rounds 1"
