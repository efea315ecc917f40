"""The options that commands share: one word for one thing, and checked before any work."""

import inspect
from dataclasses import fields

import click
import keras
import pytest
from click.testing import CliRunner
from commands import CAT, COFFEE, MODEL, files, one_line
from keras import layers

import kviz
from kviz.cli import main
from kviz.cli.group import COMMANDS
from kviz.dataset.works.registry import work_class, work_names

# What a command does itself: reading, writing, printing.
OWN = {
    "model",
    "images",
    "as_json",
    "out",
    "form",
    "force",
    "preprocess",
    "class_names",
    "trust",
    "custom_objects",
    "max_memory",
    "max_layers",
    "device",
    "dry_run",
    "fit",
    "inputs",
    "bands",
    "help",
}
DRAWING = {
    "alpha", "columns", "cmap", "scale", "sort", "channel", "percentile", "show_image", "sign",
}  # fmt: skip
# What is on the command line in another form than in Python.
OTHER = {"settings", "list", "away", "full"}
# What a verb's result does, and its command at once.
OF_RESULTS = {"attribute": {"certify"}}


# The verbs of `kviz run`, which are commands of their own.
OF_RUN = tuple(f"run {verb}" for verb in work_names())
ALL = (*[name for name in COMMANDS if name != "run"], *OF_RUN)


def command(name):
    found = main
    for word in name.split():
        found = found.get_command(click.Context(found), word)
    return found


@pytest.mark.parametrize("name", OF_RUN)
def test_options_over_a_data_set_are_those_of_the_run_or_of_the_verb(name):
    takes = set(inspect.signature(kviz.dataset.run).parameters)
    takes |= {field.name for field in fields(work_class(name.split()[1]))}
    given = {option.name for option in command(name).params} - OWN - OTHER
    if name == "run attribute":
        given -= {"layer_names"}  # of the methods that take such
    assert given <= takes


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("layers", "run", "serve")]
)
def test_options_are_named_as_the_parameters_of_the_verb(name):
    takes = set(inspect.signature(getattr(kviz, name.replace("-", "_"))).parameters)
    given = {option.name for option in command(name).params} - OWN - DRAWING - OTHER
    if "images" in [option.name for option in command(name).params]:
        given -= {"target_size"}  # of what is read
    if name == "attribute":
        given -= {"layer_names"}  # of the methods that take such
    given -= OF_RESULTS.get(name, set())
    assert given <= takes


def test_one_word_means_one_thing_everywhere():
    words = {}
    for name in ALL:
        for option in command(name).params:
            if isinstance(option, click.Option):
                for word in option.opts:
                    words.setdefault(word, {})[name] = (
                        option.nargs,
                        option.multiple,
                        option.type.name,
                    )
    assert all(len(set(kinds.values())) == 1 for kinds in words.values()), words
    repeated = {word for word, kinds in words.items() if next(iter(kinds.values()))[1]}
    assert {"--class", "--layers", "--method", "--set", "--filter", "--also"} <= repeated
    assert set(words["-o"]) == set(words["--out"]) == set(ALL) - {
        "convert", "inspect", "layers", "predict", "serve",
    }  # fmt: skip
    assert {"--methods", "--layer", "--size", "--step", "--option"}.isdisjoint(words)


@pytest.mark.parametrize("name", ALL)
def test_each_option_says_what_it_is_for(name):
    assert all(o.help for o in command(name).params if isinstance(o, click.Option))


