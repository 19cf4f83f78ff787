"""Corruptions: one source of them, severe as they say, the same wherever a frame comes along."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from footage import moving

from infra.errors import UnknownCorruptionError
from tasks.damage.corruptions import (
    ALSO_TRAINED,
    CORE,
    CORRUPTIONS,
    SEVERITIES,
    TRAINING,
    Footage,
    corrupt,
    damage,
    is_trained,
)
from tasks.damage.rig import dropped_cameras, order_of
from tasks.damage.timing import held
from tasks.distiller import drop_law

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

COUNT = 24
OF_PICTURES = [name for name, one in CORRUPTIONS.items() if one.damage is not None]
# What a frame becomes by these depends on those before it.
OF_SEQUENCES = {"h264", "h265", "bit_errors", "freeze", "sampling"}
# Which frames a decoder gives up by chance: a worse line is worse on the average alone.
BY_LUCK = {"bit_errors"}


@pytest.fixture(scope="module")
def frames() -> Pixels:
    """Return moving texture, (24, 64, 96, 3)."""
    return np.stack(moving()[:COUNT])


def footage(camera: str = "cam01", numbers: range = range(COUNT)) -> Footage:
    """Return the frames' names."""
    return Footage("recording", camera, tuple(numbers))


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the difference of two videos in dB."""
    return float(-10 * np.log10(max(1e-10, np.square((one / 255.0) - other / 255.0).mean())))


@pytest.mark.parametrize("name", OF_PICTURES)
def test_each_severity_does_more_damage(name: str, frames: Pixels) -> None:
    """PSNR of what a player would show falls from severity to severity; shapes and types stay."""
    cameras = [f"cam{k}" for k in range(6 if name in BY_LUCK else 2)]
    found = []
    for severity in SEVERITIES:
        made = [corrupt(frames, name, severity, footage(camera)) for camera in cameras]
        assert all(one.frames.shape == frames.shape for one in made)
        assert all(one.frames.dtype == np.uint8 for one in made)
        assert all(one.usable.shape == (COUNT,) for one in made)
        found.append(np.mean([psnr(held(one), frames) for one in made]))
    slack = 0.5 if name in BY_LUCK else 0.0
    assert all(b < a + slack for a, b in pairwise(found)), found
    assert found[-1] < found[0] - 2
    assert found[0] < 60


@pytest.mark.parametrize("name", OF_PICTURES)
def test_severity_0_is_no_damage_and_what_was_given_stays(name: str, frames: Pixels) -> None:
    """The identity is a copy, exact; damage leaves the given frames alone and repeats itself."""
    before = frames.copy()
    same = corrupt(frames, name, 0, footage())
    assert np.array_equal(same.frames, frames)
    assert same.usable.all()
    same.frames[:] = 0
    one, again = (corrupt(frames, name, 4, footage()) for _ in range(2))
    assert np.array_equal(frames, before)
    assert np.array_equal(one.frames, again.frames)
    assert np.array_equal(one.usable, again.usable)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_order_of_frames_does_not_matter(name: str, frames: Pixels) -> None:
    """Frames given backwards are damaged as those given forwards are."""
    one = corrupt(frames, name, 3, footage())
    back = corrupt(frames[::-1].copy(), name, 3, footage(numbers=range(COUNT - 1, -1, -1)))
    assert np.array_equal(one.frames, back.frames[::-1])
    assert np.array_equal(one.usable, back.usable[::-1])


@pytest.mark.parametrize("name", [n for n in OF_PICTURES if n not in OF_SEQUENCES])
def test_a_frame_is_damaged_alike_in_every_batch(name: str, frames: Pixels) -> None:
    """What is beside a frame has no part in it; another camera, another recording is another."""
    whole = corrupt(frames, name, 3, footage())
    part = corrupt(frames[7:9], name, 3, footage(numbers=range(7, 9)))
    assert np.array_equal(whole.frames[7:9], part.frames)
    assert np.array_equal(whole.usable[7:9], part.usable)
    if name in ("gauss", "shot", "impulse", "speckle", "motion", "low_light", "occlusion"):
        other = corrupt(frames, name, 3, footage("cam02"))
        assert not np.array_equal(whole.frames, other.frames)


def test_training_sees_a_named_part_and_a_third_is_never_seen() -> None:
    """What training draws from is of this list, and by its arithmetic; most it never sees."""
    assert drop_law.TRAINING is TRAINING
    assert drop_law.CORRUPTIONS is CORRUPTIONS
    assert set(TRAINING) < set(CORRUPTIONS)
    for model, seen in ALSO_TRAINED.items():
        assert seen < set(CORRUPTIONS)
        unseen = [name for name in CORRUPTIONS if not is_trained(name, model)]
        assert 3 * len(unseen) >= len(CORRUPTIONS)
        assert 3 * len([name for name in CORE if name in unseen]) >= len(CORE)
    assert set(TRAINING) <= ALSO_TRAINED["distiller"]


def test_every_type_of_the_protocol_is_there() -> None:
    """The families of MODELS section 7, by name; the core set is of them."""
    families = {one.family for one in CORRUPTIONS.values()}
    assert families == {"noise", "blur", "codec", "light", "geometry", "time", "rig"}
    assert len(CORRUPTIONS) == 23
    assert set(CORE) < set(CORRUPTIONS)
    assert CORRUPTIONS["h264"].levels[0] == 23
    assert CORRUPTIONS["h264"].levels[-1] == CORRUPTIONS["h265"].levels[-1] == 51
    assert CORRUPTIONS["time_shift"].levels == (1, 2, 4, 8, 16)
    assert CORRUPTIONS["frame_drop"].levels[::4] == (0.1, 0.7)


def test_the_box_covers_its_share_and_moves(frames: Pixels) -> None:
    """At severity 5 half of the picture is of one colour, elsewhere in other frames."""
    found = corrupt(frames, "occlusion", 5, footage()).frames
    colour = footage().of_camera("occlusion").integers(0, 256, 3, dtype=np.uint8)
    covered = (found == colour).all(axis=3)
    assert covered.mean(axis=(1, 2)) == pytest.approx(0.5, abs=0.02)
    assert not np.array_equal(covered[0], covered[-1])


def test_frames_are_lost_frozen_and_held_where_they_should_be(frames: Pixels) -> None:
    """Each shown frame is the one that should be shown, by its number."""
    slow = corrupt(frames, "sampling", 3, footage()).frames
    assert all(np.array_equal(slow[k], frames[k // 4 * 4]) for k in range(COUNT))
    lost = corrupt(frames, "frame_drop", 5, footage())
    assert np.array_equal(lost.frames, frames)
    assert lost.usable.mean() == pytest.approx(0.3, abs=0.2)
    kept = [set(np.flatnonzero(corrupt(frames, "frame_drop", s, footage()).usable)) for s in (2, 4)]
    assert kept[1] < kept[0]
    shown = held(lost)
    for k in range(COUNT):
        before = [j for j in np.flatnonzero(lost.usable) if j <= k]
        expected = before[-1] if before else np.flatnonzero(lost.usable)[0]
        assert np.array_equal(shown[k], frames[expected])
    frozen = corrupt(frames, "freeze", 3, footage()).frames
    still = sum(np.array_equal(a, b) for a, b in pairwise(frozen))
    assert still == pytest.approx(COUNT / 2, abs=3)


def test_odd_sides_and_a_single_frame_are_encoded(frames: Pixels) -> None:
    """Encoders want even sides; what comes back is as large as what went in."""
    for name in ("h264", "h265", "bit_errors"):
        odd = np.ascontiguousarray(frames[:1, :63, :95])
        found = corrupt(odd, name, 1, footage(numbers=range(1)))
        assert found.frames.shape == odd.shape
        assert found.usable.all() or name == "bit_errors"


def test_which_cameras_go_is_drawn_by_their_names() -> None:
    """One at the least, all but one at the most, more with severity; the same ones each time."""
    assert [dropped_cameras(4, level) for level in range(1, 6)] == [1, 2, 2, 3, 3]
    assert [dropped_cameras(2, level) for level in range(1, 6)] == [1] * 5
    assert [dropped_cameras(8, level) for level in range(1, 6)] == [2, 3, 5, 6, 7]
    cameras = ("a", "b", "c", "d")
    orders = {tuple(order_of(f"s{k}", cameras, "view_drop")) for k in range(12)}
    assert len(orders) > 6
    assert all(sorted(one) == [0, 1, 2, 3] for one in orders)


def test_what_there_is_not_is_refused_by_name(frames: Pixels) -> None:
    """Unknown corruptions and severities name those there are; wrong shapes say what came."""
    with pytest.raises(UnknownCorruptionError, match="there are gauss, shot"):
        corrupt(frames, "rain", 1, footage())
    with pytest.raises(UnknownCorruptionError, match="no severity 6; there are 1, 2, 3, 4, 5"):
        corrupt(frames, "fog", 6, footage())
    with pytest.raises(ValueError, match="done to a rig"):
        corrupt(frames, "view_drop", 1, footage())
    with pytest.raises(ValueError, match="uint8, got"):
        corrupt(frames.astype(np.float32), "fog", 1, footage())
    with pytest.raises(ValueError, match="3 frames with 24 numbers"):
        damage(frames[:3], CORRUPTIONS["fog"], 0.5, footage())
    with pytest.raises(ValueError, match="come twice"):
        Footage("r", "c", (1, 1))


def test_no_frames_are_no_trouble() -> None:
    """A camera that shows nothing has nothing damaged."""
    nothing = np.zeros((0, 64, 96, 3), np.uint8)
    for name in OF_PICTURES:
        assert corrupt(nothing, name, 5, footage(numbers=range(0))).frames.shape == nothing.shape
