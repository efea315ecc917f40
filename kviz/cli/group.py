"""The group of all commands: how each begins, and the one line in which a failure ends."""

from __future__ import annotations

import io
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

import click

from kviz import __version__
from kviz._caller import Caller, called_by
from kviz._checks import sanitise
from kviz.cli.command import write_examples
from kviz.cli.interrupts import interrupts
from kviz.cli.typed import keep_typed, words_typed
from kviz.errors import MESSAGE_LENGTH, KvizError, KvizWarning

# In the order of the README's table of questions.
COMMANDS = (
    "report", "serve", "inspect", "layers", "predict", "activations", "weights", "attribute",
    "methods", "evaluate", "fool", "class-image", "filter-patterns", "deep-dream", "run", "convert",
    "help", "doctor",
)  # fmt: skip


class Group(click.Group):
    """Finds a command in the file of its name; ends each failure in one plain line.

    The exit code is 1 for what a user can mend, 2 for wrong usage.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, which its file makes, or None."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"kviz.cli.{name}"), name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write two examples, and how a shell completes what is typed."""
        write_examples(formatter, EXAMPLES)
        super().format_epilog(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options that stand before the command's name."""
        keep_typed(ctx, args)
        with _usage_in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            interrupts.begin()
            caller = Caller(shlex.join(words_typed(ctx)), option_written, interrupts.taken)
            with called_by(caller), _usage_in_one_line():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own, and a reader such as head that has seen enough
        except KeyboardInterrupt:
            _stop(ctx)
        except Exception as error:
            if interrupts.asked:  # what was interrupted can end in any error
                _stop(ctx)
            if ctx.params.get("debug"):
                raise
            say(_sentence(error))
            ctx.exit(1)
        finally:
            interrupts.end()


def _stop(ctx: click.Context) -> NoReturn:
    interrupts.end()
    say("stopped.")
    ctx.exit(interrupts.exit_code)


@contextmanager
def _usage_in_one_line() -> Iterator[None]:
    """Clean what is said of wrong usage, which holds what was typed."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        said = sanitise(error.format_message(), MESSAGE_LENGTH)
        raise click.UsageError(said, ctx=error.ctx) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, KvizError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "the memory is used up. Try a smaller --batch-size, fewer --layers or images."
    if isinstance(error, OSError) and error.strerror:
        where = f"{sanitise(error.filename, 120)}: " if error.filename else ""
        return f"the system refuses it: {where}{sanitise(error.strerror)}."
    return (
        f"unexpected {type(error).__name__}; this is a fault of kviz. "
        "kviz --debug COMMAND … shows where."
    )


def option_written(option: str, value: str) -> str:
    """Return a verb's option as the running command takes it: `trust=True` is `--trust` here.

    Args:
        option: the option's name in Python.
        value: what is put behind it there, or nothing.

    Returns:
        Its form on the command line; what the command does not take is left as it is in Python.
    """
    context = click.get_current_context(silent=True)
    for param in context.command.params if context else ():
        if isinstance(param, click.Option) and param.name == option:
            word = max(param.opts, key=len)
            return f"{word} {param.metavar}" if value and param.metavar else word
    if value and context and any(param.name == "settings" for param in context.command.params):
        return f"--set {option}={value}"
    return f"{option}={value}" if value else option


def say(message: str) -> None:
    """Write a line to the error stream."""
    click.echo(f"kviz: {message}", err=True)


def say_note(message: str) -> None:
    """Write a note to the error stream, once: what was warned of is a result's note too."""
    context = click.get_current_context(silent=True)
    said: set[str] = context.meta.setdefault(f"{__name__}.notes", set()) if context else set()
    if message not in said:
        said.add(message)
        say(f"note: {message}")


EXAMPLES = (
    "kviz report model.keras cat.jpg --quick",
    "kviz attribute model.keras cat.jpg --method grad_cam --method saliency",
)
COMPLETION = (
    'Completion of commands and options: eval "$(_KVIZ_COMPLETE=bash_source kviz)" in ~/.bashrc; for '
    "other shells zsh_source or fish_source."
)


@click.group(cls=Group, epilog=COMPLETION, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kviz")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Look inside any Keras convnet: MODEL is a saved .keras or .h5 file, IMAGE a photo."""
    # This process is kviz's own, so it may choose; TensorFlow's start-up talk is no user's business.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A sign that the terminal's encoding lacks is shown by its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    if not debug:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", KvizWarning)
        warnings.showwarning = lambda message, *_, **__: say_note(str(message))
