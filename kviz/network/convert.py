"""convert: an old model's file, or a SavedModel, as a `.keras` file that Keras alone opens.

What is written is read back by Keras and compared with what was read, on noise, before it takes its
place. A SavedModel has no layers that Keras could read: it becomes one layer, a black box that runs
what its folder holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import first_line, sanitise, validate_bool
from kviz.draw.pages import html
from kviz.draw.tables import Table, text
from kviz.engine.backend import keras, tf
from kviz.engine.model_inputs import input_structure, to_channels_last
from kviz.errors import KvizError, ModelError, OutputError
from kviz.files import whole_file
from kviz.network.class_names import names_beside
from kviz.network.kept import objects_known, settings_kept
from kviz.network.loading import load_model, save_model
from kviz.network.network import Network, classes_of

# Largest difference of outputs, as a share of the largest output, that rounding makes.
_ROUNDING = 1e-4
# Of a size that a model leaves free.
_ANY = 64


@dataclass(frozen=True, eq=False, repr=False)
class Conversion:
    """A model's file that was made new.

    Attributes:
        source: the old file, or the folder of a SavedModel.
        path: the new file.
        changes: what was changed, a sentence each.
        difference: the largest difference of outputs on noise, before and after; None where they were
            not compared.
        largest: the largest output that was compared.
        before: who gave the outputs before: `"tf_keras"` where that is installed, the file is trusted
            and something in it was made new; `"the SavedModel"`; else `"kviz"`, as it reads the file.
        notes: what else there is to say.
    """

    source: Path
    path: Path
    changes: tuple[str, ...] = ()
    difference: float | None = None
    largest: float | None = None
    before: str = "kviz"
    notes: tuple[str, ...] = ()

    verb = "convert"

    def facts(self) -> dict[str, Any]:
        """Return all of it as dicts and lists that JSON can hold."""
        return {
            "verb": self.verb,
            "source": str(self.source),
            "path": str(self.path),
            "changes": list(self.changes),
            "difference": self.difference,
            "largest": self.largest,
            "before": self.before,
            "notes": list(self.notes),
        }

    @property
    def compared(self) -> str:
        """How outputs before and after differ, in words."""
        if self.difference is None:
            return "not compared"
        told = "equal on noise"
        if self.difference:
            told = f"differ by at most {self.difference:.2g}, of outputs up to {self.largest:.2g}"
        return told if self.before == "kviz" else f"{told}, before as {self.before} gives them"

    def tables(self) -> list[Table]:
        """Return the table of what was changed and compared."""
        rows = [("changed", change) for change in self.changes] or [("changed", "nothing")]
        rows.append(("outputs before and after", self.compared))
        return [Table(sanitise(self.path, 200), ("what", "found"), rows)]

    def __repr__(self) -> str:
        return text(self.tables()[0])

    def _repr_html_(self) -> str:
        return html(tables=self.tables(), notes=self.notes)


def convert(
    source: str | Path,
    path: str | Path,
    *,
    trust: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    max_memory: int | str | None = None,
    max_layers: int | None = None,
    force: bool = False,
) -> Conversion:
    """Write an old model's file as a `.keras` file that Keras alone opens.

    Outputs on noise are compared before and after; where they differ by more than rounding, nothing is
    written. How the model was trained is left out.

    Args:
        source: a file that `kviz.load_model` reads; or with `trust` the folder of a SavedModel, which
            becomes one layer and needs its folder for ever: what asks for outputs alone works on it
            (`predict`, occlusion, RISE), its own layers cannot be looked at.
        path: a file ending in `.keras`.
        trust: also read what can run code of whoever made it: Lambda layers, a SavedModel.
        custom_objects: your own classes and functions that the file names, by name.
        max_memory: as `kviz.load_model` takes it.
        max_layers: as `kviz.load_model` takes it.
        force: replace a file that kviz did not write too.

    Returns:
        A `Conversion`: what was changed, and how outputs differ.

    Raises:
        ModelError: if it cannot be read, or gives other outputs when it is read back.
        OutputError: if it cannot be written.

    >>> import keras, tempfile
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder + "/old.keras")
    ...     convert(folder + "/old.keras", folder + "/new.keras").compared
    'equal on noise'
    """
    validate_bool("trust", trust)
    source, path = Path(source), Path(path)
    if path.suffix != ".keras":
        raise OutputError(f"Expected a new file ending in .keras. Received: {sanitise(path, 120)}")
    with whole_file(path, force=force) as part:
        if _is_saved_model(source):
            network, run, changes = _wrapped(source, trust)
            before = "the SavedModel"
        else:
            network = load_model(
                source, trust=trust, custom_objects=custom_objects, max_memory=max_memory,
                max_layers=max_layers,
            )  # fmt: skip
            changes = network.made_new
            run, before = _as_before(source, network, trust, max_memory)
        save_model(network, part)
        again = _read_back(part, trust=trust, custom_objects=custom_objects)
        after = _running(again) if trust else _bounded(again, max_memory)
        difference, largest, note = _difference(network.model, run, after)
    notes = (*network.notes, *([note] if note else []))
    return Conversion(source, path, changes, difference, largest, before, notes)


def _is_saved_model(source: Path) -> bool:
    try:
        return source.is_dir() and (source / "saved_model.pb").is_file()
    except (OSError, ValueError):  # a name that cannot be
        return False


def _read_back(path: Path, *, trust: bool, custom_objects: Mapping[str, Any] | None) -> Any:
    """Return what Keras alone makes of the new file."""
    try:
        with (
            settings_kept(),
            objects_known(custom_objects),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=not trust)
    except Exception as error:  # Keras refuses files with seven types of exception
        raise ModelError(f"Keras does not read the new file: {first_line(error)}") from error


def _as_before(
    source: Path, network: Network, trust: bool, max_memory: Any
) -> tuple[Callable[[Any], Any], str]:
    """Return what gives the outputs of the old file, and who that is."""
    if not trust:
        return _bounded(network.model, max_memory), "kviz"
    if network.made_new and find_spec("tf_keras") is not None:
        try:
            with settings_kept(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                old = import_module("tf_keras").models.load_model(source, compile=False)
                _running(old)(_noise(network.model))
        except Exception:  # noqa: S110 - what Keras 2 does not read or run cannot be compared with
            pass
        else:
            return _running(old), "tf_keras"
    return _running(network.model), "kviz"


def _running(model: Any) -> Callable[[Any], Any]:
    return lambda inputs: model(inputs, training=False)


def _bounded(model: Any, max_memory: Any) -> Callable[[Any], Any]:
    """Return what runs a stranger's model as every verb does, within the bounds of what it may take."""
    network = Network(model, stranger=True, max_memory=max_memory)

    def run(inputs: Any) -> Any:
        tensors = keras.tree.flatten(inputs)
        if network.engine.channels_first:
            tensors = [to_channels_last(tensor) for tensor in tensors]
        arrays = [np.asarray(tensor) for tensor in tensors]
        return network(dict(zip(network.engine.input_names, arrays, strict=True)))

    return run


