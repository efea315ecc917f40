"""Fooling: what is returned is asked of Keras itself, as PNG files read back with Pillow."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import kviz
from kviz.engine.passes import Passes
from kviz.scores import as_score
from kviz.synthesis import fooling
from kviz.synthesis._ascent import Ascent, Run, climb
from kviz.synthesis._moves import Step
from kviz.synthesis._parametrizations import Pixels
from kviz.synthesis._pieces import Between

CLASSES = 5
NAMES = ["cat", "dog", "owl", "pig", "yak"]


def photos(count, shape=(16, 16, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), "uint8")


def net(shape=(16, 16, 3), *, last=None, as_layer=None, classes=CLASSES, seed=1, gain=1, **kwargs):
    """Return rescaling -> conv -> conv -> flatten -> dense, with logits `gain` times as far apart."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(
        shape, **({"dtype": "float64"} if kwargs.get("dtype") == "float64" else {})
    )
    x = layers.Rescaling(1 / 255, **kwargs)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="one", **kwargs)(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="two", **kwargs)(x)
    x = layers.Flatten(**kwargs)(x)
    x = layers.Dense(classes, activation=last, name="dense", **kwargs)(x)
    model = keras.Model(inputs, as_layer(x) if as_layer else x)
    kernel = model.get_layer("dense").kernel
    kernel.assign(gain * kernel)
    return model


@pytest.fixture(scope="module")
def model():
    return net()


def answers(model, images):
    """Return what Keras itself answers."""
    return np.asarray(model.predict(images, verbose=0), float)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def read_back(found, folder):
    """Return a result's pictures as PNG files have them, `(N, H, W, channels)`."""
    found.save(folder)
    files = sorted((folder / "pixels").iterdir())
    assert len(files) == len(found.images)
    pictures = []
    for file in files:
        with Image.open(file) as picture:
            pictures.append(np.asarray(picture))
    return np.stack(pictures).reshape(found.images.shape)


def steps_of(found):
    return np.isfinite(found.scores).sum(0) - 1


# The referee's numbers.


def of_ones():
    """Return captum's net: x(3) -> ones, [-10, 1, 1, 1] -> ReLU -> ones, [-1, 1]."""
    inputs = keras.Input((3,))
    one = layers.Dense(4, activation="relu", kernel_initializer="ones")
    two = layers.Dense(2, kernel_initializer="ones")
    model = keras.Model(inputs, two(one(inputs)))
    one.bias.assign([-10, 1, 1, 1])
    two.bias.assign([-1, 1])
    return model


def test_fgsm_ml():
    # pytorch/captum@faac080 tests/robust/test_FGSM.py::test_attack_additional_inputs: a loss of
    # -log(out[0]) that grows. out[1] is ahead of out[0] by 2 whatever the input, so that the class to
    # get away from has to be that one: kviz leaves alone what is not taken for class 0 anyway.
    found = kviz.fool(
        of_ones(), np.array([[0, 8, -1]]), class_index=1, targeted=False, norm="linf", step_size=0.2,
        steps=1, score=lambda outputs: tf.math.log(outputs[:, 0]),
    )  # fmt: skip
    np.testing.assert_allclose(found.images, [[-0.2, 7.8, -1.2]], atol=0.01)


