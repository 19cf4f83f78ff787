"""Clocks are found where two cameras saw or heard one thing, and not where they did not."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.span import SECOND_NS
from tasks.clocks.sync import CameraTrack, SessionClock, align
from tasks.containers.limits import Limits
from tasks.decode import Source
from tasks.ingest.scan import scan
from tasks.ingest.signals import Signals
from tasks.rigs.calibration import Calibration, CameraModel

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

HANDS = Path(__file__).parents[2].parent / "shared" / "data" / "multicamera" / "handpose3d"
REACH_NS = 6 * SECOND_NS
FINE = 100  # samples a second of what moves


def wander(seed: int, seconds: float) -> Floats:
    """Return a movement that never repeats, with half a second's memory, deviation 1."""
    steps = np.random.default_rng(seed).standard_normal(int(seconds * FINE) + 400)
    kernel = np.exp(-np.arange(400) / (0.5 * FINE))
    found = np.convolve(steps, kernel, "full")[400 : len(steps)]
    return np.asarray(found / found.std())


def signals(change: Floats, rate: float, keys: npt.NDArray[np.bool_] | None = None) -> Signals:
    """Return signals of so much change a frame, of a picture that tells nothing else."""
    count = len(change)
    times = np.round(np.arange(count) / rate * SECOND_NS).astype(np.int64)
    flat, nowhere = np.full(count, 99, np.float32), np.full(count, np.nan, np.float32)
    return Signals(times, change.astype(np.float32), flat, flat, nowhere, nowhere, keys)


def track(
    name: str,
    scene: Floats,
    start_s: float,
    seconds: float,
    rate: float = 25,
    noise: float = 0.5,
    ppm: float = 0,
) -> CameraTrack:
    """Return a camera that starts at `start_s` of a scene, with noise all its own."""
    own_s = np.arange(int(seconds * rate)) / rate
    session_s = start_s + own_s / (1 + ppm * 1e-6)
    own = wander(int.from_bytes(name.encode(), "big") % 10_007, len(scene) / FINE)
    seen = np.interp(session_s, np.arange(len(scene)) / FINE, scene + noise * own)
    change = 1.5 * np.exp(0.6 * seen)
    change[:1] = 0
    return CameraTrack(name, signals(change, rate), round(seconds * SECOND_NS))


def offsets_s(clock: SessionClock) -> dict[str, float]:
    """Return each camera's offset in seconds."""
    return {one.camera_id: one.offset_ns / SECOND_NS for one in clock.cameras}


SCENE = wander(1, 60)


def test_cameras_that_saw_one_movement_get_one_clock() -> None:
    """Three cameras of unlike rates and starts are placed to half a frame, the earliest at 0."""
    starts = {"a": 3.21, "b": 0.5, "c": 4.444}
    rates = {"a": 25, "b": 30, "c": 24}
    cameras = [track(name, SCENE, starts[name], 25, rates[name]) for name in starts]
    clock = align(cameras, max_offset_ns=REACH_NS)
    assert clock.status == "measured"
    for name, found in offsets_s(clock).items():
        assert found == pytest.approx(starts[name] - 0.5, abs=0.02)
    assert min(one.offset_ns for one in clock.cameras) == 0
    assert {one.method for one in clock.cameras} == {"motion"}
    assert {one.drift_ppb for one in clock.cameras} == {0}  # 25 s cannot tell


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 124))
def test_starting_later_moves_the_offset_by_as_much(frames: int) -> None:
    """A camera whose first frames are cut away starts later by exactly their length."""
    one, whole = track("a", SCENE, 2, 25), track("b", SCENE, 1, 30)
    times = whole.signals.times_ns
    parts = [getattr(whole.signals, name)[frames:] for name in ("change", "brightness", "contrast")]
    nowhere = np.full(len(times) - frames, np.nan, np.float32)
    cut = Signals(times[frames:] - times[frames], *parts, nowhere, nowhere)
    later = CameraTrack("b", cut, whole.duration_ns - int(times[frames]))
    found = offsets_s(align([one, later], max_offset_ns=REACH_NS))
    assert found["b"] - found["a"] == pytest.approx(frames / 25 - 1, abs=0.02)


def test_the_order_of_cameras_is_immaterial() -> None:
    """Every order gives the very same clocks, and so does running again."""
    cameras = [track(name, SCENE, start, 20) for name, start in (("a", 1), ("b", 3), ("c", 2))]
    found = [
        sorted(align(order, max_offset_ns=REACH_NS).cameras, key=lambda one: one.camera_id)
        for order in permutations(cameras)
    ]
    assert all(one == found[0] for one in found)


