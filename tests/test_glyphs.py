"""Reading glyph by glyph: what the model sees, what it is taught, and what is said of its symbols and its mistakes."""

import keras
import numpy as np
import pytest
from conftest import marked_digits, tiny_digits, tiny_mnist

import shared_blocks
import shared_training
import task2_img2txt_glyphs as script


def build(tiny):
    tiny("task2_img2txt_glyphs")
    keras.utils.set_random_seed(0)
    reader, calculator = script.build_reader(), script.build_calculator()
    return reader, calculator, script.build_model(reader, calculator)


def test_glyphs_are_read_one_by_one(tiny):
    """Another glyph in one place changes the symbols there alone; the model is the reader and then the calculator."""
    reader, calculator, model = build(tiny)
    pictures = tiny_digits()[0][0][:10].reshape(2, 5, 28, 28).copy()
    pictures[1, :4] = pictures[0, :4]
    symbols = np.asarray(reader(pictures.reshape(-1, 28, 28) / 255)).reshape(2, 5, -1)
    np.testing.assert_allclose(symbols.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(symbols[0, :4], symbols[1, :4])
    assert np.abs(symbols[0, 4] - symbols[1, 4]).max() > 1e-3
    np.testing.assert_allclose(np.asarray(model(pictures)), np.asarray(calculator(symbols)), atol=1e-5)
    decided = script.build_model(reader, calculator, decided=True)
    one_hot = np.eye(8, dtype=np.float32)[symbols.argmax(axis=-1)]
    np.testing.assert_allclose(np.asarray(decided(pictures)), np.asarray(calculator(one_hot)), atol=1e-5)


def test_symbols_are_spread_over_glyphs_from_the_start(tiny, monkeypatch):
    tiny("task2_img2txt_glyphs")
    monkeypatch.setattr(script, "SYMBOLS", 32)
    keras.utils.set_random_seed(0)
    reader = script.build_reader()
    said = np.asarray(reader(tiny_digits()[0][0] / 255, training=True))
    assert len(np.unique(said.argmax(axis=-1))) > 16


def test_the_answer_is_written_from_the_right_and_comes_in_order_of_reading(tiny):
    _, calculator, _ = build(tiny)
    decoder = calculator.get_layer("decoder")
    written = keras.Model(calculator.input, decoder.output)
    symbols = np.random.default_rng(0).dirichlet(np.ones(8), (2, 5)).astype(np.float32)
    dense = calculator.get_layer("answer")
    expected = np.asarray(dense(np.asarray(written(symbols))[:, ::-1]))
    np.testing.assert_allclose(np.asarray(calculator(symbols)), expected, rtol=1e-5)


def test_numbers_are_aligned():
    texts = ["  7+5", " 12-3", " 3-12", "10+99", "  0-0"]
    aligned = shared_blocks.to_texts(script.align(shared_blocks.to_tokens(texts)))
    assert aligned == [" 7+ 5", "12- 3", " 3-12", "10+99", " 0- 0"]


def test_moved_glyphs_stay_glyphs():
    glyphs = tiny_digits()[0][0][:100]
    moved = script.move(glyphs.reshape(20, 5, 28, 28), np.random.default_rng(0))
    assert moved.shape == (20, 5, 28, 28)
    assert moved.dtype == np.uint8
    again = script.move(glyphs.reshape(20, 5, 28, 28), np.random.default_rng(0))
    np.testing.assert_array_equal(moved, again)
    moved = moved.reshape(100, 28, 28)
    assert (np.abs(moved.astype(int) - glyphs).mean(axis=(1, 2)) > 1).all()
    assert moved.sum() == pytest.approx(glyphs.sum(), rel=0.1)


def test_without_deviation_nothing_moves(monkeypatch):
    for name in ("TURN", "SHEAR", "ZOOM", "MOVE"):
        monkeypatch.setattr(script, name, 0)
    glyphs = tiny_digits()[0][0][:10]
    np.testing.assert_array_equal(script.move(glyphs, np.random.default_rng(0)), glyphs)


@pytest.mark.parametrize("name, wanted", [("TURN", (0, 1)), ("MOVE", (1, 0))])
def test_a_bar_in_the_middle_turns_about_its_centre(monkeypatch, name, wanted):
    """Turned, its centre of mass stays; moved, it does not, and the bar stays upright."""
    for other in ("TURN", "SHEAR", "ZOOM", "MOVE"):
        monkeypatch.setattr(script, other, 0)
    monkeypatch.setattr(script, name, 0.5 if name == "TURN" else 3)
    bar = np.zeros((20, 28, 28), np.uint8)
    bar[:, 6:22, 13:15] = 255
    moved = script.move(bar, np.random.default_rng(0)).astype(float)
    y, x = np.mgrid[:28, :28] - 13.5
    mass = moved.sum(axis=(1, 2))
    centres = np.hypot(*((moved * axis).sum(axis=(1, 2)) / mass for axis in (x, y)))
    means = [(moved * values).sum(axis=(1, 2)) / mass for values in (x * y, x, y)]
    mixed = np.abs(means[0] - means[1] * means[2])
    assert (centres.max() > 1, mixed.max() > 1) == (bool(wanted[0]), bool(wanted[1]))


def known_reader(monkeypatch, symbol_of):
    """Let a glyph's first pixel say its token, and the reader give it the symbol that a dict has for it."""
    table = np.array([symbol_of[token] for token in range(13)])
    monkeypatch.setattr(script, "symbols_of", lambda reader, glyphs: table[glyphs[..., 0, 0]])


def marked(tokens):
    glyphs = np.zeros((*tokens.shape, 28, 28), np.uint8)
    glyphs[..., 0, 0] = tokens
    return glyphs


def test_symbols_are_named_after_most_of_their_glyphs(monkeypatch):
    known_reader(monkeypatch, {token: 4 if token in (4, 9) else token for token in range(13)})
    tokens = np.array([4, 9, 9, *range(9), 10, 11, 12])
    names = script.name_symbols(script.count_symbols(None, marked(tokens), tokens))
    assert names[4] == 4  # as often as 9, and first
    assert names[9] == 12  # which no glyph has
    tokens = np.append(tokens, 9)
    names = script.name_symbols(script.count_symbols(None, marked(tokens), tokens))
    assert [names[symbol] for symbol in (0, 4, 12)] == [0, 9, 12]


def test_what_is_measured_of_a_reader_that_confuses_two_digits(tiny, monkeypatch, tmp_path):
    """It takes 9 for 4; the calculator is right but for queries with a 7, which it gets wrong."""
    tiny("task2_img2txt_glyphs")
    monkeypatch.setattr(script, "LIMIT", 400)
    monkeypatch.setattr(script, "NAMED_BY", 1_300)
    by_symbols = {}

    def fit(run, model, batches, **options):
        by_symbols["queries"] = batches.arrays
        return {
            "epoch": [1.0],
            "loss": [0.0],
            "accuracy": [1.0],
            "exact_match": [1.0],
            "reading": [1.0],
            "seconds": [1.0],
        }

    monkeypatch.setattr(shared_blocks.GlyphBank, "pick", lambda bank, tokens, rng: marked(np.asarray(tokens)))
    known_reader(monkeypatch, {token: 4 if token == 9 else token for token in range(13)})
    monkeypatch.setattr(script, "SYMBOLS", 13)
    monkeypatch.setattr("shared_run.Run.fit", fit)

    def predict(model, inputs, batch_size=500):
        tokens = inputs[..., 0, 0] if model.name == "glyphs" else inputs.argmax(-1)
        queries, answers = by_symbols["queries"]
        answer_of = {bytes(query): answer for query, answer in zip(queries, answers, strict=True)}
        answers = np.stack([answer_of.get(bytes(query), np.zeros(3, np.int8)) for query in tokens.astype(np.int8)])
        answers[(tokens == 7).any(axis=1)] = 0
        return shared_blocks.to_one_hot(answers)

    monkeypatch.setattr("shared_training.predict", predict)
    monkeypatch.setattr("shared_answers.find_digit_reader", lambda *args, **options: None)
    monkeypatch.setattr("shared_readers.read", lambda reader, pictures: np.rint(pictures[..., 0, 0] * 255).astype(int))
    found = script.main(["--mnist", str(tiny_mnist(tmp_path))])
    queries, _ = shared_blocks.sample_expressions(400, 0)
    _, rows = shared_blocks.split_expressions(queries, 0.8, 0)
    nine, seven = ((queries[rows] == digit).any(axis=1) for digit in (9, 7))
    assert found["read_queries"] == pytest.approx(1 - np.mean(nine))
    assert found["wrong_misread"] == pytest.approx(np.mean(nine & seven))
    assert found["wrong_calculated"] == pytest.approx(np.mean(~nine & seven))
    assert found["test_exact_match"] == pytest.approx(1 - np.mean(seven))
    assert found["exact_match_ideal"] == pytest.approx(1 - np.mean(nine | seven))  # a 9 has no symbol of its own
    assert found["read_queries_labelled"] == 1


def test_glyphs_and_expressions_of_the_test_are_never_trained_on(tiny, monkeypatch, tmp_path, eagerly):
    """Training digits are all bright, test digits all grey; what moves glyphs darkens them here."""
    tiny("task2_img2txt_glyphs")
    monkeypatch.setattr(script, "move", lambda glyphs, rng: glyphs - 1)
    path = marked_digits(tmp_path, np.full((50, 28, 28), 255, np.uint8), np.arange(50) % 10)

    def fit(run, model, batches, *, validation_data, callbacks, **options):
        for (glyphs, tokens), grey in ((callbacks[0].named_by, 255), (callbacks[0].watched, 99)):
            assert set(glyphs[tokens < 10].max(axis=(1, 2)).tolist()) == {grey}
        seen = []
        for data in (batches, validation_data):
            pictures, _ = data.all()
            seen.append(set(pictures[:, -1, 0, 0].tolist()))  # the last glyph is always a digit
        assert seen == [{254}, {99}]
        assert not set(batches.rows) & set(validation_data.rows)
        raise InterruptedError

    monkeypatch.setattr("shared_run.Run.fit", fit)
    with pytest.raises(InterruptedError):
        script.main(["--mnist", str(path)])


def test_it_learns_without_labels_to_tell_glyphs(tiny, monkeypatch):
    """From sums of a digit and nothing, of drawn digits: symbols come to mean digits."""
    tiny("task2_img2txt_glyphs")
    monkeypatch.setattr(script, "SYMBOLS", 16)
    monkeypatch.setattr(script, "UNITS", 32)
    monkeypatch.setattr(script, "FILTERS", 8)
    keras.utils.set_random_seed(0)
    reader, calculator = script.build_reader(), script.build_calculator()
    model = script.build_model(reader, calculator)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="categorical_crossentropy", jit_compile=False)
    bank = shared_blocks.GlyphBank(*tiny_digits()[0], 0)
    queries = script.align(shared_blocks.to_tokens([f"  {a}+0" for a in range(10)] * 20))
    answers = shared_blocks.to_tokens([f"  {a}" for a in range(10)] * 20)
    transform = script.queries_in_glyphs(bank, moved=False)
    batches = shared_training.Batches((queries, answers), np.arange(200), 20, transform)
    before = reading(reader, bank)
    model.fit(batches, epochs=40, shuffle=False, verbose=0)
    assert reading(reader, bank) > before + 0.2


def reading(reader, bank):
    glyphs, tokens = script.example_glyphs(bank, 1_300, 1)
    names = script.name_symbols(script.count_symbols(reader, glyphs, tokens))
    return np.mean(names[script.symbols_of(reader, glyphs)] == tokens)
