"""The recipe of *synthesis*: learns from held-in clips and rigs, is judged on held-out ones.

Reads the catalog, the archive and the registry; writes the model's folder.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from tasks.judging.heldout import clip_counts, clips_by_split, judge_versions
from tasks.judging.trials import served_trial
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.synthesis.evaluation import BASELINES, ORACLE, SynthesisEvaluation
from tasks.synthesis.presets import MODEL_NAME, SynthesisPreset, preset_named
from tasks.training.recipe import DistillPlan, Gate
from tasks.views.version import source_parts
from tasks.windows.clip_index import indexed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from models.synthesis import Synthesis
    from tasks.recordings.sources import ClipSource
    from tasks.runs.record import FlowRun
    from tasks.synthesis.material import Piece
    from tasks.training.recipe import Work
    from tasks.windows.clip_index import ClipIndex

# Frames of a clip that are read, clips a session that are learned from and judged, and rigs' clips.
FRAMES, TRAIN_CLIPS, JUDGED_CLIPS, RIG_CLIPS = 24, 3, 2, 6
# Sessions that are learned from, so that the cost does not grow with the archive.
MOST_SESSIONS = 64
# Floats that linear codes of rigs may have: as many as a distiller's code of a window.
PCA_FLOATS = 1000
# Fusion must beat every plain fusion but the oracle by this, in dB of luma, and may seldom harm.
MIN_GAIN_DB, MIN_NO_HARM = 0.0, 0.9


@dataclasses.dataclass(frozen=True, slots=True)
class Footage:
    """The clips on either side of the split, and what is known of their cameras, by clip."""

    train: tuple[ClipSource, ...]
    heldout: tuple[ClipSource, ...]
    index: dict[str, ClipIndex]


@dataclasses.dataclass(frozen=True)
class SynthesisRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the clips.

        Raises:
            UnknownPresetError: no preset of that name.
            CatalogEmptyError: nothing has been ingested.
            SplitImpossibleError: no unrelated session to hold out.
        """
        chosen = preset_named(preset)
        footage = _footage(run)
        judged = heldout_digest(footage.heldout)
        clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip in footage.train)
        parts = (*source_parts("tasks.synthesis.train"), *source_parts("tasks.synthesis.pools"))
        fields = repr(dataclasses.astuple(chosen))
        sessions = {clip.session_id for clip in footage.train}
        return DistillPlan(
            self.name,
            chosen,
            footage,
            dataclasses.asdict(chosen) | clip_counts(footage.train, footage.heldout),
            chosen.steps,
            ids.digest("distill", fields, judged, *clips, *parts),
            judged,
            trained_on=tuple(sorted(sessions)),
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train on damaged copies, moments between frames and rigs; judge on held-out ones."""
        import torch

        from models import weights
        from tasks.judging.window_baselines import ViewBaselines
        from tasks.synthesis.material import pieces, rig_pictures
        from tasks.synthesis.picture import synthesis_picture
        from tasks.synthesis.pools import fusion_pool, rate_pool, view_pool
        from tasks.synthesis.train import train_synthesis, turns_of
        from tasks.training.schedule import reported

        footage: Footage = work.plan.material
        preset: SynthesisPreset = work.plan.preset
        torch.set_num_threads(work.settings.cpus)
        rng = np.random.default_rng(preset.seed)
        seen = pieces(footage.train, FRAMES, TRAIN_CLIPS)
        rigs = rig_pictures(footage.train, footage.index, RIG_CLIPS)
        pools = {
            "fuse": fusion_pool(seen, preset.pictures, preset.copies, rng),
            "rate": rate_pool(seen, preset.pictures, rng),
        }
        if rigs:
            baselines = ViewBaselines(rigs, PCA_FLOATS)
            pools["view"] = view_pool(rigs, baselines, preset.pictures, rng)
        learning = train_synthesis(pools, preset, threads=work.settings.cpus)
        trained = yield from reported(learning)
        turns = turns_of(pools, preset.steps)
        del pools, seen
        model = trained.model()
        digest = weights.save(Path(work.folder), model)
        judged = pieces(footage.heldout, FRAMES, JUDGED_CLIPS)
        evaluation = _evaluated(model, footage, judged)
        yield {
            "result": {
                "digest": digest,
                "evaluation": evaluation.to_json(),
                "picture": synthesis_picture(model, judged),
                "parameters": sum(p.numel() for p in model.parameters()),
                "train_seconds": trained.seconds,
                "losses": trained.losses,
                "figures": {f"steps.{task}": float(n) for task, n in turns.items()},
            }
        }

    def example(self) -> npt.NDArray[np.float32]:
        """Three sources of 16 px, rgb and trust: (1, 3, 4, 16, 16)."""
        return np.zeros((1, 3, 4, 16, 16), np.float32)

    def read(self, evaluation: str) -> SynthesisEvaluation:
        """Return what `SynthesisEvaluation.to_json` wrote."""
        return SynthesisEvaluation.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[SynthesisEvaluation]:
        """Judge on the held-out clips of now; what is on record for those is not done again."""
        footage = _footage(run)
        judged = heldout_digest(footage.heldout)

        return judge_versions(
            versions,
            run,
            judged,
            self.read,
            _judge,
            lambda _, folder: _Judgement(str(folder), footage, run.settings.cpus),
        )

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer equal pictures alike."""
        return (served_trial(version, run.settings, self.example()),)

    def gates(
        self, challenger: SynthesisEvaluation, champion: SynthesisEvaluation | None
    ) -> tuple[Gate, ...]:
        """Fuse better than anything plain, seldom harm, and be no worse than the champion."""
        return (
            *plain_gates(challenger),
            no_harm_gate(challenger),
            champion_gate(challenger, champion),
        )


def plain_gates(challenger: SynthesisEvaluation) -> Iterator[Gate]:
    """Beat each plain fusion on held-out Y-PSNR, mean over sessions; a tie is no win."""
    cells = challenger.cells("fuse")
    for baseline in BASELINES["fuse"]:
        if baseline != ORACLE:
            gain = challenger.gain("fuse", baseline, cells)
            yield Gate.of(f"fuse_psnr_y_over_{baseline}", gain, "above", MIN_GAIN_DB)


def no_harm_gate(challenger: SynthesisEvaluation) -> Gate:
    """Lose .05 dB to the best single source, which only the truth can tell, in few pieces."""
    rate = challenger.no_harm_rate("fuse", challenger.cells("fuse"))
    return Gate.of("fuse_no_harm_rate", rate, "at least", MIN_NO_HARM)


def champion_gate(challenger: SynthesisEvaluation, champion: SynthesisEvaluation | None) -> Gate:
    """Be no worse than the champion on the same held-out clips; without a champion it passes."""
    gain, said = 0.0, "there is no champion"
    if champion is not None:
        cells = challenger.cells("fuse")
        ours, theirs = (
            one.mean("fuse", cells, "model", "psnr_y") for one in (challenger, champion)
        )
        gain, said = ours - theirs, ""
    return Gate.of("fuse_psnr_y_over_champion", gain, "at least", 0.0, said=said)


def heldout_digest(heldout: Sequence[ClipSource]) -> str:
    """Name the held-out clips and the protocol: results compare only where this is equal."""
    clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip in heldout)
    protocol = source_parts("tasks.synthesis.evaluate")
    return ids.digest("heldout", FRAMES, JUDGED_CLIPS, RIG_CLIPS, *clips, *protocol)


