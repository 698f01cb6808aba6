"""Drum bars to be seen and heard: as pictures, as MIDI, and as sound that a few lines of synthesis make."""

import wave

import mido
import numpy as np

from shared_drums import CHANNEL, INSTRUMENTS, STEPS, VELOCITY
from shared_files import written_whole

TICKS = 480  # of a quarter note
RATE = 22_050  # samples a second


def to_notes(hits, played=None):
    """Return the hits of bars, one bar after the other: float (hits, 3), as from `shared_drums.read_notes`.

    Args:
        hits: uint8 (count, 16, 9).
        played: `shared_drums.Bars` with the velocities and offsets of a human, which hits get where these have one too;
            all others, and all if it is None, are on the grid, at VELOCITY.
    """
    bar, step, instrument = np.nonzero(hits)
    late, loud = np.zeros(len(bar)), np.full(len(bar), VELOCITY)
    if played is not None:
        by_human = played.hits[bar, step, instrument] > 0
        late = np.where(by_human, played.offsets[bar, step, instrument], late)
        loud = np.where(by_human, played.velocities[bar, step, instrument], loud)
    return np.column_stack([np.maximum(STEPS * bar + step + late, 0), instrument, loud])


def write_midi(path, notes, tempo):
    """Write drum hits to a MIDI file that `read_notes` reads as they were, but for the time's rounding to a tick.

    Args:
        path: file to write.
        notes: float (hits, 3), as from `read_notes`.
        tempo: quarter notes a minute.
    """
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
    track.append(mido.MetaMessage("time_signature", numerator=4, denominator=4))
    starts = np.rint(notes[:, 0] * TICKS / 4).astype(int)
    events = []
    for start, instrument, velocity in zip(starts, notes[:, 1].astype(int), notes[:, 2].astype(int), strict=True):
        note = list(INSTRUMENTS.values())[instrument][0]
        events += [(start, "note_on", note, velocity), (start + TICKS // 32, "note_off", note, 0)]
    now = 0
    for tick, kind, note, velocity in sorted(events):
        track.append(mido.Message(kind, channel=CHANNEL, note=note, velocity=velocity, time=int(tick - now)))
        now = tick
    with written_whole(path) as unfinished:
        mido.MidiFile(tracks=[track], ticks_per_beat=TICKS).save(unfinished)


def write_wave(path, notes, tempo, bars):
    """Write drum hits as sound: 16 bits, one channel, RATE samples a second, the loudest at nine tenths.

    Args:
        path: file to write.
        notes: float (hits, 3), as from `read_notes`.
        tempo: quarter notes a minute.
        bars: for how many bars of 4/4 it lasts; what still rings then goes on for a second.
    """
    step = 15 * RATE / tempo  # samples of a sixteenth note
    sound = np.zeros(int(bars * STEPS * step) + RATE)
    sounds = [make_sound(name) for name in INSTRUMENTS]
    for time, instrument, velocity in notes:
        start = round(time * step)
        hit = sounds[int(instrument)][: len(sound) - start]
        sound[start : start + len(hit)] += velocity / 127 * hit
    peak = np.abs(sound).max() or 1
    with written_whole(path) as unfinished, wave.open(str(unfinished), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.rint(0.9 * 32_767 / peak * sound).astype("<i2").tobytes())


def save_sound(path, hits, tempo, played=None):
    """Write bars, uint8 (count, 16, 9), as `<path>.mid` and `<path>.wav`; `played` as for `to_notes`."""
    notes = to_notes(hits, played)
    write_midi(path.with_suffix(".mid"), notes, tempo)
    write_wave(path.with_suffix(".wav"), notes, tempo, len(hits))


def to_pictures(hits, cell):
    """Return bars, uint8 (count, 16, 9), as pictures, time to the right and the kick at the bottom, white on black.

    Args:
        hits: see there.
        cell: pixels of a cell, height and width.

    Returns:
        uint8 (count, 9 * cell, 16 * cell).
    """
    rolls = 255 * hits.swapaxes(1, 2)[:, ::-1]
    rolls[:, :, ::4] = np.maximum(rolls[:, :, ::4], 40)  # where a quarter note begins
    return rolls.repeat(cell, axis=1).repeat(cell, axis=2)


def make_sound(name):
    """Return one hit of an instrument, float (samples,) within -1 to 1: a falling sine for drums, noise for metal."""
    pitch, fall, noise, seconds = {  # hertz; how fast the pitch falls, 1/s; share of noise; until it is at a third
        "kick": (110, 12, 0.02, 0.09),
        "snare": (190, 4, 0.7, 0.06),
        "closed hi-hat": (0, 0, 1, 0.02),
        "open hi-hat": (0, 0, 1, 0.15),
        "low tom": (100, 3, 0.1, 0.15),
        "mid tom": (140, 3, 0.1, 0.13),
        "high tom": (190, 3, 0.1, 0.11),
        "crash": (0, 0, 1, 0.4),
        "ride": (3_300, 0, 0.6, 0.2),
    }[name]
    time = np.arange(RATE) / RATE
    hiss = np.diff(np.random.default_rng(0).uniform(-0.5, 0.5, RATE + 1))  # bright, since differences lack low tones
    tone = np.sin(2 * np.pi * pitch * (1 - np.exp(-fall * time)) / fall if fall else 2 * np.pi * pitch * time)
    return (noise * hiss + (1 - noise) * tone) * np.exp(-time / seconds)
