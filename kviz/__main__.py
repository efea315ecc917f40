"""`python -m kviz` is `kviz`."""

from kviz.cli.child import run

if __name__ == "__main__":
    run()
