"""A region found in the other cameras of the same instant, or said not to be seen there.

Pure. With calibrated cameras the region is pushed along its rays to where all cameras agree with
what it looks like (a plane sweep of one object), given a body as thick as it is wide (Igarashi et
al., "Teddy", SIGGRAPH 1999), and seen from there: a visual hull of one outline. Without, the
affinity of features says where it is. Colours and motion then draw its outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from tasks.editing.evidence import dilated, learnt
from tasks.editing.following import logit
from tasks.editing.guided import guided
from tasks.rigs.camera_warps import rig_centre
from tasks.rigs.triangulate import projected, undistorted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from tasks.editing.evidence import Bools, Evidence, Floats, Pixels
    from tasks.rigs.calibration import CameraModel

    Matrix = npt.NDArray[np.float64]

# Why a region is not shown: out of the picture, or nothing there looks like it.
Reason = Literal["seen", "outside", "not_found"]

# Depths tried, even in inverse depth, between these shares of the distance to the rig's middle.
DEPTHS, NEAREST, FARTHEST = 64, 0.3, 3.0
# Points of the region that are followed along their rays.
POINTS = 300
# A region of which less than this share would be inside the picture is outside.
INSIDE = 0.25
# Evidence (log odds a pixel, on average) below which a place does not look like the region, where
# geometry says that it is there, and where nothing does. Of rendered bodies that were there none
# that was found right had less than 1.2 and 2.3; of those that were not, half had.
LIKELY, LIKELY_ALONE = 0.7, 1.5
# Of the size expected, what is found has at least and at most so much.
SMALLEST, SMALLEST_ALONE, LARGEST = 0.2, 0.4, 4.0
# What is found must lead back to what was marked, this much of their union: by its own outline, or
# by the body that geometry makes of it. Of 58 bodies that were not there, 56 do not; of 58 that
# were, 54 do.
RETURNED, RETURNED_BODY = 0.3, 0.15
_RADIUS_PX = 3


@dataclass(frozen=True)
class Look:
    """One camera's picture (h, w, 3) of the instant, its background, features, and calibration."""

    picture: Pixels
    behind: Pixels
    camera: CameraModel | None = None  # of the picture's size
    features: Tensor | None = None  # (C, h', w')


@dataclass(frozen=True)
class Found:
    """The region in one other camera: `mask` (h, w) 0..1, all 0 where `reason` is not `seen`."""

    mask: Floats
    reason: Reason


def find(marked: Look, mask: Floats, others: Sequence[Look], evidence: Evidence) -> list[Found]:
    """Return the region in each other camera, given its mask (h, w) in the one it is marked in."""
    odds = [evidence.of(one.picture, one.behind) for one in others]
    known = [k for k, one in enumerate(others) if one.camera is not None]
    placed: dict[int, Bools | None] = {}
    if marked.camera is not None and known:
        placed = _placed(marked, mask > 0.5, {k: (others[k], odds[k]) for k in known})
    found = []
    for k, one in enumerate(others):
        if k not in placed:
            seen = _by_affinity(marked, mask, one, odds[k])
        elif (expected := placed[k]) is None:
            seen = _absent(one, "outside")
        else:
            seen = _drawn(one, expected, odds[k])
        if seen.reason == "seen" and not _leads_back(one, seen, marked, mask):
            seen = _absent(one, "not_found")
        found.append(seen)
    return found


def _absent(look: Look, reason: Reason) -> Found:
    return Found(np.zeros(look.picture.shape[:2], np.float32), reason)


