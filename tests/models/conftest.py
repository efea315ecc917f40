"""What tests of recipes share: a small folder of photos, and a run of a command line."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Two classes of four photos each: noise that is red, noise that is blue."""
    random = np.random.default_rng(0)
    for channel, name in ((0, "red"), (2, "blue")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            pixels = random.integers(0, 100, (40, 40, 3), np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    return tmp_path / "photos"


@pytest.fixture
def command():
    def run(recipe, *arguments):
        return CliRunner().invoke(recipe.main, [str(argument) for argument in arguments])

    return run
