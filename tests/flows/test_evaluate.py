"""Evaluating a version: held-out tables, and cells of damage that no number of workers changes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from registered_distillers import register_distiller

from catalog.query import run
from catalog.store import Catalog
from flows.evaluate import evaluate, evaluate_plan
from infra import registry
from infra.errors import UnknownCorruptionError, UsageError
from infra.past_runs import read_artifact_json, run_metrics
from infra.settings import Settings
from tasks.robustness.gates import robustness_trials
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road

DISTILLER, SUPER_RESOLUTION = "distiller", "super-resolution"
ASKED = {"corruptions": ("shot", "time_shift", "view_drop"), "severities": (1, 4)}
CONTENT = (
    "select * exclude (flow_run_id, created_ns, model_version) from robustness "
    "order by cell_id, application, session_id, method"
)


@pytest.fixture(scope="module")
def homes(road: Road, tmp_path_factory: pytest.TempPathFactory) -> list[Settings]:
    """Return two homes with the road's catalog and the same untrained distiller."""
    found = []
    for name in ("one", "two"):
        folder = tmp_path_factory.mktemp(name)
        home = folder / "home"
        home.mkdir()
        (home / "assets").symlink_to(road.settings.assets.resolve())
        shutil.copytree(road.settings.root / "catalog", home / "catalog")
        settings = Settings(home=home, cpus=1)
        register_distiller(settings, folder / "model", seed=1, champion=False, preset="ci")
        found.append(settings)
    return found


def contents(settings: Settings) -> list[dict[str, Any]]:
    """Return all scores, without who measured them when."""
    return run(Catalog(settings.catalog).snapshot(), CONTENT).to_pylist()


def judged(settings: Settings, workers: int) -> dict[str, Any]:
    """Judge the distiller in a few cells."""
    return evaluate(
        DISTILLER,
        home=str(settings.home),
        robustness="core",
        windows=2,
        workers=workers,
        **ASKED,
    )


def test_one_worker_and_two_find_the_same(homes: list[Settings]) -> None:
    """Every score is equal to the last bit, every cell is there, and none is judged twice."""
    one, two = (judged(settings, k) for k, settings in enumerate(homes, start=1))
    assert one["done"] == two["done"] == one["inputs"] == 6
    first, second = (contents(settings) for settings in homes)
    assert first == second
    assert {row["corruption"] for row in first} == set(ASKED["corruptions"])
    assert {row["application"] for row in first} >= {"target", "view", "retrieval", "action"}
    assert one["metrics"] == two["metrics"]
    again = judged(homes[1], 1)
    assert (again["cached"], again["done"]) == (6, 0)
    assert contents(homes[1]) == second


def test_what_cannot_be_judged_is_said(homes: list[Settings]) -> None:
    """No labels, clips too short for a shift, sessions of one camera: each in a sentence."""
    found = judged(homes[0], 1)
    said = " ".join(found["remarks"])
    assert "Action was not judged: no training session has labels." in said
    assert "no claim of significance" in said
    absent = [row for row in contents(homes[0]) if row["absent"]]
    assert {row["application"] for row in absent} >= {"action"}
    alone = {row["session"] for row in contents(homes[0]) if row["corruption"] == "shot"}
    several = {row["session"] for row in contents(homes[0]) if row["corruption"] == "view_drop"}
    assert several < alone
    assert "not judged under view_drop; one camera alone." in said


def test_heat_maps_and_figures_are_with_the_version_s_run(homes: list[Settings]) -> None:
    """MLflow has a picture an application, the summary and flat metrics."""
    found = judged(homes[0], 1)
    settings, run_id = homes[0], found["mlflow_run_id"]
    assert "robustness/target.png" in found["pictures"]
    summary = read_artifact_json(settings, run_id, "robustness/summary.json")
    assert summary["summary"] == found["summary"]
    assert run_metrics(settings, run_id) == pytest.approx(found["metrics"])


def test_another_number_of_windows_is_another_result(homes: list[Settings]) -> None:
    """What was judged on two windows a session does not stand for what is judged on eight."""
    settings = homes[0]
    judged(settings, 1)
    asked = {"robustness": "core", **ASKED}
    same = evaluate_plan(settings, DISTILLER, None, {**asked, "windows": 2})
    other = evaluate_plan(settings, DISTILLER, None, {**asked, "windows": None})
    assert (same["cells"], same["cells_to_judge"]) == (6, 0)
    assert (other["cells"], other["cells_to_judge"]) == (6, 6)
    version = registry.version_info(settings, DISTILLER, 1)
    (gate,) = robustness_trials([version], FlowRun("promote", settings))
    assert (gate.name, gate.passed, gate.value) == ("robust", True, None)
    assert gate.said.startswith("0 of 27 cells: stillhouse evaluate --model distiller")


def test_super_resolution_is_judged_against_the_cubic(road: Road, tmp_path: Path) -> None:
    """Noise costs decibels, a lone camera is never late, and the gates come after a core run."""
    home = tmp_path / "home"
    shutil.copytree(road.settings.root, home, symlinks=True)
    asked = {"corruptions": ("gauss", "view_drop"), "severities": (1, 5)}
    found = evaluate(SUPER_RESOLUTION, home=str(home), robustness="full", **asked)
    assert found["done"] == 4
    ours = {row["severity"]: row for row in found["cells"] if row["method"] == "model"}
    assert ours[5]["value"] < ours[1]["value"] < ours[1]["undamaged"]
    assert (
        "Super-resolution was not judged under view_drop: a clip is of one camera."
        in (found["remarks"])
    )
    assert {row["peer"] for row in found["summary"]} == {"bicubic"}


def test_without_robustness_the_held_out_tables_are_told(road: Road, tmp_path: Path) -> None:
    """A version is judged as promotion did; nothing moves, and the figures are the same."""
    # A copy: other tests count what the road has run.
    home = tmp_path / "home"
    shutil.copytree(road.settings.root, home, symlinks=True)
    settings = Settings(home=home)
    before = registry.champion_version(settings, SUPER_RESOLUTION)
    found = evaluate(SUPER_RESOLUTION, road.reports["distill"]["version"], str(home))
    assert registry.champion_version(settings, SUPER_RESOLUTION) == before
    assert found["metrics"] == road.reports["distill"]["metrics"]
    assert found["per_session"] == road.reports["distill"]["per_session"]


def test_what_there_is_not_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """Unknown sets, corruptions and severities name those there are; choices need --robustness."""
    home = str(tmp_path)
    with pytest.raises(UsageError, match="there are core, full"):
        evaluate(DISTILLER, home=home, robustness="all")
    with pytest.raises(UnknownCorruptionError, match="gauss, shot, impulse"):
        evaluate(DISTILLER, home=home, robustness="core", corruptions=("rain",))
    with pytest.raises(UnknownCorruptionError, match="no severity 9"):
        evaluate(DISTILLER, home=home, robustness="core", severities=(9,))
    with pytest.raises(UsageError, match="chosen for --robustness"):
        evaluate(DISTILLER, home=home, windows=3)
    assert not list(tmp_path.iterdir())
