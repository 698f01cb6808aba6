"""Attributes: files and what is wrong with them, readers, directions and effects whose answers are known."""

import keras
import numpy as np
import pytest

import shared_attributes
import shared_drawings
from shared_files import InputError

TEXT = "3\nSmiling Male\na.jpg  1 -1\nb.jpg -1 -1\nc.jpg  1  1\n"


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "attributes.txt"
    path.write_text(TEXT)
    return path


def test_attributes_are_matched_by_file_name(listed):
    labels = shared_attributes.labels_of(listed, ["c.jpg", "b.jpg"])
    assert {name: values.tolist() for name, values in labels.items()} == {
        "Smiling": [True, False],
        "Male": [True, False],
    }
    in_order = shared_attributes.labels_of(listed, 3)
    assert in_order["Smiling"].tolist() == [True, False, True]
    assert in_order["Male"].tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("text", "pictures", "words"),
    [
        (TEXT, ["a.jpg", "d.jpg", "e.jpg"], "says nothing of 2 pictures: d.jpg, e.jpg"),
        (TEXT, 4, "has 3 lines for 4 pictures without names"),
        (TEXT.replace("3", "4", 1), 3, "its first line says '4'; it has 3 pictures"),
        (TEXT.replace("3", "three", 1), 3, "its first line says 'three'"),
        (TEXT.replace("-1 -1", "-1 0"), ["b.jpg"], "its line of b.jpg is not a 1 or -1 for each of 2"),
        (TEXT.replace("-1 -1", "-1"), ["b.jpg"], "its line of b.jpg is not"),
        ("3", 3, "is no list of attributes"),
        ("", 3, "is no list of attributes"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(listed, text, pictures, words):
    listed.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        shared_attributes.labels_of(listed, pictures)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        shared_attributes.read_attributes(tmp_path / "nowhere.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\n\xff\n")
    with pytest.raises(InputError, match="is no list of attributes"):
        shared_attributes.read_attributes(tmp_path / "binary.txt")


def test_attributes_of_what_is_found(listed, tmp_path, capsys):
    """Drawn faces have known ones; photographs go by file name, an array by the file's order."""

    def find(path, data, source="pictures", count=2, limit=2):
        return shared_attributes.find_attributes(path, data, source, count, limit, seed=3)

    drawn = find(None, None, source=f"2 drawn faces ({shared_drawings.STAND_IN})")
    assert drawn.keys() == shared_drawings.traits_of_faces(1, 0).keys()
    with pytest.raises(InputError, match="only drawn faces"):
        find(listed, None, source=f"2 drawn faces ({shared_drawings.STAND_IN})")

    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("c", "b", "d"):
        (folder / f"{name}.jpg").write_bytes(b"")
    assert find(None, folder) == {}
    assert "nothing is edited" in capsys.readouterr().out
    assert find(listed, folder)["Smiling"].tolist() == [False, True]
    with pytest.raises(InputError, match=r"says nothing of 1 pictures: d.jpg"):
        find(listed, folder, count=3, limit=3)
    with pytest.raises(InputError, match="1 unreadable pictures must go"):
        find(listed, folder, count=2, limit=3)

    (folder / "deeper").mkdir()
    (folder / "deeper" / "b.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"several pictures are called b\.jpg;"):
        find(listed, folder, count=4, limit=4)

    np.save(tmp_path / "three.npy", np.zeros((3, 4, 4, 3), np.uint8))
    assert find(listed, tmp_path / "three.npy")["Smiling"].tolist() == [True, False]
    np.save(tmp_path / "two.npy", np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="has 3 lines for 2 pictures without names"):
        find(listed, tmp_path / "two.npy")


def test_attributes_that_all_training_pictures_share_are_left_out(capsys):
    labels = {
        "none": np.zeros(4, bool),
        "held out": np.array([0, 0, 0, 1], bool),
        "some": np.array([1, 0, 0, 0], bool),
        "unwanted": np.array([1, 0, 0, 0], bool),
    }
    chosen = shared_attributes.choose(labels, ["there is none", "some", "none", "held out"], [0, 1, 2])
    assert list(chosen) == ["some"]
    assert "alike in none, held out, which" in capsys.readouterr().out


def test_attributes_that_tell_nothing_apart_are_refused():
    with pytest.raises(InputError, match="tells nothing apart"):
        shared_attributes.choose({"a": np.zeros(4, bool)}, ["a"], [0, 1])
    assert shared_attributes.choose({}, ["a"], [0, 1]) == {}


def test_batches_of_the_reader_are_mirrored_at_random():
    images = np.zeros((200, 2, 2, 3), np.uint8)
    images[:, :, 0] = 255
    pictures, labels = shared_attributes.to_reader_batch(images, np.ones((200, 3), bool), np.random.default_rng(0))
    assert pictures.dtype == labels.dtype == np.float32
    assert pictures.max() == 1
    mirrored = pictures[:, 0, 1, 0] == 1
    np.testing.assert_array_equal(pictures[:, 0, 0, 0] == 1, ~mirrored)
    assert 70 < mirrored.sum() < 130


def test_rare_and_common_attributes_weigh_the_same():
    """The best constant answer is a half, whatever the share: at it the slope of the loss is 0."""
    shares = np.array([0.01, 0.9])
    labels = np.concatenate([[row] * count for row, count in (([1, 1], 1), ([0, 1], 89), ([0, 0], 10))]).astype("f4")
    assert labels.mean(axis=0) == pytest.approx(shares)
    loss = shared_attributes.balanced_cross_entropy(shares)

    def mean(probability):
        return float(np.mean(np.asarray(loss(labels, np.full(labels.shape, probability, np.float32)))))

    assert mean(0.5) == pytest.approx(np.log(2), rel=1e-5)
    assert min(mean(0.45), mean(0.55)) > mean(0.5)
    assert mean(0.45) == pytest.approx(mean(0.55), rel=1e-5)


def test_balanced_accuracy():
    labels = np.array([1, 0, 0, 0, 0], bool)
    assert shared_attributes.balanced_accuracy(labels, np.zeros(5)) == 0.5
    assert shared_attributes.balanced_accuracy(labels, np.array([0.9, 0.9, 0.1, 0.1, 0.1])) == 0.875
    assert shared_attributes.balanced_accuracy(labels[1:], np.array([0.9, 0.1, 0.1, 0.1])) == 0.75


def correlated():
    """Return codes in which two attributes, which go together, have a dimension each, and noise has the third."""
    rng = np.random.default_rng(0)
    first = rng.random(4_000) < 0.5
    second = np.where(rng.random(4_000) < 0.8, first, ~first)
    labels = np.stack([first, second], axis=1)
    codes = np.column_stack([2 * first, 3 * second, np.zeros(4_000)]) + 0.1 * rng.standard_normal((4_000, 3))
    return codes.astype(np.float32), labels


def test_directions_of_attributes_that_go_together():
    directions = shared_attributes.unit_directions(*correlated())
    expected = np.eye(2, 3)
    np.testing.assert_allclose(directions["others held equal"], expected, atol=0.02)
    # Four of five that have one have the other, too, of those without one in five: the means differ by 0.6 of it.
    expected = np.array([[2, 0.6 * 3, 0], [0.6 * 2, 3, 0]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(directions["means"], expected, atol=0.03)
    assert all(each.dtype == np.float32 for each in directions.values())


def test_steps_are_so_many_deviations_long():
    codes = np.random.default_rng(0).standard_normal((5_000, 2)).astype(np.float32) * [3, 0.5]
    steps = shared_attributes.steps_along(np.eye(2), codes, strength=2)
    np.testing.assert_allclose(steps, [[6, 0], [0, 1]], rtol=0.05)
    assert not shared_attributes.steps_along(np.zeros((1, 2)), codes, strength=2).any()


def test_effects_that_are_known():
    """The reader sees the first two of three dimensions."""
    codes = np.array([[0.25, 0.5, 9], [0.75, 0.5, 9]], np.float32)
    steps = np.array([[0.25, 0, 0], [0.1, -0.25, 3]], np.float32)
    found = shared_attributes.measure_effects(lambda z: z[:, :2], codes, steps)
    np.testing.assert_allclose(found, [[[0.25, 0.5], [0.75, 0.5]], [[0.4, 0.75], [0.6, 0.25]]], rtol=1e-5)
    own, others = shared_attributes.own_and_other_effects(found[:, 1] - found[:, 0])
    assert own == pytest.approx((0.5 - 0.5) / 2)
    assert others == pytest.approx((0 + 0.2) / 2)
    assert shared_attributes.own_and_other_effects(np.array([[0.3]])) == (0.3, 0.0)


def test_matrices_are_drawn(tmp_path):
    matrices = {"one": {"a": [0.1, -0.9], "b": [0.0, 1.0]}, "other": {"a": [0.1, 0.2], "b": [0.3, 0.4], "c": [0, 0]}}
    shared_attributes.save_matrices(tmp_path / "effects.png", matrices, ["a", "b"], "title")
    assert (tmp_path / "effects.png").stat().st_size > 5_000


PLACES = {  # trait: rows of a face of 64x64 in which it shows most
    "Blond_Hair": (14, 24),
    "Eyeglasses": (29, 38),
    "Pale_Skin": (34, 44),
    "Smiling": (42, 49),
    "Mouth_Slightly_Open": (42, 49),
    "Beard": (44, 56),
    "Long_Hair": (48, 58),
}


def test_traits_are_those_of_the_drawn_faces():
    """Faces with and without a trait differ, in units of what chance makes of it, most where the trait is."""
    faces = shared_drawings.draw_faces(1_500, 64, seed=2).mean(axis=3)
    traits = shared_drawings.traits_of_faces(1_500, seed=2)
    assert traits.keys() == PLACES.keys()
    for name, (top, bottom) in PLACES.items():
        has = traits[name]
        one, other = faces[has], faces[~has]
        chance = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
        differences = np.abs(one.mean(axis=0) - other.mean(axis=0)) / chance
        row, _ = np.unravel_index(differences.argmax(), differences.shape)
        assert top <= row < bottom, (name, row)
        assert differences.max() > 4.5, name
    assert not (traits["Long_Hair"] & traits["Beard"]).any()


def test_faces_of_a_seed_stay_the_same():
    """Their mean greys, as far as versions of OpenCV agree."""
    found = shared_drawings.draw_faces(6, 64, seed=0).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, [142.9, 110.58, 89.76, 122.57, 88.23, 140.6], atol=0.5)


def test_a_reader_learns_what_faces_have(tmp_path):
    """On the plainest of the traits, with few pictures."""

    class Part:
        folder = tmp_path

        class args:  # noqa: N801
            seed = 0

        def is_done(self, epochs):
            return False

        def fit(self, model, batches, *, epochs, validation_data):
            model.fit(batches, epochs=epochs, verbose=0)

        def save_model(self, name, model):
            keras.Model(model.input, model.output).save(tmp_path / name)

        def finish(self, history, panels, epochs):
            pass

    faces = shared_drawings.draw_faces(300, 32, seed=0)
    traits = shared_drawings.traits_of_faces(300, seed=0)
    labels = {name: traits[name] for name in ("Pale_Skin", "Long_Hair")}
    settings = {"epochs": 12, "filters": 16, "batch_size": 16, "learning_rate": 2e-3}
    reader = shared_attributes.train_reader(Part(), faces, labels, np.arange(240), np.arange(240, 300), **settings)
    read = reader.predict(faces[240:] / np.float32(255), verbose=0)
    for column, values in enumerate(labels.values()):
        assert shared_attributes.balanced_accuracy(values[240:], read[:, column]) > 0.75
