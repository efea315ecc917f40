"""What a layer of Keras 1 and 2 is called, takes and means in Keras 3: the table of rules.

A rule changes one layer's config in place. Its `change` is the reason, and is what is said of a file in
which it was made. An argument that Keras 3 no longer has is left out where its value is what Keras 3
does; where it is another, the model is refused, since it would compute something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kviz._checks import sanitise
from kviz.errors import ModelError


@dataclass
class Layer:
    """A layer's class and parameters on their way.

    Attributes:
        kind: the class's name.
        config: its parameters.
        name: the layer's name, for what is said.
    """

    kind: str
    config: dict[str, Any]
    name: str


@dataclass(frozen=True)
class Rule:
    """One thing that Keras 3 writes otherwise.

    Attributes:
        change: why and what, in plain words.
        make: makes it in a layer; returns whether there was anything to change.
    """

    change: str
    make: Callable[[Layer], bool]


# Parameters

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose")
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D")
_RECURRENT = ("SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "RNN")
_CELLS = ("SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells")
_POOLS = tuple(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3))
_RANDOM = tuple(
    f"Random{what}"
    for what in (
        "Brightness",
        "Contrast",
        "Crop",
        "Flip",
        "Height",
        "Rotation",
        "Translation",
        "Width",
        "Zoom",
    )
)
_SPATIAL = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")

_CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "Model": "Functional",
    "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization",
    "TimeDistributedDense": "Dense",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
}

_KERNELS = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_WINDOWS = {"border_mode": "padding", "dim_ordering": "data_format"}
_CONVOLUTION = (
    _KERNELS
    | _WINDOWS
    | {
        "nb_filter": "filters",
        "filter_length": "kernel_size",
        "subsample": "strides",
        "subsample_length": "strides",
        "atrous_rate": "dilation_rate",
    }
)
_RECURRENCE = _KERNELS | {
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
# Keras 1, by class: what a parameter was called, and is.
_PARAMETERS: dict[str, dict[str, str]] = {
    **dict.fromkeys(_CONVOLUTIONS, _CONVOLUTION),
    **dict.fromkeys(
        _SEPARABLE,
        _CONVOLUTION
        | {
            f"{part}_{old}": f"{part}_{new}"
            for part in ("depthwise", "pointwise")
            for old, new in (("init", "initializer"),)
        },
    ),
    **dict.fromkeys(_RECURRENT, _RECURRENCE),
    "ConvLSTM2D": _RECURRENCE | _CONVOLUTION,
    **dict.fromkeys(_POOLS, _WINDOWS | {"pool_length": "pool_size", "stride": "strides"}),
    **dict.fromkeys(_SPATIAL, _WINDOWS | {"p": "rate"}),
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Dense": _KERNELS | {"output_dim": "units"},
    "Dropout": {"p": "rate"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "PReLU": {"init": "alpha_initializer"},
    "UpSampling1D": {"length": "size"},
}
_WORDS = {
    "data_format": {"tf": "channels_last", "th": "channels_first", "default": "channels_last"},
    "initializer": {
        "zero": "zeros",
        "one": "ones",
        "normal": "random_normal",
        "uniform": "random_uniform",
    },
    "activation": {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax"},
}

_ANY: tuple[Any, ...] = ()  # whatever the value: it says nothing of what a layer gives
_NO = (False, None)
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
# What Keras 3 has no argument for: why, the classes, and the values that are what it does.
_GONE: tuple[tuple[str, tuple[str, ...], dict[str, tuple[Any, ...]]], ...] = (
    (
        "groups left out: Keras 3's layer has one group",
        (*_SEPARABLE, *_TRANSPOSED),
        {"groups": (1, None)},
    ),
    (
        "kernel_initializer and its like left out: the kernels are depthwise and pointwise",
        _SEPARABLE,
        dict.fromkeys(("kernel_initializer", "kernel_regularizer", "kernel_constraint"), _ANY),
    ),
    ("rng_type left out: Keras 3 has one kind of random numbers", _RANDOM, {"rng_type": _ANY}),
    (
        "time_major left out: time is never the first axis in Keras 3",
        _RECURRENT,
        {"time_major": _NO},
    ),
    (
        "implementation and its like left out: they change no result",
        (*_RECURRENT, *_CELLS),
        {
            "implementation": _ANY,
            "consume_less": _ANY,
            "forget_bias_init": _ANY,
            "reverse_state_order": _NO,
        },
    ),
    (
        "Arguments without effect left out",
        (*_SPATIAL, "Discretization"),
        {"noise_shape": _ANY, "trainable": _ANY},
    ),
    (
        "fused, renorm and their like left out: Keras 3 has one BatchNormalization",
        ("BatchNormalization",),
        {
            "fused": _ANY,
            "renorm": _NO,
            "renorm_clipping": _ANY,
            "renorm_momentum": _ANY,
            "virtual_batch_size": _NO,
            "adjustment": _NO,
            "mode": (0, 2),
        },
    ),
    (
        "causal left out: attention is causal where it is called so",
        ("Attention", "AdditiveAttention"),
        {"causal": _NO},
    ),
    (
        "Shapes of attention left out: Keras 3 finds them itself",
        ("MultiHeadAttention", "Softmax"),
        {
            **dict.fromkeys(("query_shape", "key_shape", "value_shape"), _ANY),
            **dict.fromkeys(("softmax_robust_masking", "robust_masking"), _NO),
        },
    ),
    (
        "input_length and its like left out of Embedding",
        ("Embedding",),
        {"input_length": _ANY, "dropout": _ANY, "sparse": _ANY},
    ),
    (
        "output_shape left out: it follows from the rest",
        ("Conv2DTranspose", "Conv3DTranspose"),
        {"output_shape": _ANY},
    ),
)


def _class(layer: Layer) -> bool:
    old = layer.kind
    if old == "CuDNNGRU":
        layer.config["reset_after"] = True
    if old.startswith("CuDNN"):
        layer.config["recurrent_activation"] = "sigmoid"
    layer.kind = _CLASSES.get(old, old)
    return layer.kind != old


def _merge(layer: Layer) -> bool:
    if layer.kind != "Merge":
        return False
    kinds = {
        "sum": "Add",
        "mul": "Multiply",
        "ave": "Average",
        "max": "Maximum",
        "concat": "Concatenate",
    }
    mode, config = layer.config.get("mode"), layer.config
    if layer.config.get("layers") or mode not in kinds:
        raise ModelError(
            f"Layer {sanitise(layer.name, 40)!r} is a Merge of Keras 1 with {sanitise(mode, 40)!r}, or "
            "of models in a Sequential; Keras 3 has no equal layer."
        )
    layer.kind = kinds[str(mode)]
    layer.config = {"name": config.get("name", layer.name)}
    if mode == "concat":
        layer.config["axis"] = config.get("concat_axis", -1)
    return True


def _parameters(layer: Layer) -> bool:
    names = _PARAMETERS.get(layer.kind, {})
    found = [old for old in names if old in layer.config]
    for old in found:
        value = layer.config.pop(old)
        layer.config.setdefault(names[old], value)
    return bool(found) | _kernel_size(layer)


def _kernel_size(layer: Layer) -> bool:
    sides = ("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")
    for names in sides:
        if all(name in layer.config for name in names):
            layer.config["kernel_size"] = [layer.config.pop(name) for name in names]
            return True
    return False


def _words(layer: Layer) -> bool:
    changed = False
    for key, value in layer.config.items():
        for end, words in _WORDS.items():
            if key.endswith(end) and isinstance(value, str) and value in words:
                layer.config[key] = words[value]
                changed = True
    return changed


def _numbers(layer: Layer) -> bool:
    changed = False
    for key, value in layer.config.items():
        if isinstance(value, dict) and value.keys() == {"type", "value"}:
            layer.config[key] = value["value"]
            changed = True
    return changed


def _penalty(key: str, value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a regularizer or constraint of Keras 1, None for one that has no equal."""
    if key.endswith("regularizer"):
        amounts = {name: value.get(name) or 0.0 for name in ("l1", "l2")}
        return {"class_name": "L1L2", "config": amounts}
    if value.get("name") == "MaxNorm":
        amounts = {"max_value": value.get("m", 2), "axis": value.get("axis", 0)}
        return {"class_name": "MaxNorm", "config": amounts}
    return None