def below_one():
    """Return captum's 1 - ReLU(1 - x)."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, 1 - keras.ops.relu(1 - inputs))


def log_of_last(outputs):
    return tf.math.log(outputs[:, 3])


def test_fgsm_bound():
    # pytorch/captum@faac080 test_FGSM.py::test_attack_bound, by the pieces of `fool`: it itself refuses
    # what begins outside the bounds. The outputs are negative and their logarithm is not there; its
    # gradient, 1 / f, is.
    start = np.array([[9, 10, -6, -1]], "float32")
    network = kviz.Network(below_one())
    pixels = network.pixels(start)
    passes = Passes(network.engine, as_score(log_of_last), pixels, next(iter(pixels)))
    found = climb(
        passes,
        Ascent(move=Step(0.2, "linf"), parametrization=Pixels(), holds=(Between(-5, 5),)),
        [start], np.array([3], np.int32), start, Run(steps=1),
    )  # fmt: skip
    np.testing.assert_allclose(found.images, [[5, 5, -5, -1.2]], atol=0.01)


def test_fgsm_bound_from_within():
    # The same, begun where the bounds are.
    options = {"class_index": 3, "norm": "linf", "step_size": 0.2, "steps": 1, "score": log_of_last}
    found = kviz.fool(below_one(), np.array([[5, 5, -5, -1]]), bounds=(-5, 5), **options)
    np.testing.assert_allclose(found.images, [[5, 5, -5, -1.2]], atol=0.01)
    with pytest.raises(kviz.ImageError, match="values from -6 to 10"):
        kviz.fool(below_one(), np.array([[9, 10, -6, -1]]), bounds=(-5, 5), **options)


# What grows.


@pytest.mark.slow
def test_the_margin_changes_less_than_the_score_alone():
    """The shipped convnet: 120 test images took 1.2 times as much by the score, each its own class."""
    model = kviz.load_model(Path(__file__).parents[2] / "models/fashion_cnn.keras")
    images = photos(20, (28, 28, 1), seed=5)
    wanted = ((answers(model.model, images).argmax(1) + 1 + np.arange(20) % 9) % 10).tolist()
    found = {name: kviz.fool(model, images, wanted, objective=name) for name in OBJECTIVES}
    assert all(one.arrived.all() for one in found.values())
    far = {name: one.norms[:, 0] for name, one in found.items()}
    for name in ("margin", "cross_entropy"):
        assert np.log(far["logit"] / far[name]).mean() > np.log(1.1)


def lifted():
    """Return a net of which class 1 rises along x, and class 2 three times as fast."""
    inputs = keras.Input((2,))
    dense = layers.Dense(3, use_bias=False)
    model = keras.Model(inputs, dense(inputs))
    dense.kernel.assign([[0, 1, 3], [0, 1, 0]])
    return model


def test_what_is_lifted_with_a_class_is_not_raised():
    """By its score alone class 1 is never taken: class 2 rises faster along the same way."""
    x = np.array([[1.0, -2.0]])
    alone = kviz.fool(lifted(), x, 1, objective="logit", step_size=0.1, steps=100)
    assert not alone.arrived.any()
    found = kviz.fool(lifted(), x, 1, step_size=0.1, steps=100)
    assert found.arrived.all()
    # The margin is (x + y) - 3 x while class 2 is the rival: straight along (-2, 1).
    assert steps_of(found)[0] > 10
    while_rival = found.scores[:11, 0]
    expected = (-2 * x[0, 0] + x[0, 1]) + np.sqrt(5) * 0.1 * np.arange(11)
    np.testing.assert_allclose(while_rival, expected, rtol=1e-5)


def test_an_objective_and_a_score_exclude_each_other(model):
    with pytest.raises(kviz.OptionError, match="objective takes one of 'margin', 'cross_entropy'"):
        kviz.fool(model, photos(1), 2, objective="loss")
    with pytest.raises(kviz.OptionError, match="objective is for a class"):
        kviz.fool(model, photos(1), 2, objective="logit", score=lambda outputs: outputs[:, 0])


@pytest.mark.some(every=2)
@pytest.mark.parametrize("last", ["sigmoid", None])
@pytest.mark.parametrize("targeted", [True, False])
def test_one_units_margin_is_twice_its_logit(last, targeted):
    """Between class 1, scored by the unit, and class 0, by the unit turned round."""
    model, plain = net(last=last, classes=1), net(classes=1)
    network = kviz.Network(model, class_names=["cat", "dog"])
    for place in (0, 1):
        found = kviz.fool(network, photos(3), place, targeted=targeted)
        unit = answers(plain, photos(3))[:, 0]
        expected = 2 * unit if place else -2 * unit
        np.testing.assert_allclose(found.scores[0], expected, rtol=1e-3, atol=1e-5)
        ahead = answers(plain, found.images)[:, 0] > 0
        assert (ahead == (bool(place) == targeted)).all()


# Values in 0-1.


def takes_01(seed=1):
    """Return a model that was trained on values in 0-1, and images of those."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(),
         layers.Dense(3)]
    )  # fmt: skip
    return model, np.random.default_rng(0).uniform(0.2, 0.8, (4, 8, 8, 1)).astype("float32")


def test_values_in_0_1_are_refused_without_bounds():
    model, x = takes_01()
    with pytest.raises(kviz.ImageError, match=r"or bounds=\(0, 1\) for a model.*from 0.2"):
        kviz.fool(model, x, targeted=False)
    # Whole numbers are pixels, and so is black.
    kviz.fool(model, (x > 0.5).astype("uint8"), targeted=False, steps=1)
    kviz.fool(model, np.zeros_like(x), targeted=False, steps=1)


@pytest.mark.slow
def test_of_what_is_no_photo_its_own_values_are_black_and_white():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3, 2)), layers.Flatten(), layers.Dense(2)])
    x = np.array([[[-3.0, 1.0], [0.5, 4.0], [2.0, 0.0]]])
    found = kviz.fool(model, x, targeted=False)
    assert found.bounds == (-3, 4)
    assert "of 7" in found.tiles()[2].detail


def test_bounds_of_0_1_are_those_of_the_model(tmp_path):
    model, x = takes_01()
    was = answers(model, x).argmax(1)
    found = kviz.fool(model, x, targeted=False, bounds=(0, 1), film=True)
    np.testing.assert_array_equal(found.originals, x)
    assert found.arrived.all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    np.testing.assert_array_equal(answers(model, found.images).argmax(1) != was, found.arrived)
    assert found.bounds == (0, 1)
    # Drawn as they are: 0 is black and 1 is white.
    np.testing.assert_array_equal(found.pixels, np.rint(found.images * 255))
    before, after, change, _ = found.tiles(image=0)
    np.testing.assert_array_equal(before.levels[..., 0], np.rint(x[0, ..., 0] * 255))
    np.testing.assert_array_equal(after.levels[..., 0], np.rint(found.images[0, ..., 0] * 255))
    tenfold = 127.5 + 10 * 255 * (found.images[0] - x[0])[..., 0]
    assert np.abs(change.levels[..., 0] - tenfold.clip(0, 255)).max() <= 0.51
    np.testing.assert_array_equal(found.frames[0], np.rint(x * 255))
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    np.testing.assert_array_equal(again.pixels, found.pixels)


@pytest.mark.slow
def test_a_model_of_0_1_takes_pixels_by_its_preprocessing():
    model, _ = takes_01()
    network = kviz.Network(model, preprocess=layers.Rescaling(1 / 255))
    x = photos(3, (8, 8, 1))
    found = kviz.fool(network, x, targeted=False)
    assert found.arrived.all()
    was, now = (answers(model, one / 255).argmax(1) for one in (x, found.pixels))
    assert (was != now).all()


