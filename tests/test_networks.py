"""Pictures from the networks of a run, whatever their kind, and features for KID."""

import cv2
import keras
import numpy as np
import pytest
from keras import layers

import shared_networks
from shared_drawings import draw_faces
from shared_files import InputError, fingerprint
from shared_training import predict

LATENT_DIM, CODE_DIM = 3, 5


def chain(start, *steps):
    """Return a model of one input and a chain of layers."""
    first = tensor = keras.Input(start)
    for step in steps:
        tensor = step(tensor)
    return keras.Model(first, tensor)


def drawer(dimensions, activation, shape=(16, 16, 3)):
    """Return a network that makes pictures of vectors."""
    return chain((dimensions,), layers.Dense(int(np.prod(shape)), activation), layers.Reshape(shape))


def vae_encoder(pictures=(16, 16, 3)):
    """Return a network with the outputs of the encoder of a VAE."""
    first = keras.Input(pictures)
    flat = layers.Flatten()(first)
    return keras.Model(first, {name: layers.Dense(LATENT_DIM)(flat) for name in ("z_mean", "z_log_var")})


def plain_encoder():
    """Return the encoder of an autoencoder."""
    return chain((16, 16, 3), layers.Flatten(), layers.Dense(CODE_DIM))


def two_inputs():
    """Return a generator that must be told a label, too."""
    noise, label = keras.Input((LATENT_DIM,)), keras.Input((10,))
    return keras.Model([noise, label], drawer(LATENT_DIM + 10, "tanh")(layers.Concatenate()([noise, label])))


def save(folder, **networks):
    """Save networks as a run does."""
    for name, network in networks.items():
        network.save(folder / f"{name}.keras")


