"""The recipe of *depth*: learns from rendered scenes, is judged on others; reads no catalog.

Reads the registry; writes the model's folder. Held-out scenes are those of `evaluate_depth.py`,
of our own renderer and, where it is installed, of pybullet's.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from infra.errors import RendererMissingError
from tasks.depth.evaluation import DepthEvaluation
from tasks.depth.presets import MODEL_NAME, DepthPreset, depth_preset_named
from tasks.judging.heldout import judge_versions
from tasks.judging.trials import served_trial
from tasks.training.recipe import DistillPlan, Gate
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.depth.scenes import Renderer
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Work


@dataclasses.dataclass(frozen=True)
class DepthRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:  # noqa: ARG002  the catalog is not read
        """Name the scenes.

        Raises:
            UnknownPresetError: no preset of that name.
            RendererMissingError: the preset wants scenes of pybullet, which is not installed.
        """
        chosen = depth_preset_named(preset)
        renderers = renderers_here()
        if chosen.engine_scenes and "engine" not in renderers:
            raise RendererMissingError(
                f"Preset {preset!r} learns from scenes that the package pybullet renders.",
                command="pip install 'stillhouse[render]'",
            )
        judged = heldout_digest(renderers)
        fields = repr(dataclasses.astuple(chosen))
        key = ids.digest("distill-depth", fields, judged, *source_parts("tasks.depth.train"))
        parameters = dataclasses.asdict(chosen) | {"judged_on": ",".join(renderers)}
        # Rendering counts a step a scene.
        steps = chosen.scenes + chosen.steps
        return DistillPlan(self.name, chosen, renderers, parameters, steps, key, judged)

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Render, train, save, judge."""
        import torch

        from models import weights
        from tasks.depth.evaluate import depth_picture, evaluate_depth, heldout_views
        from tasks.depth.scenes import DepthViews
        from tasks.depth.train import render_training, train_depth
        from tasks.training.schedule import reported

        preset: DepthPreset = work.plan.preset
        threads = work.settings.cpus
        torch.set_num_threads(threads)
        parts, scenes = [], 0
        for part in render_training(preset):
            parts.append(part)
            scenes += len(np.unique(part.scenes))
            yield {"step": scenes}
        learning = train_depth(DepthViews.joined(parts), preset, threads=threads)
        trained = yield from reported(learning, before=scenes)
        del parts
        model = trained.model()
        digest = weights.save(Path(work.folder), model)
        heldout = heldout_views(work.plan.material)
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluate_depth(model, heldout).to_json(),
                "picture": depth_picture(model, heldout),
                "parameters": sum(p.numel() for p in model.parameters()),
                "train_seconds": trained.seconds,
                "losses": trained.losses,
            }
        }

    def example(self) -> npt.NDArray[np.float32]:
        """One picture: (1, 3, 112, 112)."""
        return np.zeros((1, 3, 112, 112), np.float32)

    def read(self, evaluation: str) -> DepthEvaluation:
        """Return what `DepthEvaluation.to_json` wrote."""
        return DepthEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[DepthEvaluation]:
        """Judge on the held-out scenes; what is on record for those is not done again."""
        renderers = renderers_here()
        judged = heldout_digest(renderers)

        return judge_versions(
            versions,
            run,
            judged,
            self.read,
            _judge,
            lambda _, folder: _Judgement(str(folder), renderers, run.settings.cpus),
        )

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer equal pictures alike."""
        return (served_trial(version, run.settings, self.example()),)

    def gates(
        self, challenger: DepthEvaluation, champion: DepthEvaluation | None
    ) -> tuple[Gate, ...]:
        """Be better than the plane and the ramp, and no worse than the champion, in abs-rel.

        Values are how much lower the challenger's error is; a tie with a baseline is no win.
        """
        gains = {name: challenger.gain_over(name) for name in ("plane", "ramp")}
        gates = [
            Gate.of(f"abs_rel_under_{name}", gain, "above", 0.0) for name, gain in gains.items()
        ]
        gain = 0.0 if champion is None else champion.abs_rel - challenger.abs_rel
        said = "there is no champion" if champion is None else ""
        return (*gates, Gate.of("abs_rel_under_champion", gain, "at least", 0.0, said=said))


def renderers_here() -> tuple[Renderer, ...]:
    """Return the renderers that can be used: pybullet is an optional extra."""
    return ("world",) if find_spec("pybullet") is None else ("world", "engine")


def heldout_digest(renderers: Sequence[Renderer]) -> str:
    """Name the held-out scenes and the protocol: results compare only where this is equal."""
    return ids.digest("heldout-depth", *renderers, *source_parts("tasks.depth.evaluate"))


@dataclasses.dataclass(frozen=True, slots=True)
class _Judgement:
    folder: str
    renderers: tuple[Renderer, ...]
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.depth import DepthNet
    from tasks.depth.evaluate import evaluate_depth, heldout_views
    from tasks.training.served_network import load_network

    torch.set_num_threads(work.threads)
    model = load_network(work.folder, DepthNet)
    yield evaluate_depth(model, heldout_views(work.renderers)).to_json()
