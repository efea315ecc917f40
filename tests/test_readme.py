"""Every command and snippet of the README runs, as it is written."""

import ast
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
import typing
from functools import cache
from pathlib import Path

import click
import keras
import matplotlib.pyplot as plt
import pytest
import tensorflow as tf
from build.util import project_wheel_metadata
from click.testing import CliRunner

import kviz
from kviz.attribution import method_class, method_names
from kviz.cli import main
from kviz.dataset.reductions import reduction_named
from kviz.dataset.sources.registry import suffixes
from kviz.formats.array_files import SUFFIXES as ARRAYS
from kviz.metrics import metric_class, metric_names

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
# What a newcomer reads before the first thing is looked up.
START, _, REFERENCE = TEXT.partition("\n## Reference\n")


# The shipped model takes 227 pixels a side; of fewer every command does the same in less time.
@pytest.fixture(scope="module", params=[99, pytest.param(227, marks=pytest.mark.slow)])
def side(request):
    return request.param


@pytest.fixture(scope="module")
def models(side, squeezenet, tmp_path_factory):
    """The models that the README names, the convnet of photos for photos of a size."""
    if side == 227:
        return ROOT / "models"
    config = squeezenet.model.get_config()
    config["layers"][0]["config"]["batch_shape"] = (None, side, side, 3)
    smaller = keras.Model.from_config(config)
    smaller.set_weights(squeezenet.model.get_weights())
    folder = tmp_path_factory.mktemp("models")
    network = kviz.Network(smaller, class_names=squeezenet.class_names)
    kviz.save_model(network, folder / "squeezenet.keras")
    for path in (ROOT / "models").iterdir():
        if path.name != "squeezenet.keras":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def workplace(models, tmp_path, monkeypatch):
    """A folder in which the README's paths lead somewhere and its outputs do no harm."""
    (tmp_path / "models").symlink_to(models)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "my_model.keras").symlink_to(models / "squeezenet.keras")
    (tmp_path / "photo.jpg").symlink_to(ROOT / "notebooks/images/cat.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.png").symlink_to(ROOT / "notebooks/images/cat.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.usefixtures("short_dreams")
def test_python(workplace, side):
    names = {}
    for block in blocks("python"):
        exec(block, names)  # noqa: S102 - our own README
    plt.close("all")
    assert (workplace / "maps/001_conv1.png").exists()
    assert (workplace / "maps.npz").exists()
    assert names["maps"]["conv1"].shape == (1, side // 2, side // 2, 64)


COMMANDS = [
    line.partition(" #")[0].rpartition("&& ")[2].removeprefix(".venv/bin/").strip()
    for block in blocks("sh")
    for line in block.splitlines()
    if re.search(r"(^|/)kviz ", line)
]


def test_the_commands_are_found():
    assert len(COMMANDS) == 29
    assert sum("report" in each.split() for each in COMMANDS) == 3


# Its Python makes a report of the same model and photo, and runs over the same data set.
LONG = {
    "kviz report models/squeezenet.keras notebooks/images/cat.png --quick",
    "kviz report my_model.keras photo.jpg --out report.html",
    *(each for each in COMMANDS if each.startswith("kviz run") and "--statistic" not in each),
}


@pytest.mark.usefixtures("workplace", "short_dreams")
@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=pytest.mark.slow if each in LONG else []) for each in COMMANDS],
)
def test_commands(command):
    # There is no cluster here: Ray of this machine stands in for it.
    command, _, photo = command.replace(" --address auto", "").partition(" < ")
    name, *arguments = shlex.split(command)[1:]
    if (
        name == "serve"
    ):  # it would not end: tests of kviz.serve start it, here it is only understood
        main.get_command(click.Context(main), name).make_context(name, arguments)
        return
    sent = Path(photo).read_bytes() if photo else None
    done = CliRunner().invoke(main, [name, *arguments], input=sent)
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("command", [each for each in COMMANDS if "report" in each.split()])
def test_a_whole_report(command):
    done = CliRunner().invoke(main, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output


RECIPES = [
    line for b in blocks("sh") for line in b.splitlines() if line.startswith("python models/")
]


@pytest.mark.slow
@pytest.mark.parametrize("command", RECIPES)
def test_recipes(command, workplace, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH")  # recipes find each other in their folder
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (workplace / "runs/transfer/transfer.keras").exists()


def test_the_recipe_is_found():
    assert len(RECIPES) == 1


def test_windows_commands_are_those_of_linux():
    linux, windows = (
        re.split(r" && |; |\n", blocks(language)[0].strip()) for language in ("sh", "powershell")
    )
    as_linux = [
        line.replace("\\", "/").replace(".venv/Scripts/", ".venv/bin/").replace("py -", "python3 -")
        for line in windows
    ]
    assert as_linux == linux


def test_the_start_is_short():
    prose = re.sub(r"```.*?```", "", START, flags=re.DOTALL)
    words = re.findall(r"\w\S*", re.sub(r"\]\([^)]+\)", "]", prose))
    assert REFERENCE
    assert len(words) <= 900


def test_the_number_of_methods():
    assert f"{len(method_names())} methods" in START


def links(text):
    """Return where the pictures and the links of a text lead."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def anchors(text):
    """Return what GitHub and indexes make of headings: #one-page of "### One page"."""
    headings = re.findall(
        r"^#+ (.+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    return ["#" + re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]


def test_pictures_and_links_lead_somewhere():
    targets = links(TEXT)
    assert targets
    assert len(set(anchors(TEXT))) == len(anchors(TEXT))
    for target in targets:
        found = target in anchors(TEXT) or target.startswith("https://")
        assert found or (ROOT / target).exists(), target


def test_on_an_index_links_lead_somewhere_and_nothing_is_lost():
    metadata = project_wheel_metadata(ROOT, isolated=False)
    text = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    # Files of the repository are not there: what leads to them is text, or has an address.
    assert all(target.startswith(("https://", "#")) for target in links(text))
    assert [target for target in links(text) if target[0] == "#"] == [
        target for target in links(TEXT) if target[0] == "#"
    ]
    assert anchors(text) == anchors(TEXT)
    words = re.compile(r"```.*?```|\w+", re.DOTALL)
    pictures = re.compile(r"!\[[^]]*\]\([^)]*\)\n(\*[^*]+\*\n)?")
    without = re.sub(r"\]\((?!https|#)[^)]+\)", "]", pictures.sub("", TEXT))
    assert words.findall(text) == words.findall(without)


def test_pictures_have_alternative_text():
    assert all(len(alt) > 20 for alt in re.findall(r"!\[([^]]*)\]", TEXT))


INLINE = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))))
# What is a name of nothing in Python: the formula of a mosaic, folders and files of a reader's own,
# paths of layers in a model of theirs.
OF_THE_READER = {
    "git clone",
    "x / 255",
    ".npz",
    "class_names.txt",
    "kviz.methods",
    "labels.json",
    "labels.txt",
    "maps.to_xarray()",
    'np.load("maps.npz")["maps/conv1"]',
    "result.facts()",
    "result.made_by",
    "result.to_frame()",
    'pandas.read_parquet("predicted/index")',
    "error",
    "store.json",
    'zarr.open("pooled/arrays/conv1", mode="r")',
    "(x − mean) / std × 64 + 128",
    '"-1..1"',
    '"0..1"',
    ".venv\\Scripts\\Activate.ps1",
    "-",
    'eval "$(_KVIZ_COMPLETE=bash_source kviz)"',
    "zsh_source",
    "fish_source",
    "~/.bashrc",
    "build/site/html",
    "git clone ADDRESS",
    "keras-kviz",
    "photo.jpg",
    "py -3.13",
    "python3.13",
    "block?_conv*",
    "conv#1",
    "conv#2",
    "mobilenetv2/block_1_expand",
    "my_model.class_names.json",
    "my_model.keras",
    "report.html",
    "runs/transfer/",
    "tf_keras",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SHELL = re.compile(r"(pip|python3?|source|\.venv/bin/pytest)\b")
ROOTS = {"kviz": kviz, "keras": keras, "tf": tf, "model": keras.Model, "layer": keras.Layer}


def public_callables():
    """Give everything that a reader calls: verbs, results' methods, methods, the film."""
    given = [
        getattr(kviz, name)
        for name in kviz.__all__
        if name != "ActivationModel" and not name.endswith(("Error", "Warning"))
    ]
    given += [
        kviz.dataset.run,
        kviz.dataset.open,
        kviz.callbacks.Film,
        *(method_class(name) for name in method_names()),
    ]
    given += [metric_class(name) for name in metric_names()]
    for value in given:
        yield value
        if inspect.isclass(value) and not issubclass(value, keras.callbacks.Callback):
            for name, inner in vars(value).items():
                if inspect.isfunction(inner) and not name.startswith("_"):
                    yield inner


def choices(annotation, names):
    """Return the strings that an annotation lists."""
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, names)  # noqa: S307 - an annotation of our own
        except NameError:  # of what is imported for type checkers alone
            return set()
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return {value for value in inner if isinstance(value, str)}
    return set().union(*(choices(one, names) for one in inner))


