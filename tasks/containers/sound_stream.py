"""Sound that is made while it is written. Declares only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.containers.soundtrack import Samples


@dataclass(frozen=True, slots=True)
class SoundStream:
    """`parts` are (number of the first sample, (2, n) float32), `rate` samples a second, from 0."""

    parts: Iterator[tuple[int, Samples]]
    rate: int
