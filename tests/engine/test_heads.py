"""What a model's outputs mean: told by the operation, the loss and the names, in every verb alike."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from refusals import refused

import kviz
from kviz.engine.heads import loss_kind
from kviz.scores import ClassScore, LossScore

SIDE = 8


def ending(last, *, channels=3, loss=None, names=None, maps=False):
    """Return a network of a small model that ends in `last`."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, channels))
    before = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    outputs = last(before if maps else layers.Flatten(name="flat")(before))
    model = keras.Model(inputs, outputs)
    if loss is not None:
        model.compile("sgd", loss)
    return kviz.Network(model, class_names=names)


def head(network, output=None):
    from kviz.engine.heads import choose_head

    images = np.zeros((1, *network.input_shapes[0][1:]), "float32")
    heads = network.engine.heads_for(network.specs(network.pixels(images)))
    return choose_head(heads, output)


def softmax_by_hand(x):
    shifted = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return shifted / ops.sum(shifted, axis=-1, keepdims=True)


def dense(count, activation=None):
    return layers.Dense(count, activation=activation, name="last")


def conv(count, activation=None):
    return layers.Conv2D(count, 1, activation=activation, name="last")


AUTO = {"channels": 3, "maps": True}
CASES = {
    "softmax argument": (lambda: ending(dense(5, "softmax")), "classes", 5, True),
    "softmax layer": (lambda: ending(lambda x: layers.Softmax()(dense(5)(x))), "classes", 5, True),
    "softmax operation": (lambda: ending(lambda x: ops.softmax(dense(5)(x))), "classes", 5, True),
    "softmax by hand": (lambda: ending(lambda x: softmax_by_hand(dense(5)(x))), "classes", 5, True),
    "log softmax": (lambda: ending(dense(5, "log_softmax")), "classes", 5, True),
    "log of softmax": (lambda: ending(lambda x: ops.log(dense(5, "softmax")(x))), "classes", 5, True),
    "logits": (lambda: ending(dense(5)), "classes", 5, False),
    "many labels": (lambda: ending(dense(5, "sigmoid")), "labels", 5, True),
    "several values": (lambda: ending(dense(5), loss="mse"), "values", 5, False),
    "named, whatever the loss": (
        lambda: ending(dense(2), loss="mse", names=["a", "b"]), "classes", 2, False),
    "sigmoid unit": (lambda: ending(dense(1, "sigmoid")), "unit", 2, True),
    "linear unit": (lambda: ending(dense(1)), "values", 1, False),
    "linear unit, two names": (lambda: ending(dense(1), names=["a", "b"]), "unit", 2, False),
    "linear unit, binary loss": (
        lambda: ending(dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)),
        "unit", 2, False),
    "a number an image": (lambda: ending(lambda x: ops.squeeze(dense(1)(x), -1)), "values", 1, False),
    "class map": (lambda: ending(conv(4, "softmax"), maps=True), "class map", 4, True),
    "class map of logits": (lambda: ending(conv(4), maps=True), "class map", 4, False),
    "three classes of logits": (
        lambda: ending(conv(3), maps=True, loss="sparse_categorical_crossentropy"),
        "class map", 3, False),
    "sigmoid channel": (lambda: ending(conv(1, "sigmoid"), maps=True, channels=1), "unit map", 2, True),
    "linear channel, binary loss": (
        lambda: ending(conv(1), maps=True, loss="binary_crossentropy"), "unit map", 2, False),
    "labels of each pixel": (lambda: ending(conv(4, "sigmoid"), maps=True), "label map", 4, True),
    "an image between 0 and 1": (lambda: ending(conv(3, "sigmoid"), maps=True), "image", None, False),
    "an image of no known loss": (lambda: ending(conv(3), maps=True), "image", None, False),
    "an image between -1 and 1": (lambda: ending(conv(3, "tanh"), maps=True), "image", None, False),
    "a grey image of an autoencoder": (
        lambda: ending(conv(1, "sigmoid"), maps=True, channels=1, loss="mse"), "image", None, False),
    "depth": (lambda: ending(conv(1), maps=True), "image", None, False),
    "boxes": (lambda: ending(lambda x: ops.reshape(dense(8)(x), (-1, 2, 4))), "other", None, False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_an_output_is(case):
    make, kind, classes, is_probability = CASES[case]
    found = head(make())
    assert (found.kind, found.classes) == (kind, classes)
    assert found.is_probability == is_probability
    assert found.note == ""


@pytest.mark.some(every=4)
@pytest.mark.parametrize("case", CASES)
def test_predict_says_what_the_model_says(case):
    make, kind, _, is_probability = CASES[case]
    network = make()
    images = np.random.default_rng(0).random((3, *network.input_shapes[0][1:])).astype("float32")
    outputs = np.asarray(network.model.predict(images, verbose=0))
    if kind == "other":
        with refused("none of them; network", kviz.ModelError):
            kviz.predict(network, images)
        return
    found = kviz.predict(network, images, batch_size=2)
    assert found.kind == kind
    assert found.is_probability == (is_probability and "map" not in kind)
    if kind == "image":
        np.testing.assert_allclose(found.maps, outputs, rtol=1e-5, atol=1e-6)
        assert found.scores.shape == (3, 0)
        return
    if kind in ("class map", "unit map", "label map"):
        if kind == "class map":
            here = outputs.argmax(-1)[..., None] == np.arange(outputs.shape[-1])
        elif kind == "label map":
            here = outputs > 0.5
        else:
            positive = outputs > (0.5 if is_probability else 0)
            here = np.concatenate([~positive, positive], -1)
        np.testing.assert_allclose(found.scores, here.mean((1, 2)), atol=1e-6)
        expected = np.where(here.any(-1), np.where(here, outputs, -np.inf).argmax(-1), -1)
        if kind == "unit map":
            expected = here[..., 1].astype(int)
        assert (found.maps == expected).all()
        return
    expected = outputs.reshape(3, -1)
    if case.startswith("log "):
        expected = np.exp(expected)
    if kind == "unit":
        other = 1 - expected if is_probability else -expected
        expected = np.concatenate([other, expected], 1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.some(every=4)
@pytest.mark.parametrize("case", CASES)
def test_every_class_has_a_score_and_no_other_has(case):
    make, kind, classes, _ = CASES[case]
    network = make()
    image = np.random.default_rng(0).random((1, *network.input_shapes[0][1:])).astype("float32")
    if classes is None:
        with refused("Expected .N, classes., or a class map", kviz.ModelError):
            kviz.attribute(network, image, "gradient")
        return
    what = "output" if kind == "values" else "class"
    for index in range(classes):
        found = kviz.attribute(network, image, "gradient", class_index=index)
        assert found.classes.tolist() == [index]
        name = network.class_names[index] if network.class_names else f"{what} {index}"
        assert found.class_names == (name,)
        twin = kviz.attribute(network, image, "gradient", class_index=index - classes)
        assert twin.classes.tolist() == [index]
        with refused(f"from 0 to {classes - 1}. Received: {classes}", kviz.OptionError):
            kviz.attribute(network, image, "gradient", class_index=classes)


class TestOneUnit:
    """w.x + b: class 1 where it is above 0, with the same indices with and without names."""

    @pytest.fixture(params=[None, ["no", "yes"]], ids=["without names", "with names"])
    def network(self, request):
        model = keras.Sequential(
            [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
        )
        model.layers[-1].set_weights([np.full((36, 1), 0.01), np.zeros(1)])
        return kviz.Network(model, class_names=request.param)

    def test_each_verb_means_the_same_class(self, network):
        image = np.full((1, 6, 6, 1), 10.0, "float32")
        chance = 1 / (1 + np.exp(-3.6))
        expected = pytest.approx(np.array([[1 - chance, chance]]), rel=1e-5)
        assert kviz.predict(network, image).scores == expected
        names = network.class_names or ("class 0", "class 1")
        for index, sign in ((None, 1), (0, -1), (1, 1)):
            found = kviz.attribute(network, image, "gradient", class_index=index)
            assert found.classes.tolist() == [0 if sign < 0 else 1]
            assert found.class_names == (names[0 if sign < 0 else 1],)
            assert found.scores == pytest.approx([sign * 3.6])
            assert found.maps.sum() == pytest.approx(sign * 0.36)
            lost = kviz.attribute(network, image, "loss_gradient", class_index=index)
            own = chance if sign > 0 else 1 - chance
            assert lost.scores == pytest.approx([np.log(own)], rel=1e-5)
            # The loss falls where the score grows.
            assert lost.maps.sum() == pytest.approx(-sign * 0.36 * (1 - own), rel=1e-4)
        relevance = kviz.attribute(network, image, "lrp", class_index=1)
        assert relevance.maps.sum() == pytest.approx(3.6, rel=1e-4)

    def test_it_is_fooled_into_the_other_class(self, network):
        image = np.full((1, 6, 6, 1), 10.0, "float32")
        names = network.class_names or ("class 0", "class 1")
        darker = kviz.Network(network.model, class_names=network.class_names)
        dense = darker.model.layers[-1]
        dense.set_weights([np.full((36, 1), 0.01), np.array([-2.0])])
        found = kviz.fool(darker, image, targeted=False)
        assert found.arrived.all()
        assert found.predictions == ((names[1], names[0]),)
        assert found.classes.tolist() == [[1, 0]]
        back = kviz.fool(darker, found.images, 1)
        assert back.arrived.all()
        assert back.classes.tolist() == [[0, 1]]


class TestClassMaps:
    """The mask is where the class is predicted in the image as it is given."""

    @pytest.fixture
    def blobs(self):
        # A pixel is class 1 where it is brighter than 100.
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 1, name="logits")])
        model.layers[0].set_weights([np.array([[[[0.0, 1.0]]]]), np.array([0.0, -100.0])])
        image = np.zeros((1, 8, 8, 1), "float32")
        image[0, 1:3, 1:3], image[0, 5:7, 5:7] = 250, 150
        return model, image

    @pytest.mark.parametrize("given", [False, True], ids=["predicted", "given"])
    def test_what_is_done_to_the_image_does_not_move_it(self, blobs, given):
        model, image = blobs
        bright = image[..., 0] > 100
        score = ClassScore(mask=bright) if given else None
        asked = {"class_index": 1, "score": score}
        # Over its own four pixels a window of 2 × 2 takes the mean logit down by a quarter of what is
        # added up in nine places: by hand 281.25 and 168.75.
        found = kviz.attribute(
            model, image, "occlusion", window=2, stride=1, overlap="sum", **asked
        )
        assert found.scores == pytest.approx([100])
        assert found.maps[0, 1, 1] == pytest.approx(281.25)
        assert found.maps[0, 5, 5] == pytest.approx(168.75)
        segments = np.where(image[0, ..., 0] > 200, 1, np.where(image[0, ..., 0] > 100, 2, 0))
        found = kviz.attribute(model, image, "shapley", segments=segments, **asked)
        assert found.maps[0, [1, 5], [1, 5]] == pytest.approx([125, 75])
        found = kviz.attribute(model, image, "integrated_gradients", **asked)
        assert found.maps.sum() == pytest.approx(200)
        assert found.gaps == pytest.approx([0], abs=1e-4)

    def test_each_image_has_its_own_mask(self, blobs):
        model, image = blobs
        images = np.concatenate([image, image[:, ::-1]])
        masks = images[..., 0] > 200
        asked = {"class_index": 1, "batch_size": 1}
        found = kviz.attribute(model, images, "gradient", score=ClassScore(mask=masks), **asked)
        np.testing.assert_allclose(found.maps, masks / 4, atol=1e-6)
        one = kviz.attribute(model, images, "gradient", score=ClassScore(mask=masks[0]), **asked)
        np.testing.assert_allclose(one.maps, np.stack([masks[0] / 4] * 2), atol=1e-6)
        for wrong, words in {
            masks[:, :4].tobytes(): (
                masks[:, :4],
                "size of the class map, .8, 8.. Received: .4, 8.",
            ),
            b"3": (masks[[0, 1, 1]], "one for 2 images"),
            b"1": (masks[0, 0], "shape .H, W."),
            b"f": (masks / 2, "mask is bool"),
        }.values():
            with refused(words, kviz.OptionError):
                kviz.attribute(model, images, "gradient", score=ClassScore(mask=wrong), **asked)

    def test_a_class_that_is_nowhere_is_told(self, blobs):
        model, image = blobs
        found = kviz.attribute(model, image * 0, "gradient", class_index=1)
        assert found.scores.tolist() == [0]
        assert any("predicted nowhere" in note for note in found.notes)

    def test_what_fills_up_a_batch_is_no_image(self):
        photo = keras.Input(batch_shape=(2, 8, 8, 1))
        model = keras.Model(photo, layers.Conv2D(2, 1, bias_initializer="ones", name="map")(photo))
        model.get_layer("map").set_weights([np.zeros((1, 1, 1, 2)), np.array([1.0, 0.0])])
        images = np.zeros((3, 8, 8, 1), "float32")
        found = kviz.attribute(model, images, "gradient", class_index=1, names=list("abc"))
        assert found.notes[-1].endswith("its score is 0, for a, b, c.")

    def test_one_sigmoid_channel_is_class_1_where_it_is_above_a_half(self):
        inputs = keras.Input((16, 16, 1))
        outputs = layers.Conv2D(1, 1, activation="sigmoid", name="out")(inputs)
        model = keras.Model(inputs, outputs)
        model.get_layer("out").set_weights([np.ones((1, 1, 1, 1)), -np.ones(1)])
        image = np.zeros((1, 16, 16, 1), "float32")
        image[:, 4:8, 4:8] = 3
        network = kviz.Network(model, class_names=["background", "lesion"])
        for which in (None, "lesion", 1):
            found = kviz.attribute(network, image, "gradient", class_index=which)
            assert found.scores == pytest.approx([2.0])
            assert found.class_names == ("lesion",)
        back = kviz.attribute(network, image, "gradient", class_index="background")
        # Outside the logit is -1, and with the other sign 1.
        assert back.scores == pytest.approx([1.0])
        answer = kviz.predict(network, image)
        assert answer.scores == pytest.approx(np.array([[15 / 16, 1 / 16]]))
        assert answer.quantity == "share"
        legend = answer.tiles()[1].legend
        assert [name for name, _ in legend] == ["background 93.8%", "lesion 6.2%"]


