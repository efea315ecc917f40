"""Card: what the file of a method or a metric says of it, read without running the file.

What a method is, costs and is for stands in its own file, as literals and as sections of its docstring.
Python's parser reads these in milliseconds, where to import the file takes the seconds of TensorFlow.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal, Union

_SECTIONS = ("Paper", "Equation", "When", "When not", "Args")
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_DEPTH = 8
_TYPES: dict[str, Any] = {
    "bool": bool, "int": int, "float": float, "str": str, "None": None,
    "tuple[int, ...]": tuple[int, ...],
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """An option of a method or a metric.

    Attributes:
        default: its value as Python writes it, empty where it has to be given.
        help: what it is for.
        hint: its type, `Any` where that is more than Python's own types and literals.
        bounds: of its numbers, by the words of `kviz.attribution.option`.
        check: the name of the function that checks its values, empty for none.
    """

    default: str
    help: str
    hint: Any = Any
    bounds: Mapping[str, float] = field(default_factory=dict)
    check: str = ""


@dataclass(frozen=True)
class Card:
    """What is known of a method or a metric before it is imported.

    Attributes:
        name: by which it is asked for.
        title: what people call it.
        kind: what sort of method or metric it is.
        package: whose it is, empty for kviz's own.
        summary: one line.
        body: what else its docstring says, in paragraphs.
        paper: where it is from.
        equation: what it computes.
        when: what it is good for.
        when_not: where to take another.
        options: by name.
        forward: forward passes per image, of the whole network, in terms of its options.
        backward: backward passes per image, likewise.
        per_map: of a metric, forward passes for each map of an image besides.
        again: of a metric, how many more maps of each image the method has to make.
    """

    name: str
    title: str
    kind: str = ""
    package: str = ""
    summary: str = ""
    body: tuple[str, ...] = ()
    paper: str = ""
    equation: str = ""
    when: str = ""
    when_not: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    forward: str = ""
    backward: str = ""
    per_map: str = ""
    again: str = ""

    def count(self, formula: str, **options: Any) -> int | None:
        """Return how much one of the formulas comes to, None where the network decides it.

        Args:
            formula: `forward`, `backward`, `per_map` or `again` of this card.
            **options: what was given in place of defaults, or what the network decides.

        >>> Card("rise", "RISE", forward="1 + masks").count("1 + masks", masks=1000)
        1001
        """
        values = {name: _literal(option.default) for name, option in self.options.items()} | options
        return _value(ast.parse(formula, mode="eval").body, values) if formula else None

    @cached_property
    def cost(self) -> str:
        """What it costs an image, by default, such as `"66 forward, 64 backward"`.

        >>> Card("rise", "RISE", forward="1 + channels", backward="0").cost
        '1 + channels forward'
        """
        parts = []
        words = {
            "again": "× the method", "forward": "forward", "backward": "backward",
            "per_map": "forward for each map",
        }  # fmt: skip
        for key, word in words.items():
            formula = getattr(self, key)
            number = self.count(formula)
            if formula and number != 0:
                parts.append(f"{formula if number is None else f'{number:,}'} {word}")
        return ", ".join(parts) or ("none" if self.forward else "not told")

    @property
    def source(self) -> str:
        """The paper's authors and where it was published, without its title."""
        first = self.paper.partition(";")[0].rstrip(".")
        first = re.sub(r", (?:section|definition|equation).*", "", first)
        return re.sub(r',\s*"[^"]*"(?=,)', "", first)

    def facts(self) -> dict[str, Any]:
        """Return what is known, for JSON."""
        passes = {
            key: {"formula": formula, "by_default": self.count(formula)}
            for key in ("forward", "backward", "per_map", "again")
            if (formula := getattr(self, key))
        }
        told = {key: getattr(self, key) for key in (
            "name", "title", "kind", "package", "summary", "paper", "equation", "when", "when_not",
        )}  # fmt: skip
        options = {
            name: {"default": one.default or None, "help": one.help}
            for name, one in self.options.items()
        }
        return {**told, "passes": passes, "options": options}


def read_card(name: str, file: Path, class_name: str | None = None, package: str = "") -> Card:
    """Return what a file says of the method or metric that it holds.

    Args:
        name: the method's or metric's.
        file: where it is.
        class_name: the class, by default the one that is called as the file.
        package: whose it is, empty for kviz's own.

    Returns:
        A card with nothing but the name where the file does not hold the class as plain source.

    >>> import kviz.attribution
    >>> folder = Path(kviz.attribution.__file__).parent / "methods"
    >>> read_card("rise", folder / "rise.py").cost
    '1,001 forward'
    """
    classes = list(_classes(file, class_name or name.replace("_", ""), _DEPTH))
    told: dict[str, Any] = {}
    fields: dict[str, Option] = {}
    for home, one in reversed(classes):
        for statement in one.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                key, value = statement.target.id, statement.value
                if "ClassVar" in ast.unparse(statement.annotation):
                    told[key] = _literal(value)
                else:
                    hint = _hint(home, statement.annotation, _DEPTH)
                    fields[key] = Option(_default(value), "", hint, *_rules(value))
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                told[statement.targets[0].id] = _literal(statement.value)
    docstring = (ast.get_docstring(classes[0][1]) if classes else "") or ""
    summary, body, sections = _sections(docstring)
    helps = _helps(sections.get("Args", ""))
    return Card(
        name=name,
        title=str(told.get("display_name") or name.replace("_", " ").capitalize()),
        kind=_text(told.get("kind")),
        package=package,
        summary=summary,
        body=body,
        options={key: replace(one, help=helps.get(key, "")) for key, one in fields.items()},
        forward=_text(told.get("forward_passes")),
        backward=_text(told.get("backward_passes")),
        per_map=_text(told.get("map_passes")),
        again=_text(told.get("maps_again")),
        **{
            key.lower().replace(" ", "_"): " ".join(sections.get(key, "").split())
            for key in _SECTIONS[:-1]
        },
    )


