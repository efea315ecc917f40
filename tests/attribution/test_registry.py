"""Methods by name: kviz's own, and those that other packages install."""

import inspect
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz import attribution
from kviz.attribution import method_class, method_name, method_named, method_names, title_of
from kviz.cli.options import validate_settings

ROOT = Path(__file__).parents[2]


def test_every_method_is_exported():
    classes = {
        name: value
        for name, value in vars(attribution).items()
        if isinstance(value, type) and issubclass(value, attribution.Method)
    }
    assert set(classes) - {"Method"} == {method_class(name).__name__ for name in method_names()}
    assert set(attribution.__all__) == {
        name
        for name, value in vars(attribution).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert attribution.__all__ == sorted(attribution.__all__)


@pytest.mark.parametrize("name", method_names())
def test_a_method_has_one_name_and_explains_itself(name):
    kind = method_class(name)
    assert method_name(kind()) == name
    assert title_of(kind()) == kind.display_name
    # What people call it is the name's letters, and a sign or two.
    letters = "".join(c for c in kind.display_name.casefold() if c.isalpha())
    assert letters in {
        name.replace("_", ""), "guidedbackpropagation", "inputgradient", "shapleyvalues", "gradcam",
    }  # fmt: skip
    said = vars(kind)["__doc__"]
    for part in ("\n\n    Paper: ", "\n\n    Equation: ", "\n\n    Args:\n", "\n    >>> "):
        assert part in said
    for field in fields(kind):
        assert f"\n        {field.name}: " in said, f"{name} does not say what {field.name} is"


def test_in_a_fresh_interpreter_help_explains_a_method():
    code = "import kviz; help(kviz.attribution.GradCam); kviz.scores.ClassScore"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    for part in (
        "Paper: R. Selvaraju",
        "Equation: ",
        "layer_names: a layer's path",
        "kviz.attribute(",
    ):
        assert part in done.stdout


METHOD = """
    from dataclasses import dataclass
    from kviz.attribution import Found, Method, option

    @dataclass(frozen=True, kw_only=True)
    class Flat(Method):
        '''The same for every pixel.'''

        display_name = "Flat!"
        level: float = option(0.5, least=0)

        def maps(self, request):
            scores, classes = request.passes.scores(request.pixels, request.target)
            return Found(maps=0 * request.images + self.level, scores=scores, classes=classes)

    class NoMethod:
        pass
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return what puts a package with entry points on the path, as pip would."""

    def install(name, points, code=METHOD):
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[kviz.methods]\n{lines}")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return folder

    return install


def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)]
    )


def test_another_packages_method_is_one_like_the_others(installed):
    installed("flatness", {"flat": "flatness:Flat"})
    assert "flat" in method_names()
    assert "flatness" not in sys.modules, "it is listed before it is loaded"
    images = np.ones((2, 8, 8, 3))
    found = kviz.attribute(model(), images, "flat", level=0.25)
    assert (found.maps == 0.75).all()
    assert found.method == "flat"
    assert title_of(method_named("flat")) == "Flat!"
    # By an instance too, and as another's base.
    assert kviz.attribute(model(), images, method_named("flat")).method == "flat"
    noisy = kviz.attribute(model(), images, "smooth_grad", base="flat", samples=2)
    np.testing.assert_allclose(noisy.maps, 1.5, rtol=1e-5)
    assert noisy.made_by.settings["base"] == {"name": "flat", "level": 0.5}
    with pytest.raises(kviz.OptionError, match=r"level takes a number from 0\. Received: -1"):
        kviz.attribute(model(), images, "flat", level=-1)
    with pytest.raises(kviz.OptionError, match=r"flat has no option 'levl'\. Did you mean 'level'"):
        kviz.attribute(model(), images, "flat", levl=1)


@pytest.mark.slow
def test_film_report_and_command_line_find_it(installed):
    folder = installed("flatness", {"flat": "flatness:Flat"})
    net = model()
    net.compile("sgd", "mse")
    film = kviz.callbacks.Film(np.ones((1, 8, 8, 3)), folder / "film.gif", attributions=["flat"])
    net.fit(np.ones((2, 8, 8, 3)), np.zeros((2, 3)), verbose=0, callbacks=[film])
    assert list(film.frame.attributions) == ["flat"]
    page = kviz.report(net, np.ones((1, 8, 8, 3)), methods=["flat"])
    assert {found["method"] for found in page.facts()["attributions"]} == {"flat"}
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import kviz.cli; kviz.cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "attribute", "--list"],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert "flat" in done.stdout.split()


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        (
            "broken:Flat",
            "raise RuntimeError('no licence')",
            "'odd' of broken does not load: no licence",
        ),
        ("broken:Nothing", METHOD, "'odd' of broken does not load: .*Nothing"),
        ("nowhere:Flat", METHOD, "'odd' of broken does not load: No module named 'nowhere'"),
        ("broken:NoMethod", METHOD, "'odd' of broken is no subclass of kviz.attribution.Method"),
    ],
)
def test_a_broken_one_is_one_sentence_and_only_when_it_is_asked_for(installed, value, code, said):
    installed("broken", {"odd": value}, code)
    assert "odd" in method_names()
    assert method_named("saliency")
    with pytest.raises(kviz.OptionError, match=said) as caught:
        method_named("odd")
    assert len(str(caught.value)) <= 300


def test_a_name_that_is_taken_is_left_out_with_a_warning(installed):
    installed("first", {"grad_cam": "first:Flat", "flat": "first:Flat", "my-cam": "first:Flat"})
    with pytest.warns(kviz.KvizWarning) as warned:
        names = method_names()
    assert sorted(str(one.message) for one in warned) == [
        "The method 'grad_cam' of first is left out: kviz has one of that name.",
        "The method 'my-cam' of first is left out: that is no name of Python's.",
    ]
    assert method_class("grad_cam") is attribution.GradCam
    assert names.count("grad_cam") == 1
    assert "my-cam" not in names
    installed("other", {"flat": "other:Flat"})
    with pytest.warns(kviz.KvizWarning) as warned:
        assert method_named("flat").level == 0.5
    said = "The method 'flat' of first is left out: other has one of that name."
    assert said in {str(one.message) for one in warned}


OWN_WAYS = """
    from dataclasses import dataclass
    from kviz import attribution
    from kviz.attribution import GradCam

    LEAST = 0

    @dataclass(frozen=True, kw_only=True)
    class Sub(GradCam):
        '''Grad-CAM, and more.'''

        steps: int = attribution.option(8, least=LEAST)

    @dataclass(frozen=True, kw_only=True)
    class Read(attribution.Method):
        '''Reads its option itself.'''

        steps: int = 8

        def __post_init__(self):
            object.__setattr__(self, "steps", int(self.steps))
"""


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [("sub", "steps", 0), ("sub", "relu", False), ("read", "steps", "7")],
)
def test_what_another_packages_method_takes_the_command_line_does_not_refuse(
    installed, name, option, value
):
    installed("ways", {"sub": "ways:Sub", "read": "ways:Read"}, OWN_WAYS)
    assert method_named(name, **{option: value})
    validate_settings([name], {option: value})
    # Beside it kviz's own is as strict as alone.
    with pytest.raises(kviz.OptionError, match="masks takes a whole number"):
        validate_settings([name, "rise"], {option: value, "masks": "few"})