@pytest.mark.slow
def test_originals_that_are_rounded_are_said_to_be(model):
    x = photos(2).astype("float32") * 0.9
    found = kviz.fool(model, x, 2)
    np.testing.assert_array_equal(found.originals, np.rint(x))
    assert any("rounded to whole numbers" in note for note in found.notes)
    assert not any("rounded" in note for note in kviz.fool(model, photos(2), 2).notes)


# The success curve.


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_several_norms_give_the_success_curve(norm, model, tmp_path):
    x, norms = photos(6), [3, 40, 15, 400] if norm == "l2" else [1, 4, 2, 9]
    found = kviz.fool(model, x, 2, max_norm=norms, norm=norm, batch_size=4)
    np.testing.assert_array_equal(found.max_norms, sorted(norms))
    alone = [kviz.fool(model, x, 2, max_norm=radius, norm=norm) for radius in sorted(norms)]
    each = np.array([one.arrived for one in alone])
    np.testing.assert_array_equal(found.arrived_within, np.logical_or.accumulate(each))
    np.testing.assert_array_equal(found.arrived, found.arrived_within[-1])
    rate = found.arrived_within.mean(1)
    assert rate[0] < rate[-1]
    for at in range(6):
        place = int(found.arrived_within[:, at].argmax()) if found.arrived[at] else -1
        # A rounding more or less of a convolution may turn a level.
        assert (found.images[at] != alone[place].images[at]).mean() < 0.01
    assert found.tables()[1].rows[0] == (f"{min(norms)}", f"{each[0].sum()} of 6")
    one = kviz.fool(model, x, 2, max_norm=norms[1:2], norm=norm)
    np.testing.assert_array_equal(one.arrived_within, each[[sorted(norms).index(norms[1])]])
    tile = found.tiles()[-2]
    assert tile.title == "fooled within each norm"
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    np.testing.assert_array_equal(again.arrived_within, found.arrived_within)
    assert again.facts()["arrived_within"] == found.arrived_within.tolist()


@pytest.mark.parametrize("norms", [[], [3, 0], [3, "far"], [[1, 2]]])
def test_norms_that_are_none(norms, model):
    with pytest.raises(kviz.OptionError, match="max_norm takes a number"):
        kviz.fool(model, photos(1), 2, max_norm=norms)


# Taken for what was asked for, by Keras and as a file.


@pytest.mark.slow
def test_each_photo_is_taken_for_each_class_as_a_file(model, tmp_path):
    x = photos(4).repeat(CLASSES, axis=0)
    wanted = list(range(CLASSES)) * 4
    found = kviz.fool(model, x, wanted)
    assert found.arrived.all()
    files = read_back(found, tmp_path)
    np.testing.assert_array_equal(answers(model, files).argmax(1), wanted)
    np.testing.assert_array_equal(files, found.images)
    np.testing.assert_array_equal(files, found.pixels)
    assert found.images.dtype == np.float32


