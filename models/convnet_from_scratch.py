"""The small convnet that tells cats from dogs, trained from scratch.

F. Chollet, "Deep Learning with Python", 2nd edition, chapter 8: augmentation, four times
convolution and pooling, a fifth convolution, dropout, one sigmoid unit; 991,041 parameters.

    python models/convnet_from_scratch.py --data cats_and_dogs/
    python models/convnet_from_scratch.py --demo

`--data` is a folder with one subfolder for each of two classes. `--demo` needs no data: it tells
crops of the cat photo from crops of the coffee photo.
"""

from pathlib import Path
from typing import Any

from image_folders import chosen
from training import keras, learn_photos, options, recipe, seeded

from kviz.errors import OptionError


def build(size: int = 180) -> Any:
    """Return the network, compiled, without trained weights.

    Args:
        size: the side of its photos, 78 or more: with less nothing reaches the last convolution.
    """
    if size < 78:
        raise OptionError(f"The convnet takes photos of 78 pixels a side or more. Received: {size}")
    layers = keras.layers
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.RandomRotation(0.1)(x)
    x = layers.RandomZoom(0.2)(x)
    x = layers.Rescaling(1 / 255)(x)
    for place, filters in enumerate((32, 64, 128, 256, 256), start=1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{place}")(x)
        if place < 5:
            x = layers.MaxPooling2D(2, name=f"pool{place}")(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    outputs = layers.Dense(1, activation="sigmoid", name="is_second_class")(x)
    model = keras.Model(inputs, outputs, name="convnet_from_scratch")
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    return model


@recipe
@options("runs/convnet_from_scratch", size=180, epochs=30)
def main(
    data: Path | None, demo: bool, out: Path, size: int, epochs: int, batch_size: int, seed: int
) -> None:
    """Train the cats-and-dogs convnet from scratch; a run that was stopped goes on."""
    photos = chosen(data, demo, size, seed)
    names = photos.train.class_names
    if len(names) != 2:
        raise OptionError(f"One sigmoid unit tells two classes apart. Received: {len(names)}")
    seeded(seed)
    model = build(size)
    learn_photos(model, photos, out=out, epochs=epochs, batch_size=batch_size, seed=seed)


if __name__ == "__main__":
    main()
