"""What Keras knows while a file is loaded: the caller's own classes, and settings kept as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.engine.backend import keras
from kviz.errors import OptionError

_SETTINGS = (
    (keras.config.floatx, keras.config.set_floatx),
    (keras.config.epsilon, keras.config.set_epsilon),
    (keras.config.image_data_format, keras.config.set_image_data_format),
    (keras.config.dtype_policy, keras.config.set_dtype_policy),
)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Put Keras's settings and the states of Python's and NumPy's random numbers back at the end.

    Each initializer and Dropout without a seed takes one from Python's random numbers.
    """
    before = [read() for read, _ in _SETTINGS]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - others' own
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        for (read, write), value in zip(_SETTINGS, before, strict=True):
            if read() != value:
                write(value)


@contextmanager
def replaced(owner: type, name: str, method: Any) -> Iterator[None]:
    """Let a method of one of Keras's classes be another within the body."""
    original, own = getattr(owner, name), name in vars(owner)
    setattr(owner, name, method)
    try:
        yield
    finally:
        if getattr(owner, name) is not method:
            # Somebody has put theirs upon it meanwhile: it stays, and counts nothing any more.
            pass
        elif own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


@contextmanager
def objects_known(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Let Keras know the caller's own classes and functions, by name, within the body.

    Raises:
        OptionError: if they are no such.
    """
    given = {} if custom_objects is None else custom_objects
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and callable(value) for name, value in given.items()
    ):
        raise OptionError(
            "custom_objects takes a dict of classes and functions by name. Received: "
            f"{sanitise(repr(custom_objects))}"
        )
    # A scope hides the one around it, which is the caller's.
    with keras.saving.custom_object_scope(dict(given)) if given else nullcontext():
        yield