def test_what_is_reported_is_what_is_there(model):
    x = photos(3)
    found = kviz.fool(net(last="softmax"), x, [1, 2, 3], names=["a", "b", "c"])
    np.testing.assert_array_equal(found.originals, x)
    change = (found.images - x).reshape(3, -1).astype(float)
    np.testing.assert_allclose(found.norms[:, 0], np.linalg.norm(change, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.norms[:, 1], np.abs(change).max(1))
    before, after = (softmax(answers(model, images)) for images in (x, found.images))
    assert found.predictions == tuple(
        (f"class {one}", f"class {two}")
        for one, two in zip(before.argmax(1), after.argmax(1), strict=True)
    )
    np.testing.assert_allclose(
        found.confidences, np.stack([before.max(1), after.max(1)], 1), rtol=1e-4
    )
    assert found.labels == ("class 1", "class 2", "class 3")
    assert found.names == ("a", "b", "c")
    assert found.verb == found.made_by.verb == "fool"
    assert found.made_by.settings["class_index"] == (1, 2, 3)


def margin(logits, target):
    others = np.delete(logits, target, axis=1)
    return logits[:, target] - others.max(1)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


OBJECTIVES = {
    "margin": lambda logits: margin(logits, 2),
    "cross_entropy": lambda logits: log_softmax(logits)[:, 2],
    "logit": lambda logits: logits[:, 2],
}


@pytest.mark.some(every=2)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("last", [None, "softmax"])
def test_scores_are_the_objective_of_the_images(last, objective, model):
    found = kviz.fool(net(last=last), photos(3), 2, objective=objective)
    assert found.made_by.settings["objective"] == objective
    for images, scores in (
        (photos(3), found.scores[0]),
        (found.images, found.scores[steps_of(found), np.arange(3)]),
    ):
        expected = OBJECTIVES[objective](answers(model, images))
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    assert len(set(steps_of(found))) > 1, "each image stops for itself"
    for column, steps in zip(found.scores.T, steps_of(found), strict=True):
        assert np.isfinite(column[: steps + 1]).all()
        assert np.isnan(column[steps + 1 :]).all()


@pytest.mark.slow
def test_the_softmax_does_not_matter_wherever_it_is(model):
    expected = kviz.fool(model, photos(2), 3).images
    for other in (net(last="softmax"), net(as_layer=layers.Softmax())):
        np.testing.assert_array_equal(kviz.fool(other, photos(2), 3).images, expected)


def test_the_change_is_small(model):
    """A walk in small steps: no more than is needed, and less than a long step changes."""
    found = kviz.fool(model, photos(6), 2)
    assert found.arrived.all()
    long = kviz.fool(model, photos(6), 2, step_size=3000)
    assert (found.norms[:, 0] < long.norms[:, 0]).all()
    ahead = np.sort(answers(model, found.images), axis=1)
    assert ((ahead[:, -1] - ahead[:, -2]) < 0.2).all()


def test_what_is_taken_for_it_already_is_returned_as_it_is(model):
    x = photos(4)
    predicted = answers(model, x).argmax(1)
    found = kviz.fool(model, x, predicted.tolist(), names=["a.png", "b.png", "c.png", "d.png"])
    assert found.arrived.all()
    np.testing.assert_array_equal(found.images, x)
    assert steps_of(found).tolist() == [0] * 4
    assert not found.norms.any()
    assert f"a.png is classified as 'class {predicted[0]}' as it is" in found.notes[0].replace(
        f"class {predicted[0]}", f"'class {predicted[0]}'"
    )
    assert "d.png" in found.notes[3]


def test_classes_by_name_and_index(model):
    network = kviz.Network(model, class_names=NAMES)
    found = kviz.fool(network, photos(2), ["Owl", 3])
    assert found.labels == ("owl", "pig")
    assert [after for _, after in found.predictions] == ["owl", "pig"]
    same = kviz.fool(network, photos(2), np.array([2, -2]))
    np.testing.assert_array_equal(same.images, found.images)


def test_away_from_what_is_predicted(model):
    x = photos(6)
    predicted = answers(model, x).argmax(1)
    found = kviz.fool(model, x, targeted=False)
    assert found.arrived.all()
    assert (answers(model, found.pixels).argmax(1) != predicted).all()
    assert found.labels == tuple(f"class {index}" for index in predicted)
    np.testing.assert_array_equal(
        kviz.fool(model, x, predicted.tolist(), targeted=False).images, found.images
    )
    titles = [tile.title for tile in found.tiles()]
    assert titles[1] == f"not classified as class {predicted[0]}"
    assert found.tables()[0].rows[0][1] == f"anything but class {predicted[0]}"
    # It falls.
    assert (found.scores[steps_of(found), np.arange(6)] < found.scores[0]).all()
    other = kviz.fool(model, x[:1], int(predicted[0] + 1) % CLASSES, targeted=False)
    np.testing.assert_array_equal(other.images, x[:1])
    assert "as anything but" in other.notes[0]


@pytest.mark.some(every=2)
@pytest.mark.parametrize("least", [0.9, 0.999])
def test_confidence_is_reached(least):
    model = net(last="softmax", gain=20)
    found = kviz.fool(model, photos(3), [0, 2, 4], confidence=least)
    assert found.arrived.all()
    sure = answers(model, found.pixels)[np.arange(3), [0, 2, 4]]
    assert (sure >= least).all()
    assert (sure < least + 0.9 * (1 - least)).all(), "and no more than is asked for"
    np.testing.assert_allclose(found.confidences[:, 1], sure, rtol=1e-4)


def test_confidence_to_get_away():
    model = net(classes=2, gain=20)
    found = kviz.fool(model, photos(3), targeted=False, confidence=0.9)
    assert found.arrived.all()
    predicted = answers(model, photos(3)).argmax(1)
    sure = softmax(answers(model, found.images))
    assert (sure.argmax(1) != predicted).all()
    assert (sure.max(1) >= 0.9).all()


@pytest.mark.slow
def test_ten_classes_from_noise_at_9999_in_10000(tmp_path):
    """A. Nguyen et al., "Deep Neural Networks are Easily Fooled", CVPR 2015, on clothes."""
    model = kviz.load_model(Path(__file__).parents[2] / "models/fashion_cnn.keras").model
    noise = photos(10, (28, 28, 1))
    found = kviz.fool(model, noise, list(range(10)), confidence=0.9999)
    assert found.arrived.all()
    files = read_back(found, tmp_path)
    assert files.dtype == np.uint8
    sure = answers(model, files)
    assert sure.argmax(1).tolist() == list(range(10))
    assert (sure.max(1) >= 0.9999).all()


# How far.


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("norm", "most"),
    [("linf", 8), ("linf", 2.5), ("linf", 2.99995), ("l2", 250), ("l2", 100.3), ("l2", 2.99995)],
)
@pytest.mark.parametrize("random_start", [False, True])
def test_max_norm_is_kept_by_whole_numbers(norm, most, random_start, model):
    found = kviz.fool(
        model, photos(4), 2, norm=norm, max_norm=most, random_start=random_start, steps=60
    )
    np.testing.assert_array_equal(found.images, np.rint(found.images))
    assert found.images.min() >= 0
    assert found.images.max() <= 255
    change = (found.images.astype(float) - photos(4)).reshape(4, -1)
    far = np.sqrt((change**2).sum(1)) if norm == "l2" else np.abs(change).max(1)
    assert (far <= most).all()
    assert (far > 0).any() or most < 3
    np.testing.assert_allclose(found.norms[:, int(norm == "linf")], far, rtol=1e-5)


@pytest.mark.slow
def test_a_black_and_a_white_image_stay_within_bounds(model):
    x = np.stack([np.zeros((16, 16, 3)), np.full((16, 16, 3), 255)])
    for options in ({}, {"norm": "linf"}, {"max_norm": 2000, "random_start": True}):
        found = kviz.fool(model, x, 4, **options)
        assert found.images.min() >= 0
        assert found.images.max() <= 255
        assert found.arrived.any()
        after = answers(model, found.images).argmax(1)
        assert (after[found.arrived] == 4).all()


