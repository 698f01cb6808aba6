"""Drum bars: what is read from MIDI files and what is skipped, bars made by rules, and what is written to be heard."""

import wave

import mido
import numpy as np
import pytest

import shared_drums
import shared_files
import shared_sounds
from shared_drums import INSTRUMENTS


def some_notes(bars=2):
    """A kick on each quarter note, a snare on each second one, 0.2 steps late."""
    kicks = [(4 * beat, 0, 100) for beat in range(4 * bars)]
    snares = [(4 * beat + 0.2, 1, 60) for beat in range(1, 4 * bars, 2)]
    return np.array(kicks + snares, float)


def write_file(path, *messages, ticks=96):
    path.parent.mkdir(exist_ok=True)
    track = mido.MidiTrack(messages)
    mido.MidiFile(tracks=[track], ticks_per_beat=ticks).save(path)


def hit(note, time=0, channel=9, velocity=80):
    return mido.Message("note_on", note=note, time=time, channel=channel, velocity=velocity)


def test_all_notes_of_magenta_s_map_are_known():
    assert sorted(shared_drums.PLACES) == sorted(
        [36, 38, 37, 40, 42, 22, 44, 46, 26, 43, 58, 47, 45, 50, 48, 49, 52, 55, 57, 51, 53, 59]
    )


def test_hits_are_read_with_their_time_and_velocity(tmp_path):
    path = tmp_path / "a.mid"
    off = hit(37, time=12, velocity=0)
    tempo = mido.MetaMessage("set_tempo", tempo=500_000)
    write_file(path, tempo, hit(36), hit(37, 48), off, hit(60, 0, channel=0), hit(64), hit(59, 36, velocity=1))
    notes, bpm = shared_drums.read_notes(path)
    assert bpm == 120
    assert notes.tolist() == [[0, 0, 80], [2, 1, 80], [4, 8, 1]]


def test_hits_go_to_the_nearest_step_and_empty_bars_are_left_out():
    notes = np.array([[0.4, 0, 50], [0.45, 0, 90], [0.3, 0, 70], [15.6, 1, 60], [48.5, 2, 30], [50.4, 2, 31]])
    bars = shared_drums.to_bars(notes, "rock", "a.mid", "test", 100)
    assert len(bars) == 3
    assert bars.hits.shape == (3, 16, 9)
    assert np.argwhere(bars.hits).tolist() == [[0, 0, 0], [1, 0, 1], [2, 1, 2], [2, 2, 2]]
    assert bars.velocities[bars.hits > 0].tolist() == [90, 60, 30, 31]
    assert bars.offsets[bars.hits > 0] == pytest.approx([0.45, -0.4, -0.5, 0.4], abs=1e-6)
    assert set(bars.styles) == {"rock"}
    assert set(bars.splits) == {"test"}
    assert bars.take([2]).velocities.sum() == 61


def test_a_folder_s_files_are_read_and_the_others_named(tmp_path, capsys):
    for name in ("rock/a.mid", "rock/b.mid", "jazz/c.MID", "jazz/d.midi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shared_sounds.write_midi(tmp_path / name, some_notes(bars=8), 90)
    write_file(tmp_path / "x/piano.mid", hit(36, channel=0))
    write_file(tmp_path / "x/unknown.mid", hit(80))
    write_file(tmp_path / "x/waltz.mid", mido.MetaMessage("time_signature", numerator=3, denominator=4), hit(36))
    whole = (tmp_path / "rock/a.mid").read_bytes()
    (tmp_path / "x/damaged.mid").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "x/text.mid").write_text("no MIDI")
    bars, source = shared_drums.find_bars(str(tmp_path), 1_000, seed=0)
    assert source == f"32 bars of {tmp_path.name}"
    assert sorted(set(bars.styles)) == ["jazz", "rock"]
    assert bars.tempos == pytest.approx(90, abs=0.01)
    printed = capsys.readouterr().out
    assert "2 MIDI files are damaged and are skipped: x/damaged.mid, x/text.mid" in printed
    assert "2 MIDI files have no drums and are skipped: x/piano.mid, x/unknown.mid" in printed
    assert "1 MIDI files are not in 4/4 and are skipped: x/waltz.mid" in printed


def write_info(folder, splits, bars=8):
    """Write a performance of `bars` bars for each split, of two styles, and the `info.csv` that says so."""
    lines = ["style,bpm,midi_filename,split"]
    for index, split in enumerate(splits):
        shared_sounds.write_midi(folder / f"{index}.mid", some_notes(bars), 90)
        lines.append(f"{('funk', 'rock')[index % 2]}/groove{index},{100 + index},{index}.mid,{split}")
    (folder / "info.csv").write_text("\n".join(lines))
    return lines


