"""Numbers of other projects' test suites: captum, PAIR's saliency and xplique.

captum's `test_layer_gradient_x_activation.py` asks for the layer of a net on vectors. kviz's layer
methods take layers with spatial extent only, and say so; the number itself is checked on the same
layer as a row of four positions, and from that layer on.
"""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute


def first(outputs):
    return outputs[:, 0]


def convolution(*, fused=False, operation=False):
    """Return captum's BasicModel_ConvNet_One_Conv, with ReLU as a layer, argument or operation."""
    inputs = keras.Input((4, 4, 1))
    conv = layers.Conv2D(
        2, 3, kernel_initializer="ones", activation="relu" if fused else None, name="conv"
    )
    dense = layers.Dense(4, use_bias=False, name="dense")
    x = conv(inputs)
    if not fused:
        x = keras.ops.relu(x) if operation else layers.ReLU(name="relu1")(x)
    x = dense(layers.Flatten(name="flat")(x))
    model = keras.Model(inputs, layers.ReLU(name="relu2")(x))
    conv.bias.assign([-50, -75])
    dense.kernel.assign(np.repeat([[1], [1], [1], [-1], [1], [-1], [1], [-1]], 4, axis=1))
    return model


KINDS = pytest.mark.parametrize("kind", [{}, {"fused": True}, {"operation": True}])
X = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)


def test_fwd():
    # captum@faac080 basic_models.py BasicModel_ConvNet_One_Conv
    model = convolution()
    maps = kviz.activations(model, X, "conv")["conv"][0]
    np.testing.assert_allclose(maps[..., 0], [[-5, 4], [31, 40]], atol=1e-5)
    np.testing.assert_allclose(maps[..., 1], [[-30, -21], [6, 15]], atol=1e-5)
    np.testing.assert_allclose(kviz.Network(model)(X), [[54, 54, 54, 54]], atol=1e-5)


def test_gradcam_pre_relu():
    # captum@faac080 tests/attr/layer/test_grad_cam.py::test_simple_input_conv
    found = attribute(
        convolution(), X, "grad_cam", layer_names="conv", relu=False, resize=None, score=first
    )
    np.testing.assert_allclose(found.maps[0], [[11.25, 13.5], [20.25, 22.5]], atol=1e-2)
    assert found.scores.tolist() == [54]


@pytest.mark.parametrize(("fused", "layer"), [(False, "relu1"), (True, "conv")])
def test_gradcam_relu1(fused, layer):
    # captum@faac080 tests/attr/layer/test_grad_cam.py::test_simple_input_conv_relu
    found = attribute(
        convolution(fused=fused), X, "grad_cam", layer_names=layer, resize=None, score=first
    )
    np.testing.assert_allclose(found.maps[0], [[0, 4], [28, 32.5]], atol=1e-2)


@KINDS
def test_guided_bp(kind):
    # captum@faac080 tests/attr/test_guided_backprop.py::test_simple_input_conv_gb
    found = attribute(convolution(**kind), X, "guided_backprop", score=first)
    expected = [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-2)


@KINDS
def test_deconvnet(kind):
    # captum@faac080 tests/attr/test_deconvolution.py::test_simple_input_conv_deconv
    found = attribute(convolution(**kind), X, "deconvnet", score=first)
    expected = [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-2)


# captum@faac080 tests/attr/layer/test_layer_gradient_x_activation.py
DENSE1 = [90, 101, 101, 101]


def multilayer(*, as_row=False):
    """Return captum's BasicModel_MultiLayer: x(3) -> ones, [-10,1,1,1] -> ReLU -> ones, [-1,1]."""
    inputs = keras.Input((3,))
    one = layers.Dense(4, kernel_initializer="ones", name="one")
    two = layers.Dense(2, kernel_initializer="ones", name="two")
    x = one(inputs)
    if as_row:
        x = layers.Reshape((4, 1), name="row")(x)
    x = layers.ReLU(name="relu")(x)
    model = keras.Model(inputs, two(layers.Flatten(name="flat")(x)))
    one.bias.assign([-10, 1, 1, 1])
    two.bias.assign([-1, 1])
    return model


def test_layer_gradxact_of_a_row():
    found = attribute(
        multilayer(as_row=True),
        np.array([[0, 100, 0]]),
        "hires_cam",
        layer_names="row",
        relu=False,
        resize=None,
        class_index=0,
    )
    np.testing.assert_allclose(found.maps, [DENSE1], atol=1e-2)


def test_layer_gradxact_from_the_layer_on():
    model = multilayer()
    head = keras.Model(model.get_layer("one").output, model.output)
    x = keras.ops.convert_to_numpy(model.get_layer("one")(np.array([[0, 100, 0]])))
    found = attribute(head, x, "input_x_gradient", class_index=0)
    np.testing.assert_allclose(found.maps, [DENSE1], atol=1e-2)


