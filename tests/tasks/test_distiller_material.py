"""What the distiller is judged on: one set of windows for whoever is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.errors import CatalogEmptyError
from infra.settings import Settings
from tasks.distiller.material import distiller_material, judged_sets, judged_side
from tasks.distiller.presets import PRESETS
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road


def test_results_of_unlike_windows_do_not_compare(road: Road) -> None:
    """A preset with longer windows or larger pictures has another digest; the same has the same."""
    material = distiller_material(FlowRun("distill", road.settings))
    ci, laptop = (material.heldout_digest(PRESETS[name]) for name in ("ci", "laptop"))
    assert ci != laptop
    again = distiller_material(FlowRun("distill", road.settings))
    assert again.heldout_digest(PRESETS["ci"]) == ci
    assert judged_side(PRESETS["ci"]) < judged_side(PRESETS["laptop"])


def test_fitted_and_judged_windows_are_of_unlike_sessions_or_times(road: Road) -> None:
    """Baselines see nothing that is judged: not the held-out sessions, nor the later windows."""
    material = distiller_material(FlowRun("distill", road.settings))
    sets = judged_sets(material.source, PRESETS["ci"])
    train, heldout = set(material.train_sessions), set(material.heldout_sessions)
    assert not train & heldout
    assert {w.session_id for w in sets.fit} <= train
    assert {w.session_id for w in sets.later} <= train
    assert {w.session_id for w in sets.heldout} <= heldout
    assert sets.fit
    assert sets.heldout
    steps = PRESETS["ci"].window_steps
    seen = {(w.clip_id, w.first + k) for w in sets.fit for k in range(steps)}
    assert not seen & {(w.clip_id, w.first + k) for w in sets.later for k in range(steps)}


def test_an_empty_catalog_is_said(tmp_path: Path) -> None:
    """Nothing was ingested: the error names the command."""
    with pytest.raises(CatalogEmptyError):
        distiller_material(FlowRun("distill", Settings(home=tmp_path)))
