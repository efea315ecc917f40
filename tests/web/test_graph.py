"""The graph of a model: which layer gets what from which, and how that is drawn."""

import re
import sys

import keras
import numpy as np
import pytest
from hostile import HOSTILE, hostile_model
from matplotlib.font_manager import findfont
from PIL import ImageFont

import kviz
from kviz.extras import install_command
from kviz.reports import page
from kviz.web.graph import DETAIL_SIZE, HEIGHT, LEFT, NAME_SIZE, RIGHT, drawings, family
from kviz.web.letters import fitted_text, width_of

layers = keras.layers


def by_keras(model):
    """Return (source, layer) for a flat functional model as Keras itself records them."""
    config = model.get_config()["layers"]
    pairs = set()

    def histories(value):
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                yield value["config"]["keras_history"][0]
            else:
                for item in value.values():
                    yield from histories(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from histories(item)

    for layer in config:
        pairs |= {(source, layer["name"]) for source in histories(layer["inbound_nodes"])}
    return pairs


def by_kviz(network):
    return {(source, info.path) for info in network.layers for source in info.sources}


def test_squeezenets_sources_are_keras_own(squeezenet):
    assert by_kviz(squeezenet) == by_keras(squeezenet.model)


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV2",
        "ResNet50",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("DenseNet121", "InceptionV3")),
    ],
)
def test_sources_are_keras_own(name):
    model = getattr(keras.applications, name)(weights=None)
    network = kviz.Network(model)
    assert by_kviz(network) == by_keras(model)
    (drawing,) = drawings(network.layers)
    assert len(drawing.nodes) == len(network.layers)
    assert len(drawing.lines) == len(by_keras(model))
    boxes_apart(drawing)


def boxes_apart(drawing):
    """Boxes do not touch, lie within the picture, and a layer stands below what it gets."""
    for place, one in enumerate(drawing.nodes):
        assert 0 <= one.x <= drawing.width - drawing.box
        assert 0 <= one.y <= drawing.height - HEIGHT
        for other in drawing.nodes[place + 1 :]:
            assert abs(one.x - other.x) >= drawing.box + 4 or abs(one.y - other.y) >= HEIGHT + 4
    top = {node.info.path: node.y for node in drawing.nodes}
    for node in drawing.nodes:
        for source in node.info.sources:
            if source in top:
                assert top[source] < node.y


def test_lines_lead_from_box_to_box_and_through_none(squeezenet):
    (drawing,) = drawings(squeezenet.layers)
    corners = {node.at: (node.x, node.y) for node in drawing.nodes}
    for line in drawing.lines:
        start = tuple(float(n) for n in re.match(r"M(\S+) ([\d.]+)", line.path).groups())
        x, y = corners[line.source]
        assert start == (x + drawing.box / 2, y + HEIGHT)
        end = float(re.findall(r"[\d.]+", line.path)[-1])
        assert end == corners[line.target][1]
    paths = [info.path for info in squeezenet.layers]
    told = {(paths[line.source], paths[line.target]) for line in drawing.lines}
    assert told == by_keras(squeezenet.model)


def test_raw_operations_between_layers_are_passed_through():
    image = keras.Input((8, 8, 3), name="image")
    a = layers.Conv2D(4, 3, padding="same", name="a")(image)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a * 2)
    c = layers.Conv2D(4, 3, name="c")(keras.ops.relu(a + b))
    table = kviz.Network(keras.Model(image, c)).layers
    assert table["c"].sources == ("a", "b")
    assert table["image"].sources == ()


def test_a_subclassed_model_has_sources_too():
    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="model")
            self.a = layers.Conv2D(4, 3, padding="same", name="a")
            self.b = layers.Conv2D(4, 3, padding="same", name="b")

        def call(self, x):
            x = self.a(x)
            return self.b(x) + self.a(x[..., :3])

    network = kviz.Network(Model())
    kviz.activations(network, np.zeros((1, 8, 8, 3), "float32"), "b")
    assert network.layers["b"].sources == ("a#1",)
    assert network.layers["a#2"].sources == ("a#1",)


