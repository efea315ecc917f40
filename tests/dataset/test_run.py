"""run: a verb finds over a data set what it finds alone, in any cut, and goes on where it stopped."""

import os
import re
import shutil
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from needed import need_package

import kviz
from kviz.dataset.labels import Labels
from kviz.dataset.sources import Item, Source
from kviz.dataset.store.store import Store

need_package("tensorstore", "store")
need_package("pyarrow", "store")

ROOT = Path(__file__).parents[2]
FASHION = ROOT / "notebooks/images/fashion"
NAMES = sorted(path.name for path in FASHION.iterdir())


@pytest.fixture(scope="module")
def network():
    return kviz.load_model(ROOT / "models/fashion_cnn.keras")


@pytest.fixture(scope="module")
def images(network):
    return kviz.load_images(FASHION, network)


@pytest.fixture
def photos(tmp_path):
    """Ten photos in a folder of labels, which are the classes' names but one."""
    home = tmp_path / "photos"
    for name in NAMES:
        label = name.partition("_")[2].removesuffix(".png")
        label = {"t-shirt": "T-SHIRT", "ankle-boot": "ankle boot"}.get(label, label)
        (home / label).mkdir(parents=True)
        shutil.copy(FASHION / name, home / label / name)
    return home


def tree(store):
    """Return the bytes of a store's files, less what tells of times."""
    files = (path for path in store.rglob("*") if path.is_file() and path.name != "log.jsonl")
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def run(verb, network, source, store, **options):
    return kviz.dataset.run(
        verb, network, source, store, **{"shard_size": 4, "batch_size": 3, **options}
    )


def test_predictions_are_those_of_the_verb(network, images, tmp_path):
    found = run("predict", network, FASHION, tmp_path / "store")
    alone = kviz.predict(network, images, names=NAMES)
    assert found.complete
    assert len(found) == 10
    np.testing.assert_allclose(found["scores"][:], alone.scores, atol=1e-6)
    index = found.index
    assert index["image"].tolist() == NAMES
    assert index["row"].tolist() == list(range(10))
    assert index["prediction"].tolist() == alone.scores.argmax(1).tolist()
    assert index["predicted"].tolist() == [row[0].name for row in alone.rows]
    np.testing.assert_allclose(index["score"], alone.scores.max(1), atol=1e-6)
    assert found.counts()["unmatched"] == 0  # there are no labels
    some = found[3:9]
    assert some.names == tuple(NAMES[3:9])
    assert [row[0].name for row in some.rows] == [row[0].name for row in alone.rows[3:9]]
    assert some.made_by.model_sha256 == alone.made_by.model_sha256


def test_few_scores_are_the_best_ones(network, images, tmp_path):
    found = run("predict", network, FASHION, tmp_path / "store", top_k=3)
    scores = kviz.predict(network, images).scores
    best = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    assert np.array_equal(found["classes"][:], best)
    np.testing.assert_allclose(
        found["scores"][:], np.take_along_axis(scores, best, 1), rtol=1e-4, atol=1e-7
    )
    some = found[:]
    assert [[one.class_index for one in row] for row in some.rows] == best.tolist()
    # Of probabilities that were not kept nothing is left.
    lost = scores.copy()
    np.put_along_axis(lost, best, 0, axis=1)
    np.testing.assert_allclose(some.scores, scores - lost, rtol=1e-4, atol=1e-7)


def test_of_equal_scores_the_lower_class_comes_first(tmp_path):
    model = keras.Sequential([keras.Input((1, 1, 5)), layers.Flatten()])
    pixels = np.array([[3, 7, 7, 0, 7], [5, 5, 5, 5, 5]], np.float32).reshape(2, 1, 1, 5)
    found = run("predict", kviz.Network(model), pixels, tmp_path / "store", top_k=4)
    assert found["classes"][:].tolist() == [[1, 2, 4, 0], [0, 1, 2, 3]]
    assert found["scores"][:].tolist() == [[7, 7, 7, 3], [5, 5, 5, 5]]


