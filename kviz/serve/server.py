"""The server: a socket that is there before the model is read, and a thread that serves the app."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.errors import OptionError
from kviz.extras import installed


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, of which nobody can take anything yet.

    Args:
        host: a name or number of this machine.
        port: 0 for a free one.

    Raises:
        OptionError: if the address cannot be had.
    """
    not_here = (
        f"{spelled('host')} takes an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of "
        f"them. Received: {sanitise(host)}"
    )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, address = found[0]
        bound = socket.socket(family, kind, proto)
    except OSError as error:
        raise OptionError(not_here) from error
    if os.name == "posix":
        # Else the port of a server that has just ended could not be had for minutes.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise OptionError(not_here) from error
        raise OptionError(
            f"Port {port} of {sanitise(host)} cannot be had: "
            f"{sanitise(error.strerror or error, 100)}. {spelled('port')} 0 is a free one."
        ) from error
    return bound


def is_this_machine_alone(host: str) -> bool:
    """Return whether an address is reached from this machine only.

    >>> is_this_machine_alone("127.0.0.1"), is_this_machine_alone("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Server:
    """Serves an app in a thread of its own until it is told to stop.

    Args:
        app: as ASGI has it.
        bound: as `listening` gives it.
    """

    def __init__(self, app: Any, bound: socket.socket) -> None:
        uvicorn = installed("uvicorn", "The app", "serve")
        installed("websockets", "The app", "serve")
        from kviz.serve.app import CONNECTIONS, FRAME_BYTES, PING

        config = uvicorn.Config(
            app, log_config=None, log_level="critical", access_log=False, lifespan="off",
            proxy_headers=False, server_header=False, limit_concurrency=CONNECTIONS,
            ws="websockets-sansio", ws_max_size=FRAME_BYTES, ws_ping_interval=PING,
            ws_ping_timeout=PING, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._bound = bound
        self._server = uvicorn.Server(config)
        # Not in the main thread: there signals are for whoever has begun the process.
        self._thread = threading.Thread(target=self._run, name="kviz-serve", daemon=True)
        # Not `join`: once interrupted, it takes the thread for ended (Python 3.11).
        self._ended = threading.Event()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._bound])
        finally:
            self._ended.set()

    def start(self) -> None:
        """Begin, and return once browsers are answered."""
        self._thread.start()
        while not self._server.started and not self._ended.wait(0.005):
            pass

    def wait(self) -> None:
        """Wait until it stops, or whoever waits is interrupted."""
        while not self._ended.wait(0.5):
            pass

    def stop(self) -> None:
        """Stop: what is open is closed, and the port is free."""
        self._server.should_exit = True
        self._ended.wait(2)
        self._bound.close()


def open_browser(address: str) -> bool:
    """Open an address in the user's browser, where there is a screen to show it.

    Args:
        address: the address.

    Returns:
        Whether there was one.
    """
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    # Without one, Python would find a browser of the terminal, and that would take it over.
    if sys.platform.startswith("linux") and not screen:
        return False
    with contextlib.suppress(webbrowser.Error, OSError):
        return webbrowser.open(address)
    return False
