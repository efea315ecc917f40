"""The command line: one command per verb, a file each, named as the verb is.

A command says what it takes and hands it to the verb; what all share is in `options`, `job`, `output`
and `progress`. `run` is the program: it works in a child process, as `child` tells; `main`, the group
of the commands, works in the process that calls it. Nothing heavy is imported before it is needed.
"""

from typing import TYPE_CHECKING, Any

from kviz.cli.child import run

if TYPE_CHECKING:
    from kviz.cli.group import main

__all__ = ["main", "run"]


# The parent of the child that works needs no click.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "main":
            from kviz.cli.group import main

            return main
        raise AttributeError(f"module 'kviz.cli' has no attribute {name!r}")
