"""Transfer learning: a trained convnet learns your photos.

    python models/transfer.py --demo
    python models/transfer.py --data photos/ --backbone vgg16 --data-size small --similarity high

`--data` is a folder with one subfolder a class, or one with `train/`, `test/` and perhaps `validation/`
that have them. How much of the backbone is trained follows from how many photos there are and how like
they are to those that it was trained on:

| data  | similarity | strategy | trained |
|---|---|---|---|
| small | high | head | the new head alone: feature extraction |
| large | high | last_blocks | the last quarter of the blocks, and the head |
| small | low | part | the last half of the blocks, and the head |
| large | low | all | everything: fine-tuning |
"""

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
from image_folders import Photos, Split, chosen
from training import keras, options, recipe, seeded, train

import kviz
from kviz._checks import sanitise, suggest, validate_choice
from kviz.draw.charts import curves
from kviz.draw.tile_png import tile_png
from kviz.errors import ModelError, OptionError
from kviz.files import whole_file

STRATEGIES = {
    ("small", "high"): "head",
    ("large", "high"): "last_blocks",
    ("small", "low"): "part",
    ("large", "low"): "all",
}
SHARES = {"head": 0.0, "last_blocks": 0.25, "part": 0.5, "all": 1.0}
# The more of what was learned is changed, the smaller the step.
RATES = {"head": 1e-3, "last_blocks": 1e-4, "part": 1e-4, "all": 1e-5}
SQUEEZENET = Path(__file__).with_name("squeezenet.keras")


def applications() -> dict[str, Any]:
    """Return the constructors of `keras.applications` by name in small letters."""
    return {
        name.lower(): made
        for name, made in vars(keras.applications).items()
        if callable(made) and not name.startswith("_")
    }


def preprocessing(backbone: str) -> str | None:
    """Return the `keras.applications` module whose `preprocess_input` a backbone needs."""
    if backbone == "squeezenet":
        return None
    return str(applications()[backbone].__module__.rpartition(".")[2])


def load_backbone(name: str, weights: str, size: int) -> Any:
    """Return a convnet without its head.

    Args:
        name: `squeezenet`, or any network of `keras.applications`.
        weights: `imagenet`, `none` or a weights file.
        size: the side of its photos.

    Raises:
        OptionError: if there is no such backbone, or it does not take that size.
        ModelError: if the weights cannot be had.
    """
    if name == "squeezenet":
        whole = kviz.load_model(SQUEEZENET).model
        trunk = keras.Model(whole.input, whole.get_layer("conv10").output, name=name)
        if size != 227:
            raise OptionError(f"squeezenet takes --size 227. Received: {size}")
        if weights == "none":
            trunk = keras.models.clone_model(trunk)
        elif weights != "imagenet":
            _read_weights(trunk, weights)
        return trunk
    known = applications()
    if name not in known:
        raise OptionError(
            f"There is no backbone {sanitise(name)!r}. {suggest(name, ['squeezenet', *known])}"
        )
    given = "imagenet" if weights == "imagenet" else None
    try:
        trunk = known[name](include_top=False, weights=given, input_shape=(size, size, 3))
    except ValueError as error:
        raise OptionError(f"{name} cannot be built: {sanitise(error, 160)}") from error
    except Exception as error:  # what Keras raises where it cannot download
        raise ModelError(f"The weights of {name} cannot be had: {sanitise(error, 160)}") from error
    if weights not in ("imagenet", "none"):
        _read_weights(trunk, weights)
    return trunk


def _read_weights(trunk: Any, path: str) -> None:
    try:
        trunk.load_weights(path)
    except Exception as error:  # h5py and Keras raise several types.
        raise ModelError(
            f"{sanitise(path)} holds no weights for it: {sanitise(error, 160)}"
        ) from error


def blocks(trunk: Any) -> list[list[Any]]:
    """Return a backbone's layers that have weights, grouped by the block in their names."""

    def block(layer: Any) -> str:
        found = re.match(r"[a-z]+_?\d+", layer.name)
        return found[0] if found else str(layer.name)

    return [
        list(group) for _, group in itertools.groupby((x for x in trunk.layers if x.weights), block)
    ]


