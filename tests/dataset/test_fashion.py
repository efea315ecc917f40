"""The shipped convnet over the 10,000 test images of Fashion-MNIST, whose labels are known."""

from pathlib import Path

import keras
import numpy as np
import pytest
from needed import need_fashion_mnist, need_package

import kviz

need_package("tensorstore", "store")
need_package("pyarrow", "store")

ROOT = Path(__file__).parents[2]
K = 9


@pytest.fixture(scope="module", params=[2000, pytest.param(10_000, marks=pytest.mark.slow)])
def fashion(request):
    need_fashion_mnist()
    (_, _), (images, labels) = keras.datasets.fashion_mnist.load_data()
    return images[: request.param, ..., None], labels[: request.param]


@pytest.fixture(scope="module")
def network():
    return kviz.load_model(ROOT / "models/fashion_cnn.keras")


def test_accuracy_and_confusion_are_keras_and_scikit_learns(fashion, network, tmp_path):
    from sklearn.metrics import confusion_matrix

    images, labels = fashion
    found = kviz.dataset.run(
        "predict", network, (images, labels), tmp_path / "store", statistics="confusion"
    )
    model = keras.models.clone_model(network.model)
    model.set_weights(network.model.get_weights())
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    accuracy = model.evaluate(images.astype("float32"), labels, verbose=0)[1]
    counts = found.counts()
    assert counts["labelled"] == len(images)
    assert found.accuracy == pytest.approx(accuracy, abs=1e-7)
    # A shipped model of 90 % and more, not any numbers that agree.
    assert accuracy > 0.9
    answers = model.predict(images.astype("float32"), verbose=0).argmax(1)
    assert found.index["prediction"].tolist() == answers.tolist()
    told = found.statistics().predicted["confusion"]
    assert np.array_equal(told.counts, confusion_matrix(labels, answers))


def test_the_best_images_of_every_channel_are_those_of_a_plain_sort(fashion, network, tmp_path):
    images, labels = fashion
    found = kviz.dataset.run(
        "activations", network, (images, labels), tmp_path / "store", statistics=f"top_k={K}"
    )
    peaks = kviz.activation_model(network, pooling="max").predict(
        images.astype("float32"), batch_size=32, verbose=0
    )
    told = found.statistics()
    assert list(told) == list(peaks) == ["conv1", "pool1", "conv2", "pool2"]
    for path, values in peaks.items():
        # Of equal values the lower index comes first.
        order = np.argsort(-values.T, axis=1, kind="stable")[:, :K]
        top = told[path]["top_k"]
        assert np.array_equal(top.row, order), path
        assert np.array_equal(top.value, np.take_along_axis(values.T, order, 1))
    maps = kviz.activations(network, images[told["conv2"]["top_k"].row[:, 0]], "conv2")["conv2"]
    for channel, place in enumerate(told["conv2"]["top_k"].place[:, 0]):
        one = maps[channel, ..., channel]
        assert one[tuple(place)] == one.max()
        # The first of equal cells, as the map is laid out.
        assert one.argmax() == told["conv2"]["top_k"].cell[channel, 0]
