"""What a file's config may name: the list is the installed Keras's, strangers' tricks do nothing."""

import inspect
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.api_export import REGISTERED_NAMES_TO_OBJS
from keras.src.saving import serialization_lib

import kviz
from kviz.network import allowed

BASES = {
    "layer": keras.layers.Layer,
    "operation": keras.Operation,
    "initializer": keras.initializers.Initializer,
    "regularizer": keras.regularizers.Regularizer,
    "constraint": keras.constraints.Constraint,
    "policy": keras.dtype_policies.DTypePolicy,
    "quantizer": (keras.Quantizer, keras.quantizers.QuantizationConfig),
    "seed": keras.random.SeedGenerator,
}

# Keras's own, looked at and not allowed: they hold or call programs, or compute nothing.
PROGRAMS = {
    *(
        f"keras.layers.{n}"
        for n in ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
    ),
    *(
        f"keras.src.ops.core.{n}"
        for n in (
            "AssociativeScan",
            "Cond",
            "ForiLoop",
            "Map",
            "Scan",
            "Switch",
            "VectorizedMap",
            "WhileLoop",
        )
    ),
    "keras.src.ops.linalg.JVP",
}
ABSTRACT = {
    "keras.Function",
    "keras.Operation",
    "keras.Initializer",
    "keras.Regularizer",
    "keras.constraints.Constraint",
    "keras.Quantizer",
    "keras.quantizers.QuantizationConfig",
    "keras.src.ops.math.SegmentReduction",
    # Models of columns of a table, and of two models in training.
    "keras.utils.FeatureSpace",
    "keras.distillation.Distiller",
}


def below(kind):
    """Give every class of Keras below another."""
    for one in kind.__subclasses__():
        if one.__module__.startswith("keras."):
            yield one
        yield from below(one)


def test_the_list_is_the_installed_keras():
    exported = {
        name: thing
        for name, thing in REGISTERED_NAMES_TO_OBJS.items()
        if inspect.isclass(thing) and issubclass(thing, tuple(flat(BASES.values())))
    }
    public = set(exported.values())
    private = {
        f"{kind.__module__}.{kind.__name__}"
        for kind in below(keras.Operation)
        if kind not in public and not issubclass(kind, keras.layers.Layer)
    }
    # Private layers are those that files of keras.applications hold, and nobody's base.
    hidden = {
        f"{kind.__module__}.{kind.__name__}"
        for kind in below(keras.layers.Layer)
        if kind not in public
        and not inspect.isabstract(kind)
        and not kind.__name__.startswith("Base")
    }
    bases = {name for name in hidden if ".layers." in name and "legacy" not in name}
    found = set(exported) | private | (hidden - bases)
    assert found - set(allowed.ALLOWED) == PROGRAMS | ABSTRACT
    assert set(allowed.ALLOWED) - found == set()


def flat(values):
    for value in values:
        yield from value if isinstance(value, tuple) else (value,)


def test_a_name_allowed_is_resolved_by_keras_to_its_family():
    for name, family in allowed.ALLOWED.items():
        module, _, last = name.rpartition(".")
        config = {"module": module, "class_name": last, "config": {}, "registered_name": None}
        found = serialization_lib._retrieve_class_or_fn(last, None, module, "class", config)
        assert issubclass(found, BASES[family]), name
        assert allowed.family_of(config) == family, name


def test_the_activations_are_the_installed_keras():
    functions = {
        name.rpartition(".")[2]
        for name, thing in REGISTERED_NAMES_TO_OBJS.items()
        if name.startswith("keras.activations.") and inspect.isfunction(thing)
    }
    assert functions - {"get", "serialize", "deserialize"} == allowed.ACTIVATIONS


# Hostile files, each in a process of its own


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    image = keras.Input((8, 8, 3), name="in")
    x = layers.GlobalAveragePooling2D(name="g")(layers.Conv2D(4, 3, name="c1")(image))
    path = tmp_path_factory.mktemp("honest") / "honest.keras"
    keras.Model(image, layers.Dense(4, name="d")(x)).save(path)
    return path


