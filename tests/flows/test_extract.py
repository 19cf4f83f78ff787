"""Extraction takes what it can: a missing asset, or a view that fails, stops nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.extract import extract
from flows.standing import extract_plan
from infra.errors import AssetMissingError
from infra.settings import Settings
from tasks.extraction.clip_work import ClipWork
from tasks.extraction.extractor import Extractor
from tasks.extraction.plan import plan_features
from tasks.runs.record import FlowRun
from tasks.views.catalogue import VIEWS, specs
from tasks.views.current import weights_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road

    from tasks.views.view import DecodedClip, Feature


@pytest.fixture
def bare(road: Road, tmp_path: Path) -> Settings:
    """A home with the road's clips, no features and no assets."""
    home = tmp_path / "home"
    shutil.copytree(road.settings.home / "catalog", home / "catalog")
    shutil.rmtree(home / "catalog" / "features")
    return Settings(home=home)


def test_a_view_without_its_asset_waits_and_the_others_go_on(road: Road, bare: Settings) -> None:
    """What needs no asset is done; the rest is pending, with the command that brings it."""
    lacking = [spec.name for spec in specs(VIEWS) if spec.assets]
    assert lacking
    report = extract(("flow", "thumbnail"), str(bare.home))
    assert report["done"] == report["inputs"] > 0
    plan = extract_plan(bare, ())
    assert any(one.startswith("appearance: stillhouse assets fetch") for one in plan["unavailable"])
    assert not set(plan["by_view"]) & set(lacking)
    done = run(Catalog(bare.catalog).snapshot(), "select distinct view from features")
    assert set(done["view"].to_pylist()) == {"flow", "thumbnail"}
    assert road.reports["extract"]["pending"] == 0


def test_a_view_that_is_asked_for_by_name_must_have_its_asset(bare: Settings) -> None:
    """Nothing is started, and the error says what to run."""
    with pytest.raises(AssetMissingError) as refused:
        extract(("appearance",), str(bare.home))
    assert refused.value.command == "stillhouse assets fetch mobilenetv2"


class Failing:
    """A view that fails on clips that begin at 0."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def compute(self, clip: DecodedClip) -> Feature:
        """Fail or do as *flow* does."""
        if clip.times_ns[0] == 0:
            raise self._error
        return VIEWS["flow"].load(None, 1, {}).compute(clip)  # type: ignore[arg-type]  it has none


def test_a_view_that_fails_on_a_clip_costs_that_view_of_that_clip(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip's other views are there; the failed one is a row with what was raised."""
    extractor, batch = one_recording(bare)
    monkeypatch.setitem(extractor._loaded, "flow", Failing(ZeroDivisionError("by design")))
    found = extractor.run(batch)
    assert [(row["view"], row["reason"]) for row in found.quarantine] == [("flow", "view_failed")]
    assert "ZeroDivisionError: by design" in found.quarantine[0]["detail"]
    assert found.done + len(found.quarantine) == sum(len(work.due) for work in batch)


def test_a_machine_without_memory_refuses_no_clip(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the run: the clip is none the worse, and is done by the next."""
    extractor, batch = one_recording(bare)
    monkeypatch.setitem(extractor._loaded, "flow", Failing(MemoryError("by design")))
    with pytest.raises(MemoryError):
        extractor.run(batch)


def one_recording(settings: Settings) -> tuple[Extractor, list[ClipWork]]:
    """Return a worker for two views, and the clips of one recording for which they are due."""
    names = ("flow", "thumbnail")
    plan = plan_features.fn(names, FlowRun("test", settings))
    extractor = Extractor(settings, "test", {name: weights_of(name, settings) for name in names})
    one = plan.work[0].clip
    batch = [work for work in plan.work if work.clip.recording_id == one.recording_id]
    return extractor, [work for work in batch if work.clip.camera_id == one.camera_id]


def test_only_what_is_missing_is_computed(road: Road) -> None:
    """A clip that misses one view is decoded for that view alone."""
    plan = plan_features.fn((), FlowRun("test", road.settings))
    assert not plan.missing
    work = ClipWork(replace(_any_clip(road), session_name="x"), ())
    assert not Extractor(road.settings, "test", {}).run([work]).files


def _any_clip(road: Road) -> object:
    from catalog.query import rows
    from tasks.recordings.sources import clip_source

    snapshot = Catalog(road.settings.catalog).snapshot()
    clip_id = run(snapshot, "select clip_id from current_clips")["clip_id"][0].as_py()
    return clip_source(rows(snapshot, "clip_cameras", {"clip_id": clip_id})[0])
