"""What the config of a model's file may name: a list, so that a new name of Keras opens no door.

Keras makes whatever public object a config names, and calls layers and operations with what the
config gives them, while it loads. So each name is looked up here first, by what Keras would resolve it
to: layers and operations that compute from tensors, and where a parameter takes them initializers,
activations and their like. Anything else is a custom object that the caller has registered, or is
refused.
"""

from __future__ import annotations

import builtins
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.engine.backend import keras
from kviz.network.refusals import refuse

CONSTANT_BYTES = 1 << 20

CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__")

# By module: layers and models.
LAYERS = {
    "keras": "Layer Model Sequential",
    "keras.layers": """
        Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
        AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
        Add AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average
        AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
        CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization
        Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D
        ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D
        DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization
        Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
        GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
        GlobalMaxPooling3D GroupNormalization GroupQueryAttention HashedCrossing Hashing
        Identity InputLayer IntegerLookup LSTM LSTMCell LayerNormalization LeakyReLU Masking
        MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram
        Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
        RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration
        RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing
        RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
        RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
        RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
        ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
        SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
        SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization
        TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper
        ZeroPadding1D ZeroPadding2D ZeroPadding3D
        """,
    "keras._legacy.layers": "AlphaDropout RandomHeight RandomWidth ThresholdedReLU",
    "keras.src.applications.convnext": "LayerScale StochasticDepth",
    "keras.src.applications.inception_resnet_v2": "CustomScaleLayer",
    "keras.src.models.functional": "Functional",
}

# By module: operations that compute from tensors, and call nothing that they are given.
OPERATIONS = {
    "keras.src.activations.activations": "Mish ReLU",
    "keras.src.ops.core": """
        Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient
        Unstack
        """,
    "keras.src.ops.einops": "Rearrange",
    "keras.src.ops.image": """
        AffineTransform CropImages ElasticTransform ExtractPatches GaussianBlur HSVToRGB
        MapCoordinates PadImages PerspectiveTransform RGBToGrayscale RGBToHSV Resize SSIM
        ScaleAndTranslate SobelEdges
        """,
    "keras.src.ops.linalg": """
        Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank Norm Pinv Qr SVD
        Solve SolveTriangular
        """,
    "keras.src.ops.math": """
        CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK Logdet
        Logsumexp RFFT Rsqrt STFT SegmentMax SegmentMin SegmentProd SegmentSum TopK
        ViewAsComplex ViewAsReal
        """,
    "keras.src.ops.nn": """
        AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm BinaryCrossentropy CTCDecode
        CTCLoss CategoricalCrossentropy Celu Conv ConvTranspose DepthToSpace DepthwiseConv
        DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm
        LeakyRelu LogSigmoid LogSoftmax MaxPool Moments MultiHot Normalize OneHot PSNR Polar
        RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax Softplus Softsign
        SpaceToDepth SparseCategoricalCrossentropy SparsePlus SparseSigmoid Sparsemax Squareplus
        TanhShrink Threshold Unfold
        """,
    "keras.src.ops.numpy": """
        Abs Absolute Add All AllClose Amax Amin Angle Any Append Arange Arccos Arccosh Arcsin
        Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argpartition Argsort Array ArraySplit
        Average Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr
        BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil Clip Concatenate Conj Conjugate Copy
        Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad Diag Diagflat
        Diagonal Diff Digitize Divide DivideNoNan Dot Dsplit Dstack Einsum EmptyLike Equal Exp
        Exp2 ExpandDims Expm1 Fabs Flip Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod Full
        FullLike Gcd Geomspace GetItem Greater GreaterEqual Heaviside Histogram Hsplit Hstack
        Hypot I0 Imag Inner IsIn Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal Kron Lcm
        Ldexp LeftShift Less LessEqual Linspace Log Log10 Log1p Log2 Logaddexp Logaddexp2
        LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Matmul Max Maximum Mean Median
        Meshgrid Min Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod
        Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd
        Nansum Nanvar Ndim Negative Nextafter Nonzero NotEqual OnesLike Outer Pad Percentile
        Power Prod Ptp Quantile Rad2deg Ravel Real Reciprocal Repeat Reshape RightShift Roll
        Rot90 Round SearchSorted Select Sign Signbit Sin Sinc Sinh Size Slogdet Sort Split Sqrt
        Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot
        Tile Trace Transpose Trapezoid Tril Triu TrueDivide Trunc Unique UnravelIndex Vander Var
        Vdot View Vsplit Vstack Where ZerosLike
        """,
    "keras.src.quantizers.quantizers": "FakeQuantWithMinMaxVars",
}

