"""Film: it shows what the model is at each epoch, and training does not notice."""

import base64
import importlib.util
import re
import subprocess
import sys
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from needed import need_package
from PIL import Image
from refusals import refused

import kviz
from kviz.callbacks.film import Film
from kviz.draw.frames import CHART, HEADER, MARGIN, TITLE
from kviz.extras import install_command

RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 3, 64)
# Three kinds of stripes, so that there is something to learn.
X = (np.sin(np.arange(12)[:, None] * (Y[:, None, None] + 1) * 0.7) * np.ones(12))[..., None]
X = (X + RANDOM.normal(0, 0.3, X.shape)).astype("float32")
FEW = X[:2]


def net(**kwargs):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(5, 3, name="conv1"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(7, 3, activation="relu", name="conv2"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return compiled(model, **kwargs)


def compiled(model, **kwargs):
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.1, 0.9), loss, metrics=["accuracy"], **kwargs)
    return model


class Each(keras.callbacks.Callback):
    """Call a function of (epochs done, model) after each epoch."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - Keras's
        self.run(epoch + 1, self.model)


def fit(model, *callbacks, epochs=2, **kwargs):
    kwargs = {"batch_size": 16, "verbose": 0, "x": X, "y": Y, **kwargs}
    return model.fit(epochs=epochs, callbacks=list(callbacks), **kwargs)


def frames(path):
    with Image.open(path) as film:
        found = []
        for number in range(film.n_frames):
            film.seek(number)
            found.append(np.asarray(film.convert("RGB")))
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "film.gif"


def custom():
    @keras.saving.register_keras_serializable("test_callbacks")
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(4, 3, activation="relu", name="own")
            self.norm = layers.BatchNormalization()
            self.drop = layers.Dropout(0.5)
            self.out = layers.Dense(3, activation="softmax")

        def call(self, x, training=False):
            x = self.drop(self.norm(self.conv(x), training=training), training=training)
            return self.out(keras.ops.mean(x, (1, 2)))

    keras.utils.set_random_seed(5)
    return compiled(Own())


def half():
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((12, 12, 1))])
    for layer in (
        layers.Conv2D(5, 3, name="conv1", dtype=policy),
        layers.BatchNormalization(dtype=policy),
        layers.GlobalAveragePooling2D(dtype=policy),
        layers.Dropout(0.5, dtype=policy),
        layers.Dense(3, activation="softmax", dtype="float32"),
    ):
        model.add(layer)
    return compiled(model)


def nested():
    keras.utils.set_random_seed(5)
    inner = keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Conv2D(4, 3, name="conv"), layers.Dropout(0.5)],
        name="block",
    )
    inputs = keras.Input((12, 12, 1))
    x = layers.RandomFlip()(inputs)
    x = layers.GlobalMaxPooling2D()(inner(x))
    return compiled(keras.Model(inputs, layers.Dense(3, activation="softmax")(x)))


# What there is to disturb: dropout, random flips, batch statistics, the order of the images.
@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("made", "kwargs"),
    [
        (net, {}),
        (lambda: net(steps_per_execution=3), {"validation_split": 0.25}),
        (lambda: net(jit_compile=False), {"epochs": 5, "initial_epoch": 3}),
        (custom, {}),
        (half, {}),
        (nested, {}),
    ],
    ids=["plain", "steps_per_execution", "initial_epoch", "subclassed", "half", "nested"],
)
def test_the_model_learns_what_it_learns_unwatched(made, kwargs, path):
    found = []
    for watched in (False, True):
        model = made()
        keras.utils.set_random_seed(7)
        noisy = kviz.attribution.method_named("smooth_grad", samples=2)
        film = [Film(FEW, path, attributions=["grad_cam", noisy])] * watched
        history = fit(model, *film, **kwargs)
        variables = [*model.variables, *model.optimizer.variables]
        found.append(([np.array(v) for v in variables], history.history, tf.random.uniform(())))
    (alone, lone_history, lone_draw), (watched, history, draw) = found
    assert history == lone_history
    assert draw == lone_draw
    for one, other in zip(alone, watched, strict=True):
        np.testing.assert_array_equal(one, other)
    start, end = kwargs.get("initial_epoch", 0), kwargs.get("epochs", 2)
    assert film[0].epochs == list(range(start, end + 1))
    assert len(frames(path)) == end - start + 1


@pytest.mark.some(every=2)
@pytest.mark.parametrize("made", [net, custom, half, nested])
def test_each_frame_is_what_the_verbs_say_of_the_model_then(made, path):
    model, seen = made(), []
    film = Film(FEW, path, attributions=["grad_cam", "saliency"], class_index=[2, 0])

    def compare(epoch, model):
        frame, network = film.frame, kviz.Network(model)
        assert frame.epoch == epoch
        assert not frame.problems
        for name in frame.activations:
            ours = kviz.activations(network, FEW, name)[name]
            np.testing.assert_array_equal(frame.activations[name], ours)
        for name in frame.weights:
            np.testing.assert_array_equal(
                frame.weights[name],
                next(np.array(weight) for weight in model.weights if weight.path == name),
            )
        for method, found in frame.attributions.items():
            ours = kviz.attribute(network, FEW, method, class_index=[2, 0])
            np.testing.assert_allclose(found.maps, ours.maps, atol=1e-6 * np.abs(ours.maps).max())
        np.testing.assert_array_equal(frame.predictions.scores, kviz.predict(network, FEW).scores)
        seen.append(next(iter(frame.weights.values())))

    fit(model, film, Each(compare))
    assert len(seen) == 2
    assert all((one != other).any() for one, other in pairwise(seen))


@pytest.mark.slow
def test_nothing_is_compiled_again_after_the_first_look(path):
    film, counts = Film(FEW, path, attributions=["grad_cam", "saliency"]), []

    def count(epoch, model):  # noqa: ARG001 - what Each gives
        counts.append(
            sorted(id(function) for _, function in film._network.engine.functions.items())
        )

    fit(net(), film, Each(count), epochs=4)
    assert len(counts[0]) >= 4
    assert counts == [counts[0]] * 4


@pytest.mark.some(every=2)
@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_the_film_changes_and_its_charts_keep_their_axes(ending, tmp_path):
    path = tmp_path / f"film{ending}"
    film = Film(FEW, str(path), class_names=["low", "middle", "high"])
    fit(net(), film, epochs=4, validation_split=0.25)
    found = frames(path)
    assert len(found) == 5
    charts = [frame[:, -MARGIN - CHART :].astype(int) for frame in found]
    # Left of the plot: what is written at the axis. A GIF's colours may be off by little.
    for chart in charts:
        assert np.abs(chart[HEADER + 20 : -60, :50] - charts[-1][HEADER + 20 : -60, :50]).max() < 32
    for one, other in pairwise(found):
        # Below the titles: what the model shows of itself.
        pictures = np.s_[HEADER + TITLE :, : -MARGIN - CHART]
        assert (np.abs(one[pictures].astype(int) - other[pictures]) > 40).mean() > 0.001
    plots = [chart[HEADER + 26 : HEADER + 156] for chart in charts]
    blue = [((plot[..., 2] - plot[..., 0]) > 60).any(0) for plot in plots]
    assert not blue[0].any()  # no epoch has been counted yet
    ends = [int(np.flatnonzero(columns).max()) for columns in blue[1:]]
    # 238 pixels are 4 epochs.
    assert np.diff(ends) == pytest.approx(238 / 4, abs=2)
    with Image.open(path) as film:
        film.seek(4)
        film.load()
        assert film.info["duration"] == 3000


@pytest.mark.slow
def test_an_axis_that_grows_grows_in_all_frames(path):
    model, rates = net(), iter([0.01, 0.01, 60.0, 0.01])
    film = Film(FEW, path, attributions=())
    change = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: model.optimizer.learning_rate.assign(next(rates))
    )
    tops = []
    fit(model, change, film, Each(lambda *_: tops.append(film._charts[0].high)), epochs=4)
    assert tops[0] < tops[2] == tops[3]
    labels = [
        frame[HEADER + 16 : HEADER + 190, -MARGIN - CHART :][:, :50] for frame in frames(path)
    ]
    for label in labels:
        assert np.abs(label.astype(int) - labels[-1]).max() < 32


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_what_is_interrupted_leaves_the_film_up_to_then(problem, path):
    def stop(epoch, model):  # noqa: ARG001 - what Each gives
        if epoch == 2:
            raise problem

    with pytest.raises(problem):
        fit(net(), Film(FEW, path, attributions=()), Each(stop), epochs=9)
    assert len(frames(path)) == 3
    assert [file.name for file in path.parent.iterdir()] == ["film.gif"]


def test_a_full_disk_ends_the_film_and_not_the_training(path, monkeypatch):
    model, film = net(), Film(FEW, path, attributions=())

    def full(*_, **__):
        raise kviz.OutputError("the disk is full")

    def fill(epoch, model):  # noqa: ARG001 - what Each gives
        if epoch == 2:
            monkeypatch.setattr("kviz.callbacks.film.write_film", full)

    with pytest.warns(kviz.KvizWarning, match="Training goes on, the film does not: the disk is"):
        history = fit(model, film, Each(fill), epochs=4)
    assert len(history.history["loss"]) == 4
    assert len(frames(path)) == 3


def test_a_notebook_shows_the_film_with_its_alternative_text(tmp_path):
    film = Film(FEW, tmp_path / "film.webp")
    assert film._repr_html_() is None, "nothing was filmed yet"
    model = net()
    model.name = "a>b"
    fit(model, film, epochs=1)
    shown = film._repr_html_()
    kind, data = re.search(r'src="data:([^;]+);base64,([^"]+)"', shown).groups()
    assert kind == "image/webp"
    assert base64.b64decode(data) == film.path.read_bytes()
    assert "what a&gt;b learned, epochs 0 to 1" in shown
    film.path.unlink()
    assert film._repr_html_() is None


def test_a_loss_that_is_not_finite_is_filmed(path):
    model = net()
    broken = Each(
        lambda epoch, model: (
            epoch == 1 and model.layers[0].kernel.assign_add(np.nan + model.layers[0].kernel)
        )
    )
    film = Film(FEW, path)
    fit(model, broken, film)
    assert film.epochs == [0, 1, 2]
    assert "not finite" in film.frame.problems["grad_cam"]
    assert np.isnan(film.frame.logs["loss"])
    assert len(frames(path)) == 3


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("epochs", "most", "expected"),
    [
        (4, 5, [0, 1, 2, 3, 4]),
        (5, 5, [0, 2, 4, 5]),
        (10, 5, [0, 4, 8, 10]),
        (10, 2, [0, 10]),
        (9, 4, [0, 4, 8, 9]),
    ],
)
def test_a_long_film_is_thinned_out(epochs, most, expected, path):
    film, counts = Film(FEW, path, attributions=(), max_frames=most), []
    fit(net(), film, Each(lambda *_: counts.append(len(film.epochs))), epochs=epochs)
    assert film.epochs == expected
    assert max(counts) <= most
    assert len(frames(path)) == len(expected)


def test_every_so_many_epochs_and_the_last(path):
    film = Film(FEW, path, attributions=(), every=2)
    fit(net(), film, epochs=5)
    assert film.epochs == [0, 2, 4, 5]
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100)
    early = Film(FEW, path, attributions=(), every=5)
    fit(net(), early, stop, epochs=20)
    assert early.epochs == [0, 2]
    assert early.frame.epoch == 2


@pytest.mark.slow
def test_training_that_goes_on_goes_on_in_the_film(path):
    model, film = net(), Film(FEW, path, attributions=())
    fit(model, film, epochs=2)
    fit(model, film, epochs=4, initial_epoch=2)
    assert film.epochs == [0, 1, 2, 3, 4]
    assert len(frames(path)) == 5
    fit(model, film, epochs=1)
    assert film.epochs == [0, 1]
    before = path.read_bytes()
    for name in ("film-from-5.gif", "film-from-5-2.gif"):
        later = Film(FEW, path, attributions=())
        fit(model, later, epochs=6, initial_epoch=5)
        assert later.path.name == name
        assert later.epochs == [5, 6]
        assert len(frames(later.path)) == 2
    assert path.read_bytes() == before


@pytest.mark.slow
def test_another_model_begins_another_film(path):
    film = Film(FEW, path, attributions=())
    fit(net(), film, epochs=2)
    fit(custom(), film, epochs=1)
    assert film.epochs == [0, 1]
    assert list(film.frame.activations) == ["own"]


@pytest.mark.slow
def test_what_is_shown_can_be_chosen(path):
    film = Film(
        FEW[:1],
        path,
        layer_names="conv*",
        weights=["conv1", "dense*"],
        attributions=[kviz.attribution.method_named("grad_cam", layer_names="conv1"), "saliency"],
        class_index="high",
        class_names=["low", "middle", "high"],
        names=["stripes"],
    )
    fit(net(), film, epochs=1)
    assert list(film.frame.activations) == ["conv1", "conv2"]
    assert list(film.frame.attributions) == ["grad_cam", "saliency"]
    assert film.frame.attributions["saliency"].class_names == ("high",)
    results = (film.frame.activations, film.frame.predictions, *film.frame.attributions.values())
    assert {found.names for found in results} == {("stripes",)}
    titles = [column.title for column in film._columns(film.frame)]
    dense = next(title for title in titles if title.startswith("dense"))
    assert titles == ["conv1/kernel", dense, "image", "conv1", "conv2", "grad_cam", "saliency"]
    only = Film(FEW, path, layer_names=(), weights=(), attributions=())
    fit(net(), only, epochs=1)
    assert [column.title for column in only._columns(only.frame)] == ["image"]


@pytest.mark.slow
def test_pixels_go_through_the_preprocessing(path):
    pixels = RANDOM.integers(0, 256, (1, 12, 12, 1), "uint8")
    film = Film(pixels, path, preprocess=lambda x: x / 255)
    model = net()
    fit(model, film, epochs=1)
    expected = kviz.activations(model, (pixels / 255).astype("float32"), "conv1")["conv1"]
    np.testing.assert_allclose(film.frame.activations["conv1"], expected, atol=1e-6)


@pytest.mark.slow
def test_a_model_of_several_inputs_without_classes(path):
    photo, size = keras.Input((12, 12, 1), name="photo"), keras.Input((4,), name="size")
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, name="conv")(photo))
    out = layers.Reshape((1, 1, 2))(layers.Dense(2)(layers.Concatenate()([x, size])))
    model = keras.Model({"photo": photo, "size": size}, out)
    model.compile("sgd", "mse")
    inputs = {"photo": X, "size": np.ones((64, 4), "float32")}
    film = Film({name: array[:2] for name, array in inputs.items()}, path, attributions=())
    fit(model, film, x=inputs, y=np.zeros((64, 1, 1, 2)), epochs=1)
    assert film.frame.predictions is None
    assert len(frames(path)) == 2


def test_a_model_without_convolutions(path):
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(3, "softmax")]
    )
    film = Film(FEW, path, attributions="saliency")
    fit(compiled(model), film, epochs=1)
    assert film.frame.activations is film.frame.weights is None
    assert [column.title for column in film._columns(film.frame)] == ["image", "saliency"]


def events(folder):
    """Return by tag what TensorBoard itself reads from a folder: (step, value) pairs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in read.Tensors(tag)]
        for tag in read.Tags()["tensors"]
    }


