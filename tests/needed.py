"""What some tests need besides: without it they are skipped, or fail where `CI` is set."""

import os
import subprocess
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

HOME = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))


def lacking(reason):
    """Skip a test for a reason, or fail it where `CI` is set: there nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, and {reason}", pytrace=False)
    pytest.skip(reason)


def need_package(name, extra):
    """Require an installed package, which an extra of kviz brings."""
    if find_spec(name) is None:
        lacking(f'{name} is not installed: pip install ".[{extra}]"')


def need_fashion_mnist():
    """Require the images of Fashion-MNIST where Keras finds them."""
    if not (HOME / "datasets/fashion-mnist/t10k-images-idx3-ubyte.gz").exists():
        lacking("Fashion-MNIST is not on this machine; Keras downloads it, Debian packages it")


@contextmanager
def need_mount(folder, options):
    """Have a small disk of its own at a folder while the body runs; it takes rights, in CI too."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607
