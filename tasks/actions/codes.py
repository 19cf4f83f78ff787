"""Codes of labelled windows: what a probe of actions learns from.

Reads the catalog's labels and windows; writes nothing. Labels never reach a code: sound and text,
through which they could (a label is text of its recording), are masked by `own_tensors`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from catalog.query import rows
from tasks.codes.camera_codes import camera_codes, own_tensors
from tasks.windows.camera_sets import sets_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from catalog.snapshot import Snapshot
    from models.distiller import Distiller
    from models.precision import Precision
    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ActionCodes:
    """N windows of up to V cameras: labels (N,) count `names`, sessions (N,) are theirs.

    `codes` (N, M, E) are of the M sets of cameras `sets` (M, V), all of them; zeros where a window
    has none of a set's. `background` (N, M, E) is made of each camera's median picture alone.
    """

    names: tuple[str, ...]
    labels: Ints
    sessions: tuple[str, ...]
    sets: Bools
    codes: Floats
    background: Floats

    def of(self, cameras: Bools, *, background: bool = False) -> Floats:
        """Return the code of a set of cameras (V,) of each window: (N, E)."""
        row = int(np.flatnonzero((self.sets == cameras).all(axis=1))[0])
        return (self.background if background else self.codes)[:, row]

    def single(self) -> Floats:
        """Return the code of each camera by itself, (N, V, E)."""
        every = np.eye(self.sets.shape[1], dtype=bool)
        return np.stack([self.of(one) for one in every], axis=1)


def window_labels(windows: Sequence[Window], snapshot: Snapshot) -> list[str | None]:
    """Return what users call each window: the one label of its recordings, None if not one."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows(snapshot, "camera_labels"):
        said[row["session_id"], row["camera_id"]].add(row["label"])
    found = []
    for window in windows:
        every = set().union(*(said[window.session_id, camera] for camera in window.cameras))
        found.append(every.pop() if len(every) == 1 else None)
    return found


def action_codes(
    model: Distiller, windows: Sequence[Window], labels: Sequence[str], precision: Precision
) -> ActionCodes:
    """Encode every set of cameras of every window, of up to five cameras.

    Raises:
        ValueError: no window, or one of more than five cameras.
    """
    if not windows:
        raise ValueError("no window has a label")
    most = max(len(window.cameras) for window in windows)
    if most > 5:
        raise ValueError(f"a window has {most} cameras: all sets of them would be too many")
    sets = sets_of(np.ones(most, bool), 0)
    codes, background = [], []
    for window in windows:
        masks = sets[:, : len(window.cameras)]
        own = own_tensors(window)
        codes.append(camera_codes(model, own, masks, precision))
        background.append(camera_codes(model, still(own), masks, precision))
    names, which = np.unique(labels, return_inverse=True)
    return ActionCodes(
        tuple(names.tolist()),
        which.astype(np.int64),
        tuple(window.session_id for window in windows),
        sets,
        np.stack(codes),
        np.stack(background),
    )


def still(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a window in which each camera shows the median of its pictures and nothing else.

    What can be told from that is told from the place, not from what is done in it.
    """
    kept = {"rgb", "mask_rgb", "camera", "camera_known", "t_ns", "slot"} & set(tensors)
    found = {name: tensors[name] for name in kept}
    rgb, mask = (tensors[name][0] for name in ("rgb", "mask_rgb"))
    median = torch.zeros_like(rgb)
    for camera in range(len(rgb)):
        if bool(mask[camera].any()):
            shown = rgb[camera][mask[camera]].float()
            # NumPy's median is the mean of the middle two, torch's the lower of them.
            median[camera] = torch.from_numpy(np.median(shown.numpy(), axis=0)).to(rgb.dtype)
    return found | {"rgb": median[None]}
