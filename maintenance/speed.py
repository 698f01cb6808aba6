"""Time of a training step of the scripts' main models beside plain Keras and plain PyTorch; prints Markdown tables.

    python -m maintenance.speed                   # all, some forty minutes on two cores
    python -m maintenance.speed gan text          # only these; --help lists the names
    python -m maintenance.speed --rounds 3        # fewer repetitions
    python -m maintenance.speed --keep "a laptop"    # put the numbers into assets/results.csv as well

What stands in one row is measured in one run, in turn, so that a machine that slows down slows all of it; the numbers
are medians over the rounds, with the fastest behind them, and everything is compiled before. Last in the brackets is
the share of the float32 peak: the multiplications and additions that the layers need, divided by the median time and by
the speed of a large matrix product, measured just before. The scripts' batches are made while they train, those of the
others before. PyTorch is left out where it is not installed. On a GPU, with JAX, more steps are timed at once, and no
share is given, nor is one for most GANs.
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import statistics
import time

import numpy as np

from maintenance import tables
from maintenance.contests import CONTESTS, ON_GPU, in_pytorch
from shared_command_line import OneLineParser, positive, run_script

MATRIX = 3_000  # rows and columns of the matrices whose product gives the peak


def timed(function):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def matrix_peak():
    """Return the floating-point operations a second of a large float32 matrix product, the fastest of five."""
    a, b = np.random.default_rng(0).random((2, MATRIX, MATRIX), np.float32)
    return 2 * MATRIX**3 / min(timed(lambda: a @ b) for _ in range(5))


def measure(contest, rounds):
    """Return the milliseconds of a step of each function, median and fastest."""
    for function in contest.functions.values():
        function()
    times = {name: [] for name in contest.functions}
    for _ in range(rounds):
        for name, function in contest.functions.items():
            times[name].append(1000 * timed(function) / contest.steps)
    return {name: (statistics.median(values), min(values)) for name, values in times.items()}


def numbers_of(contest, rounds):
    """Return the metrics of a contest, measured now, under the names of `assets/results.csv`: "ms_ours_fastest".

    `share_...` is of the matrix peak; `times...`, how many times as fast as the fastest of the others ours is.
    """
    peak, times = None if ON_GPU else matrix_peak(), measure(contest, rounds)
    numbers = {}
    for name, pair in times.items():
        for suffix, milliseconds in zip(("", "_fastest"), pair, strict=True):
            numbers[f"ms_{name}{suffix}"] = milliseconds
        if peak and (operations := contest.operations[name]):
            numbers[f"share_{name}"] = operations / (pair[0] / 1000) / peak
    for suffix in ("", "_fastest"):
        others = [numbers[f"ms_{name}{suffix}"] for name in times if name != "ours"]
        numbers[f"times{suffix}"] = min(others) / numbers[f"ms_ours{suffix}"]
    return numbers


def show(milliseconds):
    """Return milliseconds as RESULTS.md shows them."""
    return f"{milliseconds:,.{tables.decimals('ms_', milliseconds)}f}"


def row(contest, numbers):
    """Return a row of the table."""
    cells = dict.fromkeys(("ours", "plain", "torch"), "")
    for name in contest.functions:
        share = f", {numbers[f'share_{name}']:.0%}" if f"share_{name}" in numbers else ""
        cells[name] = f"{show(numbers[f'ms_{name}'])} ({show(numbers[f'ms_{name}_fastest'])}{share})"
    return (
        f"| {contest.name} | {cells['ours']} | {cells['plain']}: {contest.plain} | {cells['torch']} "
        f"| {numbers['times']:.2f} ({numbers['times_fastest']:.2f}) |"
    )


def main(argv=None):
    """Print the table of the contests that are asked for, and put it into `results.csv` if that is asked for."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"any of {', '.join(CONTESTS)}")
    parser.add_argument("--rounds", type=positive, default=9, help="repetitions (%(default)s)")
    parser.add_argument("--keep", metavar="MACHINE", help="put them into assets/results.csv, for `maintenance.tables`")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(CONTESTS):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(CONTESTS)}")
    if args.keep and in_pytorch is None and not ON_GPU:
        parser.error("--keep: PyTorch is not installed (pip install torch), and its rows would be lost")
    if in_pytorch is None:
        print("PyTorch is not installed (pip install torch); its column is left empty.")
    print("| ms per step, median (fastest, share of peak) | ours | plain Keras | PyTorch | times the fastest other |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in args.names or CONTESTS:
        contest = CONTESTS[name]()
        numbers = numbers_of(contest, args.rounds)
        print(row(contest, numbers), flush=True)
        if args.keep:
            setting = f"on a GPU: {contest.name}" if ON_GPU else contest.name
            command = f"python -m maintenance.speed {name} --rounds {args.rounds}"
            tables.put_times(numbers, "maintenance/speed", setting, args.keep, command, data="drawn", epochs=0)


if __name__ == "__main__":
    run_script(main, resumable=False)
