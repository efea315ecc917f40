"""The weights of legacy `.h5` files, and of `.keras` files by Keras 2, put into a model made new.

Keras 3 puts the weights of an `.h5` file into layers by their order. Here each layer's are found by its
name, and inside a nested model by the names of the weights, so that none changes places where two
layers are alike; each weight is put in its place exactly once, or the file is refused.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.engine.backend import keras
from kviz.errors import ModelError
from kviz.network.hdf5 import names_of, text_of
from kviz.network.legacy import plain_name

_NESTED = ("layers", "_layer_checkpoint_dependencies")
_ARRANGED = {  # how Keras 1 laid kernels out, by the layer's place of channels
    ("Conv2D", "channels_first"): (2, 3, 1, 0),
    ("Conv2DTranspose", "channels_last"): (0, 1, 3, 2),
    ("Conv2DTranspose", "channels_first"): (2, 3, 0, 1),
    ("Conv3D", "channels_first"): (2, 3, 4, 1, 0),
}
_FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")


def fill(model: Any, config: dict[str, Any], path: Path, *, zipped: bool) -> None:
    """Put a file's weights into a model.

    Args:
        model: the model, built from `config`.
        config: the model's config made new.
        path: the HDF5 file.
        zipped: whether it was in a `.keras` file.

    Raises:
        ModelError: if they are not the model's.
    """
    with h5py.File(path, "r") as file:
        if zipped:
            _fill_from_tree(model, config["config"]["layers"], _by_path(file))
        else:
            _fill_by_name(model, file)
    for layer in _leaves(model):
        if hasattr(layer, "finalize_state"):  # a Normalization keeps what it makes of its weights
            layer.finalize_state()


# Files that end in .h5


def _fill_by_name(model: Any, file: Any) -> None:
    group = file.get("model_weights", file)
    version = text_of(group, "keras_version") or "1"
    theano = text_of(group, "backend") == "theano"
    stored = {}
    for name in names_of(group, "layer_names"):
        inside = _group(group, name)
        names = names_of(inside, "weight_names")
        if names:
            stored[plain_name(name)] = [(entry, _data_set(inside, entry)) for entry in names]
    wanted = {layer.name: layer for layer in _layers(model) if layer.weights}
    if stored.keys() != wanted.keys():
        differing = sorted(stored.keys() ^ wanted.keys())
        raise ModelError(
            f"The file's weights are of other layers than its model: {sanitise(differing[0], 40)!r} is "
            "in one of them alone."
        )
    for name, layer in wanted.items():
        for leaf, arrays in _per_leaf(layer, stored[name]):
            _look_at_sizes(leaf, arrays)
            _assign(leaf, _variables(leaf), _converted(leaf, arrays, version[:1] == "1", theano))


def _layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def _group(group: Any, name: str) -> Any:
    inside = group.get(name)
    if not isinstance(inside, h5py.Group):
        raise ModelError(f"The file holds no weights of layer {sanitise(name, 40)!r}.")
    return inside


def _data_set(group: Any, name: str) -> Any:
    data = group.get(name)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiub" or data.shape is None:
        raise ModelError(f"The file holds no weight {sanitise(name, 60)!r}.")
    return data


def _leaves(layer: Any) -> Iterator[Any]:
    """Give the layers that have weights in a layer: itself, or those of a model in their order."""
    if not isinstance(layer, keras.Model):
        if layer.weights:
            yield layer
        return
    for inside in _layers(layer):
        yield from _leaves(inside)


def _per_leaf(layer: Any, entries: list[tuple[str, Any]]) -> list[tuple[Any, list[Any]]]:
    """Return the layers with weights in a layer, each with its arrays."""
    leaves = list(_leaves(layer))
    if leaves == [layer]:
        return [(layer, [array for _, array in entries])]
    owners: dict[str, list[Any]] = {leaf.name: [] for leaf in leaves}
    for name, array in entries:
        owner = next((part for part in name.split("/")[:-1] if part in owners), None)
        if owner is not None:
            owners[owner].append(array)
    placed = sum(map(len, owners.values())) == len(entries) and all(owners.values())
    if placed and len(owners) == len(leaves):
        return [(leaf, owners[leaf.name]) for leaf in leaves]
    return _in_order(leaves, [array for _, array in entries])


def _in_order(leaves: list[Any], arrays: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Return arrays by layer where their names do not say it: all trained ones stand first."""
    wanted = sum(len(leaf.weights) for leaf in leaves)
    if len(arrays) != wanted:
        raise ModelError(
            f"The file holds {len(arrays)} weights of a nested model that has {wanted}."
        )
    trained = sum(len(leaf.trainable_weights) for leaf in leaves)
    first, second = iter(arrays[:trained]), iter(arrays[trained:])
    return [
        (
            leaf,
            [next(first) for _ in leaf.trainable_weights]
            + [next(second) for _ in leaf.non_trainable_weights],
        )
        for leaf in leaves
    ]


