"""Two nets that learn clothes: `fashion_dnn.keras` and `fashion_cnn.keras`, trained on Fashion-MNIST.

    python models/fashion_mnist.py

The nets of the textbook exercise, a dense one and a convnet with batch normalisation, each trained
for 3,000 steps of 100 images with Adam (5 epochs of the 60,000 training images) and looked at on the
10,000 test images every 50 steps. The learning rate falls from 1e-3 to 0 along a cosine. Keras
downloads the data once (30 MB). Run it again after a kill: it goes on where it was.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from training import Run, recipe, seeded, train

import kviz
from kviz.draw.charts import curves
from kviz.engine.backend import keras
from kviz.errors import KvizError
from kviz.files import whole_file
from kviz.images import png

layers = keras.layers
FOLDER = Path(__file__).parent
CLASS_NAMES = [
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip
STEPS, BATCH, EVERY = 3000, 100, 50


def build_dnn() -> Any:
    """Return the dense net, untrained: 784-256-128-10."""
    inputs = keras.Input((28, 28, 1), name="image")
    x = layers.Rescaling(1 / 255, name="scale")(inputs)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="dense1")(x)
    x = layers.Dropout(0.25, name="dropout")(x)
    x = layers.Dense(128, activation="relu", name="dense2")(x)
    outputs = layers.Dense(10, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name="fashion_dnn")


def build_cnn() -> Any:
    """Return the convnet, untrained: two blocks of 32 and 64 filters, then 2304-600-120-10."""
    inputs = keras.Input((28, 28, 1), name="image")
    x = layers.Rescaling(1 / 255, name="scale")(inputs)
    for number, (filters, padding) in enumerate([(32, "same"), (64, "valid")], 1):
        x = layers.Conv2D(filters, 3, padding=padding, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(600, activation="relu", name="dense1")(x)
    x = layers.Dropout(0.25, name="dropout")(x)
    x = layers.Dense(120, activation="relu", name="dense2")(x)
    outputs = layers.Dense(10, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name="fashion_cnn")


NETS: dict[str, Callable[[], Any]] = {"dnn": build_dnn, "cnn": build_cnn}


def load_data() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return Fashion-MNIST as `((images, labels), (images, labels))`, to train on and to test with.

    Returns:
        Images uint8 `(N, 28, 28, 1)`, labels uint8 `(N,)`.

    Raises:
        KvizError: if the data is neither on this machine nor to be downloaded.
    """
    try:
        sets = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises whatever the download ends with.
        raise KvizError(
            "Fashion-MNIST is not on this machine and could not be downloaded. Expected its four "
            "files in datasets/fashion-mnist/ of Keras's own folder, usually ~/.keras; under "
            "Debian the package dataset-fashion-mnist holds them."
        ) from error
    train_set, test_set = ((images[..., None], labels) for images, labels in sets)
    return train_set, test_set


def learn(name: str, work: Path, *, steps: int = STEPS, seed: int = 0, **options: Any) -> Run:
    """Train one of the nets and save it in `work`, as `fashion_<name>.keras`.

    Args:
        name: `"dnn"` or `"cnn"`.
        work: the folder for the model and, meanwhile, for the run's state.
        steps: of 100 images each.
        seed: of the first weights, the order and the dropout.
        **options: as `training.train` takes them.

    Returns:
        What training came to.
    """
    examples, tests = load_data()
    seeded(seed)
    model = NETS[name]()
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    run = train(
        model, *examples, folder=work / f"fashion_{name}.run", steps=steps, evaluate_every=EVERY,
        batch_size=BATCH, validation=tests, seed=seed, **options,
    )  # fmt: skip
    # Built anew it has no optimizer, whose state would triple the file.
    trained = NETS[name]()
    trained.set_weights(model.get_weights())
    kviz.save_model(kviz.Network(trained, class_names=CLASS_NAMES), work / f"fashion_{name}.keras")
    return run


def draw(runs: dict[str, Run], path: Path) -> None:
    """Write the test accuracies as a table and as curves, `path` with .csv and with .png.

    Args:
        runs: by the net's name.
        path: without an ending.
    """
    lines = {name.upper(): run.history["val_accuracy"] for name, run in runs.items()}
    with (
        whole_file(path.with_suffix(".csv"), force=True) as part,
        part.open("w", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(["step", *lines])
        for number, values in enumerate(zip(*lines.values(), strict=True), 1):
            table.writerow([number * EVERY, *(f"{value:.4f}" for value in values)])
    tile = curves(
        {name: np.array(values) for name, values in lines.items()},
        "Fashion-MNIST", "step", "accuracy on the 10,000 test images", first=EVERY, each=EVERY,
    )  # fmt: skip
    with whole_file(path.with_suffix(".png"), force=True) as part:
        part.write_bytes(png(tile.levels, text={"Description": tile.alt}))


@recipe
@click.option("--net", "nets", type=click.Choice(list(NETS)), multiple=True, default=list(NETS))
@click.option(
    "--out", type=click.Path(path_type=Path), default=FOLDER, help="The folder for what is made."
)
@click.option("--steps", type=click.IntRange(EVERY), default=STEPS, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(nets: tuple[str, ...], out: Path, steps: int, seed: int) -> None:
    """Train both nets of the textbook on Fashion-MNIST."""
    runs = {name: learn(name, out, steps=steps, seed=seed) for name in dict.fromkeys(nets)}
    for name, run in runs.items():
        print(
            f"fashion_{name}.keras: {run.history['val_accuracy'][-1]:.2%} of the test images "
            f"after {steps:,} steps, in {run.seconds:.0f} s"
        )
    draw(runs, out / "fashion_mnist")


if __name__ == "__main__":
    main()
