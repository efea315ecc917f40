"""Keras on TensorFlow, or a sentence that says it is not: what imports them for all of kviz."""

from __future__ import annotations

from kviz.errors import KvizError

_HOW = (
    "Set the environment variable KERAS_BACKEND=tensorflow before Python starts, or "
    '"backend": "tensorflow" in ~/.keras/keras.json.'
)

try:
    import keras
except (ImportError, ValueError) as error:  # ValueError: a backend that Keras does not know
    raise KvizError(
        f"Keras does not start: {error}. kviz needs its TensorFlow backend. {_HOW}"
    ) from error

if keras.backend.backend() != "tensorflow":
    raise KvizError(
        "kviz needs the TensorFlow backend of Keras. "
        f"Received: KERAS_BACKEND={keras.backend.backend()}. {_HOW}"
    )

import tensorflow as tf  # noqa: E402 - only once Keras has said that it runs on it
from tensorflow.python.eager import context  # noqa: E402 - options of a call have no public place

__all__ = ["context", "keras", "tf"]