def test_nested_models_are_drawings_of_their_own():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="one"), layers.ReLU(name="two")],
        name="in",
    )
    outer = keras.Input((8, 8, 3), name="image")
    x = layers.Flatten(name="flat")(inner(outer))
    network = kviz.Network(keras.Model(outer, layers.Dense(2, name="out")(x)))
    whole, nested = drawings(network.layers)
    assert (whole.path, [node.info.path for node in whole.nodes]) == (
        "",
        ["image", "in", "flat", "out"],
    )
    assert len(whole.lines) == 3
    assert (nested.path, [node.info.path for node in nested.nodes]) == ("in", ["in/one", "in/two"])
    assert len(nested.lines) == 1
    # Counted in the table of all layers, whichever drawing they are in.
    paths = [info.path for info in network.layers]
    for node in (*whole.nodes, *nested.nodes):
        assert paths[node.at] == node.info.path
    (line,) = nested.lines
    assert (paths[line.source], paths[line.target]) == ("in/one", "in/two")
    assert [node.family for node in whole.nodes] == ["input", "model", "other", "dense"]
    boxes_apart(whole)


def test_parts_that_nothing_connects_stand_side_by_side():
    a, b = keras.Input((4, 4, 1), name="a"), keras.Input((4, 4, 1), name="b")
    c = layers.Conv2D(1, 1, name="c")(a)
    d = layers.Conv2D(1, 1, name="d")(b)
    (drawing,) = drawings(kviz.Network(keras.Model([a, b], [c, d])).layers)
    assert len(drawing.lines) == 2
    boxes_apart(drawing)


def test_any_name_can_be_drawn():
    found = drawings(hostile_model().layers)
    assert [drawing.path for drawing in found] == ["", HOSTILE["block"]]


def test_names_are_cut_in_the_middle_and_only_where_they_must_be():
    name = "conv4_block23_preact_relu_with_a_name_that_goes_on_" * 3
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, layers.Conv2D(4, 3, name=name)(image))
    (drawing,) = drawings(kviz.Network(model).layers)
    long, short = drawing.nodes[-1], drawing.nodes[0]
    beginning, end = long.name.split("…")
    assert name.startswith(beginning)
    assert name.endswith(end)
    assert abs(len(beginning) - len(end)) <= 1
    assert long.detail == "Conv2D 6×6×4"
    assert "…" not in short.name
    room = drawing.box - LEFT - RIGHT
    assert room - width_of("M", NAME_SIZE) < width_of(long.name, NAME_SIZE) <= room
    assert width_of(long.detail, DETAIL_SIZE) <= room


def test_text_is_measured_as_a_font_measures_it():
    font = ImageFont.truetype(findfont("DejaVu Sans"), 1000)
    for text in ("conv2_block1_0_conv", "BatchNormalization 56×56×256", "~!@ Wm|{}"):
        by_the_font = sum(font.getlength(sign) for sign in text) / 100
        # Of what is no ASCII it takes the widest.
        assert by_the_font - 0.5 <= width_of(text, 10) <= by_the_font + 6
    assert fitted_text("漢字" * 20, 10, 100).count("…") == 1
    assert fitted_text("abc", 10, 1) == "…"


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (layers.Conv2D(1, 1), "convolution"),
        (layers.GlobalAveragePooling2D(), "pooling"),
        (layers.BatchNormalization(), "normalisation"),
        (layers.LeakyReLU(), "activation"),
        (layers.Rescaling(1.0), "other"),
    ],
)
def test_kinds_have_families(layer, word):
    model = keras.Sequential([keras.Input((4, 4, 2)), layer])
    assert family(kviz.Network(model).layers[0]) == word


def test_without_the_library_the_page_says_what_to_install(squeezenet, monkeypatch):
    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    graphs, why = page._graphs(squeezenet.layers)
    assert graphs == []
    assert install_command("report") in why
