"""One open video stream: its header, its packets, its decoder and what they fail at.

Reads through the container given to it; opens and writes nothing. It does not import the library:
`tasks/decode.py` alone does, and passes the one error that stands for damaged contents.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from infra.errors import MediaError
from tasks.containers.header import Claims, Header, created_ns, picture_format
from tasks.containers.holes import Chain
from tasks.containers.packets import (
    PLANNED_CODECS,
    PLANNED_CONTAINERS,
    Nature,
    PacketFacts,
    is_hollow,
    nal_length_size,
    nature_of,
)
from tasks.containers.pixels import quarter_turns
from tasks.containers.wanted import Clock
from tasks.recordings.media import read_through

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.decode import CodedStream, Container, Frame, Packet
    from tasks.recordings.media import Source

# A demuxer that fails this often in a row without giving a packet has nothing more to give.
MAX_DEMUX_FAULTS = 16
# Packets tried for a first frame when a header is read.
PROBE_PACKETS = 64
# Where to look for a clean keyframe, at least so many seconds before the target, when a seek
# lands on none; the start at last (intra-refresh recordings have one clean keyframe only).
SEEK_BACK_S = (0, 0, 2, 16, 1 << 40)

# Codecs whose packets themselves say whether decoding may start at them.
SAY_CLEAN = frozenset({"h264", "hevc"})
# Codecs whose decoders predict from grey, without a word, what comes before the first keyframe.
START_SILENTLY = frozenset({"mpeg4", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "flv1"})
# A decoder's flag (libavcodec, AV_CODEC_FLAG_OUTPUT_CORRUPT).
OUTPUT_CORRUPT = 1 << 3
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
# Demuxers say these of damaged contents too: then the storage itself is asked.
STORAGE_ERRORS = frozenset(
    {errno.EIO, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.EACCES, errno.EPERM}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A packet that gave no frame: its pts in ticks if it has one, and why."""

    pts: int | None
    reason: str


