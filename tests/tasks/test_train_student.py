"""Training the student: by a teacher or by itself, resumed to the very same, registered beside."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from registered_distillers import register_distiller, tiny_distiller

from catalog.store import Catalog
from infra import registry
from infra.errors import MissingBaselineError, ModelInvalidError, NoChampionError, UsageError
from infra.past_runs import run_facts
from infra.settings import Settings
from models import weights
from models.student import Student
from tasks.distiller.material import distiller_material
from tasks.export.exporting import export_model
from tasks.judging.window_score import WindowScore
from tasks.runs.record import FlowRun
from tasks.sessions.splits import TRAIN
from tasks.student import presets as student_presets
from tasks.student.evaluation import StudentEvaluation
from tasks.student.gates import student_gates
from tasks.student.material import require_rig
from tasks.student.presets import PRESETS, StudentPreset
from tasks.student.train import TrainedStudent, draw_pairs, train_student
from tasks.training.distill import distill_model, plan_distill
from tasks.training.recipes import taught_recipe
from tasks.views.current import view_versions
from tasks.windows.sets import WindowSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Road

    from models.distiller import Distiller
    from tasks.training.schedule import Progress

SHORT = dataclasses.replace(
    PRESETS["ci"], steps=6, batch=4, cameras=3, report_every=1, checkpoint_every_s=0.0
)


@pytest.fixture(scope="module")
def source(road: Road) -> WindowSource:
    """Return the windows of the generated archive."""
    settings = road.settings
    snapshot = Catalog(settings.catalog).snapshot()
    return WindowSource(snapshot, view_versions((), settings), settings.grid_step_ns, {})


@pytest.fixture(scope="module")
def teacher() -> Distiller:
    """Return a teacher that nothing taught."""
    return tiny_distiller(0)


def ended(found: Iterator[Progress | TrainedStudent]) -> TrainedStudent:
    """Return what training ends with."""
    *_, last = found
    assert isinstance(last, TrainedStudent)
    return last


@pytest.mark.parametrize("taught", [True, False])
def test_a_run_that_was_cut_off_resumes_to_the_very_same_model(
    source: WindowSource, teacher: Distiller, tmp_path: Path, *, taught: bool
) -> None:
    """Cut off at its third step: losses and weights are those of a run that was let alone."""
    given = {"teacher": teacher if taught else None}
    whole = ended(train_student(source, TRAIN, SHORT, **given))
    cut = train_student(source, TRAIN, SHORT, folder=tmp_path, key="k", **given)
    for found in cut:
        if not isinstance(found, TrainedStudent) and found.step == 3:
            break
    cut.close()
    steps = []
    for found in train_student(source, TRAIN, SHORT, folder=tmp_path, key="k", **given):
        if isinstance(found, TrainedStudent):
            again = found
        else:
            steps.append(found.step)
    assert steps == [4, 5, 6]
    assert again.curves == whole.curves
    assert all(torch.equal(x, whole.state[name]) for name, x in again.state.items())


def test_it_learns_what_its_teacher_says(source: WindowSource, teacher: Distiller) -> None:
    """Some dozens of steps bring embeddings nearer to the teacher's, their differences too."""
    preset = dataclasses.replace(SHORT, steps=40, batch=2, checkpoint_every_s=60.0)
    found = ended(train_student(source, TRAIN, preset, teacher=teacher, threads=1))
    assert set(found.curves) == {"cosine", "centred", "gram", "tokens", "total"}
    for name in ("cosine", "centred", "gram", "tokens"):
        losses = found.curves[name]
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3]), name
    assert found.config.side == 64


def test_time_ends_a_run_instead_of_steps(source: WindowSource) -> None:
    """With `seconds` of a clock it stops when they are over: the control has equal minutes."""
    ticks = iter(range(1000))
    found = ended(
        train_student(
            source, TRAIN, SHORT, teacher=None, seconds=4.0, clock=lambda: float(next(ticks))
        )
    )
    assert len(found.curves["total"]) == 4
    assert found.seconds == 4.0


def test_two_looks_are_of_two_cameras_where_there_are() -> None:
    """Of one camera it is that one twice; a camera without pictures is never drawn."""
    mask = torch.zeros(2, 3, 4, dtype=torch.bool)
    mask[0, 1, 2] = True
    mask[1, [0, 2]] = True
    for seed in range(8):
        first, second = draw_pairs(mask, np.random.default_rng(seed))
        assert (int(first[0]), int(second[0])) == (1, 1)
        assert {int(first[1]), int(second[1])} == {0, 2}


def test_without_a_rig_nothing_is_trained(road: Road) -> None:
    """Clips of one camera each could not be judged: that is said before, not after."""
    whole = distiller_material(FlowRun("distill", road.settings))
    require_rig(whole)
    seen = {name.partition("/")[0]: name for name in (*whole.clips, *whole.judged)}
    single = dataclasses.replace(whole, clips=tuple(seen.values()), judged=())
    with pytest.raises(MissingBaselineError, match="two cameras"):
        require_rig(single)


def home(road: Road, folder: Path) -> Settings:
    """Return a home with a registry of its own over the generated archive's catalog."""
    return Settings(home=folder, catalog_uri=road.settings.catalog, cpus=2)