class TestSeveralOutputs:
    @pytest.fixture
    def network(self):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((8, 8, 3))
        flat = layers.Flatten()(layers.Conv2D(2, 3)(inputs))
        outputs = {
            "boxes": layers.Dense(4, name="offsets")(flat),
            "what": layers.Dense(3, activation="softmax", name="kind")(flat),
            "age": layers.Dense(1, name="years")(flat),
        }
        return kviz.Network(keras.Model(inputs, outputs))

    def test_the_one_of_probabilities_is_read_and_said(self, network):
        image = np.full((1, 8, 8, 3), 2, "float32")
        found = kviz.predict(network, image)
        expected = np.asarray(network.model(image)["what"])
        np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
        assert found.notes == ("Output 'what' of age, boxes, what.",)
        assert found.made_by.settings["output"] == "what"
        explained = kviz.attribute(network, image, "gradient")
        assert explained.notes == found.notes
        assert kviz.class_image(network, 1, steps=1).notes[0] == found.notes[0]
        assert kviz.fool(network, image, targeted=False, steps=1).notes[0] == found.notes[0]

    @pytest.mark.parametrize("output", ["age", "years", 0, "0"])
    def test_an_output_is_meant_by_key_layer_or_place(self, network, output):
        image = np.ones((1, 8, 8, 3), "float32")
        found = kviz.predict(network, image, output=output)
        assert found.kind == "values"
        assert found.quantity == "value"
        np.testing.assert_allclose(found.scores, network.model(image)["age"], rtol=1e-5)
        explained = kviz.attribute(network, image, "gradient", output=output)
        assert explained.class_names == ("output 0",)
        np.testing.assert_allclose(explained.scores, found.scores[:, 0], rtol=1e-5)

    def test_what_there_is_not_is_one_sentence(self, network):
        image = np.full((1, 8, 8, 3), 2, "float32")
        for verb in (kviz.predict, kviz.attribute, kviz.report):
            with refused("'age' .years., 'boxes' .offsets., 'what' .kind.. Received: 'nope'",
                         kviz.OptionError):  # fmt: skip
                verb(network, image, output="nope")
        with refused("Class indices go from 0 to 2. Received: 3", kviz.OptionError):
            kviz.predict(network, image, also=3)
        with refused("needs an output of classes.*gives values", kviz.ModelError):
            kviz.fool(network, image, 0, output="age")
        inner = LossScore(ClassScore(output="what"))
        assert (
            kviz.fool(network, image, 1, score=inner, steps=1).notes[0].startswith("Output 'what'")
        )
        with refused("a score= is told itself", kviz.OptionError):
            kviz.attribute(network, image, output="age", score=lambda outputs: outputs["age"][:, 0])


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (None, None),
        ("binary_crossentropy", "binary"),
        (keras.losses.BinaryCrossentropy(from_logits=True), "binary"),
        (keras.losses.BinaryFocalCrossentropy(), "binary"),
        (keras.losses.SparseCategoricalCrossentropy(), "classes"),
        (keras.losses.categorical_crossentropy, "classes"),
        (keras.losses.kl_divergence, "classes"),
        ("mae", "values"),
        (keras.losses.Huber(), "values"),
        (lambda *_: 0.0, None),
        (["mse", "binary_crossentropy"], "binary"),
        (["mse"], None),
        ({"b": "mse", "a": "binary_crossentropy"}, "binary"),
        ({"z": "mse"}, None),
        ({"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}, "binary"),
        ({"class_name": "function", "config": "mean_squared_error"}, "values"),
        ({"class_name": 3}, None),
        (17, None),
    ],
)
def test_what_a_loss_is_for(loss, kind):
    assert loss_kind(loss, ("a", "b"), 1) == kind


