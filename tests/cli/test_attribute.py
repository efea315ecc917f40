"""kviz attribute on the real network and photo."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kviz
from kviz.cli import main
from kviz.draw.colours import coloured

BOTH = ("--method", "grad_cam", "--method", "saliency")
JOB = ("attribute", "models/squeezenet.keras", "notebooks/images/cat.png")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in (*JOB, *arguments)])


def maps_of(done):
    """Return what is told of each image's maps."""
    return [image["maps"] for image in json.loads(done.stdout)["images"]]


@pytest.mark.slow
def test_several_methods_side_by_side(tmp_path):
    # Each option is for the one of them that has it.
    given = ("--layers", "fire9_concat", "--set", "reduce=sum", "--class", "tabby")
    done = run(*BOTH, *given, "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    assert [file.name for file in (tmp_path / "maps").iterdir()] == [
        "001_cat-png-b94f5ce0_compared.png"
    ]
    assert "tabby" in done.stdout


@pytest.mark.some(every=2)
@pytest.mark.parametrize("out", ["both.npz", "both.html"])
def test_several_methods_as_numbers_or_a_page(tmp_path, out):
    done = run(*BOTH, "--json", "-o", tmp_path / out)
    assert done.exit_code == 0, done.output
    assert (tmp_path / out).exists()
    assert [one["method"] for one in maps_of(done)[0]] == ["grad_cam", "saliency"]


def test_several_classes_are_explained_for_each_photo(tmp_path):
    done = run("--class", "tabby", "--class", "lynx", "--json", "-o", tmp_path / "found.npz")
    assert done.exit_code == 0, done.output
    assert [one["class"]["name"] for one in maps_of(done)[0]] == ["tabby", "lynx"]
    assert kviz.load_result(tmp_path / "found.npz").maps.shape == (1, 2, 227, 227)


def test_json_and_options(tmp_path):
    out = tmp_path / "found.npz"
    done = run("--method", "integrated_gradients", "--set", "steps=8", "--json", "-o", out)
    assert done.exit_code == 0, done.output
    ((found,),) = maps_of(done)
    assert found["class"]["name"] == "Egyptian cat"
    assert 0 <= found["completeness_gap"] < 1
    assert out.exists()


def test_a_map_of_nothing_is_said(tmp_path):
    """The ReLU of Grad-CAM leaves nothing of what the last layer says of this coat."""
    clothes = [f"notebooks/images/fashion/{name}.png" for name in ("4_coat", "8_bag")]
    job = ["attribute", "models/fashion_cnn.keras", *clothes, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, job)
    assert done.exit_code == 0
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("kviz: note: ")]
    assert "Grad-CAM is negative everywhere, and ReLU leaves nothing of it, for 4_coat.png." in note
    assert note.endswith("--set relu=False shows the evidence against the class.")


def test_the_list_of_methods():
    done = CliRunner().invoke(main, ["attribute", "--list"])
    assert done.exit_code == 0
    assert {"grad_cam", "occlusion"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--method", "grad_cm"), 1, "'grad_cam'"),
        (("--set", "steps"), 2, "NAME=VALUE"),
        (("--set", "=3"), 2, "NAME=VALUE"),
        (("--set", "steps=8", "--set", "steps=9"), 2, "gives steps twice"),
        (("--set", "steps=3"), 1, "no option 'steps'"),
        (("--set", "name=saliency"), 1, "no option 'name'"),
        (("--method", "saliency", "--layers", "conv1"), 1, "no option '--layers'"),
        (("--class", "unicorn"), 1, "no class 'unicorn'"),
        (("--layers", "lost"), 1, "no layer 'lost'"),
        ((*BOTH, "--set", "steps=3"), 1, "grad_cam has no option 'steps'"),
        (("--method", "grad_cam,saliency"), 2, "--method grad_cam --method saliency"),
        (("--method", ""), 1, "no method ''"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(arguments, code, words, tmp_path):
    done = run(*arguments, "--out", tmp_path / "maps")
    assert done.exit_code == code
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_how_heat_is_drawn(tmp_path):
    given = ("--cmap", "magma", "--percentile", 90, "--sign", "absolute", "--alpha", 0.5)
    done = run(*given, "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.output
    found = kviz.attribute(*JOB[1:]).tiles(cmap="magma", percentile=90, sign="absolute", alpha=0.5)
    for place, tile in enumerate(found[1:], 1):
        with Image.open(
            tmp_path / "maps" / f"001_cat-png-b94f5ce0_grad_cam_{place:02}.png"
        ) as image:
            assert image.text["Description"] == tile.alt
            pixels = np.asarray(image.convert("RGB"))[-227 * 3 :: 3, : 227 * 3 : 3]
        np.testing.assert_allclose(pixels, coloured(tile), atol=4)
    for given in (("--alpha", 2), ("--percentile", 0), ("--sign", "both"), ("--scale", "all")):
        assert run(*given, "--out", tmp_path / "no").exit_code == 2


@pytest.mark.usefixtures("workplace")
def test_maps_are_certified():
    job = ["attribute", "m.keras", "p.png", "--certify", "--seed", "3", "--method", "saliency"]
    done = CliRunner().invoke(main, [*job, "--json", "-o", "found.npz"])
    assert done.exit_code == 0, done.output
    expected = kviz.attribute("m.keras", "p.png", "saliency").certify("m.keras", seed=3)
    assert kviz.load_result("found.npz").certificates == expected.certificates
    ((told,),) = maps_of(done)
    assert told["certificate"]["words"] == expected.certificates[0].words()


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
def test_maps_of_several_methods_and_classes_are_certified():
    methods = ("--method", "saliency", "--method", "gradient", "--class", "0", "--class", "2")
    job = ["attribute", "m.keras", "p.png", "--certify", *methods, "-o", "both"]
    done = CliRunner().invoke(main, job)
    assert done.exit_code == 0, done.output
    assert "Gradient: can it be trusted\nimage  class    found\np.png  class 0  " in done.stdout
    (path,) = Path("both").iterdir()
    with Image.open(path) as picture:
        said = picture.text["Comment"].splitlines()
    titles = [f"{name} · class {index}. " for name in ("Saliency", "Gradient") for index in (0, 2)]
    assert [line.startswith(title) for line, title in zip(said, titles, strict=True)] == [True] * 4


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("out", "form", "file"), [("f.svg", (), "f.svg"), ("d", ("--format", "pdf"), "d/attribute.pdf")]
)
def test_one_figure(tmp_path, out, form, file):
    done = run("--out", tmp_path / out, *form, "--scale", "shared")
    assert done.exit_code == 0, done.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]
