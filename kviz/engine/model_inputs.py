"""A model's inputs as Keras has them: shapes, structure, names, order of axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kviz.engine.backend import keras, tf
from kviz.engine.layers import Shape


def input_shapes(model: Any) -> list[Shape] | None:
    """Return the inputs' shapes in the model's own order of axes, None where it does not know them."""
    tensors = getattr(model, "inputs", None)
    return [tuple(tensor.shape) for tensor in tensors] if tensors else None


def input_structure(model: Any) -> Any:
    """Return a model's inputs as it takes them; None for a Sequential or a subclassed one."""
    try:
        return model.input
    except AttributeError:
        return None


def input_names(model: Any, shapes: Sequence[Any]) -> list[str]:
    """Return the inputs' names: the keys that Keras takes, the tensors' names, else their places."""
    structure = input_structure(model)
    if isinstance(structure, Mapping) and len(structure) == len(shapes):
        # By the keys that Keras takes, which need not be the tensors' names.
        return [str(key) for key in keras.tree.flatten({key: key for key in structure})]
    names = [str(tensor.name) for tensor in model.inputs]
    return names if len(set(names)) == len(shapes) else [str(i) for i in range(len(shapes))]


def built_shape(model: Any) -> Shape:
    """Return the shape that a subclassed model was built for, () where it does not say."""
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, list | tuple) or not all(
        n is None or isinstance(n, int) for n in shape
    ):
        return ()
    return (None, *shape[1:])


def pack_inputs(model: Any, tensors: Mapping[str, Any]) -> Any:
    """Return tensors in the structure that a model takes.

    Args:
        model: the `keras.Model`.
        tensors: one per input, by name, in the model's order.
    """
    flat = list(tensors.values())
    structure = input_structure(model)
    if structure is not None:
        return keras.tree.pack_sequence_as(structure, flat)
    if input_shapes(model) is not None or all(name.isdigit() for name in tensors):
        return flat[0] if len(flat) == 1 else flat
    return dict(zip(tensors, flat, strict=True))


def layers_within(model: Any) -> Iterator[Any]:
    """Give a model's layers and, below each nested model, its own."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)


def is_channels_first(model: Any) -> bool:
    """Return whether a model takes images with their channels before their axes."""
    formats = (getattr(layer, "data_format", None) for layer in layers_within(model))
    known = next((f for f in formats if f in ("channels_first", "channels_last")), None)
    if known is None:
        for shape in input_shapes(model) or []:
            if len(shape) == 4 and (shape[1] in (1, 3)) != (shape[3] in (1, 3)):
                return shape[1] in (1, 3)
    return bool((known or keras.config.image_data_format()) == "channels_first")


def to_channels_first(tensor: Any) -> Any:
    """Return a tensor with its channels moved before its axes; a vector as it is."""
    rank = tensor.shape.rank or 0
    return tf.transpose(tensor, [0, rank - 1, *range(1, rank - 1)]) if rank > 2 else tensor


def to_channels_last(tensor: Any) -> Any:
    """Return a tensor with its channels moved behind its axes; a vector as it is."""
    rank = tensor.shape.rank or 0
    return tf.transpose(tensor, [0, *range(2, rank), 1]) if rank > 2 else tensor
