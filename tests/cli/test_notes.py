"""What has to be known of a result is told wherever the result is: notes are not lost in a silence."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from commands import MODULE, process
from PIL import Image

import kviz
from kviz.cli import main

NOTE = "Weights of the model are not finite (NaN or infinite): conv/kernel"
COMMANDS = {
    "layers": (),
    "predict": ("p.png",),
    "activations": ("p.png",),
    "weights": (),
    "report": ("p.png", "--quick", "--method", "gradient"),
}


@pytest.fixture
def broken(workplace):
    """The folder, whose model has a weight that is NaN."""
    model = keras.saving.load_model("m.keras")
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[0, 0, 0, 0] = np.nan
    model.get_layer("conv").set_weights([kernel, bias])
    model.save("m.keras")
    return workplace


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("command", COMMANDS)
def test_weights_that_are_not_finite_are_told_of(command):
    words = [command, "m.keras", *COMMANDS[command]]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert done.stderr.count(f"kviz: note: {NOTE}\n") == 1
    assert NOTE in json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)["notes"]


def test_the_silence_in_which_a_model_is_read_keeps_no_note(broken):
    done = process(*MODULE, "predict", str(broken / "m.keras"), str(broken / "p.png"))
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"kviz: note: {NOTE}")
    assert "probability" in done.stdout  # some processors make 0 of NaN in ReLU


UNNAMED = "kviz: note: the model comes without class names; --class-names FILE gives them"


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("words", [("predict",), ("report", "--quick", "--method", "gradient")])
def test_who_sees_numbers_for_classes_is_told_how_to_name_them(words, workplace):
    verb, *more = words
    done = CliRunner().invoke(main, [verb, "m.keras", "p.png", *more])
    assert done.exit_code == 0, done.output
    assert done.stderr.count(UNNAMED) == 1
    (workplace / "names.txt").write_text("a\nb\nc\n")
    done = CliRunner().invoke(main, [verb, "m.keras", "p.png", *more, "--class-names", "names.txt"])
    assert done.exit_code == 0, done.output
    assert UNNAMED not in done.stderr


@pytest.fixture(scope="module")
def results():
    """One result of each kind, of a network that has a note."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(2, 3, name="conv"), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((12, 12, 3)), *layers, keras.layers.Dense(2)])
    network = kviz.Network(model, notes=(NOTE,))
    photo = np.random.default_rng(0).uniform(0, 255, (1, 12, 12, 3)).round().astype("float32")
    shown = kviz.attribute(network, photo, "gradient")
    return {
        "predict": kviz.predict(network, photo),
        "activations": kviz.activations(network, photo),
        "weights": kviz.weights(network),
        "attribute": shown,
        "compare": kviz.compare([shown, shown]),
        "class_image": kviz.class_image(network, 1, steps=1),
    }


KINDS = ("predict", "activations", "weights", "attribute", "compare", "class_image")


@pytest.mark.parametrize("kind", KINDS)
def test_each_form_of_a_result_has_its_notes(results, tmp_path, kind):
    found = results[kind]
    found.save(tmp_path / "found.npz")
    found.save(tmp_path / "page.html")
    assert NOTE in found.facts()["notes"]
    assert f"Note: {NOTE}" in repr(found)
    assert NOTE in found._repr_html_()
    assert NOTE in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert NOTE in kviz.load_result(tmp_path / "found.npz").notes


@pytest.mark.parametrize("kind", KINDS[1:])
def test_each_picture_has_the_notes(results, tmp_path, kind):
    found = results[kind]
    assert NOTE in found.plot().kviz_alt
    pictures = [path for path in found.save(tmp_path) if path.suffix == ".png"]
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            assert NOTE in picture.text["Description"], path


def test_a_note_is_drawn_once(results):
    tiles = results["attribute"].tiles()
    noted = results["attribute"]._noted(tiles)
    assert [NOTE in tile.detail for tile in noted] == [True] + [False] * (len(tiles) - 1)
    assert all(NOTE in tile.alt for tile in noted)
