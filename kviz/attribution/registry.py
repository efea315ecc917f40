"""Methods by name: a file of `methods/` each, whose name is the method's, and what others install.

Another package's methods are found by its entry points of the group `kviz.methods`:

    [project.entry-points."kviz.methods"]
    my_cam = "my_package:MyCam"
"""

from __future__ import annotations

import pkgutil
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from kviz._caller import spelled
from kviz._checks import first_line, sanitise, suggest
from kviz.attribution import methods
from kviz.attribution.method import Method
from kviz.errors import KvizWarning, OptionError

GROUP = "kviz.methods"


def method_names() -> list[str]:
    """Return the names of all methods: kviz's own, and those that other packages have.

    >>> "saliency" in method_names()
    True
    """
    return sorted([*_own(), *_others(tuple(sys.path))])


def method_class(name: str) -> type[Method]:
    """Return a method's class by its name.

    Args:
        name: such as `"grad_cam"`.

    Raises:
        OptionError: if there is no such method, or the package that has it does not load.

    >>> method_class("grad_cam").display_name
    'Grad-CAM'
    """
    own, others = _own(), _others(tuple(sys.path))
    if not isinstance(name, str) or (name not in own and name not in others):
        raise OptionError(
            f"There is no method {sanitise(repr(name))}. {suggest(str(name), [*own, *others])}"
        )
    if name in own:
        module = vars(import_module(f"{methods.__name__}.{name}"))
        # hires_cam.py holds HiResCam: papers' capitals are their own.
        found = next(module[key] for key in module if key.casefold() == name.replace("_", ""))
    else:
        found = _loaded(others[name])
    kind: type[Method] = found
    return kind


def method_named(name: str, /, **options: Any) -> Method:
    """Return a method by its name, with its options.

    Args:
        name: such as `"grad_cam"`.
        **options: its fields.

    Returns:
        The method.

    Raises:
        OptionError: if there is no such method, it has no such option, or that does not take the value.

    >>> method_named("saliency").reduce
    'max_abs'
    """
    kind = method_class(name)
    known = {field.name: field for field in fields(kind) if field.init}
    for given in options:
        if given not in known:
            raise OptionError(
                f"{name} has no option {sanitise(repr(spelled(given)))}. "
                f"{suggest(given, map(spelled, known))}"
            )
    for needed, field in known.items():
        if needed not in options and field.default is MISSING and field.default_factory is MISSING:
            raise OptionError(f"{name} needs its option {needed!r}.")
    return kind(**options)


def as_method(option: str, value: Any) -> Method:
    """Return what was given as a method: an instance, a name, or what a result says of one.

    Args:
        option: what it was given as, for the error.
        value: a `Method`, a name, or a dict of `"name"` and options.

    Raises:
        OptionError: if it is none of these.

    >>> as_method("base", {"name": "saliency", "reduce": "sum"})
    Saliency(reduce='sum')
    """
    if isinstance(value, Method):
        return value
    if isinstance(value, str):
        return method_named(value)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return method_named(value["name"], **{k: value[k] for k in value if k != "name"})
    raise OptionError(
        f"{option} takes a method's name, such as 'gradient', or an instance of one. "
        f"Received: {sanitise(repr(value))}"
    )


def method_name(method: Method) -> str:
    """Return a method's one name, by which `method_named` makes it.

    >>> method_name(method_named("hires_cam"))
    'hires_cam'
    """
    kind = type(method)
    package, _, name = kind.__module__.rpartition(".")
    if package == methods.__name__:
        return name
    for name, point in _others(tuple(sys.path)).items():
        if point.value.replace(" ", "") == f"{kind.__module__}:{kind.__qualname__}":
            return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()


def title_of(method: Method) -> str:
    """Return what people call a method.

    >>> title_of(method_named("grad_cam_plus_plus"))
    'Grad-CAM++'
    """
    return method.display_name or method_name(method).replace("_", " ").capitalize()


def _own() -> list[str]:
    found = pkgutil.iter_modules(methods.__path__)
    return [module.name for module in found if not module.name.startswith("_")]


# What is installed changes with the path only; a second look would warn a second time.
@lru_cache(maxsize=1)
def _others(path: tuple[str, ...]) -> dict[str, EntryPoint]:  # noqa: ARG001
    """Return the methods that other packages have, by name; nothing of them is loaded."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        taken = (
            "kviz" if point.name in _own() else point.name in found and _package(found[point.name])
        )
        if taken or not point.name.isidentifier():
            why = f"{taken} has one of that name" if taken else "that is no name of Python's"
            warnings.warn(
                KvizWarning(
                    f"The method {sanitise(point.name)!r} of {_package(point)} is left out: {why}."
                ),
                stacklevel=2,
            )
        else:
            found[point.name] = point
    return found


def _package(point: EntryPoint) -> str:
    return sanitise(point.dist.name if point.dist else point.value)


def _loaded(point: EntryPoint) -> Any:
    said = f"The method {sanitise(point.name)!r} of {_package(point)}"
    try:
        kind = point.load()
    except Exception as error:  # whatever another package does when it is imported
        raise OptionError(f"{said} does not load: {first_line(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise OptionError(
            f"{said} is no subclass of kviz.attribution.Method. Received: {sanitise(repr(kind))}"
        )
    return kind
