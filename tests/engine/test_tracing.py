"""Every kind of model, each captured map compared with a plain call of the layer."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from ran import operations

import kviz
from kviz.network.network import Network

RNG = np.random.default_rng(0)


def pixels(*shape):
    return RNG.uniform(0, 255, shape).astype("float32")


def saved(model, folder):
    path = folder / "model.keras"
    model.save(path)
    return kviz.load_model(path).model


def close(left, right, tolerance=2e-5):
    left, right = np.asarray(left), np.asarray(right)
    assert left.shape == right.shape
    scale = max(float(np.abs(right).max()), 1.0)
    np.testing.assert_allclose(left / scale, right / scale, atol=tolerance)


def plain(*steps):
    """Return a function that calls layers one after the other, each by itself."""

    def run(x):
        for step in steps:
            x = step(x)
        return x.numpy()

    return run


@keras.saving.register_keras_serializable("kviz_tests")
class Block(layers.Layer):
    """A custom block: two convolutions and a sum, in inference mode only where asked to."""

    def __init__(self, filters=4, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.first = layers.Conv2D(filters, 3, padding="same", name="first")
        self.norm = layers.BatchNormalization(name="norm")
        self.second = layers.Conv2D(filters, 3, padding="same", name="second")
        self.drop = layers.Dropout(0.9, name="drop")

    def call(self, x, training=None):
        y = keras.ops.relu(self.norm(self.first(x), training=training))
        return x + self.drop(self.second(y), training=training)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(4, 3, name="stem")
        self.blocks = [Block(name=f"block{i}") for i in range(2)]
        self.pool = layers.MaxPooling2D(2, name="pool")

    def call(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return {"maps": self.pool(x), "mean": tf.reduce_mean(x, [1, 2])}


def functional(folder):
    x = inputs = keras.Input((12, 10, 3))
    a = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    b = layers.BatchNormalization(name="norm")(a)
    c = layers.MaxPooling2D(2, name="pool")(b)
    model = saved(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(c))), folder)
    get = model.get_layer
    return model, pixels(2, 12, 10, 3), {
        "conv": plain(get("conv")),
        "pool": plain(get("conv"), get("norm"), get("pool")),
    }  # fmt: skip


def sequential_by_add(folder):
    model = keras.Sequential()
    model.add(layers.Conv2D(4, 3, name="a"))
    model.add(layers.MaxPooling2D(2, name="b"))
    model.add(layers.Dropout(0.9))
    model.add(layers.Conv2D(2, 3, name="c"))
    model.build((None, 12, 12, 3))
    model = saved(model, folder)
    a, b, _, c = model.layers
    return model, pixels(2, 12, 12, 3), {"a": plain(a), "b": plain(a, b), "c": plain(a, b, c)}


def sequential_never_built(_):
    model = keras.Sequential([layers.Conv2D(4, 3, name="a"), layers.MaxPooling2D(2, name="b")])
    a, b = model.layers
    return model, pixels(2, 12, 12, 3), {"a": plain(a), "b": plain(a, b)}


def nested_three_deep(folder):
    x = inner_in = keras.Input((None, None, 4))
    inner = keras.Model(inner_in, layers.Conv2D(4, 3, name="conv")(x), name="inner")
    middle = keras.Sequential([inner, layers.MaxPooling2D(2, name="pool")], name="middle")
    outer = keras.Sequential([layers.Conv2D(4, 1, name="stem"), middle], name="outer")
    x = inputs = keras.Input((12, 12, 3))
    model = saved(keras.Model(inputs, layers.Conv2D(2, 1, name="head")(outer(x))), folder)
    outer = model.get_layer("outer")
    stem, middle = outer.layers
    inner, pool = middle.layers
    return model, pixels(2, 12, 12, 3), {
        "outer/stem": plain(stem),
        "outer/middle/inner/conv": plain(stem, inner.layers[-1]),
        "outer/middle/pool": plain(stem, inner.layers[-1], pool),
        "head": plain(stem, inner.layers[-1], pool, model.get_layer("head")),
    }  # fmt: skip


def shared_layer(folder):
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    inputs = keras.Input((8, 8, 3))
    model = saved(keras.Model(inputs, conv(conv(inputs))), folder)
    conv = model.get_layer("conv")
    return model, pixels(2, 8, 8, 3), {"conv#1": plain(conv), "conv#2": plain(conv, conv)}


def siamese(folder):
    encoder = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")], name="encoder"
    )
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    model = saved(
        keras.Model([left, right], layers.Subtract()([encoder(left), encoder(right)])), folder
    )
    conv = model.get_layer("encoder").layers[0]
    images = [pixels(2, 8, 8, 3), pixels(2, 8, 8, 3)]
    return model, images, {
        "encoder#1/conv": lambda x: conv(x[0]).numpy(),
        "encoder#2/conv": lambda x: conv(x[1]).numpy(),
    }  # fmt: skip


def branches_and_outputs(folder):
    inputs = keras.Input((8, 8, 3))
    left = layers.Conv2D(2, 1, name="left")(inputs)
    right = layers.Conv2D(2, 3, padding="same", name="right")(inputs)
    joined = layers.Concatenate()([left, right])
    end = layers.MaxPooling2D(2, name="end")(joined)
    model = saved(keras.Model(inputs, {"a": end, "b": layers.Flatten()(joined)}), folder)
    get = model.get_layer
    return model, pixels(2, 8, 8, 3), {
        "left": plain(get("left")),
        "right": plain(get("right")),
        "end": lambda x: get("end")(tf.concat([get("left")(x), get("right")(x)], -1)).numpy(),
    }  # fmt: skip


def dict_inputs(folder):
    inputs = {"photo": keras.Input((8, 8, 3), name="photo"), "age": keras.Input((1,), name="age")}
    conv = layers.Conv2D(2, 3, name="conv")(inputs["photo"])
    end = layers.Dense(2)(layers.Concatenate()([layers.Flatten()(conv), inputs["age"]]))
    model = saved(keras.Model(inputs, end), folder)
    images = {"photo": pixels(2, 8, 8, 3), "age": pixels(2, 1)}
    return model, images, {"conv": lambda x: model.get_layer("conv")(x["photo"]).numpy()}


def any_size(folder):
    inputs = keras.Input((None, None, 3))
    conv = layers.Conv2D(2, 3, name="conv")(inputs)
    model = saved(keras.Model(inputs, layers.GlobalAveragePooling2D()(conv)), folder)
    return model, pixels(2, 9, 13, 3), {"conv": plain(model.get_layer("conv"))}


def channels_first(folder):
    inputs = keras.Input((3, 8, 10))
    conv = layers.Conv2D(2, 3, data_format="channels_first", name="conv")(inputs)
    act = layers.ReLU(name="act")(conv)
    pool = layers.MaxPooling2D(2, data_format="channels_first", name="pool")(act)
    model = saved(keras.Model(inputs, pool), folder)
    conv, act, pool = (model.get_layer(name) for name in ("conv", "act", "pool"))

    def last(run):
        return lambda x: run(tf.transpose(x, [0, 3, 1, 2])).transpose(0, 2, 3, 1)

    return model, pixels(2, 8, 10, 3), {
        "conv": last(plain(conv)),
        "act": last(plain(conv, act)),
        "pool": last(plain(conv, act, pool)),
    }  # fmt: skip


def custom_blocks(folder):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="stem")(inputs)
    model = saved(keras.Model(inputs, Block(name="one")(Block(name="two")(x))), folder)
    stem, two, one = (model.get_layer(name) for name in ("stem", "two", "one"))
    return model, pixels(2, 8, 8, 3), {
        "two/first": plain(stem, two.first),
        "two/second": plain(stem, two.first, two.norm, tf.nn.relu, two.second),
        "one/first": plain(stem, two, one.first),
        "one": plain(stem, two, one),
    }  # fmt: skip


def subclassed(_):
    model = Subclassed()
    images = pixels(2, 12, 12, 3)
    model(images)
    b0, b1 = model.blocks
    return model, images, {
        "stem": plain(model.stem),
        "block0/first": plain(model.stem, b0.first),
        "block1/first": plain(model.stem, b0, b1.first),
        "pool": plain(model.stem, b0, b1, model.pool),
    }  # fmt: skip


def subclassed_never_called(_):
    model = Subclassed()
    b0, b1 = model.blocks
    return model, pixels(2, 12, 12, 3), {
        "stem": plain(model.stem),
        "block1/first": plain(model.stem, b0, b1.first),
    }  # fmt: skip


def wrappers(folder):
    inputs = keras.Input((8, 8, 3))
    x = layers.SpectralNormalization(layers.Conv2D(2, 3, name="conv"), name="spectral")(inputs)
    model = saved(keras.Model(inputs, x), folder)
    spectral = model.get_layer("spectral")
    return model, pixels(2, 8, 8, 3), {"spectral/conv": plain(spectral.layer)}


def time_distributed(folder):
    inputs = keras.Input((3, 8, 8, 3))
    x = layers.TimeDistributed(layers.Conv2D(2, 3, name="conv"), name="frames")(inputs)
    model = saved(keras.Model(inputs, x), folder)
    conv = model.get_layer("frames").layer
    return model, pixels(2, 3, 8, 8, 3), {
        f"frames/conv#{t + 1}": lambda x, t=t: conv(x[:, t]).numpy() for t in range(3)
    }  # fmt: skip


def compiled_call(_):
    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")

        @tf.function
        def call(self, x):
            return self.conv(x)

    model = Compiled()
    images = pixels(2, 8, 8, 3)
    model(images)
    return model, images, {"conv": plain(model.conv)}


def frozen(folder):
    model, images, expected = functional(folder)
    model.trainable = False
    return model, images, expected


def fixed_batch(folder):
    inputs = keras.Input(batch_shape=(4, 8, 8, 3))
    model = saved(keras.Model(inputs, layers.Conv2D(2, 3, name="conv")(inputs)), folder)
    return model, pixels(6, 8, 8, 3), {"conv": plain(model.get_layer("conv"))}


def one_dimension(folder):
    inputs = keras.Input((20, 3))
    x = layers.MaxPooling1D(2, name="pool")(layers.Conv1D(4, 3, name="conv")(inputs))
    model = saved(keras.Model(inputs, x), folder)
    conv, pool = model.get_layer("conv"), model.get_layer("pool")
    return model, pixels(2, 20, 3), {"conv": plain(conv), "pool": plain(conv, pool)}


def three_dimensions(folder):
    inputs = keras.Input((6, 8, 8, 1))
    model = saved(keras.Model(inputs, layers.Conv3D(2, 3, name="conv")(inputs)), folder)
    return model, pixels(2, 6, 8, 8, 1), {"conv": plain(model.get_layer("conv"))}


def kin_of_conv2d(folder):
    x = inputs = keras.Input((16, 16, 3))
    chain = [
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.SeparableConv2D(4, 3, name="separable"),
        layers.Conv2DTranspose(3, 3, strides=2, name="transposed"),
        layers.AveragePooling2D(2, name="average"),
    ]
    for layer in chain:
        x = layer(x)
    model = saved(keras.Model(inputs, x), folder)
    steps = [model.get_layer(layer.name) for layer in chain]
    return model, pixels(2, 16, 16, 3), {
        step.name: plain(*steps[: i + 1]) for i, step in enumerate(steps)
    }  # fmt: skip


def raw_operations(folder):
    inputs = keras.Input((8, 8, 3))
    x = keras.ops.relu(layers.Conv2D(2, 3, name="a")(inputs / 255.0 - 0.5))
    model = saved(keras.Model(inputs, layers.Conv2D(2, 3, name="b")(x * 2)), folder)
    a, b = model.get_layer("a"), model.get_layer("b")
    return model, pixels(2, 8, 8, 3), {
        "a": lambda x: a(x / 255.0 - 0.5).numpy(),
        "b": lambda x: b(tf.nn.relu(a(x / 255.0 - 0.5)) * 2).numpy(),
    }  # fmt: skip


TOPOLOGIES = [
    functional, sequential_by_add, sequential_never_built, nested_three_deep, shared_layer,
    siamese, branches_and_outputs, dict_inputs, any_size, channels_first, custom_blocks,
    subclassed, subclassed_never_called, wrappers, time_distributed, compiled_call, frozen,
    fixed_batch, one_dimension, three_dimensions, kin_of_conv2d, raw_operations,
]  # fmt: skip


@pytest.mark.some(every=2)
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.__name__)
def test_maps_equal_a_plain_call_of_the_layer(topology, tmp_path):
    model, images, expected = topology(tmp_path)
    maps = kviz.activations(model, images, list(expected))
    assert set(maps) == set(expected)
    for path, run in expected.items():
        close(maps[path], run(images))


@pytest.mark.some(every=2)
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.__name__)
def test_the_model_is_as_it_was(topology, tmp_path):
    model, images, expected = topology(tmp_path)
    call = keras.Layer.__call__
    before = {w.path: np.array(w.value) for w in model.weights}
    flags = [(layer.name, layer.trainable, layer.dtype_policy.name) for layer in model.layers]
    kviz.activations(model, images, list(expected))
    assert keras.Layer.__call__ is call
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    assert flags == [
        (layer.name, layer.trainable, layer.dtype_policy.name) for layer in model.layers
    ]
    after = {w.path: np.array(w.value) for w in model.weights}
    assert before.keys() <= after.keys()
    for path, value in before.items():
        np.testing.assert_array_equal(after[path], value)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_precision(policy):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, dtype=policy, name="conv")(inputs)
    x = layers.BatchNormalization(dtype=policy, name="norm")(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool")(x)
    model = keras.Model(inputs, x)
    images = pixels(2, 8, 8, 3)
    maps = kviz.activations(model, images)
    conv = model.get_layer("conv")
    exact = tf.nn.conv2d(
        tf.cast(images, "float64"), tf.cast(conv.kernel.value, "float64"), 1, "VALID"
    )
    # Half precision would be off by 1e-3: the model is looked at in float32.
    close(maps["conv"], exact.numpy(), 1e-6)
    assert {array.dtype for array in maps.values()} == {np.dtype("float32")}
    assert [layer.dtype_policy.name for layer in model.layers[1:]] == [policy] * 3


MEAN, VARIANCE = [123.68, 116.779, 103.939], [3409.74, 3262.69, 3291.89]


def made_exact(images, kind):
    """Return what a preprocessing layer makes of pixels, in double precision."""
    images = images.astype(float)
    if kind == "rescaling":
        return images / 255 - 0.1
    return (images - MEAN) / np.sqrt(VARIANCE)


def prepares(kind, policy):
    if kind == "rescaling":
        return layers.Rescaling(1 / 255, -0.1, dtype=policy, name="first")
    if kind == "given":
        return layers.Normalization(mean=MEAN, variance=VARIANCE, dtype=policy, name="first")
    layer = layers.Normalization(dtype=policy, name="first")
    # Two values a channel have this mean and this variance.
    far = np.sqrt(VARIANCE)
    layer.adapt(np.float32([[[np.subtract(MEAN, far)]], [[np.add(MEAN, far)]]]))
    return layer


PLACES = ["alone", "nested", "within a layer", "preprocess"]


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("rescaling", "timed"),
        *itertools.product(["rescaling", "given", "adapted"], PLACES),
    ],
)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_pixels_are_prepared_in_float32(kind, place, policy):
    """In bfloat16 200.3 / 255 is .7843, and a mean of 123.68 is 123.5."""
    layer = prepares(kind, policy)
    inputs = keras.Input((8, 8, 3))
    same = layers.Conv2D(3, 1, use_bias=False, name="same")
    if place == "nested":
        x = keras.Sequential([keras.Input((8, 8, 3)), layer])(inputs)
    elif place == "timed":
        x = layers.TimeDistributed(layer, dtype=policy)(inputs)
    elif place == "within a layer":
        x = Holds(layer, dtype=policy)(inputs)
    else:
        x = inputs if place == "preprocess" else layer(inputs)
    model = keras.Model(inputs, same(x))
    model.get_layer("same").kernel.assign(np.eye(3)[None, None])
    network = kviz.Network(model, preprocess=layer if place == "preprocess" else None)
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    images[0] = 200.3
    exact = made_exact(images, kind)
    close(kviz.activations(network, images, "same")["same"], exact, 1e-6)
    close(np.asarray(network(images)), exact, 1e-6)
    keras.config.set_dtype_policy(policy)
    try:
        door = kviz.activation_model(network, "same")
    finally:
        keras.config.set_dtype_policy("float32")
    close(np.asarray(door(images)["same"]), exact, 1e-6)
    assert layer.dtype_policy.name == policy


class Holds(layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


def test_pixels_of_an_input_of_half_precision_are_not_rounded():
    inputs = keras.Input((4, 4, 3), dtype="bfloat16")
    model = keras.Model(inputs, layers.Rescaling(1 / 255, dtype="bfloat16", name="first")(inputs))
    maps = kviz.activations(model, np.full((1, 4, 4, 3), 200.3, "float32"), "first")
    close(maps["first"], np.full((1, 4, 4, 3), 200.3 / 255), 1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_what_is_adapted_anew_is_seen_anew(policy):
    layer = layers.Normalization(dtype=policy, name="first")
    images = pixels(2, 8, 8, 3)
    layer.adapt(images)
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    kviz.activations(model, images, "first")
    layer.adapt(3 * images + 7)
    expected = (images - (3 * images + 7).mean((0, 1, 2))) / (3 * images).std((0, 1, 2))
    close(kviz.activations(model, images, "first")["first"], expected, 1e-5)


class Builds(layers.Layer):
    def build(self, shape):
        self.inner = layers.Dense(4, dtype=self.dtype_policy)
        self.inner.build(shape)

    def call(self, inputs):
        return self.inner(inputs)


def test_what_a_layer_builds_while_it_is_looked_at_is_its_own():
    """It has the layer's precision, and belongs to no graph that is gone."""
    given = layers.Normalization(mean=MEAN, variance=VARIANCE)
    model = keras.Sequential([given, Builds(dtype="mixed_bfloat16"), layers.Conv2D(2, 3, name="c")])
    images = pixels(2, 8, 8, 3)
    kviz.activations(model, images, "c")
    assert model.layers[1].inner.dtype_policy.name == "mixed_bfloat16"
    assert model.layers[1].inner(images).dtype == tf.bfloat16
    close(np.asarray(given(images)), made_exact(images, "given"), 1e-6)


