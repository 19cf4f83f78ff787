"""Walks a stream one group of pictures at a time, and decodes of each what is wanted.

Pure: drives an open stream given to it (see `tasks/decode.py`), opens and writes nothing. Memory
is bounded by two groups of packets, never by the file.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from tasks.containers.packets import PacketFacts, leans_back, select

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from tasks.containers.wanted import Clock, Wanted

# A group beyond these is no group to hold in memory: such a stream is decoded plainly.
MAX_GROUP_PACKETS = 8192
MAX_GROUP_BYTES = 256 << 20
# Seek when the next wanted frame is more than this many group lengths ahead; nearer, reading on
# is cheaper (a packet costs about 5 us to demux, a seek throws away two groups already read).
SEEK_GROUPS = 2


class Picture(Protocol):
    """A decoded frame, as far as walking needs to know it."""

    @property
    def pts(self) -> int | None:
        """Presentation time in ticks."""

    @property
    def is_corrupt(self) -> bool:
        """Whether the decoder says that it is damaged."""


class Coded(Protocol):
    """A packet, as far as walking needs to know it."""

    size: int


PictureT = TypeVar("PictureT", bound=Picture)
CodedT = TypeVar("CodedT", bound=Coded)
Group = list[tuple[PacketFacts, CodedT]]


class Stream(Protocol[CodedT, PictureT]):
    """An open stream that can start at a clean keyframe."""

    def entries(self, target: int) -> Iterator[tuple[PacketFacts, CodedT] | None]:
        """Yield packets from the last clean keyframe not after `target` ticks; None is trouble."""

    def feed(self, packet: CodedT | None) -> list[PictureT] | None:
        """Decode one packet (None: flush); return what came out, or None on a fault."""


def planned(
    stream: Stream[CodedT, PictureT], clock: Clock, wanted: Wanted
) -> Generator[tuple[int, PictureT, tuple[int, ...]], None, bool]:
    """Yield (pts, frame, positions served) of the wanted frames, decoding only what they need.

    Returns False as soon as the stream is not what the plan takes it for (a timestamp missing or
    twice, a fault, a wanted frame that does not come, or comes corrupt or out of order); what has
    not been yielded then is to be had by plain decoding.
    """
    walk = _Walk(stream, clock, wanted)
    while not wanted.done:
        if not (yield from walk.stretch()):
            return False
    return True


class _Walk(Generic[CodedT, PictureT]):
    """One pass over a stream by plan; `waiting` holds the frames that must come out next."""

    def __init__(self, stream: Stream[CodedT, PictureT], clock: Clock, wanted: Wanted) -> None:
        self._stream, self._clock, self._wanted = stream, clock, wanted
        self._waiting: deque[tuple[int, tuple[int, ...]]] = deque()

    def stretch(self) -> Generator[tuple[int, PictureT, tuple[int, ...]], None, bool]:
        """Walk from a clean keyframe until all is had or the next wanted frame is far."""
        aim_ns = self._wanted.next_ns
        target = max(self._clock.start_pts, self._clock.ticks(aim_ns))
        early: set[int] = set()  # wanted frames of this group that are shown before its keyframe
        is_first = True
        for current, following in _pairs(_groups(self._stream.entries(target))):
            chosen = self._choose(current, following, is_first=is_first)
            if chosen is None:
                return False
            self._waiting.extend(chosen)
            facts = [fact for fact, _ in current]
            needed = early | {pts for pts, _ in chosen}
            early = needed - {fact.pts for fact in facts}
            ends = not early and (self._wanted.done or self._is_far(current, following, aim_ns))
            whole = (
                not ends
                and following is not None
                and leans_back([fact for fact, _ in following], early)
            )
            for at in select(facts, needed, whole=whole):
                if not (yield from self._feed(current[at][1])):
                    return False
            if ends:
                break
            is_first = False
        else:
            # The stream has run out: all must have been served.
            if not self._wanted.done:
                return False
        return (yield from self._feed(None)) and not self._waiting

    def _choose(
        self, current: Group[CodedT], following: Group[CodedT] | None, *, is_first: bool
    ) -> list[tuple[int, tuple[int, ...]]] | None:
        """Return which frames shown before the next keyframe are wanted; None is trouble."""
        shown = _shown(current, following, self._clock.start_pts)
        if shown is None:
            return None
        if not shown or self._wanted.done:
            return []
        times = [self._clock.t_ns(pts) for pts in shown]
        if self._wanted.next_ns < times[0] and not (is_first and shown[0] == self._clock.start_pts):
            return None  # the frame shown then is one we have not seen
        until = self._clock.t_ns(following[0][0].pts) if following else None
        return [(shown[k], served) for k, served in self._wanted.take(times, until)]

    def _is_far(self, current: Group[CodedT], following: Group[CodedT] | None, aim_ns: int) -> bool:
        if following is None or self._wanted.next_ns == aim_ns:
            return False  # nothing served since the last seek: another would land here again
        key, horizon = current[0][0].pts, following[0][0].pts
        return self._wanted.next_ns >= self._clock.t_ns(horizon + SEEK_GROUPS * (horizon - key))

    def _feed(
        self, packet: CodedT | None
    ) -> Generator[tuple[int, PictureT, tuple[int, ...]], None, bool]:
        """Decode and yield the frames waited for; False if one was passed over or is damaged."""
        frames = self._stream.feed(packet)
        if frames is None:
            return False
        for frame in frames:
            if not self._waiting:
                break
            pts, served = self._waiting[0]
            if frame.pts is None or frame.pts > pts:
                return False
            if frame.pts == pts:
                if frame.is_corrupt:
                    return False
                self._waiting.popleft()
                yield pts, frame, served
        return True


def plain(
    frames: Iterable[tuple[int, PictureT]], clock: Clock, wanted: Wanted
) -> Iterator[tuple[int, PictureT, tuple[int, ...]]]:
    """Yield the same from frames that were all decoded, in order of presentation."""
    held: tuple[int, PictureT] | None = None
    for pts, frame in frames:
        if held is not None:
            for _, served in wanted.take([clock.t_ns(held[0])], clock.t_ns(pts)):
                yield *held, served
        if wanted.done:
            return
        held = (pts, frame)
    if held is not None:
        for _, served in wanted.take([clock.t_ns(held[0])], None):
            yield *held, served


def _groups(entries: Iterable[tuple[PacketFacts, CodedT] | None]) -> Iterator[Group[CodedT]]:
    """Cut packets into groups at the clean keyframes; an empty group is trouble."""
    group: Group[CodedT] = []
    size = 0
    for entry in entries:
        if entry is None:
            yield []
            return
        if entry[0].nature.clean and group:
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry[1].size
        if len(group) > MAX_GROUP_PACKETS or size > MAX_GROUP_BYTES:
            yield []
            return
    if group:
        yield group


def _shown(
    current: Group[CodedT], following: Group[CodedT] | None, start_pts: int
) -> list[int] | None:
    """Return the pts shown from this group's keyframe to the next one's, ascending.

    None is trouble: a group that is none (see `_groups`), or timestamps that are not those of a
    sane stream: one twice, or a frame of this group shown after the next keyframe.
    """
    if not current or following == []:
        return None
    key_pts = current[0][0].pts
    facts = [fact for fact, _ in current if fact.pts >= key_pts]
    if following is not None:
        horizon = following[0][0].pts
        if horizon <= key_pts or max(fact.pts for fact in facts) > horizon:
            return None
        facts += [fact for fact, _ in following if fact.pts < horizon]
    pts = [fact.pts for fact in facts if fact.nature.is_shown]
    if len(set(pts)) < len(pts):
        return None
    return sorted(value for value in pts if value >= start_pts)


def _pairs(
    groups: Iterator[Group[CodedT]],
) -> Iterator[tuple[Group[CodedT], Group[CodedT] | None]]:
    """Yield each group with the one after it, None after the last."""
    current = next(groups, None)
    while current is not None:
        following = next(groups, None)
        yield current, following
        current = following
