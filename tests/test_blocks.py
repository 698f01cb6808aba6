"""The backbone has the report's layers, for pictures of any size; the expressions are right, and shown as they are."""

import numpy as np
import pytest
from keras import layers

import shared_blocks
import shared_drawings
import shared_files


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


@pytest.fixture(scope="module")
def texts():
    return shared_blocks.arithmetic_expressions()


def test_all_expressions_are_right_and_padded_in_front(texts):
    queries, answers = texts
    assert len(queries) == len(set(queries)) == 20_000
    assert {len(query) for query in queries} == {5}
    assert {len(answer) for answer in answers} == {3}
    for query, answer in zip(queries, answers, strict=True):
        assert not query.endswith(" ")
        sign = 1 if "+" in query else -1
        first, second = map(int, query.replace("-", "+").split("+"))
        assert int(answer) == first + sign * second
    assert {min(map(int, answers)), max(map(int, answers))} == {-99, 198}
    assert " 1+17" in queries
    assert answers[queries.index(" 1+17")] == " 18"


def test_tokens_and_one_hot_lead_back_to_the_text(texts):
    queries, answers = texts
    tokens = shared_blocks.to_tokens(queries)
    assert tokens.dtype == np.int8
    assert shared_blocks.to_texts(tokens) == queries
    one_hot = shared_blocks.to_one_hot(tokens)
    assert one_hot.shape == (20_000, 5, 13)
    assert one_hot.dtype == np.float32
    assert (one_hot.sum(axis=-1) == 1).all()
    assert shared_blocks.to_texts(one_hot.argmax(-1)) == queries
    assert shared_blocks.to_one_hot(shared_blocks.to_tokens(answers)).shape == (20_000, 3, 13)


@pytest.mark.parametrize("commuted_together", [False, True])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.05])
def test_no_expression_is_on_both_sides(texts, share, commuted_together):
    queries = texts[0]
    tokens = shared_blocks.to_tokens(queries)
    train, test = shared_blocks.split_expressions(tokens, share, 1, commuted_together)
    assert abs(len(train) - share * 20_000) <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(20_000))
    trained = {queries[row].strip() for row in train}
    twins = 0
    for row in test:
        query = queries[row].strip()
        assert query not in trained
        if "+" in query:
            twins += "+".join(reversed(query.split("+"))) in trained
    assert (twins == 0) == commuted_together
    again, _ = shared_blocks.split_expressions(tokens, share, 1, commuted_together)
    other, _ = shared_blocks.split_expressions(tokens, share, 2, commuted_together)
    np.testing.assert_array_equal(train, again)
    assert not np.array_equal(train, other)


def test_pictures_show_their_text():
    """Glyphs of a bank whose pictures carry their own label can be read back."""
    labels = np.repeat(np.arange(10), 30)
    digits = np.broadcast_to((labels + 1).astype(np.uint8)[:, None, None] * 10, (300, 28, 28)).copy()
    digits[:, 0, 0] = np.arange(300) % 30
    bank = shared_blocks.GlyphBank(digits, labels, seed=0)
    tokens = shared_blocks.to_tokens([" 0+99", "12-34", "56+78"])
    pictures = bank.pick(tokens, np.random.default_rng(0))
    assert pictures.shape == (3, 5, 28, 28)
    assert pictures.dtype == np.uint8
    for row, text in enumerate([" 0+99", "12-34", "56+78"]):
        for picture, character in zip(pictures[row], text, strict=True):
            if character.isdigit():
                assert (picture[1:] == (int(character) + 1) * 10).all()
            elif character == " ":
                assert (picture == 0).all()
            else:
                across, down = picture[14, 8:21].mean(), picture[8:12, 14].mean() + picture[17:20, 14].mean()
                assert across > 100
                assert (down > 100) == (character == "+")
    np.testing.assert_array_equal(pictures, bank.pick(tokens, np.random.default_rng(0)))
    np.testing.assert_array_equal(pictures, bank.glyphs[bank.choose(tokens, np.random.default_rng(0))])
    nines = bank.pick(np.full(200, 9), np.random.default_rng(1))
    assert len(np.unique(nines[:, 0, 0])) > 20  # all of a digit's glyphs are used
    strokes = bank.pick(np.full(50, shared_blocks.CHARACTERS.index("-")), np.random.default_rng(1))
    assert len(np.unique(strokes.reshape(50, -1), axis=0)) > 40
    assert ((strokes > 0) & (strokes < 255)).any()


def test_a_split_without_a_side_is_refused(texts):
    tokens = shared_blocks.to_tokens(texts[0])
    for share in (1e-6, 1 - 1e-6):
        with pytest.raises(shared_files.InputError, match="cannot be split"):
            shared_blocks.split_expressions(tokens, share, 0)


def test_limit_takes_a_part_of_the_expressions_by_the_seed(capsys):
    queries, answers = shared_blocks.sample_expressions(50, seed=0)
    assert (queries.shape, answers.shape) == ((50, 5), (50, 3))
    assert len({text.strip()[0] for text in shared_blocks.to_texts(queries)}) > 3  # not the first ones only
    assert (queries == shared_blocks.sample_expressions(50, seed=0)[0]).all()
    assert (queries != shared_blocks.sample_expressions(50, seed=1)[0]).any()
    assert capsys.readouterr().out == ""
    assert len(shared_blocks.sample_expressions(30_000, seed=0)[0]) == 20_000
    assert "the limit is 30,000 expressions; there are 20,000" in capsys.readouterr().out


def test_banks_of_other_seeds_share_no_stroke():
    digits = shared_drawings.draw_digits(10, seed=0)
    banks = [shared_blocks.GlyphBank(*digits, [0, index]) for index in (0, 1)]
    signs = [set(map(bytes, bank.glyphs[10:-1])) for bank in banks]
    assert min(map(len, signs)) > 1_900
    assert not signs[0] & signs[1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [("12+34", (12, "+", 34)), (" 7 - 45 ", (7, "-", 45)), ("07+5", (7, "+", 5))],
)
def test_queries_are_read(text, parts):
    assert shared_blocks.read_query(text) == parts


@pytest.mark.parametrize("text", ["", "12", "12*3", "12+", "100+1", "1.5+2", "1+2+3", "1 2+3", "²+3", "12+34\n"])
def test_what_is_no_query_is_refused(text):
    with pytest.raises(shared_files.InputError, match="is no sum or difference"):
        shared_blocks.read_query(text)


def test_every_query_is_written_as_it_was_read():
    queries, _ = shared_blocks.arithmetic_expressions()
    assert [shared_blocks.write_query(*shared_blocks.read_query(query)) for query in queries] == queries
    assert shared_blocks.write_query(7, "-", 5, aligned=True) == " 7- 5"
