"""Papers of methods: every one of kviz's own is cited, in BibTeX that a reader of it takes."""

import re

import pytest

from kviz.attribution.registry import method_class, method_names
from kviz.reports.papers import bibtex_of, paper_of, papers_of


def entries(lines):
    """Return BibTeX as (kind, key, fields), read by its own grammar: braces that match."""
    text = "\n".join(lines)
    found = re.findall(r"@(\w+)\{([\w]+),\n((?:  \w+ = \{.*\},\n)+)\}", text)
    assert "".join(f"@{kind}{{{key},\n{body}}}\n" for kind, key, body in found) == f"{text}\n"
    for _, _, body in found:
        plain = re.sub(r"\\[{}&%$#_]", "", body)
        assert plain.count("{") == plain.count("}")
        assert not re.search(r"[&%$#]", plain)
    return [
        (kind, key, dict(re.findall(r"  (\w+) = \{+(.*?)\}+,", body))) for kind, key, body in found
    ]


@pytest.mark.parametrize("name", method_names())
def test_every_method_has_a_paper_that_can_be_cited(name):
    paper = paper_of(method_class(name))
    found = entries(bibtex_of(paper))
    assert found, paper
    for kind, _, fields in found:
        assert {"author", "title", "year"} <= fields.keys()
        assert fields["author"].split()[0] in paper
        assert fields["title"].replace("\\", "") in paper
        assert re.fullmatch(r"\d{4}", fields["year"])
        assert kind == "misc" or fields.get("booktitle" if kind == "inproceedings" else "journal")


def test_authors_venue_and_key_are_the_paper_s():
    ((kind, key, fields),) = entries(bibtex_of(paper_of(method_class("grad_cam"))))
    assert (kind, key) == ("inproceedings", "selvaraju2017grad")
    assert fields["author"] == "R. Selvaraju and others"
    assert fields["booktitle"] == "ICCV"
    ((_, _, fields),) = entries(bibtex_of(paper_of(method_class("occlusion"))))
    assert fields["author"] == "M. Zeiler and R. Fergus"
    first, second = entries(bibtex_of(paper_of(method_class("lrp"))))
    assert (first[0], second[0]) == ("article", "misc")
    assert second[2]["author"] == "G. Montavon and others"


def test_methods_within_methods_are_cited_too_and_none_twice():
    told = papers_of(
        {"smooth_grad": {"base": {"name": "saliency", "reduce": "sum"}, "seed": 0}, "saliency": {}}
    )
    assert [one["method"] for one in told] == ["smooth_grad", "saliency"]
    assert told[1]["title"] == "Saliency"
    assert told[1]["bibtex"][0] == "@misc{simonyan2013deep,"


def test_what_is_no_citation_is_no_entry():
    assert bibtex_of("somebody's web page") == []
