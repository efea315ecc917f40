"""The Python that makes what is seen: a script that a reader can save beside the photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kviz.serve.photos import Photo
from kviz.serve.side import Side


def python_for(side: Side, photos: Sequence[Photo], settings: Mapping[str, Any]) -> str:
    """Return a script that makes the report of some photos.

    Args:
        side: the model.
        photos: the photos.
        settings: what `kviz.report` is asked.
    """
    network = side.network
    cut = any(photo.box is not None for photo in photos)
    lines = ["import kviz"]
    if cut or len(photos) > 1:
        lines.append("import numpy as np")
    if cut:
        lines.append("from PIL import Image")
    file = network.path.name if network.path is not None else "model.keras"
    prepared = ""
    if isinstance(network.preprocess, str):
        prepared = f", preprocess={network.preprocess!r}"
    lines += ["", f"network = kviz.load_model({file!r}{prepared})"]
    if network.path is None:
        lines[-1] += "  # the model, saved so"
    parts = [_loaded(side, photo) for photo in photos]
    for place, (code, note) in enumerate(parts):
        name = "images" if len(parts) == 1 else f"image_{place}"
        lines += [*([f"# {note}"] if note else []), f"{name} = {code}"]
    if len(parts) > 1:
        several = ", ".join(f"image_{place}" for place in range(len(parts)))
        lines.append(f"images = np.concatenate([{several}])")
    names = [photo.name for photo in photos]
    options = "".join(f", {key}={value!r}" for key, value in settings.items())
    lines += [
        "",
        "print(kviz.predict(network, images))",
        f'kviz.report(network, images, "report.html", names={names!r}{options})',
    ]
    return "\n".join(lines) + "\n"


def _loaded(side: Side, photo: Photo) -> tuple[str, str]:
    """Return the code that reads a photo as the model was given it, and a note."""
    note = "" if photo.file is not None else "these pixels were made in the app: save them so"
    height, width = side.fitted(photo).pixels.shape[1:3]
    if photo.box is not None:
        grey = side.network.channels == 1
        code = (
            f"np.asarray(Image.open({photo.name!r}).convert('RGB').resize("
            f"({width}, {height}), Image.Resampling.BICUBIC, box={photo.box!r})"
            f"{'.convert(' + repr('L') + ')' if grey else ''})"
        )
        return f"{code}[None{', ..., None' if grey else ''}]", note
    options = ""
    if photo.fit != "crop":
        options += f", fit={photo.fit!r}"
    if None in side.network.image_size:
        options += f", target_size=({height}, {width})"
    name = photo.name if photo.array is None else f"{photo.name}.npy"
    return f"kviz.load_images({name!r}, network{options})", note
