"""Crisp answers: what each network is told, what each loss moves, whose hand it is, and what is said of it."""

import keras
import numpy as np
import pytest
from conftest import marked_digits, tiny_digits

import A2_text2image_crisp as script
import shared_blocks
import shared_factors
import shared_readers
import shared_run


def build(tiny):
    tiny("A2_text2image_crisp")
    keras.utils.set_random_seed(0)
    return script.GlyphGAN(script.build_generator(), script.build_critic(), seed=0)


def glyph_batch(count=12):
    (digits, labels), _ = tiny_digits()
    rng = np.random.default_rng(0)
    return {
        "said": np.eye(13, dtype=np.float32)[labels[:count]],
        "character": labels[:count].astype(np.int32),
        "hand": rng.standard_normal((count, 2), np.float32),
        "picture": digits[:count],
    }


def test_a_glyph_follows_from_character_hand_and_noise(tiny):
    model = build(tiny)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((2, size), np.float32) for size in (13, 2, script.NOISE_DIM)]
    inputs[0][:, script.BLANK] = 0
    first = np.asarray(model.generator(inputs))
    assert first.shape == (2, 28, 28, 1)
    assert np.abs(first).max() <= 1
    for index in range(3):
        changed = [2 * part if place == index else part for place, part in enumerate(inputs)]
        assert np.abs(np.asarray(model.generator(changed)) - first).max() > 1e-4


def test_the_critic_is_told_character_and_hand(tiny):
    model = build(tiny)
    pictures = np.asarray(script.scale(tiny_digits()[0][0][:2]))
    told = np.zeros((2, 15), np.float32)
    logits = np.asarray(model.critic([pictures, told]))
    assert logits.shape == (2, 1)
    for place in (3, 13, 14):
        other = told.copy()
        other[:, place] = 1
        assert np.abs(np.asarray(model.critic([pictures, other])) - logits).max() > 1e-4


def test_losses_are_those_of_the_critic_s_logits(tiny):
    model = build(tiny)
    batch = glyph_batch()
    made = {"pictures": keras.ops.full((12, 28, 28, 1), -1.0), "hand": keras.ops.ones((12, 2))}
    found = float(model.compute_loss(batch, y_pred=made))
    character = np.eye(13, dtype=np.float32)[batch["character"]]
    pictures = [np.asarray(part) for part in (script.scale(batch["picture"]), made["pictures"])]
    real = np.asarray(model.critic([pictures[0], np.hstack([character, batch["hand"]])]))
    fake = np.asarray(model.critic([pictures[1], np.hstack([character, np.ones((12, 2), np.float32)])]))
    expected = np.mean((np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))) / 2) + np.mean(np.log1p(np.exp(-fake)))
    assert found == pytest.approx(expected, rel=1e-3)


def test_each_network_learns_by_its_own_loss_alone(tiny, monkeypatch):
    """One fused step equals a step of each network trained alone, so neither loss reaches the other's weights."""
    monkeypatch.setattr(script, "PRECISION", "float32")
    options = {"loss": keras.losses.BinaryCrossentropy(from_logits=True), "jit_compile": False}
    fused = build(tiny)
    batch = glyph_batch()
    # In a graph, TensorFlow may update the critic before the generator's gradient is found.
    fused.compile(optimizer=keras.optimizers.SGD(1e-3), run_eagerly=True)
    fused.train_on_batch(batch)

    alone = build(tiny)
    seeds = keras.random.SeedGenerator(0)
    hand, noise = (np.asarray(keras.random.normal((12, size), seed=seeds)) for size in (2, script.NOISE_DIM))
    fake = np.asarray(alone.generator([batch["said"], hand, noise], training=True))
    real = np.asarray(script.scale(batch["picture"]))
    character = np.eye(13, dtype=np.float32)[batch["character"]]
    told = [np.hstack([character, each]) for each in (batch["hand"], hand)]
    critic = keras.models.clone_model(alone.critic)
    critic.set_weights(alone.critic.get_weights())
    critic.compile(optimizer=keras.optimizers.SGD(1e-3), **options)
    both = [np.concatenate([real, fake]), np.concatenate(told)]
    critic.train_on_batch(both, np.concatenate([np.ones((12, 1)), np.zeros((12, 1))]))

    alone.critic.trainable = False
    inputs = [*alone.generator.inputs, keras.Input((15,))]
    chain = keras.Model(inputs, alone.critic([alone.generator(inputs[:3]), inputs[3]]))
    chain.compile(optimizer=keras.optimizers.SGD(1e-3), **options)
    chain.train_on_batch([batch["said"], hand, noise, told[1]], np.ones((12, 1)))

    for name, expected in (("critic", critic), ("generator", alone.generator)):
        networks = (getattr(build(tiny), name), getattr(fused, name), expected)
        for old, new, wanted in zip(*(map(np.asarray, network.trainable_weights) for network in networks), strict=True):
            assert np.linalg.norm(new - wanted) < 0.02 * np.linalg.norm(wanted - old)


