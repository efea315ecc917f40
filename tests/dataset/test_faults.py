"""Real processes that are killed, stopped, in each other's way and short of room: nothing is lost."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from needed import need_mount, need_package
from PIL import Image
from warm import Warm, finished, until

import kviz

need_package("tensorstore", "store")
need_package("pyarrow", "store")

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models/fashion_cnn.keras"
COUNT, SHARD = 240, 4
VERB = ("run", "predict", MODEL)
CUT = ("--shard-size", SHARD)


def tree(store):
    """Return the bytes of a store's files, less what tells of times."""
    files = (path for path in Path(store).rglob("*") if path.is_file() and path.name != "log.jsonl")
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def ends(store):
    """Return what the runs that came to their end have done, of the log."""
    lines = map(json.loads, (Path(store) / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == "end"]


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    found = Warm(tmp_path_factory.mktemp("texts"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 1), np.uint8))
    return path


@pytest.fixture(scope="module")
def undisturbed(warm, source, tmp_path_factory):
    """The bytes that a run leaves that nobody disturbs."""
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert warm.kviz(*VERB, source, "-o", store, *CUT).ended()[0] == 0
    return tree(store)


def went_on(warm, source, store):
    """Go on with a store to its end, and return its bytes."""
    code, _, err = warm.kviz(*VERB, source, "-o", store, *CUT, "--resume").ended()
    assert (code, err) == (0, "")
    return tree(store)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_what_was_killed_goes_on_as_if_it_had_not_been(warm, source, undisturbed, tmp_path, kills):
    store, chance, done = tmp_path / "store", random.Random(kills), 0  # noqa: S311
    for kill in range(kills):
        command = warm.kviz(*VERB, source, "-o", store, *CUT, "--resume")
        until(command.children)
        done += chance.randrange(2 * (COUNT // SHARD) // kills)
        (worker,) = command.children()
        until(lambda done=done: finished(store) >= min(done, COUNT // SHARD - 2))
        time.sleep(chance.random() / 50)
        os.kill(worker if kill % 2 else command.pid, signal.SIGKILL)
        assert command.ended()[0] == (1 if kill % 2 else -signal.SIGKILL)
        until(lambda worker=worker: not Path(f"/proc/{worker}").exists())  # it dies with its parent
        done = finished(store)
        assert done < COUNT // SHARD
    assert went_on(warm, source, store) == undisturbed


def test_a_signal_ends_it_with_its_code_and_says_what_is_finished(
    warm, source, undisturbed, tmp_path
):
    store = tmp_path / "store"
    for number, least in ((signal.SIGINT, 5), (signal.SIGTERM, 20)):
        command = warm.kviz(*VERB, source, "-o", store, *CUT, "--resume")
        until(lambda least=least: finished(store) >= least)
        os.kill(command.pid, number)
        code, out, err = command.ended()
        assert (code, out) == (128 + number, "")
        said = f"kviz: note: {finished(store)} of 60 shards are finished; --resume goes on."
        assert err.splitlines() == [said, "kviz: stopped."]
    assert went_on(warm, source, store) == undisturbed


@pytest.mark.parametrize(
    "options",
    [
        [("--resume",), ("--resume",)],
        pytest.param([("--shard", "1/2"), ("--shard", "2/2")], marks=pytest.mark.slow),
    ],
    ids=["resumed", "parts"],
)
def test_two_processes_at_once_do_each_shard_once(warm, source, undisturbed, tmp_path, options):
    store = tmp_path / "store"
    commands = [warm.kviz(*VERB, source, "-o", store, *CUT, *each) for each in options]
    for command in commands:
        code, _, err = command.ended()
        assert (code, err) == (0, "")
    assert sum(end["rows"] for end in ends(store)) == COUNT
    assert tree(store) == undisturbed


def test_a_disk_that_takes_no_more_is_one_sentence(warm, source, tmp_path):
    """Here a file may not grow beyond some bytes, which a process can be told without rights."""
    store = tmp_path / "store"
    verb = ("run", "activations", MODEL, source, "-o", store, "--shard-size", COUNT)
    code, out, err = warm.kviz(*verb, most=7_000_000).ended()
    said = "the file would be larger than is allowed here"
    assert (code, out, err) == (1, "", f"kviz: Cannot write {store}: {said}.\n")
    assert finished(store) == 0


def test_a_full_disk_is_one_sentence_and_room_mends_it(warm, source, undisturbed, tmp_path):
    with need_mount(tmp_path, "size=400k"):
        store = tmp_path / "store"
        code, out, err = warm.kviz(*VERB, source, "-o", store, *CUT).ended()
        assert (code, out, err) == (1, "", f"kviz: Cannot write {store}: the disk is full.\n")
        assert 0 < finished(store) < COUNT // SHARD
        subprocess.run(["mount", "-o", "remount,size=4m", tmp_path], check=True)  # noqa: S607
        assert went_on(warm, source, store) == undisturbed


def test_a_corrupt_image_every_fiftieth_is_a_row_with_its_error(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28), np.uint8)
    for place, image in enumerate(images):
        path = folder / f"{place:03}.png"
        Image.fromarray(image).save(path)
        if place % 50 == 49:
            path.write_bytes(path.read_bytes()[:60])

    def remove(_):  # the last but one, when the first shards are done
        (folder / "098.png").unlink(missing_ok=True)

    network = kviz.load_model(MODEL)
    found = kviz.dataset.run(
        "predict", network, folder, tmp_path / "store", shard_size=8, batch_size=8, progress=remove
    )
    errors = found.index["error"].fillna("")
    assert [place for place, error in enumerate(errors) if error] == [49, 98, 99]
    assert found.counts()["bad"] == 3
    scores = np.asarray(found["scores"])
    bad = np.isnan(scores).all(1)
    assert np.flatnonzero(bad).tolist() == [49, 98, 99]
    alone = kviz.predict(network, images[~bad][..., None]).scores
    np.testing.assert_allclose(scores[~bad], alone, atol=1e-6)
