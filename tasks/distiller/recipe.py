"""The recipe of *distiller*: learns from held-in sessions' windows, is judged on held-out ones.

Reads the catalog's features and the registry; writes the model's folder and checkpoints beside it.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from tasks.distiller.evaluation import DistillerEvaluation
from tasks.distiller.gates import distiller_gates
from tasks.distiller.material import (
    distiller_material,
    judged_sets,
    judged_side,
    trial_windows,
)
from tasks.distiller.presets import MODEL_NAME, DistillerPreset, distiller_preset_named
from tasks.judging.heldout import judge_versions
from tasks.judging.trials import answer_trial
from tasks.sessions.splits import TRAIN
from tasks.training.recipe import DistillPlan
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.distiller.material import DistillerMaterial
    from tasks.distiller.train import TrainedDistiller
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Gate, Work


@dataclass(frozen=True)
class DistillerRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the windows.

        Raises:
            UnknownPresetError: no preset of that name.
            CatalogEmptyError, NothingToLearnError: nothing was ingested, or nothing extracted.
            SplitImpossibleError: no unrelated session to hold out.
        """
        chosen = distiller_preset_named(preset)
        material = distiller_material(run)
        judged = material.heldout_digest(chosen)
        fields = repr(dataclasses.astuple(chosen))
        sources = source_parts("tasks.distiller.train")
        key = ids.digest("distill-distiller", fields, judged, *sources)
        return DistillPlan(
            self.name,
            chosen,
            material,
            dataclasses.asdict(chosen) | material.counts,
            chosen.steps,
            key,
            judged,
            trained_on=material.train_sessions,
            workers=chosen.workers,
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train on windows of the held-in sessions, judge on the held-out ones."""
        import torch

        from models import weights
        from tasks.distiller.evaluate import distiller_picture, evaluate_distiller
        from tasks.distiller.parallel import train_in_parallel
        from tasks.distiller.train import TrainedDistiller, train_distiller

        material: DistillerMaterial = work.plan.material
        preset: DistillerPreset = work.plan.preset
        threads = work.settings.cpus
        # Beside the model's folder: that one is registered as it stands.
        checkpoints = Path(f"{work.folder}.checkpoints")
        train = train_in_parallel if preset.workers > 1 else train_distiller
        trained: TrainedDistiller | None = None
        for found in train(
            material.source,
            TRAIN,
            preset,
            threads=threads,
            folder=checkpoints,
            key=work.plan.key,
        ):
            if isinstance(found, TrainedDistiller):
                trained = found
            else:
                yield {"step": found.step, "steps": found.steps, "loss": found.loss}
        if trained is None:  # pragma: no cover  the generator's contract
            raise RuntimeError("training ended without a model")
        torch.set_num_threads(threads)
        model = trained.model()
        digest = weights.save(Path(work.folder), model)
        sets = judged_sets(material.source, preset)
        evaluation = evaluate_distiller(
            model, sets.fit, sets.heldout, sets.later, precision=trained.precision
        )
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluation.to_json(),
                "picture": distiller_picture(model, [*sets.heldout, *sets.later]),
                "parameters": sum(p.numel() for p in model.parameters()),
                "train_seconds": trained.seconds,
                "losses": trained.curves["total"],
                "curves": {f"train.{name}": found for name, found in trained.curves.items()},
                "figures": {"train.waited_share": trained.waited_share},
            }
        }
        shutil.rmtree(checkpoints, ignore_errors=True)

    def example(self) -> npt.NDArray[np.float32]:
        """One window of two cameras and four steps: (1, 2, 4, 3, 112, 112)."""
        return np.zeros((1, 2, 4, 3, 112, 112), np.float32)

    def read(self, evaluation: str) -> DistillerEvaluation:
        """Return what `DistillerEvaluation.to_json` wrote."""
        return DistillerEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[DistillerEvaluation]:
        """Judge on the held-out windows of now; what is on record for those is not done again.

        All are judged on windows and at a size of the first one's preset, or they could not be
        compared: presets differ in both.
        """
        material = distiller_material(run)
        shape = distiller_preset_named(versions[0].tags["preset"])
        judged = material.heldout_digest(shape)

        def work(version: ModelVersion, folder: Path) -> _Judgement:
            own = distiller_preset_named(version.tags["preset"])
            return _Judgement(version.uri, str(folder), material, shape, own, run.settings.cpus)

        return judge_versions(versions, run, judged, self.read, _judge, work)

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Encode a window of each of some held-out sessions alike, in the model's arithmetic."""
        from models.precision import precision_of

        preset = distiller_preset_named(version.tags["preset"])
        windows = trial_windows(distiller_material(run).source, preset)
        cases = [window.tensors for window in windows]
        return (answer_trial(version, run.settings, cases, precision_of(bf16=preset.bf16)),)

    def gates(
        self, challenger: DistillerEvaluation, champion: DistillerEvaluation | None
    ) -> tuple[Gate, ...]:
        """Beat every baseline, be no worse than the champion, encode in time and memory."""
        return distiller_gates(challenger, champion)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A model to be judged: on windows of the preset `shape`, in the arithmetic of its `own`."""

    uri: str
    folder: str
    material: DistillerMaterial
    shape: DistillerPreset
    own: DistillerPreset
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.precision import precision_of
    from tasks.codes.model import load_distiller
    from tasks.distiller.evaluate import evaluate_distiller

    torch.set_num_threads(work.threads)
    model = load_distiller(Path(work.folder), work.uri)
    sets = judged_sets(work.material.source, work.shape)
    precision = precision_of(bf16=work.own.bf16)
    side = judged_side(work.shape)
    yield evaluate_distiller(
        model, sets.fit, sets.heldout, sets.later, precision=precision, side=side
    ).to_json()
