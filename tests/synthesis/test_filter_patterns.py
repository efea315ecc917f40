"""Filter patterns: what a filter answers to them is asked of `kviz.activations`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from ran import operations

import kviz
from kviz.synthesis._parametrizations import Canvas, Maco, usual_colours


def photos(count, shape=(16, 16, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), "uint8")


def net(shape=(16, 16, 3), *, dead=()):
    """Return conv -> conv -> conv -> flatten -> dense; some filters of the first are dead."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(inputs)
    first = layers.Conv2D(6, 3, activation="relu", name="first")
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="second")(first(x))
    x = layers.Conv2D(4, 3, name="third")(x)
    x = layers.Dense(3, name="dense")(layers.Flatten()(x))
    bias = np.zeros(6)
    bias[list(dead)] = -1e6
    first.bias.assign(bias)
    return keras.Model(inputs, x)


@pytest.fixture(scope="module")
def model():
    return net()


def means(model, images, layer_name):
    """Return the mean of each filter's map, `(N, filters)`."""
    return kviz.activations(model, images, layer_name)[layer_name].mean((1, 2))


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("layer_name", "options"),
    [
        ("first", {}),
        ("second", {}),
        ("third", {}),
        ("second", {"parametrization": "pixel", "batch_size": 3}),
        ("first", {"parametrization": "fourier"}),
        ("third", {"parametrization": "fourier"}),
    ],
)
def test_a_filter_answers_to_its_pattern_more_than_to_random_images(layer_name, options, model):
    found = kviz.filter_patterns(model, layer_name, **options)
    assert found.arrived.all()
    assert found.images.min() >= 0
    assert found.images.max() <= 255
    own = np.diag(means(model, found.images, layer_name))
    best = means(model, photos(200), layer_name).max(0)
    assert (own > best).all()
    assert len(own) == len(found.labels) == {"first": 6, "second": 8, "third": 4}[layer_name]


@pytest.mark.slow
def test_of_images_with_their_magnitudes_a_filter_answers_to_its_pattern(model):
    """MACO's images are no noise: they are compared with 200 of random phases."""
    found = kviz.filter_patterns(model, "third", parametrization="maco", steps=256)
    maco = Maco((16, 16), usual_colours(3))
    phases = maco.start([(9, place) for place in range(200)], Canvas((16, 16), 3))
    best = means(model, maco.pixels(tf.constant(phases)).numpy(), "third").max(0)
    assert (np.diag(means(model, found.images, "third")) > best).all()


def test_the_score_is_the_mean_of_the_filters_map(model):
    """In pixels nothing stands between the image and the network."""
    found = kviz.filter_patterns(model, "second", [5, 2], parametrization="pixel", steps=10)
    own = means(model, found.images, "second")[[0, 1], [5, 2]]
    np.testing.assert_allclose(found.scores[-1], own, rtol=1e-3)
    assert found.scores.shape == (11, 2)
    assert found.labels == ("second filter 5", "second filter 2")
    assert found.made_by.settings["filter_indices"] == (5, 2)


@pytest.mark.slow
def test_pixels_are_for_filters_that_see_few_of_them(model):
    assert (
        kviz.filter_patterns(model, "first", 0, steps=1).made_by.settings["parametrization"]
        == "pixel"
    )
    keras.utils.set_random_seed(1)
    deep = keras.Sequential(
        [keras.Input((40, 40, 3)), layers.Conv2D(3, 9, strides=4, name="a"),
         layers.Conv2D(2, 4, name="b")]
    )  # fmt: skip
    assert (
        kviz.filter_patterns(deep, "b", 0, steps=1).made_by.settings["parametrization"] == "fourier"
    )


def test_one_filter_is_that_of_all(model):
    whole = kviz.filter_patterns(model, "first", steps=6)
    again = kviz.filter_patterns(model, "first", range(6), steps=6, batch_size=4)
    np.testing.assert_allclose(again.images, whole.images, atol=0.05)
    one = kviz.filter_patterns(model, "first", 0, steps=6)
    np.testing.assert_allclose(one.images[0], whole.images[0], atol=0.05)
    same = kviz.filter_patterns(model, model.get_layer("first"), np.array([0]), steps=6)
    np.testing.assert_array_equal(same.images, one.images)


def test_a_seed_gives_the_same_again(model):
    one, again, other = (
        kviz.filter_patterns(model, "third", [1, 1], parametrization="fourier", steps=5, seed=seed)
        for seed in (3, 3, 4)
    )
    assert one.images.tobytes() == again.images.tobytes()
    assert np.abs(one.images - other.images).mean() > 0.3
    assert np.abs(one.images[0] - one.images[1]).mean() > 0.3


