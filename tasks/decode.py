"""Decodes recordings: the only file that opens a container for reading.

Reads files, objects, and members inside a tar or zip in place; writes nothing. `probe` reads a
header, `decode_all` accounts for every frame, `sample`, `frames` and `keyframes` get the frames
that are wanted while decoding as few packets as they need (`tasks/containers/packets.py`),
bit-identical to decoding everything.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import av
import av.error
from av.stream import Discard, Disposition
from av.video.reformatter import VideoReformatter

from infra.errors import MediaError
from tasks.containers.limits import Limits, check_pixels
from tasks.containers.pixels import Pictures, Scale
from tasks.containers.playback import Decoded, flagged, play
from tasks.containers.soundtrack import Resampled
from tasks.containers.stream import Fault, VideoStream, raise_if_storage_failed
from tasks.containers.walk import walk
from tasks.containers.wanted import Clock, Instants, Sampled, Within
from tasks.recordings.loudness import SOUND_RATE, Loudness, listen
from tasks.recordings.media import CONTAINERS, Source, looks_encrypted, open_bytes, require_bytes

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from catalog.span import Span
    from tasks.containers.header import Header
    from tasks.containers.salvage import Account

    OpenFile: TypeAlias = io.RawIOBase | io.BytesIO

__all__ = [
    "DAMAGE",
    "Decoded",
    "Fault",
    "Limits",
    "Sampled",
    "Scale",
    "Source",
    "decode_all",
    "decoder_build",
    "frames",
    "keep_only",
    "keyframes",
    "loudness",
    "mono",
    "open_container",
    "probe",
    "sample",
    "video_clock",
]

# The library is silent by default, and must stay so: any log level, even PANIC, sets a callback
# that takes the GIL in decoder threads and hangs when a stream is closed under it.
Frame: TypeAlias = av.VideoFrame
Packet: TypeAlias = "av.Packet[av.VideoStream]"
Reformatter: TypeAlias = VideoReformatter
Container: TypeAlias = av.container.InputContainer
CodedStream: TypeAlias = av.VideoStream
CodecContext: TypeAlias = av.VideoCodecContext
# What the library raises of damaged contents.
DAMAGE = av.error.FFmpegError


def decoder_build() -> str:
    """Return the versions that decide what a decoded frame looks like."""
    libraries = ("libavcodec", "libavformat", "libswscale")
    parts = [f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in libraries]
    return f"PyAV {av.__version__}, {', '.join(parts)}"


@contextmanager
def open_container(source: Source, opened: OpenFile | None = None) -> Iterator[Container]:
    """Open a source's container; only its own bytes are ever read, no playlist, no address.

    They are read through `opened` if they are open already, which stays so.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `encrypted`, and as `open_bytes`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    with open_bytes(source) if opened is None else nullcontext(opened) as file:
        require_bytes(source, file)
        # Names the library cannot take as text (not UTF-8) are opened by us too.
        by_name = source.is_local_file and source.uri.isprintable()
        with _demuxed(f"file:{source.uri}" if by_name else file, source) as container:
            yield container


def _demuxed(target: str | OpenFile, source: Source) -> Container:
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        return av.open(target, mode="r", options=options, metadata_errors="replace")
    except DAMAGE as error:
        raise_if_storage_failed(error, source)
        reason = "encrypted" if looks_encrypted(source) else "not_a_video"
        raise MediaError(f"{source.name} does not open: {error.strerror}", reason=reason) from error


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
    source: Source, limits: Limits, *, account: Account | None = None
) -> Iterator[Decoded | Fault]:
    """Decode a stream in full: every frame in order of presentation, every fault.

    A damaged packet gives a `Fault` and decoding goes on; a frame that the decoder flags, or whose
    packet the container flags, is given with `corrupt` set. Where the container promises a frame a
    packet, packets that silently gave none follow as faults at the end. Timestamps that are
    missing are made up, those that run backwards are mended, so that `pts` always grows.
    `account` is told of every packet in decoding order. One thread decodes: of several, a fault
    takes along frames that were done.

    Raises:
        MediaError: as `probe`, and `limit_frames`, `limit_pixels`.
        OSError: the storage fails.
    """
    with _opened(source, max_pixels=limits.pixels) as stream:
        pictures = Pictures(VideoReformatter, av.VideoFrame)
        for count, item in enumerate(play(stream, account), start=1):
            limits.check_frames(source.name, count)
            if isinstance(item, Fault):
                yield item
                continue
            frame = Decoded(item, pictures)
            check_pixels(source.name, *frame.size, limits.pixels)
            yield frame


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


