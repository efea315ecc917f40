"""What several test files share: the real model and photo, and no window."""

import gc
import os
import shutil
import sys
import zlib
from collections import defaultdict
from pathlib import Path

import pytest
from needed import lacking

os.environ["MPLBACKEND"] = "Agg"
# What tests start finds the kviz that they test, not the one in the folder where they run.
os.environ["PYTHONSAFEPATH"] = "1"
# TensorFlow turns oneDNN on by itself on some processors only, and on a CPU runs channels_first
# convolutions only with it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each take all processors wait for each other.
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")

ROOT = Path(__file__).parents[1]
# A webcam that shows a moving picture, and is let in without a question.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


class Examples:
    """What the examples of kviz share: the shipped model, read and traced once for all of them."""

    def __init__(self):
        self.network = None

    @pytest.fixture(autouse=True)
    def _read_once(self, request):
        if not isinstance(request.node, pytest.DoctestItem) or ".network." in request.node.name:
            return
        from kviz.network import loading

        read = loading.load_model

        def load_model(path, **options):
            if path != "models/squeezenet.keras" or options:
                return read(path, **options)
            self.network = self.network or read(path)
            return self.network

        patch = request.getfixturevalue("monkeypatch")
        patch.setattr(loading, "load_model", load_model)
        patch.setattr("kviz.load_model", load_model)


def pytest_configure(config):
    # The examples lie beside this folder, where its fixtures are not seen.
    config.pluginmanager.register(Examples())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a family of cases that is marked `some`, leave the rest to the slow run.

    Which some is another for each test, so that what several tests are run on is looked at by some;
    one at least is.
    """
    families = defaultdict(list)
    for item in items:
        if item.get_closest_marker("some") and not item.get_closest_marker("slow"):
            families[item.nodeid.partition("[")[0]].append(item)
    for cases in families.values():
        every = cases[0].get_closest_marker("some").kwargs["every"]
        first = zlib.crc32(cases[0].originalname.encode()) % min(every, len(cases))
        for place, item in enumerate(cases):
            if place % every != first:
                item.add_marker("slow")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    # TensorFlow's own objects, a million, are not looked through for garbage after each test: a quarter
    # of the time that all took.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def squeezenet():
    import kviz

    return kviz.load_model(ROOT / "models/squeezenet.keras")


@pytest.fixture(scope="session")
def cat(squeezenet):
    import kviz

    return kviz.load_images(ROOT / "notebooks/images/cat.png", squeezenet)


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def short_dreams(monkeypatch):
    """A report's dreams of a few steps look like noise, and take seconds instead of a minute."""
    for steps in ("PATTERN_STEPS", "CLASS_STEPS"):
        monkeypatch.setattr(f"kviz.reports.gather.{steps}", 4)


@pytest.fixture(scope="session")
def forks():
    """Give what loads files in processes of their own."""
    from forked import Forks

    server = Forks()
    yield server
    server.close()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        names = ("chromium", "chromium-browser", "google-chrome")
        found = [own] if Path(own).exists() else [p for p in map(shutil.which, names) if p]
        if not found:
            lacking("no Chromium is installed: apt-get install chromium, or playwright install")
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        try:
            browser = playwright.chromium.launch(executable_path=found[0], args=[*sandbox, *CAMERA])
        except Error as error:
            lacking(f"{found[0]} does not start here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()
