"""What made a result, typed and resolved, and the way of it to disk and back."""

import hashlib
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kviz
from kviz.cli import main
from kviz.files import file_sha256, from_here
from kviz.originals import source_sha256
from kviz.results import MadeBy
from kviz.results.made_by import made_by

ROOT = Path(__file__).parents[2]
CAT = ROOT / "notebooks/images/cat.png"
MODEL = ROOT / "models/squeezenet.keras"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ],
        name="net",
    )


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(29).integers(0, 256, (2, 12, 12, 3), np.uint8)


def results(model, photos):
    yield kviz.activations(model, photos)
    yield kviz.weights(model)
    yield kviz.predict(model, photos, also=[2])
    found = kviz.attribute(model, photos, "grad_cam", relu=False)
    yield found
    yield kviz.compare([found])
    yield kviz.fool(model, photos, 1, steps=2)
    yield kviz.class_image(model, [0, 1], steps=2)
    yield kviz.filter_patterns(model, "conv", 0, steps=2)
    yield kviz.deep_dream(model, photos, "conv", steps=1)


def test_every_verb_says_what_made_its_result_and_a_file_keeps_it(model, photos, tmp_path):
    verbs = set()
    for result in results(model, photos):
        made = result.made_by
        assert made.verb == result.verb
        assert made.model == "net"
        assert made.model_sha256 is None
        assert made.call.startswith(f"kviz.{made.verb}(")
        assert set(made.versions) == {"kviz", "keras", "tensorflow", "numpy", "python"}
        assert made.versions["kviz"] == kviz.__version__
        age = datetime.now(UTC) - datetime.fromisoformat(made.time)
        assert timedelta(0) <= age < timedelta(minutes=5)
        if made.verb not in ("weights", "class_image", "filter_patterns"):
            assert made.images_sha256 == tuple(sha256(photo.tobytes()) for photo in photos)
        again = kviz.load_result(result.save(tmp_path / "result.npz")[0])
        assert again.made_by == made
        assert json.loads(json.dumps(result.facts()["made_by"]))["call"] == made.call
        verbs.add(made.verb)
    assert len(verbs) == 9


def test_settings_are_typed_and_resolved(model, photos):
    made = kviz.attribute(model, photos, "grad_cam", relu=False).made_by.settings
    assert made["relu"] is False
    assert made["seed"] == 0
    assert made["resize"] == "bilinear"
    predicted = kviz.predict(model, photos, top=1).rows
    assert made["class_index"] == tuple(row[0].class_index for row in predicted)
    assert kviz.activations(model, photos).made_by.settings["layer_names"] == ("conv",)
    network = kviz.Network(model, preprocess="vgg16")
    assert kviz.predict(network, photos).made_by.preprocess == "vgg16"
    network = kviz.Network(model, preprocess=lambda pixels: pixels / 255)
    assert "0x" not in kviz.predict(network, photos).made_by.preprocess


def test_files_are_known_by_their_hash():
    network = kviz.load_model(MODEL)
    file = sha256(CAT.read_bytes())
    read = kviz.load_images(CAT, network)
    assert kviz.predict(network, CAT).made_by.images_sha256 == (file,)
    made = kviz.predict(network, read).made_by
    assert made.images_sha256 == (file,)
    assert made.model_sha256 == sha256(MODEL.read_bytes())
    assert made.call == f"kviz.predict({from_here(MODEL)!r}, images)"
    assert kviz.predict(network, read.astype("float32")).made_by.images_sha256 == (file,)
    changed = read.copy()
    changed[0, 0, 0, 0] ^= 1
    assert kviz.predict(network, changed).made_by.images_sha256 == (sha256(changed[0].tobytes()),)


def test_pixels_that_are_no_files_have_their_own_hash(tmp_path):
    array = np.random.default_rng(3).normal(size=(4, 4, 3)).astype("float32")
    assert source_sha256(array) == sha256(array.tobytes())
    assert source_sha256(array[::-1]) == sha256(array[::-1].tobytes())
    Image.fromarray(array.astype(np.uint8)).save(tmp_path / "one.png")
    (read,) = kviz.load_images(tmp_path / "one.png")
    assert source_sha256(read) == sha256((tmp_path / "one.png").read_bytes())
    assert source_sha256(array) == sha256(array.tobytes())
    assert source_sha256(np.full((2, 2, 3), np.nan)) == sha256(np.full((2, 2, 3), np.nan).tobytes())


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    read = []
    original = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: read.append(1) or original(file, kind)
    )
    assert file_sha256(path) == file_sha256(str(path)) == sha256(b"one")
    assert len(read) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert file_sha256(path) == sha256(b"two")
    assert len(read) == 2


def test_several_inputs_have_one_hash_an_image(model):
    arrays = {"a": np.zeros((2, 3, 3, 1)), "b": np.ones((2, 4))}
    network = kviz.Network(model)
    expected = [sha256(arrays["a"][at].tobytes() + arrays["b"][at].tobytes()) for at in range(2)]
    assert made_by(network, kviz.predict, arrays).images_sha256 == tuple(expected)


def test_what_a_call_says_runs_and_gives_the_same(model, photos):
    for result in results(model, photos):
        if result.verb == "compare":
            continue
        again = eval(result.made_by.call, {"kviz": kviz, "model": model, "images": photos})  # noqa: S307
        assert again.made_by.settings == result.made_by.settings
        first, second = (next(iter(vars(one).values())) for one in (result, again))
        if isinstance(first, dict):
            first, second = (
                np.concatenate([a.ravel() for a in one.values()]) for one in (first, second)
            )
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


def test_what_is_so_by_default_is_not_in_a_call(model, photos):
    made = kviz.attribute(model, photos, "saliency", class_index=2, seed=4).made_by
    assert "class_index=(2, 2), " in made.call
    assert "seed=4" in made.call
    for name in ("resize", "batch_size", "output"):
        assert name in made.settings
        assert f"{name}=" not in made.call
    report = kviz.report(model, photos, quick=True, methods=[]).facts()["made_by"]
    assert report["call"] == "kviz.report(model, images, methods=(), quick=True)"


def test_a_command_says_itself(tmp_path):
    out = tmp_path / "scores.npz"
    typed = ["weights", str(MODEL), "--layers", "conv1", "--out", str(out)]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0, done.output
    made = kviz.load_result(out).made_by
    assert made.call == f"kviz weights {MODEL} --layers conv1 --out {out}"
    assert kviz.weights(MODEL, "conv1").made_by.call.startswith("kviz.weights(")


def test_equal_and_hashable():
    one = MadeBy(verb="fool", settings={"a": [1, 2]})
    assert one == MadeBy(verb="fool", settings={"a": (1, np.int64(2))})
    assert one != MadeBy(verb="fool", settings={"a": (1, 3)})
    assert hash(one) == hash(MadeBy(verb="fool", settings={"a": (1, 2)}))
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", sys.version.split()[0])
