"""Ray hands out shards: what comes of it is what this process makes, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from needed import need_package
from warm import finished, until

import kviz
from kviz.dataset.engines.attempts import attempt
from kviz.dataset.engines.ray import room
from kviz.dataset.store.places import Places
from kviz.errors import KvizError

need_package("ray", "ray")
need_package("tensorstore", "store")
need_package("pyarrow", "store")

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models/fashion_cnn.keras"
COUNT, SHARD = 240, 4
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
# Two cores, so that each of two workers has one, whatever this machine has.
CORES = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []

HEAD = r"""
import json, os, random, signal, sys, time
from pathlib import Path
import ray, ray.data
import kviz

model, source, store, kills = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
chance, killed = random.Random(kills), []

def workers():
    "The processes that load models, of the Ray that this process began."
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdecimal() and b"ray::MapWorker" in (each / "cmdline").read_bytes():
                raylet = (each / "stat").read_text().rpartition(")")[2].split()[1]
                driver = Path("/proc", raylet, "stat").read_text().rpartition(")")[2].split()[1]
                if int(driver) == os.getpid():
                    found.append(int(each.name))
        except OSError:
            pass
    return found

def told(done):
    if len(killed) < kills and done.shards >= len(killed) * done.shard_count // (kills + 1):
        time.sleep(chance.random() / 20)
        killed.extend(chance.sample(workers(), 1))
        os.kill(killed[-1], signal.SIGKILL)

def run(**options):
    found = kviz.dataset.run(
        "predict", model, source, store, shard_size=4, engine="ray", workers=2, progress=told, **options
    )
    print(json.dumps({"complete": found.complete, "rows": found.counts()["rows"]}))
"""
KILLED_WORKERS = f"""{HEAD}
ray.init(num_cpus=2, **quiet)
context = ray.data.DataContext.get_current()
def kept():
    return ray.is_initialized(), context.enable_progress_bars, signal.getsignal(signal.SIGTERM)
before = kept()
run()
assert kept() == before
assert len(killed) == kills
"""
KILLED_NODE = f"""{HEAD}
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
other = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
gone = []
def told(done):
    if not gone and done.shards > done.shard_count // 4:
        gone.append(cluster.remove_node(other, allow_graceful=False))
run(address=cluster.address)
assert gone
assert not ray.is_initialized()
cluster.shutdown()
"""


def two_cores():
    if CORES:
        os.sched_setaffinity(0, CORES)


def script(text, *words, **more):
    environment = {**os.environ, **more, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    found = subprocess.run(
        [sys.executable, "-c", text, *map(str, words)],
        capture_output=True, text=True, env=environment, timeout=600, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    # Where a user began Ray it tells of workers that died, as set there.
    return next(json.loads(line) for line in found.stdout.splitlines() if line[0] in "{1")


def command(*words, **more):
    """Begin kviz in a session of its own, with two cores."""
    return subprocess.Popen(
        [sys.executable, "-m", "kviz", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **more}, preexec_fn=two_cores,
    )  # fmt: skip


def tree(store):
    """Return the bytes of a store's files, less what tells of times."""
    files = (path for path in Path(store).rglob("*") if path.is_file() and path.name != "log.jsonl")
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def descendants(pid):
    """Return the processes that a process has begun, and those have."""
    found, left = [], [pid]
    while left:
        try:
            tasks = list(Path(f"/proc/{left[0]}/task").iterdir())
            more = [int(one) for task in tasks for one in (task / "children").read_text().split()]
        except OSError:
            more = []
        found += more
        left = left[1:] + more
    return found


def called(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 1), np.uint8))
    return path


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """The bytes of a run in one process, with one thread."""
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    alone = "import sys, kviz; kviz.dataset.run('predict', *sys.argv[1:], shard_size=4); print(1)"
    script(alone, MODEL, source, store, **ONE_THREAD)
    return tree(store)


@pytest.mark.parametrize(
    ("nodes", "workers", "found"),
    [
        ([(2, 0)], None, (1, 2, 0)),
        ([(2, 0)], 2, (2, 1, 0)),
        ([(2, 0)], 3, (3, 1, 0)),
        ([(4, 0), (8, 0)], None, (2, 4, 0)),
        ([(4, 0), (8, 0)], 3, (3, 4, 0)),
        ([(4, 0), (8, 0)], 4, (4, 2, 0)),
        ([(5, 0), (8, 0)], 4, (4, 2, 0)),
        ([(16, 4), (8, 1), (64, 0)], None, (5, 4, 1)),
        ([(2, 4)], 2, (2, 1, 1)),
        ([(0, 0)], None, (1, 1, 0)),
    ],
)
def test_workers_share_what_a_cluster_has(nodes, workers, found):
    assert room(nodes, workers) == found


