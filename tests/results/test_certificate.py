"""A certificate's words follow its numbers, and travel with the map wherever it goes."""

import json
from dataclasses import replace

import pytest
from one_of_each import attribution, certificate, certified, measured
from PIL import Image

import kviz
from kviz.attribution.compare import compare
from kviz.results.certificate import NOT_SHOWN

DELETION, INSERTION = certificate().tested


def with_(deletion=DELETION, insertion=INSERTION, **options):
    return certificate(tested=(deletion, insertion), **options)


def test_words_say_all_numbers():
    assert certificate().words() == [
        "Better than chance: it beats itself moved to 2 other places, in deletion and in insertion "
        "(by luck one map in 9 does).",
        "Removes 75 % of the probability with 10 % of the pixels (black); moved elsewhere 62 to 75 %, "
        "random pixels 38 %, the middle 50 %.",
        "Shows 87 % of it on average while its pixels come, first ones first (black); moved elsewhere "
        "25 to 75 %, random pixels 62 %, the middle 50 %.",
        "Changes when the weights are shuffled: rank correlation 0.40 (top layer, classes), 0.03 (all "
        "layers).",
        "Much the same under noise of 2 % of the image's range: rank correlation 0.90 to 0.96.",
        "Adds up as its method promises, off by 3 %.",
        NOT_SHOWN,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "better", "said"),
    [
        (certificate(), True, "Better than chance: "),
        # Of two copies one does as well, or better.
        (with_(measured("deletion", "black", 0.2, (0.2, 0.3))), False, "1 of 2 in deletion do"),
        (
            with_(insertion=measured("insertion", "black", 0.5, (0.6, 0.2))), False,
            "1 of 2 in insertion do",
        ),
        (
            with_(
                measured("deletion", "black", 0.4, (0.2, 0.3)),
                measured("insertion", "black", 0.1, (0.6, 0.2)),
            ),
            False, "elsewhere 2 of 2 in deletion and 2 of 2 in insertion do as well.",
        ),
        # A copy has to do it in the mean of both baselines.
        (
            certificate(tested=(
                DELETION, measured("deletion", "blur", 0.3, (0.25, 0.5)), INSERTION,
                measured("insertion", "blur", 0.7, (0.9, 0.9)),
            )),
            False, "1 of 2 in insertion do as well.",
        ),
        (
            certificate(tested=(
                DELETION, measured("deletion", "blur", 0.3, (0.25, 0.5)), INSERTION,
                measured("insertion", "blur", 0.7, (0.75, 0.9)),
            )),
            True, "on average of the baselines (by luck",
        ),
        (certificate(flat=True), False, "the map is the same everywhere"),
    ],
)  # fmt: skip
def test_the_verdict_comes_first(one, better, said):
    assert one.better_than_chance == better
    assert one.words()[0].startswith("Better" if better else "No better than chance: ")
    assert said in one.words()[0]
    assert one.facts()["better_than_chance"] == better


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (certificate(top=0.5, every=0.5), "Hardly changes when the weights are shuffled"),
        (certificate(top=0.49, every=0.49), "Changes when the weights are shuffled"),
        (
            certificate(top=0.5),
            "Changes when all weights are shuffled, hardly when the top layer's are",
        ),
        (
            certificate(every=0.5),
            "when the top layer's weights are shuffled, hardly when all are: rank",
        ),
        (certificate(every=-0.001, top=-0.5), "-0.50 (top layer, classes), 0.00 (all layers)"),
        (certificate(steady=(0.3, 0.9)), "Not the same under noise of 2 %"),
        (certificate(steady=(0.7, 0.7)), "rank correlation 0.70."),
        (certificate(steady=(0.5, 0.9)), "Partly the same under noise"),
        (certificate(steady=(0.8, 0.9)), "Much the same under noise"),
        (
            with_(replace(DELETION, nulls={"moved": (0.2, 0.3), "random": (0.1,)})),
            "Random pixels do as well in deletion",
        ),
        (
            with_(insertion=measured("insertion", "black", 0.9, (0.2, 0.1))),
            "50 %; the whole image is 100 %.",
        ),
        (certificate(untested=("noise: it is none",)), "Not tested with noise: it is none."),
        (with_(replace(DELETION, first=0.9)), "Removes -12 % of the probability"),
        (with_(replace(DELETION, first=0.9)), "the middle 50 %; below 0 it rises."),
        (with_(replace(DELETION, first=0.8)), "Removes 0 % of the probability"),
        (certificate(on="score", whole=-0.8), "Removes -125 % of the score"),
        (
            certificate(whole=0.001),
            "Takes the probability from 0.001 to 0.2 with 10 % of the pixels (black); moved elsewhere "
            "0.2 to 0.3, random pixels 0.5, the middle 0.4.",
        ),
        (certificate(on="score", whole=0.001), "Removes -19900 % of the score"),
        (certificate(on="score", whole=0), "Takes the score from 0 to 0.2"),
        (
            with_(insertion=measured("insertion", "black", 0.05, (0.02, 0.01))),
            "A blob in the middle",
        ),
    ],
)
def test_words_follow_the_numbers(one, said):
    assert said in " ".join(one.words())
    assert all(len(sentence) <= 200 for sentence in one.words())