def test_what_a_file_says_of_its_loss(tmp_path):
    network = ending(dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True))
    network.model.save(tmp_path / "unit.keras")
    network.model.save(tmp_path / "unit.h5")
    for name in ("unit.keras", "unit.h5"):
        loaded = kviz.load_model(tmp_path / name, trust=True)
        assert getattr(loaded.model, "loss", None) is None
        assert head(loaded).kind == "unit"
    import pickle

    assert head(pickle.loads(pickle.dumps(loaded))).kind == "unit"  # noqa: S301 - our own
    plain = ending(dense(1), loss="mse")
    plain.model.save(tmp_path / "value.keras")
    assert head(kviz.load_model(tmp_path / "value.keras")).kind == "values"


def test_names_of_other_networks_of_one_model_do_not_count():
    plain = ending(dense(1))
    named = kviz.Network(plain.model, class_names=["no", "yes"])
    image = np.ones((1, SIDE, SIDE, 3), "float32")
    assert kviz.predict(plain, image).kind == "values"
    assert kviz.predict(named, image).kind == "unit"
    assert kviz.attribute(plain, image, "gradient").class_names == ("output 0",)
    assert kviz.attribute(named, image, "gradient").class_names[0] in ("no", "yes")
    assert kviz.attribute(plain, image, "gradient").class_names == ("output 0",)
