"""What of a caller's could change: everything that a verb has to leave as it found it."""

import os
import random
import signal
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras.src.backend.common.global_state import GLOBAL_STATE_TRACKER
from keras.src.random.seed_generator import global_seed_generator
from tensorflow.python.eager import context


class Numbers(NamedTuple):
    """An array that is compared by its bytes, so that NaN is itself."""

    dtype: str
    shape: tuple
    data: bytes

    def __repr__(self):
        values = np.frombuffer(self.data, self.dtype).reshape(self.shape)
        return np.array2string(values, precision=3, threshold=4, edgeitems=1).replace("\n", "")


def frozen(value):
    """Return a value that can be compared later: an array's bytes, a container's items."""
    if isinstance(value, keras.Variable | tf.Variable) or tf.is_tensor(value):
        if not hasattr(value, "numpy"):
            return f"a tensor of a graph: {value!r}"  # which is dead once the graph is made
        value = np.asarray(value.numpy())
    if isinstance(value, np.ndarray):
        return Numbers(value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, Numbers):
        return value
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(item) for item in value]
    return value


def layers_of(model):
    """Return a model and all layers inside it, to any depth."""
    return list(model._flatten_layers(include_self=True, recursive=True))


def of_a_model(model):
    """Return what a model holds, by words that say what it is."""
    state = {
        "variables": {v.path: frozen(v) for v in model.variables},
        "losses": [frozen(loss) for loss in model.losses],
        "weights in training": [v.path for v in model.trainable_variables],
    }
    for place, layer in enumerate(layers_of(model)):
        own = vars(layer)
        policy = layer.dtype_policy
        held = {
            "name": layer.name,
            "trainable": layer.trainable,
            "dtype policy": (id(policy), policy.name),
            "dtypes": (layer.compute_dtype, layer.variable_dtype),
            "activation": id(getattr(layer, "activation", None)),
            "kind": type(layer),
            # An RNN's states are not among its variables.
            "states": frozen(keras.tree.flatten(getattr(layer, "states", None))),
            "seeds": [frozen(seeds.state) for seeds in own.get("_seed_generators", ())],
            "seed": frozen(getattr(getattr(layer, "seed_generator", None), "state", None)),
            "its own losses": len(own.get("_losses", ())),
            "attributes": sorted(own),
            "what they hold": {name: id(value) for name, value in own.items()},
        }
        state |= {f"{key} of layer {place} ({layer.name})": x for key, x in held.items()}
    return state


def of_the_process():
    """Return what Python, NumPy, Matplotlib, TensorFlow and Keras hold for everybody."""
    seeds = global_seed_generator()  # which it makes where there is none yet
    return {
        "keras.Layer.__call__": keras.Layer.__call__,
        "keras.Model.__call__": keras.Model.__call__,
        "tf.nn": {name: getattr(tf.nn, name) for name in dir(tf.nn)},
        "keras.ops": {name: getattr(keras.ops, name) for name in dir(keras.ops)},
        "keras.activations": {n: getattr(keras.activations, n) for n in dir(keras.activations)},
        "Keras's policy": keras.config.dtype_policy().name,
        "Keras's settings": (
            keras.config.floatx(),
            keras.config.epsilon(),
            keras.config.image_data_format(),
            keras.config.is_traceback_filtering_enabled(),
        ),
        "Keras's scopes": {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(GLOBAL_STATE_TRACKER).items()
            # A new layer's name counts on, as for anybody who makes one.
            if value is not None and value != [] and name != "object_name_uids"
        },
        "TensorFlow's functions run eagerly": tf.config.functions_run_eagerly(),
        "TensorFlow's log level": tf.get_logger().level,
        "Keras's random state": frozen(seeds.state),
        "TensorFlow's random state": context.context()._rng.getstate(),
        "TensorFlow's random generator": frozen(tf.random.get_global_generator().state),
        "NumPy's random state": frozen(list(np.random.get_state())),  # noqa: NPY002 - users' own
        "Python's random state": random.getstate(),
        "NumPy's errors": np.geterr(),
        "NumPy's way to print": repr(np.get_printoptions()),
        "rcParams": {key: frozen(value) for key, value in mpl.rcParams.items()},
        "Matplotlib's backend": mpl.get_backend(),
        "open figures": plt.get_fignums(),
        "warnings filters": list(warnings.filters),
        "how warnings are shown": warnings.showwarning,
        "environment": dict(os.environ),
        "working directory": Path.cwd(),
        "sys.path": list(sys.path),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
        "recursion limit": sys.getrecursionlimit(),
        "excepthook": sys.excepthook,
    }


def of_arrays(arrays):
    """Return what arrays hold, and whether they can be written."""
    return {f"array {i}": (frozen(a), str(a.flags)) for i, a in enumerate(arrays)}


def everything(model, arrays=()):
    """Return all that a verb has to leave as it was."""
    return of_the_process() | of_arrays(arrays) | of_a_model(model)


def differences(before, after):
    """Return what differs, in words, one line each."""
    found = []
    for key in before | after:
        then, now = before.get(key, "nothing"), after.get(key, "nothing")
        if then == now:
            continue
        if isinstance(then, dict) and isinstance(now, dict):
            then, now = (
                {k: v for k, v in one.items() if k not in other or other[k] != v}
                for one, other in ((then, now), (now, then))
            )
        found.append(f"{key}: {shortened(then)} became {shortened(now)}")
    return found


def shortened(value):
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}..."
