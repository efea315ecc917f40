"""Tables of paths and of images, against pandas."""

import json
import os
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_checks import check_slices, listed, photo

from kviz.dataset.sources import as_source
from kviz.dataset.sources.decode import decode
from kviz.errors import ImageError, OptionError
from kviz.extras import install_command
from kviz.formats.fitting import Wanted

PATHS = ["a/1.png", 'b, "c"\n.png', "é.png", "gone.png", "a/2.png"]


@pytest.fixture
def photos(tmp_path):
    for level, path in enumerate(PATHS):
        if "gone" not in path:
            photo(tmp_path / path, 10 * level)
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["cat", "dog", "", "cat", "Egyptian cat"], ["cat", "dog", None, "cat", "Egyptian cat"]),
        ([3, 1, 3, -2, 0], [3, 1, 3, -2, 0]),
        ([3.0, 1.0, np.nan, 2.0, 0.0], [3, 1, None, 2, 0]),
        (["NA", "1", "null", "2", "x"], ["NA", "1", "null", "2", "x"]),
    ],
)
def test_a_table_of_paths_is_what_pandas_wrote(photos, suffix, labels, expected):
    path = photos / f"table{suffix}"
    frame = pd.DataFrame({"id": range(5), "Class": labels, "File": PATHS})
    if suffix == ".parquet":
        frame.to_parquet(path, row_group_size=2)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    source = as_source(path)
    assert listed(source) == [
        (name, label, photos / name) for name, label in zip(PATHS, expected, strict=True)
    ]
    assert source.describe().startswith("table of 5 photos in ")
    check_slices(source)


def test_columns_are_asked_for_by_name(photos):
    path = photos / "t.csv"
    pd.DataFrame({"where": PATHS, "what": range(5), "label": 7}).to_csv(path, index=False)
    with pytest.raises(OptionError, match=r"no column of paths. It has: 'where', 'what', 'label'"):
        as_source(path)
    with pytest.raises(OptionError, match="has no column 'nope'"):
        as_source(path, path_column="nope")
    with pytest.raises(OptionError, match="has no column 'nope'"):
        as_source(path, path_column="where", label_column="nope")
    source = as_source(path, path_column="where", label_column="what")
    assert [item.label for item in source.items(0, 5)] == list(range(5))
    assert source.fingerprint != as_source(path, path_column="where").fingerprint


def test_several_tables_are_read_one_after_the_other_from_their_own_folders(photos):
    (photos / "t/x").mkdir(parents=True)
    (photos / "t/y").mkdir()
    (photos / "t/x/1.csv").write_text("path,label\n1.png,0\n")
    (photos / "t/y/2.csv").write_text(f"path,label\n2.png,1\n{photos}/a/1.png,2\n")
    source = as_source(f"{photos}/t/*/*.csv")
    assert [item[1:] for item in source.items(0, 3)] == [
        (0, photos / "t/x/1.png"), (1, photos / "t/y/2.png"), (2, photos / "a/1.png"),
    ]  # fmt: skip
    assert [item.name for item in source.items(0, 2)] == ["x/1.png", "y/2.png"]


def test_a_table_of_more_than_a_batch_is_whole(tmp_path):
    names = [f"{place}.png" for place in range(70_000)]
    labels = np.random.default_rng(0).integers(0, 9, len(names))
    pd.DataFrame({"path": names, "label": labels}).to_parquet(tmp_path / "t.parquet")
    source = as_source(tmp_path / "t.parquet")
    items = list(source.items(0, source.count))
    assert [item.name for item in items] == names
    assert [item.label for item in items] == labels.tolist()


@pytest.fixture
def encoded(photos):
    return [None if "gone" in path else (photos / path).read_bytes() for path in PATHS]


def hugging_face(path, rows):
    """Write a table as Hugging Face's `datasets` does: images as structs, names of classes beside."""
    names = {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array(rows, kind), "label": [0, 1, -1, 1, 0]})
    kept = {"huggingface": json.dumps({"info": names})}
    pq.write_table(table.replace_schema_metadata(kept), path, row_group_size=2)


def test_images_of_hugging_face_have_names_and_classes(photos, encoded):
    path = photos / "t.parquet"
    encoded[4] = None
    names = ["one.png", None, "three.png", None, "a/2.png"]
    rows = [{"bytes": b, "path": n} for b, n in zip(encoded, names, strict=True)]
    hugging_face(path, rows)
    source = as_source(path)
    assert source.label_names == ("cat", "dog")
    assert source.describe() == "Parquet of 5 images in 1 file"
    items = list(source.items(0, 5))
    assert [item.label for item in items] == [0, 1, None, 1, 0]
    assert [item.name for item in items] == [
        "one.png", "t.parquet[1]", "three.png", "t.parquet[3]", "a/2.png",
    ]  # fmt: skip
    assert [int(decode(items[row], Wanted())[0, 0, 0]) for row in (0, 1, 2, 4)] == [0, 10, 20, 40]
    with pytest.raises(ImageError, match=r"t.parquet\[3\] is empty"):
        decode(items[3], Wanted())
    encoded[3] = b"?"
    hugging_face(path, [{"bytes": b, "path": None} for b in encoded])
    assert as_source(path).fingerprint != source.fingerprint


