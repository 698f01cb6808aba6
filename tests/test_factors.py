"""What is measured of digits, and how codes are scored by it, on cases whose answers are known."""

import cv2
import numpy as np
import pytest

import shared_factors as factors


def stroke(length=16, width=2, slant=0):
    """Return a white stroke on black, so long between the middles of its round ends, leaning so far to the right."""
    picture = np.zeros((28, 28), np.uint8)
    half = np.array([np.sin(np.radians(slant)), -np.cos(np.radians(slant))]) * length / 2
    ends = [tuple(np.rint(16 * (14 + sign * half)).astype(int).tolist()) for sign in (-1, 1)]
    return cv2.line(picture, *ends, 255, width, cv2.LINE_AA, shift=4)


def measured(picture):
    return dict(zip(factors.MEASURES, factors.measure(picture), strict=True))


@pytest.mark.parametrize("length", [12, 16, 20])
@pytest.mark.parametrize("slant", [-30, 0, 30])
def test_a_stroke_measures_what_it_is_drawn_with(length, slant):
    found = measured(stroke(length, slant=slant))
    assert found["length"] == pytest.approx(length, rel=0.15)
    assert found["slant"] == pytest.approx(slant, abs=4.5)
    assert found["height"] == pytest.approx(length * np.cos(np.radians(slant)) + found["width"] / 2, abs=1)
    assert found["width"] == pytest.approx(found["thickness"], abs=2.1)  # along the slant, and not across the picture


def test_a_thick_stroke_is_thicker_and_wider():
    thin, thick = measured(stroke(width=2)), measured(stroke(width=5))
    drawn = [(stroke(width=width).sum(axis=1) / 255).max() for width in (2, 5)]
    assert thick["thickness"] - thin["thickness"] == pytest.approx(drawn[1] - drawn[0], abs=1)
    assert thick["width"] - thin["width"] == pytest.approx(drawn[1] - drawn[0], abs=1)


def test_a_black_picture_measures_nothing():
    assert not factors.measure(np.zeros((28, 28), np.uint8)).any()


def test_many_are_measured_one_by_one():
    pictures = np.stack([stroke(width=2), stroke(width=5)])
    found = factors.measure_all(pictures)
    np.testing.assert_array_equal(found[1], factors.measure(pictures[1]))
    assert found[0, 0] < found[1, 0]


def test_bins_hold_equally_many():
    values = np.random.default_rng(0).exponential(size=2_000)
    bins = factors.to_bins(values)
    assert np.bincount(bins).tolist() == [100] * 20
    assert values[bins == 3].max() < values[bins == 4].min()


def codes_of():
    """Return digits, a quantity, and a code whose dimensions are the digit, the quantity, and noise."""
    rng = np.random.default_rng(0)
    labels, quantity, noise = rng.integers(0, 10, 4_000), *rng.standard_normal((2, 4_000))
    return labels, quantity, np.stack([labels.astype(float), quantity, noise], axis=1)


def test_the_gap_is_large_for_one_dimension_a_factor_and_none_for_two():
    labels, quantity, codes = codes_of()
    known = {"digit": labels, "quantity": factors.to_bins(quantity)}
    gaps = factors.mutual_information_gaps(codes, known)
    assert gaps["digit"] > 0.95
    assert gaps["quantity"] > 0.95
    twice = np.concatenate([codes, codes[:, :1]], axis=1)
    assert factors.mutual_information_gaps(twice, known)["digit"] == pytest.approx(0, abs=1e-9)


def test_an_outlier_and_a_faint_copy_in_noise_leave_the_gap():
    labels, _, codes = codes_of()
    before = factors.mutual_information_gaps(codes, {"digit": labels})["digit"]
    codes[0, 0] = 1e6
    codes[:, 2] += 0.01 * labels
    assert factors.mutual_information_gaps(codes, {"digit": labels})["digit"] > before - 0.02


def test_dci_tells_separate_dimensions_from_mixed_ones():
    labels, quantity, codes = codes_of()
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    separate, mixed = (factors.dci(each, labels, quantity[:, None], seed=0) for each in (codes, codes @ rotation))
    assert separate["disentanglement"] > 0.7
    assert separate["completeness"] > 0.7
    assert separate["informativeness"] > 0.95
    assert mixed["disentanglement"] < separate["disentanglement"] - 0.3
    assert mixed["completeness"] < separate["completeness"] - 0.3
    noise = np.random.default_rng(2).standard_normal((4_000, 3))
    assert factors.dci(noise, labels, quantity[:, None], seed=0)["informativeness"] < 0.1


@pytest.mark.parametrize(("row", "expected"), [([1, 0, 0], 1), ([1, 1, 1], 0), ([0, 0, 0], 1)])
def test_concentration(row, expected):
    assert factors.concentration(np.array([row], float))[0] == pytest.approx(expected, abs=1e-6)
