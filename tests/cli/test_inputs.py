"""What commands take for images: photos by batch, arrays in files, bands, inputs by name."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from commands import files, fine, one_line
from keras import layers
from PIL import Image

import kviz
from kviz.cli.group import COMMANDS
from kviz.cli.group import main as group

RNG = np.random.default_rng(0)


def classifier(path, *inputs):
    """Save a small model of these inputs."""
    keras.utils.set_random_seed(0)
    flat = []
    for tensor in inputs:
        x = tensor
        if len(x.shape) == 4:
            x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(x))
            x = layers.GlobalAveragePooling2D()(x)
        flat.append(layers.Flatten()(x))
    x = flat[0] if len(flat) == 1 else layers.Concatenate()(flat)
    keras.Model(list(inputs), layers.Dense(3, activation="softmax")(x)).save(path)


@pytest.fixture
def two(workplace):
    """A model of a photo and numbers, `two.keras`, with two photos and their numbers."""
    classifier("two.keras", keras.Input((16, 16, 3), name="image"), keras.Input((5,), name="meta"))
    photos = RNG.integers(0, 256, (2, 16, 16, 3), "uint8")
    for name, photo in zip("ab", photos, strict=True):
        Image.fromarray(photo).save(f"{name}.png")
    numbers = RNG.random((2, 5)).astype("float32")
    np.save("meta.npy", numbers)
    np.savez("both.npz", image=photos, meta=numbers)
    return workplace, photos, numbers


def scores(out):
    told = json.loads(out)
    return [
        [row["score"] for row in sorted(one["classes"], key=lambda row: row["class_index"])]
        for one in told["images"]
    ]


WAYS = [
    ("--input", "image=a.png", "--input", "image=b.png", "--input", "meta=meta.npy"),
    ("--input", "meta=both.npz", "--input", "image=both.npz"),
    ("--input", "meta=meta.npy", "--input", "image=[ab].png"),
]


@pytest.mark.parametrize("words", WAYS, ids=str)
def test_inputs_are_given_by_name(run, two, words):
    _, photos, numbers = two
    out = fine(run("predict", "two.keras", *words, "--json"))
    expected = kviz.predict("two.keras", {"image": photos, "meta": numbers})
    np.testing.assert_allclose(scores(out), expected.scores, rtol=1e-5)


def test_every_command_takes_inputs_by_name(run, two):
    folder, *_ = two
    takes = [name for name in COMMANDS if {"images", "inputs"} <= {
        option.name for option in group.get_command(None, name).params
    }]  # fmt: skip
    assert takes == [
        "report",
        "predict",
        "activations",
        "attribute",
        "evaluate",
        "fool",
        "deep-dream",
    ]
    words = ("--input", "image=a.png", "--input", "image=b.png", "--input", "meta=meta.npy")
    more = {
        "fool": ("--class", 1, "--steps", 1),
        "attribute": ("--method", "saliency"),
        "evaluate": ("--metric", "deletion", "--baseline", "black", "--nulls", 1),
        "deep-dream": ("--steps", 1, "--octaves", 1),
        "report": ("--quick", "--out", "r.html"),
    }
    for name in takes:
        done = run(name, "two.keras", *words, *more.get(name, ()))
        assert done.exit_code == 0, (name, done.output)
    assert any(file.startswith("maps/") for file in files(folder))
    assert (folder / "r.html").exists()


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("a.png",),
            1,
            "The model takes 2 inputs. Give each of them: --input image=PATH --input meta",
        ),
        (("--input", "image=a.png"), 1, "takes the inputs image, meta. Received: image"),
        (("--input", "image=a.png", "--input", "mta=meta.npy"), 1, "Received: image, mta"),
        (("--input", "image=a.png", "--input", "meta=b.png"), 1, "(N, 5), which no photo is"),
        (("--input", "image=a.png", "--input", "meta=meta.npy"), 1, "different numbers of images"),
        (("--input", "image=lost.png", "--input", "meta=meta.npy"), 1, "There is no file lost.png"),
        (("--input", "image"), 2, "--input takes NAME=PATH. Received: image"),
        (("--input", "=a.png"), 2, "--input takes NAME=PATH"),
        (("a.png", "--input", "image=a.png"), 2, "Give IMAGE..., or --input NAME=PATH"),
        ((), 2, "Give IMAGE..., or --input NAME=PATH"),
        (("a.png", "--bands", 0), 2, "--bands"),
    ],
)
def test_what_is_wrong_with_inputs_is_said(run, words, code, said):
    done = run("predict", "two.keras", *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert "load_images" not in done.stderr


@pytest.mark.usefixtures("workplace")
def test_a_photo_for_a_model_of_signals_is_refused_for_what_it_is(run):
    classifier("signal.keras", keras.Input((100, 2), name="signal"))
    line = one_line(run("predict", "signal.keras", "p.png"))
    assert "takes numbers of shape (N, 100, 2), which no photo is" in line
    np.save("x.npy", RNG.random((3, 100, 2)).astype("float32"))
    lines = run("predict", "signal.keras", "x.npy").stdout.splitlines()
    assert [line for line in lines if line.startswith("x.npy")] == [
        "x.npy[0]",
        "x.npy[1]",
        "x.npy[2]",
    ]
    np.save("x.npy", RNG.random((3, 99, 2)).astype("float32"))
    line = one_line(run("predict", "signal.keras", "x.npy"))
    assert "to hold an array of shape (N, 100, 2). Received: (3, 99, 2)" in line


@pytest.mark.usefixtures("workplace")
def test_arrays_are_fed_as_they_are_and_dark_ones_noted(run):
    array = RNG.random((2, 16, 16, 3)).astype("float32")
    np.save("small.npy", array)
    np.save("large.npy", array * 255)
    done = run("predict", "m.keras", "small.npy", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert "values up to 1 where the model takes 0-255" in " ".join(told["notes"])
    np.testing.assert_allclose(scores(fine(run("predict", "m.keras", "large.npy", "--json"))),
                               kviz.predict("m.keras", array * 255).scores, rtol=1e-5)  # fmt: skip


@pytest.mark.usefixtures("workplace")
def test_bands_are_chosen_from_1_in_their_order(run):
    picture = np.asarray(Image.open("p.png"))
    out = fine(
        run("predict", "m.keras", "p.png", "--bands", 3, "--bands", 2, "--bands", 1, "--json")
    )
    expected = kviz.predict("m.keras", picture[..., ::-1]).scores
    np.testing.assert_allclose(scores(out), expected, rtol=1e-5)
    assert "p.png has 3 bands, from 1. Received: band 4" in one_line(
        run("predict", "m.keras", "p.png", "--bands", 4, "--bands", 2, "--bands", 1)
    )


@pytest.mark.usefixtures("workplace")
def test_alpha_is_the_fourth_channel_of_a_model_of_four(run):
    classifier("four.keras", keras.Input((16, 16, 4)))
    picture = RNG.integers(0, 256, (16, 16, 4), "uint8")
    Image.fromarray(picture).save("four.png")
    out = fine(run("predict", "four.keras", "four.png", "--json"))
    np.testing.assert_allclose(scores(out), kviz.predict("four.keras", picture).scores, rtol=1e-5)
    done = run("predict", "four.keras", "p.png")
    assert "p.png has no alpha: the model's fourth channel is 255 everywhere" in done.stderr


@pytest.fixture
def many(workplace):
    """Eleven photos in a folder."""
    (workplace / "photos").mkdir()
    photos = RNG.integers(0, 256, (11, 16, 16, 3), "uint8")
    for place, photo in enumerate(photos):
        Image.fromarray(photo).save(f"photos/{place:02}.png")
    return photos


def test_photos_are_told_of_as_they_are_read(run, many, monkeypatch):
    whole = fine(run("predict", "m.keras", "photos", "--json"))
    np.testing.assert_allclose(scores(whole), kviz.predict("m.keras", many).scores, rtol=1e-5)
    held = []
    read = kviz.images.read_files

    def seen(paths, *given, **options):
        held.append(len(paths))
        return read(paths, *given, **options)

    monkeypatch.setattr("kviz.images.read_files", seen)
    parts = fine(run("predict", "m.keras", "photos", "--json", "--batch-size", 4))
    assert held == [4, 4, 3]
    np.testing.assert_allclose(scores(parts), scores(whole), rtol=1e-5)
    one, other = json.loads(whole), json.loads(parts)
    assert [image["name"] for image in other["images"]] == [f"{n:02}.png" for n in range(11)]
    assert other["made_by"]["images_sha256"] == one["made_by"]["images_sha256"]
    told = [run("predict", "m.keras", "photos", "--batch-size", size).stdout for size in (4, 32)]
    assert told[0] == told[1]
    assert told[0].count("rank") == 11


@pytest.mark.usefixtures("many")
def test_what_was_answered_before_a_broken_photo_stays(run):
    Path("photos/09.png").write_bytes(b"no photo")
    done = run("predict", "m.keras", "photos", "--batch-size", 4)
    assert done.exit_code == 1
    assert done.stdout.count("rank") == 8
    assert done.stderr.splitlines() == [
        "kviz: photos/09.png is not an image. Expected one of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, "
        "JPEG2000, DICOM."
    ]


@pytest.mark.usefixtures("workplace")
def test_sizes_of_different_batches_are_compared_too(run):
    classifier("free.keras", keras.Input((None, None, 3)))
    for place, side in enumerate((20, 20, 30)):
        Image.new("RGB", (side, 20), "red").save(f"{place}.png")
    for size in (1, 32):
        done = run("predict", "free.keras", "0.png", "1.png", "2.png", "--batch-size", size)
        assert done.exit_code == 1
        assert "several sizes (height x width: 20 x 20, 20 x 30)" in done.stderr
        assert "Resize them with --target-size H W." in done.stderr


@pytest.mark.usefixtures("workplace")
def test_a_dark_photo_is_said_once_and_noted_in_what_is_written(run):
    Image.fromarray(RNG.integers(0, 12, (16, 16, 3), "uint8")).save("dark.png")
    done = run("activations", "m.keras", "dark.png", "-o", "maps.npz", "--json")
    notes = json.loads(done.stdout)["notes"]
    assert "dark.png comes out nearly black: its levels reach 11 of 255" in notes[0]
    assert done.stderr.count("dark.png comes out nearly black") == 1
    assert kviz.load_result("maps.npz").notes == tuple(notes)
    with pytest.warns(kviz.KvizWarning, match="nearly black"):
        pixels = kviz.load_images("dark.png")
    with pytest.warns(kviz.KvizWarning, match="nearly black"):
        found = kviz.attribute("m.keras", pixels, "saliency")
    assert any("dark.png comes out nearly black" in note for note in found.notes)
