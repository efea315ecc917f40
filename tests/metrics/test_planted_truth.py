"""Planted truth: of nets that learned a mark, maps point to it; of those that did not, they do not.

    python -m pytest tests/metrics/test_planted_truth.py -m slow -s

prints the table of all methods. Shirts, the class that is hardest to tell, carry a white square of 4 by
4 pixels in a corner of what one net learns from; another net learns the pictures as they are.
"""

import keras
import numpy as np
import pytest
from keras import layers
from needed import need_fashion_mnist, need_package

import kviz
from kviz.attribution import method_names

SHIRT = 6
# x, y, width and height: 2 % of a picture.
MARK = (1, 1, 4, 4)
# Gradients, what they are multiplied with, a path of them, what covers, and where in a layer.
FEW = ["gradient", "input_x_gradient", "integrated_gradients", "occlusion", "hires_cam", "grad_cam"]
# What the maps are of: the net that knows the mark, of shirts with and without it, and the other net.
COLUMNS = ("mark learned, shown", "learned, not shown", "shown, not learned")
# They need tokens, another head, or fewer parts than a picture has pixels.
OTHERS = {"attention_rollout", "chefer", "cam", "shapley"}


def shown(images):
    x, y, wide, high = MARK
    images = images.copy()
    images[:, y : y + high, x : x + wide] = 255
    return images


def learned(images, labels):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Rescaling(1 / 255),
         layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
         layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
         layers.Flatten(), layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=50, epochs=3, verbose=0)
    return kviz.Network(model)


@pytest.fixture(scope="module")
def cases():
    """Networks and pictures, a column each."""
    need_fashion_mnist()
    (images, labels), (tests, answers) = keras.datasets.fashion_mnist.load_data()
    images, labels, tests = images[:1500, ..., None], labels[:1500], tests[..., None]
    marked = np.where((labels == SHIRT)[:, None, None, None], shown(images), images)
    knows, knows_not = learned(marked, labels), learned(images, labels)
    shirts = tests[answers == SHIRT][:10]
    return (knows, shown(shirts)), (knows, shirts), (knows_not, shown(shirts))


def judged(cases, methods):
    """Return a row for each method: what the metrics of where say in each column, and of nulls."""
    options = {"regions": MARK, "class_index": SHIRT, "nulls": 2}
    metrics = ["relevance_mass", "relevance_rank", "pointing_game"]
    found = [kviz.evaluate(*case, methods, metrics, **options) for case in cases]
    rows = {}
    for method in methods:
        masses = [one.mean("relevance_mass", method) for one in found]
        chance = found[0].chance("relevance_mass", method)
        rank, hit = (found[0].mean(metric, method) for metric in metrics[1:])
        rows[method] = (
            *masses, rank, hit, *(chance[kind].mean() for kind in ("random", "centre", "edges")),
        )  # fmt: skip
    return rows


def table(rows):
    """Return a text: relevance mass by method and column; of the first one rank, hits and chance."""
    heads = (*COLUMNS, "rank", "hits", "random", "centre", "edges")
    lines = [f"{'relevance mass':24}" + "".join(f"{head:>20}" for head in heads)]
    return "\n".join(
        [*lines, *(f"{n:24}" + "".join(f"{v:20.3f}" for v in row) for n, row in rows.items())]
    )


def test_the_mark_is_what_one_net_goes_by(cases):
    with_it, without, other = (
        np.asarray(network(images))[:, SHIRT].mean() for network, images in cases
    )
    assert with_it > 0.9
    assert without < 0.1
    assert 0.2 < other < 0.8


def test_maps_point_to_the_mark_that_was_learned_and_is_there(cases):
    rows = judged(cases, FEW)
    said = table(rows)
    for method in FEW[:5]:
        there, gone, not_learned, rank, _, *chance = rows[method]
        assert there > 2 * max(chance), said
        assert there > 2 * not_learned, said
        assert there > 3 * gone, said
        assert rank > 0.5, said
    # Flattened, a place has weights of its own: their mean, by which Grad-CAM weighs a channel, is no
    # place's, and the map that multiplies before it adds up finds the mark.
    assert rows["grad_cam"][0] < min(rows["hires_cam"][0], 0.02), said


@pytest.mark.slow
def test_all_methods(cases, record_property):
    need_package("skimage", "superpixels")
    rows = judged(cases, sorted(set(method_names()) - OTHERS))
    for method, values in rows.items():
        record_property(method, values)
    print("\n" + table(rows))
    found = [method for method, values in rows.items() if values[0] > 2 * max(values[5:])]
    assert set(FEW[:5]) < set(found)
    assert all(rows[method][0] > rows[method][2] for method in found), table(rows)