class VideoStream:
    """One open video stream, at its start."""

    def __init__(
        self,
        source: Source,
        container: Container,
        streams: Sequence[CodedStream],
        damage: type[Exception],
    ) -> None:
        self._source, self._container, self._streams = source, container, streams
        self._damage = damage
        self._stream = streams[source.stream]
        self._context = self._stream.codec_context
        self._codec = self._context.codec.canonical_name
        self._length_size = nal_length_size(self._codec, self._context.extradata)
        base = self._stream.time_base or Fraction(1, 90_000)
        self.second = round(1 / base)
        self._clock = Clock(0, base.numerator, base.denominator)
        self._is_untouched = True
        self.step = round(self.second / (self._stream.guessed_rate or 25))

    @property
    def can_plan(self) -> bool:
        """Whether a packet plan is proven for this container, codec and way of coding."""
        return (
            self._container.format.name in PLANNED_CONTAINERS
            and self._codec in PLANNED_CODECS
            and (self._codec not in ("h264", "hevc") or self._length_size > 0)
            and self._context.field_order in (0, 1)  # unknown or progressive
        )

    @property
    def promises_frames(self) -> bool:
        """Whether the container promises a frame of every packet."""
        return self._container.format.name == MOV and self._stream.frames > 0

    def show_corrupt(self) -> None:
        """Have frames that are built on what is lost come out flagged, before any is decoded.

        Else the decoders of H.264 and HEVC hold them back: one reference lost, 849 of 863 frames
        of HEVC were never heard of again.
        """
        if self._codec in SAY_CLEAN:
            self._context.flags |= OUTPUT_CORRUPT

    @property
    def ends_silently(self) -> bool:
        """Whether the decoder flags none of the frames that it still holds at the end."""
        return self._codec == "h264"

    @property
    def starts_silently(self) -> bool:
        """Whether the decoder makes up what its first pictures are predicted from, unasked."""
        return self._codec in START_SILENTLY

    def starts_afresh(self, packet: Packet) -> bool:
        """Tell whether decoding may start at a packet; always true where only a frame can tell."""
        return self._codec not in SAY_CLEAN or self._nature(packet).clean

    def is_hollow(self, packet: Packet) -> bool:
        """Tell whether a packet has a hole of zeros, which no encoder wrote."""
        return is_hollow(self._codec, memoryview(packet), self._length_size)

    def clock(self, start_pts: int) -> Clock:
        """Return the recording clock."""
        self._clock = replace(self._clock, start_pts=start_pts)
        return self._clock

    def header(self) -> Header:
        """Read the header, and the first frame that decodes."""
        stream, context, base = self._stream, self._context, self._clock
        frame = self._first_frame()
        rate = stream.average_rate or Fraction(0)
        claims = Claims(
            container=self._container.format.name,
            codec=self._codec,
            picture=picture_format(context, context.pix_fmt or "unknown", 0),
            coded_width=context.coded_width,
            coded_height=context.coded_height,
            rate_num=rate.numerator,
            rate_den=rate.denominator,
            time_base_num=base.num,
            time_base_den=base.den,
            duration_ns=None if stream.duration is None else base.t_ns(stream.duration),
            frames=self._frames_promised(),
            has_audio=any(s.type == "audio" for s in self._container.streams),
            video_streams=len(self._streams),
            created_ns=created_ns(self._container.metadata, stream.metadata),
        )
        if frame is None:
            return Header(claims, None)
        degrees = 90 * quarter_turns(frame.rotation)
        return Header(claims, picture_format(frame, frame.format.name, degrees))

    def packets(self) -> Iterator[Packet | Fault]:
        """Yield the stream's packets; where the container is damaged, a fault, and go on."""
        faults = 0
        self._is_untouched = False
        with Chain(self._source, self._container.format.name) as chain:
            while faults < MAX_DEMUX_FAULTS:
                try:
                    for packet in self._demuxed():
                        # Empty ones would start a flush: the library's own mark of the end, and
                        # AVI's "show the last frame again".
                        if packet.size:
                            if chain.breaks(packet) and not faults:
                                yield Fault(None, "demux_error")
                            faults = 0
                            yield packet
                except self._damage as error:
                    raise_if_storage_failed(error, self._source)
                    faults += 1
                    yield Fault(None, "demux_error")
                else:
                    if chain.breaks_off() and not faults:
                        yield Fault(None, "demux_error")
                    return

    def _demuxed(self) -> Iterator[Packet]:
        """Demux; where streams appear on the way, the library stumbles over them at the end."""
        try:
            yield from self._container.demux(self._stream)
        except IndexError:  # PyAV 18.1, in its flush, after the last packet (damaged FLV)
            return

    def feed(self, packet: Packet | None) -> list[Frame] | None:
        """Decode a packet (None: flush); None on a fault. A decoder touches no storage."""
        try:
            return self._context.decode(packet)
        except self._damage:
            return None

    def entries(self, target: int) -> Iterator[tuple[PacketFacts, Packet] | None]:
        """Yield packets from the last clean keyframe not after `target` (see `gops.py`)."""
        at, start = target, self._clock.start_pts
        for seconds in SEEK_BACK_S:
            at = max(start, min(at, target - seconds * self.second))
            if at > start or not self._is_untouched:
                try:
                    self._container.seek(at, stream=self._stream)
                except self._damage:
                    continue
            found = self._facts()
            first = next(found, None)
            if first and first[0].nature.clean and first[0].pts <= target:
                yield first
                yield from found
                return
            if first:
                # Some containers are sought by dts, which may come before the target when the
                # pts does not: then the keyframe before that one is meant.
                at = min(at, first[1].dts or first[0].pts) - 1
        yield None

    def keyframes(self) -> Iterator[tuple[int, Frame]]:
        """Yield the frames at which decoding may start, and decode nothing else.

        The others are read: a demuxer told to discard them gains 2 %, and that of mp4 then gives
        the keyframes the pts of their neighbours (libavformat 62, files with B-frames).
        """
        for packet in self.packets():
            if isinstance(packet, Fault) or packet.pts is None:
                continue
            nature = self._nature(packet)
            if not (nature.clean and nature.is_shown) or packet.is_discard:
                continue
            # Each by itself: what came before a plain I picture would pass for its past.
            found = self.feed(packet), self.feed(None)
            self._context.flush_buffers()
            for frame in (*(found[0] or ()), *(found[1] or ())):
                yield packet.pts, frame

    def _facts(self) -> Iterator[tuple[PacketFacts, Packet] | None]:
        for packet in self.packets():
            if isinstance(packet, Fault) or packet.pts is None or packet.is_corrupt:
                yield None
                return
            nature = self._nature(packet)
            if packet.is_discard:
                nature = nature._replace(is_shown=False)
            yield PacketFacts(packet.pts, nature), packet

    def _nature(self, packet: Packet) -> Nature:
        return nature_of(self._codec, memoryview(packet), self._length_size, key=packet.is_keyframe)

    def _first_frame(self) -> Frame | None:
        for packet in islice(self.packets(), PROBE_PACKETS):
            if isinstance(packet, Fault):
                continue
            if packet.has_sidedata("encryption_info"):
                raise MediaError(f"{self._source.name} is encrypted", reason="encrypted")
            found = self.feed(packet)
            if found:
                return found[0]
        found = self.feed(None)
        return found[0] if found else None

    def _frames_promised(self) -> int:
        said, entries = self._stream.frames, self._stream.index_entries
        if said and self._container.format.name == MOV and len(entries):
            # An edit list hides frames that the header counts.
            return sum(not entry.is_discard for entry in entries)
        if said and self._container.format.name == "avi" and len(entries) >= 0.9 * said:
            # AVI headers count places where no frame is stored; a shorter index is no index.
            return len(entries)
        return said


def raise_if_storage_failed(error: Exception, source: Source) -> None:
    """Let a fault of the storage be raised as what it is, and one of the contents pass.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        read_through(source)