@pytest.mark.parametrize("groups", [1, 3, 100])
def test_images_are_read_from_any_row_of_any_file_on(tmp_path, groups):
    frames = []
    for part, count in enumerate((5, 0, 70, 3)):
        frame = pd.DataFrame({
            "y": np.arange(count) + 100 * part,
            "jpg": [f"{part}/{row}".encode() for row in range(count)],
        })  # fmt: skip
        table = pa.Table.from_pandas(frame, pa.schema({"y": pa.int64(), "jpg": pa.binary()}))
        pq.write_table(table, tmp_path / f"{part}.parquet", row_group_size=groups)
        frames.append(frame)
    whole = pd.concat(frames)
    source = as_source(f"{tmp_path}/*.parquet")
    assert source.count == 78
    assert [item[1:] for item in source.items(0, 78)] == list(zip(whole.y, whole.jpg, strict=True))
    check_slices(source)
    before = source.fingerprint
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("*.parquet"):
        file.rename(moved / file.name)
    assert as_source(f"{moved}/*.parquet").fingerprint == before
    os.utime(moved / "3.parquet", ns=(1, 1))
    assert as_source(f"{moved}/*.parquet").fingerprint != before


def test_paths_can_be_asked_for_where_images_are_too(photos, encoded):
    path = photos / "t.parquet"
    pd.DataFrame({"bytes": encoded, "file": PATHS}).to_parquet(path)
    assert as_source(path).kind == "Parquet"
    assert as_source(path, path_column="file").kind == "table"
    with pytest.raises(OptionError, match="holds binary, no paths"):
        as_source(path, path_column="bytes")
    with pytest.raises(OptionError, match=r"holds (large_)?string, no images"):
        as_source(path, image_column="file")
    with pytest.raises(OptionError, match="has no column 'nope'"):
        as_source(path, image_column="nope")


def test_what_is_wrong_is_said_in_one_sentence(photos, encoded):
    def table(name, text):
        (photos / name).write_bytes(text)
        return photos / name

    pq.write_table(pa.table({"path": [1, 2]}), photos / "numbers.parquet")
    for given, kind, words in [
        (table("0.csv", b""), ImageError, "cannot be read: Empty CSV file"),
        (table("1.csv", b"path\n"), ImageError, "holds no image"),
        (table("2.csv", b"path,label\na.png\n"), ImageError, "Expected 2 columns, got 1"),
        (table("3.csv", b"path,path\na,b\n"), OptionError, "several columns 'path'"),
        (table("a.parquet", b"PAR1 no PAR1"), ImageError, "cannot be read"),
        (photos / "none.csv", ImageError, "is not there"),
        (f"{photos}/none*.csv", ImageError, "No file matches"),
        (photos / "numbers.parquet", OptionError, "holds int64, no paths"),
    ]:
        with pytest.raises(kind, match=words) as error:
            as_source(given)
        assert "\n" not in str(error.value)
    pq.write_table(pa.table({"image": encoded[:2], "label": [0.5, 1.0]}), photos / "b.parquet")
    first, second = as_source(photos / "b.parquet").items(0, 2)
    assert second.label == 1
    with pytest.raises(ImageError, match=r"hold 0\.5. Expected a class's name or its number"):
        decode(first, Wanted())


def test_files_of_one_data_set_have_the_same_columns(tmp_path):
    pq.write_table(pa.table({"image": [b"1"], "label": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"image": [b"2"], "label": ["a"]}), tmp_path / "2.parquet")
    with pytest.raises(ImageError, match=r"2\.par\S* has not the columns of \S*1\.par"):
        as_source(f"{tmp_path}/*.parquet")


def test_paths_have_the_classes_of_hugging_face_too(tmp_path):
    names = {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}
    table = pa.table({"path": ["a.png", "b.png"], "label": [1, -1]})
    kept = {"huggingface": json.dumps({"info": names})}
    pq.write_table(table.replace_schema_metadata(kept), tmp_path / "t.parquet")
    source = as_source(tmp_path / "t.parquet")
    assert source.label_names == ("cat", "dog")
    assert [item.label for item in source.items(0, 2)] == [1, None]


def test_cells_that_are_no_paths_are_rows_with_their_error(photos):
    huge = b"x" * 100_000
    (photos / "a.csv").write_bytes(
        b"path,label\na/1.png,1\n,2\nnu\0l,3\n\xff\xfe,4\n" + huge + b",5\n"
    )
    source = as_source(photos / "a.csv")
    items = list(source.items(0, 5))
    assert [item.label for item in items] == [1, 2, 3, 4, 5]
    assert decode(items[0], Wanted()).max() == 0
    for item in items[1:]:
        with pytest.raises(ImageError) as error:
            decode(item, Wanted())
        assert str(photos) not in str(error.value)


def test_without_pyarrow_one_is_told_how_to_get_it(tmp_path, monkeypatch):
    import sys

    (tmp_path / "a.csv").write_text("path\na.png\n")
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    with pytest.raises(OptionError, match=re.escape(install_command("store"))):
        as_source(tmp_path / "a.csv")