# Dead filters.


def test_a_dead_filter_is_said_and_not_drawn(tmp_path):
    model = net(dead=[1, 4])
    found = kviz.filter_patterns(model, "first", [0, 1, 4, 5], steps=10)
    assert found.arrived.tolist() == [True, False, False, True]
    assert "Dead" in found.notes[0]
    assert "first filter 1, first filter 4" in found.notes[0]
    # Each keeps its place, so that the others keep theirs.
    tiles = found.tiles()[:-1]
    assert [tile.title for tile in tiles] == [f"first filter {n}" for n in (0, 1, 4, 5)]
    assert [tile.detail.startswith("dead") for tile in tiles] == [False, True, True, False]
    files = sorted(file.name for file in (tmp_path / "made").rglob("*") if file.is_file())
    assert not files
    written = found.save(tmp_path / "made")
    pictures = sorted(file.name for file in (tmp_path / "made" / "pixels").iterdir())
    assert len(pictures) == 2
    assert pictures[0].startswith("001_first-filter-0")
    assert pictures[1].startswith("004_first-filter-5")
    assert len(written) == 2 + 1 + 2
    assert not found.tiles(image=1)[:-1]
    assert [row[-1] for row in found.tables()[0].rows] == ["drawn", "dead", "dead", "drawn"]


def test_of_many_filters_the_dead_are_left_out_of_the_grid():
    keras.utils.set_random_seed(1)
    conv = layers.Conv2D(10, 3, activation="relu", name="conv")
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), conv])
    conv.bias.assign([-1e6] * 4 + [0] * 6)
    found = kviz.filter_patterns(model, "conv", steps=8)
    assert found.arrived.tolist() == [False] * 4 + [True] * 6
    grid, _ = found.tiles()
    assert "4 without a gradient, not drawn" in grid.detail
    assert "conv filter 0" not in grid.alt
    conv.bias.assign([-1e6] * 10)
    none = kviz.filter_patterns(model, "conv", steps=2)
    assert not none.arrived.any()
    # Nothing of what has no pattern is shown.
    assert len(none.tiles()) == 1


def test_a_filter_without_gradient_is_dead():
    model = net()
    kernel = np.array(model.get_layer("third").kernel)
    kernel[..., 2] = 0
    model.get_layer("third").kernel.assign(kernel)
    found = kviz.filter_patterns(model, "third", steps=4)
    assert found.arrived.tolist() == [True, True, False, True]


@pytest.mark.parametrize("written", ["argument", "layer", "operation"])
def test_a_filter_that_is_silent_at_first_comes_to_life(written):
    """It answers to bright images only: noise about middle grey leaves it silent."""
    inputs = keras.Input((8, 8, 1))
    conv = layers.Conv2D(
        1,
        3,
        kernel_initializer="ones",
        name="conv",
        activation="relu" if written == "argument" else None,
    )
    x = conv(inputs)
    if written == "layer":
        x = layers.ReLU(name="conv_relu")(x)
    elif written == "operation":
        x = layers.Activation("linear", name="conv_relu")(keras.ops.relu(x))
    model = keras.Model(inputs, x)
    conv.bias.assign([-9 * 200])
    name = "conv" if written == "argument" else "conv_relu"
    found = kviz.filter_patterns(model, name, parametrization="pixel", steps=60, film=True)
    assert found.scores[0, 0] == 0
    assert found.arrived.all()
    assert means(model, found.images, name)[0, 0] > 0
    np.testing.assert_array_equal(found.frames[-1], found.pixels)


def test_the_film_of_a_filter_that_another_start_awakes_is_its_own():
    """Without ReLU's own operation a silent filter has no gradient: only contrast helps."""
    inputs = keras.Input((8, 8, 1))
    conv = layers.Conv2D(1, 1, kernel_initializer="ones", name="conv")
    model = keras.Model(
        inputs, layers.Activation("linear", name="cut")(keras.ops.maximum(conv(inputs), 0))
    )
    conv.bias.assign([-180])
    found = kviz.filter_patterns(model, "cut", parametrization="pixel", steps=20, film=True)
    assert found.arrived.all()
    np.testing.assert_array_equal(found.frames[-1], found.pixels)


# The layer.


def of_ops(run):
    """Return which convolutions TensorFlow ran."""
    ran = [kind for kind in operations(run) if "Conv2D" in kind]
    back = [op for op in ran if "Backprop" in op]
    return len(ran) - len(back), len(back)


