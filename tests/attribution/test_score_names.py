"""What a result calls its scores: a logit where it is one, and nothing else a logit."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.scores import ClassScore, LossScore


def net(activation, units=3):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Dense(units, activation)(x))
    model.compile(loss="mse" if activation == "linear" else "sparse_categorical_crossentropy")
    return model


PHOTO = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize(
    ("activation", "method", "score", "name"),
    [
        ("softmax", "grad_cam", None, "logit"),
        ("softmax", "loss_gradient", None, "minus the loss"),
        ("softmax", "finer_cam", None, "difference of logits"),
        ("softmax", "gradient", LossScore(ClassScore()), "score"),
        ("linear", "gradient", None, "value"),
    ],
)
def test_a_score_has_its_name(tmp_path, activation, method, score, name):
    found = kviz.attribute(net(activation), PHOTO, method, class_index=1, score=score)
    assert found.score_name == name
    assert f" · {name} " in found.tiles()[-1].detail
    assert name in found.tables()[0].headers
    found.save(tmp_path / "found.npz")
    assert kviz.load_result(tmp_path / "found.npz").score_name == name


def test_an_ascents_scores_have_names():
    assert kviz.class_image(net("softmax"), 1, steps=1).score_name == "logit"
    assert kviz.class_image(net("linear"), 1, steps=1).score_name == "score"
    assert kviz.fool(net("softmax"), PHOTO, 1, steps=1).score_name == "margin"
    made = kviz.filter_patterns(net("softmax"), "conv2d*", [0], steps=1)
    assert made.score_name == "mean activation"
