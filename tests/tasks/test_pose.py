from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from footage import first_pts

from tasks.decode import Source, sample
from tasks.pose.detector import anchors, letterboxed
from tasks.pose.landmarks import MASK_SIDE, cropped, placed_mask, refined
from tasks.pose.networks import ASSET, MASK, Networks
from tasks.pose.people import FULL, PACE, find_people
from tasks.pose.region import Region, halfway, region_around
from tasks.pose.shared import RGB320

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Pictures = npt.NDArray[np.uint8]

SIZE = (1080, 1920)
ASPECT = (0.5625, 1.0)
STEP_NS = 80_000_000


@pytest.fixture(scope="module")
def eyes(weights: Path) -> Networks:
    """The networks as the product runs them."""
    return Networks(weights / ASSET, 1)


@pytest.fixture(scope="module")
def walker(pose2sim: Path) -> Pictures:
    """Thirteen steps of a man who walks, with a woman standing at the side: (13, 320, 320, 3)."""
    return pictures(pose2sim / "take_1" / "cam04.mp4")


@pytest.fixture(scope="module")
def pair(pose2sim: Path) -> Pictures:
    """Thirteen steps of two people: (13, 320, 320, 3)."""
    return pictures(pose2sim / "take_2" / "cam01.mp4")


def pictures(path: Path) -> Pictures:
    source = Source(str(path))
    times = [k * STEP_NS for k in range(13)]
    found = sample(source, times, [RGB320], start_pts=first_pts(source))
    return np.stack([shot.images[RGB320.name] for shot in found for _ in shot.indices])


def whole_masks(assets: Path, crops: Pictures) -> npt.NDArray[np.float64]:
    """Return what the network itself says of crops, in float32: means of 4 x 4 pixels."""
    import openvino

    core = openvino.Core()
    model = core.read_model(str(assets / ASSET / "pose_landmark_full.tflite"))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (mask,) = (out for out in compiled.outputs if MASK in out.names)
    logits = np.stack([compiled(crop[None].astype(np.float32) / 255)[mask] for crop in crops])
    likely = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-50, 50)))
    return likely.reshape(-1, MASK_SIDE, 4, MASK_SIDE, 4).mean(axis=(2, 4))


def everywhere(shown: Pictures) -> npt.NDArray[np.bool_]:
    return np.ones(len(shown), bool)