@pytest.fixture
def models(tmp_path):
    """Models that ask for an option, in the folder where commands run."""
    photo, free = keras.Input((8, 8, 3)), keras.Input((None, None, 3))
    flat = layers.GlobalAveragePooling2D()
    keras.Model(free, layers.Dense(2)(flat(layers.Conv2D(2, 3)(free)))).save(
        tmp_path / "free.keras"
    )
    two = {"kind": layers.Dense(2)(flat(photo)), "size": layers.Dense(3)(flat(photo))}
    keras.Model(photo, two).save(tmp_path / "two.keras")
    keras.Sequential([photo, layers.Lambda(lambda x: x)]).save(tmp_path / "lambda.keras")
    return tmp_path


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "free.keras", CAT, COFFEE), "Resize them with --target-size H W."),
        (("class-image", "free.keras", "--class", "cat"), "or --class-names FILE."),
        (
            ("attribute", "two.keras", CAT, "--output", "2"),
            "--output takes one of the model's outputs",
        ),
        (("fool", "two.keras", CAT, "--class", 1, "--output", "knd"), "outputs: 'kind' (dense"),
        (("predict", "two.keras", CAT, "--output", "knd"), "Received: 'knd'"),
        (("layers", "lambda.keras"), "load it with --trust."),
        (("layers", MODEL, "--preprocess", "vgg61"), "--preprocess takes"),
        (("attribute", MODEL, CAT, "--method", "gradient", "--layers", "a"), "option '--layers'"),
        (("report", MODEL, CAT, "--quick", "--max-mb", 0.001), "--max-mb"),
        (
            ("fool", MODEL, CAT, "--away", "--norm", "linf", "--max-norm", 0.5),
            "so --max-norm is 1 or more",
        ),
    ],
)
def test_a_message_names_an_option_as_the_command_takes_it(run, words, said):
    assert said in one_line(run(*words))


def test_python_is_answered_in_its_own_words(run, models):
    one_line(run("layers", "lambda.keras"))
    with pytest.raises(kviz.ModelError, match="trust=True"):
        kviz.load_model(models / "lambda.keras")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("output", ["size", "1"])
def test_an_output_is_chosen(run, output):
    chosen = ("attribute", "two.keras", CAT, "--method", "saliency", "--class", 2)
    done = run(*chosen, "--output", output)
    assert done.exit_code == 0, done.output
    assert "Output 'size' of kind, size." in done.stderr
    assert "Class indices go from 0 to 1. Received: 2" in one_line(run(*chosen))


@pytest.mark.parametrize(
    "words",
    [
        ("activations", CAT, "-o", "file"),
        ("activations", CAT, "-o", "file/maps.npz"),
        ("weights", "-o", "no/such/k.html"),
        ("attribute", CAT, "-o", "file"),
        ("fool", CAT, "--away", "-o", "file"),
        ("class-image", "--class", 1, "-o", "file"),
        ("filter-patterns", "--layers", "conv", "-o", "file"),
        ("deep-dream", CAT, "-o", "file"),
        ("report", CAT, "-o", "no/such/page.html"),
        ("attribute", CAT, "--set", "steps=3"),
        ("attribute", CAT, "--method", "grad_cm"),
        ("attribute", "lost.png"),
        ("class-image", "--class", 1, "--colours-of", "lost.png"),
    ],
)
def test_what_cannot_be_is_said_before_the_model_is_read(monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kviz.network.loading.load_model", lambda *_, **__: pytest.fail("read"))
    (tmp_path / "file").write_text("mine")
    verb, *more = map(str, words)
    one_line(CliRunner().invoke(main, [verb, "m.keras", *more]))
    assert files(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "words",
    [
        ("fool", CAT, "--away", "--max-norm", "nan"),
        ("fool", CAT, "--away", "--max-norm", "inf"),
        ("fool", CAT, "--away", "--step-size", 0),
        ("fool", CAT, "--away", "--confidence", 1),
        ("fool", CAT, "--away", "--seed", -1),
        ("fool", CAT, "--away", "--random-start"),
        ("deep-dream", CAT, "--octave-scale", 1),
        ("predict", CAT, "--target-size", 0, 0),
        ("predict", CAT, "--target-size", 9),
        ("report", CAT, "-o", "page.pdf"),
        ("report", CAT, "--method", "saliency,grad_cam"),
        ("attribute", CAT, "--method", "saliency,grad_cam"),
        ("attribute", CAT, "--set", "steps"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    verb, *more = map(str, words)
    done = CliRunner().invoke(main, [verb, "m.keras", *more])
    assert done.exit_code == 2
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert files(tmp_path) == []
