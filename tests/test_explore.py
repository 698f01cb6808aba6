"""The page on which models are explored: as plain functions, over HTTP, and in a browser where there is one."""

import base64
import os
import re
import shutil
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import KEPT, MODELS

import explore
import shared_directions
import shared_explorer
import shared_handlers
import shared_handwriting
import shared_layout
from shared_drawings import cv2, draw_faces
from shared_files import InputError, write_json

FACES, CATS = "models/VAEGAN_filter128_latent128", "models/GAN_filter128_latent256_cats"
TEXT, HAND = "models/task2_txt2txt_identities/all_1000", "models/task2_img2txt_glyphs"
DRAWN, FLATTEN = "models/A2_text2image_crisp", "models/task2_txt2txtimg2txt/image_flatten_plain"
DRUMS, LETTERS, PATCHES = "models/HVAE_drums/linear", "models/GAN_fonts/labels_0", "models/RNN_mnist_patches/masked"
STROKES = {  # of characters on a canvas of 1x1
    "1": [[(0.5, 0.15), (0.5, 0.85)]],
    "2": [[(0.25, 0.3), (0.4, 0.15), (0.65, 0.18), (0.72, 0.35), (0.55, 0.55), (0.25, 0.85), (0.78, 0.85)]],
    "3": [[(0.25, 0.2), (0.5, 0.12), (0.7, 0.25), (0.45, 0.48), (0.7, 0.6), (0.68, 0.78), (0.5, 0.88), (0.25, 0.8)]],
    "4": [[(0.3, 0.15), (0.25, 0.5), (0.75, 0.5)], [(0.65, 0.2), (0.62, 0.9)]],
    "+": [[(0.5, 0.2), (0.5, 0.8)], [(0.2, 0.5), (0.8, 0.5)]],
    " ": [],
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(autouse=True)
def same_draws(monkeypatch):
    """Let random codes be the same in each run of a test."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(shared_handlers, "secrets", SimpleNamespace(randbelow=lambda below: int(rng.integers(below))))


@pytest.fixture(scope="module")
def handlers(tmp_path_factory):
    return shared_handlers.Handlers({"models": MODELS}, tmp_path_factory.mktemp("scratch"))


def to_url(picture):
    """Return a picture as the page's canvas gives it."""
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", picture)[1]).decode()


def by_hand(character):
    """Return a character drawn with round strokes, black on a transparent canvas."""
    canvas = np.zeros((280, 280, 4), np.uint8)
    for stroke in STROKES[character]:
        points = np.rint(np.array(stroke) * 280).astype(np.int32)
        cv2.polylines(canvas, [points], False, (0, 0, 0, 255), 24, cv2.LINE_AA)
    return to_url(canvas) if STROKES[character] else ""


def test_all_models_are_found_by_what_can_be_done_with_them(handlers):
    counts = {kind: len(labels) for kind, labels in handlers.found.items()}
    assert sum(counts.values()) == len(KEPT)
    assert FACES in handlers.labels("pictures")
    assert {TEXT, DRAWN} <= set(handlers.labels("text"))
    assert handlers.labels("drums", "patches", "hand") == [DRUMS, PATCHES, HAND, FLATTEN]
    assert handlers.notes == []


def test_runs_that_train_or_are_damaged_are_told_and_the_others_shown(tmp_path):
    runs = tmp_path / "runs"
    for name in ("whole", "damaged", "training"):
        (runs / name).mkdir(parents=True)
        write_json(runs / name / "settings.json", {})
    shutil.copy(MODELS / "GAN_filter128_latent128" / "generator.keras", runs / "whole")
    (runs / "damaged" / "generator.keras").write_bytes(b"PK no zip")
    handlers = shared_handlers.Handlers({"runs": runs, "gone": tmp_path / "gone"}, tmp_path)
    assert handlers.labels("pictures") == ["runs/whole"]
    damaged, training, gone = handlers.notes
    assert "a network is damaged (generator.keras" in damaged
    assert training.startswith("runs/training: has no networks yet")
    assert gone == "gone: no such folder."
    assert "\n" not in "".join(handlers.notes)
    content = (runs / "whole" / "generator.keras").read_bytes()
    (runs / "whole" / "generator.keras").write_bytes(content.replace(b"model.weights.h5", b"model.weights.xx"))
    with pytest.raises(InputError, match="damaged"):
        handlers.draw("pictures", "runs/whole")
    shutil.rmtree(runs / "whole")
    with pytest.raises(InputError, match="no networks any more"):
        handlers.draw("pictures", "runs/whole")


def test_networks_that_are_no_use_to_the_page_are_told_and_the_others_shown(tmp_path):
    runs = tmp_path / "runs"
    for name in ("scalar", "subclassed"):
        (runs / name).mkdir(parents=True)
        write_json(runs / name / "settings.json", {})
        write_json(runs / name / "results.json", {})
    noise, label = keras.Input((4,)), keras.Input((), dtype="int32")
    both = noise * keras.ops.cast(label, "float32")[:, None]
    pictures = keras.layers.Reshape((8, 8, 3))(keras.layers.Dense(192)(both))
    keras.Model([noise, label], pictures).save(runs / "scalar" / "generator.keras")

    @keras.saving.register_keras_serializable()
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    subclassed = Subclassed()
    subclassed.build((None, 4))
    subclassed.save(runs / "subclassed" / "model.keras")
    found, notes = shared_explorer.find_models({"runs": runs})
    assert not any(found.values())
    assert notes == [f"runs/{name}: its networks are none that the page knows." for name in ("scalar", "subclassed")]


def test_a_mistake_in_the_code_is_one_line_too(capsys):
    layout = shared_layout.Layout(SimpleNamespace(skip=lambda: "as it was"), None)
    told = layout.on(lambda told, *rest, **options: told, lambda: 1 / 0, [], ["picture"], "line")
    line, *others = told()
    assert line == "A mistake in the program (ZeroDivisionError: division by zero); the terminal shows where."
    assert others == ["as it was"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_autoencoder_without_a_prior_makes_no_pictures_of_noise(tmp_path):
    codes, pictures = keras.Input((4,)), keras.Input((8, 8, 3))
    decoder = keras.Model(codes, keras.layers.Reshape((8, 8, 3))(keras.layers.Dense(192)(codes)))
    encoder = keras.Model(pictures, keras.layers.Dense(4)(keras.layers.Flatten()(pictures)))
    decoder.save(tmp_path / "decoder.keras")
    encoder.save(tmp_path / "encoder.keras")
    assert shared_explorer.kind_of(tmp_path) is None
    keras.Model(codes, keras.layers.Dense(4)(codes)).save(tmp_path / "prior.keras")
    assert shared_explorer.kind_of(tmp_path) == "pictures"


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    def gone(folder):
        raise FileNotFoundError(2, "No such file or directory", str(folder))

    monkeypatch.setattr(Path, "iterdir", gone)
    _, notes = shared_explorer.find_models({"runs": tmp_path})
    assert notes == ["runs: No such file or directory."]


def test_principal_directions_are_those_that_values_follow():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((300, 6))
    true = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    values = codes @ true.T @ np.array([[5.0, 0, 5], [0, 2, 0]]) + 0.1 * rng.standard_normal((300, 3))
    found = shared_directions.principal_directions(codes, values, 2)
    assert np.abs(np.sum(found * true, axis=1)) == pytest.approx(1, abs=0.02)


def test_directions_are_named_by_what_they_do_and_turned():
    def measure(codes):
        return {"brightness": -codes[:, 0], "warmth": 0.1 * codes[:, 1]}

    codes = np.random.default_rng(0).standard_normal((4, 3))
    units = {"brightness": 1, "warmth": 1}
    (bright, turned), (unnamed, same), _ = shared_directions.name_directions(np.eye(3), codes, units, measure)
    assert (bright, unnamed) == ("brighter", "")
    assert turned.tolist() == [-1, 0, 0]
    assert same.tolist() == [0, 1, 0]


def test_a_named_slider_does_what_it_says(handlers):
    names = handlers.measured("digits", handlers.labels("digits")[0])
    assert len(names) == shared_directions.DIRECTIONS
    thicker = next(index for index, name in enumerate(names) if "thicker" in name)
    model = handlers.open("digits", handlers.labels("digits")[0])
    codes = np.stack([model.random(seed) for seed in range(20)])
    ink = [model.look(np.float32(codes + side * model.directions[thicker][1])).mean() for side in (-2, 0, 2)]
    assert ink[0] < ink[1] < ink[2]


def test_faces_move_and_come_back(handlers):
    code = handlers.draw("pictures", FACES)
    still = handlers.show("pictures", FACES, code, *[0] * 20)
    assert still.shape == (shared_handlers.LARGE, shared_handlers.LARGE, 3)
    names = handlers.named("pictures", FACES)
    assert "Smiling" in names
    moved = handlers.show("pictures", FACES, code, 2.0, *[0] * 11)
    assert np.abs(moved.astype(int) - still).mean() > 1
    assert np.array_equal(handlers.show("pictures", FACES, code), still)
    assert not np.array_equal(handlers.draw("pictures", FACES), code)
    assert np.array_equal(handlers.draw("pictures", FACES, 0), handlers.open("pictures", FACES).centre)


def test_the_path_leads_from_one_picture_to_the_other(handlers):
    start, end = (handlers.draw("pictures", FACES) for _ in range(2))
    model = handlers.open("pictures", FACES)
    codes = model.between(start, end, 5)
    assert codes[[0, -1]] == pytest.approx(np.stack([start, end]), abs=1e-5)
    first, second = (FACES, start), (FACES, end)
    assert handlers.path("pictures", FACES, first, second).shape[:2] == (130, 9 * 130)
    assert handlers.path("pictures", FACES, first, second, 0.5).shape[:2] == (256, 256)
    for kept in ((None, second), (first, ("models/GAN_filter128_latent128", end))):
        with pytest.raises(InputError, match="Keep two pictures first"):
            handlers.path("pictures", FACES, *kept)


def test_the_path_from_the_average_face_is_straight(handlers):
    model = handlers.open("pictures", FACES)
    start, end = model.random(0, variety=0), model.random(0)
    assert model.between(start, end, 3)[1] == pytest.approx((start + end) / 2, abs=1e-5)


def test_a_photograph_is_taken_in_and_moved(handlers, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), cv2.resize(draw_faces(1, 64, 0)[0], (120, 90)))
    for label in (FACES, "models/CAE_filter128_latent512"):
        code, beside = handlers.photograph("pictures", label, str(path))
        assert beside.shape[:2] == (258, 516)
        still = handlers.show("pictures", label, code)
        own, made = beside[1:257, 1:257].astype(int), beside[1:257, 259:515]
        assert np.abs(own - made).mean() < 60
        named = len(handlers.named("pictures", label))
        moved = handlers.show("pictures", label, code, *[0] * named, 2.0)
        assert np.abs(moved.astype(int) - still).mean() > 2


def test_wrong_photographs_are_one_line(handlers, tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.7 no picture")
    for label, given, words in (
        (FACES, str(path), "paper.pdf: no picture that can be read"),
        (FACES, str(tmp_path / "gone.png"), "cannot be read"),
        (FACES, None, "Choose a photograph first"),
        (CATS, str(path), "has no encoder"),
        ("models/nothing", str(path), "no such model any more"),
        (None, str(path), "Choose a model"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            handlers.photograph("pictures", label, given)
        assert "\n" not in str(caught.value)


def test_directions_that_came_with_a_model_must_fit_it(tmp_path):
    path = tmp_path / "directions.csv"
    assert shared_directions.read_directions(path, 2) == ()
    path.write_text("attribute,1,2\nPale_Skin,1,0.5\n")
    ((name, direction),) = shared_directions.read_directions(path, 2)
    assert (name, direction.tolist()) == ("Pale Skin", [1, 0.5])
    for content in ("attribute,1\nYoung,1\n", "attribute,1,2\nYoung,1,x\n", ""):
        path.write_text(content)
        with pytest.raises(InputError, match="damaged"):
            shared_directions.read_directions(path, 2)


def test_drawings_are_prepared_as_mnist_was():
    glyph = shared_handwriting.to_digit(by_hand("2"))
    rows, columns = np.nonzero(glyph)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    weights = glyph / glyph.sum()
    assert [np.sum(weights * places) for places in np.indices(glyph.shape)] == pytest.approx([14, 14], abs=1)
    assert glyph.max() == 255
    small = np.full((280, 280, 3), 255, np.uint8)  # white paper without opacity, and the ink far from the middle
    cv2.line(small, (10, 10), (10, 60), (0, 0, 0), 6)
    rows, _ = np.nonzero(shared_handwriting.to_digit(to_url(small)))
    assert np.ptp(rows) + 1 == 20
    dots = np.zeros((280, 280, 4), np.uint8)
    dots[[0, -1], [0, -1], 3] = shared_handwriting.FAINT + 1  # of which nothing is left when they are shrunk
    for blank in ("", None, to_url(np.zeros((280, 280, 4), np.uint8)), to_url(dots)):
        with pytest.raises(InputError, match="Nothing is drawn"):
            shared_handwriting.to_digit(blank)
    for wrong in ("data:image/png;base64,AAAA", "nonsense", to_url(small)[:200]):
        with pytest.raises(InputError, match="no PNG"):
            shared_handwriting.to_digit(wrong)


def test_expressions_are_solved_by_every_model(handlers):
    table, read = handlers.solve([TEXT, HAND, DRAWN], "7 - 45")
    assert table.count("<tr>") == 4
    assert re.search(r"identities/all_1000</td><td>-38 \N{CHECK MARK}</td><td>- \d\.\d{3}", table)
    assert "<img src='data:image/png;base64," in table
    assert read.shape == (66, 5 * 66, 3)
    for text in ("", None, "12*3", "100+1", "<b>"):
        with pytest.raises(InputError, match="is no sum or difference"):
            handlers.solve([TEXT], text)
    for labels in ([], None):
        with pytest.raises(InputError, match="Choose a model"):
            handlers.solve(labels, "1+1")
    table, _ = handlers.solve([TEXT, "models/<gone>"], "1+1")
    assert "models/&lt;gone&gt;: no such model" in table


def test_probabilities_are_said_of_the_characters_that_they_belong_to():
    rows = np.full((3, 13), 0.001)
    rows[[0, 1, 2], [1, 2, 12]] = 0.9  # "12 ", which is read as 12
    rows[1, 3] = 0.08
    assert shared_handwriting.say_probabilities(rows) == "1 0.900, 2 0.900 (3 0.08), (none) 0.900"


def test_digits_that_the_page_writes_are_read(handlers):
    solver, digits = handlers.open("hand", HAND), handlers.open("digits", handlers.labels("digits")[0])
    right = 0
    for seed in range(30):
        text = f"{3 * seed}{'+-'[seed % 2]}{99 - 2 * seed}"
        glyphs = shared_handwriting.write_by_hand(text, digits, seed)
        right += shared_handwriting.read_by(solver, glyphs)[0] == shared_handwriting.right_answer(text)
    assert right >= 26


def test_handwriting_is_read_and_what_is_missing_is_named(handlers):
    table, read = handlers.read([HAND], *map(by_hand, "12+34"))
    assert "<td>46</td>" in table
    assert read.shape == (66, 5 * 66, 3)
    assert "<td>6</td>" in handlers.read([HAND], *map(by_hand, " 2+ 4"))[0]
    for text, words in (("     ", "Nothing is drawn"), ("12 34", "drawn: sign"), ("1 +34", "first number, units")):
        with pytest.raises(InputError, match=words):
            handlers.read([HAND], *map(by_hand, text))


def test_a_solver_that_aligns_nothing_gets_all_blanks_in_front():
    class Seen:
        aligned = False

        def answer_pictures(self, glyphs):
            return glyphs.any(axis=(1, 2)).tolist()

    glyphs = shared_handwriting.to_glyphs(list(map(by_hand, " 2+ 4")))
    assert shared_handwriting.read_by(Seen(), glyphs) == [False, False, True, True, True]


def test_the_top_of_a_digit_is_kept_and_completed(handlers):
    completed = handlers.complete(PATCHES, by_hand("2"), 2)
    side = shared_handlers.MIDDLE + 2
    assert completed.shape == (2 * side, 4 * side, 3)
    ways = completed.reshape(2, side, 4, side, 3).swapaxes(1, 2).reshape(8, side, side, 3)
    assert all(np.array_equal(way[:50], ways[0][:50]) for way in ways)
    assert not all(np.array_equal(way, ways[0]) for way in ways)
    low = np.zeros((280, 280, 4), np.uint8)
    low[250:, :, 3] = 255
    with pytest.raises(InputError, match="Nothing is drawn in the part that is kept"):
        handlers.complete(PATCHES, to_url(low), 2)
    with pytest.raises(InputError, match="Nothing is drawn"):
        handlers.complete(PATCHES, "", 2)


def test_one_noise_gives_all_letters(handlers):
    code = handlers.draw("letters", LETTERS)
    one, every = handlers.show_letter("letters", LETTERS, code, "Q", *[0] * 8)
    assert one.shape == (384, 384)
    assert every.shape == (2 * 66, 13 * 66, 3)
    other, same = handlers.show_letter("letters", LETTERS, code, "I", *[0] * 8)
    assert np.array_equal(same, every)
    assert not np.array_equal(one, other)
    untold = "models/GAN_fonts/penalty_0"
    _, alone = handlers.show_letter("letters", untold, handlers.draw("letters", untold), "Q")
    assert (alone[:66, 66:] == 255).all()  # it is told nothing, so that there is one letter
    with pytest.raises(InputError, match="Press Random first"):
        handlers.show_letter("letters", LETTERS, code[:5], "Q")


def test_a_drawn_digit_is_taken_in(handlers):
    label = "models/VAE_mnist_traversal/many"
    code, beside = handlers.drawn_digit("digit codes", label, by_hand("3"))
    assert beside.shape == (130, 260, 3)
    assert np.abs(beside[1:129, 1:129].astype(int) - beside[1:129, 131:259]).mean() < 40
    assert handlers.show("digit codes", label, code).shape == (384, 384)


def test_drums_are_moved_clicked_rebuilt_and_heard(handlers):
    code = handlers.draw("drums", DRUMS)
    while not handlers.hits(DRUMS, code, *[0] * 8).any():  # a bar can be silent
        code = handlers.draw("drums", DRUMS)
    names = handlers.measured("drums", DRUMS)
    assert [name.split()[0] for name in names] == 4 * ["z_high"] + 4 * ["z_low"]
    hits = handlers.hits(DRUMS, code, *[0] * 8)
    assert hits.shape == (16, 9)
    assert any(not np.array_equal(handlers.hits(DRUMS, code, *step), hits) for step in 3 * np.eye(8))
    picture = shared_handlers.show_bar(hits)
    cell, margin = shared_handlers.CELL, shared_handlers.MARGIN
    assert picture.shape == (9 * cell, margin + 16 * cell, 3)
    clicked = handlers.clicked(hits, margin + 3.5 * cell, 0.5 * cell)
    assert np.argwhere(clicked != hits).tolist() == [[3, 8]]  # the ride is the uppermost
    for place in ((5, 5), (margin + 17 * cell, 5)):
        with pytest.raises(InputError, match="Click into a cell"):
            handlers.clicked(hits, *place)
    with pytest.raises(InputError, match="grid is empty"):
        handlers.rebuilt(DRUMS, np.zeros((16, 9), np.uint8))
    assert handlers.play(np.zeros((16, 9), np.uint8), 100) == (None, None)
    again = handlers.hits(DRUMS, handlers.rebuilt(DRUMS, hits))
    assert np.mean(again != hits) < 0.1
    sound, midi = handlers.play(hits, 100)
    with wave.open(sound) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(4 * 4 * 60 / 100 + 1, abs=0.01)
    assert Path(midi).stat().st_size > 50


def test_old_sounds_go(handlers, monkeypatch):
    monkeypatch.setattr(shared_handlers, "SOUNDS", 2)
    hits = np.ones((16, 9), np.uint8)
    for tempo in (61, 62, 63):
        kept = handlers.play(hits, tempo)
    assert len(list(handlers.scratch.glob("bar_*"))) == 4
    assert all(Path(path).exists() for path in kept)


def test_each_folder_is_shown_once(tmp_path, monkeypatch):
    monkeypatch.setattr(explore.shared_run, "RUNS_DIR", tmp_path / "runs")
    named = {"elsewhere/runs": tmp_path / "runs", "my_run": tmp_path / "my_run", "models": tmp_path / "models"}
    folders = explore.folders_to_show(named)
    assert (tmp_path / "runs").is_dir(), "so that a later run is seen"
    own = {"models": explore.MODELS_DIR, "runs": tmp_path / "runs"}
    assert folders == own | {"my_run": tmp_path / "my_run", str(tmp_path / "models"): tmp_path / "models"}


def test_wrong_use_of_the_command_is_one_line(monkeypatch):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        explore.main(["nowhere"])
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(InputError, match=r"pip install -r requirements_explore\.txt") as caught:
        explore.main([])
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Start the page and return its address."""
    pytest.importorskip("gradio")
    scratch = tmp_path_factory.mktemp("page")
    gr = explore.open_gradio(scratch)
    page = shared_handlers.Handlers({"models": MODELS}, scratch)
    blocks, address = explore.launch(gr, page, None)
    yield address
    blocks.close(verbose=False)


def test_a_folder_without_models_and_a_taken_port_are_one_line(address, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ["GRADIO_TEMP_DIR"])  # the page's, which goes on
    with pytest.raises(InputError, match="holds no models that the page can show"):
        explore.main([str(tmp_path)])
    with pytest.raises(InputError, match="is not free"):
        explore.main(["--port", re.search(r":(\d+)", address)[1]])


def test_the_page_answers_over_http(address, tmp_path):
    client = pytest.importorskip("gradio_client").Client(address, verbose=False)
    assert address.startswith("http://127.0.0.1:")
    line, *_ = client.predict(FACES, 1, api_name="/random_pictures")
    assert line == ""
    pictures = []
    for step in (0, 2):
        line, picture = client.predict(FACES, step, *[0] * 19, api_name="/move_pictures")
        assert line == ""
        pictures.append(Path(picture).read_bytes())
    assert pictures[0] != pictures[1]
    line, table, _ = client.predict([TEXT], "12+34", api_name="/solve")
    assert (line, "46 \N{CHECK MARK}" in table) == ("", True)
    line, *_ = client.predict([TEXT], "12*3", api_name="/solve")
    assert "is no sum or difference" in line
    line, table, _ = client.predict([HAND], *map(by_hand, "12+34"), api_name="/read")
    assert (line, "46" in table) == ("", True)
    line, *_ = client.predict(PATCHES, "", 2, api_name="/complete")
    assert line == "Nothing is drawn."
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    file = pytest.importorskip("gradio_client").handle_file(str(tmp_path / "paper.pdf"))
    line, *_ = client.predict(FACES, file, api_name="/photograph")
    assert line.startswith("paper.pdf: no picture")


@pytest.mark.parametrize("name", ["right", "above", "warmth", "border"])
def test_what_directions_are_named_by_is_measured_in_grey_values(name):
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    if name == "border":
        picture[:] = 100
        picture[:, 8:-8, 8:-8] = 0
    else:
        where = {"right": np.s_[:, :, 32:], "above": np.s_[:, :32], "warmth": np.s_[..., 0]}
        picture[where[name]] = 100
    assert shared_directions.measure_colours(picture)[name] == pytest.approx(100, abs=1)


def test_the_benchmark_takes_no_folders(capsys):
    with pytest.raises(SystemExit):
        explore.main(["runs", "--measure"])
    assert "--measure: takes the models that come with the repository" in capsys.readouterr().err


def test_measured_sliders_move_a_picture_whatever_directions_came_with_its_model(address):
    client = pytest.importorskip("gradio_client").Client(address, verbose=False)
    for label, idle in ((FACES, {10, 11}), (CATS, set(range(12)))):
        client.predict(label, 1, api_name="/random_pictures")
        pictures = []
        for steps in (np.zeros(20), *3 * np.eye(20)):
            _, picture = client.predict(label, *steps.tolist(), api_name="/move_pictures")
            pictures.append(Path(picture).read_bytes())
        assert {slot for slot in range(20) if pictures[slot + 1] == pictures[0]} == idle


def test_a_slider_of_every_kind_is_measured(address, tmp_path, monkeypatch):
    monkeypatch.setattr(explore, "CHANGES", 2)
    rows = explore.measure(shared_handlers.Handlers({"models": MODELS}, tmp_path), address)
    assert len(rows) == len(explore.SETTINGS)
    assert all(0 < row["median, ms"] <= row["95th percentile, ms"] for row in rows)


def test_what_goes_wrong_is_not_timed(address):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=address, timeout=60) as page, pytest.raises(InputError, match=r"solve: .*is no sum"):
        explore.call(page, "solve", [[TEXT], "12*3"])


def test_a_number_that_is_half_typed_is_no_error(address):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=address, timeout=60) as page:
        explore.call(page, "random_drums", [DRUMS, None, 100, False])
        steps = [None, -30, *[0] * 6]
        given = {"data": [DRUMS, None, 1, False, *steps], "session_hash": "measured"}
        line, *_ = page.post("gradio_api/run/move_drums", json=given).raise_for_status().json()["data"]
    assert line == ""
    assert [shared_layout.within(number, 60, 180) for number in (None, 1, 120, 1200)] == [60, 60, 120, 180]


@pytest.fixture(scope="module")
def page(address):
    """Open the page in a browser."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("There is no Chromium.")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        yield page
        browser.close()


def draw_with_mouse(page, name, character):
    canvas = page.locator(f"#{name} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for stroke in STROKES[character]:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def test_a_slider_changes_the_face_in_the_browser(page):
    picture = page.locator("#pictures_moved img[src*='file=']")
    picture.wait_for()
    page.get_by_text("1: ").first.wait_for()  # measured
    before = picture.get_attribute("src")
    slider = page.get_by_label("range slider for Smiling")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    page.wait_for_function("src => document.querySelector('#pictures_moved img').src != src", arg=before)
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in page.asked)


def test_expressions_are_solved_and_read_in_the_browser(page):
    page.get_by_role("tab", name="Arithmetic").click()
    page.get_by_role("button", name="Solve", exact=True).click()
    page.locator("#solved table").wait_for()
    assert "46 \N{CHECK MARK}" in page.locator("#solved").inner_text()
    for index, character in enumerate("12+34"):
        draw_with_mouse(page, f"field_{index}", character)
    page.get_by_role("button", name="Read and solve").click()
    page.locator("#read table").wait_for()
    assert "46" in page.locator("#read").inner_text()
    page.locator("#field_2 button").click()
    page.get_by_role("button", name="Read and solve").click()
    page.get_by_text("Still to be drawn: sign.").wait_for()


def test_a_digit_drawn_with_the_mouse_is_read_in_the_browser(page):
    page.get_by_role("tab", name="Digits").click()
    page.get_by_role("tab", name="Move a code").click()
    page.get_by_role("button", name="Your own digit").click()
    draw_with_mouse(page, "own_digit", "3")
    page.get_by_role("button", name="Take the digit").click()
    pair = page.locator("#own_pair_digit img[src*='file=']")
    pair.wait_for()
    page.get_by_role("button", name="Two pictures and the path between them").click()
    for label in ("first", "second"):
        page.get_by_role("button", name=f"Keep as the {label}").click()
    page.get_by_role("button", name="Show the path").click()
    path = page.locator("#path_digit img[src*='file=']")
    path.wait_for()
    page.get_by_role("combobox", name="model").click()
    page.get_by_role("option", name="models/VAE_mnist_traversal/two").click()
    for picture in (pair, path):
        picture.wait_for(state="detached")  # another model made it
    page.get_by_role("button", name="Show the path").click()
    page.get_by_text("Keep two pictures first.", exact=True).wait_for()


def test_drums_play_and_are_clicked_in_the_browser(page):
    page.get_by_role("tab", name="Drums").click()
    sound = page.locator("#sound audio[src*='file=']")
    sound.wait_for(state="attached")
    before = sound.get_attribute("src")
    grid = page.locator("#grid img[src*='file=']")
    box = grid.bounding_box()
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + 0.5 / 9 * box["height"])
    page.wait_for_function("src => document.querySelector('#sound audio').src != src", arg=before)
    clicked, before = grid.get_attribute("src"), sound.get_attribute("src")
    page.get_by_label("number input for quarter notes a minute").fill("120")
    page.wait_for_function("src => document.querySelector('#sound audio').src != src", arg=before)
    assert grid.get_attribute("src") == clicked  # at another tempo it is still the bar that was clicked
    sound.evaluate("audio => audio.play()")
    page.wait_for_function("document.querySelector('#sound audio').currentTime > 0.1")
