"""The command line: what it prints where, what it writes, and how it ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kviz
from kviz.cli import main

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "models/squeezenet.keras")
CAT = str(ROOT / "notebooks/images/cat.png")
COFFEE = str(ROOT / "notebooks/images/coffee.png")
NAMES = ["[red]x", "🐱", "<img src=x onerror=alert(1)>", "..", "{{7*7}}", ":smile:", "$x$"]


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch):
    """The command sets these for a process of its own."""
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def run(squeezenet, monkeypatch, tmp_path):
    """Run a command in an empty folder; the real model is read once for all tests."""
    load = kviz.network.network.load_model

    def once(model, **options):
        return (
            squeezenet if model == MODEL and not any(options.values()) else load(model, **options)
        )

    monkeypatch.setattr("kviz.network.network.load_model", once)
    monkeypatch.chdir(tmp_path)
    return lambda *command: CliRunner().invoke(main, [str(part) for part in command])


@pytest.fixture(scope="session")
def odd_model(tmp_path_factory):
    """A small model whose layers have names that terminals and pages could take for more."""
    path = tmp_path_factory.mktemp("odd") / "odd.keras"
    x = inputs = keras.Input((8, 8, 3))
    for name in NAMES:
        x = keras.layers.Conv2D(2, 3, padding="same", name=name)(x)
    keras.Model(inputs, x).save(path)
    return path


def fine(result):
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def one_line(result, code=1):
    """Return the only line on the error stream of a command that failed."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("kviz: ")
    assert "Traceback" not in line
    return line


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


class TestLayers:
    def test_table(self, run):
        lines = fine(run("layers", MODEL)).splitlines()
        assert len(lines) > 40
        assert any(re.search(r"\bconv1 +Conv2D\b", line) for line in lines)

    def test_json(self, run):
        found = json.loads(fine(run("layers", MODEL, "--json")))
        assert len(found) == len(kviz.load_model(MODEL).layers)
        (conv,) = [layer for layer in found if layer["path"] == "conv1"]
        assert conv["kind"] == "Conv2D"
        assert conv["output_shape"] == [None, 113, 113, 64]
        assert conv["kernel_size"] == [3, 3]
        assert conv["strides"] == [2, 2]
        assert conv["parameters"] == 3 * 3 * 3 * 64 + 64
        assert conv["weights"] == ["conv1/kernel", "conv1/bias"]
        assert "113" in conv["output_size"]
        assert conv["receptive_field"] == {
            "size": [3, 3],
            "stride": [2, 2],
            "offset": [0, 0],
        }
        assert found[-1]["receptive_field"] == "whole image"
        assert all(layer["output_size"] is None for layer in found if layer["kernel_size"] is None)


class TestPredict:
    def test_table(self, run):
        lines = fine(run("predict", MODEL, CAT)).splitlines()
        assert lines[0] == "cat.png"
        assert lines[1].split() == ["rank", "class", "name", "probability"]
        assert lines[2].split()[:4] == ["1", "285", "Egyptian", "cat"]
        assert len(lines) == 7

    def test_json(self, run):
        out = fine(run("predict", MODEL, CAT, COFFEE, "--top", 2, "--class", "pizza", "--json"))
        cat, coffee = json.loads(out)
        assert (cat["image"], coffee["image"]) == ("cat.png", "coffee.png")
        assert [row["class_index"] for row in cat["classes"]][::2] == [285, 963]
        assert cat["classes"][0]["name"] == "Egyptian cat"
        assert 0 < cat["classes"][0]["probability"] < 1
        scores = [row["probability"] for row in cat["classes"]]
        assert scores == sorted(scores, reverse=True)

    def test_classes_asked_by_name_and_index(self, run):
        out = fine(run("predict", MODEL, CAT, "--top", "1", "--class", "PIZZA", "--class", "0"))
        assert [line.split()[1] for line in out.splitlines()[2:]] == ["285", "963", "0"]

    def test_what_json_lacks_becomes_null(self, run, monkeypatch):
        scores = np.array([[np.nan, np.inf, 0.5]], "float32")
        monkeypatch.setattr(
            "kviz.look.predict", lambda *_, **__: kviz.Predictions(scores, 3, names=("cat.png",))
        )
        out = fine(run("predict", MODEL, CAT, "--json"))
        found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert sorted(map(str, (row["probability"] for row in found[0]["classes"]))) == [
            "0.5", "None", "None"
        ]  # fmt: skip


