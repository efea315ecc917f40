"""The one ascent: its moves, pieces and parametrizations by the code of others, and the loop."""

import itertools
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from keras import layers
from PIL import Image

import kviz
from kviz.engine.passes import Passes
from kviz.scores import as_score
from kviz.synthesis._ascent import Ascent, Run, climb
from kviz.synthesis._moves import Adam, Step
from kviz.synthesis._parametrizations import (
    Canvas,
    Colours,
    Fourier,
    Maco,
    Pixels,
    colours_of,
    usual_colours,
)
from kviz.synthesis._pieces import (
    Between,
    Blur,
    Bright,
    Crop,
    Jitter,
    Near,
    Noise,
    Resized,
    Rough,
    Turn,
    Whole,
)

SIZES = pytest.mark.parametrize("size", [(8, 8), (9, 7), (8, 7), (9, 12)])
SEED = (3, 5)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def photos(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def of(piece, pixels, *arguments):
    return piece(tf.constant(pixels), *arguments).numpy()


# Moves.


def test_l2_steps_have_their_length_along_the_gradient():
    gradient = noise(3, 6, 5, 2) * np.array([1e-3, 1, 1e3]).reshape(3, 1, 1, 1)
    move, kept = Step(7.0)(tf.constant(gradient, tf.float32), [], tf.constant(0))
    sizes = np.sqrt((gradient**2).sum((1, 2, 3), keepdims=True))
    np.testing.assert_allclose(move, 7 * gradient / sizes, rtol=1e-5)
    assert kept == []


def test_linf_steps_go_as_far_in_each_pixel():
    gradient = noise(2, 4, 4, 1)
    gradient[0, 0] = 0
    move, _ = Step(0.5, "linf")(tf.constant(gradient), [], tf.constant(0))
    np.testing.assert_array_equal(move, 0.5 * np.sign(gradient))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_steps_grow_and_go_down(norm):
    gradient = tf.constant(noise(1, 9))
    first, _ = Step(2.0, norm)(gradient, [], tf.constant(0))
    for step in (0, 1, 10):
        grown, _ = Step(2.0, norm, 1.05, down=True)(gradient, [], tf.constant(step))
        np.testing.assert_allclose(grown, -(1.05**step) * first, rtol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_a_gradient_of_any_size_moves_by_the_same_length(size):
    gradient = size * noise(2, 5)
    move, _ = Step(3.0)(tf.constant(gradient), [], tf.constant(0))
    lengths = np.linalg.norm(move, axis=1)
    np.testing.assert_allclose(lengths, 3 if size else 0, rtol=1e-5)


def test_adam_is_that_of_keras():
    gradients = [scale * noise(2, 3, 4, seed=seed) for seed, scale in enumerate([1, 10, 0.1] * 7)]
    theirs = keras.Variable(np.zeros((2, 3, 4), "float32"))
    optimizer = keras.optimizers.Adam(0.05, epsilon=1e-8)
    ours, slots = tf.zeros((2, 3, 4)), [tf.zeros((2, 3, 4))] * 2
    for step, gradient in enumerate(gradients):
        optimizer.apply([-gradient], [theirs])
        move, slots = Adam(0.05)(tf.constant(gradient), slots, tf.constant(step))
        ours += move
        np.testing.assert_allclose(ours, theirs.value, rtol=1e-4, atol=1e-6)


# What stands between pixels and network.


def test_jitter_keeps_all_pixels_and_shifts_as_far_as_it_may():
    pixels = photos(2, 9, 7, 3)
    seen = set()
    for seed in range(60):
        moved = of(Jitter(2), pixels, (seed, 0))
        by = next(
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if np.array_equal(moved, np.roll(pixels, (y, x), (1, 2)))
        )
        seen.add(by)
    assert {y for y, _ in seen} == {x for _, x in seen} == {-2, -1, 0, 1, 2}


def test_no_turn_changes_nothing():
    pixels = photos(2, 9, 8, 3)
    np.testing.assert_allclose(of(Turn(0.0), pixels, SEED), pixels, atol=1e-3)


def turned_by(degrees):
    """Return a turn that SEED draws as so many degrees."""
    share = 2 * float(tf.random.stateless_uniform([2], SEED)[0]) - 1
    return degrees / share


@pytest.mark.parametrize("size", [8, 9])
def test_a_quarter_turn_is_numpys(size):
    pixels = photos(2, size, size, 3)
    turned = of(Turn(turned_by(90)), pixels, SEED)
    np.testing.assert_allclose(turned, np.rot90(pixels, 1, (1, 2)), atol=0.05)
    half = of(Turn(turned_by(180)), pixels, SEED)
    np.testing.assert_allclose(half, np.rot90(pixels, 2, (1, 2)), atol=0.05)


@pytest.mark.parametrize(("degrees", "scale"), [(25, 1.0), (-10, 1.0), (0, 2.0), (15, 0.8)])
def test_a_turn_is_scipys(degrees, scale):
    pixels = photos(1, 24, 17, 1)
    turned = of(Turn(turned_by(degrees), scale, scale), pixels, SEED)[0, ..., 0]
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    middle = (np.array(turned.shape) - 1) / 2
    found = [
        scipy.ndimage.affine_transform(
            pixels[0, ..., 0], way, middle - way @ middle, order=1, mode="reflect"
        )
        for way in (matrix, matrix.T)
    ]
    # Which way is positive does not matter.
    assert min(np.abs(turned - one).max() for one in found) < 0.1


def test_a_crop_of_all_changes_nothing():
    pixels = photos(2, 9, 8, 3)
    np.testing.assert_allclose(of(Crop(1.0, 1.0), pixels, SEED), pixels, atol=1e-3)


def test_a_crop_of_half_enlarges_a_part_of_a_ramp():
    ramp = np.broadcast_to(np.arange(21, dtype="float32")[:, None, None], (2, 21, 13, 1))
    starts = set()
    for seed in range(20):
        seen = of(Crop(0.5, 0.5), ramp, (seed, 1))
        np.testing.assert_allclose(np.diff(seen, axis=1), 0.5, atol=1e-4)
        assert seen.min() >= 0
        assert seen.max() <= 20
        np.testing.assert_array_equal(seen[0], seen[1])
        starts.add(round(float(seen.min()), 3))
    assert len(starts) > 10


def test_noise_is_the_same_for_all_images_of_a_step():
    pixels = photos(3, 40, 40, 3)
    added = of(Noise(8.0), pixels, SEED) - pixels
    np.testing.assert_allclose(added[0], added[1], atol=1e-3)
    assert added.std() == pytest.approx(8, rel=0.05)
    assert abs(added.mean()) < 0.5
    other = of(Noise(8.0), pixels, (3, 6)) - pixels
    assert np.abs(other - added).max() > 1


def test_resized_is_pillows():
    pixels = photos(1, 6, 5, 1)
    larger = of(Resized((13, 20)), pixels, SEED)[0, ..., 0]
    theirs = Image.fromarray(pixels[0, ..., 0]).resize((20, 13), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(larger, theirs, atol=0.01)


# What counts against an image.


def test_bright_by_hand():
    pixels = np.array([[[[127.5], [255]]], [[[0], [0]]]], "float32")
    np.testing.assert_allclose(of(Bright(8.0), pixels), [8 * 0.125, 8 * 0.25], rtol=1e-6)


def test_rough_by_hand():
    pixels = np.array([[[[0], [255]], [[0], [0]]], [[[9], [9]], [[9], [9]]]], "float32")
    # Of two vertical neighbours one differs, and of two horizontal ones.
    np.testing.assert_allclose(of(Rough(10.0), pixels), [10 * (0.5 + 0.5), 0], rtol=1e-6)


# What holds.


def test_between_cuts():
    numbers = 300 * noise(2, 5, 5, 3)
    np.testing.assert_array_equal(
        of(Between(-5.0, 200.0), numbers, None, 0), np.clip(numbers, -5, 200)
    )


def test_near_in_each_pixel():
    originals, moved = photos(2, 5, 5, 3), photos(2, 5, 5, 3, seed=1)
    found = of(Near(10.0, "linf"), moved, originals, 0)
    np.testing.assert_allclose(found, np.clip(moved, originals - 10, originals + 10), atol=1e-4)


def test_near_as_a_whole():
    originals = photos(3, 5, 5, 3)
    way = noise(3, 5, 5, 3)
    way *= np.array([1, 40, 0]).reshape(3, 1, 1, 1) / np.sqrt(
        (way**2).sum((1, 2, 3), keepdims=True)
    )
    found = of(Near(10.0, "l2"), originals + way, originals, 0)
    np.testing.assert_allclose(found[0], originals[0] + way[0], atol=1e-4)
    np.testing.assert_allclose(found[1], originals[1] + way[1] / 4, atol=1e-4)
    np.testing.assert_array_equal(found[2], originals[2])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.7])
def test_blur_is_scipys_at_its_turns(sigma):
    pixels = photos(2, 11, 13, 3)
    expected = scipy.ndimage.gaussian_filter(
        pixels, (0, sigma, sigma, 0), radius=(0, *[max(1, round(3 * sigma))] * 2, 0), mode="reflect"
    )
    for step in range(8):
        blurred = of(Blur(4, sigma), pixels, None, tf.constant(step))
        due = step in (3, 7)
        np.testing.assert_allclose(blurred, expected if due else pixels, atol=0.01 if due else 0)


# Parametrizations.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def logit(x):
    return np.log(x / (1 - x))


PLAIN = Colours(np.full(3, 0.5), np.eye(3))


def numbers_of(images):
    """Return what `PLAIN` made colours of."""
    return logit(images.astype("float64") / 255)


@SIZES
@pytest.mark.parametrize("kind", [Fourier, Maco])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_spectrum_becomes_pixels(size, kind, channels):
    made = kind(size, usual_colours(channels))
    params = made.start([(0, 0), (0, 1)], Canvas(size, channels))
    assert params.dtype == np.float32
    assert np.abs(params[0] - params[1]).max() > 0.01
    for strength in (1, 100):
        images = made.pixels(tf.constant(strength * params)).numpy()
        assert images.shape == (2, *size, channels)
        assert images.min() >= 0
        assert images.max() <= 255
        assert images.std() > 0.1


@SIZES
def test_fourier_by_numpy(size):
    params = noise(2, 3, size[0], size[1] // 2 + 1, 2)
    high, wide = size
    often = np.hypot(np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide)[None])
    often[0, 0] = 1 / max(size)
    spectrum = (params[..., 0] + 1j * params[..., 1]) / np.maximum(often, 1 / max(size))
    numbers = np.fft.irfft2(spectrum * np.sqrt(high * wide), s=size) / 4
    images = Fourier(size, PLAIN).pixels(tf.constant(params)).numpy()
    np.testing.assert_allclose(images, 255 * sigmoid(numbers).transpose(0, 2, 3, 1), atol=0.05)


def test_the_colours_of_lucid():
    # tensorflow/lucid@master lucid/optvis/param/color.py: color_correlation_svd_sqrt over the
    # largest norm of its columns, color_mean.
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0, -0.05], [0.27, -0.09, 0.03]])
    root /= np.max(np.linalg.norm(root, axis=0))
    mean = np.array([0.48, 0.46, 0.41])
    numbers = noise(1, 4, 5, 3)
    expected = 255 * sigmoid(numbers @ root.T + logit(mean))
    np.testing.assert_allclose(usual_colours(3).pixels(tf.constant(numbers)), expected, atol=0.01)