def test_maps_are_those_of_the_verb(network, images, tmp_path):
    found = run("activations", network, FASHION, tmp_path / "store", layer_names="conv*")
    alone = kviz.activations(network, images, "conv*")
    assert found.paths == list(alone)
    for path in alone:
        np.testing.assert_allclose(found[path][:], alone[path], atol=1e-5)
    some = found[2:7]
    assert some.kinds == alone.kinds
    np.testing.assert_array_equal(some["conv2"], found["conv2"][2:7])


@pytest.mark.parametrize(("pooling", "pooled"), [("avg", np.mean), ("max", np.max)])
def test_pooled_maps_are_one_number_a_channel(network, images, tmp_path, pooling, pooled):
    found = run(
        "activations", network, FASHION, tmp_path / "store", layer_names="conv2", pooling=pooling
    )
    alone = kviz.activations(network, images, "conv2")["conv2"]
    np.testing.assert_allclose(found["conv2"][:], pooled(alone, axis=(1, 2)), atol=1e-5)
    assert found[0:2]["conv2"].shape == (2, 1, 1, 64)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "gradient"},
        {"method": "grad_cam", "class_index": "bag"},
        {"method": "smooth_grad", "samples": 3, "seed": 2},
        {"method": "integrated_gradients", "steps": 8},
    ],
    ids=lambda options: options["method"],
)
def test_attributions_are_those_of_the_verb(network, images, tmp_path, options):
    found = run("attribute", network, FASHION, tmp_path / "store", **options)
    alone = kviz.attribute(network, images, **options)
    tolerance = 1e-5 * np.abs(alone.maps).max()
    # What is drawn at random follows from an image's place, also in another shard.
    np.testing.assert_allclose(found[options["method"]][:], alone.maps, atol=tolerance)
    some = found[1:6]
    assert some.class_names == alone.class_names[1:6]
    assert some.title == alone.title
    np.testing.assert_allclose(some.scores, alone.scores[1:6], rtol=1e-5)
    if alone.gaps is not None:
        np.testing.assert_allclose(some.gaps, alone.gaps[1:6], rtol=1e-3, atol=1e-5)


def test_values_of_metrics_are_those_of_the_verb(network, images, tmp_path):
    options = {"metrics": "deletion", "baselines": ["black"], "nulls": 2}
    found = run(
        "evaluate", network, FASHION, tmp_path / "store", methods=["gradient"], batch_size=10,
        shard_size=10, **options,
    )  # fmt: skip
    alone = kviz.evaluate(network, images, ["gradient"], **options)
    some = found[:]
    np.testing.assert_allclose(some.values, alone.values, atol=1e-4)
    np.testing.assert_allclose(some.null_values, alone.null_values, atol=1e-4)
    assert some.measures() == alone.measures()
    assert some.nulls == alone.nulls
    assert some.rank(0, 0) == alone.rank(0, 0)


@pytest.mark.slow
def test_a_chunk_of_one_image_has_no_other_photo(network, tmp_path):
    found = run(
        "evaluate", network, FASHION, tmp_path / "store", metrics="deletion", baselines="black",
        nulls=1,
    )  # fmt: skip
    values = found["null_values"][:]
    # 4 + 4 + 2 images in chunks of 3: rows 3 and 7 are alone.
    alone = np.isnan(values[:, 0, 0, -1])
    assert np.flatnonzero(alone).tolist() == [3, 7]
    assert np.isfinite(values[~alone]).all()


def test_fooling_images_are_those_of_the_verb(network, images, tmp_path):
    found = run("fool", network, FASHION, tmp_path / "store", class_index="bag", max_norm=2000)
    alone = kviz.fool(network, images, "bag", max_norm=2000)
    index = found.index
    assert index["arrived"].tolist() == alone.arrived.tolist()
    assert index["fooled_class"].tolist() == alone.classes[:, 1].tolist()
    np.testing.assert_allclose(index[["l2", "linf"]], alone.norms, rtol=0.05, atol=1)
    assert found["images"].dtype == np.uint8
    some = found[4:6]
    assert some.predictions == alone.predictions[4:6]
    told = kviz.predict(network, some.images).scores.argmax(1)
    assert told.tolist() == index["fooled_class"].tolist()[4:6]


