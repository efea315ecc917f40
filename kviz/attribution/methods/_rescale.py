"""DeepLIFT's rescale rule: gradients whose slopes are differences to a baseline.

A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation
Differences", ICML 2017: a function f of one number has the slope (f(z) - f(z')) / (z - z'), where z' is
what z is for the baseline, and f's own where these are one. What several numbers make together,
for which the paper has no rule, is shared out so that the sum is kept:

- a product's difference is the mean of its two orders, (a - a')(b + b') / 2 and (b - b')(a + a') / 2,
  a quotient's accordingly (Shapley values of two, as in S. Lundberg & S. Lee, "A Unified Approach to
  Interpreting Model Predictions", NeurIPS 2017);
- a softmax is exp(z - log sum exp z), functions of one number but for the sum;
- the largest of several: what it rises above the baseline's goes to what is the largest, what it
  falls to what was (as captum and shap do it; captum 0.9 takes the plain gradient instead where
  pooling is right behind a ReLU, and where its windows overlap forgets all but one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kviz.attribution.methods._activations import Step, noted, pulled_back
from kviz.attribution.methods._steps import AT_REST, Walk, applied
from kviz.engine.backend import tf
from kviz.engine.passes import Passes
from kviz.errors import LayerError

# What is this near to the baseline's is as it: captum's number.
_NEAR = 1e-10
_NOTED = AT_REST | {"Sigmoid"}

Twin = Callable[[Any], Any]


def rescaled(passes: Passes, arguments: Sequence[Any], baseline: Any, method: str) -> Any:
    """Return what each number of the input contributes, while a `tf.function` traces.

    Args:
        passes: the network's passes.
        arguments: a tensor per input, and the targets.
        baseline: a tensor like the input that is looked at.
        method: whose name an error bears.

    Returns:
        (Scores, classes) and the baselines' scores, all `(N,)`, and `(N, …, channels)`.

    Raises:
        LayerError: if there is an operation that has no rule.
    """
    pixels, others = arguments[passes.place], list(arguments)
    others[passes.place] = baseline
    with noted(_NOTED):
        value, _ = passes.forward(arguments)
    low, _ = passes.forward(others)
    twins = _twins(value[0], low[0], {pixels.ref(): baseline})
    walk = Walk([pixels], method, _NOTED)

    def twin(tensor: Any) -> Any:
        return twins.get(tensor.ref(), tensor)

    def handed(upstream: Any, step: Step) -> Sequence[Any]:
        if step.kind == "function":
            return [upstream * _slope(step, twin, walk.function(step))]
        return _RULES[step.kind](upstream, step, twin)

    slope = pulled_back(value[0], [pixels], walk.steps(value[0]), handed)[0]
    return value, low[0], (pixels - baseline) * slope


def _twins(one: Any, other: Any, known: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what each tensor of a call is in another call of the same model."""
    found, stack = dict(known), [(one, other)]
    while stack:
        left, right = stack.pop()
        if left.ref() in found or left is right:
            continue
        if left.op.type != right.op.type or len(left.op.inputs) != len(right.op.inputs):
            raise LayerError("The model does not do the same each time that it is called.")
        pairs = zip(left.op.outputs, right.op.outputs, strict=True)
        found |= {made.ref(): twin for made, twin in pairs}
        stack += zip(left.op.inputs, right.op.inputs, strict=True)
    return found


def _quotient_of(rise: Any, run: Any, local: Any) -> Any:
    """Return a rise over a run, and something else where nothing runs."""
    near = tf.abs(run) < tf.cast(_NEAR, run.dtype)
    return tf.where(near, local, rise / tf.where(near, tf.ones_like(run), run))


def _slope(step: Step, twin: Twin, function: Callable[[Any], Any]) -> Any:
    source = tf.identity(step.sources[0])
    local = tf.gradients(function(source), source)[0]
    if local is None:
        local = tf.zeros_like(source)
    run = step.sources[0] - twin(step.sources[0])
    return _quotient_of(step.value - twin(step.value), run, local)


def _middles(step: Step, twin: Twin) -> list[Any]:
    return [tf.identity((tensor + twin(tensor)) / 2) for tensor in step.sources]


def _of_product(upstream: Any, step: Step, twin: Twin) -> Sequence[Any]:
    middles = _middles(step, twin)
    found: Sequence[Any] = tf.gradients(applied(step.operation, middles), middles, upstream)
    return found


def _of_quotient(upstream: Any, step: Step, twin: Twin) -> Sequence[Any]:
    _, below = step.sources
    one = tf.ones((), below.dtype)
    middle, _ = _middles(step, twin)
    inverse = tf.identity((one / below + one / twin(below)) / 2)
    of_above, of_inverse = tf.gradients(middle * inverse, [middle, inverse], upstream)
    return [of_above, -of_inverse / (below * twin(below))]


def _of_squared_difference(upstream: Any, step: Step, twin: Twin) -> Sequence[Any]:
    left, right = map(tf.identity, step.sources)
    was = [twin(tensor) for tensor in step.sources]
    factor = step.sources[0] - step.sources[1] + was[0] - was[1]
    found: Sequence[Any] = tf.gradients(left - right, [left, right], upstream * factor)
    return found


def _of_softmax(upstream: Any, step: Step, twin: Twin) -> Sequence[Any]:
    """Take softmax for exp(z - log sum exp z): functions of one number, but for a sum."""
    (z,) = step.sources
    was = twin(z)
    one, other = step.value, twin(step.value)
    level, before = (tf.reduce_logsumexp(each, -1, keepdims=True) for each in (z, was))
    of_power = upstream * _quotient_of(one - other, (z - level) - (was - before), one)
    most = tf.reduce_max(tf.maximum(z, was), -1, keepdims=True)
    now, then = tf.exp(z - most), tf.exp(was - most)
    total, totalled = (tf.reduce_sum(each, -1, keepdims=True) for each in (now, then))
    of_log = _quotient_of(level - before, total - totalled, 1 / total)
    of_sum = _quotient_of(now - then, z - was, now) * of_log
    return [of_power - of_sum * tf.reduce_sum(of_power, -1, keepdims=True)]


def _of_largest(upstream: Any, step: Step, twin: Twin) -> Sequence[Any]:
    smallest = step.operation.type in ("Min", "Minimum")
    now, then = step.value, twin(step.value)
    most = (tf.minimum if smallest else tf.maximum)(now, then)
    wanted = {tensor.ref() for tensor in step.sources}

    def handed(turned: Twin, upstreams: Sequence[Any]) -> list[list[Any]]:
        inputs = [tf.identity(turned(x)) if x.ref() in wanted else x for x in step.operation.inputs]
        own = [
            x for x, old in zip(inputs, step.operation.inputs, strict=True) if old.ref() in wanted
        ]
        made = applied(step.operation, inputs)
        return [tf.gradients(made, own, each) for each in upstreams]

    local, rises = handed(lambda tensor: tensor, [upstream, upstream * (most - then)])
    (falls,) = handed(twin, [upstream * (now - most)])
    return [
        _quotient_of(rise + fall, tensor - twin(tensor), plain)
        for rise, fall, tensor, plain in zip(rises, falls, step.sources, local, strict=True)
    ]


_RULES: dict[str, Callable[[Any, Step, Twin], Sequence[Any]]] = {
    "same": lambda upstream, *_: [upstream],
    "product": _of_product,
    "quotient": _of_quotient,
    "squareddifference": _of_squared_difference,
    "softmax": _of_softmax,
    "largest": _of_largest,
}
