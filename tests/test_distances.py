"""Distances between pictures and sets of pictures, on cases whose answer is known."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import convolve

import shared_distances
from shared_drawings import draw_faces


@pytest.fixture(scope="module")
def faces():
    return draw_faces(120, 64, seed=0)


def test_fidelity_of_known_errors(faces):
    few = faces[:4]
    same = shared_distances.fidelity(np.clip(few, 0, 200), np.clip(few, 0, 200) + np.uint8(51))  # 51 = 255 / 5
    assert same["mse"] == pytest.approx(0.04, rel=1e-4)
    assert same["psnr"] == pytest.approx(10 * np.log10(1 / 0.04), rel=1e-4)
    assert 0.3 < same["ssim"] < 1
    noise = np.random.default_rng(0).integers(0, 256, few.shape, np.uint8)
    assert shared_distances.fidelity(noise, few)["ssim"] < 0.1
    one = shared_distances.fidelity(np.full_like(few, 100), np.full_like(few, 110))
    luminance = (2 * 100 * 110 + 2.55**2) / (100**2 + 110**2 + 2.55**2)  # all that is left where nothing varies
    assert one["ssim"] == pytest.approx(luminance, rel=1e-4)


@pytest.mark.parametrize(("size", "levels"), [(64, [64, 32, 16]), (75, [75, 38, 19]), (16, [16]), (31, [31])])
def test_the_pyramid_can_be_put_together_again(size, levels):
    pictures = draw_faces(2, size, seed=0)
    pyramid = shared_distances.laplacian_pyramid(pictures)
    assert list(pyramid) == levels
    whole = pyramid[levels[-1]]
    for level in levels[-2::-1]:
        whole = pyramid[level] + np.stack([cv2.pyrUp(picture, dstsize=(level, level)) for picture in whole])
    np.testing.assert_allclose(whole, pictures, atol=1e-3)


def test_the_pyramid_is_that_of_the_papers_code():
    """There each size is smoothed by binomials, mirrored at its borders."""
    pictures = draw_faces(2, 64, seed=0)
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, :, :, None] / 256
    expected, current = {}, pictures.astype(np.float64)
    for size in (64, 32):
        coarser = convolve(current, weights, mode="mirror")[:, ::2, ::2]
        grown = np.zeros_like(current)
        grown[:, ::2, ::2] = coarser
        expected[size] = current - convolve(grown, 4 * weights, mode="mirror")
        current = coarser
    for size, level in shared_distances.laplacian_pyramid(pictures).items():
        np.testing.assert_allclose(level, {**expected, 16: current}[size], atol=1e-3)


def test_patches_are_patches_of_the_pictures():
    pictures = np.arange(2 * 20 * 20 * 3, dtype=np.float32).reshape(2, 20, 20, 3)
    places = np.random.default_rng(0).integers(0, 14, (2, 2, 128))
    patches = shared_distances.patches_at(pictures, places).reshape(2, 128, 3, 7, 7)
    step = np.diff(patches, axis=-1)  # of one column to the next, 3 before each channel is divided by its deviation
    np.testing.assert_allclose(np.diff(patches, axis=-2) / step[..., :1, :1], 20, rtol=1e-2)
    np.testing.assert_allclose(patches.mean(axis=(0, 1, 3, 4)), 0, atol=1e-4)
    np.testing.assert_allclose(patches.std(axis=(0, 1, 3, 4)), 1, rtol=1e-3)


def test_the_distance_of_one_coloured_patches_is_that_of_their_colours(monkeypatch):
    """One set has the colours 1 and -1, the other colours from N(0, 1)."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (400, 1, 1, 1))
    levels = {"signs": signs, "normal": rng.standard_normal((400, 1, 1, 1))}
    monkeypatch.setattr(
        shared_distances,
        "laplacian_pyramid",
        lambda name: {16: np.broadcast_to(levels[name], (400, 16, 16, 3)).astype(np.float32)},
    )
    two = [type("Set", (str,), {"shape": (400, 16, 16, 3)})(name) for name in levels]
    found = shared_distances.sliced_wasserstein(*two)["swd"]
    # On a unit direction u a patch of colour c falls on c * sum(u), and sum(u) is nearly N(0, 1); so the distance is
    # E|N(0, 1)| = sqrt(2 / pi) times that of the colours, which are compared in their order.
    between = np.mean(np.abs(1 - np.abs(rng.standard_normal(1_000_000))))
    assert found == pytest.approx(1e3 * np.sqrt(2 / np.pi) * between, rel=0.1)


