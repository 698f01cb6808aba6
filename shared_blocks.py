"""The convolutional backbone that all six face scripts share (report: "VAE and GAN", the network listing)."""

from math import ceil
from pathlib import Path

import keras
from keras import layers

# For `compile(jit_compile=...)`: on a CPU, XLA's convolutions are slower than TensorFlow's own.
JIT_COMPILE_CONV = False if keras.backend.backend() == "tensorflow" else "auto"


def fast_precision():
    """Return "mixed_bfloat16" where it is faster, on a GPU or a processor with bf16 units, else "float32"."""
    if keras.distribution.list_devices("gpu"):
        return "mixed_bfloat16"
    cpuinfo = Path("/proc/cpuinfo")  # Linux only; elsewhere nothing tells without a package of its own
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def build_conv_net(
    *, image_shape, outputs, filters=64, conv_layers=5, activation=None, dtype="float32", name="conv_net"
):
    """Return a network that halves a picture `conv_layers` times and reads the rest with one dense layer.

    Args:
        image_shape: (height, width, channels) of the pictures, each of height and width at least 1 pixel.
        outputs: units of the dense head.
        filters: channels of every convolution.
        conv_layers: number of 3x3 convolutions with stride 2; five take 64x64 to 2x2.
        activation: of the dense head; None leaves it linear.
        dtype: precision policy of the convolutions; the head is float32.
        name: name of the returned model.

    Returns:
        A functional `keras.Model`: float (batch, height, width, channels) -> (batch, outputs).
    """
    pictures = keras.Input(image_shape, name="pictures")
    x = pictures
    for index in range(1, conv_layers + 1):
        x = layers.Conv2D(
            filters=filters,
            kernel_size=3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=dtype,
            name=f"conv_{index}",
        )(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units=outputs, activation=activation, name="head")(x)
    return keras.Model(inputs=pictures, outputs=x, name=name)


def build_deconv_net(
    *,
    image_shape,
    latent_dim,
    filters=64,
    deconv_layers=4,
    activation="sigmoid",
    dtype="float32",
    name="deconv_net",
):
    """Return a network that grows a latent vector into a picture by doubling it `deconv_layers` times.

    The first map has the picture's size divided by 2 ** deconv_layers, rounded up (4x4x64 for 64x64 pictures),
    and what the doubling brings too much is cropped evenly from the edges.

    Args:
        image_shape: (height, width, channels) of the pictures.
        latent_dim: length of the latent vector.
        filters: channels of every transposed convolution.
        deconv_layers: number of 3x3 transposed convolutions with stride 2.
        activation: of the picture: "sigmoid" for the range [0, 1], "tanh" for [-1, 1].
        dtype: precision policy of all but the last convolution, which is float32.
        name: name of the returned model.

    Returns:
        A functional `keras.Model`: float (batch, latent_dim) -> (batch, height, width, channels).
    """
    height, width, channels = image_shape
    growth = 2**deconv_layers
    start_height, start_width = ceil(height / growth), ceil(width / growth)

    latent = keras.Input((latent_dim,), name="latent")
    x = layers.Dense(units=start_height * start_width * 64, dtype=dtype, name="project")(latent)
    x = layers.Reshape((start_height, start_width, 64), dtype=dtype, name="first_map")(x)
    for index in range(1, deconv_layers + 1):
        x = layers.Conv2DTranspose(
            filters=filters,
            kernel_size=3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=dtype,
            name=f"deconv_{index}",
        )(x)
    x = layers.Conv2D(filters=channels, kernel_size=3, padding="same", activation=activation, name="to_picture")(x)
    if (start_height * growth, start_width * growth) != (height, width):
        x = layers.CenterCrop(height, width, name="crop")(x)
    return keras.Model(inputs=latent, outputs=x, name=name)
