"""The hierarchical VAE of drums: its divergences, annealing and free bits, what is drawn, and what the corpus tells."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import WIDE_LATENT, assert_drawn

import HVAE_drums as script
import shared_bars
import shared_drums
import shared_training
from shared_files import write_json


@pytest.fixture
def corpus():
    bars, _ = shared_drums.find_bars(None, 600, seed=0)
    return shared_bars.Corpus(bars, by_performance=True, seed=0)


def build(**options):
    keras.utils.set_random_seed(0)
    model = script.HVAE(script.build_networks(5), steps_per_epoch=10, seed=0, **options)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    return model


def test_kl_is_that_of_gaussians():
    rng = np.random.default_rng(0)
    q, p = ({"z_mean": rng.normal(size=(3, 2)), "z_log_var": rng.normal(size=(3, 2))} for _ in range(2))
    as_tensors = [
        {key: keras.ops.convert_to_tensor(value, "float32") for key, value in each.items()} for each in (q, p)
    ]
    points = rng.normal(size=(400_000, 3, 2)) * np.exp(q["z_log_var"] / 2) + q["z_mean"]

    def log_density(latent):
        square = (points - latent["z_mean"]) ** 2 / np.exp(latent["z_log_var"])
        return -0.5 * np.sum(square + latent["z_log_var"], axis=-1)

    estimate = np.mean(log_density(q) - log_density(p), axis=0)
    assert np.asarray(script.kl(*as_tensors)) == pytest.approx(estimate, rel=0.02)
    assert np.asarray(script.kl(as_tensors[0], as_tensors[0])) == pytest.approx(0, abs=1e-6)
    normal = {"z_mean": np.zeros((3, 2)), "z_log_var": np.zeros((3, 2))}
    assert np.asarray(script.kl(as_tensors[0], None)) == pytest.approx(
        np.mean(log_density(q) - log_density(normal), axis=0), rel=0.02
    )


def test_beta_rises_in_a_line_in_cycles_or_not_at_all():
    def shares(annealing, epochs):
        return [float(script.annealed(10 * epoch, 10, annealing)) for epoch in epochs]

    up, cycle = script.WARM_UP, script.CYCLE
    assert shares("linear", [0, up / 2, up, 2 * up]) == pytest.approx([0, 0.5, 1, 1], abs=0.04)
    rising = cycle * script.RISING
    epochs = [0, rising / 2, rising, cycle - 0.1, cycle, cycle + rising / 2]
    assert shares("cyclical", epochs) == pytest.approx([0, 0.5, 1, 1, 0, 0.5], abs=0.04)
    assert shares("none", [0, 1, 50]) == [1, 1, 1]


def test_beta_rises_while_the_model_learns(tiny, corpus, eagerly):
    tiny("HVAE_drums")
    model = build()
    hits, styles = corpus.batches("train", 64)[0]
    history = model.fit(hits, styles, batch_size=8, epochs=3, validation_data=(hits, styles), verbose=0).history
    assert history["beta"] == sorted(history["beta"])
    steps = 8 * 3
    assert float(model.step) == steps, "validation counts no step"
    assert history["val_beta"][-1] == pytest.approx(script.BETA * steps / 10 / script.WARM_UP, rel=1e-4)


def loss_of(model, corpus):
    hits, styles = corpus.batches("test", 16)[0]
    model.steps_per_epoch = 1
    model.step.assign(1_000)  # beta has risen
    made = model(hits)
    loss = float(model.compute_loss(hits, styles, y_pred=made))
    return loss, {key: np.asarray(value) for key, value in made.items()}, np.asarray(hits), styles


@pytest.mark.parametrize("free", [True, False])
def test_the_loss_is_the_sum_that_the_docstring_names(tiny, corpus, free):
    tiny("HVAE_drums")
    loss, made, hits, styles = loss_of(build(free_bits=free), corpus)
    logits = made["logits"].astype(float)
    reconstruction = np.sum(np.log1p(np.exp(logits)) - hits * logits, axis=1).mean()
    high, low = made["kl_high"].mean(), made["kl_low"].mean()
    assert high < script.FREE_BITS["high"], "else the test sees nothing of free bits"
    levels = max(high, script.FREE_BITS["high"] * free) + max(low, script.FREE_BITS["low"] * free)
    log_shares = made["style"] - np.log(np.exp(made["style"]).sum(axis=1, keepdims=True))
    style = -log_shares[np.arange(len(styles)), styles].mean()
    assert loss == pytest.approx(reconstruction + script.BETA * levels + script.STYLE_WEIGHT * style, rel=1e-4)


def test_codes_are_drawn_with_their_mean_and_variance(tiny):
    tiny("HVAE_drums")
    assert_drawn(build().sample(WIDE_LATENT))


def test_arms_leave_out_what_they_say(tiny, corpus, eagerly):
    tiny("HVAE_drums")
    hits, styles = corpus.batches("train", 64)[0]
    whole = build()
    whole.fit(hits, styles, verbose=0)
    for options, name in (({"style": False}, "style"), ({"learned_prior": False}, "prior")):
        model = build(**options)
        before = [np.array(weight) for weight in getattr(model, name).weights]
        model.fit(hits, styles, verbose=0)
        for weight, old in zip(getattr(model, name).weights, before, strict=True):
            np.testing.assert_array_equal(np.array(weight), old)
        moved = zip(getattr(whole, name).weights, before, strict=True)
        assert any(not np.array_equal(np.array(weight), old) for weight, old in moved)


def test_it_trains_in_steps_compiled_by_xla(monkeypatch, corpus):
    monkeypatch.setattr(script, "UNITS", 8)
    options = shared_training.fast_steps(2)
    assert options == {"jit_compile": True, "steps_per_execution": 2}
    model = build()
    model.compile(optimizer="adam", **options)
    assert np.isfinite(model.fit(corpus.batches("train", 32), verbose=0).history["loss"][0])


def test_the_threshold_is_chosen_by_validation_bars_and_f1_is_of_test_bars(corpus):
    """Of a model whose logits are right beside a border: -1 for training bars, 0 for validation, 1 for test bars."""
    borders = np.select([corpus.bars.splits == name for name in ("train", "validation")], [-1.0, 0.0], 1.0)

    class Known:
        def encode(self, hits):
            return (hits.reshape(len(hits), -1),) * 2

        def decode(self, high, low):
            return borders[:, None, None] + 0.4 * (2.0 * corpus.bars.hits - 1)

        def draw(self, count, rng):
            return np.zeros((count, 16, 9))

    found = script.judge(Known(), corpus, seed=0)
    hits = corpus.hits("test")
    assert abs(found["threshold"]) < 0.45
    real = corpus.hits("test").mean(axis=0).sum(axis=0)
    assert found["hits_real"] == pytest.approx(real.sum())
    assert found["hits_drawn"] == pytest.approx(72, rel=0.02), "logits of 0 are hits half of the time"
    assert found["density_gap"] == pytest.approx(np.abs(8 - real).sum() / real.sum(), rel=0.05)
    assert found["f1_train"] == 0
    assert found["f1"] == pytest.approx(shared_bars.f1(np.ones_like(hits), hits))
    by_heart = corpus.read_styles(np.eye(len(corpus.bars)), "heart")
    assert by_heart["style_heart"] < 0.6, "what is learnt by heart tells nothing of test bars"
    tested = len(np.unique(corpus.labels[corpus.rows["test"]]))
    assert by_heart["style_heart_balanced"] == pytest.approx(1 / tested), "all are taken for one style"


def test_drawn_codes_follow_the_prior(tiny, monkeypatch):
    tiny("HVAE_drums")
    model = build()
    model.prior.get_layer("z_mean").bias.assign(np.full(script.LOW, 3.0))
    seen = {}
    monkeypatch.setattr(model, "decode", lambda z_high, z_low: seen.update(high=z_high, low=z_low))
    model.draw(500, np.random.default_rng(0))
    assert seen["high"].shape == (500, script.HIGH)
    assert seen["low"].mean() == pytest.approx(3, abs=0.5)
    model.learned_prior = False
    model.draw(500, np.random.default_rng(0))
    assert seen["low"].mean() == pytest.approx(0, abs=0.1)


def test_temperature_divides_the_logits():
    logits = np.full((2_000, 16, 9), 1.0)
    rng = np.random.default_rng(0)
    assert shared_bars.to_hits(logits, 0, 0, rng).all()
    assert not shared_bars.to_hits(logits, 0, 1.5, rng).any()
    for temperature in (0.5, 1, 2):
        expected = 1 / (1 + np.exp(-1 / temperature))
        assert shared_bars.to_hits(logits, temperature, 0, rng).mean() == pytest.approx(expected, abs=0.01)


def test_f1_of_known_bars():
    hits, others = np.zeros((2, 2, 16, 9), np.uint8)
    assert shared_bars.f1(hits, others) == 1
    hits[0, :4, 0] = 1
    assert shared_bars.f1(hits, others) == 0
    others[0, 2:8, 0] = 1
    assert shared_bars.f1(hits, others) == pytest.approx(2 * 2 / (4 + 6))


def test_a_random_split_shares_performances_and_the_other_does_not(corpus):
    def shared(corpus):
        train, test = (set(corpus.bars.performances[corpus.rows[split]]) for split in ("train", "test"))
        return train & test

    assert not shared(corpus)
    mixed = shared_bars.Corpus(corpus.bars, by_performance=False, seed=0)
    assert shared(mixed)
    assert {name: len(rows) for name, rows in mixed.rows.items()} == {n: len(r) for n, r in corpus.rows.items()}
    assert sorted(np.concatenate(list(mixed.rows.values()))) == list(range(len(corpus.bars)))


def test_what_is_known_without_a_network(corpus):
    known = corpus.known()
    assert min(known["style_raw"], known["style_raw_balanced"]) > 0.9, "rules are easily told apart"
    assert 0 < known["style_majority"] < 0.6
    assert 0.6 < known["copied_f1"] < 1
    test, train = corpus.rows["test"], corpus.rows["train"]
    corpus.bars.hits[test] = corpus.bars.hits[train[: len(test)]]
    assert corpus.known()["copies"] == corpus.known()["copied_f1"] == 1


def test_a_level_that_says_nothing_is_named(tiny, corpus, capsys):
    tiny("HVAE_drums")
    model = build()
    watch = script.WatchLevels(corpus.hits("test"))
    watch.set_model(model)
    logs = {"val_kl_high": 0.01, "val_kl_low": 3.0}
    watch.on_epoch_end(4, logs)
    assert capsys.readouterr().out.count("z_high says nothing") == 1
    assert 0 <= logs["val_f1"] <= 1
    assert 0 <= logs["active_high"] <= script.HIGH


def test_one_of_each_style_comes_first(corpus):
    rows = corpus.one_of_each_style(8, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == 8
    there = len(set(corpus.bars.styles[corpus.rows["test"]]))
    assert len(set(corpus.bars.styles[rows[:there]])) == there
    assert set(rows) <= set(corpus.rows["test"])
    _, counts = np.unique(corpus.labels[corpus.rows["test"]], return_counts=True)
    of_rows = [counts[np.unique(corpus.labels[corpus.rows["test"]]) == corpus.labels[row]][0] for row in rows[:there]]
    assert of_rows == sorted(counts, reverse=True), "the commonest first"


def test_a_resumed_run_shows_arms_that_ended_before(tiny, tmp_path, monkeypatch):
    tiny("HVAE_drums")
    monkeypatch.setattr(script, "ARMS", {"linear": {}, "random_bars": {"by_performance": False}})
    numbers = {**dict.fromkeys(script.TABLE, 0.5), "epochs_asked": 1}
    monkeypatch.setattr(
        script,
        "run_arm",
        lambda run, name, count, corpus: write_json(run.part(name, count).folder / "results.json", numbers),
    )
    flags = ["--out", str(tmp_path / "run"), "--arms"]
    assert {name.split("_f1")[0] for name in script.main([*flags, "random_bars"]) if "_f1" in name} == {"random_bars"}
    resumed = script.main([*flags, "linear", "--resume"])
    assert {name.split("_f1")[0] for name in resumed if "_f1" in name} == {"linear", "random_bars"}
    assert resumed["linear_style_raw"] != resumed["random_bars_style_raw"], "each has the split of its arm"
    for file in ("arms.csv", "leak.csv"):
        assert len((tmp_path / "run" / file).read_text().splitlines()) == 3


def test_swapped_bars_are_compared_with_those_that_gave_their_codes(tiny, corpus, tmp_path, monkeypatch):
    """Of a model that takes all hits from z_low, and reads the style in all that it knows of a bar."""
    tiny("HVAE_drums")
    (tmp_path / "sounds").mkdir()

    class FromLow:
        style = None

        def encode(self, hits):
            return (hits.reshape(len(hits), -1).astype(np.float32),) * 2

        def decode(self, z_high, z_low):
            return 2 * z_low.reshape(-1, 16, 9) - 1

    monkeypatch.setattr("shared_training.predict", lambda model, z: z)
    part = SimpleNamespace(args=SimpleNamespace(seed=0), folder=tmp_path, save_grid=lambda *args, **settings: None)
    found = script.save_swaps(part, FromLow(), corpus, 0.0)
    assert found["swap_f1_low"] == found["swap_style_low"] == 1 > found["swap_f1_high"]


def test_bars_of_one_style_are_not_compared_by_it(tiny, corpus, tmp_path):
    tiny("HVAE_drums")
    (tmp_path / "sounds").mkdir()
    part = SimpleNamespace(args=SimpleNamespace(seed=0), folder=tmp_path, save_grid=lambda *args, **settings: None)
    assert script.save_swaps(part, build(), corpus, 0.0).keys() == {
        *("swap_f1_high", "swap_f1_low", "swap_style_high", "swap_style_low"),
    }
    corpus.labels[:] = 0
    assert script.save_swaps(part, build(), corpus, 0.0) == {}
