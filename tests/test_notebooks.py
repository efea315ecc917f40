"""Every notebook runs from its first cell to its last, offline, and is saved as it came out."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from needed import need_fashion_mnist

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
STORY = sorted(FOLDER.glob("0*.ipynb"))
NEEDS_FASHION_MNIST = {"07_training_film"}
# One of each kind; the others train or dream for a minute, or look at larger photos.
SHORT = {"03_fashion_mnist", "howto_class_names"}


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell):
    """Return what a cell gives to see: the kinds of data, without what was printed.

    Whether a figure is a PNG or a JPEG depends on its bytes, and those on the machine's numbers.
    """
    return [
        sorted({kind.replace("/jpeg", "/png") for kind in output.data} - {"text/plain"})
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
    ]


def test_the_story_is_whole():
    assert [path.stem.partition("_")[0] for path in STORY] == [f"0{n}" for n in range(1, 9)]


def test_what_is_no_chapter_answers_a_question_or_is_the_gallery():
    others = [path.stem for path in NOTEBOOKS if path not in STORY]
    assert [name for name in others if not name.startswith("howto_")] == ["gallery"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem in SHORT else pytest.mark.slow)
        for path in NOTEBOOKS
    ],
)
def test_it_runs_offline(path, monkeypatch):
    if path.stem in NEEDS_FASHION_MNIST:
        need_fashion_mnist()
    # Nothing listens there: whatever asks for the internet fails.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # A kernel draws into its cells unless it is told otherwise, as these tests are.
    monkeypatch.delenv("MPLBACKEND")
    saved, fresh = read(path), read(path)
    for cell in code(fresh):
        cell.outputs = []
    NotebookClient(
        fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    for then, now in zip(code(saved), code(fresh), strict=True):
        assert kinds(now) == kinds(then), then.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_saved_as_it_came_out(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < 3_000_000
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    shown = [kind for output in outputs for kind in output.get("data", {}).items()]
    pictures = [kind for kind, data in shown if kind.startswith("image/") or "<img" in data]
    assert len(pictures) >= 3 or path not in STORY
    # Nothing of the machine that it was made on.
    assert not re.search(r"/(home|root|work|opt|tmp)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_text_leads_somewhere(path):
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    if path in STORY:
        assert cells[0].startswith(f"# {int(path.stem[:2])} · ")
        assert "## References" in cells[-1]
    elif path.stem.startswith("howto_"):
        assert cells[0].splitlines()[0].endswith("?")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", "\n".join(cells)):
        assert (FOLDER / target).exists(), target