def _variables(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _look_at_sizes(layer: Any, stored: list[Any]) -> None:
    """Refuse what no layout makes a layer's, before it is read: one array can be named many times."""
    wanted = sum(math.prod(variable.shape) for variable in _variables(layer))
    found = sum(array.size for array in stored)
    if found > 2 * wanted:  # a CuDNN layer has two biases
        raise ModelError(
            f"The file holds {found:,} numbers for layer {sanitise(layer.name, 40)!r}, which has "
            f"{wanted:,}."
        )


def _assign(layer: Any, variables: list[Any], arrays: list[Array]) -> None:
    if len(arrays) != len(variables):
        raise ModelError(
            f"The file holds {len(arrays)} weights of layer {sanitise(layer.name, 40)!r}, which has "
            f"{len(variables)}."
        )
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ModelError(
                f"Layer {sanitise(layer.name, 40)!r} has a {sanitise(variable.name, 40)} of shape "
                f"{tuple(variable.shape)}; the file holds one of {array.shape}."
            )
        variable.assign(array)


def _converted(layer: Any, stored: list[Any], by_keras_1: bool, theano: bool) -> list[Array]:
    """Return what is stored of a layer as Keras 3 lays it out."""
    arrays: list[Array] = [np.asarray(one) for one in stored]
    kind = type(layer).__name__
    if kind in ("TimeDistributed",):
        return _converted(layer.layer, arrays, by_keras_1, theano)
    if kind == "Bidirectional":
        half = len(arrays) // 2
        forward = _converted(layer.forward_layer, arrays[:half], by_keras_1, theano)
        return forward + _converted(layer.backward_layer, arrays[half:], by_keras_1, theano)
    if by_keras_1:
        arrays = _of_keras_1(layer, kind, arrays)
    if theano and kind in _FLIPPED and arrays:
        # Theano turns kernels round where TensorFlow does not.
        spatial = tuple(range(arrays[0].ndim - 2))
        arrays = [np.flip(arrays[0], spatial), *arrays[1:]]
    return _of_cudnn(kind, arrays)


def _of_keras_1(layer: Any, kind: str, arrays: list[Array]) -> list[Array]:
    first = arrays[0]
    if kind == "Conv1D" and first.ndim == 4:
        if first.shape[:2] != (layer.kernel_size[0], 1) or first.shape[3] != layer.filters:
            first = np.transpose(first, (2, 3, 1, 0))
        return [first[:, 0], *arrays[1:]]
    order = _ARRANGED.get((kind, getattr(layer, "data_format", "")))
    if order is not None and first.ndim == len(order):
        return [np.transpose(first, order), *arrays[1:]]
    # Each gate had weights of its own; they were in the order i, c, f, o.
    gates = {"LSTM": (0, 2, 1, 3), "ConvLSTM2D": (0, 2, 1, 3), "GRU": (0, 1, 2)}.get(kind, ())
    if gates and len(arrays) == 3 * len(gates):
        return [
            np.concatenate([arrays[3 * gate + part] for gate in gates], axis=-1)
            for part in range(3)
        ]
    return arrays


def _of_cudnn(kind: str, arrays: list[Array]) -> list[Array]:
    """Return the arrays of a CuDNNLSTM or CuDNNGRU as those of the layer that they are now."""
    gates = {"LSTM": 4, "GRU": 3}.get(kind, 0)
    if not gates or len(arrays) != 3 or arrays[2].shape != (2 * gates * arrays[1].shape[0],):
        return arrays
    kernel, recurrent, bias = arrays
    return [
        np.hstack([k.T.reshape(k.shape, order="F") for k in np.hsplit(kernel, gates)]),
        np.hstack([k.T for k in np.hsplit(recurrent, gates)]),
        bias.reshape(2, -1).sum(0) if kind == "LSTM" else bias.reshape(2, -1),
    ]


# .keras files by Keras 2


class _Arrays(dict[str, dict[str, Any]]):
    """Data sets, which are read one layer at a time, by what they belong to.

    Attributes:
        parents: the paths under which there are any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parents: set[str] = set()


def _by_path(file: Any) -> _Arrays:
    """Return a file's arrays by the path of what they belong to, as saved on Windows or elsewhere."""
    found = _Arrays()

    def visit(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            parts = [
                part for part in name.replace("\\", "/").split("/") if part and part not in _NESTED
            ]
            if len(parts) > 1 and parts[-2] == "vars":
                found.setdefault("/".join(parts[:-2]), {})[parts[-1]] = entry

    file.visititems(visit)
    for path in found:
        while path and path not in found.parents:
            found.parents.add(path)
            path = path.rpartition("/")[0]
    return found


def _fill_from_tree(model: Any, layers: list[Any], arrays: _Arrays) -> None:
    filled: set[int] = set()
    _fill_layers(_Place(model, ""), layers, arrays, filled)
    left = [weight.path for weight in model.weights if id(weight) not in filled]
    if left:
        raise ModelError(
            f"The file holds no weight {sanitise(left[0], 60)!r}, which its model has."
        )


@dataclass(frozen=True)
class _Place:
    """A layer, and where a file by Keras 2 keeps what is its."""

    layer: Any
    path: str


def _fill_layers(place: _Place, layers: list[Any], arrays: _Arrays, filled: set[int]) -> None:
    """Fill a model's layers, which a file calls by class and number in the order of its config."""
    counts: Counter[str] = Counter()
    inside_model = {layer.name for layer in _layers(place.layer)}
    for entry in layers:
        kind = _snake_case(entry["class_name"])
        counted = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        name = entry["config"].get("name") or entry.get("name")
        if name not in inside_model:  # an input, or an operation
            continue
        inside = _Place(place.layer.get_layer(name), _joined(place.path, counted))
        if isinstance(inside.layer, keras.Model):
            _fill_layers(inside, entry["config"]["layers"], arrays, filled)
        else:
            _fill_layer(inside, arrays, filled)


def _entries(model: Any) -> list[dict[str, Any]]:
    """Return what `_fill_layers` reads of a config, of a model whose config is another layer's."""
    return [
        {
            "class_name": type(layer).__name__,
            "config": {
                "name": layer.name,
                "layers": _entries(layer) if isinstance(layer, keras.Model) else [],
            },
        }
        for layer in model.layers
    ]


def _fill_layer(place: _Place, arrays: _Arrays, filled: set[int]) -> None:
    """Fill a layer and the layers that it holds as attributes."""
    own = arrays.get(place.path)
    if own and place.layer.weights:
        before = [id(weight) for weight in place.layer.weights]
        inner = {id(weight) for layer in _held(place.layer).values() for weight in layer.weights}
        place.layer.load_own_variables(own)
        filled.update(weight for weight in before if weight not in inner)
    parents = arrays.parents
    for attribute, layer in _held(place.layer).items():
        if all(id(weight) in filled for weight in layer.weights):
            continue
        paths = [
            _joined(place.path, name)
            for name in (attribute, f"_{attribute}", attribute.lstrip("_"))
        ]
        under = [path for path in paths if path in parents]
        if under and isinstance(layer, keras.Model):
            _fill_layers(_Place(layer, under[0]), _entries(layer), arrays, filled)
        elif under:
            _fill_layer(_Place(layer, under[0]), arrays, filled)


def _held(layer: Any) -> dict[str, Any]:
    """Return the layers that a layer holds, by attribute, those in lists as Keras 2 called them."""
    found: dict[str, Any] = {}
    for attribute, value in sorted(vars(layer).items()):
        if isinstance(value, keras.layers.Layer):
            found[attribute] = value
        elif isinstance(value, list) and attribute != "_layers":
            counts: Counter[str] = Counter()
            for one in value:
                kind = _snake_case(type(one).__name__)
                if isinstance(one, keras.layers.Layer):
                    found[f"{attribute}/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")] = (
                        one
                    )
                    counts[kind] += 1
    return found


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _snake_case(name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
