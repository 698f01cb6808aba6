"""New samples from any trained model, of `models/` or of a run, in seconds.

    python sample.py models/VAEGAN_filter128_latent128 grid.png --count 64 --seed 3
    python sample.py models/GAN_fonts/labels_0 name.png --text ADA      # letters, or digits, that are asked for
    python sample.py models/HVAE_drums bars.wav                         # or .mid, or .png
    python sample.py models/task2_txt2txt_identities --text 12+34       # an answer, printed
    python sample.py models/A2_text2image_crisp answer.png --text 12+34

A model that reads handwriting, such as `models/task2_img2txt_glyphs`, is given the expression in digits of `--mnist`,
which the picture shows.
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

from pathlib import Path

import numpy as np

import shared_blocks
import shared_data
import shared_figures
import shared_handwriting
import shared_models
import shared_sounds
from shared_command_line import OneLineParser, positive, run_script, seed_number
from shared_files import InputError

COUNT = {"pictures": 32, "bars": 8}
COLUMNS = 8  # pictures in a row
TEMPO = 100  # quarter notes a minute
MOST = 10_000  # that can be asked for
CELL = 6  # pixels of a cell in a picture of drum bars


def require_suffix(path, *suffixes):
    """Raise `InputError` unless there is a file to write whose name ends in one of these."""
    if path is None or path.suffix not in suffixes:
        raise InputError(f"Name a file to write that ends in {' or '.join(suffixes)}.")


def save_pictures(path, pictures, title):
    """Write uint8 pictures as a grid with a title."""
    shared_figures.save_grid(path, pictures, shared_figures.plain(title), min(COLUMNS, len(pictures)))


def save_bars(path, hits, title):
    """Write drum bars, uint8 (count, 16, 9), as sound, as MIDI or as a picture, by the suffix of the file."""
    if path.suffix == ".png":
        return save_pictures(path, shared_sounds.to_pictures(hits, CELL), title)
    notes = shared_sounds.to_notes(hits)
    if path.suffix == ".mid":
        return shared_sounds.write_midi(path, notes, TEMPO)
    return shared_sounds.write_wave(path, notes, TEMPO, len(hits))


def print_answer(answer, probabilities):
    """Print an answer, and how probable the model finds each of its characters."""
    print(f"Answer: {answer}")
    for row in probabilities:
        print(f"  {shared_handwriting.name_of(row.argmax()):>6}  {row.max():.4f}")


def handwritten(solver, text, mnist, seed):
    """Return an expression in glyphs, uint8 (5, 28, 28), of test digits and of drawn signs, and what the digits are."""
    _, test, source = shared_data.find_digits(mnist, seed)
    glyphs = shared_blocks.GlyphBank(*test, seed).pick(solver.tokens_of(text)[0], np.random.default_rng(seed))
    return glyphs, source


def solve(solver, args, title):
    """Print the answer to the expression of the command line; show it in handwriting if that is what is read."""
    if not solver.reads_pictures:
        return print_answer(*solver.answer(args.text))
    if args.file:
        require_suffix(args.file, ".png")
    glyphs, source = handwritten(solver, args.text, args.mnist, args.seed)
    if args.file:
        save_pictures(args.file, glyphs, f"{args.text} in {source}, {title}")
    return print_answer(*solver.answer_pictures(glyphs))


def main(argv=None):
    """Open the model that the command line names, and write or print what it makes.

    Raises:
        InputError: it cannot be opened, does not make what is asked for, or the file does not suit it.
    """
    parser = OneLineParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder in models/, or of a run or its part")
    parser.add_argument("file", type=Path, nargs="?", help="file to write")
    parser.add_argument(
        "--count", type=positive, help="how many (32; of letters all, or those of --text; 8 bars; 1 answer)"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of everything random (%(default)s)")
    parser.add_argument("--text", help="expression to answer, or letters or digits to draw")
    parser.add_argument(shared_data.DIGITS_FLAG[0], help=shared_data.DIGITS_FLAG[1])
    args = parser.parse_args(argv)
    if args.count and args.count > MOST:
        parser.error(f"argument --count: {args.count} is above {MOST:,}")
    model = shared_models.open_model(args.model)
    title = f"{args.model}, seed {args.seed}"
    answers = isinstance(model, shared_models.Solver | shared_models.Writer)
    if answers and args.text is None:
        raise InputError("This model answers expressions: ask with --text, such as --text 12+34.")
    if args.text is not None and not (answers or isinstance(model, shared_models.Glyphs)):
        raise InputError("This model cannot be asked for anything: leave --text out.")
    if isinstance(model, shared_models.Solver):
        if args.count:
            raise InputError("This model answers one expression: leave --count out.")
        if not model.reads_pictures and args.file:
            raise InputError("This model prints its answer: leave the file out.")
        solve(model, args, title)
    elif isinstance(model, shared_models.Drums):
        require_suffix(args.file, ".wav", ".mid", ".png")
        save_bars(args.file, model.sample(args.count or COUNT["bars"], args.seed), title)
    else:
        require_suffix(args.file, ".png")
        if isinstance(model, shared_models.Writer):
            pictures, title = model.sample(args.count or 1, args.seed, args.text), f"{args.text}, {title}"
        elif isinstance(model, shared_models.Glyphs):
            count = args.count or len(args.text or model.letters) or COUNT["pictures"]
            pictures = model.sample(count, args.seed, args.text or "")
        else:
            pictures = model.sample(args.count or COUNT["pictures"], args.seed)
        save_pictures(args.file, pictures, title)
    if args.file:
        print(f"Written: {args.file}")


if __name__ == "__main__":
    run_script(main, resumable=False)