@pytest.mark.parametrize(("high", "dtype"), [(255, np.uint8), (1, np.float32)])
def test_changed_images_are_of_one_kind_whatever_they_hold(tmp_path, high, dtype):
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    model.layers[-1].set_weights([np.eye(16, 2, dtype=np.float32) / high, np.zeros(2, np.float32)])
    pixels = np.zeros((3, 4, 4, 1), np.float32)
    pixels[1, 0, 0] = high  # of class 0 already: it stays as it is, in whole numbers
    pixels[[0, 2], 0, 1] = high / 4
    pixels[:, 3, 3] = high
    found = run(
        "fool", kviz.Network(model), pixels, tmp_path / "store", class_index=0, bounds=(0, high),
        batch_size=1, shard_size=1, steps=2,
    )  # fmt: skip
    assert found["images"].dtype == dtype
    np.testing.assert_array_equal(found["images"][1], pixels[1])


@pytest.mark.slow
def test_what_came_of_fooling_alone_is_kept(network, tmp_path):
    found = run("fool", network, FASHION, tmp_path / "store", keep_images=False, steps=40)
    assert found.paths == []
    assert (found.index["fooled_class"] != found.index["prediction"])[found.index["arrived"]].all()
    with pytest.raises(kviz.OptionError, match="were not kept"):
        found[0:2]


def test_labels_are_classes_by_name(network, photos, tmp_path):
    found = run("predict", network, photos, tmp_path / "store")
    counts = found.counts()
    index = found.index.set_index("label")
    # "T-SHIRT" is none: the class is called T-shirt/top.
    assert np.isnan(index["label_index"]["T-SHIRT"])
    assert index["label_index"]["ankle boot"] == 9
    assert (counts["labelled"], counts["unmatched"]) == (9, 1)
    assert counts["correct"] == (index["label_index"] == index["prediction"]).sum()
    assert found.accuracy == counts["correct"] / 9
    assert found.unknown_labels() == ["T-SHIRT"]
    facts = found.facts()
    assert (facts["verb"], facts["images"], facts["accuracy"]) == ("predict", 10, found.accuracy)
    assert facts["arrays"] == {"scores": [10, 10]}
    assert run("predict", network, FASHION, tmp_path / "other").accuracy is None


def test_bad_images_are_rows_with_their_error(network, photos, tmp_path):
    whole = run("predict", network, photos, tmp_path / "whole")
    (photos / "bag/0.png").write_bytes(b"no image")
    (photos / "zzz").mkdir()
    (photos / "zzz/lost.png").symlink_to("nowhere")
    found = run("predict", network, photos, tmp_path / "store")
    index = found.index
    bad = index["error"].notna()
    assert index["image"][bad].tolist() == ["bag/0.png", "zzz/lost.png"]
    assert "0.png is not an image" in index["error"][bad].iloc[0]
    assert index["prediction"][bad].isna().all()
    scores = found["scores"][:]
    assert np.isnan(scores[bad]).all()
    np.testing.assert_allclose(scores[~bad], whole["scores"][:], atol=1e-6)
    assert found.counts()["bad"] == 2


@pytest.mark.parametrize("verb", ["predict", "fool"])
def test_the_verbs_result_leaves_a_bad_image_out_and_says_so(network, tmp_path, verb):
    photos = tmp_path / "photos"
    shutil.copytree(FASHION, photos)
    (photos / "1_bad.png").write_bytes(b"no image")
    options = {"predict": {"top_k": 3}, "fool": {"steps": 2}}[verb]
    some = run(verb, network, photos, tmp_path / "store", **options)[0:4]
    assert some.names == (NAMES[0], NAMES[1], NAMES[2])
    assert some.notes[0] == "Left out, since they could not be read: 1_bad.png."
    if verb == "predict":
        assert np.isfinite(some.scores).all()
    else:
        assert (some.classes >= 0).all()
        assert np.isfinite(some.norms).all()


def test_where_no_image_can_be_read_there_is_no_result(network, tmp_path):
    (tmp_path / "photos").mkdir()
    for place in range(3):
        (tmp_path / f"photos/{place}.png").write_bytes(b"no image")
    found = run("predict", network, tmp_path / "photos", tmp_path / "store")
    assert found.complete
    with pytest.raises(kviz.OutputError, match="None of these images could be read"):
        found[0:2]