INITIALIZERS = {
    "keras.initializers": """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform
        Ones Orthogonal RandomNormal RandomUniform STFT TruncatedNormal VarianceScaling Zeros
        """
}
REGULARIZERS = {"keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer"}
CONSTRAINTS = {"keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm"}
POLICIES = {
    "keras": "DTypePolicy FloatDTypePolicy",
    "keras.dtype_policies": """
        AWQDTypePolicy DTypePolicyMap GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy
        QuantizedFloat8DTypePolicy
        """,
}
QUANTIZERS = {
    "keras.quantizers": """
        AWQConfig AbsMaxQuantizer Float8QuantizationConfig GPTQConfig Int4QuantizationConfig
        Int8QuantizationConfig
        """
}
SEEDS = {"keras.random": "SeedGenerator"}

# Functions, only where a parameter takes an activation.
ACTIVATIONS = frozenset(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
    sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink threshold
    """.split()
)

ALLOWED = {
    f"{module}.{name}": family
    for family, modules in (
        ("layer", LAYERS),
        ("operation", OPERATIONS),
        ("initializer", INITIALIZERS),
        ("regularizer", REGULARIZERS),
        ("constraint", CONSTRAINTS),
        ("policy", POLICIES),
        ("quantizer", QUANTIZERS),
        ("seed", SEEDS),
    )
    for module, names in modules.items()
    for name in names.split()
}

_DTYPES = {
    **dict.fromkeys(("bool", "int8", "uint8", "float8_e4m3fn", "float8_e5m2"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
    "complex128": 16,
}
_SEVERAL_LAYERS = ("layer", "layers", "cell", "cells", "forward_layer", "backward_layer")
_CUSTOM = "custom"
_CALL = "call"  # what a layer is called or built with: tensors, numbers, no objects


def refuse_code(kind: str, config: Any) -> bool:
    """Refuse a layer that runs code of the one who made the file; return whether it is such."""
    plain = kind.rpartition(".")[2]  # Keras takes class "layers.Lambda" of module "keras" too
    if plain in CODE:
        name = config.get("name") if isinstance(config, dict) else None
        called = f"Layer {sanitise(name)!r} is" if name else "The model holds"
        refuse(
            f"{called} a {plain.strip('_')}, which runs code of whoever made the file. If you "
            f"trust them as you trust a program, load it with {spelled('trust', 'True')}."
        )
    return plain in CODE


@dataclass
class Objects:
    """The objects that a config names, each looked at where it stands.

    Attributes:
        trust: whether only what is unknown matters.
        unknown: custom classes that nobody has registered: the name to say, and the name under which
            Keras looks for it.
        custom: whether there is an object that the caller has registered.
        registered: the classes of such objects.
    """

    trust: bool = False
    custom: bool = False
    unknown: dict[str, str] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)

    def look(self, value: Any, key: str = "layer", owner: str = "") -> None:
        """Look at a value of a config and all inside it.

        Args:
            value: the value, as JSON gives it.
            key: the parameter that it is given for.
            owner: the family of the object that has that parameter.

        Raises:
            ModelError: if Keras would make of it what is not allowed there.
        """
        if isinstance(value, list):
            for entry in value:
                self.look(entry, key, owner)
        elif isinstance(value, dict):
            if "class_name" in value and "config" in value:  # what Keras takes for an object
                self._object(value, key, owner)
            else:
                for inner, entry in value.items():
                    self.look(entry, inner, owner)

    def _object(self, value: dict[str, Any], key: str, owner: str) -> None:
        kind, config = value["class_name"], value["config"]
        if not isinstance(kind, str):
            refuse(f"The model names a class {sanitise(kind, 40)!r}, which is no name.")
            return
        if kind.startswith("__") and kind not in CODE:
            self._constant(kind, config, owner)
            return
        if not self.trust and refuse_code(kind, config):
            self._parts({**value, "config": None}, _CUSTOM)  # the rest of it
            return
        if kind == "function":
            self._function(value, key, owner)
            return
        family = family_of(value)
        if family == _CUSTOM:
            self.custom = True
            self.registered.add(kind)
        if family is None:
            self._refuse(value, _full_name(value, kind), kind)
            family = _CUSTOM
        elif not (self.trust or _fits(family, key, owner)):
            refuse(
                f"The model gives the {family} object {sanitise(kind, 40)!r} for "
                f"{sanitise(key, 40)!r}, which takes none. Keras writes no such file."
            )
        if family == "policy" and not self.trust:
            _look_at_patterns(config)
        self._parts(value, family)

    def _parts(self, value: dict[str, Any], family: str) -> None:
        """Look at what an object is made of, called with and built with."""
        for part, inside in value.items():
            if part == "config":
                # Its items, and not the whole: it is a class's parameters, whatever they are called.
                for inner, entry in inside.items() if isinstance(inside, dict) else ():
                    self.look(entry, inner, family)
            elif part == "inbound_nodes":
                self._nodes(inside)
            elif part != "compile_config":  # which is left out
                self.look(inside, part, _CALL)

    def _constant(self, kind: str, config: Any, owner: str) -> None:
        """Look at what stands for a tensor, an array, a slice or bytes."""
        if self.trust or kind in ("__keras_tensor__", "__ellipsis__", "__bytes__"):
            return
        if kind == "__slice__":
            self.look(config, "slice", owner)
        elif kind not in ("__numpy__", "__tensor__") or not isinstance(config, dict):
            self._refuse({"module": "keras"}, kind, kind)
        else:
            size = _DTYPES.get(str(config.get("dtype")))
            if size is None:
                refuse(
                    f"The model holds a constant of type {sanitise(config.get('dtype'), 40)!r}. "
                    f"Expected numbers."
                )
            elif size * _numbers_in(config.get("value")) > CONSTANT_BYTES:
                refuse(
                    "The model's config holds a constant of over 1 MB, which would be worked on "
                    "while it is loaded."
                )

    def _function(self, value: dict[str, Any], key: str, owner: str) -> None:
        name, module = value["config"], value.get("module")
        if owner != _CALL and isinstance(name, str):
            if _registered(name) is not None:
                return
            takes = owner == _CUSTOM or key.endswith("activation")
            if takes and name in ACTIVATIONS and module in ("builtins", "keras.activations"):
                return
            # As Keras up to 3.6 wrote it: without the package under which it is registered.
            if module == "builtins" and any(
                custom.endswith(f">{name}") for custom in keras.saving.get_custom_objects()
            ):
                return
        named = name if module == "builtins" else _full_name(value, name)
        self._refuse(value, str(named), str(name))

    def _refuse(self, value: dict[str, Any], full: str, name: str) -> None:
        """Refuse what Keras has and kviz does not allow; note what only the caller can have."""
        module, registered = value.get("module"), value.get("registered_name")
        function = value.get("class_name") == "function"
        own = not _is_nobodys_own(module, name, function)
        if own and isinstance(registered, str) and _registered(registered) is None:
            self.unknown[name] = name if function else registered
            return
        if self.trust:
            return
        refuse(
            f"The model names {sanitise(full, 80)!r}, which is not among the layers, operations and "
            "functions that kviz lets a file use there: it could run what its maker likes. If you "
            f"trust them as you trust a program, load it with {spelled('trust', 'True')}."
        )

    def _nodes(self, nodes: Any) -> None:
        """Look at what a layer is called with while loading: a tensor in each call, or it would run."""
        for node in nodes if isinstance(nodes, list) else [nodes]:
            if isinstance(node, dict):
                self.look(node, "args", _CALL)
                symbolic = _holds_tensor([node.get("args"), node.get("kwargs")])
            else:  # Keras 2: [[layer, node, tensor], …], the fourth of them more arguments
                symbolic = isinstance(node, list) and bool(node) and all(map(_is_link, node))
                self.look(node, "args", _CALL)
            if not (symbolic or self.trust):
                refuse(
                    "The model calls a layer on constants alone, which would run while it is loaded. "
                    "Keras writes no such file."
                )


def _look_at_patterns(config: Any) -> None:
    """Refuse patterns of layers' names that could be tried for ever: Keras knows `block/.*`."""
    patterns = config.get("policy_map") if isinstance(config, dict) else None
    for pattern in patterns if isinstance(patterns, dict) else ():
        if any(mark in pattern.replace(".*", "", 2) for mark in "*+?{|"):
            refuse(
                f"The model looks for names of layers by the pattern {sanitise(pattern, 40)!r}, which "
                "could take for ever. Expected names, or names with .* in them."
            )


def _full_name(value: dict[str, Any], name: Any) -> str:
    module = value.get("module")
    return f"{module}.{name}" if module else str(name)


def _is_link(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) in (3, 4)
        and isinstance(entry[0], str)
        and all(type(place) is int for place in entry[1:3])
    )


