"""Cards: what files say of methods and metrics is what they are, and what they cost is counted."""

import textwrap
from dataclasses import MISSING, fields

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz
from kviz.attribution import method_class, method_named
from kviz.cards import Card, file_of, read_card
from kviz.errors import OptionError
from kviz.metrics import metric_class, metric_named
from kviz.option_values import validate_option
from kviz.shelf import METHODS, METRICS

CARDS = [*METHODS.cards(), *METRICS.cards()]
CLASSES = {
    **{name: method_class(name) for name in METHODS.names()},
    **{name: metric_class(name) for name in METRICS.names()},
}
SEEN: dict[str, int] = {}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_is_what_the_class_is(card):
    kind = CLASSES[card.name]
    assert (card.title, card.kind) == (kind.display_name, kind.kind)
    assert card.forward == kind.forward_passes
    others = ("backward_passes",) if card.name in METHODS.names() else ("map_passes", "maps_again")
    told = (card.backward,) if card.name in METHODS.names() else (card.per_map, card.again)
    assert told == tuple(getattr(kind, other) for other in others)
    assert card.summary == kind.__doc__.splitlines()[0]
    assert {"kind", "forward_passes"} <= set(vars(kind)), "a file tells what it holds itself"
    assert all((card.kind, card.paper, card.equation, card.when, card.when_not, card.forward))
    assert list(card.options) == [field.name for field in fields(kind)]
    for field in fields(kind):
        one = card.options[field.name]
        assert one.help
        if field.default is not MISSING:
            assert one.default == repr(field.default) or float(one.default) == field.default


ODD = (
    None, True, 0, 1, 2, -1, 0.5, 1.5, float("nan"), 10**7, "x", "sum", "black", "segment", "noise",
    [2, 2], [0], [[1, 2], [3, 4]], [], {"a": 1},
)  # fmt: skip


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_value_is_refused_by_the_card_as_by_the_class(card):
    """Only checks that need TensorFlow, and what two options are together, are left to the class."""
    for name, one in card.options.items():
        for value in ODD:
            late = refused(lambda name=name, value=value: CLASSES[card.name](**{name: value}))
            early = refused(
                lambda name=name, value=value, one=one: validate_option(name, one, value)
            )
            left = one.check in ("validate_layers", "as_method", "validate_cover", "_segments")
            assert early == ("" if left or late.startswith("low is below") else late), (name, value)


def refused(make):
    try:
        make()
    except OptionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_advice_names_only_what_there_is(card):
    names = [part for text in (card.when, card.when_not) for part in text.split("`")[1::2]]
    known = {*CLASSES, *(field.name for field in fields(CLASSES[card.name])), "kviz fool"}
    assert {name.partition("=")[0] for name in names} <= known | {"gaps"}


class Counting(layers.Layer):
    """Counts the images that pass, forwards and backwards, and changes nothing."""

    def call(self, x):
        if self.name.startswith("backward"):
            return _both_ways(x)
        return x + _count(x, "forward")


def _count(x, way):
    """Return 0, and count: what is not run, since nothing needs it, is not counted either."""

    def told(images):
        SEEN[way] = SEEN.get(way, 0) + int(images)
        return np.float32(0)

    zero = tf.numpy_function(told, [tf.shape(x)[0]], tf.float32, stateful=False)
    zero.set_shape([])
    return zero


@tf.custom_gradient
def _both_ways(x):
    return x + _count(x, "upper forward"), lambda upstream: upstream + _count(upstream, "backward")


