"""The recipe of *student*: learns what a distiller of the registry says of held-in windows.

Reads the catalog's features and the registry; writes the model's folder and checkpoints beside it.
The same network is trained for as long without a teacher, or nothing could be said of teaching.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from infra.errors import ModelInvalidError
from tasks.distiller.material import distiller_material, judged_sets, trial_windows
from tasks.judging.heldout import judge_versions, recorded_evaluation
from tasks.judging.trials import answer_trial
from tasks.sessions.splits import TRAIN
from tasks.student.evaluation import StudentEvaluation
from tasks.student.gates import student_gates
from tasks.student.judging import Judgement, judge_again
from tasks.student.material import (
    StudentMaterial,
    heldout_digest,
    learned_from,
    require_rig,
    teacher_of,
    teacher_version,
)
from tasks.student.presets import MODEL_NAME, student_preset_named
from tasks.training.recipe import DistillPlan
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.runs.record import FlowRun
    from tasks.student.presets import StudentPreset
    from tasks.training.recipe import Gate, Work

TEACHER_TAG, TEACHER_DIGEST_TAG = "teacher", "teacher_digest"


@dataclass(frozen=True)
class StudentRecipe:
    """A `tasks.training.recipe.Recipe`. `teacher`: its URI, else the champion."""

    name: str = MODEL_NAME
    teacher: str | None = None

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the windows and the teacher.

        What the teacher learned from counts as learned from: of a session held out now it may have
        told the student.

        Raises:
            UnknownPresetError: no preset of that name.
            CatalogEmptyError, NothingToLearnError: nothing was ingested, or nothing extracted.
            SplitImpossibleError: no unrelated session to hold out.
            MissingBaselineError: no session has two cameras, so nothing could be judged.
            NoChampionError, ModelNotFoundError: there is no such teacher.
        """
        chosen = student_preset_named(preset)
        windows = distiller_material(run)
        require_rig(windows)
        version = teacher_version(run.settings, self.teacher)
        teacher = teacher_of(run.settings, version)
        judged = heldout_digest(windows, chosen)
        fields = repr(dataclasses.astuple(chosen))
        sources = source_parts("tasks.student.train")
        key = ids.digest("distill-student", fields, judged, teacher.digest, *sources)
        told = {"teacher": teacher.uri, "teacher_digest": teacher.digest}
        here = {*windows.train_sessions, *windows.heldout_sessions}
        learned = {*windows.train_sessions, *(learned_from(run.settings, version) & here)}
        return DistillPlan(
            self.name,
            chosen,
            StudentMaterial(windows, teacher),
            dataclasses.asdict(chosen) | windows.counts | told,
            # Once with the teacher and once without.
            2 * chosen.steps,
            key,
            judged,
            trained_on=tuple(sorted(learned)),
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train by the teacher, train without one for as long, judge both on held-out windows."""
        import torch

        from models import weights
        from tasks.codes.model import load_distiller
        from tasks.student.evaluate import evaluate_student
        from tasks.student.picture import student_picture
        from tasks.student.train import TrainedStudent, train_student

        material: StudentMaterial = work.plan.material
        preset: StudentPreset = work.plan.preset
        source, threads = material.windows.source, work.settings.cpus
        teacher = load_distiller(Path(material.teacher.folder), material.teacher.uri)
        # Beside the model's folder: that one is registered as it stands.
        checkpoints = Path(f"{work.folder}.checkpoints")
        trained: dict[str, TrainedStudent] = {}
        began = time.monotonic()
        for number, name in enumerate(("taught", "scratch")):
            for found in train_student(
                source,
                TRAIN,
                preset,
                teacher=teacher if name == "taught" else None,
                threads=threads,
                folder=checkpoints / name,
                key=f"{work.plan.key}-{name}",
                seconds=trained["taught"].seconds if trained else None,
            ):
                if isinstance(found, TrainedStudent):
                    trained[name] = found
                else:
                    step = min(found.step, preset.steps) + number * preset.steps
                    yield {"step": step, "steps": work.plan.steps, "loss": found.loss}
        taught = trained["taught"]
        model, scratch = taught.model(), trained["scratch"].model()
        torch.set_num_threads(threads)
        digest = weights.save(Path(work.folder), model)
        sets = judged_sets(source, preset)
        precisions = (taught.precision, material.teacher.precision)
        evaluation = evaluate_student(
            model,
            scratch,
            teacher,
            sets.fit,
            sets.heldout,
            sets.later,
            precision=precisions[0],
            teacher_precision=precisions[1],
        )
        spent = {
            "train_cpu_seconds": taught.seconds,
            "scratch_steps": float(len(trained["scratch"].curves["total"])),
        }
        evaluation = dataclasses.replace(evaluation, cost=evaluation.cost | spent)
        windows = [*sets.heldout, *sets.later]
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluation.to_json(),
                "picture": student_picture(model, scratch, teacher, windows, *precisions),
                "parameters": sum(p.numel() for p in model.parameters()),
                "train_seconds": time.monotonic() - began,
                "losses": taught.curves["total"],
                "curves": {
                    f"train.{kind}.{name}": values
                    for kind, one in trained.items()
                    for name, values in one.curves.items()
                },
                "figures": {"train.waited_share": taught.waited_share},
                "tags": {
                    TEACHER_TAG: material.teacher.uri,
                    TEACHER_DIGEST_TAG: material.teacher.digest,
                },
            }
        }
        shutil.rmtree(checkpoints, ignore_errors=True)

    def example(self) -> npt.NDArray[np.float32]:
        """One window of two cameras and four steps: (1, 2, 4, 3, 112, 112)."""
        return np.zeros((1, 2, 4, 3, 112, 112), np.float32)

    def read(self, evaluation: str) -> StudentEvaluation:
        """Return what `StudentEvaluation.to_json` wrote."""
        return StudentEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[StudentEvaluation]:
        """Judge on the held-out windows of now; what is on record for those is not done again.

        What a version stands beside is not in the registry: where it is judged again, its network
        is trained again without a teacher, for as long as it was.
        """
        windows = distiller_material(run)
        shape = student_preset_named(versions[0].tags["preset"])
        judged = heldout_digest(windows, shape)

        def work(version: ModelVersion, folder: Path) -> Judgement:
            found = teacher_version(run.settings, version.tags[TEACHER_TAG])
            teacher = teacher_of(run.settings, found)
            if teacher.digest != version.tags[TEACHER_DIGEST_TAG]:
                raise ModelInvalidError(
                    f"{teacher.uri} is no longer the teacher of {version.uri}.",
                    command="stillhouse distill --model student",
                )
            own = student_preset_named(version.tags["preset"])
            recorded = self.read(recorded_evaluation(run.settings, version))
            seconds = recorded.cost["train_cpu_seconds"]
            material = StudentMaterial(windows, teacher)
            return Judgement(str(folder), material, shape, own, seconds, run.settings.cpus)

        return judge_versions(versions, run, judged, self.read, judge_again, work)

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer a window of each of some held-out sessions alike."""
        from tasks.judging.repeatability import INPUT

        preset = student_preset_named(version.tags["preset"])
        windows = trial_windows(distiller_material(run).source, preset)
        seen = ("rgb", "mask_rgb", "t_ns")
        cases = [
            {INPUT: w.tensors["rgb"].float()} | {name: w.tensors[name] for name in seen}
            for w in windows
        ]
        return (answer_trial(version, run.settings, cases),)

    def gates(
        self, challenger: StudentEvaluation, champion: StudentEvaluation | None
    ) -> tuple[Gate, ...]:
        """Beat scratch and every baseline, be no worse than the champion, be small and fast."""
        return student_gates(challenger, champion)
