"""What is compiled for a model: bounded, keyed by value, seen when the model changes, gone with it."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz
from kviz.engine.compiled import BOUND, Compiled, compiled_for
from kviz.engine.lifting import value_key
from kviz.scores import ClassScore


@pytest.fixture
def net():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, name="classes"),
        ]
    )


PHOTO = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")


def kept(model):
    return len(compiled_for(model))


def test_what_is_asked_again_is_found_again_whoever_asks(net):
    kviz.activations(net, PHOTO)
    count = kept(net)
    kviz.activations(kviz.Network(net), PHOTO[:1])
    kviz.activations(kviz.Network(net), PHOTO, batch_size=1)
    assert kept(net) == count == 1
    # Another preprocessing is another function of the pixels.
    kviz.activations(kviz.Network(net, preprocess=lambda x: x / 255), PHOTO)
    assert kept(net) == 2


def test_scores_are_keyed_by_value(net):
    for _ in range(4):
        kviz.attribute(net, PHOTO, "saliency", score=lambda outputs: outputs[:, 0])
    assert kept(net) == 1
    for k in (1, 2, 1):
        kviz.attribute(net, PHOTO, "saliency", score=lambda outputs, k=k: outputs[:, k])
    assert kept(net) == 3
    for _ in range(3):
        kviz.attribute(net, PHOTO, "saliency", score=ClassScore())
    # One that tells what the outputs mean, and one for a class's score.
    assert kept(net) == 5
    for index in range(5):
        kviz.attribute(net, PHOTO, "saliency", class_index=index)
    assert kept(net) == 5


def test_a_closed_over_value_counts_and_not_its_name(net):
    def first(factor):
        return kviz.attribute(net, PHOTO, "gradient", score=lambda y: factor * y[:, 0]).maps

    np.testing.assert_allclose(first(3.0), 3 * first(1.0), rtol=1e-5, atol=1e-7)


FACTOR = 1.0


def scaled(outputs):
    return FACTOR * outputs[:, 0]


class Scaled:
    factor = 1.0

    def of_first(self, outputs):
        return self.factor * outputs[:, 0]


def test_a_value_that_is_read_of_the_module_counts(net, monkeypatch):
    """As in a notebook: `for index in range(3): attribute(…, score=lambda out: out[:, index])`."""

    def first(score):
        return kviz.attribute(net, PHOTO, "gradient", score=score).maps

    by_hand, through, held = first(scaled), first(lambda y: scaled(y) + 0), Scaled()
    of_held = first(held.of_first)
    again = kept(net)
    np.testing.assert_array_equal(first(scaled), by_hand)
    assert kept(net) == again
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    held.factor = 3.0
    for before, after in (
        (by_hand, first(scaled)), (through, first(lambda y: scaled(y) + 0)),
        (of_held, first(held.of_first)),
    ):  # fmt: skip
        np.testing.assert_allclose(after, 3 * before, rtol=1e-5, atol=1e-7)


def test_a_function_that_reads_itself_has_a_key():
    def count(n):
        return n and count(n - 1)

    assert value_key(count) == value_key(count)
    assert value_key(recursive) == value_key(recursive)


def recursive(n):
    return n and recursive(n - 1)


def test_masks_are_arguments():
    inputs = keras.Input((8, 8, 1))
    net = keras.Model(inputs, layers.Conv2D(3, 1, name="map")(inputs))
    images, masks = np.ones((1, 8, 8, 1), "float32"), np.zeros((5, 8, 8), bool)
    found = []
    for place, mask in enumerate(masks):
        mask[place, place] = True
        score = ClassScore(mask=mask)
        found.append(kviz.attribute(net, images, "gradient", class_index=1, score=score).maps)
    # What the outputs mean, where classes are, and the gradient.
    assert kept(net) == 3
    for place, maps in enumerate(found):
        assert np.flatnonzero(maps[0].any(1)).tolist() == [place]


def test_there_are_never_more_than_the_bound_and_the_least_recently_used_goes(net):
    store = Compiled(net)

    def asked(k):
        return store.function(k, lambda x: (x + k, [], k), [tf.TensorSpec((), "float32")])

    graphs = [weakref.ref(asked(k)[0]) for k in range(BOUND)]
    assert asked(0)[1] == 0  # used again
    for k in range(BOUND, 2 * BOUND - 1):
        assert asked(k)[0](tf.constant(1.0)) == 1 + k
    assert len(store) == BOUND
    gc.collect()
    assert [graph() is not None for graph in graphs] == [True] + [False] * (BOUND - 1)


def test_three_hundred_classes_two_hundred_filters_and_sixty_sizes_compile_nothing_more():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(200, 3, name="conv")(inputs)
    net = keras.Model(inputs, layers.Dense(300)(layers.GlobalAveragePooling2D()(x)))
    photo = np.ones((1, 8, 8, 3), "float32")
    works = {
        300: lambda k: kviz.attribute(net, photo, "saliency", class_index=k),
        60: lambda k: kviz.activations(net, np.ones((1, 8 + k, 9, 3), "float32")),
    }
    for count, work in works.items():
        work(0)
        before = kept(net)
        for k in range(count):
            work(k)
        assert kept(net) == before


def test_what_is_compiled_goes_with_the_model():
    net = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.Flatten()])
    kviz.activations(net, PHOTO)
    kviz.attribute(net, PHOTO, "grad_cam")
    model = weakref.ref(net)
    graphs = [weakref.ref(function) for _, function in compiled_for(net).items()]
    assert len(graphs) == 3
    del net
    gc.collect()
    assert model() is None
    assert not [graph for graph in graphs if graph() is not None]


class Inner(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(4, 3, name="first")
        self.parts = [layers.Conv2D(4, 1, name="part")]
        self.slope = 1.0
        self.slopes = ("of parts", [1.0])

    def call(self, x):
        return self.slope * self.slopes[1][0] * self.parts[0](self.first(x))


def changed_activation(block):
    block.first.activation = keras.activations.relu


def changed_number(block):
    block.slope = -3.0


def changed_number_in_a_tuple(block):
    block.slopes[1][0] = -3.0


def changed_layer(block):
    block.first = layers.Conv2D(4, 3, name="first", kernel_initializer="ones")


def changed_list(block):
    block.parts = [layers.Conv2D(4, 1, name="part", kernel_initializer="ones")]


def enabled_lora(block):
    block.first.enable_lora(2, lora_alpha=8)
    block.first.lora_kernel_b.assign(np.ones(block.first.lora_kernel_b.shape))


@pytest.mark.filterwarnings("ignore:Layer .* looks like it has unbuilt state")
@pytest.mark.parametrize(
    "change",
    [
        changed_activation, changed_number, changed_number_in_a_tuple, changed_layer, changed_list,
        enabled_lora,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_a_change_inside_a_custom_block_is_seen(change):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    block = Inner(name="block")
    net = keras.Model(inputs, layers.Flatten()(block(inputs)))
    before = kviz.activations(net, PHOTO, ["block/first", "block"])
    count = kept(net)
    kviz.activations(net, PHOTO, ["block/first", "block"])
    assert kept(net) == count
    block._tracker.unlock()
    change(block)
    block._tracker.lock()
    after = kviz.activations(net, PHOTO, ["block/first", "block"])
    np.testing.assert_allclose(after["block"], np.asarray(block(PHOTO)), rtol=1e-4, atol=1e-3)
    assert np.abs(after["block"] - before["block"]).max() > 1


def test_training_and_freezing_compile_nothing_anew(net):
    kviz.activations(net, PHOTO)
    entries = compiled_for(net).items()
    net.compile("adam", "mse")
    net.fit(PHOTO, np.zeros((2, 5)), verbose=0)
    net.predict(PHOTO, verbose=0)
    net.trainable = False
    net.layers[0].trainable = False
    net(PHOTO)
    maps = kviz.activations(net, PHOTO)
    assert compiled_for(net).items() == entries
    np.testing.assert_allclose(maps["conv"], np.asarray(net.layers[0](PHOTO)), rtol=1e-4, atol=1e-3)