def test_the_averaged_generator_follows_the_other_and_is_not_trained(tiny):
    model = build(tiny)
    model.generator.set_weights([np.array(weight) + 1 for weight in model.generator.weights])
    model.compute_loss(glyph_batch(), y_pred=model(glyph_batch()))
    for average, weight in zip(model.average.network.weights, model.generator.weights, strict=True):
        np.testing.assert_allclose(np.asarray(average), np.asarray(weight) - 0.1, atol=1e-5)
    assert not any(weight is other for weight in model.trainable_weights for other in model.average.network.weights)


def test_answers_are_written_from_the_right_and_come_in_order_of_reading(tiny):
    tiny("A2_text2image_crisp")
    writer = script.build_writer()
    query = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 12+3", " 9-10"]))
    decoded = np.asarray(keras.Model(writer.input, writer.get_layer("decoder").output)(query))
    np.testing.assert_allclose(writer.get_layer("answer")(decoded[:, ::-1]), writer(query), rtol=1e-5)


def bars(slants, thickness, digit):
    """Return upright bars that are sheared and thick as told: a digit's glyphs, and its label for each."""
    y, x = np.mgrid[:28, :28] - 13.5
    shapes = [
        (np.abs(x + slant * y) < thick / 2) & (np.abs(y) < 9) for slant, thick in zip(slants, thickness, strict=True)
    ]
    return np.array(shapes, np.uint8) * 255, np.full(len(slants), digit)


def test_slant_and_thickness_of_bars():
    slants, thickness = np.array([-0.4, 0.0, 0.4, 0.0]), np.array([4.0, 4.0, 4.0, 8.0])
    found = script.slant_and_thickness(bars(slants, thickness, 1)[0])
    np.testing.assert_allclose(found[:, 0], slants, atol=0.05)
    assert found[3, 1] - found[1, 1] == pytest.approx(2, abs=1)
    assert found[1, 1] == pytest.approx(3.5, abs=0.7)


def test_hands_are_ranks_within_a_digit():
    """Of each digit the leftmost glyph is as far left in its hand as that of any other, however digits differ."""
    slants = np.linspace(-0.5, 0.5, 5)
    sets = [bars(slants + 0.02 * digit, np.full(5, 4.0), digit) for digit in range(10)]
    bank = shared_blocks.GlyphBank(*map(np.concatenate, zip(*sets, strict=True)), 0)
    hands = script.hands_of(bank, 0)
    assert hands.shape == (len(bank.glyphs), 2)
    assert np.abs(hands).max() <= 3
    of_digits = hands[:50, 0].reshape(10, 5)
    assert (np.diff(of_digits, axis=1) > 0).all()
    np.testing.assert_allclose(of_digits, of_digits[:1].repeat(10, axis=0), atol=0.2)
    np.testing.assert_allclose(of_digits.mean(axis=1), 0, atol=0.2)
    others = hands[50:]
    assert abs(others.mean()) < 0.1
    assert others.std() == pytest.approx(1, abs=0.1)


