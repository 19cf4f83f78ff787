"""Which frames of a recording somebody wants: by instants, or all of a span.

Pure: reads timestamps, writes nothing. A recording's own clock starts at 0 ns with its first
good frame; `Clock` turns a stream's ticks into it and back in integer arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from catalog.span import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from catalog.span import Span


@dataclass(frozen=True, slots=True)
class Clock:
    """The recording clock of a stream whose first good frame has `start_pts`.

    One tick lasts `num / den` seconds. Times are rounded down to whole nanoseconds.
    """

    start_pts: int
    num: int
    den: int

    def t_ns(self, pts: int) -> int:
        """Return the recording time of a timestamp."""
        return (pts - self.start_pts) * self.num * SECOND_NS // self.den

    def ticks(self, t_ns: int) -> int:
        """Return the last timestamp whose recording time is at most `t_ns`."""
        return self.start_pts + ((t_ns + 1) * self.den - 1) // (self.num * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One frame that was wanted.

    `t_ns` is its recording time, `pts` its raw timestamp in ticks of `time_base` (num, den)
    seconds; `indices` are the positions in the request it serves (empty for a span); `images`
    maps each scale's name to its picture.
    """

    t_ns: int
    pts: int
    time_base: tuple[int, int]
    indices: tuple[int, ...]
    images: dict[str, npt.NDArray[np.uint8]]


class Wanted(Protocol):
    """A request that is served in order of time."""

    @property
    def done(self) -> bool:
        """Whether everything has been served."""

    @property
    def next_ns(self) -> int:
        """The earliest time not served yet; meaningless when done."""

    def take(
        self, times_ns: Sequence[int], horizon_ns: int | None
    ) -> list[tuple[int, tuple[int, ...]]]:
        """Serve everything before `horizon_ns` (None: to the end) from the frames given.

        `times_ns` ascends and holds every frame up to the horizon that was not given before;
        it is not empty. Returns (position in `times_ns`, positions in the request) of each frame
        that is wanted, ascending.
        """

    def resume(self, served: int, last_ns: int | None) -> None:
        """Go back to where `served` positions had got their frame, the last at `last_ns`."""


class Instants:
    """Wants the frame *shown* at each instant: the last one not after it, else the first one."""

    def __init__(self, times_ns: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Take the instants in any order; they are served sorted."""
        instants = np.asarray(times_ns, dtype=np.int64)
        order = np.argsort(instants, kind="stable")
        self._order: list[int] = order.tolist()
        self._sorted: list[int] = instants[order].tolist()
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether every instant has its frame."""
        return self._at == len(self._sorted)

    @property
    def next_ns(self) -> int:
        """The earliest instant without a frame."""
        return self._sorted[self._at]

    def take(
        self, times_ns: Sequence[int], horizon_ns: int | None
    ) -> list[tuple[int, tuple[int, ...]]]:
        """Give each instant before the horizon the frame shown at it."""
        served: dict[int, list[int]] = {}
        while not self.done and (horizon_ns is None or self.next_ns < horizon_ns):
            frame = max(0, bisect_right(times_ns, self.next_ns) - 1)
            served.setdefault(frame, []).append(self._order[self._at])
            self._at += 1
        return [(frame, tuple(positions)) for frame, positions in served.items()]

    def resume(self, served: int, last_ns: int | None) -> None:  # noqa: ARG002  spans need it
        """Go back to the first instant without its frame."""
        self._at = served


class Within:
    """Wants every frame whose time lies in a span."""

    def __init__(self, span: Span) -> None:
        self._from_ns, self._end_ns = span.start_ns, span.end_ns
        self._next_ns = span.start_ns

    @property
    def done(self) -> bool:
        """Whether the span is behind us."""
        return self._next_ns >= self._end_ns

    @property
    def next_ns(self) -> int:
        """Where the part not served yet starts."""
        return self._next_ns

    def take(
        self, times_ns: Sequence[int], horizon_ns: int | None
    ) -> list[tuple[int, tuple[int, ...]]]:
        """Pick the frames that lie in the span."""
        self._next_ns = self._end_ns if horizon_ns is None else max(self._next_ns, horizon_ns)
        return [(k, ()) for k, t_ns in enumerate(times_ns) if self._from_ns <= t_ns < self._end_ns]

    def resume(self, served: int, last_ns: int | None) -> None:  # noqa: ARG002  instants need it
        """Go back to just after the last frame that was got."""
        if last_ns is not None:
            self._from_ns = last_ns + 1
        self._next_ns = self._from_ns


class Timeline:
    """Makes timestamps grow: makes up the missing, mends those that run backwards.

    `step` is the usual distance of two frames in ticks, `second` a second. A small step back is
    taken for a tie (one tick on); one of more than a second for a clock that started anew, and
    what follows is carried on from there.
    """

    def __init__(self, step: int, second: int) -> None:
        self._step, self._second = max(1, step), second
        self._last: int | None = None
        self._shift = 0

    @property
    def last(self) -> int | None:
        """The time given last; None before the first."""
        return self._last

    def mended(self, pts: int | None) -> int | None:
        """Return where a timestamp lies by what is known so far; it need not be the next one."""
        return None if pts is None else pts + self._shift

    def place(self, pts: int | None) -> int:
        """Return the time of the next frame in ticks, greater than all before."""
        last = self._last
        if last is None:
            self._last = 0 if pts is None else pts
        elif pts is None:
            self._last = last + self._step
        else:
            at = pts + self._shift
            if at <= last - self._second:
                self._shift += last + self._step - at
                at = last + self._step
            self._last = max(at, last + 1)
        return self._last
