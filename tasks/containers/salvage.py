"""Accounts for the frames of a damaged recording, and says which spans of it are not to be used.

Pure: is told of packets, frames and faults as they go by; reads and writes nothing. Every group
of pictures that decodes is kept. What damage reaches is found in decoding order, for a picture
is predicted from packets that come before it, not from frames that are shown before it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import Span, merge

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.containers.wanted import Clock

# How many packets before the first one that fails are distrusted too: damage that starts in the
# tail of a packet leaves it decodable, with a wrong picture. Of 510 damaged files 127 kept a wrong
# frame without this and 78 with it, for 429 right frames in 57,000 that are no longer used.
DISTRUSTED = 1


class Account:
    """Everything noted while a recording is decoded. All times in ticks; 17 bytes a frame.

    `packet` is told of every packet before it is decoded, in decoding order, `good` and `bad` of
    what came of them; a fault without a time is one of the packet that comes next.
    """

    def __init__(self) -> None:
        self.pts = array("q")
        self.frames_bad = 0
        self._reasons: Counter[str] = Counter()
        self._packets = array("q")
        self._clean = bytearray()
        self._keys = array("q")
        self._bad = array("q")
        self._suspects = array("q")

    def packet(self, pts: int | None, *, clean: bool, torn: bool = False) -> None:
        """Note a packet; `clean`: decoding may start at it; `torn`: the container lost some of it.

        One without a time is taken to follow the one before.
        """
        if torn:
            # Which of two frames a lost piece of a transport stream belongs to is not told.
            at = len(self._packets)
            self._suspects.extend((at, at + 1))
        if pts is None:
            pts = self._packets[-1] + 1 if self._packets else 0
        self._packets.append(pts)
        self._clean.append(clean)

    def good(self, pts: int, *, key: bool) -> None:
        """Note a frame that decoded; they come in order of time."""
        self.pts.append(pts)
        if key:
            self._keys.append(pts)

    def bad(self, pts: int | None, reason: str) -> None:
        """Note a frame that is lost or damaged."""
        self.frames_bad += 1
        self._reasons[reason] += 1
        if pts is None:
            self._suspects.append(len(self._packets))
        else:
            self._bad.append(pts)

    def missing(self, count: int) -> None:
        """Note frames that the container promised and that never came."""
        self.frames_bad += count
        self._reasons["truncated"] += count

    @property
    def reason(self) -> str | None:
        """Why most of the bad frames are bad; `truncated` if any was promised and never came."""
        if self._reasons["truncated"]:
            return "truncated"
        return self._reasons.most_common(1)[0][0] if +self._reasons else None

    def bad_spans(self, clock: Clock, end_ns: int, step_ns: int) -> list[Span]:
        """Return the spans that damage reaches, merged and in order of time.

        Each runs from the first frame that a bad packet, or the one before it, takes part in, to
        the next good keyframe, where decoding starts afresh, else to `end_ns` or the end of the
        last packet, whichever is later; it is at least `step_ns` long. What comes before the first
        good frame has negative times.
        """
        packets = np.frombuffer(self._packets, np.int64)
        starts = self._fresh_starts(packets)
        reached: dict[int, int] = {}
        damaged = np.concatenate(
            [_positions(packets, self._bad), np.array(self._suspects, np.int64)]
        )
        for at in damaged.tolist():
            until = int(np.searchsorted(starts, at, side="right"))
            reached[until] = min(at, reached.get(until, at))
        spans = []
        for until, at in reached.items():
            stop = int(starts[until]) if until < len(starts) else len(packets)
            group = packets[max(0, at - DISTRUSTED) : stop]
            start_ns = clock.t_ns(int(group.min())) if len(group) else 0
            if stop < len(packets):
                stop_ns = clock.t_ns(int(packets[stop]))
            else:  # bad frames may go on where the good ones end
                last_ns = clock.t_ns(int(group.max())) + step_ns if len(group) else 0
                stop_ns = max(end_ns, last_ns)
            spans.append(Span(start_ns, max(stop_ns, start_ns + max(1, step_ns))))
        return merge(spans)

    def _fresh_starts(self, packets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where the good keyframes stand in decoding order, ascending.

        The decoder calls a frame key where a gradual refresh begins; only a clean packet is.
        """
        at = np.unique(_positions(packets, self._keys))
        return at[np.frombuffer(self._clean, np.uint8)[at] > 0] if len(at) else at


def _positions(packets: npt.NDArray[np.int64], pts: array[int]) -> npt.NDArray[np.int64]:
    """Return the position in decoding order of the packet of each time, or of the one before."""
    if not len(packets):
        return np.zeros(len(pts), np.int64)
    order = np.argsort(packets, kind="stable")
    found = np.searchsorted(packets[order], np.frombuffer(pts, np.int64), side="right") - 1
    return order[np.maximum(found, 0)]


def sound_steps(times_ns: npt.NDArray[np.int64], bad: list[Span]) -> npt.NDArray[np.int64]:
    """Return the steps between frames outside bad spans: damage makes decoders invent times.

    `times_ns` ascends, `bad` is merged and in order.
    """
    edges = [(span.start_ns, span.end_ns) for span in bad] or [(-1, -1)]
    starts, ends = np.array(edges, np.int64).T
    span = np.searchsorted(ends, times_ns[:-1], side="right")
    inside = (span < len(ends)) & (starts[np.minimum(span, len(ends) - 1)] < times_ns[1:])
    sound: npt.NDArray[np.int64] = np.diff(times_ns)[~inside]
    return sound
