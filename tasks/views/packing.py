"""How a feature lies in its row: its arrays one after the other, each coded as its spec says.

Pure. What is absent takes no bytes. The same feature gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tasks.views.view import ArraySpec, Feature, absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from tasks.views.view import Array, ViewSpec

# PERFORMANCE: 13 KB at 224 px; 3-4 KB at 112 px. Below 85 the colour of small things bleeds.
JPEG_QUALITY = 85
# The columns of a row that `unpacked` reads, and those that say whose they are.
STORED = ("camera_id", "view", "given", "steps", "data", "mask", "scales", "vector", "absent")
_LENGTH = np.dtype("<u4")


def packed(spec: ViewSpec, feature: Feature) -> dict[str, Any]:
    """Return the columns of the table `features` that hold what the view said."""
    parts = zip(spec.arrays, feature.arrays, strict=True)
    coded = b"" if feature.absent else b"".join(_coded(one, a, feature.mask) for one, a in parts)
    return {
        "steps": len(feature.mask),
        "data": coded,
        "scales": list(feature.scales),
        "mask": np.packbits(feature.mask).tobytes(),
        "vector": None if feature.vector is None else feature.vector.tolist(),
        "absent": feature.absent,
    }


def unpacked(spec: ViewSpec, row: Mapping[str, Any]) -> Feature:
    """Return the feature that `packed` made the columns of; arrays may be read-only.

    Raises:
        ValueError: if the bytes are not what the spec says.
    """
    steps = row["steps"]
    if row["absent"] is not None:
        return absent(spec, steps, row["absent"])
    mask = np.unpackbits(np.frombuffer(row["mask"], np.uint8), count=steps).astype(bool)
    data, at, arrays = memoryview(row["data"]), 0, []
    for one in spec.arrays:
        array, size = _decoded(one, data[at:], steps)
        arrays.append(array)
        at += size
    if at != len(data):
        raise ValueError(f"{spec.name}: {len(data)} bytes where {at} are expected")
    vector = None if row["vector"] is None else np.asarray(row["vector"], np.float32)
    return Feature(tuple(arrays), tuple(row["scales"]), mask, vector)


def values(feature: Feature, index: int) -> npt.NDArray[np.float32]:
    """Return one array of a feature in its own unit: (T, *shape) float32."""
    return feature.arrays[index].astype(np.float32) * np.float32(feature.scales[index])


def _coded(spec: ArraySpec, array: Array, mask: npt.NDArray[np.bool_]) -> bytes:
    if spec.coding == "bits":
        return np.packbits(array.astype(bool)).tobytes()
    if spec.coding == "jpeg":
        pictures = [_jpeg(array[k]) if mask[k] else b"" for k in range(len(mask))]
        lengths = np.array([len(one) for one in pictures], _LENGTH)
        return lengths.tobytes() + b"".join(pictures)
    return np.ascontiguousarray(array, np.dtype(spec.dtype)).tobytes()


def _decoded(spec: ArraySpec, data: memoryview, steps: int) -> tuple[Array, int]:
    """Return the array at the start of `data` and how many bytes it took."""
    shape, count = (steps, *spec.shape), steps * int(np.prod(spec.shape))
    if spec.coding == "bits":
        size = -(-count // 8)
        bits = np.unpackbits(np.frombuffer(data[:size], np.uint8), count=count)
        return bits.astype(bool).reshape(shape), size
    if spec.coding == "jpeg":
        return _pictures(spec, data, steps)
    size = count * np.dtype(spec.dtype).itemsize
    return np.frombuffer(data[:size], spec.dtype).reshape(shape), size


def _jpeg(picture: Array) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a picture of {picture.shape} is no JPEG")
    return coded.tobytes()


def _pictures(spec: ArraySpec, data: memoryview, steps: int) -> tuple[Array, int]:
    lengths = np.frombuffer(data[: steps * _LENGTH.itemsize], _LENGTH).tolist()
    pictures, at = np.zeros((steps, *spec.shape), np.uint8), steps * _LENGTH.itemsize
    for k, length in enumerate(lengths):
        if length:
            coded = np.frombuffer(data[at : at + length], np.uint8)
            bgr = cv2.imdecode(coded, cv2.IMREAD_COLOR)
            if bgr is None or bgr.shape != tuple(spec.shape):
                raise ValueError(f"step {k} is no JPEG of {spec.shape}")
            cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=pictures[k])
            at += length
    return pictures, at
