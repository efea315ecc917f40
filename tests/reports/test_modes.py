"""The page on paper, on a phone, in forced colours and with more contrast."""

import re
from pathlib import Path

import pytest

AXE = Path(__file__).with_name("axe.min.js")


def drawn(page):
    page.wait_for_selector("#inside[data-drawn]", state="attached")
    page.wait_for_selector("#why[data-drawn]", state="attached")


def style(page, selector, name, pseudo=None):
    return page.locator(selector).first.evaluate(
        "(e, [name, pseudo]) => getComputedStyle(e, pseudo)[name]", [name, pseudo]
    )


@pytest.mark.parametrize("layer", ["conv1", "fire9_expand3x3"])
def test_a_whole_report_of_one_photo_is_three_sheets_of_paper(opened, made, layer):
    page = opened(f"{made.path}")
    page.evaluate(f"location.hash = 'layer={layer}'")
    drawn(page)
    margins = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")
    printed = page.pdf(format="A4", margin=margins)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 3


def test_on_paper_nothing_is_cut_and_what_is_folded_is_named(opened, made):
    page = opened(made.path)
    drawn(page)
    page.evaluate("document.querySelector('#command code').textContent = 'x\\n'.repeat(60)")
    page.emulate_media(media="print")
    assert (
        page.evaluate(
            """() => [...document.querySelectorAll('main *')].filter((e) => e.checkVisibility()
        && e.clientHeight && e.scrollHeight > e.clientHeight + 1
        && ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowY)
        && !e.matches('.hidden, #why .overview button')).map((e) => e.outerHTML.slice(0, 99))"""
        )
        == []
    )
    named = page.locator("summary").evaluate_all(
        "all => all.filter((e) => e.checkVisibility()).map((e) => e.textContent)"
    )
    assert {"All 42 layers as a table", "Time of each part"} <= set(named)


def test_paper_is_no_small_screen(opened, made):
    page = opened(made.path)
    page.evaluate("location.hash = 'layer=fire9_expand3x3'")
    drawn(page)
    wide = page.locator("#mosaic").evaluate("e => e.width")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(f"() => document.querySelector('#mosaic').width < {wide}")
    page.emulate_media(media="print")
    page.wait_for_function(f"() => document.querySelector('#mosaic').width === {wide}")


def test_with_more_contrast_a_bar_is_told_from_its_track(opened, made):
    page = opened(made.path, contrast="more")
    drawn(page)
    paper = style(page, "body", "backgroundColor")
    assert style(page, ".track", "fill") == paper != style(page, ".fill", "fill")
    assert paper in style(page, ".feeds .bar", "backgroundColor")


def test_in_forced_colours_bars_of_the_inspector_stay(opened, made):
    page = opened(made.path, forced_colors="active")
    drawn(page)
    assert "gradient" in style(page, ".feeds .bar", "backgroundImage")
    page.evaluate("location.hash = 'layer=fire9_expand3x3'")
    page.wait_for_selector("#tree .dead >> visible=true")
    assert "gradient" in style(page, "#tree .dead", "backgroundImage", "::before")


def test_a_long_name_below_a_chart_is_broken(opened, made):
    page = opened(made.path, width=390)
    drawn(page)
    page.evaluate(
        "document.querySelectorAll('.ends bdi').forEach((e) => e.textContent = 'a'.repeat(60))"
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_a_script_a_wide_graph_is_made_smaller(opened, made):
    page = opened(made.path, width=390, ready=False, java_script_enabled=False)
    drawing = page.locator("#graphs .drawing[open] svg")
    drawing.evaluate("e => e.setAttribute('width', 2000)")
    assert drawing.bounding_box()["width"] == 480


@pytest.mark.parametrize("width", [390, 1440])
def test_nobody_meets_a_barrier_in_what_is_opened(opened, made, width):
    page = opened(made.path, width=width, bypass_csp=True, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
    page.evaluate("location.hash = 'layer=fire5_expand1x1&ch=3&method=gradient&with=saliency'")
    page.wait_for_function("() => document.querySelector('#channel-h').textContent.includes('3')")
    page.fill("#tree-search", "conv")
    page.focus("#mosaic")
    page.keyboard.press("ArrowRight")
    drawn(page)
    page.add_script_tag(path=AXE)
    found = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for one in page.evaluate("axe.run()")["violations"]:
            found.add((scheme, one["id"], one["nodes"][0]["html"][:200]))
    assert found == set()
