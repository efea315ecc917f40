"""--device: which processor does the work; the others are hidden before TensorFlow starts."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli.command import option
from kviz.errors import OptionError

# What CUDA and ROCm see, by their own numbers.
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def _validated(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"cpu|gpu(:[0-9]{1,3})?", text):
        raise click.UsageError(f"--device takes cpu, gpu or gpu:0. Received: {sanitise(text)}")
    return text


device = option(
    "--device",
    metavar="cpu|gpu:N",
    callback=_validated,
    help="What computes: cpu, gpu, or one GPU by its number, such as gpu:1; by default all GPUs that "
    "TensorFlow sees, else the CPU.",
)


def hide_others(wanted: str | None) -> None:
    """Hide all GPUs from a TensorFlow that has not begun, where none is wanted.

    It then neither looks for them nor takes their memory.
    """
    if wanted == "cpu" and "tensorflow" not in sys.modules:
        os.environ.update(dict.fromkeys(_VISIBLE, "-1"))


def use_device(wanted: str | None) -> None:
    """Leave TensorFlow the device that is wanted.

    Raises:
        OptionError: if there is no such GPU, or other devices are in use already.
    """
    if wanted is None:
        return
    from kviz.engine.backend import tf

    gpus = tf.config.list_physical_devices("GPU")
    chosen: list[Any] = []
    if wanted != "cpu":
        _, _, number = wanted.partition(":")
        if int(number or 0) >= len(gpus):
            seen = f"gpu:0 to gpu:{len(gpus) - 1}" if len(gpus) > 1 else "gpu:0" * len(gpus)
            raise OptionError(
                f"--device {wanted} is not there: TensorFlow sees {seen or 'no GPU'}. "
                "kviz doctor tells more; --device cpu always works."
            )
        chosen = [gpus[int(number)]] if number else gpus
    try:
        tf.config.set_visible_devices(chosen, "GPU")
    except RuntimeError as error:  # this process has computed before
        raise OptionError(f"--device {wanted} comes too late: {error}") from error
