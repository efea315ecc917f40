"""Take the README's pictures and its film from a report: python tests/reports/readme_pictures.py.

Opens the page that the README's first command makes in Chromium, keeps parts of it, and films the way
from the graph to a layer, to a channel, to the part of the photo that one of its cells sees.
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import kviz

ROOT = Path(__file__).parents[2]
OUT = ROOT / "notebooks/images/readme"
# What a picture is called, what it shows of the page, and its room: the rest of a large part is cut.
PICTURES = {
    "report": ("#answer", (1280, 640)),
    "why": ("#why", (1280, 1120)),
    "inside": ("#inside-panes", (1248, 900)),
    "maps": ("#mosaic-frame", (1248, 480)),
}
POINTER = """() => {
    const dot = document.createElement("div");
    dot.id = "pointer";
    Object.assign(dot.style, {
        position: "fixed", width: "18px", height: "18px", borderRadius: "50%", zIndex: 99,
        background: "#ff3b30cc", border: "2px solid #fff", pointerEvents: "none",
        transform: "translate(-50%, -50%)",
    });
    document.body.append(dot);
}"""
MOVE = """([x, y]) => {
    Object.assign(document.getElementById("pointer").style, { left: `${x}px`, top: `${y}px` });
}"""


class Film:
    """Frames of a page, and a pointer that is seen."""

    def __init__(self, view, size=(960, 558)):
        self.view = view
        self.size = size
        self.at = (740, 400)
        self.frames, self.times = [], []
        view.evaluate(POINTER)

    def keep(self, milliseconds):
        """Keep what is seen now."""
        self.view.evaluate(MOVE, list(self.at))
        shot = Image.open(io.BytesIO(self.view.screenshot())).convert("RGB")
        self.frames.append(shot.resize(self.size, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def go(self, x, y, steps=4, each=80):
        """Move the pointer."""
        begin = self.at
        for step in range(1, steps + 1):
            self.at = tuple(a + (b - a) * step / steps for a, b in zip(begin, (x, y), strict=True))
            self.view.mouse.move(*self.at)
            self.keep(each)

    def go_into(self, locator, across=0.5, down=0.5, **how):
        """Move the pointer to a place in an element."""
        box = locator.bounding_box()
        self.go(box["x"] + across * box["width"], box["y"] + down * box["height"], **how)

    def click(self):
        """Click where the pointer is, and wait for what comes of it."""
        self.view.mouse.click(*self.at)
        self.view.wait_for_selector("#inside[data-drawn]")
        self.view.wait_for_timeout(300)

    def save(self, path):
        """Write it as a GIF, each frame with colours of its own."""
        first, *rest = [frame.quantize(96, dither=Image.Dither.NONE) for frame in self.frames]
        first.save(path, save_all=True, append_images=rest, duration=self.times, loop=0)


def film(view):
    """Film the way from the graph to a part of the photo."""
    made = Film(view)
    show = "document.getElementById('inside').scrollIntoView()"
    made.keep(1500)
    view.evaluate(show)
    made.keep(800)
    node = view.locator("svg a.node", has_text="pool1").first
    made.go_into(node)
    made.click()
    view.evaluate(show)
    made.keep(1000)
    made.go_into(view.locator("#mosaic"), 0.61, 0.4)
    made.click()
    view.evaluate(show)
    made.keep(1000)
    places = ((0.5, 0.5), (0.35, 0.42), (0.3, 0.5), (0.4, 0.62), (0.6, 0.66), (0.73, 0.5))
    for across, down in places:
        made.go_into(view.locator("#channel-map"), across, down, steps=2, each=180)
    made.keep(1800)
    made.save(OUT / "kviz.gif")


def main():
    """Write the pictures as JPEG files, and the film as a GIF."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        photo = ROOT / "notebooks/images/cat.png"
        kviz.report(ROOT / "models/squeezenet.keras", photo, page, quick=True)
        options = {"args": ["--no-sandbox"]} if os.geteuid() == 0 else {}
        chromium = shutil.which("chromium") or sys.exit("There is no chromium here.")
        browser = playwright.chromium.launch(executable_path=chromium, **options)
        # Wide enough that layers, one layer and a channel of it stand beside one another.
        wide = browser.new_page(viewport={"width": 1480, "height": 860}, reduced_motion="reduce")
        wide.goto(page.as_uri())
        wide.wait_for_selector("html[data-ready]", state="attached")
        film(wide)
        view = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        view.goto(page.as_uri())
        view.wait_for_selector("html[data-ready]", state="attached")
        # It stays in sight while one scrolls, and would lie over the pictures.
        view.evaluate("document.querySelector('nav').style.position = 'static'")
        for name, (part, room) in PICTURES.items():
            taken = Path(folder) / f"{name}.png"
            view.locator(part).screenshot(path=taken)
            with Image.open(taken) as picture:
                shown = picture.convert("RGB").crop((0, 0, *np.minimum(picture.size, room)))
                shown.save(OUT / f"{name}.jpg", quality=85)
        browser.close()


if __name__ == "__main__":
    main()