def counting(*, backward):
    """A net that counts at its input, and where asked before its last layers the way back too."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((16, 16, 3))
    x = Counting()(layers.Rescaling(1 / 255)(x))
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.Conv2D(6, 3, activation="relu", name="maps")(x)
    if backward:
        x = Counting(name="backward")(x)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def photos():
    return np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")


FEW = {"masks": 5, "samples": 5, "steps": 5, "segments": np.arange(256).reshape(16, 16) // 64}
DECIDED = {"channels": 6, "windows": 15 * 15, "players": 4}
# Those walk over operations, of which a counter that works both ways is none that they know.
NO_WAY_BACK = {"deep_lift", "deep_shap", "lrp", "chefer"}


def options_of(name):
    known = [field.name for field in fields(CLASSES[name])]
    found = {key: value for key, value in FEW.items() if key in known}
    if "layer_names" in known:
        found["layer_names"] = "maps"
    if name == "kernel_shap":
        found["samples"] = 10
    if name == "xrai":
        found["segments"] = FEW["segments"][None]
    return found


@pytest.mark.some(every=5)
@pytest.mark.parametrize(
    "name", [card.name for card in METHODS.cards() if card.kind != "attention"]
)
def test_a_method_makes_as_many_passes_as_it_says(name):
    card, options = METHODS.card(name), options_of(name)
    net, given = counting(backward=name not in NO_WAY_BACK), photos()
    counted = {key: value for key, value in options.items() if key != "segments"} | DECIDED
    SEEN.clear()
    kviz.attribute(net, given, method_named(name, **options), class_index=1, batch_size=1)
    forward = max(SEEN.get("forward", 0), SEEN.get("upper forward", 0)) / len(given)
    assert forward == card.count(card.forward, **counted)
    if name not in NO_WAY_BACK:
        assert SEEN.get("backward", 0) / len(given) == card.count(card.backward, **counted)


@pytest.mark.some(every=5)
@pytest.mark.parametrize("card", METRICS.cards(), ids=lambda card: card.name)
def test_a_metric_makes_as_many_passes_as_it_says(card):
    net, given = counting(backward=False), photos()[:1]
    known = [field.name for field in fields(CLASSES[card.name])]
    few = {key: 5 for key in ("samples", "subsets") if key in known}
    options = few | ({"baseline": "black"} if "baseline" in known else {})
    more = {"regions": (2, 2, 6, 6)} if card.kind == "localisation" else {}
    metric = metric_named(card.name, **options)

    def forward(nulls):
        SEEN.clear()
        kviz.evaluate(
            net, given, "grad_cam", metric, nulls=nulls, class_index=1, batch_size=1, **more
        )
        return SEEN.get("forward", 0)

    one, three = forward(1), forward(3)
    each = card.count(card.per_map, **few)
    assert (three - one) / 2 == each
    # The method once, again as often as the card says, and a map that is its own, one by chance, of the
    # middle, of edges and inverted; of another photo there is none.
    again = card.count(card.again, **few, layers_with_weights=3)
    assert one == 1 + again + card.count(card.forward, **few) + each * 5


def test_a_formula_is_arithmetic_and_nothing_else():
    card = Card("one", "One")
    assert card.count("2 * (1 + steps) - 1", steps=3) == 7
    assert card.count("2 ** players", players=10) == 1024
    assert card.count("2 ** players", players=10**9) is None
    assert card.count("1 + channels") is None
    assert card.count("__import__('os').getpid()") is None
    assert card.count("") is None
    assert card.cost == "not told"


OTHERS = {
    "own_method.py": '''
        import not_there  # whoever imports this fails
        from own_base import Base as Parent

        class MyCam(Parent):
            """Mine.

            When: Never.

            Args:
                level: how much,
                    or how little.
            """

            display_name = "My CAM"
            level: float = 2
    ''',
    "own_base.py": """
        from typing import ClassVar

        class Base:
            kind: ClassVar[str] = "of my own"
            forward_passes: ClassVar[str] = "1 + level"
            needed: int
    """,
    "own_package/__init__.py": "from own_method import MyCam as Again\n1 / 0",
    "broken.py": "def f(:",
}


def test_others_files_are_read_and_not_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, code in OTHERS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(code))
    for module, attribute in (("own_method", "MyCam"), ("own_package", "Again")):
        card = read_card("my_cam", file_of(module), attribute, "mine")
        assert (card.title, card.kind, card.when, card.package) == (
            "My CAM", "of my own", "Never.", "mine",
        )  # fmt: skip
        assert card.cost == "3 forward"
        assert card.options["level"].help == "how much, or how little."
        assert card.options["needed"].default == ""
        assert (card.options["needed"].hint, card.options["level"].hint) == (int, float)
    assert file_of("not_there") is None
    assert file_of("own_method.inner") is None
    assert file_of("builtins") is None
    assert read_card("odd", file_of("broken"), "Odd") == Card("odd", "Odd")
