"""kviz fool: every photo, for every class."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kviz
from kviz.cli import main


@pytest.mark.usefixtures("workplace")
def test_each_photo_is_made_to_be_taken_for_each_class():
    with Image.open("p.png") as photo:
        photo.rotate(90).save("q.png")
    words = ("fool", "m.keras", "p.png", "q.png", "--class", "1", "--class", "2", "--steps", "2")
    done = CliRunner().invoke(main, [*words, "-o", "fooled.npz"])
    assert done.exit_code == 0, done.output
    found = kviz.load_result("fooled.npz")
    assert found.names == ("p.png", "p.png", "q.png", "q.png")
    assert found.labels == ("class 1", "class 2", "class 1", "class 2")
    one = kviz.fool("m.keras", ["p.png", "q.png"], 2, steps=2)
    np.testing.assert_array_equal(found.images[1::2], one.images)


@pytest.mark.usefixtures("workplace")
def test_several_norms_give_the_success_curve():
    words = ("fool", "m.keras", "p.png", "--class", "1", "--objective", "logit")
    words += ("--max-norm", "90", "--max-norm", "30", "--steps", "9")
    done = CliRunner().invoke(main, [*words, "-o", "fooled.npz", "--json"])
    assert done.exit_code == 0, done.output
    found = kviz.load_result("fooled.npz")
    assert found.max_norms.tolist() == json.loads(done.stdout)["max_norms"] == [30, 90]
    assert found.made_by.settings["max_norm"] == (30, 90)
    assert found.made_by.settings["objective"] == "logit"
    one = CliRunner().invoke(main, [*words[:7], "--max-norm", "90", "-o", "one.npz"])
    assert one.exit_code == 0, one.output
    assert kviz.load_result("one.npz").max_norms is None
