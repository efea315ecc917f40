"""Configs of Keras 1 and 2 made new, before the allow-list and Keras see them.

Keras 3 has a road of its own for old configs, which takes any class by its bare name, refuses
arguments that mean nothing, and reads some inputs' shapes wrongly. So an old config is rewritten as
Keras 3 writes its own: each object with its module, each call of a layer with its tensors, each model
with its input. What a class called its parameters, and what has changed its meaning, is a table
(`legacy_rules`); operations of TensorFlow that a functional model calls are another (`legacy_ops`).

What no rule knows is left as it is: the allow-list or Keras refuses it by name.
"""

from __future__ import annotations

import copy
from typing import Any

from kviz._checks import sanitise
from kviz.engine.backend import keras
from kviz.network.allowed import ACTIVATIONS, ALLOWED, CODE
from kviz.network.legacy_ops import OPERATION_LAYERS, operation_of
from kviz.network.legacy_rules import OWN_RULES, RULES, Layer

_WRAPPED = ("layer", "cell", "cells", "forward_layer", "backward_layer")
_WITH_STATES = ("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM2D", "Bidirectional")
_FAMILIES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}
_FUNCTIONS = ACTIVATIONS | {"hard_swish", "swish"}  # as Keras 3 takes them by name

# By name: where Keras 3 has it, the public place last.
_HOMES = {
    name.rpartition(".")[2]: name.rpartition(".")[0]
    for name, family in reversed(ALLOWED.items())
    if family == "layer"
} | dict.fromkeys((kind for kind in CODE if not kind.startswith("_")), "keras.layers")
_OPERATIONS = {
    name.rpartition(".")[2]: name.rpartition(".")[0]
    for name, family in ALLOWED.items()
    if family == "operation"
}