def test_info_tells_style_split_and_tempo(tmp_path, capsys):
    lines = write_info(tmp_path, ["train", "train", "validation", "test"])
    shared_sounds.write_midi(tmp_path / "stray.mid", some_notes(), 90)
    bars, _ = shared_drums.find_bars(str(tmp_path), 1_000, seed=0)
    assert "1 MIDI files are not in info.csv and are skipped: stray.mid" in capsys.readouterr().out
    assert set(bars.styles) == {"funk", "rock"}
    assert [int(np.sum(bars.splits == name)) for name in shared_drums.SPLITS] == [16, 8, 8]
    assert sorted(set(bars.tempos)) == [100, 101, 102, 103]
    for whole, damaged in (("midi_filename", "file"), ("102", "fast"), ("102", "0"), ("train", "trial")):
        (tmp_path / "info.csv").write_text("\n".join(lines).replace(whole, damaged))
        with pytest.raises(shared_files.InputError, match="is damaged"):
            shared_drums.find_bars(str(tmp_path), 1_000, seed=0)


@pytest.mark.parametrize(
    ("splits", "limit", "words"),
    [
        (["train", "train", "validation", "validation"], 100, "a split has fewer than 8"),
        (["train", "train", "validation", "test"], 8, "a split has fewer than 8"),
        (["train", "validation", "train", "test"], 100, "all are of one style"),
    ],
)
def test_bars_that_cannot_be_learnt_from_are_one_line(tmp_path, splits, limit, words):
    write_info(tmp_path, splits)
    with pytest.raises(shared_files.InputError, match=words):
        shared_drums.find_bars(str(tmp_path), limit, seed=0)


def test_time_in_frames_of_film_is_named(tmp_path, capsys):
    write_info(tmp_path, ["train", "train", "validation", "test", "test"])
    film = bytearray((tmp_path / "4.mid").read_bytes())
    film[12:14] = bytes([0xE8, 40])  # 24 frames a second, in 40 parts
    (tmp_path / "4.mid").write_bytes(film)
    shared_drums.find_bars(str(tmp_path), 1_000, seed=0)
    assert "1 MIDI files are damaged and are skipped: 4.mid" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["nothing", "piano"])
def test_a_folder_without_drums_is_one_line(tmp_path, content):
    if content == "piano":
        write_file(tmp_path / "a.mid", hit(36, channel=0))
    with pytest.raises(shared_files.InputError, match="holds 0 MIDI files") as caught:
        shared_drums.find_bars(str(tmp_path), 10, seed=0)
    assert "\n" not in str(caught.value)


def test_made_bars_have_five_styles_that_differ_and_follow_from_the_seed():
    bars, source = shared_drums.find_bars(None, 10_000, seed=0)
    again, _ = shared_drums.find_bars(None, 10_000, seed=0)
    other, _ = shared_drums.find_bars(None, 10_000, seed=1)
    assert "stand-in" in source
    np.testing.assert_array_equal(bars.velocities, again.velocities)
    assert (bars.hits[: len(other)] != other.hits[: len(bars)]).any()
    means = np.stack([bars.hits[bars.styles == style].mean(axis=0) for style in sorted(set(bars.styles))])
    assert len(means) == 5
    gaps = np.abs(means[:, None] - means[None]).sum(axis=(2, 3))
    assert gaps[~np.eye(5, dtype=bool)].min() > 3, "hits per bar in which two styles differ"
    jazz = bars.take(bars.styles == "jazz")
    late = [jazz.offsets[:, step::4][jazz.hits[:, step::4] > 0].mean() for step in range(4)]
    assert late == pytest.approx([0, 0, 0, shared_drums.SWING], abs=0.03)


def test_splits_are_of_whole_performances():
    bars, _ = shared_drums.find_bars(None, 10_000, seed=0)
    by_performance = {name: set(bars.splits[bars.performances == name]) for name in set(bars.performances)}
    assert all(len(splits) == 1 for splits in by_performance.values())
    counts = [sum(splits == {name} for splits in by_performance.values()) for name in shared_drums.SPLITS]
    assert counts == [160, 20, 20]
    few, _ = shared_drums.find_bars(None, 100, seed=0)
    assert 100 <= len(few) < 100 + shared_drums.MADE[1]
    assert set(few.splits) == {*shared_drums.SPLITS}
    toms = bars.hits[:, :, list(INSTRUMENTS).index("low tom") :][:, :, :3]
    assert (toms.sum(axis=(0, 1)) > 100).all(), "fills"


