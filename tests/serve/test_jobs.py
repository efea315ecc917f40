"""Jobs: which comes next, what is dropped, what a reader who leaves takes along."""

import threading

import pytest

from kviz.serve.jobs import ALL_WAITING_BYTES, WAITING, WAITING_BYTES, Busy, Cancelled, Job, Jobs


class Queue:
    """Jobs whose order is noted, held until all of them wait."""

    def __init__(self):
        self.jobs = Jobs()
        self.done, self.ended = [], []
        self.go, self.begun = threading.Event(), threading.Event()
        self.add("held", work=self._hold)
        assert self.begun.wait(10)

    def _hold(self, job):
        self.begun.set()
        assert self.go.wait(10)
        job.go_on()

    def add(self, name, reader="one", work=None, **options):
        def run(job):
            (work or (lambda _: None))(job)
            self.done.append(name)

        self.jobs.submit(
            Job(reader, name, run, lambda why: self.ended.append((name, why)), **options)
        )

    def run(self):
        self.go.set()
        last = threading.Event()
        self.jobs.submit(Job("last", 0, lambda _: last.set(), lambda _: None, slow=True))
        assert last.wait(10)
        return self.done


@pytest.fixture
def queue():
    made = Queue()
    yield made
    made.go.set()
    made.jobs.close()


def test_the_newest_comes_first_and_slow_ones_last(queue):
    queue.add("a")
    queue.add("slow", slow=True)
    queue.add("b")
    queue.add("slower", slow=True)
    assert queue.run() == ["held", "b", "a", "slower", "slow"]


def test_readers_take_turns(queue):
    """Who asks ten times does not keep waiting who asks once, and came before."""
    queue.add("other", "two")
    for place in range(3):
        queue.add(f"many {place}", "one")
    assert queue.run() == ["held", "other", "many 2", "many 1", "many 0"]


def test_of_a_stream_the_latest_counts(queue):
    queue.add("first", stream="photo 0")
    queue.add("not of it")
    queue.add("of another", "two", stream="photo 0")
    queue.add("second", stream="photo 0")
    assert queue.ended == [("first", "dropped")]
    assert set(queue.run()) == {"held", "second", "not of it", "of another"}


def test_what_waits_is_cancelled_at_once(queue):
    queue.add("a")
    queue.add("a", "two")
    assert queue.jobs.cancel("one", "a")
    assert queue.ended == [("a", "cancelled")]
    assert not queue.jobs.cancel("one", "a")
    assert queue.run() == ["held", "a"]


def test_what_runs_is_cancelled_when_it_asks_how_to_go_on(queue):
    assert queue.jobs.cancel("one", "held")
    assert queue.run() == []
    assert queue.ended == [("held", "cancelled")]


def test_nothing_that_catches_errors_keeps_a_cancelled_job(queue):
    def stubborn(job):
        for _ in range(3):
            try:
                job.go_on()
            except Exception:
                pytest.fail("kept")

    assert not issubclass(Cancelled, Exception)
    queue.add("stubborn", work=stubborn)
    queue.jobs.cancel("one", "stubborn")
    assert queue.run() == ["held"]


def test_who_leaves_takes_all_along(queue):
    queue.add("a")
    queue.add("b", slow=True)
    queue.add("stays", "two")
    queue.jobs.leave("one")
    assert queue.run() == ["stays"]
    assert sorted(queue.ended) == [("a", "cancelled"), ("b", "cancelled"), ("held", "cancelled")]


def test_between_steps_of_a_slow_job_others_are_done(queue):
    def slow(job):
        queue.add("quick", "two")
        queue.add("slow too", "two", slow=True)
        job.go_on()
        assert queue.done == ["held", "quick"]

    queue.add("slow", work=slow, slow=True)
    assert queue.run() == ["held", "quick", "slow", "slow too"]


def test_a_quick_job_lets_nothing_in_between(queue):
    def quick(job):
        queue.add("later", "two")
        job.go_on()
        assert "later" not in queue.done

    queue.add("quick", work=quick)
    assert queue.run() == ["held", "quick", "later"]


def test_what_one_job_sets_in_its_context_is_not_seen_within_another(queue):
    from contextvars import ContextVar

    mark = ContextVar("mark", default="none")
    seen = []

    def slow(job):
        mark.set("slow")
        queue.add("quick", "two", work=lambda _: seen.append(mark.get()))
        job.go_on()
        seen.append(mark.get())

    queue.add("slow", work=slow, slow=True)
    queue.run()
    assert seen == ["none", "slow"]


def test_only_so_much_waits(queue):
    for place in range(WAITING):
        queue.add(place)
    with pytest.raises(Busy):
        queue.add("one more")
    queue.add("of another", "two")
    with pytest.raises(Busy):
        queue.add("large", "three", size=10**9)


def test_only_so_many_bytes_of_all_readers_wait(queue):
    for reader in range(4):
        queue.add("large", reader, size=WAITING_BYTES)
    with pytest.raises(Busy):
        queue.add("one more", "five", size=ALL_WAITING_BYTES - 4 * WAITING_BYTES + 1)
    queue.add("small", "five")


def test_of_a_full_queue_the_latest_of_a_stream_is_taken_all_the_same(queue):
    for place in range(WAITING - 1):
        queue.add(place)
    queue.add("frame 1", stream="photo")
    queue.add("frame 2", stream="photo")
    assert queue.ended == [("frame 1", "dropped")]


def test_closed_it_does_nothing_more():
    queue = Queue()
    queue.add("a")
    queue.go.set()
    queue.jobs.close()
    assert ("a", "cancelled") in queue.ended
    assert queue.done == []
    with pytest.raises(Busy):
        queue.add("b")
    assert not queue.jobs._thread.is_alive()
