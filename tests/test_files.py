"""Files are written whole or not at all, under names that nobody's layer can bend."""

import builtins
import errno
import io
import os
import re
import struct
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import tried

import kviz
from kviz.files import (
    TOKEN,
    clear_after,
    directory_length,
    slug,
    try_to_write,
    whole_file,
    whole_files,
    whole_folder,
)
from kviz.marks import SVG_MARK

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


def marked(text):
    """Return text as a file of kviz's has it."""
    return f'<?xml version="1.0"?>\n{SVG_MARK}\n{text}'


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
    return filled(tmp_path)


def filled(folder):
    """Put a file and a folder into a folder."""
    (folder / "kept").mkdir(parents=True)
    (folder / "kept.txt").write_text(marked("kept"))
    (folder / "kept" / "inner.txt").write_text(marked("kept"))
    return folder


def content(folder):
    """Return every path below a folder, hidden ones too, with the text of files."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def write_file(path, text="new", **how):
    with whole_file(path, **how) as part:
        part.write_text(marked(text))


def write_folder(path, text="new", **how):
    with whole_folder(path, **how) as parts:
        (parts / "a.txt").write_text(marked(text))
        (parts / "deep").mkdir()
        (parts / "deep" / "b.txt").write_text(marked(text))


def test_a_whole_file_is_written_and_replaced(before):
    old = content(before)
    write_file(before / "new.txt", "one")
    assert content(before) == {**old, "new.txt": marked("one")}
    write_file(str(before / "new.txt"), "two")
    assert content(before) == {**old, "new.txt": marked("two")}


def test_a_temporary_file_has_the_suffix_of_the_target(tmp_path):
    with whole_file(tmp_path / "model.keras") as part:
        assert part.suffix == ".keras"
        part.touch()


def test_a_whole_folder_is_written_beside_what_is_there(before):
    old = content(before)
    write_folder(before, "one")
    new = {"a.txt": marked("one"), "deep": None, "deep/b.txt": marked("one")}
    assert content(before) == {**old, **new}
    write_folder(str(before), "two")
    assert content(before) == {
        **old, "a.txt": marked("two"), "deep": None, "deep/b.txt": marked("two"),
    }  # fmt: skip


def test_a_whole_folder_is_made_with_its_parents(tmp_path):
    write_folder(tmp_path / "x" / "y")
    new = {"a.txt": marked("new"), "deep": None, "deep/b.txt": marked("new")}
    assert content(tmp_path / "x" / "y") == new


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

    with (
        monkeypatch.context() as patch,
        refused(f"Cannot write .*{match}. Nothing there has changed"),
    ):
        patch.setattr(Path, "write_text", fail)
        write(before / name)
    assert content(before) == old


@pytest.mark.parametrize(
    ("write", "name", "call"),
    [
        (write_file, "new.txt", "Path.mkdir"),
        (write_file, "new.txt", "Path.replace"),
        (write_file, "kept.txt", "Path.replace"),
        (write_folder, "new/er", "Path.mkdir"),
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


OPEN = io.open
STEPS = [(os, name) for name in "mkdir replace unlink rmdir".split()] + [(io, "open")]


@contextmanager
def at_step(number, error, *, behind):
    """Raise an error before or behind the step so numbered of all that change the disk."""
    done = []

    def counted(real):
        def step(*args, **options):
            done.append(real)
            if len(done) == number and not behind:
                raise error
            here = len(done) == number
            try:
                result = real(*args, **options)
                if here and real is OPEN:
                    result.close()
                return result
            finally:
                if here:
                    raise error

        return step

    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, counted(getattr(module, name)))
        yield done


def three(folder):
    """Write three files, one of them over an old one, into a folder that is there."""
    with whole_folder(folder) as parts:
        for name in ("a", "b/c", "kept.txt"):
            (parts / name).parent.mkdir(exist_ok=True)
            (parts / name).write_text(marked("new"))


def two_files(folder):
    """Write two files in one swap, both over old ones."""
    with whole_files(folder / "kept.txt", folder / "kept/inner.txt") as parts:
        for part in parts:
            part.write_text(marked("new"))


WRITERS = [three, two_files, lambda folder: write_file(folder / "kept.txt"),
           lambda folder: three(folder / "kept/x/y")]  # fmt: skip


def each_step(tmp_path, write, error, *, behind=False):
    """Fail at each step in turn; give the steps' number, what came of it, and the three states."""
    write(filled(tmp_path / "done"))
    old, new = content(filled(tmp_path / "old")), content(tmp_path / "done")
    assert old != new
    for number in range(1, 99):
        folder, raised = filled(tmp_path / str(number)), None
        with at_step(number, error, behind=behind) as done:
            try:
                write(folder)
            except BaseException as caught:
                raised = caught
        if len(done) < number:
            assert raised is None
            break
        yield raised, content(folder), old, new
    assert number > 4


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("write", WRITERS)
def test_ctrl_c_at_any_step_leaves_all_or_nothing(tmp_path, write, behind):
    seen = set()
    for raised, now, old, new in each_step(tmp_path, write, KeyboardInterrupt(), behind=behind):
        assert type(raised) is KeyboardInterrupt
        assert now in (old, new)
        seen.add(now == new)
    assert seen == {False, True}, "some before all was in place, some behind it"


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_said_of_a_step_that_fails_is_what_happened(tmp_path, write):
    seen = set()
    for raised, now, old, new in each_step(tmp_path, write, OSError(errno.EIO, "broken")):
        # A step of clearing up may fail: what it leaves is hidden, and all else is as it is said.
        plain = {name: text for name, text in now.items() if ".kviz-" not in name}
        seen.add(raised is None)
        assert plain == (new if raised is None else old)
        if raised:
            assert type(raised) is kviz.OutputError
            said = r"(Cannot write .*: broken|kviz did not write .*)\. Nothing there has changed\."
            assert re.fullmatch(said, str(raised))
            assert ".kviz-" not in str(raised)
    assert seen == {False, True}


