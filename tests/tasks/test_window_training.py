"""What is done to windows in training: targets, what is taken away, and other ways to see them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from distiller_windows import noise_windows

from models.extractor import FRAME_VIEWS
from tasks.distiller.augmentation import augmented
from tasks.distiller.drop_law import corrupted, dropped
from tasks.distiller.targets import draw_halves, draw_targets, seen_cameras, withheld

BATCH, CAMERAS, STEPS = 6, 3, 4


@pytest.fixture
def windows() -> dict[str, torch.Tensor]:
    """Windows of three cameras; everything is there, but appearance at every second step."""
    found = noise_windows(BATCH, CAMERAS, STEPS)
    found["slot"] = torch.arange(CAMERAS).expand(BATCH, CAMERAS).clone()
    return found


def what_went(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], row: int) -> str:
    """Say which kind of thing was taken from one window."""
    gone = torch.stack(
        [before[f"mask_{name}"][row] & ~after[f"mask_{name}"][row] for name in FRAME_VIEWS]
    )  # (views, V, T)
    if not gone.any():
        same = torch.equal(before["rgb"][row], after["rgb"][row])
        return "nothing" if same else "patches"
    left = torch.stack([after[f"mask_{name}"][row] for name in FRAME_VIEWS])
    if gone.flatten(1).any(dim=1).sum() == 1:
        return "view"
    return "camera" if not left.any(dim=2).any(dim=0).all() else "frames"


def test_the_drop_law_takes_one_thing_of_each_window(windows: dict[str, torch.Tensor]) -> None:
    """A camera, a view, frames or patches go with the law's shares; something is always left."""
    rng = np.random.default_rng(0)
    counts: Counter[str] = Counter()
    for _ in range(60):
        after = dropped(windows, rng)
        assert all(torch.equal(windows[k], x) for k, x in noise_windows(BATCH, 3, STEPS).items())
        assert seen_cameras(after).any(dim=1).all()
        counts.update(what_went(windows, after, row) for row in range(BATCH))
    total = sum(counts.values())
    assert counts["nothing"] == 0
    shares = {kind: count / total for kind, count in counts.items()}
    expected = {"camera": 0.4, "view": 0.3, "frames": 0.2, "patches": 0.1}
    assert shares == pytest.approx(expected, abs=0.08)


def test_a_lone_camera_and_a_lone_view_stay() -> None:
    """Of a window of one camera with one view nothing but frames or patches can go."""
    windows = noise_windows(BATCH, 1, STEPS)
    for name in FRAME_VIEWS[1:]:
        windows[f"mask_{name}"][:] = False
    rng = np.random.default_rng(1)
    for _ in range(40):
        after = dropped(windows, rng)
        assert after["mask_rgb"].any(dim=2).all()


def test_corruption_damages_the_share_asked_for_and_pictures_alone(
    windows: dict[str, torch.Tensor],
) -> None:
    """No other tensor changes, none of no share, all of a share of 1."""
    rng = np.random.default_rng(2)
    assert torch.equal(corrupted(windows, 0.0, rng)["rgb"], windows["rgb"])
    after = corrupted(windows, 1.0, rng)
    changed = (after["rgb"] != windows["rgb"]).flatten(1).any(dim=1)
    assert changed.all()
    assert all(after[k] is x for k, x in windows.items() if k != "rgb")


def test_targets_are_pictures_that_are_there(windows: dict[str, torch.Tensor]) -> None:
    """The truth is the chosen camera's frame at the instant asked for, never a masked one."""
    windows["mask_rgb"][:, :, 0] = False
    windows["rgb"][:, :, 0] = 0
    found = draw_targets(windows, 2, 112, 0.5, np.random.default_rng(3))
    for row in range(BATCH):
        camera = int(found.camera[row])
        for k, step in enumerate(found.steps[row].tolist()):
            assert step > 0
            truth = windows["rgb"][row, camera, step].float() / 255
            assert torch.equal(found.truth[row, k], truth)
            assert found.query.t_ns[row, k] == windows["t_ns"][row, camera, step]
        assert torch.equal(found.query.camera[row], windows["camera"][row, camera])


