"""Drum bars: read from MIDI files, and made by rules where there are none."""

import csv
from dataclasses import dataclass, fields

import mido
import numpy as np

from shared_drawings import STAND_IN
from shared_files import InputError, find_folder, first_of

DRUMS_FLAG = ("--data", "folder of MIDI files (bars made by rules)")
STEPS = 16  # of a bar in 4/4: sixteenth notes
INSTRUMENTS = {  # and their MIDI notes, as in Magenta's map of Roland drum kits; the first is the one that is written
    "kick": (36,),
    "snare": (38, 37, 40),
    "closed hi-hat": (42, 22, 44),
    "open hi-hat": (46, 26),
    "low tom": (43, 58),
    "mid tom": (47, 45),
    "high tom": (50, 48),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
}
CELLS = STEPS * len(INSTRUMENTS)
PLACES = {note: index for index, notes in enumerate(INSTRUMENTS.values()) for note in notes}
CHANNEL = 9  # of drums, counted from 0
TEMPO = 120  # quarter notes a minute, where a file names none
VELOCITY = 90  # of a hit, 1 to 127, where nobody has played it
SPLITS = ("train", "validation", "test")
SMALLEST = 8  # bars in a split
RULES = {  # style: tempo, and for each instrument the chance of a hit in each sixteenth, from 0 to 9 tenths; x is 1
    "rock": (120, {"kick": "x.1...2.x.4...1.", "snare": "....x..1....x..2", "closed hi-hat": "x.x.x.x.x.x.x.x."}),
    "dance": (128, {"kick": "x...x...x...x...", "snare": "....8.......x..1", "open hi-hat": "..x...x...x...x."}),
    "hiphop": (92, {"kick": "x..4..3...x.5...", "snare": "....x..3.1..x...", "closed hi-hat": "x.x3x.x.x.x3x.x4"}),
    "latin": (
        105,
        {
            "kick": "x..x..2.x..x..2.",
            "snare": "x..x..x...x.x..1",
            "ride": "x.x.x.x.x.x.x.x.",
            "low tom": ".....3.......6..",
        },
    ),
    "jazz": (
        150,
        {
            "kick": "2..1..2...3...2.",
            "snare": "..1..2.1..2..3..",
            "ride": "x...x..xx...x..x",
            "closed hi-hat": "....x.......x...",
        },
    ),
}
FILL = {  # of which the second half is played
    "snare": "........x.x.....",
    "high tom": "..........xx....",
    "mid tom": "............xx5.",
    "low tom": "..............xx",
}
SWING = 0.33  # steps, by which the last sixteenth of each beat is late in jazz and hip-hop
MADE = 40, 16  # performances of each style, and bars in one
PLAYED = 0.02, 10  # deviations of a hit's time in steps, and of its velocity


@dataclass
class Bars:
    """Bars of drums, a row each.

    Attributes:
        hits: uint8 (count, 16, 9), 1 where an instrument is hit in a step.
        velocities: uint8 (count, 16, 9), 1 to 127 where it is, else 0.
        offsets: float32 (count, 16, 9), by how much the hit is late, in steps from -0.5 to 0.5.
        styles: text (count,).
        performances: text (count,), of which performance, or file, a bar is part.
        splits: text (count,), one of SPLITS, the same for a whole performance.
        tempos: float32 (count,), quarter notes a minute.
    """

    hits: np.ndarray
    velocities: np.ndarray
    offsets: np.ndarray
    styles: np.ndarray
    performances: np.ndarray
    splits: np.ndarray
    tempos: np.ndarray

    def __len__(self):
        """Return the number of bars."""
        return len(self.hits)

    def take(self, rows):
        """Return the bars of these row numbers, or of a mask."""
        return Bars(*(getattr(self, field.name)[rows] for field in fields(self)))


