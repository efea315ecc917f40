"""`python -m kviz.cli` is `kviz`."""

from kviz.cli.child import run

run()
