"""Class images: what they are taken for is asked of Keras itself."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.scores import ClassScore

KINDS = pytest.mark.parametrize("kind", ["pixel", "fourier", "maco"])
# A kind in each: which one is another for each test.
ONE_OF_THE_KINDS = pytest.mark.some(every=3)


def photos(count, shape=(16, 16, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), "uint8")


def net(shape=(16, 16, 3), *, last=None, classes=5, gain=1, dtype="float32"):
    """Return rescaling -> conv -> conv -> flatten -> dense, with logits `gain` times as far apart."""
    keras.utils.set_random_seed(1)
    kind = {"dtype": dtype}
    inputs = keras.Input(shape, dtype="float64" if dtype == "float64" else "float32")
    x = layers.Rescaling(1 / 255, **kind)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="one", **kind)(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="two", **kind)(x)
    x = layers.Flatten(**kind)(x)
    x = layers.Dense(classes, activation=last, name="dense", **kind)(x)
    model = keras.Model(inputs, x)
    kernel = model.get_layer("dense").kernel
    kernel.assign(gain * kernel)
    return model


def any_size(channels=3, shape=(None, None)):
    keras.utils.set_random_seed(0)
    return keras.Sequential([
        keras.Input((*shape, channels)), layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(8, 3, activation="relu"),
        layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return net(last="softmax")


def answers(model, images):
    """Return what Keras itself answers."""
    return np.asarray(model.predict(images, verbose=0), float)


@KINDS
def test_a_class_image_is_taken_for_its_class(kind, model):
    found = kviz.class_image(model, [3, 0, 1, 2, 4], parametrization=kind, steps=64)
    assert found.images.shape == (5, 16, 16, 3)
    assert found.images.dtype == np.float32
    assert found.images.min() >= 0
    assert found.images.max() <= 255
    sure = answers(model, found.images)
    assert sure.argmax(1).tolist() == [3, 0, 1, 2, 4]
    assert answers(model, found.pixels).argmax(1).tolist() == [3, 0, 1, 2, 4]
    assert found.arrived.all()
    np.testing.assert_allclose(found.target_scores, sure[np.arange(5), [3, 0, 1, 2, 4]], rtol=1e-3)
    assert [after for _, after in found.predictions] == list(found.labels)
    assert found.scores.shape == (65, 5)
    assert np.isfinite(found.scores).all()
    # The score is of a random view: over some steps it grows.
    assert (found.scores[-8:].mean(0) > found.scores[:8].mean(0)).all()
    assert found.made_by.settings["parametrization"] == kind
    assert found.made_by.settings["class_index"] == (3, 0, 1, 2, 4)


@ONE_OF_THE_KINDS
@KINDS
def test_it_is_more_of_its_class_than_noise_is(kind, model):
    found = kviz.class_image(model, range(5), parametrization=kind, steps=64)
    usual = answers(model, photos(200))
    assert (np.diag(answers(model, found.images)) > usual.mean(0) + usual.std(0)).all()


@ONE_OF_THE_KINDS
@KINDS
def test_the_scale_of_the_logits_does_not_matter(kind):
    options = {"parametrization": kind, "steps": 64}
    found = kviz.class_image(net(), [1, 2], **options).images
    steeper = kviz.class_image(net(gain=1000), [1, 2], **options).images
    apart = np.abs(found[0] - found[1]).mean()
    assert np.abs(steeper - found).mean() < 0.01 * apart


@ONE_OF_THE_KINDS
@KINDS
def test_a_seed_gives_the_same_again(kind, model):
    one, again, other = (
        kviz.class_image(model, [1, 1], parametrization=kind, steps=8, seed=seed).images
        for seed in (5, 5, 6)
    )
    assert one.tobytes() == again.tobytes()
    assert np.abs(one - other).mean() > 0.3
    # Each image begins in a place of its own.
    assert np.abs(one[0] - one[1]).mean() > 0.3


@ONE_OF_THE_KINDS
@KINDS
def test_results_do_not_depend_on_the_batch(kind, model):
    whole = kviz.class_image(model, range(5), parametrization=kind, steps=12)
    for batch_size in (1, 2, 3):
        found = kviz.class_image(
            model, range(5), parametrization=kind, steps=12, batch_size=batch_size
        )
        np.testing.assert_allclose(found.images, whole.images, atol=0.05)
        np.testing.assert_allclose(found.scores, whole.scores, atol=1e-3)


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = net(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    # So few steps that some go on against the other classes.
    kviz.class_image(network, range(5), steps=2)
    before = len(traces)
    assert before > 0
    for wanted, steps, batch_size in (([2, 3, 4], 5, 2), ([0], 1, 16), (range(5), 40, 3)):
        kviz.class_image(network, wanted, steps=steps, batch_size=batch_size, seed=steps)
    assert len(traces) == before


# Sizes.


@pytest.mark.slow
def test_a_model_of_any_size_takes_a_size():
    model = any_size()
    for size, expected in (((20, 27), (20, 27)), (18, (18, 18)), (np.int64(16), (16, 16))):
        found = kviz.class_image(model, [0, 1], target_size=size, steps=2, parametrization="pixel")
        assert found.images.shape == (2, *expected, 3)
        assert found.made_by.settings["target_size"] == tuple(expected)
    usual = kviz.class_image(model, 0, steps=1, parametrization="pixel")
    assert usual.images.shape == (1, 224, 224, 3)


@pytest.mark.slow
def test_a_model_of_one_free_side():
    model = any_size(shape=(None, 20))
    assert kviz.class_image(model, 0, target_size=(12, 20), steps=2).images.shape == (1, 12, 20, 3)
    with pytest.raises(kviz.OptionError, match=r"x 20 only\. Received: 12 x 21"):
        kviz.class_image(model, 0, target_size=(12, 21), steps=2)


@ONE_OF_THE_KINDS
@KINDS
def test_grey_models(kind):
    model = net((14, 11, 1), last="softmax")
    found = kviz.class_image(model, [0, 4], parametrization=kind, steps=64)
    assert found.images.shape == (2, 14, 11, 1)
    assert answers(model, found.images).argmax(1).tolist() == [0, 4]
    assert len(found.tiles()) == 3


@pytest.mark.slow
def test_photos_say_which_colours():
    model = net()
    red = np.array([60, 8, 5]) * np.random.default_rng(0).normal(size=(4, 12, 10, 1)) + [
        170,
        40,
        30,
    ]
    found = kviz.class_image(model, [0, 1], statistics=red.clip(0, 255), steps=1)
    mean = found.images.mean((0, 1, 2))
    np.testing.assert_allclose(mean, red.clip(0, 255).mean((0, 1, 2)), atol=20)
    usual = kviz.class_image(model, [0, 1], steps=1).images.mean((0, 1, 2))
    np.testing.assert_allclose(usual, [122, 117, 105], atol=20)
    maco = kviz.class_image(
        model, [0, 1], statistics=red.clip(0, 255), steps=1, parametrization="maco"
    ).images
    assert (maco[..., 0] > maco[..., 1]).mean() > 0.9
    assert found.made_by.settings["statistics"]


def test_photos_of_other_channels_are_refused():
    with pytest.raises(kviz.OptionError, match=r"\(N, H, W, 1\)"):
        kviz.class_image(net((12, 12, 1)), 0, statistics=photos(2, (12, 12, 3)), steps=1)


# Every kind of model.


@pytest.mark.slow
def test_classes_by_name():
    network = kviz.Network(net(), class_names=["cat", "dog", "owl", "pig", "yak"])
    found = kviz.class_image(network, ["Owl", "yak"], steps=2)
    assert found.labels == ("owl", "yak")
    same = kviz.class_image(network, np.array([2, -1]), steps=2)
    np.testing.assert_array_equal(same.images, found.images)
    assert kviz.class_image(network, "pig", steps=1).labels == ("pig",)


@pytest.mark.slow
def test_a_model_that_was_built_for_two_images(model):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    calls = []
    options = {"steps": 6, "parametrization": "pixel"}
    found = kviz.class_image(fixed, [1, 2, 3], progress=lambda *a: calls.append(a), **options)
    expected = kviz.class_image(model, [1, 2, 3], **options)
    np.testing.assert_allclose(found.images, expected.images, atol=0.05)
    assert all(0 <= done <= total for done, total in calls)
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("names", [("cat", "dog"), ()])
def test_one_unit(names):
    model = net(last="sigmoid", classes=1, gain=20)
    network = kviz.Network(model, class_names=names or None)
    found = kviz.class_image(network, ["cat", "dog"] if names else [0, 1], steps=64)
    assert found.arrived.all()
    assert (answers(model, found.images)[:, 0] > 0.5).tolist() == [False, True]
    model.get_layer("dense").bias.assign([-1000])
    never = kviz.class_image(network, "dog" if names else 1, steps=2)
    assert answers(model, never.images)[0, 0] < 0.5
    assert not never.arrived.any()


def test_a_class_that_is_not_reached_is_said():
    never = net(last="softmax")
    never.get_layer("dense").bias.assign([0, 0, -100, 0, 0])
    found = kviz.class_image(never, [3, 2], steps=64)
    assert found.arrived.tolist() == [True, False]
    assert "not as its class" not in found.tiles()[0].detail
    assert "not as its class" in found.tiles()[1].detail
    assert "not arrived" in str(found)


@pytest.mark.slow
def test_one_of_two_outputs():
    inputs = keras.Input((12, 12, 3))
    keras.utils.set_random_seed(1)
    x = layers.Flatten()(layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs)))
    model = keras.Model(inputs, {"kind": layers.Dense(4)(x), "size": layers.Dense(3)(x)})
    found = kviz.class_image(model, [0, 2], score=ClassScore(output="size"), steps=64)
    sizes = np.asarray(model.predict(found.images, verbose=0)["size"])
    assert sizes.argmax(1).tolist() == [0, 2]
    assert found.arrived.all()


@pytest.mark.slow
def test_a_function_as_score(model):
    found = kviz.class_image(
        model, [0, 0], score=lambda outputs: outputs[:, 1] + outputs[:, 2], steps=64
    )
    sure = answers(model, found.images)
    before = answers(model, photos(50))
    assert (sure[:, 1] + sure[:, 2] > (before[:, 1] + before[:, 2]).max()).all()


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("dtype", ["mixed_float16", "float64"])
def test_half_and_double_precision(dtype, model):
    other = net(last="softmax", dtype=dtype)
    other.set_weights(model.get_weights())
    found = kviz.class_image(other, [0, 2], steps=64)
    assert found.arrived.all()
    assert answers(other, found.images).argmax(1).tolist() == [0, 2]
    assert found.images.dtype == np.float32
    expected = kviz.class_image(model, [0, 2], steps=64)
    assert np.abs(found.images - expected.images).mean() < 1


@pytest.mark.slow
def test_a_subclassed_model(model):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, inputs):
            return self.inner(inputs)

    outer = Subclassed()
    outer(photos(1).astype("float32"))
    found = kviz.class_image(outer, [1, 2], steps=4)
    np.testing.assert_allclose(
        found.images, kviz.class_image(model, [1, 2], steps=4).images, atol=0.05
    )


# Interrupts, films, bad input.


def test_an_interrupt_returns_the_images_so_far(model):
    def progress(done, total):
        assert total == 3 * 20
        if done >= 27:
            raise KeyboardInterrupt

    found = kviz.class_image(model, range(5), steps=20, batch_size=2, progress=progress)
    assert "Interrupted" in found.notes[-1]
    assert (
        len(found.images) == len(found.labels) == len(found.arrived) == len(found.predictions) == 4
    )
    whole = kviz.class_image(model, range(5), steps=20, batch_size=2)
    np.testing.assert_array_equal(found.images[:2], whole.images[:2])
    assert np.isfinite(found.scores).sum(0).tolist() == [21, 21, 7, 7]


@pytest.mark.slow
def test_a_film_ends_with_the_image(model):
    # With few steps there are more against other classes, and they are in the film too.
    for steps in (4, 64):
        found = kviz.class_image(model, [1, 2], steps=steps, film=True)
        assert found.frames.shape[1:] == (2, 16, 16, 3)
        assert found.frames.dtype == np.uint8
        np.testing.assert_array_equal(found.frames[-1], found.pixels)
        assert np.abs(found.frames[0].astype(int) - found.frames[-1]).mean() > 0.3
        plain = kviz.class_image(model, [1, 2], steps=steps)
        np.testing.assert_array_equal(plain.images, found.images)
    assert len(kviz.class_image(model, [1, 2], steps=4, film=True).frames) >= 5


@pytest.mark.slow
def test_weights_that_are_not_finite():
    model = net()
    kernel = model.get_layer("dense").kernel
    kernel.assign(kernel * np.nan)
    with pytest.raises(kviz.ImageError, match="not finite"):
        kviz.class_image(model, 1, steps=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_index": 5}, "0 to 4. Received: 5"),
        ({"class_index": "cow"}, "no class names"),
        ({"class_index": []}, "class"),
        ({"class_index": [[0, 1]]}, "one"),
        ({"parametrization": "wavelet"}, "takes one of .*'pixel', 'fourier', 'maco', 'values'"),
        ({"steps": 0}, "steps takes a whole number from 1. Received: 0"),
        ({"steps": 1.5}, "Received: 1.5"),
        ({"target_size": 20}, "The model takes images of 16 x 16"),
        ({"target_size": (16, 16, 3)}, "height and a width"),
        ({"target_size": 16.5}, "a whole number from 1"),
        ({"target_size": True}, "target_size"),
        ({"target_size": (0, 16)}, "height and a width"),
        ({"batch_size": 0}, "batch_size takes a whole number from 1. Received: 0"),
        ({"seed": -1}, "seed"),
        ({"statistics": np.zeros((16, 16, 3))}, r"statistics takes photos \(N, H, W, 3\)"),
        (
            {"parametrization": "values"},
            "takes 'pixel' or 'fourier' or 'maco' for a model of photos",
        ),
        (
            {"statistics": np.full((1, 16, 16, 3), 0.5)},
            "photos in 0-255. Received: values up to 0.5",
        ),
        ({"score": 7}, "function"),
    ],
)
def test_bad_input_is_one_sentence(options, message, model):
    with pytest.raises(kviz.OptionError, match=message) as caught:
        kviz.class_image(model, **{"class_index": 1, "steps": 1, **options})
    assert len(str(caught.value)) <= 300


def test_models_of_several_inputs_are_refused():
    vector, photo = keras.Input((3,), name="vector"), keras.Input((8, 8, 3), name="photo")
    x = layers.Concatenate()([layers.Flatten()(photo), vector])
    model = keras.Model([photo, vector], layers.Dense(2)(x))
    with pytest.raises(kviz.OptionError, match="models of one input"):
        kviz.class_image(model, 1, steps=1)


# What is no photo.


def linear(shape, classes=3, seed=0):
    """Return a model whose scores are linear in its input, and their weights by class."""
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(classes)])
    weights = np.random.default_rng(seed).normal(size=(classes, *shape)).astype("float32")
    model.set_weights([weights.reshape(classes, -1).T, np.zeros(classes, "float32")])
    return model, weights


def highest(gradient):
    """Return what a linear score and its penalties are best for, by a system of linear equations.

    The penalties' gradient is as long as the score's there: with `d` the differences along an axis,
    `(2 w / n) z + sum of (2 w / (axes n')) d^T d z = g / |g|`, where `w` is half the root of n.
    """
    *size, channels = gradient.shape
    count = gradient.size
    matrix = np.eye(count)
    for axis, length in enumerate(size):
        step = np.diff(np.eye(length), axis=0)
        each = [np.eye(side) for side in (*size, channels)]
        each[axis] = step.T @ step
        whole = each[0]
        for other in each[1:]:
            whole = np.kron(whole, other)
        matrix += whole * length / ((length - 1) * len(size))
    right = gradient.ravel() / np.linalg.norm(gradient) * np.sqrt(count)
    return np.linalg.solve(matrix, right).reshape(gradient.shape)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(11, 2), (3, 5, 4, 1), (7,), (30, 1)])
def test_of_a_linear_model_it_is_what_equations_say(shape):
    model, weights = linear(shape)
    found = kviz.class_image(model, [2, 0])
    assert found.images.shape == (2, *shape)
    for image, wanted in zip(found.images, weights[[2, 0]], strict=True):
        np.testing.assert_allclose(image, highest(wanted.astype(float)), atol=0.02)
    assert found.arrived.all()
    assert "mean 0 and standard deviation 1" in found.notes[0]
    assert found.made_by.settings["parametrization"] == "values"
    assert found.made_by.settings["target_size"] == shape[:-1]
    assert found.tiles()


def test_features_are_a_deviation_large_on_average():
    model, weights = linear((40,))
    images = kviz.class_image(model, 1).images[0]
    np.testing.assert_allclose(np.sqrt((images**2).mean()), 1, atol=0.01)
    assert np.corrcoef(images, weights[1])[0, 1] > 0.999


@pytest.mark.slow
def test_a_long_signal_looks_like_its_class():
    """It is shifted along the way, so that only what is slower than that is exact."""
    model, _ = linear((96, 1))
    time = np.arange(96)
    weights = np.stack([
        np.exp(-((time - 30) ** 2) / 60) * np.cos(time / 4), np.sin(time / 7),
        -np.exp(-((time - 70) ** 2) / 200),
    ], 1)  # fmt: skip
    model.set_weights([weights.astype("float32"), np.zeros(3, "float32")])
    found = kviz.class_image(model, range(3))
    for image, wanted in zip(found.images[..., 0], weights.T, strict=True):
        assert np.corrcoef(image, wanted)[0, 1] > 0.97


@pytest.mark.slow
def test_a_long_signal_is_shifted_by_a_part_of_32_along_the_way():
    """What is highest on average over these shifts is a sum of shifted weights."""
    model, weights = linear((96, 1))
    image = kviz.class_image(model, 1, score=lambda outputs: outputs[:, 1]).images[0]
    near = {}
    for reach in (0, 3, 8):
        shifted = [np.roll(weights[1], by, 0) for by in range(-reach, reach + 1)]
        near[reach] = np.corrcoef(image.ravel(), highest(np.mean(shifted, 0)).ravel())[0, 1]
    assert near[3] > 0.9
    assert near[3] > max(near[0], near[8]) + 0.02, near


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_examples_say_what_values_are_like(scale):
    """A model of data of another scale and mean, a channel at a time, has the same image in theirs."""
    mean, deviation = np.array([5, -300]) * scale, np.array([2, 0.1]) * scale
    model, weights = linear((9, 2))
    drawn = np.random.default_rng(0).normal(size=(50, 9, 2))
    drawn = (drawn - drawn.mean((0, 1))) / drawn.std((0, 1))
    # A function as score: nothing more is gone against the other classes.
    found = kviz.class_image(
        model, 1, statistics=mean + deviation * drawn, score=lambda outputs: outputs[:, 1]
    )
    expected = highest(weights[1] * deviation)
    np.testing.assert_allclose((found.images[0] - mean) / deviation, expected, atol=0.03)
    assert not found.notes
    low, high = found.bounds
    np.testing.assert_allclose(
        [low, high], [(mean - 2 * deviation).min(), (mean + 2 * deviation).max()], rtol=1e-4
    )


@pytest.mark.slow
def test_a_channel_that_never_varies_stays():
    model, _ = linear((9, 2))
    examples = np.random.default_rng(0).normal(size=(5, 9, 2))
    examples[..., 1] = 7
    found = kviz.class_image(model, 0, statistics=examples, steps=20).images
    assert (found[..., 1] == 7).all()
    assert found[..., 0].std() > 0.1


def convolved(shape):
    """Return a small net of as many axes as a shape has, with ReLU."""
    keras.utils.set_random_seed(3)
    conv = {2: layers.Conv1D, 4: layers.Conv3D}.get(len(shape))
    ways = [conv(4, 3, activation="relu", name="conv")] if conv else []
    return keras.Sequential(
        [keras.Input(shape), *ways, layers.Flatten(), layers.Dense(6, activation="relu"),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip


SHAPES = pytest.mark.parametrize("shape", [(64, 2), (4, 6, 6, 1), (6, 33, 32, 3), (8,)])


@pytest.mark.some(every=2)
@SHAPES
def test_what_is_no_photo_arrives_and_repeats(shape):
    model = convolved(shape)
    options = {"steps": 30, "film": True}
    whole = kviz.class_image(model, [0, 1, 2], **options)
    assert whole.images.shape == (3, *shape)
    sure = answers(model, whole.images)
    assert (sure.argmax(1) == range(3)).tolist() == whole.arrived.tolist()
    assert whole.arrived.any()
    np.testing.assert_array_equal(whole.frames[-1], whole.pixels)
    again = kviz.class_image(model, [0, 1, 2], **options)
    assert again.images.tobytes() == whole.images.tobytes()
    other = kviz.class_image(model, [0, 1, 2], seed=1, **options)
    assert np.abs(other.images - whole.images).max() > 1e-3
    by_two = kviz.class_image(model, [0, 1, 2], batch_size=2, **options)
    np.testing.assert_allclose(by_two.images, whole.images, atol=2e-3)


@pytest.mark.slow
def test_a_signal_of_any_length_needs_one():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((None, 2)), layers.Conv1D(4, 3, name="conv"),
        layers.GlobalAveragePooling1D(), layers.Dense(2),
    ])  # fmt: skip
    for size in (40, (40,)):
        assert kviz.class_image(model, 0, target_size=size, steps=2).images.shape == (1, 40, 2)
    film = keras.Sequential([
        keras.Input((None, 8, 8, 3)), layers.TimeDistributed(layers.Conv2D(4, 3), name="conv"),
        layers.GlobalAveragePooling3D(), layers.Dense(2),
    ])  # fmt: skip
    made = kviz.class_image(film, 0, target_size=(4, 8, 8), steps=2)
    assert made.images.shape == (1, 4, 8, 8, 3)
    with pytest.raises(kviz.OptionError, match=r"target_size says which: 3 lengths\.$"):
        kviz.class_image(film, 0, steps=2)
    with pytest.raises(
        kviz.OptionError, match=r"volumes of any x 8 x 8 only\. Received: 4 x 8 x 9"
    ):
        kviz.class_image(film, 0, target_size=(4, 8, 9), steps=2)
    for options, message in (
        ({}, r"signals \(N, L, channels\) of any size; target_size says which: a length\.$"),
        ({"target_size": (4, 4)}, r"a whole number from 1\. Received: \(4, 4\)"),
        ({"target_size": 9, "parametrization": "fourier"}, "takes 'values' for a model of signals"),
        (
            {"target_size": 9, "statistics": np.ones((3, 9, 3))},
            r"statistics takes signals \(N, L, 2\)",
        ),
        ({"target_size": 9, "statistics": np.ones((3, 9, 2))}, "which differ"),
    ):
        with pytest.raises(kviz.OptionError, match=message):
            kviz.class_image(model, 0, steps=2, **options)
    features, _ = linear((5,))
    with pytest.raises(kviz.OptionError, match="target_size is not for features"):
        kviz.class_image(features, 0, target_size=5)


def test_images_for_a_model_that_does_not_show_what_it_takes_are_said_to_be_0_255():
    keras.utils.set_random_seed(1)
    plain = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(4, 3, name="conv"), layers.Flatten(),
         layers.Dense(3)]
    )  # fmt: skip
    shows = keras.Sequential([keras.Input((12, 12, 3)), layers.Rescaling(1 / 255), plain])
    prepared = kviz.Network(plain, preprocess=layers.Rescaling(1 / 255))
    for make in (
        lambda model: kviz.class_image(model, 0, steps=1, parametrization="pixel"),
        lambda model: kviz.filter_patterns(model, "*conv", [0], steps=1),
    ):
        assert "Made of pixels 0-255" in make(plain).notes[0]
        assert not make(shows).notes
        assert not make(prepared).notes
