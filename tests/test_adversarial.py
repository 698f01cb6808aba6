"""What adversarial networks share, on networks whose answers are known."""

import keras
import numpy as np
import pytest

import shared_adversarial


def linear(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])


def test_a_network_held_still_says_the_same_and_keeps_its_state():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    points = np.random.default_rng(0).standard_normal((8, 5), np.float32)
    before = [np.array(weight) for weight in network.weights]
    still = np.asarray(shared_adversarial.held_still(network, points, training=True))
    for old, new in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))
    np.testing.assert_allclose(still, np.asarray(network(points, training=True)), rtol=1e-5)


def test_gradients_reach_the_inputs_of_a_network_held_still_alone():
    """Trained together, the network before it moves, and it does not."""

    class Chain(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = (keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)]) for _ in range(2))
            self.built = True

        def call(self, points):
            return shared_adversarial.held_still(self.last, self.first(points), training=True)

    chain = Chain()
    before = {weight.path: np.array(weight) for weight in chain.trainable_weights}
    chain.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", jit_compile=False)
    chain.train_on_batch(np.ones((4, 5), np.float32), np.ones((4, 5), np.float32))
    moved = {weight.path for weight in chain.trainable_weights if np.any(np.asarray(weight) != before[weight.path])}
    assert moved == {weight.path for weight in chain.first.weights}


def test_slopes_of_a_linear_network_are_its_kernel():
    judge = linear()
    pictures = keras.ops.zeros((8_000, 4, 4, 3))
    seed = keras.random.SeedGenerator(0)
    slopes = np.asarray(shared_adversarial.squared_slopes(judge, pictures, judge(pictures), 0.1, seed))
    assert slopes.shape == (8_000, 1)
    assert slopes.mean() == pytest.approx(np.sum(np.asarray(judge.weights[0]) ** 2), rel=0.1)


def test_the_deviation_of_a_batch_is_one_more_channel():
    features = np.zeros((4, 2, 2, 3), np.float32)
    features[:2, :, :, 0] = 6  # deviation 3 in one channel of three
    told = np.asarray(shared_adversarial.with_deviation(keras.ops.cast(features, "bfloat16")))
    assert told.dtype == np.float32
    np.testing.assert_array_equal(told[..., :3], features)
    np.testing.assert_allclose(told[..., 3], 1, atol=1e-3)
    alike = np.asarray(shared_adversarial.with_deviation(np.repeat(features[:1], 4, axis=0)))
    np.testing.assert_allclose(alike[..., 3], 0, atol=1e-3)


def test_an_average_forgets_the_untrained_network_and_later_moves_less():
    network = linear()
    average = shared_adversarial.Average(network, momentum=0.99)
    weights = [np.array(weight) for weight in network.weights]
    network.set_weights([weight + 1 for weight in weights])
    average.follow(network)
    for mean, weight in zip(average.network.weights, weights, strict=True):
        np.testing.assert_allclose(np.asarray(mean) - weight, 0.9, atol=1e-5)
    assert float(average.steps) == 1
    average.steps.assign(1e6)
    network.set_weights([weight + 11 for weight in weights])
    average.follow(network)
    for mean, weight in zip(average.network.weights, weights, strict=True):
        np.testing.assert_allclose(np.asarray(mean) - weight, 0.9 + 0.01 * (11 - 0.9), atol=1e-4)
    assert not average.trainable_weights
