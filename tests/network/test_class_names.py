"""Class names in the files that people have: beside a model, or given."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from refusals import refused

import kviz
from kviz.network.class_names import class_names_of


def of_lines(tmp_path, *lines):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return class_names_of(path)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["0 Rock", "1 Paper", "2 Scissors"], ("Rock", "Paper", "Scissors")),  # Teachable Machine
        (["0: a", "1: b"], ("a", "b")),
        (["0,a b", "1\tc"], ("a b", "c")),
        (["00 a", "01 b"], ("a", "b")),
        (["0 7 up", "1 8 ball"], ("7 up", "8 ball")),
        (["7 up", "8 ball"], ("7 up", "8 ball")),
        (["0 Rock", "2 Paper"], ("0 Rock", "2 Paper")),
        (["1 Paper", "0 Rock"], ("1 Paper", "0 Rock")),
        (["1 one", "2 two"], ("1 one", "2 two")),
        (["0 Rock", "Paper"], ("0 Rock", "Paper")),
        (["0", "1", "2"], ("0", "1", "2")),
        (["0th", "1st"], ("0th", "1st")),
    ],
)
def test_a_number_before_a_name_is_left_out_only_where_all_lines_count_from_0(
    tmp_path, lines, names
):
    assert of_lines(tmp_path, *lines) == names


def test_a_dict_may_go_from_name_to_index():
    assert class_names_of({"b": 1, "a": 0}) == ("a", "b")
    assert class_names_of({"0": 1, "1": 0}) == ("1", "0")  # names of digits, as of MNIST
    assert class_names_of({1: "b", 0: "a"}) == ("a", "b")


def test_a_folder_of_the_training_data_counts_as_keras_does(tmp_path):
    for name in ("b", "a10", "a9", "B", ".hidden", "empty"):
        (tmp_path / name).mkdir()
        if name != "empty":
            Image.new("RGB", (4, 4)).save(tmp_path / name / "one.png")
    (tmp_path / "README.txt").write_text("no class")
    data = keras.utils.image_dataset_from_directory(tmp_path, image_size=(4, 4), verbose=False)
    assert class_names_of(tmp_path) == tuple(data.class_names)
    assert class_names_of(tmp_path) == ("B", "a10", "a9", "b", "empty")


def test_a_folder_without_subfolders_is_refused(tmp_path):
    with refused("has no subfolders", kviz.ModelError):
        class_names_of(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.keras"
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]).save(
        path
    )
    return path


FOUND = {
    "labels.txt": "0 Rock\n1 Paper\n2 Scissors\n",
    "class_names.txt": "Rock\nPaper\nScissors\n",
    "labels.json": json.dumps(["Rock", "Paper", "Scissors"]),
    "class_indices.json": json.dumps({"Paper": 1, "Rock": 0, "Scissors": 2}),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_file_beside_the_model_is_found_and_said(tmp_path, model, name):
    shutil.copy(model, tmp_path)
    (tmp_path / name).write_text(FOUND[name], encoding="utf-8")
    network = kviz.load_model(tmp_path / "m.keras")
    assert network.class_names == ("Rock", "Paper", "Scissors")
    assert network.notes == (f"The class names are those of {name} beside the model.",)
    found = kviz.predict(network, np.zeros((1, 4, 4, 3), "uint8"))
    assert found.notes[0] == network.notes[0]
    given = kviz.load_model(tmp_path / "m.keras", class_names=["a", "b", "c"])
    assert (given.class_names, given.notes) == (("a", "b", "c"), ())


def test_the_channels_of_a_class_map_are_named_too(tmp_path):
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1)]).save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("sky\nsea\nland\n", encoding="utf-8")
    assert kviz.load_model(tmp_path / "m.keras").class_names == ("sky", "sea", "land")


def test_a_file_of_another_model_is_left_aside_and_said(tmp_path, model):
    shutil.copy(model, tmp_path)
    (tmp_path / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    network = kviz.load_model(tmp_path / "m.keras")
    assert network.class_names is None
    assert "it names 2, and the model has 3 classes" in network.notes[0]
    (tmp_path / "labels.json").write_text(FOUND["labels.json"], encoding="utf-8")
    network = kviz.load_model(tmp_path / "m.keras")
    assert network.notes == ("The class names are those of labels.json beside the model.",)
    (tmp_path / "labels.json").write_text("{", encoding="utf-8")
    assert (
        "No class names are taken from labels.json"
        in kviz.load_model(tmp_path / "m.keras").notes[0]
    )


def test_kvizs_own_file_goes_first_and_needs_no_word(tmp_path, model):
    shutil.copy(model, tmp_path)
    (tmp_path / "labels.txt").write_text(FOUND["labels.txt"], encoding="utf-8")
    (tmp_path / "m.class_names.json").write_text('["x", "y", "z"]', encoding="utf-8")
    network = kviz.load_model(tmp_path / "m.keras")
    assert (network.class_names, network.notes) == (("x", "y", "z"), ())


def test_one_unit_has_two_names(tmp_path):
    keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    ).save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    assert kviz.load_model(tmp_path / "m.keras").class_names == ("cat", "dog")
    (tmp_path / "labels.txt").write_text("cat\ndog\ncow\n", encoding="utf-8")
    network = kviz.load_model(tmp_path / "m.keras")
    assert network.class_names is None
