"""The command line as two processes: how the child dies is said, and nothing of it is left."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

# What stands for a command needs no TensorFlow. The child says "ready" when it is at work.
HEAD = """
import os, signal, sys, time
from kviz.cli import child, watch
from kviz.cli.interrupts import interrupts
watch.GRACE = 0.6
# Tests may run where these are ignored, as in the background of a script.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def ready():
    interrupts.begin()
    print("ready", flush=True)
"""


def started(command, head="", **more):
    """Start a program whose command is this body of a function."""
    body = "\n".join(f"    {line}" for line in command.splitlines())
    code = f"{HEAD}\n{head}\ndef command():\n{body}\nchild._command = command\nchild.run()"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,
    )  # fmt: skip


def ended(process, *signals):
    """Send signals when the child is at work; return how all ends."""
    if signals:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        for number in signals:
            process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", 1, "crashed (SIGSEGV)"),
        ("os.abort()", 1, "crashed (SIGABRT)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "stopped by the system"),
        (
            "child.begin_watch(60_000_000)\nheld = []\nwhile True:\n"
            "    held.append(b'x' * 5_000_000)\n    time.sleep(0.02)",
            1,
            "it took over 60 MB of memory beyond what it began with",
        ),
    ],
)
def test_how_the_child_died_is_said_in_one_sentence(command, code, words):
    returned, out, err = ended(started(command))
    assert (returned, out) == (code, "")
    (line,) = err.splitlines()
    assert words in line
    assert line.startswith("kviz: ")
    assert len(line) < 300


@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        ("sys.exit(7)", 7, "", ""),
        ("sys.exit('no')", 1, "", "kviz: no\n"),
        ("print('all')", 0, "all\n", ""),
        ("os.kill(os.getpid(), signal.SIGUSR1)", -signal.SIGUSR1, "", ""),
        ("import atexit; atexit.register(print, 'last')", 0, "last\n", ""),
    ],
)
def test_what_comes_of_a_command_is_what_comes_of_the_child(command, code, out, err):
    assert ended(started(command)) == (code, out, err)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_unwind(number, code):
    command = "try:\n    ready(); time.sleep(30)\nfinally:\n    time.sleep(0.3); print('unwound')"
    assert ended(started(command), number) == (code, "unwound\n", "kviz: stopped.\n")


SWALLOWED = {
    "by an except": "try:\n    ready(); time.sleep(30)\nexcept BaseException: pass\ntime.sleep(30)",
    "by a finaliser": "class Kept:\n    def __del__(self): ready(); time.sleep(0.5)\n"
    "Kept()\ntime.sleep(30)",
    "by another error": "from kviz.cli.group import Group, main\n"
    "def invoke(*_):\n    try:\n        ready(); time.sleep(30)\n"
    "    except BaseException: raise ImportError from None\n"
    "Group.resolve_command = invoke\nmain(['layers', 'x'])",
}


@pytest.mark.parametrize("where", SWALLOWED)
def test_an_interrupt_is_not_swallowed(where):
    begun = time.monotonic()
    returned, _, err = ended(started(SWALLOWED[where]), signal.SIGINT)
    assert (returned, err) == (130, "kviz: stopped.\n")
    assert time.monotonic() - begun < 20


def test_what_does_not_answer_is_ended():
    endless = "ready()\nsum(range(10**13))"
    assert ended(started(endless), signal.SIGINT) == (130, "", "kviz: stopped.\n")
    assert ended(started(endless), signal.SIGTERM) == (143, "", "kviz: stopped.\n")


def test_what_answers_has_its_time_and_a_second_interrupt_ends_it():
    writes = (
        "try:\n    ready(); time.sleep(30)\nfinally:\n    time.sleep(1.5); print('all written')"
    )
    assert ended(started(writes), signal.SIGINT)[1] == "all written\n"
    process = started(writes.replace("1.5", "20"))
    assert process.stdout.readline() == "ready\n"
    for _ in range(2):
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "kviz: stopped.\n")


def test_asking_again_and_again_gives_a_silent_child_no_more_time():
    process = started("ready()\nsum(range(10**13))")
    assert process.stdout.readline() == "ready\n"
    for _ in range(20):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
    in_time = process.poll() is not None
    assert ended(process) == (130, "", "kviz: stopped.\n")
    assert in_time


def test_only_ctrl_c_lets_a_dream_give_what_it_has():
    dreams = "try:\n    ready(); time.sleep(30)\nexcept KeyboardInterrupt: interrupts.taken()\n"
    dreams += "time.sleep(0.6); print('so far')"
    assert ended(started(dreams), signal.SIGINT) == (0, "so far\n", "")
    assert ended(started(dreams), signal.SIGTERM) == (143, "", "kviz: stopped.\n")


def test_what_was_ignored_stays_ignored():
    head = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"  # as nohup does
    assert ended(started("ready(); time.sleep(1)", head), signal.SIGHUP) == (0, "", "")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(1)", "pass"])
def test_nothing_of_a_child_is_left(tmp_path, end):
    own = "f'.kviz-{os.getpid()}-{files.TOKEN}-1/new'"
    # Of another process, and of one of the same number, in another container.
    others = ("'.kviz-1-1-1/new'", "f'.kviz-{os.getpid()}-0-1/new'")
    made = "".join(f"os.makedirs('out/' + {name}); " for name in (own, *others))
    command = (
        f"os.chdir({str(tmp_path)!r})\n"
        "child.begin(); child.begin_writing('out')\nimport tempfile; tempfile.mkdtemp()\n"
        f"from kviz import files; {made}\n{end}"
    )
    before = set(tmp_path.parent.glob("kviz-*"))
    ended(started(command, env={**os.environ, "TMPDIR": str(tmp_path.parent)}))
    assert set(tmp_path.parent.glob("kviz-*")) == before
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert ".kviz-1-1-1" in left
    assert any(name.endswith("-0-1") for name in left)
    assert len(left) == (3 if end == "pass" else 2)  # what ends well has cleared up itself


def test_the_child_dies_with_its_parent():
    process = started("child.begin(); print(os.getpid(), flush=True); sum(range(10**13))")
    os.kill(int(process.stdout.readline()), 0)
    process.kill()
    process.communicate(timeout=10)  # which ends when the child too has closed what it writes to


def test_before_a_command_begins_there_is_nothing_to_unwind():
    command = "print('ready', flush=True)\ntry: time.sleep(30)\nfinally: print('unwound')"
    assert ended(started(command), signal.SIGINT) == (130, "", "kviz: stopped.\n")


def test_a_debugger_sees_one_process():
    head = "sys.settrace(lambda *_: None)\nbefore = os.getpid()"
    assert ended(started("print(before == os.getpid())", head)) == (0, "True\n", "")
    assert ended(started("print(before == os.getpid())", "before = os.getpid()"))[1] == "False\n"


def test_without_fork_a_process_is_started():
    code = f"{HEAD}\nchild.FORKS = False\nchild.run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("kviz, version ")
    wrong = subprocess.run([sys.executable, "-c", code, "paint"], capture_output=True, check=False)
    assert wrong.returncode == 2


def test_the_parent_loads_nothing():
    head = "import atexit; parent = os.getpid()\n"
    head += "atexit.register(lambda: os.getpid() == parent and print(*sys.modules))"
    _, out, _ = ended(started("import click", head))
    loaded = {name.partition(".")[0] for name in out.split()}
    assert loaded & {"click", "numpy", "keras", "tensorflow", "rich", "ctypes"} == set()


class Terminal:
    """A terminal in which a command runs, and what it shows."""

    def __init__(self, command):
        self.screen, side = pty.openpty()
        head = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
        body = f"def command():\n    {command}\nchild._command = command\nchild.run()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{head}\n{HEAD}\n{body}"],
            stdin=side, stdout=side, stderr=side, start_new_session=True,
        )  # fmt: skip
        os.close(side)

    def read(self, until=None):
        shown, end = b"", time.monotonic() + 20
        while time.monotonic() < end and not (until and until in shown):
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    shown += os.read(self.screen, 4096)
                except OSError:  # all have closed it
                    break
        return shown

    def type(self, keys):
        time.sleep(0.2)
        os.write(self.screen, keys)


@pytest.mark.parametrize("command", ["time.sleep(30)", "sum(range(10**13))"])
def test_ctrl_c_in_a_terminal(command):
    terminal = Terminal(f"ready(); {command}")
    assert b"ready" in terminal.read(b"ready\r\n")
    assert os.tcgetpgrp(terminal.screen) == terminal.process.pid
    terminal.type(b"\x03")
    assert terminal.read().count(b"kviz: stopped.") == 1
    assert terminal.process.wait(20) == 130


def test_ctrl_z_stops_both():
    terminal = Terminal("print('ready', os.getpid(), flush=True); time.sleep(2); print('done')")
    number = int(terminal.read(b"\r\n").split()[1])
    # As the terminal does to the group; one whose parent is no shell it does not stop itself.
    for signal_sent, states in ((signal.SIGSTOP, "T"), (signal.SIGCONT, "SR")):
        os.killpg(terminal.process.pid, signal_sent)
        time.sleep(0.2)
        for process in (terminal.process.pid, number):
            with open(f"/proc/{process}/stat") as file:  # noqa: PTH123 - of the kernel
                assert file.read().rsplit(")", 1)[1].split()[0] in states
    assert b"done" in terminal.read()
    assert terminal.process.wait(20) == 0


# Runs commands at full length, each interrupted at a random moment, from one that has imported kviz.
INTERRUPTED = """
import os, random, signal, sys, time
import kviz, kviz.attribution.attribute, kviz.look, kviz.network.loading, kviz.reports.report
from kviz.cli import child, watch
from kviz.cli.group import main
BOTH = {signal.SIGINT, signal.SIGTERM}

