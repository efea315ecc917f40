"""Put every method to every metric on SqueezeNet: the table of the eighth notebook.

    pip download --no-deps ai-benchmark==0.1.2 && unzip ai_benchmark-0.1.2-py3-none-any.whl
    python notebooks/trust_table.py --photos ai_benchmark/data/classification --count 12

The photos are the two that are shipped, three of scikit-image's (`pip install ".[superpixels]"`), and
of the folder's as many as make up the count. That package does not say where its photos are from:
fetch them, ship none. Every map and every three photos' values are kept in a folder: after a kill, run
the script again and it goes on where it was. The first twelve photos take some 15 minutes of a core.
The table that is shipped was stopped after the photos that its column `photos` tells.
"""

import csv
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

import kviz
from kviz.attribution import method_named
from kviz.attribution.method import Method
from kviz.metrics import (
    Completeness,
    Deletion,
    Insertion,
    Metric,
    MuFidelity,
    ParameterRandomization,
    Road,
)
from kviz.results import Attribution
from kviz.results.evaluation import Evaluation, interval_of

FOLDER = Path(__file__).parent

# Of the package's hundred photos these show nothing that ImageNet has a class for.
LEFT_OUT = {12, 26, 31, 33, 40, 45, 61, 62, 81}
TOGETHER = 3

# Behind fire9 the maps are weighted and averaged at once, so that the class activation maps are one and
# the same there; fire8 is the last layer where they differ.
FIRE8, SQUEEZED = {"layer_names": "fire8_concat"}, {"layer_names": "fire9_squeeze1x1"}
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("gradient", {}), ("saliency", {}), ("input_x_gradient", {}), ("loss_gradient", {}),
    ("smooth_grad", {"samples": 8}), ("square_grad", {"samples": 8}), ("var_grad", {"samples": 8}),
    ("integrated_gradients", {"steps": 16}), ("expected_gradients", {"samples": 16}),
    ("guided_backprop", {}), ("deconvnet", {}), ("guided_grad_cam", {}),
    ("lrp", {}), ("deep_lift", {}), ("deep_shap", {"samples": 8}), ("full_grad", {}),
    ("cam", {}), ("finer_cam", {}), ("grad_cam", FIRE8), ("grad_cam_plus_plus", FIRE8),
    ("hires_cam", FIRE8), ("xgrad_cam", FIRE8), ("layer_cam", FIRE8), ("eigen_cam", FIRE8),
    ("score_cam", SQUEEZED), ("ablation_cam", SQUEEZED),
    ("layer_integrated_gradients", {"steps": 16, **FIRE8}),
    ("internal_influence", {"steps": 16, **FIRE8}),
    ("xrai", {"steps": 8}), ("occlusion", {"window": 46, "stride": 23}), ("rise", {"masks": 100}),
    ("lime", {"segments": 25, "samples": 100}), ("kernel_shap", {"segments": 25, "samples": 100}),
    ("shapley", {"segments": 6}),
]  # fmt: skip
# Those that take up to ten passes a photo can be made anew for each of 26 layers.
QUICK = {
    "gradient", "saliency", "input_x_gradient", "loss_gradient", "guided_backprop", "deconvnet",
    "guided_grad_cam", "lrp", "deep_lift", "full_grad", "cam", "finer_cam", "grad_cam",
    "grad_cam_plus_plus", "hires_cam", "xgrad_cam", "layer_cam", "eigen_cam",
}  # fmt: skip
# Those that promise to add up to the score, or nearly.
SUMS = {
    "integrated_gradients", "layer_integrated_gradients", "expected_gradients", "deep_lift",
    "deep_shap", "lrp", "input_x_gradient", "full_grad", "kernel_shap", "shapley",
}  # fmt: skip
# What is measured, what matters most first: a name, of how many photos, the metrics.
STAGES: list[tuple[str, int, list[Metric]]] = [
    ("cells", 6, [MuFidelity(subsets=100)]),
    ("sums", 6, [Completeness()]),
    ("blurred", 6, [Deletion(steps=8, baseline="blur"), Insertion(steps=8, baseline="blur")]),
    ("shuffled", 2, [ParameterRandomization()]),
    ("black", 3, [Deletion(steps=16, baseline="black"), Insertion(steps=8, baseline="black")]),
    ("imputed", 3, [Road(steps=2)]),
    ("more", 1000, [MuFidelity(subsets=100)]),
]  # fmt: skip


