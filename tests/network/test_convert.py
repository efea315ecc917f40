"""convert writes what Keras alone opens, and compares what it gives before it takes its place."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import refused

import kviz
from kviz.network import convert as room


def small_model(*more):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            *more,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def noise(*shape):
    return np.random.default_rng(1).random(shape).astype("float32")


X = noise(2, 8, 8, 3)


def test_an_h5_becomes_a_file_that_keras_alone_opens(tmp_path):
    model = small_model()
    model.save(tmp_path / "old.h5")
    found = kviz.convert(tmp_path / "old.h5", tmp_path / "new.keras", trust=True)
    assert (found.difference, found.before, found.notes) == (0.0, "kviz", ())
    assert 0 < found.largest <= 1
    again = keras.saving.load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(again(X), model(X))
    assert kviz.load_model(tmp_path / "new.keras").classes == 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.keras", "old.h5"]


def test_class_names_and_preprocessing_travel(tmp_path):
    names = ["a", "b", "c"]
    network = kviz.Network(small_model(), class_names=names, preprocess="vgg16")
    kviz.save_model(network, tmp_path / "old.keras")
    kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras")
    again = kviz.load_model(tmp_path / "new.keras")
    assert (again.class_names, again.preprocess) == (tuple(names), "vgg16")


@keras.saving.register_keras_serializable(package="kviz-tests")
class Drifting(layers.Layer):
    """Reads its factor back as another."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor + 0.01}


@keras.saving.register_keras_serializable(package="kviz-tests")
class Noisy(layers.Layer):
    def call(self, inputs):
        return inputs + tf.random.normal(tf.shape(inputs))


def test_a_file_that_gives_other_outputs_is_not_written(tmp_path):
    small_model(Drifting()).save(tmp_path / "old.keras")
    (tmp_path / "new.keras").write_bytes(b"before")
    with refused("gives other outputs than the old one: they differ by", kviz.ModelError):
        kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras", force=True)
    assert (tmp_path / "new.keras").read_bytes() == b"before"
    assert len([*tmp_path.iterdir()]) == 2


def test_what_cannot_be_compared_is_written_and_said(tmp_path):
    small_model(Noisy()).save(tmp_path / "noisy.keras")
    found = kviz.convert(tmp_path / "noisy.keras", tmp_path / "new.keras")
    assert found.difference is None
    assert found.notes == ("Outputs were not compared: the model gives others each time.",)
    assert found.compared == "not compared"
    text = keras.Input((1,), dtype="string")
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    keras.Model(text, layers.Embedding(3, 2)(lookup(text))).save(tmp_path / "text.keras")
    found = kviz.convert(tmp_path / "text.keras", tmp_path / "text2.keras")
    assert "does not say what it takes" in found.notes[0]


def channels_first():
    inputs = keras.Input((3, 8, 9))
    x = layers.Permute((2, 3, 1))(inputs)
    return keras.Model(inputs, layers.Conv2D(2, 3)(x))


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    "build",
    [
        channels_first,
        lambda: keras.Model(
            ins := {"a": keras.Input((None, None, 3), name="a"), "b": keras.Input((4,), name="b")},
            {"c": layers.GlobalAveragePooling2D()(ins["a"]), "d": layers.Dense(2)(ins["b"])},
        ),
        lambda: keras.Model(ins := keras.Input((5,), dtype="int32"), layers.Embedding(2, 3)(ins)),
    ],
)
def test_inputs_of_all_kinds_are_compared(tmp_path, build, trust):
    build().save(tmp_path / "old.keras")
    found = kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras", trust=trust)
    assert (found.difference, found.notes) == (0, ())


def test_differences_are_counted_where_numbers_are_finite():
    nan, inf = float("nan"), float("inf")
    first, second = np.array([1.0, nan, inf, 2.0]), np.array([1.0, nan, inf, 2.5])
    assert room._apart(first, second) == 0.5
    assert room._apart(first, np.array([1.0, 0.0, inf, 2.0])) == inf
    assert room._apart(first, np.array([1.0, nan, -inf, 2.0])) == inf


def test_a_file_of_others_is_replaced_by_force_alone(tmp_path):
    small_model().save(tmp_path / "old.keras")
    (tmp_path / "new.keras").write_bytes(b"mine")
    with refused("force=True", kviz.OutputError):
        kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras")
    assert (tmp_path / "new.keras").read_bytes() == b"mine"
    kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras", force=True)
    kviz.convert(tmp_path / "old.keras", tmp_path / "new.keras")  # its own


