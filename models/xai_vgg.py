"""The VGG-like net with batch normalisation and dropout, whose decisions are to be explained.

VGG-16's thirteen convolutions (K. Simonyan and A. Zisserman, 2014), each without bias and followed by
batch normalisation (S. Ioffe and C. Szegedy, 2015) and ReLU, then 512, 512 and the classes, with
log-softmax at the end.

    python models/xai_vgg.py --data photos/
    python models/xai_vgg.py --demo --size 32
"""

from pathlib import Path
from typing import Any

from image_folders import chosen
from training import keras, learn_photos, options, recipe, seeded

from kviz.errors import OptionError

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def build(input_shape: tuple[int, int, int] = (100, 100, 3), classes: int = 2) -> Any:
    """Return the network, compiled, without trained weights.

    Args:
        input_shape: height, width and channels; sides of 32 or more.
        classes: how many classes.
    """
    if min(input_shape[:2]) < 32:
        raise OptionError(
            f"xai_vgg takes photos of 32 pixels a side or more. Received: {input_shape}"
        )
    if classes < 2:
        raise OptionError(f"classes takes a whole number from 2. Received: {classes}")
    layers = keras.layers
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    for block, (filters, count) in enumerate(BLOCKS, start=1):
        for place in range(1, count + 1):
            name = f"block{block}_conv{place}"
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            # Keras's own momentum, .99, needs hundreds of steps to forget its begin.
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten()(x)
    for place in (1, 2):
        x = layers.Dense(512, activation="relu", name=f"dense{place}")(x)
        x = layers.Dropout(0.5, name=f"dropout{place}")(x)
    outputs = layers.Dense(classes, activation="log_softmax", name="log_probabilities")(x)
    model = keras.Model(inputs, outputs, name="xai_vgg")
    # The softmax of log-probabilities is the probabilities.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
    return model


@recipe
@options("runs/xai_vgg", size=100, epochs=30)
def main(
    data: Path | None, demo: bool, out: Path, size: int, epochs: int, batch_size: int, seed: int
) -> None:
    """Train the VGG-like net of the explainable-CNN chapter; a run that was stopped goes on."""
    photos = chosen(data, demo, size, seed)
    names = photos.train.class_names
    seeded(seed)
    model = build((size, size, 3), len(names))
    learn_photos(model, photos, out=out, epochs=epochs, batch_size=batch_size, seed=seed)


if __name__ == "__main__":
    main()
