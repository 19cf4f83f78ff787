"""The recipe of *style*: learns to paint from a teacher, is judged beside it on held-out clips.

Reads the catalog, the archive, the registry and two assets; writes the model's folder.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from infra.assets import member_path, pinned_digest
from tasks.judging.heldout import Sized, clip_counts, clips_by_split, judge_versions
from tasks.judging.trials import served_trial
from tasks.style.evaluation import EMA, SOURCE, TEACHER, StyleEvaluation
from tasks.style.presets import MODEL_NAME, StylePreset, style_preset_named
from tasks.training.recipe import DistillPlan, Gate
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.runs.record import FlowRun
    from tasks.superresolution.evaluate import HeldOut
    from tasks.training.recipe import Work

ASSETS = {"style-teacher": "multistyle26.onnx", "mobilenetv2": "mobilenetv2.safetensors"}
# Of the footage's distance to a style: a network that gets no nearer paints nothing.
MOST_DISTANCE = 0.9
# By how much a challenger may be less steady, or further from the style, than the champion.
LEEWAY = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Clips:
    """The clips on either side of the split."""

    train: tuple[Sized, ...]
    heldout: tuple[Sized, ...]


@dataclasses.dataclass(frozen=True)
class StyleRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the clips.

        Raises:
            UnknownPresetError: no preset of that name.
            AssetMissingError, AssetCorruptError: the teacher, or what judges it, is not here.
            CatalogEmptyError: nothing has been ingested.
            SplitImpossibleError: no unrelated session to hold out.
        """
        chosen = style_preset_named(preset)
        for asset, file in ASSETS.items():
            member_path(run.settings.assets, asset, file)
        train, heldout = clips_by_split(run)
        judged = heldout_digest(heldout)
        sides = ([clip for clip, _, _ in side] for side in (train, heldout))
        clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip, _, _ in train)
        fields = repr(dataclasses.astuple(chosen))
        key = ids.digest(
            "distill-style", fields, judged, *clips, *source_parts("tasks.style.train")
        )
        return DistillPlan(
            self.name,
            chosen,
            Clips(train, heldout),
            dataclasses.asdict(chosen) | clip_counts(*sides),
            chosen.steps,
            key,
            judged,
            trained_on=tuple(sorted({clip.session_id for clip, _, _ in train})),
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train on windows of the held-in clips, judge on the held-out ones."""
        import torch

        from models import weights
        from tasks.style.evaluate import Judges, evaluate_style, style_picture
        from tasks.style.teacher import Teacher
        from tasks.style.train import train_style, training_codes
        from tasks.training.schedule import reported
        from tasks.windows.pixel_windows import training_windows

        clips: Clips = work.plan.material
        preset: StylePreset = work.plan.preset
        threads = work.settings.cpus
        torch.set_num_threads(threads)
        side = preset.crop + preset.shift
        windows = training_windows(clips.train, preset.windows, 2, side, preset.seed)
        judges = Judges(work.settings.assets)
        codes = training_codes(windows, judges.predict, preset)
        teacher = Teacher(work.settings.assets, preset.crop, preset.crop, threads)
        learning = train_style(windows, codes, teacher, preset, judges.features, threads=threads)
        styled = yield from reported(learning)
        trained = styled.net
        del windows
        model = trained.model()
        digest = weights.save(Path(work.folder), model)
        judged = judged_clips(clips.heldout)
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluate_style(model, judged, judges).to_json(),
                "picture": style_picture(model, judged, judges),
                "parameters": sum(p.numel() for p in model.parameters()),
                "train_seconds": trained.seconds,
                "losses": trained.losses,
                "curves": {"train.frame_difference": styled.flicker},
            }
        }

    def example(self) -> npt.NDArray[np.float32]:
        """One clip of two frames of 32 px: (1, 2, 3, 32, 32)."""
        return np.zeros((1, 2, 3, 32, 32), np.float32)

    def read(self, evaluation: str) -> StyleEvaluation:
        """Return what `StyleEvaluation.to_json` wrote."""
        return StyleEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[StyleEvaluation]:
        """Judge on the held-out clips of now; what is on record for those is not done again."""
        _, heldout = clips_by_split(run)
        judged = heldout_digest(heldout)
        return judge_versions(
            versions,
            run,
            judged,
            self.read,
            _judge,
            lambda _, folder: _Judgement(
                str(folder), heldout, str(run.settings.assets), run.settings.cpus
            ),
        )

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer equal pictures alike."""
        return (served_trial(version, run.settings, self.example()),)

    def gates(
        self, challenger: StyleEvaluation, champion: StyleEvaluation | None
    ) -> tuple[Gate, ...]:
        """Be steadier than the teacher and its mean, near the style, no worse than the champion.

        Steadier by footage that is not painted at all would be easy: hence the second.
        """
        mine = {name: challenger.mean("model", name) for name in ("warping", "style")}
        gates = [
            Gate.of(f"steadier_than_{name}", challenger.steadier_than(name), "above", 0.0)
            for name in (TEACHER, EMA)
        ]
        far = challenger.mean(SOURCE, "style")
        gates.append(Gate.of("style_distance", mine["style"] / far, "at most", MOST_DISTANCE))
        said = "there is no champion" if champion is None else ""
        for name, value in mine.items():
            lost = 0.0 if champion is None else value - champion.mean("model", name)
            gates.append(Gate.of(f"{name}_over_champion", lost, "at most", LEEWAY, said=said))
        return tuple(gates)


def heldout_digest(heldout: tuple[Sized, ...]) -> str:
    """Name the held-out clips and the protocol: results compare only where this is equal."""
    clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip, _, _ in heldout)
    assets = [pinned_digest(name) for name in ASSETS]
    return ids.digest("heldout-style", *clips, *assets, *source_parts("tasks.style.evaluate"))


def judged_clips(heldout: tuple[Sized, ...]) -> list[HeldOut]:
    """Read the clips that are judged."""
    from tasks.style.evaluate import JUDGED_CLIPS, JUDGED_FRAMES
    from tasks.windows.pixel_windows import heldout_clips

    return list(heldout_clips(heldout, JUDGED_FRAMES, JUDGED_CLIPS))


@dataclasses.dataclass(frozen=True, slots=True)
class _Judgement:
    folder: str
    heldout: tuple[Sized, ...]
    assets: str
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.style import StyleNet
    from tasks.style.evaluate import Judges, evaluate_style
    from tasks.training.served_network import load_network

    torch.set_num_threads(work.threads)
    model = load_network(work.folder, StyleNet)
    judged = judged_clips(work.heldout)
    yield evaluate_style(model, judged, Judges(Path(work.assets))).to_json()