def test_half_precision_that_overflows_is_finite():
    """65504 is float16's largest number: the plain model gives infinity here."""
    inputs = keras.Input((4, 4, 1))
    conv = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(1000.0),
                         dtype="mixed_float16", name="conv")  # fmt: skip
    model = keras.Model(inputs, conv(inputs))
    images = np.full((1, 4, 4, 1), 255, "float32")
    assert np.isinf(model(images)).all()
    assert (kviz.activations(model, images)["conv"] == 255_000).all()


def test_a_channels_first_twin_has_the_same_maps():
    last = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")])
    first = keras.Sequential(
        [keras.Input((3, 8, 8)), layers.Conv2D(4, 3, data_format="channels_first", name="conv")]
    )
    first.set_weights(last.get_weights())
    images = pixels(3, 8, 8, 3)
    close(kviz.activations(first, images)["conv"], kviz.activations(last, images)["conv"])


def test_a_layer_inside_a_loop_is_an_error_that_names_the_way_out():
    class Frames(layers.Layer):
        def __init__(self):
            super().__init__(name="frames")
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.conv.build((None, 8, 8, 3))

        def call(self, clips):
            return tf.map_fn(self.conv, clips)

    inputs = keras.Input((3, 8, 8, 3))
    model = keras.Model(inputs, Frames()(inputs))
    images = pixels(3, 3, 8, 8, 3)
    with pytest.raises(kviz.LayerError, match="inside a loop"):
        kviz.activations(model, images, "frames/conv")
    assert kviz.activations(model, images, "frames")["frames"].shape == (3, 3, 6, 6, 2)


