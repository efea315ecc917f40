"""A data set behind a session: what excites a channel most, cut out of its images."""

import keras
import numpy as np
import pytest
from needed import need_package
from PIL import Image
from serve_asker import Asker

import kviz
from kviz.errors import OptionError
from kviz.serve.data import Data
from kviz.serve.session import Session

pytestmark = pytest.mark.filterwarnings("ignore::kviz.KvizWarning")


@pytest.fixture(scope="module")
def stored(small, tmp_path_factory):
    """Eight photos and a store of their best cells."""
    for package in ("tensorstore", "pyarrow"):
        need_package(package, "store")
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 256, (16, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    kviz.dataset.run(
        "activations", small, folder / "photos", folder / "store",
        layer_names=["conv"], statistics=["top_k"],
    )  # fmt: skip
    return folder


def test_the_best_patches_of_a_channel_are_cut_out(stored, small):
    data = Data(stored / "store", stored / "photos")
    session = Session([small], data=data)
    try:
        answer = Asker(session)("best_patches", layer="conv", channel=2, count=4)
        none = Asker(session)("best_patches", layer="wide", channel=2)
        high = Asker(session)("best_patches", layer="conv", channel=6)
    finally:
        session.close()
    # By a functional model and NumPy.
    inner = keras.Model(small.model.input, small.model.get_layer("conv").output)
    files = sorted((stored / "photos").iterdir())
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    maps = np.asarray(inner(pixels.astype("float32")))[..., 2]
    order = np.argsort(-maps.max(axis=(1, 2)), kind="stable")[:4]
    patches = answer.head["patches"]
    assert [one["name"] for one in patches] == [files[at].name for at in order]
    for place, (at, one) in enumerate(zip(order, patches, strict=True)):
        row, column = np.unravel_index(maps[at].argmax(), maps[at].shape)
        assert (one["row"], one["column"]) == (row, column)
        assert one["value"] == pytest.approx(maps[at].max(), rel=1e-5)
        # Kernel 3, stride 2, one zero behind.
        wanted = pixels[at][2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        np.testing.assert_array_equal(answer.arrays[f"patch-{place}"], wanted)
    assert "knows nothing of layer 'wide'" in none.head["error"]
    assert "channels 0 to 5" in high.head["error"]


def test_without_its_images_the_best_cells_are_told_all_the_same(stored, small):
    session = Session([small], data=Data(stored / "store"))
    try:
        ask = Asker(session)
        answer = ask("best_patches", layer="conv", channel=0)
        assert ask("hello").head["data"] is True
    finally:
        session.close()
    assert len(answer.head["patches"]) == 8
    assert answer.arrays == {}


@pytest.mark.usefixtures("stored")  # which asks for the packages
def test_of_signals_the_best_cell_is_a_column_of_one_row(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20, 2)), keras.layers.Conv1D(3, 3, name="conv")])
    network = kviz.Network(model)
    signals = np.random.default_rng(0).normal(0, 1, (5, 20, 2)).astype("float32")
    np.save(tmp_path / "signals.npy", signals)
    kviz.dataset.run(
        "activations", network, tmp_path / "signals.npy", tmp_path / "store",
        layer_names=["conv"], statistics=["top_k"],
    )  # fmt: skip
    maps = np.asarray(model(signals))[..., 1]
    order = np.argsort(-maps.max(axis=1), kind="stable")
    data = Data(tmp_path / "store", tmp_path / "signals.npy")
    best = data.best("conv", 1)
    assert [(row, column) for _, _, row, column, _ in best] == [
        (0, maps[at].argmax()) for at in order
    ]
    np.testing.assert_allclose([one[1] for one in best], maps.max(axis=1)[order], rtol=1e-5)
    for at, (*_, item) in zip(order, best, strict=True):
        np.testing.assert_array_equal(data.pixels(item, network), signals[at])
    session = Session([network], data=data)
    try:
        told = Asker(session)("best_patches", layer="conv", channel=1, count=2).head["patches"]
    finally:
        session.close()
    assert [(one["row"], one["column"]) for one in told] == [
        (0, maps[at].argmax()) for at in order[:2]
    ]


@pytest.mark.usefixtures("stored")  # which asks for the packages
def test_of_what_has_no_positions_the_best_is_one_cell(tmp_path):
    layers = [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((20, 2)), *layers])
    signals = np.random.default_rng(0).normal(0, 1, (5, 20, 2)).astype("float32")
    np.save(tmp_path / "signals.npy", signals)
    kviz.dataset.run(
        "predict", kviz.Network(model), tmp_path / "signals.npy", tmp_path / "store",
        statistics=["top_k=2"],
    )  # fmt: skip
    best = Data(tmp_path / "store").best("scores", 1)
    expected = np.sort(np.asarray(model(signals))[:, 1])[::-1][:2]
    np.testing.assert_allclose([value for _, value, *_ in best], expected, rtol=1e-5)
    assert [(row, column) for _, _, row, column, _ in best] == [(0, 0)] * 2


def test_images_of_another_data_set_are_refused(stored, tmp_path):
    Image.new("RGB", (12, 16)).save(tmp_path / "other.png")
    with pytest.raises(OptionError, match="another data set"):
        Data(stored / "store", tmp_path)


def test_without_a_store_there_are_none(ask):
    assert "There is no data set" in ask("best_patches", layer="conv", channel=0).head["error"]
    assert ask("hello").head["data"] is False
