"""How well synthesis does on the shipped model and photos: python tests/benchmarks/dreams.py.

Prints one JSON line a claim: photos fooled, class images recognised, patterns against photos' crops.
"""

import io
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import numpy as np
from interleaved import line
from PIL import Image

import kviz

ROOT = Path(__file__).parents[2]
PHOTOS = [ROOT / f"notebooks/images/{name}.png" for name in ("cat", "coffee")]
CLASSES = np.random.default_rng(0).choice(1000, 20, replace=False).tolist()


def as_files(pixels):
    """Return pixels written as PNG files and read back by Pillow."""
    read = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        read.append(np.asarray(Image.open(file)))
    return np.stack(read)


def crops(count):
    """Return random square parts of the photos, at the model's size."""
    random, parts = np.random.default_rng(0), []
    photos = [Image.open(path).convert("RGB") for path in PHOTOS]
    for number in range(count):
        photo = photos[number % 2]
        side = random.integers(40, min(photo.size) + 1)
        left, top = (int(random.integers(0, length - side + 1)) for length in photo.size)
        part = photo.crop((left, top, left + side, top + side))
        parts.append(np.asarray(part.resize((227, 227), Image.Resampling.BILINEAR)))
    return np.stack(parts)


def fooled(network, pairs):
    random = np.random.default_rng(0)
    photos = kviz.load_images(PHOTOS, network)
    which, targets = random.integers(0, 2, pairs), random.integers(0, 1000, pairs).tolist()
    for norm in ("l2", "linf"):
        found = kviz.fool(network, photos[which], targets, norm=norm)
        best = network.model.predict(as_files(found.pixels), verbose=0).argmax(axis=1)
        steps = np.isfinite(found.scores).sum(axis=0) - 1
        line(
            work=f"{pairs} pairs of photo and target, steps of {norm}",
            fooled=int((best == targets).sum()),
            median_l2=round(float(np.median(found.norms[:, 0])), 1),
            median_linf=float(np.median(found.norms[:, 1])),
            median_steps=float(np.median(steps)),
        )


def recognised(network):
    for parametrization in ("pixel", "fourier", "maco"):
        found = kviz.class_image(network, CLASSES, parametrization=parametrization)
        change = [np.abs(np.diff(found.images, axis=axis)).mean() for axis in (1, 2)]
        line(
            work=f"class images of 20 classes, {parametrization}",
            top_1=int(found.arrived.sum()),
            mean_confidence=round(float(found.confidences.mean()), 4),
            total_variation=round(float(sum(change)), 2),
        )


def patterns(network):
    parts = crops(1000)
    for layer, filters in (("conv1", range(64)), ("fire5_concat", range(16))):
        chunks = [parts[start : start + 50] for start in range(0, 1000, 50)]
        means = [kviz.activations(network, chunk, layer)[layer].mean((1, 2)) for chunk in chunks]
        best = np.concatenate(means).max(axis=0)[list(filters)]
        found = kviz.filter_patterns(network, layer, filters)
        maps = kviz.activations(network, found.images, layer)[layer].mean((1, 2))
        own = maps[np.arange(len(filters)), list(filters)]
        line(
            work=f"patterns of {layer} against 1,000 crops of the photos",
            filters=len(filters),
            better=int((own > best)[found.arrived].sum()),
            dead=np.flatnonzero(~found.arrived).tolist(),
            dead_ones_best_crop=best[~found.arrived].tolist(),
            median_ratio=round(float(np.median((own / best)[found.arrived])), 2),
        )


if __name__ == "__main__":
    shipped = kviz.load_model(ROOT / "models/squeezenet.keras")
    fooled(shipped, 50)
    patterns(shipped)
    recognised(shipped)
