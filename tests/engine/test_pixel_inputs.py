"""Inputs (N, H, W) that are pictures, and those that are signals; pixels of whole numbers."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image
from refusals import refused

import kviz


def dense():
    steps = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28)), *steps])


def reshaped(shape=(28, 28, 1)):
    conv = layers.Conv2D(4, 3, activation="relu", name="conv")
    if shape[0] == 1:
        conv = layers.Permute((2, 3, 1))
    steps = [layers.Reshape(shape), conv, layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((28, 28)), *steps])


def expanded():
    inputs = keras.Input((12, 40), name="spectrogram")
    x = ops.log(ops.expand_dims(inputs, -1) + 1)
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


PICTURES = {
    "dense": dense,
    "reshaped": reshaped,
    "channels first": lambda: reshaped((1, 28, 28)),
    "expanded": expanded,
}


@pytest.mark.some(every=2)
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_without_channels(name, tmp_path):
    keras.utils.set_random_seed(1)
    model = PICTURES[name]()
    high, wide = model.inputs[0].shape[1:]
    network = kviz.Network(model)
    assert network.input_shapes == [(None, high, wide, 1)]
    assert (network.image_size, network.channels) == ((high, wide), 1)
    images = np.random.default_rng(0).uniform(0, 255, (2, high, wide)).astype("float32")
    # The model's own answers, for images with and without the axis, arrays and tensors.
    right = model(images).numpy()
    for given in (images, images[..., None], ops.convert_to_tensor(images)):
        np.testing.assert_allclose(np.asarray(network(given)), right, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(network(images[0]), right[:1], rtol=1e-5, atol=1e-5)
    # A gradient for each pixel, as the model's own.
    found = kviz.attribute(model, images, "gradient", class_index=1, reduce=None)
    assert found.maps.shape == (2, high, wide, 1)
    step = np.zeros_like(images)
    step[:, 9, 11] = 0.5
    score = kviz.Network(keras.Model(model.inputs, model.outputs))
    if name != "dense":
        slope = (score(images + step) - score(images - step))[:, 1]
        np.testing.assert_allclose(found.maps[:, 9, 11, 0], slope, rtol=2e-2, atol=1e-6)
    assert kviz.attribute(model, images, "saliency").maps.shape == (2, high, wide)
    assert found.images.shape == (2, high, wide, 1)
    # A photo is read to it, as a grey picture.
    path = tmp_path / "photo.png"
    Image.fromarray(np.arange(60 * 80 * 3).reshape(60, 80, 3).astype("uint8")).save(path)
    assert kviz.load_images(path, network).shape == (1, high, wide, 1)
    assert kviz.class_image(model, 1, steps=2).images.shape[1:] == (high, wide, 1)


def test_a_class_activation_map_of_it():
    model = expanded()
    images = np.random.default_rng(0).uniform(0, 255, (2, 12, 40)).astype("float32")
    assert kviz.attribute(model, images, "grad_cam", resize=None).maps.shape == (2, 5, 19)
    assert kviz.attribute(model, images, "grad_cam", resize="aligned").maps.shape == (2, 12, 40)
    field = kviz.Network(model).layers["conv"].receptive_field
    assert (field.size, field.stride) == ((3, 3), (2, 2))


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    "steps",
    [
        [layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(), layers.Dense(2)],
        [layers.LSTM(4), layers.Dense(2)],
        # 12 leads, or 3 axes of an accelerometer.
        [layers.Flatten(), layers.Dense(2)],
    ],
    ids=["convolution", "recurrent", "flattened"],
)
def test_a_signal_is_no_picture(steps):
    model = keras.Sequential([keras.Input((50, 3)), *steps])
    assert kviz.Network(model).input_shapes == [(None, 50, 3)]
    images = np.random.default_rng(0).normal(size=(2, 50, 3)).astype("float32")
    assert kviz.attribute(model, images, "saliency").maps.shape == (2, 50)


def test_rows_of_a_picture_can_be_a_sequence():
    model = keras.Sequential([keras.Input((28, 28)), layers.LSTM(4), layers.Dense(2)])
    assert kviz.Network(model).input_shapes == [(None, 28, 28)]


METHODS = {
    "gradient": {},
    "saliency": {},
    "integrated_gradients": {"steps": 7},
    "smooth_grad": {"samples": 3},
    "expected_gradients": {"samples": 3},
    "guided_backprop": {},
    "lrp": {},
    "grad_cam": {"relu": False},
    "guided_grad_cam": {},
    "occlusion": {"window": 4},
    "rise": {"masks": 20},
}


@pytest.mark.parametrize(
    ("dtype", "made_real", "nested"),
    [
        ("int32", "operation", False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("uint8", "layer", True),
                ("uint8", "layer", False),
                ("uint8", "operation", False),
                ("uint8", "operation", True),
                ("int32", "layer", True),
            )
        ),
    ],
)
def test_pixels_of_whole_numbers(dtype, made_real, nested):
    """The same net that takes real numbers is the referee, also on the way between whole ones."""

    def net(dtype):
        keras.utils.set_random_seed(3)
        x = inputs = keras.Input((16, 16, 3), dtype=dtype)
        x = layers.Rescaling(1 / 255)(x) if made_real == "layer" else ops.cast(x, "float32") / 255
        x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
        model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
        return keras.Sequential([keras.Input((16, 16, 3), dtype=dtype), model]) if nested else model

    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("uint8")
    real, whole = net("float32"), net(dtype)
    for method, options in METHODS.items():
        expected = kviz.attribute(real, images, method, class_index=1, **options).maps
        found = kviz.attribute(whole, images, method, class_index=1, **options).maps
        np.testing.assert_allclose(
            found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max(), err_msg=method
        )
    dreamt = [kviz.class_image(model, 1, steps=3, seed=2).images for model in (real, whole)]
    assert np.abs(dreamt[0] - dreamt[1].astype(float)).max() <= 1


def test_real_pixels_are_cut_off_as_the_model_does():
    model = keras.Sequential(
        [keras.Input((8, 8, 1), dtype="uint8"), layers.Rescaling(1.0), layers.Flatten()]
    )
    images = np.full((1, 8, 8, 1), 3.7)
    assert kviz.predict(model, images).scores.max() == 3
    found = kviz.attribute(model, images, "input_x_gradient", class_index=0)
    assert found.maps.max() == 3


def test_words_have_no_gradient_but_a_map():
    keras.utils.set_random_seed(3)
    words = keras.Input((12,), dtype="int32")
    x = layers.Conv1D(8, 3, padding="same", activation="relu", name="conv")(
        layers.Embedding(50, 8)(words)
    )
    model = keras.Model(words, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    given = np.random.default_rng(0).integers(0, 50, (2, 12))
    found = kviz.attribute(model, given, "hires_cam", class_index=0, relu=False, resize=None)
    maps = keras.Model(words, x)(given).numpy() @ model.layers[-1].get_weights()[0][:, 0] / 12
    np.testing.assert_allclose(found.maps, maps, rtol=1e-4, atol=1e-6)
    with refused("not by a way that has gradients", kviz.errors.LayerError):
        kviz.attribute(model, given, "saliency")
