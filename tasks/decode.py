"""Decodes recordings: the only file that opens a container for reading.

Reads local files, or members inside a tar or zip in place; writes nothing. `probe` reads a
header, `decode_all` accounts for every frame, `sample` and `frames` get the frames that are
wanted while decoding as few packets as they need (`tasks/packets.py`), bit-identical to decoding
everything.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import av
import av.error
from av.stream import Discard, Disposition
from av.video.reformatter import VideoReformatter

from infra.errors import MediaError
from tasks.gops import plain, planned
from tasks.loudness import SOUND_RATE, Loudness, listen
from tasks.media import (
    CONTAINERS,
    Header,
    Sampled,
    Slice,
    Source,
    byte_size,
    looks_encrypted,
)
from tasks.pixels import Pictures, Scale
from tasks.stream import Fault, VideoStream, raise_if_storage_failed
from tasks.wanted import Clock, Instants, Within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from catalog.span import Span

__all__ = [
    "Decoded",
    "Fault",
    "Header",
    "Sampled",
    "Scale",
    "Source",
    "decode_all",
    "decoder_build",
    "frames",
    "loudness",
    "open_container",
    "probe",
    "sample",
]

# The library is silent by default, and must stay so: any log level, even PANIC, sets a callback
# that takes the GIL in decoder threads and hangs when a stream is closed under it.
Frame: TypeAlias = av.VideoFrame
Packet: TypeAlias = "av.Packet[av.VideoStream]"
Reformatter: TypeAlias = VideoReformatter
Container: TypeAlias = av.container.InputContainer
CodedStream: TypeAlias = av.VideoStream


class Decoded:
    """One frame of a full decode: `pts` and `duration` (0 unknown) in ticks, and its pixels."""

    __slots__ = ("_frame", "_pictures", "corrupt", "duration", "is_key", "pts")

    def __init__(self, frame: Frame, pts: int, pictures: Pictures) -> None:
        self.pts = pts
        self.duration = frame.duration
        self.corrupt = frame.is_corrupt
        self.is_key = frame.key_frame
        self._frame = frame
        self._pictures = pictures

    def luma(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return the luma as displayed, scaled to (height, width)."""
        return self._pictures.of(self._frame, Scale("luma", width, height, "gray"))


def decoder_build() -> str:
    """Return the versions that decide what a decoded frame looks like."""
    libraries = ("libavcodec", "libavformat", "libswscale")
    parts = [f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in libraries]
    return f"PyAV {av.__version__}, {', '.join(parts)}"


@contextmanager
def open_container(source: Source) -> Iterator[Container]:
    """Open a source's container; only its own bytes are ever read, no playlist, no address.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `encrypted`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    size = byte_size(source)
    # Names the library cannot take as text (not UTF-8) are opened by us.
    ours = not source.is_whole or not source.uri.isprintable()
    file = Slice(source.uri, source.offset, size) if ours else None
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        container = av.open(
            file or f"file:{source.uri}", mode="r", options=options, metadata_errors="replace"
        )
    except av.error.FFmpegError as error:
        if file:
            file.close()
        raise_if_storage_failed(error, source)
        reason = "encrypted" if looks_encrypted(source) else "not_a_video"
        raise MediaError(f"{source.uri} does not open: {error.strerror}", reason=reason) from error
    with container:
        yield container
    if file:
        file.close()


def probe(source: Source, *, max_pixels: int | None = None) -> Header:
    """Read a stream's header and, for what only a frame can tell, its first frame.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `no_video_stream`, `no_decoder`, `encrypted`,
            `limit_pixels`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    with _opened(source, max_pixels=max_pixels) as stream:
        return stream.header()


def decode_all(
    source: Source, *, max_pixels: int, max_frames: int, threads: int = 1
) -> Iterator[Decoded | Fault]:
    """Decode a stream in full: every frame in order of presentation, every fault.

    A damaged packet gives a `Fault` and decoding goes on; a frame the decoder flags is given with
    `corrupt` set. Where the container promises a frame a packet, packets that silently gave none
    follow as faults at the end. Timestamps that are missing are made up, those that run backwards
    are mended, so that `pts` always grows.

    Raises:
        MediaError: as `probe`, and `limit_frames`.
        OSError: the storage fails.
    """
    with _opened(source, max_pixels=max_pixels, threads=threads) as stream:
        pictures = Pictures(VideoReformatter)
        for count, item in enumerate(stream.decoded()):
            if count >= max_frames:
                raise MediaError(
                    f"{source.uri} has more than {max_frames} frames", reason="limit_frames"
                )
            yield item if isinstance(item, Fault) else Decoded(item[1], item[0], pictures)


