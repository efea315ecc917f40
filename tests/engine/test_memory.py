"""The memory that a model may take: fewer images at once first, one sentence then."""

import copy
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz import _process
from kviz._checks import bytes_of
from kviz._process import free, total
from kviz.engine import memory
from kviz.errors import KvizWarning, ModelError, OptionError

MB = 10**6


@pytest.fixture(scope="module")
def model():
    """Return a network of which an image takes some 3 MB, and its gradient more."""
    image = keras.Input((64, 64, 3), name="in")
    x = layers.Conv2D(32, 3, activation="relu", name="c1")(image)
    x = layers.Conv2D(32, 3, activation="relu", name="c2")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(4, activation="softmax")(x))


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "count"),
    [("8GB", 8 * 10**9), ("500MB", 500 * MB), ("1.5 gb", 15 * 10**8), ("2GiB", 2 << 30), (10, 10),
     ("7", 7)],
)  # fmt: skip
def test_sizes(size, count):
    assert bytes_of(size) == count


@pytest.mark.parametrize("size", ["", "8 apples", "-1GB", 0, -5, True, 1.5, "1e9", None, "9" * 40])
def test_what_is_no_size(size):
    with pytest.raises(OptionError, match="max_memory takes a size such as 8GB"):
        bytes_of(size)


def test_what_is_free_is_part_of_what_there_is():
    assert 0 < free() <= total()


VERBS = {
    "activations": lambda n, x, b, p: kviz.activations(n, x, "c2", b, progress=p)["c2"],
    "predict": lambda n, x, b, p: kviz.predict(n, x, batch_size=b, progress=p).scores,
    "saliency": lambda n, x, b, p: kviz.attribute(
        n, x, "saliency", batch_size=b, progress=p
    ).maps,
    "occlusion": lambda n, x, b, p: kviz.attribute(
        n, x, "occlusion", window=16, stride=16, batch_size=b, progress=p
    ).maps,
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_fewer_images_at_once_give_the_same(verb, model, photos):
    def seen(**options):
        done = [0]
        found = VERBS[verb](
            kviz.Network(model, **options), photos, 6, lambda now, _: done.append(now)
        )
        return found, max(np.diff(done))

    wanted, most = seen(max_memory="1GB")
    assert most == 6
    found, fewer = seen(max_memory="4MB")
    assert 1 <= fewer < 6
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_network_itself_takes_fewer_too(model, photos):
    wanted = kviz.Network(model)(photos)
    np.testing.assert_allclose(kviz.Network(model, max_memory="4MB")(photos), wanted, atol=1e-6)


MADE = {
    "fool": lambda n, x: kviz.fool(n, x, class_index=1, steps=3).images,
    "deep_dream": lambda n, x: kviz.deep_dream(n, x, "c1", octaves=1, steps=2).images,
    "class_image": lambda n, _: kviz.class_image(n, [0, 1, 2], steps=2).images,
}


@pytest.mark.some(every=3)
@pytest.mark.parametrize("verb", MADE)
def test_what_is_made_of_images_is_made_with_fewer(verb, model, photos):
    wanted = MADE[verb](kviz.Network(model), photos)
    found = MADE[verb](kviz.Network(model, max_memory="9MB"), photos)
    np.testing.assert_allclose(found, wanted, atol=0.5)


@pytest.mark.parametrize("verb", VERBS)
def test_one_image_too_many_is_refused_with_the_number(verb, model, photos):
    with pytest.raises(
        ModelError, match=r"take about [1-9][0-9]* MB of memory, even for one"
    ) as found:
        VERBS[verb](kviz.Network(model, max_memory="300KB"), photos, 6, None)
    assert "max_memory=" in str(found.value)


def test_whoever_gives_a_model_is_told_and_a_stranger_refused(model, photos, monkeypatch):
    monkeypatch.setattr(memory, "LITTLE", 0)
    monkeypatch.setattr(memory, "allowance", lambda **_: MB // 2)
    with pytest.warns(KvizWarning, match="more than the 1 MB that kviz counts on"):
        kviz.attribute(kviz.Network(model), photos[:1], "saliency")
    with pytest.raises(ModelError, match="even for one image"):
        kviz.attribute(kviz.Network(model, stranger=True), photos[:1], "saliency")
    # What the whole machine has not is refused to everyone.
    monkeypatch.setattr(memory, "total", lambda: MB)
    with pytest.raises(ModelError, match="even for one image"):
        kviz.attribute(kviz.Network(model), photos[:1], "saliency")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kviz.attribute(kviz.Network(model, max_memory="1GB"), photos[:1], "saliency")


def test_a_copy_of_a_network_takes_no_more(model):
    network = copy.deepcopy(kviz.Network(model, max_memory="1MB", stranger=True))
    assert (network.engine.memory.most, network.engine.memory.stranger) == (MB, True)


def test_it_is_asked_once_for_a_shape(model, photos, monkeypatch):
    asked = []
    real = memory.needed
    monkeypatch.setattr(memory, "needed", lambda *given: asked.append(1) or real(*given))
    network = kviz.Network(model, stranger=True)
    for _ in range(3):
        kviz.predict(network, photos[:2])
    assert len(asked) == 1


def test_masks_are_counted_before_they_are_drawn(model, photos):
    network = kviz.Network(model, max_memory="20MB")
    with pytest.raises(ModelError, match=r"about 320 MB of memory"):
        kviz.attribute(network, photos, "rise", masks=1_000_000)
    with pytest.raises(OptionError, match="masks takes a whole number up to 1000000"):
        kviz.attribute(network, photos, "rise", masks=10**9)


@pytest.mark.parametrize(
    ("left", "gpu", "most"),
    [(20, False, 4), (6, False, 3), (0, False, 0), (None, False, 4), (20, True, 10)],
)
def test_a_stranger_may_take_four_gigabytes_or_half_of_what_is_free(left, gpu, most, monkeypatch):
    monkeypatch.setattr(_process, "free", lambda: None if left is None else left * 10**9)
    assert _process.allowance(gpu=gpu) == most * 10**9
