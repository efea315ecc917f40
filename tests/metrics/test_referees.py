"""Metrics that other libraries have too: the same numbers for the same maps and perturbations.

Deletion, insertion, μ-fidelity, average drop, gain and increase are Xplique's (2.0.2), infidelity is
captum's (0.9). What they say of the shipped Fashion convnet, the maps and what was drawn are frozen in
`tests/referee/metrics.npz`, so that every run has it. Where both are installed
(`pip install -e ".[test,referee]"`, and, since it does not install beside this TensorFlow,
`pip install --no-deps xplique==2.0.2 deprecated` with scikit-learn),
`python tests/metrics/test_referees.py` asks them and freezes that anew.

Xplique draws μ-fidelity's subsets of any size, and makes absolute values of maps before it lays them
over images: it is given kviz's subsets, and maps without values below zero. captum is given all
perturbations.
"""

import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

import kviz
from kviz.metrics import (
    AverageDrop,
    AverageGain,
    AverageIncrease,
    Deletion,
    Infidelity,
    Insertion,
    MuFidelity,
)
from kviz.metrics.measures import _subsets, infidelity

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests/referee/metrics.npz"
# 28 × 28 pixels are sixteen equal steps, and seven cells a side of four pixels.
STEPS, CELLS, SUBSET, SAMPLES = 16, 7, 10, 24
# Garments, and classes of which they are and are not.
GARMENTS, CLASSES = (0, 2, 3, 6), [6, 2, 0, 6]
METHODS = ("integrated_gradients", "saliency")
KINDS = ("noise", "square", "subset")
LARGEST, NOISE = 0.4, 0.1


@pytest.fixture(scope="module")
def frozen():
    with np.load(FROZEN) as held:
        return dict(held)


@pytest.fixture(scope="module")
def network():
    return kviz.load_model(ROOT / "models/fashion_cnn.keras")


@pytest.fixture(scope="module")
def found(network, frozen):
    """Return the frozen maps as attributions."""
    images = pictures(network)
    plain = kviz.attribute(network, images, "gradient", class_index=CLASSES)
    return [replace(plain, maps=maps) for maps in frozen["maps"]]


def pictures(network):
    paths = sorted((ROOT / "notebooks/images/fashion").glob("*.png"))
    [images] = network.pixels(kviz.load_images([paths[at] for at in GARMENTS], network)).values()
    return images.astype("float32")


class Drawn:
    """What was frozen, in place of a generator."""

    def __init__(self, **values):
        self.values = values

    def permutation(self, _):
        return self.values["subset"]

    def standard_normal(self, _):
        return self.values["noise"]

    def integers(self, *_, **__):
        # A side is drawn, then the corner.
        square = self.values.pop("square")
        self.values["square"] = square[1:]
        return square[0] if len(square) == 3 else square


@pytest.fixture
def drawn(frozen, monkeypatch):
    """Let metrics draw what was frozen."""

    def drawing(trial, purpose):  # noqa: ARG001
        return lambda row, sample: Drawn(**{kind: frozen[kind][row, sample] for kind in KINDS})

    for module in (_subsets, infidelity):
        monkeypatch.setattr(module, "drawing", drawing)


def judged(network, found, *metrics):
    return kviz.evaluate(network, pictures(network), found, metrics, baselines=["black"], nulls=1)


METRICS = {
    "deletion": Deletion(steps=STEPS),
    "insertion": Insertion(steps=STEPS),
    "mu_fidelity": MuFidelity(
        subsets=SAMPLES, cells=CELLS, share=SUBSET / CELLS**2, on="probability"
    ),
    "average_drop": AverageDrop(),
    "average_gain": AverageGain(),
    "average_increase": AverageIncrease(),
}


@pytest.mark.usefixtures("drawn")
def test_xplique(network, found, frozen):
    said = judged(network, found, *METRICS.values()).values
    for name, values in zip(METRICS, said, strict=True):
        # The maps without values below zero come last; under some of them a garment is no other one.
        first = 1 if name.startswith("average") else 0
        assert len(np.unique(frozen[name][first:])) > 1
        np.testing.assert_allclose(values[first:], frozen[name][first:], atol=2e-5, err_msg=name)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("scaled", [False, True])
def test_captum(network, found, frozen, scaled):
    metrics = [
        Infidelity(
            perturbation=kind, samples=SAMPLES, cells=CELLS, share=SUBSET / CELLS**2,
            largest=LARGEST, noise=NOISE, scaled=scaled, on="probability",
        )
        for kind in KINDS
    ]  # fmt: skip
    said = judged(network, found, *metrics).values
    for kind, values in zip(KINDS, said, strict=True):
        expected = frozen[f"infidelity {kind} {scaled}"]
        # captum takes a scale below 0 too: a map that points the wrong way says all the same.
        right = frozen[f"scale {kind}"] > 0 if scaled else np.ones(expected.shape, bool)
        assert right.sum() > 2
        np.testing.assert_allclose(values[right], expected[right], rtol=2e-3, err_msg=kind)
        if scaled:
            nothing = frozen[f"falls {kind}"] ** 2
            none = np.broadcast_to(nothing.mean(axis=-1), values.shape)
            np.testing.assert_allclose(values[~right], none[~right], rtol=2e-3)


def forward(network, pixels):
    return np.asarray(network(np.asarray(pixels, "float32")))


