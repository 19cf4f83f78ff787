"""Maps of inverse depth with confidence: how views store them, models read them, people see them.

Pure; shared by the views *depth* and *stereo*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.views.view import ArraySpec, Feature, absent

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.views.view import ViewSpec

    Floats = npt.NDArray[np.float32]

CELLS = 28
_SHOWN = 112  # px, side of a drawing

# Two bytes a cell: 1.6 KB a step; 19.6 KB a camera-second, 9.8 after zstd.
ARRAYS = (
    ArraySpec("inverse", (1, CELLS, CELLS), "uint8"),
    ArraySpec("confidence", (1, CELLS, CELLS), "uint8"),
)


def stored(
    spec: ViewSpec, inverse: Floats, confidence: Floats, mask: npt.NDArray[np.bool_]
) -> Feature:
    """Return the feature of inverse depth >= 0 and confidence 0..1, (T, 1, 28, 28) each.

    Inverse depth has 255 levels up to the clip's nearest, confidence 16; cells of confidence 0
    hold 0. The vector is (median, mean absolute deviation) of the clip's inverse depth: see
    `affine_normalised`.
    """
    # Sixteen levels are as fine as a confidence is meant, and take half the room of 256.
    levels = (np.rint(confidence * 15) * 17).astype(np.uint8)
    there = mask[:, None, None, None] & (levels > 0)
    if not there.any():
        return absent(spec, len(mask), "no depth was found")
    inverse = np.where(there, inverse, 0)
    scale = float(inverse.max()) / 255 or 1.0
    near = np.rint(inverse / scale).astype(np.uint8)
    sure = np.where(there, levels, 0).astype(np.uint8)
    middle = float(np.median(inverse[there]))
    spread = float(np.abs(inverse[there] - middle).mean()) or 1.0
    found = mask & there.any(axis=(1, 2, 3))
    return Feature((near, sure), (scale, 1 / 255), found, np.array([middle, spread], np.float32))


def affine_normalised(feature: Feature) -> Floats:
    """Return inverse depth (T, 1, 28, 28) with median 0 and mean deviation 1 over its whole clip.

    What models read: neither a network's own scale nor a depth camera's unit is left in it. Works
    on a piece of a clip's steps too, because the vector is the clip's. Cells of confidence 0 and
    masked steps are 0.
    """
    if feature.vector is None:
        return np.zeros(feature.arrays[0].shape, np.float32)
    inverse = feature.arrays[0].astype(np.float32) * np.float32(feature.scales[0])
    there = feature.mask[:, None, None, None] & (np.asarray(feature.arrays[1], np.uint8) > 0)
    middle, spread = feature.vector
    return np.where(there, (inverse - middle) / spread, 0).astype(np.float32)


def drawn(feature: Feature, step: int) -> npt.NDArray[np.uint8]:
    """Return one step as a picture of 112 px; colours hold over the clip."""
    inverse, confidence = (np.asarray(one, np.uint8) for one in feature.arrays)
    sure = confidence > 0
    low, high = np.quantile(inverse[sure], (0.02, 0.98)) if sure.any() else (0.0, 1.0)
    share = (inverse[step, 0].astype(np.float32) - low) / max(high - low, 1)
    size, nearest = (_SHOWN, _SHOWN), cv2.INTER_NEAREST
    level = cv2.resize((share.clip(0, 1) * 255).astype(np.uint8), size, interpolation=nearest)
    light = cv2.resize(confidence[step, 0], size, interpolation=nearest)[..., None] / 255
    rgb = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_PLASMA), cv2.COLOR_BGR2RGB)
    return np.asarray(rgb * (0.25 + 0.75 * light) * (light > 0), np.uint8)
