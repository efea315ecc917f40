"""The VGG-like net: its layers, and that kviz looks through its log-softmax."""

import keras
import numpy as np
import pytest
import xai_vgg

import kviz

IMAGE = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return xai_vgg.build((32, 32, 3), 3)


def test_thirteen_convolutions_without_bias(model):
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [conv.filters for conv in convs] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert not any(conv.use_bias for conv in convs)
    # Conv kernels, four numbers a channel of batch norm, the head: counted by hand.
    assert model.count_params() == 14_710_464 + 4 * 4224 + (512 + 1) * 512 * 2 + 513 * 3
    assert xai_vgg.build((100, 100, 3), 2).output_shape == (None, 2)


def test_confidences_are_probabilities(model):
    logs = model.predict(IMAGE, verbose=0)
    assert (logs < 0).all()
    found = kviz.predict(model, IMAGE)
    assert found.is_probability
    np.testing.assert_allclose(found.scores, np.exp(logs), rtol=1e-4)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)
    assert "log-probabilities" in found.notes[0]


def test_negative_scores_that_are_no_logarithms_stay_scores():
    layers = [keras.Input((2,)), keras.layers.Identity()]
    found = kviz.predict(keras.Sequential(layers), np.array([[-1.0, -2.0]], np.float32))
    assert found.scores.tolist() == [[-1.0, -2.0]]
    assert not found.is_probability


@pytest.mark.parametrize("as_layer", [False, True])
def test_the_gradient_is_of_the_score_before_log_softmax(as_layer):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    scores = keras.layers.Dense(3)(x)
    last = keras.layers.Activation("log_softmax") if as_layer else keras.activations.log_softmax
    image = IMAGE[:, :6, :6]
    one = kviz.attribute(keras.Model(inputs, last(scores)), image, "gradient", class_index=1)
    other = kviz.attribute(keras.Model(inputs, scores), image, "gradient", class_index=1)
    np.testing.assert_allclose(one.maps, other.maps, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_it_trains_on_a_folder(photos, tmp_path, command):
    out = tmp_path / "out"
    done = command(xai_vgg, "--data", photos, "--out", out, "--size", 32, "--epochs", 1)
    assert done.exit_code == 0, done.output
    assert kviz.load_model(out / "xai_vgg.keras").class_names == ("blue", "red")


def test_too_small_a_photo_ends_in_one_line(tmp_path, command):
    done = command(xai_vgg, "--demo", "--size", 16, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "32 pixels" in done.output
    assert "Traceback" not in done.output
