"""kviz serve."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.group import say_note
from kviz.cli.job import Job
from kviz.cli.output import print_json


@command(
    short_help="Look into a model live, in a browser.",
    examples=(
        "kviz serve model.keras cat.jpg",
        "kviz serve model.keras --compare retrained.keras --port 8000 --no-open",
    ),
)
@take.model
@take.photos
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="a free one",
    metavar="N",
    help="Where it is served.",
)
@option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to serve at; any other than 127.0.0.1 lets other machines in.",
)
@option("--no-open", is_flag=True, help="Do not open a browser.")
@option("--compare", metavar="MODEL", help="A second model, beside the first.")
@option(
    "--data",
    metavar="STORE",
    help="A store of kviz run activations --statistic top_k, for each channel's best patches.",
)
@option("--source", metavar="DATA", help="The data set that STORE is of, to cut patches out.")
def serve(**options: Any) -> None:
    """Look into MODEL live, in a browser: drop a photo and see its classes, evidence and feature maps.

    Only this machine, and only who has the printed address, can reach it. Ctrl-C stops it.
    """
    own = {
        key: options.pop(key) for key in ("port", "host", "no_open", "compare", "data", "source")
    }
    job = Job(options)

    from kviz.serve.server import Server, is_this_machine_alone, listening, open_browser

    bound = listening(own["host"], own["port"])
    try:
        session = _session(job, own["compare"], own["data"], own["source"])
        from kviz.serve.app import make_app, origin_of

        port = bound.getsockname()[1]
        token = secrets.token_urlsafe(24)
        server = Server(make_app(session, token, (own["host"],)), bound)
        if not is_this_machine_alone(own["host"]):
            say_note(
                f"{own['host']} is reached from other machines: whoever there has the address with "
                "its token can use this model, and what is sent is not encrypted."
            )
        address = f"{origin_of(own['host'], port)}/?token={token}"
        server.start()
        session.warm()
        if job.as_json:
            print_json({"address": address, "port": port})
        else:
            click.echo(address)
            job.say_unnamed()
            click.echo("Press Ctrl-C to stop.", err=True)
        if not own["no_open"]:
            open_browser(address)
        try:
            server.wait()
        finally:
            # What is being traced cannot be interrupted, and nobody waits for it any more.
            session.close(0.2)
            server.stop()
    finally:
        bound.close()


def _session(job: Job, compare: str | None, data: str | None, source: str | None) -> Any:
    networks = [job.network]  # first, while TensorFlow's talk is kept back
    if compare is not None:
        networks.append(job.another(compare))
    from kviz.serve.session import Session

    store = None
    if data is not None:
        from kviz.serve.data import Data

        store = Data(data, source)
    private = [Path.cwd(), Path.home(), *job.folders]
    return Session(networks, job.as_sent(), data=store, private=private)