def _holds_tensor(value: Any) -> bool:
    """Return whether Keras finds a symbolic tensor in it: in lists and dicts, not in slices."""
    if isinstance(value, list):
        return any(map(_holds_tensor, value))
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return bool(value["class_name"] == "__keras_tensor__")
        return any(map(_holds_tensor, value.values()))
    return False


def _numbers_in(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_numbers_in, value))
    if not isinstance(value, int | float):
        refuse("The model holds a constant that is not of numbers.")
    return 1


def _registered(name: Any) -> Any:
    return keras.saving.get_registered_object(name) if isinstance(name, str) else None


def _is_nobodys_own(module: Any, name: str, function: bool) -> bool:
    """Return whether a name is Keras's or Python's, which no caller should be told to register."""
    package = module.split(".")[0] if isinstance(module, str) else None
    if package != "builtins":
        return package == "keras" or (package in sys.stdlib_module_names and package != "__main__")
    if not function:
        return True
    # How Keras writes any function: Keras's own are found by the name alone.
    modules = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
    return hasattr(builtins, name) or any(
        hasattr(getattr(keras, module), name) for module in modules
    )


def _fits(family: str, key: str, owner: str) -> bool:
    """Return whether an object of a family can be given for a parameter."""
    if owner in (_CALL, _CUSTOM) or family == _CUSTOM:
        return owner != _CALL
    for one in ("initializer", "regularizer", "constraint"):
        if one == family or key.endswith(one):
            return one == family and key.endswith(one)
    return {
        "policy": key == "dtype" or owner == "policy",
        "quantizer": "quantiz" in key,
        "seed": key.startswith("seed"),
        "operation": key == "layers",
        "layer": key in _SEVERAL_LAYERS or key.endswith("activation"),
    }[family]


@cache
def _families() -> dict[type, str]:
    """Return the family of each class allowed, as the installed Keras has them."""
    found = {}
    for name, family in ALLOWED.items():
        module, _, last = name.rpartition(".")
        thing = vars(sys.modules[module]).get(last) if module in sys.modules else None
        if isinstance(thing, type):
            found[thing] = family
    return found


def family_of(value: dict[str, Any]) -> str | None:
    """Return the family of the class that Keras makes of a config, None where it is not allowed.

    Args:
        value: the config, with its class's name.

    Returns:
        The family, "custom" for what the caller has registered.
    """
    module, name = value.get("module"), value["class_name"]
    if "module" not in value:  # Keras reads it as it did before Keras 3, by another road
        return None
    if _registered(value.get("registered_name", name)) is not None:
        return _CUSTOM
    if not isinstance(module, str) or module.split(".")[0] != "keras":
        return None
    if f"{module}.{name}" in ALLOWED:
        return ALLOWED[f"{module}.{name}"]
    # An old or private name of a class that is allowed. Never imported on a config's word.
    thing = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return _families().get(thing) if isinstance(thing, type) else None
