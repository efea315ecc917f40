"""Other gradients for ReLU while a model is traced: as a layer, an argument or an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kviz.backend import tf
from kviz.errors import LayerError
from kviz.tracing import exclusively


@contextmanager
def relu_with(backward: Callable[[Any, Any], Any], name: str) -> Iterator[None]:
    """Let `tf.nn.relu` and `relu6`, which Keras's ReLU of every kind calls, pass other gradients.

    Args:
        backward: takes the upstream gradient and where the input was let through, as a 0-1 tensor.
        name: the method's, for the error.

    Raises:
        LayerError: if the model called neither.
    """
    swapped = 0

    def modified(original: Callable[..., Any], ceiling: float) -> Callable[..., Any]:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(x: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                through = tf.cast((x > 0) & (x < ceiling), upstream.dtype)
                return backward(upstream, through)

            return original(x), gradient

        def relu(features: Any, name: str | None = None) -> Any:  # noqa: ARG001 - as tf.nn.relu
            nonlocal swapped
            swapped += 1
            return run(tf.convert_to_tensor(features))

        return relu

    with exclusively():
        kept = {"relu": tf.nn.relu, "relu6": tf.nn.relu6}
        tf.nn.relu = modified(kept["relu"], float("inf"))
        tf.nn.relu6 = modified(kept["relu6"], 6.0)
        try:
            yield
        finally:
            tf.nn.relu, tf.nn.relu6 = kept["relu"], kept["relu6"]
    if not swapped:
        raise LayerError(
            f"The model has no ReLU whose gradient {name} could change; the map would be the plain "
            "gradient. Use saliency or gradient instead."
        )