def of_margin(logits, target):
    own = tf.gather(logits, target, axis=1, batch_dims=1)
    others = [
        tf.concat([row[:at], row[at + 1 :]], 0) for row, at in zip(logits, target, strict=True)
    ]
    return own - tf.reduce_max(tf.stack(others), 1)


def test_pgd_by_hand(model):
    """Madry et al.'s steps with a tape of our own: whole steps, so that nothing is rounded."""
    x, target, logits = photos(2).astype("float32"), [2, 0], []
    walk = tf.constant(x)
    for _ in range(9):
        with tf.GradientTape() as tape:
            tape.watch(walk)
            value = of_margin(model(walk), target)
        logits.append(value.numpy())
        walk = walk + 3 * tf.sign(tape.gradient(value, walk))
        walk = tf.clip_by_value(tf.clip_by_value(walk, x - 10, x + 10), 0, 255)
    found = kviz.fool(model, x, target, norm="linf", step_size=3, max_norm=10, steps=8)
    assert len(found.scores) > 4
    for at, steps in enumerate(steps_of(found)):
        expected = np.array(logits)[: steps + 1, at]
        np.testing.assert_allclose(found.scores[: steps + 1, at], expected, rtol=1e-3, atol=1e-4)


def test_fgsm_is_one_step(model):
    x = photos(3).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(images := tf.constant(x))
        value = of_margin(model(images), [2] * 3)
    way = np.sign(tape.gradient(value, images))
    found = kviz.fool(model, x, 2, norm="linf", step_size=4, steps=1)
    np.testing.assert_array_equal(found.images, np.clip(x + 4 * way, 0, 255))


def test_a_random_start_is_drawn_within_the_radius(model):
    options = {"max_norm": 12, "norm": "linf", "random_start": True, "steps": 30}
    found = [kviz.fool(model, photos(2), 2, seed=seed, **options).images for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1
    twice = kviz.fool(model, np.stack([photos(1)[0]] * 2), 2, **options).images
    assert np.abs(twice[0] - twice[1]).max() > 1, "each image has its own"
    with pytest.raises(kviz.OptionError, match="random_start needs max_norm"):
        kviz.fool(model, photos(1), 2, random_start=True)


# What does not arrive.


def test_constant_outputs_cannot_be_fooled():
    model = net()
    dense = model.get_layer("dense")
    dense.kernel.assign(0 * dense.kernel)
    dense.bias.assign([1, 0, 0, 0, 0])
    found = kviz.fool(model, photos(2), [1, 0], steps=7, names=["a.png", "b.png"])
    assert found.arrived.tolist() == [False, True]
    assert "a.png is not classified as class 1 after 7 steps" in found.notes[0]
    assert found.predictions[0] == ("class 0", "class 0")
    np.testing.assert_array_equal(found.images, photos(2))


def test_too_small_a_radius(model):
    found = kviz.fool(model, photos(2), 4, max_norm=1, norm="linf", steps=20)
    assert not found.arrived.any()
    assert all("not classified as class 4 after 20 steps" in note for note in found.notes)
    assert (answers(model, found.images).argmax(1) != 4).all()


def test_the_steps_are_counted_where_the_score_is_not_a_number():
    found = kviz.fool(
        below_one(), np.array([[0.5, 0.5, -5, -9]]), 3, norm="linf", step_size=0.1, steps=4,
        score=log_of_last,
    )  # fmt: skip
    assert not found.arrived.any()
    assert "after 4 steps" in found.notes[0]


@pytest.mark.parametrize("targeted", [True, False])
def test_an_interrupt_returns_what_there_is(targeted, model):
    def progress(done, total):
        assert total == 300  # of three batches
        if done >= 9:
            raise KeyboardInterrupt

    x = photos(5)
    found = kviz.fool(
        model, x, 4 if targeted else None, targeted=targeted, step_size=2.0, batch_size=2,
        progress=progress, names=list("abcde"),
    )  # fmt: skip
    assert "Interrupted: the best so far." in found.notes
    assert len(found.images) == len(found.labels) == len(found.names) == len(found.predictions) == 2
    assert len(found.scores) < 101
    np.testing.assert_array_equal(found.originals, x[:2])
    assert found.norms[:, 0].max() > 0


# Every kind of model.


def fooled(model, x, target, folder=None, *, keras_model=None, **options):
    """Fool, and ask Keras whether it was: by what is read back from a folder, where one is given."""
    found = kviz.fool(model, x, target, **options)
    assert found.arrived.all()
    pictures = found.pixels if folder is None else read_back(found, folder)
    predicted = answers(keras_model or model, pictures).argmax(1)
    np.testing.assert_array_equal(predicted, np.broadcast_to(target, len(found.images)))
    return found


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28, 3), (11, 14, 3), (9, 16, 1)])
def test_sizes(shape, tmp_path):
    x = photos(3, shape)
    found = fooled(net(shape), x, 2, tmp_path)
    assert found.images.shape == (3, *shape)
    assert len(found.tiles(image=0)) == 4


def test_grey_images_without_the_last_axis():
    found = fooled(net((12, 12, 1)), photos(2, (12, 12)), 3)
    assert found.images.shape == found.originals.shape == (2, 12, 12, 1)


@pytest.mark.slow
def test_four_channels_have_a_panel_each():
    model = net((12, 12, 4))
    found = kviz.fool(model, photos(2, (12, 12, 4)), 3)
    assert found.arrived.all()
    assert (answers(model, found.images).argmax(1) == 3).all()
    # Of two images the original, what came of it and the change, and the curve.
    assert len(found.tiles()) == 7
    assert "a panel each channel" in found.tiles()[0].detail