def test_an_archive_that_vanishes_is_one_sentence(network, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for name in NAMES:
            archive.add(FASHION / name, name)

    def vanish(_):
        (tmp_path / "photos.tar").unlink(missing_ok=True)

    with pytest.raises(kviz.ImageError, match=r"photos\.tar cannot be read: No such file"):
        run("predict", network, tmp_path / "photos.tar", tmp_path / "store", progress=vanish)
    assert kviz.dataset.open(tmp_path / "store").done == [0]


class Short(Source):
    """Six images, of which the last is not there any more."""

    kind = ""
    of_arrays = True
    count = 6

    def items(self, start, stop):
        for place in range(start, min(stop, 5)):
            yield Item(str(place), None, np.zeros((28, 28, 1), np.uint8))


def test_a_source_that_ends_early_is_one_sentence(network, tmp_path):
    with pytest.raises(kviz.ImageError, match=r"shard 1 has 1 images of 2\. It has changed"):
        run("predict", network, Short("f", None), tmp_path / "store")
    assert kviz.dataset.open(tmp_path / "store").done == [0]


def test_one_unit_tells_two_classes_apart(tmp_path):
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    model.layers[-1].set_weights([np.ones((16, 1), np.float32) / 99, np.array([-2], np.float32)])
    pixels = np.zeros((6, 4, 4, 1), np.float32)
    pixels[3:] = 99
    labels = np.array([0, 0, 1, 1, 1, 0])
    found = run(
        "predict", kviz.Network(model), (pixels, labels), tmp_path / "store", statistics="confusion"
    )
    counts = found.counts()
    assert (counts["labelled"], counts["correct"], counts["unmatched"]) == (6, 4, 0)
    assert found.statistics().predicted["confusion"].counts.tolist() == [[2, 1], [1, 2]]


def test_an_image_that_the_verb_refuses_is_a_bad_row_alone(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    model.layers[-1].kernel.assign(np.ones((16, 2)))  # a score of 16 times a pixel
    pixels = np.ones((5, 4, 4, 1), np.float32)
    pixels[2] = 3e38
    pixels[3] = np.nan
    found = run("attribute", kviz.Network(model), pixels, tmp_path / "store", method="gradient")
    index = found.index
    assert index["error"].notna().tolist() == [False, False, True, True, False]
    assert np.isfinite(found["gradient"][:][[0, 1, 4]]).all()


def test_too_many_bad_images_end_it(network, photos, tmp_path):
    for place in range(3):
        (photos / f"bag/0{place}.png").write_bytes(b"no image")
    run("predict", network, photos, tmp_path / "store", max_bad=3)
    said = r"3 of .* images cannot be read, more than max_bad allows\. bag/00\.png is not an image"
    with pytest.raises(kviz.ImageError, match=said):
        run("predict", network, photos, tmp_path / "other", max_bad=2)


class Stop(Exception):  # noqa: N818 - it ends a run on purpose
    pass


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(network, tmp_path):
    undisturbed = run("attribute", network, FASHION, tmp_path / "whole", method="gradient")

    def stop(done):
        if done.rows > 5:
            raise Stop

    store = tmp_path / "store"
    with pytest.raises(Stop):
        run("attribute", network, FASHION, store, method="gradient", progress=stop)
    begun = kviz.dataset.open(store)
    assert (begun.complete, begun.done, begun.missing) == (False, [0], [1, 2])
    with pytest.raises(kviz.OutputError, match="Rows 4 to 7 are not done yet"):
        begun[3:5]
    told = []
    resumed = run(
        "attribute", network, FASHION, store, method="gradient", resume=True, progress=told.append
    )
    assert resumed.complete
    # It begins behind what was there.
    assert (told[0].rows, told[0].shards) == (7, 1)
    assert told[-1][:5] == (10, 10, 3, 3, 0)
    assert tree(store) == tree(undisturbed.path)


def scorer(weight):
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="in"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="out"),
        ],
        name="scorer",
    )
    model.layers[-1].set_weights([np.full((784, 2), weight, np.float32), np.zeros(2, np.float32)])
    return model