def made_new(config: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a model's config as Keras 3 writes it, and what was changed, in plain words.

    Args:
        config: the config as its file holds it. `keras_version` among its keys says who wrote it;
            without it, the config's own marks do.

    Returns:
        The new config (the same where nothing was to change) and a sentence for each kind of change.

    Raises:
        ModelError: if it holds what Keras 3 has no equivalent for.

    >>> new, changes = made_new({"class_name": "Sequential", "config": [{"class_name": "Dense",
    ...     "config": {"name": "d", "output_dim": 3, "batch_input_shape": [None, 8]}}]})
    >>> new["config"]["layers"][0]["config"]["batch_shape"]
    [None, 8]
    """
    if not isinstance(config, dict) or "class_name" not in config:
        return config, ()
    version = str(config.get("keras_version") or "")
    config = {
        key: value for key, value in config.items() if key not in ("keras_version", "backend")
    }
    by_keras_3 = version.startswith("3.") or not (version or _has_old_marks(config))
    if by_keras_3 and "module" in config:
        return config, ()
    made = _Made(by_keras_3)
    config = copy.deepcopy(config)
    if not by_keras_3:
        made.name_plainly(config)
    return made.layer(config), made.sentences()


def plain_name(name: str) -> str:
    """Return a layer's name as Keras 3 takes it, which lets no slash in.

    >>> plain_name("conv1/bn")
    'conv1_bn'
    """
    return name.replace("/", "_")


def _has_old_marks(config: Any) -> bool:
    """Return whether a config has what only Keras 1 and 2 write."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            nodes = value.get("inbound_nodes")
            called = isinstance(nodes, list) and any(isinstance(node, list) for node in nodes)
            listed = value.get("class_name") == "Sequential" and isinstance(
                value.get("config"), list
            )
            if called or listed or "batch_input_shape" in value:
                return True
            stack += value.values()
    return False


def _is_leaf(value: Any, names: Any) -> bool:
    """Return whether a value is what Keras 2 writes for a tensor: a layer, a call, an output."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(type(place) is int for place in value[1:3])
    )


class _Made:
    """A config on its way, and what has been changed so far."""

    def __init__(self, by_keras_3: bool) -> None:
        self.by_keras_3 = by_keras_3
        self.changes: dict[str, dict[str, None]] = {}

    def note(self, change: str, name: Any) -> None:
        self.changes.setdefault(change, {})[sanitise(name, 40)] = None

    def sentences(self) -> tuple[str, ...]:
        """Return each kind of change, with the layers that it was made in."""
        return tuple(
            f"{change}: {', '.join([*names][:3])}{f' and {len(names) - 3} more' * (len(names) > 3)}."
            for change, names in self.changes.items()
        )

    def name_plainly(self, config: dict[str, Any]) -> None:
        """Take the slashes out of layers' names, where they stand and where they are called."""
        stack: list[Any] = [config]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                name = value.get("name")
                if isinstance(name, str) and "/" in name:
                    value["name"] = plain_name(name)
                    self.note("Slash in the layer's name replaced", name)
                stack += value.values()
            elif isinstance(value, list):
                if len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is int:
                    value[0] = plain_name(value[0])
                stack += value

    def layer(self, entry: Any, place: str = "model") -> Any:
        """Return the entry of a layer or a model made new, and what is none as it is."""
        if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
            return entry
        if self.by_keras_3 and "module" in entry:
            return entry
        config = entry.get("config")
        if isinstance(config, list) and entry["class_name"] == "Sequential":
            config = {"name": entry.get("name", place), "layers": config}
            self.note("List of layers replaced by a Sequential model", place)
        if not isinstance(config, dict):
            return entry
        name = _name_of(config) or _name_of(entry) or place
        layer = Layer(entry["class_name"], config, name)
        own = _is_own(entry)
        for rule in () if self.by_keras_3 else OWN_RULES if own else RULES:
            if rule.make(layer):
                self.note(rule.change, layer.name)
        new = self._named(entry, layer, own)
        if layer.kind in ("Functional", "Model"):
            self._functional(layer.config)
        elif layer.kind == "Sequential":
            self._sequential(layer.config)
        else:
            self._objects(layer.config)
        # How Keras 2 built a layer is found again from its input.
        kept = ("name", "inbound_nodes", "compile_config", *("build_config",) * self.by_keras_3)
        return new | {key: entry[key] for key in kept if key in entry}

    def _named(self, entry: dict[str, Any], layer: Layer, own: bool) -> dict[str, Any]:
        """Return a layer's entry with the names by which Keras 3 finds its class."""
        module, kind, registered = entry.get("module"), layer.kind, None
        home = None if own else _HOMES.get(kind)
        if self.by_keras_3 and kind in _OPERATIONS and _is_operation(entry):
            home = _OPERATIONS[kind]
        if home is None:
            registered = entry.get("registered_name") or kind
            home, kind = module, kind.rpartition(">")[2]
        elif isinstance(module, str) and module != home:
            self.note("Module written as in Keras 3", layer.name)
        return {
            "module": home,
            "class_name": kind,
            "config": layer.config,
            "registered_name": registered,
        }

    def _objects(self, config: dict[str, Any]) -> None:
        """Make new the objects that a layer's parameters are."""
        for key, value in config.items():
            if key in _WRAPPED and isinstance(value, dict | list):
                entries = value if isinstance(value, list) else [value]
                made = [self.layer(one, _name_of(config)) for one in entries]
                config[key] = made if isinstance(value, list) else made[0]
            elif key.endswith("activation") and isinstance(value, str) and value not in _FUNCTIONS:
                config[key] = {  # the user's own, as Keras 3 writes a function
                    "module": "builtins",
                    "class_name": "function",
                    "config": value,
                    "registered_name": value,
                }
            elif isinstance(value, dict) and "class_name" in value:
                config[key] = self._object(key, value)

    def _object(self, key: str, value: dict[str, Any]) -> dict[str, Any]:
        """Return an initializer, regularizer or constraint with its module."""
        ends = [end for end in _FAMILIES if key.endswith(end)]
        inside = value.get("config")
        value.pop("shared_object_id", None)
        if not self.by_keras_3 and key.endswith("initializer") and isinstance(inside, dict):
            if inside.pop("dtype", None) is not None:
                self.note("dtype left out of an initializer", key)
            if inside.get("distribution") == "normal":
                inside["distribution"] = "truncated_normal"
        name = f"{_FAMILIES[ends[0]]}.{value['class_name']}" if ends else ""
        if name not in ALLOWED or "module" in value:
            return value
        return {"module": _FAMILIES[ends[0]], "registered_name": None} | value

    # Models

    def _sequential(self, config: dict[str, Any]) -> None:
        """Make new a Sequential's layers, and give it the input that Keras 2 kept in the first."""
        config.setdefault("name", "sequential")
        layers = config.get("layers")
        if not isinstance(layers, list) or not layers:
            return
        given = _input_of(layers[0])
        config["layers"] = layers = [self.layer(layer, config["name"]) for layer in layers]
        first = layers[0]
        if (
            self.by_keras_3
            or not isinstance(first, dict)
            or first.get("class_name") == "InputLayer"
        ):
            return
        shape = given or _shape_of(first) or config.get("build_input_shape")
        if not isinstance(shape, list):
            return
        if not given and not _holds_states(layers):
            shape = [None, *shape[1:]]  # how many images it was built with says nothing
        inside = first.get("config")
        name = f"{inside.get('name') if isinstance(inside, dict) else 'first'}_input"
        values = {"batch_shape": shape, "dtype": "float32", "name": name}
        dtype = inside.get("dtype") if isinstance(inside, dict) else None
        if isinstance(dtype, str):
            values["dtype"] = dtype
        layers.insert(
            0,
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": values,
                "registered_name": None,
            },
        )
        config.pop("build_input_shape", None)
        self.note("Input layer added to a Sequential model", config["name"])

    def _functional(self, config: dict[str, Any]) -> None:
        """Make new a functional model's layers, what they are called with, and its ends."""
        layers = config.get("layers")
        if not isinstance(layers, list):
            return
        made = [self.layer(layer, _name_of(config)) for layer in layers]
        config["layers"] = made
        if self.by_keras_3:
            return
        calls = _Calls(layers, config)
        kinds = {
            str(entry.get("name")): entry.get("class_name")
            for entry in made
            if isinstance(entry, dict)
        }
        for entry in made:
            nodes = entry.get("inbound_nodes") if isinstance(entry, dict) else None
            if isinstance(nodes, list) and not any(isinstance(node, dict) for node in nodes):
                self._called(entry, [calls.of(node) for node in nodes])
        for key in ("input_layers", "output_layers"):
            config[key] = calls.ends(config.get(key), kinds)

    def _called(self, entry: dict[str, Any], calls: list[tuple[Any, dict[str, Any]]]) -> None:
        """Write the calls of a layer as Keras 3 does; make an operation of a layer that calls one."""
        kind, name = entry["class_name"], str(entry.get("name"))
        if kind in OPERATION_LAYERS:
            parts = operation_of(kind, name, entry["config"], calls)
            entry["module"], entry["class_name"], entry["config"], entry["inbound_nodes"] = parts
            entry["registered_name"] = None
            self.note("TensorFlow operation replaced by that of Keras 3", name)
            return
        entry["inbound_nodes"] = []
        for first, others in calls:
            if kind in _WITH_STATES and isinstance(first, list) and "initial_state" not in others:
                first, others = first[0], {**others, "initial_state": first[1:]}
                self.note("Initial states passed by name", name)
            others = {key: value for key, value in others.items() if value is not None}
            entry["inbound_nodes"].append({"args": [first], "kwargs": others})


