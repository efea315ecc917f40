"""activations, predict and weights: values, batches, traces, memory, and what they refuse."""

import subprocess
import sys
import textwrap
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz


@pytest.fixture(scope="module")
def network():
    return kviz.load_model("models/squeezenet.keras")


@pytest.fixture(scope="module")
def photos(network):
    return kviz.load_images("notebooks/images/*.png", network)


def small():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(5, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation="softmax", name="dense"),
        ]
    )


def images(count, size=16, channels=3):
    shape = (count, size, size, channels)
    return np.random.default_rng(2).uniform(0, 255, shape).astype("float32")


def test_the_real_network_answers_as_its_authors_say(network):
    """The figures of the weights' source for scikit-image's chelsea and coffee, within its resize."""
    cat, coffee = kviz.predict(
        network, kviz.load_images("notebooks/images/*.png", network), top=3
    ).rows
    assert {name for _, name, _ in cat} == {"Egyptian cat", "tabby", "tiger cat"}
    assert coffee[0][1] == "espresso"
    assert coffee[0][2] > 0.95


def test_squeezenet_equals_the_forward_pass_of_the_paper_s_layers(network, photos):
    """The same weights in bare TensorFlow operations, without Keras's layers, give the same maps."""
    weights = {weight.path: weight.value for weight in network.model.weights}

    def conv(x, name, stride=1, padding="VALID"):
        x = tf.nn.conv2d(x, weights[f"{name}/kernel"], stride, padding)
        return x + weights[f"{name}/bias"]

    x = tf.cast(photos, "float32") - [123.68, 116.779, 103.939]
    expected = {}
    x = expected["conv1"] = tf.nn.relu(conv(x, "conv1", 2))
    x = expected["pool1"] = tf.nn.max_pool2d(x, 3, 2, "VALID")
    for fire in range(2, 10):
        if fire in (4, 6):
            x = expected[f"pool{fire - 1}"] = tf.nn.max_pool2d(x, 3, 2, "VALID")
        name = f"fire{fire}_"
        x = expected[name + "squeeze1x1"] = tf.nn.relu(conv(x, name + "squeeze1x1"))
        narrow = expected[name + "expand1x1"] = tf.nn.relu(conv(x, name + "expand1x1"))
        wide = expected[name + "expand3x3"] = tf.nn.relu(conv(x, name + "expand3x3", 1, "SAME"))
        x = tf.concat([narrow, wide], -1)
    x = expected["conv10"] = conv(x, "conv10")
    maps = kviz.activations(network, photos)
    assert list(maps) == [info.path for info in network.layers.select(None)]
    assert set(maps) == set(expected)
    for path, array in maps.items():
        np.testing.assert_allclose(array, expected[path], atol=2e-3, rtol=1e-4, err_msg=path)
    scores = tf.nn.softmax(tf.reduce_mean(x, [1, 2]))
    np.testing.assert_allclose(network(photos), scores, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 32])
def test_results_do_not_depend_on_the_batch(batch_size):
    model, five = small(), images(5)
    whole = kviz.activations(model, five, batch_size=5)
    maps = kviz.activations(model, five, batch_size=batch_size)
    for path in whole:
        np.testing.assert_allclose(maps[path], whole[path], atol=1e-4)
    np.testing.assert_allclose(
        kviz.predict(model, five, batch_size=batch_size).scores,
        kviz.predict(model, five).scores,
        atol=1e-6,
    )


def test_one_image_needs_no_batch_axis():
    model, one = small(), images(1)
    np.testing.assert_array_equal(
        kviz.activations(model, one[0])["conv"], kviz.activations(model, one)["conv"]
    )


