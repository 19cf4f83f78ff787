"""Gets the frames that are wanted of a recording, by packet plan where that is proven.

Drives streams that are opened for it (see `tasks/decode.py`); opens and writes nothing itself.
Whatever the plan or more threads than one cannot answer for is decoded plainly, on one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.containers.gops import plain, planned
from tasks.containers.playback import play
from tasks.containers.stream import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from tasks.containers.stream import VideoStream
    from tasks.containers.wanted import Clock, Instants, Within
    from tasks.decode import Frame


class _FaultFoundError(Exception):
    """A decoder of several threads has met damage: it drops frames that were done already."""


def walk(
    opened: Callable[[int], AbstractContextManager[VideoStream]],
    wanted: Instants | Within,
    start_pts: int,
    *,
    threads: int,
    plan: bool,
) -> Iterator[tuple[Clock, int, Frame, tuple[int, ...]]]:
    """Yield (clock, pts, frame, positions served) of the wanted frames, in order.

    `opened` opens the stream anew for a number of threads.
    """
    count, last_ns = 0, None
    ways = [(threads, True)] * plan + [(threads, False)] + [(1, False)] * (threads > 1)
    for thread_count, by_plan in ways:
        with opened(thread_count) as stream:
            clock = stream.clock(start_pts)
            if by_plan:
                way = planned(stream, clock, wanted) if stream.can_plan else _none()
            else:
                way = _plainly(stream, clock, wanted, alone=thread_count == 1)
            while True:
                try:
                    pts, frame, served = next(way)
                except StopIteration as end:
                    if end.value:
                        return
                    break
                count, last_ns = count + len(served), clock.t_ns(pts)
                yield clock, pts, frame, served
        wanted.resume(count, last_ns)


def _none() -> Generator[tuple[int, Frame, tuple[int, ...]], None, bool]:
    yield from ()
    return False


def _plainly(
    stream: VideoStream, clock: Clock, wanted: Instants | Within, *, alone: bool
) -> Generator[tuple[int, Frame, tuple[int, ...]], None, bool]:
    """Decode from the start, for made-up and mended timestamps depend on all that came before.

    Returns False at the first fault unless one thread decodes alone.
    """
    try:
        yield from plain(_sound(stream, clock.start_pts, alone=alone), clock, wanted)
    except _FaultFoundError:
        return False
    return True


def _sound(stream: VideoStream, start_pts: int, *, alone: bool) -> Iterator[tuple[int, Frame]]:
    for item in play(stream):
        if isinstance(item, Fault):
            if not alone:
                raise _FaultFoundError
        elif not item.is_corrupt and item.pts >= start_pts:
            yield item.pts, item.frame
