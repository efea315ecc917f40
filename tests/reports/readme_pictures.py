"""Take the README's pictures from a report: python tests/reports/readme_pictures.py.

Opens the page that the README's first command makes in Chromium and keeps parts of it.
"""

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
    "report": ("#model", (1248, 760)),
    "maps": ("#layer-conv1 canvas", (1248, 480)),
    "decides": ("#deciding", (940, 1200)),
}


def main():
    """Write the pictures as JPEG files."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        kviz.report(ROOT / "models/squeezenet.keras", ROOT / "notebooks/images/cat.png", page)
        options = {"args": ["--no-sandbox"]} if os.geteuid() == 0 else {}
        chromium = shutil.which("chromium") or sys.exit("There is no chromium here.")
        browser = playwright.chromium.launch(executable_path=chromium, **options)
        view = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        view.goto(page.as_uri())
        view.wait_for_timeout(3000)
        # It stays in sight while one scrolls, and would lie over the pictures.
        view.evaluate("document.querySelector('nav').style.position = 'static'")
        for name, (part, room) in PICTURES.items():
            taken = Path(folder) / f"{name}.png"
            view.locator(part).screenshot(path=taken)
            with Image.open(taken) as picture:
                shown = picture.convert("RGB").crop((0, 0, *np.minimum(picture.size, room)))
                shown.save(OUT / f"{name}.jpg", quality=88)
        browser.close()


if __name__ == "__main__":
    main()