def _penalties(layer: Layer) -> bool:
    changed = False
    for key, value in layer.config.items():
        old = isinstance(value, dict) and "name" in value and "class_name" not in value
        if old and key.endswith(("regularizer", "constraint")):
            layer.config[key] = _penalty(key, value)
            changed = True
    return changed


def _gone(kinds: Iterable[str], keys: dict[str, tuple[Any, ...]]) -> Callable[[Layer], bool]:
    def make(layer: Layer) -> bool:
        found = [key for key in keys if key in layer.config] if layer.kind in kinds else []
        for key in found:
            value = layer.config.pop(key)
            if keys[key] and not any(value is one or value == one for one in keys[key]):
                raise ModelError(
                    f"Layer {sanitise(layer.name, 40)!r} is a {layer.kind} with {key} of "
                    f"{sanitise(value, 40)}, for which Keras 3 has no equivalent."
                )
        return bool(found)

    return make


def _axis(layer: Layer) -> bool:
    axis = layer.config.get("axis")
    if layer.kind != "BatchNormalization" or not isinstance(axis, list) or len(axis) != 1:
        return False
    layer.config["axis"] = axis[0]
    return True


def _reset_after(layer: Layer) -> bool:
    if layer.kind not in ("GRU", "GRUCell") or "reset_after" in layer.config:
        return False
    layer.config["reset_after"] = False
    return True