def keyframes(
    source: Source, scales: Sequence[Scale], *, start_pts: int, threads: int = 1
) -> Iterator[Sampled]:
    """Yield every good frame at which decoding may start, in order (see `sample`).

    No other packet is decoded where a plan is proven (10 x as fast as all, 720p H.264 at GOP 60);
    else all are, and a keyframe is what the decoder calls one.

    Raises:
        MediaError: as `probe`.
        OSError: the storage fails.
    """
    pictures = Pictures(VideoReformatter, av.VideoFrame)
    with _opened(source, threads=threads) as stream:
        clock = stream.clock(start_pts)
        for pts, frame in stream.keyframes() if stream.can_plan else flagged(stream):
            if pts >= start_pts and not frame.is_corrupt:
                images = {scale.name: pictures.of(frame, scale) for scale in scales}
                yield Sampled(clock.t_ns(pts), pts, (clock.num, clock.den), (), images)


def loudness(source: Source, clock: Clock, duration_ns: int) -> Loudness | None:
    """Measure how loud a recording is, 100 times a second; its pictures are not even read.

    `clock` is the recording's. None if the file has no sound that can be decoded. What does not
    decode is silence, as is a gap; the sound may end before `duration_ns`.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `encrypted`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    with open_container(source) as container:
        keep_only(container, "audio")
        return listen(container, mono(SOUND_RATE), source, clock, duration_ns, DAMAGE)


def keep_only(container: Container, kind: str) -> None:
    """Let the packets of all streams but those of one kind not even be read from the disk."""
    for stream in container.streams:
        if stream.type != kind:
            stream.discard = Discard.all


def mono(rate: int) -> Resampled:
    """Return what turns decoded sound into planar float32 of one channel at `rate`."""
    return Resampled(partial(av.AudioResampler, "fltp", "mono", rate))


def video_clock(container: Container, source: Source, start_pts: int) -> Clock:
    """Return the recording clock, which its other streams are placed on.

    Raises:
        MediaError: `no_video_stream`.
    """
    base = _video_streams(container, source)[source.stream].time_base or Fraction(1, 90_000)
    return Clock(start_pts, base.numerator, base.denominator)


def _pictured(
    source: Source,
    wanted: Instants | Within,
    scales: Sequence[Scale],
    start_pts: int,
    *,
    threads: int,
    plan: bool,
) -> Iterator[Sampled]:
    pictures = Pictures(VideoReformatter, av.VideoFrame)
    found = walk(partial(_opened, source), wanted, start_pts, threads=threads, plan=plan)
    for clock, pts, frame, served in found:
        images = {scale.name: pictures.of(frame, scale) for scale in scales}
        yield Sampled(clock.t_ns(pts), pts, (clock.num, clock.den), served, images)


def _video_streams(container: Container, source: Source) -> list[CodedStream]:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if source.stream >= len(streams):
        raise MediaError(
            f"{source.name} has no video stream {source.stream}", reason="no_video_stream"
        )
    return streams


@contextmanager
def _opened(
    source: Source, threads: int = 1, *, max_pixels: int | None = None
) -> Iterator[VideoStream]:
    """Open a source's stream, ready to decode."""
    with open_container(source) as container:
        streams = _video_streams(container, source)
        for other in container.streams:
            if other is not streams[source.stream]:
                other.discard = Discard.all  # their packets are not even read from the disk
        context = streams[source.stream].codec_context
        if context is None:
            raise MediaError(f"{source.name}: no decoder for its codec", reason="no_decoder")
        if max_pixels is not None:
            check_pixels(source.name, context.width, context.height, max_pixels)
            # They may grow mid-stream. The decoder counts rows padded to whole vectors, so it is
            # given room, and frames are measured when they are out.
            context.options = {"max_pixels": str(2 * max_pixels + (1 << 20))}
        context.thread_count = threads
        context.thread_type = "FRAME" if threads > 1 else "NONE"
        yield VideoStream(source, container, streams, DAMAGE)