def _placed(
    marked: Look, mask: Bools, others: dict[int, tuple[Look, Floats]]
) -> dict[int, Bools | None]:
    """Return where the region would be seen in each calibrated camera, None outside of it."""
    assert marked.camera is not None  # noqa: S101  the caller looked
    cameras = {k: look.camera for k, (look, _) in others.items() if look.camera is not None}
    rows, columns = np.nonzero(mask)
    some = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int)
    pixels = np.stack([columns[some], rows[some]], axis=1).astype(np.float64)
    rays = np.column_stack([undistorted(marked.camera, pixels), np.ones(len(pixels))])
    best, depth = -np.inf, 0.0
    for tried in _depths([marked.camera, *cameras.values()]):
        points = _in_world(marked.camera, rays * tried)
        scores = []
        for k, camera in cameras.items():
            x, y, inside = _lookup(camera, points)
            if inside.mean() < INSIDE:
                continue
            # What looks like the region and is covered by it; what is covered and does not, costs.
            scores.append(float(others[k][1][y[inside], x[inside]].mean()))
        if scores and (score := float(np.mean(scores))) > best:
            best, depth = score, tried
    if not depth:
        return dict.fromkeys(cameras)
    # The body: half as thick as the region is wide there.
    thick: Matrix = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)[
        rows[some], columns[some]
    ]
    reach = thick * depth / marked.camera.matrix[0][0]
    body = np.concatenate([rays * (depth + share * reach)[:, None] for share in (-1, 0, 1)])
    points = _in_world(marked.camera, body)
    return {k: _silhouette(camera, points, len(rows)) for k, camera in cameras.items()}


def _depths(cameras: Sequence[CameraModel]) -> Matrix:
    """Return depths of the first camera, near to far."""
    vectors = np.stack([_vector(one) for one in cameras])
    middle = rig_centre(vectors)
    centres = np.stack([-np.array(c.rotation).T @ np.array(c.translation) for c in cameras])
    if middle is None:
        away = 4 * float(np.linalg.norm(centres - centres[0], axis=1).max())
    else:
        away = float(np.linalg.norm(middle - centres[0]))
    return np.asarray(1 / np.linspace(1 / (FARTHEST * away), 1 / (NEAREST * away), DEPTHS))


def _vector(camera: CameraModel) -> Matrix:
    """Return what `camera_warps` knows a camera by, without its lens: (12,)."""
    turn = np.array(camera.rotation)
    return np.concatenate([turn[:, 0], turn[:, 1], camera.translation, np.zeros(3)])


def _in_world(camera: CameraModel, points: Matrix) -> Matrix:
    turn, shift = np.array(camera.rotation), np.array(camera.translation)
    return np.asarray((points - shift) @ turn)


def _lookup(
    camera: CameraModel, points: Matrix
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Bools]:
    """Return the pixels x, y of points (N, 3), and which are inside the picture."""
    seen = projected(camera, points)
    ahead = np.asarray(np.isfinite(seen).all(axis=1))
    x, y = np.where(ahead[:, None], seen, -1e6).clip(-1e6, 1e6).round().astype(np.int64).T
    inside = ahead & (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    return x, y, np.asarray(inside)


def _silhouette(camera: CameraModel, points: Matrix, area: int) -> Bools | None:
    """Return the outline that points of a body fill, None if too few are in the picture."""
    x, y, inside = _lookup(camera, points)
    if inside.mean() < INSIDE:
        return None
    shown = np.zeros((camera.height, camera.width), np.uint8)
    # As far apart as points of the region are, and closed.
    gap = max(2, int(np.ceil(1.5 * np.sqrt(area / max(1, len(points) / 3)))))
    shown[y[inside], x[inside]] = 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * gap + 1, 2 * gap + 1))
    closed = cv2.morphologyEx(shown, cv2.MORPH_CLOSE, kernel)
    return np.asarray(closed > 0)


def _drawn(look: Look, expected: Bools, odds: Floats) -> Found:
    """Return the outline of what looks like the region where it is expected."""
    size = float(np.sqrt(expected.sum()))
    # Expected to a quarter of its size: what is there by a body nobody measured is no better.
    prior = cv2.GaussianBlur(expected.astype(np.float32), (0, 0), max(1.0, 0.25 * size))
    prior = prior / max(1e-6, float(prior.max()))
    likely = np.asarray(1 / (1 + np.exp(-(logit(prior) + odds))), np.float32)
    likely *= dilated(expected, max(2, round(0.5 * size)))
    part = _main_part(likely, expected)
    return _judged(look, part, odds, SMALLEST * float(expected.sum()), LIKELY)


