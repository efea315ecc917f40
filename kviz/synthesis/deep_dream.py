"""Deep dream: whatever a layer sees in an image, more of it.

A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism: Going Deeper into Neural Networks", 2015: gradient
ascent on the squares of layers' maps, from small to large, with what a size lost put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import validate_int, validate_names, validate_number
from kviz._types import Images, ModelLike, Progress, Selector
from kviz.arrays import as_bytes
from kviz.engine.backend import keras, tf
from kviz.engine.layers import selector_key
from kviz.engine.passes import Passes, Seen
from kviz.errors import ImageError, ModelError, OptionError
from kviz.given import read_images
from kviz.images import is_small
from kviz.inputs import looked_at
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results import Synthesis
from kviz.results.made_by import made_by
from kviz.synthesis._ascent import Ascent, Climbed, Piece, Run, climb, joined
from kviz.synthesis._moves import Step
from kviz.synthesis._parametrizations import Pixels
from kviz.synthesis._pieces import Between, Jitter, Resized

# The most octaves, and the least side of one.
_MOST = 100
_LEAST = 16


@dataclass(frozen=True)
class DreamScore:
    """The mean square of layers' maps, added up.

    Args:
        layer_names: a selector's key.
    """

    layer_names: Any

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `kviz.scores.Score.of`."""
        values = []
        for info in seen.table.select(self.layer_names, maps=True):
            maps = keras.tree.flatten(seen.traced.by_path[info.path].outputs)[0]
            values.append(tf.reduce_mean(tf.square(maps), list(range(1, maps.shape.rank))))
        return tf.add_n(values), tf.fill(tf.shape(target), -1)


