"""Preprocessing: what turns pixels into what a model takes, also by a name that a file can hold."""

from __future__ import annotations

from typing import Any

from kviz.engine.backend import keras
from kviz.engine.tracing import in_float32
from kviz.preprocess_names import ends_of, validate_preprocess

WHITE = 255


def preprocessing(preprocess: Any) -> Any:
    """Return what turns channels-last pixels into what a model takes, as a function of tensors.

    Args:
        preprocess: the name of a `keras.applications` module, the range that pixels are scaled to
            (`"0..1"`, `"-1..1"`), a Keras layer, a function, or None.

    Raises:
        OptionError: if it is none of these.

    >>> preprocessing("-1..1")(keras.ops.array([0.0, 127.5, 255.0])).numpy().tolist()
    [-1.0, 0.0, 1.0]
    """
    if preprocess is None:
        return None
    function = preprocess if callable(preprocess) else _to_range(preprocess)
    function = function or _of_an_application(preprocess)

    def prepared(pixels: Any) -> Any:
        with in_float32():
            return function(pixels)

    return prepared


def _to_range(preprocess: Any) -> Any:
    """Return what scales 0-255 to a range that is written `LOW..HIGH`; None if it is no range."""
    if (ends := ends_of(preprocess)) is None:
        return None
    low, scale = ends[0], (ends[1] - ends[0]) / WHITE
    return lambda pixels: pixels * scale + low


def _of_an_application(preprocess: Any) -> Any:
    modules = {
        name: getattr(keras.applications, name)
        for name in dir(keras.applications)
        if hasattr(getattr(keras.applications, name), "preprocess_input")
    }
    validate_preprocess(preprocess, modules)
    function = modules[preprocess].preprocess_input
    return lambda pixels: function(pixels, data_format="channels_last")
