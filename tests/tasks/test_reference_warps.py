from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from infra.errors import MediaError
from models.resample import downsample, upsample
from tasks.superresolution.degradations import to_bytes, to_tensor
from tasks.superresolution.other_cameras import InStep, OtherCameras
from tasks.superresolution.reference_warps import plane_of, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


def scene(seed: int = 0) -> Pixels:
    """A picture (192, 256, 3) with corners to be matched at several sizes."""
    rng = np.random.default_rng(seed)
    picture = np.full((192, 256, 3), 120, np.uint8)
    for _ in range(90):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 6, 6), (250, 186, 36, 36)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def seen_from_the_side(picture: Pixels) -> Pixels:
    """The scene as a turned camera shows it."""
    turn = np.array([[1.02, 0.05, -9], [-0.04, 0.98, 6], [1e-4, -5e-5, 1]])
    height, width = picture.shape[:2]
    return np.asarray(cv2.warpPerspective(picture, turn, (width, height)), np.uint8)


def small_and_back(picture: Pixels) -> Pixels:
    """What bicubic makes of a quarter of the pixels."""
    return to_bytes(upsample(downsample(to_tensor(picture[None]), 2), 2))[0]


def error(ours: Pixels, truth: Pixels, where: npt.NDArray[np.bool_]) -> float:
    return float(np.square(ours.astype(float) - truth)[where].mean())


def test_a_turned_camera_lands_on_our_pixels() -> None:
    """Where it is believed it is nearer to the truth than the enlargement is."""
    truth = scene()
    enlarged = small_and_back(truth)
    theirs = seen_from_the_side(truth)
    plane = plane_of(enlarged, theirs)
    assert plane is not None
    found = reference(enlarged, theirs, plane)
    assert found.coverage > 0.5
    assert error(found.rgb, truth, found.valid) < error(enlarged, truth, found.valid)
    assert not found.rgb[~found.valid].any()


def test_an_unrelated_picture_is_not_believed() -> None:
    """No plane in common: nothing is valid, and nothing is shown."""
    enlarged, other = small_and_back(scene(0)), scene(1)
    assert reference(enlarged, other, plane_of(enlarged, other)).coverage < 0.02


def test_what_differs_is_left_out() -> None:
    """A box that only the other camera shows is not valid."""
    truth = scene()
    enlarged, shown = small_and_back(truth), truth.copy()
    shown[60:120, 80:160] = 255 - shown[60:120, 80:160]
    found = reference(enlarged, shown, np.eye(3))
    assert found.valid[70:110, 90:150].mean() < 0.2
    assert found.valid[130:].mean() > 0.8


def test_the_frame_nearest_in_time_is_taken() -> None:
    """A camera of another rate is read forward only, and never past what is asked for."""
    frames = iter([(t, np.full((2, 2, 3), t, np.uint8)) for t in (0, 40, 80, 120)])
    camera = InStep(frames)
    shown = [camera.at(t) for t in (0, 15, 25, 81, 500)]
    assert [int(one[0, 0, 0]) for one in shown if one is not None] == [0, 0, 40, 80, 120]
    assert InStep(iter([])).at(0) is None


def test_the_camera_that_shows_most_is_chosen_and_a_broken_one_passed_over() -> None:
    """A camera that cannot be read, one of another place, and one that sees ours: the third."""
    truth = scene()

    def broken() -> Iterator[tuple[int, Pixels]]:
        raise MediaError("it cannot be read", reason="no_frames")
        yield 0, truth

    others = OtherCameras(
        [
            broken,
            lambda: iter([(0, scene(1)), (40, scene(1))]),
            lambda: iter([(0, seen_from_the_side(truth)), (40, seen_from_the_side(truth))]),
        ]
    )
    enlarged = small_and_back(truth)
    assert others.at(enlarged, 0).coverage > 0.5
    assert others.camera == 2
    assert others.at(enlarged, 40).coverage == pytest.approx(others.at(enlarged, 41).coverage)


def test_without_another_camera_nothing_is_valid() -> None:
    """A clip of one camera has references that say so."""
    assert OtherCameras([]).at(scene(), 0).coverage == 0
