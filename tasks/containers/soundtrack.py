"""Which packets and samples of a recording's sound belong to a span of its video.

Reads packets that `decode.py` has opened, writes nothing. All times are exact fractions of a
second on the written file's clock: `zero` is its time 0 on the source's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from fractions import Fraction

Samples = npt.NDArray[np.float32]
# Samples a second, telephones have 8000: a frame that claims one a second would become gigabytes.
LEAST_RATE = 2000


class Resampled:
    """Turns decoded frames into one format, rate and layout, whatever the stream changes to.

    `make` gives an av.AudioResampler, which is set up by its first frame: it refuses others, or,
    if that one needed no conversion, hands them on as they are.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._resampler, self._format = make(), ("", "", 0)

    def __call__(self, frame: Any) -> list[Any]:  # noqa: ANN401 - av.AudioFrame
        """Return what a frame becomes; nothing if it cannot be converted."""
        if frame.sample_rate < LEAST_RATE:
            return []
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        if given != self._format:
            self._resampler, self._format = self._make(), given
        try:
            found: list[Any] = self._resampler.resample(frame)
        except ValueError:
            return []
        return found


def demuxed(container: Any, stream: Any) -> Iterator[Any]:  # noqa: ANN401 - of the library
    """Yield a stream's packets; where streams appear on the way the library stumbles at the end."""
    try:
        yield from container.demux(stream)
    except IndexError:  # PyAV 18.1, in its flush, after the last packet (damaged MPEG-TS)
        return


def packets_within(
    packets: Iterable[Any], zero: Fraction, length: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """Yield the packets that overlap `length` from `zero` with their times, and the one before.

    Codecs of overlapping blocks need that one to sound right at once; its time is below 0. Where
    a cut file stops making sense its sound ends, as its pictures do.
    """
    before: list[tuple[Fraction, Any]] = []
    try:
        for packet in packets:
            if packet.pts is None:
                continue
            at = packet.pts * packet.time_base - zero
            if at >= length:
                return
            if at + (packet.duration or 0) * packet.time_base <= 0:
                before = [(at, packet)]
                continue
            yield from (*before, (at, packet))
            before = []
    except ValueError:  # what av.error.InvalidDataError is; `av` itself stays in two files
        return


def samples_within(
    packets: Iterable[tuple[Fraction, Any]],
    resample: Any,  # noqa: ANN401 - av.AudioResampler.resample, to planar float32
    zero: Fraction,
    length: Fraction,
    rate: int,
) -> Iterator[tuple[int, Samples]]:
    """Decode packets to (number of the first sample, (channels, n) samples), cut to the span.

    Sample k sounds at k / `rate`, and none is missing between the first and the last: a gap or a
    packet that does not decode becomes silence, an overlap is dropped.
    """
    at = 0
    for begin, samples in heard_within(packets, resample, zero, length, rate):
        # A second of silence at a time: a broken timestamp may claim days of it.
        for gap in range(at, begin, rate):
            yield gap, np.zeros((samples.shape[0], min(rate, begin - gap)), np.float32)
        yield begin, samples
        at = begin + samples.shape[1]


def heard_within(
    packets: Iterable[tuple[Fraction, Any]],
    resample: Any,  # noqa: ANN401 - as above
    zero: Fraction,
    length: Fraction,
    rate: int,
) -> Iterator[tuple[int, Samples]]:
    """Yield what `samples_within` does, but where there is a gap nothing.

    Timestamps that are off by up to 2 ms count as none: Matroska, ASF and FLV round to 1 ms, and a
    gap or overlap of a few samples at every packet is a buzz that was never recorded.
    """
    at, end, slack, channels = 0, round(length * rate), rate // 500, 0
    for _, packet in packets:
        try:
            decoded = packet.decode()
        except ValueError:  # invalid data, as above
            continue
        # A frame without a time sounded nobody knows when.
        timed = (frame for frame in decoded if frame.pts is not None)
        for part in (part for frame in timed for part in resample(frame)):
            # Where nothing is to be converted the resampler hands on what it gets, and damage may
            # turn one channel into 23, whose planes the library reads beyond their end.
            if part.layout.nb_channels != (channels := channels or min(8, part.layout.nb_channels)):
                continue
            begin = round((part.pts * part.time_base - zero) * rate)
            if at and abs(begin - at) <= slack:
                begin = at
            samples: Samples = part.to_ndarray()[:, max(0, at - begin) : max(0, end - begin)]
            begin = max(begin, at)
            if samples.shape[1] == 0:
                continue
            yield begin, samples
            at = begin + samples.shape[1]