def test_the_passes_end_at_the_layer(model):
    network = kviz.Network(model)
    expected = {"second": (2, 2), "third": (3, 3), "first": (1, 1)}
    for layer_name, passes in expected.items():
        # A function's first run is where TensorFlow makes its graph.
        ran = of_ops(lambda name=layer_name: kviz.filter_patterns(network, name, [1], steps=2))
        assert ran == passes, layer_name


def test_what_comes_later_may_be_broken():
    model = net()
    whole = kviz.filter_patterns(model, "second", [1, 2], steps=5).images
    for name in ("third", "dense"):
        kernel = model.get_layer(name).kernel
        kernel.assign(kernel * np.nan)
    broken = kviz.filter_patterns(kviz.Network(model), "second", [1, 2], steps=5).images
    np.testing.assert_array_equal(broken, whole)


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = net(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    kviz.filter_patterns(network, "second", 1, steps=3)
    before = len(traces)
    assert before > 0
    for filters, steps, batch_size in ((None, 3, 3), ([7, 0], 30, 16)):
        kviz.filter_patterns(network, "second", filters, steps=steps, batch_size=batch_size)
    assert len(traces) == before
    kviz.filter_patterns(network, "first", 1, steps=3)
    assert len(traces) > before


def test_channels_first():
    keras.utils.set_random_seed(1)
    last = keras.Sequential([keras.Input((8, 9, 3)), layers.Conv2D(4, 3, name="conv")])
    first = keras.Sequential(
        [keras.Input((3, 8, 9)), layers.Conv2D(4, 3, data_format="channels_first", name="conv")]
    )
    first.set_weights(last.get_weights())
    found = kviz.filter_patterns(first, "conv", [2, 3], steps=5)
    assert found.images.shape == (2, 8, 9, 3)
    expected = kviz.filter_patterns(last, "conv", [2, 3], steps=5)
    np.testing.assert_allclose(found.images, expected.images, atol=0.05)


def test_a_layer_of_a_nested_model_read_from_disk(tmp_path):
    keras.utils.set_random_seed(1)
    inner = keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Conv2D(3, 3, activation="relu", name="conv")],
        name="inner",
    )
    inputs = keras.Input((12, 12, 1))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inner(inputs))))
    model.save(tmp_path / "model.keras")
    found = kviz.filter_patterns(str(tmp_path / "model.keras"), "inner/conv", steps=40)
    assert found.images.shape == (3, 12, 12, 1)
    own = np.diag(means(model, found.images, "inner/conv"))
    assert (own > means(model, photos(200, (12, 12, 1)), "inner/conv").max(0)).all()


def test_a_model_of_any_size():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, name="conv")])
    assert kviz.filter_patterns(model, "conv", [1], target_size=(9, 14), steps=1).images.shape == (
        1,
        9,
        14,
        3,
    )
    with pytest.raises(kviz.OptionError, match="16 x 16"):
        kviz.filter_patterns(net(), "first", 1, target_size=20)


@pytest.mark.slow
def test_photos_say_which_colours(model):
    blue = np.array([5, 10, 50]) * np.random.default_rng(0).normal(size=(4, 9, 9, 1)) + [
        30,
        50,
        190,
    ]
    found = kviz.filter_patterns(
        model, "first", parametrization="fourier", statistics=blue.clip(0, 255), steps=1
    )
    np.testing.assert_allclose(found.images.mean((0, 1, 2)), [30, 50, 190], atol=25)


# What is no photo.


