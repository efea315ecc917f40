"""Methods by name: a file of `methods/` each, whose name is the method's, and what others install.

Another package's methods are found by its entry points of the group `kviz.methods`:

    [project.entry-points."kviz.methods"]
    my_cam = "my_package:MyCam"
"""

from __future__ import annotations

from typing import Any

from kviz.attribution.method import Method
from kviz.registry import Registry
from kviz.shelf import METHODS

_METHODS: Registry[Method] = Registry(METHODS, Method, "gradient")


def method_names() -> list[str]:
    """Return the names of all methods: kviz's own, and those that other packages have.

    >>> "saliency" in method_names()
    True
    """
    return _METHODS.names()


def method_class(name: str) -> type[Method]:
    """Return a method's class by its name.

    Args:
        name: such as `"grad_cam"`.

    Raises:
        OptionError: if there is no such method, or the package that has it does not load.

    >>> method_class("grad_cam").display_name
    'Grad-CAM'
    """
    return _METHODS.find(name)


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
    return _METHODS.make(name, **options)


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
    return _METHODS.taken(option, value)


def method_name(method: Method) -> str:
    """Return a method's one name, by which `method_named` makes it.

    >>> method_name(method_named("hires_cam"))
    'hires_cam'
    """
    return _METHODS.name_of(method)


def title_of(method: Method) -> str:
    """Return what people call a method.

    >>> title_of(method_named("grad_cam_plus_plus"))
    'Grad-CAM++'
    """
    return method.display_name or method_name(method).replace("_", " ").capitalize()
