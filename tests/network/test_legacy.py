"""Files of Keras 1 and 2, written by hand as those wrote them: each rule, against Keras 3 or NumPy.

What tf_keras itself writes is in test_legacy_tf_keras.py.
"""

import codecs
import io
import json
import marshal
import zipfile
from itertools import chain

import h5py
import keras
import numpy as np
import pytest
import refusals

import kviz
from kviz.network.hdf5 import names_of
from kviz.network.legacy import made_new
from kviz.network.legacy_rules import RULES

K = keras.layers
IMAGE = (None, 8, 8, 3)
SIGNAL = (None, 68, 24)


def refused(match, kind=kviz.ModelError):
    return refusals.refused(match, kind)


def old(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def called(layer, *inputs, **more):
    """Return a layer's entry in a functional model, called with the outputs of others."""
    node = [[name, 0, 0, more] for name in inputs]
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": [node] if inputs else []}


def entry(shape, name="in"):
    return called(
        old("InputLayer", name, batch_input_shape=list(shape), dtype="float32", sparse=False)
    )


def functional(layers, outputs, inputs=("in",), kind="Model"):
    config = {
        "name": "model",
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"class_name": kind, "config": config}


def stack(*layers, **config):
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [*layers], **config}}


def arrays_of(layer):
    weights = [*layer.trainable_weights, *layer.non_trainable_weights]
    return [(f"{weight.path}:0", np.array(weight)) for weight in weights]


def weights_of(model):
    return {layer.name: arrays_of(layer) for layer in model.layers}


