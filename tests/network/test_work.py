"""Files that would keep a machine busy or full: counted before Keras builds, estimated before runs."""

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.errors import ModelError, OptionError
from kviz.network.work import counted, in_order, look_at_work


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    image = keras.Input((8, 8, 3), name="in")
    x = layers.GlobalAveragePooling2D(name="g")(layers.Conv2D(4, 3, name="c1")(image))
    path = tmp_path_factory.mktemp("honest") / "honest.keras"
    keras.Model(image, layers.Dense(4, name="d")(x)).save(path)
    return path


RUN = """
import numpy as np
pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
"""
LAYERS = "told.append(len(network.layers))\n"
PREDICT = RUN + "told.append(kviz.predict(network, pixels).scores.shape)\n"


@pytest.fixture(scope="module")
def of_honest(forks, honest):
    """What an honest file takes, by which others are measured."""
    outcome = forks.load(honest, then=PREDICT)
    assert (outcome.kind, outcome.told) == ("", [[2, 4]]), outcome
    return outcome


def tensor(of="in", call=0, shape=(None, 8, 8, 3)):
    inner = {"shape": list(shape), "dtype": "float32", "keras_history": [of, call, 0]}
    return {"class_name": "__keras_tensor__", "config": inner}


def node(*arguments):
    return {"args": list(arguments), "kwargs": {}}


def layer(kind, name, *arguments, **config):
    return {
        "module": "keras.layers", "class_name": kind, "registered_name": None, "name": name,
        "config": {"name": name, **config}, "inbound_nodes": [node(*arguments)],
    }  # fmt: skip


def read(config, name, **shape):
    convolution = next(each for each in config["config"]["layers"] if each["name"] == "c1")
    convolution["inbound_nodes"] = [node(tensor(name, **shape))]


def inserted(config, entries):
    config["config"]["layers"][1:1] = entries


def nested(config):
    """Seven models, each of which calls the one inside it ten times."""

    def model(name, inside, out):
        given = layer("InputLayer", f"i{name}", batch_shape=[None, 8, 8, 3], dtype="float32")
        return {
            "module": "keras.src.models.functional", "class_name": "Functional",
            "registered_name": None, "name": name, "config": {
                "name": name, "layers": [given | {"inbound_nodes": []}, inside],
                "input_layers": [[f"i{name}", 0, 0]], "output_layers": [out],
            },
        }  # fmt: skip

    inner = model("m0", layer("ReLU", "r", tensor("im0")), ["r", 0, 0])
    for depth in range(1, 8):
        calls = [node(tensor(f"im{depth}")), *[node(tensor(inner["name"], k)) for k in range(9)]]
        inner |= {"inbound_nodes": calls}
        inner = model(f"m{depth}", inner, [inner["name"], 10, 0])
    config["config"] = inner["config"]


def wired(config):
    names = ["in"]
    for number in range(300):
        every = [tensor(name) for name in names]
        inserted(config, [layer("Add", f"a{number}", [*every, tensor("in")])])
        names.append(f"a{number}")
    read(config, names[-1])


def in_turns(config):
    """Calls from the first layer to the last, and back again: Keras tries each of them each time."""
    count = 1500
    chain = [layer("ReLU", f"a{k}", tensor(f"a{k - 1}" if k else "in")) for k in range(count)]
    for place, one in enumerate(chain):
        last = place == count - 1
        one["inbound_nodes"].append(node(tensor(f"a{place + (not last)}", int(not last))))
    inserted(config, chain)
    read(config, "a0", call=1)


def chain(count, step=1):
    def edit(config):
        made = [layer("ReLU", f"a{k}", tensor(f"a{k - 1}" if k else "in")) for k in range(count)]
        inserted(config, made[::step])
        read(config, f"a{count - 1}")

    return edit


def doubled(config):
    """x + x of x + x, so often that its terms are more than there are atoms."""
    made = [layer("Add", f"a{k}", [tensor(f"a{k - 1}" if k else "in")] * 2) for k in range(600)]
    inserted(config, made)
    read(config, "a599")


def through(kind, shape=(None, 8, 8, 3), **config):
    """Let the photo go through a layer that makes it large."""

    def edit(whole):
        inserted(whole, [layer(kind, "u", tensor(), **config)])
        read(whole, "u", shape=shape)

    return edit


def attention(config):
    inserted(config, [
        layer("UpSampling2D", "u", tensor(), size=[28, 28]),
        layer("Reshape", "flat", tensor("u"), target_shape=[224 * 224, 3]),
        layer("Attention", "att", [tensor("flat"), tensor("flat")]),
        layer("Reshape", "r", tensor("att"), target_shape=[224, 224, 3]),
    ])  # fmt: skip
    read(config, "r")