def test_what_is_written_as_midi_is_read_again(tmp_path):
    bars = shared_drums.make_performances(seed=0)[0]
    path = tmp_path / "a.mid"
    shared_sounds.write_midi(path, shared_sounds.to_notes(bars.hits, bars), 117)
    notes, bpm = shared_drums.read_notes(path)
    assert bpm == pytest.approx(117, abs=0.01)
    again = shared_drums.to_bars(notes, "", "", "", bpm)
    np.testing.assert_array_equal(again.velocities, bars.velocities)
    late = bars.offsets[bars.hits > 0]
    first = (bars.hits.nonzero()[0] == 0) & (bars.hits.nonzero()[1] == 0)  # cannot come before the start
    assert again.offsets[bars.hits > 0][~first] == pytest.approx(late[~first], abs=1 / 200)
    file = mido.MidiFile(path)
    assert file.ticks_per_beat == 480
    assert {message.channel for message in file.tracks[0] if not message.is_meta} == {9}


def test_on_the_grid_all_hits_are_on_steps_and_equally_loud():
    bars = shared_drums.make_performances(seed=0)[0]
    notes = shared_sounds.to_notes(bars.hits)
    assert (notes[:, 0] == np.rint(notes[:, 0])).all()
    assert set(notes[:, 2]) == {shared_drums.VELOCITY}
    changed = bars.hits.copy()
    changed[0, :, 4] = 1  # toms that nobody has played
    notes = shared_sounds.to_notes(changed, bars)
    assert (notes[(notes[:, 1] == 4) & (notes[:, 0] < 15.5), 2] == shared_drums.VELOCITY).all()
    assert (notes[notes[:, 1] == 2, 0] % 1 != 0).any(), "the human's timing"


def read_sound(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, shared_sounds.RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_767


@pytest.mark.parametrize("instrument", range(len(INSTRUMENTS)))
def test_a_sound_has_an_onset_where_the_pattern_has_a_hit(tmp_path, instrument):
    hits = np.zeros((2, 16, 9), np.uint8)
    places = [0, 6, 12, 20, 31]  # far enough apart for a crash to have faded a little
    hits.reshape(32, 9)[places, instrument] = 1
    shared_sounds.save_sound(tmp_path / "a", hits, 60)
    assert (tmp_path / "a.mid").exists()
    sound = read_sound(tmp_path / "a.wav")
    step = shared_sounds.RATE // 4  # samples, at 60 quarter notes a minute
    assert len(sound) == 8 * shared_sounds.RATE + shared_sounds.RATE
    assert np.abs(sound).max() == pytest.approx(0.9, abs=1e-3)
    power = np.array([np.sum(sound[start : start + step // 4] ** 2) for start in range(0, 32 * step, step)])
    before = np.array([np.sum(sound[max(start - step // 4, 0) : start] ** 2) for start in range(0, 32 * step, step)])
    assert np.flatnonzero(power > 3 * before + 1e-3).tolist() == places


def test_human_timing_can_be_heard(tmp_path):
    notes = np.array([[0, 0, 100], [4.3, 0, 100]])
    bars = shared_drums.to_bars(notes, "", "", "", 60)
    shared_sounds.save_sound(tmp_path / "grid", bars.hits, 60)
    shared_sounds.save_sound(tmp_path / "human", bars.hits, 60, bars)
    starts = {}
    for name in ("grid", "human"):
        sound = np.abs(read_sound(tmp_path / f"{name}.wav"))
        starts[name] = 10_000 + np.flatnonzero(sound[10_000:] > 0.05)[0]
    late = (starts["human"] - starts["grid"]) / (shared_sounds.RATE / 4)
    assert late == pytest.approx(0.3, abs=0.03)


def test_silence_is_written_too(tmp_path):
    shared_sounds.save_sound(tmp_path / "a", np.zeros((1, 16, 9), np.uint8), 120)
    assert not read_sound(tmp_path / "a.wav").any()


def test_pictures_show_time_to_the_right_and_the_kick_at_the_bottom():
    hits = np.zeros((1, 16, 9), np.uint8)
    hits[0, 3, 0] = hits[0, 15, 8] = 1
    (picture,) = shared_sounds.to_pictures(hits, cell=2)
    assert picture.shape == (18, 32)
    assert np.argwhere(picture == 255).min(axis=0).tolist() == [0, 6]
    assert (picture[16:, 6:8] == 255).all()
    assert (picture[:2, 30:] == 255).all()
    assert np.sum(picture == 255) == 8
