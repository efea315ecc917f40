"""What tests of bad input share: one plain sentence, and no waiting for ever."""

import signal
from contextlib import contextmanager

import pytest

import kviz


@contextmanager
def refused(match, kind):
    """Expect exactly `kind`, in one short line that says `match`."""
    with pytest.raises(kviz.KvizError, match=match) as caught:
        yield caught
    assert type(caught.value) is kind
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


@contextmanager
def no_hanging(seconds=20):
    """Turn a read that would block for ever into a failure."""

    def stop(*_):
        raise AssertionError("blocked")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