def _name_of(entry: dict[str, Any]) -> str:
    """Return a name, and nothing for what is none: it is asked for once a layer."""
    name = entry.get("name")
    return name if isinstance(name, str) else ""


def _is_own(entry: dict[str, Any]) -> bool:
    """Return whether a class is the user's own: not in Keras, or registered under its name."""
    module, registered = entry.get("module"), entry.get("registered_name")
    return (
        (isinstance(module, str) and module.split(".")[0] not in ("keras", "tf_keras"))
        or (isinstance(registered, str) and ">" in registered)
        or keras.saving.get_registered_object(entry["class_name"]) is not None
    )


def _is_operation(entry: dict[str, Any]) -> bool:
    """Return whether Keras 3 wrote an operation, which has its name from no package either."""
    return "trainable" not in entry["config"] and not _is_own(entry)


def _input_of(entry: Any) -> list[Any] | None:
    """Return the shape of a layer's inputs among its parameters, where Keras 1 and 2 kept it."""
    config = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(config, dict):
        return None
    shape, channels = config.get("batch_input_shape"), config.get("input_dim")
    if shape is None and channels is not None and entry["class_name"] != "Embedding":
        length = [config.get("input_length")] if "input_length" in config else []
        shape = [None, *length, channels]
    return shape if isinstance(shape, list) else None