@pytest.fixture(scope="module")
def of_honest(forks, honest):
    """What an honest file takes, by which a hostile one is measured."""
    outcome = forks.load(honest)
    assert (outcome.kind, outcome.acted) == ("", []), outcome
    assert outcome.kept
    return outcome


def reference(path):
    """Return what Keras writes for a function, and resolves to any public name."""
    module, _, name = path.rpartition(".")
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def made(path, registered=None, build=None, **config):
    module, _, name = path.rpartition(".")
    thing = {"module": module, "class_name": name, "config": config, "registered_name": registered}
    return thing | ({"build_config": build} if build else {})


def tensor(of="in", shape=(None, 8, 8, 3)):
    inner = {"shape": list(shape), "dtype": "float32", "keras_history": [of, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": inner}


def array(value, dtype="float32", kind="__numpy__"):
    return {"class_name": kind, "config": {"value": value, "dtype": dtype}}


def layer(path, *arguments, name="x", node=None, **config):
    """Return a layer's entry in a functional model, called with arguments."""
    node = {"args": list(arguments), "kwargs": {}} if node is None else node
    return made(path, name=name, **config) | {"name": name, "inbound_nodes": [node]}


def with_layer(*entries, reads=None):
    """Return an edit that puts layers into a model; the convolution reads the last of them."""

    def edit(config):
        inside = config["config"]["layers"]
        inside[1:1] = json.loads(json.dumps(entries))
        if reads:
            convolution = next(entry for entry in inside if entry["name"] == "c1")
            convolution["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = reads

    return edit


def with_dense(**values):
    def edit(config):
        dense = next(entry for entry in config["config"]["layers"] if entry["name"] == "d")
        dense["config"].update(values)

    return edit


def with_entry(**values):
    def edit(config):
        next(entry for entry in config["config"]["layers"] if entry["name"] == "d").update(values)

    return edit


def nested(config):
    """Put the model inside itself, compiled with what the file likes."""
    inner = json.loads(json.dumps(config))
    inner |= {
        "name": "inner",
        "compile_config": COMPILED,
        "inbound_nodes": [{"args": [tensor()], "kwargs": {}}],
    }
    inner["config"]["name"] = "inner"
    config["config"]["layers"] = [config["config"]["layers"][0], inner]
    config["config"]["output_layers"] = ["inner", 1, 0]


def top(**values):
    return lambda config: config.update(values)


CORE = "keras.src.ops.core"
GALLERY = reference("keras.visualization.plot_image_gallery")
EPSILON = reference("keras.config.set_epsilon")
SWITCH = f"{CORE}.Switch"
COMPILED = {"optimizer": EPSILON, "loss": EPSILON, "metrics": [EPSILON]}
FORBIDDEN = "not among the layers"
LIFTED = made(
    "keras.Sequential",
    name="sq",
    build={"input_shape": [None, 8, 8, 3]},
    layers=[
        made(
            "keras.layers.EinsumDense",
            name="e",
            equation="abcd,de->abce",
            output_shape=[8, 8, -(10**12)],
        )
    ],
) | {"name": "sq", "inbound_nodes": []}

HOSTILE = {
    # Operations that call what they are given, with functions by reference.
    "switch writes a picture": (
        with_layer(
            layer(
                SWITCH,
                0,
                [GALLERY],
                array([[[[1.0, 2.0, 3.0]]]]),
                None,
                None,
                None,
                1,
                1,
                [0, 255],
                1,
                "PWNED.png",
            )
        ),
        "Switch",
    ),
    "switch on a tensor": (with_layer(layer(SWITCH, tensor(), [EPSILON], 0.5)), "Switch"),
    "cond downloads": (
        with_layer(layer(f"{CORE}.Cond", True, *[reference("keras.datasets.mnist.load_data")] * 2)),
        "Cond",
    ),
    "map": (with_layer(layer(f"{CORE}.Map", EPSILON, tensor())), "Map"),
    "vectorized map": (
        with_layer(layer(f"{CORE}.VectorizedMap", tensor(), function=EPSILON)),
        "VectorizedMap",
    ),
    "scan": (with_layer(layer(f"{CORE}.Scan", EPSILON, tensor())), "Scan"),
    "while loop": (
        with_layer(
            layer(
                f"{CORE}.WhileLoop",
                array([1.0]),
                cond=reference("keras.ops.any"),
                body=reference("keras.ops.abs"),
            )
        ),
        "WhileLoop",
    ),
    "gradient of a function": (
        with_layer(layer("keras.src.ops.linalg.JVP", EPSILON, [tensor()], [tensor()])),
        "JVP",
    ),
    "a graph of operations": (with_layer(layer("keras.Function", tensor())), FORBIDDEN),
    # Functions and classes where there should be none.
    "a function as an argument": (
        with_layer(layer("keras.layers.Dropout", tensor(), EPSILON, rate=0.5)),
        "set_epsilon",
    ),
    "a function in keyword arguments": (
        with_layer(
            layer("keras.layers.ReLU", node={"args": [tensor()], "kwargs": {"mask": EPSILON}})
        ),
        "set_epsilon",
    ),
    "an activation that a call is given": (
        with_layer(
            layer(
                "keras.layers.ReLU",
                node={
                    "args": [tensor()],
                    "kwargs": {"activation": reference("keras.activations.relu")},
                },
            )
        ),
        FORBIDDEN,
    ),
    "set_epsilon as an activation": (
        with_layer(layer("keras.layers.Activation", tensor(), activation=EPSILON)),
        "set_epsilon",
    ),
    "set_floatx as an activation, by name alone": (
        with_dense(
            activation={
                "module": "builtins",
                "class_name": "function",
                "config": "set_floatx",
                "registered_name": "function",
            }
        ),
        "set_floatx",
    ),
    "activations.get as an activation": (
        with_dense(activation=reference("keras.activations.get")),
        "activations.get",
    ),
    "deserialize as an activation": (
        with_dense(
            activation={
                "module": "builtins",
                "class_name": "function",
                "config": "deserialize",
                "registered_name": "function",
            }
        ),
        "deserialize",
    ),
    "a loss as an activation": (
        with_dense(activation=reference("keras.losses.mean_squared_error")),
        FORBIDDEN,
    ),
    "an activation as an initializer": (
        with_dense(kernel_initializer=reference("keras.activations.relu")),
        FORBIDDEN,
    ),
    "an initializer as an activation": (
        with_dense(activation=made("keras.initializers.Ones")),
        "takes none",
    ),
    "a layer as an initializer": (
        with_dense(kernel_initializer=made("keras.layers.Identity")),
        "takes none",
    ),
    "a regularizer as a constraint": (
        with_dense(kernel_constraint=made("keras.regularizers.L2")),
        "takes none",
    ),
    "a function of pictures as a regularizer": (
        with_dense(kernel_regularizer=reference("keras.utils.save_img")),
        "save_img",
    ),
    "a class as an activation": (
        with_dense(activation=reference("keras.layers.TFSMLayer")),
        "TFSMLayer",
    ),
    "an allowed class as a function": (
        with_dense(activation=reference("keras.layers.Dense")),
        FORBIDDEN,
    ),
    "a function as a class": (
        with_dense(activation=made("keras.visualization.plot_image_gallery")),
        FORBIDDEN,
    ),
    "an activation as a class": (with_layer(made("keras.activations.relu")), FORBIDDEN),
    "an optimizer as a layer": (with_layer(layer("keras.optimizers.Adam", tensor())), FORBIDDEN),
    "a callback as a layer": (
        with_layer(layer("keras.callbacks.CSVLogger", tensor(), filename="PWNED.csv")),
        FORBIDDEN,
    ),
    "a policy in place of a layer": (
        with_layer(layer("keras.DTypePolicy", tensor())),
        "takes none",
    ),
    "an operation in place of a cell": (
        with_layer(layer("keras.layers.RNN", tensor(), cell=made("keras.src.ops.numpy.Abs"))),
        "takes none",
    ),
    "a wrapped program": (
        with_layer(
            layer(
                "keras.layers.TimeDistributed",
                tensor(),
                layer=made("keras.layers.TFSMLayer", name="t", filepath="x"),
            )
        ),
        "'t' is a TFSMLayer",
    ),
    "a type": (
        with_layer(
            layer(
                "keras.layers.ReLU",
                tensor(),
                {"class_name": "__typespec__", "spec_name": "x", "module": "keras", "config": []},
            )
        ),
        "__typespec__",
    ),
    # Modules.
    "builtins": (with_layer(layer("builtins.eval", tensor())), "builtins.eval"),
    "eval as a function": (
        with_dense(
            activation={
                "module": "builtins",
                "class_name": "function",
                "config": "eval",
                "registered_name": "function",
            }
        ),
        "'eval'",
    ),
    "os": (with_dense(activation=reference("os.system")), "os.system"),
    "keras_hub": (
        with_layer(layer("keras_hub.src.models.backbones.Backbone", tensor())),
        FORBIDDEN,
    ),
    "keras_hub registered": (
        with_layer(
            layer("keras_hub.models.Backbone", tensor()) | {"registered_name": "keras_hub>Backbone"}
        ),
        "classes of keras_hub: 'Backbone'",
    ),
    "a module of Keras that is not imported": (
        with_layer(layer("keras.src.utils.sequence_utils_nobody_imports.Thing", tensor())),
        FORBIDDEN,
    ),
    "an old road without a module": (
        with_layer(
            {
                k: v
                for k, v in layer("keras.layers.Lambda", tensor(), function="relu").items()
                if k != "module"
            }
        ),
        "Lambda",
    ),
    "a layer without a module": (
        with_layer(
            {
                k: v
                for k, v in layer("keras.layers.Dense", tensor(), units=3).items()
                if k != "module"
            }
        ),
        FORBIDDEN,
    ),
    "a module that is no text": (
        with_layer(layer("keras.layers.ReLU", tensor()) | {"module": ["keras"]}),
        FORBIDDEN,
    ),
    "a registered name that is no text": (with_entry(registered_name=["x"]), "cannot"),
    "another registered name": (with_entry(registered_name="Custom>Other"), "cannot be loaded"),
    "the model is a function": (top(**reference("keras.datasets.mnist.load_data")), FORBIDDEN),
    "the model is a program": (
        top(**made("keras.layers.TFSMLayer", name="t", filepath="x")),
        "'t' is a TFSMLayer",
    ),
    # What a layer is called with and built with.
    "a call on constants": (
        with_layer(
            layer("keras.layers.UpSampling2D", array([[[[1.0, 2.0, 3.0]]]]), size=[20000, 20000])
        ),
        "on constants alone",
    ),
    "a call on nothing": (
        with_layer(layer("keras.src.ops.numpy.Arange", node=[])),
        "on constants alone",
    ),
    "a call on a slice": (
        with_layer(
            layer(
                "keras.src.ops.numpy.Abs",
                {
                    "class_name": "__slice__",
                    "config": {"start": tensor(), "stop": None, "step": None},
                },
            )
        ),
        "on constants alone",
    ),
    "a tensor beside a huge constant": (
        with_layer(layer("keras.src.ops.numpy.Add", tensor(), array([[0.0] * 262_145]))),
        "constant of over 1 MB",
    ),
    "a constant of bytes": (
        with_layer(layer("keras.src.ops.numpy.Add", tensor(), array("x", "S2000000000"))),
        "constant of type",
    ),
    "a constant of an object": (
        with_layer(layer("keras.src.ops.numpy.Add", tensor(), array([EPSILON], kind="__tensor__"))),
        "not of numbers",
    ),
    "built with a function": (with_entry(build_config={"input_shape": EPSILON}), "set_epsilon"),
    "built with a class": (
        with_entry(build_config=made("keras.layers.Dense", units=2)),
        "takes none",
    ),
    "built for a huge input": (
        with_entry(build_config={"shapes_dict": {"query_shape": [1, 10**9]}}),
        "inputs of shape",
    ),
    "an input by another name": (
        with_layer(
            made("keras.layers.InputLayer", name="i2", shape=[10**9])
            | {"name": "i2", "inbound_nodes": []}
        ),
        "inputs of shape",
    ),
    "a vocabulary of another file": (
        with_layer(layer("keras.layers.StringLookup", tensor(), vocabulary="/etc/passwd")),
        "cannot be loaded",
    ),
    # Memory.
    "a split into very many": (
        with_layer(layer("keras.src.ops.numpy.Split", tensor(), indices_or_sections=10**8, axis=0)),
        "indices_or_sections of 100000000",
    ),
    "very many of one axis": (
        with_layer(layer("keras.src.ops.core.Unstack", tensor(), num=10**8, axis=0)),
        "num of 100000000",
    ),
    "very many unknown words": (
        with_layer(
            layer("keras.layers.IntegerLookup", tensor(), num_oov_indices=10**8, vocabulary=[1])
        ),
        "num_oov_indices of 100000000",
    ),
    "a negative size": (
        lambda config: (
            with_layer(LIFTED)(config),
            with_dense(units=150_000_000, kernel_initializer=made("keras.initializers.Ones"))(
                config
            ),
        ),
        "far more weights",
    ),
    "a huge layer": (with_dense(units=150_000_000), "far more weights"),
    "nested too deep": (top(x=json.loads('{"a":' * 80 + "1" + "}" * 80)), "64 deep"),
    "a long name": (with_entry(name="A" * 1001), "of 1001 characters"),
    "a long key": (top(**{"A" * 1001: 1}), "of 1001 characters"),
    "a long text": (top(x="A" * 2_000_000), "of 2000000 characters"),
    "many numbers": (top(x=[0] * 1_000_001), "more entries than any model"),
    "many texts": (top(x=[""] * 1_000_001), "more entries than any model"),
    "many keys": (
        top(x={str(place): 0 for place in range(600_000)}),
        "more entries than any model",
    ),
}


def edited(honest, path, edit, weights=None):
    """Write an honest file with its config edited, its weights replaced."""
    with zipfile.ZipFile(honest) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                edit(config)
                data = json.dumps(config)
            new.writestr(name, weights if weights and name.endswith(".h5") else data)
    return path


def refused_alone(outcome, path, of_honest):
    assert outcome.kind == "ModelError", outcome
    assert len(outcome.said) <= 300
    assert outcome.said.isprintable()
    assert outcome.acted == []
    assert outcome.kept
    assert outcome.peak < of_honest.peak + 512
    assert [*path.parent.iterdir()] == [path]
    if "far more weights" not in outcome.said and "cannot be loaded" not in outcome.said:
        # Told by the same look, in this process, since nothing is made or run for it.
        assert outcome.said in kviz.inspect(path).refused


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_config_is_refused_and_does_nothing(tmp_path, forks, honest, of_honest, kind):
    edit, match = HOSTILE[kind]
    path = edited(honest, tmp_path / "hostile.keras", edit)
    outcome = forks.load(path)
    assert match in outcome.said, outcome
    refused_alone(outcome, path, of_honest)


def as_h5(honest, path, edit, version):
    """Write an honest file's config, edited, into a legacy HDF5 file with its weights."""
    with zipfile.ZipFile(honest) as old:
        config = json.loads(old.read("config.json"))
    edit(config)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs.create("model_config", json.dumps(config), dtype=h5py.string_dtype())
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"c1", b"d"]
        for name, shape in (("c1", (3, 3, 3, 4)), ("d", (4, 4))):
            inside = group.create_group(name)
            inside.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            inside["kernel:0"] = np.zeros(shape, "float32")
            inside["bias:0"] = np.zeros(4, "float32")
    return path


def bare(config):
    """Take the modules out of a config, as Keras 2 wrote it."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if value.get("class_name") not in ("function", "DTypePolicy"):
                value.pop("module", None)
            stack += value.values()
        elif isinstance(value, list):
            stack += value


# What is made new of an old file is Keras's own, whatever stood beside its name.
PUT_RIGHT = {
    "a layer as an initializer",  # Identity is one too
    "a layer without a module",
    "a module that is no text",
    "a registered name that is no text",
    "built with a class",
    "built with a function",
}


def test_an_honest_config_in_h5_loads(tmp_path, forks, honest):
    for version in ("3.15.1", "2.15.0"):
        path = as_h5(honest, tmp_path / f"{version}.h5", bare, version)
        outcome = forks.load(path)
        assert (outcome.kind, outcome.acted) == ("", []), outcome


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if place % 8 == 0 else pytest.mark.slow)
        for place, kind in enumerate(HOSTILE)
    ],
)
@pytest.mark.parametrize("version", ["3.15.1", "2.15.0"])
def test_a_hostile_config_in_h5_is_refused_and_does_nothing(
    tmp_path, forks, honest, of_honest, kind, version
):
    edit, _ = HOSTILE[kind]
    for edits in ([edit], [edit, bare]):

        def edited_so(config, edits=edits):
            for one in edits:
                one(config)

        path = as_h5(honest, tmp_path / "hostile.h5", edited_so, version)
        outcome = forks.load(path)
        if kind in PUT_RIGHT and not outcome.kind:
            assert outcome.acted == []
            assert outcome.kept
        else:
            refused_alone(outcome, path, of_honest)


@pytest.mark.parametrize("compiled", [COMPILED, {"optimizer": made("keras.callbacks.CSVLogger")}])
def test_how_a_nested_model_was_trained_is_left_out(tmp_path, forks, honest, compiled):
    def edit(config):
        nested(config)
        config["config"]["layers"][1]["compile_config"] = compiled
        config["compile_config"] = compiled

    outcome = forks.load(edited(honest, tmp_path / "nested.keras", edit))
    assert outcome.acted == []
    assert outcome.kept
    assert "epsilon" not in outcome.said, outcome


# Honest files


@keras.saving.register_keras_serializable(package="kviz-tests")
def doubled(x):
    return x * 2


@keras.saving.register_keras_serializable(package="kviz-tests")
class Holder(layers.Layer):
    """A layer of the caller's, with objects of Keras under names of its own."""

    def __init__(self, inner, start, squash, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.start, self.squash = inner, start, squash

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer=self.start)
        if not self.inner.built:
            self.inner.build(shape)

    def call(self, x):
        return self.squash(self.inner(x * self.scale))

    def get_config(self):
        objects = {"inner": self.inner, "start": self.start, "squash": self.squash}
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(thing) for name, thing in objects.items()
        }

    @classmethod
    def from_config(cls, config):
        for name in ("inner", "start", "squash"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def operations(image):
    x = ops.concatenate([image / 255, 1 - image / 255], axis=-1)
    x = ops.where(x > 0.5, x, ops.square(x)) + np.linspace(0, 1, 6, dtype="float32")
    x = ops.einsum("bhwc,cd->bhwd", x, np.eye(6, dtype="float32"))
    x = ops.expand_dims(x[:, 0], 1)[:, :, ::2, ..., :3]
    x = ops.transpose(ops.reshape(x, (-1, 4, 3)), (0, 2, 1))
    first, second = ops.split(x, 2, axis=-1)
    x = ops.stack([first, second], axis=1)
    return ops.mean(
        ops.cast(ops.softmax(keras.activations.relu(x, max_value=6)), "float32"), axis=(1, 2)
    )


def with_objects(image):
    dense = layers.Dense(
        4,
        activation=layers.LeakyReLU(negative_slope=0.1),
        kernel_initializer=keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3)),
        kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
        bias_constraint=keras.constraints.MaxNorm(2),
        activity_regularizer="l2",
    )
    return layers.Dense(2, activation=keras.activations.gelu)(dense(layers.Flatten()(image)))


