"""What metrics of randomisation share: the network whose weights are shuffled, layer after layer.

Each weight's numbers are shuffled, so that their scale stays and no variance becomes negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kviz.engine.other_weights import OtherWeights
from kviz.errors import OptionError
from kviz.metrics.metric import Trial


def shuffled(trial: Trial, *, alone: bool = False) -> Iterator[tuple[str, OtherWeights]]:
    """Give the network's weights as each layer is shuffled, from the last one on, and its path.

    Weights that the score does not depend on, such as those of another output, are left out, and so are
    layers that shuffling leaves as they were, since all their numbers are equal.

    Args:
        trial: what is judged.
        alone: whether each layer is shuffled alone; else with all behind it.

    Raises:
        OptionError: if there are no such weights.
    """
    numbers = trial.other_weights()
    numbers.reset()
    random, count = np.random.default_rng(trial.request.seed), 0
    for path, weights in _by_layer(trial, numbers):
        before = [numbers[weight] for weight in weights]
        after = [random.permutation(values.reshape(-1)).reshape(values.shape) for values in before]
        if all(map(np.array_equal, before, after)):
            continue
        for weight, values in zip(weights, after, strict=True):
            numbers[weight] = values
        yield path, numbers
        count += 1
        if alone:
            for weight, values in zip(weights, before, strict=True):
                numbers[weight] = values
    if not count:
        raise OptionError(
            "The score depends on no weights that could be shuffled: the model has none, or its layers "
            "keep them to themselves, as those of a SavedModel do."
        )


def _by_layer(trial: Trial, numbers: OtherWeights) -> Iterator[tuple[str, Sequence[Any]]]:
    """Give layers' paths, the last ones first, and those of their weights that the score depends on."""
    passes, model = trial.request.passes.with_weights(numbers), trial.network.model

    def run(*arguments: Any) -> Any:
        (scores, _), _ = passes.forward(arguments)
        return numbers.counting_for(scores)

    counts = np.asarray(
        passes.compiled("weights", run)(*trial.request.pixels, trial.request.target)
    )
    left = {id(weight) for weight, counting in zip(model.weights, counts, strict=False) if counting}
    # A layer that is called twice is one; one that holds others comes after these, with the rest.
    for path, layer in [*((i.path, i.layer) for i in reversed(trial.network.layers)), ("", model)]:
        weights = [weight for weight in layer.weights if id(weight) in left]
        left -= set(map(id, weights))
        if weights:
            yield path or model.name, weights
