"""The page and the app in Firefox: once through what is tested at length in Chromium."""

import re
from pathlib import Path

import numpy as np
import pytest
from firefox import Firefox

import kviz
from kviz.serve.app import make_app
from kviz.serve.photos import Photo
from kviz.serve.server import Server, listening
from kviz.serve.session import Session

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[1] / "reports/axe.min.js"
TOKEN = "a-token-of-the-tests"  # noqa: S105 - of the tests alone
RIGHT, PAGE_DOWN, ENTER = "\ue014", "\ue00f", "\ue007"
WHY = "document.querySelector('#why[data-drawn]')"
INSIDE = "document.querySelector('html[data-ready] #inside[data-drawn]')"


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    made = Firefox(tmp_path_factory.mktemp("firefox"))
    yield made
    made.close()


@pytest.fixture
def firefox(window):
    """Give a window in which nothing may go wrong or be refused by the page's policy."""
    window.resize(1440)
    window.wrong.clear()
    yield window
    assert window.wrong == []


@pytest.fixture(scope="module")
def report(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    pixels = np.random.default_rng(4).integers(0, 256, (1, 16, 12, 3), np.uint8)
    kviz.report(small, pixels, path, names=["noise.png"], quick=True)
    return path.as_uri()


@pytest.fixture
def app(small, file):
    session = Session([small], [Photo(name="first.png", file=file(5).tobytes())])
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN), bound)
    server.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}"
    server.stop()
    session.close()


def failures(firefox):
    """Return what axe finds to be serious, on a wide screen and on a phone."""
    found = []
    for width in (1440, 390):
        firefox.resize(width)
        firefox.wait(INSIDE)
        assert firefox.run("document.documentElement.scrollWidth") <= width
        firefox.load(AXE)
        serious = "({ impact }) => ['serious', 'critical'].includes(impact)"
        told = "({ id, nodes }) => [id, nodes[0].html.slice(0, 200)]"
        found += firefox.run(
            f"axe.run().then(({{ violations: all }}) => all.filter({serious}).map({told}))"
        )
    firefox.resize(1440)
    return found


def test_the_page(firefox, report):
    firefox.goto(report)
    firefox.wait(INSIDE)
    # A channel by the pointer, another by the keys, a cell, and the next channel.
    firefox.run("location.hash = '#layer=conv'")
    firefox.wait(f"{INSIDE} && document.querySelector('#layer-h bdi').innerText === 'conv'")
    firefox.click("#mosaic", 5, 4)
    firefox.wait(f"location.hash.includes('ch=') && {INSIDE}")
    firefox.run("document.querySelector('#mosaic').focus()")
    firefox.press(RIGHT, ENTER)
    firefox.wait(f"{INSIDE} && document.activeElement.id === 'channel-h'")
    firefox.run("location.hash = '#layer=conv&ch=2'")
    firefox.wait(f"{INSIDE} && document.querySelector('#channel-h').innerText === 'Channel 2'")
    firefox.click("#channel-map", 20, 30)
    firefox.wait(f"location.hash.includes('at=') && {INSIDE}")
    row, column = re.match(r"Row (\d+), column (\d+): ", firefox.text("#channel-value")).groups()
    firefox.press(RIGHT)
    firefox.wait(INSIDE)
    assert firefox.text("#channel-value").startswith(f"Row {row}, column {int(column) + 1}: ")
    firefox.press(PAGE_DOWN)
    firefox.wait(f"{INSIDE} && document.querySelector('#channel-h').innerText === 'Channel 3'")
    seen = firefox.run("location.hash")

    # Two maps with a line between them, and only the strongest of them.
    firefox.choose("#why-method", "saliency")
    firefox.choose("#why-with", "grad_cam")
    firefox.choose("#why-strongest", 20)
    firefox.wait(WHY)
    assert firefox.text("#stage-legend").count("Shown: the ") == 2
    wide = firefox.run("document.querySelector('#stage').clientWidth")
    firefox.drag("#stage", (0, 0), (10, 0), (wide // 4, 5))
    firefox.wait(WHY)
    assert 73 <= int(firefox.run("document.querySelector('#why-swipe').value")) <= 77

    # Back, forward, and a reload lead to what was looked at.
    firefox.step(-2)
    firefox.wait(f"{WHY} && location.hash === {seen!r}")
    assert firefox.run("document.querySelector('#why-method').value") == "grad_cam"
    firefox.step(2)
    firefox.wait("document.querySelector('#why-with').value === 'grad_cam'")
    firefox.reload()
    firefox.wait(f"{INSIDE} && {WHY}")
    assert firefox.run("document.querySelector('#why-method').value") == "saliency"
    assert firefox.text("#channel-h") == "Channel 3"
    assert failures(firefox) == []


def test_the_app(firefox, app, file, tmp_path):
    photo = tmp_path / "second.png"
    photo.write_bytes(file(6).tobytes())
    firefox.goto(app)
    firefox.wait(f"{INSIDE} && document.querySelector('#overview button[data-method=saliency]')")
    firefox.give_files("#file", photo)
    firefox.wait("document.querySelector('#cards h3').innerText === 'second.png'")
    firefox.wait("document.querySelector('#overview button[data-method=saliency]')")
    firefox.choose("#more-method", "occlusion")
    firefox.click("#more-start")
    firefox.wait("document.querySelector('#overview button[data-method=occlusion]')")

    firefox.run("location.hash += '&layer=conv&ch=2&at=0.4375,0.4167'")
    firefox.wait("document.querySelector('#patch h4')")
    firefox.click("#pattern-start")
    firefox.wait("document.querySelector('#pattern figcaption')")
    firefox.click("#pattern-start")
    # Where it was quicker, there is nothing left to be stopped.
    firefox.run("document.querySelector('#pattern-stop').click()")
    firefox.wait("document.querySelector('#pattern-start:not([hidden])')")

    # The frame of what the model sees follows the pointer, and what is painted covers the photo.
    left = "parseFloat(document.querySelector('#crop').style.left)"
    before, wide = firefox.run(f"[{left}, document.querySelector('#view').clientWidth]")
    firefox.drag("#crop", (0, 0), (-10, 0), (-20, 0))
    firefox.wait(f"Math.abs({before} - {left} - 100 * 20 / {wide}) < 2")
    firefox.choose("#edit-brush", "0")
    firefox.drag("#view-canvas", (0, 0), (10, 0))
    firefox.wait("document.querySelector('#edit-words').innerText === 'painted on'")
    firefox.wait("document.querySelectorAll('#strip button').length === 3")

    assert "second.png" in firefox.save("#save-report")
    firefox.reload()
    firefox.wait(INSIDE)
    assert firefox.run("document.querySelectorAll('#strip button').length") == 3
    assert failures(firefox) == []
