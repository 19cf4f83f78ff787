"""A region followed through time: from the frame it was marked on, forwards and backwards.

Pure. Each frame takes the mask of the one before it along dense optical flow (DIS, Kroeger et
al., ECCV 2016); what the region looks like, and the affinity of features to the marked frame and
the last ones (`models/affinity.py`), put it right again; a guided filter draws it to edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.editing.evidence import dilated
from tasks.editing.guided import guided

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from tasks.editing.evidence import Bools, Evidence, Floats, Pixels

# What the mask that came along counts against evidence: its logit, blurred by so many px for what
# flow is off by.
UNSURE_PX = 2.0
# What colours and motion, and what affinity counts beside it.
SEEN, LIKE = 1.0, 0.3
# How far from the mask that came along a region may have grown, in px.
GROWN_PX = 5
_RADIUS_PX = 3
_LAST = 2  # frames of the past beside the marked one that features are compared with


@dataclass(frozen=True)
class Clip:
    """One camera's frames (h, w, 3), the background behind them, and features of a frame."""

    pictures: Sequence[Pixels]
    behind: Pixels
    features: Callable[[int], Tensor] | None = None  # frame -> (C, h', w')


def follow(clip: Clip, start: int, mask: Floats, evidence: Evidence) -> list[Floats]:
    """Return the mask (h, w), 0..1, of every frame, given that of frame `start`."""
    found: list[Floats] = [mask] * len(clip.pictures)
    for order in (range(start + 1, len(found)), range(start - 1, -1, -1)):
        step = 1 if order.step > 0 else -1
        for k in order:
            past = [j for j in range(k - step, k - step * (_LAST + 1), -step) if _among(j, order)]
            found[k] = _next(clip, k, [*past, start], found, evidence)
    return found


def _among(frame: int, order: range) -> bool:
    return frame in order


def _next(
    clip: Clip, k: int, context: Sequence[int], masks: Sequence[Floats], evidence: Evidence
) -> Floats:
    """Return the mask of frame k; the first of `context` is the frame beside it."""
    before = context[0]
    moved = warped(masks[before], flow(clip.pictures[k], clip.pictures[before]))
    if moved.max() < 0.5:
        return np.zeros_like(moved)
    odds = logit(np.asarray(cv2.GaussianBlur(moved, (0, 0), UNSURE_PX), np.float32))
    odds += SEEN * evidence.of(clip.pictures[k], clip.behind)
    if clip.features is not None:
        odds += LIKE * logit(_alike(clip.features, k, context, masks, moved))
    likely = np.asarray(1 / (1 + np.exp(-odds)), np.float32)
    likely *= dilated(moved > 0.3, GROWN_PX)
    return guided(likely, clip.pictures[k], _RADIUS_PX)


def _alike(
    features: Callable[[int], Tensor],
    k: int,
    context: Sequence[int],
    masks: Sequence[Floats],
    near: Floats,
) -> Floats:
    """Return what frames of the context say of the cells near the mask; .5 elsewhere."""
    import torch

    from models.affinity import carried

    query = features(k)
    rows, columns = query.shape[1:]
    size = (columns, rows)
    cells = [cv2.resize(masks[j], size, interpolation=cv2.INTER_AREA) for j in context]
    box = window(cv2.resize(near, size, interpolation=cv2.INTER_AREA) > 0.1, 4)
    taken, _ = carried(
        torch.stack([features(j)[:, box[0], box[1]] for j in context]),
        torch.from_numpy(np.stack([cell[box] for cell in cells])),
        query[:, box[0], box[1]],
    )
    whole = np.full((rows, columns), 0.5, np.float32)
    whole[box] = taken.numpy()
    shape = (near.shape[1], near.shape[0])
    return np.asarray(cv2.resize(whole, shape, interpolation=cv2.INTER_LINEAR), np.float32)


def window(mask: Bools, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask and a margin; all of them if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )


def flow(picture: Pixels, other: Pixels) -> Floats:
    """Return where each pixel of a picture is in another, minus where it is: (h, w, 2), x first."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    ours, theirs = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (picture, other))
    return np.asarray(dis.calc(ours, theirs, None), np.float32)


def warped(mask: Floats, by: Floats) -> Floats:
    """Return a mask looked up along a flow; what comes from outside is not the region."""
    height, width = mask.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    found = cv2.remap(
        mask, x + by[..., 0], y + by[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(found, np.float32)


def logit(likely: npt.NDArray[np.float32]) -> Floats:
    """Return log odds, of .01 and .99 at most."""
    kept = np.clip(likely, 0.01, 0.99)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)
