"""Calibrated cameras get one clock by the joints they see, or none: never a wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from footage import first_pts

from catalog.span import SECOND_NS
from tasks.clocks.joint_clocks import JointClock, clock_by_joints
from tasks.clocks.joint_curves import MIRRORED, USED, Seen
from tasks.clocks.joint_reader import JointWork, read_joints
from tasks.decode import Source, frames
from tasks.rigs.calibration import CameraModel, read_calibration
from tasks.rigs.pinhole import looking
from tasks.rigs.triangulate import projected

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

SURE, RATE, SIZE = 0.85, 30, (1280, 720)
STARTS = (0, 11, 4, 7)


@pytest.fixture(scope="module")
def cameras() -> list[CameraModel]:
    """Four cameras around a room, at unlike heights."""
    places = ((3.0, 1.2, 0.0), (0.5, 2.2, 3.5), (-3.2, 1.6, 0.4), (-0.8, 0.9, -3.1))
    return [looking(np.array(one), np.array([0.0, 1.0, 0.0]), 800.0, SIZE) for one in places]


def body(seed: int, seconds: float, *, still: bool = False) -> Floats:
    """Return joints (T, 33, 3) of a body, metres, that wanders and waves and never repeats."""
    random = np.random.default_rng(seed)
    count = int(seconds * RATE)
    at = np.arange(count)[:, None, None] / RATE

    def wave(joints: int, far: float, times: int) -> Floats:
        pace = random.uniform(0.3, 1.4, (times, joints, 3))
        phase = random.uniform(0, 2 * np.pi, (times, joints, 3))
        return np.asarray(far * np.sin(2 * np.pi * pace[:, None] * at + phase[:, None]).sum(axis=0))

    shape = random.uniform((-0.3, 0.0, -0.3), (0.3, 1.7, 0.3), (33, 3))
    moving = (0.0 if still else 1.0) * (wave(1, 0.25, 2) + wave(33, 0.12, 2))
    return np.asarray(shape + moving + random.uniform(-0.4, 0.4, 3) * (1, 0, 1))


def seen(
    cameras: list[CameraModel], bodies: list[Floats], starts: tuple[int, ...], steps: int = 75
) -> list[Seen]:
    """Return what cameras that start so many frames late see: by 3 pixels off, biased by 5."""
    random = np.random.default_rng(5)
    found = []
    for camera, start in zip(cameras, starts, strict=True):
        joints = np.zeros((steps, 2, 33, 4))
        for slot, one in enumerate(bodies):
            pixels = projected(camera, one[start : start + steps].reshape(-1, 3))
            pixels = pixels.reshape(steps, 33, 2)
            pixels += random.normal(0, 3, pixels.shape) + random.normal(0, 5, (1, 33, 2))
            joints[:, slot, :, :2] = (pixels + 0.5) / SIZE
            joints[:, slot, :, 3] = 1.0
        found.append(Seen(joints, SIZE))
    return found


def told(cameras: list[CameraModel], shown: list[Seen]) -> JointClock:
    return clock_by_joints(cameras, shown, 1 / RATE, 60.0)


def right(found: JointClock, starts: tuple[int, ...]) -> bool:
    """Tell whether offsets are right to a frame, and sure."""
    off = np.abs(found.offsets_s * RATE - (np.array(starts) - starts[0]))
    return bool(off.max() <= 1.01 and found.confidence.min() >= SURE)


def test_a_body_in_space_tells_when_each_camera_began(cameras: list[CameraModel]) -> None:
    """To a frame, through four cameras and through any three."""
    shown = seen(cameras, [body(1, 4)], STARTS)
    assert right(told(cameras, shown), STARTS)
    for out in range(4):
        kept = [k for k in range(4) if k != out]
        found = told([cameras[k] for k in kept], [shown[k] for k in kept])
        assert right(found, tuple(STARTS[k] for k in kept))


def test_left_taken_for_right_is_forgiven(cameras: list[CameraModel]) -> None:
    """A camera that sees the body's other side for a third of the time tells the same."""
    shown = seen(cameras, [body(1, 4)], STARTS)
    joints = shown[1].joints.copy()
    joints[20:45, 0, USED] = shown[1].joints[20:45, 0][:, MIRRORED]
    shown[1] = replace(shown[1], joints=joints)
    assert right(told(cameras, shown), STARTS)