def _of_keras(kind: str, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": config,
        "registered_name": None,
    }


def _hard_sigmoid(layer: Layer) -> bool:
    changed = False
    for key, value in layer.config.items():
        function = value.get("config") if isinstance(value, dict) else value
        if key in ("activation", "recurrent_activation") and function == "hard_sigmoid":
            name = f"{layer.name}_{key}"
            steps = [
                _of_keras("Rescaling", name=f"{name}_line", scale=0.2, offset=0.5),
                _of_keras("ReLU", name=f"{name}_clip", max_value=1.0),
            ]
            layer.config[key] = _of_keras("Pipeline", name=name, layers=steps)
            changed = True
    return changed


def _random_crop(layer: Layer) -> bool:
    if layer.kind != "RandomCrop":
        return False
    layer.kind = "Resizing"
    layer.config.pop("seed", None)
    layer.config["crop_to_aspect_ratio"] = True
    return True


def _policy(layer: Layer) -> bool:
    dtype = layer.config.get("dtype")
    if not isinstance(dtype, dict) or "Policy" not in str(dtype.get("class_name")):
        return False
    given = dtype.get("config")
    name = given.get("name") if isinstance(given, dict) else given
    config = {"name": name}
    layer.config["dtype"] = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": config,
        "registered_name": None,
    }
    return True


def _input(layer: Layer) -> bool:
    if layer.kind != "InputLayer":
        return False
    changed = False
    for old, new in (("batch_input_shape", "batch_shape"), ("input_dtype", "dtype")):
        if old in layer.config:
            layer.config.setdefault(new, layer.config.pop(old))
            changed = True
    return changed


def _inputs(layer: Layer) -> bool:
    keys = ["batch_input_shape", "input_dtype"]
    if layer.kind not in ("Embedding", "InputLayer"):
        keys += ["input_dim", "input_length"]
    return bool([layer.config.pop(key) for key in keys if key in layer.config])


def _lambda(layer: Layer) -> bool:
    if layer.kind != "Lambda":
        return False
    old = ("module", "function_type", "output_shape_type", "output_shape_module")
    changed = [layer.config.pop(key) for key in old if key in layer.config]
    function = layer.config.get("function")
    if isinstance(function, list) and len(function) == 3:
        parts = dict(zip(("code", "defaults", "closure"), function, strict=True))
        layer.config["function"] = {"class_name": "__lambda__", "config": parts}
    return bool(changed)


# Of a class of the user's own too.
OWN_RULES = (
    Rule("Arrays of one number replaced by the number", _numbers),
    Rule("Input shapes and their like moved out of the layer", _inputs),
)

# In this order: each sees what those before it have made.
RULES = (
    OWN_RULES[0],
    Rule("Class renamed as in Keras 3", _class),
    Rule("Merge of Keras 1 replaced by the layer of its mode", _merge),
    Rule("Arguments renamed as in Keras 3", _parameters),
    Rule("Values of arguments renamed as in Keras 3", _words),
    Rule("Regularizers and constraints of Keras 1 rewritten", _penalties),
    Rule("batch_input_shape renamed to batch_shape", _input),
    OWN_RULES[1],
    *(Rule(why, _gone(kinds, keys)) for why, kinds, keys in _GONE),
    Rule("axis of BatchNormalization written as one number", _axis),
    Rule("reset_after=False written out for GRU, which Keras 2 meant", _reset_after),
    Rule(
        "hard_sigmoid replaced by clip(0.2 x + 0.5, 0, 1), which Keras 2 meant by it", _hard_sigmoid
    ),
    Rule("RandomCrop replaced by what it does in inference, a Resizing", _random_crop),
    Rule("Mixed precision written as a DTypePolicy", _policy),
    Rule("Lambda's function written as in Keras 3", _lambda),
)