def test_colours_of_photos():
    mixing = np.array([[40, 10, 0], [30, -5, 2], [10, 5, 12]])
    images = np.clip(noise(4, 20, 20, 3) @ mixing.T + [150, 120, 60], 0, 255)
    found = colours_of(images)
    flat = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, flat.mean(0), atol=1e-6)
    root = np.array(found.root)
    np.testing.assert_allclose(root @ root.T, np.cov(flat.T), atol=1e-5)
    # Noise that does not hang together comes out in colours that do, as those of the photos.
    picture = found.pixels(tf.constant(0.01 * noise(1, 60, 60, 3))).numpy().reshape(-1, 3) / 255
    slope = flat.mean(0) * (1 - flat.mean(0))
    linear = (picture - picture.mean(0)) / slope
    np.testing.assert_allclose(np.corrcoef(linear.T), np.corrcoef(flat.T), atol=0.05)


def test_colours_of_photos_of_one_colour():
    found = colours_of(np.full((1, 4, 4, 3), 255.0))
    images = found.pixels(tf.constant(noise(1, 4, 4, 3))).numpy()
    assert np.isfinite(images).all()
    assert images.mean() > 200


@pytest.mark.some(every=2)
@SIZES
def test_maco_keeps_the_magnitudes_of_photos_along_the_ascent(size):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*size, 3))
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    made = Maco(size, PLAIN)
    start = made.start([(0, 0), (0, 1)], Canvas(size, 3))
    found = run(model, None, Ascent(move=Adam(0.1), parametrization=made), start, steps=40)
    before = made.pixels(tf.constant(start)).numpy()
    assert np.abs(before - found.images).mean() > 5
    often = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    for images in (before, found.images):
        strengths = np.abs(np.fft.rfft2(numbers_of(images), axes=(1, 2))).transpose(0, 3, 1, 2)
        # As 1 / f, up to one factor for all.
        flat = (strengths * often)[..., often > 0]
        np.testing.assert_allclose(flat / flat.mean(), 1, atol=0.01)


