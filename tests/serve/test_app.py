"""The app on a real socket: who is let in, and what nobody can do to it."""

import asyncio
import base64
import hashlib
import http.client
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from kviz.serve.app import CONNECTIONS, READERS, Guard, make_app
from kviz.serve.ask import ask_class
from kviz.serve.asks.hello import MESSAGE_BYTES
from kviz.serve.frames import decoded, encoded
from kviz.serve.index import index_page
from kviz.serve.jobs import Cancelled
from kviz.serve.server import Server, is_this_machine_alone, listening
from kviz.serve.session import Session

TOKEN = "a-token-of-the-tests"  # noqa: S105 - of the tests alone


class Served:
    """An app that is served, and how it is reached."""

    def __init__(self, session, **options):
        self.session = session
        self.bound = listening("127.0.0.1", 0)
        self.port = self.bound.getsockname()[1]
        self.server = Server(make_app(session, TOKEN, **options), self.bound)
        self.server.start()

    def get(self, path, method="GET", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as to:
            to.request(method, path, headers=headers)
            answer = to.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def socket(self, query=f"?token={TOKEN}", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        host = headers.pop("Host", f"127.0.0.1:{self.port}")
        way = socket.create_connection(("127.0.0.1", self.port))
        return connect(
            f"ws://{host}/ws{query}", sock=way, additional_headers=headers, max_size=None
        )


@pytest.fixture(scope="module")
def served(small):
    session = Session([small])
    session.page = "<!doctype html><title>kviz</title><script>1</script><style>b{}</style>"
    made = Served(session)
    yield made
    made.server.stop()
    session.close()


def asked(way, ask, arrays=None, /, **options):
    way.send(encoded({"id": 1, "ask": ask, **options}, arrays or {}))
    while True:
        head, arrays = decoded(way.recv(timeout=60))
        if "progress" not in head:
            return head, arrays


# --- who is let in ---


def test_the_page_is_for_who_has_the_token(served):
    for path in ("/", "/?token=", "/?token=wrong", f"/?token={TOKEN}x", f"/?tok={TOKEN}"):
        status, headers, text = served.get(path)
        assert status == 403
        assert "set-cookie" not in headers
        assert TOKEN not in text
    status, headers, text = served.get(f"/?token={TOKEN}")
    assert status == 200
    assert text == served.session.page
    cookie = headers["set-cookie"]
    for part in (f"kviz-{served.port}={TOKEN}", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    # With the cookie the address needs no token: a reload of what the page has shortened.
    assert served.get("/", Cookie=cookie.partition(";")[0])[0] == 200
    assert served.get("/", Cookie=f"kviz-{served.port}=wrong")[0] == 403
    assert served.get("/", Cookie=f"kviz-1={TOKEN}")[0] == 403


def test_the_page_says_what_it_may_do(served):
    _, headers, _ = served.get(f"/?token={TOKEN}")
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["img-src"] == "data: blob:"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["server"] is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("192.168.0.7:9", 200),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:{port}", 421),
        ("127.0.0.1@evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_a_name_that_somebody_has_lead_here_is_refused(served, host, status):
    found, headers, _ = served.get(f"/?token={TOKEN}", Host=host.format(port=served.port))
    assert found in ((status, 400) if status == 421 else (status,))
    if found != 400:  # what is no Host at all, Uvicorn refuses
        assert headers["x-content-type-options"] == "nosniff"


def test_whatever_serves_it_a_request_has_one_host():
    """Uvicorn refuses others by itself; that is its business, and may change."""

    async def app(*_):
        raise AssertionError("let in")

    async def answered(headers):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
        await Guard(app, ())(scope, None, send)
        return sent[0]["status"]

    for hosts in ([], [b"localhost", b"evil.example"], [b"localhost", b"localhost"]):
        asked = answered([(b"host", host) for host in hosts])
        # In a thread of its own: where a browser is driven, this one has a loop already.
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(asyncio.run, asked).result() == 421


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({}, "?token=wrong"),
        ({"Origin": "http://evil.example"}, f"?token={TOKEN}"),
        ({"Origin": "null"}, f"?token={TOKEN}"),
        ({"Origin": "http://127.0.0.1:1"}, f"?token={TOKEN}"),
        ({"Origin": "http://[no"}, f"?token={TOKEN}"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, f"?token={TOKEN}"),
    ],
)
def test_the_socket_is_for_the_own_page_with_the_token(served, headers, query):
    with pytest.raises(InvalidStatus) as refused, served.socket(query, **headers):
        pass
    assert refused.value.response.status_code == 403


def test_the_own_page_is_let_in_by_its_cookie(served):
    cookie = f"kviz-{served.port}={TOKEN}"
    origin = f"http://127.0.0.1:{served.port}"
    with served.socket("", Cookie=cookie, Origin=origin) as way:
        head, _ = asked(way, "hello")
    assert head["protocol"] == 1


@pytest.mark.parametrize("path", ["/nope", "/../../etc/passwd", "/%2e%2e/etc/passwd", "/ws"])
def test_nothing_else_is_served(served, path):
    status, headers, text = served.get(path)
    assert status in (404, 400, 403)
    assert "root:" not in text
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_page_is_only_read(served, method):
    assert served.get(f"/?token={TOKEN}", method)[0] == 405


def test_the_page_may_run_what_is_in_it_and_nothing_else(small, served):
    _, headers, _ = served.get(f"/?token={TOKEN}")
    session = Session([small])
    page = session.call(lambda: index_page(session)).result()
    session.close()
    (told,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert headers["content-security-policy"] == f"{told}; frame-ancestors 'none'"
    for kind in ("script", "style"):
        (inline,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in told.split("; ")


# --- what is said ---


def test_asks_are_answered_by_frames(served, file):
    with served.socket() as way:
        head, arrays = asked(way, "photo", {"file": file()}, name="cat.png")
        assert head["name"] == "cat.png"
        assert arrays["pixels"].shape == (16, 12, 3)
        head, arrays = asked(way, "maps", photo=head["photo"], layer="conv")
        assert arrays["maps"].dtype == np.uint8


@pytest.mark.parametrize("sent", [b"", b"\0" * 9, "text", b"\xff" * 40])
def test_what_is_no_frame_is_answered_and_harms_nothing(served, sent):
    with served.socket() as way:
        way.send(sent)
        head, _ = decoded(way.recv(timeout=30))
        assert head["code"] == "option"
        assert "protocol" in asked(way, "hello")[0]


def test_a_message_that_is_too_large_ends_its_reader_only(served):
    with served.socket() as other, served.socket() as way:
        with pytest.raises(ConnectionClosed):  # noqa: PT012 - at whichever of both it is seen
            way.send(bytes(MESSAGE_BYTES + 2_000_000))
            way.recv(timeout=30)
        assert "protocol" in asked(other, "hello")[0]


def test_ten_browsers_at_once_are_all_answered(served, file):
    found = {}

    def browse(number):
        with served.socket() as way:
            head, _ = asked(way, "photo", {"file": file(number)}, name=f"{number}.png")
            found[number] = asked(way, "maps", photo=head["photo"], layer="conv")[1]["maps"]

    readers = [threading.Thread(target=browse, args=[number]) for number in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert len(found) == 10
    assert len({array.tobytes() for array in found.values()}) == 10


def test_a_reader_who_is_gone_takes_its_work_along(served, monkeypatch):
    kind, ended = ask_class("pattern"), []
    real = kind.answer

    def answer(self, turn):
        try:
            made = real(self, turn)
        except BaseException as error:
            ended.append(type(error))
            raise
        ended.append("answered")
        return made

    monkeypatch.setattr(kind, "answer", answer)
    with served.socket() as other, served.socket() as way:
        way.send(
            encoded({"id": 1, "ask": "pattern", "layer": "conv", "channel": 0, "steps": 2000}, {})
        )
        while "progress" not in decoded(way.recv(timeout=60))[0]:
            pass
        way.socket.shutdown(socket.SHUT_RDWR)  # as a lid that is closed: no word of goodbye
        # Slow ones come one after another: it has its turn once the other has ended.
        asked(other, "pattern", layer="conv", channel=0, steps=1)
    assert ended == [Cancelled, "answered"]


def test_who_does_not_read_is_left_and_keeps_nobody_waiting(served, file, monkeypatch):
    monkeypatch.setattr("kviz.serve.app.OUTBOX_BYTES", 3_000_000)
    deaf = socket.create_connection(("127.0.0.1", served.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    address = f"ws://127.0.0.1:{served.port}/ws?token={TOKEN}"
    quiet = {"max_size": None, "max_queue": 1, "ping_interval": None, "close_timeout": 0.1}
    talks = served.server._server.server_state.tasks
    with served.socket() as other, connect(address, sock=deaf, **quiet) as way:
        head, _ = asked(other, "photo", {"file": file(3, (600, 600))}, name="large.png")
        for number in range(60):
            way.send(encoded({"id": number, "ask": "photo", "photo": head["photo"]}, {}))
        begun = time.monotonic()
        assert "protocol" in asked(other, "hello")[0]
        assert time.monotonic() - begun < 10
        for _ in range(100):
            if len(talks) == 1:
                break
            time.sleep(0.1)
        assert len(talks) == 1


def test_no_more_readers_than_so_many_are_let_in_and_the_others_notice_nothing(small):
    session = Session([small])
    session.page = "<p>page</p>"
    made = Served(session, readers=2)
    try:
        with made.socket() as one:
            with made.socket() as two:
                for _ in range(5):
                    with pytest.raises(InvalidStatus) as refused, made.socket():
                        pass
                    assert refused.value.response.status_code == 503
                    assert b"at most 2 pages at once" in refused.value.response.body
                    assert refused.value.response.headers["cache-control"] == "no-store"
                # Who may not ask is told nothing more.
                with pytest.raises(InvalidStatus) as refused, made.socket("?token=wrong"):
                    pass
                assert refused.value.response.status_code == 403
                assert made.get(f"/?token={TOKEN}")[0] == 200
                assert all("protocol" in asked(way, "hello")[0] for way in (one, two))
            # Who has left makes room, as soon as that is noticed.
            for _ in range(100):
                try:
                    with made.socket() as three:
                        assert "protocol" in asked(three, "hello")[0]
                    break
                except InvalidStatus:
                    time.sleep(0.1)
            else:
                pytest.fail("no room")
            assert "protocol" in asked(one, "hello")[0]
    finally:
        made.server.stop()
        session.close()


def test_where_all_readers_are_there_the_page_can_be_read():
    assert READERS < CONNECTIONS


def test_a_page_that_is_not_there_yet_is_made_where_tensorflow_is(small, monkeypatch):
    session = Session([small])
    made = Served(session)
    seen = []

    def page(_):
        seen.append(threading.current_thread().name)
        return "<p>made</p>"

    monkeypatch.setattr("kviz.serve.app.index_page", page)
    try:
        assert made.get(f"/?token={TOKEN}")[2] == "<p>made</p>"
    finally:
        made.server.stop()
        session.close()
    assert seen == ["kviz-tensorflow"]


# --- the server ---


def test_stopped_the_port_is_free(small):
    session = Session([small])
    made = Served(session)
    with made.socket() as way:
        made.server.stop()
        with pytest.raises(ConnectionClosed):
            way.recv(timeout=10)
    session.close()
    with closing(listening("127.0.0.1", made.port)) as again:
        assert again.getsockname()[1] == made.port


def test_an_address_that_cannot_be_had_is_said():
    from kviz.errors import OptionError

    taken = socket.create_server(("127.0.0.1", 0))
    with closing(taken), pytest.raises(OptionError, match="cannot be had"):
        listening("127.0.0.1", taken.getsockname()[1])
    # Of nobody, and of another machine.
    for host in ("no.such.host.invalid", "192.0.2.1"):
        with pytest.raises(OptionError, match="an address of this machine"):
            listening(host, 0)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - what is asked about
        ("192.168.0.1", False),
        ("::", False),
        ("box.local", False),
    ],
)
def test_which_addresses_let_other_machines_in(host, alone):
    assert is_this_machine_alone(host) is alone
