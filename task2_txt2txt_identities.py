"""Arithmetic from text to text that a thousand equations teach: five ideas, each alone, each left out, and together.

    python task2_txt2txt_identities.py                                 # every arm at every number of given equations
    python task2_txt2txt_identities.py --given 1000 --arms all

The model is that of the report's table 1, with the split of `task2_txt2txtimg2txt`; there it gets a tenth of the
answers right from 1,000 equations. What is new: *identities* make training equations from the given ones (b + a, c - a
and c - b from a + b = c; b + c and c + b from a - b = c; b - a, the sign turned). *reversed* writes the answer from the
right, as one adds by hand: a carry is known before the digit that needs it. *aligned* gives units and tens of both
numbers places of their own. *weight_decay* (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019)
prefers simple rules to learning by heart, and *cosine* takes the learning rate to 0, which ends the late jumps. Test
expressions that follow from given ones are removed from the test, for every arm, and all arms are trained for as many
steps.

Writes `runs/task2_txt2txt_identities/`: settings.json, results.json, ideas.csv (a row for each arm and number),
exact_by_given.png, and for each, `<arm>_<given>/`: history.csv, curves.png, results.json, model.keras, checkpoint/,
errors.csv, error_kinds.csv and errors.png (every wrong answer).
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import re

import numpy as np
from keras import layers
from matplotlib.figure import Figure

import shared_answers
import shared_blocks
import shared_command_line
import shared_figures
import shared_files
import shared_run
import shared_training

UNITS = 256  # of both LSTMs
GIVEN = (200, 500, 1_000, 2_000)  # equations
IDEAS = ("identities", "reversed", "aligned", "weight_decay", "cosine")
ARMS = {  # name: the ideas it has
    "plain": (),
    **{idea: (idea,) for idea in IDEAS},
    **{f"without_{idea}": tuple(other for other in IDEAS if other != idea) for idea in IDEAS},
    "all": IDEAS,
}
EPOCHS = 80
COSINE_EPOCHS = 80  # after which the learning rate of *cosine* is 0, and nothing more is learnt
EPOCH_EQUATIONS = 5_000  # in an epoch, at least: where there are fewer they come again
BATCH_SIZE = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
LIMIT = 20_000  # expressions, which is all
STEPS_PER_EXECUTION = 40  # in one call of the compiled graph
WATCHED = 2_000  # test expressions, at most, that the accuracy per epoch is of; the final one is of all
LOOKS = ("GIVEN", "LOOKS", "given", "arms")  # what a resumed run may change
TINY = {
    "UNITS": 8,
    "GIVEN": (20,),
    "ARMS": {"plain": (), "all": IDEAS},
    "EPOCH_EQUATIONS": 64,
    "LIMIT": 400,
    "EPOCHS": 1,
    "COSINE_EPOCHS": 3,
}


def build_model():
    """Return the report's model, 805,133 parameters: one-hot query (batch, 5, 13) -> probabilities (batch, 3, 13)."""
    query = keras.Input(shared_blocks.QUERY_SHAPE, name="query")
    x = layers.LSTM(UNITS, unroll=True, name="encoder")(query)
    x = layers.RepeatVector(shared_blocks.ANSWER_LENGTH, name="repeat")(x)
    x = layers.LSTM(UNITS, return_sequences=True, unroll=True, name="decoder")(x)
    x = layers.Dense(len(shared_blocks.CHARACTERS), activation="softmax", name="answer")(x)
    return keras.Model(query, x, name="text")


def consequences(a, sign, b, c):
    """Return the equations, as (a, sign, b, c) for "a sign b = c", that one step leads to from a given one.

    Operands are numbers 0..99, so that c - a and c - b follow from a + b = c up to 99 alone, and b + c from a - b = c
    where c is no negative number.
    """
    if sign == "+":
        return [(b, "+", a, c), *([(c, "-", a, b), (c, "-", b, a)] if c < 100 else [])]
    return [(b, "-", a, -c), *([(b, "+", c, a)] if c >= 0 else [])]


def derive(equations):
    """Return the set of all equations that follow from given ones, which are among them."""
    known, fresh = set(equations), set(equations)
    while fresh:
        fresh = {equation for known_one in fresh for equation in consequences(*known_one)} - known
        known |= fresh
    return known


def to_numbers(queries, answers):
    """Return int tokens of queries (count, 5) and answers (count, 3) as a list of equations (a, sign, b, c)."""
    texts = zip(shared_blocks.to_texts(queries), shared_blocks.to_texts(answers), strict=True)
    return [(*shared_blocks.read_query(query), int(answer)) for query, answer in texts]


def write(equations, ideas):
    """Return equations as an arm with some IDEAS sees them: int8 tokens of queries (count, 5), answers (count, 3)."""
    queries = [shared_blocks.write_query(a, sign, b, "aligned" in ideas) for a, sign, b, _ in equations]
    answers = shared_blocks.to_tokens([f"{c:>3}" for *_, c in equations])
    return shared_blocks.to_tokens(queries), turn(answers, ideas)


def turn(answers, ideas):
    """Return tokens of answers (count, 3) in the order in which an arm writes them, or back in that of reading."""
    return answers[:, ::-1] if "reversed" in ideas else answers


def optimizer_of(ideas, epoch_steps):
    """Return the optimiser of an arm that makes so many steps per epoch; a cosine ends after COSINE_EPOCHS."""
    cosine = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, COSINE_EPOCHS * epoch_steps)
    rate = cosine if "cosine" in ideas else LEARNING_RATE
    if "weight_decay" in ideas:
        return keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY)
    return keras.optimizers.Adam(rate)


