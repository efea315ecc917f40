"""Deep dream: the mean squares of layers' maps are recomputed by Keras itself."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz


def photos(count, shape=(24, 20, 3), seed=0):
    """Return smooth pictures: noise would have no detail to add."""
    coarse = np.random.default_rng(seed).uniform(40, 215, (count, 4, 4, shape[2]))
    large = coarse.repeat(-(-shape[0] // 4), axis=1).repeat(-(-shape[1] // 4), axis=2)
    return large[:, : shape[0], : shape[1]].astype("uint8")


def net(shape=(24, 20, 3)):
    keras.utils.set_random_seed(1)
    return keras.Sequential([
        keras.Input(shape), layers.Rescaling(1 / 255),
        layers.Conv2D(6, 3, activation="relu", name="first"),
        layers.Conv2D(8, 3, activation="relu", name="second"),
        layers.Conv2D(4, 3, activation="relu", name="third"),
        layers.GlobalAveragePooling2D(), layers.Dense(3, name="dense"),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return net()


def squares(model, images, *names):
    """Return the mean square of layers' maps, added up, by Keras itself."""
    total = np.zeros(len(images))
    for name in names:
        part = keras.Model(model.inputs, model.get_layer(name).output)
        maps = np.asarray(part.predict(np.asarray(images, "float32"), verbose=0), float)
        total += (maps**2).reshape(len(images), -1).mean(1)
    return total


@pytest.mark.some(every=3)
@pytest.mark.parametrize("names", [["first"], ["third"], ["first", "third"]])
@pytest.mark.parametrize("shape", [(24, 20, 3), (None, None, 3)])
@pytest.mark.parametrize("octaves", [1, 3])
def test_there_is_more_of_what_layers_see(names, shape, octaves):
    model, x = net(shape), photos(2)
    found = kviz.deep_dream(model, x, names, octaves=octaves, octave_scale=1.2, steps=8)
    assert found.images.shape == x.shape
    assert found.images.min() >= 0
    assert found.images.max() <= 255
    before, after = squares(model, x, *names), squares(model, found.images, *names)
    assert (after > 1.3 * before).all()
    assert found.arrived.all()
    assert found.labels == (", ".join(names),) * 2
    np.testing.assert_array_equal(found.originals, x)
    # What is dreamed is laid over the photo, and no other.
    own = np.abs(found.images - x).mean((1, 2, 3))
    other = np.abs(found.images - x[::-1]).mean((1, 2, 3))
    assert (own < other).all()


def test_one_octave_by_hand(model):
    """Steps of the length that is asked for, from the photo itself; one step is looked at unshifted."""
    found = kviz.deep_dream(model, photos(2), "second", octaves=1, steps=1, step_size=2.0)
    change = (found.images - photos(2)).reshape(2, -1)
    inside = (found.images > 0) & (found.images < 255)
    assert inside.all(), "nothing is cut off"
    np.testing.assert_allclose(np.sqrt((change**2).mean(1)), 2, rtol=1e-3)
    assert found.scores.shape == (2, 2)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(24, 20, 3), (None, None, 3)])