@pytest.mark.filterwarnings("ignore:`build")  # Keras warns of the layer that has no weights yet
def test_an_unused_layer_is_an_error():
    class Unused(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = (
                layers.Conv2D(1, 3, name="used"),
                layers.Conv2D(1, 3, name="idle"),
            )

        def call(self, x):
            return self.used(x)

    with pytest.raises(kviz.LayerError, match="calls no layer 'idle'"):
        kviz.activations(Unused(), pixels(1, 8, 8, 3), "idle")


def test_the_forward_pass_stops_at_the_deepest_layer_asked_for():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(1, 3, name="conv"), layers.Conv2D(1, 3, name="deep")]
    )
    network = Network(model)
    images = pixels(1, 8, 8, 3)
    ran = {}
    for layer_name in ("conv", "deep"):
        function = network.engine.maps(network.specs({"0": images}), layer_name).function
        kinds = operations(lambda: function(tf.constant(images)))  # noqa: B023
        ran[layer_name] = sum("Conv2D" in kind for kind in kinds)
    assert ran == {"conv": 1, "deep": 2}


def test_threads_do_not_see_each_other():
    import threading

    models = [
        keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(n, 3, name=f"conv{n}")])
        for n in range(1, 9)
    ]
    images = pixels(1, 8, 8, 3)
    found = {}

    def look(model):
        model(images)
        found[model] = list(kviz.activations(model, images))

    threads = [threading.Thread(target=look, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[model] for model in models] == [[f"conv{n}"] for n in range(1, 9)]


def test_a_model_that_fails_is_one_sentence_and_leaves_keras_as_it_was():
    class Fails(keras.Model):
        def call(self, x):
            raise RuntimeError(f"of its own accord, at {x.shape}")

    call = keras.Layer.__call__
    with pytest.raises(kviz.ModelError, match="of its own accord"):
        kviz.activations(Fails(), pixels(1, 8, 8, 3))
    assert keras.Layer.__call__ is call


@pytest.mark.parametrize("name", ["my conv", "<b>", "卷积", "_leading", "{{7*7}}", "a\nb", " "])
def test_names_that_tensorflow_takes_for_no_scope(name):
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name=name)], name=name)
    images = pixels(1, 8, 8, 3)
    close(kviz.activations(model, images)[name], model(images))
    assert model.name == model.layers[0].name == name