# The loop.


def line(count=2):
    """Return a model of vectors that gives them back."""
    inputs = keras.Input((count,), name="x")
    return keras.Model(inputs, layers.Activation("linear")(inputs))


def passes_of(model, score, originals):
    network = kviz.Network(model)
    arrays = network.pixels(originals)
    return Passes(network.engine, as_score(score), arrays, next(iter(arrays)))


def run(model, score, ascent, start, *, originals=None, target=None, **options):
    if originals is None:
        originals = np.zeros((len(start), *model.input_shape[1:]), "float32")
    target = np.zeros(len(start), np.int32) if target is None else np.array(target, np.int32)
    passes = passes_of(model, score, originals)
    return climb(passes, ascent, [originals], target, start, Run(**options))


def hill(outputs):
    """Return a score that is highest at (30, 40)."""
    return -tf.reduce_sum((outputs - tf.constant([30.0, 40.0])) ** 2, 1)


def height(points):
    return -((np.asarray(points, float) - [30, 40]) ** 2).sum(1)


STEPS = Ascent(move=Step(1.0), parametrization=Pixels())


def test_steps_reach_the_top_of_a_hill():
    found = run(line(), hill, STEPS, np.zeros((1, 2), "float32"), steps=50)
    np.testing.assert_allclose(found.images, [[30, 40]], atol=1e-3)
    np.testing.assert_allclose(found.scores[:, 0], -((50.0 - np.arange(51)) ** 2), atol=0.05)
    assert found.moved.tolist() == [True]
    assert not found.stopped


