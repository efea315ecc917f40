"""kviz weights: kernels as pictures, all weights as numbers."""

import json

from commands import MODEL, files, fine, one_line

import kviz


def test_pictures(run, tmp_path):
    out = fine(run("weights", MODEL, "--layers", "conv1", "--columns", 8))
    assert "3 × 3 × 3 × 64" in out
    (name,) = files(tmp_path)
    assert out.endswith(f"\nWrote {name}\n")
    assert name.startswith("kernels/001_conv1-kernel")


def test_json_numbers_and_page(run, tmp_path):
    found = json.loads(fine(run("weights", MODEL, "--layers", "conv1", "--out", "k.npz", "--json")))
    assert (found["verb"], found["files"]) == ("weights", ["k.npz"])
    (layer,) = found["layers"]
    shapes = {weight["path"]: weight["shape"] for weight in layer["weights"]}
    assert shapes == {"conv1/kernel": [3, 3, 3, 64], "conv1/bias": [64]}
    assert kviz.load_result("k.npz")["conv1/bias"].shape == (64,)
    assert fine(run("weights", MODEL, "--layers", "conv1", "--out", "k.html")).endswith(
        "Wrote k.html\n"
    )
    assert files(tmp_path) == ["k.html", "k.npz"]


def test_a_bias_alone_has_no_picture(run, tmp_path):
    line = one_line(run("weights", MODEL, "--layers", "conv1/bias"))
    assert "a vector has no picture" in line
    assert files(tmp_path) == []
    fine(run("weights", MODEL, "--layers", "conv1/bias", "--out", "b.npz"))
