"""A map of which ReLU leaves nothing: told by a field, a note, and by no method that has no ReLU."""

import keras
import numpy as np
import pytest

from kviz.attribution import GradCam, SmoothGrad, attribute

layers = keras.layers


def net(*weights):
    """The photo's mean, times each class's weight."""
    image = keras.Input((4, 4, 1))
    x = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="conv")(image)
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(len(weights), use_bias=False)
    model = keras.Model(image, dense(x))
    dense.set_weights([np.array([weights], "float32")])
    return model


def photos(*levels):
    return np.stack([np.full((4, 4, 1), level, "float32") for level in levels])


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "cam", "ablation_cam", "score_cam"])
def test_what_speaks_against_the_class_alone_is_told_apart_from_nothing(method):
    found = attribute(net(-2, 1, 0), photos(200, 100), method, class_index=[[0, 1, 2]] * 2)
    # score_cam has weights that are never below zero, and maps that are not here; ablation_cam's are
    # shares of the score, whatever its sign.
    cut = method in ("grad_cam", "hires_cam", "cam")
    np.testing.assert_array_equal(found.negative, [[cut, False, False]] * 2)
    assert (not found.maps[:, 0].any()) == cut
    assert not attribute(net(-2, 1), photos(200), method, class_index=0, relu=False).negative.any()


def test_negative_in_one_image_and_in_one_of_two_layers_only():
    model = net(1, -1)
    found = attribute(model, photos(200, 0), "grad_cam", class_index=1)
    assert found.negative.tolist() == [True, False]
    assert found.notes == (
        "Grad-CAM is negative everywhere, and ReLU leaves nothing of it, for image 0. "
        "relu=False shows the evidence against the class.",
        "Grad-CAM found no evidence: the map is zero everywhere for image 1. "
        "Another method or layer may say more.",
    )


def test_a_method_without_relu_says_nothing_of_it():
    assert attribute(net(-1, 1), photos(200), "gradient", class_index=0).negative is None
    noisy = SmoothGrad(base=GradCam(relu=False), samples=2)
    assert attribute(net(-1, 1), photos(200), noisy, class_index=0).maps.any()