def test_adam_climbs_as_keras_does():
    ascent = Ascent(move=Adam(2.0), parametrization=Pixels())
    start = np.array([[0, 0], [60, 39]], "float32")
    found = run(line(), hill, ascent, start, steps=60)
    theirs = keras.Variable(start)
    optimizer = keras.optimizers.Adam(2.0, epsilon=1e-8)
    for _ in range(60):
        optimizer.apply([2 * (theirs.value - [30.0, 40.0])], [theirs])
    np.testing.assert_allclose(found.images, theirs.value, rtol=1e-3)
    np.testing.assert_allclose(found.scores[-1], height(found.images), rtol=1e-3)


def test_down_is_the_other_way():
    ascent = Ascent(move=Step(1.0, down=True), parametrization=Pixels())
    found = run(line(), hill, ascent, np.array([[27, 36]], "float32"), steps=5)
    np.testing.assert_allclose(found.images, [[24, 32]], atol=1e-4)


def high(traced, target):  # noqa: ARG001 - as every verdict
    """Return whether a place is within 10.5 of the top."""
    values = hill(traced.outputs)
    return values >= -(10.5**2), values


UNTIL = Ascent(move=Step(1.0), parametrization=Pixels(), verdict=high)


def test_what_has_arrived_moves_no_more_and_others_go_on():
    start = np.array([[18, 24], [0, 0], [30, 40]], "float32")
    found = run(line(), hill, UNTIL, start, steps=15, film=True)
    assert found.arrived.tolist() == [True, False, True]
    np.testing.assert_allclose(found.images, [[24, 32], [9, 12], [30, 40]], atol=1e-3)
    assert np.isfinite(found.scores).sum(0).tolist() == [11, 16, 1]
    np.testing.assert_allclose(
        [column[np.isfinite(column)][-1] for column in found.scores.T],
        height(found.images),
        rtol=1e-3,
    )
    steps = np.arange(len(found.frames)).clip(max=15)
    np.testing.assert_allclose(found.frames[:, 0, 0], 18 + 0.6 * steps.clip(max=10), atol=0.51)
    np.testing.assert_allclose(found.frames[:, 1, 0], 0.6 * steps, atol=0.51)
    assert (found.frames[:, 2] == [30, 40]).all()


