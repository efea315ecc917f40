"""Validate a number, a choice, a name; suggest near names; sanitise what messages show."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
import re
from collections.abc import Iterable
from typing import Any

from kviz._caller import spelled
from kviz.errors import OptionError

# Single precision has no larger numbers.
_LARGEST = 3.4e38
# Whole numbers are kept in 32 bits where TensorFlow counts with them.
MOST = 2**31 - 1
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def sanitise(value: object, length: int = 60) -> str:
    r"""Return `value` as text that is safe to show: one line, no control characters, not long.

    >>> sanitise("a\nb" + "c" * 100, length=10)
    'a?bcccccc…'
    """
    try:
        plain = str(value)
    except ValueError:  # a whole number of more digits than Python writes
        plain = "a number of thousands of digits"
    text = "".join(c if c.isprintable() else "?" for c in plain)
    return text if len(text) <= length else text[: length - 1] + "…"


def suggest(name: str, choices: Iterable[str], count: int = 3, lister: str = "") -> str:
    """Return the end of a message about an unknown name: near names, or what there is.

    >>> suggest("conv_1", ["conv1", "pool1"])
    "Did you mean 'conv1'?"
    >>> suggest("dense", ["conv1", "pool1"])
    "There is: 'conv1', 'pool1'."

    Args:
        name: what was given.
        choices: what there is, of which the first are told where none is near.
        count: how many near names are told at most.
        lister: the command that lists them all, if one does.
    """
    known = list(dict.fromkeys(choices))
    folded: dict[str, str] = {}
    for choice in known:
        folded.setdefault(choice.casefold(), choice)
    part = name.casefold()
    # "cat" means "Egyptian cat" before it means "crate".
    inside = [known for known in folded if part and part in known.split()][:count]
    close = inside or difflib.get_close_matches(part, folded, n=count, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(sanitise(folded[c], 40)) for c in close)}?"
    if not known:
        return "There is none to choose from."
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    more += f"; {lister} lists them" if lister else ""
    return f"There is: {', '.join(repr(sanitise(c, 24)) for c in known[:5])}{more}."


def validate_choice(option: str, value: object, choices: Iterable[object]) -> None:
    """Raise an OptionError unless `value` is one of `choices`.

    >>> validate_choice("fit", "crop", ("crop", "pad"))
    """
    known = tuple(choices)
    try:
        found = value in known
    except ValueError:  # an array is equal to a choice in some places and not in others
        found = False
    if not found:
        raise OptionError(
            f"{spelled(option)} takes one of {', '.join(map(repr, known))}. "
            f"Received: {sanitise(repr(value))}"
        )


def validate_int(option: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`, NumPy's too, or raise an OptionError.

    >>> validate_int("steps", 8)
    8
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise OptionError(
            f"{spelled(option)} takes a whole number from {least}. Received: {shown(value)}"
        )
    if number > MOST:
        raise OptionError(
            f"{spelled(option)} takes a whole number up to {MOST}. Received: {shown(number)}"
        )
    return number


def shown(value: object, length: int = 60) -> str:
    """Return what was received as Python writes it, sanitised; any whole number too.

    >>> shown("a"), shown(3), shown(10**5000)
    ("'a'", '3', 'a number of thousands of digits')
    """
    try:
        return sanitise(repr(value), length)
    except ValueError:
        return sanitise(value, length)


def validate_number(
    option: str, value: Any, above: float = -math.inf, below: float = math.inf
) -> float:
    """Return a number between two, NumPy's too, or raise an OptionError.

    >>> validate_number("step_size", 1, above=0)
    1.0
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if real else math.nan
    except OverflowError:
        number = math.inf
    if not max(above, -_LARGEST) < number < min(below, _LARGEST):
        wanted = f" between {above:g} and {below:g}"
        if math.isinf(below):
            wanted = "" if math.isinf(above) else f" above {above:g}"
        raise OptionError(f"{spelled(option)} takes a number{wanted}. Received: {shown(value)}")
    return number


def validate_names(names: Any) -> None:
    """Raise an OptionError unless what images are called is a list of texts.

    >>> validate_names(["cat.png"])
    """
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"{spelled('names')} takes a list of texts. Received: {sanitise(repr(names))}"
        )


