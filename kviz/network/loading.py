"""load_model and save_model, and what a verb takes as a model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kviz._checks import bytes_of, first_line, sanitise, validate_bool, validate_int
from kviz.engine.backend import keras, tf
from kviz.engine.devices import several
from kviz.engine.preprocessing import preprocessing
from kviz.errors import KvizError, KvizWarning, ModelError, OptionError, OutputError
from kviz.network.class_names import ClassNames, names_beside
from kviz.network.hdf5 import MEGABYTE
from kviz.network.isolated import loaded_apart
from kviz.network.kept import objects_known, settings_kept
from kviz.network.legacy_weights import fill
from kviz.network.model_files import ModelFile, looked_at, variables_within, write_model
from kviz.network.network import Network, Preprocess, classes_of
from kviz.network.work import counted, in_order, steps_allowed, tensors_counted


def load_model(
    path: str | Path,
    *,
    preprocess: Preprocess | None = None,
    class_names: ClassNames | None = None,
    trust: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    max_memory: int | str | None = None,
    max_layers: int | None = None,
    isolated: bool = False,
) -> Network:
    """Read a saved Keras model as a function of pixels.

    The file is looked at before Keras sees it, and nothing in it is run unless `trust` is given: what
    its config names is among the layers, operations and functions that compute from tensors, or
    registered by you. Keras's settings and random states are afterwards what they were.

    Class names come from `class_names`, or from the file (`save_model` puts them there), or from a
    file beside it: `NAME.class_names.json` for `NAME.keras`, or `labels.txt`, `class_names.txt`,
    `labels.json` and their like where they name as many classes as the model has, which a note says.
    Preprocessing comes from `preprocess` or from the file.

    Args:
        path: a `.keras` file or a legacy `.h5`, whatever it is called; one that Keras 1 or 2 wrote
            is made new as it is read, and `made_new` of the network says what was changed.
        preprocess: what turns pixels 0-255 into what the model takes: the name of a
            `keras.applications` module (`"vgg16"`), the range that they are scaled to (`"0..1"`,
            `"-1..1"`), a Keras layer, or a function of tensors.
        class_names: a list, a dict from index to name or from name to index, a `.json` or text file, or
            the folder of the training data, a subfolder a class.
        trust: load what can run code of whoever made the file, Lambda and TFSMLayer layers, without
            Keras's safe mode. Safe mode is not a sandbox either.
        custom_objects: your own classes and functions that the file names, by name.
        max_memory: what one run of the model may take, `"8GB"` or bytes. Beyond it fewer images are
            taken at once; where one takes more it is refused. By default 4 GB, or half of what is
            free; with `trust` more is then only warned of.
        max_layers: how often layers may be called in all, models inside models counted through; by
            default 5,000, or with `trust` any number.
        isolated: load it in a process of its own first, and here only what was seen to load there: a
            file that crashes TensorFlow, fills the memory or never ends does so there. It takes time.
            Your own classes have to stand in a module that can be imported. It is no sandbox either.

    Returns:
        A `Network`. Weights that are not finite are warned of, and every result says so.

    Raises:
        ModelError: if the file is missing, broken, refused, or does not fit its class names.
        OptionError: if `preprocess`, `custom_objects`, `max_memory` or `max_layers` is not what it
            takes.

    >>> load_model("models/squeezenet.keras").image_size
    (227, 227)
    """
    if not isinstance(path, str | Path):
        raise ModelError(f"Expected the path of a model's file. Received: {sanitise(repr(path))}")
    max_memory, max_layers = _limits(max_memory, max_layers)
    path = Path(path)
    validate_bool("isolated", isolated)
    strategy = several()
    apart: Any = nullcontext(path)
    if isolated:
        apart = loaded_apart(
            path, custom_objects, trust=trust, max_memory=max_memory, max_layers=max_layers
        )
    try:
        with (
            settings_kept(),
            objects_known(custom_objects),
            counted(max_layers, trust=trust),
            apart as source,
            looked_at(source, trust=trust) as found,
            # A weight that a custom object made and did not save stays as it was made.
            variables_within(4 * found.stored + MEGABYTE, zeros=not (trust or found.custom)),
            tensors_counted(),
            warnings.catch_warnings(),
            strategy.scope() if strategy else nullcontext(),  # a copy of the weights on each device
        ):
            # What Keras remarks on a file's optimizer or build does not matter for looking.
            warnings.simplefilter("ignore")
            model = _built(found, sanitise(path, 120), trust)
            steps = steps_allowed()
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"{sanitise(path, 80)} holds a {sanitise(type(model).__name__)}, no model."
            )
    except (KvizError, MemoryError):
        raise
    except Exception as error:  # Keras refuses files with seven types of exception
        raise ModelError(f"{sanitise(path, 80)} cannot be loaded: {_reason(error)}") from error
    notes: list[str] = []
    if class_names is None:
        class_names, said = _class_names(path, found, model)
        notes += [said] if said else []
    if preprocess is None and (named := found.extra.get("preprocess")) is not None:
        try:
            preprocessing(str(named))
        except OptionError as error:
            raise ModelError(f"The preprocessing in {sanitise(path, 100)}: {error}") from None
        preprocess = str(named)
    if bad := _not_finite(model):
        said = f"Weights of the model are not finite (NaN or infinite): {sanitise(', '.join(bad), 120)}"
        notes.append(said)
        warnings.warn(KvizWarning(said), stacklevel=2)
    return Network(
        model,
        preprocess=preprocess,
        class_names=class_names,
        notes=notes,
        path=path,
        loss=found.loss,
        made_new=found.made_new,
        max_memory=max_memory,
        stranger=not trust,
        max_steps=steps,
    )


def _built(found: ModelFile, name: str, trust: bool) -> Any:
    """Return the model of a file that was looked at."""
    if found.config is None:
        return keras.saving.load_model(found.path, compile=False, safe_mode=not trust)
    # Keras takes a config apart as it reads it.
    config = in_order(copy.deepcopy(found.config))
    model = keras.saving.deserialize_keras_object(config, safe_mode=not trust)
    if isinstance(model, keras.Model):
        if not model.built:
            raise ModelError(f"{name} does not say what shape the model's input has.")
        fill(model, found.config, found.path, zipped=found.path.suffix != ".h5")
    return model


def _class_names(path: Path, found: ModelFile, model: Any) -> tuple[ClassNames | None, str | None]:
    """Return the class names in a model's file, else beside it, and what there is to say of them."""
    inside = found.extra.get("class_names")
    # A list and nothing else: a string would name a file of the one who loads it.
    if inside is not None and not isinstance(inside, list):
        raise ModelError(f"The class names in {sanitise(path, 120)} are not a list.")
    if inside:
        return inside, None
    outputs = getattr(model, "outputs", None) or []
    # Of a class map the channels are named.
    channels = outputs[0].shape[-1] if len(outputs) == 1 and len(outputs[0].shape) > 2 else None
    return names_beside(path, classes_of(model) or channels)