def freeze(model: Any, strategy: str) -> None:
    """Let a strategy's part of a model be trained, and nothing else, and compile it.

    Args:
        model: as `build` gives it.
        strategy: `head`, `last_blocks`, `part` or `all`.
    """
    validate_choice("strategy", strategy, SHARES)
    trunk = _trunk(model)
    trunk.trainable = True
    found = blocks(trunk)
    free = round(SHARES[strategy] * len(found))
    if strategy != "head":
        free = max(1, free)
    for place, block in enumerate(found):
        for layer in block:
            layer.trainable = place >= len(found) - free
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(RATES[strategy]), loss, metrics=["accuracy"])


def _trunk(model: Any) -> Any:
    found = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(found) != 1:
        raise ModelError("To go on from a model, give one that this recipe made.")
    return found[0]


def build(trunk: Any, classes: int, margin: float = 1.125) -> Any:
    """Return a backbone with augmentation before it and a new head behind it.

    Args:
        trunk: the backbone, for photos of a fixed size.
        classes: how many classes.
        margin: how much larger the model's photos are, of which it sees a random crop while it is
            trained, and the middle afterwards.
    """
    layers = keras.layers
    side = trunk.input_shape[1]
    given = round(margin * side)
    inputs = keras.Input((given, given, 3), name="photo")
    x = layers.RandomCrop(side, side, name="random_crop")(inputs)
    # Outside of training RandomCrop leaves larger photos as they are.
    x = layers.CenterCrop(side, side, name="centre_crop")(x)
    x = layers.RandomFlip("horizontal", name="random_flip")(x)
    # Batch normalisation keeps the statistics of the backbone's own data.
    x = trunk(x, training=False)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    # Backbones differ in how large their features are; steps and dropout are for features near 1.
    x = layers.BatchNormalization(momentum=0.9, name="head_norm")(x)
    x = layers.Dropout(0.2, name="head_dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name=f"transfer_{trunk.name}")


class Preprocessed:
    """Photos as a backbone wants them, made when they are asked for."""

    def __init__(self, photos: Any, module: str | None) -> None:
        self.photos, self.module = photos, module

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.photos)

    def __getitem__(self, indices: Any) -> np.ndarray:
        """Return float32 `(n, H, W, 3)`."""
        pixels = np.asarray(self.photos[indices], np.float32)
        if self.module is None:
            return pixels
        return np.asarray(getattr(keras.applications, self.module).preprocess_input(pixels))


def trainable(model: Any) -> str:
    """Return which layers of a model are trained, and how many parameters they have."""
    every = [*_trunk(model).layers, model.get_layer("head")]
    names = [layer.name for layer in every if layer.trainable_weights]
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    return f"Trained: {', '.join(names)}\n{count:,} of {model.count_params():,} parameters"


def probabilities(model: Any, photos: Preprocessed, batch_size: int = 32) -> np.ndarray:
    """Return a model's answers, float32 `(N, classes)`."""
    parts = range(0, len(photos), batch_size)
    return np.concatenate(
        [
            model.predict_on_batch(photos[np.arange(i, min(i + batch_size, len(photos)))])
            for i in parts
        ]
    )