def photos_of(folder: Path | None, count: int) -> list[Path]:
    """Return the photos: those that are free, then the folder's, by number."""
    sample = Path(import_module("skimage").__file__).parent / "data"
    names = ("astronaut.png", "rocket.jpg", "motorcycle_left.png")
    found = [FOLDER / "images/cat.png", FOLDER / "images/coffee.png", *(sample / n for n in names)]
    if folder is not None:
        numbered = sorted(folder.glob("*.jpg"), key=lambda path: int(path.stem))
        found += [path for path in numbered if int(path.stem) not in LEFT_OUT]
    return found[:count]


def compute(network: Any, paths: Sequence[Path], parts: Path) -> Iterator[Evaluation]:
    """Give what was found for three photos at a time, from the folder where it is there."""
    before = 0
    for stage, most, metrics in STAGES:
        first = before if stage == "more" else 0
        for start in range(first, min(most, len(paths)), TOGETHER):
            places = slice(start, min(start + TOGETHER, most, len(paths)))
            file = parts / f"{stage}_{start:03}.npz"
            if not file.exists():
                images = kviz.load_images(paths[places], network)
                found = [
                    made(
                        network,
                        images,
                        method_named(name, **options),
                        parts / f"{start:03}_{name}_{len(images)}",
                    )
                    for name, options in METHODS
                    if name in {"shuffled": QUICK, "sums": SUMS}.get(stage, dict(METHODS))
                ]
                kviz.evaluate(network, images, found, metrics, nulls=1).save(file)
                click.echo(f"{time.strftime('%H:%M')} {file.name}")
            yield kviz.load_result(file)
        before = max(before, most)


def made(network: Any, images: Any, method: Method, file: Path) -> Attribution:
    """Return a method's maps, from the folder where they are there."""
    file = file.with_suffix(".npz")
    if not file.exists():
        kviz.attribute(network, images, method).save(file)
    return kviz.load_result(file)


def rows_of(done: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return a row for each measure and method: the mean over all photos, and what the nulls got.

    `ahead` is by how much the map is better than a null on the same photo, mean and interval: above 0
    is better, whether or not high values are.
    """
    parts: dict[tuple[str, str], list[tuple[Evaluation, int, int]]] = {}
    for one in done:
        for place, measure in enumerate(one.measures()):
            for at, method in enumerate(one.methods):
                parts.setdefault((measure, method), []).append((one, place, at))
    found = []
    for (measure, method), places in parts.items():
        values = np.concatenate([one.values[place, at] for one, place, at in places])
        better = places[0][0].better[places[0][1]]
        row = {
            "measure": measure, "better": better, "method": method, "options": options_of(method),
            "photos": len(values),
        }  # fmt: skip
        row |= spread("", values)
        chances = [one.chance(place, at) for one, place, at in places]
        for kind in chances[0]:
            chance = np.concatenate([each[kind].mean(axis=0) for each in chances])
            row[kind] = digits(chance.mean())
            if better != "near 0":
                sign = -1 if better == "lower" else 1
                row |= spread(f"ahead of {kind}", sign * (values - chance))
        found.append(row)
    return found


def options_of(method: str) -> str:
    """Return what a method was told, as its row says it."""
    return ", ".join(f"{name}={value}" for name, value in dict(METHODS)[method].items())


def spread(name: str, values: Any) -> dict[str, str]:
    """Return the mean of values and the ends of its interval, under their names in a row."""
    low, high = interval_of(values) or (np.nan, np.nan)
    ends = {"mean": values.mean(), "low": low, "high": high}
    return {f"{name} {end}".strip(): digits(value) for end, value in ends.items()}


def digits(value: float) -> str:
    """Return a number as it is written down, nothing for none."""
    return f"{value:.4f}" if np.isfinite(value) else ""


def write(rows: list[dict[str, Any]], file: Path) -> None:
    """Write rows as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@click.command()
@click.option("--photos", type=click.Path(exists=True, path_type=Path), help="A folder of them.")
@click.option("--count", type=int, default=12, show_default=True, help="Photos in all.")
@click.option("--parts", type=Path, default="trust_parts", help="Where what was found is kept.")
def main(photos: Path | None, count: int, parts: Path) -> None:
    """Write trust_table.csv beside this file, anew after each part."""
    network = kviz.load_model(FOLDER.parent / "models/squeezenet.keras")
    parts.mkdir(parents=True, exist_ok=True)
    done = []
    for found in compute(network, photos_of(photos, count), parts):
        done.append(found)
        write(rows_of(done), FOLDER / "trust_table.csv")


if __name__ == "__main__":
    main()
