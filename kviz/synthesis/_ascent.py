"""The one ascent loop: parameters are moved along the gradient of a score, compiled as a whole.

What is moved becomes pixels 0-255 by a parametrization; transforms stand between the pixels and the
network, penalties count against the score, and what is to hold after each step is seen to then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from kviz._caller import take_interrupt
from kviz._checks import sanitise, validate_bool, validate_int
from kviz._types import Array, Progress
from kviz.arrays import stretched
from kviz.engine.backend import tf
from kviz.engine.passes import NO_GRADIENT, Passes, Seen, slopes
from kviz.errors import ImageError, LayerError, OptionError
from kviz.synthesis._parametrizations import Parametrization

# So many times a run comes up for air: to show progress, to be stopped, to keep a frame.
_BLOCKS = 25
_MOST = 1_000_000


class Piece(Protocol):
    """A transform of pixels `(N, H, W, C)` between parametrization and network."""

    def __call__(self, pixels: Any, seed: Any) -> Any:
        """Return pixels of the same shape; `seed` is int32 `(2,)`, another one at each step."""


class Penalty(Protocol):
    """What counts against the score, in units of the score's own gradient."""

    def __call__(self, pixels: Any) -> Any:
        """Return one number for each image, `(N,)`."""


class Hold(Protocol):
    """What is to hold after each step."""

    def __call__(self, params: Any, originals: Any, step: Any) -> Any:
        """Return parameters for which it holds."""


class Move(Protocol):
    """How a gradient moves the parameters."""

    @property
    def slots(self) -> int:
        """How many tensors like the parameters it remembers."""

    def __call__(self, gradient: Any, slots: Sequence[Any], step: Any) -> tuple[Any, list[Any]]:
        """Return the move and what is remembered of it."""


