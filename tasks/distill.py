"""Distil: trains a model on held-in clips, judges it on held-out ones, registers what came of it.

Reads the catalog and the archive; writes an MLflow run and a model version. Training runs in one
Ray task that streams its progress back; MLflow is spoken to by the driver alone.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from infra import registry
from infra.observability import progress
from infra.ray_cluster import connect, stream
from tasks.evaluation import Evaluation
from tasks.judging import (
    EVALUATION_FILE,
    Sized,
    clips_by_split,
    heldout_digest,
    judged_clips,
    recorded_evaluation,
)
from tasks.presets import MODEL_NAME, TrainPreset, preset_named
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings
    from tasks.run_record import FlowRun


@dataclass(frozen=True, slots=True)
class DistillPlan:
    """What is to be trained: the preset, the clips on either side, and the key of the result."""

    preset: TrainPreset
    train: tuple[Sized, ...]
    heldout: tuple[Sized, ...]
    key: str
    heldout_digest: str
    version: int | None

    @property
    def cached(self) -> bool:
        """Whether the registry already holds what this would make."""
        return self.version is not None


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_distill(preset_name: str, run: FlowRun) -> DistillPlan:
    """Choose the clips and tell whether this model exists already.

    Raises:
        UnknownPresetError: no preset of that name.
        CatalogEmptyError: nothing has been ingested.
        SplitImpossibleError: no unrelated session to hold out.
    """
    preset = preset_named(preset_name)
    train, heldout = clips_by_split(run)
    judged = heldout_digest(heldout)
    clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip, _, _ in train)
    key = ids.digest(
        "distill", repr(dataclasses.astuple(preset)), judged, *clips, *source_parts("tasks.train")
    )
    version = registry.find_version(run.settings, MODEL_NAME, "distill_key", key)
    run.ledger.inputs = 1
    run.ledger.cached = int(version is not None)
    return DistillPlan(preset, train, heldout, key, judged, version)


@dataclass(frozen=True, slots=True)
class Work:
    """Everything the training process needs; it reads no catalog and speaks to no server."""

    plan: DistillPlan
    settings: Settings
    folder: str


def train_and_judge(work: Work) -> Iterator[dict[str, Any]]:
    """Train, save and judge; yield progress, then one `result` with what the driver logs.

    Runs in a Ray task with every core of the machine to itself.
    """
    import torch

    from models import weights
    from tasks.evaluate import evaluate_superresolution, sample_picture
    from tasks.pixel_windows import training_windows
    from tasks.train import Trained, train_superresolution

    plan, preset = work.plan, work.plan.preset
    torch.set_num_threads(work.settings.cpus)
    windows = training_windows(
        plan.train, preset.windows, preset.steps_per_window, preset.crop, preset.seed
    )
    trained: Trained | None = None
    for found in train_superresolution(windows, preset, threads=work.settings.cpus):
        if isinstance(found, Trained):
            trained = found
        else:
            yield {"step": found.step, "steps": found.steps, "loss": found.loss}
    if trained is None:  # pragma: no cover  the generator's contract
        raise RuntimeError("training ended without a model")
    del windows
    model = trained.model()
    digest = weights.save(Path(work.folder), model)
    judged = judged_clips(plan.heldout)
    evaluation = evaluate_superresolution(model, judged)
    yield {
        "result": {
            "digest": digest,
            "evaluation": evaluation.to_json(),
            "picture": sample_picture(model, judged),
            "parameters": sum(p.numel() for p in model.parameters()),
            "train_seconds": trained.seconds,
            "losses": trained.losses,
        }
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def distill_model(plan: DistillPlan, run: FlowRun) -> dict[str, Any]:
    """Train and register one model version; return what `--json` shows of it.

    The version carries its key as a tag from the moment it exists, so a run that is killed
    before that leaves nothing that could be mistaken for a model.
    """
    settings = run.settings
    connect(settings)
    folder = settings.state / "distill" / run.flow_run_id
    preset = plan.preset
    snapshot = run.catalog.snapshot()
    parameters = dataclasses.asdict(preset) | {
        "train_clips": len(plan.train),
        "heldout_clips": len(plan.heldout),
        "train_sessions": len({clip.session_id for clip, _, _ in plan.train}),
        "heldout_sessions": len({clip.session_id for clip, _, _ in plan.heldout}),
    }
    tags = {"distill_key": plan.key, "heldout_digest": plan.heldout_digest}
    result: dict[str, Any] = {}
    with registry.start_run(settings, MODEL_NAME, parameters, tags) as tracked:
        tracked.log_input_snapshot(settings.catalog, snapshot.versions)
        with progress("distill", preset.steps, "steps") as bar:
            for found in stream(train_and_judge, Work(plan, settings, str(folder)), settings):
                if "result" in found:
                    result = found["result"]
                else:
                    bar.set(found["step"])
        evaluation = Evaluation.from_json(result["evaluation"])
        tracked.log_curve("train.loss", result["losses"])
        metrics = evaluation.metrics() | {
            "parameters": float(result["parameters"]),
            "train_seconds": result["train_seconds"],
        }
        tracked.log_metrics(metrics)
        tracked.log_table(evaluation.table(), "per_session.json")
        tracked.log_text(result["evaluation"], EVALUATION_FILE)
        tracked.log_picture(result["picture"], "samples.png")
        version = registry.register_model(
            tracked,
            MODEL_NAME,
            folder,
            example=np.zeros((1, 3, 3, 16, 16), np.float32),
            tags=tags | {"weights_digest": result["digest"], "preset": preset.name},
        )
    shutil.rmtree(folder, ignore_errors=True)
    run.ledger.done = 1
    return describe(settings, version)


def describe(settings: Settings, version: int) -> dict[str, Any]:
    """Return a model version as the contract's distill object, from what the registry holds."""
    info = registry.version_info(settings, MODEL_NAME, version)
    evaluation = recorded_evaluation(settings, info)
    return {
        "mlflow_run_id": info.run_id,
        "model": MODEL_NAME,
        "version": version,
        "metrics": evaluation.model_metrics(),
        "baselines": evaluation.baseline_metrics(),
        "per_session": evaluation.table(),
        "remarks": evaluation.remarks(),
    }
