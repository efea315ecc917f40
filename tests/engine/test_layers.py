"""The table of layers and what selectors mean."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz


@pytest.fixture(scope="module")
def table():
    inner = keras.Sequential(
        [keras.Input((None, None, 4)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="act")],
        name="inner",
    )
    shared = layers.Conv2D(4, 1, name="shared")
    x = inputs = keras.Input((20, 20, 3), name="photo")
    x = layers.Conv2D(4, 3, strides=2, name="conv1")(x)
    x = shared(shared(inner(x)))
    x = layers.DepthwiseConv2D(3, name="deep")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dense(5, name="logits")(layers.Flatten(name="flat")(x))
    return kviz.Network(keras.Model(inputs, x)).layers


def paths(infos):
    return [info.path for info in infos]


def test_rows_stand_in_order_of_the_calls(table):
    assert paths(table) == [
        "photo", "conv1", "inner", "inner/conv", "inner/act", "shared#1", "shared#2",
        "deep", "pool", "flat", "logits",
    ]  # fmt: skip


def test_indices_are_those_of_the_summary(table):
    assert [info.index for info in table] == [0, 1, 2, None, None, 3, 3, 4, 5, 6, 7]


def test_a_row_says_what_the_layer_is(table):
    info = table["conv1"]
    assert info.kind == "Conv2D"
    assert info.input_shape == (None, 20, 20, 3)
    assert info.output_shape == (None, 9, 9, 4)
    assert (info.window.size, info.window.strides, info.window.padding) == ((3, 3), (2, 2), "valid")
    assert info.parameters == info.layer.count_params() == 112
    assert info.weight_names == tuple(w.path for w in info.layer.weights)
    assert str(info.receptive_field) == "3 × 3 px, stride 2"


def test_parameters_add_up(table):
    top = {info.index: info.parameters for info in table if info.index is not None}
    assert sum(top.values()) == sum(np.prod(w.shape) for i in table[1:] if i.index is not None
                                    for w in i.layer.weights if i.path != "shared#2")  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, ["conv1", "inner/conv", "shared#1", "shared#2", "pool"]),
        ("conv1", ["conv1"]),
        ("inner/conv", ["inner/conv"]),
        ("*conv", ["inner/conv"]),
        ("conv?", ["conv1"]),
        ("inner/*", ["inner/conv", "inner/act"]),
        ("act", ["inner/act"]),
        ("a*", ["inner/act"]),
        (np.int64(1), ["conv1"]),
        ("shared", ["shared#1", "shared#2"]),
        ("shared#2", ["shared#2"]),
        (1, ["conv1"]),
        (-1, ["logits"]),
        ("1", ["conv1"]),
        (3, ["shared#1", "shared#2"]),
        (layers.DepthwiseConv2D, ["deep"]),
        ("DepthwiseConv2D", ["deep"]),
        ("MaxPooling2D", ["pool"]),
        (["pool", "conv1"], ["conv1", "pool"]),
        (["pool", 5, layers.MaxPooling2D], ["pool"]),
    ],
)
def test_selectors(table, selector, expected):
    assert paths(table.select(selector)) == expected


def test_globs_pass_over_what_has_no_maps(table):
    assert "logits" in paths(table.select("*"))
    assert {"logits", "flat"}.isdisjoint(paths(table.select("*", maps=True)))


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("conv2", "no layer 'conv2'.*'conv1'"),
        ("zzz*", "no layer"),
        (99, "no layer of index 99.*0 to 7"),
        (-9, "no layer of index -9"),
        ("-9", "no layer of index -9"),
        ("9" * 5000, "no layer '999"),
        ("²", "no layer '²'"),
        (layers.Conv3D, "no layer of class Conv3D"),
        ([], "empty list"),
        (["conv1", "nope"], "'nope'"),
    ],
)
def test_what_means_nothing_is_an_error(table, selector, message):
    with pytest.raises(kviz.LayerError, match=message) as error:
        table.select(selector)
    assert len(str(error.value)) <= 300


def test_what_several_layers_begin_with_is_offered_as_a_glob():
    names = ("fire4_squeeze", "fire4_expand", "fire40_squeeze")
    table = kviz.Network(
        keras.Sequential([keras.Input((2,)), *(layers.Dense(2, name=name) for name in names)])
    ).layers
    with pytest.raises(kviz.LayerError, match=r"Did you mean 'fire4\*', which is 2 layers\?"):
        table.select("fire4")
    assert len(table.select("fire4_*")) == 2
    with pytest.raises(kviz.LayerError, match="Did you mean 'fire40_squeeze'"):
        table.select("fire40")


def test_one_of_several_calls_has_to_be_named(table):
    with pytest.raises(kviz.LayerError, match=r"2 times.*'shared#1', 'shared#2'"):
        table["shared"]


def test_text_and_html(table):
    assert "(20 − 3 + 0)/2 + 1 = 9" not in repr(table)
    assert "⌊(20 − 3 + 0)/2⌋ + 1 = 9" in repr(table)
    assert table._repr_html_().count("<tr>") == len(table) + 1


def test_a_name_that_is_html_is_text():
    name = "<img src=x onerror=alert(1)>"
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(1, 3, name=name)])
    table = kviz.Network(model).layers
    assert paths(table.select(name)) == [name]
    assert "<img" not in table._repr_html_()


def test_a_model_without_convolutions_says_what_it_has():
    model = keras.Sequential([keras.Input((20, 3)), layers.Conv1D(4, 3), layers.Flatten()])
    with pytest.raises(kviz.LayerError, match=r"no Conv2D and no MaxPooling2D.*Conv1D"):
        kviz.activations(model, np.zeros((1, 20, 3)))


def test_a_subclassed_model_has_layers_once_it_saw_an_image():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")

        def call(self, x):
            return self.conv(x)

    network = kviz.Network(Model())
    with pytest.raises(kviz.ModelError, match="does not say what size"):
        network.layers  # noqa: B018 - the property raises
    kviz.activations(network, np.zeros((1, 8, 8, 3)))
    assert network.layers["conv"].output_shape == (None, 6, 6, 2)


def test_a_model_that_grew_has_a_new_table():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(1, 3, name="first")])
    network = kviz.Network(model)
    assert paths(network.layers) == ["first"]
    model.add(layers.Conv2D(1, 3, name="second"))
    assert paths(network.layers) == ["first", "second"]


def test_a_layer_itself_is_a_selector():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(1, 3, name="conv")])
    picture = np.zeros((1, 8, 8, 3))
    assert list(kviz.activations(model, picture, model.layers[0])) == ["conv"]
    assert list(kviz.activations(model, picture, [model.layers[0]])) == ["conv"]
    with pytest.raises(kviz.LayerError, match="does not call the layer 'other'"):
        kviz.activations(model, picture, layers.Conv2D(1, 3, name="other"))
    for selector in (3.5, [3.5], object()):
        with pytest.raises(kviz.LayerError, match="Received"):
            kviz.activations(model, picture, selector)


def test_a_conv_lstm_slides_over_space_and_not_over_time():
    model = keras.Sequential(
        [keras.Input((4, 9, 8, 3)), layers.ConvLSTM2D(2, 3, return_sequences=True, name="c")]
    )
    written = kviz.Network(model).layers["c"].arithmetic
    assert written == "(9 − 3 + 0)/1 + 1 = 7, (8 − 3 + 0)/1 + 1 = 6"


def test_the_order_of_axes_is_followed_through_the_graph():
    inputs = keras.Input((3, 8, 10))
    x = layers.BatchNormalization(axis=1, name="norm")(inputs)
    x = layers.Conv2D(4, 3, data_format="channels_first", name="conv")(x)
    x = layers.Permute((2, 3, 1), name="turned")(keras.ops.relu(x))
    x = layers.ReLU(name="after")(x)
    table = kviz.Network(keras.Model(inputs, x)).layers
    assert {info.path: info.data_format for info in table if info.path != "input_layer"} == {
        table[0].path: "channels_first",
        "norm": "channels_first",
        "conv": "channels_first",
        "turned": "channels_last",
        "after": "channels_last",
    }


def test_a_model_that_calls_no_layer():
    class Bare(keras.Model):
        def call(self, x):
            return keras.ops.mean(x, [1, 2])

    with pytest.raises(kviz.LayerError, match="calls no layer 'conv'"):
        kviz.activations(Bare(), np.zeros((1, 8, 8, 3)), "conv")
    with pytest.raises(kviz.LayerError, match="no Conv2D"):
        kviz.activations(Bare(), np.zeros((1, 8, 8, 3)))


def test_the_sources_are_what_made_a_layers_inputs_and_not_what_they_are_in():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 1, name="a"), layers.ReLU(name="b")], name="inner"
    )
    inputs = keras.Input((8, 8, 3), name="photo")
    x = inner(inputs)
    end = layers.Add(name="end")([x * 2, layers.Conv2D(2, 1, name="side")(inputs)])
    table = kviz.Network(keras.Model(inputs, end)).layers
    assert table["end"].sources == ("inner/b", "side")
    assert table["inner/b"].sources == ("inner/a",)
    assert table["inner/a"].sources == table["side"].sources == ("photo",)