def test_the_distance_sees_blur_and_not_a_tint(faces):
    one, two = faces[::2], faces[1::2]
    floor = shared_distances.sliced_wasserstein(one, two)
    assert list(floor) == ["swd_64", "swd_32", "swd_16", "swd"]
    assert floor["swd"] == pytest.approx(np.mean([floor["swd_64"], floor["swd_32"], floor["swd_16"]]))
    of_itself = shared_distances.sliced_wasserstein(one, one)["swd"]  # in other places
    assert 0.2 * floor["swd"] < of_itself < 1.5 * floor["swd"]
    blurred = np.stack([cv2.GaussianBlur(face, (5, 5), 1.5) for face in two])
    assert shared_distances.sliced_wasserstein(one, blurred)["swd_64"] > 3 * floor["swd_64"]
    noisy = np.clip(two + np.random.default_rng(0).normal(0, 25, two.shape), 0, 255).astype(np.uint8)
    assert shared_distances.sliced_wasserstein(one, noisy)["swd_64"] > 3 * floor["swd_64"]
    tinted = (two // 2 + np.uint8(40)).astype(np.uint8)
    assert shared_distances.sliced_wasserstein(one, tinted)["swd"] < 2 * floor["swd"]
    assert shared_distances.channel_gap(one, tinted) > 20 > 10 > shared_distances.channel_gap(one, two)
    with pytest.raises(ValueError, match="alike"):
        shared_distances.sliced_wasserstein(one, two[:-1])


def test_the_floor_of_a_comparison_is_of_training_pictures_spread_over_all(faces):
    held_out, train = faces[:20], faces[20:]
    comparison = shared_distances.Comparison(train, held_out, columns=4)
    (floor,) = comparison.rows.values()
    spread = train[np.linspace(0, len(train) - 1, 20).astype(int)]
    assert floor["swd"] == shared_distances.sliced_wasserstein(held_out, spread)["swd"]


def test_distances_are_in_grey_values(faces):
    assert shared_distances.nearest_pictures(faces[:3] // 2, faces[:3] // 2 + np.uint8(7))[1] == pytest.approx(7)
    flat, striped = np.full((2, 2, 64, 64, 3), 100, np.uint8)
    striped[:, :, ::2], striped[:, :, 1::2] = 90, 110
    assert shared_distances.channel_gap(flat, striped) == pytest.approx(10), "of the deviations; the means are alike"


def test_the_floor_falls_with_the_number_of_pictures(faces):
    few = shared_distances.sliced_wasserstein(faces[:10], faces[10:20])
    assert shared_distances.sliced_wasserstein(faces[:60], faces[60:])["swd"] < 0.7 * few["swd"]


def test_a_set_is_measured_the_same_whatever_was_measured_before(faces):
    first = shared_distances.SlicedWasserstein(faces[:20], seed=5)
    first.distances(faces[20:40])
    alone = shared_distances.sliced_wasserstein(faces[40:60], faces[:20], seed=5)
    assert first.distances(faces[40:60]) == alone
    assert shared_distances.sliced_wasserstein(faces[40:60], faces[:20], seed=6) != alone


def test_kernel_distance_of_four_numbers():
    # (x y + 1)^3 of the pairs (0, 1) and (2, 3) is 1 and 343; of the pairs between the two, 1, 1, 27, 64
    found = shared_distances.kernel_distance(np.array([[0], [1]]), np.array([[2], [3]]))
    assert found == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kernel_distance_of_gaussians():
    """Beside the points of one Gaussian, those of one that is moved by `shift` in each of `numbers` directions."""
    numbers, shift, rng = 8, 0.5, np.random.default_rng(0)
    length = numbers * shift**2
    same = 1 + 3 / numbers  # of x.y, the mean is 0 and the variance `numbers`
    between = 1 + 3 * (length + numbers) / numbers**2
    mean, variance = 1 + length / numbers, (2 * length + numbers) / numbers**2
    moved = mean**3 + 3 * mean * variance + 6 * length / numbers**3  # the last is the third moment about the mean
    one, two, other = rng.standard_normal((3, 3_000, numbers))
    assert shared_distances.kernel_distance(one, two + shift) == pytest.approx(same + moved - 2 * between, rel=0.05)
    assert shared_distances.kernel_distance(one, other) == pytest.approx(0, abs=3e-3)


def test_kernel_distance_has_no_bias():
    """Over many small sets of one distribution the mean is 0, while single values are on both sides of it."""
    rng = np.random.default_rng(0)
    found = [shared_distances.kernel_distance(*rng.standard_normal((2, 5, 4))) for _ in range(4_000)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    assert min(found) < 0 < max(found)
    assert error < 0.1  # pairs of a point and itself would add more than 2


def test_density_and_coverage_of_four_numbers():
    # each of 0, 1, 3, 7 has a ball of the distance to its second neighbour: 3, 2, 3, 6; 0.5 lies in those of 0, 1, 3
    found = shared_distances.density_and_coverage(np.array([[0.5], [20]]), np.array([[0], [1], [3], [7]]), neighbours=2)
    assert found == {"density": pytest.approx(3 / (2 * 2)), "coverage": pytest.approx(3 / 4)}


def test_density_and_coverage_tell_what_is_missing_and_what_does_not_belong():
    rng = np.random.default_rng(0)
    real, same = rng.standard_normal((2, 2_000, 16))
    found = shared_distances.density_and_coverage(same, real)
    assert found["density"] == pytest.approx(1, abs=0.05)
    assert found["coverage"] == pytest.approx(1 - 2**-5, abs=0.01)  # a nearest of both sets is as often of either
    two = real + 20 * (np.arange(2_000) % 2)[:, None]  # two kinds, of which one never comes
    half = shared_distances.density_and_coverage(same, two)
    assert half["density"] == pytest.approx(1, abs=0.1)
    assert half["coverage"] == pytest.approx(0.5, abs=0.02)
    doubtful = np.where(np.arange(2_000)[:, None] % 4, same, same + 20)  # a quarter is like nothing
    assert shared_distances.density_and_coverage(doubtful, real)["density"] == pytest.approx(0.75, abs=0.05)
    assert shared_distances.density_and_coverage(same + 20, real) == {"density": 0, "coverage": 0}


def test_channel_gap_is_in_grey_values():
    grey = np.full((3, 8, 8, 3), 100, np.uint8)
    tinted = grey + np.array([0, 7, 0], np.uint8)
    assert shared_distances.channel_gap(grey, tinted) == pytest.approx(7)


@pytest.mark.parametrize("part", [1, 10, 2_000])
def test_nearest_is_what_a_loop_finds(faces, part, monkeypatch):
    monkeypatch.setattr(shared_distances, "PART", part)
    rows, distances = shared_distances.nearest(faces[:5], faces[5:40])
    for face, row, distance in zip(faces[:5], rows, distances, strict=True):
        expected = [np.linalg.norm(face.astype(float) - other) for other in faces[5:40]]
        assert row == np.argmin(expected)
        assert distance == pytest.approx(min(expected), rel=1e-3)


def test_a_comparison_finds_copies_and_has_a_floor(faces):
    comparison = shared_distances.Comparison(faces[:100], faces[100:], columns=3)
    comparison.add("copies", faces[40:60], code_distance=0.5)
    floor, copies = comparison.rows.values()
    assert copies["picture_distance"] == 0 < floor["picture_distance"]
    np.testing.assert_array_equal(comparison.nearest["copies"], faces[40:43])
    np.testing.assert_array_equal(comparison.shown["copies"], faces[40:43])
    assert comparison.caption("copies") == (
        f"copies: SWD {copies['swd']:.1f}, distance to the nearest training code 0.50"
    )