class TestActivations:
    def test_pictures(self, run, tmp_path):
        out = fine(run("activations", MODEL, CAT, "--layers", "conv1", "--layers", "pool*"))
        lines = out.splitlines()
        assert lines[0] == "Wrote 4 pictures"
        assert lines[2].split()[:2] == ["maps/001_conv1.png", "conv1"]
        assert lines[2].endswith("0 % empty")
        assert files(tmp_path) == [f"maps/00{n}_{name}.png" for n, name in
                                   enumerate(["conv1", "pool1", "pool3", "pool5"], 1)]  # fmt: skip

    def test_every_conv_and_pooling_layer_by_default(self, run, tmp_path):
        assert fine(run("activations", MODEL, CAT)).startswith("Wrote 29 pictures\n")
        assert len(files(tmp_path)) == 29

    def test_one_picture(self, run):
        out = fine(run("activations", MODEL, CAT, "--layers", "conv1"))
        assert out.startswith("Wrote 1 picture\n")

    def test_json(self, run, tmp_path):
        command = ("activations", MODEL, CAT, "--layers", "conv10", "--out", "o", "--json")
        found = json.loads(fine(run(*command)))
        assert found["files"] == ["o/001_conv10.png"]
        (layer,) = found["layers"]
        assert layer["path"] == "conv10"
        assert layer["kind"] == "Conv2D"
        assert layer["shape"] == [1, 13, 13, 1000]
        assert layer["min"] < 0 < layer["max"]
        assert layer["empty_shares"] == [0]
        assert files(tmp_path) == ["o/001_conv10.png"]

    def test_numbers(self, run, tmp_path, squeezenet, cat):
        expected = kviz.activations(squeezenet, cat, "conv1")["conv1"]
        for out, form, file in (
            ("a.npz", (), "a.npz"),
            ("b", ("--format", "npz"), "b/activations.npz"),
            ("c.npz", ("--format", "npz"), "c.npz"),
        ):
            command = ("activations", MODEL, CAT, "--layers", "conv1", "--out", out, *form)
            assert fine(run(*command)) == f"Wrote {file}\n"
            np.testing.assert_array_equal(kviz.load_result(file)["conv1"], expected)
        assert files(tmp_path) == ["a.npz", "b/activations.npz", "c.npz"]

    @pytest.mark.parametrize(
        ("out", "form", "file"),
        [("page.html", (), "page.html"), ("p", ("--format", "html"), "p/activations.html")],
    )
    def test_page(self, run, out, form, file):
        command = ("activations", MODEL, CAT, "--layers", "pool*", "--out", out, *form)
        assert fine(run(*command)) == f"Wrote {file}\n"
        page = Path(file).read_text(encoding="utf-8")
        assert page.count("<img ") == 3
        assert "cat.png" in page

    def test_several_images_give_a_folder_each(self, run, tmp_path):
        out = fine(run("activations", MODEL, CAT, COFFEE, "--layers", "conv1", "--layers", "pool1"))
        found = files(tmp_path)
        assert len(found) == 4
        assert len({name.rsplit("/", 1)[0] for name in found}) == 2
        assert found[0].startswith("maps/001_cat-png")
        assert found[2].startswith("maps/002_coffee-png")
        assert all(name in out for name in found)

    def test_drawing_options_reach_the_picture(self, run, squeezenet, cat):
        drawing = ("--columns", 20, "--cmap", "gray", "--scale", "layer", "--sort", "mean")
        fine(run("activations", MODEL, CAT, "--layers", "pool5", *drawing))
        maps = kviz.activations(squeezenet, cat, "pool5", names=["cat.png"])
        tile = maps.tiles(columns=20, cmap="gray", scale="layer", sort="mean")[0]
        with Image.open("maps/001_pool5.png") as image:
            assert image.text["Title"] == tile.title
            assert image.getpalette() == [level for level in range(256) for _ in "rgb"]
            zoom = image.width // tile.levels.shape[1]
            assert (
                np.asarray(image)[::-zoom, ::zoom][: len(tile.levels)] == tile.levels[::-1]
            ).all()
        fine(run("activations", MODEL, CAT, "--layers", "pool5", "--channel", 7, "--show-image"))
        with Image.open("maps/001_pool5.png") as image:
            assert "channel 7" in image.text["Title"]
            assert image.mode == "RGB"

    def test_what_was_in_the_folder_stays(self, run, tmp_path):
        (tmp_path / "maps").mkdir()
        (tmp_path / "maps/mine.txt").write_text("mine")
        fine(run("activations", MODEL, CAT, "--layers", "conv1"))
        assert files(tmp_path) == ["maps/001_conv1.png", "maps/mine.txt"]


