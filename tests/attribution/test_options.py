"""Options are validated when they are given: one sentence each, before any work."""

import threading
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

import kviz
from kviz.attribution import (
    GradCam,
    Gradient,
    Method,
    Saliency,
    method_class,
    method_named,
    method_names,
)
from kviz.attribution.options import option, types_of

EVERY = [(name, field.name) for name in method_names() for field in fields(method_class(name))]


class Thing:
    def __repr__(self):
        return "a thing\n" + "of some length" * 40


ODD = (Thing(), object, {1: 2}, b"1", 1 + 2j, float("nan"), float("inf"), np.array([np.nan]),
       threading.Lock(), [[1], [2, 3]])  # fmt: skip


# What no option takes, whatever its type.
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_no_option_takes_what_is_nothing_of_its_kind(value):
    for name, field in EVERY:
        with pytest.raises(kviz.OptionError, match=f"^{field} ") as caught:
            method_named(name, **{field: value})
        assert type(caught.value) is kviz.OptionError
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("smooth_grad", {"samples": 2.5}, "samples takes a whole number from 1. Received: 2.5"),
        ("smooth_grad", {"samples": 0}, "samples takes a whole number from 1. Received: 0"),
        ("smooth_grad", {"samples": True}, "samples takes a whole number from 1. Received: True"),
        ("smooth_grad", {"noise_level": "high"}, "noise_level takes a number from 0. Received: 'high'"),
        ("smooth_grad", {"noise_level": -0.1}, "noise_level takes a number from 0. Received: -0.1"),
        ("smooth_grad", {"noise_level": 10**400}, "noise_level takes a number from 0. Received: 1000"),
        ("smooth_grad", {"base": "salience"}, "There is no method 'salience'. Did you mean 'saliency'"),
        ("smooth_grad", {"base": 3}, "base takes a method's name, such as 'gradient', or an instance"),
        ("smooth_grad", {"base": Saliency}, "base takes a method's name"),
        ("smooth_grad", {"reduce": "mean"}, "reduce takes one of 'base', 'max_abs', 'sum', None"),
        ("smooth_grad", {"samples": 10**9}, "samples takes a whole number up to 1000000"),
        ("occlusion", {"window": [2**31, 3]}, "window takes a whole number from 1, or one for each"),
        ("grad_cam", {"relu": "no"}, "relu takes True or False. Received: 'no'"),
        ("grad_cam", {"relu": 0}, "relu takes True or False. Received: 0"),
        ("grad_cam", {"layer_names": 2.5}, "layer_names takes a layer's path, a pattern, a class"),
        ("grad_cam", {"layer_names": ["conv", None]}, "layer_names takes .* Received: None"),
        ("grad_cam", {"layer_names": str}, "layer_names takes .* Received: <class 'str'>"),
        ("grad_cam_plus_plus", {"formula": "both"}, "formula takes one of 'common', 'paper'. Received"),
        ("integrated_gradients", {"steps": True}, "steps takes a whole number from 1. Received: True"),
        ("integrated_gradients", {"tolerance": "0.1"}, "tolerance takes a number above 0. Received"),
        ("integrated_gradients", {"baseline": "gray"}, "baseline takes one of .*'grey'"),
        ("integrated_gradients", {"baseline": ["a"]}, "baseline takes one of .* or an array of"),
        ("expected_gradients", {"references": "noise"}, "references takes an array of numbers"),
        ("expected_gradients", {"references": []}, "references takes an array of numbers"),
        ("lrp", {"epsilon": 0}, "epsilon takes a number above 0. Received: 0"),
        ("occlusion", {"window": []}, "window takes a whole number from 1, or one for each axis"),
        ("rise", {"p": 0}, "p takes a number between 0 and 1. Received: 0"),
        ("lime", {"baseline": 1e39}, "baseline takes one of .* Received: 1e\\+39"),
        ("occlusion", {"baseline": [np.nan]}, "baseline takes one of .* Received: .nan"),
        ("integrated_gradients", {"baseline": [0, 1e39]}, "baseline takes one of .* Received: .0, 1e"),
        ("grad_cam", {"grid": [1, 2, 3]}, r"grid takes \(rows, columns\)\. Received: \[1, 2, 3\]"),
        ("lime", {"segments": [0.5]}, "segments as an array holds whole numbers. Received: float64"),
    ],
)  # fmt: skip
def test_bad_options_are_one_sentence(name, options, said):
    with pytest.raises(kviz.OptionError, match=f"^{said}") as caught:
        method_named(name, **options)
    assert type(caught.value) is kviz.OptionError


def test_a_method_made_by_hand_is_validated_too():
    with pytest.raises(kviz.OptionError, match="relu takes True or False"):
        GradCam(relu="no")
    with pytest.raises(kviz.OptionError, match="relu takes True or False"):
        replace(GradCam(), relu="no")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1.5}, "seed takes a whole number from 0. Received: 1.5"),
        ({"seed": -1}, "seed takes a whole number from 0. Received: -1"),
        ({"seed": 2**31}, "seed takes a whole number up to 2147483647"),
        ({"seed": None}, "seed takes a whole number from 0. Received: None"),
        ({"batch_size": 0}, "batch_size takes a whole number from 1. Received: 0"),
        ({"batch_size": "8"}, "batch_size takes a whole number from 1. Received: '8'"),
        ({"resize": "cubic"}, "resize takes one of 'bilinear', 'nearest', 'aligned', None"),
        ({"method": 3}, "method takes a method's name"),
        ({"method": GradCam}, "method takes a method's name"),
        ({"method": GradCam(), "relu": False}, "Options belong to a method's name"),
        ({"stpes": 3}, "grad_cam has no option 'stpes'"),
        ({"score": 7}, "score takes a function"),
    ],
)
def test_it_is_said_before_any_work(options, said):
    # No model is at this path, which would be said once it is looked at.
    with pytest.raises(kviz.OptionError, match=f"^{said}"):
        kviz.attribute("no/such/model.keras", "no/such/photo.png", **options)


def test_numbers_of_numpy_are_numbers():
    found = method_named(
        "smooth_grad", samples=np.int64(3), noise_level=np.float32(0.5), base="saliency"
    )
    assert (found.samples, found.noise_level, found.base) == (3, 0.5, Saliency())
    assert type(found.samples) is int
    assert type(found.noise_level) is float
    assert method_named("smooth_grad", noise_level=0).noise_level == 0.0
    assert method_named("grad_cam", relu=np.False_).relu is False
    assert method_named("grad_cam", layer_names=["a", 3]).layer_names == ("a", 3)
    assert method_named("occlusion", window=np.array([3, 5])).window == (3, 5)
    nested = method_named("smooth_grad", base={"name": "var_grad", "base": {"name": "grad_cam"}})
    assert nested.base.base == GradCam()
    assert method_named("var_grad").base == Gradient(reduce="max_abs")


@dataclass(frozen=True, kw_only=True)
class Unread(Method):
    """A method of another package: what kviz cannot read of its types is its own."""

    table: "list[NotThere]" = None  # noqa: F821
    share: float = option(0.5, above=0, below=1)


@dataclass(frozen=True, kw_only=True)
class Own(Method):
    """A method of another package with kinds of options that kviz does not know."""

    table: dict | None = None
    share: float = option(0.5, above=0, below=1)


def test_types_that_kviz_does_not_know_are_not_looked_at():
    assert types_of(Unread) == {}
    assert Unread(table=3).table == 3
    assert Own(table=[1]).table == [1]
    with pytest.raises(kviz.OptionError, match="share takes a number"):
        Own(share=1.0)
