"""Other numbers in a model's weights: as a copy of it with these numbers answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kviz.engine.other_weights import OtherWeights

INPUTS = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype("float32")
SPEC = tf.TensorSpec((None, 8, 8, 2))


def flat():
    return keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(3, 3, activation="tanh"),
         layers.BatchNormalization(), layers.Flatten(), layers.Dense(4)]
    )  # fmt: skip


def nested():
    within = keras.Sequential([keras.Input((8, 8, 2)), layers.DepthwiseConv2D(3)], name="within")
    between = keras.Sequential([keras.Input((8, 8, 2)), within, layers.PReLU()], name="between")
    return keras.Sequential([keras.Input((8, 8, 2)), between, layers.Flatten(), layers.Dense(4)])


def shared():
    image = keras.Input((8, 8, 2))
    twice = layers.Conv2D(2, 3, padding="same", activation="tanh", name="twice")
    block = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(2, 1)], name="block")
    x = layers.Add()([twice(twice(image)), block(block(image))])
    return keras.Model(image, layers.Dense(4)(layers.Flatten()(x)))


MODELS = pytest.mark.parametrize("make", [flat, nested, shared])


def numbers(model, seed):
    """Return other numbers for each weight, above 0 as a variance is."""
    random = np.random.default_rng(seed)
    return [random.uniform(0.1, 1, weight.shape).astype("float32") for weight in model.weights]


def standing_in(model, values):
    others = OtherWeights(model)
    for weight, value in zip(model.weights, values, strict=True):
        others[weight] = value
    return others


def copied(model, values):
    copy = keras.models.clone_model(model)
    copy.set_weights(values)
    return np.asarray(copy(INPUTS))


def compiled(others, run):
    return tf.function(others.read_by(run), input_signature=[SPEC], autograph=False)


@MODELS
def test_the_model_answers_as_a_copy_with_these_numbers(make):
    keras.utils.set_random_seed(0)
    model = make()
    before, own = model.get_weights(), np.asarray(model(INPUTS))
    others = OtherWeights(model)
    answer = compiled(others, model)
    np.testing.assert_allclose(answer(INPUTS), own, atol=1e-5, err_msg="its own at first")
    # One compiled function serves whatever numbers come.
    for seed in (1, 2):
        values = numbers(model, seed)
        for weight, value in zip(model.weights, values, strict=True):
            others[weight] = value
            np.testing.assert_array_equal(others[weight], value)
        expected = copied(model, values)
        assert np.abs(expected - own).max() > 0.1
        np.testing.assert_allclose(answer(INPUTS), expected, rtol=1e-4, atol=1e-5)
    assert answer.experimental_get_tracing_count() == 1
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    np.testing.assert_array_equal(np.asarray(model(INPUTS)), own)
    # The caller may have changed the model in the meantime.
    model.set_weights(numbers(model, 3))
    others.reset()
    np.testing.assert_allclose(answer(INPUTS), model(INPUTS), rtol=1e-4, atol=1e-5)


@MODELS
def test_a_scope_of_the_caller_s_own_gives_way(make):
    """In it the caller has numbers for the same weights, and one for a variable of their own."""
    keras.utils.set_random_seed(0)
    model = make()
    values, theirs = numbers(model, 1), keras.Variable(np.float32(5))
    others = standing_in(model, values)
    caller = [(weight, tf.zeros_like(weight.value)) for weight in model.weights]

    def run(x):
        return model(x) + theirs

    with keras.StatelessScope([*caller, (theirs, tf.constant(7.0))]):
        found = compiled(others, run)(INPUTS)
        assert float(theirs.value) == 7
    np.testing.assert_allclose(found, copied(model, values) + 7, rtol=1e-4, atol=1e-5)
    assert float(theirs.value) == 5


def test_which_weights_an_output_is_computed_from():
    image = keras.Input((8, 8, 2))
    trunk = layers.Flatten()(layers.Conv2D(3, 3, name="trunk")(image))
    model = keras.Model(image, [layers.Dense(2, name=name)(trunk) for name in ("one", "two")])
    others, places = OtherWeights(model), []
    for output in (0, 1):
        run = compiled(others, lambda x, output=output: others.counting_for(model(x)[output]))
        counts = run(INPUTS).numpy()
        places.append({w.path for w, one in zip(model.weights, counts, strict=True) if one})
    trunk = {"trunk/kernel", "trunk/bias"}
    assert places == [trunk | {f"{name}/kernel", f"{name}/bias"} for name in ("one", "two")]