def test_threads_that_call_the_same_model_are_not_noted():
    """TimeDistributed runs its layer by a call that is swapped on the layer itself."""
    import threading

    inputs = keras.Input((3, 8, 8, 3))
    frames = layers.TimeDistributed(layers.Conv2D(2, 3, name="conv"), name="frames")(inputs)
    model = keras.Model(inputs, frames)
    images = pixels(2, 3, 8, 8, 3)
    expected, stop, failures = np.array(model(images)), threading.Event(), []

    def call():
        while not stop.is_set():
            try:
                np.testing.assert_array_equal(np.array(model(images)), expected)
            except Exception as error:  # shown below, in the test's own thread
                failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    tables = [[info.path for info in Network(model).layers] for _ in range(5)]
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert all(
        table[1:] == ["frames", *(f"frames/conv#{t}" for t in (1, 2, 3))] for table in tables
    )


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")  # Keras advises otherwise
def test_dict_inputs_go_by_the_keys_that_keras_takes():
    one, two = keras.Input((8, 8, 3), name="b"), keras.Input((8, 8, 3), name="a")
    model = keras.Model({"a": one, "b": two}, layers.Subtract()([one, two]))
    images = {"a": pixels(2, 8, 8, 3), "b": pixels(2, 8, 8, 3)}
    close(Network(model)(images), model(images))
    with pytest.raises(kviz.ImageError, match="takes the inputs a, b"):
        Network(model)({"a": images["a"]})


