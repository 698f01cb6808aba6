"""Codes: their spread, where others lie among them, and samplers, on Gaussians and mixtures that are known."""

import numpy as np
import pytest

from shared_codes import Codes, Mixture, slerp

MEAN, ROOT = np.array([5.0, -2.0, 0.5]), np.array([[3.0, 0, 0], [1.0, 0.5, 0], [0, 0, 0.1]])


def gaussian_codes(count, seed):
    return (MEAN + np.random.default_rng(seed).standard_normal((count, 3)) @ ROOT.T).astype(np.float32)


@pytest.fixture(scope="module")
def codes():
    return Codes(gaussian_codes(4_000, seed=0), gaussian_codes(1_000, seed=1))


def test_whitened_noise_has_the_codes_mean_and_covariance(codes):
    drawn = codes.restore(np.random.default_rng(2).standard_normal((20_000, 5)))  # two columns too many
    np.testing.assert_allclose(drawn.mean(axis=0), MEAN, atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), ROOT @ ROOT.T, rtol=0.1, atol=0.1)
    place = codes.place(drawn[:1_000])
    assert place["code_distance"] == pytest.approx(1, abs=0.15)
    assert place["inside_shell"] == pytest.approx(0.99, abs=0.01)


def test_codes_that_lie_elsewhere_are_told(codes):
    elsewhere = codes.place(np.random.default_rng(2).standard_normal((1_000, 3)))  # N(0, I)
    assert elsewhere["inside_shell"] < 0.1
    assert elsewhere["code_distance"] > 5
    copies = codes.place(codes.train[:100])
    assert copies["code_distance"] < 1e-2


def test_explained_variance_counts_directions(codes):
    variances = np.sort(np.linalg.eigvalsh(ROOT @ ROOT.T))[::-1]
    shares = np.cumsum(variances) / variances.sum()
    assert codes.directions_for(shares[0] - 0.01) == 1
    assert codes.directions_for(shares[0] + 0.005) == 2
    assert codes.directions_for(1.0) == 3


def test_half_way_codes_lie_between_neighbours():
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2).astype(np.float32)
    codes = Codes(grid, grid + 0.1)
    picks = np.random.default_rng(0).random((500, 2))
    middle = codes.half_way(picks)
    starts = grid[(picks[:, 0] * 100).astype(int)]
    reach = np.linalg.norm(middle - starts, axis=1)
    assert 0 < reach.min() < reach.max() < 2  # half the way to one of ten neighbours, never the code itself
    np.testing.assert_array_equal(codes.neighbours(grid[[35]] + 0.2, 2)[0, 0], 35)


def test_a_mixture_is_chosen_by_held_out_codes_and_drawn_from():
    rng = np.random.default_rng(0)

    def two_clouds(count):
        return (rng.standard_normal((count, 2)) + np.where(rng.random((count, 1)) < 0.3, 10, -10)).astype(np.float32)

    codes = Codes(two_clouds(2_000), two_clouds(500))
    mixture = Mixture(codes, seed=0)
    assert mixture.scores[2] > mixture.scores[1] + 0.1
    assert mixture.components >= 2
    drawn = codes.restore(mixture.draw(rng.standard_normal((5_000, 2)), rng.random(5_000)))
    assert np.mean(drawn[:, 0] > 0) == pytest.approx(0.3, abs=0.03)
    assert np.mean(np.abs(drawn) < 5) < 0.01  # between the clouds there is nothing
    assert drawn[drawn[:, 0] > 0].std(axis=0) == pytest.approx([1, 1], abs=0.1)


def test_more_components_than_held_out_codes_bear_out_are_not_taken():
    rng = np.random.default_rng(0)
    mixture = Mixture(Codes(*(rng.standard_normal((count, 2)).astype(np.float32) for count in (200, 2_000))), seed=0)
    assert mixture.scores[1] > mixture.scores[32] + 0.1
    assert mixture.components < 32


def test_draws_from_a_mixture_are_correlated_as_its_codes():
    rng = np.random.default_rng(0)

    def two_clouds(count):
        codes = rng.standard_normal((count, 2))
        codes[:, 1] = 0.9 * codes[:, 0] + 0.4 * codes[:, 1]
        codes[:, 0] += np.where(rng.random(count) < 0.5, 10, -10)
        return codes.astype(np.float32)

    codes = Codes(two_clouds(2_000), two_clouds(500))
    drawn = codes.restore(Mixture(codes, seed=0).draw(rng.standard_normal((5_000, 2)), rng.random(5_000)))
    assert np.corrcoef(drawn[drawn[:, 0] > 0].T)[0, 1] == pytest.approx(0.9 / np.hypot(0.9, 0.4), abs=0.06)


def test_the_shell_is_that_of_held_out_codes():
    rng = np.random.default_rng(0)
    wide = Codes(rng.standard_normal((500, 3)).astype(np.float32), 3 * rng.standard_normal((500, 3)).astype(np.float32))
    assert wide.inside_shell(wide.held_out) > 0.97


def test_a_mixture_of_one_is_the_fitted_gaussian(codes, monkeypatch):
    monkeypatch.setattr("shared_codes.MIXTURE_COMPONENTS", (1,))
    noise = np.random.default_rng(0).standard_normal((50, 3))
    drawn = codes.restore(Mixture(codes, seed=0).draw(noise, np.full(50, 0.5)))
    np.testing.assert_allclose(drawn, codes.restore(noise), rtol=1e-2, atol=1e-2)


def test_fewer_codes_than_dimensions():
    few = Codes(np.random.default_rng(0).standard_normal((7, 40)).astype(np.float32), np.zeros((2, 40), np.float32))
    assert few.pca.n_components_ == 6
    noise = np.random.default_rng(1).standard_normal((3, 40))
    mixture = Mixture(few, seed=0)
    assert mixture.components == 1
    for drawn in (
        few.restore(noise),
        few.restore(mixture.draw(noise, np.full(3, 0.5))),
        few.half_way(np.zeros((3, 2))),
    ):
        assert drawn.shape == (3, 40)
        assert np.isfinite(list(few.place(drawn).values())).all()


def test_slerp_between_vectors_on_one_line_is_straight():
    for start, end in (([0, 0], [2, 4]), ([1, 2], [3, 6]), ([1, 2], [-1, -2]), ([1, 2], [1, 2])):
        path = slerp(np.array(start, np.float32), np.array(end, np.float32), 3)
        assert path.tolist() == [start, [(a + b) / 2 for a, b in zip(start, end, strict=True)], end]


def test_slerp_stays_on_the_sphere_in_equal_angles():
    rng = np.random.default_rng(0)
    start, end = rng.standard_normal((2, 64))
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    path = slerp(start, end, 9)
    assert path.shape == (9, 64)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-6)
    cosines = np.sum(path[1:] * path[:-1], axis=1)
    np.testing.assert_allclose(cosines, cosines[0], atol=1e-6)