def test_crossed_targets_are_not_among_the_inputs(windows: dict[str, torch.Tensor]) -> None:
    """Their camera says nothing at all; of a window of one camera none is crossed."""
    found = draw_targets(windows, 2, 64, 1.0, np.random.default_rng(4))
    assert found.crossed.all()
    inputs = withheld(windows, found)
    seen = seen_cameras(inputs)
    assert not seen[torch.arange(BATCH), found.camera].any()
    assert (seen.sum(dim=1) == CAMERAS - 1).all()
    alone = noise_windows(BATCH, 1, STEPS) | {"slot": torch.zeros(BATCH, 1, dtype=torch.int64)}
    assert not draw_targets(alone, 2, 64, 1.0, np.random.default_rng(4)).crossed.any()


def test_halves_are_disjoint_and_whole(windows: dict[str, torch.Tensor]) -> None:
    """Every camera that says anything is in exactly one half, and neither half is empty."""
    windows["mask_rgb"][0, 2] = False
    for name in FRAME_VIEWS:
        windows[f"mask_{name}"][0, 2] = False
    first, second = draw_halves(windows, np.random.default_rng(5))
    assert torch.equal(first | second, seen_cameras(windows))
    assert not (first & second).any()
    assert first.any(dim=1).all()
    assert second.any(dim=1).all()


def dotted(x: float, y: float) -> dict[str, torch.Tensor]:
    """Return windows with a bright dot at (x, y) of 0..1 in all views, and a joint on it."""
    windows = noise_windows(1, 1, 1)
    windows["rgb"][:] = 0
    at = (round(y * 112), round(x * 112))
    windows["rgb"][..., at[0] - 3 : at[0] + 3, at[1] - 3 : at[1] + 3] = 255
    windows["silhouette"][:] = 0
    half = (at[0] // 2, at[1] // 2)
    windows["silhouette"][..., half[0] - 1 : half[0] + 2, half[1] - 1 : half[1] + 2] = 1
    windows["flow"][:] = torch.tensor([2.0, 1.0]).view(2, 1, 1).to(windows["flow"].dtype)
    windows["skeleton"][:] = 0
    windows["skeleton"][..., :, 0, :] = torch.tensor([x, y, 0.0, 1.0]).to(torch.float16)
    windows["camera"][:] = 0
    windows["camera"][..., 10], windows["camera"][..., 11] = x, y
    return windows


@pytest.mark.parametrize("known", [True, False])
def test_every_view_is_changed_alike(known: bool) -> None:  # noqa: FBT001  a parameter
    """The dot, its outline, the joint on it and the centre of the lens move to the same place."""
    moved, mirrored = 0, 0
    for seed in range(40):
        windows = dotted(0.5, 0.4)
        windows["camera_known"][:] = known
        found = augmented(windows, np.random.default_rng(seed))
        x, y, _, sure = found["skeleton"][0, 0, 0, 0, 0].float().tolist()
        flow = found["flow"][0, 0, 0].float().mean(dim=(1, 2))
        if not sure:
            continue
        # The dot's colour may be inverted, and then the ground is bright.
        light = found["rgb"][0, 0, 0].float().sum(dim=0)
        light = (light - light.median()).abs()
        outline = found["silhouette"][0, 0, 0, 0].float()
        for picture in (light, outline):
            if picture.sum() == 0 or not (0.1 < x < 0.9 and 0.1 < y < 0.9):
                continue
            rows = torch.arange(len(picture)).float() + 0.5
            at_x = float((picture.sum(dim=0) * rows).sum() / picture.sum()) / len(picture)
            at_y = float((picture.sum(dim=1) * rows).sum() / picture.sum()) / len(picture)
            assert (at_x, at_y) == pytest.approx((x, y), abs=0.05)
        nearer = float(flow[1])  # 1 px a step before
        assert nearer >= 0.99
        assert abs(float(flow[0])) == pytest.approx(2 * nearer, rel=0.02)
        moved += nearer > 1.05
        mirrored += bool(flow[0] < 0)
        if known:
            vector = found["camera"][0, 0]
            assert vector[10:12].tolist() == pytest.approx([x, y], abs=0.01)
            assert float(vector[9]) == pytest.approx(np.log(nearer), abs=0.02)
    assert moved > 5
    assert (mirrored == 0) == known