@pytest.mark.slow
def test_a_model_of_any_size():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((None, None, 3)), layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(8, 3, activation="relu"),
        layers.GlobalMaxPooling2D(), layers.Dense(3),
    ])  # fmt: skip
    for shape in ((20, 24, 3), (13, 13, 3)):
        fooled(model, photos(2, shape), 1)


def test_a_sequential_read_from_disk(tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential()
    for layer in (layers.Rescaling(1 / 255), layers.Conv2D(6, 3, activation="relu"),
                  layers.Flatten(), layers.Dense(4), layers.Softmax()):  # fmt: skip
        model.add(layer)
    model.build((None, 12, 12, 3))
    model.save(tmp_path / "model.keras")
    fooled(str(tmp_path / "model.keras"), photos(3, (12, 12, 3)), [0, 1, 2],
           keras_model=keras.saving.load_model(tmp_path / "model.keras"))  # fmt: skip


def test_a_nested_model_read_from_disk(tmp_path):
    keras.utils.set_random_seed(1)
    inner = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(6, 3, activation="relu"), layers.MaxPooling2D()]
    )
    inputs = keras.Input((12, 12, 3))
    x = layers.Flatten()(inner(layers.Rescaling(1 / 255)(inputs)))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.save(tmp_path / "model.keras")
    network = kviz.load_model(tmp_path / "model.keras")
    fooled(network, photos(3, (12, 12, 3)), [0, 1, 2], keras_model=model)


def test_files_of_images(model, tmp_path):
    for name, picture in zip(("one.png", "two.png"), photos(2), strict=True):
        Image.fromarray(picture).save(tmp_path / name)
    found = fooled(model, [tmp_path / "one.png", tmp_path / "two.png"], 4)
    assert found.names == ("one.png", "two.png")
    np.testing.assert_array_equal(found.originals, photos(2))


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 4), *(pytest.param(seed, 20, marks=pytest.mark.slow) for seed in (1, 3))],
)
def test_half_precision(seed, count, tmp_path):
    """Such a model answers in steps of its own, and is to be fooled as it is."""
    model = net(last="softmax", seed=seed, dtype="mixed_float16")
    x = photos(count).repeat(CLASSES, axis=0)
    found = fooled(model, x, np.tile(np.arange(CLASSES), count), tmp_path)
    assert model.get_layer("one").compute_dtype == "float16"
    assert found.images.dtype == np.float32


@pytest.mark.slow
def test_double_precision(model):
    double = net(dtype="float64")
    double.set_weights(model.get_weights())
    found = fooled(double, photos(2), [2, 4])
    assert np.abs(found.images - kviz.fool(model, photos(2), [2, 4]).images).max() <= 1


@pytest.mark.slow
def test_a_model_that_was_built_for_two_images(model):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    found = fooled(fixed, photos(3), [1, 2, 3], keras_model=model)
    expected = kviz.fool(model, photos(3), [1, 2, 3])
    np.testing.assert_allclose(found.images, expected.images, atol=1)
    assert len(found.predictions) == len(found.labels) == 3


def test_a_subclassed_model(model):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, inputs):
            return keras.ops.softmax(self.inner(inputs))

    found = kviz.fool(Subclassed(), photos(2), 3)
    np.testing.assert_array_equal(found.images, kviz.fool(model, photos(2), 3).images)


def with_mask(kind="float32", length=None):
    keras.utils.set_random_seed(1)
    photo = keras.Input((12, 12, 3), name="photo")
    x = layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 255)(photo))
    if length:
        beside = keras.Input((length,), dtype=kind, name="beside")
        more = layers.Flatten()(layers.Embedding(4, 3)(beside)) if kind == "int32" else beside
        x = layers.Concatenate()([layers.Flatten()(x), more])
    else:
        beside = keras.Input((10, 10, 1), name="beside")
        x = layers.Flatten()(layers.Multiply()([x, beside]))
    return keras.Model([photo, beside], layers.Dense(4)(x))


@pytest.mark.slow
def test_two_inputs_of_which_one_is_changed():
    model = with_mask(length=5)
    both = {"photo": photos(3, (12, 12, 3)), "beside": np.ones((3, 5), "float32")}
    start = answers(model, both).argmax(1)
    for name in (None, "photo"):
        found = kviz.fool(model, both, (start + 1) % 4, input_name=name)
        assert found.arrived.all()
        after = answers(model, both | {"photo": found.images})
        np.testing.assert_array_equal(after.argmax(1), (start + 1) % 4)
        assert found.images.shape == (3, 12, 12, 3)
    beside = kviz.fool(model, both, (start + 1) % 4, input_name="beside", step_size=0.3)
    assert beside.arrived.all()
    assert beside.images.shape == (3, 5)
    after = answers(model, both | {"beside": beside.images})
    np.testing.assert_array_equal(after.argmax(1), (start + 1) % 4)
    with pytest.raises(kviz.OptionError, match="'photo'"):
        kviz.fool(model, both, 1, input_name="phot")


@pytest.mark.slow
def test_a_mask_that_is_changed_within_its_own_bounds():
    model = with_mask()
    both = {"photo": photos(2, (12, 12, 3)), "beside": np.full((2, 10, 10, 1), 0.5, "float32")}
    start = answers(model, both).argmax(1)
    found = kviz.fool(model, both, (start + 1) % 4, input_name="beside", bounds=(0, 1))
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert found.arrived.any()
    after = answers(model, both | {"beside": found.images}).argmax(1)
    assert (after == (start + 1) % 4)[found.arrived].all()