def of_the_callers(image):
    x = layers.Dense(3, activation=doubled, kernel_initializer=keras.initializers.Ones())(image)
    held = Holder(layers.Dense(2), keras.initializers.Constant(2.0), keras.activations.tanh)
    return layers.Flatten()(held(x))


def augmented(image):
    x = layers.Resizing(6, 6)(layers.Rescaling([1 / 255, 1 / 127, 1.0], offset=[0, 0, -1])(image))
    x = layers.RandomFlip("horizontal")(layers.RandomRotation(0.1)(x))
    x = layers.Pipeline([layers.RandomZoom(0.1), layers.CenterCrop(4, 4)])(x)
    return layers.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0, 2.0, 3.0])(x)


def recurrent(image):
    x = layers.TimeDistributed(layers.LSTM(3, return_sequences=True))(image)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    return layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(x)


def attending(image):
    x = layers.Reshape((64, 3))(image)
    x = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    x = layers.GroupQueryAttention(4, 4, 2)(x, x)
    return layers.SpectralNormalization(layers.Dense(3))(layers.LayerNormalization()(x))


def several_policies(image):
    x = layers.Conv2D(3, 3, dtype="mixed_float16")(image)
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="mixed_bfloat16")
    return layers.Dense(2, dtype=policies)(layers.Flatten(dtype="float32")(x))


