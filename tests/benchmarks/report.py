"""What a report costs over the verbs it calls: python tests/benchmarks/report.py.

Prints JSON lines: the time of `kviz.report` over that of the verbs, interleaved in one process, and the
size of the page.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
from pathlib import Path

from interleaved import line, measure

import kviz
from kviz.reports.gather import CLASS_STEPS, PATTERN_STEPS, strongest
from kviz.reports.parts import PATTERNS
from kviz.reports.planned import METHODS

ROOT = Path(__file__).parents[2]
# In the middle of those whose maps are shown, as the report chooses it.
LAYER = "fire6_squeeze1x1"


def verbs(network, photo):
    """Call what a report calls, with the same settings."""
    found = kviz.predict(network, photo, 5)
    maps = kviz.activations(network, photo)
    kviz.weights(network)
    order = (-found.scores[0]).argsort().tolist()
    for method in METHODS:
        kviz.attribute(network, photo, method, class_index=[order[:2]])
    filters = strongest(maps, LAYER, PATTERNS["page"])
    kviz.filter_patterns(network, LAYER, filters, steps=PATTERN_STEPS)
    kviz.class_image(network, order[:2], steps=CLASS_STEPS)
    kviz.fool(network, photo, order[-1])


if __name__ == "__main__":
    shipped = kviz.load_model(ROOT / "models/squeezenet.keras")
    cat = kviz.load_images(ROOT / "notebooks/images/cat.png", shipped)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        measure(
            "report of SqueezeNet and one photo, over the verbs that it calls",
            lambda: verbs(shipped, cat),
            rounds=5,
            report=lambda: kviz.report(shipped, cat, page),
        )
        made = kviz.report(shipped, cat, page)
        assert made.facts()["patterns"][0]["made_for"].startswith(LAYER)
        line(work="size of that page", megabytes=round(page.stat().st_size / 1e6, 2))
