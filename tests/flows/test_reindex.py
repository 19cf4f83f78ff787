"""Codes of every clip by the champion: made once, made again by a new one, readable in between."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from registered_distillers import register_distiller, tiny_distiller

from catalog.datafile import read_columns
from catalog.query import named, rows, run
from catalog.schemas.codes import CODES
from catalog.schemas.features import FEATURES
from catalog.store import Catalog
from catalog.tablelog import open_log, stored_files
from flows.reindex import reindex
from flows.standing import reindex_plan
from infra import registry
from infra.errors import CatalogEmptyError, ModelNotFoundError, NoChampionError
from infra.settings import Settings
from models.precision import autocast
from tasks.codes import encode_plan
from tasks.codes.coding import coding_by
from tasks.codes.encode import encode_clips
from tasks.codes.encode_plan import EncodePlan, plan_codes
from tasks.codes.encoding import encode_windows
from tasks.codes.explain import explain_code
from tasks.runs.record import FlowRun
from tasks.windows.clip_index import indexed
from tasks.windows.clip_windows import ClipWindows
from tasks.windows.sets import as_torch

if TYPE_CHECKING:
    from tests.conftest import Road

MODEL = "distiller"
# What tells two catalogs of codes apart, but for who made them when.
CONTENT = "select * exclude (flow_run_id, model_version) from codes order by code_id"


@dataclass(frozen=True)
class Home:
    """A home in which every clip has been encoded once, and what that run reported."""

    settings: Settings
    folder: Path
    report: dict[str, Any]

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows that one of our own questions gives."""
        return run(Catalog(self.settings.catalog).snapshot(), sql).to_pylist()


def new_home(road: Road, folder: Path, *without: str) -> Settings:
    """Return a home with the road's catalog but some tables, its assets, and no model."""
    home = folder / "home"
    home.mkdir()
    (home / "assets").symlink_to(road.settings.assets.resolve())
    ignored = shutil.ignore_patterns(*without)
    shutil.copytree(road.settings.root / "catalog", home / "catalog", ignore=ignored)
    return Settings(home=home, cpus=1)