def chosen(network):
    """Return maps of classes, and perturbations, to be measured with."""
    images, random = pictures(network), np.random.default_rng(0)
    maps = [kviz.attribute(network, images, name, class_index=CLASSES).maps for name in METHODS]
    maps = np.stack([*maps, random.random(maps[0].shape)])
    # Equal values, such as those of black pixels, each library takes in an order of its own.
    maps = (maps + 1e-4 * maps.max() * random.random(maps.shape)).astype("float32")
    assert all(len(np.unique(one)) == one.size for three in maps for one in three), "ties"
    count, size = len(images), images.shape[1:3]
    sides = random.integers(1, int(LARGEST * size[0]), (count, SAMPLES), endpoint=True)
    corners = random.integers(0, size[0] - sides, (2, count, SAMPLES), endpoint=True)
    cells = np.broadcast_to(np.arange(CELLS**2), (count, SAMPLES, CELLS**2))
    return {
        "maps": maps,
        "noise": random.normal(size=(count, SAMPLES, *size)).astype("float32"),
        "square": np.stack([sides, *corners], axis=-1),
        "subset": random.permuted(cells, axis=-1)[..., :SUBSET],
    }  # fmt: skip


def places(drawn, size):
    """Return 1 where pixels are in each subset, and in each square."""
    removed = np.zeros((*drawn["subset"].shape[:2], CELLS**2), "float32")
    np.put_along_axis(removed, drawn["subset"], 1, axis=-1)
    removed = removed.reshape(*removed.shape[:2], CELLS, CELLS)
    removed = removed.repeat(size[0] // CELLS, 2).repeat(size[1] // CELLS, 3)
    covered = np.zeros(removed.shape, "float32")
    for image, sample in np.ndindex(covered.shape[:2]):
        side, y, x = drawn["square"][image, sample]
        covered[image, sample, y : y + side, x : x + side] = 1
    return {"subset": removed, "square": covered}


def xplique_says(network, drawn):
    import tensorflow as tf

    # What it imports for what is not asked of it.
    for name in ("tensorflow_probability", "cv2", "einops"):
        sys.modules.setdefault(name, Mock())
    from xplique import metrics as xplique

    class Given(xplique.MuFidelity):
        """μ-fidelity of one image, over the subsets that it is given."""

        def _perturb_samples(self, inputs, nb_perturbations):
            kept = tf.constant(1 - self.given[None, :nb_perturbations, ..., None])
            return tf.reshape(inputs[:, None] * kept, (-1, *inputs.shape[1:])), kept

    kinds = {
        "deletion": (xplique.Deletion, {"steps": STEPS}),
        "insertion": (xplique.Insertion, {"steps": STEPS}),
        "mu_fidelity": (Given, {"nb_samples": SAMPLES, "grid_size": CELLS}),
        "average_drop": (xplique.AverageDropMetric, {}),
        "average_gain": (xplique.AverageGainMetric, {}),
        "average_increase": (xplique.AverageIncreaseMetric, {}),
    }
    images, maps = pictures(network), drawn["maps"]
    removed = places(drawn, images.shape[1:3])["subset"]
    labels = np.eye(10, dtype="float32")[CLASSES]
    said = {name: np.empty(maps.shape[:2]) for name in kinds}
    for name, (kind, options) in kinds.items():
        for at in range(len(images)):
            one = slice(at, at + 1)
            asked = kind(
                lambda x: tf.constant(forward(network, x)), images[one], labels[one], **options
            )
            asked.given = removed[at]
            said[name][:, at] = [asked.evaluate(three[one]) for three in maps]
    return said


def captum_says(network, drawn):
    import torch
    from captum.metrics import infidelity as asked

    images, maps = pictures(network), drawn["maps"]
    spread = NOISE * np.ptp(images, axis=(1, 2, 3))[:, None, None, None]
    # What the map's values are multiplied by, and what is taken from the image.
    kinds = {"noise": (spread * drawn["noise"],) * 2}
    for kind, inside in places(drawn, images.shape[1:3]).items():
        kinds[kind] = inside, inside * images[:, None, ..., 0]
    said = {}
    for kind, parts in kinds.items():
        times, away = (torch.tensor(part[..., None]) for part in parts)
        for scaled, which, at in np.ndindex(2, *maps.shape[:2]):
            values = said.setdefault(f"infidelity {kind} {bool(scaled)}", np.empty(maps.shape[:2]))
            values[which, at] = asked(
                lambda x: torch.tensor(forward(network, x)),
                lambda x, at=at, times=times, away=away: (times[at], x - away[at]),
                torch.tensor(images[at : at + 1]),
                torch.tensor(maps[which, at][None, ..., None]),
                target=CLASSES[at],
                n_perturb_samples=SAMPLES,
                normalize=bool(scaled),
            )
        seen = [forward(network, x - own.numpy()) for x, own in zip(images, away, strict=True)]
        falls = [
            one - several[:, index]
            for one, several, index in zip(
                forward(network, images)[range(len(images)), CLASSES], seen, CLASSES, strict=True
            )
        ]
        said[f"falls {kind}"] = np.stack(falls)
        said[f"scale {kind}"] = np.einsum("nsyxc,mnyx,ns->mn", times, maps, np.stack(falls))
    return said


if __name__ == "__main__":
    shipped = kviz.load_model(ROOT / "models/fashion_cnn.keras")
    everything = chosen(shipped)
    says = xplique_says(shipped, everything) | captum_says(shipped, everything)
    np.savez_compressed(FROZEN, **everything, **says)
