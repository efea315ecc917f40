"""Works by name: a file of `kinds/` each, whose name is the verb's, and what others install.

Another package's are found by its entry points of the group `kviz.works`:

    [project.entry-points."kviz.works"]
    my_verb = "my_package:MyVerb"
"""

from __future__ import annotations

from typing import Any

from kviz.dataset.works.work import Work
from kviz.registry import Registry
from kviz.shelf import Shelf

GROUP = "kviz.works"
_WORKS: Registry[Work] = Registry(
    Shelf("dataset/works/kinds", GROUP, "verb over a data set"), Work, "predict"
)


def work_names() -> list[str]:
    """Return the names of all verbs that run over a data set.

    >>> "predict" in work_names()
    True
    """
    return _WORKS.names()


def work_class(verb: str) -> type[Work]:
    """Return a work's class by its verb.

    Raises:
        OptionError: if there is none.
    """
    return _WORKS.find(verb)


def work_named(verb: str, /, **options: Any) -> Work:
    """Return a verb over a data set with its options.

    Args:
        verb: such as `"predict"`.
        **options: its fields; of attribute the method's too.

    Raises:
        OptionError: if there is no such verb, it has no such option, or that does not take the value.

    >>> work_named("attribute", method="smooth_grad", samples=8).settings()["method"]["samples"]
    8
    """
    return work_class(verb).of(lambda **own: _WORKS.make(verb, **own), options)