@pytest.fixture(scope="module")
def encoded(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Encode the road's clips by a distiller that nothing trained."""
    folder = tmp_path_factory.mktemp("encoded")
    settings = new_home(road, folder)
    register_distiller(settings, folder / "first", seed=1)
    return Home(settings, folder, reindex(None, str(settings.home)))


def adds_up(report: dict[str, Any]) -> bool:
    """Hold the conservation law over one report."""
    outcomes = ("done", "cached", "quarantined", "failed", "pending")
    return report["inputs"] == sum(report[name] for name in outcomes)


def test_every_clip_has_codes_end_to_end(encoded: Home) -> None:
    """Windows of a clip follow each other from its start to its end, the last one shorter."""
    report = encoded.report
    clips = {row["clip_id"]: row for row in encoded.ask("select * from current_clips")}
    assert report["done"] == report["inputs"] == len(clips)
    assert adds_up(report)
    codes = encoded.ask("select * from current_codes order by clip_id, first_step")
    assert report["codes"] == len(codes) > len(clips)
    step_ns = encoded.settings.grid_step_ns
    for clip_id, clip in clips.items():
        mine = [row for row in codes if row["clip_id"] == clip_id]
        assert [row["first_step"] for row in mine] == [8 * k for k in range(len(mine))]
        assert [row["start_ns"] for row in mine[1:]] == [row["end_ns"] for row in mine[:-1]]
        assert (mine[0]["start_ns"], mine[-1]["end_ns"]) == (clip["start_ns"], clip["end_ns"])
        for row in mine:
            assert row["cameras"] == sorted(clip["cameras"])
            assert 0 < row["seen"] <= row["steps"] <= 8
            assert row["end_ns"] - row["start_ns"] <= row["steps"] * step_ns
            assert (row["model"], row["model_version"]) == (MODEL, 1)


def test_a_code_is_a_unit_vector_and_bytes_of_about_its_price(encoded: Home) -> None:
    """The embedding has length 1; the coder takes what the prior says, and its header."""
    for row in encoded.ask("select embedding, data, bits from codes"):
        assert len(row["embedding"]) == 128
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
        assert row["bits"] / 8 - 4 <= len(row["data"]) <= 1.02 * row["bits"] / 8 + 16


def test_sql_finds_the_nearest_codes(encoded: Home) -> None:
    """An embedding is nearest to itself, by the cast that SQL computes with."""
    found = encoded.ask(
        "with codes as (select code_id, embedding::float[128] as e from current_codes) "
        "select a.code_id = arg_max(b.code_id, array_inner_product(a.e, b.e)) as itself "
        "from codes as a, codes as b group by a.code_id"
    )
    assert found
    assert all(row["itself"] for row in found)


def test_bytes_decode_to_the_symbols_that_the_network_gives(encoded: Home) -> None:
    """Encoded here, from the same rows, a clip has the codes that a worker made of it."""
    settings = encoded.settings
    snapshot = Catalog(settings.catalog).snapshot()
    coding = coding_by(registry.champion(settings, MODEL), snapshot, settings)
    reader = ClipWindows(snapshot, coding.spec, coding.views, settings.grid_step_ns)
    net = tiny_distiller(1)
    sessions = {row["session_id"] for row in rows(snapshot, "clip_givens")}
    checked = 0
    for clip in indexed(snapshot, "", settings.grid_step_ns, sessions):
        stored = named(snapshot, "clip_codes", {"clip_id": clip.clip_id}).to_pylist()
        said = reader.said(clip, reader.rows([clip])[clip.clip_id])
        windows = [reader.window(clip, row["first_step"], said) for row in stored]
        for row, code in zip(stored, encode_windows(net, windows, coding.precision), strict=True):
            assert row["data"] == code.data
            assert row["embedding"] == code.embedding.tolist()
            checked += 1
        for row, window in zip(stored, windows, strict=True):
            alone = as_torch({name: x[None] for name, x in window.items()})
            with torch.inference_mode(), autocast(coding.precision):
                symbols = net.encode(alone).symbols
            for mine, told in zip(symbols, net.codec.from_bytes(row["data"]), strict=True):
                assert torch.equal(mine, told)
    assert checked == encoded.report["codes"]


def test_a_second_run_finds_everything_current(encoded: Home) -> None:
    """Nothing is encoded, nothing is added, and the plan says so before."""
    before = encoded.ask("select count(*) as n from codes")
    plan = reindex_plan(encoded.settings, None)
    assert (plan["to_encode"], plan["windows"], plan["core_hours"]) == (0, 0, 0)
    report = reindex(None, str(encoded.settings.home))
    assert report["cached"] == report["inputs"]
    assert adds_up(report)
    assert encoded.ask("select count(*) as n from codes") == before


def test_explain_says_what_a_code_is_made_of(encoded: Home) -> None:
    """The clip's code is current, by which model, from which views in which versions."""
    clip_id = encoded.ask("select clip_id from current_clips limit 1")[0]["clip_id"]
    found = explain_code(encoded.settings, clip_id)
    assert found["current"]
    assert "encoded by models:/distiller/1" in found["reason"]
    assert "thumbnail" in found["key"]["views"]


def test_a_run_that_ended_half_way_is_gone_on_with(
    encoded: Home, road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed is cached, two workers make the rest: what one worker makes in one go."""
    monkeypatch.setenv("STILLHOUSE_CPUS", "2")
    settings = new_home(road, tmp_path)
    register_distiller(settings, tmp_path / "first", seed=1)
    first = FlowRun("test", settings)
    plan = plan_codes.fn(None, first)
    half = EncodePlan(plan.coding, plan.snapshot, list(plan.work)[:5], serves=False)
    encode_clips.fn(half, first)
    assert first.ledger.done == 5
    assert not rows(first.catalog.snapshot(), "serving_codes")
    report = reindex(None, str(settings.home))
    assert report["cached"] == 5
    assert report["done"] == report["inputs"] - 5
    assert run(Catalog(settings.catalog).snapshot(), CONTENT).to_pylist() == encoded.ask(CONTENT)


def test_work_is_read_in_chunks_in_one_order(
    encoded: Home, road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many clips are objects at once: by session and time, what is urgent first."""
    settings = new_home(road, tmp_path)
    register_distiller(settings, tmp_path / "first", seed=1)
    plan = plan_codes.fn(None, FlowRun("test", settings))
    whole = [one.clip.clip_id for one in plan.work]
    in_order = encoded.ask("select clip_id from current_clips order by session_id, start_ns")
    assert whole == [row["clip_id"] for row in in_order]
    assert len(plan.work) == len(whole)
    monkeypatch.setattr(encode_plan, "CHUNK_CLIPS", 1)
    assert [one.clip.clip_id for one in plan.work] == whole
    first = f"select clip_id from current_clips where clip_id in ('{whole[-1]}', '{whole[3]}')"  # noqa: S608  ids
    urgent = plan_codes.fn(None, FlowRun("test", settings), first)
    found = [one.clip.clip_id for one in urgent.work]
    assert found[:2] == [whole[3], whole[-1]]
    assert sorted(found) == sorted(whole)


def test_a_budget_ends_a_run_and_the_next_goes_on(road: Road, tmp_path: Path) -> None:
    """Urgent clips come first; the codes of before serve until all of the new ones are there."""
    settings = new_home(road, tmp_path)
    home = Home(settings, tmp_path, {})
    register_distiller(settings, tmp_path / "first", seed=1)
    report = reindex(None, str(settings.home), core_hours=0)
    assert (report["done"], report["pending"]) == (0, report["inputs"])
    reindex(None, str(settings.home))
    register_distiller(settings, tmp_path / "second", seed=2)
    urgent = "select clip_id from current_clips order by session_id desc, start_ns desc limit 1"
    report = reindex(None, str(settings.home), first=urgent, core_hours=1e-9)
    assert 0 < report["done"] < report["inputs"] == report["done"] + report["pending"]
    assert report["pending_until"] == "stillhouse reindex"
    assert home.ask(f"from codes where model_version = 2 and clip_id in ({urgent})")
    serving = "select distinct model_version as v from current_codes"
    assert home.ask(serving) == [{"v": 1}]
    assert not reindex(None, str(settings.home))["pending"]
    assert home.ask(serving) == [{"v": 2}]


def test_a_new_champion_makes_every_code_stale_and_keeps_the_old_readable(
    road: Road, tmp_path: Path
) -> None:
    """A challenger's codes do not serve, a champion's do once all are there; vacuum ends others."""
    settings = new_home(road, tmp_path)
    home = Home(settings, tmp_path, {})
    register_distiller(settings, tmp_path / "first", seed=1)
    reindex(None, str(settings.home))
    serving = "select distinct model_version as v from current_codes"
    register_distiller(settings, tmp_path / "second", seed=2, champion=False)
    report = reindex("models:/distiller/2", str(settings.home))
    assert report["done"] == report["inputs"]
    assert home.ask(serving) == [{"v": 1}]
    register_distiller(settings, tmp_path / "third", seed=3)
    plan = reindex_plan(settings, None)
    assert plan["to_encode"] == plan["clips"] == report["inputs"]
    assert plan["windows"] == report["codes"]
    assert 0 < plan["core_hours"] < 1
    assert plan["why"] == {"stale, since then changed: model": report["inputs"]}
    # Two versions are there by now, of as many codes each.
    stored = Catalog(settings.catalog).snapshot().files(CODES)
    assert 2 * plan["bytes"] == pytest.approx(sum(Path(f).stat().st_size for f in stored), abs=2)
    clip_id = home.ask("select clip_id from current_clips limit 1")[0]["clip_id"]
    assert explain_code(settings, clip_id)["reason"] == "stale, since then changed: model"
    again = reindex(None, str(settings.home))
    assert again["done"] == again["inputs"]
    assert home.ask(serving) == [{"v": 3}]
    readable = "select model_version as v, count(*) as n from codes group by v order by v"
    assert home.ask(readable) == [{"v": v, "n": report["codes"]} for v in (1, 2, 3)]
    last = reindex(None, str(settings.home), vacuum=True)
    assert last["cached"] == last["inputs"]
    assert last["codes_removed"] == 2 * report["codes"]
    assert home.ask(readable) == [{"v": 3, "n": report["codes"]}]


def test_one_bad_clip_costs_that_clip_alone(encoded: Home, road: Road, tmp_path: Path) -> None:
    """A clip whose stored feature is damaged is refused with the reason; the others have codes."""
    settings = new_home(road, tmp_path, "features")
    register_distiller(settings, tmp_path / "first", seed=1)
    bad = encoded.ask("select clip_id from current_clips order by clip_id limit 1")[0]["clip_id"]
    damage(Catalog(encoded.settings.catalog), Catalog(settings.catalog), bad)
    report = reindex(None, str(settings.home))
    assert (report["done"], report["quarantined"]) == (report["inputs"] - 1, 1)
    assert adds_up(report)
    snapshot = Catalog(settings.catalog).snapshot()
    (refused,) = run(snapshot, "from quarantine where stage = 'reindex'").to_pylist()
    assert (refused["item_id"], refused["reason"]) == (bad, "encoding_failed")
    assert "ValueError" in refused["detail"]
    assert not named(snapshot, "clip_codes", {"clip_id": bad}).num_rows
    assert explain_code(settings, bad)["reason"].startswith("refused, encoding_failed")
    assert not plan_codes.fn(None, FlowRun("test", settings)).work


def damage(source: Catalog, target: Catalog, clip_id: str) -> None:
    """Copy all features, those of flow of one clip cut short."""
    for file in stored_files(open_log(source.uri, FEATURES)):
        found = read_columns(FEATURES, file.path, source.uri, FEATURES.schema.names).to_pylist()
        for row in found:
            if row["view"] == "flow" and row["clip_id"] == clip_id:
                row["data"] = row["data"][:-3]
        target.commit(FEATURES, found)


def test_clips_without_features_wait_for_extract(road: Road, tmp_path: Path) -> None:
    """Nothing is guessed from nothing: all are pending, and the report says what to run."""
    settings = new_home(road, tmp_path, "features")
    register_distiller(settings, tmp_path / "first", seed=1)
    report = reindex(None, str(settings.home), vacuum=True)
    assert report["pending"] == report["inputs"] > 0
    assert report["pending_until"] == "stillhouse extract"
    assert "nothing was removed" in report["vacuum"]


def test_without_a_champion_nothing_is_started(road: Road, tmp_path: Path) -> None:
    """The error says what to run; so does that of a version that is not there."""
    settings = new_home(road, tmp_path)
    with pytest.raises(NoChampionError) as refused:
        reindex(None, str(settings.home))
    assert refused.value.command == "stillhouse promote distiller"
    with pytest.raises(ModelNotFoundError):
        reindex_plan(settings, "models:/distiller/7")
    with pytest.raises(CatalogEmptyError):
        reindex_plan(Settings(home=tmp_path / "nothing"), None)