def test_when_all_have_arrived_it_ends():
    start = np.array([[24, 32], [18, 24]], "float32")
    found = run(line(), hill, UNTIL, start, steps=1000)
    assert found.arrived.all()
    assert 11 <= len(found.scores) <= 51
    np.testing.assert_allclose(found.images, [[24, 32], [24, 32]], atol=1e-3)


def test_an_arrived_image_is_that_of_its_own_ascent():
    start = np.array([[18, 24], [0, 0], [3, 70]], "float32")
    together = run(line(), hill, UNTIL, start, steps=60)
    for at, place in enumerate(start):
        alone = run(line(), hill, UNTIL, place[None], steps=60)
        np.testing.assert_allclose(alone.images[0], together.images[at], atol=1e-5)


def stopping(at):
    def progress(done, total):
        assert total == 20
        if done >= at:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("ascent", [STEPS, UNTIL])
@pytest.mark.parametrize("at", [1, 7])
def test_an_interrupt_returns_the_best_so_far(ascent, at):
    start = np.array([[0, 0], [12, 0]], "float32")
    found = run(line(), hill, ascent, start, steps=20, progress=stopping(at))
    assert found.stopped
    assert not found.arrived.any()
    assert len(found.scores) == at
    np.testing.assert_allclose(found.scores[-1], height(found.images), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found.images - start, axis=1), at - 1, atol=1e-3)


def test_without_a_verdict_all_steps_are_gone():
    found = run(line(), hill, STEPS, np.zeros((2, 2), "float32"), steps=33)
    assert found.scores.shape == (34, 2)
    assert np.isfinite(found.scores).all()
    calls = []
    run(
        line(),
        hill,
        STEPS,
        np.zeros((2, 2), "float32"),
        steps=60,
        progress=lambda *a: calls.append(a),
    )
    assert calls[-1] == (60, 60)
    assert calls == sorted(calls)
    assert len(calls) <= 26


def test_of_those_that_do_not_arrive_the_nearest_is_returned():
    """A step of 30 goes to and fro over the top: what comes later is not nearer."""
    never = Ascent(
        move=Step(30.0), parametrization=Pixels(),
        verdict=lambda traced, _: (hill(traced.outputs) > 0, hill(traced.outputs)),
    )  # fmt: skip
    found = run(line(), hill, never, np.array([[0, 0]], "float32"), steps=8)
    assert not found.arrived.any()
    np.testing.assert_allclose(height(found.images)[0], np.nanmax(found.scores), rtol=1e-3)