def sample(
    source: Source,
    times_ns: Sequence[int] | npt.NDArray[np.int64],
    scales: Sequence[Scale],
    *,
    start_pts: int,
    threads: int = 1,
    plan: bool = True,
) -> Iterator[Sampled]:
    """Yield the frames shown at some instants of the recording clock, each frame once, in order.

    The frame shown at an instant is the last one at or before it, or the first of all. Faults
    and corrupt frames are passed over (a scan accounts for them): the last good frame stays.
    `start_pts` is the pts of the recording's first good frame; `plan=False` decodes everything,
    for comparison: the frames are the same.

    Raises:
        MediaError: as `probe`.
        OSError: the storage fails.
    """
    wanted = Instants(times_ns)
    yield from _pictured(source, wanted, scales, start_pts, threads=threads, plan=plan)


def frames(
    source: Source,
    span: Span,
    scales: Sequence[Scale],
    *,
    start_pts: int,
    threads: int = 1,
    plan: bool = True,
) -> Iterator[Sampled]:
    """Yield every good frame whose recording time lies in a span, in order (see `sample`).

    Raises:
        MediaError: as `probe`.
        OSError: the storage fails.
    """
    wanted = Within(span)
    yield from _pictured(source, wanted, scales, start_pts, threads=threads, plan=plan)


def loudness(source: Source, clock: Clock, duration_ns: int) -> Loudness | None:
    """Measure how loud a recording is, 100 times a second; its pictures are not even read.

    `clock` is the recording's. None if the file has no sound that can be decoded. What does not
    decode is silence, as is a gap; the sound may end before `duration_ns`.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `encrypted`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    with open_container(source) as container:
        for stream in container.streams:
            if stream.type != "audio":
                stream.discard = Discard.all
        resampler = av.AudioResampler("fltp", "mono", SOUND_RATE)
        damage = av.error.FFmpegError
        return listen(container, resampler.resample, source, clock, duration_ns, damage)


def _pictured(
    source: Source,
    wanted: Instants | Within,
    scales: Sequence[Scale],
    start_pts: int,
    *,
    threads: int,
    plan: bool,
) -> Iterator[Sampled]:
    pictures = Pictures(VideoReformatter)
    for clock, pts, frame, served in _walk(source, wanted, start_pts, threads=threads, plan=plan):
        images = {scale.name: pictures.of(frame, scale) for scale in scales}
        yield Sampled(clock.t_ns(pts), pts, (clock.num, clock.den), served, images)


def _walk(
    source: Source, wanted: Instants | Within, start_pts: int, *, threads: int, plan: bool
) -> Iterator[tuple[Clock, int, Frame, tuple[int, ...]]]:
    """Walk by plan where that is proven; what the plan leaves over is decoded from the start."""
    with _opened(source, threads=threads) as stream:
        clock = stream.clock(start_pts)
        if plan and stream.can_plan:
            count, last_ns = 0, None
            walk = planned(stream, clock, wanted)
            while True:
                try:
                    pts, frame, served = next(walk)
                except StopIteration as end:
                    if end.value:
                        return
                    break
                count, last_ns = count + len(served), clock.t_ns(pts)
                yield clock, pts, frame, served
            wanted.resume(count, last_ns)
    # Nothing seeks here: made-up and mended timestamps depend on all that came before.
    with _opened(source, threads=threads) as stream:
        good = (item for item in stream.decoded() if not isinstance(item, Fault))
        sound = ((pts, frame) for pts, frame in good if not frame.is_corrupt and pts >= start_pts)
        for pts, frame, served in plain(sound, clock, wanted):
            yield clock, pts, frame, served


@contextmanager
def _opened(
    source: Source, *, threads: int = 1, max_pixels: int | None = None
) -> Iterator[VideoStream]:
    """Open a source's stream, ready to decode."""
    with open_container(source) as container:
        streams = [
            s for s in container.streams.video if not s.disposition & Disposition.attached_pic
        ]
        if source.stream >= len(streams):
            raise MediaError(
                f"{source.uri} has no video stream {source.stream}", reason="no_video_stream"
            )
        for other in container.streams:
            if other is not streams[source.stream]:
                other.discard = Discard.all  # their packets are not even read from the disk
        context = streams[source.stream].codec_context
        if context is None:
            raise MediaError(f"{source.uri}: no decoder for its codec", reason="no_decoder")
        if max_pixels is not None:
            if context.width * context.height > max_pixels:
                raise MediaError(
                    f"{source.uri}: frames of {context.width}x{context.height} are larger than "
                    f"{max_pixels} pixels",
                    reason="limit_pixels",
                )
            context.options = {"max_pixels": str(max_pixels)}  # they may grow mid-stream
        context.thread_count = threads
        context.thread_type = "FRAME" if threads > 1 else "NONE"
        yield VideoStream(source, container, streams, av.error.FFmpegError)
