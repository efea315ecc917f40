"""Other gradients for activation functions: as a layer, an argument or an operation.

Keras's activations of every kind call functions of `tf.nn`, exchanged while a model is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

from kviz.attribution.method import Found, Request
from kviz.engine.backend import tf
from kviz.engine.tracing import exclusively
from kviz.errors import LayerError

Backward = Callable[[Any, Any], Any]


@contextmanager
def exchanged(makers: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Let functions of `tf.nn` be others for this while.

    Args:
        makers: by a function's name, what makes another of it.
    """
    with exclusively():
        kept = {name: getattr(tf.nn, name) for name in makers}
        for name, maker in makers.items():
            setattr(tf.nn, name, maker(kept[name]))
        try:
            yield
        finally:
            for name, function in kept.items():
                setattr(tf.nn, name, function)


def relu_gradient(request: Request, backward: Backward, name: str) -> Found:
    """Return the pixel gradient with another gradient for ReLU.

    Args:
        request: the images.
        backward: takes the upstream gradient and where the input was let through, as a 0-1 tensor.
        name: the method's, for the error.

    Returns:
        Maps `(N, …, channels)`.

    Raises:
        LayerError: if the model calls no ReLU.
    """
    (scores, classes), gradient = request.passes.gradient(
        request.pixels, request.target, rule=_rule(backward, name)
    )
    return Found(maps=gradient, scores=scores, classes=classes)


@cache  # one rule is one compiled pass
def _rule(backward: Backward, name: str) -> Callable[[], AbstractContextManager[None]]:
    return lambda: _relu_with(backward, name)


@contextmanager
def _relu_with(backward: Backward, name: str) -> Iterator[None]:
    swapped = 0

    def modified(ceiling: float, original: Callable[..., Any]) -> Callable[..., Any]:
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

    with exchanged({"relu": partial(modified, float("inf")), "relu6": partial(modified, 6.0)}):
        yield
    if not swapped:
        raise LayerError(
            f"The model has no ReLU whose gradient {name} could change; the map would be the plain "
            "gradient. Use saliency or gradient instead."
        )