def _main_part(likely: Floats, expected: Bools) -> Floats:
    """Return the connected part that has most in common with what is expected."""
    count, parts = cv2.connectedComponents((likely > 0.5).astype(np.uint8))
    if count <= 1:
        return np.zeros_like(likely)
    shared = np.bincount(parts[expected], minlength=count)[1:]
    whole = np.bincount(parts.ravel(), minlength=count)[1:]
    best = 1 + int(np.argmax(shared + 1e-3 * whole))
    # Parts that are nearly as large belong to it: an arm before it may cut it in two.
    kept = np.isin(parts, [k for k in range(1, count) if shared[k - 1] > 0.2 * shared[best - 1]])
    kept |= parts == best
    return np.asarray(np.where(dilated(np.asarray(kept), 1), likely, 0), np.float32)


def _judged(look: Look, likely: Floats, odds: Floats, smallest: float, least: float) -> Found:
    """Return what was drawn, if it is of a size and looks that the region may have."""
    mask = guided(likely, look.picture, _RADIUS_PX)
    inside = mask > 0.5
    found = float(inside.sum())
    largest = smallest * LARGEST / SMALLEST
    if not smallest <= found <= largest or float(odds[inside].mean()) < least:
        return _absent(look, "not_found")
    return Found(mask, "seen")


def _leads_back(other: Look, found: Found, marked: Look, mask: Floats) -> bool:
    """Tell whether what was found, marked there, would be found where the region was marked."""
    evidence = learnt(other.picture, found.mask > 0.5, other.behind)
    odds = evidence.of(marked.picture, marked.behind)
    if other.camera is not None and marked.camera is not None:
        back = _placed(other, found.mask > 0.5, {0: (marked, odds)})[0]
        least = RETURNED_BODY
    else:
        back = _by_affinity(other, found.mask, marked, odds).mask > 0.5
        least = RETURNED
    if back is None:
        return False
    both, either = (back & (mask > 0.5)).sum(), (back | (mask > 0.5)).sum()
    return bool(both >= least * either)


def _by_affinity(marked: Look, mask: Floats, look: Look, odds: Floats) -> Found:
    """Return the region where features and looks agree, with no geometry to help."""
    area = float((mask > 0.5).sum()) * look.picture[..., 0].size / mask.size
    if marked.features is None or look.features is None:
        like = np.full(odds.shape, 0.5, np.float32)
    else:
        like = _alike(marked.features, mask, look.features, odds.shape)
    combined = logit(like) + odds
    smooth = cv2.GaussianBlur(combined, (0, 0), max(1.0, 0.1 * float(np.sqrt(area))))
    likely = np.asarray(1 / (1 + np.exp(-(0.5 * combined + 0.5 * smooth))), np.float32)
    count, parts = cv2.connectedComponents((likely > 0.5).astype(np.uint8))
    if count <= 1:
        return _absent(look, "not_found")
    sums = np.bincount(parts.ravel(), weights=combined.ravel(), minlength=count)[1:]
    best = parts == 1 + int(np.argmax(sums))
    kept = np.where(dilated(np.asarray(best), 1), likely, 0).astype(np.float32)
    return _judged(look, kept, odds, SMALLEST_ALONE * area, LIKELY_ALONE)


def _alike(features: Tensor, mask: Floats, others: Tensor, shape: tuple[int, ...]) -> Floats:
    import torch

    from models.affinity import carried

    cells = cv2.resize(mask, features.shape[:0:-1], interpolation=cv2.INTER_AREA)
    taken, _ = carried(features[None], torch.from_numpy(cells)[None], others, top_k=10)
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(taken.numpy(), size, interpolation=cv2.INTER_LINEAR), np.float32)
