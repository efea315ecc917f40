"""Public signatures are typed by name, and two type checkers refuse what is misspelt."""

import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import kviz

ROOT = Path(__file__).parents[1]
SOURCE = Path(kviz.__file__).parents[1]
# What a parameter of this name is, wherever a verb has it.
NAMED = {
    "model": "ModelLike",
    "images": "Images",
    "class_index": "ClassIndex",
    "score": "ScoreLike",
    "layer_names": "Selector",
    "progress": "Progress",
}
# A report takes one or several classes for all photos, and tells of its parts.
NARROWER = {
    ("report", "class_index"): "int | str | Sequence[int | str]",
    ("report", "progress"): "PartProgress",
}
VERBS = [
    getattr(kviz, name)
    for name in kviz.__all__
    if inspect.isfunction(getattr(kviz, name)) and name != "mosaic"
]


@pytest.mark.parametrize("verb", [*VERBS, kviz.callbacks.Film], ids=lambda verb: verb.__name__)
def test_a_verb_is_typed_by_name(verb):
    for name, parameter in inspect.signature(verb).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        told = parameter.annotation
        assert told not in ("Any", parameter.empty), f"{verb.__name__}({name}: {told})"
        if name in NAMED:
            expected = NARROWER.get((verb.__name__, name), NAMED[name])
            assert told.removesuffix(" | None") == expected, f"{verb.__name__}({name}: {told})"


GOOD = """
    from pathlib import Path
    import keras
    import numpy as np
    import kviz

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    network = kviz.load_model(Path("model.keras"), trust=True)
    pixels = kviz.load_images(["a.png", "b.png"], network, target_size=(8, 8))
    for looked in (model, network, "model.keras", Path("model.keras")):
        maps: kviz.Activations = kviz.activations(looked, pixels, "conv*", progress=lambda *_: None)
    kviz.activations(network, {"photo": pixels}, keras.layers.Conv2D)
    kviz.activations(network, [pixels, pixels], ["conv1", 3])
    kviz.activations(network, "photo.png", names=["a photo"])
    door: kviz.ActivationModel = kviz.activation_model(model, ["conv1"], outputs=True)
    best: kviz.Predictions = kviz.predict(network, pixels, top=3)
    kernels: kviz.Weights = kviz.weights(network, "conv1")
    found: kviz.Attribution = kviz.attribute(network, pixels, class_index=[["tabby", 3]])
    kviz.attribute(network, pixels, class_index=np.array([1, 2]), score=lambda outputs: outputs[:, 0])
    kviz.attribute(network, pixels, score=kviz.scores.ClassScore())
    made: kviz.Synthesis = kviz.class_image(network, ["goldfish", 3], steps=2)
    kviz.filter_patterns(network, "conv1", [0, 1], parametrization="pixel")
    kviz.deep_dream(network, pixels, octaves=2)
    fooled = kviz.fool(network, pixels, "pizza", norm="linf")
    fooled.save("fooled")
    page: kviz.Report = kviz.report(network, pixels, Path("page.html"), quick=True)
    film = kviz.callbacks.Film(pixels, None, class_index="tabby")
    tiles: list[kviz.Tile] = maps.tiles()
    kviz.save_model(network, "named.keras")
"""
BAD = [
    "kviz.activatons(network, pixels)",
    "kviz.activations(3, pixels)",
    "kviz.activations(network)",
    "kviz.activations(network, pixels, batchsize=3)",
    'kviz.activations(network, pixels, "conv1", "8")',
    "kviz.predict(network, pixels, tops=3)",
    "kviz.weights(network, 2.5)",
    'kviz.attribute(network, pixels, "gradcam")',
    'kviz.attribute(network, pixels, "integrated_gradients", stpes=3)',
    "kviz.attribute(network, pixels, class_index=2.5)",
    'kviz.attribute(network, pixels, score="tabby")',
    "kviz.class_image(network)",
    'kviz.class_image(network, 3, parametrization="wavelet")',
    "kviz.filter_patterns(network)",
    'kviz.deep_dream(network, pixels, octaves="2")',
    'kviz.fool(network, pixels, norm="l3")',
    "kviz.report(network, pixels, quik=True)",
    "kviz.callbacks.Film(pixels, evry=2)",
    "kviz.callbacks.Flim(pixels)",
    "kviz.scores.ClasScore()",
    "kviz.load_model()",
    'kviz.load_images("a.png", network, fit="shrink")',
    "kviz.Network(network, clas_names=[])",
]
GOOD_METHODS = """
    import numpy as np
    import kviz

    model, images = "model.keras", np.zeros((1, 8, 8, 3))
    kviz.attribute(model, images)
    kviz.attribute(model, images, relu=False, class_index=3)
    kviz.attribute(model, images, "grad_cam", layer_names=["conv*"], resize=None)
    kviz.attribute(model, images, method="smooth_grad", base="saliency", samples=5, seed=2)
    kviz.attribute(model, images, "smooth_grad", base=kviz.attribution.GradCam(relu=False))
    kviz.attribute(model, images, "occlusion", window=(3, 5), baseline="grey", batch_size=8)
    kviz.attribute(model, images, kviz.attribution.Lrp(rule="z_plus"), names=["a"])
    found: kviz.Attribution = kviz.attribution.attribute(model, images, "lrp", epsilon=0.1)
    score = kviz.scores.ClassScore()


    class Mine(kviz.attribution.Method):
        pass


    kviz.attribute(model, images, Mine(), score=score)
    maps = kviz.activations(model, images)
"""