def h5(path, config, weights, version="2.3.1", backend="tensorflow"):
    """Write a file as Keras 1 and 2 did."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["training_config"] = json.dumps({"loss": "mse"}).encode()
        group = file.create_group("model_weights")
        for attrs in (file.attrs, group.attrs):
            if version:
                attrs["keras_version"] = version.encode()
            attrs["backend"] = backend.encode()
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            inside = group.create_group(name)
            inside.attrs["weight_names"] = [weight.encode() for weight, _ in arrays]
            for weight, array in arrays:
                inside[weight] = array
    return path


def made_random(model):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 0.9, weight.shape) * rng.choice([-1, 1], weight.shape))
    for layer in model.layers:
        if isinstance(layer, K.BatchNormalization):
            layer.moving_variance.assign(abs(layer.moving_variance.numpy()))
    return model


def noise(model):
    rng = np.random.default_rng(2)
    inputs = [
        rng.normal(0, 1, [2, *(side or 7 for side in one.shape[1:])]).astype("float32")
        for one in model.inputs
    ]
    if isinstance(model.layers[-1], K.Embedding) or isinstance(model.layers[0], K.Embedding):
        inputs = [(abs(inputs[0]) * 3).round()]
    return inputs[0] if len(inputs) == 1 else inputs


def same(network, model, tolerance=1e-5):
    """Return the changes of a network that gives what a model gives, on inputs of the same shapes."""
    assert [one.shape for one in network.model.inputs] == [one.shape for one in model.inputs]
    inputs = noise(model)
    found, expected = network.model(inputs, training=False), model(inputs, training=False)
    if not isinstance(expected, list | tuple):
        found, expected = [found], [expected]
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert np.std(two) > 1e-3
        np.testing.assert_allclose(one, two, atol=tolerance, rtol=tolerance)
    return network.made_new


def new(shape, *layers):
    return keras.Sequential([keras.Input(batch_shape=shape), *layers])


def zeros():
    return {"class_name": "Zeros", "config": {"dtype": "float32"}}


def glorot():
    scaling = {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "seed": None}
    return {"class_name": "VarianceScaling", "config": {**scaling, "dtype": "float32"}}


def array(value):
    return {"type": "ndarray", "value": value}


def separable(kind, name, **config):
    kernel = {"kernel_initializer": glorot(), "kernel_regularizer": None, "kernel_constraint": None}
    return old(kind, name, groups=1, **kernel, **config)


def recurrent(kind, name, **config):
    return old(kind, name, time_major=False, implementation=1, units=3, **config)


def conv_1(name, filters=2, **config):
    """Return a convolution as Keras 1 wrote it."""
    return old(
        "Convolution2D",
        name,
        nb_filter=filters,
        nb_row=3,
        nb_col=2,
        init="glorot_uniform",
        border_mode="same",
        subsample=[1, 1],
        dim_ordering="tf",
        W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 1e-4},
        b_regularizer=None,
        W_constraint={"name": "MaxNorm", "m": 2, "axis": 0},
        b_constraint={"name": "NonNeg"},
        bias=True,
        **config,
    )


# By kind: the input's shape, the layers of a Sequential as they were, and as they are.
STACKS = {
    "the first layer holds the shape": lambda: (
        SIGNAL,
        [old("Conv1D", "c", filters=2, kernel_size=[3], batch_input_shape=SIGNAL)],
        [K.Conv1D(2, 3, name="c")],
    ),
    "the first layer holds its sizes": lambda: (
        (None, 9, 5),
        [old("LSTM", "l", output_dim=3, input_dim=5, input_length=9, inner_activation="sigmoid")],
        [K.LSTM(3, name="l")],
    ),
    "an input beside a shape": lambda: (
        IMAGE,
        [
            old("InputLayer", "i", batch_input_shape=IMAGE, ragged=False),
            old("Conv2D", "c", filters=2, kernel_size=[3, 3], batch_input_shape=IMAGE),
        ],
        [K.Conv2D(2, 3, name="c")],
    ),
    "one group and no kernel": lambda: (
        IMAGE,
        [
            separable("DepthwiseConv2D", "d", kernel_size=[3, 3], batch_input_shape=IMAGE),
            separable("SeparableConv2D", "s", filters=2, kernel_size=[3, 3]),
            old("Conv2DTranspose", "t", filters=2, kernel_size=[3, 3], groups=1),
        ],
        [
            K.DepthwiseConv2D(3, name="d"),
            K.SeparableConv2D(2, 3, name="s"),
            K.Conv2DTranspose(2, 3, name="t"),
        ],
    ),
    "initializers": lambda: (
        IMAGE,
        [
            old(
                "Conv2D",
                "c",
                filters=2,
                kernel_size=[3, 3],
                kernel_initializer=glorot(),
                bias_initializer=zeros(),
                kernel_regularizer={"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
                batch_input_shape=IMAGE,
            )
        ],
        [K.Conv2D(2, 3, name="c")],
    ),
    "an axis in a list": lambda: (
        IMAGE,
        [
            old(
                "BatchNormalizationV1",
                "b",
                axis=[3],
                epsilon=0.01,
                fused=True,
                renorm=False,
                virtual_batch_size=None,
                adjustment=None,
                batch_input_shape=IMAGE,
            )
        ],
        [K.BatchNormalization(epsilon=0.01, name="b")],
    ),
    "recurrent": lambda: (
        SIGNAL,
        [
            recurrent("GRU", "g", return_sequences=True, batch_input_shape=SIGNAL),
            {
                "class_name": "Bidirectional",
                "config": {
                    "name": "b",
                    "merge_mode": "concat",
                    "layer": recurrent("LSTM", "l", return_sequences=True),
                },
            },
            recurrent("SimpleRNN", "s"),
        ],
        [
            K.GRU(3, reset_after=False, return_sequences=True, name="g"),
            K.Bidirectional(K.LSTM(3, return_sequences=True), name="b"),
            K.SimpleRNN(3, name="s"),
        ],
    ),
    "numbers in arrays": lambda: (
        IMAGE,
        [
            old("LeakyReLU", "l", alpha=array(0.25), batch_input_shape=IMAGE),
            old("ThresholdedReLU", "t", theta=array(0.1)),
            old("ReLU", "r", max_value=0.7, negative_slope=array(0.0), threshold=array(0.0)),
        ],
        [K.LeakyReLU(negative_slope=0.25), K.ReLU(threshold=0.1), K.ReLU(max_value=0.7)],
    ),
    "words": lambda: (
        (None, 7),
        [
            old(
                "Embedding",
                "e",
                input_dim=20,
                output_dim=4,
                init="uniform",
                input_length=7,
                dropout=0.1,
                batch_input_shape=[None, 7],
            ),
            old("SpatialDropout1D", "s", rate=0.3, noise_shape=None, trainable=True),
            old("GlobalAveragePooling1D", "g"),
        ],
        [K.Embedding(20, 4, name="e"), K.GlobalAveragePooling1D()],
    ),
    "random pictures": lambda: (
        IMAGE,
        [old("RandomFlip", "r", mode="horizontal", rng_type="stateful", batch_input_shape=IMAGE)],
        [K.Identity()],
    ),
    "Keras 1": lambda: (
        IMAGE,
        [
            conv_1("c", activation="relu", input_dtype="float32", batch_input_shape=IMAGE),
            old("AtrousConvolution2D", "a", nb_filter=2, nb_row=2, nb_col=2, atrous_rate=[2, 2]),
            old(
                "MaxPooling2D",
                "m",
                pool_size=[2, 2],
                strides=[2, 2],
                border_mode="valid",
                dim_ordering="tf",
            ),
            old("BatchNormalization", "b", mode=0, axis=-1, beta_init="zero", gamma_init="one"),
            old("SpatialDropout2D", "sd", p=0.5, dim_ordering="tf"),
            old("GaussianNoise", "gn", sigma=0.1),
            old(
                "Deconvolution2D",
                "t",
                nb_filter=3,
                nb_row=2,
                nb_col=2,
                output_shape=[None, 5, 5, 3],
            ),
            old("Flatten", "f"),
            old("Dropout", "o", p=0.5),
            old(
                "Dense",
                "d",
                output_dim=4,
                init="normal",
                activation="linear",
                bias=True,
                input_dim=None,
            ),
            old("TimeDistributedDense", "td", output_dim=3),
        ],
        [
            K.Conv2D(2, (3, 2), padding="same", activation="relu", name="c"),
            K.Conv2D(2, 2, dilation_rate=2, name="a"),
            K.MaxPooling2D(),
            K.BatchNormalization(name="b"),
            K.Conv2DTranspose(3, 2, name="t"),
            K.Flatten(),
            K.Dense(4, name="d"),
            K.Dense(3, name="td"),
        ],
    ),
    "a random crop": lambda: (
        IMAGE,
        [old("RandomCrop", "r", height=4, width=5, seed=None, batch_input_shape=IMAGE)],
        [K.Resizing(4, 5, crop_to_aspect_ratio=True)],
    ),
    "attention": lambda: (
        SIGNAL,
        [
            old("Softmax", "s", axis=-1, robust_masking=False, batch_input_shape=SIGNAL),
        ],
        [K.Softmax()],
    ),
    "mixed precision": lambda: (
        IMAGE,
        [
            old(
                "Conv2D",
                "c",
                filters=2,
                kernel_size=[3, 3],
                dtype={"class_name": "PolicyV1", "config": {"name": "float32", "loss_scale": None}},
                batch_input_shape=IMAGE,
            )
        ],
        [K.Conv2D(2, 3, name="c")],
    ),
}


@pytest.mark.some(every=4)
@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("listed", [True, False])
def test_a_sequential_file_gives_what_keras_3_gives(tmp_path, kind, listed):
    shape, before, after = STACKS[kind]()
    model = made_random(new(shape, *after))
    config = stack(*before)
    if listed:  # until Keras 2.2.2
        config["config"] = config["config"]["layers"]
    network = kviz.load_model(h5(tmp_path / "old.h5", config, weights_of(model)))
    changes = same(network, model)
    assert any("List of layers" in change for change in changes) == listed


def joined(mode, layer, name):
    def build():
        image = keras.Input(IMAGE[1:], name="in")
        left, right = K.Conv2D(2, 3, name="a")(image), K.Conv2D(2, 3, name="b")(image)
        before = [entry(IMAGE)]
        before += [
            called(old("Conv2D", key, filters=2, kernel_size=[3, 3]), "in") for key in ("b", "a")
        ]
        before.append(called(old("Merge", "m", mode=mode, concat_axis=-1, layers=[]), "a", "b"))
        return functional(before, ["m"]), keras.Model(image, layer([left, right]))

    build.__name__ = name
    return build


def two_ends():
    first, second = keras.Input((5,), name="in"), keras.Input((4,), name="two")
    x = K.Concatenate()([first, second])
    before = [
        entry((None, 5)),
        entry((None, 4), "two"),
        called(old("Concatenate", "c", axis=-1), "in", "two"),
        called(old("Dense", "d", units=3), "c"),
        called(old("Dense", "e", units=2), "c"),
    ]
    after = keras.Model([first, second], [K.Dense(3, name="d")(x), K.Dense(2, name="e")(x)])
    return functional(before, ["d", "e"], ["in", "two"]), after


def states_among_the_inputs():
    signal, start = keras.Input((9, 4), name="in"), keras.Input((3,), name="h")
    before = [
        entry((None, 9, 4)),
        entry((None, 3), "h"),
        called(recurrent("SimpleRNN", "s"), "in", "h"),
    ]
    after = keras.Model([signal, start], K.SimpleRNN(3, name="s")(signal, initial_state=start))
    return functional(before, ["s"], ["in", "h"]), after


def constants_in_a_graph():
    node = 'name: "add"\nop: "AddV2"\ninput: "d"\ninput: "add/y"\n'
    before = [
        entry((None, 5)),
        called(old("Dense", "d", units=3), "in"),
        called(old("TensorFlowOpLayer", "t", node_def=node, constants={"1": [1.0, 2.0, 3.0]}), "d"),
        called(old("TensorFlowOpLayer", "u", node_def={"op": "Sub"}, constants={"0": 1.5}), "t"),
    ]
    numbers = keras.Input((5,), name="in")
    x = K.Dense(3, name="d")(numbers)
    return functional(before, ["u"]), keras.Model(numbers, 1.5 - (x + np.array([1.0, 2, 3], "f4")))


def functions_of_tensorflow():
    def op(name, function, node, kind="TFOpLambda"):
        return {**old(kind, name, function=function), "name": name, "inbound_nodes": [node]}

    span = {"start": 1, "stop": None, "step": 2}
    whole = {"start": None, "stop": None, "step": None}
    before = [
        entry((None, 5)),
        called(old("Dense", "d", units=4), "in"),
        op("a", "math.subtract", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["d", 0, 0], "name": None}]),
        op("b", "__operators__.add", ["a", 0, 0, {"y": ["d", 0, 0], "name": None}]),
        op("c", "math.multiply", ["a", 0, 0, {"y": [1.0, 2.0, 3.0, 4.0], "name": None}]),
        op("e", "concat", [["b", 0, 0, {"axis": -1}], ["c", 0, 0, {"axis": -1}]]),
        op(
            "f",
            "__operators__.getitem",
            ["e", 0, 0, {"slice_spec": [whole, span]}],
            "SlicingOpLambda",
        ),
    ]
    numbers = keras.Input((5,), name="in")
    x = K.Dense(4, name="d")(numbers)
    a = 2.0 - x
    e = keras.ops.concatenate([a + x * 1.0, a * np.array([1, 2, 3, 4], "f4")], -1)
    return functional(before, ["f"], kind="Functional"), keras.Model(numbers, e[:, 1::2])


def heads():
    attention = old(
        "MultiHeadAttention",
        "m",
        num_heads=2,
        key_dim=3,
        query_shape=[None, 9, 4],
        key_shape=[None, 9, 4],
        value_shape=[None, 9, 4],
        softmax_robust_masking=False,
    )
    before = [
        entry((None, 9, 4)),
        called(attention, "in", value=["in", 0, 0]),
        called(old("Attention", "a", use_scale=False, causal=False), "m", "in"),
    ]
    tokens = keras.Input((9, 4), name="in")
    x = K.MultiHeadAttention(2, 3, name="m")(tokens, tokens)
    return functional(before, ["a"]), keras.Model(tokens, K.Attention()([x, tokens]))


def slashes():
    before = [
        entry((None, 5)),
        called(old("Dense", "block/one", units=3), "in"),
        called(old("Dense", "block/two", units=3), "block/one"),
    ]
    numbers = keras.Input((5,), name="in")
    x = K.Dense(3, name="block_two")(K.Dense(3, name="block_one")(numbers))
    return functional(before, ["block/two"]), keras.Model(numbers, x)


GRAPHS = [
    slashes,
    joined("sum", K.Add(), "sum"),
    joined("concat", K.Concatenate(), "concat"),
    joined("max", K.Maximum(), "max"),
    joined("ave", K.Average(), "ave"),
    joined("mul", K.Multiply(), "mul"),
    two_ends,
    states_among_the_inputs,
    constants_in_a_graph,
    functions_of_tensorflow,
    heads,
]


@pytest.mark.parametrize("build", GRAPHS)
def test_a_functional_file_gives_what_keras_3_gives(tmp_path, build):
    config, model = build()
    made_random(model)
    weights = weights_of(model)
    if build is slashes:
        weights = {name.replace("_", "/"): arrays for name, arrays in weights.items()}
    network = kviz.load_model(h5(tmp_path / "old.h5", config, weights))
    same(network, model)


def clipped(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def test_hard_sigmoid_is_that_of_keras_2(tmp_path):
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(0, 1, (4, 3)).astype("f4"), rng.normal(0, 1, 3).astype("f4")
    config = stack(
        old("Dense", "d", units=3, activation="hard_sigmoid", batch_input_shape=[None, 4]),
        old("Activation", "a", activation="hard_sigmoid"),
    )
    path = h5(tmp_path / "old.h5", config, {"d": [("k", kernel), ("b", bias)]})
    network = kviz.load_model(path)
    x = rng.normal(0, 2, (50, 4)).astype("f4")
    expected = clipped(clipped(x @ kernel + bias))
    np.testing.assert_allclose(network.model(x), expected, atol=1e-6)
    assert np.ptp(expected) > 0.1


def test_hard_sigmoid_of_keras_3_is_left_as_it_is(tmp_path):
    model = made_random(new((None, 4), K.Dense(3, activation="hard_sigmoid")))
    model.save(tmp_path / "new.h5")
    same(kviz.load_model(tmp_path / "new.h5"), model)


# Weights as older versions laid them out


def test_weights_of_keras_1_are_laid_out_anew(tmp_path):
    model = made_random(
        new(
            (None, 8, 3),
            K.Conv1D(4, 3, name="c"),
            K.LSTM(2, name="l", return_sequences=True),
            K.GRU(2, name="g", reset_after=False),
        )
    )
    weights = weights_of(model)
    kernel, bias = (array for _, array in weights["c"])
    weights["c"] = [("c_W", kernel[:, None]), ("c_b", bias)]
    for name, order in (("l", "ifco"), ("g", "zrh")):
        parts = [np.split(array, len(order), -1) for _, array in weights[name]]
        # Keras 1 wrote each gate's three arrays together, i, c, f, o.
        stored = "icfo" if name == "l" else order
        weights[name] = [
            (f"{name}_{letter}_{place}", parts[place][order.index(letter)])
            for letter in stored
            for place in range(3)
        ]
    layers = [
        old(
            "Convolution1D",
            "c",
            nb_filter=4,
            filter_length=3,
            subsample_length=1,
            batch_input_shape=[None, 8, 3],
        ),
        old(
            "LSTM",
            "l",
            output_dim=2,
            return_sequences=True,
            inner_activation="sigmoid",
            consume_less="cpu",
        ),
        old("GRU", "g", output_dim=2, inner_activation="sigmoid"),
    ]
    path = h5(tmp_path / "old.h5", stack(*layers), weights, version=None)
    same(kviz.load_model(path), model)
    weights["c"][0] = ("c_W", np.transpose(kernel[:, None], (3, 2, 0, 1)))  # Keras 1.0 and 1.1
    same(
        kviz.load_model(h5(tmp_path / "older.h5", stack(*layers), weights, version="1.1.0")), model
    )


def test_kernels_of_theano_are_turned_round_and_its_channels_stand_first(tmp_path):
    model = made_random(
        new(
            (None, 8, 8, 3),
            K.Permute((3, 1, 2)),
            K.Permute((2, 3, 1)),
            K.Conv2D(2, (3, 2), name="c"),
        )
    )
    kernel, bias = np.array(model.layers[-1].kernel), np.array(model.layers[-1].bias)
    layers = [
        old("Permute", "p", dims=[3, 1, 2], batch_input_shape=IMAGE),
        old("Permute", "q", dims=[2, 3, 1]),
        conv_1("c"),
    ]
    layers[-1]["config"]["border_mode"] = "valid"
    weights = {"c": [("c_W", kernel[::-1, ::-1]), ("c_b", bias)]}
    path = h5(tmp_path / "old.h5", stack(*layers), weights, backend="theano")
    same(kviz.load_model(path), model)


def test_kernels_of_keras_1_with_channels_first(tmp_path):
    config = stack(conv_1("c", batch_input_shape=[None, 3, 8, 8]))
    config["config"]["layers"][0]["config"]["dim_ordering"] = "th"
    kernel = np.random.default_rng(0).normal(0, 1, (2, 3, 3, 2)).astype("f4")
    path = h5(
        tmp_path / "old.h5", config, {"c": [("W", kernel), ("b", np.zeros(2, "f4"))]}, "1.2.2"
    )
    layer = kviz.load_model(path).model.layers[-1]
    assert layer.data_format == "channels_first"
    np.testing.assert_array_equal(layer.kernel, kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_cudnn_layer_is_the_layer_that_it_stood_for(tmp_path, kind):
    gates = 4 if kind == "LSTM" else 3
    rng = np.random.default_rng(0)
    # cuDNN keeps a matrix for each gate, from its inputs to its units, and two biases.
    matrices = rng.normal(0, 0.5, (gates, 2, 5)).astype("f4")
    turns = rng.normal(0, 0.5, (gates, 2, 2)).astype("f4")
    biases = rng.normal(0, 0.5, (2, gates, 2)).astype("f4")
    model = new((None, 6, 5), getattr(K, kind)(2, name="r"))
    bias = biases.sum(0).ravel() if kind == "LSTM" else biases.reshape(2, -1)
    model.layers[-1].set_weights(
        [np.hstack([one.T for one in matrices]), np.hstack([one.T for one in turns]), bias]
    )
    stored = [
        ("kernel", np.hstack([one.reshape(5, 2) for one in matrices])),
        ("recurrent", np.hstack(list(turns))),
        ("bias", biases.ravel()),
    ]
    config = stack(old(f"CuDNN{kind}", "r", units=2, batch_input_shape=[None, 6, 5]))
    network = kviz.load_model(h5(tmp_path / "old.h5", config, {"r": stored}))
    same(network, model)


def test_a_lambda_by_an_older_keras_loads_with_trust(tmp_path):
    def doubled(x):
        return x * 2

    code = codecs.encode(marshal.dumps(doubled.__code__), "base64").decode()
    said = {"function_type": "lambda", "module": "__main__", "output_shape_type": "raw"}
    config = stack(old("Lambda", "l", function=[code, None, None], batch_input_shape=IMAGE, **said))
    network = kviz.load_model(h5(tmp_path / "old.h5", config, {}), trust=True)
    same(network, new(IMAGE, K.Rescaling(2.0)))


def test_every_rule_has_a_file():
    """Those of the tests above need each rule."""
    sigmoid = old("Activation", "a", activation="hard_sigmoid", batch_input_shape=IMAGE)
    code = ["c", None, None]
    function = old("Lambda", "l", function=code, module="__main__", batch_input_shape=IMAGE)
    configs = [stack(*make()[1]) for make in STACKS.values()]
    configs += [build()[0] for build in GRAPHS]
    configs += [stack(sigmoid), stack(function)]
    changes = [change for config in configs for change in made_new(config)[1]]
    assert {rule.change for rule in RULES} == {
        rule.change for rule in RULES if any(each.startswith(rule.change) for each in changes)
    }


# Models in models


def mobile(name):
    """Return a small MobileNet as Keras 2 wrote it, and as Keras 3 makes it."""
    image = keras.Input(IMAGE[1:], name="in")
    x = K.DepthwiseConv2D(3, use_bias=False, name="depth")(image)
    x = K.BatchNormalization(name="depth_bn")(x)
    x = K.Conv2D(4, 1, name="point")(K.ReLU(max_value=6.0, name="r")(x))
    after = keras.Model(image, K.Conv2D(4, 1, name="last")(x), name=name)
    before = functional(
        [
            entry(IMAGE),
            called(separable("DepthwiseConv2D", "depth", kernel_size=[3, 3], use_bias=False), "in"),
            called(old("BatchNormalization", "depth_bn", axis=[3]), "depth"),
            called(old("ReLU", "r", max_value=6.0, threshold=array(0.0)), "depth_bn"),
            called(old("Conv2D", "point", filters=4, kernel_size=[1, 1]), "r"),
            called(old("Conv2D", "last", filters=4, kernel_size=[1, 1]), "point"),
        ],
        ["last"],
    )
    before["config"]["name"] = name
    return before, after


def teachable():
    """Return what Teachable Machine writes: Sequentials of a MobileNet and of two Dense layers."""
    before, after = mobile("mobile")
    features = stack(before, old("GlobalAveragePooling2D", "pool"))
    features["config"]["name"] = "features"
    head = stack(
        old("Dense", "one", units=5, activation="relu", batch_input_shape=[None, 4]),
        old("Dense", "two", units=3, activation="softmax", use_bias=False),
    )
    head["config"]["name"] = "head"
    model = new(
        IMAGE,
        keras.Sequential([after, K.GlobalAveragePooling2D(name="pool")], name="features"),
        keras.Sequential(
            [
                keras.Input((4,)),
                K.Dense(5, activation="relu", name="one"),
                K.Dense(3, activation="softmax", use_bias=False, name="two"),
            ],
            name="head",
        ),
    )
    return stack(features, head), model


def called_twice():
    """Return a model that calls an inner one twice; Keras 2 counts its calls from 1."""
    before, after = mobile("mobile")
    image, other = keras.Input(IMAGE[1:], name="in"), keras.Input(IMAGE[1:], name="two")
    before = {
        **before,
        "name": "mobile",
        "inbound_nodes": [[["in", 0, 0, {}]], [["two", 0, 0, {}]]],
    }
    difference = called(old("Subtract", "s"), "mobile", "mobile")
    difference["inbound_nodes"] = [[["mobile", 2, 0, {}], ["mobile", 1, 0, {}]]]
    config = functional(
        [entry(IMAGE), entry(IMAGE, "two"), before, difference], ["s"], ["in", "two"]
    )
    first, second = after(image), after(other)
    return config, keras.Model([image, other], K.Subtract(name="s")([second, first]))


def inner_is_the_end():
    before, after = mobile("mobile")
    image = keras.Input(IMAGE[1:], name="in")
    before = {**before, "name": "mobile", "inbound_nodes": [[["in", 0, 0, {}]]]}
    config = functional([entry(IMAGE), before], ["mobile"])
    config["config"]["output_layers"] = [["mobile", 1, 0]]
    return config, keras.Model(image, after(image))


NESTED = [teachable, called_twice, inner_is_the_end]


def of_keras_2(layer):
    """Return a layer's weights as Keras 2 writes them: all that are trained first, by leaf's name."""
    if not isinstance(layer, keras.Model):
        return [
            [(f"{layer.name}/{weight.name}:0", np.array(weight)) for weight in weights]
            for weights in (layer.trainable_weights, layer.non_trainable_weights)
        ]
    inside = [of_keras_2(one) for one in layer.layers]
    return [list(chain.from_iterable(parts[place] for parts in inside)) for place in range(2)]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("build", NESTED)
def test_a_nested_file_gives_what_keras_3_gives(tmp_path, build, named):
    config, model = build()
    made_random(model)
    for layer in model._flatten_layers():
        if isinstance(layer, K.BatchNormalization):
            layer.moving_variance.assign(abs(layer.moving_variance.numpy()))
    weights = {layer.name: list(chain(*of_keras_2(layer))) for layer in model.layers}
    if not named:
        weights = {
            layer: [(f"weight_{place}", array) for place, (_, array) in enumerate(arrays)]
            for layer, arrays in weights.items()
        }
    changes = same(kviz.load_model(h5(tmp_path / "old.h5", config, weights)), model)
    assert any("Input layer added" in change for change in changes) == (build is teachable)


def zipped(path, config, arrays, version="2.13.1"):
    """Write a .keras file as Keras 2.13 to 2.15 did."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def with_modules(config):
    """Return a config with the modules of Keras 2.13, and how it built each layer."""
    config = json.loads(json.dumps(config))
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            if "class_name" in value:
                kind = value["class_name"]
                models = {"Model": "keras.src.engine.functional", "Sequential": "keras"}
                value["module"] = models.get(kind, "keras.layers")
                value["class_name"] = "Functional" if kind == "Model" else kind
                value["registered_name"] = "Functional" if kind == "Model" else None
                value["build_config"] = {"input_shape": [None, 1]}
            stack += value.values()
    return config