def test_a_run_goes_on_with_what_it_was_begun_with_only(photos, tmp_path):
    def again(model, **options):
        return run("predict", model, photos, tmp_path / "store", resume=True, **options)

    begun = kviz.Network(scorer(1), class_names=("a", "b"))
    before = tree(again(begun).path)
    assert tree(again(kviz.Network(scorer(1), class_names=("a", "b"))).path) == before
    for model, options, differs in [
        (begun, {"fit": "pad"}, 'fit was "crop", and is "pad"'),
        (begun, {"batch_size": 4}, "batch_size was 3, and is 4"),
        (begun, {"shard_size": 5}, "shard_size was 4, and is 5"),
        (begun, {"top_k": 1}, "top_k was null, and is 1"),
        # Named once, and nothing else is said to differ.
        (begun, {"dtype": "float16"}, r'dtype was "float32", and is "float16" now\. Give'),
        (begun, {"compression": "zstd"}, r'compression was "lz4", and is "zstd" now\. Give'),
        (begun, {"statistics": "moments"}, "statistics was"),
        (kviz.Network(scorer(2), class_names=("a", "b")), {}, "model's sha256 was"),
        (kviz.Network(scorer(1), class_names=("a", "c")), {}, "model's class_names was"),
        (
            kviz.Network(scorer(1), preprocess="0..1", class_names=("a", "b")),
            {},
            "model's preprocess was",
        ),
    ]:
        with pytest.raises(kviz.OutputError, match=f"was begun otherwise: {differs}"):
            again(model, **options)
    os.utime(photos / "bag" / next((photos / "bag").iterdir()).name, ns=(1, 1))
    with pytest.raises(kviz.OutputError, match="was begun on other images"):
        again(begun)
    assert tree(tmp_path / "store") == before


def test_parts_make_the_whole(network, tmp_path):
    whole = run("predict", network, FASHION, tmp_path / "whole")
    for part in (2, 1):
        found = run("predict", network, FASHION, tmp_path / "store", shard=(part, 2))
        assert found.complete == (part == 1)
    assert tree(found.path) == tree(whole.path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"verb": "predikt"}, "Did you mean 'predict'?"),
        ({"top": 3}, "predict has no option 'top'"),
        ({"shard": (3, 2)}, "shard takes I and N"),
        ({"shard": "1/2"}, "shard takes I and N"),
        ({"engine": "spark"}, "engine takes one of 'local', 'ray'"),
        ({"dtype": "int8"}, "dtype takes one of"),
        ({"compression": "gzip"}, "compression takes one of"),
        ({"shard_size": 0}, "shard_size takes a whole number from 1"),
        ({"batch_size": 0}, "batch_size takes a whole number from 1"),
        ({"max_bad": -1}, "max_bad takes a whole number from 0"),
        ({"top_k": 0}, "top_k takes a whole number from 1"),
        ({"statistics": "momenta"}, "Did you mean 'moments'?"),
        ({"verb": "attribute", "method": "grad_cm"}, "Did you mean 'grad_cam'"),
        ({"verb": "attribute", "steps": 3}, "grad_cam has no option 'steps'"),
        ({"verb": "attribute", "class_index": [1, 2]}, "takes one class"),
        ({"verb": "activations", "pooling": "sum"}, "pooling takes one of"),
        ({"verb": "activations", "layer_names": "convx"}, "convx"),
        ({"verb": "evaluate", "statistics": "moments"}, "evaluate has no statistics"),
        ({"verb": "fool", "targeted": True}, "fool takes the class"),
        ({"target_size": 9}, "The model takes images of 28 x 28 only"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(network, tmp_path, options, said):
    verb = options.pop("verb", "predict")
    with pytest.raises(kviz.KvizError, match=re.escape(said)):
        run(verb, network, FASHION, tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()


def test_a_run_that_finishes_no_shard_leaves_nothing(network, photos, tmp_path):
    store = tmp_path / "store"
    with pytest.raises(kviz.OptionError, match="A statistic needs labels"):
        run("predict", network, FASHION, store, statistics=["confusion"])
    assert not store.exists()

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        run("predict", network, photos, store, progress=stop)
    assert not store.exists()
    # Who is at a shard keeps what is there.
    begun = run("predict", network, photos, tmp_path / "other", shard=(1, 3))
    shutil.rmtree(begun.path / "done")
    with Store.at(begun.path).claim(2) as held:
        Store.at(begun.path).abandon()
        assert held is not None
        assert (begun.path / "store.json").exists()
    Store.at(begun.path).abandon()
    assert not begun.path.exists()


def test_a_model_of_free_sizes_asks_for_one(tmp_path):
    free = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(2, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
        ]
    )
    with pytest.raises(kviz.OptionError, match=r"target_size=\(height, width\)"):
        run("predict", kviz.Network(free), FASHION, tmp_path / "store")
    found = run("activations", kviz.Network(free), FASHION, tmp_path / "store", target_size=(9, 8))
    assert found["conv"].shape == (10, 7, 6, 2)


def test_a_model_of_several_inputs_is_refused(tmp_path):
    two = [keras.Input((4, 4, 3), name=name) for name in ("left", "right")]
    model = keras.Model(two, layers.Flatten()(layers.Add()(two)))
    with pytest.raises(kviz.OptionError, match=r"takes 2 inputs \(left, right\)"):
        run("predict", kviz.Network(model), FASHION, tmp_path / "store")


def test_a_model_of_a_fixed_batch_is_filled(tmp_path):
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input(batch_shape=(4, 8, 8, 1))
    x = layers.Conv2D(3, 3, name="conv")(x)
    fixed = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    pixels = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 1)).astype("float32")
    found = run(
        "activations", kviz.Network(fixed), pixels, tmp_path / "store", layer_names="conv",
        pooling="avg", statistics=["moments", "top_k=2"], batch_size=4, shard_size=6,
    )  # fmt: skip
    alone = kviz.activations(fixed, pixels, "conv")["conv"]
    np.testing.assert_allclose(found["conv"][:], alone.mean((1, 2)), rtol=1e-4)
    told = found.statistics()["conv"]
    np.testing.assert_allclose(told["moments"].mean, alone.mean((0, 1, 2)), rtol=1e-5)
    assert (told["moments"].count == 6 * 36).all()


