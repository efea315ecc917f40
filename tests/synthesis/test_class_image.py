"""Class images: what they are taken for is asked of Keras itself."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.scores import ClassScore

KINDS = pytest.mark.parametrize("kind", ["pixel", "fourier", "maco"])


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


@KINDS
def test_it_is_more_of_its_class_than_noise_is(kind, model):
    found = kviz.class_image(model, range(5), parametrization=kind, steps=64)
    usual = answers(model, photos(200))
    assert (np.diag(answers(model, found.images)) > usual.mean(0) + usual.std(0)).all()


@KINDS
def test_the_scale_of_the_logits_does_not_matter(kind):
    options = {"parametrization": kind, "steps": 64}
    found = kviz.class_image(net(), [1, 2], **options).images
    steeper = kviz.class_image(net(gain=1000), [1, 2], **options).images
    apart = np.abs(found[0] - found[1]).mean()
    assert np.abs(steeper - found).mean() < 0.01 * apart


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


def test_a_model_of_any_size_takes_a_size():
    model = any_size()
    for size, expected in (((20, 27), (20, 27)), (18, (18, 18)), (np.int64(16), (16, 16))):
        found = kviz.class_image(model, [0, 1], target_size=size, steps=2)
        assert found.images.shape == (2, *expected, 3)
        assert found.made_by.settings["target_size"] == tuple(expected)
    assert kviz.class_image(model, 0, steps=1).images.shape == (1, 224, 224, 3)


def test_a_model_of_one_free_side():
    model = any_size(shape=(None, 20))
    assert kviz.class_image(model, 0, target_size=(12, 20), steps=2).images.shape == (1, 12, 20, 3)
    with pytest.raises(kviz.OptionError, match=r"x 20 only\. Received: 12 x 21"):
        kviz.class_image(model, 0, target_size=(12, 21), steps=2)


@KINDS
def test_grey_models(kind):
    model = net((14, 11, 1), last="softmax")
    found = kviz.class_image(model, [0, 4], parametrization=kind, steps=64)
    assert found.images.shape == (2, 14, 11, 1)
    assert answers(model, found.images).argmax(1).tolist() == [0, 4]
    assert len(found.tiles()) == 3


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


def test_classes_by_name():
    network = kviz.Network(net(), class_names=["cat", "dog", "owl", "pig", "yak"])
    found = kviz.class_image(network, ["Owl", "yak"], steps=2)
    assert found.labels == ("owl", "yak")
    same = kviz.class_image(network, np.array([2, -1]), steps=2)
    np.testing.assert_array_equal(same.images, found.images)
    assert kviz.class_image(network, "pig", steps=1).labels == ("pig",)


def test_a_model_that_was_built_for_two_images(model):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    calls = []
    found = kviz.class_image(fixed, [1, 2, 3], steps=6, progress=lambda *a: calls.append(a))
    expected = kviz.class_image(model, [1, 2, 3], steps=6)
    np.testing.assert_allclose(found.images, expected.images, atol=0.05)
    assert all(0 <= done <= total for done, total in calls)
    assert calls[-1][0] == calls[-1][1]


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
    assert "not for its class" not in found.tiles()[0].detail
    assert "not for its class" in found.tiles()[1].detail
    assert "not arrived" in str(found)


def test_one_of_two_outputs():
    inputs = keras.Input((12, 12, 3))
    keras.utils.set_random_seed(1)
    x = layers.Flatten()(layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs)))
    model = keras.Model(inputs, {"kind": layers.Dense(4)(x), "size": layers.Dense(3)(x)})
    found = kviz.class_image(model, [0, 2], score=ClassScore(output="size"), steps=64)
    sizes = np.asarray(model.predict(found.images, verbose=0)["size"])
    assert sizes.argmax(1).tolist() == [0, 2]
    assert found.arrived.all()


def test_a_function_as_score(model):
    found = kviz.class_image(
        model, [0, 0], score=lambda outputs: outputs[:, 1] + outputs[:, 2], steps=64
    )
    sure = answers(model, found.images)
    before = answers(model, photos(50))
    assert (sure[:, 1] + sure[:, 2] > (before[:, 1] + before[:, 2]).max()).all()


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
        ({"parametrization": "wavelet"}, "parametrization takes one of 'pixel', 'fourier', 'maco'"),
        ({"steps": 0}, "steps takes a whole number from 1. Received: 0"),
        ({"steps": 1.5}, "Received: 1.5"),
        ({"target_size": 20}, "The model takes images of 16 x 16"),
        ({"target_size": (16, 16, 3)}, "height and a width"),
        ({"target_size": 16.5}, "height and a width"),
        ({"target_size": True}, "target_size"),
        ({"target_size": (0, 16)}, "height and a width"),
        ({"batch_size": 0}, "batch_size takes a whole number from 1. Received: 0"),
        ({"seed": -1}, "seed"),
        ({"statistics": np.zeros((16, 16, 3))}, "statistics takes photos"),
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


def test_models_without_one_photo_are_refused():
    vector, photo = keras.Input((3,), name="vector"), keras.Input((8, 8, 3), name="photo")
    for model in (
        keras.Model(vector, layers.Dense(2)(vector)),
        keras.Model(
            [photo, vector],
            layers.Dense(2)(layers.Concatenate()([layers.Flatten()(photo), vector])),
        ),
    ):
        with pytest.raises(kviz.OptionError, match="models that take one photo"):
            kviz.class_image(model, 1, steps=1)


def test_images_for_a_model_that_does_not_show_what_it_takes_are_said_to_be_0_255():
    keras.utils.set_random_seed(1)
    plain = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(4, 3, name="conv"), layers.Flatten(),
         layers.Dense(3)]
    )  # fmt: skip
    shows = keras.Sequential([keras.Input((12, 12, 3)), layers.Rescaling(1 / 255), plain])
    prepared = kviz.Network(plain, preprocess=layers.Rescaling(1 / 255))
    for make in (
        lambda model: kviz.class_image(model, 0, steps=1),
        lambda model: kviz.filter_patterns(model, "*conv", [0], steps=1),
    ):
        assert "Made of pixels 0-255" in make(plain).notes[0]
        assert not make(shows).notes
        assert not make(prepared).notes