TREE = {
    "sequential/{0}functional/{0}depthwise_conv2d": ("depth", 1),
    "sequential/{0}functional/{0}batch_normalization": ("depth_bn", 4),
    "sequential/{0}functional/{0}conv2d": ("point", 2),
    "sequential/{0}functional/{0}conv2d_1": ("last", 2),
    "sequential_1/{0}dense": ("one", 2),
    "sequential_1/{0}dense_1": ("two", 1),
}


@pytest.mark.parametrize("parent", ["layers/", "_layer_checkpoint_dependencies/"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_a_keras_file_of_keras_2_gives_what_keras_3_gives(tmp_path, parent, slash):
    config, model = teachable()
    made_random(model)
    inside = {layer.name: layer for layer in model._flatten_layers()}
    variance = inside["depth_bn"].moving_variance
    variance.assign(abs(variance.numpy()))
    arrays = {"optimizer/vars/0": np.zeros(1)}
    for path, (name, count) in TREE.items():
        assert len(inside[name].weights) == count
        for place, weight in enumerate(inside[name].weights):
            whole = f"{parent}{path.format(parent)}".replace("/", slash)
            arrays[f"{whole}/vars/{place}"] = np.array(weight)
    mobile_net = config["config"]["layers"][0]["config"]["layers"][0]
    mobile_net["config"]["layers"][1]["config"].pop("kernel_initializer")
    path = zipped(tmp_path / "old.keras", with_modules(config), arrays)
    changes = same(kviz.load_model(path), model)
    assert any("Module written" in change for change in changes)


# What cannot be made new


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([old("Conv2DTranspose", "t", filters=2, kernel_size=[3, 3], groups=2)], "groups of 2"),
        ([old("LSTM", "t", units=2, time_major=True)], "time_major of True"),
        ([old("BatchNormalization", "t", renorm=True)], "renorm of True"),
        ([old("Merge", "t", mode="cos")], "a Merge of Keras 1 with 'cos'"),
        ([old("Attention", "t", causal=True)], "causal of True"),
        ([old("LocallyConnected2D", "t", filters=2)], "classes of its own: 'LocallyConnected2D'"),
        ([old("Dense", "t", units=2, activation="mine")], "of its own: 'mine'"),
        ([old("Dense", "t", units=2)], "does not say what shape the model's input has"),
        ([old("Lambda", "t", function=["4wEAAA==", None, None])], "is a Lambda, which runs code"),
        ([], "cannot be loaded|does not say|holds"),
    ],
)
def test_what_keras_3_has_no_equal_of_is_refused(tmp_path, layers, match):
    with refused(match):
        kviz.load_model(h5(tmp_path / "old.h5", stack(*layers), {}))