def test_statistics_of_maps_are_numpys(network, images, tmp_path):
    found = run(
        "activations", network, FASHION, tmp_path / "store", layer_names=["conv2", "pool2"],
        statistics=["moments", "top_k=3"],
    )  # fmt: skip
    assert found.paths == []
    alone = kviz.activations(network, images, ["conv2", "pool2"])
    for path, told in found.statistics().items():
        maps = alone[path].astype(np.float64)
        np.testing.assert_allclose(told["moments"].mean, maps.mean((0, 1, 2)), rtol=1e-5)
        np.testing.assert_allclose(told["moments"].variance, maps.var((0, 1, 2)), rtol=1e-5)
        peaks = alone[path].max((1, 2)).T
        order = np.argsort(-peaks, axis=1, kind="stable")[:, :3]
        assert np.array_equal(told["top_k"].row, order)
    # The same layers asked for something else.
    other = run(
        "activations", network, FASHION, tmp_path / "other", layer_names=["conv2", "pool2"],
        statistics=["top_k=2"],
    ).statistics()  # fmt: skip
    assert {path: list(one) for path, one in other.items()} == {path: ["top_k"] for path in alone}
    assert other["conv2"]["top_k"].row.shape == (64, 2)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "complete.json", "constants.json", "done", "index", "log.jsonl", "statistics", "store.json",
    ]  # fmt: skip


def test_labels_that_are_no_classes_stand_for_themselves(network, photos, tmp_path):
    for place, folder in enumerate(sorted(photos.iterdir())):
        folder.rename(photos / f"kind {place % 2} {place}")
    kinds = sorted(path.name for path in photos.iterdir())
    found = run(
        "activations", network, photos, tmp_path / "store", layer_names="conv2",
        statistics=["mean_by_class"],
    )  # fmt: skip
    told = found.statistics()
    assert told.class_names == tuple(kinds)
    maps = kviz.activations(
        network, kviz.load_images(sorted(photos.rglob("*.png")), network), "conv2"
    )
    means = maps["conv2"].mean((1, 2))
    np.testing.assert_allclose(told["conv2"]["mean_by_class"].mean, means, rtol=1e-4, atol=1e-5)


