"""ActivationModel: a `keras.Model` from a model's inputs to the maps of its layers.

The model is called once, while it is traced (`kviz.engine.tracing`), and the maps of the layers that
are asked for are given back as a dict by layer path. This is the door to layers: `kviz.activations`
runs it compiled and in chunks, gradients use its trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kviz._checks import sanitise, validate_choice
from kviz._types import Selector
from kviz.engine.backend import keras, tf
from kviz.engine.layers import LayerInfo, LayerTable, layer_table
from kviz.engine.model_inputs import (
    input_structure,
    is_channels_first,
    to_channels_first,
    to_channels_last,
)
from kviz.engine.preprocessing import preprocessing
from kviz.engine.tracing import SCOPE_NAME, Call, Trace, tensors_of, trace
from kviz.errors import LayerError

Pooling = Literal["avg", "max"] | None


def as_map(call: Call, info: LayerInfo) -> Any:
    """Return the feature maps that a layer call gave: channels last, float32 or float64.

    Args:
        call: the call, traced.
        info: its layer.

    Raises:
        LayerError: if it gave several tensors, or one without positions.
    """
    tensors = tensors_of(call.outputs)
    if len(tensors) != 1:
        raise LayerError(
            f"Layer {sanitise(info.path)!r} gives {len(tensors)} tensors. Ask for a layer inside it."
        )
    if not info.spatial:
        raise LayerError(
            f"Layer {sanitise(info.path)!r} ({info.kind}) has no spatial output: its shape is "
            f"{sanitise(info.output_shape)}. Expected (N, H, W, channels); ask for a layer before it."
        )
    tensor = tensors[0]
    if tensor.dtype not in (tf.float32, tf.float64):
        tensor = tf.cast(tensor, "float32")
    return to_channels_last(tensor) if info.data_format == "channels_first" else tensor


def pooled(maps: Any, pooling: Pooling) -> Any:
    """Return `"avg"` or `"max"` over space of maps `(N, …, channels)`, the maps themselves for None."""
    space = list(range(1, maps.shape.rank - 1))
    if pooling is None:
        return maps
    return (tf.reduce_mean if pooling == "avg" else tf.reduce_max)(maps, space)


def as_number(tensor: Any) -> Any:
    """Return a tensor that NumPy has a type for, half precision as float32."""
    return tf.cast(tensor, "float32") if tensor.dtype in (tf.float16, tf.bfloat16) else tensor


def maps_of(traced: Trace, infos: Sequence[LayerInfo]) -> list[Any]:
    """Return the maps of layers in a trace."""
    return [as_map(traced.by_path[info.path], info) for info in infos]


@keras.saving.register_keras_serializable("kviz")
class FeatureMaps(keras.layers.Layer):  # type: ignore[misc]
    """The one layer of an `ActivationModel`: it calls a model and gives its layers' maps.

    Args:
        model: the `keras.Model`, whose weights these are.
        layer_names: as `LayerTable.select` takes it; paths where it is to be saved.
        outputs: whether to give the model's outputs too.
        pooling: `"avg"` or `"max"` over space, None to keep it.
        preprocess: the name of a `keras.applications` module, a range (`"0..1"`), a layer, or None.
        **kwargs: as `keras.layers.Layer` takes them.
    """

    def __init__(
        self,
        model: Any,
        layer_names: Selector = None,
        *,
        outputs: bool = False,
        pooling: Pooling = None,
        preprocess: Any = None,
        **kwargs: Any,
    ) -> None:
        validate_choice("pooling", pooling, ("avg", "max", None))
        # What it is given goes to the model as it is.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.model = model
        self.layer_names = layer_names
        self.outputs = outputs
        self.pooling = pooling
        self.preprocess = preprocess
        self.layer_table: LayerTable | None = None
        self._prepare = preprocessing(preprocess)
        self._eager = tf.function(self._maps, autograph=False, reduce_retracing=True)

    def call(self, inputs: Any) -> Any:
        """Return the maps by layer path, or with `outputs` maps and outputs."""
        return self._eager(inputs) if tf.executing_eagerly() else self._maps(inputs)

    def _maps(self, inputs: Any) -> Any:
        first = is_channels_first(self.model)
        traced = trace(self.model, keras.tree.map_structure(self._prepared, inputs))
        table = layer_table(traced, self.model, channels_first=first)
        infos = table.select(self.layer_names, maps=True)
        self.layer_table = LayerTable(infos)
        maps = {
            info.path: pooled(tf.cast(tensor, "float32"), self.pooling)
            for info, tensor in zip(infos, maps_of(traced, infos), strict=True)
        }
        if not self.outputs:
            return maps
        return {"maps": maps, "outputs": keras.tree.map_structure(as_number, traced.outputs)}

    def _prepared(self, tensor: Any) -> Any:
        if self._prepare is None or tensor.shape.rank != 4:
            return tensor
        first = is_channels_first(self.model)
        prepared = self._prepare(to_channels_last(tensor) if first else tensor)
        return to_channels_first(prepared) if first else prepared

    def build(self, input_shape: Any = None) -> None:  # noqa: ARG002
        """Make nothing: the model's own weights are all there are."""
        self.built = True

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        children = super()._trackable_children(save_type, **kwargs)
        if save_type != "savedmodel":
            return children
        # TensorFlow would trace the model for itself, and fail where a layer's name is no scope. Keras
        # exports the variables.
        kept = {name: child for name, child in children.items() if child is not self.model}
        return {**kept, "_layers": [layer for layer in self._layers if layer is not self.model]}

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer again, as Keras saves it."""
        saved = keras.saving.serialize_keras_object
        paths = self.layer_names
        if self.layer_table is not None:
            paths = [info.path for info in self.layer_table]
        return {
            **super().get_config(),
            "model": saved(self.model),
            "layer_names": paths,
            "outputs": self.outputs,
            "pooling": self.pooling,
            "preprocess": saved(self.preprocess),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FeatureMaps:
        """Return the layer of a config."""
        read = keras.saving.deserialize_keras_object
        both = {key: read(config[key], custom_objects) for key in ("model", "preprocess")}
        return cls(**{**config, **both})


@keras.saving.register_keras_serializable("kviz")
class ActivationModel(keras.Model):  # type: ignore[misc]
    """A model's feature maps by layer path: float32, channels last, in inference mode.

    Its weights are the model's own, trainable as they are. It takes what the model takes and gives a
    dict in the order of execution, `{path: maps}`; with `outputs` it gives
    `{"maps": {path: maps}, "outputs": …}`. `kviz.activation_model` makes it.

    Args:
        model: a `keras.Model` that knows the shapes of its inputs.
        layer_names: as `LayerTable.select` takes it.
        outputs: whether to give the model's outputs too.
        pooling: `"avg"` or `"max"`: one number per channel, `(N, channels)`.
        preprocess: what comes before: the name of a `keras.applications` module, a range, or a layer.
        name: the model's name.
        trainable: whether its weights are trainable.

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")])
    >>> ActivationModel(model).output["conv"].shape
    (None, 6, 6, 4)
    """

    def __init__(
        self,
        model: Any,
        layer_names: Selector = None,
        *,
        outputs: bool = False,
        pooling: Pooling = None,
        preprocess: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        door = FeatureMaps(
            model, layer_names, outputs=outputs, pooling=pooling, preprocess=preprocess,
            name="feature_maps", trainable=trainable,
        )  # fmt: skip
        inputs = _inputs_like(model)
        super().__init__(inputs=inputs, outputs=door(inputs), name=name)
        self._door = door

    @property
    def layer_table(self) -> LayerTable:
        """The layers whose maps it gives: channels, strides, receptive fields."""
        return _table(self._door)

    def export(self, filepath: Any, format: str = "tf_saved_model", **kwargs: Any) -> None:  # noqa: A002
        """Write an inference graph, as every Keras model does, whatever its layers are called.

        Args:
            filepath: a folder for a SavedModel.
            format: as `keras.Model.export` takes it.
            **kwargs: the same.
        """
        plain = all(SCOPE_NAME.fullmatch(variable.path) for variable in self.variables)
        if plain or format != "tf_saved_model":
            super().export(filepath, format=format, **kwargs)
            return
        # TensorFlow saves no variable that is called "my conv/kernel": equal ones of other names are.
        module = tf.Module()
        module.values = [
            tf.Variable(variable.value, trainable=False, name=f"variable_{place}")
            for place, variable in enumerate(self.variables)
        ]
        specs = keras.tree.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype, name=None), self.input
        )

        @tf.function(input_signature=[specs], autograph=False)  # type: ignore[untyped-decorator]
        def serve(inputs: Any) -> Any:
            values = [value.read_value() for value in module.values]
            with keras.StatelessScope(list(zip(self.variables, values, strict=True))):
                return self(inputs)

        module.serve = serve
        tf.saved_model.save(module, str(filepath), signatures={"serving_default": serve})

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same model again, as Keras saves it."""
        return _config(self._door, self.name)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ActivationModel:
        """Return the model of a config."""
        return cls(**_read(config, custom_objects))


