"""A camera's window as plain numbers, without a network of ours: what linear methods start from.

Reads windows; writes nothing. Each view is averaged over coarse cells, step by step; a step that is
masked is as the nearest usable one. What is absent stays absent: `PcaOfWindows` solves for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.linear_codes import PrincipalComponents
from models.pooled_views import BLOCKS, pooled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Rows = dict[str, tuple[Floats, Bools]]


def rows_of(tensors: Mapping[str, Tensor], block: str) -> tuple[Floats, Bools]:
    """Return one view of each camera of a window as numbers (V, T D), and where it is (V,)."""
    held, there = pooled(tensors, block)
    return held[0].flatten(1).double().numpy(), np.asarray(there[0].numpy())


def stacked(windows: Sequence[Mapping[str, Tensor]]) -> Rows:
    """Return every view of every camera of the windows, one below the other.

    A view that a window has no tensor of is absent there; one that none has is left out.
    """
    found: Rows = {}
    for block in BLOCKS:
        parts = [rows_of(one, block) if block in one else None for one in windows]
        width = next((part[0].shape[1] for part in parts if part is not None), 0)
        if not width:
            continue
        counts = [one["camera_known"].shape[1] for one in windows]
        nothing = [(np.zeros((n, width)), np.zeros(n, bool)) for n in counts]
        whole = [part or none for part, none in zip(parts, nothing, strict=True)]
        found[block] = (
            np.concatenate([values for values, _ in whole]),
            np.concatenate([known for _, known in whole]),
        )
    return found


@dataclass(frozen=True)
class PcaOfWindows:
    """Principal components of all views together, each view of equal total variance."""

    means: dict[str, Floats]
    scales: dict[str, float]
    components: PrincipalComponents

    @classmethod
    def fit(cls, rows: Rows, count: int) -> PcaOfWindows:
        """Fit at most `count` components; a view known in fewer than two rows has no part.

        Raises:
            ValueError: no view is known in two rows.
        """
        known = {name: x[there] for name, (x, there) in rows.items() if there.sum() > 1}
        if not known:
            raise ValueError("no view is there in two rows: nothing to fit components on")
        means = {name: x.mean(axis=0) for name, x in known.items()}
        scales = {
            name: float(1 / np.sqrt(max(x.var(axis=0).sum(), 1e-12))) for name, x in known.items()
        }
        whole, _ = _joined(rows, means, scales)
        return cls(means, scales, PrincipalComponents.fit(whole, count))

    def codes(self, rows: Rows) -> Floats:
        """Return the codes of rows, (N, K); of a view that is absent the likeliest is taken."""
        whole, known = _joined(rows, self.means, self.scales)
        for k in np.flatnonzero(~known.all(axis=1)):
            whole[k] = self.components.completed(whole[k], known[k])
        return self.components.codes(whole)


def _joined(
    rows: Rows, means: Mapping[str, Floats], scales: Mapping[str, float]
) -> tuple[Floats, Bools]:
    """Return the fitted views side by side, (N, D), zeros where absent, and what is known."""
    count = len(next(iter(rows.values()))[1])
    parts, known = [], []
    for name, mean in means.items():
        x, there = rows.get(name, (np.zeros((count, len(mean))), np.zeros(count, bool)))
        parts.append(np.where(there[:, None], (x - mean) * scales[name], 0.0))
        known.append(np.repeat(there[:, None], len(mean), axis=1))
    return np.concatenate(parts, axis=1), np.concatenate(known, axis=1)
