"""Files are written whole or not at all, under names that nobody's layer can bend."""

import builtins
import errno
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import tried

import kviz
from kviz.files import slug, whole_file, whole_folder

NAMES = [
    "conv1",
    "block1_conv1",
    "-conv1",
    "conv1-",
    "conv_1",
    "conv-1",
    "conv 1",
    "conv.1",
    "conv/1",
    "conv\\1",
    "Conv1",
    "mobilenetv2/block_1_expand",
    "",
    " ",
    ".",
    "..",
    "...",
    "../..",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "~",
    "$HOME",
    "-rf",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}",
    "../<b>",
    "b-9f46aef2",  # the slug of the one above
    "///",
    "a\nb",
    "a\0b",
    "a\x1b[31mb",
    "x\u202ey",
    "é",
    "e\u0301",
    "猫",
    "狗",
    "\ud800",
    "n" * 48,
    "n" * 49,
    "n" * 5000,
    "n" * 5001,
    "." * 5000,
    "猫" * 5000,
]


@contextmanager
def refused(match):
    """Expect exactly an OutputError, in one short line that says `match`."""
    with pytest.raises(kviz.KvizError, match=match) as caught:
        yield
    assert type(caught.value) is kviz.OutputError
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_a_slug_is_a_plain_short_part_of_a_file_name(name):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", slug(name))
    assert slug(name) == slug(name)


def test_different_names_have_different_slugs():
    names = {*NAMES, *map(slug, NAMES)}
    known = [*NAMES, *(name for name in map(slug, NAMES) if name not in NAMES)]
    slugs = {name: slug(name) for name in known}
    assert len(names) == len(known)
    assert len(set(slugs.values())) == len(known), slugs


@pytest.mark.parametrize("name", ["conv1", "block1_conv1", "Conv-2", "n" * 48])
def test_a_plain_name_is_its_own_slug(name):
    assert slug(name) == name


@pytest.fixture
def before(tmp_path):
    """Return a folder that holds a file and a folder already, which must stay as they are."""
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "inner.txt").write_text("kept")
    return tmp_path


