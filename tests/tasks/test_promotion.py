"""Promotion: all gates or none, a way back, and of two at once one that wins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from registered_models import register_depth

from infra import registry
from infra.errors import NoChampionError
from infra.past_runs import read_artifact_json
from infra.settings import Settings
from infra.tracking import client
from tasks.depth.recipe import DepthRecipe
from tasks.judging.promotion import promote_version, roll_back
from tasks.runs.record import FlowRun
from tasks.training.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.registry import ModelVersion
    from tasks.depth.evaluation import DepthEvaluation
    from tasks.training.recipe import Gate

NAME = "depth"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with four versions: good, better, worse than a baseline, and a twin of the second."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    for key, abs_rel in (("good", 0.2), ("better", 0.1), ("worse-than", 0.4), ("twin", 0.1)):
        register_depth(settings, key, abs_rel)
    return settings


def promote(settings: Settings, version: int | None = None) -> dict[str, Any]:
    """Promote without a flow around it."""
    return promote_version.fn(NAME, version, FlowRun("promote", settings))


class SlowRecipe(DepthRecipe):
    """Judges no faster than another process that judges at the same time; asks for no answers."""

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:  # noqa: ARG002
        """Two more processes each would be started for it."""
        return ()

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[DepthEvaluation]:
        """Say that this one judges, and wait until the other does."""
        found = super().judge(versions, run)
        waiting = run.settings.root / "judging"
        waiting.mkdir(exist_ok=True)
        (waiting / str(versions[0].version)).touch()
        deadline = time.monotonic() + 60
        while len(list(waiting.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        return found


RIVAL = """
import sys, json
from pathlib import Path
import test_promotion
test_promotion.RECIPES["depth"] = test_promotion.SlowRecipe()
settings = test_promotion.Settings(home=Path(sys.argv[1]))
print(json.dumps(test_promotion.promote(settings, int(sys.argv[2]))))
"""


def test_a_model_that_passes_every_gate_serves_and_its_verdict_is_kept(settings: Settings) -> None:
    """Values and thresholds are tags of the version and rows of a table of its run."""
    found = promote(settings, 1)
    assert found["promoted"], found["gates"]
    names = [gate["name"] for gate in found["gates"]]
    assert names[-3:] == ["same_answer", "provenance", "unseen_sessions"]
    info = registry.champion(settings, NAME)
    assert info.version == 1
    assert registry.recorded_gates(info) == found["gates"]
    assert info.tags["gate.abs_rel_under_plane"] == "0.1 0 passed"
    assert info.tags["gate.provenance"] == "0 0 passed"
    table = read_artifact_json(settings, info.run_id, "gates.json")
    assert len(table["data"]) == len(names)
    assert {"value", "threshold", "passed", "said"} <= set(table["columns"])


def test_a_model_that_fails_one_gate_is_refused(settings: Settings) -> None:
    """The champion stays, and the verdict is on record with what it was compared with."""
    assert promote(settings, 1)["champion_after"] == 1
    found = promote(settings, 3)
    assert (found["promoted"], found["champion_before"], found["champion_after"]) == (False, 1, 1)
    failed = [gate["name"] for gate in found["gates"] if not gate["passed"]]
    assert failed == ["abs_rel_under_plane", "abs_rel_under_ramp", "abs_rel_under_champion"]
    info = registry.version_info(settings, NAME, 3)
    assert info.tags["gate.abs_rel_under_champion"] == "-0.2 0 failed"
    table = read_artifact_json(settings, info.run_id, "gates.json")
    assert {row[table["columns"].index("champion")] for row in table["data"]} == {"v1"}


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(settings: Settings) -> None:
    """Both were compared with version 1; the second learns who is champion now, and is refused."""
    assert promote(settings, 1)["champion_after"] == 1
    environment = os.environ | {"PYTHONPATH": _path()}
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, str(settings.home), number],
            stdout=subprocess.PIPE,
            env=environment,
        )
        for number in ("2", "4")
    ]
    answers = [json.loads(rival.communicate(timeout=120)[0]) for rival in rivals]
    (winner,) = [one for one in answers if one["promoted"]]
    (loser,) = [one for one in answers if not one["promoted"]]
    assert winner["champion_before"] == loser["champion_before"] == 1
    assert winner["champion_after"] == loser["champion_after"] == winner["version"]
    (failed,) = [gate for gate in loser["gates"] if not gate["passed"]]
    assert failed["name"] == "champion_unchanged"
    assert f"compared with v1; champion meanwhile: v{winner['version']}" in failed["said"]
    assert registry.champion_version(settings, NAME) == winner["version"]
    # Asked again, it is compared with the new one.
    again = promote(settings, loser["version"])
    assert (again["promoted"], again["champion_before"]) == (True, winner["version"])


def test_a_rollback_brings_the_champion_before_back(settings: Settings) -> None:
    """Its own gates are shown; what was taken back is not promoted unless it is named."""
    assert RECIPES[NAME].name == NAME
    before = registry.champion_version(settings, NAME)
    run = FlowRun("promote", settings)
    found = roll_back.fn(NAME, run)
    assert (found["rolled_back"], found["promoted"]) == (True, True)
    assert found["champion_before"] == before
    assert found["version"] == found["champion_after"] == registry.champion_version(settings, NAME)
    assert found["gates"] == registry.recorded_gates(registry.champion(settings, NAME))
    assert (run.ledger.inputs, run.ledger.done) == (1, 1)
    assert registry.newest(settings, NAME) != before
    while registry.champion_version(settings, NAME) != 1:
        roll_back.fn(NAME, FlowRun("promote", settings))
    with pytest.raises(NoChampionError, match="before this one"):
        roll_back.fn(NAME, FlowRun("promote", settings))
    assert promote(settings, before)["champion_after"] == before


def test_files_that_were_changed_in_the_store_are_refused(settings: Settings) -> None:
    """The registry's own copy is looked at, not the one that was fetched before."""
    version = register_depth(settings, "touched", 0.05)
    info = registry.version_info(settings, NAME, version)
    registry.download(settings, info)
    source = client(settings).get_model_version_download_uri(NAME, str(version))
    (weights,) = Path(source.removeprefix("file://")).rglob("weights.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    found = promote(settings, version)
    assert not found["promoted"]
    (failed,) = [gate for gate in found["gates"] if not gate["passed"]]
    assert failed["name"] == "provenance"
    assert "it was changed" in failed["said"]


def _path() -> str:
    tests = Path(__file__).parents[1]
    return os.pathsep.join([str(tests / "tasks"), str(tests), str(tests.parent)])