def test_layer_gradxact_of_a_layer_of_vectors_is_refused():
    with pytest.raises(kviz.LayerError, match=r"'one'.*no spatial output"):
        attribute(multilayer(), np.array([[0, 100, 0]]), "hires_cam", layer_names="one")


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
@pytest.mark.parametrize("inner", [False, True])
def test_ig_basic2(rule, inner):
    # captum@faac080 tests/attr/test_integrated_gradients_basic.py: a = 3, b = 1 from 0; BasicModel2
    # is relu(relu(a) - 1 - relu(b)), and BasicModel3, relu(relu(a - 1) - relu(b)), has its total.
    inputs = keras.Input((2,))
    relu = keras.ops.relu
    a, b = inputs[:, :1], inputs[:, 1:]
    model = keras.Model(inputs, relu(relu(a - 1) - relu(b)) if inner else relu(relu(a) - 1 - b))
    found = attribute(model, np.array([[3, 1]]), "integrated_gradients", rule=rule, score=first)
    assert found.maps.sum() == pytest.approx(1, abs=0.05)
    if not inner:
        np.testing.assert_allclose(found.maps, [[1.5, -0.5]], atol=0.05)


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
def test_pair_ig(rule):
    # PAIR-code/saliency@7b72b67 saliency/core/integrated_gradients_test.py: 5x + y^2 + sin z
    inputs = keras.Input((3,))
    x, y, z = (inputs[:, place] for place in range(3))
    model = keras.Model(inputs, 5 * x + y**2 + keras.ops.sin(z))
    found = attribute(
        model,
        np.array([[1, 2, 3]]),
        "integrated_gradients",
        baseline=[0.5, 1, 1],
        rule=rule,
        score=lambda outputs: outputs,
    )
    np.testing.assert_allclose(found.maps, [[2.5, 3.0, -0.70035]], atol=1e-2)


def with_gradient(gradient):
    """Return a model whose layer "maps" is its input and has a gradient `(H, W, channels)`."""
    gradient = np.array(gradient, "float32")
    inputs = keras.Input(gradient.shape)
    maps = layers.Activation("linear", name="maps")(inputs)
    return keras.Model(inputs, keras.ops.sum(maps * gradient, (1, 2, 3)))


def test_pair_gradcam():
    # PAIR-code/saliency@7b72b67 saliency/core/grad_cam_test.py: one channel, divided by its maximum
    maps = np.array(
        [
            [-1, -2, -3, -2, -1],
            [1, 2, 3, 2, 1],
            [0, 0, 0, 0, 0],
            [1, 2, 3, 2, 1],
            [-1, -2, -3, -2, -1],
        ]
    )
    gradient = np.array(
        [
            [2, 0, 0, 0, 0],
            [0, 3, 3, 3, 0],
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0],
            [0, 3, 3, 3, 2],
        ]
    )
    found = attribute(
        with_gradient(gradient[..., None]),
        maps[None, ..., None],
        "grad_cam",
        layer_names="maps",
        resize=None,
        score=lambda outputs: outputs,
    )
    expected = [
        [0, 0, 0, 0, 0],
        [0.33, 0.67, 1, 0.67, 0.33],
        [0, 0, 0, 0, 0],
        [0.33, 0.67, 1, 0.67, 0.33],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(found.maps[0] / found.maps.max(), expected, atol=1e-2)
    # What is not divided: the mean gradient is 22 / 25.
    assert found.maps.max() == pytest.approx(3 * 22 / 25, abs=1e-5)


# deel-ai/xplique@0c90fa4 tests/attributions/test_grad_cam.py::test_weights_computation: four channels
# that are their own gradients.
CHANNELS = [[[1, 1], [1, 1]], [[1, 1], [0, 0]], [[1, 0.5], [0, 0]], [[0.5, 0], [0, 0]]]
WEIGHTS = [1, 0.5, 0.375, 0.125]


def test_xpl_gradcam_w():
    channels = np.moveaxis(np.array(CHANNELS), 0, -1)
    # At each of four positions one channel only, so that the map shows the weights.
    alone = np.eye(4).reshape(2, 2, 4)
    found = attribute(
        with_gradient(channels),
        np.stack([alone, channels]),
        "grad_cam",
        layer_names="maps",
        resize=None,
        score=lambda outputs: outputs,
    )
    np.testing.assert_allclose(found.maps[0].ravel(), WEIGHTS, atol=1e-3)
    np.testing.assert_allclose(found.maps[1], channels @ WEIGHTS, atol=1e-3)
