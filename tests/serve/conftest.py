"""A small net behind a session, somebody who asks it, and the app around it."""

import io

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from serve_asker import Asker

import kviz
from kviz.serve.photos import Photo
from kviz.serve.session import Session

NAMES = ["cat", "dog", "owl"]


@pytest.fixture(scope="session")
def small():
    """A net with a pattern of every kind that a value is worked out for."""
    keras.utils.set_random_seed(3)
    photo = keras.Input((16, 12, 3), name="photo")
    x = layers.Rescaling(1 / 255, name="scale")(photo)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv")(x)
    x = layers.DepthwiseConv2D((3, 2), depth_multiplier=2, name="depth")(x)
    x = layers.SeparableConv2D(5, 2, padding="same", activation="tanh", name="apart")(x)
    x = layers.Conv2D(4, 3, padding="same", groups=1, dilation_rate=2, name="wide")(x)
    x = layers.MaxPooling2D(2, 1, padding="same", name="largest")(x)
    x = layers.AveragePooling2D(3, 2, padding="same", name="mean")(x)
    x = layers.Conv2D(8, 1, groups=2, use_bias=False, name="groups")(x)
    x = layers.GlobalAveragePooling2D(name="all")(x)
    model = keras.Model(
        photo, layers.Dense(3, activation="softmax", name="answer")(x), name="small"
    )
    return kviz.Network(model, class_names=NAMES)


@pytest.fixture(scope="session")
def file():
    """Return a function that makes an image file's bytes."""

    def make(seed=0, size=(40, 30), kind="PNG", **options):
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, kind, **options)
        return np.frombuffer(held.getvalue(), np.uint8)

    return make


@pytest.fixture
def session(small):
    made = Session([small])
    yield made
    made.close()


@pytest.fixture
def ask(session):
    return Asker(session)


@pytest.fixture(scope="module")
def shared(small, file):
    """One session for tests that leave nothing behind, and a photo in it."""
    session = Session([small], [Photo(name="first.png", file=file(5).tobytes())])
    ask = Asker(session)
    yield ask, session.given[0].id
    session.close()