def validate_bool(option: str, value: Any) -> bool:
    """Return True or False, NumPy's too, or raise an OptionError.

    >>> validate_bool("film", True)
    True
    """
    # NumPy's type has the same name.
    if type(value).__name__ != "bool":
        raise OptionError(
            f"{spelled(option)} takes True or False. Received: {sanitise(repr(value))}"
        )
    return bool(value)


# Where an error's cause begins, the last one being the innermost, and where it ends: Keras's wrappers
# repeat the arguments and the whole config, TensorFlow names its nodes.
_BEGINS = ("Exception encountered: ", "Error encountered:\n\n", "in user code:\n")
_ENDS = (
    "\n\nArguments received by ",
    "\n\nList of objects that could not be loaded:",
    " Full object config: ",
    " Target variable: <",
    " for '{{node ",
    "[[{{node ",
)
# What else is no part of it.
_FRAMES = r'(?:[ \t]*File "[^\n]*\n(?:[ \t]{4,}[^\n]*\n)?|[ \t]*\n|<stack traces unavailable>\n)*'
_AROUND = tuple(
    re.compile(pattern)
    for pattern in (
        r"\A[^\n]*Example error message for object [^\n]*:\n\n",
        r"\AException encountered when calling [^\n]*\n+",
        r"\{\{function_node [^}]*\}\}\s*",
        r"\[Op:[^\]]*\](?: name:[^\n]*)?",
        r"\AGraph execution error:\s*",
        r"\ADetected at node [^\n]*\n" + _FRAMES,
        r"\A\d+ root error\(s\) found\.\s*",
        r"\A\s*\(\d+\)\s*",
        r"\A[A-Z]+(?:_[A-Z]+)*: +(?=\S)",
        rf"\A{_FRAMES}[ \t]*\w+(?:Error|Exception): (?=\S)",
        r"\ATraceback \(most recent call last\):\n" + _FRAMES,
    )
)
# What says nothing to who has not read the source that raises it.
_PLAINLY = (
    (
        r"bad marshal data|marshal data too short|EOF read where object expected|unknown opcode",
        "a Lambda in it was saved by another version of Python, whose code this one cannot read. Open "
        "it there, and put a layer or an operation of Keras's in the Lambda's place.",
    ),
    (r"(Unrecognized keyword arguments passed to \w+: )\{([^{}]*)\}", r"\1\2"),
    (r"(Could not locate \w+ '[^']*')", r"\1; import first what defines it."),
)
_READ = 20_000


def first_line(error: BaseException) -> str:
    r"""Return an error's innermost cause on one line, at most 180 characters.

    It comes without what Keras and TensorFlow put around it: wrappers, configs, nodes, frames.

    >>> first_line(ValueError("Exception encountered when calling A.call().\n\nShapes differ.\n\n"
    ...     "Arguments received by A.call():\n  • x=5"))
    'Shapes differ.'
    """
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    before = None
    while said != before:  # wrappers stand in wrappers
        before = said
        for mark in _BEGINS:
            said = said.rpartition(mark)[2] or said
        for mark in _ENDS:
            said = said.partition(mark)[0] or said
        said = said[:_READ]
        for around in _AROUND:
            said = around.sub("", said) or said
    told, _, _ = said.partition("\nTraceback (most recent call last):")
    said = " ".join((told or said).split())
    for unclear, plain in _PLAINLY:
        if found := re.match(unclear, said):
            said = found.expand(plain)
    if isinstance(error, KeyError):  # whose words are the key alone
        said = f"{type(error).__name__}: {said}"
    return sanitise(said or type(error).__name__, 180)


def bytes_of(size: Any) -> int:
    """Return a size as bytes: a whole number of them, or a text such as `"8GB"`, or raise.

    Args:
        size: the size.

    Raises:
        OptionError: if it is none.

    >>> bytes_of("500MB"), bytes_of("500 MiB"), bytes_of(1024)
    (500000000, 524288000, 1024)
    """
    text = str(size) if isinstance(size, int | str) and not isinstance(size, bool) else ""
    found = re.fullmatch(
        r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?(?:([KMGT]?)(I?)B)?", text.strip().upper()
    )
    units = _BINARY if found and found[3] else _UNITS
    number = int(float(found[1]) * units[found[2] or ""]) if found else 0
    if number < 1:
        raise OptionError(
            f"{spelled('max_memory')} takes a size such as 8GB, 500MB, or a number of bytes. "
            f"Received: {sanitise(repr(size))}"
        )
    return number
