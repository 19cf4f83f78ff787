"""Stored codes are refined by a flow: never worse, resumable, and serving when all are there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from registered_distillers import register_distiller, tiny_distiller

from catalog.query import run
from catalog.schemas.code_versions import CODE_VERSIONS
from catalog.schemas.codes import CODES
from catalog.store import Catalog
from flows.by_method import by_method
from flows.console import Console
from flows.refine import refine
from flows.reindex import reindex
from flows.standing import refine_plan
from infra.errors import CodesWithoutBytesError, NoCodesError, UnknownMethodError, UsageError
from infra.settings import Settings, load_settings
from infra.tracking import client
from tasks.codes.explain import explain_code
from tasks.codes.refine import refine_codes
from tasks.codes.refine_plan import RefinePlan, plan_refine
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road

EVALUATIONS = 60
BASE = "0123456789abcdef"  # a version of codes that are spoiled
OUTCOMES = ("done", "cached", "quarantined", "failed", "pending")
# What a version's codes are, but for who made them when.
CONTENT = "select * exclude (flow_run_id, model_version) from codes where version = '{}' order by 1"


@dataclass(frozen=True)
class Home:
    """A home whose codes have been refined once, and what that run reported."""

    settings: Settings
    report: dict[str, Any]


def asked(settings: Settings, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query over the catalog as it is now."""
    found: list[dict[str, Any]] = run(Catalog(settings.catalog).snapshot(), sql).to_pylist()
    return found


def refined(settings: Settings, method: str = "gradient") -> dict[str, Any]:
    """Refine with few evaluations."""
    return refine(method, str(settings.home), evaluations=EVALUATIONS)


def adds_up(report: dict[str, Any]) -> bool:
    """Hold the conservation law over one report."""
    return bool(report["inputs"] == sum(report[name] for name in OUTCOMES))


