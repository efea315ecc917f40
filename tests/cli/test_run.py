"""kviz run: what is told of a run, to people and to scripts, and how it ends."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, files, one_line
from needed import need_package

import kviz

need_package("tensorstore", "store")
need_package("pyarrow", "store")

NET = ROOT / "models/fashion_cnn.keras"
FASHION = ROOT / "notebooks/images/fashion"


@pytest.fixture
def photos(tmp_path):
    """Ten photos in two folders, one of which is called as a class."""
    home = tmp_path / "photos"
    for place, photo in enumerate(sorted(FASHION.iterdir())):
        folder = home / ("bag" if place > 4 else "thing")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder / photo.name)
    (home / "bag/broken.png").write_bytes(b"broken")
    return home


def test_a_run_says_what_it_did(run, photos):
    done = run("run", "predict", NET, photos, "-o", "store", "--shard-size", 4)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "predict over 11 images, complete"
    assert "Images that could not be read: 1 (the index says why)." in lines
    assert "Accuracy: 20.00% of the 5 images whose label is a class of the model." in lines
    assert (
        "Images whose label is no class of the model: 5 ('thing'). Labels are class names or numbers."
    ) in lines
    assert lines[-1] == "Wrote store"
    assert kviz.dataset.open("store").complete


def test_a_script_gets_a_line_a_shard_and_one_of_all(run, photos):
    done = run("run", "predict", NET, photos, "-o", "store", "--shard-size", 4, "--json")
    *shards, end = map(json.loads, done.stdout.splitlines())
    assert [line["shards"] for line in shards] == [0, 1, 2, 3]
    assert [line["event"] for line in shards] == ["shard"] * 4
    assert (end["event"], end["rows"], end["bad"], end["complete"]) == ("end", 11, 1, True)
    assert end["accuracy"] == 0.2


def test_labels_follow_the_names_of_classes(run, photos):
    Path("names.txt").write_text("\n".join(["thing", *map(str, range(1, 8)), "bag", "9"]))
    done = run(
        "run", "predict", NET, photos, "-o", "store", "--class-names", "names.txt",
        "--statistic", "confusion",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    told = kviz.dataset.open("store").statistics().predicted["confusion"]
    assert told.counts.sum() == 10
    assert told.counts[8].sum() == 5


def test_options_reach_the_verb(run, photos):
    done = run(
        "run", "attribute", NET, photos, "-o", "store", "--method", "smooth_grad", "--set",
        "samples=2", "--class", "bag", "--resize", "none", "--seed", 3, "--dtype", "float16",
        "--compression", "zstd",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = kviz.dataset.open("store")
    settings = found.plan["settings"]
    assert settings["method"]["samples"] == 2
    assert (settings["seed"], settings["resize"]) == (3, None)
    assert found["smooth_grad"].dtype == np.float16
    assert set(found.index["class_name"].dropna()) == {"bag"}
    done = run(
        "run", "activations", NET, photos, "-o", "pooled", "--layers", "conv2", "--pooling", "max"
    )
    assert kviz.dataset.open("pooled")["conv2"].shape == (11, 64)
    done = run("run", "fool", NET, photos, "-o", "fooled", "--no-images", "--steps", 3)
    assert kviz.dataset.open("fooled").plan["settings"]["targeted"] is False
    done = run(
        "run", "evaluate", NET, photos, "-o", "judged", "--metric", "deletion", "--baseline", "black",
        "--nulls", 1, "--method", "gradient",
    )  # fmt: skip
    assert kviz.dataset.open("judged")["values"].shape == (11, 1, 1), done.output


def test_a_store_that_is_there_is_not_written_over(run, photos):
    words = ("run", "predict", NET, photos, "-o", "store", "--shard-size", 4)
    assert run(*words).exit_code == 0
    before = {path: (Path("store") / path).read_bytes() for path in files(Path("store"))}
    assert one_line(run(*words)) == (
        "kviz: store holds a complete store. Choose another folder, or remove it first."
    )
    assert "top_k was null, and is 3 now" in one_line(run(*words, "--resume", "--top-k", 3))
    assert run(*words, "--resume").exit_code == 0
    after = {path: (Path("store") / path).read_bytes() for path in files(Path("store"))}
    assert {path for path in after if after[path] != before.get(path)} == {"log.jsonl"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("photo", "-o", "store"), "There is no file or folder photo."),
        (("empty", "-o", "store"), "empty"),
        (("photos", "-o", "photos"), "there are other things in it"),
        (("photos", "-o", "store", "--target-size", 9, 9), "takes images of 28 x 28 only"),
        (("photos", "-o", "store", "--statistic", "momenta"), "Did you mean 'moments'?"),
        (("photos", "-o", "store", "--max-bad", 0), "more than --max-bad allows"),
        (("photos", "-o", "store", "--path-column", "x"), "--path-column is for tables"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_what_cannot_be_is_one_sentence(run, words, said):
    Path("empty").mkdir()
    assert said in one_line(run("run", "predict", NET, *words))


@pytest.mark.parametrize("part", ["3", "0/2", "3/2", "1/2/3", "a/b", "-1/2"])
def test_a_part_is_one_of_so_many(run, photos, part):
    done = run("run", "predict", NET, photos, "-o", "store", f"--shard={part}")
    assert done.exit_code == 2
    assert "--shard takes I/N" in done.stderr
    assert not Path("store").exists()


def test_a_stopped_run_says_how_to_go_on(run, photos, monkeypatch):
    def stop(self, done):
        self.last = done
        if done.shards == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("kviz.cli.run._Told.__call__", stop)
    words = ("run", "predict", NET, photos, "-o", "store", "--shard-size", 4)
    done = run(*words)
    assert done.exit_code == 130
    assert done.stderr.splitlines() == [
        "kviz: note: 1 of 3 shards are finished; --resume goes on.",
        "kviz: stopped.",
    ]
    monkeypatch.undo()
    os.chdir(photos.parent)
    assert run(*words, "--resume").exit_code == 0
    assert kviz.dataset.open("store").complete
