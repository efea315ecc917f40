"""kviz layers: the table, and the same as JSON."""

import json
import re

import pytest
from commands import MODEL, fine

import kviz
from kviz.cli.layers import _OPTIONAL
from kviz.draw.tables import narrowed, text


def test_table(run):
    lines = fine(run("layers", MODEL)).splitlines()
    assert len(lines) > 40
    assert any(re.search(r"\bconv1 +Conv2D\b", line) for line in lines)


def test_json(run):
    told = json.loads(fine(run("layers", MODEL, "--json")))
    assert (told["verb"], told["files"]) == ("layers", [])
    found = told["layers"]
    assert len(found) == len(kviz.load_model(MODEL).layers)
    (conv,) = [layer for layer in found if layer["path"] == "conv1"]
    assert conv["kind"] == "Conv2D"
    assert conv["output_shape"] == [None, 113, 113, 64]
    assert conv["kernel_size"] == [3, 3]
    assert conv["strides"] == [2, 2]
    assert conv["parameters"] == 3 * 3 * 3 * 64 + 64
    assert conv["weights"] == ["conv1/kernel", "conv1/bias"]
    assert "113" in conv["output_size"]
    assert conv["receptive_field"] == {
        "size": [3, 3],
        "stride": [2, 2],
        "offset": [0, 0],
        "centre": [1, 1],
        "whole": False,
    }
    assert found[-1]["receptive_field"] == "whole image"
    assert all(layer["output_size"] is None for layer in found if layer["kernel_size"] is None)


@pytest.mark.parametrize("width", [80, 120])
def test_a_narrow_window_keeps_kind_and_parameters_and_drops_arithmetic_first(squeezenet, width):
    table, left_out = narrowed(squeezenet.layers.table(), width, _OPTIONAL)
    assert {"layer", "kind", "params", "output shape"} <= set(table.headers)
    assert left_out[0] == "output size"
    assert max(map(len, text(table).splitlines())) <= width