@pytest.mark.parametrize(
    ("old", "new", "match", "kind"),
    [
        ("old.keras", "new.h5", r"ending in \.keras", kviz.OutputError),
        ("old.keras", "no/new.keras", "folder does not exist", kviz.OutputError),
        ("none.keras", "new.keras", "There is no file", kviz.ModelError),
        ("a\0b", "new.keras", "cannot be read", kviz.ModelError),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, old, new, match, kind):
    monkeypatch.chdir(tmp_path)
    small_model().save("old.keras")
    with refused(match, kind):
        kviz.convert(old, new)
    assert [file.name for file in tmp_path.iterdir()] == ["old.keras"]


# A SavedModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    model = small_model()
    model.export(folder / "saved", verbose=False)
    (folder / "labels.txt").write_text("0 Rock\n1 Paper\n2 Scissors\n")
    return folder, model


def test_a_saved_model_becomes_a_black_box_that_gives_the_same(exported, tmp_path):
    folder, model = exported
    new = tmp_path / "new.keras"
    with refused("runs what its maker put into it.*trust=True", kviz.ModelError):
        kviz.convert(folder / "saved", new)
    found = kviz.convert(folder / "saved", new, trust=True)
    assert found.compared == "equal on noise, before as the SavedModel gives them"
    assert "endpoint 'serve'" in found.changes[0]
    with refused("is a TFSMLayer, which runs code", kviz.ModelError):
        kviz.load_model(new)
    network = kviz.load_model(new, trust=True)
    assert network.class_names == ("Rock", "Paper", "Scissors")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), "uint8")
    answers = np.asarray(model(pixels.astype("float32")))
    np.testing.assert_allclose(kviz.predict(network, pixels).scores, answers, rtol=1e-5)
    # As of the model itself: what asks for outputs alone.
    for method, options in {
        "occlusion": {"window": 3, "stride": 2},
        "rise": {"masks": 8, "cells": 3, "seed": 0},
    }.items():
        ours, theirs = (
            kviz.attribute(one, pixels, method, class_index=1, score=lambda y: y[:, 1], **options)
            for one in (network, kviz.Network(model))
        )
        np.testing.assert_allclose(ours.maps, theirs.maps, rtol=1e-4, atol=1e-6)


class Two(tf.Module):
    """What others export: signatures alone, of one input, of two by name, of a dict of outputs."""

    def __init__(self):
        self.w = tf.Variable(tf.ones((4, 2)))

    def one(self, photo):
        return {"y": photo @ self.w}

    def both(self, photo, other):
        return {"y": photo @ self.w + other @ self.w}


def test_a_saved_model_of_others_is_wrapped_by_its_signature(tmp_path):
    module, spec = Two(), tf.TensorSpec((None, 4))
    one = tf.function(module.one).get_concrete_function(spec)
    tf.saved_model.save(module, tmp_path / "one", signatures=one)
    found = kviz.convert(tmp_path / "one", tmp_path / "one.keras", trust=True)
    assert found.difference == 0
    assert "endpoint 'serving_default'" in found.changes[0]
    x = noise(3, 4)
    again = keras.saving.load_model(tmp_path / "one.keras", safe_mode=False)
    np.testing.assert_allclose(again(x), x @ np.ones((4, 2)), rtol=1e-6)
    both = tf.function(module.both).get_concrete_function(spec, spec)
    tf.saved_model.save(module, tmp_path / "both", signatures=both)
    with refused("no endpoint that takes one input", kviz.ModelError):
        kviz.convert(tmp_path / "both", tmp_path / "both.keras", trust=True)
    tf.saved_model.save(module, tmp_path / "none")
    with refused("no endpoint that takes one input", kviz.ModelError):
        kviz.convert(tmp_path / "none", tmp_path / "none.keras", trust=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/saved_model.pb").write_bytes(b"\x08\x01garbage")
    with refused("cannot be wrapped", kviz.ModelError):
        kviz.convert(tmp_path / "bad", tmp_path / "bad.keras", trust=True)


def test_it_shows_itself(tmp_path):
    found = room.Conversion(
        tmp_path / "a.h5", tmp_path / "b.keras", ("groups: 1 left out",), 3e-5, 0.5
    )
    assert "groups: 1 left out" in repr(found)
    assert "differ by at most 3e-05, of outputs up to 0.5" in repr(found)
    assert "groups: 1 left out" in found._repr_html_()
    assert json.loads(json.dumps(found.facts())) == found.facts()