def test_nothing_is_traced_twice(monkeypatch):
    model, traces = small(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    for count, batch_size in ((5, 2), (3, 32), (1, 1), (7, 4)):
        kviz.activations(network, images(count), batch_size=batch_size)
        kviz.activations(network, images(count).astype("uint8"), batch_size=batch_size)
    assert len(traces) == 1
    kviz.activations(network, images(2), "pool")
    assert len(traces) == 2


def test_a_keras_model_is_compiled_once(monkeypatch):
    model, traces = small(), []
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    kviz.activations(model, images(1))
    kviz.activations(model, images(2))
    assert len(traces) == 1


def test_dropout_and_batch_norm_rest():
    inputs = keras.Input((8, 8, 3))
    x = layers.Dropout(0.9, name="drop")(inputs)
    x = layers.BatchNormalization(momentum=0.0, name="norm")(x)
    model = keras.Model(inputs, x)
    picture = images(4, 8)
    maps = kviz.activations(model, picture, ["drop", "norm"])
    np.testing.assert_array_equal(maps["drop"], picture)
    np.testing.assert_allclose(maps["norm"], picture / np.sqrt(1 + 1e-3), rtol=1e-5)
    assert not model.get_layer("norm").moving_mean.numpy().any()


def test_stateful_layers_start_anew():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(2, 6, 3)),
            layers.LSTM(4, stateful=True, return_sequences=True, name="lstm"),
        ]
    )
    sequences = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
    first = kviz.activations(model, sequences, "lstm")["lstm"]
    # Whatever the model has seen in between.
    model(sequences[:2])
    assert np.abs(np.array(model.layers[0].states[0])).max() > 0.01
    np.testing.assert_array_equal(kviz.activations(model, sequences, "lstm")["lstm"], first)
    np.testing.assert_allclose(
        kviz.activations(model, sequences[2:], "lstm")["lstm"], first[2:], atol=1e-6
    )


def test_the_images_are_not_changed(photos, network):
    before = photos.copy()
    kviz.activations(network, photos, "conv1")
    np.testing.assert_array_equal(photos, before)


def test_what_made_it_travels_along(network, photos):
    maps = kviz.activations(network, photos, "conv1", names=["a", "b"], batch_size=7)
    assert maps.names == ("a", "b")
    assert maps.made_by.settings["layer_names"] == ("conv1",)
    assert maps.made_by.settings["batch_size"] == 7
    assert maps.made_by.model == "squeezenet"
    assert maps.made_by.versions["tensorflow"] == tf.__version__
    np.testing.assert_array_equal(maps.images, photos)


@pytest.mark.parametrize("names", ["cat", [1, 2], 3])
@pytest.mark.parametrize("verb", ["activations", "predict", "attribute", "deep_dream", "report"])
def test_names_are_a_list_of_texts(verb, names):
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(kviz.OptionError, match=r"names takes a list of texts\. Received: "):
        getattr(kviz, verb)(model, images(1, 8), names=names)