@cache
def parameters():
    """Return what options there are by name, with the words that each takes."""
    found = {}
    for value in public_callables():
        names = vars(sys.modules[value.__module__])
        for name, parameter in inspect.signature(value).parameters.items():
            found.setdefault(name, set()).update(choices(parameter.annotation, names))
    return found


def commands(group=main):
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    inner = [commands(one) for one in found.values() if isinstance(one, click.Group)]
    return found | {f"run {name}": one for each in inner for name, one in each.items()}


@cache
def options_of_commands():
    """Return all options of all commands and recipes, and what they are by default."""
    params = [param for one in [main, *commands().values()] for param in one.params]
    recipes = " ".join(path.read_text("utf-8") for path in (ROOT / "models").glob("*.py"))
    options = {option for param in params for option in [*param.opts, *param.secondary_opts]}
    defaults = {str(param.default) for param in params}
    return options | set(re.findall(r'"(--[a-z-]+)"', recipes)) | {"--help"}, defaults


def attribute_of(chain):
    """Return whether a dotted name leads somewhere from kviz, Keras or TensorFlow."""
    root, *rest = chain.split(".")
    value = ROOTS.get(root)
    for name in rest:
        if not hasattr(value, name):
            return False
        value = getattr(value, name)
    return True


def chains(code):
    """Return the dotted names in an expression."""
    found = [
        ast.unparse(n)
        for n in ast.walk(ast.parse(code.lstrip("@")))
        if isinstance(n, ast.Attribute)
    ]
    return [one for one in found if not any(other.startswith(one + ".") for other in found)]


