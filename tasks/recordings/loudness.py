"""How loud a recording is over time: what clocks of cameras that hear one room are found by.

Reads the sound of a container that `decode.py` has opened, writes nothing. Memory is 400 bytes a
second of recording, whatever its rate and channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.span import SECOND_NS
from tasks.containers.soundtrack import demuxed, packets_within, samples_within
from tasks.containers.stream import raise_if_storage_failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.containers.soundtrack import Samples
    from tasks.containers.wanted import Clock
    from tasks.decode import Container
    from tasks.recordings.media import Source

# 8 kHz hold speech and claps; 80 samples of it are one step of 10 ms.
SOUND_RATE, STEP_SAMPLES = 8000, 80
# Power below this, -80 dB, is silence: digital zeros have no logarithm.
SILENCE = 1e-8


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud a recording is: natural log of the mean power, one value each `step_ns`: (n,).

    The first stands at `start_ns` of the recording clock, for the step that begins there.
    """

    start_ns: int
    step_ns: int
    values: Samples


def listen(
    container: Container,
    resample: Any,  # noqa: ANN401 - av.AudioResampler.resample, to mono float32 at SOUND_RATE
    source: Source,
    clock: Clock,
    duration_ns: int,
    damage: type[Exception],
) -> Loudness | None:
    """Measure the first sound stream on the recording clock; None if none decodes.

    Raises:
        OSError: the storage fails.
    """
    stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
    if stream is None:
        return None
    zero = Fraction(clock.start_pts * clock.num, clock.den)
    length = Fraction(duration_ns, SECOND_NS)
    packets = packets_within(demuxed(container, stream), zero, length)
    parts = samples_within(packets, resample, zero, length, SOUND_RATE)
    values = log_power(_until_damage(parts, source, damage))
    step_ns = SECOND_NS * STEP_SAMPLES // SOUND_RATE
    return Loudness(0, step_ns, values) if len(values) else None


def log_power(parts: Iterable[tuple[int, Samples]]) -> Samples:
    """Return the log power of every `STEP_SAMPLES` of what `samples_within` yields: (n,).

    A last step that is not full is left out.
    """
    found: list[Samples] = []
    rest = np.zeros(0, np.float32)
    for _, samples in parts:
        power = np.concatenate([rest, np.square(samples).mean(axis=0)])
        whole = len(power) // STEP_SAMPLES * STEP_SAMPLES
        steps = power[:whole].reshape(-1, STEP_SAMPLES).mean(axis=1)
        # Float samples may be stored as NaN or infinite: that is no sound.
        steps = np.nan_to_num(steps, nan=0.0, posinf=0.0)
        found.append(np.log(np.maximum(steps, SILENCE)).astype(np.float32))
        rest = power[whole:]
    return np.concatenate(found) if found else rest[:0]


def _until_damage(
    parts: Iterator[tuple[int, Samples]], source: Source, damage: type[Exception]
) -> Iterator[tuple[int, Samples]]:
    """Yield what comes before the container or codec gives up."""
    try:
        yield from parts
    except damage as error:
        raise_if_storage_failed(error, source)