def test_scores_are_of_the_images_but_for_shifts(shape):
    """A layer of single pixels does not see shifts, so that it can be asked about the image."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input(shape), layers.Rescaling(1 / 255), layers.Conv2D(4, 1, name="conv")]
    )
    found = kviz.deep_dream(model, photos(2), "conv", octaves=1, steps=5)
    np.testing.assert_allclose(found.scores[0], squares(model, photos(2), "conv"), rtol=1e-3)
    np.testing.assert_allclose(found.scores[-1], squares(model, found.images, "conv"), rtol=1e-3)


def test_the_layer_in_the_middle_by_default(model):
    found = kviz.deep_dream(model, photos(1), octaves=1, steps=1)
    assert found.labels == ("second",)
    assert found.made_by.settings["layer_names"] == ("second",)


@pytest.mark.slow
def test_octaves_grow_up_to_the_photo():
    model = net((None, None, 3))
    found = kviz.deep_dream(
        model, photos(1, (60, 40, 3)), "first", octaves=3, octave_scale=1.5, steps=2
    )
    # Two steps at 27 x 18, 40 x 27 and 60 x 40.
    assert found.scores.shape == (6 + 1, 1)
    assert [row[4] for row in found.tables()[0].rows] == ["6"]
    small = kviz.deep_dream(
        model, photos(1, (60, 40, 3)), "first", octaves=9, octave_scale=1.5, steps=2
    )
    assert small.scores.shape == (6 + 1, 1), "none below 16 pixels"


@pytest.mark.slow
def test_a_photo_smaller_than_the_smallest_octave():
    model = net((12, 11, 3))
    found = kviz.deep_dream(model, photos(1, (12, 11, 3)), "first", steps=4)
    assert found.images.shape == (1, 12, 11, 3)
    assert squares(model, found.images, "first") > squares(model, photos(1, (12, 11, 3)), "first")


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(24, 20, 1), (None, None, 1), (None, 20, 1)])
def test_grey_models(shape):
    found = kviz.deep_dream(net(shape), photos(2, (24, 20, 1)), "second", octaves=2, steps=4)
    assert found.images.shape == (2, 24, 20, 1)
    assert (
        squares(net(shape), found.images, "second") > squares(net(shape), found.originals, "second")
    ).all()
    assert len(found.tiles()) == 5


@pytest.mark.slow
def test_a_model_that_was_built_for_two_images(model):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 24, 20, 3)))
    fixed.set_weights(model.get_weights())
    found = kviz.deep_dream(fixed, photos(3), "third", octaves=2, steps=3, names=list("abc"))
    expected = kviz.deep_dream(model, photos(3), "third", octaves=2, steps=3)
    np.testing.assert_allclose(found.images, expected.images, atol=0.05)
    assert found.names == ("a", "b", "c")


def test_results_do_not_depend_on_the_batch(model):
    whole = kviz.deep_dream(model, photos(3), "third", octaves=2, steps=5)
    for batch_size in (1, 2):
        found = kviz.deep_dream(
            model, photos(3), "third", octaves=2, steps=5, batch_size=batch_size
        )
        np.testing.assert_allclose(found.images, whole.images, atol=0.05)
        np.testing.assert_allclose(found.scores, whole.scores, rtol=1e-3)


def test_a_seed_gives_the_same_again(model):
    one, again, other = (
        kviz.deep_dream(model, photos(1), "third", octaves=2, steps=5, seed=seed).images
        for seed in (1, 1, 5)
    )
    assert one.tobytes() == again.tobytes()
    assert np.abs(one - other).max() > 0.1


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = net(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    kviz.deep_dream(network, photos(1), "second", octaves=2, octave_scale=1.2, steps=2)
    before = len(traces)
    assert before > 0
    for count, steps, batch_size in ((3, 2, 2), (2, 30, 8)):
        kviz.deep_dream(
            network, photos(count, seed=count), "second", octaves=2, octave_scale=1.2, steps=steps,
            batch_size=batch_size,
        )  # fmt: skip
    assert len(traces) == before


@pytest.mark.slow
def test_half_and_double_precision():
    keras.utils.set_random_seed(1)
    for kind in ("mixed_float16", "float64"):
        inputs = keras.Input((16, 16, 3), dtype=None if kind == "mixed_float16" else kind)
        x = layers.Rescaling(1 / 255, dtype=kind)(inputs)
        x = layers.Conv2D(4, 3, activation="relu", dtype=kind, name="conv")(x)
        model = keras.Model(inputs, x)
        found = kviz.deep_dream(model, photos(1, (16, 16, 3)), "conv", octaves=1, steps=4)
        assert (
            squares(model, found.images, "conv") > squares(model, found.originals, "conv")
        ).all()


def test_a_dead_layer_is_no_dream():
    model = net()
    model.get_layer("first").bias.assign([-1e6] * 6)
    found = kviz.deep_dream(model, photos(1), "first", octaves=1, steps=2)
    assert not found.arrived.any()
    np.testing.assert_array_equal(found.images, photos(1))


@pytest.mark.some(every=2)
@pytest.mark.parametrize("after", [3, 9])
def test_an_interrupt_returns_the_images_so_far(after, model):
    """With nine looks at an octave the third comes from the first, and the image is whole."""
    calls = []

    def progress(done, total):
        assert total == 2 * 8 * 2  # octaves, steps, batches
        calls.append(done)
        if len(calls) == after:
            raise KeyboardInterrupt

    x = photos(3)
    found = kviz.deep_dream(
        model, x, "first", octaves=2, octave_scale=1.25, steps=8, batch_size=2, progress=progress
    )
    assert len(calls) == after
    assert "Interrupted" in found.notes[-1]
    assert found.images.shape == (2, 24, 20, 3)
    assert found.images.min() >= 0
    assert found.images.max() <= 255
    assert (squares(model, found.images, "first") > squares(model, x[:2], "first")).all()


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(24, 20, 3), (None, None, 3)])
def test_frames_are_of_the_photos_size(shape):
    found = kviz.deep_dream(
        net(shape), photos(2), "first", octaves=2, octave_scale=1.2, steps=3, film=True
    )
    assert found.frames.shape == (2 * 4, 2, 24, 20, 3)
    assert found.frames.dtype == np.uint8
    np.testing.assert_array_equal(found.frames[-1], found.pixels)


def test_files_of_images(model, tmp_path):
    from PIL import Image

    Image.fromarray(photos(1)[0]).save(tmp_path / "photo.png")
    found = kviz.deep_dream(model, tmp_path / "photo.png", "first", octaves=1, steps=1)
    assert found.names == ("photo.png",)
    np.testing.assert_array_equal(found.originals, photos(1))


@pytest.mark.parametrize(
    ("images", "options", "kind", "message"),
    [
        (0, {"octaves": 0}, kviz.OptionError, "octaves takes a whole number from 1. Received: 0"),
        (0, {"octaves": True}, kviz.OptionError, "octaves"),
        (0, {"steps": 0}, kviz.OptionError, "steps takes a whole number from 1"),
        (0, {"steps": 1.5}, kviz.OptionError, "Received: 1.5"),
        (0, {"step_size": 0}, kviz.OptionError, "step_size takes a number above 0"),
        (0, {"step_size": -1}, kviz.OptionError, "step_size takes a number above 0"),
        (0, {"octave_scale": 1}, kviz.OptionError, "octave_scale takes a number above 1"),
        (0, {"batch_size": 0}, kviz.OptionError, "batch_size"),
        (0, {"layer_names": "fist"}, kviz.LayerError, "Did you mean 'first'"),
        (0, {"layer_names": []}, kviz.LayerError, "at least one layer"),
        (-100.0, {}, kviz.ImageError, "from 0 to 255"),
        (200.0, {}, kviz.ImageError, "from 0 to 255"),
    ],
)
def test_bad_input_is_one_sentence(images, options, kind, message, model):
    with pytest.raises(kviz.KvizError, match=message) as caught:
        kviz.deep_dream(model, photos(1) + images, **options)
    assert type(caught.value) is kind
    assert len(str(caught.value)) <= 300


def test_vectors_have_no_dreams():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Dense(3, name="dense")(inputs))
    with pytest.raises(kviz.ImageError, match="photos"):
        kviz.deep_dream(model, np.ones((1, 5)), "dense")


@pytest.mark.slow
def test_octaves_too_small_for_the_model_are_left_out_and_said():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Rescaling(1 / 255)])
    for number in range(4):
        model.add(layers.Conv2D(4, 3, strides=2, activation="elu", name=f"conv{number}"))
    photo = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3))
    found = kviz.deep_dream(model, photo, "conv3", octaves=4, steps=3)
    assert found.images.shape == (1, 48, 48, 3)
    assert np.abs(found.images - photo).mean() > 1
    # 31 pixels are the least of which four such windows make one.
    assert found.notes == ("Octaves too small for the model were left out: 17 x 17, 24 x 24",)
    assert len(found.scores) == 2 * 3 + 1
    with pytest.raises(kviz.ModelError, match="cannot be run"):
        kviz.deep_dream(model, photo[:, :30, :30], "conv3", octaves=2, steps=3)


def test_progress_of_several_batches_is_one():
    told = []
    kviz.deep_dream(
        net(), photos(3), "first", octaves=2, octave_scale=1.25, steps=3, batch_size=1,
        progress=lambda *now: told.append(now),
    )  # fmt: skip
    done, total = zip(*told, strict=True)
    assert set(total) == {3 * 2 * 3}
    assert list(done) == sorted(done)
    assert done[-1] == total[-1]
