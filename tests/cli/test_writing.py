"""What a command writes: all of it in one swap, over nobody else's files, and what it says of it."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from commands import one_line
from one_of_each import activations, fooled
from PIL import Image

import kviz
from kviz.cli import main
from kviz.cli.output import Target

FRAMES = np.zeros((2, 2, 6, 5, 3), np.uint8)


def film():
    return fooled().__class__(**{**vars(fooled()), "frames": FRAMES})


def content(folder):
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes()
            for path in sorted(folder.rglob("*"))}  # fmt: skip


@pytest.mark.parametrize("out", ["made", "made.npz", "made.html"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_pictures_and_their_animation_are_one_swap(tmp_path, monkeypatch, out, error):
    target = Target.of(str(tmp_path / out), None, film=True)
    written = target.write(film())
    assert written[-1].suffix == ".gif"
    assert all(file.is_file() for file in written)
    before = content(tmp_path)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)  # behind all else: the animation
    monkeypatch.setattr("kviz.results.result.tile_png", lambda *_, **__: b"another picture")
    monkeypatch.setattr("kviz.results.synthesis.png", lambda *_, **__: b"another picture")
    monkeypatch.setattr("kviz.draw.pages.tile_png", lambda *_, **__: b"another picture")
    with pytest.raises((KeyboardInterrupt, kviz.OutputError)) as caught:
        target.write(film())
    if isinstance(caught.value, kviz.OutputError):
        assert "the disk is full. Nothing there has changed." in str(caught.value)
        assert ".kviz-" not in str(caught.value)
    assert content(tmp_path) == before


def test_files_of_earlier_runs_that_stay_are_told(tmp_path):
    target = Target.of(str(tmp_path / "maps"), None)
    first = target.write(activations())
    (tmp_path / "maps" / "theirs.png").write_bytes(b"theirs")
    assert target.older(first) == []
    fewer = activations().__class__({"other": activations().maps["conv"]}, {"other": "Conv2D"})
    written = target.write(fewer)
    assert set(target.older(written)) == set(first) - set(written)
    assert Target.of(str(tmp_path / "maps.npz"), None).older([tmp_path / "maps.npz"]) == []


@pytest.fixture
def unread(monkeypatch, tmp_path):
    """Run a command that must not come to reading its model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kviz.network.loading.load_model", lambda *_, **__: pytest.fail("read"))
    Image.new("RGB", (9, 9)).save(tmp_path / "p.png")
    return lambda *words: CliRunner().invoke(main, [*map(str, words)])


@pytest.mark.parametrize(
    ("verb", "name", "more"),
    [
        ("report", "index.html", []),
        ("activations", "thesis.npz", []),
        ("attribute", "figure.pdf", []),
        ("fool", "way.gif", ["--away", "--gif", "-o", "way.npz"]),
    ],
)
def test_a_strangers_file_is_refused_before_the_model_is_read(unread, tmp_path, verb, name, more):
    (tmp_path / name).write_text("theirs")
    done = unread(verb, "m.keras", "p.png", "-o", name, *more)
    line = one_line(done)
    assert "kviz did not write " in line
    assert f"{name}, which is there already: --force replaces it." in line
    assert (tmp_path / name).read_text() == "theirs"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_fifo_is_refused(unread, tmp_path, force):
    os.mkfifo(tmp_path / "page.html")
    done = unread("report", "m.keras", "p.png", "-o", "page.html", *force)
    assert "a FIFO, a socket or a device is there, not a file" in one_line(done)


@pytest.mark.usefixtures("workplace")
def test_ones_own_file_is_replaced_and_a_strangers_by_force(tmp_path):
    command = ["activations", "m.keras", "p.png", "-o", "maps.npz", "--json"]
    (tmp_path / "maps.npz").write_text("theirs")
    for words in ([*command, "--force"], command):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["files"] == ["maps.npz"]