def is_word(text):
    """Return whether a quoted word is one that kviz or Keras takes somewhere."""
    extras = re.fullmatch(r"\.\[([\w,]+)\]", text)
    return (
        text in set().union(*parameters().values())
        or text in OF_THE_READER
        or hasattr(keras.layers, text)
        or hasattr(keras.applications, text)
        or (extras is not None and all(extra in EXTRAS for extra in extras[1].split(",")))
    )


def is_statistic(code):
    """Return whether `kviz run --statistic` takes it."""
    try:
        return bool(reduction_named(code))
    except kviz.OptionError:
        return False


def is_command(name, *rest):
    """Return whether `kviz NAME …` can be typed."""
    known = name == "COMMAND" or name in commands()
    if name == "help":
        return known and {*rest} <= {*commands(), *method_names(), *metric_names()}
    options, _ = options_of_commands()
    return known and all(word in options for word in rest if word.startswith("--"))


def is_something(code):
    """Return whether inline code of the README names what is there."""
    options, defaults = options_of_commands()
    known = code in OF_THE_READER or code in commands() or is_statistic(code)
    if known or (ROOT / code).exists() or code.rstrip("/") in defaults:
        return True
    if code.startswith("-"):
        return code.split()[0] in options
    if code.startswith("kviz "):
        return is_command(*code.split()[1:])
    if SHELL.match(code):
        return all(is_word(word) for word in re.findall(r'"([^"]+)"', code))
    if code.startswith('"'):
        return is_word(code.strip('"'))
    if setting := re.fullmatch(r"(\w+)=(.*)", code):
        known = parameters()
        name, value = setting.groups()
        quoted = re.fullmatch(r'"(.*)"', value)
        # A word is one of those that the option lists, where it lists any.
        return name in known and (not quoted or not known[name] or quoted[1] in known[name])
    if re.fullmatch(r"\.\w+", code):
        return code in {".h5", ".keras", *ARRAYS, *suffixes()}
    if code.isidentifier():
        return (
            code in kviz.__all__
            or code in {*method_names(), *metric_names()}
            or code in parameters()
            or code in set().union(*parameters().values())
            or code
            in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
                "optional-dependencies"
            ]
            or any(hasattr(home, code) for home in (keras.Sequential, keras.layers, kviz.callbacks))
            or code == "channels_first"
        )
    try:
        found = chains(code)
    except SyntaxError:
        return False
    return bool(found) and all(attribute_of(chain) for chain in found)


@pytest.mark.parametrize("code", INLINE)
def test_inline_code_names_what_is_there(code):
    assert is_something(code), f"README.md: `{code}` is nothing that kviz or Keras has"


@pytest.mark.parametrize(
    "code",
    [
        "help(kviz.attribution.Salency)",
        "kviz.activatons(model, images)",
        "--max-gb",
        "kviz filters --help",
        "kviz help grad_kam",
        "kviz report --max-gb 3",
        'parametrization="mako"',
        "max_frams",
        "target_sizes=",
        '".[superpixel]"',
        "grad_kam",
        "keras.layers.DepthwiseConv",
        "tests/test_nothing.py",
        "a b",
    ],
)
def test_inline_code_that_names_nothing_is_seen(code):
    assert not is_something(code)
