"""--help of all commands: a sentence, its own options first, two examples that can be typed."""

import os
import re
import shlex
import subprocess

import click
import pytest
from click.testing import CliRunner
from commands import MODULE, fine

from kviz.cli import main
from kviz.cli.command import SECTIONS, Command
from kviz.cli.group import COMMANDS
from kviz.dataset.works.registry import work_names

ALL = [*(name for name in COMMANDS if name != "run"), *(f"run {verb}" for verb in work_names())]


def help_of(name):
    return fine(CliRunner().invoke(main, [*name.split(), "--help"]))


@pytest.mark.parametrize("name", ALL)
def test_help_begins_with_what_matters(name):
    said = help_of(name)
    usage, _, sentence = said.splitlines()[:3]
    assert usage.startswith("Usage: ")
    assert re.match(r"  [A-Z].*", sentence)
    assert not re.search(
        r"R RANGE|T RANGE|\bx[<>]|[<>]=?x|\bTEXT\b|INTEGER|FLOAT", said.split("Examples:")[0]
    )
    titles = re.findall(r"^(\w[\w ]*):$", said, re.MULTILINE)
    assert titles == [title for title in ("Options", *SECTIONS, "Examples") if title in titles]


@pytest.mark.parametrize("name", ALL)
def test_two_examples_are_commands_that_can_be_typed(name):
    group, words = main, name.split()
    context = click.Context(main)
    for word in words:
        group = group.get_command(context, word)
    assert isinstance(group, Command)
    assert len(group.examples) == 2
    for line in group.examples:
        assert len(line) <= 98
        assert f"  {line}\n" in help_of(name)
        typed = shlex.split(line.rpartition("| ")[2].partition(" > ")[0])
        assert typed[: 1 + len(words)] == ["kviz", *words]
        with group.make_context(name, typed[1 + len(words) :]):
            pass  # else click refuses it


def test_the_groups_examples_can_be_typed_and_completion_is_told():
    said = fine(CliRunner().invoke(main, ["--help"]))
    examples = said.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 2
    for line in examples:
        command, *words = shlex.split(line)[1:]
        main.get_command(click.Context(main), command).make_context(command, words).close()
    (variable,) = re.findall(r"_KVIZ\w+=\w+", said)
    key, _, shell = variable.partition("=")
    done = subprocess.run(
        MODULE, env=os.environ | {key: shell}, capture_output=True, text=True, check=True
    )
    assert "complete -o nosort" in done.stdout
