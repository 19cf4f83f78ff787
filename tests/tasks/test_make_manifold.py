"""A manifold's encoder learns where moments lie; validation chooses; bad features are named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from infra.errors import NonFiniteFeaturesError, NothingToLearnError, UnknownPresetError
from tasks.manifold.make import MadeManifold, make_manifold, steps_of
from tasks.manifold.material import ManifoldRows, ViewRows
from tasks.manifold.presets import PRESETS, ManifoldPreset, manifold_preset_named
from tasks.manifold.validation import cross_camera_precision, validation_split

if TYPE_CHECKING:
    from tasks.manifold.presets import ManifoldPreset as Preset

STEPS = 4
QUICK = dataclasses.replace(PRESETS["ci"], steps=60, methods=("mcca", "mds"), dims=4, patch_dims=3)
# Pooled numbers of a window: 4 steps of 66 joints' places, of 2 x 49 cells of flow.
WIDTHS = {"flow": STEPS * 98, "skeleton": STEPS * 66}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums come in one order."""
    torch.set_num_threads(1)


def rows(windows: int = 120, cameras: int = 2, seed: int = 0) -> ManifoldRows:
    """Return windows of two sessions: hidden numbers of each, in another mix a view and camera."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(windows, 4))
    views = []
    for view, width in WIDTHS.items():
        parts = []
        for camera in range(cameras):
            # Far apart, as two cameras' pictures are, though both show the same.
            mix = np.random.default_rng([width, camera]).normal(size=(4, width))
            offset = 10 * np.random.default_rng([width, camera, 1]).normal(size=width)
            parts.append(hidden @ mix + offset + 0.05 * rng.normal(size=(windows, width)))
        number = np.tile(np.arange(windows), cameras)
        camera_of = np.repeat(np.arange(cameras), windows)
        views.append(ViewRows(view, np.concatenate(parts).astype(np.float32), number, camera_of))
    half = windows // 2
    sessions = ("a",) * half + ("b",) * (windows - half)
    clips = tuple(f"clip-{k // 10}" for k in range(windows))
    firsts = tuple(STEPS * (k % 10) for k in range(windows))
    return ManifoldRows(tuple(views), sessions, clips, firsts)


def made(found: ManifoldRows, preset: Preset) -> MadeManifold:
    """Return what making ends with."""
    *losses, last = make_manifold(found, preset)
    assert isinstance(last, MadeManifold)
    assert len(losses) == steps_of(preset)
    return last


def test_validation_takes_the_method_whose_encoder_finds_most() -> None:
    """Every method is validated, the best is fitted again on all, and finds new windows."""
    found = made(rows(), QUICK)
    assert set(found.validation) == {"mcca", "mds"}
    assert found.encoder.config.method == max(found.validation, key=found.validation.__getitem__)
    assert found.losses[-1] < found.losses[0]
    assert found.graph["graph.nodes"] == 480
    precision = cross_camera_precision(rows(seed=1), found.encoder, STEPS)
    assert precision is not None
    assert precision > 0.5


def test_equal_rows_and_seed_give_equal_weights() -> None:
    """Made twice, the encoder is the same bit by bit."""
    quick = dataclasses.replace(QUICK, methods=("isomap",), steps=10)
    one, other = (made(rows(), quick).encoder.state_dict() for _ in range(2))
    assert all(torch.equal(x, other[name]) for name, x in one.items())


def test_where_nothing_can_be_validated_the_first_method_is_taken() -> None:
    """Windows through one camera have nothing to find."""
    found = made(rows(60, cameras=1), dataclasses.replace(QUICK, steps=5, methods=("ltsa", "mcca")))
    assert found.validation == {}
    assert found.encoder.config.method == "ltsa"


def test_validation_is_of_each_session_s_last_windows() -> None:
    """No window is on both sides, and one between them is on neither."""
    early, late = validation_split(rows(40))
    assert early == [*range(14), *range(20, 34)]
    assert late == [*range(15, 20), *range(35, 40)]


def test_features_that_are_no_numbers_are_refused_with_their_clips() -> None:
    """The error names the clips; features that say nothing are nothing to learn from."""
    broken = rows()
    broken.views[1].rows[[5, 25], 3] = np.nan
    with pytest.raises(NonFiniteFeaturesError, match=r"2 clips are not finite: clip-0, clip-2"):
        made(broken, QUICK)
    flat = rows()
    for view in flat.views:
        view.rows[:] = 1.0
    with pytest.raises(NothingToLearnError, match="every view is constant"):
        made(flat, QUICK)


def test_presets_that_cannot_be_are_refused() -> None:
    """By name, and by the field that is wrong."""
    with pytest.raises(UnknownPresetError, match="there are ci, laptop"):
        manifold_preset_named("huge")
    with pytest.raises(ValueError, match="methods must be of"):
        ManifoldPreset("x", methods=("umap",))
    with pytest.raises(ValueError, match="patch_dims 10 of 10"):
        ManifoldPreset("x", patch_dims=10)
