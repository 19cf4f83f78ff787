"""Baselines of pictures, on scenes of which the right answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from picture_windows import SIDE, TINY, moving, texture, window

from tasks.judging.patch_components import patches_of, pictures_of
from tasks.judging.window_baselines import (
    TargetBaselines,
    ViewBaselines,
    code_floats,
    nearest_camera,
)
from tasks.rigs.camera_warps import warped
from tasks.windows.pictures import (
    WindowPictures,
    backgrounds,
    judged_steps,
    nearest_steps,
    spread,
)

STEPS = 4
AT = np.array([1, 3])


def pictures(*given: object, **more: object) -> WindowPictures:
    """Return the pictures of a window of `picture_windows.window`."""
    return WindowPictures.of(window(*given, **more), SIDE)  # type: ignore[arg-type]


def still(*seeds: int) -> list[np.ndarray]:
    """Return cameras that see a picture each, always the same."""
    return [np.repeat(texture(seed)[None], STEPS, axis=0) for seed in seeds]


def off(ours: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error in levels."""
    return float(np.abs(ours.astype(float) - truth).mean())


def axis(degrees: float) -> np.ndarray:
    """Return the vector of a camera turned about the vertical."""
    turn = np.radians(degrees)
    matrix = np.array(
        [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
    )
    return np.array([*matrix[:, 0], *matrix[:, 1], 0, 0, 2, 0, 0.5, 0.5])


def test_of_a_static_scene_the_median_is_perfect() -> None:
    """From the camera's own other steps, and left out from earlier times of the same rig."""
    fit, judged = pictures(still(1, 2)), pictures(still(1, 2), first=8)
    target = TargetBaselines([fit], 64).made(judged, 0, AT)
    view = ViewBaselines([fit], 64).made(judged, 0, [1], AT)
    for made in (target["neighbours"], view["median"]):
        np.testing.assert_array_equal(made, judged.frames[0][AT])
    assert off(view["nearest"], judged.frames[0][AT]) > 20


def test_neighbours_know_no_judged_step() -> None:
    """What is shown at the judged steps alone is not in it; where all are judged, none its own."""
    frames = still(1)
    frames[0][AT] = 255
    made = TargetBaselines([pictures(still(1))], 64).made(pictures(frames), 0, AT)
    np.testing.assert_array_equal(made["neighbours"][0], texture(1))
    shown = np.stack([np.full((3, SIDE, SIDE), k, np.uint8) for k in (10, 20, 30, 40)])
    made = TargetBaselines([pictures(still(1))], 64).made(pictures([shown]), 0, np.arange(4))
    assert made["neighbours"][:, 0, 0, 0].tolist() == [30, 30, 20, 20]


def test_a_rig_never_seen_has_the_mean_of_the_given_medians() -> None:
    """No picture of the camera exists anywhere."""
    judged = pictures(still(1, 2, 3), session="new")
    made = ViewBaselines([pictures(still(5, 6))], 64).made(judged, 0, [1, 2], AT)
    mean = (texture(2).astype(float) + texture(3)) / 2
    assert off(made["median"][0], mean) < 0.6
    assert off(made["blend"][1], mean) < 0.6


def test_of_two_identical_cameras_the_nearest_is_perfect() -> None:
    """By its background on training windows, whatever the camera is called, while things move."""
    sight = moving(texture(1), STEPS, seed=5)
    other = moving(texture(2), STEPS, seed=6)
    fit = pictures([*still(1), *still(2), *still(1)])
    judged = pictures([sight, other, sight], first=8)
    made = ViewBaselines([fit], 64).made(judged, 0, [1, 2], AT)
    np.testing.assert_array_equal(made["nearest"], sight[AT])
    np.testing.assert_array_equal(
        ViewBaselines([fit], 64).made(judged, 0, [2], AT)["blend"], sight[AT]
    )


def test_the_nearest_calibrated_camera_looks_the_same_way() -> None:
    """Calibration goes before backgrounds; without either it is the first by name."""
    vectors = np.stack([axis(0), axis(90), axis(20), axis(-50)])
    judged = pictures(still(1, 1, 2, 3), vectors=vectors)
    known = backgrounds([judged])
    assert nearest_camera(judged, 0, [1, 2, 3], known) == 2
    assert nearest_camera(judged, 0, [1, 3], known) == 3
    blind = pictures(still(1, 1, 2, 3))
    assert nearest_camera(blind, 0, [2, 3, 1], known) == 1
    assert nearest_camera(blind, 0, [2, 3, 1], {}) == 2


def test_a_planar_scene_is_made_by_its_homography() -> None:
    """Two cameras see one plane on which things move: fitted on backgrounds, right in motion."""
    warp = np.array([[1.1, 0.05, -2.0], [-0.06, 0.95, 1.5], [0.001, -0.0008, 1.0]])
    given = moving(texture(1), 12, seed=3)
    made_of = np.stack([warped(frame, warp)[0] for frame in given])
    fit = [pictures([made_of[k : k + 4], given[k : k + 4]], first=k) for k in (0, 4)]
    judged = pictures([made_of[8:], given[8:]], first=8)
    made = ViewBaselines(fit, 8).made(judged, 0, [1], AT)
    truth = judged.frames[0][AT]
    assert off(made["homography"], truth) < 6
    assert off(made["nearest"], truth) > 3 * off(made["homography"], truth)


def test_a_plane_through_the_rig_is_used_where_it_is_calibrated_only() -> None:
    """Of a new rig without calibration nothing is warped; of a calibrated one something is."""
    fit = [pictures(still(5, 6))]
    vectors = np.stack([axis(0), axis(25)])
    plain = pictures(still(1, 2), session="new")
    rig = pictures(still(1, 2), session="new", vectors=vectors, aspects=(1.5, 1.5))
    flat, turned = (ViewBaselines(fit, 8).made(one, 0, [1], AT) for one in (plain, rig))
    np.testing.assert_array_equal(flat["homography"], flat["blend"])
    assert off(turned["homography"], turned["blend"]) > 2


def test_linear_codes_rebuild_what_lies_in_their_subspace() -> None:
    """Windows that are mixtures of three: from a code of all, and from the others' pictures."""
    rng = np.random.default_rng(2)
    base = np.stack(
        [[moving(texture(9 * k + v), STEPS, k + v) for v in range(2)] for k in range(3)]
    )

    def mixed() -> WindowPictures:
        weights = rng.dirichlet(np.ones(3))
        return pictures(np.einsum("k,kvtchw->vtchw", weights, base).round().astype(np.uint8))

    fit = [mixed() for _ in range(12)]
    judged = mixed()
    truth = judged.frames[0][AT]
    floats = 16
    assert off(TargetBaselines(fit, floats).made(judged, 0, AT)["pca"], truth) < 2
    assert off(ViewBaselines(fit, floats).made(judged, 0, [1], AT)["pca"], truth) < 2
    assert off(ViewBaselines(fit, 0).made(judged, 0, [1], AT)["pca"], truth) > 5


def test_patches_spend_the_floats_of_the_code() -> None:
    """More floats are nearer; patches cut apart and put together are the picture."""
    fit = [pictures([moving(texture(k), STEPS, k)]) for k in range(8)]
    judged = pictures([moving(texture(50), STEPS, 50)])
    errors = [
        off(TargetBaselines(fit, floats).made(judged, 0, AT)["patch_pca"], judged.frames[0][AT])
        for floats in (16, 64, 256)
    ]
    assert errors[0] > errors[1] > errors[2]
    frames = judged.frames[0]
    np.testing.assert_array_equal(pictures_of(patches_of(frames), frames.shape), frames)


def test_the_camera_that_is_made_is_not_looked_at() -> None:
    """Whatever the camera left out shows in this window, no baseline's answer changes."""
    rng = np.random.default_rng(0)
    fit = [pictures([moving(texture(v), STEPS, 9 * k + v) for v in (1, 2, 3)]) for k in range(4)]
    judged = pictures([moving(texture(v), STEPS, 70 + v) for v in (1, 2, 3)], first=9)
    frames = judged.frames.copy()
    frames[0] = rng.integers(0, 256, frames[0].shape)
    baselines = ViewBaselines(fit, 16)
    one = baselines.made(judged, 0, [1, 2], AT)
    other = baselines.made(replace(judged, frames=frames), 0, [1, 2], AT)
    for name, made in one.items():
        np.testing.assert_array_equal(made, other[name], err_msg=name)


def test_steps_that_are_not_usable_are_no_zeros() -> None:
    """Given frames stand in for their neighbours; the mean of the given counts those there are."""
    usable = np.ones((2, STEPS), bool)
    usable[1, 1:] = False
    frames = still(1, 2)
    frames[1][1:] = 0
    judged = pictures(frames, usable=usable)
    made = ViewBaselines([pictures(still(1, 2))], 16).made(judged, 0, [1], AT)
    np.testing.assert_array_equal(made["nearest"][1], texture(2))
    assert off(made["pca"], judged.frames[0][AT]) < 3


def test_training_windows_of_one_camera_are_enough() -> None:
    """Then nothing is known of how cameras go together, and components are those of one."""
    judged = pictures(still(1, 2))
    made = ViewBaselines([pictures(still(7)), pictures(still(8), session="b")], 16).made(
        judged, 0, [1], AT
    )
    mean = (texture(7).astype(float) + texture(8)) / 2
    assert off(made["pca"][0], mean) < 1


def test_the_code_has_as_many_numbers_as_its_maps_and_latents() -> None:
    """Of the tiny network: 2 x 4, a map of 8 x 8 cells, and that of a step of 4 x 4, four times."""
    assert code_floats(TINY, 4) == 8 + TINY.key * 64 + 4 * TINY.step * 16


@pytest.mark.parametrize(
    ("usable", "judged", "filled"),
    [
        ("11111111", [2, 6], [0, 1, 2, 3, 4, 5, 6, 7]),
        ("1111", [1, 3], [0, 1, 2, 3]),
        ("0110", [2], [1, 1, 2, 2]),
        ("0100", [], [1, 1, 1, 1]),
        ("0000", [], [0, 1, 2, 3]),
    ],
)
def test_steps_are_chosen_from_the_usable_ones(
    usable: str, judged: list[int], filled: list[int]
) -> None:
    """Two evenly, always the same, and one is left over to know the camera by."""
    there = np.array([one == "1" for one in usable])
    assert judged_steps(there).tolist() == judged
    assert nearest_steps(there).tolist() == filled


def test_rows_are_spread_over_sessions() -> None:
    """A long session has no more than its share as long as others have any; the same each time."""
    items = [("long", k) for k in range(100)] + [("short", k) for k in range(100, 103)]
    chosen = list(spread(items, 8))
    assert sum(one >= 100 for one in chosen) == 3
    assert len(set(chosen)) == 8
    assert chosen == list(spread(items, 8))
    assert len(list(spread(items, 500))) == 103