def test_a_mask_made_at_half_its_resolution_is_the_networks(
    weights: Path, walker: Pictures
) -> None:
    """Its end runs on a grid half as fine; in float32 no more than an edge is another."""
    region = Region(0.28, 0.5, 0.8, 0.0)
    crops = np.stack([cropped(one, region, ASPECT) for one in walker[::4]])
    whole = whole_masks(weights, crops)
    exact = Networks(weights / ASSET, 1, "f32")
    seen = [exact.look(one, region, ASPECT) for one in walker[::4]]
    for full, person in zip(whole, seen, strict=True):
        assert person is not None
        assert (full > 0.5).sum() > 100
        far = np.abs(full - person.mask)
        assert far.mean() < 0.006
        # Of a mask a cell or two wide at arms and legs, its edge is what is apart.
        inside = cv2.erode((full > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (person.mask[inside] > 0.5).mean() > 0.99
        near = cv2.dilate((full > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (person.mask[~near] > 0.5).sum() < 3


def test_a_crop_round_trips_through_a_squashed_picture() -> None:
    """A dot drawn in the picture is where the region's map says, and comes back from there."""
    region = Region(0.3, 0.6, 0.5, 0.7)
    picture = np.zeros((320, 320, 3), np.uint8)
    inside = np.array([[0.25, 0.5], [0.7, 0.3]], np.float32)
    places = region.to_picture(inside) / np.array(ASPECT)
    for x, y in places:
        cv2.circle(picture, (round(x * 320 - 0.5), round(y * 320 - 0.5)), 3, (255, 255, 255), -1)
    crop = cropped(picture, region, ASPECT)[..., 0]
    for u, v in inside:
        row, column = round(float(v) * 256), round(float(u) * 256)
        assert crop[row - 3 : row + 4, column - 3 : column + 4].mean() > 150
    mask = cv2.resize(crop, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA) / np.float32(255)
    back = placed_mask(mask.astype(np.float32), region, ASPECT, 320)
    for x, y in places:
        assert back[round(y * 320), round(x * 320)] > 0.3


def test_a_region_stands_as_its_person_does() -> None:
    """Reach straight above the hips is no turn; to the right a quarter clockwise."""
    hips = np.array([0.5, 0.5], np.float32)
    upright = region_around(hips, np.array([0.5, 0.3], np.float32))
    lying = region_around(hips, np.array([0.7, 0.5], np.float32))
    assert (upright.angle, upright.side) == (pytest.approx(0), pytest.approx(0.5))
    assert lying.angle == pytest.approx(np.pi / 2)
    assert halfway(upright, lying).angle == pytest.approx(np.pi / 4)
    assert halfway(Region(0, 0, 1, 3.0), Region(0, 0, 1, -3.0)).angle == pytest.approx(np.pi)


def test_a_squashed_picture_is_boxed_in_its_true_aspect() -> None:
    """An upright picture fills the height, with black at both sides."""
    boxed = letterboxed(np.full((320, 320, 3), 200, np.uint8), ASPECT)
    assert (boxed.max(axis=2) > 0).sum() == 126 * 224
    assert not boxed[:, :49].any()
    assert not boxed[:, 175:].any()


def test_anchors_are_the_cells_middles() -> None:
    """28 x 28 x 2, 14 x 14 x 2 and 7 x 7 x 6 of them, x before y, row by row."""
    found = anchors()
    assert found.shape == (2254, 2)
    assert found[:2] == pytest.approx(np.full((2, 2), 0.5 / 28))
    assert found[2] == pytest.approx([1.5 / 28, 0.5 / 28])
    assert found[-1] == pytest.approx([6.5 / 7, 6.5 / 7])


def test_joints_move_to_the_heat() -> None:
    """A point beside a hot cell moves there; where nothing is hot, or outside, it stays."""
    points = np.full((39, 2), 128.0, np.float32)
    points[1] = (-9, 300)
    heat = np.full((64, 64, 39), -9.0, np.float32)
    heat[33, 34, 0] = heat[33, 34, 1] = 9.0
    found = refined(points, heat)
    assert found[0] == pytest.approx([34 * 4, 33 * 4], abs=0.3)
    assert found[1:] == pytest.approx(points[1:])


def test_a_walker_is_followed_with_few_looks(eyes: Networks, walker: Pictures) -> None:
    """He is there at every step, upright, joints near those read at every step."""
    full = find_people(walker, everywhere(walker), SIZE, eyes, FULL)
    found = find_people(walker, everywhere(walker), SIZE, eyes)
    assert found.found[:, 0].all()
    assert found.looks < 0.6 * full.looks
    assert found.detections <= 2 < full.detections
    nose, hips, ankles = (found.joints[:, 0, part, 1] for part in (0, 23, 27))
    assert (nose < hips).all()
    assert (hips < ankles).all()
    seen = full.joints[:, 0, :, 3] > 0.5
    off = np.linalg.norm(found.joints[:, 0, :, :2] - full.joints[:, 0, :, :2], axis=-1)[seen]
    assert np.median(off) < 0.008
    assert (off < 0.02).mean() > 0.85
    masks = [people.masks > 0.5 for people in (found, full)]
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.8


def test_two_people_keep_their_slots(eyes: Networks, pair: Pictures) -> None:
    """Both are found at every step, and neither jumps to the other's place."""
    found = find_people(pair, everywhere(pair), SIZE, eyes)
    assert found.found.all()
    hips = found.joints[:, :, 23:25, :2].mean(axis=2)
    assert np.abs(np.diff(hips, axis=0)).max() < 0.1
    assert np.linalg.norm(hips[:, 0] - hips[:, 1], axis=-1).min() > 0.1


def test_who_is_found_late_is_followed_back(eyes: Networks, walker: Pictures) -> None:
    """The detector sees nobody in the first picture; its looks after that reach back to it."""

    class Late:
        def __init__(self) -> None:
            self.calls = 0

        def detect(self, *args: object) -> object:
            self.calls += 1
            return [] if self.calls == 1 else eyes.detect(*args)  # type: ignore[arg-type]

        def look(self, *args: object) -> object:
            return eyes.look(*args)  # type: ignore[arg-type]

    found = find_people(walker, everywhere(walker), SIZE, Late())  # type: ignore[arg-type]
    assert found.found[:, 0].all()


def test_a_still_picture_is_read_once(eyes: Networks, walker: Pictures) -> None:
    """The same picture at every step costs one search; an empty one, one detection."""
    still = np.repeat(walker[:1], 13, axis=0)
    found = find_people(still, everywhere(still), SIZE, eyes)
    assert (found.detections, found.looks, found.skipped) == (1, 1, 3)
    assert found.found[:, 0].all()
    empty = find_people(np.zeros_like(still), everywhere(still), SIZE, eyes)
    assert (empty.detections, empty.looks) == (1, 0)
    assert not empty.found.any()


def test_steps_that_were_not_shown_say_nothing(eyes: Networks, walker: Pictures) -> None:
    """Absent steps are zero, whatever lies in their pictures; the others hold."""
    present = everywhere(walker)
    present[[0, 5, 6, 12]] = False
    found = find_people(walker, present, SIZE, eyes)
    assert not found.joints[~present].any()
    assert not found.masks[~present].any()
    assert found.found[present, 0].all()


def test_threads_do_not_disturb_each_other(weights: Path, walker: Pictures, pair: Pictures) -> None:
    """Two clips searched at once give the bytes that they give alone."""
    shared = Networks(weights / ASSET, 2)

    def search(shown: Pictures) -> bytes:
        return find_people(shown, everywhere(shown), SIZE, shared).joints.tobytes()

    alone = [search(shown) for shown in (walker, pair)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(search, (walker, pair))) == alone


def test_the_pace_is_what_the_decision_says() -> None:
    """Every fourth step is looked at, the one between where joints moved by 2 % of the picture."""
    assert (PACE.look, PACE.moved, PACE.detect, PACE.still) == (4, 0.02, 3, 6.0)
