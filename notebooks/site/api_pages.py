"""The pages of the API reference: one a public module, and one for each of its names."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = (
    "kviz",
    "kviz.attribution",
    "kviz.metrics",
    "kviz.scores",
    "kviz.callbacks",
    "kviz.dataset",
)


def write(folder: Path) -> None:
    """Write all pages.

    Args:
        folder: where; it is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        module = import_module(name)
        names = public_names(module)
        write_page(folder / f"{name}.rst", module_page(module, names))
        for own in names:
            write_page(folder / f"{name}.{own}.rst", name_page(module, own))


def public_names(module: ModuleType) -> list[str]:
    """Return a module's public names: its `__all__`, or what is defined in it."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return sorted(names)


def kind(value: Any) -> str:
    """Return under which heading a thing stands."""
    if not inspect.isclass(value):
        return "Functions" if inspect.isroutine(value) else "Types"
    return "Errors and warnings" if issubclass(value, Exception) else "Classes"


def module_page(module: ModuleType, names: list[str]) -> str:
    """Return the page of a module: its docstring, and tables of its names."""
    lines = [f".. py:module:: {module.__name__}", "", *heading(module.__name__, "=")]
    lines += [inspect.getdoc(module) or "", "", f".. currentmodule:: {module.__name__}", ""]
    for title in ("Functions", "Classes", "Types", "Errors and warnings"):
        own = [name for name in names if kind(getattr(module, name)) == title]
        if own:
            lines += [*heading(title, "-"), ".. autosummary::", "   :nosignatures:", ""]
            lines += [*(f"   {name}" for name in own), ""]
    lines += [".. toctree::", "   :hidden:", ""]
    lines += [f"   {name} <{module.__name__}.{name}>" for name in names]
    return "\n".join(lines) + "\n"


def name_page(module: ModuleType, name: str) -> str:
    """Return the page of one name."""
    value = getattr(module, name)
    what = {"Functions": "autofunction", "Types": "autodata"}.get(kind(value), "autoclass")
    lines = [
        *heading(f"{module.__name__}.{name}", "="),
        f".. currentmodule:: {module.__name__}",
        "",
    ]
    lines += [f".. {what}:: {name}"]
    if what == "autoclass" and shows_members(value):
        lines += ["   :members:", "   :inherited-members:"]
    return "\n".join(lines) + "\n"


def shows_members(value: type) -> bool:
    """Return whether a class's members are for its users: a method's or metric's are for kviz."""
    from kviz.attribution import Method
    from kviz.metrics import Metric

    return value in (Method, Metric) or not issubclass(value, (Method, Metric))


def heading(title: str, under: str) -> list[str]:
    """Return a heading's lines."""
    return [title, under * len(title), ""]


def write_page(path: Path, text: str) -> None:
    """Write a page, unless it stands there already: Sphinx reads what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
