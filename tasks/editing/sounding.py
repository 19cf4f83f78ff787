"""The sound of an edit list: what each shot is heard by, on the list's clock, mixed by weights.

Reads recordings through `decode.py`; writes nothing. A camera's clock may run faster than its
session's: sound is looked up anew at every block, so that it never drifts from the pictures.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS, Span
from tasks.containers.soundtrack import demuxed, packets_within, samples_within
from tasks.decode import DAMAGE, keep_only, open_container, video_clock
from tasks.mux import stereo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.editing.timeline import Mix, Shot
    from tasks.recordings.sources import ClipSource

    Floats = npt.NDArray[np.float32]

RATE = 48_000
# A video frame of 25 a second is 1,920 samples. Weights are straight lines within a block.
BLOCK = 960
# Sound is read from before what is heard first, for decoders with a memory.
LEAD_NS = 250_000_000


@dataclass(frozen=True)
class Voice:
    """A shot of a track, and the recording it is heard by."""

    track: int
    shot: Shot
    clip: ClipSource


def mixed_sound(
    voices: Sequence[Voice], mix: Mix, tracks: int, duration_ns: int
) -> Iterator[tuple[int, Floats]]:
    """Yield (number of the first sample, (2, n) float32) at `RATE`, without a gap, to the end."""
    with ExitStack() as stack:
        heard = [(voice, _Heard(voice.clip, stack)) for voice in voices]
        total = duration_ns * RATE // SECOND_NS
        for first in range(0, total, BLOCK):
            count = min(BLOCK, total - first)
            edges = [at * SECOND_NS // RATE for at in (first, first + count - 1)]
            block = np.zeros((2, count), np.float32)
            gains = [_gains(voices, mix, tracks, t_ns) for t_ns in edges]
            for k, (voice, sound) in enumerate(heard):
                if voice.shot.span.end_ns <= edges[0] or voice.shot.span.start_ns > edges[1]:
                    continue
                # Outside of its span a shot has no weight; at its edge the block is cut.
                line = np.linspace(gains[0][k], gains[1][k], count, dtype=np.float32)
                line[~_inside(voice.shot.span, first, count)] = 0
                session_ns = edges[0] + voice.shot.shift_ns
                block += line * sound.at(voice.clip.clock.to_recording(session_ns), count)
            yield first, block


def _inside(span: Span, first: int, count: int) -> npt.NDArray[np.bool_]:
    at = (first + np.arange(count, dtype=np.int64)) * SECOND_NS // RATE
    return (at >= span.start_ns) & (at < span.end_ns)


def _gains(voices: Sequence[Voice], mix: Mix, tracks: int, t_ns: int) -> list[float]:
    """Return how loud each voice is at an instant, were its shot to go on beyond its edges."""
    weights = [_held(voice.shot, t_ns) for voice in voices]
    shown = [0.0] * tracks
    for voice, weight in zip(voices, weights, strict=True):
        if voice.shot.span.contains(t_ns):
            shown[voice.track] += weight
    of_tracks = mix.gains([min(1.0, one) for one in shown])
    return [
        weight * (of_tracks[voice.track] / shown[voice.track] if shown[voice.track] else 1.0)
        for voice, weight in zip(voices, weights, strict=True)
    ]


def _held(shot: Shot, t_ns: int) -> float:
    return float(shot.weight(min(max(t_ns, shot.span.start_ns), shot.span.end_ns - 1)))


class _Heard:
    """One recording's sound, read forwards, looked up by recording time."""

    def __init__(self, clip: ClipSource, stack: ExitStack) -> None:
        self._clip, self._stack = clip, stack
        self._parts: Iterator[tuple[int, Floats]] | None = None
        self._held = np.zeros((2, 0), np.float32)
        self._first = 0  # number of the first sample held
        self._zero_ns = max(0, clip.recording_span.start_ns - LEAD_NS)

    def at(self, recording_ns: int, count: int) -> Floats:
        """Return samples (2, count) from an instant on; silence where there are none."""
        if self._parts is None:
            self._parts = self._read()
        wanted = round((recording_ns - self._zero_ns) * RATE / SECOND_NS)
        while self._first + self._held.shape[1] < wanted + count:
            part = next(self._parts, None)
            if part is None:
                break
            drop = max(0, min(wanted - self._first, self._held.shape[1]))
            # Gaps come as silence from the reader, so that parts follow each other.
            kept = self._held[:, drop:]
            self._first = self._first + drop if kept.shape[1] else part[0]
            self._held = np.concatenate([kept, part[1]], axis=1)
        found = np.zeros((2, count), np.float32)
        begin, end = (
            max(wanted, self._first),
            min(wanted + count, self._first + self._held.shape[1]),
        )
        if end > begin:
            found[:, begin - wanted : end - wanted] = self._held[
                :, begin - self._first : end - self._first
            ]
        return found

    def _read(self) -> Iterator[tuple[int, Floats]]:
        reader = self._stack.enter_context(open_container(self._clip.source))
        stream = next(iter(reader.streams.audio), None)
        if stream is None or not stream.codec_context:
            return
        clock = video_clock(reader, self._clip.source, self._clip.start_pts)
        zero = Fraction(self._clip.start_pts * clock.num, clock.den)
        zero += Fraction(self._zero_ns, SECOND_NS)
        end_ns = self._clip.recording_span.end_ns + LEAD_NS
        length = Fraction(end_ns - self._zero_ns, SECOND_NS)
        keep_only(reader, "audio")
        try:
            # Some containers seek past the instant asked for, as in `mux.py`.
            reader.seek(round((zero - 1) / (stream.time_base or 1)), stream=stream)
        except DAMAGE:
            return
        packets = packets_within(demuxed(reader, stream), zero, length)
        yield from samples_within(packets, stereo(RATE), zero, length, RATE)
