"""Every command and snippet of the README runs, as it is written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner

from kviz.cli import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder in which the README's paths lead somewhere and its outputs do no harm."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "my_model.keras").symlink_to(ROOT / "models/squeezenet.keras")
    (tmp_path / "photo.jpg").symlink_to(ROOT / "notebooks/images/cat.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.png").symlink_to(ROOT / "notebooks/images/cat.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_python(workplace):
    names = {}
    for block in blocks("python"):
        exec(block, names)  # noqa: S102 - our own README
    plt.close("all")
    assert (workplace / "maps/001_conv1.png").exists()
    assert (workplace / "maps.npz").exists()
    assert names["maps"]["conv1"].shape == (1, 113, 113, 64)


COMMANDS = [
    line.partition(" #")[0].rpartition("&& ")[2].removeprefix(".venv/bin/").strip()
    for block in blocks("sh")
    for line in block.splitlines()
    if re.search(r"(^|/)kviz ", line)
]


def test_the_commands_are_found():
    assert len(COMMANDS) == 16


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    done = CliRunner().invoke(main, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output


RECIPES = [
    line for b in blocks("sh") for line in b.splitlines() if line.startswith("python models/")
]


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


def test_pictures_and_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_pictures_have_alternative_text():
    assert all(len(alt) > 20 for alt in re.findall(r"!\[([^]]*)\]", TEXT))
