"""load_result: a stranger's file is refused in one sentence, or all of its result can be shown."""

import io
import json
import random
import struct
import warnings
import zipfile

import mutants
import numpy as np
import pytest
from one_of_each import ALL, attribution, fooled
from one_of_each import random as values

import kviz
from kviz.results import Activations, Attribution, MadeBy, Predictions


def class_map():
    maps = np.arange(2 * 8 * 10, dtype="i4").reshape(2, 8, 10) % 3
    scores = np.full((2, 3), 1 / 3, "f4")
    return Predictions(
        scores, 2, ("a", "b", "c"), names=("cat.png",), kind="class map", maps=maps,
        images=values(2, 8, 10, 3),
    )  # fmt: skip


def image():
    made = {"maps": values(2, 8, 10, 3), "images": values(2, 8, 10, 3)}
    return Predictions(np.zeros((2, 0), "f4"), 0, is_probability=False, kind="image", **made)


def signal():
    maps, ones = values(2, 30), np.ones(2, "f4")
    return Attribution(
        maps, maps, ones, np.zeros(2, "i4"), ("a", "b"), "saliency", images=values(2, 30, 2),
        gaps=ones, negative=np.zeros(2, bool), layers=("conv",),
    )  # fmt: skip


def volume():
    maps = values(2, 4, 6, 5)
    return attribution().__class__(
        maps, maps, np.ones(2, "f4"), np.zeros(2, "i4"), ("a", "b"), "saliency",
        images=values(2, 4, 6, 5, 1),
    )  # fmt: skip


def film():
    more = {"frames": np.zeros((3, 2, 6, 5, 3), "u1"), "max_norms": np.array([1, 2], "f4")}
    return fooled().__class__(**{**vars(fooled()), **more, "arrived_within": np.ones((2, 2), bool)})


KINDS = {
    **ALL, "class map": class_map, "image": image, "signal": signal, "volume": volume, "film": film,
}  # fmt: skip


def outcome(path, folder, *, wholly):
    """Return "refused" or "shown"; anything else is raised."""
    try:
        found = kviz.load_result(path)
    except kviz.OutputError as error:
        return "refused" if len(str(error)) <= 300 and str(error).isprintable() else str(error)
    repr(found).encode()
    json.dumps(found.facts(), allow_nan=False)
    kviz.load_result(found.save(folder / "again.npz")[0])
    if found.tiles() and wholly:
        found.plot()
        found.save(folder / "pictures")
    if wholly:
        found._repr_html_()
        found.save(folder / "page.html")
    return "shown"


def seen(kind, tmp_path, share):
    path, picked, outcomes = tmp_path / "one.npz", random.Random(kind), {}  # noqa: S311
    KINDS[kind]().save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what overflows is drawn all the same
        for what, header, arrays in mutants.mutants(path):
            if picked.random() < share:
                mutants.write(tmp_path / "mutant.npz", header, arrays)
                try:
                    outcomes[what] = outcome(tmp_path / "mutant.npz", tmp_path, wholly=share == 1)
                except Exception as error:
                    raise AssertionError(f"{kind}: {what}") from error
    return outcomes


@pytest.mark.some(every=4)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_one_thing_wrong_is_refused_or_can_be_shown(kind, tmp_path):
    assert "refused" in seen(kind, tmp_path, 0.03).values()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_with_one_thing_wrong_is_refused_or_can_be_shown(kind, tmp_path):
    outcomes = seen(kind, tmp_path, 1)
    assert len(outcomes) > 200
    assert {"refused", "shown"} == set(outcomes.values())


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_result_is_read(kind, tmp_path):
    found = KINDS[kind]()
    again = kviz.load_result(found.save(tmp_path / "one.npz")[0])
    assert repr(again) == repr(found)


