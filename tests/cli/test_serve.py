"""kviz serve: an address on a line, and an end without a trace."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from contextlib import closing

import pytest
from commands import CAT, MODULE, ROOT, one_line

from kviz.extras import install_command

FASHION = str(ROOT / "models/fashion_cnn.keras")


@pytest.fixture
def served(monkeypatch):
    """Serve nothing, and note with what and where it would have been."""
    seen = {}

    class Server:
        def __init__(self, _, bound):
            seen["port"], seen["host"] = bound.getsockname()[1], bound.getsockname()[0]

        def start(self):
            seen["started"] = True

        def wait(self):
            pass

        def stop(self):
            seen["stopped"] = True

    monkeypatch.setattr("kviz.serve.server.Server", Server)
    monkeypatch.setattr("kviz.serve.session.Session.warm", lambda _: None)
    monkeypatch.setattr("kviz.serve.server.open_browser", lambda address: seen.update(open=address))
    return seen


def test_the_address_stands_on_a_line_with_its_token_and_is_opened(run, served):
    done = run("serve", FASHION, CAT)
    assert (done.exit_code, done.stderr) == (0, "Press Ctrl-C to stop.\n")
    (line,) = done.stdout.splitlines()
    assert line == served["open"]
    address, _, token = line.partition("/?token=")
    assert address == f"http://127.0.0.1:{served['port']}"
    assert len(token) >= 32
    assert served["stopped"]
    again = run("serve", FASHION, "--no-open", "--json")
    assert again.stderr == ""
    assert json.loads(again.stdout)["address"].partition("=")[2] != token


def test_other_machines_are_let_in_only_with_a_word_of_warning(run, served):
    done = run("serve", FASHION, "--host", "0.0.0.0", "--no-open")  # noqa: S104 - what is warned of
    line, _ = done.stderr.splitlines()
    assert "reached from other machines" in line
    assert served["host"] == "0.0.0.0"  # noqa: S104
    assert "open" not in served


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "nope.keras"), "There is no file nope.keras"),
        (("serve", FASHION, "nope.png"), "There is no file nope.png"),
        (("serve", FASHION, "--host", "no.such.host.invalid"), "--host takes an address"),
        (("serve", FASHION, "--host", "192.0.2.1"), "such as 127.0.0.1"),  # of nobody, by RFC 5737
        (("serve", FASHION, "--compare", "nope.keras"), "There is no file nope.keras"),
        (("serve", FASHION, "--data", "nope"), "nope is no store"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(run, words, said):
    assert said in one_line(run(*words))


def test_a_port_that_is_taken_is_said_before_the_model_is_read(run, served, monkeypatch):
    monkeypatch.setattr("kviz.network.loading.load_model", lambda *_, **__: pytest.fail("read"))
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        line = one_line(run("serve", FASHION, "--port", port))
    assert f"Port {port} of 127.0.0.1 cannot be had" in line
    assert "--port 0 is a free one" in line
    assert served == {}


def test_without_its_packages_it_says_what_installs_them(run, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] in ("uvicorn", "starlette"):
            raise ImportError(name)
        return real(name, *rest, **more)

    def missing(module, *_):
        raise ImportError(module)

    monkeypatch.setattr("builtins.__import__", without)
    monkeypatch.setattr("kviz.extras.import_module", missing)
    assert install_command("serve") in one_line(run("serve", FASHION, "--no-open"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.some(every=2)
def test_a_signal_ends_it_and_the_port_is_free(tmp_path, number):
    """The real thing: two processes, a page for who has the token, nothing left behind."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # Tests may run where it is ignored.
    process = subprocess.Popen(
        [*MODULE, "serve", FASHION, "--no-open", "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        told = ""
        while not told.rstrip().endswith("}"):
            told += (line := process.stdout.readline())
            assert line, process.stderr.read()
        found = json.loads(told)
        with urllib.request.urlopen(found["address"]) as answer:  # noqa: S310 - it is ours
            assert b"fashion" in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (128 + number, "", "kviz: stopped.\n")
    with closing(socket.create_server(("127.0.0.1", found["port"]))):
        pass
    assert list(tmp_path.iterdir()) == []
