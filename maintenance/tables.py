"""The gallery of README.md, the tables of RESULTS.md and the numbers in both, from `assets/results.csv`.

    python -m maintenance.tables                                      # write gallery and tables anew
    python -m maintenance.tables --add runs/VAE_filter64_latent32 --setting "latent 32" --machine "two cores"
                                 --command "python VAE_filter64_latent32.py"      # take the numbers of a run in first

A run that is added again under the same setting, seed and backend replaces what was there; runs of one setting with
several seeds are shown as mean ± standard deviation. Each row of its comparison.csv, if it has one, is a setting of its
own, "<setting>: <pictures>". A table stands between two comments; the first says which rows, by
a pattern for script and setting, and which columns it has, by name and heading:

    <!-- table: VAE_filter64_latent* | setting = latent dimension; val_loss = held-out loss; seconds = seconds -->
    <!-- end of table -->

The gallery, between `<!-- gallery -->` and `<!-- end of gallery -->`, has a row for each script: the first line of
its docstring, its picture `assets/<script>.*`, and the number that `--headline` chose, which fits the picture. A number
in a sentence has its row behind it: `6,674<!-- VAE_filter64_latent32 | latent 32 | val_loss -->`.
"""

from shared_start import keras  # TensorFlow without its noise; therefore first

import argparse
import ast
import csv
import math
import re
import statistics
from fnmatch import fnmatch
from pathlib import Path