def test_what_arrives_is_returned_though_another_was_nearer():
    """How near the rival is and how sure the network is are two things."""
    away = Ascent(
        move=Step(1.0),
        parametrization=Pixels(),
        verdict=lambda traced, _: (traced.outputs[:, 0] > 3.5, -traced.outputs[:, 0]),
    )
    found = run(line(1), lambda y: y[:, 0], away, np.zeros((1, 1), "float32"), steps=9)
    assert found.arrived.all()
    np.testing.assert_array_equal(found.images, [[4]])


@pytest.mark.parametrize("size", [(9,), (5, 6, 7)])
def test_every_axis_is_shifted(size):
    values = noise(2, *size, 2)
    seen = set()
    for seed in range(30):
        moved = of(Jitter(1.0), values, (seed, 0))
        shifts = [
            by
            for by in itertools.product((-1, 0, 1), repeat=len(size))
            if np.array_equal(moved, np.roll(values, by, range(1, len(size) + 1)))
        ]
        assert len(shifts) == 1
        seen.add(shifts[0])
    assert all({by[axis] for by in seen} == {-1, 0, 1} for axis in range(len(size)))


def test_penalties_are_in_units_of_the_gradient():
    pixels = Ascent(
        move=Step(40.0), parametrization=Pixels(), penalties=(Bright(3.0), Rough(4000.0)),
        holds=(Between(),),
    )  # fmt: skip
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, layers.Activation("linear")(inputs))
    pattern = tf.constant(noise(6, 6, 1))
    start = Pixels().start([(0, 0)], Canvas((6, 6), 1))
    found = {
        scale: run(
            model,
            lambda y, s=scale: s * tf.reduce_sum(y * pattern, [1, 2, 3]),
            pixels,
            start,
            steps=9,
        ).images
        for scale in (1, 1000, 1e-3)
    }
    np.testing.assert_allclose(found[1000], found[1], atol=0.05)
    np.testing.assert_allclose(found[1e-3], found[1], atol=0.05)
    bare = Ascent(move=Step(40.0), parametrization=Pixels(), holds=(Between(),))
    without = run(
        model, lambda y: tf.reduce_sum(y * pattern, [1, 2, 3]), bare, start, steps=9
    ).images
    # What counts against the image matters.
    assert float(Rough(1.0)(found[1])[0]) < 0.7 * float(Rough(1.0)(without)[0])


def test_pixels_are_rounded_for_the_network():
    """A score of the fraction sees none; its gradient is as if there was."""
    for whole, expected in ((Whole(), 0.0), (None, 0.25)):
        ascent = Ascent(move=Step(0.125), parametrization=Pixels(), whole=whole)
        found = run(
            line(1), lambda y: y[:, 0] - tf.floor(y[:, 0] + 1e-3), ascent,
            np.zeros((1, 1), "float32"), steps=2,
        )  # fmt: skip
        np.testing.assert_allclose(found.scores[-1], [expected], atol=1e-6)
        np.testing.assert_allclose(found.images, [[expected]], atol=1e-6)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("radius", [1.0, 7.5, 40.0, 400.0])
def test_rounding_leads_out_of_no_ball_and_uses_it(norm, radius):
    random = np.random.default_rng(0)
    originals = np.full((6, 20, 20, 3), 100.0, "float32")
    way = (
        random.normal(size=originals.shape) * np.array([0.2, 1, 3, 10, 30, 0])[:, None, None, None]
    )
    near = Near(radius, norm)(tf.constant(originals + way, "float32"), originals, 0)
    found = Whole(radius, norm)(near, originals).numpy()
    np.testing.assert_array_equal(found, np.rint(found))
    change = (found - originals).reshape(6, -1)
    far = np.abs(change).max(1) if norm == "linf" else np.sqrt((change**2).sum(1))
    assert (far <= radius).all()
    if norm == "linf":
        assert far[4] == np.floor(min(radius, np.abs(way[4]).max()))
    elif radius >= 40:
        # Of a hundred pixels and more that move, rounding takes the length next to nothing.
        assert far[4] > 0.8 * radius


