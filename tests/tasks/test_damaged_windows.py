"""Windows of damaged pictures: who is hit, by how much, and what is seen again of it."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from picture_windows import moving, texture, window

from tasks.damage.corruptions import CORRUPTIONS, corrupt
from tasks.views.flow import new_search
from tasks.windows.damaged import ABSENT, ROOM, Eyes, Stretch, Undamaged, stretches, why_not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.damage.corruptions import Scope
    from tasks.windows.sets import Window

STEPS, SIDE = 4, 112
EYES = Eyes.load(None)


def stretch(cameras: int = 3, length: int = STEPS + ROOM, session: str = "a") -> Stretch:
    """Return a window of moving pictures, longer than it is judged by up to `ROOM`."""
    frames = [moving(texture(k, SIDE), STEPS + ROOM, seed=k) for k in range(cameras)]
    usable = np.zeros((cameras, STEPS + ROOM), bool)
    usable[:, :length] = True
    return Stretch(window(frames, session, usable=usable), STEPS)


def hit(one: Undamaged, windows: Sequence[Window | None], name: str) -> list[int]:
    """Return the cameras of the first window of which a tensor is another than undamaged."""
    (found, *_), (clean, *_) = windows, one.windows
    assert found is not None
    pairs = zip(found.tensors[name][0], clean.tensors[name][0], strict=True)
    return [k for k, (a, b) in enumerate(pairs) if not torch.equal(a, b)]


def test_undamaged_windows_are_the_judged_steps_and_what_is_seen_of_them() -> None:
    """Pictures are the first steps; flow is between true neighbours; what needs more is absent."""
    one = stretch()
    (found,) = Undamaged([one], EYES).windows
    assert torch.equal(found.tensors["rgb"], one.read.tensors["rgb"][:, :, :STEPS])
    assert found.tensors["t_ns"].shape == (1, 3, STEPS)
    assert found.tensors["mask_flow"].all()
    assert not found.tensors["mask_appearance"].any()
    assert not set(ABSENT) & set(found.tensors)
    rgb = one.read.tensors["rgb"][0, 1].permute(0, 2, 3, 1).numpy()
    grey = [cv2.cvtColor(np.ascontiguousarray(x), cv2.COLOR_RGB2GRAY) for x in rgb[3:5]]
    field = cv2.resize(new_search().calc(*grey, None), (28, 28), interpolation=cv2.INTER_AREA)
    near = found.tensors["flow"][0, 1, 3].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(near, field.clip(-20, 20), atol=0.13)


@pytest.mark.parametrize(("scope", "cameras"), [("one", 1), ("all", 3), ("view", 3)])
def test_a_scope_says_whose_pictures_are_damaged(scope: Scope, cameras: int) -> None:
    """One camera, all of them, or the pictures of all while their flow stays as it was."""
    one = Undamaged([stretch()], EYES)
    found = one.damaged(CORRUPTIONS["gauss"], 0.2, scope)
    assert len(hit(one, found.scoped, "rgb")) == cameras
    assert len(hit(one, found.scoped, "flow")) == (0 if scope == "view" else cameras)
    assert len(hit(one, found.whole, "rgb")) == 3


def test_damage_is_that_of_the_corruption_whatever_window_a_frame_is_in() -> None:
    """A window's frames are those that `corrupt` gives, by their place on the session's clock."""
    one = stretch()
    rgb, _, footage = one.shown(1)
    expected = corrupt(rgb, "shot", 4, footage).frames[:STEPS]
    found = Undamaged([one], EYES).damaged(CORRUPTIONS["shot"], 5, "all").scoped[0]
    assert found is not None
    assert np.array_equal(found.tensors["rgb"][0, 1].permute(0, 2, 3, 1).numpy(), expected)
    later = dataclasses.replace(
        one.read,
        tensors={
            name: x[:, :, 2:] if name in ("rgb", "mask_rgb", "t_ns") else x
            for name, x in one.read.tensors.items()
        },
    )
    shifted = Undamaged([Stretch(later, STEPS)], EYES).damaged(CORRUPTIONS["shot"], 5, "all")
    assert shifted.scoped[0] is not None
    both = found.tensors["rgb"][:, :, 2:], shifted.scoped[0].tensors["rgb"][:, :, :2]
    assert torch.equal(*both)


@pytest.mark.parametrize("late", [1, 2, 4, 8, 16])
def test_a_late_camera_shows_what_it_will_see(late: int) -> None:
    """Exactly so many steps later, its flow too; the others, and the times told, stay."""
    one = stretch()
    clean = Undamaged([one], EYES)
    found = clean.damaged(CORRUPTIONS["time_shift"], late, "one")
    (camera,) = hit(clean, found.scoped, "rgb")
    assert found.scoped[0] is not None
    shown = found.scoped[0].tensors
    expected = one.read.tensors["rgb"][:, camera, late : late + STEPS]
    assert torch.equal(shown["rgb"][:, camera], expected)
    assert torch.equal(shown["t_ns"], clean.windows[0].tensors["t_ns"])
    whole = found.whole[0]
    assert whole is not None
    assert torch.equal(whole.tensors["rgb"], one.read.tensors["rgb"][:, :, late : late + STEPS])
    if late < STEPS:
        flow = clean.windows[0].tensors["flow"][:, camera, late:]
        assert torch.equal(shown["flow"][:, camera, : STEPS - late], flow)


def test_dropped_cameras_are_absent_and_one_is_always_left() -> None:
    """More go with severity, each severity's among the next one's; no mask of theirs is left."""
    one = Undamaged([stretch(4)], EYES)
    gone: list[set[int]] = []
    for level in CORRUPTIONS["view_drop"].levels:
        (found,) = one.damaged(CORRUPTIONS["view_drop"], level, "one").scoped
        assert found is not None
        masks = [x[0].any(dim=1) for name, x in found.tensors.items() if name.startswith("mask_")]
        there = torch.stack(masks).any(dim=0)
        gone.append(set((~there).nonzero()[:, 0].tolist()))
    assert [len(each) for each in gone] == [1, 2, 2, 3, 3]
    assert all(a <= b for a, b in pairwise(gone))


def test_what_cannot_be_is_said_and_not_made_up() -> None:
    """A lone camera is neither late nor dropped, a short clip has no room, the blind no window."""
    alone, short = stretch(1), stretch(2, length=STEPS + 3)
    shift, drop = CORRUPTIONS["time_shift"], CORRUPTIONS["view_drop"]
    for one in (shift, drop):
        assert why_not(alone, one, 1) == "one camera alone"
        found = Undamaged([alone], EYES).damaged(one, 1, "one")
        assert found.scoped == found.whole == [None]
    assert why_not(short, shift, 3) == ""
    assert why_not(short, shift, 4) == "a clip ends less than 4 steps after the window"
    assert Undamaged([short], EYES).damaged(shift, 4, "one").scoped == [None]
    dark = stretch(2, length=0).read
    blind = dataclasses.replace(
        dark, tensors={k: x for k, x in dark.tensors.items() if k not in ("rgb", "mask_rgb")}
    )
    assert list(stretches([dark, blind, short.read], STEPS)) == [short]


def test_lost_frames_take_their_flow_along() -> None:
    """A frame that is not there is masked, and so is the flow to it and from it."""
    one = Undamaged([stretch()], EYES)
    (found,) = one.damaged(CORRUPTIONS["frame_drop"], 0.5, "all").scoped
    assert found is not None
    mask, flow = (found.tensors[f"mask_{name}"][0] for name in ("rgb", "flow"))
    assert not mask.all()
    assert not (flow & ~mask).any()
    assert not (flow[:, :-1] & ~mask[:, 1:]).any()