def nested_twice(image):
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 3), layers.PReLU()], name="inner"
    )
    x = inner(image) + inner(image * 0.5)
    again = keras.Input((6, 6, 3))
    block = keras.Model(
        again, {"out": layers.Add()([again, layers.Conv2D(3, 1)(again)])}, name="block"
    )
    return layers.GlobalAveragePooling2D()(block(x)["out"])


@pytest.mark.parametrize(
    "build",
    [
        operations,
        with_objects,
        of_the_callers,
        augmented,
        recurrent,
        attending,
        several_policies,
        nested_twice,
    ],
)
def test_an_honest_model_gives_what_it_gave(tmp_path, build):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, build(image))
    for weight in model.weights:  # no zeros, which a missing value would be
        if "float" in weight.dtype:
            weight.assign(np.random.default_rng(0).uniform(0.1, 0.5, weight.shape))
    model.save(tmp_path / "honest.keras")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3)).astype("float32")
    network = kviz.load_model(tmp_path / "honest.keras")
    expected = model(pixels, training=False)
    np.testing.assert_array_equal(network.model(pixels, training=False), expected)


@pytest.mark.parametrize(
    "name",
    [
        "ConvNeXtTiny",
        "MobileNetV3Small",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("InceptionResNetV2", "NASNetMobile")),
    ],
)
def test_the_applications_of_keras_name_what_is_allowed(name):
    model = getattr(keras.applications, name)(weights=None)
    objects = allowed.Objects()
    objects.look(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))
    assert objects.unknown == {}
    assert not objects.custom


