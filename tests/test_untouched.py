"""Nothing of the caller's changes, whatever verb looks and however it ends.

One model holds what is easily left changed: an RNN's states, a loss made in `call`, a seed that
moves with each call, half precision, a name that is no TensorFlow scope. Every verb looks at it and
ends well, with an error of its own, with one of the caller's, and with Ctrl-C.
"""

import random
import sys
from dataclasses import fields

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from untouched import differences, everything

import kviz
from kviz.attribution import method_named, method_names
from kviz.attribution.methods._attention import OfAttention

# So little work that a test is quick: of these, each method takes what it has.
LITTLE = {
    "samples": 12,
    "steps": 3,
    "masks": 10,
    "cells": 4,
    "window": 8,
    "stride": 8,
    "segments": np.arange(4).reshape(2, 2).repeat(8, 0).repeat(8, 1),
}


def whole_model(name="my conv"):
    """Return a model with everything in it that a look could leave changed.

    Args:
        name: of the first convolution; with a space in it Keras can call the model but not compile it.
    """
    photo = keras.Input(batch_shape=(2, 16, 16, 3), name="photo")
    x = layers.Rescaling(1 / 255, name="scaled")(photo)
    x = layers.Conv2D(6, 3, activation="relu", activity_regularizer="l2", name=name)(x)
    x = layers.BatchNormalization(name="norm")(x)
    inside = keras.Input(x.shape[1:], name="inside")
    y = layers.Conv2D(4, 3, activation="relu", dtype="mixed_float16", name="half")(inside)
    inner = keras.Model(inside, layers.MaxPooling2D(dtype="float32", name="pool")(y), name="inner")
    x = inner(x)
    memory = layers.LSTM(4, stateful=True, return_sequences=True, name="memory")
    rows = memory(layers.Reshape((6, 24), name="rows")(x))
    x = layers.Add(name="sum")([x, layers.Reshape((6, 1, 4), name="columns")(rows)])
    x = layers.Dropout(0.2, name="dropout")(x, training=True)
    x = layers.Conv2D(5, 3, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(4, activation="softmax", name="classes")(x)
    return keras.Model(photo, x, name="whole")


def attending_model():
    """Return a model whose tokens look at each other."""
    photo = keras.Input((16, 16, 3), name="photo")
    x = layers.Conv2D(4, 4, strides=4, activity_regularizer="l2", name="patches")(photo / 255)
    x = layers.Reshape((16, 4))(x)
    x = layers.MultiHeadAttention(2, 2, dropout=0.2, name="attention")(x, x)
    x = layers.Dense(4, activation="softmax", name="classes")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(photo, x, name="attending")


class Block(layers.Layer):
    """Layers that nothing but this block knows of, each called in a way of its own."""

    def __init__(self):
        super().__init__(name="block")
        self.conv = layers.Conv2D(4, 3, activation="relu", activity_regularizer="l1", name="inside")
        self.half = layers.Conv2D(4, 1, dtype="mixed_float16", name="half")
        self.bare = layers.Conv2D(4, 1, name="bare")
        self.noise = layers.GaussianNoise(0.1, seed=3)
        self.rows = layers.TimeDistributed(layers.Conv1D(4, 1, name="row"))
        self.both = layers.Bidirectional(
            layers.GRU(2, stateful=True, return_sequences=True, recurrent_dropout=0.1)
        )
        self.count = self.add_weight(name="count", shape=(), trainable=False)

    def build(self, shape):
        self.bare.build((*shape[:3], 4))
        super().build(shape)

    def call(self, inputs):
        x = self.bare.call(keras.ops.cast(self.half(self.conv(inputs)), "float32"))
        self.count.assign_add(1)
        self.add_loss(keras.ops.mean(x))
        x = self.rows(self.noise(x, training=True))
        return x + self.both(keras.ops.mean(x, 2), training=True)[:, :, None]


class Subclassed(keras.Model):
    """A model in plain Python, with a block inside, that can be told to fail in its call."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.first = layers.Conv2D(4, 3, activation="relu", name="first")
        self.block = Block()
        self.norm = layers.BatchNormalization()
        self.mean = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(4)
        self.bomb = None

    def call(self, inputs):
        x = self.norm(self.block(self.first(inputs / 255)))
        if self.bomb is not None:
            raise self.bomb
        return self.head(self.mean(x))


@pytest.fixture(scope="module")
def five():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype("float32")


@pytest.fixture(scope="module")
def models(five):
    keras.utils.set_random_seed(1)
    found = {
        "whole": whole_model(),
        "subclassed": Subclassed(),
        "attending": attending_model(),
    }
    for model in found.values():
        model(five[:2])
        model.compile("adam", "sparse_categorical_crossentropy")
    return found


class CallersError(Exception):
    """An error of the caller's own."""


def raising(error):
    """Return a `progress` that raises as soon as it is told of anything."""

    def progress(*_):
        raise error

    return progress


def said(changed):
    """Fail with a line for each change, and nothing else."""
    if changed:
        pytest.fail("changed:\n" + "\n".join(changed), pytrace=False)


def compare_endings(model, images, endings):
    """Run each ending and say all that is not as it was before."""
    changed = []
    for ending, run in endings.items():
        model(images[:2])  # losses of the caller's own call, and states that are not zero
        figure = plt.figure()
        before = everything(model, [images])
        run()
        changed += [
            f"{ending}: {line}" for line in differences(before, everything(model, [images]))
        ]
        plt.close(figure)
    said(changed)


def swallowing(call, *expected):
    """Return a call that has to end with one of the expected errors, if any is expected."""

    def run():
        if not expected:
            call()
            return
        with pytest.raises(expected):
            call()

    return run


def endings(verb, **bad):
    """Return the ways in which a verb with a `progress` ends, by name."""
    return {
        "when all is well": swallowing(verb),
        "with a bad option": swallowing(lambda: verb(**bad), kviz.KvizError),
        "with the caller's error": swallowing(
            lambda: verb(progress=raising(CallersError())), CallersError
        ),
        "when interrupted": interrupted(verb),
    }


def interrupted(verb):
    """Return a call that Ctrl-C ends: in an error, or with the best so far."""

    def run():
        try:
            verb(progress=raising(KeyboardInterrupt()))
        except KeyboardInterrupt:
            return

    return run


def look_early(model, images, layer_names="my conv", **options):
    kviz.activations(model, images, layer_names, **options)


def imagine(model, _images, **options):
    kviz.class_image(model, [0, 1], steps=2, **options)


def draw_filters(model, _images, layer_name="last", **options):
    kviz.filter_patterns(model, layer_name, [0, 1], steps=2, **options)


def dream(model, images, layer_names="last", **options):
    kviz.deep_dream(model, images[:2], layer_names, octaves=1, steps=2, **options)


def fool(model, images, **options):
    kviz.fool(model, images[:3], 1, steps=2, film=True, **options)


def measure(model, images, **options):
    kviz.evaluate(
        model, images[:3], ["saliency"], ["deletion"], nulls=1, baselines=["black"], **options
    )


def write_report(model, images, **options):
    kviz.report(model, images[:2], quick=True, methods=["grad_cam"], **options)


# Each verb with an option that is found to be wrong only after work was done.
VERBS = {
    "activations": (kviz.activations, {"layer_names": "lost"}),
    "activations of an early layer": (look_early, {"layer_names": "lost"}),
    "predict": (kviz.predict, {"output": "lost"}),
    "class_image": (imagine, {"score": lambda outputs: outputs}),
    "filter_patterns": (draw_filters, {"layer_name": "mean"}),
    "deep_dream": (dream, {"layer_names": "lost"}),
    "evaluate": (measure, {"class_index": 99}),
    "fool": (fool, {"score": lambda outputs: outputs}),
    "report": (write_report, {"layer_names": "lost"}),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_changes_nothing(name, models, five):
    verb, bad = VERBS[name]
    model = models["whole"]
    compare_endings(model, five, endings(lambda **k: verb(model, five, **k), **bad))


def test_weights_change_nothing(models, five):
    model = models["whole"]
    compare_endings(
        model,
        five,
        {
            "when all is well": lambda: kviz.weights(model, ["my conv", "classes"]),
            "with a bad option": swallowing(lambda: kviz.weights(model, "lost"), kviz.KvizError),
        },
    )


def little(name):
    """Return a method that does as little as it can."""
    known = {field.name for field in fields(method_named(name))}
    return method_named(name, **{k: v for k, v in LITTLE.items() if k in known})


# One of each way in which methods look at a model; the others have a run of their own.
WAYS = {
    "ablation_cam", "attention_rollout", "deep_lift", "grad_cam", "guided_backprop",
    "integrated_gradients", "lrp", "occlusion", "score_cam", "smooth_grad",
}  # fmt: skip


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    "name",
    [
        name if name in WAYS else pytest.param(name, marks=pytest.mark.slow)
        for name in method_names()
    ],
)
def test_a_method_changes_nothing(name, models, five):
    method = little(name)
    without_loops = isinstance(method, OfAttention) or name in ("deep_lift", "deep_shap", "lrp")
    model = models["attending" if without_loops else "whole"]
    ways = endings(lambda **k: kviz.attribute(model, five[:3], method, **k), class_index=[0, 1, 99])
    compare_endings(model, five, ways)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("name", ["grad_cam", "guided_backprop", "smooth_grad", "lrp"])
def test_a_score_that_fails_while_it_is_traced_changes_nothing(name, models, five):
    model, method = models["whole"], little(name)

    def score(_outputs):
        raise CallersError

    def looked(score):
        return swallowing(
            lambda: kviz.attribute(model, five[:2], method, score=score),
            kviz.KvizError,
            CallersError,
        )

    compare_endings(
        model, five, {"a score that raises": looked(score), "no score": looked(lambda y: y)}
    )


@pytest.mark.some(every=2)
@pytest.mark.parametrize("name", ["activations", "guided_backprop"])
def test_a_subclassed_model_is_as_it_was(name, models, five):
    model = models["subclassed"]

    def verb(**options):
        if name in method_names():
            return kviz.attribute(model, five[:4], name, batch_size=2, **options)
        return getattr(kviz, name)(model, five[:4], batch_size=2, **options)

    compare_endings(model, five, endings(verb, layer_names="lost"))


@pytest.mark.some(every=2)
@pytest.mark.parametrize("error", [CallersError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["activations", "attribute"])
def test_a_model_that_fails_in_its_call_is_as_it_was(name, error, five):
    keras.utils.set_random_seed(1)
    model = Subclassed()
    model(five[:2])
    model.bomb = error()
    before = everything(model, [five])
    with pytest.raises((error, kviz.KvizError)):
        getattr(kviz, name)(model, five[:2])
    said(differences(before, everything(model, [five])))


@pytest.mark.slow
def test_saving_and_showing_change_nothing(models, five, tmp_path):
    model = models["whole"]
    results = {
        "activations": kviz.activations(model, five),
        "weights": kviz.weights(model),
        "predictions": kviz.predict(model, five),
        "attribution": kviz.attribute(model, five, "grad_cam"),
        "synthesis": kviz.fool(model, five[:2], 1, steps=2, film=True),
    }
    files = {"folder": "", "numbers": ".npz", "page": ".html"}

    def saving(result, ending):
        def run():
            try:
                result.save(tmp_path / f"{id(result)}{ending}")
            except kviz.KvizError:  # predictions are not drawn
                return

        return run

    compare_endings(
        model,
        five,
        {f"{name} as {kind}": saving(result, files[kind])
         for name, result in results.items() for kind in files}
        | {f"{name} in a notebook": result._repr_html_ for name, result in results.items()},
    )  # fmt: skip


def fitted(five, *callbacks):
    """Return a freshly trained model and all that is then as it is, from the same seeds."""
    keras.utils.set_random_seed(7)
    random.seed(7)
    tf.random.set_seed(7)
    model = whole_model("conv")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(five[:4], np.arange(4) % 4, batch_size=2, epochs=2, verbose=0, callbacks=callbacks)
    return everything(model, [five])


@pytest.mark.slow
def test_a_film_changes_nothing_of_a_training(five, tmp_path):
    # A twin is what the model is, but not the same objects.
    def comparable(state):
        unlike = ("what they hold", "activation of", "dtype policy", "losses", "Keras's scopes")
        named = {key: value for key, value in state.items() if not key.startswith(unlike)}
        return named | {"variables": list(state["variables"].values())}

    film = kviz.callbacks.Film(
        five[:2], tmp_path / "film.gif", attributions=("grad_cam", "guided_backprop")
    )
    plain, watched = comparable(fitted(five)), comparable(fitted(five, film))
    assert film.epochs == [0, 1, 2]
    said(differences(plain, watched))


def test_what_is_changed_is_seen(models, five):
    """The comparison itself: each change of this list is found."""
    model = models["whole"]
    layer = model.get_layer("memory")
    image = five[:2].copy()
    model(image)

    def undone(change, undo):
        before = everything(model, [image])
        change()
        seen = differences(before, everything(model, [image]))
        undo()
        assert not differences(before, everything(model, [image]))
        return seen

    def set_state(value):
        layer.states[0].assign(value)

    kept = np.array(layer.states[0])
    assert undone(lambda: set_state(kept + 1), lambda: set_state(kept))
    seed = model.get_layer("dropout").seed_generator.state
    moved = np.array(seed)
    assert undone(lambda: seed.assign(moved + 1), lambda: seed.assign(moved))
    assert undone(
        lambda: layer.__setattr__("trainable", False), lambda: layer.__setattr__("trainable", True)
    )
    assert undone(lambda: image.setflags(write=False), lambda: image.setflags(write=True))
    assert undone(lambda: sys.path.append("x"), lambda: sys.path.remove("x"))
    original, relu = keras.Layer.__call__, tf.nn.relu
    assert undone(
        lambda: setattr(keras.Layer, "__call__", lambda *a, **k: original(*a, **k)),
        lambda: setattr(keras.Layer, "__call__", original),
    )
    assert undone(lambda: setattr(tf.nn, "relu", abs), lambda: setattr(tf.nn, "relu", relu))
    state = np.random.get_state()  # noqa: NPY002
    assert undone(lambda: np.random.rand(), lambda: np.random.set_state(state))  # noqa: NPY002
