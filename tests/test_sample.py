"""The command that draws from any trained model."""

import wave

import pytest
from conftest import MODELS, tiny_mnist

import sample
from shared_figures import read_picture
from shared_files import InputError


@pytest.mark.parametrize("model", ["GAN_filter128_latent128", "VAE_mnist_traversal/two", "RNN_mnist_patches"])
def test_pictures_are_a_grid_of_as_many_as_asked_for(tmp_path, model, capsys):
    for count, columns in ((2, 2), (9, 8)):
        path = tmp_path / f"{count}.png"
        sample.main([str(MODELS / model), str(path), "--count", str(count)])
        side = 64 if "GAN" in model else 28
        assert read_picture(path).width == pytest.approx(2 * columns * (side + 2), abs=2)
        assert f"Written: {path}" in capsys.readouterr().out


def test_samples_follow_from_the_seed(tmp_path):
    made = []
    for number, seed in enumerate("112"):
        path = tmp_path / f"{number}.mid"
        sample.main([str(MODELS / "HVAE_drums"), str(path), "--count", "3", "--seed", seed])
        made.append(path.read_bytes())
    assert made[0] == made[1] != made[2]


def test_drums_can_be_heard_read_and_seen(tmp_path):
    paths = [tmp_path / f"bars.{suffix}" for suffix in ("wav", "mid", "png")]
    for path in paths:
        sample.main([str(MODELS / "HVAE_drums"), str(path), "--count", "3", "--seed", "1"])
        assert path.stat().st_size > 200
    with wave.open(str(paths[0])) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(3 * 4 * 60 / sample.TEMPO + 1, abs=0.01)


def test_expressions_are_answered(tmp_path, capsys):
    sample.main([str(MODELS / "task2_txt2txt_identities"), "--text", "7 - 45"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Answer: -38"
    assert [line.split()[0] for line in lines[1:]] == ["-", "3", "8"]
    assert all(0.2 < float(line.split()[1]) <= 1 for line in lines[1:])
    path = tmp_path / "answer.png"
    sample.main([str(MODELS / "A2_text2image_crisp"), str(path), "--text", "7-45", "--count", "2"])
    assert read_picture(path).width == pytest.approx(2 * 2 * (3 * 28 + 2), abs=2)
    path = tmp_path / "query.png"
    mnist = str(tiny_mnist(tmp_path))
    sample.main([str(MODELS / "task2_img2txt_glyphs"), str(path), "--text", "7-45", "--mnist", mnist])
    assert "Answer: " in capsys.readouterr().out
    assert path.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["GAN_filter128_latent128"], "ends in .png"),
        (["GAN_filter128_latent128", "faces.wav"], "ends in .png"),
        (["HVAE_drums", "bars.jpg"], "ends in .wav or .mid or .png"),
        (["HVAE_drums"], "ends in .wav or .mid or .png"),
        (["task2_txt2txt_identities"], "ask with --text"),
        (["task2_txt2txt_identities", "answer.png", "--text", "1+2"], "leave the file out"),
        (["task2_txt2txt_identities", "--text", "1+2", "--count", "2"], "leave --count out"),
        (["task2_txt2txt_identities", "--text", "12*3"], "'12\\*3' is no sum or difference"),
        (["task2_txt2txt_identities", "--text", ""], "is no sum or difference"),
        (["task2_txt2txt_identities", "--text", "100+1"], "is no sum or difference"),
        (["GAN_fonts/labels_0", "name.png", "--text", "É"], "cannot be asked for"),
        (["GAN_filter128_latent128", "faces.png", "--text", "A"], "leave --text out"),
        (["nowhere", "faces.png"], "nowhere: holds no networks"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(flags, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        sample.main([str(MODELS / flags[0]), *flags[1:]])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.*"))


def test_more_than_memory_holds_is_refused(capsys):
    with pytest.raises(SystemExit):
        sample.main([str(MODELS / "HVAE_drums"), "bars.wav", "--count", str(10**13)])
    assert "--count: 10000000000000 is above 10,000" in capsys.readouterr().err