def content(folder):
    """Return every path below a folder, hidden ones too, with the text of files."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def write_file(path, text="new"):
    with whole_file(path) as part:
        part.write_text(text)


def write_folder(path, text="new"):
    with whole_folder(path) as parts:
        (parts / "a.txt").write_text(text)
        (parts / "deep").mkdir()
        (parts / "deep" / "b.txt").write_text(text)


def test_a_whole_file_is_written_and_replaced(before):
    old = content(before)
    write_file(before / "new.txt", "one")
    assert content(before) == {**old, "new.txt": "one"}
    write_file(str(before / "new.txt"), "two")
    assert content(before) == {**old, "new.txt": "two"}


def test_a_temporary_file_has_the_suffix_of_the_target(tmp_path):
    with whole_file(tmp_path / "model.keras") as part:
        assert part.suffix == ".keras"
        part.touch()


def test_a_whole_folder_is_written_beside_what_is_there(before):
    old = content(before)
    write_folder(before, "one")
    new = {"a.txt": "one", "deep": None, "deep/b.txt": "one"}
    assert content(before) == {**old, **new}
    write_folder(str(before), "two")
    assert content(before) == {**old, "a.txt": "two", "deep": None, "deep/b.txt": "two"}


def test_a_whole_folder_is_made_with_its_parents(tmp_path):
    write_folder(tmp_path / "x" / "y")
    assert content(tmp_path / "x" / "y") == {"a.txt": "new", "deep": None, "deep/b.txt": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize(
    ("whole", "name"),
    [
        (whole_file, "kept.txt"),
        (whole_file, "new.txt"),
        (whole_folder, "."),
        (whole_folder, "new"),
        (whole_folder, "new/deep/er"),
        (whole_folder, "kept"),
    ],
)
def test_what_fails_or_is_interrupted_leaves_nothing(before, whole, name, error):
    old = content(before)

    def fail():
        with whole(before / name) as part:
            (part / "inner.txt" if part.is_dir() else part).write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert content(before) == old


REASONS = [
    (errno.ENOSPC, "the disk is full"),
    (errno.EDQUOT, "quota is used up"),
    (errno.EFBIG, "larger than is allowed here"),
    (errno.EACCES, "permission denied"),
    (errno.EPERM, "permission denied"),
    (errno.EROFS, "read-only"),
    (errno.EIO, os.strerror(errno.EIO)),
]


@pytest.mark.parametrize(("number", "match"), REASONS)
@pytest.mark.parametrize(("write", "name"), [(write_file, "new.txt"), (write_folder, "new/er")])
def test_an_error_of_the_disk_is_said_plainly(before, monkeypatch, write, name, number, match):
    old = content(before)

    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, refused(f"Cannot write .*{match}. Nothing was left"):
        patch.setattr(Path, "write_text", fail)
        write(before / name)
    assert content(before) == old


@pytest.mark.parametrize(
    ("write", "name", "call"),
    [
        (write_file, "new.txt", "tempfile.mkdtemp"),
        (write_file, "new.txt", "Path.replace"),
        (write_file, "kept.txt", "Path.replace"),
        (write_folder, "new/er", "Path.mkdir"),
        (write_folder, "new/er", "tempfile.mkdtemp"),
        (write_folder, "new/er", "Path.replace"),
        (write_folder, ".", "Path.replace"),
    ],
)
def test_a_folder_that_cannot_be_written_is_said_plainly(before, monkeypatch, write, name, call):
    # Patched, since the tests may run as root, whom no permission stops.
    old = content(before)

    def deny(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch, refused("permission denied"):
        patch.setattr(f"kviz.files.{call}", deny)
        write(before / name)
    assert content(before) == old


@pytest.mark.parametrize(
    ("write", "name", "match"),
    [
        (write_file, "kept", "a folder of that name is in the way"),
        (write_file, "none/new.txt", "its folder does not exist"),
        (write_file, "kept.txt/new.txt", "a part of the path is a file"),
        (write_file, "x" * 300, "the name is too long"),
        (write_file, "none\n\u202e/" + "x" * 200, "its folder does not exist"),
        (write_folder, "kept.txt", "a file of that name is in the way"),
        (write_folder, "kept.txt/new", "a part of the path is a file"),
        (write_folder, "x" * 300, "the name is too long"),
        (write_folder, "new/" + "x" * 300, "the name is too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(before, write, name, match):
    old = content(before)
    with refused(match):
        write(before / name)
    assert content(before) == old


@pytest.mark.parametrize("name", ["deep", "a.txt"])
def test_what_is_in_the_way_is_found_before_anything_is_moved(before, name):
    if name == "deep":
        (before / "deep").write_text("a file where a folder should be")
    else:
        (before / "a.txt").mkdir()
    old = content(before)
    with refused("of that name is in the way"):
        write_folder(before)
    assert content(before) == old


# Started anew: a limit on the size of files holds for the whole process.
LIMITED = """
import resource, signal, sys
from kviz.errors import OutputError
from kviz.files import whole_file, whole_folder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
whole = {"file": whole_file, "folder": whole_folder}[sys.argv[1]]
try:
    with whole(sys.argv[2]) as part:
        (part / "a" if part.is_dir() else part).write_bytes(bytes(5000))
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_real_limit_of_the_file_system(before, kind):
    old = content(before)
    command = [sys.executable, "-c", LIMITED, kind, str(before / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "larger than is allowed here. Nothing was left behind" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert content(before) == old


def test_a_full_disk_while_saving_a_model(before, monkeypatch):
    import keras

    old = content(before)
    network = kviz.Network(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]))
    real = builtins.open

    def full(path, mode="r", *args, **options):
        if "w" in mode and ".kviz-" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, mode, *args, **options)

    monkeypatch.setattr(builtins, "open", full)
    with refused("the disk is full"):
        kviz.save_model(network, before / "model.keras")
    monkeypatch.undo()
    assert content(before) == old


# Names that a slug could mix up: equal but for case, signs or a hash at the end.
TEXTS = st.text(max_size=80) | st.text("aA/-_.0f", max_size=12) | st.from_regex("[a-z]-[0-9a-f]{8}")


@tried
@given(one=TEXTS, other=TEXTS)
@example("a/b", "a-b")
@example("a/b", "a-c14cddc0")
@example("b-9f46aef2", "../<b>")
@example("", "\ud800")
def test_a_slug_is_a_plain_file_name_and_no_other_names(one, other):
    made = slug(one)
    assert re.fullmatch("[A-Za-z0-9_-]{1,57}", made)
    assert slug(one) == made
    # Some file systems do not tell a capital letter from a small one; kviz numbers its files for these.
    assert (made == slug(other)) == (one == other)
