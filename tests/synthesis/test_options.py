"""What an option does not take is said before any work: the model is not even looked for."""

from fractions import Fraction

import numpy as np
import pytest

import kviz

WHOLE = [0, -1, 2.5, True, "3", None, np.nan, [4], 10**12]
SHARED = {
    "steps": WHOLE,
    "batch_size": [0, 1.5, "8", None, False],
    "seed": [-1, 1.5, "0", None, True],
    "film": ["yes", 1, None],
    "progress": [5, "bar"],
}
FREE = {
    "step_size": [0, -2, "2", np.nan, np.inf, 1e300, True, [1], np.ones(2), 1j],
    "names": ["cat", [1], 7, None],
}
NOISE = {
    "target_size": [0, -1, 2.5, "20", (16.5,), (16, 16, 0), (0, 16), True, [], 10**8],
    "parametrization": ["wavelet", 3, True],
    "statistics": [
        3,
        "photos",
        np.zeros(4),
        np.full((4, 4, 3), np.inf),
        np.full((1, 4, 4, 3), np.nan),
        np.full((1, 4, 4, 3), 300),
        np.zeros((0, 4, 4, 3)),
        [[1], [1, 2]],
    ],
}
WRONG = {
    "fool": SHARED
    | FREE
    | {
        "targeted": ["no", 1, None],
        "max_norm": ["8", 0, -1, np.nan, np.inf, True, (8, -1), ()],
        "norm": ["l1", 2, None],
        "random_start": ["yes", 1, None, True],
        "confidence": ["high", 0, 1, -0.1, 2, np.nan, True],
        "bounds": [(0,), (255, 0), (0, np.inf), (np.nan, 1), "ab", ("0", "1"), 5, (0, 1, 2)],
        "score": [7, "class"],
        "class_index": [None],
    },
    "deep_dream": SHARED
    | FREE
    | {"octaves": WHOLE, "octave_scale": [1, 0.5, -2, np.nan, np.inf, "1.4", True, None]},
    "class_image": SHARED | NOISE | {"score": [7, "class"]},
    "filter_patterns": SHARED | NOISE,
}
GIVEN = {"fool": ["photo.png", 1], "deep_dream": ["photo.png"], "class_image": [1]}
CASES = [
    (verb, option, value)
    for verb, options in WRONG.items()
    for option, values in options.items()
    for value in values
]


@pytest.mark.parametrize(
    ("verb", "option", "value"), CASES, ids=[f"{v}-{o}-{w!r:.20}" for v, o, w in CASES]
)
def test_before_any_work(verb, option, value):
    given = GIVEN.get(verb, ["conv"])
    options = {option: value}
    if option == "class_index":
        given = given[:1]
    with pytest.raises(kviz.OptionError) as caught:
        getattr(kviz, verb)("no such model.keras", *given, **options)
    said = str(caught.value)
    named = {"class_index": "the class", "random_start": "random_start", "target_size": ""}
    assert named.get(option, option) in said
    assert "\n" not in said
    assert len(said) <= 300


def test_any_real_number_is_one():
    """These pass: what fails is that there is no such model."""
    for value in (2, 2.5, np.float16(2), np.int8(2), Fraction(5, 2)):
        with pytest.raises(kviz.KvizError, match="no such model"):
            kviz.fool("no such model.keras", "photo.png", 1, step_size=value, max_norm=value)