def test_a_real_glyph_comes_with_its_own_hand():
    bank = shared_blocks.GlyphBank(*tiny_digits()[0], 0)
    hands = np.arange(2.0 * len(bank.glyphs)).reshape(-1, 2).astype(np.float32)
    tokens = np.arange(13, dtype=np.int8).repeat(4)
    said = np.zeros((len(tokens), 13), np.float32)
    (batch,) = script.glyphs_with_hands(bank, hands)(said, tokens, np.random.default_rng(0))
    rows = (batch["hand"][:, 0] / 2).astype(int)
    np.testing.assert_array_equal(bank.glyphs[rows], batch["picture"])
    np.testing.assert_array_equal(batch["character"], tokens)
    assert (rows >= bank.starts[tokens]).all()
    assert (rows < bank.starts[tokens] + bank.counts[tokens]).all()


def test_glyphs_and_expressions_of_the_test_are_never_trained_on(tiny, monkeypatch, tmp_path, eagerly):
    """Training digits are all bright bars, test digits all grey ones."""
    tiny("A2_text2image_crisp")
    glyphs = [bars(np.linspace(-0.3, 0.3, 5), np.full(5, 4.0), digit) for digit in range(10)]
    path = marked_digits(tmp_path, *map(np.concatenate, zip(*glyphs, strict=True)))
    fit, seen = shared_run.Run.fit, {}

    def watched_fit(run, model, batches, *, callbacks=(), **options):
        seen[run.folder.name] = batches
        for judge in (callback.judge for callback in callbacks if hasattr(callback, "judge")):
            assert set(judge.real[judge.true < 10].max(axis=(1, 2)).tolist()) == {99}
            assert len(judge.true) == 12
        return fit(run, model, batches, callbacks=callbacks, **options)

    monkeypatch.setattr("shared_run.Run.fit", watched_fit)
    script.main(["--mnist", str(path)])
    (batch,) = seen["critic"].whole(0)
    of_digits = batch["picture"][batch["character"] < 10]
    assert set(of_digits.max(axis=(1, 2)).tolist()) == {255}
    (_, _, _), pictures = seen["regression"].whole(0)
    assert pictures.max() == 1
    assert len(seen["characters"].rows) == 48
    assert len(seen["critic"].arrays[0]) == 3 * 48
    assert script.BLANK not in seen["critic"].arrays[1][seen["critic"].rows]  # which needs not be learned


def test_a_blank_has_no_ink(tiny):
    generator = build(tiny).generator
    said = np.zeros((3, 13), np.float32)
    said[[0, 1, 2], [12, 5, 12]] = 1
    said[2, [5, 12]] = 0.75, 0.25
    rng = np.random.default_rng(0)
    inputs = [said, *(rng.standard_normal((3, size), np.float32) for size in (2, script.NOISE_DIM))]
    drawn = keras.Model(generator.inputs, generator.get_layer("deconv_2").output)(inputs)
    pictures, drawn = np.asarray(generator(inputs)), np.asarray(drawn)
    assert (pictures[0] == -1).all()
    np.testing.assert_allclose(pictures[1], drawn[1], atol=1e-6)
    np.testing.assert_allclose(pictures[2], 0.75 * (drawn[2] + 1) - 1, atol=1e-6)


