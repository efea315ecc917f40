"""`python -m kviz.cli` is `kviz`."""

from kviz.cli.group import main

main(prog_name="kviz")