def find_bars(data, limit, seed):
    """Return the drum bars that a run works on, and say in printed lines what they are.

    Args:
        data: folder of MIDI files, searched with all folders below it. A file `info.csv` in it, as the Groove MIDI
            Dataset has it, tells styles, tempos and splits; else a file's folder is its style, and a tenth of the files
            each is held out for validation and for the test. None makes bars by rules.
        limit: number of bars, about: whole performances are added, in an order that follows from the seed, until there
            are so many. Each split gets its share.
        seed: of made bars, order and splits.

    Returns:
        `Bars`, and a short text for titles and settings.

    Raises:
        InputError: no such folder, or fewer than three MIDI files with drums in 4/4 in it; a damaged `info.csv`; a
            split with fewer than SMALLEST bars, or all bars of one style.
    """
    if data is None:
        parts, where = make_performances(seed), f"by rules ({STAND_IN})"
        print("There is no --data: bars are made by rules, in five styles.")
    else:
        folder = find_folder(data)
        parts, where = read_folder(folder), f"of {folder.resolve().name}"
    if len(parts) < len(SPLITS):
        raise InputError(f"{data}: holds {len(parts)} MIDI files with drums in 4/4; at least 3 are needed.")
    order = np.random.default_rng(seed).permutation(len(parts))
    for place, index in enumerate(order):
        if not parts[index].splits[0]:
            parts[index].splits[:] = {0: "validation", 1: "test"}.get(place % 10, "train")
    order = spread_splits(order, [part.splits[0] for part in parts])
    before = np.cumsum([0] + [len(parts[index]) for index in order[:-1]])  # bars of those that come first
    parts = [parts[index] for index in np.sort(order[before < limit])]
    bars = Bars(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Bars)))
    counts = {split: int(np.sum(bars.splits == split)) for split in SPLITS}
    source = f"{len(bars):,} bars {where}"
    print(f"Data: {source}, " + ", ".join(f"{count:,} for {split}" for split, count in counts.items()) + ".")
    if min(counts.values()) < SMALLEST:
        raise InputError(f"{source}: a split has fewer than {SMALLEST} of them; more files or a higher --limit help.")
    if len(set(bars.styles[bars.splits == "train"])) < 2:
        raise InputError(f"{source}: all are of one style; folders, or an info.csv, tell the styles.")
    return bars, source


def spread_splits(order, splits):
    """Return the rows `order`, int (count,), moved so that those of each split come evenly spread: int (count,).

    Args:
        order: row numbers.
        splits: the split of each row.
    """
    places = np.empty(len(order))
    for split in SPLITS:
        rows = np.flatnonzero([splits[index] == split for index in order])
        places[rows] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    return order[np.argsort(places, kind="stable")]


