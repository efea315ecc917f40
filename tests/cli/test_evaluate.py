"""kviz evaluate on a small model."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from commands import fine, one_line
from PIL import Image

import kviz
from kviz.cli import main

QUICK = ("--metric", "deletion", "--baseline", "black", "--nulls", "2")


def run(*words):
    return CliRunner().invoke(main, ["evaluate", "m.keras", "p.png", *words])


@pytest.mark.usefixtures("workplace")
def test_it_is_the_verb():
    methods = ("--method", "saliency", "--method", "gradient")
    told = json.loads(
        fine(run(*QUICK, *methods, "--class", "1", "--seed", "3", "-o", "all.npz", "--json"))
    )
    expected = kviz.evaluate(
        "m.keras", "p.png", ["saliency", "gradient"], "deletion", baselines=["black"], nulls=2,
        class_index=1, seed=3,
    )  # fmt: skip
    found = kviz.load_result("all.npz")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.null_values, expected.null_values, atol=1e-6)
    assert [one["method"] for one in told["measures"]] == ["saliency", "gradient"]
    (image,) = told["images"]
    assert image["values"][0]["class"]["class_index"] == 1
    assert len(image["values"][0]["nulls"]["random"]) == 2


def test_a_class_for_each_photo(workplace):
    levels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), "uint8")
    Image.fromarray(levels).save(workplace / "q.png")
    words = ("q.png", *QUICK, "--method", "gradient", "-o", "all.npz")
    fine(run(*words, "--class", "2", "--class", "0"))
    assert kviz.load_result("all.npz").classes.tolist() == [[2, 0]]
    fine(run(*words, "--class", "1", "--force"))
    assert kviz.load_result("all.npz").classes.tolist() == [[1, 1]]


def test_a_page_and_pictures(workplace):
    out = fine(run(*QUICK))
    assert "Deletion, black: lower is better; 1 image\nmethod" in out
    assert sorted(path.name for path in (workplace / "evaluation").iterdir()) == [
        "01_deletion_black_curves.png", "01_deletion_black_values.png",
    ]  # fmt: skip
    fine(run(*QUICK, "-o", "e.html"))
    page = (workplace / "e.html").read_text(encoding="utf-8")
    assert "another" not in page, "there is one photo"
    assert "inverted" in page


def test_regions_of_a_file_and_of_a_folder(workplace):
    """Of a photo that is not of the model's shape, and padded."""
    levels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), "uint8")
    Image.fromarray(levels).save(workplace / "wide.png")
    mask = np.zeros((32, 48), bool)
    mask[4:20, 10:30] = True
    (workplace / "masks").mkdir()
    Image.fromarray(mask).save(workplace / "masks/wide.png")
    told = {
        "images": [{"id": 1, "file_name": "wide.png", "width": 48, "height": 32}],
        "annotations": [{"image_id": 1, "bbox": [10, 4, 20, 16]}],
    }
    (workplace / "things.json").write_text(json.dumps(told))
    words = ["evaluate", "m.keras", "wide.png", "--method", "saliency", "--nulls", "1", "--json"]
    words += ["--metric", "relevance_mass", "--metric", "pointing_game", "-o", "found.npz"]
    values = []
    for regions in ("masks", "things.json"):
        done = CliRunner().invoke(main, [*words, "--regions", regions, "--fit", "pad", "--force"])
        values.append([one["mean"] for one in json.loads(fine(done))["measures"]])
        assert kviz.load_result("found.npz").made_by.settings["regions"] == regions
    assert values[0] == values[1]
    images = kviz.load_images("wide.png", kviz.load_model("m.keras"), fit="pad")
    maps = kviz.attribute("m.keras", images, "saliency").maps[0]
    # The photo has 11 of the 16 rows, from the third on, and all columns: the thing goes from row
    # 2 + 4 * 11 / 32 to 2 + 20 * 11 / 32 and from column 10 / 3 to 10; of one corner it has 5/8 * 2/3.
    own = np.zeros((16, 16), bool)
    own[3:9, 3:10] = True
    own[3, 3] = False
    assert values[0][0] == pytest.approx(maps[own].sum() / maps.sum(), rel=1e-4)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "deltion"), "There is no metric 'deltion'. Did you mean 'deletion'"),
        (("--baseline", "noise"), "takes one of 'black'"),
        (("--method", "grad_cm"), "'grad_cam'"),
        (("--metric", "pointing_game"), "--regions takes boxes, masks"),
        (("--regions", "lost.json"), "There is no file or folder lost.json with regions"),
        (("--regions", ""), "--regions takes a folder of masks or a COCO file. Received an empty"),
        (("--metric", "relevance_mass", "--regions", "m.keras"), "m.keras is no mask"),
    ],
)
def test_a_mistake_is_one_line(words, said):
    assert said in one_line(run(*words))


def test_metrics_are_listed():
    listed = CliRunner().invoke(main, ["evaluate", "--list"])
    assert "\n  mu_fidelity " in fine(listed)
