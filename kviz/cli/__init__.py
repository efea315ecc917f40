"""The command line: one command a verb, a file each, named as the verb is.

A command says what it takes and hands it to the verb; what all share is in `options`, `job`, `output`
and `progress`. Nothing heavy is imported before it is needed.
"""

from kviz.cli.group import main

__all__ = ["main"]