def test_progress_counts_images():
    seen = []
    kviz.activations(small(), images(5), batch_size=2, progress=lambda *x: seen.append(x))
    assert seen == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: kviz.activations(m, images(1), "flat"), kviz.LayerError, "no spatial output"),
        (lambda m: kviz.activations(m, images(1), "con"), kviz.LayerError, "'conv'"),
        (lambda m: kviz.activations(m, images(1, channels=1)), kviz.ImageError, "N, 16, 16, 3"),
        (lambda m: kviz.activations(m, images(1, 17)), kviz.ImageError, r"\(1, 17, 17, 3\)"),
        (lambda m: kviz.activations(m, images(0)), kviz.ImageError, "at least one"),
        (lambda m: kviz.activations(m, images(1) * np.nan), kviz.ImageError, "NaN"),
        (lambda m: kviz.activations(m, images(1), batch_size=0), kviz.OptionError, "batch_size"),
        (lambda m: kviz.activations(m, "nope.png"), kviz.ImageError, "no file nope.png"),
        (lambda _: kviz.activations(7, images(1)), kviz.ModelError, "Keras 3 model"),
        (lambda _: kviz.activations("no.keras", images(1)), kviz.ModelError, "no file no.keras"),
        (lambda m: kviz.predict(m, images(1), 0), kviz.OptionError, "top"),
        (lambda m: kviz.predict(m, images(1), also=4), kviz.OptionError, "0 to 3"),
        (lambda m: kviz.predict(m, images(1), also="x"), kviz.OptionError, "no class names"),
        (lambda m: kviz.weights(m, "pool"), kviz.LayerError, "has no weights"),
        (lambda m: kviz.weights(m, "conv/kernl"), kviz.LayerError, "conv/kernel"),
        (lambda m: kviz.weights(m, "zzz"), kviz.LayerError, "zzz"),
    ],
)
def test_bad_input_is_one_sentence(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(small())
    text = str(caught.value)
    assert type(caught.value) is error
    assert len(text) <= 300
    assert "\n" not in text


def test_predict_of_several_kinds_of_output():
    inputs = keras.Input((8, 8, 3))
    flat = layers.Flatten()(inputs)
    model = keras.Model(
        inputs,
        {"maps": layers.Conv2D(2, 3)(inputs), "scores": layers.Dense(3, name="scores")(flat)},
    )
    predictions = kviz.predict(model, images(2, 8))
    assert predictions.scores.shape == (2, 3)
    assert not predictions.is_probability
    only_maps = keras.Model(inputs, layers.Conv2D(2, 3)(inputs))
    found = kviz.predict(only_maps, images(2, 8))
    assert (found.kind, found.maps.shape) == ("class map", (2, 6, 6))
    tokens = keras.Model(inputs, layers.Reshape((4, 3))(layers.Dense(12)(flat)))
    with pytest.raises(kviz.ModelError, match=r"an output \(N, classes\), a class map or an image"):
        kviz.predict(tokens, images(2, 8))


def test_one_sigmoid_unit_is_a_probability():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    assert kviz.predict(model, images(2, 8) / 255).is_probability


def test_weights_by_every_name_they_have(network):
    kernel = network.model.get_layer("conv1").kernel
    layer = network.model.get_layer("conv1")
    for name in ("conv1", "conv1/kernel", ["conv1"], 2, np.int64(2), layer, [layer]):
        np.testing.assert_array_equal(kviz.weights(network, name)["conv1/kernel"], kernel)
    assert list(kviz.weights(network, "conv1")) == ["conv1/kernel", "conv1/bias"]
    every = kviz.weights(network)
    assert len(every) == 2 * sum(isinstance(layer, layers.Conv2D) for layer in network.model.layers)


def test_weights_inside_nested_models_by_the_path_that_keras_prints():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv")], name="in")
    model = keras.Sequential([keras.Input((8, 8, 3)), inner])
    path = model.weights[0].path
    np.testing.assert_array_equal(kviz.weights(model, path)[path], model.weights[0])
    np.testing.assert_array_equal(kviz.weights(model, "in/conv")[path], model.weights[0])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images():
    """In a process of its own: what 256 images need beyond 32 is their own maps, and no more."""
    program = textwrap.dedent(
        """
        import resource, sys
        import keras, numpy as np
        import kviz
        x = inputs = keras.Input((64, 64, 3))
        for _ in range(6):
            x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(1, 1, name="last")(x)
        model = keras.Model(inputs, x)
        count = int(sys.argv[1])
        images = np.zeros((count, 64, 64, 3), "uint8")
        kviz.activations(model, images[:8], "last", batch_size=8)
        maps = kviz.activations(model, images, "last", batch_size=8)
        own = images.nbytes + maps["last"].nbytes
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - own)
        """
    )

    def peak(count):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # All maps of 256 images at once would be 800 MB; the allocator's noise is some MB.
    assert peak(256) - peak(32) < 40_000_000


def test_a_model_that_was_changed_is_looked_at_anew():
    model, five = small(), images(5)
    before = kviz.activations(model, five)["conv"]
    model.get_layer("conv").set_weights([2 * w for w in model.get_layer("conv").get_weights()])
    np.testing.assert_allclose(kviz.activations(model, five)["conv"], 2 * before, rtol=1e-4)
    model.get_layer("conv").activation = keras.activations.linear
    assert kviz.activations(model, five)["conv"].min() < 0
    model.pop()
    model.add(layers.Dense(7, name="other"))
    assert kviz.predict(model, five).scores.shape == (5, 7)
    assert kviz.Network(model).layers[-1].path == "other"


def test_models_are_not_kept_alive_for_ever():
    import gc
    import weakref

    references = []
    for _ in range(8):
        model = small()
        kviz.activations(model, images(1))
        references.append(weakref.ref(model))
    del model
    gc.collect()
    assert sum(reference() is not None for reference in references) <= 4


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.get_layer("conv"), "activation", keras.activations.tanh),
        lambda model: model.get_layer("dense").enable_lora(2),
        lambda model: model.pop(),
    ],
)
def test_every_change_of_a_model_is_seen(change):
    model, five = small(), images(5) / 255
    kviz.predict(model, five)
    change(model)
    network = kviz.Network(model)
    np.testing.assert_allclose(
        np.array(kviz.network.loading.as_network(model)(five)), np.array(network(five)), rtol=1e-6
    )