def test_who_is_who_is_found_out_with_when(cameras: list[CameraModel]) -> None:
    """Two people may be in either slot of each camera."""
    shown = seen(cameras, [body(1, 4), body(2, 4)], STARTS)
    shown[2] = replace(shown[2], joints=shown[2].joints[:, ::-1])
    assert right(told(cameras, shown), STARTS)


def test_what_was_not_one_moment_is_not_called_one(cameras: list[CameraModel]) -> None:
    """Another time, time turned round, another camera's place, nobody: never sure."""
    shown = seen(cameras, [body(1, 12)], STARTS)
    later = seen(cameras, [body(1, 12)], tuple(start + 180 for start in STARTS))
    turned = replace(shown[1], joints=shown[1].joints[::-1])
    nobody = replace(shown[3], joints=np.zeros_like(shown[3].joints))
    for other in (
        [*shown[:3], later[3]],
        [shown[0], later[1], shown[2], later[3]],
        [shown[0], turned, *shown[2:]],
        [*shown[:3], nobody],
    ):
        assert told(cameras, other).confidence.min() < SURE
    assert told([cameras[k] for k in (1, 0, 3, 2)], shown).confidence.min() < SURE


def test_what_stands_still_or_repeats_tells_no_time(cameras: list[CameraModel]) -> None:
    """A still body agrees at every offset, one that does the same each second at every second."""
    still = seen(cameras, [body(3, 4, still=True)], STARTS)
    assert told(cameras, still).confidence.min() < SURE
    again = np.tile(body(4, 1), (8, 1, 1))
    repeated = seen(cameras, [again], STARTS, steps=150)
    assert told(cameras, repeated).confidence.min() < SURE


def test_two_cameras_are_refused(cameras: list[CameraModel]) -> None:
    """Nothing would check them."""
    with pytest.raises(ValueError, match="2 cameras"):
        told(cameras[:2], seen(cameras[:2], [body(1, 4)], (0, 3)))


def test_joints_of_a_real_walk_tell_the_frame(pose2sim: Path, weights: Path) -> None:
    """Four cameras of which three begin late: right to a frame, and sure; a glimpse is no take."""
    known = read_calibration(pose2sim / "Calib.qca.txt")
    models = known.matched([f"cam0{k}" for k in range(1, 5)])
    starts, shown = (0, 14, 6, 21), []
    for name, start in zip(models, starts, strict=True):
        work = walk(pose2sim / "take_1" / f"{name}.mp4", start, weights)
        found = read_joints(work)
        assert found is not None
        assert read_joints(replace(work, duration_ns=SECOND_NS // 2)) is None
        shown.append(found)
    found = clock_by_joints(list(models.values()), shown, 1 / 60, 60.0)
    off = found.offsets_s * 60 - np.array(starts)
    assert np.abs(off).max() <= 1.01
    assert found.confidence.min() >= SURE


def walk(path: Path, start: int, weights: Path) -> JointWork:
    """Return the work of reading a recording that begins at a later frame."""
    from catalog.span import Span

    source = Source(str(path))
    shown = list(frames(source, Span(0, SECOND_NS), [], start_pts=first_pts(source)))
    length_ns = (100 - start) * SECOND_NS // 60
    return JointWork("r", source, shown[start].pts, length_ns, SECOND_NS // 60, weights)


def test_a_storage_that_fails_stops_the_run(tmp_path: Path) -> None:
    """A clock not found for that would stay so; what is no video is merely not read."""
    work = JointWork("r", Source(str(tmp_path / "gone")), 0, SECOND_NS, SECOND_NS // 30, tmp_path)
    with pytest.raises(FileNotFoundError):
        read_joints(work)
    (tmp_path / "notes").write_text("not a video")
    assert read_joints(replace(work, source=Source(str(tmp_path / "notes")))) is None
