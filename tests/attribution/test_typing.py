"""What type checkers are told of the methods; `python tests/attribution/test_typing.py` makes it."""

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

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


if __name__ == "__main__":
    STUB.write_text(generated(), encoding="utf-8")