def test_a_name_of_a_class_inside_keras_is_the_class():
    config = {"module": "keras.src.layers.core.dense", "class_name": "Dense", "config": {}}
    assert allowed.family_of(config) == "layer"
    assert allowed.family_of({**config, "class_name": "initializers"}) is None


def test_what_the_caller_registered_may_act_and_settings_are_put_back(tmp_path, forks, honest):
    setup = """
@keras.saving.register_keras_serializable(package="mine")
class Sets(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        import random
        random.random()
        keras.config.set_floatx("float16")
        keras.config.set_epsilon(0.5)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_dtype_policy("mixed_float16")
    def call(self, x):
        return x
"""
    entry = layer("mine.Sets", tensor()) | {"registered_name": "mine>Sets"}
    path = edited(honest, tmp_path / "sets.keras", with_layer(entry))
    outcome = forks.load(path, setup=setup)
    assert (outcome.kind, outcome.kept) == ("", True), outcome

    def refused(config):
        with_layer(entry)(config)
        with_dense(units=10**8)(config)

    outcome = forks.load(edited(honest, tmp_path / "more.keras", refused), setup=setup)
    assert (outcome.kind, outcome.kept) == ("ModelError", True), outcome


def test_a_registered_name_opens_no_old_road(tmp_path, forks, honest):
    # Without a module Keras looks for the class's name, as before Keras 3, not for the registered one.
    setup = """
@keras.saving.register_keras_serializable(package="mine")
class Plain(keras.layers.Layer):
    def call(self, x):
        return x
"""
    entry = layer("keras.layers.Dense", tensor(), units=3) | {"registered_name": "mine>Plain"}
    del entry["module"]
    path = edited(honest, tmp_path / "old.keras", with_layer(entry))
    outcome = forks.load(path, setup=setup)
    assert (outcome.kind, outcome.acted) == ("ModelError", []), outcome
    assert "among the layers" in outcome.said
