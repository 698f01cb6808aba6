"""Trained models: those that are kept still make what their results say, and any folder is opened or refused."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import KEPT, MODELS

import HVAE_drums
import shared_blocks
import shared_explorer
import shared_models
import task2_txt2txt_identities as identities
import task2_txt2txtimg2txt as task2
from shared_bars import draw_codes
from shared_figures import sharpness
from shared_files import InputError, read_history, read_json, write_json
from shared_networks import Sampler, decode, load_networks
from shared_training import predict


def noise_of(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def network(folder, name):
    return load_networks(MODELS / folder, name)[0]


def share_right(folder, queries, answers):
    """Return the share of tokens (count, 5) that a text model answers with the right tokens (count, 3)."""
    found = predict(network(folder, "model"), shared_blocks.to_one_hot(queries))
    return np.mean(np.all(found.argmax(-1) == answers, axis=-1))


def right_with_ideas(folder):
    """Return it of the test expressions, which follow from the settings alone."""
    queries, answers = shared_blocks.sample_expressions(identities.LIMIT, seed=0)
    equations = identities.to_numbers(queries, answers)
    rows, others = shared_blocks.split_expressions(queries, 1_000 / len(queries), seed=0)
    known = identities.derive([equations[row] for row in rows])
    tested = [equations[row] for row in others if equations[row] not in known]
    return share_right(folder, *identities.write(tested, identities.IDEAS))


def right_by_half(folder):
    queries, answers = shared_blocks.sample_expressions(task2.LIMIT, seed=0)
    _, tested = shared_blocks.split_expressions(queries, 0.5, seed=0)
    return share_right(folder, queries[tested], answers[tested])


def sharpness_of(name, low, count):
    """Return the function that finds the sharpness of so many samples of a network of this name."""

    def find(folder):
        made = network(folder, name)
        return sharpness(decode(made, noise_of(count, made.input_shape[1]), low))

    return find


def hits_drawn(folder):
    drums = shared_models.open_model(MODELS / folder)
    rng = np.random.default_rng(1)
    codes = draw_codes(drums.prior, *drums.sizes, HVAE_drums.SAMPLES, rng)
    return drums.play(*codes, temperature=1, rng=rng).sum() / HVAE_drums.SAMPLES


def rank_of_prior(folder):
    return np.linalg.matrix_rank(network(folder, "prior").weights[0], tol=1e-3)


def weights_of_model(folder):
    return network(folder, "model").count_params()


NUMBERS = {  # folder: metric, how it is found from the weights alone, how far it may differ
    "task2_txt2txt_identities/all_1000": ("test_exact_match", right_with_ideas, 0.002),
    "task2_txt2txtimg2txt/text_0.5": ("test_exact_match", right_by_half, 0.002),
    "GAN_filter128_latent64": ("sharpness_samples", sharpness_of("generator", -1, 32), 0.05),
    "GAN_filter128_latent128": ("sharpness_samples", sharpness_of("generator", -1, 32), 0.05),
    "GAN_filter128_latent128_stable": ("sharpness_samples", sharpness_of("generator", -1, 32), 0.05),
    "GAN_filter128_latent256": ("sharpness_samples", sharpness_of("generator", -1, 32), 0.05),
    "GAN_filter128_latent256_cats": ("sharpness_samples", sharpness_of("generator", -1, 32), 0.05),
    "VAEGAN_filter128_latent128": ("sharpness_samples", sharpness_of("generator", -1, 385), 0.05),
    "VAE_filter64_latent32": ("sharpness_samples", sharpness_of("decoder", 0, 100), 0.05),
    "VAE_filter64_latent64": ("sharpness_samples", sharpness_of("decoder", 0, 100), 0.05),
    "VAE_filter64_latent128": ("sharpness_samples", sharpness_of("decoder", 0, 100), 0.05),
    "VAE_filter64_latent128_cats": ("sharpness_samples", sharpness_of("decoder", 0, 100), 0.05),
    "CAE_filter128_latent512": ("dimensions_used", rank_of_prior, 0.1),
    "HVAE_drums/linear": ("hits_drawn", hits_drawn, 0.03),
    "A2_RNNs_text2image/encoders1_decoders1_units512": ("parameters", weights_of_model, 0),
}


@pytest.mark.parametrize("folder", NUMBERS)
def test_a_number_is_found_again_from_the_weights(folder):
    metric, find, tolerance = NUMBERS[folder]
    assert find(folder) == pytest.approx(read_json(MODELS / folder / "results.json")[metric], rel=tolerance)


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.relative_to(MODELS).as_posix())
def test_every_kept_model_makes_something(folder):
    model = shared_models.open_model(folder)
    if isinstance(model, shared_models.Solver):
        if model.reads_pictures:
            glyphs = np.zeros((5, *shared_blocks.GLYPH_SHAPE), np.uint8)
            answer, probabilities = model.answer_pictures(glyphs)
        else:
            answer, probabilities = model.answer("12+34")
            assert answer == "46"
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-3)
        return
    if isinstance(model, shared_models.Writer) and len(model.model.inputs) == 1:  # it writes in one way
        answer, equal, other = (model.sample(3, 0, text) for text in ("12+34", "40+6", "12+35"))
        assert len(answer) == 1
        distances = [np.abs(answer.astype(int) - drawn)[..., -28:].mean() for drawn in (equal, other)]
        assert distances[0] < 5 < distances[1]
        return
    text = {"text": "12+34"} if isinstance(model, shared_models.Writer) else {}
    made, again, other = (model.sample(3, seed, **text) for seed in (0, 0, 1))
    assert made.dtype == np.uint8
    assert len(made) == 3
    np.testing.assert_array_equal(made, again)
    assert np.any(made != other)
    assert len(np.unique(made.reshape(3, -1), axis=0)) == 3
    kinds = (Sampler, shared_models.Glyphs, shared_models.Patches, shared_models.Drums, shared_models.Writer)
    assert isinstance(model, kinds)


def test_letters_are_those_that_are_asked_for():
    """The same noise with other letters; the text again and again where there is more noise than text."""
    model = shared_models.open_model(MODELS / "CGAN_mnist")
    sevens, as_asked = model.sample(4, 0, "7"), model.sample(4, 0, "72")
    np.testing.assert_array_equal(sevens[[0, 2]], as_asked[[0, 2]])
    assert np.any(sevens[1] != as_asked[1])
    noise = np.random.default_rng(0).standard_normal((4, model.latent_dim), np.float32)
    np.testing.assert_array_equal(model.generate(noise, "7777"), sevens)
    with pytest.raises(InputError, match="'A' cannot be asked for; 0123456789 can"):
        model.sample(1, 0, "A")
    with pytest.raises(InputError, match="nothing can"):
        shared_models.open_model(MODELS / "GAN_fonts/penalty_0").sample(1, 0, "A")


def test_given_patches_stay():
    model = shared_models.open_model(MODELS / "RNN_mnist_patches")
    pictures = np.zeros((2, 28, 28), np.uint8)
    pictures[:, 3:14, 10:16] = 255
    completed = model.complete(pictures, 8, seed=0)
    np.testing.assert_array_equal(completed[:, :14], pictures[:, :14])
    assert completed[:, 14:].any()


def constant_model(folder, text):
    """Save a model that gives the same answer to everything."""
    query = keras.Input(shared_blocks.QUERY_SHAPE)
    answer = keras.ops.convert_to_tensor(shared_blocks.to_one_hot(shared_blocks.to_tokens([text])))
    folder.mkdir(parents=True)
    keras.Model(query, keras.ops.sum(query) * 0 + answer).save(folder / "model.keras")
    write_json(folder / "settings.json", {"data": "expressions"})


@pytest.mark.parametrize(("arm", "answer"), [("plain", "12"), ("turned", "21")])
def test_an_arm_is_read_as_its_settings_say(tmp_path, arm, answer):
    constant_model(tmp_path / "run" / f"{arm}_1000", " 12" if arm == "plain" else "12 ")
    constants = {"ARMS": {"plain": [], "turned": ["reversed", "aligned"]}}
    write_json(tmp_path / "run" / "settings.json", {"script": "task2_txt2txt_identities", "constants": constants})
    model = shared_models.open_model(tmp_path / "run")
    assert (model.turned, model.aligned) == (arm == "turned", arm == "turned")
    assert model.answer("7+5")[0] == answer
    expected = " 7+ 5" if model.aligned else "  7+5"
    assert shared_blocks.to_texts(model.tokens_of("7 + 5")) == [expected]


def test_a_folder_is_known_wherever_one_stands(monkeypatch):
    monkeypatch.chdir(MODELS / "task2_txt2txt_identities" / "all_1000")
    assert shared_models.open_model(Path(".")).answer("12+34")[0] == "46"
    monkeypatch.chdir(MODELS / "CGAN_mnist" / "labels")
    assert shared_models.open_model(Path(".")).letters == "0123456789"


def test_bars_of_an_arm_without_learned_prior_are_drawn_from_none(tiny, tmp_path, monkeypatch, eagerly):
    script = tiny("HVAE_drums")
    monkeypatch.setattr(script, "ARMS", {"plain_prior": {"learned_prior": False, "annealing": "none"}})
    script.main(["--arms", "plain_prior", "--out", str(tmp_path / "run")])
    assert read_history(tmp_path / "run" / "plain_prior" / "history.csv")["beta"] == [script.BETA]
    assert shared_models.open_model(tmp_path / "run").prior is None
    bars = shared_explorer.Bars(tmp_path / "run" / "plain_prior")
    assert bars.code_of(bars.hits_of(bars.random(seed=0))).shape == (bars.latent_dim,)
    assert shared_models.open_model(MODELS / "HVAE_drums").prior is not None


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"holds no networks\.$"):
        shared_models.open_model(tmp_path)
    inputs = keras.Input((3,)), keras.Input((7,))
    pictures = keras.layers.Reshape((28, 28, 1))(keras.layers.Dense(784)(keras.layers.Concatenate()(inputs)))
    with pytest.raises(InputError, match="takes one of 7 labels"):
        shared_models.Glyphs(keras.Model(inputs, pictures), labelled=True)
    with pytest.raises(InputError, match=r"holds no networks itself; take one of many, two\.$"):
        shared_models.open_model(MODELS / "VAE_mnist_traversal")
    shutil.copytree(MODELS / "task2_txt2txt_identities/all_1000", tmp_path / "mine")
    with pytest.raises(InputError, match="mine: is not named after one of plain, identities"):
        shared_models.open_model(tmp_path / "mine")
    shutil.copytree(MODELS / "GAN_fonts/labels_0", tmp_path / "letters")
    with pytest.raises(InputError, match="letters: is not named after one of vanilla"):
        shared_models.open_model(tmp_path / "letters")
    (tmp_path / "generator.keras").write_text("damaged")
    with pytest.raises(InputError, match="a network is damaged"):
        shared_models.open_model(tmp_path)