def test_what_was_not_asked_is_not_said():
    bare = certificate(gap=None, top=None, every=None, steady=())
    assert len(bare.words()) == 4
    assert "A blob" not in " ".join(certificate().words())


def test_a_table_that_comes_first_where_a_map_does_no_better_than_chance():
    first, _ = certified().tables()
    assert first.caption == "grad_cam: can it be trusted"
    assert first.rows[0] == ("cat.png", "b", certificate().words()[0])
    assert first.rows[1][:2] == ("", "")
    assert ("image 1", "b") in [row[:2] for row in first.rows]
    better = attribution(certificates=(certificate(),) * 2)
    assert better.tables()[1].caption == first.caption
    assert len(attribution().tables()) == 1
    assert "No better than chance: " in certified().text()
    assert "No better than chance: " in certified()._repr_html_()


def test_facts_and_rows():
    told = certified().facts()["images"]
    one, two = (image["maps"][0]["certificate"] for image in told)
    assert (one["better_than_chance"], two["better_than_chance"]) == (True, False)
    assert one["words"] == certificate().words()
    assert (one["top"], one["every"], one["steady"]) == (0.4, 0.03, [0.9, 0.96])
    assert one["tested"][0]["nulls"]["moved"] == [0.2, 0.3]
    assert json.dumps(told, allow_nan=False)
    assert attribution().facts()["images"][0]["maps"][0]["certificate"] is None
    assert certified().to_frame().better_than_chance.tolist() == [True, False]
    assert "better_than_chance" not in attribution().to_frame()


def test_round_trip(tmp_path):
    found = attribution(classes=3, certificates=tuple(certificate(top=i / 10) for i in range(6)))
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    assert again.certificates == found.certificates
    assert again.explained(1)[2].certificate.top == 0.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((certificate(),), "not each map has a certificate"),
        ((certificate(), certificate(tested=())), "tells of other measures"),
        ((certificate(), with_(replace(DELETION, nulls={}))), "tells of no chance"),
        ((certificate(), certificate(whole=1e300)), "numbers that are too large"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong, said, tmp_path):
    (path,) = attribution(certificates=wrong).save(tmp_path / "wrong.npz")
    with pytest.raises(kviz.OutputError, match=said):
        kviz.load_result(path)


def test_pictures_carry_it(tmp_path):
    found = certified()
    photo, alone, over = found.tiles(image=1)
    assert photo.comment == ""
    assert "no better than chance" in over.detail
    assert "no better than chance" in over.alt
    assert " better than chance" in found.tiles(image=0)[2].detail
    files = found.save(tmp_path / "pictures")
    with Image.open(files[-1]) as picture:
        assert picture.text["Comment"] == " ".join(found.certificates[1].words())
        assert picture.text["Comment"].startswith("No better than chance: ")
        assert "no better than chance" in picture.text["Description"]
    assert alone.comment == over.comment
    compared = compare([found, attribution("saliency")])
    assert [table.caption for table in compared.tables()] == [
        "grad_cam: can it be trusted", "grad_cam: attribution", "saliency: attribution",
    ]  # fmt: skip
    both, _ = compared.save(tmp_path / "compared")
    with Image.open(both) as picture:
        assert picture.text["Comment"] == f"grad_cam · b. {' '.join(certificate().words())}"
    page = found.save(tmp_path / "page.html")[0].read_text(encoding="utf-8")
    assert "No better than chance: of the same map moved elsewhere" in page
    with Image.open(attribution().save(tmp_path / "bare")[0]) as picture:
        assert "Comment" not in picture.text
