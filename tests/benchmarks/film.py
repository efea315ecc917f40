"""What a film costs while Fashion-MNIST is learned: python tests/benchmarks/film.py [epochs].

A small convnet learns from 60,000 images in batches of 100. Each epoch is timed, and in it what `Film`
does at its end, so that both are measured in turn, in one process. One JSON line a kind of film, with
the share of an epoch, and one for what it costs once, before the first epoch.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
from pathlib import Path

import keras
from interleaved import line
from keras import layers

from kviz.callbacks.film import Film


def convnet():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", name="conv1"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, name="conv2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(600, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(120, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    return model


class Timed(keras.callbacks.Callback):
    """Note how long another callback takes each time that it is called."""

    def __init__(self, film):
        super().__init__()
        self.film, self.once, self.ends, self.epochs = film, 0.0, [], []

    def set_model(self, model):
        super().set_model(model)
        self.film.set_model(model)

    def set_params(self, params):
        super().set_params(params)
        self.film.set_params(params)

    def on_train_begin(self, logs=None):
        self.once += timed(self.film.on_train_begin, logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.once += timed(self.film.on_epoch_begin, epoch, logs)
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(time.perf_counter() - self.begun)
        self.ends.append(timed(self.film.on_epoch_end, epoch, logs))

    def on_train_end(self, logs=None):
        self.film.on_train_end(logs)


def timed(run, *arguments):
    begun = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - begun


def main(epochs):
    (x, y), (photos, _) = keras.datasets.fashion_mnist.load_data()
    x, photos = x[..., None] / 255, photos[:3, ..., None] / 255
    with tempfile.TemporaryDirectory() as folder:
        films = {
            "GIF": Film(photos, f"{folder}/film.gif"),
            "WebP": Film(photos, f"{folder}/film.webp"),
            "GIF and TensorBoard": Film(photos, f"{folder}/two.gif", log_dir=f"{folder}/logs"),
        }
        kept = {name: Timed(film) for name, film in films.items()}
        convnet().fit(x, y, batch_size=100, epochs=epochs, callbacks=list(kept.values()), verbose=0)
        for name, one in kept.items():
            shares = [end / epoch for end, epoch in zip(one.ends, one.epochs, strict=True)]
            path = films[name].path
            line(
                work=f"Film of 3 images, {name}",
                share_of_an_epoch=round(statistics.median(shares), 5),
                largest=round(max(shares), 5),
                milliseconds=round(1000 * statistics.median(one.ends), 1),
                epoch_seconds=round(statistics.median(one.epochs), 2),
                once_seconds=round(one.once, 2),
                epochs=epochs,
                megabytes=round(Path(path).stat().st_size / 1e6, 2),
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