def test_statistics_that_need_labels_say_so(network, photos, tmp_path):
    with pytest.raises(kviz.OptionError, match="A statistic needs labels"):
        run("predict", network, FASHION, tmp_path / "store", statistics=["confusion"])
    other = kviz.Network(network.model, class_names=[f"thing {place}" for place in range(10)])
    with pytest.raises(kviz.OptionError, match="'T-SHIRT' is no class of the model"):
        run("predict", other, photos, tmp_path / "other", statistics=["confusion"])
    found = run("predict", network, photos, tmp_path / "fourth", statistics=["confusion"])
    told = found.statistics().predicted["confusion"]
    assert (told.counts.sum(), told.unknown) == (9, 1)
    with pytest.raises(kviz.OptionError, match="confusion is of what the model predicts"):
        run("activations", network, photos, tmp_path / "third", statistics=["confusion"])


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_a_histogram_without_edges_finds_them_in_a_first_pass(network, images, tmp_path, parts):
    options = {
        "layer_names": ["conv1", "pool2"], "statistics": ["histogram=7"], "pooling": "avg",
    }  # fmt: skip
    store = tmp_path / "store"
    if parts == 2:
        with pytest.raises(kviz.OutputError, match=r"first pass .* 1 shards are left"):
            run("activations", network, FASHION, store, shard=(1, 2), **options)
        run("activations", network, FASHION, store, shard=(2, 2), **options)
        found = run("activations", network, FASHION, store, shard=(1, 2), **options)
    else:
        found = run("activations", network, FASHION, store, **options)
    assert found.complete
    assert found.paths == ["conv1", "pool2"]
    assert not (store / "first/arrays").exists()
    for path, told in found.statistics().items():
        maps = kviz.activations(network, images, path)[path]
        edges = np.linspace(maps.min(), maps.max(), 8)
        np.testing.assert_allclose(told["histogram"].edges, edges, rtol=1e-6)
        counts = [np.histogram(maps[..., one], told["histogram"].edges)[0] for one in range(9)]
        assert np.array_equal(told["histogram"].counts[:9], counts)
        assert told["histogram"].below.sum() == told["histogram"].above.sum() == 0


def test_statistics_of_a_store_show_themselves(network, photos, tmp_path):
    wanted = ["histogram=8,low=-9,high=9", "zero_share", "mean_map", "gram", "top_k=2", "moments"]
    found = run(
        "activations", network, photos, tmp_path / "store", layer_names="conv2", statistics=wanted
    )
    told = found.statistics()
    assert told.count == 10
    assert told.kinds["conv2"] == "Conv2D"
    assert "Moments of 10 images" in told.text()
    # States come back in the alphabet's order, and are drawn all the same.
    titles = [tile.title for tile in told.tiles()]
    assert [title.split(" · ")[1] for title in titles] == [
        "gram", "histogram", "mean map", "zero share",
    ]  # fmt: skip
    assert len(told.to_frame()) == 64
    assert told.made_by.verb == "activations"
    assert told.save(tmp_path / "told.npz")
    assert kviz.load_result(tmp_path / "told.npz")["conv2"]["top_k"].settings == {"k": 2}
    with pytest.raises(kviz.OptionError, match="holds no statistics"):
        run("predict", network, photos, tmp_path / "other").statistics()


def test_what_is_drawn_at_random_follows_an_images_place_also_beside_bad_ones(network, tmp_path):
    options = {"method": "smooth_grad", "samples": 3, "batch_size": 10, "shard_size": 10}
    home = tmp_path / "photos"
    shutil.copytree(FASHION, home)
    whole = run("attribute", network, home, tmp_path / "whole", **options)["smooth_grad"][:]
    (home / NAMES[4]).write_bytes(b"no image")
    found = run("attribute", network, home, tmp_path / "store", **options)
    maps = found["smooth_grad"][:]
    others = [row for row in range(10) if row != 4]
    np.testing.assert_allclose(maps[others], whole[others], atol=1e-5 * np.abs(whole).max())
    assert np.isnan(maps[4]).all()


