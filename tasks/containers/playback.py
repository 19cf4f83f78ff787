"""Plays a stream from start to end: every frame in order of presentation, every fault.

Drives an open stream given to it (see `tasks/containers/stream.py`); opens and writes nothing. What
the decoder passes off as sound is held against what the container and the packets say.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from tasks.containers.pixels import Scale
from tasks.containers.stream import Fault
from tasks.containers.wanted import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from tasks.containers.pixels import Pictures
    from tasks.containers.salvage import Account
    from tasks.containers.stream import VideoStream
    from tasks.decode import Frame, Packet


class Shown(NamedTuple):
    """A frame that came out: its pts in ticks, mended, and whether it is known to be damaged."""

    pts: int
    frame: Frame
    is_corrupt: bool


class Decoded:
    """One frame of a full decode: `pts` and `duration` (0 unknown) in ticks, and its pixels.

    `size` is (width, height) as stored, before any rotation.
    """

    __slots__ = ("_frame", "_pictures", "corrupt", "duration", "is_key", "pts", "size")

    def __init__(self, shown: Shown, pictures: Pictures) -> None:
        frame = shown.frame
        self.pts = shown.pts
        self.duration = frame.duration
        self.corrupt = shown.is_corrupt
        self.is_key = frame.key_frame
        self.size = (frame.width, frame.height)
        self._frame = frame
        self._pictures = pictures

    def luma(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return the luma as displayed, scaled to (height, width)."""
        return self._pictures.of(self._frame, Scale("luma", width, height, "gray"))


def play(stream: VideoStream, account: Account | None = None) -> Iterator[Shown | Fault]:
    """Decode everything (see `decode_all`); tell `account` of each packet before it is decoded."""
    yield from _Playback(stream, account).run()


def flagged(stream: VideoStream) -> Iterator[tuple[int, Frame]]:
    """Decode everything and yield what the decoder calls a keyframe, with its pts."""
    for item in play(stream):
        if not isinstance(item, Fault) and item.frame.key_frame and not item.is_corrupt:
            yield item.pts, item.frame


class _Playback:
    """One pass over a stream."""

    def __init__(self, stream: VideoStream, account: Account | None) -> None:
        stream.show_corrupt()
        self._stream, self._account = stream, account
        self._timeline = Timeline(stream.step, stream.second)
        self._silent: set[int] = set()
        self._torn: dict[int | None, int | None] = {}  # its time, as packets tell it and mended
        self._failed: set[int | None] = set()
        self._last_dts: int | None = None
        self._restarts = self._faulty = False
        self._is_based = not stream.starts_silently
        self._carries_on = self._was_corrupt = False

    def run(self) -> Iterator[Shown | Fault]:
        """Feed every packet, then flush."""
        for packet in chain(self._stream.packets(), [None]):
            if isinstance(packet, Fault):
                self._faulty = True
                yield packet
                continue
            if packet:
                self._note(packet)
            self._carries_on = packet is None and self._stream.ends_silently
            found = self._stream.feed(packet)
            if found is not None:
                yield from (self._shown(frame) for frame in found if self._is_news(frame))
            elif packet:
                self._faulty = True
                self._silent.discard(packet.pts)
                self._failed.add(_time_of(packet))
                self._torn.pop(_time_of(packet), None)
                yield Fault(self._timeline.mended(_time_of(packet)), "undecodable")
        yield from (Fault(pts, "no_frame") for pts in sorted(self._silent))
        yield from (
            Fault(at, "no_frame") for pts, at in self._torn.items() if pts not in self._silent
        )

    def _note(self, packet: Packet) -> None:
        pts, dts = _time_of(packet), packet.dts
        if self._stream.promises_frames and packet.pts is not None and not packet.is_discard:
            self._silent.add(packet.pts)
        if dts is not None:
            before, self._last_dts = self._last_dts, dts
            self._restarts |= before is not None and dts < before - self._stream.second
        torn = packet.is_corrupt or self._stream.is_hollow(packet)
        if torn:
            self._torn[pts] = self._timeline.mended(pts)
        if self._account is not None:
            clean = self._stream.starts_afresh(packet)
            self._account.packet(self._timeline.mended(pts), clean=clean, torn=torn)

    def _is_news(self, frame: Frame) -> bool:
        """Tell whether a frame has not been reported as a fault already, when its packet failed."""
        at = _time_of(frame)
        if at is None or at not in self._failed:
            return True
        self._failed.discard(at)
        return False

    def _shown(self, frame: Frame) -> Shown:
        raw = _time_of(frame)
        at = self._timeline.mended(raw)
        self._silent.discard(raw)
        self._is_based |= frame.key_frame
        flagged = frame.is_corrupt or (
            self._carries_on and self._was_corrupt and not frame.key_frame
        )
        self._was_corrupt = flagged
        corrupt = flagged or raw in self._torn or not self._is_based
        self._torn.pop(raw, None)
        self._faulty |= corrupt
        last = self._timeline.last
        late = at is not None and last is not None and at <= last
        if late and at is not None and self._faulty and not self._restarts:
            # After damage the decoder lets frames out late (59, then 28): that is no clock which
            # starts anew, and their place in time is taken.
            return Shown(at, frame, is_corrupt=True)
        return Shown(self._timeline.place(raw), frame, corrupt)


def _time_of(item: Frame | Packet) -> int | None:
    return item.dts if item.pts is None else item.pts
