import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from needed import need_fashion_mnist

import kviz

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "models"))

import fashion_mnist  # noqa: E402 - recipes are scripts; they find each other in their folder

# The textbook's, after the same 3,000 steps of 100 images, is .8639 and .9017.
ASKED = {"dnn": 0.87, "cnn": 0.91}


def a_few(*_):
    """Return pictures of light squares, the larger the higher the class."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 300).astype(np.uint8)
    images = np.zeros((300, 28, 28, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[: 2 * label + 2, : 2 * label + 2] = 200
    return (images[:200], labels[:200]), (images[200:], labels[200:])


@pytest.mark.parametrize("name", ASKED)
def test_accuracy_on_all_test_images(name):
    need_fashion_mnist()
    _, (images, labels) = fashion_mnist.load_data()
    network = kviz.load_model(ROOT / f"models/fashion_{name}.keras")
    assert len(labels) == 10_000
    answers = network.model.predict(images.astype("float32"), batch_size=500, verbose=0)
    accuracy = (answers.argmax(1) == labels).mean()
    assert accuracy >= ASKED[name]
    with (ROOT / "models/fashion_mnist.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert last["step"] == "3000"
    # Another processor rounds otherwise, and an image or two lies on the edge.
    assert accuracy == pytest.approx(float(last[name.upper()]), abs=5e-4)


@pytest.mark.parametrize("name", ASKED)
def test_the_shipped_images_of_each_class(name):
    network = kviz.load_model(ROOT / f"models/fashion_{name}.keras")
    assert network.class_names == tuple(fashion_mnist.CLASS_NAMES)
    images = kviz.load_images(ROOT / "notebooks/images/fashion", network)
    assert images.shape == (10, 28, 28, 1)
    best = network.model.predict(images.astype("float32"), verbose=0).argmax(1)
    np.testing.assert_array_equal(best, np.arange(10))
    assert not hasattr(network.model, "optimizer"), "its state would triple the file"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dnn", 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10),
        ("cnn", 9 * 32 + 32 + 4 * 32 + 9 * 32 * 64 + 64 + 4 * 64
         + 2304 * 600 + 600 + 600 * 120 + 120 + 120 * 10 + 10),
    ],
)  # fmt: skip
def test_the_nets_are_the_textbooks(name, parameters):
    model = fashion_mnist.NETS[name]()
    assert model.count_params() == parameters
    assert model.get_layer("flatten").output.shape[1] == {"dnn": 784, "cnn": 2304}[name]
    saved = kviz.load_model(ROOT / f"models/fashion_{name}.keras").model
    assert [layer.name for layer in saved.layers] == [layer.name for layer in model.layers]
    assert [w.shape for w in saved.weights] == [w.shape for w in model.weights]


def test_the_command_line_trains_draws_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "load_data", a_few)
    arguments = ["--out", str(tmp_path), "--net", "dnn"]
    done = CliRunner().invoke(fashion_mnist.main, [*arguments, "--steps", "100"])
    assert done.exit_code == 0, done.output
    network = kviz.load_model(tmp_path / "fashion_dnn.keras")
    (_, _), (images, labels) = a_few()
    accuracy = (
        network.model.predict(images.astype("float32"), verbose=0).argmax(1) == labels
    ).mean()
    assert accuracy > 0.9, "it has learnt the size of a square"
    assert f"{accuracy:.2%} of the test images after 100 steps" in done.output
    assert (tmp_path / "fashion_mnist.png").exists()
    rows = (tmp_path / "fashion_mnist.csv").read_text().split()
    assert rows[0] == "step,DNN"
    assert rows[-1] == f"100,{accuracy:.4f}"
    again = CliRunner().invoke(fashion_mnist.main, [*arguments, "--steps", "100"])
    assert "100/100" not in again.output, "nothing is trained twice"
    assert again.output.splitlines()[-1] == done.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--net", "rnn"], "'rnn' is not one of", 2),
        (["--steps", "0"], "0 is not in the range", 2),
        (["--steps", "70", "--net", "dnn"], "70", 1),
    ],
)
def test_wrong_usage(arguments, says, code, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "load_data", a_few)
    done = CliRunner().invoke(fashion_mnist.main, ["--out", str(tmp_path), *arguments])
    assert done.exit_code == code
    assert says in done.output
    assert "Traceback" not in done.output


def test_no_data_and_no_internet(tmp_path, monkeypatch):
    def nothing():
        raise OSError("URL fetch failure")

    monkeypatch.setattr(fashion_mnist.keras.datasets.fashion_mnist, "load_data", nothing)
    done = CliRunner().invoke(fashion_mnist.main, ["--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "could not be downloaded" in done.output
    assert not list(tmp_path.glob("*.keras"))