def _shape_of(entry: dict[str, Any]) -> list[Any] | None:
    """Return the shape that a model made new takes, None for what is no model or takes several."""
    config = entry.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    inputs = [
        layer["config"].get("batch_shape")
        for layer in (layers if isinstance(layers, list) else ())
        if isinstance(layer, dict) and layer.get("class_name") == "InputLayer"
    ]
    return list(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], list) else None


def _holds_states(layers: list[Any]) -> bool:
    configs = [layer.get("config") for layer in layers if isinstance(layer, dict)]
    return any(isinstance(config, dict) and config.get("stateful") for config in configs)


class _Calls:
    """The tensors that a functional model of Keras 2 names by layer, call and output.

    Keras 2 counts the calls of a model that is a layer from 1, if it was built before: its first was
    its own. Keras 3 counts all from 0, and the ends of a functional model still from 1 if it is
    functional.
    """

    def __init__(self, layers: list[Any], config: dict[str, Any]) -> None:
        entries = [layer for layer in layers if isinstance(layer, dict)]
        self.names = {str(layer.get("name")) for layer in entries}
        self.first: dict[str, int] = {}
        stack: list[Any] = [layer.get("inbound_nodes") for layer in entries]
        stack.append(config.get("output_layers"))
        while stack:
            value = stack.pop()
            if _is_leaf(value, self.names):
                self.first[value[0]] = min(value[1], self.first.get(value[0], value[1]))
            if isinstance(value, list):
                stack += value
            elif isinstance(value, dict):
                stack += value.values()

    def of(self, node: Any) -> tuple[Any, dict[str, Any]]:
        """Return a call's first argument and the others by name, tensors as Keras 3 writes them."""
        if isinstance(node, list) and node and isinstance(node[0], str):
            first, others = self._argument(node)
            return first, others
        found = [self._argument(entry) for entry in node] if isinstance(node, list) else []
        if not found:
            return self._value(node), {}
        firsts = [first for first, _ in found]
        return (firsts[0] if len(firsts) == 1 else firsts), found[0][1]

    def _argument(self, entry: Any) -> tuple[Any, dict[str, Any]]:
        """Return one entry of a call: a tensor or a constant, and the arguments beside it."""
        if not isinstance(entry, list):
            return self._value(entry), {}
        others = entry[3] if len(entry) == 4 and isinstance(entry[3], dict) else {}
        made = {key: self._value(value) for key, value in others.items()}
        if entry[:1] == ["_CONSTANT_VALUE"] and len(entry) > 2:
            return entry[2], made
        return self._value(entry), made

    def _value(self, value: Any) -> Any:
        if _is_leaf(value, self.names):
            name, call, output = value[:3]
            history = [name, call - self.first[name], output]
            tensor = {"shape": [None], "dtype": "float32", "keras_history": history}
            return {"class_name": "__keras_tensor__", "config": tensor}
        if isinstance(value, list):
            return [self._value(entry) for entry in value]
        if isinstance(value, dict):
            return {key: self._value(entry) for key, entry in value.items()}
        return value

    def ends(self, value: Any, kinds: dict[str, Any]) -> Any:
        """Return a model's inputs or outputs: one alone, not in a list of one."""
        if _is_leaf(value, self.names):
            name, call, output = value[:3]
            base = 1 if kinds.get(name) == "Functional" else 0
            return [name, call - self.first.get(name, 0) + base, output]
        if isinstance(value, list) and len(value) == 1:
            return self.ends(value[0], kinds)
        if isinstance(value, list):
            return [self.ends(entry, kinds) for entry in value]
        if isinstance(value, dict):
            return {key: self.ends(entry, kinds) for key, entry in value.items()}
        return value
