"""What tests of the command line share: the real model and photos, and how a command ends."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL = str(ROOT / "models/squeezenet.keras")
CAT = str(ROOT / "notebooks/images/cat.png")
COFFEE = str(ROOT / "notebooks/images/coffee.png")
NAMES = ["[red]x", "🐱", "<img src=x onerror=alert(1)>", "..", "{{7*7}}", ":smile:", "$x$"]
KVIZ = (str(Path(sys.executable).with_name("kviz")),)
MODULE = (sys.executable, "-m", "kviz")


def fine(result):
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def one_line(result, code=1):
    """Return the only line on the error stream of a command that failed."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("kviz: ")
    assert "Traceback" not in line
    return line


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def process(*command, **environment):
    """Run kviz as a process of its own, as a shell does."""
    clean = {
        k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    }
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=clean | environment, check=False
    )