def run(words, wait, number):
    read, write = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, BOTH)
    process = os.fork()
    if not process:
        os.dup2(write, 1); os.dup2(write, 2)
        sys.argv = ["kviz", *words]
        with child._signals_wait():
            seen = watch.Watch(*child._forked())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BOTH)
        os._exit(seen.exit_code())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BOTH)
    os.close(write)
    begun = time.monotonic()
    if number:
        time.sleep(wait)
        os.kill(process, number)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, said, time.monotonic() - begun - wait

jobs = [
    ["predict", "m.keras", "p.png"],
    ["activations", "m.keras", "p.png", "-o", "out"],
    ["attribute", "m.keras", "p.png", "--method", "smooth_grad", "--set", "samples=2", "-o", "out"],
    ["weights", "m.keras", "-o", "out"],
]
usual = [run(words, 0, None)[2] for words in jobs]
choice = random.Random(0)
for trial in range(100):
    place = choice.randrange(len(jobs))
    number = choice.choice([signal.SIGINT, signal.SIGTERM])
    code, said, after = run(jobs[place], choice.uniform(0, 0.9 * usual[place]), number)
    stopped = code == 128 + number and said.endswith("kviz: stopped.\\n")
    # It may have come when all was done.
    print("stopped" if stopped else "done" if code == 0 and after < 0.3 else f"{code} {said!r}")
"""


@pytest.mark.slow
def test_no_interrupt_at_a_random_moment_is_swallowed(workplace):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == 100
    assert set(outcomes) <= {"stopped", "done"}, set(outcomes)
    assert outcomes.count("stopped") > 80
    assert not list(workplace.rglob(".kviz-*"))
