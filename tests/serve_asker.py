"""Somebody who asks a session, for its tests."""

import contextlib
import queue
import threading

from kviz.serve.jobs import Job


class Asker:
    """Somebody who asks a session and waits for the answer."""

    def __init__(self, session):
        self.answers = queue.Queue()
        self.reader = session.reader(self.answers.put)
        self.count = 0
        self.progress = []

    def send(self, ask, arrays=None, /, **options):
        self.count += 1
        self.reader.ask({"id": self.count, "ask": ask, **options}, arrays or {})
        return self.count

    def next(self):
        return self.answers.get(timeout=60)

    def __call__(self, ask, arrays=None, /, **options):
        number = self.send(ask, arrays, **options)
        while True:
            answer = self.next()
            if answer.head["id"] != number:
                continue
            if "progress" not in answer.head:
                return answer
            self.progress.append(answer)

    def photo(self, file, **options):
        return self("photo", {"file": file}, **options).head["photo"]


@contextlib.contextmanager
def held(session):
    """Hold the worker within a job until the body has ended."""
    begun, go = threading.Event(), threading.Event()

    def work(_):
        begun.set()
        go.wait(30)

    session.jobs.submit(Job("holder", 0, work, lambda _: None))
    assert begun.wait(10)
    try:
        yield
    finally:
        go.set()
