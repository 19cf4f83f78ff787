"""Pinhole cameras by hand: one that looks at a point, where it sees a point, what OpenGL calls it.

Pure arithmetic on `CameraModel`; lenses are undistorted. World y is up where a camera is aimed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.rigs.calibration import CameraModel, row, rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

# OpenGL's camera looks along -z with y up, ours along z with y down.
_FLIP = np.diag([1.0, -1.0, -1.0])


def looking(
    eye: Matrix, target: Matrix, focal: float, size: tuple[int, int], roll: float = 0.0
) -> CameraModel:
    """Return a camera at `eye` (3,) that has `target` in its middle, upright but for `roll`.

    `focal` in pixels, `size` (width, height), `roll` in radians; y of the world is up.

    Raises:
        CalibrationInvalidError: the target is the eye, or straight above or below it.
    """
    width, height = size
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(ahead, [0.0, 1.0, 0.0])
        right = right / np.linalg.norm(right)
    down = np.cross(ahead, right)
    turned = np.cos(roll) * right + np.sin(roll) * down
    rotation = np.stack([turned, np.cross(ahead, turned), ahead])
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    flat = (0.0, 0.0, 0.0, 0.0, 0.0)
    return CameraModel("camera", width, height, rows(k), flat, rows(rotation), row(-rotation @ eye))


def project(camera: CameraModel, point: Matrix) -> Matrix:
    """Return where a point of the world is in an undistorted picture: x, y in pixels.

    Not a number for what lies behind the camera.
    """
    x, y, z = np.array(camera.rotation) @ point + np.array(camera.translation)
    if z <= 0:
        return np.full(2, np.nan)
    return np.asarray((np.array(camera.matrix) @ [x / z, y / z, 1.0])[:2])


def resized(camera: CameraModel, width: int, height: int) -> CameraModel:
    """Return the camera for its picture squashed to another size (pixel areas are averaged)."""
    across, along = width / camera.width, height / camera.height
    # Pixel centres are whole numbers: the picture's edge is at -1/2.
    move = np.array([[across, 0, (across - 1) / 2], [0, along, (along - 1) / 2], [0, 0, 1]])
    matrix = rows(move @ np.array(camera.matrix))
    return replace(camera, width=width, height=height, matrix=matrix)


def opengl_matrices(
    camera: CameraModel, near: float, far: float
) -> tuple[list[float], list[float]]:
    """Return the model-view and the projection matrix, 16 numbers each, column by column."""
    model_view = np.eye(4)
    model_view[:3, :3] = _FLIP @ np.array(camera.rotation)
    model_view[:3, 3] = _FLIP @ np.array(camera.translation)
    k, width, height = np.array(camera.matrix), camera.width, camera.height
    projection = np.zeros((4, 4))
    projection[0, :3] = 2 * k[0, 0] / width, 2 * k[0, 1] / width, 1 - (2 * k[0, 2] + 1) / width
    projection[1, 1:3] = 2 * k[1, 1] / height, (2 * k[1, 2] + 1) / height - 1
    projection[2, 2:] = (near + far) / (near - far), 2 * near * far / (near - far)
    projection[3, 2] = -1
    return model_view.T.ravel().tolist(), projection.T.ravel().tolist()