# Comparing


def _difference(
    model: Any, before: Callable[[Any], Any], after: Callable[[Any], Any]
) -> tuple[float | None, float | None, str | None]:
    """Return the largest difference of outputs on noise, the largest output, or why there is none."""
    inputs = _noise(model)
    if inputs is None:
        return None, None, "Outputs were not compared: the model does not say what it takes."
    try:
        first, repeated = _numbers(before(inputs)), _numbers(before(inputs))
    except Exception as error:  # whatever the model does
        why = first_line(error)
        return None, None, f"Outputs were not compared, since the old model does not run: {why}"
    if not _same(first, repeated):
        return None, None, "Outputs were not compared: the model gives others each time."
    second = _numbers(after(inputs))
    if [a.shape for a in first] != [a.shape for a in second]:
        raise ModelError("The new file gives outputs of other shapes than the old one.")
    largest = max((float(np.nanmax(np.abs(a), initial=0)) for a in first), default=0.0)
    found = max(map(_apart, first, second), default=0.0)
    if not found <= _ROUNDING * max(largest, 1e-30):
        raise ModelError(
            f"The new file gives other outputs than the old one: they differ by {found:.3g}, of "
            f"outputs up to {largest:.3g}. Nothing was written."
        )
    return found, largest, None


def _noise(model: Any) -> Any:
    """Return noise as a model takes it, None where it does not say, or takes texts."""
    structure = input_structure(model)
    if structure is None:
        structure = list(getattr(model, "inputs", None) or ())  # of a Sequential one
        if len(structure) != 1:
            return None
        structure = structure[0]
    random = np.random.default_rng(0)

    def made(tensor: Any) -> Any:
        # A batch of two, and of a few cells where any number will do.
        shape = [size or (_ANY if place else 2) for place, size in enumerate(tensor.shape)]
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if "float" in dtype:
            return tf.cast(random.random(shape), dtype)
        return None if dtype == "string" else tf.cast(random.integers(0, 2, shape), dtype)

    inputs = keras.tree.map_structure(made, structure)
    return None if any(one is None for one in keras.tree.flatten(inputs)) else inputs