@pytest.mark.parametrize(
    ("function", "more", "match"),
    [
        ("image.resize", {"size": [4, 4]}, r"calls TensorFlow's image\.resize"),
        ("io.read_file", {}, r"calls TensorFlow's io\.read_file"),
        ("linalg.matmul", {"b": ["in", 0, 0], "transpose_b": True}, "matmul with transpose_b"),
    ],
)
def test_a_function_of_tensorflow_that_keras_has_not_is_refused(tmp_path, function, more, match):
    node = called(old("TFOpLambda", "f", function=function), "in", **more)
    with refused(match):
        kviz.load_model(h5(tmp_path / "old.h5", functional([entry(IMAGE), node], ["f"]), {}))


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda weights: weights.pop("c"), "of other layers than its model: 'c'"),
        (lambda weights: weights.update(z=weights["c"]), "of other layers than its model: 'z'"),
        (lambda weights: weights["c"].pop(), "holds 1 weights of layer 'c', which has 2"),
        (lambda weights: weights["c"].reverse(), "has a kernel of shape"),
    ],
)
def test_weights_of_another_model_are_refused(tmp_path, edit, match):
    model = new(IMAGE, K.Conv2D(2, 3, name="c"))
    weights = weights_of(model)
    edit(weights)
    config = stack(old("Conv2D", "c", filters=2, kernel_size=[3, 3], batch_input_shape=IMAGE))
    with refused(match):
        kviz.load_model(h5(tmp_path / "old.h5", config, weights))


