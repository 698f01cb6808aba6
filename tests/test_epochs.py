"""The epochs that are timed are those of the run."""

from maintenance import epochs, tables


def test_the_second_epoch_is_timed_and_kept(tiny, tmp_path, monkeypatch, capsys):
    tiny("VAE_filter64_latent32")
    monkeypatch.setattr(epochs, "SCRIPTS", ("VAE_filter64_latent32",))
    monkeypatch.setattr(epochs, "PICTURES", 40)
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(epochs, "read_history", lambda path: {"seconds": [100.0, 0.5]})
    epochs.main(["--keep", "a laptop"])
    (row,) = tables.read_rows()
    assert row["setting"] == "an epoch of VAE_filter64_latent32, part ."
    assert (row["metric"], row["value"]) == ("seconds_epoch", "96")
    assert "seconds_epoch" in capsys.readouterr().out
