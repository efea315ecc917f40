"""What is checked when it is given: whatever comes, a value or one plain sentence."""

import marshal
import math
import tempfile
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import tried
from refusals import refused

import kviz
from kviz._checks import (
    MOST,
    first_line,
    sanitise,
    shown,
    suggest,
    validate_bool,
    validate_choice,
    validate_int,
    validate_number,
)

# Lone surrogates too, which a file's name can hold.
TEXTS = st.text(st.characters(), max_size=80)
# What somebody may give where something else is meant.
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXTS,
    st.binary(max_size=9),
    st.lists(st.integers(), max_size=3),
    st.sampled_from([np.int64(3), np.float32(2.5), np.bool_(True), np.arange(3), np.zeros(0), int]),
)


def said(call, *args):
    """Return what a check returns, or the sentence of the one error that it may raise."""
    try:
        return call(*args)
    except kviz.OptionError as error:
        sentence = str(error)
    assert sentence.isprintable()
    assert sentence.startswith("steps takes ")
    assert "Received: " in sentence
    return sentence


@tried
@given(text=TEXTS, length=st.integers(1, 90))
def test_what_is_shown_is_one_safe_line(text, length):
    shown = sanitise(text, length)
    assert shown.isprintable()
    assert len(shown) <= length
    if text.isprintable() and len(text) <= length:
        assert shown == text


@tried
@given(name=TEXTS, choices=st.lists(TEXTS, max_size=9))
def test_a_suggestion_is_of_what_there_is(name, choices):
    sentence = suggest(name, choices)
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert sentence.startswith(("Did you mean '", 'Did you mean "', "There is"))
    assert sentence == "There is none to choose from." or choices
    if name.casefold() in {choice.casefold() for choice in choices} and len(name.split()) == 1:
        assert sentence.startswith("Did you mean")


@tried
@given(value=ANYTHING, least=st.integers(-3, 3))
def test_a_whole_number_or_one_sentence(value, least):
    found = said(validate_int, "steps", value, least)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    whole = whole and least <= value <= MOST
    assert (found == value and type(found) is int) if whole else isinstance(found, str)


@tried
@given(
    value=ANYTHING, above=st.sampled_from([-math.inf, 0.0]), below=st.sampled_from([2.0, math.inf])
)
def test_a_number_or_one_sentence(value, above, below):
    found = said(validate_number, "steps", value, above, below)
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    # Huge ones are no numbers that TensorFlow computes with.
    fits = real and abs(value) < 3e38 and above < value < below
    assert (found == float(value) and type(found) is float) if fits else isinstance(found, str)


@tried
@given(value=ANYTHING)
def test_true_or_false_or_one_sentence(value):
    found = said(validate_bool, "steps", value)
    assert isinstance(found, bool) == isinstance(value, bool | np.bool_)


@tried
@given(value=ANYTHING)
def test_a_choice_or_one_sentence(value):
    found = said(validate_choice, "steps", value, ("crop", None, 3))
    chosen = value is None or (
        isinstance(value, str | int | float | np.int64) and value in ("crop", 3)
    )
    assert (found is None) == chosen


@pytest.mark.parametrize("value", [np.arange(3), np.zeros((0,)), [np.arange(3)], {"a": 1}])
def test_an_array_is_no_choice_and_no_puzzle(value):
    assert "takes one of 'crop', 'pad'" in said(validate_choice, "steps", value, ("crop", "pad"))


@tried
@given(words=TEXTS)
def test_an_error_of_others_is_told_in_one_line(words):
    line = first_line(ValueError(words))
    assert line
    assert line.isprintable()
    assert len(line) <= 180
    assert first_line(ValueError(f"\x1b[1m{words}\x1b[0m")) == line


class Failing(keras.layers.Layer):
    def call(self, inputs):  # noqa: ARG002
        raise ValueError("the inner reason")


class Reshaping(keras.layers.Layer):
    def call(self, inputs):
        return tf.reshape(inputs, (7, 5))