def test_the_second_of_three_that_cannot_be_replaced(before):
    for name in "abc":
        (before / name).write_text(marked(name))
    old, real = content(before), os.replace

    def fixed(source, target):
        if Path(source).name == "b":  # whoever holds it lets nobody move it
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(source, target)

    def write():
        with whole_folder(before) as parts:
            for name in "abcd":
                (parts / name).write_text(marked("new"))

    with pytest.MonkeyPatch.context() as patch, refused("denied. Nothing there has changed"):
        patch.setattr(os, "replace", fixed)
        write()
    assert content(before) == old


def test_old_files_that_cannot_be_put_back_are_kept_and_it_is_said_where(before):
    (before / "a").write_text(marked("old"))
    real, moved = os.replace, []

    def once(source, target):
        moved.append(source)
        if len(moved) > 1:
            raise OSError(errno.EIO, "gone")
        real(source, target)

    def write():
        with whole_folder(before) as parts:
            (parts / "a").write_text(marked("new"))
            (parts / "b").write_text(marked("new"))

    with pytest.MonkeyPatch.context() as patch, refused("could not be put back. They are kept in"):
        patch.setattr(os, "replace", once)
        write()
    (kept,) = before.glob(".kviz-*/old/a")
    assert kept.read_text() == marked("old")
    clear_after(os.getpid(), TOKEN, before)
    assert not list(before.glob(".kviz-*"))
    assert (before / "a").read_text() == marked("old")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("inside", ["new", "new/deep", "."])
def test_what_others_put_there_meanwhile_stays(tmp_path, inside, error):
    def fail():
        with whole_folder(tmp_path / "new" / "deep") as parts:
            (parts / "a").write_text("half")
            (tmp_path / inside).mkdir(parents=True, exist_ok=True)
            (tmp_path / inside / "theirs.png").write_text("theirs")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / inside / "theirs.png").read_text() == "theirs"
    assert not list(tmp_path.rglob("a"))
    assert not list(tmp_path.rglob(".kviz-*"))


