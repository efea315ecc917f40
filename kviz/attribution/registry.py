"""Methods by name: a file of `methods/` each, whose name is the method's."""

from __future__ import annotations

import pkgutil
from dataclasses import fields
from importlib import import_module
from typing import Any

from kviz._checks import sanitise, spelled, suggest
from kviz.attribution import methods
from kviz.attribution.method import Method
from kviz.errors import OptionError


def method_names() -> list[str]:
    """Return the names of all methods: the files beside this one.

    >>> "saliency" in method_names()
    True
    """
    found = pkgutil.iter_modules(methods.__path__)
    return sorted(module.name for module in found if not module.name.startswith("_"))


def method_named(name: str, /, **options: Any) -> Method:
    """Return a method by its name, with its options.

    Args:
        name: such as `"grad_cam"`.
        **options: its fields.

    Returns:
        The method.

    Raises:
        OptionError: if there is no such method, or it has no such option.

    >>> method_named("saliency").reduce
    'max_abs'
    """
    if name not in method_names():
        raise OptionError(
            f"There is no method {sanitise(repr(name))}. {suggest(str(name), method_names())}"
        )
    module = vars(import_module(f"kviz.attribution.methods.{name}"))
    # hires_cam.py holds HiResCam: papers' capitals are their own.
    kind = next(module[key] for key in module if key.casefold() == name.replace("_", ""))
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            raise OptionError(
                f"{name} has no option {sanitise(repr(spelled(option)))}. "
                f"{suggest(option, map(spelled, known))}"
            )
    method: Method = kind(**options)
    return method
