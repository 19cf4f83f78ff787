from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tasks.rigs.calibration import CameraModel, read_calibration
from tasks.rigs.same_people import swapped
from tasks.rigs.triangulate import errors_px, linear, projected, robust, undistorted
from tasks.views.catalogue import RIG_VIEWS
from tasks.views.rig import RigClip
from tasks.views.skeleton3d import camera_pixels
from tasks.views.view import Feature

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def cameras(pose2sim: Path) -> tuple[CameraModel, ...]:
    """Four real cameras, lenses and all; lengths in millimetres."""
    return read_calibration(pose2sim / "Calib.qca.txt").cameras


@pytest.fixture(scope="module")
def points() -> Floats:
    """Points where the people of that take are: (60, 3)."""
    random = np.random.default_rng(4)
    return np.array([-700.0, 0.0, 900.0]) + random.normal(0, 400, (60, 3))


def seen(cameras: tuple[CameraModel, ...], points: Floats) -> Floats:
    return np.stack([projected(camera, points) for camera in cameras])


def test_points_come_back_exactly(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """What cameras see of known points triangulates to them, plainly and robustly."""
    pixels = seen(cameras, points)
    weights = np.ones(pixels.shape[:2])
    assert linear(cameras, pixels, weights) == pytest.approx(points, abs=0.05)
    found = robust(cameras, pixels, weights)
    assert found.points == pytest.approx(points, abs=0.05)
    assert found.error_px.max() < 0.01
    assert (found.cameras == 4).all()


def test_rays_are_those_the_lens_bends(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """Undistorting what was projected gives the pinhole's directions."""
    for camera in cameras:
        ahead = points @ np.array(camera.rotation).T + camera.translation
        rays = undistorted(camera, projected(camera, points))
        assert rays == pytest.approx(ahead[:, :2] / ahead[:, 2:], abs=1e-5)


def test_one_wrong_camera_does_not_pull(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """A camera that sees something else shifts the plain answer by decimetres, not the robust."""
    pixels = seen(cameras, points)
    pixels[1] += 300.0
    weights = np.ones(pixels.shape[:2])
    plain = np.linalg.norm(linear(cameras, pixels, weights) - points, axis=1)
    found = robust(cameras, pixels, weights)
    off = np.linalg.norm(found.points - points, axis=1)
    assert np.median(plain) > 100
    assert np.median(off) < 1
    assert not found.used[1].any()


def test_one_camera_places_nothing(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """Fewer than two views give nan, no cameras and no error."""
    pixels = seen(cameras, points)
    weights = np.zeros(pixels.shape[:2])
    weights[0] = 1
    assert np.isnan(linear(cameras, pixels, weights)).all()
    found = robust(cameras, pixels, weights)
    assert np.isnan(found.points).all()
    assert not found.cameras.any()


def test_slots_are_tied_to_the_same_people(cameras: tuple[CameraModel, ...]) -> None:
    """Two people whose slots are swapped in some cameras are sorted out by geometry."""
    random = np.random.default_rng(2)
    two = [np.array([x, 0, 900]) + random.normal(0, 300, (6 * 33, 3)) for x in (-900.0, 300.0)]
    pixels = np.stack([seen(cameras, one).reshape(4, 6, 33, 2) for one in two], axis=2)
    flips = np.array([False, True, True, False])
    pixels[flips] = pixels[flips][:, :, ::-1]
    noisy = pixels + random.normal(0, 5, pixels.shape)
    assert swapped(cameras, noisy, np.ones(pixels.shape[:-1])).tolist() == flips.tolist()


def rig(cameras: tuple[CameraModel, ...], points: Floats, names: list[str]) -> RigClip:
    """Return a rig that sees one person of 33 joints through 3 steps, in slot 0."""
    sizes = {camera.name: (camera.width, camera.height) for camera in cameras}
    features = {}
    for camera in cameras:
        joints = np.zeros((3, 2, 33, 4), np.float16)
        pixels = projected(camera, points[:33])
        joints[:, 0, :, :2] = (pixels + 0.5) / sizes[camera.name]
        joints[:, 0, :, 3] = 1
        if camera.name in names:
            features[camera.name] = Feature((joints,), (1.0,), np.ones(3, bool))
    models = {camera.name: camera for camera in cameras}
    return RigClip(np.arange(3) * 80_000_000, models, sizes, {"skeleton": features})


def test_a_skeleton_stands_in_space(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """Each camera is given the joints in the calibration's unit, to what half precision holds."""
    view = RIG_VIEWS["skeleton3d"].load()
    found = view.compute(rig(cameras, points, [camera.name for camera in cameras]))
    assert set(found) == {camera.name for camera in cameras}
    joints = found["cam01"].arrays[0]
    assert joints.shape == (3, 2, 33, 5)
    off = np.linalg.norm(joints[:, 0, :, :3] - points[:33], axis=-1)
    assert np.median(off) < 2
    assert joints[:, 0, :, 3].max() < 1
    assert (joints[:, 0, :, 4] == 4).all()
    assert not joints[:, 1].any()
    assert view.draw(found["cam01"], 1).std() > 0


def test_one_camera_makes_no_skeleton_in_space(
    cameras: tuple[CameraModel, ...], points: Floats
) -> None:
    """It is masked and said; drawing says it too."""
    view = RIG_VIEWS["skeleton3d"].load()
    found = view.compute(rig(cameras, points, ["cam01"]))["cam02"]
    assert not found.mask.any()
    assert found.absent == "1 calibrated cameras see a person, not 2"
    assert view.draw(found, 0).std() > 0


def test_cut_padding_is_not_scaled(cameras: tuple[CameraModel, ...]) -> None:
    """Of 1088 columns 1080 were kept: places are those of the left; another size is scaled."""
    middle = np.array([[0.5, 0.5]])
    assert camera_pixels(cameras[0], middle, (1080, 1920)).tolist() == [[539.5, 959.5]]
    assert camera_pixels(cameras[0], middle, (544, 960)).tolist() == [[543.5, 959.5]]


def test_shifted_cameras_are_noticed(cameras: tuple[CameraModel, ...], points: Floats) -> None:
    """A person seen elsewhere by two cameras has a larger error."""
    there = points + np.array([0.0, 150.0, 0.0])
    pixels = seen(cameras, points)
    pixels[2:] = seen(cameras[2:], there)
    weights = np.ones(pixels.shape[:2])
    placed = linear(cameras, pixels, weights)
    assert np.median(errors_px(cameras, placed, pixels)) > 5
