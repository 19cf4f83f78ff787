"""The recipe of *manifold*: an encoder of the manifold that held-in sessions' windows lie on.

Reads the catalog's features and the registry; writes the model's folder.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from tasks.distiller.evaluation import DistillerEvaluation
from tasks.distiller.gates import baseline_gates, budget_gates, champion_gates
from tasks.distiller.material import (
    FITTED,
    JUDGED,
    distiller_material,
    judged_sets,
    trial_windows,
)
from tasks.judging.heldout import judge_versions
from tasks.judging.trials import answer_trial
from tasks.manifold.presets import MODEL_NAME, ManifoldPreset, manifold_preset_named
from tasks.sessions.splits import TRAIN
from tasks.training.recipe import DistillPlan
from tasks.views.version import source_parts
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.distiller.material import DistillerMaterial
    from tasks.judging.window_score import Application
    from tasks.manifold.make import MadeManifold
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Gate, Work

# It makes no pictures: finding a moment is all it is for.
GATED: tuple[Application, ...] = ("retrieval",)


@dataclass(frozen=True)
class ManifoldRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the windows.

        Raises:
            UnknownPresetError: no preset of that name.
            CatalogEmptyError, NothingToLearnError: nothing was ingested, or nothing extracted.
            SplitImpossibleError: no unrelated session to hold out.
        """
        from tasks.manifold.make import steps_of

        chosen = manifold_preset_named(preset)
        material = distiller_material(run)
        judged = heldout_digest(material, chosen)
        sources = source_parts("tasks.manifold.make")
        fields = repr(dataclasses.astuple(chosen))
        return DistillPlan(
            self.name,
            chosen,
            material,
            dataclasses.asdict(chosen) | material.counts,
            steps_of(chosen),
            ids.digest("distill-manifold", fields, judged, *sources),
            judged,
            trained_on=material.train_sessions,
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Read the manifold off windows of held-in sessions, train, judge on held-out ones."""
        import torch

        from models import weights
        from tasks.manifold.evaluate import evaluate_manifold
        from tasks.manifold.make import make_manifold
        from tasks.manifold.material import manifold_rows
        from tasks.manifold.picture import manifold_picture

        material: DistillerMaterial = work.plan.material
        preset: ManifoldPreset = work.plan.preset
        torch.set_num_threads(work.settings.cpus)
        spec = WindowSpec(steps=preset.window_steps, stride=preset.stride, cameras=preset.cameras)
        rows = manifold_rows(
            material.source, spec, TRAIN, per_session=preset.per_session, part="earlier"
        )
        made: MadeManifold | None = None
        for step, found in enumerate(make_manifold(rows, preset), start=1):
            if not isinstance(found, float):
                made = found
            elif step % preset.report_every == 0:
                yield {"step": step, "loss": found}
        if made is None:  # pragma: no cover  the generator's contract
            raise RuntimeError("nothing was made")
        encoder = made.encoder
        digest = weights.save(Path(work.folder), encoder)
        sets = judged_sets(material.source, preset)
        # As it will be served: from its files.
        loaded = weights.load(Path(work.folder), digest=digest)
        evaluation = evaluate_manifold(loaded, sets.fit, sets.heldout, sets.later)  # type: ignore[arg-type]  # an encoder
        scores = {f"validation.{name}.map": value for name, value in made.validation.items()}
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluation.to_json(),
                "picture": manifold_picture(encoder, sets.fit, sets.heldout),
                "parameters": sum(p.numel() for p in encoder.parameters()),
                "train_seconds": made.seconds,
                "losses": made.losses,
                "figures": scores | made.graph,
            }
        }

    def example(self) -> npt.NDArray[np.float32]:
        """One window of two cameras and four steps: (1, 2, 4, 3, 112, 112)."""
        return np.zeros((1, 2, 4, 3, 112, 112), np.float32)

    def read(self, evaluation: str) -> DistillerEvaluation:
        """Return what `DistillerEvaluation.to_json` wrote."""
        return DistillerEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[DistillerEvaluation]:
        """Judge on the held-out windows of now; what is on record for those is not done again.

        All are judged on windows of the first one's preset, or they could not be compared.
        """
        material = distiller_material(run)
        shape = manifold_preset_named(versions[0].tags["preset"])
        judged = heldout_digest(material, shape)

        def work(version: ModelVersion, folder: Path) -> _Judgement:
            return _Judgement(version.uri, str(folder), material, shape, run.settings.cpus)

        return judge_versions(versions, run, judged, self.read, _judge, work)

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Encode a window of each of some held-out sessions alike."""
        preset = manifold_preset_named(version.tags["preset"])
        windows = trial_windows(distiller_material(run).source, preset)
        return (answer_trial(version, run.settings, [window.tensors for window in windows]),)

    def gates(
        self, challenger: DistillerEvaluation, champion: DistillerEvaluation | None
    ) -> tuple[Gate, ...]:
        """Beat every baseline, be no worse than the champion, encode in time and memory."""
        return (
            *baseline_gates(challenger, GATED),
            *champion_gates(challenger, champion, GATED),
            *budget_gates(challenger),
        )


def heldout_digest(material: DistillerMaterial, preset: ManifoldPreset) -> str:
    """Name the held-out windows and the protocol: results compare only where this is equal."""
    shape = (preset.window_steps, preset.cameras)
    protocol = source_parts("tasks.manifold.evaluate")
    windows = (material.read, *material.judged, *material.clips)
    return ids.digest("heldout-manifold", FITTED, JUDGED, shape, *windows, *protocol)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """An encoder to be judged on windows of a preset."""

    uri: str
    folder: str
    material: DistillerMaterial
    shape: ManifoldPreset
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge an encoder; runs in a Ray task with every core to itself."""
    import torch

    from tasks.codes.model import load_encoder
    from tasks.manifold.evaluate import evaluate_manifold

    torch.set_num_threads(work.threads)
    model = load_encoder(Path(work.folder), work.uri)
    sets = judged_sets(work.material.source, work.shape)
    yield evaluate_manifold(model, sets.fit, sets.heldout, sets.later).to_json()