def test_what_others_put_there_while_files_are_moved_stays(before):
    (before / "a").write_text(marked("old"))
    old, real = content(before), os.replace

    def slow(source, target):
        real(source, target)
        if Path(target) == before / "x/b":
            (before / "x/theirs").write_text("theirs")
            raise KeyboardInterrupt

    def write():
        with whole_folder(before) as parts:
            (parts / "x").mkdir()
            for name in ("a", "x/b", "z"):
                (parts / name).write_text(marked("new"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", slow)
        with pytest.raises(KeyboardInterrupt):
            write()
    assert content(before) == {**old, "x": None, "x/theirs": "theirs"}


def test_another_file_put_over_ours_meanwhile_is_not_ours(before):
    (before / "a").write_text(marked("old"))
    real = os.replace

    def slow(source, target):
        real(source, target)
        if Path(target) == before / "a":
            (before / "a").rename(before / "moved away")
            (before / "a").write_text("theirs")
            raise KeyboardInterrupt

    def write():
        with whole_folder(before) as parts:
            for name in "ab":
                (parts / name).write_text(marked("new"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", slow)
        with pytest.warns(kviz.KvizWarning, match="kept in"), pytest.raises(KeyboardInterrupt):
            write()
    assert (before / "a").read_text() == "theirs"
    (kept,) = before.glob(".kviz-*/old/a")
    assert kept.read_text() == marked("old")


@pytest.mark.parametrize("write", [write_file, lambda path: write_folder(path.parent / "x")])
def test_what_kviz_did_not_write_is_replaced_by_force_alone(tmp_path, write):
    place = tmp_path / "x" if write is not write_file else tmp_path / "index.html"
    theirs = place / "a.txt" if write is not write_file else place
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("<!doctype html>theirs")
    old = content(tmp_path)
    with refused("kviz did not write .*(html|a.txt), which is there already: force=True replaces"):
        (write_file if write is write_file else write_folder)(place)
    assert content(tmp_path) == old
    (write_file if write is write_file else write_folder)(place, force=True)
    assert theirs.read_text() == marked("new")


def test_an_empty_file_is_nobodys(tmp_path):
    (tmp_path / "a").touch()
    write_file(tmp_path / "a")
    assert (tmp_path / "a").read_text() == marked("new")


def test_a_link_is_followed_and_in_a_folder_left_alone(before):
    (before / "link").symlink_to("kept.txt")
    write_file(before / "link")
    assert (before / "link").is_symlink()
    assert (before / "kept.txt").read_text() == marked("new")
    (before / "new").symlink_to("kept/not yet.txt")
    write_file(before / "new")
    assert (before / "kept/not yet.txt").read_text() == marked("new")
    (before / "a.txt").symlink_to("kept.txt")
    with refused("kviz did not write"):
        write_folder(before)
    write_folder(before, "newer", force=True)
    assert not (before / "a.txt").is_symlink()
    assert (before / "kept.txt").read_text() == marked("new")
    (before / "round").symlink_to("round")
    with refused("Cannot write|did not write"):
        write_folder(before / "round")


@pytest.mark.parametrize("force", [False, True])
def test_a_fifo_is_refused_and_not_waited_for(before, force):
    os.mkfifo(before / "fifo")
    os.mkfifo(before / "a.txt")
    for write, name in ((write_file, "fifo"), (write_folder, ".")):
        with refused("a FIFO, a socket or a device is there, not a file"):
            write(before / name, force=force)
    with refused("a file of that name is in the way"):
        write_folder(before / "fifo", force=force)
    assert not list(before.rglob(".kviz-*"))


def test_a_trial_changes_nothing(before):
    old = content(before)
    try_to_write(before / "a", before / "b", file=True)
    try_to_write(before / "x" / "y", file=False)
    with refused("did not write"):
        try_to_write(before / "a", __file__, file=True)
    assert content(before) == old


@pytest.mark.parametrize("comment", [b"", b"kviz", b"c" * 65_535])
@pytest.mark.parametrize("large", [False, True])
def test_the_length_of_an_archives_list_is_what_zipfile_reads(monkeypatch, comment, large):
    file = io.BytesIO()
    if large:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name in ("a", "b", "c"):
            archive.writestr(name, b"")
    assert (b"PK\6\6" in file.getvalue()) == large
    assert directory_length(file) == 3 * 47
    assert zipfile.ZipFile(file).namelist() == ["a", "b", "c"]


def test_the_length_of_an_archives_list_cannot_be_hidden():
    end = struct.Struct("<4s4H2LH")
    # The sign of an end within the end, where zipfile does not look for it.
    whole = end.pack(b"PK\5\6", 0, 0, 9, 9, 77, int.from_bytes(b"PK\5\6", "little"), 0)
    assert directory_length(io.BytesIO(bytes(99) + whole)) == 77
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    assert directory_length(io.BytesIO(bytes(99) + locator + whole)) > 1 << 60
    for none in (b"", b"PK\5\6", bytes(99)):
        assert directory_length(io.BytesIO(none)) == 0


KILLED = """
import os, sys
from kviz.files import TOKEN, whole_folder
print(TOKEN, flush=True)
with whole_folder(sys.argv[1]) as parts:
    (parts / "a").write_text("half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("name", [".", "new/deep"])
def test_what_a_killed_process_leaves_is_found_by_its_number_and_token(before, name):
    old = content(before)
    command = [sys.executable, "-c", KILLED, str(before / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        token = child.communicate()[0].strip()
    left = content(before)
    assert left != old
    clear_after(child.pid + 1, token, before / name)
    clear_after(child.pid, TOKEN, before / name)  # whose number is the same in another container
    assert content(before) == left
    clear_after(child.pid, token, before / name)
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
    assert "larger than is allowed here. Nothing there has changed" in done.stdout
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
