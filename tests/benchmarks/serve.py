"""What the app costs over its floors: python tests/benchmarks/serve.py.

Prints two JSON lines, each interleaved in one process, warm. Each round has a photo of its own, so that
nothing of it is known.

- The time of a photo's first answer, which is the photo, Grad-CAM and the first layer's maps as frames,
  over that of the verbs that make these.
- The time from a photo dropped on the page in Chromium until its predictions, Grad-CAM and the first
  layer's maps are drawn there, over that of the three smallest compiled functions that do the passes.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import base64
import io
import itertools
import queue
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from interleaved import measure
from PIL import Image
from playwright.sync_api import sync_playwright

import kviz
from kviz.serve.app import make_app
from kviz.serve.frames import encoded
from kviz.serve.server import Server, listening
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


def passes(network, pixels):
    """Return the passes of an answer: the model's, Grad-CAM's of two classes, the first layer's."""
    model = network.model
    deep = model.get_layer(kviz.attribute(network, pixels, METHOD).layers[0])
    both = keras.Model(model.inputs[0], [deep.output, model.layers[-1].input])
    first = keras.Model(model.inputs[0], model.get_layer(LAYER).output)

    @tf.function(autograph=False)
    def explained(x, classes):
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(x)
            maps, logits = both(x, training=False)
            scores = tf.unstack(tf.gather(logits[0], classes), num=2)
        weights = [tf.reduce_mean(tape.gradient(score, maps), [1, 2]) for score in scores]
        return tf.nn.relu(tf.einsum("nhwc,kc->khw", maps, tf.concat(weights, 0)))

    @tf.function(autograph=False)
    def answered(x):
        return model(x, training=False)

    @tf.function(autograph=False)
    def looked(x):
        return first(x, training=False)

    x, classes = tf.constant(pixels, "float32"), tf.constant([285, 281])

    def floor():
        for found in (answered(x), explained(x, classes), looked(x)):
            found.numpy()

    return floor


# What is drawn is told by the page's own canvases: when they last were, and of which photo.
WATCHED = """() => {
    const put = CanvasRenderingContext2D.prototype.putImageData;
    window.drawn = {};
    CanvasRenderingContext2D.prototype.putImageData = function (...given) {
        put.apply(this, given);
        window.drawn[this.canvas.id] = this.canvas.getAttribute("aria-label");
    };
}"""
DROPPED = """async ([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    window.drawn = {};
    const options = { dataTransfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent("drop", options));
    const has = (id) => document.getElementById(id);
    const isThere = () =>
        document.querySelector("#cards h3")?.textContent === name &&
        has("stage-canvas").getAttribute("aria-label").includes(`${name} with a map`) &&
        "stage-canvas" in window.drawn && "mosaic" in window.drawn;
    while (!isThere()) await new Promise(requestAnimationFrame);
}"""


@contextmanager
def opened(session):
    """Give the app's page in Chromium, which has seen a first photo."""
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, "token"), bound)
    server.start()
    with sync_playwright() as playwright:
        own = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{bound.getsockname()[1]}/?token=token")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.evaluate(WATCHED)
        yield page
        browser.close()
    server.stop()


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
    cat = kviz.load_images(ROOT / "notebooks/images/cat.png", shipped)
    numbers = itertools.count()
    with opened(session) as shown:
        measure(
            "second photo on the page, over the bare passes",
            passes(shipped, cat),
            rounds=25,
            # What comes after Grad-CAM and the maps is computed by then, and does not slow the floor.
            settle=lambda: time.sleep(0.7),
            browser=lambda: shown.evaluate(
                DROPPED, [f"{next(numbers)}.jpg", base64.b64encode(next(files)).decode()]
            ),
        )
    session.close()