def test_another_camera_does_not_move_the_others() -> None:
    """What two cameras say of each other holds, to a quarter of a frame, when a third joins."""
    a, b, c = (track(name, SCENE, start, 25) for name, start in (("a", 1), ("b", 3), ("c", 2)))
    two = offsets_s(align([a, b], max_offset_ns=REACH_NS))
    three = offsets_s(align([a, b, c], max_offset_ns=REACH_NS))
    assert three["b"] - three["a"] == pytest.approx(two["b"] - two["a"], abs=0.01)


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_a_drift_of_100_ppm_is_found_in_ten_minutes(ppm: float) -> None:
    """60 ms in ten minutes are told from none, and offsets hold at both ends."""
    scene = wander(2, 620)
    cameras = [track("a", scene, 4, 600), track("b", scene, 1, 600, 30, ppm=ppm)]
    clock = align(cameras, max_offset_ns=REACH_NS)
    a, b = clock.cameras
    assert (clock.status, a.drift_ppb) == ("measured", 0)
    assert b.drift_ppb == pytest.approx(1000 * ppm, abs=15_000)
    for at_ns in (0, 600 * SECOND_NS):
        found = b.offset_ns - a.offset_ns - at_ns * b.drift_ppb * 1e-9
        assert found == pytest.approx(-3e9 - at_ns * ppm * 1e-6, abs=2e7)


def test_cameras_of_two_places_stay_unsynchronised() -> None:
    """What was never seen together gets no clock, at low confidence, and no guess of one."""
    for seed in range(8):
        apart = [track("a", wander(10 + seed, 40), 0, 30), track("b", wander(50 + seed, 40), 0, 30)]
        clock = align(apart, max_offset_ns=REACH_NS)
        assert clock.status == "unsynchronised"
        assert [(one.offset_ns, one.method) for one in clock.cameras] == [(0, "assumed")] * 2
        assert max(one.confidence for one in clock.cameras) < 0.6


def test_two_pairs_are_not_one_session() -> None:
    """Cameras that agree two and two, and not across, are unsynchronised as a whole."""
    other = wander(3, 60)
    pairs = [track(name, SCENE, start, 25) for name, start in (("a", 1), ("b", 2))]
    pairs += [track(name, other, start, 25) for name, start in (("c", 1), ("d", 2))]
    assert align(pairs, max_offset_ns=REACH_NS).status == "unsynchronised"
    assert align(pairs[:2], max_offset_ns=REACH_NS).status == "measured"


def test_what_repeats_tells_no_time() -> None:
    """Steps of a treadmill agree at every turn: which turn it was stays open."""
    for seed in range(4):
        random = np.random.default_rng(seed)
        at = np.arange(750) / 25
        change = [
            1.5 + np.sin(2 * np.pi * 1.1 * (at + start)) + 0.1 * random.random(750)
            for start in (0, 0.8)
        ]
        cameras = [
            CameraTrack(name, signals(one, 25), 30 * SECOND_NS)
            for name, one in zip("ab", change, strict=True)
        ]
        assert align(cameras, max_offset_ns=REACH_NS).status == "unsynchronised"


def test_keyframes_are_no_movement() -> None:
    """Two still scenes coded at one rhythm of keyframes do not become one clock."""
    for seed in range(6):
        random = np.random.default_rng(seed)
        cameras = []
        for name, phase in (("a", 0), ("b", 70)):
            keys = (np.arange(750) + phase) % 150 == 0
            after = (np.arange(750) + phase) % 150
            coding = 1.5 * np.exp(-after / 2) * (after < 8)
            change = 0.3 + coding + 0.05 * random.random(750)
            cameras.append(CameraTrack(name, signals(change, 25, keys), 30 * SECOND_NS))
        assert align(cameras, max_offset_ns=REACH_NS).status == "unsynchronised"


def test_frames_that_are_shown_twice_are_one() -> None:
    """A camera of 25 whose file says 50 is placed as if it said 25."""
    a, b = track("a", SCENE, 1, 25), track("b", SCENE, 3, 25)
    twice = np.repeat(a.signals.change, 2).astype(float)
    twice[1::2] = 0.0
    doubled = replace(a, signals=signals(twice, 50))
    found = offsets_s(align([doubled, b], max_offset_ns=REACH_NS))
    assert found["b"] - found["a"] == pytest.approx(2, abs=0.03)