@pytest.mark.parametrize(
    ("names", "used", "low"),
    [
        (("generator",), ("generator",), -1),
        (("encoder", "generator"), ("generator",), -1),
        (("encoder", "decoder"), ("decoder",), 0),
        (("prior", "codes_decoder"), ("prior", "codes_decoder"), 0),
        (("plain_encoder", "prior", "codes_decoder"), ("prior", "codes_decoder"), 0),
    ],
)
def test_every_kind_of_run_makes_pictures_of_noise(names, used, low, tmp_path):
    networks = {
        "generator": drawer(LATENT_DIM, "tanh"),
        "encoder": vae_encoder(),
        "plain_encoder": plain_encoder(),
        "decoder": drawer(LATENT_DIM, "sigmoid"),
        "prior": chain((LATENT_DIM,), layers.Dense(CODE_DIM)),
        "codes_decoder": drawer(CODE_DIM, "sigmoid"),
    }
    save(tmp_path, **{name.split("_")[-1]: networks[name] for name in names})
    sampler = shared_networks.open_sampler(tmp_path)
    assert (sampler.latent_dim, sampler.size) == (LATENT_DIM, 16)
    noise = np.random.default_rng(7).standard_normal((700, LATENT_DIM), np.float32)  # more than one batch
    expected = noise
    for name in used:
        expected = keras.ops.convert_to_numpy(networks[name](expected))
    expected = (expected - low) / (1 - low) * 255
    for pictures in (sampler.generate(noise), sampler.sample(700, seed=7)):
        assert pictures.dtype == np.uint8
        np.testing.assert_allclose(pictures, expected, atol=0.51)
    assert np.any(sampler.sample(5, seed=8) != sampler.sample(5, seed=7))


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ({}, "holds no networks"),
        ({"encoder": plain_encoder, "decoder": lambda: drawer(CODE_DIM, "sigmoid")}, "holds no networks"),
        ({"decoder": lambda: drawer(CODE_DIM, "sigmoid")}, "holds no networks"),
        ({"generator": two_inputs}, "do not lead from"),
        ({"generator": lambda: drawer(3, "tanh", (16, 16, 1))}, "do not lead from"),
        ({"generator": lambda: drawer(3, "tanh", (48,))}, "do not lead from"),
        (
            {"generator": lambda: chain((16, 16, 3), layers.Conv2D(3, 3, padding="same"))},
            "do not lead from",
        ),
        (
            {"prior": lambda: chain((3,), layers.Dense(4)), "decoder": lambda: drawer(5, "sigmoid")},
            "do not lead from",
        ),
    ],
)
def test_what_makes_no_pictures_of_noise_is_refused(networks, words, tmp_path):
    save(tmp_path, **{name: build() for name, build in networks.items()})
    with pytest.raises(InputError, match=words) as caught:
        shared_networks.open_sampler(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_network_is_named(tmp_path):
    (tmp_path / "generator.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"a network is damaged \(generator\.keras") as caught:
        shared_networks.open_sampler(tmp_path)
    assert "\n" not in str(caught.value)


def test_inception_sees_pictures_as_on_keras_io(monkeypatch):
    asked = {}

    def flat(**options):
        asked.update(options)
        return chain(options["input_shape"], layers.Flatten())

    monkeypatch.setattr(keras.applications, "InceptionV3", flat)
    faces = draw_faces(3, 64, seed=0)
    features = predict(shared_networks.open_inception(64), faces)
    resized = [cv2.resize(face.astype(np.float32), (75, 75), interpolation=cv2.INTER_LINEAR) for face in faces]
    np.testing.assert_allclose(features, np.reshape(resized, (3, -1)) / 127.5 - 1, atol=1e-3)
    assert asked == {"include_top": False, "pooling": "avg", "input_shape": (75, 75, 3)}


def test_inception_without_weights_is_one_line(monkeypatch):
    def offline(**options):
        raise Exception("URL fetch failure")  # as Keras does

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(InputError, match="cannot be had") as caught:
        shared_networks.open_inception(64)
    assert "\n" not in str(caught.value)


def test_features_are_what_a_reader_has_before_its_last_layer(tmp_path):
    faces = draw_faces(3, 16, seed=0)
    pictures = keras.Input((16, 16, 3))
    means = layers.GlobalAveragePooling2D()(pictures)
    keras.Model(pictures, layers.Dense(5)(means)).save(tmp_path / "reader.keras")
    features = predict(shared_networks.open_features(tmp_path / "reader.keras", 16), faces)
    np.testing.assert_allclose(features, faces.mean(axis=(1, 2)) / 255, rtol=1e-4)
    keras.Model(pictures, layers.Conv2D(2, 3)(pictures)).save(tmp_path / "maps.keras")
    keras.Model(pictures, layers.Add()([means, means])).save(tmp_path / "sum.keras")
    with pytest.raises(InputError, match=r"reader\.h5: no such file"):
        shared_networks.open_features(tmp_path / "reader.h5", 16)
    for name, size in (("reader", 8), ("maps", 16), ("sum", 16)):
        with pytest.raises(InputError, match=f"{name}.keras: does not lead from {size}x{size} pictures"):
            shared_networks.open_features(tmp_path / f"{name}.keras", size)


def test_runs_to_compare_with_are_not_opened_before_processes_are_joined(monkeypatch):
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    assert shared_networks.open_beside([], draw_faces(2, 16, seed=0), 0.05, 7, "c") == []
    with pytest.raises(InputError, match="--beside: not in several processes"):
        shared_networks.open_beside(["a"], draw_faces(2, 16, seed=0), 0.05, 7, "c")


def test_a_run_is_compared_with_one_of_each_other_script(monkeypatch):
    images = draw_faces(2, 16, seed=0)
    opened = []

    def open_one(folder, pictures, held_out, seed):
        opened.append((pictures, held_out, seed))
        return folder, 3, {}

    monkeypatch.setattr(shared_networks, "open_networks", open_one)
    found = shared_networks.open_beside(["a", "b"], images, 0.05, 7, "c")
    assert [script for script, *_ in found] == ["a", "b"]
    assert set(opened) == {(fingerprint(images), 0.05, 7)}
    for folders in (["a", "a"], ["a", "c"]):
        with pytest.raises(InputError, match="takes one run of a script, and none of this one"):
            shared_networks.open_beside(folders, images, 0.05, 7, "c")