def test_names_are_cut_and_counted_before_they_fill_the_memory(tmp_path):
    # Names of variable length can all be one text in the file, which each then takes in memory.
    with h5py.File(tmp_path / "names.h5", "w", libver="latest") as file:
        file.attrs.create("long", ["x" * 60_000, "y"], dtype=h5py.string_dtype())
        file.attrs.create("many", ["x"] * 70_000, dtype="S1")
        file.attrs.create("none", np.zeros(0))
        file.attrs["cut0"], file.attrs["cut1"] = [b"a", b"b"], [b"c"]
        assert names_of(file, "long") == ["x" * 1000, "y"]
        assert names_of(file, "none") == names_of(file, "missing") == []
        assert names_of(file, "cut") == ["a", "b", "c"]
        with refused("many is no list of names"):
            names_of(file, "many")


def test_the_users_own_classes_are_theirs(tmp_path):
    class Conv2D(keras.layers.Dense):
        pass

    config = stack(old("Conv2D", "c", units=3, batch_input_shape=[None, 4]))
    model = made_random(new((None, 4), K.Dense(3, name="c")))
    path = h5(tmp_path / "old.h5", config, weights_of(model))
    with keras.saving.custom_object_scope({"Conv2D": Conv2D}):
        network = kviz.load_model(path)
    assert type(network.model.layers[-1]) is Conv2D
    same(network, model)


def test_a_config_of_keras_3_stays_as_it_is():
    config = json.loads(new(IMAGE, K.Conv2D(2, 3)).to_json())
    assert made_new(config) == (config, ())
    assert made_new([1]) == ([1], ())
