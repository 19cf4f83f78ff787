"""All that two cameras say about the offset between their clocks, and about its drift.

Reads traces of both (`sync_traces.py`); writes nothing. Long recordings are compared in windows:
two crystals differ by up to 200 ppm, 12 ms a minute, which would blur one comparison of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.clocks.curves import curves

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.clocks.curves import Trace

    Floats = npt.NDArray[np.float64]

# 60 s drift by 12 ms at worst: less than half a frame of 30. More windows than 64 add nothing.
WINDOW_S, MAX_WINDOWS = 60.0, 64
MAX_DRIFT = 200e-6
# What views disagree by about when something happened, over one second that both see; it falls
# with the root of the time. Walking seen from four sides was off by 3 frames of 60 after 1.2 s.
VIEW_JITTER_S = 0.05
# Sound takes 3 ms a metre.
SOUND_JITTER_S = 0.005


@dataclass(frozen=True)
class Pair:
    """The evidence of cameras a and b about `offset of b - offset of a`, on `offsets_s` (n,).

    `middles_s` (w,) are the windows' middles on a's clock, `parts` {kind: (w, n)} their curves in
    nats, `step_s` how finely the finest of them tells time. `curve` (n,) is over the offset at
    time 0 of a, all windows and drifts together; `drifts` (n,) the likeliest drift at each
    offset, in seconds a second of a. `lengths_s` are both recordings'.
    """

    offsets_s: Floats
    middles_s: Floats
    parts: dict[str, Floats]
    step_s: float
    curve: Floats
    drifts: Floats
    lengths_s: tuple[float, float]

    def jitter_s(self, offset_s: float) -> float:
        """Return the deviation that no comparison can undercut, at an offset."""
        cell = int(np.argmin(np.abs(self.offsets_s - offset_s)))
        window = float(np.ptp(self.middles_s)) / max(1, len(self.middles_s) - 1)
        return self.view_jitter_s(self.kind_at(cell), self.common_s(offset_s), window)

    def view_jitter_s(self, kind: str | None, common_s: float, least_s: float = 0.0) -> float:
        """Return the same for one kind of evidence over so much common time."""
        if kind == "audio":
            return SOUND_JITTER_S
        return VIEW_JITTER_S / float(np.sqrt(max(common_s, least_s, 1e-3)))

    def common_s(self, offset_s: float) -> float:
        """Return how long both recordings run at once, at an offset."""
        begin, end = max(0.0, offset_s), min(self.lengths_s[0], offset_s + self.lengths_s[1])
        return max(0.0, end - begin)

    def said(self, cell: int, reach: int = 2) -> dict[str, float]:
        """Return how many nats each kind of evidence gives to offsets near a cell."""
        near = slice(max(0, cell - reach), cell + reach + 1)
        return {
            kind: float(part[:, near].max(axis=1, initial=0).sum())
            for kind, part in self.parts.items()
        }

    def kind_at(self, cell: int) -> str | None:
        """Return the kind of evidence that says most about offsets near a cell, None if none."""
        said = self.said(cell)
        best = max(said, key=lambda kind: said[kind], default=None)
        return best if best is not None and said[best] > 0 else None


def compare(
    traces: list[tuple[Trace, Trace]],
    lengths_s: tuple[float, float],
    step_s: float,
    max_offset_s: float,
) -> Pair:
    """Compare two cameras by pairs of traces, each pair of one kind, on a grid of `step_s`."""
    middles, windows = _windows(lengths_s[0])
    # At the outer windows drift adds to the offset.
    slack = MAX_DRIFT * float(np.ptp(middles)) / 2 if len(middles) > 1 else 0.0
    reach = round(max_offset_s / step_s)
    pad = int(np.ceil(slack / step_s))
    wide: Floats = step_s * np.arange(-reach - pad, reach + pad + 1, dtype=np.float64)
    parts: dict[str, Floats] = {}
    for a, b in traces:
        # The centre of motion on 64 x 36 is coarse: whitened it is mostly noise, raw it is slow.
        orders = (0, 1) if a.kind == "geometry" else (1,)
        found = curves(a, b, windows, wide, orders)
        parts[a.kind] = parts.get(a.kind, 0) + found
    curve, drifts = _over_drifts(sum(parts.values(), np.zeros((len(middles), len(wide)))),
                                 middles, step_s, pad)  # fmt: skip
    inner = slice(pad, len(wide) - pad)
    return Pair(
        offsets_s=wide[inner],
        middles_s=middles,
        parts={kind: part[:, inner] for kind, part in parts.items()},
        step_s=min((max(a.step_s, b.step_s) for a, b in traces), default=step_s),
        curve=curve,
        drifts=drifts,
        lengths_s=lengths_s,
    )


def _windows(length_s: float) -> tuple[Floats, list[tuple[float, float]]]:
    """Return the middles and edges of the windows of a recording."""
    if length_s <= 2 * WINDOW_S:
        return np.array([length_s / 2]), [(0.0, length_s)]
    count = min(MAX_WINDOWS, int(length_s / WINDOW_S))
    middles = np.linspace(WINDOW_S / 2, length_s - WINDOW_S / 2, count)
    return middles, [(at - WINDOW_S / 2, at + WINDOW_S / 2) for at in middles]


def _over_drifts(parts: Floats, middles: Floats, step_s: float, pad: int) -> tuple[Floats, Floats]:
    """Return the curve over the offset at time 0 with drift unknown, and the best drifts."""
    if len(middles) == 1:
        return parts[0, pad : parts.shape[1] - pad], np.zeros(parts.shape[1] - 2 * pad)
    centre = float(middles.mean())
    half = float(np.ptp(middles)) / 2
    # Steps that move the outer windows by one cell.
    steps = int(np.ceil(MAX_DRIFT * half / step_s))
    drifts = MAX_DRIFT * np.arange(-steps, steps + 1) / max(1, steps)
    count = parts.shape[1] - 2 * pad
    at = np.arange(count) + pad
    stacked = np.empty((len(drifts), count))
    for number, drift in enumerate(drifts):
        total = np.zeros(parts.shape[1])
        for part, middle in zip(parts, middles, strict=True):
            by = round(drift * (middle - centre) / step_s)
            total += _moved(part, by)
        # From the offset at the centre to that at time 0.
        stacked[number] = _moved(total, round(drift * centre / step_s))[at]
    best = stacked.argmax(axis=0)
    curve = np.logaddexp.reduce(stacked, axis=0) - np.log(len(drifts))
    return np.maximum(curve, 0), drifts[best]


def _moved(values: Floats, by: int) -> Floats:
    """Return values[k + by] at k, 0 beyond the ends."""
    found = np.zeros_like(values)
    if abs(by) < len(values):
        if by >= 0:
            found[: len(values) - by] = values[by:]
        else:
            found[-by:] = values[:by]
    return found