def test_a_list_of_one_input():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model([inputs], layers.Conv2D(2, 3, name="conv")(inputs))
    images = pixels(2, 8, 8, 3)
    close(kviz.activations(model, [images])["conv"], model([images]))
    close(kviz.activations(model, images)["conv"], model([images]))


def test_a_subclassed_model_that_takes_a_dict_of_one():
    class Keyed(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")

        def call(self, inputs):
            return self.conv(inputs["photo"])

    model, images = Keyed(), {"photo": pixels(2, 8, 8, 3)}
    maps = kviz.activations(model, images)
    close(maps["conv"], model(images))


def test_one_row_of_many_channels_is_not_channels_first():
    inputs = keras.Input((1, 128, 8))
    model = keras.Model(inputs, layers.Conv2D(4, (1, 3), name="conv")(inputs))
    images = pixels(2, 1, 128, 8)
    close(kviz.activations(model, images)["conv"], model(images))


def test_a_layer_that_is_not_reached_is_said_and_no_hole():
    class Choosing(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(3, 1, name="conv")
            self.conv.build((None, 8, 8, 3))

        def call(self, x):
            return keras.ops.cond(keras.ops.mean(x) > 0, lambda: self.conv(x), lambda: x)

    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3, name="ok")(Choosing(name="choose")(inputs)))
    with pytest.warns(kviz.KvizWarning, match="Not shown.*choose/conv"):
        maps = kviz.activations(model, pixels(1, 8, 8, 3))
    assert list(maps) == ["ok"]
    assert "choose/conv" in maps.notes[0]