@pytest.fixture(scope="module")
def encoded(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose clips have codes by a distiller that nothing trained."""
    home = tmp_path_factory.mktemp("refine") / "home"
    shutil.copytree(road.settings.catalog, home / "catalog")
    (home / "assets").symlink_to(road.settings.assets)
    settings = load_settings(home)
    register_distiller(settings, home / "net", 1, preset="ci")
    reindex(home=str(home))
    return settings


def copied(settings: Settings, folder: Path) -> Settings:
    """Return a copy of a home, to be changed."""
    shutil.copytree(settings.root, folder / "home", symlinks=True)
    return load_settings(folder / "home")


@pytest.fixture(scope="module")
def home(encoded: Settings, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home after a first refinement."""
    settings = copied(encoded, tmp_path_factory.mktemp("refined"))
    return Home(settings, refined(settings))


def test_refined_codes_serve_and_only_the_code_is_another(home: Home) -> None:
    """Each row is that of before but for version, bytes and their estimate; bytes decode."""
    report = home.report
    assert report["done"] == report["inputs"] > 0
    assert adds_up(report)
    assert report["serves"]
    assert report["energy_after"] < report["energy_before"]
    pairs = run(
        Catalog(home.settings.catalog).snapshot(),
        "select a.data as data, b.data as before, a.embedding = b.embedding as same, "
        "a.seen = b.seen and a.end_ns = b.end_ns and a.cameras = b.cameras as alike, a.version "
        "from current_codes as a join codes as b on b.version = $base "
        "and b.clip_id = a.clip_id and b.first_step = a.first_step",
        {"base": report["base"]},
    ).to_pylist()
    assert len(pairs) == report["codes"]
    net = tiny_distiller(1)
    for row in pairs:
        assert row["same"]
        assert row["alike"]
        assert row["version"] == report["version"]
        assert len(net.codec.from_bytes(row["data"]).key) == 1
    assert sum(row["data"] != row["before"] for row in pairs) == report["codes_changed"] > 0


def test_mlflow_has_the_figures_and_the_curves(home: Home) -> None:
    """A run of the experiment refine, with the energies and a picture."""
    store = client(home.settings)
    tracked = store.get_run(home.report["mlflow_run_id"])
    assert tracked.data.metrics["energy_after"] == home.report["energy_after"]
    assert tracked.data.params["base"] == home.report["base"]
    assert [file.path for file in store.list_artifacts(tracked.info.run_id)] == ["energy.png"]


def test_a_second_run_and_a_reindex_change_nothing(home: Home) -> None:
    """All is cached; the refined codes go on serving, and explain says so."""
    before = asked(home.settings, "select count(*) as n from codes")
    again = refined(home.settings)
    assert again["cached"] == again["inputs"] == home.report["inputs"]
    assert again["version"] == home.report["version"]
    assert adds_up(again)
    assert reindex(home=str(home.settings.home))["cached"] == home.report["inputs"]
    assert asked(home.settings, "select count(*) as n from codes") == before
    serving = asked(home.settings, "select distinct version from current_codes")
    assert serving == [{"version": home.report["version"]}]
    clip = asked(home.settings, "select min(clip_id) as c from current_clips")[0]["c"]
    found = explain_code(home.settings, clip)
    assert found["current"]
    assert f"refined by gradient, {EVALUATIONS} evaluations a clip" in found["reason"]
    assert home.report["version"] in found["reason"]


def test_a_run_that_ended_half_way_is_gone_on_with(
    home: Home, encoded: Settings, tmp_path: Path
) -> None:
    """What was committed is cached and does not serve yet; in the end all is as of one run."""
    settings = copied(encoded, tmp_path)
    first = FlowRun("test", settings)
    plan = plan_refine.fn("gradient", first, "distiller", EVALUATIONS)
    half = RefinePlan(plan.refining, plan.snapshot, plan.work[:3])
    refine_codes.fn(half, first)
    assert first.ledger.done == 3
    serving = asked(settings, "select distinct version from current_codes")
    assert serving == [{"version": plan.refining.base}]
    report = refined(settings)
    assert (report["cached"], report["done"]) == (3, report["inputs"] - 3)
    assert adds_up(report)
    content = CONTENT.format(home.report["version"])
    assert asked(settings, content) == asked(home.settings, content) != []


def test_another_method_begins_from_the_same_base(home: Home, tmp_path: Path) -> None:
    """Not from what was refined: two methods stay two, and the later serves."""
    settings = copied(home.settings, tmp_path)
    plan = refine_plan(settings, "cold", "distiller", EVALUATIONS, 0)
    assert plan["to_refine"] == plan["clips"] == home.report["inputs"]
    assert plan["windows"] == home.report["codes"]
    assert 0 < plan["core_hours"] < 1
    report = refined(settings, "cold")
    assert report["base"] == home.report["base"]
    assert report["version"] != home.report["version"]
    assert asked(settings, "select distinct version from current_codes") == [
        {"version": report["version"]}
    ]


def spoiled(settings: Settings, *, bare: bool) -> str:
    """Let codes serve that have no bytes, or of which one clip's are damaged; return its id."""
    codes = asked(settings, "select * from current_codes order by clip_id")
    serving = asked(settings, "from code_versions")[-1]
    bad: str = codes[0]["clip_id"]
    for row in codes:
        row["code_id"], row["version"] = f"{row['code_id']}-bad", BASE
        if bare:
            row["data"] = b""
        elif row["clip_id"] == bad:
            row["data"] = row["data"][:-2] + b"??"
    catalog = Catalog(settings.catalog)
    catalog.commit(CODES, codes)
    later = {"version": BASE, "chosen_ns": serving["chosen_ns"] + 1}
    catalog.commit(CODE_VERSIONS, [serving | later])
    return bad


def test_codes_without_bytes_are_refused_by_the_name_of_their_model(
    encoded: Settings, tmp_path: Path
) -> None:
    """A vector has no symbols; nothing is started."""
    settings = copied(encoded, tmp_path)
    spoiled(settings, bare=True)
    with pytest.raises(CodesWithoutBytesError, match=r"models:/distiller/1 have no bytes"):
        refine_plan(settings, "refine", "distiller", EVALUATIONS, 0)


def test_one_damaged_code_costs_that_clip_alone(encoded: Settings, tmp_path: Path) -> None:
    """It goes to quarantine, and its code serves on as it is; the others are refined and serve."""
    settings = copied(encoded, tmp_path)
    bad = spoiled(settings, bare=False)
    report = refined(settings)
    assert (report["quarantined"], report["done"]) == (1, report["inputs"] - 1)
    assert adds_up(report)
    (refused,) = asked(settings, "from quarantine where stage = 'refine'")
    assert (refused["item_id"], refused["reason"]) == (bad, "refining_failed")
    assert report["serves"]
    kept = [row["data"] for row in asked(settings, "from current_codes") if row["clip_id"] == bad]
    had = [
        row["data"]
        for row in asked(settings, "from codes")
        if (row["clip_id"], row["version"]) == (bad, BASE)
    ]
    assert sorted(kept) == sorted(had) != []
    again = refined(settings)
    assert (again["quarantined"], again["cached"]) == (1, again["inputs"] - 1)


def test_clips_without_thumbnails_wait_for_extract(encoded: Settings, tmp_path: Path) -> None:
    """There is nothing to come nearer to: pending, and what served goes on serving."""
    from deltalake import DeltaTable

    settings = copied(encoded, tmp_path)
    DeltaTable(f"{settings.catalog}/features").delete("view = 'thumbnail'")
    report = refined(settings)
    assert report["pending"] == report["inputs"] > 0
    assert report["pending_until"] == "stillhouse extract"
    assert not report["serves"]
    assert asked(settings, "select distinct version from current_codes") == [
        {"version": report["base"]}
    ]


def test_what_cannot_be_asked_for_is_said(encoded: Settings, tmp_path: Path) -> None:
    """No such method; options that do not go together; no codes at all."""
    console = Console(encoded.home)
    with pytest.raises(UnknownMethodError, match="no method 'boiling'"):
        refine_plan(encoded, "boiling", "distiller", EVALUATIONS, 0)
    with pytest.raises(UsageError, match="go with --method"):
        by_method(console, encoded, None, "distiller", 1, None, dry_run=True)
    for method, keep in (("coreset", None), ("refine", 1000)):
        with pytest.raises(UsageError, match="--bytes"):
            by_method(console, encoded, method, "distiller", 1, keep, dry_run=False)
    with pytest.raises(NoCodesError):
        refine_plan(load_settings(tmp_path), "refine", "distiller", EVALUATIONS, 0)


def test_a_coreset_fits_its_bytes_and_stands_nearer_than_chance(encoded: Settings) -> None:
    """Half of the archive's bytes; nothing is removed, and too few bytes are an error."""
    console = Console(encoded.home)
    clips = asked(encoded, "select count(*) as n from current_clips")[0]["n"]
    ran, found = by_method(
        console, encoded, "coreset", "super-resolution", 1, 1 << 40, dry_run=False
    )
    assert not ran
    assert len(found["clips"]) == found["of_clips"] == clips
    half = found["of_bytes"] // 2
    _, found = by_method(console, encoded, "coreset", "distiller", 1, half, dry_run=False)
    assert 0 < found["bytes"] <= half
    assert found["bytes"] == sum(clip["bytes"] for clip in found["clips"])
    assert found["distance"] <= found["distance_random"]
    with pytest.raises(UsageError, match="No clip fits"):
        by_method(console, encoded, "coreset", "distiller", 1, 1, dry_run=False)