@pytest.mark.slow
def test_whole_numbers_beside_the_photo():
    model = with_mask("int32", 2)
    both = {"photo": photos(2, (12, 12, 3)), "beside": np.array([[0, 1], [2, 3]], "int32")}
    start = answers(model, both).argmax(1)
    found = kviz.fool(model, both, (start + 1) % 4)
    assert found.arrived.all()
    after = answers(model, both | {"photo": found.images})
    np.testing.assert_array_equal(after.argmax(1), (start + 1) % 4)


@pytest.mark.slow
def test_one_of_two_outputs():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 12, 3))
    x = layers.Flatten()(layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs)))
    model = keras.Model(
        inputs, {"kind": layers.Dense(4)(x), "size": layers.Dense(3, activation="softmax")(x)}
    )
    found = kviz.fool(model, photos(2, (12, 12, 3)), [0, 2], output="size")
    assert found.arrived.all()
    after = np.asarray(model.predict(found.pixels, verbose=0)["size"])
    assert after.argmax(1).tolist() == [0, 2]
    np.testing.assert_allclose(found.confidences[:, 1], after.max(1), rtol=1e-3)
    # By default the one that gives probabilities.
    chosen = kviz.fool(model, photos(2, (12, 12, 3)), [0, 2])
    np.testing.assert_array_equal(chosen.images, found.images)


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("last", ["sigmoid", None])
def test_one_unit_of_two_named_classes(last):
    model = net(last=last, classes=1)
    network = kviz.Network(model, class_names=["cat", "dog"])
    x = photos(4)
    middle = 0.5 if last else 0
    for place, name in enumerate(("cat", "dog")):
        found = kviz.fool(network, x, name)
        assert found.arrived.all()
        assert ((answers(model, found.pixels)[:, 0] > middle) == bool(place)).all()
        if last:
            assert [after for _, after in found.predictions] == [name] * 4
    was = answers(model, x)[:, 0] > middle
    found = kviz.fool(network, x, targeted=False)
    assert found.arrived.all()
    assert ((answers(model, found.images)[:, 0] > middle) != was).all()


@pytest.mark.slow
def test_one_unit_with_a_score_of_ones_own():
    """It goes where the score goes, and has arrived where the unit says so."""
    model = net(last="sigmoid", classes=1)
    network = kviz.Network(model, class_names=["cat", "dog"])
    found = kviz.fool(network, photos(4), "dog", score=lambda outputs: outputs[:, 0])
    assert found.arrived.all()
    assert (answers(model, found.images)[:, 0] > 0.5).all()
    assert [after for _, after in found.predictions] == ["dog"] * 4


@pytest.mark.slow
def test_confidence_of_one_unit():
    model = net(last="sigmoid", classes=1, gain=20)
    network = kviz.Network(model, class_names=["cat", "dog"])
    found = kviz.fool(network, photos(2), ["cat", "dog"], confidence=0.99, steps=200)
    assert found.arrived.all()
    cat, dog = answers(model, found.images)[:, 0]
    assert cat <= 0.01
    assert dog >= 0.99


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("bias", [-0.5, 0.5])
def test_one_unit_without_names(bias):
    model = net(last="sigmoid", classes=1)
    model.get_layer("dense").bias.assign([bias])
    x = photos(3)
    was = answers(model, x)[:, 0] > 0.5
    assert (was == (bias > 0)).all()
    for index in (0, 1):
        found = kviz.fool(model, x, index)
        assert found.arrived.all()
        assert ((answers(model, found.images) > 0.5) == index).all()
        assert [after for _, after in found.predictions] == [f"class {index}"] * 3
    away = kviz.fool(model, x, targeted=False)
    assert away.arrived.all()
    assert ((answers(model, away.images)[:, 0] > 0.5) != was).all()


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("gain", [20, 400])
@pytest.mark.parametrize("options", [{}, {"confidence": 0.999}])
def test_units_of_their_own(gain, options):
    """With logits far above 17 two sigmoids are 1: none of them is ahead, whatever logits say."""
    model = net(last="sigmoid", gain=gain)
    x = photos(4).repeat(CLASSES, axis=0)
    wanted = np.tile(np.arange(CLASSES), 4)
    found = kviz.fool(model, x, wanted, **options)
    after = answers(model, found.images)
    arrived = found.arrived
    assert arrived.any()
    np.testing.assert_array_equal(after.argmax(1)[arrived], wanted[arrived])
    assert [found.predictions[at][1] for at in np.flatnonzero(arrived)] == [
        f"class {index}" for index in wanted[arrived]
    ]
    if options:
        assert (after[np.arange(len(x)), wanted][arrived] >= 0.999).all()


def test_the_model_is_as_it_was():
    model = net()
    before = [np.array(weight) for weight in model.weights]
    kviz.fool(model, photos(2), 3)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


# Batches, traces, films.


def test_results_do_not_depend_on_the_batch(model):
    whole = kviz.fool(model, photos(5), 3, film=True)
    for batch_size in (1, 2, 4):
        found = kviz.fool(model, photos(5), 3, batch_size=batch_size, film=True)
        # A rounding more or less of a convolution may turn a level.
        assert (found.images != whole.images).mean() < 1e-3
        np.testing.assert_array_equal(steps_of(found), steps_of(whole))
        np.testing.assert_array_equal(found.arrived, whole.arrived)
        assert found.predictions == whole.predictions
        length = min(len(found.frames), len(whole.frames))
        assert (found.frames[:length] != whole.frames[:length]).mean() < 1e-3