def _footage(run: FlowRun) -> Footage:
    train, heldout = ([clip for clip, _, _ in side] for side in clips_by_split(run))
    sessions = sorted({clip.session_id for clip in train})
    if len(sessions) > MOST_SESSIONS:
        drawn = np.random.default_rng(0).choice(len(sessions), MOST_SESSIONS, replace=False)
        kept = {sessions[k] for k in drawn}
        train = [clip for clip in train if clip.session_id in kept]
    snapshot, step_ns = run.catalog.snapshot(), run.settings.grid_step_ns
    index = {
        one.clip_id: one for side in (TRAIN, HELDOUT) for one in indexed(snapshot, side, step_ns)
    }
    several = {one.clip_id for one in index.values() if len(one.cameras) > 1}
    known = {clip: one for clip, one in index.items() if clip in several}
    return Footage(tuple(train), tuple(heldout), known)


def _evaluated(model: Synthesis, footage: Footage, judged: Sequence[Piece]) -> SynthesisEvaluation:
    from tasks.judging.window_baselines import ViewBaselines
    from tasks.synthesis.evaluate import evaluate_synthesis
    from tasks.synthesis.fusion_sources import FEW
    from tasks.synthesis.material import rig_pictures

    seen = rig_pictures(footage.train, footage.index, RIG_CLIPS)
    baselines = ViewBaselines(seen, PCA_FLOATS) if seen else None
    rigs = rig_pictures(footage.heldout, footage.index, JUDGED_CLIPS) if seen else []
    return evaluate_synthesis(model, judged, rigs, baselines, FEW)


@dataclasses.dataclass(frozen=True, slots=True)
class _Judgement:
    folder: str
    footage: Footage
    threads: int


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a model; runs in a Ray task with every core to itself."""
    import torch

    from models.synthesis import Synthesis
    from tasks.synthesis.material import pieces
    from tasks.training.served_network import load_network

    torch.set_num_threads(work.threads)
    model = load_network(work.folder, Synthesis)
    judged = pieces(work.footage.heldout, FRAMES, JUDGED_CLIPS)
    yield _evaluated(model, work.footage, judged).to_json()
