"""A model's file loaded in a process of its own first, so that the worst it can do is done there."""

from __future__ import annotations

import importlib
import json
import operator
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kviz import _process
from kviz._checks import sanitise
from kviz.engine.backend import keras
from kviz.errors import KvizError, ModelError

# How long loading may take, and what a second reads at least.
SECONDS, BYTES_A_SECOND = 120, 10_000_000
_TICK = 0.1
_CODE = """\
import json, sys
job = json.loads(sys.argv[1])
sys.path[:] = job["sys_path"]
from kviz.network.isolated import answer
answer(job)
"""


@contextmanager
def loaded_apart(
    path: Path,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    trust: bool,
    max_memory: int | None = None,
    max_layers: int | None = None,
) -> Iterator[Path]:
    """Load a file in another process, and give a copy of what was loaded there.

    TensorFlow cannot be forked once it has begun, so that this takes a new Python, some seconds and the
    memory of a second TensorFlow. It runs without a GPU, which the caller may have taken.

    Args:
        path: the file; what is none is given back for others to say so.
        custom_objects: as `load_model` takes it.
        trust: as `load_model` takes it.
        max_memory: bytes that it may take beyond what it begins with.
        max_layers: as `load_model` takes it.

    Raises:
        ModelError: if it was refused there, crashed, took too much memory or did not end.
    """
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a null character
        size = None
    if size is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="kviz-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise ModelError(f"{sanitise(path, 120)} cannot be read: {error.strerror}.") from error
        how = {"trust": trust, "max_layers": max_layers}
        said = _load(
            copy, sanitise(path, 120), size, max_memory,
            {"how": how, "objects": _places(custom_objects)},
        )  # fmt: skip
        if said is not None:
            raise ModelError(said.replace(str(copy), str(path)))
        yield copy


def _load(
    copy: Path, name: str, size: int, max_memory: int | None, how: dict[str, Any]
) -> str | None:
    """Load a file in another process, and return why that failed, None where it did not."""
    job = {
        "path": str(copy),
        **how,
        "sys_path": sys.path,
        "modules": _modules_of_classes(),
    }
    process = subprocess.Popen(  # noqa: S603 - kviz itself
        [sys.executable, "-P", "-c", _CODE, json.dumps(job | {"parent": os.getpid()})],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    answers: list[bytes] = []
    reader = threading.Thread(target=lambda: answers.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        why = _watched(process, answers, size, max_memory or _process.allowance())
    finally:
        process.kill()
        process.wait()
        reader.join()
        if process.stdout:
            process.stdout.close()
    if why:
        return f"{name} was not loaded: in a process of its own {why}."
    if process.returncode == 0:
        said: str | None = json.loads(answers[-1])
        return said
    crash = _process.crash(process.returncode) or f"exit code {process.returncode}"
    return f"{name} was not loaded: it crashed a process of its own ({crash})."


def _watched(
    process: subprocess.Popen[bytes], answers: list[bytes], size: int, most_memory: int
) -> str:
    """Wait for a process, and return why it has to be ended, or nothing."""
    seconds = SECONDS + size // BYTES_A_SECOND
    allowed = most_memory + 4 * size
    most = until = None
    while process.poll() is None:
        taken, now = _process.in_use(process.pid) or 0, time.monotonic()
        if most is None or until is None:
            if answers:  # all is imported, and it begins to load
                most, until = taken + allowed, now + seconds
        elif taken > most:
            return f"it took over {_process.in_words(allowed)} of memory; max_memory= allows more"
        elif now > until:
            return f"it did not end within {seconds} seconds"
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TICK)
    return ""


def _modules_of_classes() -> list[str]:
    """Return the modules in which the caller's own classes are, which the file may name."""
    registered = keras.saving.get_custom_objects().values()
    modules = {str(getattr(one, "__module__", "")) for one in registered}
    return sorted(modules - {"", "__main__", "builtins"})


def _places(custom_objects: Mapping[str, Any] | None) -> dict[str, tuple[str, str]]:
    """Return where the caller's own objects are, by name: their modules, and their names there."""
    return {
        name: (str(getattr(one, "__module__", "")), str(getattr(one, "__qualname__", "")))
        for name, one in (custom_objects or {}).items()
    }


def answer(job: dict[str, Any]) -> None:
    """Load what a job names, and print what was said of it: the other process's part."""
    screen = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a file prints is no answer
    _process.die_with(job["parent"])
    for module in job["modules"]:
        with suppress(Exception):  # then its classes are missing, which is said
            importlib.import_module(module)
    objects = {}
    for name, (module, place) in job["objects"].items():
        with suppress(Exception):
            objects[name] = operator.attrgetter(place)(importlib.import_module(module))
    from kviz.network.loading import load_model

    screen.write("begun\n")
    screen.flush()
    said = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_model(job["path"], custom_objects=objects or None, **job["how"])
    except KvizError as error:
        said = str(error)
    except MemoryError:
        said = "The memory is used up."
    screen.write(json.dumps(said) + "\n")
    screen.flush()
    os._exit(0)