class Verdict(Protocol):
    """When an image has arrived."""

    def __call__(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return whether each image has arrived, and how near it is: higher is nearer, `(N,)`."""


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """An ascent's pieces: their numbers are tensors while it runs, the rest is what is compiled.

    Args:
        move: how a gradient moves the parameters.
        parametrization: how parameters become pixels.
        transforms: what stands between pixels and network, in order.
        penalties: what counts against the score.
        holds: what is seen to after each step, in order.
        whole: how pixels are rounded to whole numbers before the network is asked about them, given
            the originals too; None leaves them.
        verdict: when an image has arrived and moves no more; without one all steps are gone.
        any_size: whether parameters of other sizes go the same way, where a transform resizes them.
    """

    move: Move
    parametrization: Parametrization
    transforms: tuple[Piece, ...] = ()
    penalties: tuple[Penalty, ...] = ()
    holds: tuple[Hold, ...] = ()
    whole: Callable[[Any, Any], Any] | None = None
    verdict: Verdict | None = None
    any_size: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """How far an ascent goes, with how many images at once, and who is told of it.

    Args:
        steps: how many at most.
        batch_size: images processed at once.
        seed: for what is drawn.
        film: whether to keep frames.
        bounds: the values that are black and white in a frame.
        progress: called with (steps done, steps).

    Raises:
        OptionError: if one of them is not what it takes.
    """

    steps: int
    batch_size: int = 32
    seed: int = 0
    film: bool = False
    bounds: tuple[float, float] = (0.0, 255.0)
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if validate_int("steps", self.steps) > _MOST:
            raise OptionError(f"steps takes at most {_MOST:,}. Received: {self.steps}")
        validate_int("batch_size", self.batch_size)
        validate_int("seed", self.seed, 0)
        validate_bool("film", self.film)
        if self.progress is not None and not callable(self.progress):
            raise OptionError(
                f"progress takes a function of two numbers. Received: {sanitise(repr(self.progress))}"
            )

    def part(self, number: int, of: int) -> Run:
        """Return one of several runs like this one, which are shown as one."""
        tell, done, total = self.progress, number * self.steps, of * self.steps
        return replace(self, progress=tell and (lambda now, _: tell(done + now, total)))


@dataclass(frozen=True, kw_only=True)
class Climbed:
    """Where an ascent led.

    Attributes:
        params: the parameters: where the verdict was best, or at the end.
        images: their pixels `(N, H, W, C)`, rounded where the ascent rounds.
        scores: float32 `(steps + 1, N)`: before each step and after the last, NaN where an image had
            arrived.
        arrived: bool `(N,)`.
        moved: bool `(N,)`: whether the score ever had a gradient.
        frames: pixels as uint8 `(frames, N, H, W, C)`, or None.
        stopped: whether it was interrupted.
    """

    params: Array
    images: Array
    scores: Array
    arrived: Array
    moved: Array
    frames: Array | None
    stopped: bool


def climb(
    passes: Passes,
    ascent: Ascent,
    originals: Sequence[Any],
    target: Array,
    start: Array,
    run: Run,
) -> Climbed:
    """Go up; an interrupt ends it early, and what was reached by then is returned.

    Args:
        passes: the network's passes for the score that is to grow.
        ascent: the pieces.
        originals: an array per input; the one that is looked at is what `holds` compare with.
        target: int32 `(N,)`.
        start: the parameters to begin with.
        run: how far.

    Returns:
        Where it led.

    Raises:
        LayerError: if the score does not depend on the pixels.
        ImageError: if the ascent runs into values that are not finite.
    """
    count, steps = len(target), run.steps
    block, show = _compiled(passes, ascent, start)
    params = tf.constant(start)
    state = [
        params,
        *[tf.zeros_like(params)] * ascent.move.slots,
        params,
        tf.fill([count], -np.inf),
        tf.zeros([count], "bool"),
        tf.zeros([count], "bool"),
    ]
    # float64 where the model takes that, and whole numbers beside a photo.
    pixels = [
        tf.cast(array, spec.dtype)
        for array, spec in zip(originals, passes.specs.values(), strict=True)
    ]
    size = max(1, -(-steps // _BLOCKS))
    # TensorFlow draws from 32 bits.
    seed = run.seed % 2**31
    scores = np.full((steps + 1, count), np.nan, np.float32)
    frames, shown_at, stopped, done = [], 0, False, 0
    try:
        # Once more than there are steps: the last time the score is only looked at.
        while done <= steps:
            if run.film:
                frames.append(stretched(show(*pixels, target, state[0]).numpy(), *run.bounds))
                shown_at = done
            now = min(size, steps + 1 - done)
            went, values, *state = block(*pixels, target, *state, done, now, steps, seed)
            went = int(went)
            scores[done : done + went] = values.numpy()[:went]
            done += went
            if (watch := _watch.get()) is not None:
                watch(stretched(show(*pixels, target, state[0]).numpy(), *run.bounds))
            if run.progress:
                run.progress(min(done, steps), steps)
            if ascent.verdict and bool(tf.reduce_all(state[-2])):
                break
    except KeyboardInterrupt:
        take_interrupt()
        stopped = True
    *_, best, _, arrived, moved = state
    images = show(*pixels, target, best)
    if run.film:
        last = stretched(images.numpy(), *run.bounds)
        again = np.array_equal(frames[-1], last) if ascent.verdict and frames else shown_at == steps
        frames += [] if again else [last]
    if not np.isfinite(images).all():
        raise ImageError(
            "The ascent runs into values that are not finite (NaN or infinite). Take smaller steps, or "
            "look at the model's weights."
        )
    return Climbed(
        params=best.numpy(),
        images=images.numpy(),
        scores=scores[: max(done, 1)],
        arrived=arrived.numpy(),
        moved=moved.numpy(),
        frames=np.stack(frames) if run.film else None,
        stopped=stopped,
    )


# Shown each picture on the way, within a context.
_watch: ContextVar[Callable[[Array], None] | None] = ContextVar("_watch", default=None)


@contextmanager
def watched(watch: Callable[[Array], None]) -> Iterator[None]:
    """Have someone shown the pictures on the way of each ascent within the body, as a film keeps them.

    Args:
        watch: takes uint8 `(N, H, W, channels)`, some 25 times, before progress is told.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def joined(parts: Sequence[Climbed], counts: Sequence[int]) -> Climbed:
    """Return what several ascents found, as of one.

    Args:
        parts: the ascents.
        counts: how many images of each count; the others filled up a batch.
    """
    pairs = list(zip(parts, counts, strict=True))
    longest = max(len(part.scores) for part in parts)
    films = [(part.frames[:, :n], n) for part, n in pairs if part.frames is not None]
    most = max((len(film) for film, _ in films), default=0)

    def all_of(key: str) -> Array:
        return np.concatenate([getattr(part, key)[:count] for part, count in pairs])

    return Climbed(
        params=all_of("params"),
        images=all_of("images"),
        scores=np.concatenate(
            [
                np.pad(
                    part.scores[:, :count],
                    ((0, longest - len(part.scores)), (0, 0)),
                    constant_values=np.nan,
                )
                for part, count in pairs
            ],
            axis=1,
        ),
        arrived=all_of("arrived"),
        moved=all_of("moved"),
        # The last frame of a short one stays.
        frames=np.concatenate([f[np.arange(most).clip(max=len(f) - 1)] for f, _ in films], axis=1)
        if films
        else None,
        stopped=any(part.stopped for part in parts),
    )


def picked(climbed: Climbed, places: Array) -> Climbed:
    """Return an ascent's images at some places."""
    return Climbed(
        **{key: getattr(climbed, key)[places] for key in ("params", "images", "arrived", "moved")},
        scores=climbed.scores[:, places],
        frames=None if climbed.frames is None else climbed.frames[:, places],
        stopped=climbed.stopped,
    )


def _compiled(passes: Passes, ascent: Ascent, start: Array) -> tuple[Any, Any]:
    """Return the loop over a block of steps, and what shows the pixels of parameters."""
    slots, given = ascent.move.slots, len(passes.specs) + 1

    def run(ascent: Ascent, *arguments: Any) -> Any:
        *inputs, target = arguments[:given]
        *begin, first, count, steps, seed = arguments[given:]
        originals = tf.cast(inputs[passes.place], begin[0].dtype)

        def body(at: Any, scores: Any, params: Any, *rest: Any) -> Any:
            held: Sequence[Any] = rest[:slots]
            best, nearest, arrived, moved = rest[slots:]
            step = first + at
            value, seen, gradient = _slope(passes, ascent, [*inputs, target], params, (seed, step))
            moved |= tf.reduce_any(gradient != 0, _axes(params))
            if ascent.verdict is None:
                best = params
            else:
                now, near = ascent.verdict(seen, target)
                # What it began with is where it led only if that had arrived: FGSM is one step.
                # An image that arrives need not be the nearest so far.
                better = ~arrived & (now | (step == 1) | ~(near <= nearest))
                best = tf.where(_wide(better, params), params, best)
                nearest = tf.where(better, near, nearest)
                value = tf.where(arrived, np.nan, value)
                arrived |= now
            move, held = ascent.move(gradient, held, step)
            new = params + move
            for hold in ascent.holds:
                new = hold(new, originals, step)
            params = tf.where(_wide(arrived | (step >= steps), params), params, new)
            scores = scores.write(at, value)
            return at + 1, scores, params, *held, best, nearest, arrived, moved

        def on(at: Any, *rest: Any) -> Any:
            return (at < count) & ~tf.reduce_all(rest[-2])

        scores = tf.TensorArray(tf.float32, count, element_shape=target.shape)
        went, scores, *state = tf.while_loop(on, body, (tf.constant(0), scores, *begin))
        return went, scores.stack(), *state

    def shown(looks: Any, *arguments: Any) -> Any:
        *inputs, _, params = arguments
        parametrization, whole = looks
        return _pixels(parametrization, whole, params, tf.cast(inputs[passes.place], params.dtype))

    sides = [None] * (start.ndim - 2) if ascent.any_size else start.shape[1:-1]
    like = tf.TensorSpec((None, *sides, *start.shape[1:][-1:]), start.dtype)
    each = [tf.TensorSpec((None,), kind) for kind in ("float32", "bool", "bool")]
    whole = [tf.TensorSpec((), "int32")] * 4
    state = [like] * (1 + slots) + [like, *each, *whole]
    looks = (ascent.parametrization, ascent.whole)
    return (
        passes.compiled("ascent", run, state, settings=ascent),
        passes.compiled("pixels", shown, [like], settings=looks),
    )


def _slope(
    passes: Passes, ascent: Ascent, arguments: Sequence[Any], params: Any, drawn: tuple[Any, Any]
) -> tuple[Any, Any, Any]:
    """Return scores, the trace, and the gradient to go along, penalties taken off.

    Args:
        passes: the network's passes.
        ascent: the pieces.
        arguments: a tensor per input, and the targets.
        params: the parameters.
        drawn: the seed, and which step it is.
    """
    place, (seed, step) = passes.place, drawn
    *inputs, target = arguments

    def look() -> Any:
        originals = tf.cast(inputs[place], params.dtype)
        view = pixels = _pixels(ascent.parametrization, ascent.whole, params, originals)
        for number, piece in enumerate(ascent.transforms):
            view = piece(view, tf.stack([seed, step * len(ascent.transforms) + number]))
        view = tf.cast(tf.ensure_shape(view, inputs[place].shape), inputs[place].dtype)
        several = [view if p == place else x for p, x in enumerate(inputs)]
        (value, _), seen = passes.forward([*several, target])
        return [value, [penalty(pixels) for penalty in ascent.penalties]], seen

    (value, _), seen, (gradient, against) = slopes(params, look)
    if gradient is None:
        raise LayerError(NO_GRADIENT)
    if ascent.penalties:
        # In units of the score's own gradient: scores of another scale make the same image.
        own = tf.sqrt(tf.reduce_sum(gradient * gradient, _axes(params), keepdims=True))
        gradient -= own * against
    return tf.cast(value, tf.float32), seen, gradient


def _pixels(parametrization: Parametrization, whole: Any, params: Any, originals: Any) -> Any:
    """Return the pixels of parameters, rounded for the network though not for the gradient."""
    pixels = parametrization.pixels(params)
    if whole is None:
        return pixels
    return pixels + tf.stop_gradient(whole(pixels, originals) - pixels)


def _axes(tensor: Any) -> list[int]:
    """Return all axes but the images'."""
    return list(range(1, tensor.shape.rank))


def _wide(mask: Any, like: Any) -> Any:
    """Return `(N,)` with axes of 1 behind."""
    return tf.reshape(mask, [-1, *[1] * (like.shape.rank - 1)])
