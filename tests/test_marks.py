"""Every file of kviz's is known again by its mark, and nobody else's is taken for one."""

import io
import zipfile

import numpy as np
import pytest
from one_of_each import ALL, activations, attribution, synthesis
from PIL import Image

import kviz
from kviz.draw.films import ENDINGS, still, write_film
from kviz.marks import is_marked

FRAMES = np.zeros((2, 2, 6, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [*[("activations", ending) for ending in (".npz", ".html", ".svg", ".pdf", "")],
     ("comparison", ""), ("class image", "")],
)  # fmt: skip
def test_what_a_result_saves_is_known_again_and_saved_over(tmp_path, kind, ending):
    found = ALL[kind]()
    for _ in range(2):
        files = found.save(tmp_path / f"saved{ending}")
        assert files
        assert all(map(is_marked, files))


def test_a_figure_a_film_and_a_model_are_known_again(tmp_path):
    for _ in range(2):
        assert is_marked(kviz.save_figure(activations(), tmp_path / "figure.png"))
    for ending in ENDINGS:
        for _ in range(2):
            write_film(tmp_path / f"film{ending}", [still(FRAMES[0, 0], ending)] * 2, [100, 100])
        assert is_marked(tmp_path / f"film{ending}")
        with Image.open(tmp_path / f"film{ending}") as film:
            assert film.n_frames == 2
    for _ in range(2):
        (path,) = synthesis(frames=FRAMES).save(tmp_path / "way.gif")
        assert is_marked(path)


def foreign(folder):
    """Give files of others that hold something of kviz's, or are like it."""
    (picture, *_) = attribution().save(folder / "own")
    page = attribution().save(folder / "own.html")[0].read_text(encoding="utf-8")
    yield "copy.png", Image.open(picture)
    thesis = io.BytesIO()
    with zipfile.ZipFile(thesis, "w") as file:
        file.writestr("word/document.xml", "kviz" * 99)
        file.write(picture, "word/media/image1.png")  # as it is, as Word does
    yield "thesis.docx", thesis.getvalue()
    own = np.load(attribution().save(folder / "own.npz")[0])
    other = io.BytesIO()
    np.savez(other, **own)
    yield "other.npz", other.getvalue()
    yield "index.html", f"<!doctype html>\n<html><body><pre>{page}</pre></body></html>"
    yield "frame.html", f'<!doctype html><html lang="en"><iframe srcdoc="{page}"></iframe>'
    yield "notebook.html", attribution()._repr_html_()
    yield "kviz.txt", "kviz"
    yield "paper.pdf", b"%PDF-1.4\n" + activations().save(folder / "own.pdf")[0].read_bytes()[:-6]


def test_nobody_elses_is_taken_for_one(tmp_path):
    for name, holds in foreign(tmp_path):
        path = tmp_path / name
        if isinstance(holds, Image.Image):
            holds.save(path)
        else:
            path.write_bytes(holds if isinstance(holds, bytes) else holds.encode())
        assert not is_marked(path), name
    assert not is_marked(tmp_path / "none")


@pytest.mark.parametrize("name", ["thesis.npz", "index.html", "way.gif"])
def test_a_strangers_file_is_replaced_by_force_alone(tmp_path, name):
    path, found = tmp_path / name, synthesis(frames=FRAMES)
    path.write_bytes(b"theirs")
    with pytest.raises(kviz.OutputError, match=r"kviz did not write .* force=True replaces it"):
        found.save(path)
    assert path.read_bytes() == b"theirs"
    found.save(path, force=True)
    assert is_marked(path)
    found.save(path)