def deep_dream(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    layer_names: Selector = None,
    *,
    octaves: int = 4,
    octave_scale: float = 1.4,
    steps: int = 20,
    step_size: float = 1.5,
    batch_size: int = 8,
    seed: int = 0,
    names: Sequence[str] = (),
    film: bool = False,
    progress: Progress | None = None,
) -> Synthesis:
    """Show more of what layers see in images.

    Where the model takes any size, it looks at each octave in its own; a model of one size looks at
    all of them enlarged to that.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        layer_names: layers whose maps grow, as `activations` takes them; by default the one in the
            middle.
        octaves: how many sizes, the last the image's own.
        octave_scale: by what each is larger than the one before, above 1.
        steps: at each size.
        step_size: a step's length: the mean change of a pixel, of 255.
        batch_size: images processed at once.
        seed: for shifts.
        names: what the images are called; by default the files' names.
        film: whether to keep frames for an animation.
        progress: called with (steps done, steps in all).

    Returns:
        A `Synthesis`: the images before and after.

    Raises:
        LayerError: if there is no such layer, or the score does not depend on the pixels.
        OptionError: on octaves, steps or a step that make no sense.
        ImageError: if the images do not fit the model or lie outside 0-255.

    >>> found = deep_dream("models/squeezenet.keras", "notebooks/images/cat.png", "fire5_concat",
    ...                    octaves=1, steps=2)
    >>> found.images.shape
    (1, 227, 227, 3)
    """
    run = Run(steps=steps, batch_size=batch_size, seed=seed, film=film, progress=progress)
    if validate_int("octaves", octaves) > _MOST:
        raise OptionError(f"{spelled('octaves')} takes at most {_MOST}. Received: {octaves}")
    octave_scale = validate_number("octave_scale", octave_scale, above=1)
    step_size = validate_number("step_size", step_size, above=0)
    validate_names(names)
    network = as_network(model)
    images, names, said = read_images(images, network, names)
    given = network.pixels(images)
    pixels = {name: np.asarray(array, np.float32) for name, array in given.items()}
    explained = looked_at(pixels, network.specs(pixels), None)
    originals = pixels[explained]
    if originals.ndim == 4 and is_small(given[explained]):
        raise ImageError(
            "deep_dream takes photos with values from 0 to 255. Received: values from "
            f"{originals.min():g} to {originals.max():g}. A model that takes 0-1 is given them by "
            f"{spelled('preprocess', '0..1')} of kviz.Network."
        )
    if originals.ndim != 4 or originals.min() < 0 or originals.max() > 255:
        raise ImageError("deep_dream takes photos (N, H, W, channels) with values from 0 to 255.")
    if layer_names is None:
        maps = [info.path for info in network.layers.select(None, maps=True)]
        layer_names = maps[len(maps) // 2 : len(maps) // 2 + 1]
    chosen = [info.path for info in network.layers.select(layer_names, maps=True)]
    dream = _Dream(network, DreamScore(selector_key(chosen)), explained, step_size)
    sizes = _sizes(originals.shape[1:3], octaves, octave_scale)

    def dreamed(batch_size: int) -> Climbed:
        parts: list[Climbed] = []
        counts = []
        chunks = list(network.engine.chunks(pixels, batch_size))
        for start, stop, chunk in chunks:
            seen = dict(zip(pixels, chunk, strict=True))
            parts.append(dream.through(sizes, seen, run, (len(parts), len(chunks))))
            counts.append(stop - start)
            if parts[-1].stopped:
                break
        return joined(parts, counts)

    found = network.engine.fitting(batch_size, dreamed)
    count = len(found.images)
    notes = [*network.notes, *said, *(["Interrupted: the images so far."] if found.stopped else [])]
    if dream.left_out:
        small = ", ".join(f"{high} x {wide}" for high, wide in sorted(dream.left_out))
        notes.append(f"Octaves too small for the model were left out: {small}")
    return Synthesis(
        images=found.images,
        scores=found.scores,
        labels=(", ".join(chosen),) * count,
        verb="deep_dream",
        arrived=found.moved,
        originals=originals[:count],
        stopped=found.stopped,
        frames=found.frames,
        names=tuple(names)[:count],
        made_by=made_by(
            network, deep_dream, pixels, layer_names=chosen, octaves=octaves,
            octave_scale=octave_scale, steps=steps, step_size=step_size, seed=seed,
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Return the octaves' sizes, the smallest first, none of them under 16 pixels but the last."""
    high, wide = size
    sizes = [size]
    for back in range(1, octaves):
        smaller = (round(high / scale**back), round(wide / scale**back))
        if min(smaller) < _LEAST:
            break
        sizes.insert(0, smaller)
    return sizes


@dataclass(frozen=True)
class _Dream:
    """What is dreamed of.

    Args:
        network: the network.
        score: what grows.
        explained: the input that is dreamed on.
        step_size: the mean change of a pixel.
        left_out: sizes that the model could not take, as it turned out.
    """

    network: Network
    score: DreamScore
    explained: str
    step_size: float
    left_out: set[tuple[int, int]] = field(default_factory=set)

    def through(
        self,
        sizes: list[tuple[int, int]],
        pixels: dict[str, Any],
        run: Run,
        chunk: tuple[int, int] = (0, 1),
    ) -> Climbed:
        """Return where the octaves lead, each with the detail of those before.

        Args:
            sizes: the octaves' sizes.
            pixels: an array per input.
            run: how far in each.
            chunk: which part of all images these are, and of how many.
        """
        photo = pixels[self.explained]
        detail = np.zeros((len(photo), *sizes[0], photo.shape[-1]), np.float32)
        went: list[Climbed] = []
        for number, size in enumerate(sizes):
            base, detail = _resized(photo, size), _resized(detail, size)
            done, parts = chunk[0] * len(sizes) + number, chunk[1] * len(sizes)
            own = replace(run.part(done, parts), seed=run.seed + number)
            try:
                went.append(self._octave(pixels, base, np.clip(base + detail, 0, 255), own))
            except ModelError:
                # The smallest sizes can be too small for the model's windows.
                if number + 1 == len(sizes):
                    raise
                self.left_out.add(size)
                continue
            detail = went[-1].images - base
            if went[-1].stopped:
                break
        return _one(went, photo)

    def _octave(self, pixels: dict[str, Any], base: Any, start: Any, run: Run) -> Climbed:
        size = base.shape[1:3]
        own: tuple[Piece, ...] = ()
        if any(side is not None for side in self.network.image_size):
            own = (Resized(pixels[self.explained].shape[1:3]),)
        else:
            pixels = {**pixels, self.explained: base}
        ascent = Ascent(
            move=Step(float(self.step_size * np.sqrt(base[0].size))),
            parametrization=Pixels(),
            transforms=(Jitter(float(max(1, min(size) // 8))), *own),
            holds=(Between(),),
            any_size=bool(own),
        )
        passes = Passes(self.network.engine, self.score, pixels, self.explained)
        target = np.zeros(len(base), np.int32)
        return climb(passes, ascent, list(pixels.values()), target, start, run)


def _resized(images: Any, size: tuple[int, int]) -> Any:
    return tf.image.resize(images, size, antialias=True).numpy()


def _one(went: list[Climbed], photo: Any) -> Climbed:
    """Return the octaves as one ascent, its images and frames of the photo's size."""
    last = went[-1]
    size = photo.shape[1:3]
    images = last.images
    if images.shape[1:3] != size:
        # Interrupted before the last octave: what was dreamed so far, on the whole photo.
        small = _resized(photo, images.shape[1:3])
        images = np.clip(photo + _resized(images - small, size), 0, 255)
    frames = None
    if last.frames is not None:
        frames = np.concatenate(
            [
                np.stack([_resized(frame.astype(np.float32), size) for frame in part.frames])
                for part in went
                if part.frames is not None
            ]
        )
        frames = as_bytes(frames)
    return Climbed(
        params=images,
        images=images,
        # The look after an octave's last step is of a size that the next one leaves.
        scores=np.concatenate([*(part.scores[:-1] for part in went[:-1]), last.scores]),
        arrived=last.arrived,
        moved=np.any([part.moved for part in went], axis=0),
        frames=frames,
        stopped=last.stopped,
    )