class Compiled(keras.Model):
    """A model whose `call` is a `tf.function`, which another one is called from."""

    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(2, 3, name="conv")
        self.pool = layers.MaxPooling2D(2, name="pool")

    @tf.function
    def call(self, x):
        return self.end(self.conv(x))

    @tf.function
    def end(self, x):
        return self.pool(x) if x.shape[1] > 2 else x


def test_a_compiled_call_is_opened_at_every_look():
    model, images = Compiled(), pixels(2, 8, 8, 3)
    model(images)
    for _ in range(2):
        close(kviz.activations(model, images, "conv")["conv"], model.conv(images))
        close(kviz.activations(model, images, "pool")["pool"], model(images))
    found = kviz.attribute(
        model, images, "grad_cam", score=lambda y: tf.reduce_mean(y, [1, 2, 3]), layer_names="conv"
    )
    assert found.raw.shape == (2, 6, 6)


def test_a_compiled_call_that_needs_autograph_stays_shut_and_right():
    class Needy(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.last = layers.Conv2D(2, 1, name="last")

        def call(self, x):
            return self.last(self.twice(x))

        @tf.function
        def twice(self, x):
            y = self.conv(x)
            if tf.reduce_mean(y) > 1e9:
                y = y * 2
            return y

    model, images = Needy(), pixels(2, 8, 8, 3)
    model(images)
    for _ in range(2):
        close(kviz.activations(model, images, "last")["last"], model(images))
        with pytest.raises(kviz.LayerError, match="inside a loop, a branch or a compiled"):
            kviz.activations(model, images, "conv")


def test_a_bare_call_of_a_layer_is_seen():
    class Bare(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Conv2D(2, 3, name="inner")
            self.nested = keras.Sequential([layers.Conv2D(2, 1, name="deep")], name="nested")

        def build(self, shape):
            self.inner.build(shape)
            self.nested.build((*shape[:-1], 2))

        def call(self, x):
            return self.nested.call(self.inner.call(x))

    inputs = keras.Input((8, 8, 3))
    model, images = keras.Model(inputs, Bare(name="bare")(inputs)), pixels(2, 8, 8, 3)
    inner = model.layers[-1].inner
    found = kviz.activations(model, images)
    assert list(found) == ["bare/inner", "bare/nested/deep"]
    close(found["bare/inner"], inner(images))
    close(found["bare/nested/deep"], model(images))


def test_a_layer_that_itself_looks_hides_nothing():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="inside")])

    class Looking(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(3, 3, name="after")

        def call(self, x):
            with tf.init_scope():
                kviz.activations(inner, np.zeros((1, 8, 8, 3), "float32"))
            return self.conv(x)

    x = inputs = keras.Input((8, 8, 3))
    x = Looking(name="looking")(layers.Conv2D(2, 3, name="first")(x))
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="last")(x))
    found = kviz.activations(model, pixels(1, 8, 8, 3))
    assert list(found) == ["first", "looking/after", "last"]
    assert list(kviz.activations(inner, pixels(1, 8, 8, 3))) == ["inside"]


