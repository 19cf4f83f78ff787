"""The only file that writes a container: pictures and sound into one video, or one still.

Reads the frames it is handed and, to copy sound, the recording they came from; writes one file,
whole or not at all (`<path>.partial`, moved into place once closed). The same frames and options
give the same bytes: scaler and encoders run bit-exact, on one thread.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from catalog import ids
from catalog.span import SECOND_NS, Span
from tasks.containers.colours import colours
from tasks.containers.encoders import encoder_options
from tasks.containers.sound_stream import SoundStream
from tasks.containers.soundtrack import Resampled, packets_within, samples_within
from tasks.containers.timestamps import ticks
from tasks.decode import open_container
from tasks.in_place import in_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from av.container import InputContainer, OutputContainer

    from tasks.containers.colours import Colours
    from tasks.containers.soundtrack import Samples
    from tasks.decode import Source

Pixels = npt.NDArray[np.uint8]

# Ticks a second of a video whose frames carry times: every usual rate (24, 25, 30, 60, each with
# its /1.001), the millisecond and the 90 kHz tick are whole numbers of it.
TICKS = 720_000
# 43.2 dB back and forth through yuv420p on fine texture where bilinear has 40.5, and no slower.
_SCALER = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
_FORMATS = {".mkv": "matroska", ".ts": "mpegts", ".m4v": "mp4"}
_INDEXED = frozenset({".mp4", ".mov", ".m4v"})
# What a player of mp4 can be expected to know; anything else is encoded anew as AAC.
_COPIED = frozenset({"aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"})
_LAYOUTS = {1: "mono", 2: "stereo"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


@dataclass(frozen=True, slots=True)
class AudioCopy:
    """Sound to take along: the span of a recording that the written video shows.

    `span` is on the recording's clock: nanoseconds since `start_pts`, the first shown frame in
    the video stream's own time base. Its start is time 0 of what is written.
    """

    source: Source
    span: Span
    start_pts: int


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound made here: float32 (samples, channels) in -1..1, `rate` samples a second, from 0."""

    samples: npt.NDArray[np.float32]
    rate: int


