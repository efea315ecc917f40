"""What a session costs over the verbs it calls: python tests/benchmarks/serve.py.

Prints a JSON line: the time of a photo's first answer, which is the photo, Grad-CAM and the first
layer's maps as frames, over that of the verbs that make these, interleaved in one process, warm. Each
round has a photo of its own, so that nothing of it is known.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import itertools
import queue
import tempfile
from pathlib import Path

import numpy as np
from interleaved import measure
from PIL import Image

import kviz
from kviz.serve.frames import encoded
from kviz.serve.session import Session

ROOT = Path(__file__).parents[2]
METHOD, LAYER = "grad_cam", "conv1"


def photos():
    """Give files that differ, each in its comment."""
    cat = Image.open(ROOT / "notebooks/images/cat.png").convert("RGB")
    for number in itertools.count():
        held = io.BytesIO()
        cat.save(held, "JPEG", quality=90, comment=str(number))
        yield held.getvalue()


def verbs(network, folder, file):
    """Call what an answer is made of, as a script would."""
    path = Path(folder) / "photo.jpg"
    path.write_bytes(file)
    images = kviz.load_images(path, network)
    found = kviz.predict(network, images, 5)
    order = (-found.scores[0]).argsort().tolist()
    kviz.attribute(network, images, METHOD, class_index=[order[:2]])
    kviz.activations(network, images, LAYER)


class Page:
    """Asks one ask after another, and has each answer as a frame."""

    def __init__(self, session):
        self.answers = queue.Queue()
        self.reader = session.reader(self.answers.put)
        self.count = 0

    def ask(self, ask, arrays=None, /, **options):
        self.count += 1
        self.reader.ask({"id": self.count, "ask": ask, **options}, arrays or {})
        while "progress" in (answer := self.answers.get(timeout=60)).head:
            pass
        assert "error" not in answer.head, answer.head
        encoded(answer.head, answer.arrays)
        return answer.head

    def first(self, file):
        """Have a photo's first answer."""
        data = np.frombuffer(file, np.uint8)
        photo = self.ask("photo", {"file": data}, name="photo.jpg")["photo"]
        self.ask("attribution", photo=photo, method=METHOD)
        self.ask("maps", photo=photo, layer=LAYER)


if __name__ == "__main__":
    shipped = kviz.load_model(ROOT / "models/squeezenet.keras")
    session = Session([shipped])
    page, files = Page(session), photos()
    with tempfile.TemporaryDirectory() as folder:
        measure(
            "first answer to a photo, over the verbs that it calls",
            lambda: verbs(shipped, folder, next(files)),
            rounds=25,
            session=lambda: page.first(next(files)),
        )
    session.close()