def test_stateful_layers_are_left_as_they_were():
    model = keras.Sequential(
        [keras.Input(batch_shape=(2, 6, 3)), layers.LSTM(4, stateful=True, name="lstm")]
    )
    sequences = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    model(sequences)
    # Keras 3.15 does not count the states among a layer's variables.
    states = model.layers[0].states
    before = [np.array(state) for state in states]
    assert np.abs(before[0]).max() > 0.01
    kviz.predict(model, sequences / 2)
    for value, state in zip(before, states, strict=True):
        np.testing.assert_array_equal(value, state)


def test_a_result_is_frozen_whatever_the_batch():
    five = images(5)
    for batch_size in (2, 5):
        maps = kviz.activations(small(), five, batch_size=batch_size)
        with pytest.raises(ValueError, match="read-only"):
            maps["conv"][:] = 0
    five[:] = 0
    assert maps.images.any()


def test_images_too_small_for_a_layer():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(2, 3, name="conv")(inputs)
    model = keras.Model(inputs, layers.MaxPooling2D(2, name="pool")(x))
    with pytest.raises(kviz.ImageError, match="too small for layer 'conv'"):
        kviz.activations(model, images(1, 2), "conv")
    with pytest.raises(kviz.KvizError, match=r"too small|cannot be run"):
        kviz.activations(model, images(1, 3), "pool")


def test_a_fixed_batch_is_filled_up_when_called_too():
    inputs = keras.Input(batch_shape=(4, 8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3)(inputs))
    six = images(6, 8)
    expected = np.concatenate([model(six[:4]), model(np.concatenate([six[4:], six[4:]]))[:2]])
    np.testing.assert_allclose(kviz.Network(model)(six), expected, rtol=1e-5)


def test_two_names_for_one_sigmoid_unit():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    network = kviz.Network(model, class_names=["cat", "dog"])
    one = images(1, 8) / 2550
    (rows,) = kviz.predict(network, one).rows
    chance = float(np.array(model(one))[0, 0])
    assert {name: score for _, name, score in rows} == pytest.approx(
        {"dog": chance, "cat": 1 - chance}
    )


def test_the_output_that_names_classes_comes_first():
    inputs = keras.Input((8, 8, 3))
    flat = layers.Flatten()(inputs)
    outputs = {"age": layers.Dense(1)(flat), "species": layers.Dense(4, activation="softmax")(flat)}
    model = keras.Model(inputs, outputs)
    found = kviz.predict(model, images(2, 8))
    assert found.scores.shape == (2, 4)
    assert "'species'" in found.notes[0]
    assert kviz.predict(model, images(2, 8), output="age").scores.shape == (2, 1)
    with pytest.raises(kviz.OptionError, match=r"'age' .*, 'species' .*Received: 'weight'"):
        kviz.predict(model, images(2, 8), output="weight")


def test_several_paths_are_images_too(network):
    paths = ["notebooks/images/cat.png", "notebooks/images/coffee.png"]
    assert kviz.predict(network, paths, 1).names == ("cat.png", "coffee.png")


def test_preprocessing_is_for_photos_and_not_for_a_mask_beside_one():
    photo, mask = keras.Input((8, 8, 3), name="photo"), keras.Input((8, 8, 1), name="mask")
    model = keras.Model([photo, mask], layers.Multiply(name="seen")([photo, mask]))
    network = kviz.Network(model, preprocess=lambda x: x / 255)
    five, ones = images(5, 8), np.ones((5, 8, 8, 1))
    np.testing.assert_allclose(network([five, ones]), five / 255, rtol=1e-6)


# Values that the model would see as black.

DARK = {
    "activations": lambda model, x: kviz.activations(model, x),
    "predict": lambda model, x: kviz.predict(model, x),
    "attribute": lambda model, x: kviz.attribute(model, x, "gradient"),
    "fool": lambda model, x: kviz.fool(model, x, 1, steps=2, bounds=(0, 255)),
    "report": lambda model, x: kviz.report(model, x, "report.html", quick=True),
    "film": lambda model, x: model.fit(
        x, np.zeros(len(x)), verbose=0, callbacks=[kviz.callbacks.Film(x[:1], "film.gif")]
    ),
}


