from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tasks.kernels.plane_sweep import PlaneSweep, SweptDepth, agreement
from tasks.kernels.rectified import RectifiedPair
from tasks.rigs.calibration import CameraModel
from tasks.rigs.pinhole import looking, resized
from tasks.synthetic.world import texture
from tasks.views.catalogue import RIG_VIEWS
from tasks.views.rig import RigClip
from tasks.views.stereo import SPEC, Stereo
from tasks.views.view import Feature

STRAIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FLAT = (0.0, 0.0, 0.0, 0.0, 0.0)
PATTERN = texture(np.random.default_rng(4), 512, base=np.full(3, 128.0), contrast=45)


def camera(
    x: float = 0.0, y: float = 0.0, side: int = 112, lens: tuple[float, ...] = FLAT
) -> CameraModel:
    """A camera that looks along z from (x, y, 0), 60 degrees wide."""
    middle = (side - 1) / 2
    matrix = ((side * 0.87, 0.0, middle), (0.0, side * 0.87, middle), (0.0, 0.0, 1.0))
    return CameraModel("c", side, side, matrix, lens, STRAIGHT, (-x, -y, 0.0))  # type: ignore[arg-type]


def wall(model: CameraModel, depth: float) -> npt.NDArray[np.uint8]:
    """What a camera sees of a textured wall across z at a depth: (h, w, 3)."""
    y, x = np.mgrid[: model.height, : model.width].astype(np.float64)
    points = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    k, lens = np.array(model.matrix), np.array(model.distortion)
    rays = cv2.undistortPoints(points, k, lens)[:, 0].T
    rotation, shift = np.array(model.rotation), np.array(model.translation)
    eye = -rotation.T @ shift
    ahead = rotation.T @ np.concatenate([rays, np.ones((1, rays.shape[1]))])
    at = eye[:, None] + ahead * ((depth - eye[2]) / ahead[2])
    # About a texel a pixel at 2 m.
    columns, rows = ((at[k] * 40 + 256).reshape(x.shape).astype(np.float32) for k in (0, 1))
    return np.asarray(cv2.remap(PATTERN, columns, rows, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP))


def grey(model: CameraModel, depth: float) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(wall(model, depth), cv2.COLOR_RGB2GRAY))


def assert_at(found: SweptDepth, depth: float, *, known: float, share: float = 0.85) -> None:
    """Most of the middle is known and at this depth, to 3 %."""
    middle = (slice(8, -8), slice(8, -8))
    sure = found.confidence[middle] > 0
    assert sure.mean() > known
    assert np.median(found.inverse[middle][sure]) == pytest.approx(1 / depth, rel=0.015)
    off = np.abs(found.inverse[middle][sure] * depth - 1)
    assert (off < 0.03).mean() > share


@pytest.mark.parametrize("depth", [1.7, 2.6])
def test_a_wall_is_swept_at_its_depth(depth: float) -> None:
    """Two cameras beside each other and one above: the plane's depth, finer than the planes."""
    reference, others = camera(), [camera(0.25), camera(0.0, -0.2)]
    sweep = PlaneSweep(reference, others)
    found = sweep.depth(grey(reference, depth), [grey(one, depth) for one in others])
    assert_at(found, depth, known=0.7)
    alone = sweep.depth(grey(reference, depth), [None, grey(others[1], depth)])
    assert_at(alone, depth, known=0.5)


def test_a_lens_is_part_of_the_sweep() -> None:
    """Barrel distortion of both cameras moves no depth; ignored, the wall would be bent."""
    lens = (-0.18, 0.03, 0.001, -0.001, 0.0)
    bent = [camera(lens=lens), camera(0.3, lens=lens)]
    pictures = [grey(one, 2.0) for one in bent]
    assert_at(PlaneSweep(bent[0], bent[1:]).depth(pictures[0], pictures[1:]), 2.0, known=0.6)
    straight = [camera(), camera(0.3)]
    wrong = PlaneSweep(straight[0], straight[1:]).depth(pictures[0], pictures[1:])
    off = np.abs(wrong.inverse[wrong.confidence > 0] * 2.0 - 1)
    assert (off < 0.03).mean() < 0.8


@pytest.mark.parametrize("aside", [0.25, -0.25])
def test_a_wall_is_rectified_at_its_depth(aside: float) -> None:
    """The other camera may be on either side, and turned a little."""
    reference = camera()
    around = cv2.Rodrigues(np.array([0.01, 0.05 * np.sign(aside), 0.02]))[0]
    shift = around @ np.array([-aside, 0.0, 0.0])
    other = replace(
        camera(),
        rotation=tuple(tuple(map(float, line)) for line in around),
        translation=tuple(map(float, shift)),
    )
    found = RectifiedPair(reference, other).depth(grey(reference, 2.0), grey(other, 2.0))
    assert_at(found, 2.0, known=0.6)


