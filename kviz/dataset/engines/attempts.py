"""How often something was tried that ends its process, which Ray would try again for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kviz.dataset.store.places import Places, writing
from kviz.errors import KvizError

_MOST = 5
_ENDING = ".attempts"


@contextmanager
def attempt(places: Places, name: str, what: str) -> Iterator[None]:
    """Note that something is tried, for as long as the body runs or its process is dead.

    Args:
        places: the store's files.
        name: of what is tried.
        what: who tries it, as a sentence begins.

    Raises:
        KvizError: if it has been tried too often.
    """
    path = places.locks / f"{name}{_ENDING}"
    with writing(places.root):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b".")
            count = file.tell()
    try:
        if count > _MOST:
            raise KvizError(
                f"{what} died {_MOST} times: it crashed, or was killed, as for want of memory. Fewer "
                "images at once take less."
            )
        yield
    finally:
        path.unlink(missing_ok=True)


def forget(places: Places) -> None:
    """Begin to count anew."""
    with suppress(FileNotFoundError):
        for path in places.locks.glob(f"*{_ENDING}"):
            path.unlink(missing_ok=True)
