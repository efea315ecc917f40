"""kviz doctor."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import click

from kviz import __version__, _process
from kviz._checks import first_line, sanitise
from kviz.cli import child
from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.lists import page_width, wrapped
from kviz.cli.output import print_json
from kviz.cli.progress import start_up_talk_kept_back
from kviz.errors import KvizError
from kviz.extras import NAME, Package, install_command, packages_of

# What each extra is for, in the order in which people want them.
_FOR = {
    "report": "the graph of layers in a report",
    "serve": "kviz serve",
    "gpu": "NVIDIA GPUs, under Linux",
    "notebooks": "notebooks, and kviz.explore in them",
    "superpixels": "LIME, Kernel SHAP, XRAI",
    "metrics": "the metric road",
    "dicom": "DICOM files",
    "store": "kviz run",
    "ray": "kviz run --engine ray",
    "tensorboard": "films in TensorBoard",
    "torchvision": "the weights of ResNet-18",
}
_FOR_WORK_ON_KVIZ = {
    "test": "work on kviz: its tests",
    "referee": "work on kviz: other libraries to compare with",
    "docs": "work on kviz: its site",
}


@command(
    short_help="Tell what is installed, what is missing, and which GPUs are seen.",
    examples=("kviz doctor", "kviz doctor --json"),
)
@option("--all", "every", is_flag=True, help="Also the extras that work on kviz itself needs.")
@take.as_json
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, every: bool) -> None:
    """List versions, GPUs, memory and extras, with the command that installs what is missing.

    It imports TensorFlow to ask which GPUs it sees, which takes seconds. The exit code is 1 where kviz
    cannot work.
    """
    child.begin()
    needed, extras = _packages()
    click.echo("Importing TensorFlow to ask for GPUs …", err=True)
    backend = _backend()
    facts: dict[str, Any] = {
        "kviz": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "memory": {"free": _process.free(), "total": _process.total()},
        "nvidia_driver": _has_nvidia_driver(),
        **backend,
        "packages": [asdict(one) for one in needed],
        "extras": [
            {
                "name": extra,
                "complete": all(one.fits for one in packages),
                "packages": [asdict(one) for one in packages],
                "install": install_command(extra),
            }
            for extra, packages in extras.items()
        ],
    }
    facts["works"] = not backend["problem"] and all(one.fits for one in needed)
    if as_json:
        print_json(facts)
    else:
        click.echo(_page(facts, needed, extras, every=every))
    ctx.exit(0 if facts["works"] else 1)


def _packages() -> tuple[list[Package], dict[str, list[Package]]]:
    """Return the packages that kviz needs, and those of each of its extras, by its own metadata."""
    try:
        known = metadata(NAME)
    except PackageNotFoundError:  # run from a folder, without an installation
        return [], {}
    extras = [str(extra) for extra in known.get_all("Provides-Extra") or ()]
    return packages_of(""), {extra: packages_of(extra) for extra in sorted(extras)}


def _backend() -> dict[str, Any]:
    """Return what Keras runs on and which GPUs TensorFlow sees, or why it does not start."""
    try:
        with start_up_talk_kept_back():
            from kviz.engine.backend import keras, tf

            gpus = [
                tf.config.experimental.get_device_details(gpu).get("device_name") or gpu.name
                for gpu in tf.config.list_physical_devices("GPU")
            ]
        built = bool(tf.test.is_built_with_cuda())
        return {"backend": keras.backend.backend(), "gpus": gpus, "cuda": built, "problem": ""}
    except KvizError as error:
        return {"backend": None, "gpus": [], "cuda": False, "problem": str(error)}
    except Exception as error:  # whatever a broken installation does when it is imported
        said = f"TensorFlow does not start: {first_line(error)}"
        return {"backend": None, "gpus": [], "cuda": False, "problem": said}


def _has_nvidia_driver() -> bool:
    """Return whether there is an NVIDIA driver; TensorFlow could use one under Linux only."""
    if sys.platform != "linux":
        return False
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def _page(
    facts: dict[str, Any],
    needed: list[Package],
    extras: dict[str, list[Package]],
    *,
    every: bool,
) -> str:
    """Return it all as text, with the extras that work on kviz needs where every one is asked for."""
    free = facts["memory"]["free"]
    memory = f"{_process.in_words(free)} free of " if free is not None else ""
    works = "kviz works." if facts["works"] else "kviz does not work: see below what is missing."
    lines = [
        works,
        "",
        f"kviz {facts['kviz']}, Python {facts['python']}, {sanitise(facts['system'], 80)}",
        f"Memory   {memory}{_process.in_words(facts['memory']['total'])}",
        f"Backend  {facts['backend'] or facts['problem']}",
        f"GPUs     {_gpus(facts)}",
    ]
    there = ", ".join(one.words() for one in needed if one.fits)
    lines += [wrapped(there, page_width(), " " * 9, "Needs    ")] if there else []
    lines += [
        f'MISSING  {one.words()}: pip install "{one.name}{one.needed}"'
        for one in needed
        if not one.fits
    ]
    if not needed:
        lines.append(f"Needs    not known: {NAME} is not installed, kviz runs from a folder")
    # Gigabytes, and of no use without an NVIDIA GPU.
    has_any = any(one.name.startswith("nvidia") and one.installed for one in extras.get("gpu", ()))
    known = _FOR | (_FOR_WORK_ON_KVIZ if every else {})
    others = sorted(extras.keys() - _FOR.keys() - _FOR_WORK_ON_KVIZ.keys())
    shown = [extra for extra in (*known, *others) if extra in extras]
    if not (facts["nvidia_driver"] or has_any) and "gpu" in shown:
        shown.remove("gpu")
    lines += ["", "Extras, which kviz also works without:"] if shown else []
    for extra in shown:
        missing = [one.words() for one in extras[extra] if not one.fits]
        purpose = f"  {known[extra]}" if extra in known else ""
        lines.append(f"  {extra:<12} {'missing' if missing else 'installed':<9}{purpose}")
        lines += [wrapped("; ".join(missing), page_width(), " " * 4, " " * 4)] if missing else []
        lines += [f"    {install_command(extra)}"] if missing else []
    if left := [extra for extra in _FOR_WORK_ON_KVIZ if extra in extras and not every]:
        lines += ["", f"Work on kviz itself has extras of its own ({', '.join(left)}): --all."]
    return "\n".join(lines)


def _gpus(facts: dict[str, Any]) -> str:
    """Return which GPUs are seen, and what to do where one is there and not seen."""
    if facts["problem"]:
        return "not known"
    if facts["gpus"]:
        return ", ".join(f"gpu:{at} {sanitise(name)}" for at, name in enumerate(facts["gpus"]))
    if not facts["nvidia_driver"]:
        return "none seen by TensorFlow; the CPU computes"
    gpu = next((extra for extra in facts["extras"] if extra["name"] == "gpu"), None)
    way = f" It needs {gpu['install']}." if gpu and not gpu["complete"] else ""
    return f"an NVIDIA driver is there, but TensorFlow sees no GPU; the CPU computes.{way}"
