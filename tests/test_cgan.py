"""The conditional GAN: what sees the label, what each loss moves, and what is said of its digits."""

import keras
import numpy as np
import pytest
from conftest import marked_digits, tiny_digits

import CGAN_mnist as script
import shared_blocks
import shared_readers


def build(labelled=True):
    keras.utils.set_random_seed(0)
    return script.CGAN(script.build_generator(), script.build_discriminator(), labelled, seed=0)


def one_hot(labels):
    return np.eye(10, dtype=np.float32)[labels]


def test_both_networks_see_the_label(tiny):
    tiny("CGAN_mnist")
    model = build()
    noise = np.repeat(script.noise_of(1, seed=0), 2, axis=0)
    pictures = np.asarray(model.generator([noise, one_hot([3, 8])]))
    assert pictures.shape == (2, 28, 28, 1)
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-4
    same = np.repeat(pictures[:1], 2, axis=0)
    logits = np.asarray(model.discriminator([same, one_hot([3, 8])]))
    assert logits.shape == (2, 1)
    assert abs(logits[0, 0] - logits[1, 0]) > 1e-6


def test_without_labels_neither_does(tiny):
    tiny("CGAN_mnist")
    assert not np.asarray(script.one_hot(np.arange(10), False)).any()
    np.testing.assert_array_equal(script.one_hot(np.array([2, 0]), True), one_hot([2, 0]))
    made = build(labelled=False)(np.zeros((4, 28, 28), np.uint8))
    assert not np.asarray(made["labels"]).any()


def test_generated_digits_come_with_labels_of_all_kinds(tiny):
    tiny("CGAN_mnist")
    made = build()(np.zeros((200, 28, 28), np.uint8))
    labels = np.asarray(made["labels"])
    assert (labels.sum(axis=1) == 1).all()
    assert (labels.sum(axis=0) > 5).all()


def test_losses_are_those_of_the_discriminator_s_logits(tiny):
    tiny("CGAN_mnist")
    model = build()
    (digits, labels), _ = tiny_digits()
    digits, labels = digits[:6], labels[:6]
    made = {"pictures": keras.ops.full((6, 28, 28, 1), -1.0), "labels": script.one_hot(np.full(6, 5), True)}
    found = float(model.compute_loss(digits, labels, y_pred=made))
    real = np.asarray(model.discriminator([script.scale(digits), script.one_hot(labels, True)]))
    fake = np.asarray(model.discriminator([made["pictures"], made["labels"]]))
    expected = np.mean((np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))) / 2) + np.mean(np.log1p(np.exp(-fake)))
    assert found == pytest.approx(expected, rel=1e-3)


def test_each_network_learns_by_its_own_loss_alone(tiny, monkeypatch):
    """One fused step equals a step of each network trained alone, so neither loss reaches the other's weights."""
    tiny("CGAN_mnist")
    monkeypatch.setattr(script, "PRECISION", "float32")
    options = {"loss": keras.losses.BinaryCrossentropy(from_logits=True), "jit_compile": False}
    (digits, labels), _ = tiny_digits()
    digits, labels = digits[:8], labels[:8].astype(np.int32)
    seeds = keras.random.SeedGenerator(0)
    noise = np.asarray(keras.random.normal((8, script.LATENT_DIM), seed=seeds))
    asked = one_hot(np.asarray(keras.random.randint((8,), 0, 10, seed=seeds)))
    fused = build()
    # In a graph, TensorFlow may update the discriminator before the generator's gradient is found.
    fused.compile(optimizer=keras.optimizers.SGD(1e-3), run_eagerly=True)
    fused.train_on_batch(digits, labels)

    alone = build()
    fake = np.asarray(alone.generator([noise, asked], training=True))
    real = np.asarray(script.scale(digits))
    critic = keras.models.clone_model(alone.discriminator)
    critic.set_weights(alone.discriminator.get_weights())
    critic.compile(optimizer=keras.optimizers.SGD(1e-3), **options)
    both = [np.concatenate(pair) for pair in ((real, fake), (one_hot(labels), asked))]
    critic.train_on_batch(both, np.concatenate([np.ones((8, 1)), np.zeros((8, 1))]))

    alone.discriminator.trainable = False
    inputs = alone.generator.inputs
    chain = keras.Model(inputs, alone.discriminator([alone.generator(inputs), inputs[1]]))
    chain.compile(optimizer=keras.optimizers.SGD(1e-3), **options)
    chain.train_on_batch([noise, asked], np.ones((8, 1)))

    for name, expected in (("discriminator", critic), ("generator", alone.generator)):
        networks = (getattr(build(), name), getattr(fused, name), expected)
        for old, new, wanted in zip(*(map(np.asarray, network.trainable_weights) for network in networks), strict=True):
            assert np.linalg.norm(new - wanted) < 0.02 * np.linalg.norm(wanted - old)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_step_moves_both_networks(tiny, labelled):
    tiny("CGAN_mnist")
    model = build(labelled)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    (digits, labels), _ = tiny_digits()
    before = {weight.path: np.array(weight) for weight in model.trainable_variables}
    model.fit(digits[:16], labels[:16].astype(np.int32), epochs=2, verbose=0)
    still = [weight.path for weight in model.trainable_variables if np.array_equal(weight, before[weight.path])]
    of_labels = [path for path in before if "label_embedding" in path]
    assert still == ([] if labelled else of_labels)