def confusion(y: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """Return how often a class (row) was taken for a class (column), int64 `(classes, classes)`."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (y, answers), 1)
    return table


def draw_confusion(table: np.ndarray, names: tuple[str, ...], path: Path) -> None:
    """Write a confusion matrix as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = min(12.0, 2.6 + 0.6 * len(names))
    drawn = Figure(figsize=(side + 0.8, side), dpi=150, layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots()
    drawn.colorbar(axes.imshow(table, cmap="viridis", vmin=0), label="photos", shrink=0.8)
    axes.set_xticks(
        range(len(names)), [sanitise(name, 24) for name in names], rotation=30, ha="right"
    )
    axes.set_yticks(range(len(names)), [sanitise(name, 24) for name in names])
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.set(xlabel="taken for", ylabel="is", title="Test photos")
    if len(names) <= 20:
        for row, column in np.ndindex(table.shape):
            ink = "black" if table[row, column] > table.max() / 2 else "white"
            axes.text(column, row, table[row, column], ha="center", va="center", color=ink)
    with whole_file(path, force=True) as part:
        drawn.savefig(part)


def evaluate_all(
    model: Any, checkpoints: dict[int, Path], photos: Photos, module: str | None
) -> dict[int, float]:
    """Return the accuracy of every checkpoint; the model has the last one's weights afterwards."""
    found = {}
    for number, path in checkpoints.items():
        model.load_weights(path)
        answers = probabilities(model, Preprocessed(photos.x, module)).argmax(1)
        found[number] = float((answers == photos.y).mean())
    return found


@recipe
@options("runs/transfer", size=224, epochs=6)
@click.option(
    "--backbone", default="squeezenet", show_default=True, help="Or any of keras.applications."
)
@click.option(
    "--weights", default="imagenet", show_default=True, help="imagenet, none or a weights file."
)
@click.option("--strategy", help="head, last_blocks, part or all; by default by the two below.")
@click.option(
    "--data-size", type=click.Choice(["small", "large"]), default="small", show_default=True
)
@click.option("--similarity", type=click.Choice(["low", "high"]), default="high", show_default=True)
@click.option(
    "--from", "begin", type=click.Path(path_type=Path), help="Go on from a model that this made."
)
def main(  # noqa: PLR0913 - a recipe's settings
    data: Path | None,
    demo: bool,
    out: Path,
    size: int,
    epochs: int,
    batch_size: int,
    seed: int,
    backbone: str,
    weights: str,
    strategy: str | None,
    data_size: str,
    similarity: str,
    begin: Path | None,
) -> None:
    """Teach a trained convnet your photos; a run that was stopped goes on."""
    strategy = strategy or STRATEGIES[data_size, similarity]
    validate_choice("strategy", strategy, SHARES)
    backbone = backbone.lower()
    seeded(seed)
    if begin is None:
        context = click.get_current_context()
        chose = context.get_parameter_source("size") == click.core.ParameterSource.COMMANDLINE
        if backbone == "squeezenet" and not chose:
            size = 227
        trunk = load_backbone(backbone, weights, size)
        module = preprocessing(backbone)
        given = round(1.125 * size)
        photos: Split = chosen(data, demo, given, seed)
        model = build(trunk, len(photos.train.class_names))
    else:
        network = kviz.load_model(begin)
        model, module = network.model, network.preprocess
        _trunk(model)
        photos = chosen(data, demo, model.input_shape[1], seed)
        if network.classes != len(photos.train.class_names):
            raise ModelError(
                f"{sanitise(begin, 80)} tells {network.classes} classes apart, the photos have "
                f"{len(photos.train.class_names)}. Leave out --from to begin with a new head."
            )
    names = photos.train.class_names
    freeze(model, strategy)
    print(f"{strategy}. {trainable(model)}")
    validation = photos.validation or photos.test
    ready = functools.partial(Preprocessed, module=module)
    done = train(
        model,
        ready(photos.train.x),
        photos.train.y,
        folder=out,
        epochs=epochs,
        batch_size=batch_size,
        validation=(ready(validation.x), validation.y),
        seed=seed,
        keep="all",
    )
    tested = evaluate_all(model, done.checkpoints, photos.test, module)
    for number, accuracy in tested.items():
        print(f"checkpoint {number}: test accuracy {accuracy:.4f}")
    # A test set that chooses is no longer blind; with validation photos they choose.
    judged = dict(enumerate(done.history["val_accuracy"], 1)) if photos.validation else tested
    best = max(tested, key=lambda number: (judged[number], -done.history["val_loss"][number - 1]))
    model.load_weights(done.checkpoints[best])
    path = kviz.save_model(
        kviz.Network(model, class_names=names, preprocess=module), out / "transfer.keras"
    )
    answers = probabilities(model, ready(photos.test.x)).argmax(1)
    table = confusion(photos.test.y, answers, len(names))
    draw_confusion(table, names, out / "confusion.png")
    for metric in ("accuracy", "loss"):
        lines = {
            "training": np.array(done.history[metric]),
            "validation" if photos.validation else "test": np.array(done.history[f"val_{metric}"]),
        }
        tile = curves(lines, f"{metric} after each epoch", "epoch", metric, first=1)
        with whole_file(out / f"{metric}.png", force=True) as part:
            part.write_bytes(tile_png(tile))
    print("is \\ taken for: " + ", ".join(map(sanitise, names)))
    for name, row in zip(names, table.tolist(), strict=True):
        print(f"{sanitise(name)}: {row}")
    print(
        f"{path}: checkpoint {best} of {len(tested)}, test accuracy {tested[best]:.4f}, "
        f"{done.seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
