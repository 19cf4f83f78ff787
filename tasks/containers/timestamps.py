"""Times of frames as ticks of a container's clock, with how long each is shown.

Reads and writes nothing. Exact integers and fractions: floats lose ticks after some hours.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from catalog.span import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Picture = TypeVar("Picture")


def ticks(
    frames: Iterable[Picture | tuple[Picture, int]], base: Fraction, rate: Fraction, *, timed: bool
) -> Iterator[tuple[Picture, int, int]]:
    """Yield (picture, timestamp, duration), in ticks of `base` seconds.

    `timed` frames are (picture, time in ns), others stand at k / `rate`. One frame behind its
    input: a frame lasts until the next is shown, the last as long as the one before it.

    Raises:
        ValueError: if some frames have times and others not, or one is not later than the last.
    """
    held: tuple[Picture, int] | None = None
    step = max(1, round(1 / (rate * base)))
    for k, frame in enumerate(frames):
        if isinstance(frame, tuple) != timed:
            raise ValueError("give every frame its time, or none")
        picture, seconds = (
            (frame[0], Fraction(frame[1], SECOND_NS))
            if isinstance(frame, tuple)
            else (frame, k / rate)
        )
        timestamp = round(seconds / base)
        if held is not None:
            step = timestamp - held[1]
            if step <= 0:
                raise ValueError(
                    f"frame {k} is not later than the one before, in ticks of {base} s"
                )
            yield (*held, step)
        held = (picture, timestamp)
    if held is not None:
        yield (*held, step)