class TestWeights:
    def test_pictures(self, run, tmp_path):
        out = fine(run("weights", MODEL, "--layers", "conv1", "--columns", 8))
        assert out.startswith("Wrote 1 picture\n")
        assert "3 × 3 × 3 × 64" in out
        (name,) = files(tmp_path)
        assert name.startswith("kernels/001_conv1-kernel")

    def test_json_numbers_and_page(self, run, tmp_path):
        found = json.loads(
            fine(run("weights", MODEL, "--layers", "conv1", "--out", "k.npz", "--json"))
        )
        assert found == {
            "files": ["k.npz"],
            "weights": [
                {"path": "conv1/kernel", "layer": "conv1", "shape": [3, 3, 3, 64]},
                {"path": "conv1/bias", "layer": "conv1", "shape": [64]},
            ],
        }
        assert kviz.load_result("k.npz")["conv1/bias"].shape == (64,)
        assert (
            fine(run("weights", MODEL, "--layers", "conv1", "--out", "k.html")) == "Wrote k.html\n"
        )
        assert files(tmp_path) == ["k.html", "k.npz"]

    def test_a_bias_alone_has_no_picture(self, run, tmp_path):
        line = one_line(run("weights", MODEL, "--layers", "conv1/bias"))
        assert "a vector has no picture" in line
        assert files(tmp_path) == []
        fine(run("weights", MODEL, "--layers", "conv1/bias", "--out", "b.npz"))


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
    "no such class": (("predict", MODEL, CAT, "--class", "piza"), "Did you mean 'pizza'"),
    "a class too high": (("predict", MODEL, CAT, "--class", "1000"), "go from 0 to 999"),
    "no such colour map": (("activations", MODEL, CAT, "--cmap", "viridi"), "'viridis'"),
    "a channel too high": (
        ("activations", MODEL, CAT, "--channel", "64"),
        "'conv1' has channels 0",
    ),
    "a size the model does not take": (("predict", MODEL, CAT, "--size", 9, 9), "227 x 227 only"),
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


class TestMistakes:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_end_in_one_line_and_write_nothing(self, run, tmp_path, mistake):
        (tmp_path / "file").write_text("mine")
        command, words = MISTAKES[mistake]
        assert words in one_line(run(*command))
        assert files(tmp_path) == ["file"]
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "x" * 5000, "[red]x[/red]"])
    def test_hostile_words_stay_in_one_short_line(self, run, name):
        for command in (
            ("layers", name),
            ("activations", MODEL, CAT, "--layers", name),
            ("activations", MODEL, CAT, "--cmap", name),
            ("predict", MODEL, CAT, "--class", name),
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
    def test_wrong_usage_is_two(self, run, tmp_path, command):
        result = run(*command)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Error: " in result.stderr
        assert "Usage: " in result.stderr
        assert "Traceback" not in result.stderr
        assert files(tmp_path) == []

    def test_out_that_contradicts_format_says_so(self, run):
        result = run("activations", MODEL, CAT, "--format", "npz", "--out", "x.html")
        assert "--format npz and --out x.html contradict each other" in result.stderr

    def test_a_fault_of_ours_is_said_to_be_one(self, run, monkeypatch):
        monkeypatch.setattr("kviz.look.predict", lambda *_, **__: 1 / 0)
        assert "unexpected ZeroDivisionError; this is a fault of kviz" in one_line(
            run("predict", MODEL, CAT)
        )
        assert isinstance(run("--debug", "predict", MODEL, CAT).exception, ZeroDivisionError)

    def test_memory_that_is_used_up_says_what_to_try(self, run, monkeypatch):
        def full(*_, **__):
            raise MemoryError

        monkeypatch.setattr("kviz.look.activations", full)
        assert "--batch-size" in one_line(run("activations", MODEL, CAT))

    @pytest.mark.parametrize("out", ["maps", "page.html", "maps.npz"])
    def test_an_interrupt_leaves_nothing(self, run, tmp_path, monkeypatch, out):
        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("kviz.results.activations.tile_png", stop)
        monkeypatch.setattr("kviz.draw.pages.tile_png", stop)
        monkeypatch.setattr("kviz.results.result.np.savez_compressed", stop)
        line = one_line(run("activations", MODEL, CAT, "--out", out), 130)
        assert line == "kviz: stopped; nothing was written."
        assert not list(tmp_path.iterdir())

    def test_an_interrupt_after_some_pictures_leaves_what_was_there(
        self, run, tmp_path, monkeypatch
    ):
        made = []

        def stop(tile):
            made.append(tile)
            if len(made) > 3:
                raise KeyboardInterrupt
            return b"picture"

        monkeypatch.setattr("kviz.results.activations.tile_png", stop)
        (tmp_path / "maps").mkdir()
        (tmp_path / "maps/001_conv1.png").write_text("mine")
        one_line(run("activations", MODEL, CAT), 130)
        assert files(tmp_path) == ["maps/001_conv1.png"]
        assert (tmp_path / "maps/001_conv1.png").read_text() == "mine"

    def test_a_note_goes_to_the_error_stream(self, run, tmp_path):
        frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
        result = run("predict", MODEL, "two.gif")
        assert result.exit_code == 0
        assert result.stderr == "kviz: note: two.gif has 2 frames; only the first is used.\n"
        assert result.stdout.startswith("two.gif\n")


class TestNames:
    def test_markup_and_emoji_are_literal(self, run, odd_model, tmp_path):
        table = fine(run("layers", odd_model))
        written = fine(run("activations", odd_model, CAT))
        kernels = fine(run("weights", odd_model))
        for name in NAMES:
            assert any(name in line.split("  ")[1:3] or f" {name} " in line
                       for line in table.splitlines()), name  # fmt: skip
            assert f" {name} " in written
            assert f" {name}/kernel " in kernels
        assert len(files(tmp_path)) == 2 * len(NAMES)
        assert {Path(name).parent.name for name in files(tmp_path)} == {"maps", "kernels"}

    def test_json(self, run, odd_model):
        found = json.loads(fine(run("layers", odd_model, "--json")))
        assert [layer["path"] for layer in found if layer["kind"] == "Conv2D"] == NAMES

    def test_page(self, run, odd_model):
        fine(run("activations", odd_model, CAT, "--out", "page.html"))
        page = Path("page.html").read_text(encoding="utf-8")
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert all(re.findall(r'<img [^>]*alt="([^"]*)"', page))

    def test_one_layer_by_its_odd_name(self, run, odd_model):
        assert " 🐱 " in fine(run("activations", odd_model, CAT, "--layers", "🐱"))

    def test_an_image_whose_name_is_no_unicode(self, run, tmp_path):
        name = os.fsdecode(b"\xff[red]\n.png")
        Image.new("RGB", (9, 9)).save(tmp_path / "plain.png")
        (tmp_path / "plain.png").rename(tmp_path / name)
        assert fine(run("predict", MODEL, name)).startswith("?[red]?.png\n")
        assert json.loads(fine(run("predict", MODEL, name, "--json")))[0]["image"] == name
        for out in ("maps", "page.html", "maps.npz"):
            fine(run("activations", MODEL, name, "--layers", "conv1", "--out", out))


def process(*command, **environment):
    """Run kviz as a process of its own, as a shell does."""
    clean = {
        k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    }
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=clean | environment, check=False
    )


