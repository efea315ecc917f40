"""The site's links lead somewhere, and what checks that does; `.ci/site` builds the site itself."""

import subprocess
import sys
from pathlib import Path

import pytest

import kviz

ROOT = Path(__file__).parents[1]


def run_script(folder):
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci/check_links.py"), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    (folder / "api").mkdir(parents=True)
    (folder / "a b.png").write_bytes(b"")
    (folder / "api/page.html").write_text('<h1 id="top">Top</h1><a href="../index.html">home</a>')
    (folder / "index.html").write_text(
        '<a href="api/page.html#top">in</a> <a href="#here"></a> <p id="here"></p>'
        '<img src="a%20b.png"> <a href="https://example.org/none">out</a>'
    )
    return folder


def test_live_links_pass(site):
    found = run_script(site)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(
    "dead",
    [
        '<a href="api/none.html">',
        '<a href="api/page.html#none">',
        '<a href="#none">',
        '<a href="api">',
        '<a href="../outside.html">',
        '<a href="/index.html">',
        '<img src="none.png">',
        '<script src="none.js"></script>',
    ],
)
def test_a_dead_link_fails_and_is_named(site, dead):
    (site.parent / "outside.html").write_text("")
    page = site / "index.html"
    page.write_text(page.read_text() + dead)
    found = run_script(site)
    link = dead.split('"')[1]
    assert (found.returncode, found.stderr) == (1, f"index.html: {link}\n")


def test_every_public_name_has_a_page_in_the_site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "notebooks/site"))
    import api_pages

    api_pages.write(tmp_path)
    pages = {path.stem for path in tmp_path.iterdir()}
    assert {f"kviz.{name}" for name in kviz.__all__} <= pages
    for module in ("attribution", "metrics", "dataset", "callbacks"):
        names = getattr(kviz, module).__all__
        assert {f"kviz.{module}.{name}" for name in names} <= pages
    assert {"kviz.scores.ClassScore", "kviz.scores.LossScore"} <= pages
    index = (ROOT / "notebooks/site/index.md").read_text(encoding="utf-8")
    assert all(f"api/{module}\n" in index for module in api_pages.MODULES)
    assert all(f"notebooks/{path.stem}>" in index for path in ROOT.glob("notebooks/howto_*.ipynb"))