Audio: TypeAlias = AudioCopy | Sound | SoundStream


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. `duration_ns` runs from the first frame shown to the end of the last.

    `audio_ns` is the span of the sound on the file's clock, None without any; it may start
    before 0 by a packet that primes the decoder, which players do not play.
    """

    frames: int
    bytes: int
    duration_ns: int
    digest: str
    audio_ns: tuple[int, int] | None

    @property
    def has_audio(self) -> bool:
        """Whether there is any sound in it."""
        return self.audio_ns is not None


def write_video(
    path: Path | str,
    frames: Iterable[Pixels | tuple[Pixels, int]],
    *,
    rate: Fraction | int,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    color_space: str | None = None,
    color_range: str | None = None,
    time_base: tuple[int, int] | None = None,
    container_options: Mapping[str, str] | None = None,
    audio: Audio | None = None,
) -> Written:
    """Encode frames, and sound if any, into the container that the path's suffix names.

    `frames` are rgb24 (H, W, 3), either alone, frame k shown at k / `rate`, or each with its time
    in ns, strictly increasing; `rate` is then only a hint to the encoder. Times are rounded to
    `time_base` (numerator, denominator of a second; 1/720000 unless given), so nanoseconds that
    were rounded from ticks of that base become those very ticks; Matroska keeps milliseconds.

    `rotation` (0, 90, 180, 270) tags the pixels, which stay as they are: players turn them by so
    many degrees clockwise, as `PictureFormat.rotation` reads it back. `color_space` and
    `color_range` say which matrix and range are written and tagged (see `colours`).

    Raises:
        ValueError: if there are no frames, their sizes or times do not fit together, or a side
            is odd where the pixel format halves it (pad it first).
        DiskFullError: if the disk is full; nothing is left of the file.
        OSError: if the path cannot be written or the source of the sound not read.
    """
    path, rate = Path(path), Fraction(rate)
    suffix = path.suffix.lower()
    items = iter(frames)
    first = next(items, None)
    if first is None:
        raise ValueError(f"no frames to write to {path}")
    timed = isinstance(first, tuple)
    shape = first[0].shape if isinstance(first, tuple) else first.shape
    base = Fraction(*time_base) if time_base else Fraction(1, TICKS) if timed else 1 / rate
    muxer = {"fflags": "+bitexact"}
    if suffix in _INDEXED:
        # The index goes to the front: a page plays it at once, a cut tail leaves the rest readable.
        # The edit list that holds a first frame's time counts its own ticks, of 1 ms unless told.
        edits = base.denominator * max(1, TICKS // base.denominator)
        muxer |= {"movflags": "+faststart", "movie_timescale": str(edits)}
    with in_place(path) as partial, ExitStack() as stack:
        out = stack.enter_context(
            av.open(
                str(partial),
                "w",
                format=_FORMATS.get(suffix, suffix[1:]),
                options=muxer | dict(container_options or {}),
            )
        )
        # Any: PyAV types the stream of a codec named by a variable as any kind of stream.
        stream: Any = out.add_stream(codec, rate=rate, options=encoder_options(codec, options))
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = base
        picture = _Picture(shape, pixel_format, colours(color_space, color_range, shape[0]))
        picture.describe(stream.codec_context)
        if rotation:
            stream.set_display_rotation(-rotation % 360)  # counter-clockwise, to PyAV
        sound = _SoundTrack(out, audio, stack, suffix)
        count, begin, end = 0, 0, 0
        durations: dict[int, int] = {}
        for pixels, pts, duration in ticks(chain((first,), items), base, rate, timed=timed):
            begin = begin if count else pts
            count, end = count + 1, pts + duration
            durations[pts] = duration
            for packet in stream.encode(picture.frame(pixels, pts, base)):
                _mux(out, packet, durations, sound)
        for packet in stream.encode(None):
            _mux(out, packet, durations, sound)
        sound.mux_until(None)
    duration_ns = round((end - begin) * base * SECOND_NS)
    return Written(count, path.stat().st_size, duration_ns, ids.file_id(path), sound.span_ns)


def stereo(rate: int) -> Resampled:
    """Return what turns decoded sound into planar float32 of two channels at `rate`."""
    return Resampled(partial(av.AudioResampler, "fltp", "stereo", rate))


def write_still(path: Path | str, pixels: Pixels) -> None:
    """Write one rgb24 (H, W, 3) picture, PNG or JPEG by the path's suffix, whole or not at all."""
    path = Path(path)
    _, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]))
    with in_place(path) as partial:
        partial.write_bytes(encoded.tobytes())


class _Picture:
    """Turns rgb24 arrays into frames as the encoder wants them; one scaler for the stream."""

    def __init__(self, shape: tuple[int, ...], pixel_format: str, chosen: Colours) -> None:
        layout = av.VideoFormat(pixel_format)
        halved = (layout.chroma_height(4) < 4, layout.chroma_width(4) < 4)
        if any(side % 2 and half for side, half in zip(shape[:2], halved, strict=True)):
            size = f"{shape[1]}x{shape[0]}"
            raise ValueError(f"{size} does not fit {pixel_format}, which needs even sides: pad it")
        self._shape = shape
        self._layout = layout
        self._colours = chosen
        self._scaler = VideoReformatter()

    def describe(self, context: Any) -> None:  # noqa: ANN401 - see `stream` above
        context.height, context.width = self._shape[:2]
        context.pix_fmt = self._layout.name
        if not self._layout.is_rgb:
            context.colorspace, context.color_range = self._colours.matrix, self._colours.range
            context.color_trc = self._colours.transfer
            context.color_primaries = self._colours.primaries

    def frame(self, pixels: Pixels, pts: int, base: Fraction) -> av.VideoFrame:
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise ValueError(f"{pixels.dtype} {pixels.shape} among uint8 {self._shape}")
        frame = self._scaler.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
            format=self._layout.name,
            dst_colorspace=Colorspace[self._colours.scaler_matrix],
            dst_color_range=self._colours.scaler_range,
            interpolation=_SCALER,
            threads=1,
        )
        frame.pts, frame.time_base = pts, base
        return frame


