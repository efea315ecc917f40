"""The page in Chromium: it opens from disk, works by mouse and keyboard, and nobody's name runs."""

from pathlib import Path

import pytest
from hostile import HOSTILE

from kviz._checks import sanitise

AXE = Path(__file__).with_name("axe.min.js")


def drawn(page):
    page.wait_for_selector("#inside[data-drawn]", state="attached")


def test_everything_is_reached_by_the_tab_key(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    expected = page.evaluate(
        """() => [...document.querySelectorAll(
            'a[href], button, input, select, summary, [tabindex="0"]')]
        .filter(e => e.checkVisibility() && !e.disabled)
        .map((e, at) => (e.dataset.stop = at, at)).length"""
    )
    stops, seen_without = [], []
    for _ in range(expected + 5):
        page.keyboard.press("Tab")
        stop, outlined = page.evaluate(
            """() => { const e = document.activeElement;
            return [e.dataset?.stop ?? null, getComputedStyle(e).outlineStyle !== 'none']; }"""
        )
        if stop is None:
            break
        stops.append(int(stop))
        if not outlined:
            seen_without.append(stop)
    assert stops == list(range(expected))
    assert seen_without == []


@pytest.mark.parametrize(
    ("which", "scheme"),
    [
        ("made", "light"),
        ("hostile", "dark"),
        pytest.param("made", "dark", marks=pytest.mark.slow),
        pytest.param("hostile", "light", marks=pytest.mark.slow),
    ],
)
def test_nobody_meets_a_barrier(opened, request, which, scheme):
    page = opened(request.getfixturevalue(which).path, scheme=scheme, bypass_csp=True)
    drawn(page)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_no_name_is_more_than_text(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    page.select_option("#why-photo", "1")
    page.select_option("#why-photo", "0")
    page.select_option("#why-with", "gradient")
    page.wait_for_timeout(300)
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.locator("script[src], img[src=x], [onload], [onerror]").count() == 0
    assert page.locator("h1").inner_text() == sanitise(HOSTILE["model"])
    text = page.locator("body").inner_text()
    for name in (HOSTILE["layer"], HOSTILE["file"], *HOSTILE["class"]):
        assert " ".join(sanitise(name, 200).split()) in " ".join(text.split())
    assert sanitise(HOSTILE["block"]) in page.locator("details summary bdi").all_inner_texts()


def test_a_link_that_leads_nowhere_stops_nothing(opened, hostile):
    page = opened(hostile.path)
    page.evaluate("location.hash = '%'")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")


@pytest.mark.some(every=2)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(opened, made, width):
    page = opened(made.path, width=width)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_photos_and_tables_are_there(opened, made):
    page = opened(made.path, ready=False, java_script_enabled=False)
    assert "switched off here" in page.locator("noscript").inner_text()
    assert page.locator("#answer th", has_text="Egyptian cat").is_visible()
    assert page.locator("#dreams img").first.is_visible()


def test_printed_it_is_without_controls(opened, made):
    page = opened(made.path)
    drawn(page)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#inside .controls").is_visible()
    assert page.locator("#mosaic").is_visible()


def test_in_a_notebook_it_is_a_page_in_a_frame(opened, hostile, tmp_path):
    outer = tmp_path / "notebook.html"
    outer.write_text(f"<!doctype html>{hostile.report._repr_html_()}", encoding="utf-8")
    page = opened(outer, ready=False)
    page.frame_locator("iframe").locator("html[data-ready]").wait_for(state="attached")
    assert page.frame_locator("iframe").locator("h1").inner_text() == sanitise(HOSTILE["model"])
    assert page.evaluate("typeof pwned") == "undefined"
