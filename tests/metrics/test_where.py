"""Pointing game, relevance mass and rank: of maps and regions that are drawn by hand."""

import json
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from pencil_nets import linear, pixels
from PIL import Image

import kviz
from kviz.metrics import PointingGame, RelevanceMass, RelevanceRank

SIDE = 8
METRICS = ["pointing_game", "relevance_mass", "relevance_rank"]
BOX = (5, 1, 2, 3)


@pytest.fixture(scope="module")
def model():
    return kviz.Network(linear(np.random.default_rng(1).normal(size=(SIDE, SIDE))))


def judged(model, maps, metrics=METRICS, regions=BOX, **options):
    images = pixels(len(maps), SIDE)
    found = kviz.attribute(model, images, "gradient")
    found = replace(found, maps=np.asarray(maps, "float32"))
    return kviz.evaluate(model, images, found, metrics, regions=regions, **options)


def inside():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[1:4, 5:7] = True
    return mask


def test_all_nothing_and_a_half_of_it(model):
    mask = inside()
    half = mask.astype(float)
    half[0, 0] = mask.sum()
    some = np.where(mask, 2.0, 0) - np.eye(SIDE)
    found = judged(model, [mask, ~mask, half, some])
    np.testing.assert_allclose(found.values[0, 0], [1, 0, 0, 1])
    # What is below 0 does not count, wherever it lies.
    np.testing.assert_allclose(found.values[1, 0], [1, 0, 0.5, 1], rtol=1e-6)
    np.testing.assert_allclose(found.values[2, 0], [1, 0, 5 / 6, 1], rtol=1e-6)
    assert found.better == ("higher",) * 3


def test_a_twin_in_plain_python(model):
    """The equations by Arras et al. and Zhang et al., with loops, of maps without equal values."""
    random = np.random.default_rng(3)
    maps, masks = random.normal(size=(6, SIDE, SIDE)), random.random((6, SIDE, SIDE)) < 0.3
    found = judged(model, maps, regions=masks)
    for image, (values, mask) in enumerate(zip(maps.astype("float32"), masks, strict=True)):
        places = sorted(np.ndindex(SIDE, SIDE), key=lambda place: -values[place])
        region = {place for place in places if mask[place]}
        assert found.values[0, 0, image] == (places[0] in region)
        mass = sum(max(0, values[p]) for p in region) / sum(max(0, values[p]) for p in places)
        assert found.values[1, 0, image] == pytest.approx(mass, rel=1e-5)
        rank = len(region.intersection(places[: len(region)])) / len(region)
        assert found.values[2, 0, image] == pytest.approx(rank)


def test_signs(model):
    against = np.zeros((2, SIDE, SIDE))
    against[:, inside()], against[:, 0, 0] = -2, 1
    metrics = [
        kind(sign=sign)
        for kind in (PointingGame, RelevanceMass, RelevanceRank)
        for sign in ("positive", "absolute")
    ]
    found = judged(model, against, metrics)
    np.testing.assert_allclose(found.values[::2, 0], [[0, 0]] * 3)
    np.testing.assert_allclose(found.values[1::2, 0], [[1, 1], [12 / 13] * 2, [1, 1]], rtol=1e-6)
    # Inverted it is all in the region; of sizes there is no inverted map.
    np.testing.assert_allclose(found.chance(2, 0)["inverted"], 1)
    assert "inverted" not in found.chance(3, 0)
    assert found.rank(3, 0).place == 2, "the same map is that of another photo"


@pytest.mark.parametrize(
    ("tolerance", "hits"),
    [(0, (0, 0)), (2.9, (0, 0)), (3, (1, 0)), (4.9, (1, 0)), (5, (1, 1)), (15, (1, 1))],
)
def test_tolerance(model, tolerance, hits):
    """From (1, 2) it is three columns to the region, and from (7, 2) as many and four rows: five."""
    maps = np.zeros((2, SIDE, SIDE))
    maps[0, 1, 2] = maps[1, 7, 2] = 1
    assert tuple(judged(model, maps, PointingGame(tolerance=tolerance)).values[0, 0]) == hits