def file_of(module: str) -> Path | None:
    """Return a module's source file; neither it nor its packages are imported.

    >>> file_of("kviz.cards").name
    'cards.py'
    """
    found, path = None, None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            loaded = getattr(sys.modules.get(name), "__spec__", None)
            found = loaded or PathFinder.find_spec(name, path)
        except (ImportError, ValueError):
            return None
        if found is None:
            return None
        path = found.submodule_search_locations
    origin = found.origin if found else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _classes(file: Path | None, name: str, depth: int) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Give a class of a file, also one that it imports, and those that it is made from, with files."""
    if file is None or depth <= 0:
        return
    for node in _parsed(file):
        if isinstance(node, ast.ClassDef) and node.name.casefold() == name.casefold():
            yield file, node
            for base in node.bases:
                yield from _classes(file, ast.unparse(base), depth - 1)
            return
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name).casefold() == name.casefold():
                    yield from _classes(file_of(node.module), alias.name, depth - 1)
                    return


@cache
def _parsed(file: Path) -> list[ast.stmt]:
    try:
        return ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _sections(docstring: str) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Return a docstring's first line, its paragraphs, and the sections that have a name."""
    summary, *paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    body: list[str] = []
    sections: dict[str, str] = {}
    for paragraph in paragraphs:
        head, _, rest = paragraph.partition(":")
        if head in _SECTIONS:
            sections[head] = rest.strip("\n") if head == "Args" else rest
        elif not paragraph.lstrip().startswith(">>>"):
            body.append(" ".join(paragraph.split()))
    return " ".join(summary.split()), tuple(body), sections


def _helps(args: str) -> dict[str, str]:
    """Return what the section Args says of each option."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", textwrap.dedent(args)):
        name, colon, rest = entry.partition(":")
        if colon and name.isidentifier():
            found[name] = " ".join(rest.split())
    return found


def _default(value: ast.expr | None) -> str:
    """Return an option's default as Python writes it, empty where it has to be given."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "option":
        given = {each.arg: each.value for each in value.keywords}
        if value.args:
            return ast.unparse(value.args[0])
        made = given.get("default") or given.get("default_factory")
        return ast.unparse(made.body if isinstance(made, ast.Lambda) else made) if made else ""
    return ast.unparse(value) if value else ""


def _rules(value: ast.expr | None) -> tuple[dict[str, float], str]:
    """Return the bounds of an option, and the name of its check."""
    if not (isinstance(value, ast.Call) and ast.unparse(value.func) == "option"):
        return {}, ""
    given = {each.arg: each.value for each in value.keywords}
    bounds: dict[str, float] = {
        key: _literal(given[key]) for key in ("least", "above", "below") if key in given
    }
    return bounds, ast.unparse(given["check"]) if "check" in given else ""


def _hint(file: Path, node: ast.expr, depth: int) -> Any:
    """Return the type of an annotation that names Python's own, literals, and names for these."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[_hint(file, node.left, depth), _hint(file, node.right, depth)]  # noqa: UP007
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        return Literal[_literal(node.slice)]
    written = ast.unparse(node)
    if written in _TYPES:
        return _TYPES[written]
    return _named_hint(file, node.id, depth) if isinstance(node, ast.Name) else Any


def _named_hint(file: Path | None, name: str, depth: int) -> Any:
    """Return the type that a name stands for in a file, or where the file has it from."""
    if file is None or depth <= 0:
        return Any
    for each in _parsed(file):
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == name:
            return _hint(file, each.value, depth - 1)
        if isinstance(each, ast.ImportFrom) and each.module and not each.level:
            for alias in each.names:
                if (alias.asname or alias.name) == name:
                    return _named_hint(file_of(each.module), alias.name, depth - 1)
    return Any


def _literal(value: ast.expr | str | None) -> Any:
    try:
        return ast.literal_eval(value or "")
    except (ValueError, SyntaxError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _value(node: ast.expr, values: Mapping[str, Any]) -> int | None:
    """Return what a sum, product or power of whole numbers and names comes to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        value = values.get(node.id)
        return value if isinstance(value, int) else None
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, values), _value(node.right, values)
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Pow):
            return int(left**right) if right < 64 else None
        if type(node.op) in _OPERATIONS:
            return int(_OPERATIONS[type(node.op)](left, right))
    return None