@pytest.mark.long
def test_it_is_registered_beside_its_teacher_and_exported(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose name and digest are in its key, parameters and tags; with control, gates and int8."""
    settings = home(road, tmp_path)
    tiny = StudentPreset("tiny", "ci", steps=4, window_steps=4, stride=1, batch=4, bf16=False)
    monkeypatch.setitem(student_presets.PRESETS, "tiny", tiny)
    run = FlowRun("distill", settings)
    with pytest.raises(NoChampionError):
        plan_distill.fn("tiny", run, "student")
    one = register_distiller(settings, tmp_path / "one", 1, preset="ci")
    other = register_distiller(settings, tmp_path / "two", 2, champion=False, preset="ci")
    plan = plan_distill.fn("tiny", run, "student")
    named = plan_distill.fn("tiny", run, "student", f"models:/distiller/{other}")
    assert plan.key != named.key
    assert plan.parameters["teacher"] == f"models:/distiller/{one}"
    found = distill_model.fn(plan, run)
    assert found["model"] == "student"
    version = registry.version_info(settings, "student", found["version"])
    digest = registry.version_info(settings, "distiller", one).digest
    assert version.tags["teacher"] == f"models:/distiller/{one}"
    assert version.tags["teacher_digest"] == digest
    assert run_facts(settings, version.run_id).params["teacher_digest"] == digest
    methods = {row["method"] for row in found["per_session"]}
    assert {"model", "teacher", "scratch", "pixels", "pca", "mcca", "single_view"} <= methods
    assert found["metrics"]["heldout.cost.parameters"] < 800_000
    assert isinstance(weights.load(registry.download(settings, version)), Student)
    # Judged again, nothing is trained: what is on record is of these very windows.
    recipe = taught_recipe("student", None)
    (judged,) = recipe.judge([version], run)
    gates = {gate.name: gate for gate in recipe.gates(judged, None)}
    assert gates["parameters"].passed
    assert "retrieval_over_scratch" in gates
    assert all(gate.passed for gate in recipe.trials(version, run))
    assert plan_distill.fn("tiny", run, "student").version == found["version"]
    # Ranges of int8 are of the training sessions' pictures, what it loses of those held out.
    made = export_model.fn(version.uri, str(tmp_path / "onnx"), run, int8=True)["manifest"]
    assert made["teacher"] == f"models:/distiller/{one}"
    assert {file["file"] for file in made["files"]} == {"fp32.onnx", "int8.onnx"}
    assert made["int8"]["judged_pictures"] > 0
    assert (made["ships"] == "int8.onnx") == made["int8"]["within_goal"]


def test_only_a_distiller_teaches_and_only_students_learn(road: Road, tmp_path: Path) -> None:
    """Another model as teacher is refused, and a teacher for another model is too."""
    settings = home(road, tmp_path)
    with pytest.raises(UsageError, match="has no teacher"):
        taught_recipe("depth", "models:/distiller/1")
    register_distiller(settings, tmp_path / "one", 1)
    from registered_models import register_depth

    register_depth(settings, "key")
    with pytest.raises(ModelInvalidError, match="it cannot teach"):
        plan_distill.fn("ci", FlowRun("distill", settings), "student", "models:/depth/1")


def evaluation(**scores: float) -> StudentEvaluation:
    """Return an evaluation of two sessions in which each method has one figure."""
    rows = tuple(
        WindowScore(
            setting="new_rig",
            application="retrieval",
            method=name,
            session_id=session,
            session_name=session,
            clip_id=f"{session}-1",
            first=0,
            camera_id="cam0",
            given=1,
            measures={"map": x, "r_at_1": x, "r_at_5": x, "r_at_10": x},
        )
        for session in ("a", "b")
        for name, x in scores.items()
    )
    cost = {"parameters": 7e5, "step_ms": 3.0, "peak_rss_bytes": 1e9}
    return StudentEvaluation("fp32", 1, rows, cost)


PEERS = dict.fromkeys(("pixels", "pca", "mcca", "single_view"), 0.1)


def test_the_gap_that_is_closed_is_a_share_of_the_teachers_lead() -> None:
    """(S - scratch) / (T - scratch); where the teacher has no lead there is none: it is said."""
    found = evaluation(model=0.4, teacher=0.5, scratch=0.3, **PEERS)
    assert found.gap_closed("new_rig", "map") == pytest.approx(0.5)
    assert found.model_metrics()["heldout.new_rig.retrieval.gap_closed.map"] == pytest.approx(0.5)
    assert "closes 50% of the gap" in found.remarks()[0]
    none = evaluation(model=0.4, teacher=0.3, scratch=0.3, **PEERS)
    assert "heldout.new_rig.retrieval.gap_closed.map" not in none.model_metrics()
    assert "there is no gap to close" in none.remarks()[0]
    again = StudentEvaluation.from_json(found.to_json())
    assert again == found
    assert isinstance(again, StudentEvaluation)


def test_figures_without_teacher_control_or_baseline_are_refused() -> None:
    """Each is missed by its name."""
    whole = {"model": 0.4, "teacher": 0.5, "scratch": 0.3, **PEERS}
    for name in ("teacher", "scratch", "pca", "single_view"):
        with pytest.raises(MissingBaselineError, match=name):
            evaluation(**{k: x for k, x in whole.items() if k != name})


def test_gates_refuse_what_teaching_did_not_help() -> None:
    """No better than without a teacher, than a baseline or than the champion; too large."""
    good = evaluation(model=0.4, teacher=0.5, scratch=0.3, **PEERS)
    assert all(gate.passed for gate in student_gates(good, None))
    worse = evaluation(model=0.3, teacher=0.5, scratch=0.3, **PEERS)
    failed = {gate.name for gate in student_gates(worse, good) if not gate.passed}
    assert failed == {"retrieval_over_scratch", "retrieval_over_champion"}
    large = dataclasses.replace(good, cost=good.cost | {"parameters": 9e5, "step_ms": 30.0})
    failed = {gate.name for gate in student_gates(large, None) if not gate.passed}
    assert failed == {"parameters", "step_ms"}
