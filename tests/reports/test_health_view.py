"""What the pane Health says of layers in sentences."""

import pytest

from kviz.reports.health_view import health_view


def layer(path, channels, dead=0.0, saturated=None, not_finite=0):
    return {
        "path": path, "channels": channels, "dead": dead, "saturated": saturated,
        "not_finite": not_finite, "mean": 1.0,
    }  # fmt: skip


LAYERS = [
    layer("a", 10, dead=0.1, saturated=0.0, not_finite=2),
    layer("b", 20, dead=0.5, saturated=0.25),
    layer("c", 8, saturated=None, not_finite=3),
]


@pytest.mark.parametrize(
    ("layers", "photos", "said"),
    [
        (
            LAYERS,
            3,
            [
                "11 of 38 channels are zero everywhere for all 3 photos, in 2 of 3 layers; "
                "most in b (50 % of its channels).",
                "Most saturated is b: 25 % of its values are at a bound of the activation function, "
                "where next to no gradient comes through.",
                "5 values are NaN or infinite, in 2 of 3 layers; the first is a.",
            ],
        ),
        (
            [layer("c", 8), layer("d", 2, saturated=0.0)],
            1,
            [
                "No channel is dead: each of the 10 answers to this photo.",
                "No value is at a bound of its activation function.",
                "All values are finite.",
            ],
        ),
    ],
)
def test_the_worst_layer_and_the_sums_are_told(layers, photos, said):
    assert health_view(layers, photos)["verdicts"] == said


def test_of_two_photos_it_is_both():
    assert "zero everywhere for both photos, in" in health_view(LAYERS, 2)["verdicts"][0]
    said = health_view([layer("c", 8)], 2)["verdicts"][0]
    assert said == "No channel is dead: each of the 8 answers to at least one of the 2 photos."


def test_of_one_photo_dead_channels_say_little():
    assert "Of one photo that says little" in health_view(LAYERS, 1)["verdicts"][0]


def test_saturation_is_drawn_where_a_layer_has_bounds():
    assert health_view(LAYERS, 1)["saturated"].heights == (0.0, 25.0, 0.0)
    assert health_view([layer("c", 8), layer("d", 8)], 1)["saturated"] is None


def test_no_chart_is_empty():
    found = health_view([layer("c", 8, saturated=0.0), layer("d", 8)], 1)
    assert (found["dead"], found["saturated"]) == (None, None)
    assert len(found["size"].heights) == 2
    # Of one layer nothing goes by depth.
    found = health_view([layer("c", 8, dead=0.5, saturated=0.5)], 1)
    assert [found[key] for key in ("dead", "saturated", "size")] == [None, None, None]
