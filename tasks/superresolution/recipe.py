"""The recipes of *super-resolution*: learn from held-in clips, are judged on held-out ones.

One for each scale, and for those that look at other cameras; these are judged without any: what
they lose where there is none is what everyone pays.

Reads the catalog, the archive and the registry; writes the model's folder.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from catalog import ids
from tasks.judging.heldout import (
    Sized,
    clip_counts,
    clips_by_split,
    heldout_digest,
    judge_versions,
    judged_clips,
)
from tasks.judging.trials import served_trial
from tasks.superresolution.evaluation import Evaluation
from tasks.superresolution.presets import TrainPreset, model_name, preset_named, variant
from tasks.training.recipe import DistillPlan, Gate
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Work

# A challenger must be this much better than bicubic on held-out sessions, in dB of luma.
MIN_GAIN_DB = 0.0
# ... and may not be worse than the champion on the same held-out clips.
MIN_OVER_CHAMPION_DB = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Clips:
    """The clips on either side of the split."""

    train: tuple[Sized, ...]
    heldout: tuple[Sized, ...]


@dataclasses.dataclass(frozen=True)
class SuperResolutionRecipe:
    """See `tasks.training.recipe.Recipe`."""

    scale: Literal[2, 4] = 2
    reference: bool = False

    @property
    def name(self) -> str:
        """The name in the registry."""
        return model_name(self.scale, reference=self.reference)

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the clips.

        Raises:
            UnknownPresetError: no preset of that name.
            CatalogEmptyError: nothing has been ingested.
            SplitImpossibleError: no unrelated session to hold out.
        """
        chosen = variant(preset_named(preset), self.scale, reference=self.reference)
        train, heldout = clips_by_split(run)
        judged = heldout_digest(heldout)
        sides = ([clip for clip, _, _ in side] for side in (train, heldout))
        clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip, _, _ in train)
        fields = repr(dataclasses.astuple(chosen))
        key = ids.digest(
            "distill", fields, judged, *clips, *source_parts("tasks.superresolution.train")
        )
        parameters = dataclasses.asdict(chosen) | clip_counts(*sides)
        return DistillPlan(
            self.name,
            chosen,
            Clips(train, heldout),
            parameters,
            chosen.steps,
            key,
            judged,
            trained_on=tuple(sorted({clip.session_id for clip, _, _ in train})),
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train on windows of the held-in clips, judge on the held-out ones."""
        import torch

        from models import weights
        from tasks.superresolution.evaluate import evaluate_superresolution, sample_picture
        from tasks.superresolution.train import train_superresolution
        from tasks.training.schedule import reported
        from tasks.windows.pixel_windows import training_windows

        clips: Clips = work.plan.material
        preset: TrainPreset = work.plan.preset
        torch.set_num_threads(work.settings.cpus)
        windows = training_windows(
            clips.train, preset.windows, preset.steps_per_window, preset.crop, preset.seed
        )
        learning = train_superresolution(windows, preset, threads=work.settings.cpus)
        trained = yield from reported(learning)
        del windows
        model = trained.model()
        digest = weights.save(Path(work.folder), model)
        judged = judged_clips(clips.heldout)
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

    def example(self) -> npt.NDArray[np.float32]:
        """One clip of three frames of 16 px: (1, 3, 3, 16, 16)."""
        return np.zeros((1, 3, 3, 16, 16), np.float32)

    def read(self, evaluation: str) -> Evaluation:
        """Return what `Evaluation.to_json` wrote."""
        return Evaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[Evaluation]:
        """Judge on the held-out clips of now; what is on record for those is not done again."""
        _, heldout = clips_by_split(run)
        judged = heldout_digest(heldout)
        return judge_versions(
            versions,
            run,
            judged,
            self.read,
            _judge,
            lambda _, folder: _Judgement(str(folder), heldout, run.settings.cpus),
        )

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer equal pictures alike."""
        return (served_trial(version, run.settings, self.example()),)

    def gates(self, challenger: Evaluation, champion: Evaluation | None) -> tuple[Gate, ...]:
        """Be better than bicubic and no worse than the champion."""
        return baseline_gate(challenger), champion_gate(challenger, champion)


def baseline_gate(challenger: Evaluation) -> Gate:
    """Beat bicubic on held-out Y-PSNR, mean over sessions; a tie is no win."""
    gain = challenger.gain_over("bicubic")
    return Gate.of("psnr_y_over_bicubic", gain, "above", MIN_GAIN_DB)


def champion_gate(challenger: Evaluation, champion: Evaluation | None) -> Gate:
    """Be no worse than the champion on the same held-out clips; without a champion it passes."""
    gain, said = 0.0, "there is no champion"
    if champion is not None:
        gain, said = challenger.psnr_y - champion.psnr_y, ""
    return Gate.of("psnr_y_over_champion", gain, "at least", MIN_OVER_CHAMPION_DB, said=said)


@dataclasses.dataclass(frozen=True, slots=True)
class _Judgement:
    folder: str
    heldout: tuple[Sized, ...]
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.superresolution import SuperResolution
    from tasks.superresolution.evaluate import evaluate_superresolution
    from tasks.training.served_network import load_network

    torch.set_num_threads(work.threads)
    model = load_network(work.folder, SuperResolution)
    yield evaluate_superresolution(model, judged_clips(work.heldout)).to_json()