def test_cameras_above_each_other_are_not_rectified() -> None:
    """Rows cannot be made to match; the caller sweeps."""
    with pytest.raises(ValueError, match="above"):
        RectifiedPair(camera(), camera(0.0, 0.3))


def test_a_flat_wall_has_no_depth() -> None:
    """Without texture nothing is claimed."""
    plain = np.full((112, 112), 120, np.uint8)
    found = PlaneSweep(camera(), [camera(0.25)]).depth(plain, [plain])
    assert not found.confidence.any()
    assert not found.inverse.any()


def test_a_second_camera_contradicts() -> None:
    """Depth that another camera knows otherwise counts 0, the same depth 1, unseen less than 1."""
    one, two = camera(), camera(0.2)

    def at(depth: float, sure: float = 1.0) -> SweptDepth:
        shape = (112, 112)
        return SweptDepth(np.full(shape, 1 / depth, np.float32), np.full(shape, sure, np.float32))

    same = agreement(one, at(2.0), two, at(2.0))
    assert same[56, 56] == 1
    assert 0 < same[56, 0] < 1  # outside of the other's picture
    assert agreement(one, at(2.0), two, at(3.0))[56, 56] == 0
    assert 0 < agreement(one, at(2.0), two, at(3.0, sure=0.0))[56, 56] < 1


def rig(models: dict[str, CameraModel], depth: float = 2.0, steps: int = 2) -> RigClip:
    """A wall seen by some cameras, as the view gets it: squashed thumbnails."""
    features = {}
    for name, model in models.items():
        small = cv2.resize(wall(model, depth), (112, 112), interpolation=cv2.INTER_AREA)
        mask = np.ones(steps, bool)
        features[name] = Feature((np.stack([small] * steps),), (1.0,), mask)
    sizes = {name: (model.width, model.height) for name, model in models.items()}
    times = np.arange(steps, dtype=np.int64) * 80_000_000
    return RigClip(times, models, sizes, {"thumbnail": features})


def test_the_view_gives_each_camera_its_metric_depth() -> None:
    """Calibrated at another size and squashed: 1 / metres, with confidence, at every step."""
    wide = {name: resized(camera(x), 320, 180) for name, x in (("a", 0.0), ("b", 0.3), ("c", -0.3))}
    found = RIG_VIEWS["stereo"].load().compute(rig(wide))
    for feature in found.values():
        assert feature.mask.all()
        for array, spec in zip(feature.arrays, SPEC.arrays, strict=True):
            assert array.shape == (2, *spec.shape)
            assert array.dtype == np.dtype(spec.dtype)
        inverse = feature.arrays[0] * feature.scales[0]
        known = feature.arrays[1] > 0
        assert known.mean() > 0.4
        assert np.median(inverse[known]) == pytest.approx(0.5, rel=0.03)
        assert Stereo().draw(feature, 1).shape == (112, 112, 3)


def test_the_view_sweeps_cameras_that_converge() -> None:
    """24 degrees apart, the wall across the middle: depth along each camera's own axis."""
    models = {}
    for name, x in (("left", -0.45), ("middle", 0.0), ("right", 0.45)):
        # `looking` has y up; the wall's world has y down, so the picture is turned over.
        seen = looking(np.array([x, 0.0, 0.0]), np.array([0.0, 0.0, 2.0]), 97.0, (112, 112))
        models[name] = seen
    found = Stereo().compute(rig(models))
    middle = found["middle"]
    known = middle.arrays[1] > 0
    assert known.mean() > 0.3
    assert np.median(middle.arrays[0][known] * middle.scales[0]) == pytest.approx(0.5, rel=0.03)


def test_absence_says_why() -> None:
    """No neighbour, no calibration, no thumbnail: three sentences."""
    turned = looking(np.array([2.0, 0.0, 0.0]), np.array([9.0, 0.0, 0.1]), 97.0, (112, 112))
    clip = rig({"a": camera(), "b": camera(0.3), "away": turned})
    features = dict(clip.features["thumbnail"])
    del features["b"]
    clip = replace(
        clip,
        features={"thumbnail": features},
        sizes={**clip.sizes, "stranger": (64, 48)},
    )
    found = Stereo().compute(clip)
    assert "within 45 degrees" in (found["a"].absent or "")
    assert "within 45 degrees" in (found["away"].absent or "")
    assert found["b"].absent == "there is no thumbnail of it"
    assert found["stranger"].absent == "the camera is not calibrated"


def test_a_step_without_a_neighbour_is_masked() -> None:
    """Where the only other camera shows nothing, that step is masked and zero."""
    clip = rig({"a": camera(), "b": camera(0.3)}, steps=3)
    blind = clip.features["thumbnail"]["b"]
    mask = np.array([True, False, True])
    features = {**clip.features["thumbnail"], "b": replace(blind, mask=mask)}
    found = Stereo().compute(replace(clip, features={"thumbnail": features}))["a"]
    assert found.mask.tolist() == [True, False, True]
    assert not found.arrays[0][1].any()