def test_the_hand_is_that_of_the_whole_answer(tiny, monkeypatch):
    """The generator draws its hand's slant as the grey of a glyph."""
    tiny("A2_text2image_crisp")

    def predict(generator, inputs):
        _, hand, noise = inputs
        assert noise.shape == (12, script.NOISE_DIM)
        assert len(np.unique(noise[:, 0])) == 12
        return np.tile(np.clip(hand[:, :1, None, None] / 4, -1, 1), (1, 28, 28, 1))

    monkeypatch.setattr("shared_training.predict", predict)
    drawing = script.Draw(None, np.zeros((4, 3, 13), np.float32), seed=0)
    answers = drawing()
    assert answers.shape == (4, 3, 28, 28)
    assert len(np.unique(answers)) == 4
    assert (answers == answers[:, :1, :1, :1]).all()
    twice = script.Draw(None, drawing.said, seed=0, temperature=2.0)
    np.testing.assert_array_equal(twice.hand, 2 * drawing.hand)
    np.testing.assert_array_equal(twice.noise, 2 * drawing.noise)
    assert not script.Draw(None, drawing.said, seed=0, temperature=0.0).noise.any()


def test_followed_hands_are_found_and_ignored_ones_are_not():
    rng = np.random.default_rng(0)

    class Drawing:
        hand = rng.standard_normal((100, 2)).astype(np.float32)

        def __init__(self, follows):
            self.follows = follows

        def __call__(self):
            slants = self.hand[:, 0] if self.follows else rng.standard_normal(100)
            return bars(0.15 * slants.repeat(3), np.full(300, 4.0), 1)[0].reshape(100, 3, 28, 28)

    true = np.ones((100, 3), int)
    true[:, 0] = 12
    found = script.hand_followed(Drawing(True)(), Drawing.hand, true)
    assert found["slant_followed"] > 0.95
    assert abs(found["thickness_followed"]) < 0.4
    assert abs(script.hand_followed(Drawing(False)(), Drawing.hand, true)["slant_followed"]) < 0.3
    assert list(shared_factors.MEASURES)[:2] == ["thickness", "slant"]


def test_real_digits_follow_their_own_hands(monkeypatch):
    monkeypatch.setattr(script, "MEASURED", 100)
    pictures, _ = bars(np.linspace(-0.4, 0.4, 200), np.full(200, 4.0), 1)
    bank, true = shared_blocks.GlyphBank(pictures, np.arange(200) % 10, 0), np.arange(300).reshape(100, 3) % 13
    found = script.hand_followed_by_real(bank, true, seed=0)
    assert found["slant_followed_real"] > 0.9


def test_the_joined_network_draws_what_its_parts_draw(tiny):
    tiny("A2_text2image_crisp")
    writer, generator = script.build_writer(), script.build_generator()
    rng = np.random.default_rng(0)
    query = shared_blocks.to_one_hot(shared_blocks.to_tokens([" 12+3", " 9-10"]))
    hand, noise = rng.standard_normal((2, 2), np.float32), rng.standard_normal((2, 3, script.NOISE_DIM), np.float32)
    joined = np.asarray(script.join(writer, generator)([query, hand, noise]))
    apart = script.draw(generator, script.to_glyphs(np.asarray(writer(query)), hand, noise))
    np.testing.assert_allclose(255 * joined, apart, atol=1.5)


def test_copies_are_read_and_have_no_diversity(monkeypatch):
    monkeypatch.setattr(
        shared_readers, "read", lambda reader, pictures: np.rint(pictures[..., 0, 0] * 255 / 20).astype(int)
    )
    true = np.random.default_rng(0).integers(0, 10, (200, 3))
    bank = shared_blocks.GlyphBank(*tiny_digits()[1], 0)
    judge = script.Judge(None, true, bank.pick(true, np.random.default_rng(1)))
    copies = np.tile((20 * true)[..., None, None], (1, 1, 28, 28)).astype(np.uint8)
    numbers = judge(copies)
    assert (numbers["read_glyphs"], numbers["read_answers"]) == (1, 1)
    assert numbers["diversity"] == pytest.approx(0, abs=1e-5)
    copies[:50, 0] = 200
    numbers = judge(copies)
    assert numbers["read_answers"] == pytest.approx(0.75)
    assert numbers["read_glyphs"] == pytest.approx(1 - 50 / 600)
