"""Commands as real processes that begin warm: forked from one that has imported what takes seconds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SERVER = r"""
import json, os, resource, signal, sys
import keras, tensorflow
import kviz, kviz.dataset, kviz.cli.run
import pyarrow.parquet, tensorstore, filelock
from kviz.cli import child

def begin(job):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(os.open(job["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    if job["most"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["most"], job["most"]))
    sys.argv = ["kviz", *job["words"]]
    # What `kviz.cli.child.run` does in a process that has imported nothing yet.
    with child._signals_wait():
        watch = child.Watch(*child._forked())
    sys.exit(watch.exit_code())

answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        answer = os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1])
    else:
        answer = os.fork()
        if answer == 0:
            try:
                begin(job)
            except SystemExit as end:
                sys.stdout.flush()
                os._exit(end.code)
            finally:
                os._exit(99)
    print(answer, file=answers, flush=True)
"""


class Warm:
    """Begins commands of kviz; TensorFlow runs one thread in each, so that results are the same."""

    def __init__(self, folder):
        self.folder, self.count = Path(folder), 0
        one = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )

    def ask(self, **job):
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def kviz(self, *words, most=0):
        """Begin a command; `most` is how large a file of its may grow."""
        self.count += 1
        texts = [str(self.folder / f"{self.count}.{name}") for name in ("out", "err")]
        words = [str(word) for word in words]
        return Command(self, self.ask(words=words, out=texts[0], err=texts[1], most=most), *texts)

    def close(self):
        self.server.kill()
        self.server.communicate()


class Command:
    """A command that runs."""

    def __init__(self, warm, pid, out, err):
        self.warm, self.pid = warm, pid
        self._out, self._err = Path(out), Path(err)

    def children(self):
        """Return the numbers of its processes: of the one that does the work."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(one) for one in found.split()]

    def ended(self):
        """Wait for the end; return the exit code and what was written."""
        code = self.warm.ask(wait=self.pid)
        return code, self._out.read_text(), self._err.read_text()


def finished(store):
    """Return how many shards of a store are done."""
    return len(list(Path(store).glob("done/*/*.json")))


def until(true, seconds=120):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "It did not become so."
        time.sleep(0.002)
