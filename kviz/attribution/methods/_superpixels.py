"""What LIME, Kernel SHAP and exact Shapley values share: an image as a few players."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Request, gaps_of
from kviz.attribution.methods._perturb import perturbed_scores, spatial
from kviz.engine.backend import tf
from kviz.errors import ImageError, OptionError
from kviz.extras import install_command


def library(name: str, what: str) -> Any:
    """Return a module of scikit-image or scikit-learn, or say how to install them.

    Args:
        name: the module's.
        what: what needs it, as the beginning of a sentence.

    Raises:
        OptionError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise OptionError(
            f"{what} needs scikit-image and scikit-learn, and {name} does not import. "
            f"Install them: {install_command('superpixels')}."
        ) from error


def segmented(segments: Any, request: Request, what: str) -> Array:
    """Return the segment of each pixel.

    Args:
        segments: an integer array of a map's size, the same for all images; or about how many, for
            superpixels of each image (runs of equal length in a sequence); None for one per pixel.
            Each feature of a vector is one, unless they are given.
        request: the images.
        what: what needs them, for messages.

    Returns:
        int32 `(N, *size)`, from 0 without gaps.

    Raises:
        OptionError: if the array does not fit, or scikit-image is missing.
    """
    size, total = spatial(request), len(request.images)
    if np.ndim(segments):
        given = np.asarray(segments)
        if given.shape != size:
            raise OptionError(
                f"segments as an array has the size of a map, {size}. Received: {given.shape}"
            )
        labels = np.unique(given, return_inverse=True)[1].reshape(size)
    elif segments is None or request.images.ndim == 2:
        labels = np.arange(np.prod(size)).reshape(size)
    elif len(size) == 1:
        labels = np.arange(size[0]) * min(segments, size[0]) // size[0]
    else:
        images = tf.cast(request.images, "float32").numpy()
        return np.stack([_superpixels(image, segments, what) for image in images])
    return np.broadcast_to(labels.astype(np.int32), (total, *size))


def validate_superpixels(segments: Any, rank: int, what: str) -> None:
    """Raise an OptionError where `segmented` would miss scikit-image, for images of so many axes."""
    if segments is not None and not np.ndim(segments) and rank > 3:
        library("skimage.segmentation", what)


def _superpixels(image: Array, count: int, what: str) -> Array:
    low, high = image.min(), image.max()
    unit = (image - low) / (high - low if high > low else 1)
    # SLIC weighs distance against colour in Lab, whose lightness goes to 100.
    colour = unit.shape[-1] == 3
    slic = library("skimage.segmentation", what).slic
    for compactness in (10, 100, 1000):
        labels = slic(
            unit if colour else 100 * unit,
            n_segments=count,
            compactness=compactness,
            start_label=0,
            channel_axis=-1,
            convert2lab=colour,
        )
        # By its colours alone noise falls into crumbs, which SLIC then melts into one.
        if 2 * len(np.unique(labels)) >= count:
            break
    flat = np.unique(labels, return_inverse=True)[1]
    return flat.reshape(labels.shape).astype(np.int32)


def players(labels: Array) -> list[int]:
    """Return how many segments each image has."""
    return [int(image.max()) + 1 for image in labels]


def coalition_scores(
    request: Request, labels: Array, coalitions: list[Array], baseline: Any
) -> Array:
    """Return the scores of images of which only some segments are kept.

    Args:
        request: the images.
        labels: as `segmented` returns them.
        coalitions: for each image a bool array `(count, players)`: which are kept.
        baseline: a tensor that broadcasts to the images, for the other segments.

    Returns:
        Float64 `(N, count)`.
    """

    def drawn(rows: Array, samples: Array) -> list[Array]:
        taken = np.zeros((len(rows), widest), bool)
        for place, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            kept = coalitions[row][sample]
            taken[place, : len(kept)] = kept
        return [taken]

    widest = max(players(labels))
    scores, _ = perturbed_scores(
        request, "segments", _kept, len(coalitions[0]), drawn, baseline, shared=[labels]
    )
    if not np.isfinite(scores).all():
        raise ImageError(
            "The scores of images in which segments are replaced are not finite (NaN or infinite). "
            "Take another baseline."
        )
    return scores


def _kept(rows: Any, size: Any, labels: Any, taken: Any) -> Any:
    flat = tf.reshape(labels, [tf.shape(labels)[0], -1])
    share = tf.cast(taken, tf.float32)

    def of_one_image() -> Any:
        # The same as below, five times as fast.
        return tf.transpose(tf.gather(tf.transpose(share), flat[rows[0]]))

    def of_several() -> Any:
        return tf.gather(share, tf.gather(flat, rows), axis=1, batch_dims=1)

    kept = tf.cond(tf.equal(rows[0], rows[-1]), of_one_image, of_several)
    return tf.reshape(kept, tf.concat([[-1], size], 0))


def gaps_from(values: list[Array], scores: Any, low: Any) -> Any:
    """Return how far segments' values are from adding up to a difference of scores, as `gaps_of`."""
    sums, sizes = (
        tf.constant([float(sum_of(own)) for own in values], scores.dtype)
        for sum_of in (np.sum, lambda own: np.abs(own).sum())
    )
    return gaps_of(sums[:, None], sizes, scores, low)


def spread(values: list[Array], labels: Array) -> Array:
    """Return maps in which each pixel has its segment's value, float32 `(N, *size)`."""
    pairs = zip(values, labels, strict=True)
    return np.stack([np.asarray(value, np.float32)[image] for value, image in pairs])
