"""What the tests of reports share: a page of the shipped model, one of hostile names, and a browser."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hostile import HOSTILE, hostile_model

import kviz

ROOT = Path(__file__).parents[2]
# The page treats all methods alike, and these take one pass; the README's reports take the others.
METHODS = ("grad_cam", "saliency", "input_x_gradient", "gradient")


@pytest.fixture(scope="session")
def made(squeezenet, cat, tmp_path_factory):
    """Return a report of the shipped model, with what its verbs find when they are called alone."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        # Dreams of a few steps look like noise, and are as many and as large.
        for steps in ("PATTERN_STEPS", "CLASS_STEPS"):
            patch.setattr(f"kviz.reports.gather.{steps}", 4)
        report = kviz.report(squeezenet, cat, path, names=["cat.png"], methods=METHODS)
    classes = [[285, 281]]
    return SimpleNamespace(
        path=path,
        report=report,
        maps=kviz.activations(squeezenet, cat),
        predictions=kviz.predict(squeezenet, cat, names=["cat.png"]),
        found={m: kviz.attribute(squeezenet, cat, m, class_index=classes) for m in METHODS},
        weights=kviz.weights(squeezenet),
    )


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3), np.uint8)
    names = [HOSTILE["file"], "second.png"]
    report = kviz.report(
        hostile_model(), pixels, path, names=names, methods=["grad_cam", "gradient"], certify=True,
        seed=3,
    )  # fmt: skip
    return SimpleNamespace(path=path, report=report)


@pytest.fixture
def opened(chromium):
    """Give what opens a file and fails at the end on any console error or request elsewhere."""
    contexts, wrong = [], []

    def open_page(path, *, width=1440, scheme="light", ready=True, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        url = Path(path).as_uri()
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss())
        )
        page.on(
            "request",
            lambda r: None if r.url.startswith(("data:", url, "blob:")) else wrong.append(r.url),
        )
        page.goto(url)
        if ready:
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
