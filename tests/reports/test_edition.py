"""The edition that is sent by mail: at most 2 MB, and the page says what is smaller for it."""

import base64
import io
import re

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from refusals import refused

import kviz
from kviz.cli import main


def net(size):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(40, 3, strides=2, activation="relu", name="c"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def pictures(html):
    """Return all pictures of a page: those that it shows, and photos that its script lays maps over."""
    found = re.findall(r"data:image/(png|jpeg);base64,([\w+/=]+)", html)
    return [(kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(t))))) for kind, t in found]


@pytest.mark.usefixtures("short_dreams")
def test_it_takes_two_megabytes_and_says_what_is_smaller():
    # Noise, of which nothing can be packed well, of 160 pixels, as small as JPEG is taken for.
    photo = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), np.uint8)
    network = kviz.Network(net(160))
    options = {"methods": ["gradient"], "layer_names": ["c"], "max_mb": None}
    made = kviz.report(network, photo, edition="mail", **options)
    assert len(made.html.encode()) <= 2_000_000
    facts = made.facts()
    assert len(facts["patterns"]) == 4
    assert facts["page"]["edition"] == facts["made_by"]["settings"]["edition"] == "mail"
    assert facts["page"]["smaller"][-2:] == [
        "Photos and dreams are JPEG.",
        "Patterns are those of 4 filters, not 8.",
    ]
    assert "edition='mail'" in "".join(facts["python"])
    shown = pictures(made.html)
    assert {kind for kind, picture in shown if max(picture.shape) >= 128} == {"jpeg"}
    whole = kviz.report(network, photo, quick=True, **options)
    assert whole.facts()["page"]["smaller"] == []
    assert any(
        kind == "png" and np.array_equal(picture, photo[0])
        for kind, picture in pictures(whole.html)
    )


def test_no_limit_above_its_own_lifts_it(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "kviz.reports.report.page", lambda *given: asked.append(given[3:]) or "<html>"
    )
    photo = np.zeros((1, 12, 12, 3), np.uint8)
    for limit in (None, 20, 1):
        kviz.report(net(12), photo, quick=True, methods=(), edition="mail", max_mb=limit)
    kviz.report(net(12), photo, quick=True, methods=(), max_mb=20)
    assert asked == [(2e6, "mail"), (2e6, "mail"), (1e6, "mail"), (20e6, "page")]


def test_an_unknown_edition_is_refused(monkeypatch):
    monkeypatch.setattr("kviz.reports.report.gather", None)
    with refused("edition", kviz.OptionError):
        kviz.report(net(12), np.zeros((1, 12, 12, 3), np.uint8), edition="letter")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--edition", "mail", "--full"], "--full and --edition mail exclude one another"),
        (["--quick", "--pattern-layers", "c"], "--quick makes no patterns"),
        (["--edition", "letter"], "'letter' is not one of"),
    ],
)
def test_what_cannot_be_together_is_said_before_anything_is_read(options, words):
    # There is no such model, which would be said next.
    done = CliRunner().invoke(main, ["report", "no.keras", "no.png", *options])
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.slow
def test_of_squeezenet_it_has_everything(squeezenet, cat):
    made = kviz.report(squeezenet, cat, edition="mail")
    assert 1_000_000 < len(made.html.encode()) <= 2_000_000
    assert made.facts()["skipped"] == []
