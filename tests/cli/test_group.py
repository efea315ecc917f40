"""All commands: how they fail, what odd names do, and kviz as a process."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import CAT, KVIZ, MODEL, MODULE, NAMES, files, fine, one_line, process
from PIL import Image

import kviz
from kviz.cli import main

MISTAKES = {
    "no such model": (("layers", "nope.keras"), "There is no file nope.keras"),
    "a model that is a photo": (("layers", CAT), "cat.png"),
    "no such image": (("predict", MODEL, "nope.png"), "There is no file nope.png"),
    "an image that is a model": (("predict", MODEL, MODEL), "is not an image"),
    "no such layer": (("activations", MODEL, CAT, "--layers", "conv11"), "Did you mean 'conv1'"),
    "no such weight": (
        ("weights", MODEL, "--layers", "conv1/kernl"),
        "Did you mean 'conv1/kernel'",
    ),
    "a layer without weights": (("weights", MODEL, "--layers", "pool1"), "has no weights"),
    "no such class": (("predict", MODEL, CAT, "--also", "piza"), "Did you mean 'pizza'"),
    "a class too high": (("predict", MODEL, CAT, "--also", "1000"), "go from 0 to 999"),
    "no such colour map": (("activations", MODEL, CAT, "--cmap", "viridi"), "'viridis'"),
    "a channel too high": (
        ("activations", MODEL, CAT, "--channel", "64"),
        "'conv1' has channels 0",
    ),
    "a size the model does not take": (
        ("predict", MODEL, CAT, "--target-size", 9, 9),
        "227 x 227 only",
    ),
    "no such preprocessing": (("layers", MODEL, "--preprocess", "vgg61"), "'vgg16'"),
    "no such class names": (
        ("predict", MODEL, CAT, "--class-names", "nope"),
        "There is no file nope",
    ),
    "out below a file": (("activations", MODEL, CAT, "--out", "file/maps"), "Cannot write"),
    "out is a file": (("activations", MODEL, CAT, "--out", "file"), "Cannot write"),
    "page below a file": (("activations", MODEL, CAT, "--out", "file/page.html"), "Cannot write"),
    "no folder for numbers": (("weights", MODEL, "--out", "no/such/w.npz"), "Make no/such first"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_end_in_one_line_and_write_nothing(run, tmp_path, mistake):
    (tmp_path / "file").write_text("mine")
    command, words = MISTAKES[mistake]
    assert words in one_line(run(*command))
    assert files(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[31mred", "x" * 5000, "[red]x[/red]", "9" * 5000, "²"]
)
def test_hostile_words_stay_in_one_short_line(run, name):
    for command in (
        ("layers", name),
        ("activations", MODEL, CAT, "--layers", name),
        ("activations", MODEL, CAT, "--cmap", name),
        ("predict", MODEL, CAT, "--also", name),
        ("weights", MODEL, "--layers", name),
        ("attribute", MODEL, CAT, "--class", name),
        ("attribute", MODEL, CAT, "--method", name),
        ("attribute", MODEL, CAT, "--set", f"relu={name}"),
        ("attribute", MODEL, CAT, "--set", f"{name}=1"),
    ):
        line = one_line(run(*command))
        assert line.isprintable()
        assert len(line) < 320


@pytest.mark.parametrize(
    "command",
    [
        ("paint", MODEL),
        ("layers",),
        ("predict", MODEL),
        ("layers", MODEL, "--nope"),
        ("--nope",),
        ("activations", MODEL, CAT, "--columns", 0),
        ("activations", MODEL, CAT, "--channel", -1),
        ("activations", MODEL, CAT, "--scale", "log"),
        ("activations", MODEL, CAT, "--batch-size", 0),
        ("activations", MODEL, CAT, "--format", "jpg"),
        ("activations", MODEL, CAT, "--format", "npz", "--out", "x.html"),
        ("activations", MODEL, CAT, "--format", "png", "--out", "x.npz"),
        ("activations", MODEL, CAT, "--out", ""),
        ("weights", MODEL, "--format", "html", "--out", "x.npz"),
        ("predict", MODEL, CAT, "--top", 0),
        ("predict", MODEL, CAT, "--fit", "squash"),
    ],
)
def test_wrong_usage_is_two(run, tmp_path, command):
    result = run(*command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert "Usage: " in result.stderr
    assert "Traceback" not in result.stderr
    assert files(tmp_path) == []


def test_out_that_contradicts_format_says_so(run):
    result = run("activations", MODEL, CAT, "--format", "npz", "--out", "x.html")
    assert "--format npz and --out x.html contradict each other" in result.stderr


def test_a_fault_of_ours_is_said_to_be_one(run, monkeypatch):
    monkeypatch.setattr("kviz.look.predict", lambda *_, **__: 1 / 0)
    assert "unexpected ZeroDivisionError; this is a fault of kviz" in one_line(
        run("predict", MODEL, CAT)
    )
    assert isinstance(run("--debug", "predict", MODEL, CAT).exception, ZeroDivisionError)


def test_memory_that_is_used_up_says_what_to_try(run, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("kviz.look.activations", full)
    assert "--batch-size" in one_line(run("activations", MODEL, CAT))


@pytest.mark.parametrize("out", ["maps", "page.html", "maps.npz"])
def test_an_interrupt_leaves_nothing(run, tmp_path, monkeypatch, out):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kviz.results.result.tile_png", stop)
    monkeypatch.setattr("kviz.draw.pages.tile_png", stop)
    monkeypatch.setattr("kviz.results.result.np.savez_compressed", stop)
    line = one_line(run("activations", MODEL, CAT, "--out", out), 130)
    assert line == "kviz: stopped."
    assert not list(tmp_path.iterdir())


def test_an_interrupt_after_some_pictures_leaves_what_was_there(run, tmp_path, monkeypatch):
    made = []

    def stop(tile):
        made.append(tile)
        if len(made) > 3:
            raise KeyboardInterrupt
        return b"picture"

    monkeypatch.setattr("kviz.results.result.tile_png", stop)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/001_conv1.png").write_text("mine")
    one_line(run("activations", MODEL, CAT), 130)
    assert files(tmp_path) == ["maps/001_conv1.png"]
    assert (tmp_path / "maps/001_conv1.png").read_text() == "mine"


def test_a_note_goes_to_the_error_stream(run, tmp_path):
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    result = run("predict", MODEL, "two.gif")
    assert result.exit_code == 0
    assert result.stderr == "kviz: note: two.gif has 2 frames; only the first is used.\n"
    assert result.stdout.startswith("two.gif\n")


def test_markup_and_emoji_are_literal(run, odd_model, tmp_path):
    table = fine(run("layers", odd_model))
    written = fine(run("activations", odd_model, CAT))
    kernels = fine(run("weights", odd_model))
    for name in NAMES:
        assert any(name in line.split("  ")[1:3] or f" {name} " in line
                   for line in table.splitlines()), name  # fmt: skip
        assert f"\n{name} " in written
        assert f"\n{name}/kernel " in kernels
    assert len(files(tmp_path)) == 2 * len(NAMES)
    assert {Path(name).parent.name for name in files(tmp_path)} == {"maps", "kernels"}


def test_json(run, odd_model):
    found = json.loads(fine(run("layers", odd_model, "--json")))
    assert [layer["path"] for layer in found["layers"] if layer["kind"] == "Conv2D"] == NAMES


def test_page(run, odd_model):
    fine(run("activations", odd_model, CAT, "--out", "page.html"))
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert all(re.findall(r'<img [^>]*alt="([^"]*)"', page))


def test_one_layer_by_its_odd_name(run, odd_model):
    assert "\n🐱 " in fine(run("activations", odd_model, CAT, "--layers", "🐱"))


def test_an_image_whose_name_is_no_unicode(run, tmp_path):
    name = os.fsdecode(b"\xff[red]\n.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    assert fine(run("predict", MODEL, name)).startswith("?[red]?.png\n")
    assert json.loads(fine(run("predict", MODEL, name, "--json")))["images"][0]["name"] == name
    for out in ("maps", "page.html", "maps.npz"):
        fine(run("activations", MODEL, name, "--layers", "conv1", "--out", out))


@pytest.mark.slow
def test_a_prediction_and_nothing_else_whatever_signs_the_terminal_lacks(tmp_path):
    names = tmp_path / "names.json"
    names.write_text(json.dumps([f"猫 🐱 {n}" for n in range(1000)]))
    done = process(
        *MODULE, "predict", MODEL, CAT, "--top", "1", "--class-names", str(names),
        PYTHONIOENCODING="cp1252",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    name, _, answer = done.stdout.splitlines()
    assert name == "cat.png"
    assert r"\u732b \U0001f431 285" in answer


def test_debug_shows_the_traceback():
    done = process(*MODULE, "--debug", "layers", "nope.keras")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("kviz.errors.ModelError: There is no file")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_named_in_one_line(backend):
    done = process(*KVIZ, "layers", MODEL, KERAS_BACKEND=backend)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("kviz: ")
    assert backend in line
    assert "KERAS_BACKEND=tensorflow" in line


def test_the_script_and_the_module_are_the_same():
    assert process(*KVIZ, "--version").stdout == f"kviz, version {kviz.__version__}\n"
    assert kviz.__version__ in process(*MODULE, "--version").stdout
    assert process(*KVIZ, "paint").returncode == process(*MODULE, "paint").returncode == 2


@pytest.mark.parametrize("words", ["main(['--help'])", "main(['--version'])", "None"])
def test_help_and_import_load_nothing_heavy(words):
    code = (
        "import sys, kviz, kviz.cli\n"
        "from kviz.cli import main\n"
        f"try: {words}\n"
        "except SystemExit: pass\n"
        "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = process(sys.executable, "-c", code)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"tensorflow", "keras", "matplotlib", "numpy", "PIL", "h5py", "rich", "jinja2"}
    assert "kviz" in loaded
    assert loaded & heavy == set()


@pytest.mark.parametrize("command", ["layers", "predict", "activations", "weights"])
def test_each_command_has_help(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "MODEL" in result.stdout
    assert command in CliRunner().invoke(main, ["--help"]).stdout
    for option in re.findall(r"^  +(--[a-z-]+)", result.stdout, re.MULTILINE):
        line = next(x for x in result.stdout.splitlines() if option in x)
        assert line.strip() != option