def test_tensorboard_gets_pictures_and_numbers(path, tmp_path):
    need_package("tensorboard", "tensorboard")
    film = Film(FEW, path, log_dir=tmp_path / "logs", every=2)
    history = fit(net(), film, epochs=3, validation_split=0.25).history
    found = events(tmp_path / "logs")
    pictures = {"conv1/kernel", "image", "conv1", "conv2", "grad_cam"}
    assert set(found) == pictures | {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in history.items():
        assert [step for step, _ in found[name]] == [1, 2, 3]
        np.testing.assert_allclose([value for _, value in found[name]], values, rtol=1e-6)
    for name in pictures - {"image"}:
        assert [step for step, _ in found[name]] == [0, 2, 3]
    _, (width, height, *pngs) = found["grad_cam"][-1]
    assert (int(width), int(height), len(pngs)) == (12, 12, 2)
    ours = film._columns(film.frame)[-1].cells[1].picture
    np.testing.assert_array_equal(tf.io.decode_png(pngs[1]).numpy(), ours)


@pytest.mark.slow
def test_tensorboard_alone_is_told_nothing_of_a_training_before(tmp_path):
    need_package("tensorboard", "tensorboard")
    film, model = Film(FEW, None, attributions=(), log_dir=tmp_path / "logs"), net()
    fit(model, film, epochs=3)
    fit(model, film, epochs=1)
    assert film.epochs == []
    assert film.frame.epoch == 1
    assert [step for step, _ in events(tmp_path / "logs")["conv1"]] == [0, 1, 2, 3, 0, 1]


def test_the_film_needs_no_tensorboard_and_its_folder_names_the_extra(path, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else there(name)
    )
    with refused(f"not installed: {re.escape(install_command('tensorboard'))}", kviz.OptionError):
        Film(FEW, path, log_dir="logs")
    fit(net(), Film(FEW, path, attributions=()), epochs=1)
    assert path.exists()


@pytest.mark.parametrize(
    ("options", "match", "kind"),
    [
        (
            {"path": "film.mp4"},
            "A film is a file ending in .gif or .webp. Received: film.mp4",
            "Output",
        ),
        ({"path": None}, "The film goes nowhere: give it a path=", "Option"),
        ({"every": 0}, "every takes a whole number from 1", "Option"),
        ({"max_frames": 1}, "max_frames takes a whole number from 2", "Option"),
        (
            {"attributions": ["grad_camm"]},
            "no method 'grad_camm'. Did you mean 'grad_cam'",
            "Option",
        ),
        ({"attributions": [3]}, "attributions takes names of methods, or instances", "Option"),
    ],
)
def test_bad_options_are_refused_at_once(options, match, kind, tmp_path):
    with refused(match, getattr(kviz, f"{kind}Error")):
        Film(FEW, **{"path": tmp_path / "film.gif", **options})


@pytest.mark.parametrize(
    ("images", "options", "match", "kind"),
    [
        (X[:9], {}, "A film shows 1 to 8 images. Received: 9", "Image"),
        (X[:1, :5], {}, r"Expected images of shape \(N, 12, 12, 1\). Received: \(1, 5", "Image"),
        (FEW, {"layer_names": "convv1"}, "no layer 'convv1'. Did you mean 'conv1'", "Layer"),
        (FEW, {"layer_names": "dense*"}, "no spatial output", "Layer"),
        (FEW, {"weights": "nope"}, "no layer 'nope'", "Layer"),
        (FEW, {"weights": "conv1/bias"}, "None of these weights is a kernel", "Option"),
        (FEW, {"class_index": 3}, "Class indices go from 0 to 2. Received: 3", "Option"),
        (FEW, {"class_names": ["a"]}, "has 3 classes. Received: 1 class names", "Model"),
        (FEW, {"attributions": ["saliency"] * 12}, "A film has room for 12 columns", "Option"),
        (FEW, {"path": "none/film.gif"}, "its folder does not exist", "Output"),
        ("none.png", {}, "There is no file none.png", "Image"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_training(
    images, options, match, kind, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = net()
    before = [np.array(weight) for weight in model.weights]
    with refused(match, getattr(kviz, f"{kind}Error")):
        fit(model, Film(images, **options))
    for one, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(one, np.array(weight))
    assert list(tmp_path.iterdir()) == []


def test_callbacks_come_with_kviz_and_tensorflow_only_with_them():
    code = (
        "import sys, kviz\n"
        "assert 'callbacks' in dir(kviz) and 'tensorflow' not in sys.modules\n"
        "assert kviz.callbacks.Film.__module__ == 'kviz.callbacks.film' and 'keras' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_strangers_film_is_refused_when_training_begins(path):
    path.write_bytes(b"theirs")
    with pytest.raises(kviz.OutputError, match=r"kviz did not write .* force=True replaces it"):
        fit(net(), Film(FEW, path), epochs=1)
    assert path.read_bytes() == b"theirs"
    fit(net(), Film(FEW, path, attributions=(), force=True), epochs=1)
    fit(net(), Film(FEW, path, attributions=()), epochs=1)
