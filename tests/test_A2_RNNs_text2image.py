"""The text-to-image script: models, yardsticks, reading back, and a table that can be trusted."""

import csv
import json

import numpy as np
import pytest
from conftest import marked_digits, tiny_mnist

import A2_RNNs_text2image as script
import shared_blocks
import shared_files
import shared_readers


@pytest.mark.parametrize(
    ("configuration", "parameters"),
    [
        ((1, 1, 512), 3_578_640),
        ((2, 1, 512), 5_677_840),
        ((1, 2, 512), 5_677_840),
        ((2, 2, 256), 2_053_904),
        ((3, 2, 256), 2_579_216),
    ],
)
def test_parameter_counts_are_the_reports(configuration, parameters):
    model = script.build_model(*configuration)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 3, 28, 28)
    assert configuration in script.CONFIGURATIONS


def test_yardsticks_are_the_mean_squared_errors_that_they_say():
    """Two writers, one black and one white: the mean glyph is grey, and half a unit off every pixel."""
    digits = np.zeros((20, 28, 28), np.uint8)
    digits[1::2] = 255
    bank = shared_blocks.GlyphBank(digits, np.repeat(np.arange(10), 2), seed=0)
    answers = shared_blocks.to_tokens(["123", " 45", "  6"])
    pictures = bank.pick(answers, np.random.default_rng(0))
    measured = script.yardsticks(bank, answers, answers, pictures)
    assert measured["mean_glyph_mse"] == pytest.approx(0.25 * 6 / 9)  # blanks are drawn without error
    shares = np.array([1 / 3, 2 / 3, 1])  # of digits at each position
    constant = np.broadcast_to((0.5 * shares)[None, :, None, None], pictures.shape)
    assert measured["constant_mse"] == pytest.approx(np.square(constant - pictures / 255).mean(), rel=1e-5)
    assert measured["constant_mse"] > measured["mean_glyph_mse"]


def test_glyphs_and_expressions_of_the_test_are_never_trained_on(monkeypatch, tmp_path):
    """Training digits are all bright, test digits all grey."""
    path = marked_digits(tmp_path, np.full((50, 28, 28), 255, np.uint8), np.arange(50) % 10)
    monkeypatch.setattr("shared_answers.find_digit_reader", lambda *args, **options: None)
    monkeypatch.setattr(shared_readers, "reader_accuracy", lambda *args: 1.0)

    def fit(run, model, batches, *, validation_data, **options):
        seen = [{*np.rint(255 * data.all()[1][:, -1, 0, 0]).tolist()} for data in (batches, validation_data)]
        assert seen == [{255}, {99}]
        assert not {*batches.rows} & {*validation_data.rows}
        raise InterruptedError

    monkeypatch.setattr("shared_run.Run.fit", fit)
    with pytest.raises(InterruptedError):
        script.main(["--mnist", str(path), "--encoders", "1", "--decoders", "1", "--units", "4", "--limit", "200"])


def run(tmp_path, *flags):
    mnist = tmp_path / "mnist.npz"
    return script.main(
        [
            *("--mnist", str(mnist if mnist.exists() else tiny_mnist(tmp_path))),
            *("--encoders", "1", "--decoders", "2", "--units", "16", "--limit", "120", "--batch-size", "16"),
            *("--out", str(tmp_path / "run"), *flags),
        ]
    )


def test_run_leaves_table_and_pictures(tmp_path, monkeypatch, without_xla, eagerly):
    monkeypatch.setattr(shared_readers, "READER_EPOCHS", 1)
    monkeypatch.setattr(script, "SAMPLES", 2)
    name = "encoders1_decoders2_units16"
    run(tmp_path, "--epochs", "2")
    part = tmp_path / "run" / name
    files = {path.name for path in part.iterdir()}
    assert {"model.keras", "samples.png", "samples.gif", "curves.png", "misread.csv", "results.json"} <= files
    results = json.loads((part / "results.json").read_text())
    history = shared_files.read_history(part / "history.csv")
    assert results["val_loss"] == min(history["val_loss"])
    assert 0 < results["mean_glyph_mse"] < results["constant_mse"]
    with open(tmp_path / "run" / "table4.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["configuration"] == name
    assert float(row["val_loss"]) == results["val_loss"]
    with open(part / "misread.csv") as file:
        counts = [list(map(int, row[1:])) for row in list(csv.reader(file))[1:]]
    assert np.sum(counts) == 3 * 24


def test_a_run_that_had_stopped_early_is_not_trained_further(tmp_path, monkeypatch, without_xla, eagerly):
    """With a learning rate of 0 nothing gets better, so that training stops after the second epoch."""
    monkeypatch.setattr(shared_readers, "READER_EPOCHS", 1)
    monkeypatch.setattr(script, "SAMPLES", 2)
    monkeypatch.setattr(script, "LEARNING_RATE", 0.0)
    run(tmp_path, "--epochs", "5", "--patience", "1")
    part = tmp_path / "run" / "encoders1_decoders2_units16"
    before = (part / "history.csv").read_text()
    assert len(before.splitlines()) == 3
    (part / "results.json").unlink()
    run(tmp_path, "--epochs", "7", "--patience", "1", "--resume")
    assert (part / "history.csv").read_text() == before
    assert (part / "results.json").exists()


def test_a_configuration_is_given_whole_or_not_at_all(capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(["--units", "5"])
    assert caught.value.code == 2
    assert "belong together" in capsys.readouterr().err