def run_arm(run, count, arm, given, known, tested):
    """Train one arm on given equations, and look into every wrong answer to the others.

    Args:
        run: the `shared_run.Run`.
        count: which part it is of how many, as text.
        arm: of ARMS.
        given: equations (a, sign, b, c).
        known: these and what follows from them, as from `derive`.
        tested: equations that do not follow from them.
    """
    ideas, args = ARMS[arm], run.args
    part = run.part(f"{arm}_{len(given)}", count)
    if part.is_done(args.epochs):
        return
    taught = sorted(known) if "identities" in ideas else given
    queries, answers = write([*taught, *tested], ideas)
    train_rows, test_rows = np.split(np.arange(len(queries)), [len(taught)])
    watched_rows = np.random.default_rng(args.seed).permutation(test_rows)[:WATCHED]
    often = np.resize(train_rows, max(len(known), EPOCH_EQUATIONS))  # all arms make as many steps
    batches = shared_training.Batches((queries, answers), often, args.batch_size, shared_blocks.to_one_hot_batch)
    watched = shared_training.Batches((queries, answers), watched_rows, 500, shared_blocks.to_one_hot_batch)

    keras.utils.set_random_seed(args.seed)
    model = build_model()
    model.compile(
        optimizer=optimizer_of(ideas, len(batches)),
        loss="categorical_crossentropy",
        metrics=["accuracy", shared_answers.exact_match],
        **shared_training.fast_steps(STEPS_PER_EXECUTION),
    )
    history = part.fit(model, batches, epochs=args.epochs, validation_data=watched)
    part.save_model("model.keras", model)
    predicted = turn(shared_training.predict(model, shared_blocks.to_one_hot(queries[test_rows])).argmax(-1), ideas)
    asked, true = write(tested, ())
    shared_answers.save_errors(part, asked, true, predicted)
    test_accuracy, test_exact_match = shared_answers.shares_right(true, predicted)
    part.finish(
        history,
        {"loss": ["loss"], "accuracy per character": ["accuracy"], "exact match": ["exact_match"]},
        args.epochs,
        test_accuracy=test_accuracy,
        test_exact_match=test_exact_match,
        training_equations=len(taught),
        test_expressions=len(tested),
    )


def save_ideas(run):
    """Write `ideas.csv` and `exact_by_given.png` of all arms that have ended, print the table, and return its rows."""
    columns = ("training_equations", "test_expressions", "test_accuracy", "test_exact_match")
    rows = []
    for path in run.folder.glob("*/results.json"):
        match = re.fullmatch(rf"({'|'.join(ARMS)})_(\d+)", path.parent.name)
        if match:
            numbers = shared_files.read_results(path, *columns)
            rows.append({"arm": match[1], "given": int(match[2]), **{name: numbers[name] for name in columns}})
    rows.sort(key=lambda row: (row["given"], row["test_exact_match"]))
    shared_files.write_table(run.folder / "ideas.csv", rows)
    shared_files.print_table(rows)

    figure = Figure(figsize=(10, 4.5), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    for arm in ARMS:
        points = [(row["given"], row["test_exact_match"]) for row in rows if row["arm"] == arm]
        style = {"linestyle": "--", "alpha": 0.6} if arm.startswith("without") else {}
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=arm, **style)
    given = sorted({row["given"] for row in rows})
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="equations given", ylabel="right answers to what does not follow")
    axes.set_xticks(given, [f"{count:,}" for count in given])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title(run.title("exact match by what is given"), fontsize=10)
    figure.savefig(run.folder / "exact_by_given.png")
    return rows


def main(argv=None):
    """Train the arms that are asked for and not yet done, and return the test accuracies.

    Raises:
        InputError: as `shared_run.Run` and `shared_blocks.split_expressions`; no test expression is left.
    """
    parser = shared_command_line.parser(globals(), unit="expressions")
    positive = shared_command_line.positive
    parser.add_argument("--given", type=positive, nargs="+", default=GIVEN, help="numbers of equations to be given")
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS), help="which to train (every one)")
    args = parser.parse_args(argv)
    queries, answers = shared_blocks.sample_expressions(args.limit, args.seed)
    equations = to_numbers(queries, answers)
    sets = []
    for count in args.given:
        rows, others = shared_blocks.split_expressions(queries, count / len(queries), args.seed)
        given = [equations[row] for row in rows]
        known = derive(given)
        tested = [equations[row] for row in others if equations[row] not in known]
        if not tested:
            raise shared_files.InputError(
                f"--given {count}: leaves no expression to test that does not follow from these."
            )
        print(f"{len(given):,} equations are given; of {len(others):,} others {len(tested):,} do not follow from them.")
        sets.append((given, known, tested))
    run = shared_run.Run(globals(), args, f"{len(queries):,} expressions", [queries, answers], LOOKS)
    todo = [(arm, *each) for each in sets for arm in args.arms]
    for index, (arm, given, known, tested) in enumerate(todo, start=1):
        run_arm(run, f"{index} of {len(todo)}", arm, given, known, tested)
    names = ("test_accuracy", "test_exact_match")
    results = {f"{row['arm']}_{row['given']}_{name}": row[name] for row in save_ideas(run) for name in names}
    run.save_results(results)
    return results


if __name__ == "__main__":
    shared_command_line.run_script(main)