def test_images_in_memory_do_not_pass_through_ray(tmp_path):
    images = np.zeros((3, 28, 28, 1), np.uint8)
    with pytest.raises(
        kviz.OptionError, match=r"these are in memory here. Save them as a \.npy file"
    ):
        kviz.dataset.run("predict", MODEL, images, tmp_path / "store", engine="ray")
    assert not (tmp_path / "store").exists()


def test_what_ends_its_process_again_and_again_is_not_tried_for_ever(tmp_path):
    places = Places(tmp_path)

    def tried():
        with attempt(places, "00000012", "It"):
            return True

    for _ in range(5):
        pid = os.fork()
        if not pid:
            with attempt(places, "00000012", "It"):
                os._exit(9)
        assert os.waitpid(pid, 0)[1] >> 8 == 9
    with pytest.raises(KvizError, match="It died 5 times"):
        tried()
    assert tried()  # who asks for it once more may have mended it
    assert not list(places.locks.iterdir())


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_store_is_that_of_one_process_though_workers_are_killed(
    source, undisturbed, tmp_path, kills
):
    store = tmp_path / "store"
    found = script(KILLED_WORKERS, MODEL, source, store, kills)
    assert found == {"complete": True, "rows": COUNT}
    assert tree(store) == undisturbed


@pytest.mark.slow
def test_a_run_goes_on_without_a_node(source, undisturbed, tmp_path):
    store = tmp_path / "store"
    assert script(KILLED_NODE, MODEL, source, store, 0) == {"complete": True, "rows": COUNT}
    assert tree(store) == undisturbed


RUN = ("run", "predict", MODEL)
CUT = ("--shard-size", SHARD)
RAY = ("--engine", "ray", "--workers", 2)


@pytest.mark.slow
def test_a_driver_that_is_killed_takes_all_with_it_and_goes_on(source, undisturbed, tmp_path):
    store = tmp_path / "store"
    for least, is_parent in ((5, False), (25, True)):
        driver = command(*RUN, source, "-o", store, *CUT, *RAY, "--resume")
        until(lambda least=least: finished(store) >= least)
        # Ray's agents, which have nothing of the store, notice it after a minute.
        others = [pid for pid in descendants(driver.pid) if b"Agent" not in called(pid)]
        os.kill(driver.pid if is_parent else others[0], signal.SIGKILL)
        out, err = driver.communicate()
        assert out == ""
        until(lambda others=others: not any(map(is_alive, others)), 60)
    assert finished(store) < COUNT // SHARD
    alone = command(*RUN, source, "-o", store, *CUT, "--resume", **ONE_THREAD)
    out, err = alone.communicate()
    assert (alone.returncode, err) == (0, "")
    assert tree(store) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_ray_too_and_ray_goes_on(source, undisturbed, tmp_path, number):
    store = tmp_path / "store"
    driver = command(*RUN, source, "-o", store, *CUT, *RAY)
    until(lambda: finished(store) >= 5)
    others = descendants(driver.pid)
    os.kill(next(pid for pid in others if b"ray::MapWorker" in called(pid)), signal.SIGKILL)
    until(lambda: finished(store) >= 8)
    others += descendants(driver.pid)
    # As a terminal does.
    os.killpg(driver.pid, number)
    out, err = driver.communicate(timeout=60)
    until(lambda: not any(map(is_alive, others)), 60)
    assert (driver.returncode, out) == (128 + number, "")
    said = f"kviz: note: {finished(store)} of 60 shards are finished; --resume goes on."
    told = err.splitlines()
    assert told[-1] == "kviz: stopped."
    # What is told to terminate has three seconds, which Ray may need all.
    assert told[:-1] == [said] or (number == signal.SIGTERM and not told[:-1])
    again = command(*RUN, source, "-o", store, *CUT, *RAY, "--resume")
    out, err = again.communicate()
    assert (again.returncode, err) == (0, "")
    assert tree(store) == undisturbed