def test_a_map_that_tells_nothing_points_by_chance(model):
    flat = np.zeros((60, SIDE, SIDE))
    found = judged(model, flat)
    share = inside().mean()
    for metric, error in (("pointing_game", np.sqrt(share / 60)), ("relevance_rank", 0.05)):
        assert abs(found.mean(metric, 0) - share) < 3 * error
    assert found.mean("relevance_mass", 0) == 0
    # A uniform draw has the region's share of the mass.
    random = found.chance("relevance_mass", 0)["random"]
    assert abs(random.mean() - share) < 3 * random.std() / np.sqrt(random.size)
    again, other = (judged(model, flat, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.values, found.values)
    assert (other.values != found.values).any()


def test_the_middle_is_what_has_to_be_beaten(model):
    """Of things in the middle the blob that knows nothing hits all: no map is before it."""
    corner = np.zeros((5, SIDE, SIDE))
    corner[:, 0, 0] = 1
    found = judged(model, corner, regions=(2, 2, 4, 4))
    assert found.chance("pointing_game", 0)["centre"].mean() == 1
    assert found.chance("relevance_mass", 0)["centre"].mean() > 0.45
    assert found.rank("pointing_game", 0).place > 1


def test_images_without_a_region_are_left_out(model, tmp_path):
    mask = inside()
    maps = [mask, ~mask, mask, mask, ~mask, mask, mask]
    regions = [BOX, BOX, None, BOX, BOX, BOX, np.zeros((SIDE, SIDE))]
    whole = judged(model, maps, [*METRICS, "sparseness"], regions)
    missing = [False, False, True, False, False, False, True]
    assert (np.isnan(whole.values[:3, 0]) == missing).all()
    assert np.isfinite(whole.values[3]).all()
    assert whole.mean("pointing_game", 0) == whole.mean("relevance_mass", 0) == 3 / 5
    low, high = whole.interval("pointing_game", 0)
    assert 0 <= low < 3 / 5 < high <= 1
    rank = whole.rank("pointing_game", 0)
    nulls = [row[~np.array(missing)].mean() for row in whole.null_values[0, 0]]
    assert rank[:2] == (1 + sum(null >= 3 / 5 for null in nulls), 1 + len(nulls))
    assert "leave out 2 of the 7 images" in whole.notes[-1]
    table = whole.tables()[0]
    assert "5 of 7 images" in table.caption
    assert re.search(r"\n\S+ +0\.6 +0", whole.text())
    facts = whole.facts()
    assert facts["images"][2]["values"][0]["value"] is None
    assert facts["measures"][0]["images"] == 5
    assert facts["measures"][0]["mean"] == 3 / 5
    loaded = kviz.load_result(whole.save(tmp_path / "found.npz")[0])
    assert loaded.text() == whole.text()
    assert len(loaded.tiles()) == 4
    assert len(loaded.tiles(image=2)) == 1, "of this image only its shape is known"
    assert loaded.to_frame().value.isna().any()


def test_batches_and_order_do_not_matter(model):
    random = np.random.default_rng(3)
    maps, masks = random.normal(size=(5, SIDE, SIDE)), random.random((5, SIDE, SIDE)) < 0.3
    masks[1] = False
    whole, parts = (judged(model, maps, regions=masks, batch_size=size) for size in (32, 2))
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.null_values, whole.null_values)


@pytest.mark.parametrize("metric", METRICS)
def test_without_regions_it_is_refused_at_once(model, metric):
    with pytest.raises(kviz.OptionError, match=f"{metric} asks where things are") as caught:
        kviz.evaluate(model, "lost.png", "gradient", ["deletion", metric])
    assert len(str(caught.value)) <= 300


@pytest.fixture(scope="module")
def cats_and_dogs():
    """A net of two classes with names, which goes by the left half."""
    net = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    weights = np.zeros((SIDE, SIDE, 3, 2), "float32")
    weights[:, :4, :, 0] = weights[:, 4:, :, 1] = 1e-3
    net.layers[-1].set_weights([weights.reshape(-1, 2), np.zeros(2)])
    return kviz.Network(net, class_names=["cat", "dog"])


def test_the_class_that_is_explained_chooses_the_regions(cats_and_dogs, tmp_path):
    """The left half is the cat, the right one the dog; in the second photo there is a dog alone."""
    photos = []
    for name in "ab":
        photos.append(tmp_path / f"{name}.png")
        levels = np.random.default_rng(ord(name)).integers(1, 256, (16, 16, 3), "uint8")
        Image.fromarray(levels).save(photos[-1])
    cat, dog = [0, 0, 8, 16], [8, 0, 8, 16]
    things = [(1, 1, cat), (1, 2, dog), (2, 2, dog)]
    told = {
        "images": [{"id": k, "file_name": f"{name}.png"} for k, name in enumerate("ab", start=1)],
        "annotations": [{"image_id": i, "category_id": c, "bbox": box} for i, c, box in things],
        "categories": [{"id": 1, "name": "Cat"}, {"id": 2, "name": "Dog"}],
    }
    (tmp_path / "things.json").write_text(json.dumps(told))
    options = {"metrics": ["relevance_mass", "relevance_rank"], "regions": tmp_path / "things.json"}
    of = [kviz.attribute(cats_and_dogs, photos, "gradient", class_index=name) for name in (0, 1)]
    found = kviz.evaluate(cats_and_dogs, photos, of, **options)
    np.testing.assert_allclose(found.values[0], [[1, np.nan], [1, 1]])
    np.testing.assert_allclose(found.values[1], [[1, np.nan], [1, 1]])
    assert found.notes[1:] == (
        "gradient explains classes that have regions in 1 of the 2 images; metrics of regions leave "
        "the others out.",
    )
    assert found.made_by.settings["regions"] == str(tmp_path / "things.json")
    alone = kviz.evaluate(cats_and_dogs, photos[1], "gradient", class_index="cat", **options)
    assert np.isnan(alone.values).all()
    assert "no image has a region of the class that it explains" in alone.notes[-1]
    assert alone.text()
    told["categories"][0]["name"] = "tiger"
    (tmp_path / "things.json").write_text(json.dumps(told))
    found = kviz.evaluate(cats_and_dogs, photos, of[0], **options)
    np.testing.assert_allclose(found.values[0, 0], [0.5 * 2, 0])
    assert found.notes == ("No category of the regions is called cat: there all regions count.",)
