"""Traversals of a decoder whose dimensions are known."""

import numpy as np
import pytest

from shared_factors import MEASURES
from shared_traversals import STEPS, Traversals, caption


def decode(codes):
    """Return a bar for each code: dimension 0 makes it longer, dimension 1 does nothing, dimension 2 moves it far."""
    pictures = np.zeros((len(codes), 28, 28), np.uint8)
    for picture, (grow, _, move) in zip(pictures, codes, strict=True):
        left = 12 + (10 if move >= 2 else 0)
        picture[14 - int(6 + 2 * grow) : 14 + int(6 + 2 * grow), left : left + 4] = 255
    return pictures


def read(pictures):
    """Read a long bar as 1, another one as 0."""
    return (pictures.max(axis=-1) > 0).sum(axis=-1) // 20


@pytest.fixture
def traversals():
    return Traversals(decode, read, np.array([[0.0, 0.5, 0], [1.0, -0.5, 0]]))


def test_one_dimension_is_moved_at_a_time(traversals):
    assert traversals.pictures.shape == (2, 3, len(STEPS), 28, 28)
    grown = traversals.pictures[0, 0].max(axis=-1).sum(axis=-1) // 255
    assert grown.tolist() == [2 * int(6 + 2 * step) for step in STEPS]
    for picture in traversals.pictures[1, 1]:
        np.testing.assert_array_equal(picture, decode(np.array([[1.0, 0, 0]]))[0])


def test_slopes_and_flips(traversals):
    assert traversals.slopes[0, list(MEASURES).index("height")] == pytest.approx(4, abs=0.5)  # pixels: 2 at each end
    np.testing.assert_allclose(traversals.slopes[1], 0, atol=1e-9)
    assert traversals.flipped[0, 0].tolist() == [False] * 5 + [True] * 2  # of 20 rows and more
    assert not traversals.flipped[:, 1].any()


def test_what_leaves_the_data_is_told_by_reconstructions(traversals):
    train = decode(np.stack([np.linspace(-1, 2, 31), np.zeros(31), np.zeros(31)], axis=1))
    left = traversals.left_data(train, train[::2])
    assert left[0].tolist() == [1, 1, 0, 0, 0, 0, 1]
    assert left[2].tolist() == [0] * 5 + [1] * 2
    assert not left[1].any()


def test_rows_are_sorted_by_kl_and_captioned_by_what_changes_most(traversals, tmp_path):
    deviations = np.ones(len(MEASURES))
    left = np.zeros((3, len(STEPS)))
    left[2, -1] = 0.5
    rows = traversals.describe(np.array([1.0, 0.01, 2.0]), np.array([True, False, True]), deviations, left)
    assert [row["dimension"] for row in rows] == [2, 0, 1]
    assert rows[0]["left_data"] == 0.25
    assert rows[1]["does"] in ("height", "length")
    assert rows[1]["deviations"] == rows[1]["slope"] > 3
    assert rows[1]["flipped"] == 0.5
    assert caption(rows[1]).startswith(f"z0: KL 1.00\n{rows[1]['does']} +")
    assert caption(rows[2]) == "z1: KL 0.01\nnot used"
    assert caption({**rows[2], "active": 1}) == "z1: KL 0.01\nnothing measured"
    traversals.save(tmp_path / "rows.png", rows, "title")
    traversals.save_dimensions(tmp_path / "dimensions.png", rows, deviations, left, "title")
    assert (tmp_path / "rows.png").stat().st_size > 3_000
    assert (tmp_path / "dimensions.png").stat().st_size > 3_000
