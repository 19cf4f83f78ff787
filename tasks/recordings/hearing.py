"""What sounds during a clip: mono samples, and where each step of its grid stands among them.

Reads the sound of recordings through `decode.py`, no pictures; writes nothing.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.span import SECOND_NS
from tasks.containers.soundtrack import demuxed, heard_within, packets_within
from tasks.containers.stream import raise_if_storage_failed
from tasks.decode import DAMAGE, keep_only, mono, open_container, video_clock
from tasks.recordings.media import open_bytes
from tasks.recordings.sound import RATE, Sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.decode import Container, OpenFile
    from tasks.recordings.media import Source

# Kept from before a clip's first step, for what listens with a memory: the probability of speech
# is off by .50 in the first step without, .02 after half a second if it is speech; if it is music,
# by .43, .36, and .02 after two seconds. And from behind its last step, which lasts 80 ms.
LEAD_NS, TAIL_NS = 2_000_000_000, 120_000_000
# Decoded before that and thrown away: decoders of overlapping blocks are right after one, those
# with a memory (Opus asks for 80 ms, HE-AAC spans 140) after this.
PRIME = Fraction(1, 4)
# How long before it a seek aims, and again if it lands behind: in seconds, at last at the start.
SEEK_BACK_S = (1, 16, 1 << 40)


def clip_sounds(
    source: Source, instants: Sequence[npt.NDArray[np.int64]], *, start_pts: int
) -> Iterator[Sound | None]:
    """Yield the sound of each clip of a recording; None if it has no sound that can be decoded.

    `instants` are each clip's grid on the recording clock, ns, ascending; clips in order of time.
    Damage, a gap, and an end of the sound before the clip's are not heard, and no error. A
    clip's samples do not depend on which others are asked for: each has a decoder of its own
    (AAC fills bands with noise that runs on from wherever it was begun), which costs an opening,
    1 to 12 ms.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `no_video_stream`, `encrypted`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    is_mute = False
    # Its bytes are opened once: a packed member is unpacked then.
    with open_bytes(source) as file:
        for grid in instants:
            sound = None if is_mute else _hear(source, file, grid, start_pts)
            is_mute = sound is None
            yield sound


def _hear(
    source: Source, file: OpenFile, grid: npt.NDArray[np.int64], start_pts: int
) -> Sound | None:
    try:
        return _heard(source, file, grid, start_pts, seek=True)
    except DAMAGE:
        # A demuxer that refused to seek (AVI whose index flags no packet) reads no more either.
        return _heard(source, file, grid, start_pts, seek=False)


def _heard(
    source: Source, file: OpenFile, grid: npt.NDArray[np.int64], start_pts: int, *, seek: bool
) -> Sound | None:
    begin_ns = int(grid[0]) - LEAD_NS
    length = Fraction(int(grid[-1]) + TAIL_NS - begin_ns, SECOND_NS)
    samples = np.zeros(round(length * RATE), np.float32)
    heard = np.zeros(len(samples), bool)
    with open_container(source, file) as container:
        keep_only(container, "audio")
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            return None
        clock = video_clock(container, source, start_pts)
        zero = Fraction(clock.start_pts * clock.num, clock.den) + Fraction(begin_ns, SECOND_NS)
        begin = zero - PRIME
        # ffmpeg adds channels up so that their power stays: what is in both ears is 3 dB louder
        # then. With this it stays what it is, and two ears never sum beyond full scale.
        gain = 1.0 if stream.codec_context.channels == 1 else 0.5**0.5
        found = _sought(container, stream, begin) if seek else demuxed(container, stream)
        try:
            packets = packets_within(found, begin, length + PRIME)
            for at, part in heard_within(packets, mono(RATE), zero, length, RATE):
                # Stored floats may be NaN, infinite or absurd: that is no sound.
                clean = np.nan_to_num(part[0], nan=0.0, posinf=0.0, neginf=0.0).clip(-4, 4)
                samples[at : at + len(clean)] = gain * clean
                heard[at : at + len(clean)] = True
        except DAMAGE as error:
            raise_if_storage_failed(error, source)
    return Sound(samples, heard, np.rint((grid - begin_ns) * (RATE / SECOND_NS)).astype(np.int64))


def _sought(container: Container, stream: Any, begin: Fraction) -> Iterator[Any]:  # noqa: ANN401
    """Return a stream's packets from one that begins before `begin`, or from the first."""
    packets: Iterator[Any] = iter(())
    for seconds in SEEK_BACK_S:
        aim = begin - seconds
        if aim > 0 or seconds != SEEK_BACK_S[0]:
            container.seek(max(0, round(aim / stream.time_base)), stream=stream)
        packets = (packet for packet in demuxed(container, stream) if packet.pts is not None)
        first = next(packets, None)
        packets = chain([] if first is None else [first], packets)
        if aim <= 0 or (first is not None and first.pts * stream.time_base <= begin):
            break
    return packets