def read_folder(folder):
    """Return the `Bars` of each MIDI file in a folder and below, in the order of their paths; say what is skipped."""
    info = read_info(folder / "info.csv")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".mid", ".midi"))
    parts, skipped = [], {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            if info and name not in info:
                raise InputError("are not in info.csv")
            notes, tempo = read_notes(path)
        except InputError as error:
            skipped.setdefault(str(error), []).append(name)
            continue
        row = info.get(name, {})
        style = row.get("style", path.parent.name).split("/")[0]
        parts.append(to_bars(notes, style, name, row.get("split", ""), float(row.get("bpm") or tempo)))
    for reason, names in skipped.items():
        print(f"Warning: {len(names):,} MIDI files {reason} and are skipped: {first_of(names)}")
    return parts


def read_info(path):
    """Return {MIDI file: its row} of an `info.csv` as the Groove MIDI Dataset has it, or {} if there is none.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = {row["midi_filename"]: row for row in csv.DictReader(file)}
        if not all({row["split"]} <= {*SPLITS} and row["style"] and float(row["bpm"]) > 0 for row in rows.values()):
            raise ValueError("a split, a style or a tempo is none")
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}).") from error
    return rows


def read_notes(path):
    """Return the drum hits of a MIDI file in 4/4.

    Returns:
        float (hits, 3): time in sixteenth notes from the start, row of INSTRUMENTS, velocity 1 to 127; and the tempo in
        quarter notes a minute. Notes that stand for none of INSTRUMENTS are left out.

    Raises:
        InputError: the file is damaged, not in 4/4, or without drums; its text says which, for "MIDI files ...".
    """
    try:
        file = mido.MidiFile(path, clip=True)
        if file.ticks_per_beat <= 0:
            raise ValueError("counts frames of film, not beats")
        time, notes, tempos, signatures = 0, [], [], []
        for message in mido.merge_tracks(file.tracks):
            time += message.time
            if message.type == "set_tempo":
                tempos.append(mido.tempo2bpm(message.tempo))
            elif message.type == "time_signature":
                signatures.append((message.numerator, message.denominator))
            elif message.type == "note_on" and message.channel == CHANNEL and message.note in PLACES:
                notes.append((4 * time / file.ticks_per_beat, PLACES[message.note], message.velocity))
    except Exception as error:  # nearly anything, of a damaged file
        raise InputError("are damaged") from error
    if set(signatures) - {(4, 4)}:
        raise InputError("are not in 4/4")
    notes = [note for note in notes if note[2] > 0]  # a velocity of 0 ends a note
    if not notes:
        raise InputError("have no drums")
    return np.array(notes), (tempos or [TEMPO])[0]


def to_bars(notes, style, performance, split, tempo):
    """Return the hits of one performance as `Bars`, without the empty ones.

    Args:
        notes: float (hits, 3), as from `read_notes`. Each goes to the nearest step; the loudest of those that share one
            stays.
        style: of the performance.
        performance: its name.
        split: one of SPLITS, or "" if that is open.
        tempo: quarter notes a minute.
    """
    notes = notes[np.argsort(notes[:, 2], kind="stable")]
    steps = np.floor(notes[:, 0] + 0.5).astype(int)
    bars, places = steps // STEPS, (steps % STEPS, notes[:, 1].astype(int))
    kept, rows = np.unique(bars, return_inverse=True)
    shape = (len(kept), STEPS, len(INSTRUMENTS))
    velocities, offsets = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    velocities[rows, *places] = notes[:, 2]
    offsets[rows, *places] = notes[:, 0] - steps
    labels = [np.full(len(kept), label, object).astype(str) for label in (style, performance)]
    return Bars(
        (velocities > 0).astype(np.uint8),
        velocities,
        offsets,
        *labels,
        np.full(len(kept), split, "<U10"),
        np.full(len(kept), tempo, np.float32),
    )


def make_performances(seed):
    """Return performances that are made by RULES, as a list of `Bars`; every eighth bar ends in a fill.

    Each has its own density: its chances are multiplied by a number from 0.9 to 1.1.
    """
    rng = np.random.default_rng(seed)
    names, parts = list(INSTRUMENTS), []
    for style, (tempo, rules) in RULES.items():
        for number in range(MADE[0]):
            chances, fill = (to_chances(each) * rng.uniform(0.9, 1.1) for each in (rules, FILL))
            chances = np.tile(chances, (MADE[1], 1, 1))
            chances[7::8, STEPS // 2 :] = fill[STEPS // 2 :]
            chances[:: MADE[1], 0, names.index("crash")] = 1
            bar, step, instrument = np.nonzero(rng.random(chances.shape) < chances)
            late = SWING * (step % 4 == 3) * (style in ("jazz", "hiphop")) + PLAYED[0] * rng.standard_normal(len(bar))
            loud = np.clip(VELOCITY + PLAYED[1] * rng.standard_normal(len(bar)) - 20 * (step % 2), 1, 127)
            notes = np.column_stack([STEPS * bar + step + late, instrument, np.rint(loud)])
            parts.append(to_bars(notes, style, f"{style}/{number}", "", tempo))
    return parts


def to_chances(rules):
    """Return the chance of a hit, float (16, 9), that texts of sixteen characters stand for."""
    chances = np.zeros((STEPS, len(INSTRUMENTS)))
    for name, text in rules.items():
        chances[:, list(INSTRUMENTS).index(name)] = [".123456789x".index(sign) / 10 for sign in text]
    return chances
