"""A camera's window as plain numbers, without a network of ours: what linear methods start from.

Reads windows; writes nothing. Each view is averaged over coarse cells, step by step; a step that is
masked is as the nearest usable one. What is absent stays absent: `PcaOfWindows` solves for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.linear_codes import PrincipalComponents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Rows = dict[str, tuple[Floats, Bools]]

GREY_CELLS = 16
_CELLS, _DEEP_CELLS = 7, 2


def _grey(x: Tensor) -> Tensor:
    """(N, 3, h, w) in 0..255 -> (N, 1, 16, 16) luma in 0..1."""
    weights = x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return functional.adaptive_avg_pool2d((x * weights).sum(dim=1, keepdim=True), GREY_CELLS) / 255


def _coarse(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, _CELLS)


def _deep(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, _DEEP_CELLS)


def _joints(x: Tensor) -> Tensor:
    """(N, P, 33, 4) -> (N, 33, 2): x and y of the person that is surest."""
    best = x[..., 3].mean(dim=2).argmax(dim=1)
    return x[torch.arange(len(x)), best, :, :2]


BLOCKS: dict[str, Callable[[Tensor], Tensor]] = {
    "rgb": _grey,
    "flow": _coarse,
    "silhouette": _coarse,
    "skeleton": _joints,
    "appearance": _deep,
    "depth": _coarse,
}


def rows_of(tensors: Mapping[str, Tensor], block: str) -> tuple[Floats, Bools]:
    """Return one view of each camera of a window as numbers (V, T D), and where it is (V,)."""
    x, mask = tensors[block][0], tensors[f"mask_{block}"][0]
    cameras, steps = mask.shape
    clean = torch.where(mask.view(cameras, steps, *[1] * (x.ndim - 2)), x, x.new_zeros(()))
    told = BLOCKS[block](clean.flatten(0, 1).float()).reshape(cameras, steps, -1)
    at = torch.arange(steps)
    away = (at[:, None] - at).abs() + torch.where(mask, 0, steps)[:, None]  # (V, T, T)
    nearest = away.argmin(dim=2)[..., None].expand_as(told)
    held = told.gather(1, nearest).flatten(1)
    return held.double().numpy(), np.asarray(mask.any(dim=1).numpy())


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