from shared_command_line import OneLineParser, run_script
from shared_files import InputError, read_history, read_json, read_results, write_table
from shared_settings import run_of, sources

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "RESULTS.md")
RESULTS = ROOT / "assets" / "results.csv"
FIELDS = (
    "script",
    "setting",
    "metric",
    "value",
    "report",
    "data",
    "epochs",
    "seed",
    "backend",
    "machine",
    "seconds",
    "command",
    "headline",
)
NOT_METRICS = {"epochs", "epochs_asked", "seconds"}
WHOLE_ANSWERS = ("val_exact_match", "answer_accuracy")  # columns of a history: the share of answers that are right
MILESTONES = {"epochs_to_tenth": 0.1, "epochs_to_half": 0.5}  # metrics: the first epoch after which so many are right
GALLERY = re.compile(r"(<!-- gallery -->\n).*?(<!-- end of gallery -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- table: (.+?) \| (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
NUMBER = re.compile(r"-?[\d,.]*\d(?: ± [\d,.]*\d)?(<!-- ([\w/]+) \| ([^|]+?) \| (\w+) -->)")
COUNTS = {
    *("active_units", "dimensions_90", "dimensions_99", "dimensions_used", "mixture_components", "parameters"),
    *("letters_found", "active_high", "active_low", "training_equations", "test_expressions", "symbols_used"),
    "wrong_answers",
    *MILESTONES,
}


def read_rows():
    """Return the rows of `results.csv` as dicts of text."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add_run(folder, setting, machine, command, report, headline=None):
    """Put the numbers of a finished run, or of a part of one, into `results.csv`.

    Args:
        folder: of the run or part.
        setting: what tells it from other runs of the script, for the table.
        machine: that it ran on.
        command: that repeats it.
        report: {metric: the report's value}.
        headline: metric that the gallery shows of this script from now on, or None.

    Raises:
        InputError: a file of the run is damaged.
    """
    settings, results = read_json(run_of(folder) / "settings.json"), read_results(folder / "results.json")
    fields = {
        "script": settings["script"],
        "data": sources([folder]),
        "seed": settings["arguments"]["seed"],
        "backend": settings["backend"],
        "machine": machine,
        "seconds": round(results["seconds"]),
        "command": command,
    }
    numbers = {metric: value for metric, value in results.items() if metric not in NOT_METRICS} | milestones(folder)
    put(numbers, report, headline, setting=setting, epochs=results["epochs"], **fields)
    if sets := {f"{setting}: {pictures}": others for pictures, *others in compared_sets(folder)}:
        of_run = {name: str(fields[name]) for name in ("script", "seed", "backend")}

        def is_gone(row):
            earlier = row["setting"].startswith(f"{setting}: ") and of_run.items() <= row.items()
            return earlier and row["setting"] not in sets

        write_table(RESULTS, [row for row in read_rows() if not is_gone(row)], FIELDS)
    for name, (epochs, numbers) in sets.items():
        put(numbers, setting=name, epochs=epochs, **fields)


def compared_sets(folder):
    """Return the rows of the run's `comparison.csv`, if it has one, as tuples (set of pictures, epochs, numbers)."""
    path = folder / "comparison.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            (row.pop("pictures"), int(row.pop("epochs")), {name: float(value) for name, value in row.items() if value})
            for row in csv.DictReader(file)
        ]


def milestones(folder):
    """Return the MILESTONES that a run or part has passed, {metric: epoch, counted from 1}; none without answers.

    Raises:
        InputError: the history is damaged.
    """
    history = read_history(folder / "history.csv")
    shares = next((history[name] for name in WHOLE_ANSWERS if name in history), [])
    first = {
        metric: next((row for row, share in enumerate(shares) if share >= low), None)
        for metric, low in MILESTONES.items()
    }
    return {metric: row + 1 for metric, row in first.items() if row is not None}


def put(numbers, report=None, headline=None, **fields):
    """Put numbers into `results.csv`, in place of those of the same script, setting, seed and backend.

    Args:
        numbers: {metric: value}; whole numbers are written in full, others with six digits.
        report: {metric: the report's value}, or None.
        headline: as for `add_run`.
        fields: the other FIELDS, which say where the numbers come from.
    """
    key = {name: str(fields[name]) for name in ("script", "setting", "seed", "backend")}
    rows = read_rows()
    old = [index for index, row in enumerate(rows) if key.items() <= row.items()]
    headline = headline or next((rows[index]["metric"] for index in old if rows[index]["headline"]), None)
    if headline and headline not in numbers:
        raise InputError(f"--headline {headline}: is none of the numbers.")
    if headline:
        rows = [row | {"headline": ""} if row["script"] == key["script"] else row for row in rows]
    new = [
        {
            **fields,
            "metric": metric,
            "value": str(value) if isinstance(value, int) else f"{value:.6g}",
            "report": (report or {}).get(metric, ""),
            "headline": "yes" if metric == headline else "",
        }
        for metric, value in numbers.items()
    ]
    rows = [row for index, row in enumerate(rows) if index not in old]
    place = old[0] if old else len(rows)
    write_table(RESULTS, [*rows[:place], *new, *rows[place:]], FIELDS)


def put_times(numbers, script, setting, machine, command, *, data, epochs):
    """Put what was timed on a machine into `results.csv`, as `put`.

    Raises:
        InputError: there is this setting of another machine, whose numbers would be lost.
    """
    backend = keras.backend.backend()
    key = {"script": script, "setting": setting, "backend": backend}
    others = {row["machine"] for row in read_rows() if key.items() <= row.items()} - {machine}
    if others:
        raise InputError(
            f"{RESULTS}: has {setting!r} of {others.pop()}; rename its setting there first, as 'on a Xeon: ...'."
        )
    if backend != "tensorflow":
        command = f"KERAS_BACKEND={backend} {command}"
    fields = {"data": data, "epochs": epochs, "seed": 0, "machine": machine, "seconds": 0, "command": command}
    put(numbers, **key, **fields)


def render(rows, pattern, columns):
    """Return the Markdown table of the rows whose "script setting" matches `pattern`, a line for each of these.

    Args:
        rows: as from `read_rows`.
        pattern: as for `fnmatch`.
        columns: {name: heading}; a name is a field, a metric, or "<metric> report" for the report's value of it.

    Returns:
        str: a metric is the mean over the seeds, on the backend of the first, with the standard deviation where
        they differ; a field is that of the first seed.
    """
    runs = {}
    for row in rows:
        if fnmatch(f"{row['script']} {row['setting']}", pattern):
            runs.setdefault((row["script"], row["setting"]), {}).setdefault(row["metric"], []).append(row)
    cells = [[cell(run, column) for column in columns] for run in runs.values()]
    to_the_right = [
        all(text.lstrip("-")[:1].isdigit() or not text for text in column) for column in zip(*cells, strict=True)
    ]
    lines = [columns.values(), ["---:" if right else "---" for right in to_the_right], *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(run, column):
    """Return the text of one cell: `run` holds, by metric, the rows of the seeds of a setting."""
    anything = next(iter(run.values()))[0]
    if column == "command":
        return f"`{anything['command']}`"
    if column in FIELDS:
        return f"{int(anything[column]):,}" if column == "seconds" else anything[column]
    metric, _, source = column.partition(" ")
    rows = [row for row in run.get(metric, []) if row["backend"] == run[metric][0]["backend"]]
    numbers = [float(row[source or "value"]) for row in rows if row[source or "value"]]
    if not numbers:
        return ""
    mean = statistics.mean(numbers)
    digits = decimals(metric, mean)
    shown = [mean, statistics.stdev(numbers)] if len(set(numbers)) > 1 else [mean]
    return " ± ".join(f"{number:,.{digits}f}" for number in shown)


def decimals(metric, value):
    """Return how many decimals the pages show: as a rule four up to 1, two below 10, one below 1000, and then none."""
    if metric.startswith(("share_", "times")):
        return 1 if value >= 10 else 2
    if metric.startswith(("swd", "channel_gap", "minutes")):
        return 1
    if metric in ("code_distance", "inside_shell"):
        return 2
    if metric.startswith(("ms_", "score_", "gb_")):  # three digits
        return max(0, 2 - math.floor(math.log10(value)))
    if metric in COUNTS or metric.startswith("seconds_") or value >= 1000:
        return 0
    if value > 1:
        return 1 if value >= 10 else 2
    return 4


def gallery(rows):
    """Return the Markdown of the gallery, a row per headline; siblings, whose names differ in numbers, share one."""
    families = {}
    for row in rows:
        if row["headline"]:
            families.setdefault(re.sub(r"\d+", "", row["script"]), []).append(row)
    return "| | |\n| --- | --- |\n" + "".join(gallery_row(rows, headlines) for headlines in families.values())


def gallery_row(rows, headlines):
    """Return a row: picture, caption, command and number of the first headline, and the numbers of its siblings."""
    first, *siblings = headlines
    code = (ROOT / f"{first['script']}.py").read_text(encoding="utf-8")
    caption = ast.get_docstring(ast.parse(code)).splitlines()[0]
    others = "".join(f"; `{row['script']}.py` {mean_of(rows, row)}" for row in siblings)
    report = f" (report: {mean_of(rows, first, 'report')})" if first["report"] else ""
    return (
        f"| ![{caption}](assets/{picture_of(first['script'])}) | **{caption}** `{first['command']}`, "
        f"{first['epochs']} epochs on {first['data']}: {first['metric']} {mean_of(rows, first)}{report}{others} |\n"
    )


def mean_of(rows, row, source=""):
    """Return the text of the mean, over all seeds, of a row's number or, if `source` is "report", the report's."""
    same = ("script", "setting", "metric")
    run = {row["metric"]: [other for other in rows if all(other[name] == row[name] for name in same)]}
    return cell(run, f"{row['metric']} {source}".strip())


def picture_of(script):
    """Return the name of the one picture in assets/ that is named after a script."""
    (path,) = (path for path in RESULTS.parent.glob(f"{script}.*") if path.suffix in (".jpg", ".png", ".gif"))
    return path.name


def with_numbers(text):
    """Return a page's text with gallery, tables, and numbers in sentences made from `results.csv`.

    Raises:
        InputError: there is no row for a number in a sentence.
    """
    rows = read_rows()

    def fill_table(match):
        columns = dict(column.strip().split(" = ") for column in match[3].split(";"))
        return match[1] + render(rows, match[2], columns) + match[4]

    def fill_number(match):
        keys = dict(zip(("script", "setting", "metric"), match.groups()[1:], strict=True))
        row = next((row for row in rows if keys.items() <= row.items()), None)
        if row is None:
            raise InputError(f"{RESULTS}: has no row for {match[1]}.")
        return mean_of(rows, row) + match[1]

    text = TABLE.sub(fill_table, NUMBER.sub(fill_number, text))
    return GALLERY.sub(lambda match: match[1] + gallery(rows) + match[2], text)


def report_value(text):
    """Return the pair (metric, value as text) that `--report`'s METRIC=VALUE stands for."""
    match = re.fullmatch(r"(\w+)=(-?[\d.]+(?:e-?\d+)?)", text)
    try:
        return match[1], str(float(match[2]))
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not METRIC=VALUE") from error


def main(argv=None):
    """Add a run if one is named, and write the pages' numbers."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument(
        "--add", type=Path, metavar="FOLDER", help="run folder, or of arithmetic a part of one, to take in"
    )
    parser.add_argument("--setting", help="what tells this run from others of its script")
    parser.add_argument("--machine", help="what it ran on")
    parser.add_argument("--command", help="what repeats it")
    parser.add_argument("--headline", metavar="METRIC", help="the number that the gallery shows")
    parser.add_argument(
        "--report", type=report_value, nargs="*", default=[], metavar="METRIC=VALUE", help="the report's numbers"
    )
    args = parser.parse_args(argv)
    if args.add:
        if not (args.setting and args.machine and args.command):
            parser.error("--add needs --setting, --machine and --command")
        add_run(args.add, args.setting, args.machine, args.command, dict(args.report), args.headline)
    elif args.setting or args.machine or args.command or args.headline or args.report:
        parser.error("--setting, --machine, --command, --headline and --report: need --add")
    for page in PAGES:
        page.write_text(with_numbers(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    run_script(main, resumable=False)