def two_classes(shape=(4, 4, 1), **options):
    """A model of one unit, which is class 1 where a picture is bright."""
    model = keras.Sequential(
        [keras.Input(shape), layers.Flatten(), layers.Dense(1, activation="sigmoid", **options)]
    )
    model.layers[-1].set_weights([np.full((16, 1), 0.01), np.array([-20.0])])
    return model


def test_two_folders_are_the_classes_of_one_unit(tmp_path):
    from PIL import Image

    for name, level in (("dark/a", 0), ("dark/b", 9), ("light/c", 255)):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), level).save(tmp_path / f"photos/{name}.png")
    # Beside the classes, where a store is no class.
    store = tmp_path / "photos/store"
    model = two_classes()
    found = run("predict", model, tmp_path / "photos", store)
    assert found.counts()["correct"] == 3
    again = run("predict", model, tmp_path / "photos", store, resume=True)
    assert again.index["label_index"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("verb", ["predict", "activations", "attribute", "evaluate", "fool"])
def test_a_data_set_without_a_good_image_says_so(network, tmp_path, verb):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"no image")
    found = run(verb, network, tmp_path, tmp_path / "store")
    assert found.counts()["bad"] == 2
    with pytest.raises(kviz.OutputError, match="None of these images could be read"):
        found[:]


@pytest.mark.slow
def test_a_changed_image_that_is_bad_has_no_class(network, photos, tmp_path):
    (photos / "bag/0.png").write_bytes(b"no image")
    found = run("fool", network, photos, tmp_path / "store", steps=2)
    bad = found.index["error"].notna()
    assert found.index["fooled_class"][bad].isna().all()
    assert len(found[:].classes) == 10
    assert found[:].text()
    assert found[0:0].norms.shape == (0, 2)


def test_a_model_that_gives_an_image_has_no_scores_to_tell_of(tmp_path):
    same = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(3, 1, activation="sigmoid")])
    pixels = np.zeros((2, 4, 4, 3), np.float32)
    with pytest.raises(kviz.OptionError, match="the model gives an image"):
        run("predict", same, pixels, tmp_path / "store", statistics=["moments"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"store": None}, "store takes the path of a folder. Received: None"),
        ({"store": ""}, "store takes the path of a folder"),
        ({"store": b"store"}, "store takes the path of a folder"),
        ({"progress": 5}, "progress takes a function"),
        ({"workers": 2}, "workers is for the engine ray"),
        ({"workers": 0, "engine": "ray"}, "workers takes a whole number from 1"),
        ({"address": "auto"}, "address is for the engine ray"),
        ({"address": 5, "engine": "ray"}, "address takes a text"),
        ({"source": "x" * 5000}, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_place_is_refused(network, tmp_path, options, said):
    given = {"store": tmp_path / "store", "source": FASHION, **options}
    with pytest.raises(kviz.KvizError, match=re.escape(said)):
        run("predict", network, given.pop("source"), given.pop("store"), **given)
    assert not (tmp_path / "store").exists()


def test_a_label_of_thousands_of_digits_is_no_class():
    assert Labels(classes=3).index("9" * 5000) == -1
    assert Labels(classes=3).index("2") == 2


def test_a_part_without_a_shard_says_so(network, tmp_path):
    with pytest.warns(kviz.KvizWarning, match=r"10 images are 3 of 4\. A smaller shard_size makes"):
        found = run("predict", network, FASHION, tmp_path / "store", shard=(4, 4))
    assert not found.complete


def test_what_tells_of_all_images_is_summed_up(network, photos, tmp_path):
    judged = run(
        "evaluate", network, FASHION, tmp_path / "judged", metrics="deletion", baselines="black",
        nulls=1,
    )  # fmt: skip
    (summary,) = judged.summaries()
    assert summary.values.shape == (1, 1, 10)
    told = run("predict", network, photos, tmp_path / "told", statistics=["confusion"])
    assert [type(one).__name__ for one in told.summaries()] == ["Statistics"]
    assert repr(told.statistics().predicted["confusion"]).startswith("<kviz.results.Statistic: ")