def test_values_that_are_not_finite_are_said():
    with pytest.raises(kviz.ImageError, match="not finite"):
        run(
            line(),
            lambda y: tf.reduce_sum(tf.sqrt(y), 1),
            STEPS,
            np.zeros((1, 2), "float32"),
            steps=3,
        )


def test_a_score_without_gradient_is_said():
    for score in (
        lambda y: tf.cast(tf.argmax(y, 1), tf.float32),
        lambda y: tf.zeros(tf.shape(y)[0]),
    ):
        with pytest.raises(kviz.LayerError, match="does not depend on the pixels"):
            run(line(), score, STEPS, np.zeros((1, 2), "float32"), steps=3)


def test_a_gradient_of_zero_is_noted():
    found = run(
        line(), lambda y: tf.reduce_sum(tf.nn.relu(y), 1), STEPS,
        np.array([[-1, -1], [1, 1]], "float32"), steps=3,
    )  # fmt: skip
    assert found.moved.tolist() == [False, True]
    np.testing.assert_array_equal(found.images[0], [-1, -1])


def test_what_tensorflow_cannot_run_is_a_model_error():
    def fails(outputs):
        with tf.control_dependencies([tf.debugging.assert_less(outputs, 1.0, "too high")]):
            return tf.reduce_sum(outputs, 1)

    with pytest.raises(kviz.ModelError, match="cannot be run"):
        run(line(), fails, STEPS, np.zeros((1, 2), "float32"), steps=5)


def test_frames_end_with_the_image():
    found = run(line(), hill, STEPS, np.zeros((1, 2), "float32"), steps=5, film=True)
    np.testing.assert_array_equal(found.frames[0], [[0, 0]])
    np.testing.assert_array_equal(found.frames[-1], np.rint(found.images))
    # A frame a step, and none of them twice.
    np.testing.assert_array_equal(found.frames[:, 0, 0], np.rint(0.6 * np.arange(6)))
    long = run(line(), hill, STEPS, np.zeros((1, 2), "float32"), steps=200, film=True)
    assert 20 < len(long.frames) < 30


@dataclass(frozen=True)
class Seen:
    """A piece that shows the network the number of the step's random view."""

    def __call__(self, pixels, seed):
        return pixels * 0 + tf.cast(seed[1], tf.float32) + 100 * tf.cast(seed[0], tf.float32)


def test_each_step_has_its_own_random_views():
    for place in (0, 1):
        pieces = [Noise(0.0), Noise(0.0)]
        pieces[place] = Seen()
        ascent = Ascent(move=Step(1.0), parametrization=Pixels(), transforms=tuple(pieces))
        inputs = keras.Input((1, 1, 1))
        model = keras.Model(inputs, layers.Activation("linear")(inputs))
        found = run(
            model,
            lambda y: y[:, 0, 0, 0],
            ascent,
            np.zeros((1, 1, 1, 1), "float32"),
            steps=4,
            seed=7,
        )
        np.testing.assert_array_equal(found.scores[:, 0], 700 + 2 * np.arange(5) + place)


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = line(), []
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    network = kviz.Network(model)
    passes = Passes(
        network.engine, as_score(hill), network.pixels(np.zeros((1, 2), "float32")), "x"
    )
    before = None
    for count, steps, seed in ((1, 3, 0), (4, 3, 0), (2, 60, 1), (1, 1, 2)):
        start = np.zeros((count, 2), "float32")
        target = np.arange(count, dtype=np.int32)
        climb(passes, UNTIL, [start], target, start, Run(steps=steps, seed=seed))
        before = before or len(traces)
        assert len(traces) == before > 0
