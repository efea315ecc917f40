"""kviz convert: a new file, what was changed, how outputs differ; one line where it cannot be."""

import json
import sys

import keras
from commands import files, fine, one_line
from keras import layers

import kviz


def small_model():
    flat = [layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(2, 3), *flat])


def test_a_file(run, tmp_path):
    small_model().save(tmp_path / "old.h5")
    told = fine(run("convert", "old.h5", "new.keras", "--trust"))
    assert "equal on noise" in told
    assert told.splitlines()[-1] == "Wrote new.keras"
    assert keras.saving.load_model(tmp_path / "new.keras").output_shape == (None, 3)
    told = json.loads(fine(run("convert", "old.h5", "new.keras", "--trust", "--json")))
    assert (told["verb"], told["files"], told["difference"]) == ("convert", ["new.keras"], 0.0)


def test_a_file_of_others_needs_force(run, tmp_path):
    small_model().save(tmp_path / "old.keras")
    (tmp_path / "new.keras").write_text("mine")
    assert "--force" in one_line(run("convert", "old.keras", "new.keras"))
    assert (tmp_path / "new.keras").read_text() == "mine"
    fine(run("convert", "old.keras", "new.keras", "--force"))


def test_a_saved_model_is_a_black_box(run, tmp_path):
    small_model().export(tmp_path / "saved", verbose=False)
    before = files(tmp_path)
    assert "convert it with --trust." in one_line(run("convert", "saved", "new.keras"))
    assert "kviz convert FOLDER NEW.keras --trust" in one_line(run("layers", "saved"))
    assert files(tmp_path) == before
    assert "wrapped as one layer, a black box" in fine(
        run("convert", "saved", "new.keras", "--trust")
    )
    assert "load it with --trust." in one_line(run("layers", "new.keras"))
    assert "TFSMLayer" in fine(run("layers", "new.keras", "--trust"))


def test_its_options_reach_the_verb_and_the_watch(run, monkeypatch):
    said = {}

    def convert(*given, **options):
        said["convert"] = given, options
        raise kviz.ModelError("That far.")

    monkeypatch.setattr(kviz, "convert", convert, raising=False)
    watch = sys.modules["kviz.cli.convert"]
    monkeypatch.setattr(watch, "watch_memory", lambda *a, **o: said.update(watched=(a, o)))
    bounds = ("--max-memory", "2GB", "--max-layers", 7)
    assert one_line(run("convert", "old.h5", "new.keras", *bounds, "--force")) == "kviz: That far."
    expected = {
        "trust": False, "custom_objects": None, "max_memory": "2GB", "max_layers": 7, "force": True,
    }  # fmt: skip
    assert said["convert"] == (("old.h5", "new.keras"), expected)
    assert said["watched"] == (("old.h5",), {"trust": False, "most": "2GB"})
