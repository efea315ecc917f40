"""Other numbers in a model's weights, while the model's own stay what they are.

The model is not copied, which some classes do not let themselves be. While TensorFlow traces, Keras
reads each weight's number from a scope: what is compiled so reads from variables that belong to nobody
else. A layer that is called twice stays one, and one compiled function serves whatever numbers come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kviz._types import Array
from kviz.engine.backend import keras, tf
from kviz.engine.compiled import Compiled
from kviz.engine.graph import upstream


class OtherWeights:
    """Numbers that stand in for a model's weights in what is traced.

    Args:
        model: the `keras.Model`, whose numbers these are at first.

    Attributes:
        functions: what is compiled with these.
    """

    def __init__(self, model: Any) -> None:
        self.functions = Compiled(model)
        self._own = list(model.weights)
        self._places = {id(weight): place for place, weight in enumerate(self._own)}
        self._values = [
            tf.Variable(tf.convert_to_tensor(weight.value), trainable=False) for weight in self._own
        ]
        self._read: list[Any] = []

    def __getitem__(self, weight: Any) -> Array:
        value: Array = self._values[self._places[id(weight)]].numpy()
        return value

    def __setitem__(self, weight: Any, value: Array) -> None:
        self._values[self._places[id(weight)]].assign(value)

    def reset(self) -> None:
        """Take the model's own numbers again."""
        for weight, value in zip(self._own, self._values, strict=True):
            value.assign(weight.value)

    def read_by(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that, traced, reads these in place of the model's own.

        Args:
            run: a function that calls the model.
        """

        def reading(*arguments: Any) -> Any:
            self._read = [tf.convert_to_tensor(value) for value in self._values]
            with keras.StatelessScope(list(zip(self._own, self._read, strict=True))) as scope:
                if scope.original_scope is not None:
                    scope.state_mapping = scope.original_scope.state_mapping | scope.state_mapping
                try:
                    return run(*arguments)
                finally:
                    self._read = []

        return reading

    def counting_for(self, tensor: Any) -> Any:
        """Return bool `(weights,)`, whether a tensor is computed from each, while it is traced."""
        seen = upstream(tensor)
        return tf.constant([read.ref() in seen for read in self._read], tf.bool)
