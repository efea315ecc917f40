"""What Keras users do with a model works with an activation model, for every kind of model."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import refused

import kviz

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)


def pixels(*shape):
    return RNG.uniform(0, 255, shape).astype("float32")


def read_back(model, folder):
    model.save(folder / "own.keras")
    return keras.saving.load_model(folder / "own.keras")


@keras.saving.register_keras_serializable("kviz_activation_model_tests")
class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, padding="same", name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.drop = layers.Dropout(0.9, name="drop")

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build((*shape[:-1], 4))

    def call(self, x, training=None):
        return self.drop(self.norm(self.conv(x), training=training), training=training)


@keras.saving.register_keras_serializable("kviz_activation_model_tests")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, name="conv")
        self.pool = layers.MaxPooling2D(2, name="pool")

    def call(self, x):
        return tf.reduce_mean(self.pool(self.conv(x)), [1, 2])


def functional(_):
    x = inputs = keras.Input((12, 10, 3))
    x = layers.Conv2D(4, 3, name="a")(x)
    x = layers.MaxPooling2D(2, name="b")(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x))), pixels(3, 12, 10, 3)


def sequential_from_disk(folder):
    model = keras.Sequential([layers.Conv2D(4, 3, name="a"), layers.MaxPooling2D(2, name="b")])
    model.build((None, 12, 10, 3))
    return read_back(model, folder), pixels(3, 12, 10, 3)


def nested_three_deep(_):
    inner = keras.Sequential(
        [keras.Input((None, None, 4)), layers.Conv2D(4, 3, name="c")], name="i"
    )
    middle = keras.Sequential([inner, layers.MaxPooling2D(2, name="p")], name="m")
    outer = keras.Sequential([layers.Conv2D(4, 1, name="s"), middle], name="o")
    inputs = keras.Input((12, 10, 3))
    return keras.Model(inputs, layers.Conv2D(2, 1, name="head")(outer(inputs))), pixels(
        3, 12, 10, 3
    )


def shared_layer(_):
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    inputs = keras.Input((12, 10, 3))
    return keras.Model(inputs, conv(conv(inputs))), pixels(3, 12, 10, 3)


def several_inputs_and_outputs(_):
    inputs = {"photo": keras.Input((8, 8, 3), name="photo"), "age": keras.Input((1,), name="age")}
    conv = layers.Conv2D(2, 3, name="conv")(inputs["photo"])
    end = layers.Concatenate()([layers.Flatten()(conv), inputs["age"]])
    model = keras.Model(inputs, {"value": layers.Dense(1)(end), "kind": layers.Dense(3)(end)})
    return model, {"photo": pixels(3, 8, 8, 3), "age": pixels(3, 1)}


def two_photos_in_a_list(_):
    encoder = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="c")], name="e")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    model = keras.Model([left, right], layers.Subtract()([encoder(left), encoder(right)]))
    return model, [pixels(3, 8, 8, 3), pixels(3, 8, 8, 3)]


def custom_blocks(_):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, Block(name="two")(Block(name="one")(inputs))), pixels(3, 8, 8, 3)


def subclassed(_):
    model, images = Subclassed(), pixels(3, 8, 8, 3)
    model(images)
    return model, images


def subclassed_never_called(_):
    return Subclassed(), pixels(3, 8, 8, 3)


def sequential_never_built(_):
    model = keras.Sequential([layers.Conv2D(4, 3, name="a"), layers.MaxPooling2D(2, name="b")])
    return model, pixels(3, 12, 10, 3)


def channels_first(_):
    inputs = keras.Input((3, 8, 10))
    conv = layers.Conv2D(2, 3, data_format="channels_first", name="conv")(inputs)
    model = keras.Model(inputs, layers.MaxPooling2D(2, data_format="channels_first")(conv))
    return model, pixels(3, 3, 8, 10)


def names_that_are_no_scope(_):
    inputs = keras.Input((8, 8, 3), name="my photo")
    x = layers.Conv2D(4, 3, name="my conv")(inputs)
    return keras.Model(inputs, layers.MaxPooling2D(2, name="größte (2×2)")(x)), pixels(3, 8, 8, 3)


def squeezenet(_):
    network = kviz.load_model(ROOT / "models/squeezenet.keras")
    cat = kviz.load_images(ROOT / "notebooks/images/cat.png", network)
    return network.model, cat.repeat(3, axis=0).astype("float32")


def resnet18(_):
    from resnet18 import build

    return build(classes=5), pixels(3, 224, 224, 3)


KINDS = [
    functional,
    sequential_from_disk,
    nested_three_deep,
    shared_layer,
    several_inputs_and_outputs,
    two_photos_in_a_list,
    custom_blocks,
    subclassed,
    subclassed_never_called,
    sequential_never_built,
    channels_first,
    names_that_are_no_scope,
    squeezenet,
]


def by_hand(model, images):
    """Return the maps of the layers as `kviz.activations` has them; test_tracing compares these."""
    if keras.tree.flatten(images)[0].shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    return kviz.activations(model, images)


def same(left, right):
    left, right = keras.tree.flatten(left), keras.tree.flatten(right)
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        # Of the largest value: sums of another batch are added up in another order.
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * max(np.abs(other).max(), 1))


@pytest.mark.some(every=4)
@pytest.mark.parametrize(
    "kind",
    [
        *(kind for kind in KINDS if kind is not squeezenet),
        *(
            pytest.param(kind, marks=pytest.mark.slow, id=kind.__name__)
            for kind in (squeezenet, resnet18)
        ),
    ],
    ids=lambda kind: kind.__name__,
)
class TestEveryKind:
    @pytest.fixture
    def made(self, kind, tmp_path):
        model, images = kind(tmp_path)
        return model, images, kviz.activation_model(model)

    def test_predict_on_arrays_and_on_a_data_set_with_a_short_last_batch(self, made):
        model, images, maps = made
        assert isinstance(maps, keras.Model)
        found = maps.predict(images, batch_size=2, verbose=0)
        wanted = by_hand(model, images)
        assert list(found) == list(wanted)
        assert {str(array.dtype) for array in found.values()} == {"float32"}
        same(found, dict(wanted))
        data = tf.data.Dataset.from_tensor_slices(images)
        if isinstance(images, list):
            data = tf.data.Dataset.from_tensor_slices(tuple(images)).map(lambda *x: (x,))
        same(maps.predict(data.batch(2), verbose=0), found)

    def test_a_plain_call_and_gradients_to_the_pixels(self, made):
        _, images, maps = made
        tensors = keras.tree.map_structure(tf.constant, images)
        first = tensors["photo"] if isinstance(tensors, dict) else keras.tree.flatten(tensors)[0]
        with tf.GradientTape() as tape:
            tape.watch(first)
            found = maps(tensors)
            score = tf.add_n([tf.reduce_sum(x[..., 0]) for x in found.values()])
        gradient = tape.gradient(score, first)
        assert gradient is not None
        assert np.abs(gradient).max() > 0
        same(found, maps.predict(images, verbose=0))

    def test_summary_and_table(self, made):
        model, images, maps = made
        maps(images)
        lines = []
        maps.summary(print_fn=lines.append)
        assert "feature_maps" in "\n".join(lines)
        assert [info.path for info in maps.layer_table] == list(by_hand(model, images))
        assert all(info.channels and info.window.strides for info in maps.layer_table)
        assert all(str(info.receptive_field) != "unknown" for info in maps.layer_table)

    def test_its_weights_are_the_callers(self, made):
        model, images, maps = made
        maps(images)
        assert [id(w) for w in maps.weights] == [id(w) for w in model.weights]
        assert [id(w) for w in maps.trainable_weights] == [id(w) for w in model.trainable_weights]

    def test_a_copy_and_a_pickle_have_the_same_maps_and_weights_of_their_own(self, made):
        _, images, maps = made
        found = maps.predict(images, verbose=0)
        for other in (copy.deepcopy(maps), pickle.loads(pickle.dumps(maps))):  # noqa: S301
            same(other.predict(images, verbose=0), found)
            assert not {id(w) for w in other.weights} & {id(w) for w in maps.weights}
            assert [i.path for i in other.layer_table] == [i.path for i in maps.layer_table]

    def test_saved_and_read_back_it_is_equal(self, made, tmp_path):
        _, images, maps = made
        found = maps.predict(images, verbose=0)
        maps.save(tmp_path / "maps.keras")
        same(keras.saving.load_model(tmp_path / "maps.keras").predict(images, verbose=0), found)

    def test_a_layer_in_another_model_and_the_fit_of_a_head(self, made):
        model, images, maps = made
        maps(images)
        if isinstance(images, dict):
            inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in images.items()}
        else:
            inputs = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:]), images)
        last = list(maps(inputs).values())[-1]
        head = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(last)))
        maps.trainable = False
        head.compile(keras.optimizers.SGD(1e-6), "mse")
        before = [np.array(w) for w in model.weights]
        head.fit(images, np.ones((3, 1)), batch_size=2, epochs=2, verbose=0)
        same([np.array(w) for w in model.weights], before)
        kernel = head.layers[-1].kernel
        assert kernel.shape[-1] == 1
        maps.trainable = True


STRUCTURES = {
    np.ndarray: "arrays[0]",
    list: "arrays",
    dict: "{'age': arrays[0], 'photo': arrays[1]}",
}


@pytest.mark.slow
def test_exported_they_run_in_a_process_without_kviz(tmp_path):
    """All kinds in one process: TensorFlow takes seconds to start."""
    found, code = {}, ["import sys, numpy as np, tensorflow as tf"]
    for kind in (*KINDS, resnet18):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        model, images = kind(folder)
        maps = kviz.activation_model(model)
        found[kind.__name__] = maps.predict(images, verbose=0)
        maps.export(folder / "exported", verbose=False)
        np.savez(folder / "images.npz", *keras.tree.flatten(images))
        code += [
            f"file = np.load({str(folder / 'images.npz')!r})",
            "arrays = [tf.constant(file[name]) for name in file.files]",
            f"model = tf.saved_model.load({str(folder / 'exported')!r})",
            f"found = model.serve({STRUCTURES[type(images)]})",
            "found = {name.replace('/', '|'): maps for name, maps in found.items()}",
            f"np.savez({str(folder / 'found.npz')!r}, **found)",
        ]
    code.append("assert 'kviz' not in sys.modules")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for name, maps in found.items():
        with np.load(tmp_path / name / "found.npz") as file:
            assert {key.replace("|", "/") for key in file.files} == set(maps)
            for key in file.files:
                same(file[key], maps[key.replace("|", "/")])


def test_pooling_gives_one_number_a_channel():
    model, images = functional(None)
    maps = kviz.activations(model, images)
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = kviz.activation_model(model, pooling=pooling)
        shapes = {path: tensor.shape for path, tensor in pooled.output.items()}
        assert shapes == {"a": (None, 4), "b": (None, 4)}
        found = pooled.predict(images, verbose=0)
        for path, array in maps.items():
            np.testing.assert_allclose(found[path], reduce(array, (1, 2)), rtol=1e-4, atol=1e-4)


def test_pooling_of_another_name_is_refused():
    with refused("pooling takes one of 'avg', 'max', None. Received: 'mean'", kviz.OptionError):
        kviz.activation_model(functional(None)[0], pooling="mean")


def test_outputs_come_beside_the_maps():
    for kind in (functional, several_inputs_and_outputs):
        model, images = kind(None)
        found = kviz.activation_model(model, outputs=True).predict(images, verbose=0)
        assert list(found) == ["maps", "outputs"]
        same(found["outputs"], model.predict(images, verbose=0))
        same(found["maps"], kviz.activation_model(model).predict(images, verbose=0))


def test_the_layers_that_are_asked_for_in_order_of_execution():
    model, images = nested_three_deep(None)
    maps = kviz.activation_model(model, ["head", "o/s", "c"])
    assert list(maps.predict(images, verbose=0)) == ["o/s", "o/m/i/c", "head"]
    assert list(maps.output) == ["o/s", "o/m/i/c", "head"]


def test_a_layer_that_is_not_there_is_said_at_once():
    with refused("no layer 'hed'. Did you mean 'head'", kviz.LayerError):
        kviz.activation_model(nested_three_deep(None)[0], "hed")


def test_before_data_a_subclassed_model_has_no_table():
    maps = kviz.activation_model(Subclassed())
    with refused("once the model has seen an image", kviz.LayerError):
        maps.layer_table  # noqa: B018


def test_half_precision_gives_float32():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3, dtype="mixed_float16", name="c")(inputs))
    found = kviz.activation_model(model).predict(pixels(2, 8, 8, 3) * 1e4, verbose=0)["c"]
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("preprocess", ["vgg16", layers.Rescaling(1 / 255)])
def test_preprocessing_by_name_or_layer_is_included(preprocess, tmp_path):
    model, images = functional(None)
    network = kviz.Network(model, preprocess=preprocess)
    maps = kviz.activation_model(network)
    same(maps.predict(images, verbose=0), dict(kviz.activations(network, images)))
    plain = kviz.activation_model(model).predict(images, verbose=0)
    assert np.abs(plain["a"] - maps.predict(images, verbose=0)["a"]).max() > 1
    maps.save(tmp_path / "maps.keras")
    again = keras.saving.load_model(tmp_path / "maps.keras")
    same(again.predict(images, verbose=0), maps.predict(images, verbose=0))


def test_preprocessing_is_included_where_channels_come_first():
    model, images = channels_first(None)
    maps = kviz.activation_model(kviz.Network(model, preprocess="vgg16"))
    by_keras = keras.applications.vgg16.preprocess_input(
        images.copy(), data_format="channels_first"
    )
    same(maps.predict(images, verbose=0), kviz.activation_model(model).predict(by_keras, verbose=0))


def test_preprocessing_by_a_function_is_refused_with_the_way_out():
    network = kviz.Network(functional(None)[0], preprocess=lambda x: x / 255)
    with refused("Pass network.model, and give the result inputs", kviz.OptionError):
        kviz.activation_model(network)


@pytest.mark.slow
def test_naming_the_class_in_a_fresh_process_registers_it(tmp_path):
    model, images = functional(None)
    maps = kviz.activation_model(model)
    maps.save(tmp_path / "maps.keras")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import keras, kviz, numpy as np\n"
        "kviz.ActivationModel\n"
        f"images = np.load({str(tmp_path / 'images.npy')!r})\n"
        f"file = {str(tmp_path / 'maps.keras')!r}\n"
        "found = keras.saving.load_model(file).predict(images, verbose=0)\n"
        "network = kviz.load_model(file)\n"
        "print(sorted(found), isinstance(network.model, kviz.ActivationModel))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "['a', 'b'] True", done.stderr


def test_trained_weights_and_running_means_are_those_of_the_model():
    """Fine-tuning through the maps moves the caller's kernels, in inference mode: no running mean."""
    x = inputs = keras.Input((12, 10, 3))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="a")(x))
    model, images = keras.Model(inputs, layers.MaxPooling2D(2, name="b")(x)), pixels(3, 12, 10, 3)
    maps = kviz.activation_model(model, "b")
    head = keras.Model(
        maps.inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(maps.output["b"]))
    )
    head.compile(keras.optimizers.SGD(1e-4), "mse")
    kernel = np.array(model.get_layer("a").kernel)
    norm = model.get_layer("norm")
    mean = np.array(norm.moving_mean)
    head.fit(images, np.ones((3, 1)), epochs=1, verbose=0)
    assert np.abs(np.array(model.get_layer("a").kernel) - kernel).max() > 0
    np.testing.assert_array_equal(np.array(norm.moving_mean), mean)


def test_pooling_is_checked_by_the_class_itself():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(kviz.OptionError, match="pooling takes one of 'avg', 'max', None"):
        kviz.ActivationModel(model, pooling="median")
