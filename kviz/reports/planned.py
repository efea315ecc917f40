"""What a report is about to do, part by part, and what each part takes beside the others.

For a bar that counts all of them, told before TensorFlow is imported. The numbers are in proportion, as
they were measured with the shipped model; how fast a machine is, the bar sees for itself.
"""

from __future__ import annotations

from collections.abc import Sequence

METHODS = ("grad_cam", "saliency", "integrated_gradients", "occlusion")
QUICK_METHODS = ("grad_cam", "saliency")
DREAMS = ("filter patterns", "class images", "fooling image")

# What a part takes once, mostly until its functions are traced or for as many steps as it has, and what
# for each photo.
_PARTS = {
    "predictions": (0.2, 0.1),
    "layers": (0.1, 0.0),
    "feature maps": (2.5, 0.5),
    "kernels": (0.3, 0.0),
    "channel weights": (3.5, 0.5),
    "class layers": (1.0, 0.0),
    "filter patterns": (100.0, 0.0),
    "class images": (150.0, 0.0),
    "fooling image": (5.0, 35.0),
    "page": (2.0, 2.0),
}
_METHODS = {
    "grad_cam": (2.5, 0.5),
    "saliency": (2.5, 0.5),
    "integrated_gradients": (5.0, 35.0),
    "occlusion": (5.0, 45.0),
}
# Of a method that nobody has timed, and of a certificate.
_UNKNOWN, _CERTIFICATE = (5.0, 20.0), (10.0, 150.0)


def planned(
    photos: int, methods: Sequence[str] | None = None, *, quick: bool = False, certify: bool = False
) -> dict[str, float]:
    """Return the parts of a report in the order in which they are made, and what each takes.

    Args:
        photos: how many there are.
        methods: the attribution methods that are asked for, None for those by default.
        quick: whether dreams are left out.
        certify: whether maps are tested.

    >>> list(planned(1, ["saliency"], quick=True))[3:6]
    ['kernels', 'attribution: saliency', 'channel weights']
    """
    if methods is None:
        methods = QUICK_METHODS if quick else METHODS
    parts = {name: _PARTS[name] for name in ("predictions", "layers", "feature maps", "kernels")}
    for method in dict.fromkeys(methods):
        parts[f"attribution: {method}"] = _METHODS.get(method, _UNKNOWN)
        if certify:
            parts[f"certificates: {method}"] = _CERTIFICATE
    rest = ("channel weights", "class layers", *(() if quick else DREAMS), "page")
    parts |= {name: _PARTS[name] for name in rest}
    return {name: once + photos * each for name, (once, each) in parts.items()}