def deserialized(**config):
    kind = {"module": "keras.layers", "class_name": "Conv2D", "registered_name": None}
    config = {"name": "x" * 500, "kernel_size": 3, **config}
    return keras.saving.deserialize_keras_object({**kind, "config": config})


@tf.function
def gathered(x):
    return tf.gather(x, 99)


@tf.function
def of_python(x):
    return tf.py_function(lambda _: 1 / 0, [x], tf.float32)


@tf.function
def traced(x):
    if x.shape[0]:
        raise ValueError("inside")


def other_weights():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.weights.h5"
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]).save_weights(path)
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]).load_weights(path)


# What Keras and TensorFlow raise, and what of it is the cause.
CAUSES = [
    (lambda: Failing()(np.ones((2, 3))), "the inner reason"),
    (lambda: keras.Sequential([keras.Input((3,)), Failing()]), "the inner reason"),
    (
        lambda: keras.Sequential([keras.Input((3,)), keras.Sequential([Failing()])]),
        "the inner reason",
    ),
    (
        lambda: keras.Sequential([Reshaping()])(np.ones((2, 3), "f4")),
        "Cannot reshape a tensor with 6 elements to shape [7,5] (35 elements)",
    ),
    (
        lambda: deserialized(filters=3, nope=5),
        "Unrecognized keyword arguments passed to Conv2D: 'nope': 5",
    ),
    (
        lambda: deserialized(filters="many"),
        "'<=' not supported between instances of 'str' and 'int'",
    ),
    (
        lambda: tf.matmul(tf.ones((2, 3)), tf.ones((2, 3))),
        "Matrix size-incompatible: In[0]: [2,3],",
    ),
    (lambda: gathered(tf.ones(2)), "indices = 99 is not in [0, 2)"),
    (lambda: of_python(tf.ones(2)), "division by zero"),
    (lambda: traced(tf.ones(2)), "inside"),
    (other_weights, "The shape of the target variable and the shape of the target value"),
    (
        lambda: marshal.loads(b"\xe3\x01\x00\x00garbage"),  # noqa: S302 - no code in it
        "a Lambda in it was saved by another version",
    ),
    (lambda: {}["model"], "KeyError: 'model'"),
    (lambda: next(iter(())), "StopIteration"),
]


@pytest.mark.parametrize(("fails", "cause"), CAUSES)
def test_an_errors_innermost_cause_is_said_without_what_stands_around_it(fails, cause):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
        fails()
    said = first_line(caught.value)
    assert said.startswith(cause)
    assert len(said) <= 180
    for around in (
        "Exception encountered",
        "config=",
        "node",
        "Traceback",
        "[Op:",
        "Arguments",
        'File "',
    ):
        assert around not in said


@pytest.mark.parametrize(
    "text", ["x" * 10**6, "Exception encountered: " * 10**5, "\n" * 10**6, "{{node " * 10**5]
)
def test_a_message_without_end_is_read_in_no_time(text):
    before = time.process_time()
    assert len(first_line(ValueError(text))) <= 180
    assert time.process_time() - before < 1


@pytest.mark.parametrize("number", [10**5000, -(10**5000), 10**20], ids=["many", "minus", "20"])
def test_a_number_of_any_length_is_shown(number):
    with refused("takes a whole number .*Received: ", kviz.OptionError):
        validate_int("steps", number)
    assert sanitise(number) == sanitise(shown(number))
    with refused("takes a number between 0 and 9. Received: ", kviz.OptionError):
        validate_number("size", number, above=0, below=9)


def test_a_number_of_more_digits_than_python_writes_is_none_for_any_option():
    maps = kviz.Activations({"c": np.ones((1, 2, 2, 3), "float32")}, {"c": "Conv2D"})
    many = 10**5000
    for option in ("channel", "columns", "image"):
        with refused("Received: a number of thousands of digits", kviz.OptionError):
            maps.plot("c", **{option: many})
    with refused("a number of thousands of digits", kviz.OptionError):
        kviz.load_images("notebooks/images/cat.png", target_size=many)