KVIZ = (str(Path(sys.executable).with_name("kviz")),)
MODULE = (sys.executable, "-m", "kviz.cli")


class TestProcess:
    def test_a_prediction_and_nothing_else(self):
        done = process(*KVIZ, "predict", MODEL, CAT, "--top", "1", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)[0]["classes"][0]["name"] == "Egyptian cat"
        assert done.stderr == ""

    def test_signs_that_the_terminal_lacks_do_not_stop_it(self, tmp_path):
        names = tmp_path / "names.json"
        names.write_text(json.dumps([f"猫 🐱 {n}" for n in range(1000)]))
        done = process(
            *MODULE, "predict", MODEL, CAT, "--top", "1", "--class-names", str(names),
            PYTHONIOENCODING="cp1252",
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert r"\u732b \U0001f431 285" in done.stdout

    def test_debug_shows_the_traceback(self):
        done = process(*MODULE, "--debug", "layers", "nope.keras")
        assert done.returncode == 1
        assert "Traceback (most recent call last)" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("kviz.errors.ModelError: There is no file")

    @pytest.mark.parametrize("backend", ["jax", "torch"])
    def test_another_backend_is_named_in_one_line(self, backend):
        done = process(*KVIZ, "layers", MODEL, KERAS_BACKEND=backend)
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("kviz: ")
        assert backend in line
        assert "KERAS_BACKEND=tensorflow" in line

    def test_the_script_and_the_module_are_the_same(self):
        assert process(*KVIZ, "--version").stdout == f"kviz, version {kviz.__version__}\n"
        assert kviz.__version__ in process(*MODULE, "--version").stdout
        assert process(*KVIZ, "paint").returncode == process(*MODULE, "paint").returncode == 2

    @pytest.mark.parametrize("words", ["main(['--help'])", "main(['--version'])", "None"])
    def test_help_and_import_load_nothing_heavy(self, words):
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
    def test_each_command_has_help(self, command):
        result = CliRunner().invoke(main, [command, "--help"])
        assert result.exit_code == 0
        assert "MODEL" in result.stdout
        assert command in CliRunner().invoke(main, ["--help"]).stdout
        for option in re.findall(r"^  +(--[a-z-]+)", result.stdout, re.MULTILINE):
            line = next(x for x in result.stdout.splitlines() if option in x)
            assert line.strip() != option