def _mux(
    out: OutputContainer, packet: av.Packet[Any], durations: dict[int, int], sound: _SoundTrack
) -> None:
    if packet.pts is not None and packet.dts is not None:
        # Encoders that reorder do not tell; without it the last frame would last one tick.
        packet.duration = durations.pop(packet.pts, packet.duration)
        sound.mux_until(packet.dts * packet.time_base)
    out.mux(packet)


class _SoundTrack:
    """The sound that goes along: copied packet by packet where the container can carry it."""

    def __init__(
        self, out: OutputContainer, audio: Audio | None, stack: ExitStack, suffix: str
    ) -> None:
        self._out = out
        self._packets: Iterator[Any] = iter(())
        self.span_ns: tuple[int, int] | None = None
        if isinstance(audio, Sound):
            parts = ((k, audio.samples[k : k + 1024].T) for k in range(0, len(audio.samples), 1024))
            self._packets = self._encoded(parts, audio.rate, audio.samples.shape[1])
        elif isinstance(audio, SoundStream):
            self._packets = self._encoded(audio.parts, audio.rate, 2)
        elif audio is not None:
            self._packets = self._taken(
                stack.enter_context(open_container(audio.source)), audio, suffix
            )
        if suffix not in _INDEXED:
            # Without an edit list what primes the decoder would push everything else later.
            self._packets = (packet for packet in self._packets if packet.pts >= 0)
        # The file's header is written with its first packet: every stream must be there by then.
        self._next = next(self._packets, None)

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write the sound up to an instant of the video, or all that is left."""
        while self._next is not None:
            packet = self._next
            begin = packet.pts * packet.time_base
            if seconds is not None and begin > seconds:
                return
            end = begin + (packet.duration or 0) * packet.time_base
            first = self.span_ns[0] if self.span_ns else round(begin * SECOND_NS)
            self.span_ns = (first, round(end * SECOND_NS))
            self._out.mux(packet)
            self._next = next(self._packets, None)

    def _taken(self, reader: InputContainer, audio: AudioCopy, suffix: str) -> Iterator[Any]:
        source: Any = next(iter(reader.streams.audio), None)
        if source is None or not source.codec_context:
            return
        zero = Fraction(audio.span.start_ns, SECOND_NS)
        zero += audio.start_pts * Fraction(reader.streams.video[audio.source.stream].time_base or 0)
        length = Fraction(audio.span.duration_ns, SECOND_NS)
        # Some containers seek past the instant asked for: a second is spent on not losing sound.
        reader.seek(round((zero - 1) / source.time_base), stream=source)
        packets = packets_within(reader.demux(source), zero, length)
        if suffix == ".mkv" or source.codec_context.codec.canonical_name in _COPIED:
            stream = None
            for at, packet in packets:
                stream = stream or self._out.add_stream_from_template(source)
                packet.dts = packet.pts = round(at / packet.time_base)
                packet.stream = stream
                yield packet
            return
        given, channels = source.codec_context.sample_rate, min(2, source.codec_context.channels)
        rate = given if given in _AAC_RATES else 48000
        resampler = av.AudioResampler("fltp", _LAYOUTS[channels], rate)
        parts = samples_within(packets, resampler.resample, zero, length, rate)
        yield from self._encoded(parts, rate, channels)

    def _encoded(
        self, parts: Iterable[tuple[int, Samples]], rate: int, channels: int
    ) -> Iterator[Any]:
        stream = None
        for begin, samples in parts:
            stream = stream or self._out.add_stream("aac", rate=rate, layout=_LAYOUTS[channels])
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), format="fltp", layout=_LAYOUTS[channels]
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            yield from stream.encode(frame)
        if stream is not None:
            yield from stream.encode(None)
