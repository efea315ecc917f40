"""Numbers as a page carries them: what a reader gets back is near what was there, whatever it was."""

import base64
import gzip
import json

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import FLOATS, maps, tried

from kviz.web.packing import averaged, coded, plainly, quantised, script_json


@tried
@given(values=maps(FLOATS))
@example(np.array([[[3.4e38, -3.4e38]], [[-3.4e38, 3.4e38]]], "float32"))
@example(np.array([[[1e-45], [0.0]]], "float32"))
def test_a_code_is_off_by_half_a_step_at_most(values):
    found = quantised(values)
    planes = np.moveaxis(values, -1, 0).astype(np.float64)
    finite = np.isfinite(planes)
    step = (found.high.astype(np.float64) - found.low) / 255
    assert np.isfinite(found.values).all()
    # What is not finite is carried as zero.
    off = np.abs(found.values - np.where(finite, planes, 0))
    assert (off <= 0.501 * step[:, None, None] + 1e-45).all()
    assert len(found.bytes()) == 16 * len(planes) + planes.size


@tried
@given(
    planes=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    factor=st.integers(1, 5),
)  # fmt: skip
def test_blocks_are_their_means(planes, factor):
    small = averaged(planes, factor)
    _, height, width = planes.shape
    assert small.shape[1:] == (-(-height // factor), -(-width // factor))
    for row in range(small.shape[1]):
        for column in range(small.shape[2]):
            block = planes[
                :, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor
            ].astype(np.float64)
            mean = block.mean(axis=(1, 2))
            bound = 1e-5 * np.abs(block).max(axis=(1, 2)) + 1e-30
            assert (np.abs(small[:, row, column] - mean) <= bound).all()


@tried
@given(values=maps(st.floats(-1e3, 1e3, width=32)), factor=st.integers(1, 4))
def test_means_of_blocks_are_coded_by_their_own_ends(values, factor):
    found = quantised(values, factor)
    planes = averaged(np.moveaxis(values, -1, 0).astype(np.float32), factor)
    np.testing.assert_array_equal(found.low, planes.min(axis=(1, 2)))
    np.testing.assert_array_equal(found.high, planes.max(axis=(1, 2)))


def test_a_channel_that_is_the_same_everywhere_has_no_deviation():
    values = np.full((7, 9, 2), 0.1)
    values[3, 4, 1] = 0.2
    flat, other = quantised(values).deviation
    assert flat == 0 < other


def test_codes_reach_from_the_lowest_to_the_highest():
    planes = np.array([[[-2.0, 0.0, 2.0]], [[5.0, 5.0, 5.0]]])
    codes = coded(planes, np.array([-2.0, 5.0]), np.array([4.0, 0.0]))
    assert codes.tolist() == [[[0, 128, 255]], [[0, 0, 0]]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@tried
@given(value=JSON)
def test_a_script_element_holds_anything(value):
    text = script_json(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == json.loads(json.dumps(plainly(value)))


def test_packed_text_is_gzip_in_base64():
    from kviz.web.packing import packed

    assert gzip.decompress(base64.b64decode(packed(b"numbers" * 99))) == b"numbers" * 99
