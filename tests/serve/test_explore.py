"""explore: a widget whose messages are a session's language."""

import threading

import numpy as np
import pytest

import kviz
from kviz.errors import OptionError
from kviz.serve.explore import taken


@pytest.fixture
def widget(small, monkeypatch):
    """A widget that tells a list what it sends."""
    monkeypatch.setattr("kviz.serve.explore.index_page", lambda _: "<p>page</p>")
    levels = np.random.default_rng(0).integers(0, 256, (2, 16, 12, 3), np.uint8)
    made = kviz.explore(small, levels, names=["one.png", "two.png"], height=700)
    made.sent = []
    monkeypatch.setattr(made, "send", lambda *message: made.sent.append(message), raising=False)
    yield made, levels
    made.close()


def wait(widget, number):
    import time

    for _ in range(600):
        found = [one for one in widget.sent if one[0]["id"] == number]
        if found and "progress" not in found[-1][0]:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(widget.sent)


def test_a_widget_answers_what_its_page_asks(widget):
    made, levels = widget
    assert (made.page, made.height) == ("<p>page</p>", 700)
    first, second = (photo.id for photo in made.session.given)
    made._handle_custom_msg({"id": 1, "ask": "photo", "photo": second, "arrays": []}, [])
    head, buffers = wait(made, 1)
    told = {
        entry["name"]: (entry, buffer)
        for entry, buffer in zip(head["arrays"], buffers, strict=True)
    }
    entry, buffer = told["pixels"]
    pixels = np.frombuffer(buffer, entry["dtype"]).reshape(entry["shape"])
    np.testing.assert_array_equal(pixels, levels[1])
    assert head["name"] == "two.png"
    made._handle_custom_msg({"id": 2, "ask": "maps", "photo": first, "layer": "conv"}, [])
    assert wait(made, 2)[0]["channels"] == 6


def test_pixels_come_as_buffers(widget):
    made, levels = widget
    entry = {"name": "pixels", "dtype": "uint8", "shape": [16, 12, 3]}
    made._handle_custom_msg(
        {"id": 5, "ask": "photo", "arrays": [entry]}, [memoryview(levels[0].tobytes())]
    )
    head, _ = wait(made, 5)
    assert head["width"] == 12


@pytest.mark.parametrize(
    ("content", "buffers"),
    [
        ([], []),
        ("a", []),
        ({"arrays": 3}, []),
        ({"arrays": [{}]}, [b""]),
        ({"arrays": []}, [b"1"]),
        ({"arrays": [{"name": "a", "dtype": "object", "shape": [1]}]}, [b"12345678"]),
        ({"arrays": [{"name": "a", "dtype": "float64", "shape": [1]}]}, [b"12345678"]),
        ({"arrays": [{"name": "a", "dtype": "uint8", "shape": [3]}]}, [b"1"]),
        ({"arrays": [{"name": "a", "dtype": "float32", "shape": [1]}]}, [b"123"]),
    ],
)
def test_what_is_no_message_is_said_to_be_none(content, buffers):
    with pytest.raises(OptionError):
        taken(content, buffers)


def test_too_many_images_and_no_height_are_said(small):
    levels = np.zeros((65, 16, 12, 3), np.uint8)
    with pytest.raises(OptionError, match="at most 64"):
        kviz.explore(small, levels)
    with pytest.raises(OptionError, match="height"):
        kviz.explore(small, levels[:1], height=0)


def test_a_page_that_cannot_be_made_leaves_nothing_running(small, monkeypatch):
    def fail(_):
        raise RuntimeError("no page")

    monkeypatch.setattr("kviz.serve.explore.index_page", fail)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no page"):
        kviz.explore(small, np.zeros((1, 16, 12, 3), np.uint8))
    assert threading.active_count() == before
