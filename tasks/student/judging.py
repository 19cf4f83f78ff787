"""A student judged again, on held-out windows other than those on record.

Reads the catalog's features and model files; writes nothing. What a student stands beside is not in
the registry, so its control is trained again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.distiller.material import judged_sets
from tasks.sessions.splits import TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.student import Student
    from tasks.student.material import StudentMaterial
    from tasks.student.presets import StudentPreset


@dataclass(frozen=True, slots=True)
class Judgement:
    """A model to be judged on windows of the preset `shape`; its `own` trains the control."""

    folder: str
    material: StudentMaterial
    shape: StudentPreset
    own: StudentPreset
    seconds: float
    threads: int


def judge_again(work: Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.precision import precision_of
    from models.student import Student
    from tasks.codes.model import load_distiller
    from tasks.student.evaluate import evaluate_student
    from tasks.training.served_network import load_network

    torch.set_num_threads(work.threads)
    model = load_network(work.folder, Student)
    source, teacher = work.material.windows.source, work.material.teacher
    sets = judged_sets(source, work.shape)
    evaluation = evaluate_student(
        model,
        _scratch(work),
        load_distiller(Path(teacher.folder), teacher.uri),
        sets.fit,
        sets.heldout,
        sets.later,
        precision=precision_of(bf16=work.own.bf16),
        teacher_precision=teacher.precision,
    )
    spent = {"train_cpu_seconds": work.seconds}
    yield dataclasses.replace(evaluation, cost=evaluation.cost | spent).to_json()


def _scratch(work: Judgement) -> Student:
    from tasks.student.train import TrainedStudent, train_student

    *_, last = train_student(
        work.material.windows.source,
        TRAIN,
        work.own,
        teacher=None,
        threads=work.threads,
        seconds=work.seconds,
    )
    if not isinstance(last, TrainedStudent):  # pragma: no cover  the generator's contract
        raise TypeError("training ended without a model")
    return last.model()
