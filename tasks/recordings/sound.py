"""What is heard during a clip. Reads and writes nothing; `tasks/recordings/hearing.py` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# What speech recognisers are trained on; speech has little above 8 kHz.
RATE = 16_000


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip's sound: `samples` (n,) float32 at `RATE` a second, one channel, full scale 1.

    `heard` (n,) is False where the recording has none (zeros then); `at` (T,) is the sample at
    which each step of the grid begins, so that offset and drift of the camera's clock are in it.

    Raises:
        ValueError: if `heard` and `samples` differ in length.
    """

    samples: npt.NDArray[np.float32]
    heard: npt.NDArray[np.bool_]
    at: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.samples.shape != self.heard.shape:
            raise ValueError(f"{self.samples.shape} samples, {self.heard.shape} heard")
