"""The app: one page and one WebSocket, for whoever has the token, on this machine.

A browser is let in by a token in the address, which it keeps as a cookie. A page from elsewhere whose
name was made to resolve to this machine (DNS rebinding) is recognised by its Host header, one that
opens the WebSocket from its own site by its Origin. No path that a browser gives is read or written.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kviz._checks import sanitise
from kviz.errors import OptionError
from kviz.extras import installed
from kviz.serve.asks.hello import MESSAGE_BYTES
from kviz.serve.frames import decoded, encoded
from kviz.serve.index import index_page
from kviz.serve.message import Message
from kviz.serve.session import Session
from kviz.web.shell import policy

Scope = MutableMapping[str, Any]
Call = Callable[..., Awaitable[Any]]

# What may wait for a slow reader; one that lets more wait is disconnected, and asks again.
OUTBOX_BYTES = 128_000_000
# Seconds between pings, and in which a reader has to answer one.
PING = 20.0
# The most WebSockets, one for each open page, and the most connections: a page can still be loaded, and
# say why, where it gets no WebSocket.
READERS = 100
CONNECTIONS = 128
# A head and what surrounds the arrays, besides.
FRAME_BYTES = MESSAGE_BYTES + 1_000_000

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Lets through to an app what is addressed to this machine and, if a page sends it, its own page.

    Args:
        app: the app.
        hosts: names by which this machine may be called; IP addresses always may: DNS rebinding needs
            a name.
    """

    def __init__(self, app: Call, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = {host.casefold() for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Call, send: Call) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        host = headers.get("host", [])
        origin = headers.get("origin", [])
        # A navigation has no Origin; a page's own has this host.
        same = all(one in _origins("".join(host)) for one in origin)
        if len(host) != 1 or not self._is_known(host[0]):
            await _refuse(scope, receive, send, 421, "This address is not kviz's.")
        elif len(origin) > 1 or not same:
            await _refuse(scope, receive, send, 403, "Another page may not ask here.")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _origins(host: str) -> tuple[str, str]:
    return f"http://{host}", f"https://{host}"


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def _with_headers(send: Call) -> Call:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            known = {name for name, _ in message["headers"]}
            more = [
                (n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in known
            ]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Call, send: Call, status: int, why: str) -> None:
    from starlette.responses import PlainTextResponse
    from starlette.websockets import WebSocket

    if scope["type"] == "websocket":
        # Before it is accepted: the browser is answered 403.
        await WebSocket(scope, receive, send).close()
        return
    await PlainTextResponse(f"{why}\n", status)(scope, receive, _with_headers(send))


def make_app(
    session: Session, token: str, hosts: tuple[str, ...] = (), readers: int = READERS
) -> Any:
    """Return the app, as ASGI has it.

    Args:
        session: what answers.
        token: whoever has it may ask.
        hosts: names of this machine besides `localhost`.
        readers: how many may be connected at once; one more is refused, and the others notice nothing.

    Raises:
        OptionError: if Starlette is not installed.
    """
    installed("starlette", "The app", "serve")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    def is_known(query: str, cookies: dict[str, str], port: Any) -> bool:
        given = [*parse_qs(query).get("token", []), cookies.get(_cookie(port), "")]
        return any(secrets.compare_digest(one.encode(), token.encode()) for one in given)

    async def index(request: Request) -> Response:
        port = request.url.port
        if not is_known(request.url.query, request.cookies, port):
            why = "The token is missing or wrong. Open the address that kviz serve has printed.\n"
            return PlainTextResponse(why, 403)
        page = await asyncio.wrap_future(session.call(lambda: index_page(session)))
        rules = f"{policy(live=True)}; frame-ancestors 'none'"
        response = HTMLResponse(page, headers={"content-security-policy": rules})
        response.set_cookie(_cookie(port), token, httponly=True, samesite="strict", path="/")
        return response

    connected = 0

    async def talk(socket: WebSocket) -> None:
        nonlocal connected
        if not is_known(socket.url.query, socket.cookies, socket.url.port):
            await socket.close()
            return
        if connected >= readers:
            why = f"kviz serves at most {readers} pages at once. Close one, and try again.\n"
            await socket.send_denial_response(PlainTextResponse(why, 503))
            return
        connected += 1
        try:
            await socket.accept()
            await _Talk(session, socket).hold()
        finally:
            connected -= 1

    routes = [Route("/", index), WebSocketRoute("/ws", talk)]
    return Guard(Starlette(routes=routes), hosts)


def _cookie(port: Any) -> str:
    """Return the cookie's name: cookies of one machine are shared by all its ports."""
    return f"kviz-{port or 80}"


class _Talk:
    """One WebSocket: frames in, frames out, as many as the other side takes.

    Args:
        session: what answers.
        socket: accepted.
    """

    def __init__(self, session: Session, socket: Any) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._out: deque[bytes] = deque()
        self._waiting = 0
        self._some, self._full = asyncio.Event(), asyncio.Event()
        self._reader = session.reader(self._tell)

    async def hold(self) -> None:
        """Talk until one side leaves."""
        from starlette.websockets import WebSocketDisconnect

        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        full = asyncio.create_task(self._full.wait())
        tasks = (sending, receiving, full)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._reader.leave()
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                    await task

    async def _receive(self) -> None:
        from starlette.websockets import WebSocketDisconnect

        while True:
            try:
                data = await self._socket.receive_bytes()
            except KeyError:  # text, of which this language has none
                data = b""
            except WebSocketDisconnect:
                return
            try:
                head, arrays = decoded(data)
            except OptionError as error:
                self._put(encoded({"id": None, "error": str(error), "code": "option"}, {}), False)
                continue
            self._reader.ask(head, arrays)

    async def _send(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._out:
                frame = self._out[0]
                await self._socket.send_bytes(frame)
                self._out.popleft()
                self._waiting -= len(frame)

    def _tell(self, message: Message) -> None:
        """Take an answer, in whatever thread; it is put into bytes there, and not in the loop's."""
        passing = "progress" in message.head
        if passing and self._out:
            return  # the next one tells more
        frame = encoded(message.head, message.arrays)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put, frame, passing)

    def _put(self, frame: bytes, passing: bool) -> None:
        if passing and self._out:
            return
        if self._waiting + len(frame) > OUTBOX_BYTES:
            # Whatever is being sent will not be read either.
            self._full.set()
            return
        self._out.append(frame)
        self._waiting += len(frame)
        self._some.set()


def origin_of(host: str, port: int) -> str:
    """Return the address of an app, without its token.

    >>> origin_of("127.0.0.1", 8000), origin_of("::1", 80)
    ('http://127.0.0.1:8000', 'http://[::1]:80')
    """
    return f"http://{f'[{host}]' if ':' in host else sanitise(host)}:{port}"
