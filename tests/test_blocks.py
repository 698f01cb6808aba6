"""The backbone has the report's layers, for pictures of any size."""

import numpy as np
import pytest
from keras import layers

import shared_blocks


def conv_params(channels_in, channels_out):
    return 3 * 3 * channels_in * channels_out + channels_out


def test_conv_net_is_the_reports():
    net = shared_blocks.build_conv_net(image_shape=(64, 64, 3), outputs=10, filters=64)
    convolutions = [layer for layer in net.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.name for layer in convolutions] == ["conv_1", "conv_2", "conv_3", "conv_4", "conv_5"]
    for layer in convolutions:
        assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (64, (3, 3), (2, 2), "same")
        assert layer.activation.__name__ == "relu"
    assert convolutions[-1].output.shape == (None, 2, 2, 64)
    assert net.count_params() == conv_params(3, 64) + 4 * conv_params(64, 64) + (2 * 2 * 64 + 1) * 10


def test_deconv_net_is_the_reports():
    net = shared_blocks.build_deconv_net(image_shape=(64, 64, 3), latent_dim=10, filters=128)
    upsamplings = [layer for layer in net.layers if isinstance(layer, layers.Conv2DTranspose)]
    assert [layer.name for layer in upsamplings] == ["deconv_1", "deconv_2", "deconv_3", "deconv_4"]
    for layer in upsamplings:
        assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (128, (3, 3), (2, 2), "same")
        assert layer.activation.__name__ == "relu"
    assert net.get_layer("first_map").output.shape == (None, 4, 4, 64)
    expected = (10 + 1) * 4 * 4 * 64 + conv_params(64, 128) + 3 * conv_params(128, 128) + conv_params(128, 3)
    assert net.count_params() == expected
    assert net.layers[-1].name == "to_picture"


@pytest.mark.parametrize("image_shape", [(64, 64, 3), (75, 75, 3), (28, 28, 1), (33, 50, 4)])
def test_any_picture_size(image_shape):
    pictures = np.random.default_rng(0).random((2, *image_shape), np.float32)
    codes = shared_blocks.build_conv_net(image_shape=image_shape, outputs=7, filters=4)(pictures)
    assert codes.shape == (2, 7)
    back = np.asarray(shared_blocks.build_deconv_net(image_shape=image_shape, latent_dim=7, filters=4)(codes))
    assert back.shape == pictures.shape
    assert back.min() >= 0
    assert back.max() <= 1


def test_output_activations():
    latent = np.random.default_rng(0).normal(0, 100, (4, 5)).astype(np.float32)
    net = shared_blocks.build_deconv_net(image_shape=(16, 16, 3), latent_dim=5, filters=4, activation="tanh")
    assert -1 <= np.min(net(latent)) < 0
    head = shared_blocks.build_conv_net(image_shape=(16, 16, 3), outputs=1, filters=4).get_layer("head")
    assert head.activation.__name__ == "linear"
