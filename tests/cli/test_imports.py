"""--import: the modules of a model's own classes, found in the current folder, one line where not."""

import sys

import keras
import pytest
from commands import fine, one_line

from kviz.cli.imports import imported

MODULE = """
import keras
from keras.layers import Dense

class Twice(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2

@keras.saving.register_keras_serializable(package="imported")
class Thrice(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 3

def halved(x):
    return x / 2
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A model of classes that only a module beside it has, which no module here has imported."""
    names = {}
    exec(MODULE, names | {"__name__": "own_layers"}, names)  # noqa: S102 - ours
    inputs = keras.Input((4, 4, 3))
    x = names["Thrice"]()(names["Twice"]()(inputs))
    x = keras.layers.Activation(names["halved"])(x)
    keras.Model(inputs, x).save(tmp_path / "m.keras")
    keras.saving.get_custom_objects().pop("imported>Thrice")
    (tmp_path / "own_layers.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("own_layers", None)
    keras.saving.get_custom_objects().pop("imported>Thrice", None)


@pytest.mark.usefixtures("own")
def test_a_models_own_classes_are_found_in_the_current_folder(run):
    said = one_line(run("layers", "m.keras"))
    assert "classes of its own: 'Twice', 'Thrice', 'halved'. Load it with --import MODULE" in said
    told = fine(run("layers", "m.keras", "--import", "own_layers"))
    assert "Twice" in told
    assert "would load   yes" in fine(run("inspect", "m.keras", "--import", "own_layers"))
    done = fine(run("convert", "m.keras", "new.keras", "--import", "own_layers"))
    assert "equal on noise" in done


def test_keras_own_names_are_not_taken_from_a_module(own, monkeypatch):
    monkeypatch.chdir(own)
    assert set(imported(["own_layers"])) == {"Twice", "Thrice", "halved"}
    assert imported([]) is None


def test_what_a_module_has_from_elsewhere_is_not_made_known(own, monkeypatch):
    monkeypatch.chdir(own)
    borrowed = "from pathlib import Path\nfrom shutil import rmtree\n"
    for name in ("own_package", "own_package_too"):
        (own / name).mkdir()
        (own / name / "layers.py").write_text(MODULE)
    (own / "own_package/__init__.py").write_text(
        f"{borrowed}from own_package.layers import Twice\nfrom own_package_too.layers import halved"
    )
    (own / "own_package/models.py").write_text(f"{borrowed}from own_package.layers import halved")
    (own / "own_module.py").write_text(f"{borrowed}def third(x): return x / 3")
    known = set(sys.modules)
    try:
        assert set(imported(["own_module"])) == {"third"}
        assert set(imported(["own_package"])) == {"Twice"}
        assert set(imported(["own_package.models"])) == {"halved"}
    finally:
        for name in set(sys.modules) - known:
            del sys.modules[name]


def test_a_file_in_the_current_folder_hides_no_installed_module(own, monkeypatch):
    monkeypatch.chdir(own)
    (own / "this.py").write_text("raise SystemExit('mine')")
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.setattr("builtins.print", lambda *_: None)
    imported(["this"])
    assert str(own) not in sys.modules["this"].__file__
    sys.modules.pop("this")


BROKEN = {
    "fails": ("raise ValueError('on purpose')", "--import fails fails: on purpose"),
    "wants": ("import not_there", "--import wants fails: No module named 'not_there'"),
    "leaves": ("import sys; sys.exit(3)", "--import leaves fails"),
    "typo": ("def f(:", "--import typo fails: invalid syntax"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_fails_is_one_line(run, own, name):
    code, said = BROKEN[name]
    (own / f"{name}.py").write_text(code)
    assert said in one_line(run("layers", "m.keras", "--import", name))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("not_there", "There is no module not_there, neither installed nor in the current folder."),
        ("not_there.at_all", "There is no module not_there.at_all"),
        ("own_layers.py", "my_layers for my_layers.py"),
        ("../own_layers", "takes a module's name"),
        ("", "takes a module's name"),
    ],
)
@pytest.mark.usefixtures("own")
def test_a_module_that_is_not_there_is_one_line(run, name, said):
    assert said in one_line(run("layers", "m.keras", "--import", name))


def test_what_a_module_keeps_for_itself_is_not_made_known(own, monkeypatch):
    monkeypatch.chdir(own)
    (own / "own_layers.py").write_text(f"{MODULE}\ndef _inner(x): return x\nclass _Own: pass\n")
    assert set(imported(["own_layers"])) == {"Twice", "Thrice", "halved"}