def of_bytes(*first):
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), *first, layers.Conv2D(4, 3, name="conv"),
         layers.Flatten(), layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("verb", DARK)
def test_values_in_0_1_for_a_model_of_0_255_are_warned_of(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype("float32")
    with pytest.warns(kviz.KvizWarning, match="up to 1 where the model takes 0-255") as seen:
        DARK[verb](of_bytes(layers.Rescaling(1 / 255)), x)
    # At a line of the caller's.
    assert verb == "film" or {one.filename for one in seen} == {__file__}
    # A model that was trained on such arrays says nothing of what it takes.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DARK[verb](of_bytes(), x)


def test_a_dream_of_values_in_0_1_is_refused():
    x = np.random.default_rng(0).uniform(0.2, 0.8, (1, 16, 16, 3)).astype("float32")
    with pytest.raises(kviz.ImageError, match=r"from 0.2\d* to 0.7\d*. A model that takes 0-1"):
        kviz.deep_dream(of_bytes(), x, "conv")
    model = of_bytes(layers.Rescaling(1 / 255))
    with pytest.warns(kviz.KvizWarning, match="0-255"), pytest.raises(kviz.ImageError):
        kviz.deep_dream(model, x, "conv")


def test_bytes_that_are_nearly_black_are_warned_of():
    model, x = of_bytes(layers.Rescaling(1 / 255)), images(1).astype("uint8")
    with pytest.warns(kviz.KvizWarning, match="up to 16"):
        kviz.predict(model, x // 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kviz.predict(model, x // 8)
        kviz.predict(model, 0 * x)
        # Real numbers of any size can be what somebody means.
        kviz.predict(model, (x / 17).astype("float32"))
        kviz.predict(kviz.Network(of_bytes()), x // 17)


@pytest.mark.parametrize("name", ["vgg16", "efficientnet"])
def test_what_prepares_pixels_for_an_application_takes_0_255(name):
    x = np.random.default_rng(0).uniform(0, 1, (1, 16, 16, 3)).astype("float32")
    with pytest.warns(kviz.KvizWarning, match="up to 1 "):
        kviz.predict(kviz.Network(of_bytes(), preprocess=name), x)


def test_a_cat_of_0_1_is_a_nematode_and_said_to_be_black(network, photos):
    with pytest.warns(kviz.KvizWarning, match="Multiply them by 255"):
        assert kviz.predict(network, photos[:1] / 255, top=1).rows[0][0].name == "nematode"


@pytest.mark.parametrize(
    ("kinds", "note"),
    [
        ((), None),
        ((layers.DepthwiseConv2D,),
         "1 of the 2 convolutions are of other kinds: layer_names='DepthwiseConv2D' shows them."),
        ((layers.DepthwiseConv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D),
         "3 of the 4 convolutions are of other kinds: "
         "layer_names=['DepthwiseConv2D', 'Conv2DTranspose'] shows them."),
    ],
)  # fmt: skip
def test_convolutions_that_are_not_shown_by_default_are_named(kinds, note):
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1)(x)
    for kind in kinds:
        x = kind(3)(x) if kind is layers.DepthwiseConv2D else kind(4, 3)(x)
    model = keras.Model(image, layers.MaxPooling2D()(x))
    pixels = np.zeros((1, 8, 8, 3), "uint8")
    notes = kviz.activations(model, pixels).notes
    assert notes == (
        () if note is None else (f"By default Conv2D and MaxPooling2D are shown. {note}",)
    )
    assert not kviz.activations(model, pixels, "*").notes


def test_grey_pictures_without_channels_are_shown_beside_their_maps():
    image = keras.Input((14, 15))
    x = layers.Conv2D(2, 3, name="conv")(layers.Reshape((14, 15, 1))(image))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 14, 15), np.uint8)
    maps = kviz.activations(model, pixels)
    tile = maps.tiles("conv", image=1, show_image=True)[0]
    np.testing.assert_array_equal(tile.levels[:14, :15, 1], pixels[1])