def test_what_another_library_puts_in_a_place_meanwhile_stays_there():
    original = keras.Layer.__call__
    seen = []

    class Patching(layers.Layer):
        def call(self, x):
            below = keras.Layer.__call__
            if not seen:

                def patched(self, *args, **kwargs):
                    seen.append(self.name)
                    return below(self, *args, **kwargs)

                keras.Layer.__call__ = patched
            return x

    inputs = keras.Input((8, 8, 3))
    x = Patching(name="patching")(inputs)
    keras.Layer.__call__ = original
    seen.clear()
    model = keras.Model(inputs, layers.Conv2D(2, 3, name="conv")(x))
    try:
        for _ in range(2):
            assert list(kviz.activations(model, pixels(1, 8, 8, 3))) == ["conv"]
            kviz.attribute(model, pixels(1, 8, 8, 3), score=lambda y: tf.reduce_sum(y, [1, 2, 3]))
        assert keras.Layer.__call__ is not original
        before = len(seen)
        model.layers[-1](pixels(1, 8, 8, 3))
        assert len(seen) == before + 1
    finally:
        keras.Layer.__call__ = original


def test_in_the_middle_of_a_trace_other_threads_see_no_difference():
    """Another thread calls, differentiates and names the very layers that are being traced."""
    import threading

    inside, done, found = threading.Event(), threading.Event(), {}

    class Waiting(layers.Layer):
        def call(self, x):
            if found.get("armed"):
                inside.set()
                done.wait(20)
            return x

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, dtype="mixed_float16", name="half")(x)
    x = Waiting(name="waiting")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 3, name="my conv")(x))
    half = model.get_layer("half")
    images = pixels(1, 8, 8, 3)
    before = half(images)

    def other():
        inside.wait(20)
        found["half"] = half(images)
        found["policy"] = half.dtype_policy.name
        found["names"] = [layer.name for layer in model.layers]
        found["losses"] = model.losses
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    found["armed"] = True
    maps = kviz.activations(model, images)
    thread.join()
    assert found["half"].dtype == before.dtype == tf.float16
    np.testing.assert_array_equal(found["half"], before)
    assert found["policy"] == "mixed_float16"
    assert "my conv" in found["names"]
    assert list(maps) == ["half", "my conv"]


def test_training_around_an_activation_model_stays_training():
    """In inference mode is what is looked at, not what comes after it in the same call."""

    class Head(keras.Model):
        def __init__(self, maps):
            super().__init__()
            self.maps = maps
            self.drop = layers.Dropout(0.5, seed=1)

        def call(self, x):
            return self.drop(tf.ones_like(self.maps(x)["conv"]))

    inputs = keras.Input((8, 8, 3))
    maps = kviz.activation_model(keras.Model(inputs, layers.Conv2D(2, 3, name="conv")(inputs)))
    assert 0.0 in np.unique(Head(maps)(pixels(1, 8, 8, 3), training=True))
    assert np.unique(Head(maps)(pixels(1, 8, 8, 3), training=False)).tolist() == [1.0]