def test_labels_are_even():
    assert np.bincount(script.even_labels(1_000)).tolist() == [100] * 10
    assert script.even_labels(20).tolist() == sorted(script.even_labels(20).tolist())


def test_copies_agree_and_have_no_diversity(monkeypatch):
    """The generator answers 1 for 0, and else one picture per digit, of a grey that the reader knows it by."""

    def generate(noise, labels):
        assert noise.shape == (len(labels), script.LATENT_DIM)
        greys = 20 * np.maximum(labels, 1).astype(np.uint8)
        return np.tile(greys[:, None, None], (1, 28, 28))

    monkeypatch.setattr(shared_readers, "read", lambda reader, digits: np.rint(digits[:, 0, 0] * 255 / 20).astype(int))
    bank = shared_blocks.GlyphBank(*tiny_digits()[1], 0)
    digits, numbers = script.Judge(generate, True, None, bank, seed=0)(200)
    assert digits.shape == (200, 28, 28)
    assert numbers["agreement"] == pytest.approx(0.9)
    assert numbers["rarest_digit"] == 0
    assert numbers["diversity"] == pytest.approx(0, abs=1e-6)


def test_it_is_judged_beside_test_digits(tiny, tmp_path, monkeypatch):
    tiny("CGAN_mnist")

    def fit(part, model, batches, *, callbacks, **options):
        assert set(batches.arrays[0].max(axis=(1, 2)).tolist()) == {255}
        bank = callbacks[1].judge.bank
        assert set(bank.glyphs[: bank.counts[:10].sum()].max(axis=(1, 2)).tolist()) == {99}
        raise InterruptedError

    monkeypatch.setattr("shared_run.Run.fit", fit)
    monkeypatch.setattr("shared_answers.find_digit_reader", lambda *args, **options: None)
    monkeypatch.setattr(shared_readers, "reader_accuracy", lambda reader, digits: float(digits[0].max() == 99))
    path = marked_digits(tmp_path, np.full((50, 28, 28), 255, np.uint8), np.arange(50) % 10)
    with pytest.raises(InterruptedError):
        script.main(["--mnist", str(path)])


def test_real_digits_agree_and_are_diverse(monkeypatch):
    bank = shared_blocks.GlyphBank(*tiny_digits()[1], 0)
    monkeypatch.setattr(shared_readers, "read", lambda reader, digits: script.even_labels(len(digits)))
    rng = np.random.default_rng(1)
    for labelled in (True, False):
        judge = script.Judge(lambda noise, labels: bank.pick(labels, rng), labelled, None, bank, seed=0)
        _, numbers = judge(1_000)
        assert numbers["rarest_digit"] == 1
        assert numbers.get("agreement") == (1 if labelled else None)
        assert numbers["diversity"] == pytest.approx(1, abs=0.1)


def test_a_reader_taught_by_real_digits_reads_real_ones():
    train, test = tiny_digits()
    bank = shared_blocks.GlyphBank(*train, 0)
    right = script.teach(*train, test, bank, seed=0, epochs=8)
    wrong = script.teach(train[0], (train[1] + 1) % 10, test, bank, seed=0, epochs=8)
    assert right > 0.5
    assert wrong < 0.2