def test_of_a_linear_filter_it_is_where_its_kernel_lies():
    """The mean of a linear map has one gradient: the kernel at all its places, added up."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((24, 2)), layers.Conv1D(3, 9, name="conv")])
    kernel = np.array(model.layers[0].kernel)
    found = kviz.filter_patterns(model, "conv", steps=256)
    for number, image in enumerate(found.images):
        summed = np.zeros((24, 2))
        for place in range(16):
            summed[place : place + 9] += kernel[..., number]
        expected = summed / np.linalg.norm(summed) * np.sqrt(summed.size)
        np.testing.assert_allclose(image, expected, atol=0.02)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_filter_that_sees_a_whole_signal_has_its_kernel_as_its_pattern(activation):
    keras.utils.set_random_seed(0)
    conv = layers.Conv1D(3, 20, name="conv", activation=activation)
    model = keras.Sequential([keras.Input((20, 2)), conv])
    found = kviz.filter_patterns(model, "conv")
    for number, image in enumerate(found.images):
        kernel = np.array(conv.kernel)[..., number]
        assert np.corrcoef(image.ravel(), kernel.ravel())[0, 1] > 0.99


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("shape", "conv"), [((50, 2), layers.Conv1D), ((5, 8, 9, 1), layers.Conv3D)]
)
def test_patterns_of_signals_and_volumes(shape, conv):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input(shape), conv(4, 3, activation="relu", name="conv"), layers.Flatten(),
        layers.Dense(2),
    ])  # fmt: skip
    found = kviz.filter_patterns(model, "conv")
    assert found.images.shape == (4, *shape)
    assert found.arrived.all()
    assert found.made_by.settings["parametrization"] == "values"
    assert "standard deviation 1" in found.notes[0]
    axes = tuple(range(1, len(shape)))
    own = np.diag(kviz.activations(model, found.images, "conv")["conv"].mean(axes))
    usual = np.random.default_rng(0).normal(size=(200, *shape)).astype("float32")
    assert (own > kviz.activations(model, usual, "conv")["conv"].mean(axes).max(0)).all()
    some = kviz.filter_patterns(model, "conv", batch_size=3)
    np.testing.assert_allclose(some.images, found.images, atol=2e-3)


def test_a_film_of_any_length_has_patterns():
    """Such a model is traced only for a length that is known."""
    inputs = keras.Input((None, 8, 8, 1))
    model = keras.Model(inputs, layers.TimeDistributed(layers.Conv2D(2, 3), name="conv")(inputs))
    found = kviz.filter_patterns(model, "conv", target_size=(3, 8, 8), steps=2)
    assert found.images.shape == (2, 3, 8, 8, 1)


# Interrupts, films, bad input.


def stopping(calls):
    """Return what interrupts after so many calls."""
    left = [calls]

    def progress(done, total):
        assert 0 < done <= total
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return progress


def test_an_interrupt_returns_the_images_so_far(model):
    found = kviz.filter_patterns(model, "first", steps=10, batch_size=2, progress=stopping(16))
    assert "Interrupted" in found.notes[0]
    assert len(found.images) == len(found.labels) == len(found.arrived) == 4
    assert np.isfinite(found.scores).sum(0).tolist()[:2] == [11, 11]


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("after", [12, 14, 25])
def test_an_interrupt_at_a_later_start_of_the_dead_is_one_too(after):
    """The first start of ten steps asks eleven times; the dead one has three more starts."""
    calls = []

    def progress(*at):
        calls.append(at)
        interrupt(*at)

    interrupt = stopping(after)
    found = kviz.filter_patterns(net(dead=[2]), "first", steps=10, progress=progress)
    assert len(calls) == after, "nothing goes on after an interrupt"
    assert "Interrupted" in " ".join(found.notes)
    assert found.arrived.tolist() == [True, True, False, True, True, True]
    alive = [0, 1, 3, 4, 5]
    whole = kviz.filter_patterns(net(), "first", steps=10)
    np.testing.assert_allclose(found.images[alive], whole.images[alive], atol=0.05)
    np.testing.assert_allclose(found.scores[:, alive], whole.scores[:, alive], atol=1e-3)


@pytest.mark.parametrize(
    ("layer_name", "options", "kind", "message"),
    [
        ("first", {"filter_indices": 6}, kviz.OptionError, "filters 0 to 5. Received: .*6"),
        ("first", {"filter_indices": [0, -1]}, kviz.OptionError, "filters 0 to 5. Received: .*-1"),
        ("first", {"filter_indices": []}, kviz.OptionError, "filters 0 to 5"),
        ("first", {"filter_indices": [1.5]}, kviz.OptionError, "filters 0 to 5"),
        ("first", {"filter_indices": "ab"}, kviz.OptionError, "filters 0 to 5"),
        ("first", {"steps": 0}, kviz.OptionError, "steps takes a whole number from 1"),
        ("first", {"parametrization": "wave"}, kviz.OptionError, "parametrization takes one of"),
        ("first", {"batch_size": 0}, kviz.OptionError, "batch_size"),
        ("dense", {}, kviz.LayerError, "one layer with maps. Received: dense"),
        ("fist", {}, kviz.LayerError, "Did you mean 'first'"),
        (["first", "second"], {}, kviz.LayerError, "which means first, second"),
        (None, {}, kviz.LayerError, "one layer with maps"),
    ],
)
def test_bad_input_is_one_sentence(layer_name, options, kind, message, model):
    with pytest.raises(kviz.KvizError, match=message) as caught:
        kviz.filter_patterns(model, layer_name, **{"steps": 1, **options})
    assert type(caught.value) is kind
    assert len(str(caught.value)) <= 300
