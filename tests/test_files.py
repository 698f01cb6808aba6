"""Files that are whole or not there, and contents that are told apart."""

import numpy as np
import pytest

import shared_files
from shared_files import InputError


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), shared_files.written_whole(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_tables_have_all_columns_of_all_rows(tmp_path):
    path = tmp_path / "table.csv"
    shared_files.write_table(path, [{"a": 1.5}, {"a": 2, "b": 3}], columns=["first"])
    assert path.read_text() == "first,a,b\n,1.5,\n,2,3\n"
    np.testing.assert_equal(
        shared_files.read_history(path), {"first": [np.nan, np.nan], "a": [1.5, 2], "b": [np.nan, 3]}
    )
    with pytest.raises(InputError, match=r"table\.csv: is damaged \(has no epoch\)"):
        shared_files.read_history(path, "a", "epoch")
    path.write_text("a\n\xff\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"table\.csv: is damaged"):
        shared_files.read_history(path)
    assert shared_files.read_history(tmp_path / "none.csv") == {}


def test_tables_are_printed_aligned(capsys):
    shared_files.print_table([{"name": "one", "loss": 0.123456}, {"name": "three", "loss": ""}])
    assert capsys.readouterr().out == " name    loss\n  one  0.1235\nthree        \n"


def test_epochs_beyond_999_have_their_place(tmp_path):
    for name in ("epoch_1000.npz", "epoch_999.npz", "epoch_x.npz", "other.npz"):
        (tmp_path / name).touch()
    assert list(shared_files.epoch_files(tmp_path)) == [999, 1000]


def test_fingerprints_are_of_contents():
    array = np.arange(12, dtype=np.uint8)
    same = np.arange(24, dtype=np.uint8)[:12]
    assert shared_files.fingerprint(array) == shared_files.fingerprint(same)
    others = [array + 1, array[::-1], array.reshape(3, 4), array.astype(np.int8), np.arange(13, dtype=np.uint8)]
    assert len({shared_files.fingerprint(each) for each in [array, *others]}) == 6
    assert shared_files.fingerprint(array, same) != shared_files.fingerprint(array)
