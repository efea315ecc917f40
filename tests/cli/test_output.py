"""What a command leaves: files that say how they were made, and JSON of one shape."""

import json
import os

import pytest
from click.testing import CliRunner
from PIL import Image

import kviz
from kviz.cli import main

COMMANDS = {
    "predict": ("predict", "m.keras", "p.png"),
    "activations": ("activations", "m.keras", "p.png"),
    "weights": ("weights", "m.keras"),
    "attribute": ("attribute", "m.keras", "p.png"),
    "compare": ("attribute", "m.keras", "p.png", "--method", "saliency", "--method", "gradient"),
    "evaluate": ("evaluate", "m.keras", "p.png", "--metric", "deletion", "--nulls", "1"),
    "fool": ("fool", "m.keras", "p.png", "--away", "--steps", "2"),
    "class_image": ("class-image", "m.keras", "--class", "1", "--steps", "2"),
    "filter_patterns": ("filter-patterns", "m.keras", "--layers", "conv", "--steps", "2"),
    "deep_dream": ("deep-dream", "m.keras", "p.png", "--steps", "2", "--octaves", "1"),
    "report": ("report", "m.keras", "p.png", "--quick", "--method", "gradient"),
}


def run(*words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.some(every=2)
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("verb", COMMANDS)
def test_json_has_one_shape(verb):
    told = json.loads(run(*COMMANDS[verb], "--json").stdout)
    assert {"files", "verb", "made_by", "notes"} <= told.keys()
    assert told["verb"] == verb
    assert all(os.path.exists(file) for file in told["files"])  # noqa: PTH110 - as they are printed
    assert bool(told["files"]) == (verb != "predict")
    assert told["made_by"]["call"] == " ".join(["kviz", *COMMANDS[verb], "--json"])
    if verb not in ("weights", "class_image", "filter_patterns"):
        assert [image["name"] for image in told["images"]] == ["p.png"]


@pytest.mark.some(every=2)
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("verb", sorted(COMMANDS.keys() - {"predict", "report"}))
def test_what_is_saved_says_the_command_that_made_it(verb):
    run(*COMMANDS[verb], "-o", "it's all.npz")
    call = " ".join(["kviz", *COMMANDS[verb], "-o", """'it'"'"'s all.npz'"""])
    assert kviz.load_result("it's all.npz").made_by.call == call


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("out", ["found.npz", "found.html", "found"])
def test_a_name_that_is_no_unicode_is_kept_in_the_command_too(out):
    name = os.fsdecode(b"\xff.png")
    with Image.open("p.png") as photo:
        photo.save("q.png")
    os.rename("q.png", name)  # noqa: PTH104 - a name that is no text
    told = json.loads(run("attribute", "m.keras", name, "-o", out, "--json").stdout)
    assert "\\udcff.png" in told["made_by"]["call"]


@pytest.mark.usefixtures("workplace")
def test_python_calls_after_a_command_are_python_s_own():
    run(*COMMANDS["weights"])
    assert kviz.weights("m.keras").made_by.call.startswith("kviz.weights(")
