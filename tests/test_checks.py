"""What is checked when it is given: whatever comes, a value or one plain sentence."""

import math

import numpy as np
import pytest
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