def _limits(max_memory: Any, max_layers: Any) -> tuple[int | None, int | None]:
    """Return both as numbers, None for what is usual."""
    return (
        None if max_memory is None else bytes_of(max_memory),
        None if max_layers is None else validate_int("max_layers", max_layers),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it has more layers one behind the other than Keras can build."
    return first_line(error)


def _not_finite(model: Any) -> list[str]:
    """Return the paths of weights that hold NaN or infinity."""
    bad = []
    for weight in model.weights:
        dtype = keras.backend.standardize_dtype(weight.dtype)
        # The sum is quicker, but can overflow where no weight does.
        if (
            "float" in dtype
            and not bool(tf.math.is_finite(tf.reduce_sum(weight.value)))
            and not bool(tf.reduce_all(tf.math.is_finite(weight.value)))
        ):
            bad.append(str(weight.path))
    return bad


def save_model(network: Network, path: str | Path, *, force: bool = False) -> Path:
    """Save a network as `.keras`, with its class names and its preprocessing's name inside.

    `keras.saving.load_model` reads the file like any other.

    Args:
        network: the network. Only a preprocessing that was given by name travels; a layer belongs
            into the model.
        path: a file ending in `.keras`.
        force: replace a file that kviz did not write too.

    Returns:
        The path.

    Raises:
        OutputError: if it cannot be written, ends otherwise, or would replace what kviz did not write.
        OptionError: if the preprocessing is a function, which no file can hold.

    >>> import tempfile
    >>> network = load_model("models/squeezenet.keras")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_model(save_model(network, folder + "/copy.keras")).class_names[963]
    'pizza'
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise OutputError(f"Expected a file ending in .keras. Received: {sanitise(path, 120)}")
    extra: dict[str, Any] = {}
    if network.class_names:
        extra["class_names"] = list(network.class_names)
    if network.preprocess is not None:
        if not isinstance(network.preprocess, str):
            raise OptionError(
                "A function or layer as preprocess= cannot be saved. Build it into the model, or "
                "name a range or a keras.applications module."
            )
        extra["preprocess"] = network.preprocess
    write_model(network.model, path, extra, force=force)
    return path


def as_network(model: Any) -> Network:
    """Return what a verb was given as a `Network`: one already, a `keras.Model`, or a path.

    Args:
        model: a `Network`, a `keras.Model` or a path.

    Returns:
        The network.

    Raises:
        ModelError: if it is none of these.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> as_network(model).model is model
    True
    """
    if isinstance(model, Network):
        return model
    return load_model(model) if isinstance(model, str | Path) else Network(model)