def npy(shape, dtype="<f4", data=b""):
    """Return an .npy file whose header says what it likes."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}".encode()
    text = text.ljust(-(len(text) + 11) % 64 + len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADER = {
    "format": 1, "$object": "Activations", "maps": {"a": {"$array": "x"}}, "kinds": {"a": "Conv2D"},
}  # fmt: skip


def header(value=HEADER, text=None):
    data = io.BytesIO()
    np.save(data, np.array(json.dumps(value) if text is None else text))
    return data.getvalue()


def written(path, members, method=zipfile.ZIP_DEFLATED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        with zipfile.ZipFile(path, "w", method) as file:
            for name, data in members:
                file.writestr(name, data)
    return path


def refused(path, match):
    with pytest.raises(kviz.OutputError, match=match) as caught:
        kviz.load_result(path)
    assert len(str(caught.value)) <= 300


GOOD = npy((1, 2, 2, 1), data=bytes(16))


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([("x.npy", npy((1, 1 << 40, 1, 1)))], "x is not as long as it says"),
        ([("x.npy", npy((1, 2, 2, 1), data=bytes(15)))], "x is not as long as it says"),
        ([("x.npy", npy((1, 2, 2, 1), data=bytes(17)))], "x is not as long as it says"),
        ([("x.npy", npy((-1, -2, 2, 1), data=bytes(16)))], "is not as long|is broken"),
        ([("x.npy", npy((1, 2, 2, 1), "|O", bytes(32)))], "x holds object, no plain numbers"),
        ([("x.npy", npy((1, 2, 2, 1), "<c8", bytes(32)))], "x holds complex64, no plain numbers"),
        ([("x.npy", npy((1, 2, 2, 1), "<U1", bytes(16)))], "x holds <U1, no plain numbers"),
        ([("x.npy", npy(f"(1, 2, 2, 1) + {'(1,)' * 9999}"))], "is broken"),
        ([("x.npy", GOOD), ("x.npy", GOOD)], "more members than a result, or one twice"),
        ([], "is broken"),
    ],
)  # fmt: skip
def test_a_member_that_lies_is_refused(tmp_path, members, match):
    written(tmp_path / "a.npz", [("header.npy", header()), ("x.npy", GOOD)])
    assert kviz.load_result(tmp_path / "a.npz")["a"].shape == (1, 2, 2, 1)
    refused(written(tmp_path / "a.npz", [("header.npy", header()), *members]), match)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[" * 100_000, "is broken"),
        (json.dumps(HEADER)[:-1] + ', "notes": [' + "0," * 1_000_000 + "0]}", "more entries than"),
        (json.dumps({**HEADER, "notes": ["n" * 10_001]}), "a text of notes is too long"),
        (json.dumps({**HEADER, "format": True}), "it says no format"),
        (json.dumps({**HEADER, "$object": "Path"}), "is broken"),
        (json.dumps({**HEADER, "names": [1]}), "names is not what a result has there"),
        (json.dumps({**HEADER, "kinds": {}}), "kinds does not say all that there are"),
        (json.dumps({**HEADER, "made_by": {"$object": "MadeBy", "settings": {"a": {"$array": "x"}}}}),
         "is broken"),
        (json.dumps(HEADER)[:-1] + ', "made_by": {"$object": "MadeBy", "settings": {"a": '
         + "[" * 90 + "]" * 90 + "}}}", "nested too deeply"),
    ],
)  # fmt: skip
def test_a_header_that_asks_for_too_much_is_refused(tmp_path, text, match):
    members = [("header.npy", header(text=text)), ("x.npy", GOOD)]
    refused(written(tmp_path / "a.npz", members), match)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_refused(tmp_path, method):
    members = [("header.npy", header()), ("x.npy", GOOD)]
    refused(written(tmp_path / "a.npz", members, method), "is compressed in another way")


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path):
    # 200,000 entries of 46 bytes, none of which has anything behind it.
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    many = entry * 200_000
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 65_535, 65_535, len(many), 0, 0)
    (tmp_path / "a.npz").write_bytes(many + end)
    refused(tmp_path / "a.npz", "it has more members than a result")


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    length = 1 << 27
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.npy", header())
        with file.open("x.npy", "w") as member:
            member.write(npy((1, length // 4, 1, 1)))
            for _ in range(length >> 20):
                member.write(bytes(1 << 20))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was read"))
    monkeypatch.setattr("kviz.results.npz._Arrays.read", lambda *_, **__: pytest.fail("was read"))
    refused(
        tmp_path / "a.npz", "would unpack to 134 MB, more than the 6. MB .* trust=True reads it"
    )


def test_zeros_are_written_so_that_they_are_read_without_trust(tmp_path, monkeypatch):
    monkeypatch.setattr("kviz.results.npz._FREE", 1_000_000)
    maps = Activations({"a": np.zeros((1, 600, 600, 1), "f4")}, {"a": "Conv2D"})
    (path,) = maps.save(tmp_path / "a.npz")
    assert kviz.load_result(path)["a"].shape == (1, 600, 600, 1)
    with np.load(path) as file:
        np.savez_compressed(tmp_path / "b.npz", **file)
    refused(tmp_path / "b.npz", "would unpack to 1 MB")
    assert kviz.load_result(tmp_path / "b.npz", trust=True)["a"].shape == (1, 600, 600, 1)


def test_more_members_than_a_result_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("kviz.results.npz._MEMBERS", 20)
    more = [(f"{n}.npy", b"") for n in range(19)]
    refused(written(tmp_path / "a.npz", [("header.npy", header()), ("x.npy", GOOD), *more]), "more")


def test_an_array_named_often_is_read_once(tmp_path):
    names = [f"layer {n}" for n in range(500)]
    maps = {name: {"$array": "x"} for name in names}
    value = {**HEADER, "maps": maps, "kinds": dict.fromkeys(names, "Conv2D")}
    found = kviz.load_result(
        written(tmp_path / "a.npz", [("header.npy", header(value)), ("x.npy", GOOD)])
    )
    assert np.shares_memory(found["layer 0"], found["layer 499"])
    assert found.made_by == MadeBy()