def test_going_on_for_one_image_changes_no_other(model, monkeypatch):
    """What does not hold as a file goes on until it is further ahead; the others stay."""
    whole, calls, as_files = kviz.fool(model, photos(3), 2), [], fooling.hold_as_files

    def doubted(*arguments):
        kept = as_files(*arguments)
        kept[1] &= bool(calls)
        calls.append(1)
        return kept

    monkeypatch.setattr(fooling, "hold_as_files", doubted)
    found = kviz.fool(model, photos(3), 2)
    assert len(calls) == 2
    assert found.arrived.all()
    np.testing.assert_array_equal(found.images[[0, 2]], whole.images[[0, 2]])
    np.testing.assert_array_equal(steps_of(found)[[0, 2]], steps_of(whole)[[0, 2]])
    ahead = [np.diff(np.sort(answers(model, one.images[1:2])))[0, -1] for one in (whole, found)]
    assert ahead[1] >= max(ahead[0], 0.0099)


def test_frames_lead_from_the_original_to_the_image(model):
    found = kviz.fool(model, photos(3), 2, film=True)
    assert found.frames.dtype == np.uint8
    np.testing.assert_array_equal(found.frames[0], photos(3))
    np.testing.assert_array_equal(found.frames[-1], found.pixels)
    assert kviz.fool(model, photos(3), 2).frames is None


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = net(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    kviz.fool(network, photos(2), 1)
    before = len(traces)
    assert before > 0
    for count, index, batch_size in ((5, 2, 2), (1, 0, 32), (3, [1, 2, 3], 3)):
        kviz.fool(network, photos(count, seed=count), index, batch_size=batch_size, steps=count)
    assert len(traces) == before


# Bad input.


@pytest.mark.parametrize(
    ("images", "options", "kind", "message"),
    [
        (0, {}, kviz.OptionError, "the class to aim at, class_index=, or targeted=False"),
        (0, {"class_index": 5}, kviz.OptionError, "0 to 4. Received: 5"),
        (0, {"class_index": "cow"}, kviz.OptionError, "no class names"),
        (0, {"class_index": [1, 2, 3]}, kviz.OptionError, "the 2 images"),
        (0, {"class_index": [[1, 2], [3, 4]]}, kviz.OptionError, "one"),
        (0, {"class_index": 1, "steps": 0}, kviz.OptionError, "steps takes a whole number from 1"),
        (0, {"class_index": 1, "steps": 2.5}, kviz.OptionError, "Received: 2.5"),
        (0, {"class_index": 1, "steps": True}, kviz.OptionError, "Received: True"),
        (0, {"class_index": 1, "step_size": 0}, kviz.OptionError, "step_size takes a number above 0"),
        (0, {"class_index": 1, "step_size": -1.5}, kviz.OptionError, "above 0. Received: -1.5"),
        (0, {"class_index": 1, "max_norm": 0}, kviz.OptionError, "max_norm takes a number above"),
        (0, {"class_index": 1, "max_norm": np.nan}, kviz.OptionError, "Received: nan"),
        (0, {"class_index": 1, "norm": "l1"}, kviz.OptionError, "norm takes one of 'l2', 'linf'"),
        (0, {"class_index": 1, "confidence": 1}, kviz.OptionError, "between 0 and 1. Received: 1"),
        (0, {"class_index": 1, "batch_size": 0}, kviz.OptionError, "batch_size"),
        (0, {"class_index": 1, "max_norm": 9, "random_start": True, "seed": -1}, kviz.OptionError,
         "seed takes a whole number from 0"),
        (0, {"class_index": 1, "bounds": (0,)}, kviz.OptionError, "bounds"),
        (0, {"class_index": 1, "bounds": (255, 0)}, kviz.OptionError, "bounds"),
        (0, {"class_index": 1, "score": 7}, kviz.OptionError, "function"),
        (0, {"class_index": 1, "score": lambda y: y}, kviz.OptionError, r"\(N,\)"),
        (-9.5, {"class_index": 1}, kviz.ImageError, "values from -9.5 to"),
        (60, {"class_index": 1}, kviz.ImageError, "between 0 and 255. Received: values from 60 to 3"),
        (np.nan, {"class_index": 1}, kviz.ImageError, "not finite"),
        (0, {"class_index": 1, "score": lambda y: tf.cast(tf.argmax(y, 1), "float32")},
         kviz.LayerError, "does not depend on the pixels"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(images, options, kind, message, model):
    x = photos(2).astype("float32")
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 0, 255
    with pytest.raises(kviz.KvizError, match=message) as caught:
        kviz.fool(model, x + images, **options)
    assert type(caught.value) is kind
    assert len(str(caught.value)) <= 300


def test_class_maps_are_no_classes():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    with pytest.raises(kviz.ModelError, match=r"\(N, classes\)"):
        kviz.fool(model, photos(1, (8, 8, 3)), 1)


def test_bounds_as_a_list_are_bounds(model):
    found = kviz.fool(model, photos(2), 2, bounds=[0, 255])
    np.testing.assert_array_equal(found.images, kviz.fool(model, photos(2), 2).images)


def test_numbers_of_numpy_are_numbers(model, tmp_path):
    plain = kviz.fool(model, photos(1), 2, steps=40, step_size=20.0, seed=3)
    found = kviz.fool(
        model,
        photos(1),
        np.int64(2),
        steps=np.int64(40),
        step_size=np.float32(20),
        seed=np.int64(3),
    )
    np.testing.assert_array_equal(found.images, plain.images)
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    assert again.made_by.settings["steps"] == 40
    assert again.made_by.settings["step_size"] == 20
