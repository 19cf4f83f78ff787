from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tasks.training.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_items_come_in_order_and_errors_at_their_place() -> None:
    """What was yielded before an error arrives; the error is the one that was raised."""
    assert list(ahead(range(1000), 3)) == list(range(1000))

    def breaks() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk went away")

    pipe = ahead(breaks())
    assert [next(pipe) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk went away"):
        next(pipe)


def test_it_runs_no_further_ahead_than_it_may() -> None:
    """Of an endless source only what fits is taken: two wait, and one is in hand."""
    taken = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    pipe = ahead(endless(), 2)
    assert next(pipe) == 0
    deadline = time.monotonic() + 5
    while len(taken) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(taken) == 4
    pipe.close()


def test_a_reader_that_leaves_ends_the_thread_and_closes_the_source() -> None:
    """Its own cleaning up is done, in the thread that ran it, before `close` returns."""
    closed = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.get_ident())

    before = threading.active_count()
    pipe = ahead(endless())
    next(pipe)
    pipe.close()
    assert threading.active_count() == before
    assert len(closed) == 1
    assert closed[0] != threading.get_ident()


def test_stages_overlap() -> None:
    """While a reader is at work on one item, the next is being made."""
    made = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        made.set()
        yield 1

    pipe = ahead(source())
    assert next(pipe) == 0
    assert made.wait(10)
    assert list(pipe) == [1]


def test_a_pipe_without_room_is_refused() -> None:
    """At once, not at the first item."""
    with pytest.raises(ValueError, match="one item at least"):
        ahead([1], 0)
