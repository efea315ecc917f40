"""kviz layers: the table, and the same as JSON."""

import json
import re

from commands import MODEL, fine

import kviz


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