@keras.saving.register_keras_serializable("kviz")
class DeferredActivationModel(keras.Model):  # type: ignore[misc]
    """An `ActivationModel` of a model that does not know its inputs' shapes before it gets data.

    Args: as `ActivationModel` takes them.
    """

    def __init__(
        self,
        model: Any,
        layer_names: Selector = None,
        *,
        outputs: bool = False,
        pooling: Pooling = None,
        preprocess: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype="float32", autocast=False)
        self._door = FeatureMaps(
            model, layer_names, outputs=outputs, pooling=pooling, preprocess=preprocess,
            name="feature_maps", trainable=trainable,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """Return the maps, as `ActivationModel` does."""
        return self._door(inputs)

    @property
    def layer_table(self) -> LayerTable:
        """The layers whose maps it gives, as soon as it has got data."""
        return _table(self._door)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same model again, as Keras saves it."""
        return _config(self._door, self.name)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return the model of a config."""
        return cls(**_read(config, custom_objects))


def make_activation_model(
    model: Any,
    layer_names: Selector = None,
    *,
    outputs: bool = False,
    pooling: Pooling = None,
    preprocess: Any = None,
    deferred: bool = False,
) -> Any:
    """Return an `ActivationModel`, or a deferred one.

    Args:
        model: the `keras.Model`.
        layer_names: as `LayerTable.select` takes it.
        outputs: whether to give the model's outputs too.
        pooling: `"avg"`, `"max"` or None.
        preprocess: the name of a `keras.applications` module, a range, a layer, or None.
        deferred: whether it is to find its layers when it gets data, since it cannot be called before.

    Raises:
        OptionError: if `pooling` is none of these.
        LayerError: if a layer is not there, not reached, or has no spatial output.
    """
    kind = DeferredActivationModel if deferred else ActivationModel
    return kind(
        model, layer_names, outputs=outputs, pooling=pooling, preprocess=preprocess,
        name=f"{model.name}_activations",
    )  # fmt: skip


def _inputs_like(model: Any) -> Any:
    """Return inputs as a model's own; a Sequential has only a list of one."""
    structure = input_structure(model)
    return keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name),
        model.inputs[0] if structure is None else structure,
    )


def _table(door: FeatureMaps) -> LayerTable:
    if door.layer_table is None:
        raise LayerError("The layers are known once the model has seen an image: call it on one.")
    return door.layer_table


def _config(door: FeatureMaps, name: str) -> dict[str, Any]:
    config = door.get_config()
    kept = ("model", "layer_names", "outputs", "pooling", "preprocess", "trainable")
    return {"name": name, **{key: config[key] for key in kept}}


def _read(config: Mapping[str, Any], custom_objects: Any) -> dict[str, Any]:
    read = keras.saving.deserialize_keras_object
    both = {key: read(config[key], custom_objects) for key in ("model", "preprocess")}
    return {**config, **both}
