"""Keras's settings and the random states, which loading a file leaves as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kviz.engine.backend import keras

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