def test_calibrated_cameras_are_told_by_where_things_move() -> None:
    """Where all move at one pace, the plane through both cameras still tells the time."""
    at = np.arange(6000) / FINE
    ways = [wander(seed, 60)[: len(at)] * size for seed, size in ((4, 0.5), (5, 0.3), (6, 0.5))]
    places = np.stack(ways, axis=1) + np.array([0, 0, 5])
    models, cameras = [], []
    for name, aside, start_s in (("a", -1.5, 2.0), ("b", 1.5, 0.6)):
        turn = np.array([[1, 0, 0], [0, 0.96, 0.28], [0, -0.28, 0.96]])
        shift = (-aside, -0.5 * (name == "a"), 0.4)
        models.append(
            CameraModel(
                name, 1280, 720, ((900, 0, 639.5), (0, 900, 359.5), (0, 0, 1)), (0, 0, 0, 0, 0),
                tuple(map(tuple, turn.tolist())), shift,
            )
        )  # fmt: skip
        session_s = start_s + np.arange(750) / 25
        # A frame's motion stands halfway between it and the one before.
        moment = np.stack([np.interp(session_s - 0.02, at, one) for one in places.T], axis=1)
        seen = moment @ turn.T + shift
        x, y = (900 * seen[:, :2] / seen[:, 2:] + (639.5, 359.5) + 0.5).T
        steady = signals(np.full(750, 1.5), 25)
        found = replace(
            steady,
            centre_x=(x / 1280).astype(np.float32),
            centre_y=(y / 720).astype(np.float32),
        )
        cameras.append(CameraTrack(name, found, 30 * SECOND_NS))
    clock = align(cameras, calibration=Calibration(tuple(models)), max_offset_ns=REACH_NS)
    assert clock.status == "measured"
    assert {one.method for one in clock.cameras} == {"geometry"}
    assert offsets_s(clock)["a"] == pytest.approx(1.4, abs=0.03)
    assert align(cameras, max_offset_ns=REACH_NS).status == "unsynchronised"


def test_what_was_known_before_stands_where_nothing_is_found() -> None:
    """Unsynchronised cameras keep the offsets a manifest gave, if it gave one to each."""
    still = signals(np.zeros(100), 25)
    given = [CameraTrack("a", still, 4 * SECOND_NS, prior_offset_ns=7 * SECOND_NS)]
    given.append(CameraTrack("b", still, 4 * SECOND_NS, prior_offset_ns=5 * SECOND_NS))
    clock = align(given)
    assert clock.status == "unsynchronised"
    assert offsets_s(clock) == {"a": 2.0, "b": 0.0}
    clock = align([given[0], replace(given[1], prior_offset_ns=None)])
    assert offsets_s(clock) == {"a": 0.0, "b": 0.0}


def test_one_camera_needs_no_clock() -> None:
    """A camera alone is the session's clock; none, or two of one name, are a mistake."""
    one = track("a", SCENE, 0, 5)
    clock = align([one])
    assert (clock.status, clock.cameras[0].method) == ("sole", "sole")
    for wrong in ([], [one, one]):
        with pytest.raises(ValueError, match="own name"):
            align(wrong)


@pytest.mark.parametrize("frames", [0, 1, 2, 9, 12])
def test_a_recording_of_few_frames_is_no_evidence(frames: int) -> None:
    """Nothing breaks on recordings of hardly a frame: they stay unsynchronised."""
    short = CameraTrack("a", signals(np.arange(frames, dtype=float), 25), 40_000_000 * frames)
    assert align([short, track("b", SCENE, 0, 20)]).status == "unsynchronised"


@pytest.mark.skipif(not HANDS.is_dir(), reason=f"no real footage at {HANDS}")
def test_two_real_webcams_are_placed_to_half_a_frame() -> None:
    """One hand seen by two webcams at 30 a second; the second cut by two seconds."""
    found = {
        name: scan(Source(str(HANDS / f"{name}_test.mp4")), Limits(pixels=1 << 24, frames=999))
        for name in ("cam0", "cam1")
    }
    part = found["cam1"].signals
    assert part.keys is not None
    cut = Signals(
        part.times_ns[60:] - part.times_ns[60],
        *(getattr(part, name)[60:] for name in ("change", "brightness", "contrast")),
        *(getattr(part, name)[60:] for name in ("centre_x", "centre_y")),
        part.keys[60:],
    )
    whole = found["cam0"]
    cameras = [CameraTrack("cam0", whole.signals, whole.duration_ns)]
    cameras.append(CameraTrack("cam1", cut, found["cam1"].duration_ns - 2 * SECOND_NS))
    clock = align(cameras, max_offset_ns=REACH_NS)
    assert clock.status == "measured"
    assert offsets_s(clock)["cam1"] == pytest.approx(2, abs=1 / 60)