# The edit; what is said, nothing where it has to work; and whether the usual run has it.
BUSY = {
    "nested": (nested, "calls layers 21,111,111 times", True),
    "wired to all before": (wired, "has 45,4", False),
    "in turns": (in_turns, "calls its layers in turns", False),
    "a chain": (chain(250), "", False),
    "a chain in reverse": (chain(250, -1), "", True),
    "3,000 in reverse": (chain(3000, -1), "one behind the other", False),
    "a long name": (lambda c: c["config"].update(name="x" * 2000), "holds a name", False),
    "a sum that doubles": (doubled, "", True),
}  # fmt: skip
FULL = {
    "padding": (through("ZeroPadding2D", padding=[[20_000] * 2] * 2), True),
    "enlarging": (through("UpSampling2D", size=[3000, 3000]), False),
    "enlarging smoothly": (
        through("UpSampling2D", size=[3000, 3000], interpolation="bilinear"), False
    ),
    "resizing": (through("Resizing", height=30_000, width=30_000), False),
    "cropping": (through("CenterCrop", height=30_000, width=30_000), False),
    "attention": (attention, True),
}  # fmt: skip


def usual(cases):
    return [pytest.param(name, marks=() if cases[name][-1] else pytest.mark.slow) for name in cases]


def edited(honest, folder, edit):
    """Return an honest file whose config is edited."""
    with zipfile.ZipFile(honest) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    config = json.loads(parts["config.json"])
    edit(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "edited.keras", "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in parts.items():
            target.writestr(name, data)
    return folder / "edited.keras"


def judged(outcome, of_honest, said):
    assert outcome.kind == "ModelError", outcome
    assert said in outcome.said
    assert len(outcome.said) <= 300
    assert "\n" not in outcome.said
    assert outcome.acted == []
    if sys.platform == "linux":
        assert outcome.peak < of_honest.peak + 512
    assert outcome.seconds < of_honest.seconds + 10


@pytest.mark.parametrize("name", usual(BUSY))
def test_work_is_counted_before_keras_builds(name, honest, tmp_path, forks, of_honest):
    edit, said, _ = BUSY[name]
    outcome = forks.load(edited(honest, tmp_path, edit), then=PREDICT)
    if said:
        judged(outcome, of_honest, said)
        return
    assert (outcome.kind, outcome.told) == ("", [[2, 4]]), outcome
    assert outcome.peak < of_honest.peak + 512
    assert outcome.seconds < of_honest.seconds + 10


@pytest.mark.parametrize("name", usual(FULL))
def test_what_it_takes_to_run_is_known_before(name, honest, tmp_path, forks, of_honest):
    path = edited(honest, tmp_path, FULL[name][0])
    judged(forks.load(path, then=LAYERS + PREDICT), of_honest, "even for one image at a time")


def test_a_layer_is_not_unrolled_for_ever(tmp_path, forks, of_honest):
    model = keras.Sequential([keras.Input((200_000, 2)), layers.GRU(2, unroll=True)])
    model.save(tmp_path / "gru.keras")
    outcome = forks.load(tmp_path / "gru.keras", then=LAYERS)
    judged(outcome, of_honest, "is unrolled for 200,000 steps of at most 1,000")


EVERY = {
    "activations": "kviz.activations(network, pixels)",
    "attribute": "kviz.attribute(network, pixels, 'smooth_grad')",
    "aligned": "kviz.attribute(network, pixels, 'grad_cam', resize='aligned')",
    "perturbed": "kviz.attribute(network, pixels, 'occlusion')",
    "fool": "kviz.fool(network, pixels, class_index=1)",
    "class_image": "kviz.class_image(network, 1)",
    "filter_patterns": "kviz.filter_patterns(network, 'c1', [0])",
    "deep_dream": "kviz.deep_dream(network, pixels, 'c1')",
    "report": "kviz.report(network, pixels, 'page.html')",
    "call": "network(pixels)",
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", EVERY)
def test_no_verb_runs_what_takes_too_much(verb, honest, tmp_path, forks, of_honest):
    path = edited(honest, tmp_path, FULL["padding"][0])
    judged(forks.load(path, then=RUN + EVERY[verb]), of_honest, "even for one image at a time")
    assert not (tmp_path / "page.html").exists()


LARGE = """
import numpy as np
size = {size}
kviz.predict(network, np.zeros((1, *size, 3), np.uint8))
"""


@pytest.fixture(scope="module")
def any_size(tmp_path_factory):
    image = keras.Input((None, None, 3), name="in")
    x = layers.Conv2D(32, 3, name="c1")(image)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 3, name="c2")(x))
    path = tmp_path_factory.mktemp("any") / "any.keras"
    keras.Model(image, layers.Dense(4)(x)).save(path)
    return path


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (LARGE.format(size=(7000, 7000)), "even for one image at a time"),
        pytest.param(
            "kviz.class_image(network, 1, target_size=(40_000, 40_000))", "at most 50 megapixels",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "kviz.class_image(network, 1, target_size=(7_000, 7_000))", "even for one image",
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_a_picture_can_be_too_large(then, said, any_size, forks, of_honest):
    outcome = forks.load(any_size, then=then)
    assert outcome.kind in ("ModelError", "OptionError"), outcome
    assert said in outcome.said
    if sys.platform == "linux":
        assert outcome.peak < of_honest.peak + 512
    assert outcome.seconds < of_honest.seconds + 10


# What is counted, in this process


def config_of(model):
    return json.loads(model.to_json())


def test_calls_are_multiplied_through_models_inside_models():
    def twice(inner, depth):
        image = keras.Input((8, 8, 3))
        model = keras.Model(image, inner(inner(image)))
        return twice(model, depth - 1) if depth else model

    model = twice(keras.layers.ReLU(), 5)
    # Each has an input too: 1, then twice what is inside and the input.
    calls = 1
    for _ in range(6):
        calls = 2 * calls + 1
    with counted(calls):
        look_at_work(config_of(model))
    with counted(calls - 1), pytest.raises(ModelError, match=f"calls layers {calls} times"):
        look_at_work(config_of(model))
    with counted(trust=True):
        look_at_work(config_of(model))


def test_layers_inside_wrappers_count():
    inner = keras.Sequential([keras.Input((4,)), *[layers.ReLU() for _ in range(20)]])
    model = keras.Sequential([keras.Input((3, 4)), layers.TimeDistributed(inner)])
    with counted(20), pytest.raises(ModelError, match=r"calls layers 2[0-9] times"):
        look_at_work(config_of(model))


def test_honest_models_are_far_from_it():
    for make in (keras.applications.DenseNet201,):
        model = make(weights=None, include_top=False, input_shape=(32, 32, 3))
        with counted(2_000):
            look_at_work(config_of(model))


def test_layers_are_put_in_order_and_mean_the_same():
    image = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same")
    x = layers.Add()([shared(image), shared(layers.Conv2D(3, 1)(image))])
    inner = keras.Model(x_in := keras.Input((8, 8, 3)), layers.Conv2D(2, 3)(layers.ReLU()(x_in)))
    model = keras.Model(image, inner(shared(x)))
    given = config_of(model)
    mixed = json.loads(json.dumps(given))
    mixed["config"]["layers"].reverse()
    ordered = in_order(mixed)
    seen = set()
    for entry in ordered["config"]["layers"]:
        first = json.dumps(entry["inbound_nodes"][:1])
        assert all(other in seen for other in names_in(first)), entry["name"]
        seen.add(entry["name"])
    again = keras.models.model_from_json(json.dumps(ordered))
    again.set_weights(model.get_weights())
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(again(x), model(x))
    # What is in order stays as it is.
    assert in_order(given) == given


def names_in(text):
    return [part.split('"')[1] for part in text.split('"keras_history": [')[1:]]


def test_a_file_out_of_order_has_its_weights(honest, tmp_path):
    path = edited(honest, tmp_path, lambda config: config["config"]["layers"].reverse())
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(kviz.load_model(path)(x), kviz.load_model(honest)(x))


def test_more_can_be_allowed(honest):
    assert len(kviz.load_model(honest, max_layers=4).layers) == 4
    with pytest.raises(ModelError, match="more than 3 layers"):
        kviz.load_model(honest, max_layers=3)
    with pytest.raises(OptionError, match="max_layers takes a whole number from 1"):
        kviz.load_model(honest, max_layers=0)


def test_steps_of_a_recurrent_layer(tmp_path):
    def layers_of(steps, **options):
        model = keras.Sequential([keras.Input((steps, 2)), layers.GRU(2, unroll=True)])
        model.save(tmp_path / "gru.keras")
        return len(kviz.load_model(tmp_path / "gru.keras", **options).layers)

    assert layers_of(4, max_layers=20) > 4
    with pytest.raises(ModelError, match=r"'gru.*' is unrolled for 5 steps of at most 4"):
        layers_of(5, max_layers=20)
    assert layers_of(5) > 5
    assert layers_of(5, trust=True) > 5
