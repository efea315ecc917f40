"""What kviz exports, and which module may import which."""

import ast
import importlib
import itertools
import json
import operator
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kviz

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kviz"

# From the ground floor up: a module imports only from floors below its own. A floor is a room (a module
# or a package of kviz), or one module of a package that stands elsewhere than the rest of it.
FLOORS = (
    "errors _types _process _caller _checks extras marks cards shelf option_values "
    "preprocess_names arrays files tiles formats originals images draw results "
    "engine.backend engine.lifting "
    "engine.devices engine.tracing engine.graph engine.receptive_fields engine.pixel_inputs "
    "engine.layers engine.model_inputs engine.heads engine.explained_layers engine.attention "
    "engine.class_layers engine.estimate engine.optimizing engine.memory "
    "engine.compiled engine.other_weights engine.preprocessing engine.activation_model "
    "engine.engine engine.passes "
    "network scores inputs "
    "given look registry attribution metrics synthesis dataset "
    "web reports serve callbacks __init__ cli __main__"
).split()
# The one way up: a result asks what it was made of, once somebody has.
DOORS = {("results/attribution.py", "metrics")}
VERBS = [
    "activation_model",
    "activations",
    "attribute",
    "class_image",
    "compare",
    "convert",
    "deep_dream",
    "evaluate",
    "explore",
    "filter_patterns",
    "fool",
    "inspect",
    "load_images",
    "load_model",
    "load_result",
    "predict",
    "report",
    "save_figure",
    "save_model",
    "weights",
]
# The rooms of draw/ that know it.
MATPLOTLIB = {"charts", "colours", "figures", "fonts", "plots"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def floor(dotted):
    """Return the floor that a dotted name below kviz stands on."""
    room, *rest = dotted.split(".")
    inside = f"{room}.{rest[0]}" if rest else room
    if inside in FLOORS:
        return inside
    is_module = (PACKAGE / f"{room}.py").exists() or (PACKAGE / room).is_dir()
    return room if is_module or room in FLOORS else "__init__"


def floor_of(path):
    """Return the name of the floor that a file of kviz stands on."""
    return floor(".".join(path.relative_to(PACKAGE).with_suffix("").parts))


def imports(tree):
    """Give (line, dotted name, node) for every import, in functions and TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: kviz writes absolute imports"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def floors_imported(tree):
    """Give (line, floor) for every import of kviz: a submodule, or a name of kviz itself."""
    for line, name in imports(tree):
        root, *rest = name.split(".")
        if root == "kviz":
            yield line, floor(".".join(rest)) if rest else "__init__"


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def broken_rules(path, tree):
    """Return a sentence for each import that goes up."""
    own = floor_of(path)
    if own == "__init__" and path.name != "__init__.py":
        own = path.stem
    if own == "engine" and path.name == "__init__.py":
        return ["engine/__init__.py imports nothing" for _ in floors_imported(tree)]
    if own not in FLOORS:
        return [f"kviz/{path.relative_to(PACKAGE)} has no floor. Put {own!r} into FLOORS here."]
    return [
        f"kviz/{path.relative_to(PACKAGE)}:{line} imports {other!r}, which is not below {own!r}. "
        f"Below it: {', '.join(FLOORS[: FLOORS.index(own)])}."
        for line, other in floors_imported(tree)
        if other != own or own == "__init__"
        if other not in FLOORS[: FLOORS.index(own)]
        if (path.relative_to(PACKAGE).as_posix(), other) not in DOORS
    ]


@pytest.mark.parametrize("path", MODULES, ids=floor_of)
def test_a_module_imports_only_from_floors_below_its_own(path):
    assert not (broken := broken_rules(path, parsed(path))), "\n".join(broken)


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("tiles.py", "def f():\n    from kviz.results import Tile", "tiles.py:2 imports 'results'"),
        ("errors.py", "import kviz", "'__init__', which is not below 'errors'"),
        ("arrays.py", "from kviz import load_model", "'__init__', which is not below 'arrays'"),
        ("arrays.py", "from kviz import draw", "'draw', which is not below 'arrays'"),
        (
            "network/network.py",
            "if TYPE_CHECKING:\n    import kviz.cli as c",
            "network.py:2 imports 'cli'",
        ),
        ("newcomer.py", "", "kviz/newcomer.py has no floor"),
        ("__init__.py", "from kviz.cli import main", "'cli', which is not below '__init__'"),
    ],
)
def test_a_broken_rule_is_seen_and_said(file, code, words):
    (sentence,) = broken_rules(PACKAGE / file, ast.parse(code))
    assert words in sentence


@pytest.mark.parametrize(("file", "room"), DOORS)
def test_a_door_is_within_a_function(file, room):
    tree = parsed(PACKAGE / file)
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"kviz.{room}")
    ]
    assert nodes
    assert set(nodes) <= inside(tree, ast.FunctionDef)


def test_what_keeps_to_the_rule_passes():
    code = "import kviz\nfrom kviz.network.network import Network\nfrom kviz import __version__, errors"
    assert broken_rules(PACKAGE / "cli.py", ast.parse(code)) == []


def inside(tree, *kinds):
    """Return the nodes within functions, or within what only a type checker reads."""
    outer = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    outer = [n for n in outer if not isinstance(n, ast.If) or "TYPE_CHECKING" in ast.dump(n.test)]
    return {inner for node in outer for inner in ast.walk(node)}


@pytest.mark.parametrize("path", MODULES, ids=floor_of)
def test_only_drawing_imports_matplotlib_and_only_inside_functions(path):
    tree = parsed(path)
    users = {
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "matplotlib" in ast.unparse(node).replace(",", " ").replace(".", " ").split()
    } - inside(tree, ast.If)
    if path.parent.name == "draw" and path.stem in MATPLOTLIB:
        assert users
        assert users <= inside(tree, ast.FunctionDef)
    else:
        assert not users, f"{path.name}:{users.pop().lineno} imports Matplotlib; only draw/ does."


@pytest.mark.parametrize("path", MODULES, ids=floor_of)
def test_only_passes_records_gradients(path):
    users = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        and "GradientTape" in ast.unparse(node)
    ]
    if path.name != "passes.py":
        assert not users, f"{path.name}:{users[0]} uses tf.GradientTape; only passes.py may."


@pytest.mark.parametrize("path", MODULES, ids=floor_of)
def test_only_backend_imports_tensorflow_and_keras(path):
    roots = {name.split(".")[0] for _, name in imports(parsed(path))}
    if path.name != "backend.py":
        assert roots & {"tensorflow", "keras"} == set()


def test_every_export_is_there_and_comes_from_its_home():
    for name in kviz.__all__:
        value = getattr(kviz, name)
        assert value is getattr(importlib.import_module(f"kviz.{kviz._HOMES[name]}"), name)
        assert value.__name__ == name
        assert value.__module__ == f"kviz.{kviz._HOMES[name]}"
        assert value.__doc__


def test_exports_homes_and_annotations_agree():
    assert list(kviz._HOMES) == kviz.__all__ == sorted(kviz.__all__)
    assert set(kviz.__all__) <= set(dir(kviz))
    tree = parsed(PACKAGE / "__init__.py")
    annotated = {
        name.removeprefix("kviz.") for _, name in imports(tree) if name.startswith("kviz.")
    }
    # Type checkers see `attribute` with each method's options; the modules are names of their own.
    homes = {**kviz._HOMES, "attribute": "attribution.typed"}
    assert annotated == {f"{home}.{name}" for name, home in homes.items()} | set(kviz._MODULES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kviz' has no attribute 'activation'"):
        kviz.activation  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nope'"):
        from kviz import nope  # noqa: F401
    assert not hasattr(kviz, "__wrapped__")


def test_every_error_is_a_kviz_error():
    errors = [getattr(kviz, name) for name in kviz.__all__ if name.endswith("Error")]
    assert all(issubclass(error, kviz.KvizError) for error in errors)
    assert issubclass(kviz.KvizWarning, UserWarning)


def test_what_is_imported_is_what_is_used():
    code = (
        "import json, sys, kviz\n"
        "seen = [sorted(sys.modules)]\n"
        "kviz.Tile, kviz.mosaic, kviz.KvizError\n"
        "seen.append(sorted(sys.modules))\n"
        "kviz.load_result, kviz.load_images\n"
        "seen.append(sorted(sys.modules))\n"
        "print(json.dumps(seen))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    bare, tiles, results = map(set, json.loads(done.stdout))
    assert bare & {"numpy", "tensorflow", "keras", "matplotlib", "PIL", "click"} == set()
    assert "numpy" in tiles
    assert tiles & {"tensorflow", "keras", "matplotlib", "PIL"} == set()
    assert results & {"tensorflow", "keras", "matplotlib", "click"} == set()


def test_what_is_tested_is_what_is_installed():
    """Not the files that lie beside the tests, which could hold what the wheel does not."""
    code = "import kviz; print(kviz.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == Path(kviz.__file__)
    if os.environ.get("CI"):
        assert Path(kviz.__file__).parent != PACKAGE
    assert files_of(Path(kviz.__file__).parent) == files_of(PACKAGE)


def files_of(package):
    return {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_every_dependency_has_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = itertools.chain(*project["optional-dependencies"].values())
    for requirement in itertools.chain(project["dependencies"], extras):
        assert re.fullmatch(r"[\w-]+(\[[\w-]+\])?>=[\d.]+|keras-kviz\[.*\]", requirement)


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", kviz.__version__)
    installed = importlib.import_module("importlib.metadata").version("keras-kviz")
    assert installed == kviz.__version__


def test_every_public_verb_is_in_the_readme():
    functions = [n for n in kviz.__all__ if n[0].islower() and n != "mosaic"]
    assert sorted(functions) == VERBS
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in VERBS if not re.search(rf"\b(kviz\.)?{name}\(", text)]
    assert not missing, f"README.md does not name: {', '.join(missing)}"


def test_whatever_a_text_recommends_is_there():
    """Messages, docstrings and README name functions that people then call."""
    texts = [*MODULES, ROOT / "README.md"]
    named = {
        name
        for path in texts
        for name in re.findall(
            r"(?<![\w/.@-])kviz((?:\.[A-Za-z_]\w*)+)", path.read_text(encoding="utf-8")
        )
    }
    # Groups of entry points; that of metrics has the name of a module.
    for name in named - {".methods", ".reductions", ".works"}:
        try:
            operator.attrgetter(name[1:])(kviz)
        except AttributeError:
            importlib.import_module(f"kviz{name}")
    assert len(named) > 40


def test_every_module_says_what_it_owns():
    for path in MODULES:
        assert ast.get_docstring(parsed(path)), path.name
