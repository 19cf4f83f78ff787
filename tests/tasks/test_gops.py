"""Walking a stream by plan: what is not as the plan takes it is told, and every walk ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from catalog.span import Span
from tasks.containers.gops import plain, planned
from tasks.containers.packets import Nature, PacketFacts
from tasks.containers.wanted import Clock, Instants, Timeline, Within

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK = Clock(0, 1, 1000)  # a tick is a millisecond
MS = 1_000_000
GROUP, GROUPS = 4, 20


@dataclass(frozen=True)
class Picture:
    """A frame that is nothing but its time."""

    pts: int | None
    is_corrupt: bool = False


@dataclass(frozen=True)
class Coded:
    """A packet that becomes one picture."""

    pts: int
    size: int = 100


class Memory:
    """A stream in memory, a frame every 10 ms, a keyframe every `GROUP`.

    `lands_early` makes every seek end at the start, as in a file without an index. `fate` says
    what becomes of a packet: "fault", "lost", "corrupt", "untimed".
    """

    def __init__(self, fate: dict[int, str] | None = None, *, lands_early: bool = False) -> None:
        self.fate = fate or {}
        self.lands_early = lands_early
        self.fed: list[int] = []
        self.seeks = 0

    def entries(self, target: int) -> Iterator[tuple[PacketFacts, Coded] | None]:
        """Yield packets from the keyframe at or before the target."""
        self.seeks += 1
        first = 0 if self.lands_early else target // 10 // GROUP * GROUP
        for k in range(first, GROUP * GROUPS):
            if self.fate.get(10 * k) == "untimed":
                yield None
                return
            key = k % GROUP == 0
            yield PacketFacts(10 * k, Nature(key, key)), Coded(10 * k)

    def feed(self, packet: Coded | None) -> list[Picture] | None:
        """Give the packet's picture at once."""
        if packet is None:
            return []
        self.fed.append(packet.pts)
        fate = self.fate.get(packet.pts)
        if fate == "fault":
            return None
        return [] if fate == "lost" else [Picture(packet.pts, fate == "corrupt")]


def walk(
    stream: Memory, wanted: Instants | Within
) -> tuple[list[tuple[int, tuple[int, ...]]], bool]:
    """Return what a planned walk yields, and whether it got all."""
    found, steps = [], planned(stream, CLOCK, wanted)
    while True:
        try:
            pts, _, served = next(steps)
        except StopIteration as end:
            return found, end.value
        found.append((pts, served))


def test_a_walk_seeks_over_what_nobody_wants() -> None:
    """Two frames far apart cost two seeks and only the packets of their own groups."""
    stream = Memory()
    found, complete = walk(stream, Instants([5 * MS, 600 * MS + 9]))
    assert found == [(0, (0,)), (600, (1,))]
    assert complete
    assert (stream.seeks, stream.fed) == (2, [0, 600])


def test_a_walk_ends_where_seeks_land_far_before_their_target() -> None:
    """Without an index reading on is the only way, and it is taken."""
    stream = Memory(lands_early=True)
    found, complete = walk(stream, Instants([400 * MS, 700 * MS]))
    assert [pts for pts, _ in found] == [400, 700]
    assert complete
    assert stream.seeks <= 2


@pytest.mark.parametrize("fate", ["fault", "lost", "corrupt", "untimed"])
def test_a_stream_that_is_not_as_planned_is_given_up(fate: str) -> None:
    """What was got before the trouble stays, the rest is left to plain decoding."""
    wanted = Instants([100 * MS, 130 * MS, 210 * MS])
    found, complete = walk(Memory({130: fate}), wanted)
    assert not complete
    assert found in ([], [(100, (0,))])
    wanted.resume(len(found), None)
    frames = [(10 * k, Picture(10 * k)) for k in range(GROUP * GROUPS) if k != 13]
    rest = [(pts, served) for pts, _, served in plain(frames, CLOCK, wanted)]
    assert found + rest == [(100, (0,)), (120, (1,)), (210, (2,))]


def test_a_span_is_served_whole_and_resumed_after_its_last_frame() -> None:
    """All frames inside come, none at its end; resuming gives those not yet had."""
    wanted = Within(Span(95 * MS, 140 * MS))
    found, complete = walk(Memory(), wanted)
    assert complete
    assert [pts for pts, _ in found] == [100, 110, 120, 130]
    wanted.resume(0, 110 * MS)
    frames = [(10 * k, Picture(10 * k)) for k in range(GROUP * GROUPS)]
    assert [pts for pts, _, _ in plain(frames, CLOCK, wanted)] == [120, 130]


@pytest.mark.parametrize(("num", "den"), [(1, 90_000), (1001, 30_000), (1, 1000), (1, 11_988)])
def test_ticks_and_times_agree(num: int, den: int) -> None:
    """The last timestamp not after a frame's own time is that frame's, in any time base."""
    clock = Clock(17, num, den)
    for pts in range(17, 4000, 13):
        assert clock.ticks(clock.t_ns(pts)) == pts
        assert clock.ticks(clock.t_ns(pts) - 1) == pts - 1


def test_a_timeline_always_grows() -> None:
    """Missing times are made up, ties mended by a tick, and a clock that restarts is carried on."""
    timeline = Timeline(step=40, second=1000)
    given = [100, None, 180, 180, 220, 5000, 0, 40, 80]
    assert [timeline.place(pts) for pts in given] == [
        100, 140, 180, 181, 220, 5000, 5040, 5080, 5120,
    ]  # fmt: skip