def _numbers(outputs: Any) -> list[Any]:
    return [np.asarray(tf.cast(one, "float64")) for one in keras.tree.flatten(outputs)]


def _same(first: list[Any], second: list[Any]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))


def _apart(first: Any, second: Any) -> float:
    """Return the largest difference of two arrays; what is NaN or infinite in both is equal."""
    equal = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.where(equal, 0.0, np.abs(first - second))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0))


# A SavedModel


def _wrapped(folder: Path, trust: bool) -> tuple[Network, Callable[[Any], Any], tuple[str, ...]]:
    """Return a SavedModel as one layer of a functional model, what it gives itself, what changed."""
    if not trust:
        raise ModelError(
            f"{sanitise(folder, 120)} is a SavedModel, which runs what its maker put into it. If you "
            f"trust them as you trust a program, convert it with {spelled('trust', 'True')}."
        )
    try:
        with settings_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = tf.saved_model.load(str(folder.absolute()))
            name, function, takes = _endpoint(loaded)
            inputs = keras.tree.map_structure(
                lambda spec: keras.Input(batch_shape=spec.shape.as_list(), dtype=spec.dtype.name),
                takes,
            )
            layer = keras.layers.TFSMLayer(str(folder.absolute()), call_endpoint=name)
            model = keras.Model(inputs, _alone(layer(inputs)))
    except KvizError:
        raise
    except Exception as error:  # whatever TensorFlow makes of a stranger's folder
        raise ModelError(
            f"The SavedModel {sanitise(folder, 80)} cannot be wrapped: {first_line(error)}"
        ) from error
    names, note = names_beside(folder, classes_of(model))
    network = Network(model, class_names=names, notes=[note] if note else [])
    change = (
        f"wrapped as one layer, a black box: its endpoint {name!r} is read from "
        f"{sanitise(folder.absolute(), 120)}, which has to stay there"
    )

    def run(inputs: Any, _kept: Any = loaded) -> Any:  # its variables live as long as it does
        return _alone(function(inputs))

    return network, run, (change,)


def _alone(outputs: Any) -> Any:
    """Return the one output that a dict of outputs holds, or all of them."""
    if isinstance(outputs, dict) and len(outputs) == 1:
        return next(iter(outputs.values()))
    return outputs


def _endpoint(loaded: Any) -> tuple[str, Any, Any]:
    """Return the name and function of what a SavedModel serves, and what it takes."""
    for name in ("serve", "serving_default", *getattr(loaded, "signatures", {})):
        function = getattr(loaded, name, None) if name == "serve" else None
        one = function or getattr(loaded, "signatures", {}).get(name)
        if one is None:
            continue
        concrete = getattr(one, "concrete_functions", [one])[0]
        args, kwargs = concrete.structured_input_signature
        given = [*args, *kwargs.values()]
        if len(given) == 1:
            return name, one, given[0]
    raise ModelError(
        "The SavedModel has no endpoint that takes one input, or one list or dict of inputs, which a "
        "layer of Keras could call. Where it was made: model.export(…)."
    )
