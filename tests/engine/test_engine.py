"""Models that leave sizes free, but can be traced only where these are known."""

import keras
import numpy as np
import pytest
from keras import layers
from refusals import refused

import kviz


@pytest.mark.some(every=2)
@pytest.mark.parametrize("frames", [6, 1, 9])
def test_time_distributed_over_any_number_of_frames(frames):
    """Where the number of frames is unknown while tracing, Keras loops over the batch."""
    keras.utils.set_random_seed(7)
    clips = keras.Input((None, 16, 16, 1))
    x = layers.TimeDistributed(layers.Conv2D(4, 3), name="each")(clips)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    model = keras.Model(clips, layers.Dense(2)(layers.LSTM(4)(x)))
    images = np.random.default_rng(0).random((3, frames, 16, 16, 1)).astype("float32")
    right = model(images, training=False).numpy()
    np.testing.assert_allclose(kviz.predict(model, images).scores, right, rtol=1e-5, atol=1e-6)
    maps = kviz.activations(model, images, "each")["each"]
    assert maps.shape == (3, frames, 14, 14, 4)
    conv = model.get_layer("each").layer
    for clip in range(3):
        np.testing.assert_allclose(maps[clip], conv(images[clip]), rtol=1e-4, atol=1e-5)
    assert kviz.attribute(model, images, "saliency").maps.shape == (3, frames, 16, 16)
    assert kviz.attribute(model, images, "grad_cam").maps.shape == (3, frames, 16, 16)


class TestEnlargingBetweenPixels:
    """As DeepLab does, for photos of any size."""

    def model(self):
        keras.utils.set_random_seed(3)
        photos = keras.Input((None, None, 3))
        x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv")(photos)
        x = layers.UpSampling2D(2, interpolation="bilinear", name="up")(x)
        return keras.Model(photos, layers.Conv2D(2, 1, activation="softmax", name="map")(x))

    @pytest.mark.parametrize("size", [(16, 16), (20, 12)])
    def test_every_verb(self, size):
        model = self.model()
        images = np.random.default_rng(0).uniform(0, 9, (2, *size, 3)).astype("float32")
        right = model(images).numpy()
        np.testing.assert_allclose(kviz.predict(model, images).maps, right.argmax(-1))
        np.testing.assert_allclose(
            kviz.activations(model, images, "map")["map"], right, rtol=1e-5, atol=1e-6
        )
        door = kviz.activation_model(model, "map")
        np.testing.assert_allclose(door(images)["map"], right, rtol=1e-5, atol=1e-6)
        assert kviz.attribute(model, images, "grad_cam", class_index=0).maps.shape == (2, *size)

    def test_its_layers_are_listed_once_it_has_seen_an_image(self):
        network = kviz.Network(self.model())
        with refused("does not say what size", kviz.errors.ModelError):
            network.layers  # noqa: B018
        kviz.activations(network, np.zeros((1, 16, 16, 3)))
        assert [info.path for info in network.layers][1:] == ["conv", "up", "map"]

    def test_enlarging_by_repeating_needs_no_size(self):
        steps = [layers.Conv2D(4, 3, name="conv"), layers.UpSampling2D(2)]
        network = kviz.Network(keras.Sequential([keras.Input((None, None, 3)), *steps]))
        assert network.layers["conv"].output_shape == (None, None, None, 4)
