"""Homographies between cameras: of a plane that is known, and found in pictures."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from picture_windows import texture

from tasks.rigs.camera_warps import (
    blended,
    fitted_homography,
    plane_homography,
    rig_centre,
    warped,
)
from tasks.rigs.pinhole import looking
from tasks.windows.tensors import camera_vector

CENTRE = np.array([0.3, 1.0, -0.2])
WIDE, TALL = (160, 90), (90, 160)


def vector(eye: tuple[float, float, float], size: tuple[int, int]) -> np.ndarray:
    """Return the vector of a camera that looks at the centre, its middle that of its picture."""
    found = looking(np.array(eye), CENTRE, 150.0, size)
    k = np.array(found.matrix)
    # Whole-number pixel centres: the middle of the picture is half a pixel less than half of it.
    k[:2, 2] = size[0] / 2, size[1] / 2
    return camera_vector(replace(found, matrix=tuple(map(tuple, k)))).astype(np.float64)


def seen(plane: np.ndarray, eye: np.ndarray, made: np.ndarray, aspect: float) -> np.ndarray:
    """Render a plane's texture as a camera sees it, ray by ray; the plane faces `made`."""
    side = plane.shape[-1]

    def basis(one: np.ndarray) -> np.ndarray:
        return np.stack([one[:3], one[3:6], np.cross(one[:3], one[3:6])], axis=1)

    turn, facing = basis(eye), basis(made)
    x, y = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
    focal = np.exp(eye[9])
    rays = np.stack([(x - eye[10]) / focal, (y - eye[11]) / focal / aspect, np.ones_like(x)], -1)
    rays = rays @ turn
    start = -turn.T @ eye[6:9]
    depth = (facing[2] @ (CENTRE - start)) / (rays @ facing[2])
    points = start + rays * depth[..., None] - CENTRE
    across, down = points @ facing[0], points @ facing[1]
    # The texture is two units wide.
    at = [((one / 2 + 0.5) * side - 0.5).astype(np.float32) for one in (across, down)]
    shown = cv2.remap(plane.transpose(1, 2, 0), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(shown.transpose(2, 0, 1), np.uint8)


def error(ours: np.ndarray, truth: np.ndarray, there: np.ndarray) -> float:
    """Mean absolute error in levels."""
    off = np.abs(ours.astype(float) - truth).mean(axis=0)
    return float(off[there].mean())


def test_axes_meet_where_the_cameras_look() -> None:
    """Three cameras that look at a point find it; two that look the same way find none."""
    rig = np.stack([vector(eye, WIDE) for eye in ((3, 1, 0), (0, 2, 4), (-3, 1.5, 1))])
    centre = rig_centre(rig)
    assert centre is not None
    np.testing.assert_allclose(centre, CENTRE, atol=1e-3)
    aside = rig[0].copy()
    aside[6:9] += 0.2
    assert rig_centre(np.stack([rig[0], aside])) is None
    assert rig_centre(rig[:1]) is None


@pytest.mark.parametrize(("size", "aspect"), [(WIDE, 16 / 9), (TALL, 9 / 16)])
def test_a_plane_is_carried_from_camera_to_camera(size: tuple[int, int], aspect: float) -> None:
    """A textured plane through the centre, seen by two cameras, is made to under 3 levels."""
    made, of = vector((0.5, 1.3, 4), WIDE), vector((2.0, 1.6, 3.5), size)
    plane = texture(3, 112, blur=4)
    truth, given = seen(plane, made, made, 16 / 9), seen(plane, of, made, aspect)
    homography = plane_homography(made, of, (16 / 9, aspect), CENTRE, 112)
    assert homography is not None
    ours, there = warped(given, homography)
    assert there.mean() > 0.5
    assert error(ours, truth, there) < 3
    assert error(given, truth, there) > 15


def test_a_centre_behind_a_camera_gives_no_plane() -> None:
    """Then there is nothing to warp by."""
    made, of = vector((0.5, 1.3, 4), WIDE), vector((2.0, 1.6, 3.5), WIDE)
    assert plane_homography(made, of, (1, 1), np.array([0, 1.0, 40.0]), 112) is None


@pytest.mark.parametrize("much", [0.02, 0.25])
def test_a_homography_is_found_in_backgrounds(much: float) -> None:
    """A picture warped by a small or a large known homography: corners are found to a pixel."""
    given = texture(5, 112, blur=2)
    corners = np.array([[0, 0], [111, 0], [111, 111], [0, 111]], np.float32)
    moved = corners + much * 112 * np.array([[0.3, 0.2], [-0.5, 0.1], [-0.2, -0.4], [0.4, -0.3]])
    truth = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    made, _ = warped(given, truth)
    found = fitted_homography(made, given)
    at = cv2.perspectiveTransform(corners[None], found)[0]
    assert np.abs(at - moved).max() < 1.0
    ours, there = warped(given, found)
    assert error(ours, made, there) < 3


def test_where_nothing_fits_there_is_no_warp_that_is_worse_than_none() -> None:
    """Of unrelated pictures the warp chosen has at most the error of no warp; grey ones stay."""
    one, other = texture(7, 64), texture(8, 64)
    found = fitted_homography(one, other)
    errors = [
        np.square(x.astype(float) - one).mean() for x in (blended(other[None], [found]), other)
    ]
    assert errors[0] <= errors[1]
    grey = np.full((3, 64, 64), 128, np.uint8)
    np.testing.assert_array_equal(fitted_homography(grey, grey), np.eye(3))


def test_a_blend_is_the_mean_of_what_reaches() -> None:
    """One camera reaches the left half, the other all; beyond both it is the plain mean."""
    one, other = (np.full((3, 20, 20), v, np.uint8) for v in (100, 200))
    left = np.array([[1.0, 0, 10], [0, 1, 0], [0, 0, 1]])
    away = np.array([[1.0, 0, 99], [0, 1, 0], [0, 0, 1]])
    found = blended(np.stack([one, other]), [left, np.eye(3)])
    assert (found[:, :, :9] == 150).all()
    assert (found[:, :, 11:] == 200).all()
    assert (blended(np.stack([one, other]), [away, away]) == 150).all()
