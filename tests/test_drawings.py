"""What is drawn where there is no data: from the seed alone, and varied."""

import numpy as np
import pytest

import shared_drawings


def test_drawn_faces_follow_from_the_seed_and_vary():
    faces = shared_drawings.draw_faces(40, 64, seed=3)
    assert faces.dtype == np.uint8
    assert faces.shape == (40, 64, 64, 3)
    np.testing.assert_array_equal(faces[:7], shared_drawings.draw_faces(7, 64, seed=3))
    assert (faces[:7] != shared_drawings.draw_faces(7, 64, seed=4)).mean() > 0.5
    assert len(np.unique(faces.reshape(40, -1), axis=0)) == 40
    assert faces.std(axis=0).mean() > 30  # a VAE has something to learn
    assert faces[:, 32, 32].astype(int).std(axis=0).min() > 10  # skins
    assert faces[:, 2, 2].astype(int).std(axis=0).min() > 10  # backgrounds


def test_drawn_digits_can_be_told_apart():
    images, labels = shared_drawings.draw_digits(4_500, seed=0)
    assert images.shape == (4_500, 28, 28)
    assert images.dtype == np.uint8
    flat = images.reshape(len(images), -1).astype(np.float32)
    known, asked = flat[:4000], flat[4000:]
    nearest = np.argmin((known**2).sum(axis=1) - 2 * asked @ known.T, axis=1)
    assert (labels[nearest] == labels[4000:]).mean() > 0.9
    assert flat[labels == 3].std(axis=0).mean() > 20


@pytest.mark.parametrize("count", [50, 1000])
def test_digits_are_equally_many(count):
    assert np.bincount(shared_drawings.draw_digits(count, seed=0)[1]).tolist() == [count // 10] * 10