# What is wrong of methods, and how mypy calls it.
BAD_METHODS = {
    'kviz.attribute(model, images, method="gradcam")': "call-overload",
    'kviz.attribute(model, images, "integrated_gradients", stpes=3)': "call-overload",
    'kviz.attribute(model, images, "grad_cam", steps=3)': "call-overload",
    'kviz.attribute(model, images, "grad_cam", relu="no")': "call-overload",
    'kviz.attribute(model, images, "saliency", reduce="mean")': "call-overload",
    'kviz.attribute(model, images, "smooth_grad", base="salience")': "call-overload",
    "kviz.attribute(model, images, kviz.attribution.GradCam(), relu=True)": "call-overload",
    "kviz.attribute(model, images, clas_index=3)": "call-overload",
    "kviz.attribution.GradCam(layers=3)": "call-arg",
    "kviz.activatons(model, images)": "attr-defined",
    "kviz.attribution.GradCamm()": "attr-defined",
    "kviz.scores.ClasScore()": "attr-defined",
}
HEAD = (
    "import kviz\nnetwork = kviz.load_model('m.keras')\n"
    "pixels = kviz.load_images('a.png', network)\n"
)
HEAD_METHODS = (
    'import numpy as np\nimport kviz\nmodel, images = "m.keras", np.zeros((1, 8, 8, 3))\n'
)


@pytest.fixture(scope="module")
def snippets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    (folder / "good.py").write_text(textwrap.dedent(GOOD))
    (folder / "bad.py").write_text(HEAD + "\n".join(BAD) + "\n")
    (folder / "good_methods.py").write_text(textwrap.dedent(GOOD_METHODS))
    (folder / "bad_methods.py").write_text(HEAD_METHODS + "\n".join(BAD_METHODS) + "\n")
    return folder


def mypy(folder):
    """Return the lines with errors that mypy finds, with the file and the kind of each."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty"]
    command += ["--cache-dir", folder / "cache", "--config-file", ROOT / "pyproject.toml"]
    command += sorted(path.name for path in folder.glob("*.py"))
    # mypy finds an installed package by itself, and is told of one that lies in a folder.
    here = {"MYPYPATH": str(ROOT)} if SOURCE == ROOT else {}
    environment = {**os.environ, **here}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    return [
        (file, int(line), kind)
        for file, line, kind in re.findall(
            r"^(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.M
        )
    ]


def pyright(folder):
    """Return the lines with errors that pyright finds, with the file of each."""
    settings = {
        "extraPaths": [str(SOURCE)],
        "typeCheckingMode": "standard",
        "useLibraryCodeForTypes": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(Path(sys.executable).with_name("basedpyright")), "--outputjson"]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return [
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, "")
        for one in json.loads(done.stdout)["generalDiagnostics"]
        if one["severity"] == "error"
    ]


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_what_is_right_is_accepted_and_what_is_wrong_is_refused(checker, snippets):
    found = checker(snippets)
    assert [one for one in found if one[0].startswith("good")] == []
    refused = {line - HEAD.count("\n") - 1 for file, line, _ in found if file == "bad.py"}
    assert [BAD[place] for place in range(len(BAD)) if place not in refused] == []
    kinds = {line: kind for file, line, kind in found if file == "bad_methods.py"}
    if checker is mypy:
        head = HEAD_METHODS.count("\n") + 1
        assert kinds == dict(enumerate(BAD_METHODS.values(), start=head))
    else:
        assert len(kinds) == len(BAD_METHODS)
