"""A process of its own for each hostile file, forked from one that has only imported kviz."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

# What a file may not do is seen where Python asks for it (audit hooks), and where it leaves a trace.
SERVER = r"""
import json, os, random, resource, sys, tempfile, traceback
import keras
import kviz
from kviz.network import loading

acted = []

def audit(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        path = os.path.abspath(os.fsdecode(args[0])) if not isinstance(args[0], int) else ""
        own = os.path.join(tempfile.gettempdir(), "kviz-")
        if path and not path.startswith(own) and not path.startswith("/dev/"):
            acted.append(f"wrote {path}")
    elif event == "import" and args[0].split(".")[0] in ("keras_hub", "keras_cv", "keras_nlp"):
        acted.append(f"imported {args[0]}")
    elif event.split(".")[0] in ("subprocess", "socket", "urllib", "ctypes") or event in (
        "os.system", "os.exec", "os.posix_spawn", "shutil.rmtree", "os.putenv",
    ):
        if event == "shutil.rmtree" and "kviz-" in str(args[0]):
            return
        if event.startswith("ctypes") or event in ("socket.gethostname",):
            return
        acted.append(f"{event} {args!r}"[:200])

def state():
    return [
        keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(),
        keras.config.dtype_policy().name, keras.config.is_interactive_logging_enabled(),
        keras.config.is_traceback_filtering_enabled(), hash(random.getstate()),
        keras.saving.get_registered_object("Lambda") is None, sorted(os.environ), os.getcwd(),
    ]

def tried(job):
    os.chdir(job["folder"])
    resource.setrlimit(resource.RLIMIT_CPU, (job["seconds"], job["seconds"] + 1))
    if os.path.exists("/proc/self/statm"):  # elsewhere the seconds alone bound it
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 30), size + (8 << 30)))
    before = state()
    sys.addaudithook(audit)
    found, told = {"kind": "", "said": ""}, []
    try:
        exec(job["setup"], {"keras": keras, "kviz": kviz})
        if job["images"]:
            kviz.load_images(job["path"], **job["options"])
        else:
            network = loading.load_model(job["path"], **job["options"])
            exec(job["then"], {"keras": keras, "kviz": kviz, "network": network, "told": told})
    except BaseException as error:
        found = {"kind": type(error).__name__, "said": str(error)}
        if not isinstance(error, kviz.KvizError):
            found["said"] = traceback.format_exc()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak /= 1024 if sys.platform == "linux" else 1 << 20
    used = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"told": told, "seconds": used.ru_utime + used.ru_stime}
    return found | {"acted": acted, "kept": state() == before, "peak": peak}

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a file prints is no answer
print("ready", file=answers, flush=True)
for line in sys.stdin:
    job = json.loads(line)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            pipe.write(json.dumps(tried(job)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    died = {"kind": f"died of {status}", "said": "", "acted": [], "kept": True, "peak": 0}
    died |= {"told": [], "seconds": job["seconds"]}
    print(answer or json.dumps(died), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of loading a file.

    Attributes:
        kind: the name of the exception, "" where it loaded, "died of …" where the process did.
        said: its message.
        acted: what it did that loading never does.
        kept: whether Keras's settings, random states and the environment are what they were.
        peak: megabytes of memory.
        told: what the code that was run afterwards has put there.
        seconds: of the processor.
    """

    kind: str
    said: str
    acted: list
    kept: bool
    peak: float
    told: list
    seconds: float


class Forks:
    """A process that has imported kviz, and forks one for each file."""

    def __init__(self):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self.server.stdout.readline() == "ready\n"

    def load(self, path, *, setup="", then="", seconds=20, images=False, **options):
        """Load a model or an image in a process of its own, whose folder is the file's.

        Code given as `then` is run on what was loaded.
        """
        job = {
            "path": str(path),
            "folder": str(path.parent),
            "seconds": seconds,
            "setup": setup,
            "images": images,
            "then": then,
            "options": options,
        }
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        return Outcome(**json.loads(self.server.stdout.readline()))

    def close(self):
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()
