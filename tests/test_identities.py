"""Arithmetic from a thousand equations: what follows from what, and how an arm writes it."""

import keras
import numpy as np
import pytest

import shared_blocks
import shared_files
import task2_txt2txt_identities as script
import task2_txt2txtimg2txt as plain
from shared_files import InputError


def everything():
    return script.to_numbers(*map(shared_blocks.to_tokens, shared_blocks.arithmetic_expressions()))


def test_all_expressions_are_read_and_written_back():
    equations = everything()
    assert len(set(equations)) == 20_000
    assert all(c == (a + b if sign == "+" else a - b) for a, sign, b, c in equations)
    texts, answers = shared_blocks.arithmetic_expressions()
    queries, written = script.write(equations, ())
    assert shared_blocks.to_texts(queries) == texts
    assert shared_blocks.to_texts(written) == answers


def test_what_follows_is_true_and_can_be_asked():
    equations = set(everything())
    assert all(equations.issuperset(script.consequences(*equation)) for equation in equations)


FAMILY = {(17, "+", 25, 42), (25, "+", 17, 42), (42, "-", 17, 25), (42, "-", 25, 17)}
FAMILY |= {(17, "-", 42, -25), (25, "-", 42, -17)}


@pytest.mark.parametrize(
    "family",
    [
        FAMILY,
        {(60, "+", 70, 130), (70, "+", 60, 130)},
        {(5, "+", 5, 10), (10, "-", 5, 5), (5, "-", 10, -5)},
        {(0, "-", 0, 0), (0, "+", 0, 0)},
    ],
)
def test_known_cases(family):
    assert all(script.derive([given]) == family for given in family)


def test_an_arm_writes_as_its_ideas_say():
    equations = [(7, "+", 5, 12), (12, "-", 3, 9), (3, "-", 12, -9)]

    def texts(*ideas):
        return tuple(map(shared_blocks.to_texts, script.write(equations, ideas)))

    assert texts() == (["  7+5", " 12-3", " 3-12"], [" 12", "  9", " -9"])
    assert texts("aligned") == ([" 7+ 5", "12- 3", " 3-12"], [" 12", "  9", " -9"])
    assert texts("reversed") == (["  7+5", " 12-3", " 3-12"], ["21 ", "9  ", "9- "])
    turned = script.write(equations, script.IDEAS)[1]
    assert shared_blocks.to_texts(script.turn(turned, script.IDEAS)) == [" 12", "  9", " -9"]


def test_the_model_is_the_plain_one():
    model = script.build_model()
    assert model.count_params() == 805_133
    one, other = (keras.models.clone_model(each).get_config() for each in (model, plain.build_text_model()))
    assert one["layers"] == other["layers"]


def test_optimisers():
    plain_one = script.optimizer_of((), 10)
    assert float(plain_one.learning_rate) == pytest.approx(script.LEARNING_RATE)
    assert not plain_one.weight_decay
    both = script.optimizer_of(("weight_decay", "cosine"), 10)
    assert both.weight_decay == script.WEIGHT_DECAY
    schedule = both.get_config()["learning_rate"]["config"]
    assert schedule["decay_steps"] == 10 * script.COSINE_EPOCHS


def test_no_test_expression_follows_from_what_is_given(monkeypatch):
    """And every arm, with identities or without, is tested on the same ones."""
    seen = {}
    queries, answers = shared_blocks.sample_expressions(20_000, 0)

    def run_arm(run, count, arm, given, known, tested):
        assert known == script.derive(given)
        seen[arm, len(given)] = set(tested)
        rows, _ = shared_blocks.split_expressions(queries, len(given) / 20_000, 0)  # as in the plain script
        assert script.to_numbers(queries[rows], answers[rows]) == given
        assert not set(tested) & script.derive(given)
        assert len(script.derive(given)) + len(tested) == 20_000

    monkeypatch.setattr(script, "run_arm", run_arm)
    monkeypatch.setattr(script, "save_ideas", lambda run: [])
    script.main(["--given", "200", "1000", "--arms", "plain", "all"])
    for given in (200, 1000):
        assert seen["plain", given] == seen["all", given]


def test_answers_are_judged_in_the_order_of_reading(tiny, monkeypatch, tmp_path):
    """A model that answers as it is taught is right, whichever way it writes."""
    tiny("task2_txt2txt_identities")
    by_query = {}

    def fit(part, model, batches, *, epochs, validation_data):
        for data in (batches, validation_data):
            by_query.update(zip(map(bytes, data.arrays[0]), data.arrays[1], strict=True))
        return {"epoch": [1.0], "loss": [0.0], "accuracy": [1.0], "exact_match": [1.0], "seconds": [1.0]}

    def predict(model, one_hot):
        answers = np.stack([by_query[query.tobytes()] for query in one_hot.argmax(-1).astype(np.int8)])
        answers[:wrong, 0] = (answers[:wrong, 0] + 1) % 10
        return shared_blocks.to_one_hot(answers)

    monkeypatch.setattr("shared_run.Run.fit", fit)
    monkeypatch.setattr("shared_training.predict", predict)
    for wrong in (0, 1):
        folder = tmp_path / f"run_{wrong}"
        script.main(["--out", str(folder)])
        for arm in script.ARMS:
            found = shared_files.read_json(folder / f"{arm}_20" / "results.json")
            tested = found["test_expressions"]
            assert found["test_exact_match"] == pytest.approx(1 - wrong / tested)
            assert found["test_accuracy"] == pytest.approx(1 - wrong / (3 * tested))
            assert (folder / f"{arm}_20" / "errors.csv").read_text().count("\n") == 1 + wrong


def test_all_arms_make_as_many_steps(monkeypatch, tiny):
    """Also where more follows than an epoch has at least."""
    tiny("task2_txt2txt_identities")
    monkeypatch.setattr(script, "EPOCH_EQUATIONS", 30)
    seen = {}

    def fit(part, model, batches, **options):
        seen[part.folder.name] = len(batches.rows), len(set(batches.rows.tolist()))
        raise InterruptedError

    monkeypatch.setattr("shared_run.Run.fit", fit)
    for arm in script.ARMS:
        with pytest.raises(InterruptedError):
            script.main(["--arms", arm, "--given", "40"])
    (rows, few), (same, many) = seen["plain_40"], seen["all_40"]
    assert rows == same == many > few == 40


def test_where_everything_follows_there_is_nothing_to_test():
    with pytest.raises(InputError, match="leaves no expression"):
        script.main(["--given", "19999"])
