"""What type checkers are told of the methods; `python tests/attribution/test_typing.py` makes it."""

import inspect
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from kviz.attribution import attribute, method_class, method_names

ROOT = Path(__file__).parents[2]
STUB = ROOT / "kviz/attribution/typed.pyi"


def generated():
    """Return the text of `typed.pyi`: an overload of `attribute` for each method."""
    given = inspect.signature(attribute).parameters.values()
    common = [one for one in given if one.kind is one.KEYWORD_ONLY]
    methods = {name: method_class(name) for name in method_names()}
    lines = [
        "# Made by tests/attribution/test_typing.py: change the methods, not this.",
        "",
        "from collections.abc import Sequence",
        "from typing import Any, Literal, TypedDict, Unpack, overload",
        "",
        "from kviz._types import ClassIndex, Images, ModelLike, Progress, ScoreLike, Selector",
        "from kviz.attribution.attribute import Resize",
        "from kviz.attribution.method import Method, Reduce",
        "from kviz.results import Attribution",
        "",
        "MethodName = Literal[",
        *(f'    "{name}",' for name in methods),
        "]",
        "",
        "class Options(TypedDict, total=False):",
        *(f"    {one.name}: {one.annotation}" for one in common),
    ]
    for kind in methods.values():
        lines += ["", f"class {kind.__name__}Options(Options, total=False):"]
        lines += [
            f"    {field.name}: {field.type.replace('Method | str', 'Method | MethodName')}"
            for field in fields(kind)
        ]
    for name, kind in methods.items():
        default = " = ..." if name == "grad_cam" else ""
        lines += [
            "",
            "@overload",
            "def attribute(",
            "    model: ModelLike,",
            "    images: Images,",
            f'    method: Literal["{name}"]{default},',
            f"    **options: Unpack[{kind.__name__}Options],",
            ") -> Attribution: ...",
        ]
    lines += [
        "",
        "@overload",
        "def attribute(",
        "    model: ModelLike, images: Images, method: Method, **options: Unpack[Options]",
        ") -> Attribution: ...",
    ]
    text = "\n".join(lines) + "\n"
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(STUB), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def test_it_is_what_the_methods_are():
    assert STUB.read_text(encoding="utf-8") == generated()


GOOD = """
    import numpy as np
    import kviz

    model, images = "model.keras", np.zeros((1, 8, 8, 3))
    kviz.attribute(model, images)
    kviz.attribute(model, images, relu=False, class_index=3)
    kviz.attribute(model, images, "grad_cam", layer_names=["conv*"], resize=None)
    kviz.attribute(model, images, method="smooth_grad", base="saliency", samples=5, seed=2)
    kviz.attribute(model, images, "smooth_grad", base=kviz.attribution.GradCam(relu=False))
    kviz.attribute(model, images, "occlusion", window=(3, 5), baseline="grey", batch_size=8)
    kviz.attribute(model, images, kviz.attribution.Lrp(rule="z_plus"), names=["a"])
    found: kviz.Attribution = kviz.attribution.attribute(model, images, "lrp", epsilon=0.1)
    score = kviz.scores.ClassScore()


    class Mine(kviz.attribution.Method):
        pass


    kviz.attribute(model, images, Mine(), score=score)
    maps = kviz.activations(model, images)
"""

BAD = {
    'kviz.attribute(model, images, method="gradcam")': "call-overload",
    'kviz.attribute(model, images, "integrated_gradients", stpes=3)': "call-overload",
    'kviz.attribute(model, images, "grad_cam", steps=3)': "call-overload",
    'kviz.attribute(model, images, "grad_cam", relu="no")': "call-overload",
    'kviz.attribute(model, images, "saliency", reduce="mean")': "call-overload",
    'kviz.attribute(model, images, "smooth_grad", base="salience")': "call-overload",
    "kviz.attribute(model, images, kviz.attribution.GradCam(), relu=True)": "call-overload",
    "kviz.attribute(model, images, clas_index=3)": "call-overload",
    "kviz.attribution.GradCam(layers=3)": "call-arg",
    "kviz.activatons(model, images)": "attr-defined",
    "kviz.attribution.GradCamm()": "attr-defined",
    "kviz.scores.ClasScore()": "attr-defined",
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory, request):
    """Return mypy's errors of good code and of bad: a list of (file, line, code)."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "good.py").write_text(textwrap.dedent(GOOD))
    head = [
        "import numpy as np",
        "import kviz",
        'model, images = "m.keras", np.zeros((1, 8, 8, 3))',
    ]
    (folder / "bad.py").write_text("\n".join([*head, *BAD]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
         "--cache-dir", request.config.cache.mkdir("mypy"), "--no-pretty", "good.py", "bad.py"],
        cwd=folder, capture_output=True, text=True, env={"MYPYPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    found = []
    for line in done.stdout.splitlines():
        if ": error: " in line:
            file, number, _ = line.split(":", 2)
            found.append((file, int(number), line.rpartition("[")[2].rstrip("]")))
    assert done.returncode == 1, done.stdout + done.stderr
    return found


def test_what_is_right_is_accepted(errors):
    assert [one for one in errors if one[0] == "good.py"] == []


def test_what_is_wrong_is_refused(errors):
    refused = {line: code for file, line, code in errors if file == "bad.py"}
    assert refused == dict(enumerate(BAD.values(), start=4))


if __name__ == "__main__":
    STUB.write_text(generated(), encoding="utf-8")
