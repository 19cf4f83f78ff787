"""The recipe of *action*: a head on the codes that serve, learned from the labels of users.

Reads the catalog's codes and labels and the registry; writes the model's folder.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from catalog.query import rows
from infra import registry
from tasks.actions.judgement import ActionJudgement
from tasks.actions.material import ActionMaterial, action_material
from tasks.actions.presets import MODEL_NAME, ActionPreset, action_preset_named
from tasks.codes.coding import coding_by
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.judging.heldout import judge_versions
from tasks.judging.trials import served_trial
from tasks.robustness.gates import unmeasured
from tasks.training.recipe import DistillPlan, Gate
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.registry import ModelVersion
    from tasks.actions.peers import PeerCodes
    from tasks.codes.coding import Coding
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Work
    from tasks.windows.sets import WindowSource


@dataclass(frozen=True)
class ActionRecipe:
    """See `tasks.training.recipe.Recipe`."""

    name: str = MODEL_NAME

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose the labelled windows.

        Raises:
            UnknownPresetError: no preset of that name.
            TooFewClassesError, NothingToLearnError: see `action_material`.
        """
        chosen = action_preset_named(preset)
        material = _with_folder(action_material(run.catalog.snapshot(), chosen), run)
        train = [one for one in material.found.windows if one.split == "train"]
        judged = _judged_digest(material.found)
        taught = sorted(f"{one.code_id} {one.label}" for one in train)
        sources = source_parts("tasks.actions.train")
        counts: dict[str, object] = {
            "classes": len(material.found.names),
            "train_windows": len(train),
            "train_clips": len({one.clip_id for one in train}),
            "heldout_windows": len(material.found.windows) - len(train),
            "encoder": f"{DISTILLER}/{material.found.encoder}",
        }
        counts |= {f"left_out_{name}": n for name, n in material.found.left_out.items()}
        return DistillPlan(
            self.name,
            chosen,
            material,
            dataclasses.asdict(chosen) | counts,
            chosen.steps,
            ids.digest("distill-action", repr(chosen), judged, *taught, *sources),
            judged,
            trained_on=tuple(sorted({one.session_id for one in train})),
        )

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Choose the kind of head, train it, judge it."""
        import torch

        from models import weights
        from models.action import ActionConfig, ActionHead
        from tasks.actions.evaluate import judge_action
        from tasks.actions.train import chosen_kind, fit_head
        from tasks.training.served_network import load_network

        torch.set_num_threads(1)
        preset: ActionPreset = work.plan.preset
        material: _Placed = work.plan.material
        found, began = material.found, time.monotonic()
        x, latents, semantic, peers = _numbers(material, preset)
        train = np.array([one.split == "train" for one in found.windows], bool)
        labels = np.array([found.names.index(one.label) for one in found.windows], np.int64)
        groups = np.unique([one.group for one in found.windows], return_inverse=True)[1]
        sizes = (latents, semantic, x.shape[1] - latents * semantic)
        config = ActionConfig(found.names, "embedding", *sizes)
        kind, tried = chosen_kind(x[train], labels[train], groups[train], config, preset)
        config = ActionConfig(found.names, kind, *sizes)
        losses: list[float] = []
        head = fit_head(x[train], labels[train], config, preset, losses)
        yield {"step": preset.steps}
        digest = weights.save(Path(work.folder), head)
        # As it will be served: from its files.
        loaded = load_network(work.folder, ActionHead)
        judgement = judge_action(loaded, x, found.windows, preset, peers)
        yield {
            "result": {
                "digest": digest,
                "evaluation": judgement.to_json(),
                "picture": _confusion(judgement),
                "parameters": sum(p.numel() for p in head.parameters()),
                "train_seconds": time.monotonic() - began,
                "losses": losses,
                "figures": {f"tried.{name}.top1": value for name, value in tried.items()},
                "tags": {"kind": kind, "codes": found.version},
            }
        }

    def example(self) -> npt.NDArray[np.float32]:
        """One code of a distiller: 16 latents of 16 numbers, and 128 of the embedding."""
        return np.zeros((1, 16 * 16 + 128), np.float32)

    def read(self, evaluation: str) -> ActionJudgement:
        """Return what `ActionJudgement.to_json` wrote."""
        return ActionJudgement.from_json(evaluation)

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[ActionJudgement]:
        """Judge on the labelled windows of now; what is on record for those is not done again."""
        preset = action_preset_named(versions[0].tags["preset"])
        material = _with_folder(action_material(run.catalog.snapshot(), preset), run)
        judged = _judged_digest(material.found)

        return judge_versions(
            versions,
            run,
            judged,
            self.read,
            _judge,
            lambda _, folder: _Judgement(str(folder), material, preset),
        )

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Answer equal codes alike."""
        return (served_trial(version, run.settings, self.example()),)

    def gates(
        self, challenger: ActionJudgement, champion: ActionJudgement | None
    ) -> tuple[Gate, ...]:
        """Be better than the majority on sessions left out, and no worse than the champion.

        Where no class is in two unrelated sessions there is nothing to measure: it passes, and the
        gate says so, as does the record's remark.
        """
        over = unmeasured("top1_over_majority", "no class is in two unrelated sessions")
        most = challenger.top1("majority")
        if most is not None:
            value = (challenger.top1("model") or 0.0) - most
            over = Gate.of("top1_over_majority", value, "above", 0.0, said=challenger.protocol)
        gain, why = 0.0, "there is no champion"
        if champion is not None:
            gain, why = (challenger.top1("model") or 0.0) - (champion.top1("model") or 0.0), ""
        return (
            over,
            Gate.of("top1_over_champion", gain, "at least", 0.0, said=why),
        )


@dataclass(frozen=True)
class _Placed:
    """Material, the folder of the distiller that reads its codes, and how that reads windows."""

    found: ActionMaterial
    folder: str
    coding: Coding
    source: WindowSource


@dataclass(frozen=True)
class _Judgement:
    folder: str
    material: _Placed
    preset: ActionPreset


def _judge(work: _Judgement) -> Iterator[str]:
    """Judge a head; runs in a Ray task."""
    from models.action import ActionHead
    from tasks.actions.evaluate import judge_action
    from tasks.training.served_network import load_network

    head = load_network(work.folder, ActionHead)
    x, _, _, peers = _numbers(work.material, work.preset)
    yield judge_action(head, x, work.material.found.windows, work.preset, peers).to_json()


def _with_folder(found: ActionMaterial, run: FlowRun) -> _Placed:
    encoder = registry.version_info(run.settings, DISTILLER, found.encoder)
    from tasks.windows.sets import WindowSource

    folder, held = str(registry.download(run.settings, encoder)), found.windows
    coding = coding_by(encoder, found.snapshot, run.settings)
    source = WindowSource(
        found.snapshot,
        coding.views,
        run.settings.grid_step_ns,
        {one.session_id: one.session for one in held},
        frozenset(one.session_id for one in held),
    )
    return _Placed(found, folder, coding, source)


def _numbers(
    material: _Placed, preset: ActionPreset
) -> tuple[npt.NDArray[np.float32], int, int, PeerCodes]:
    """Return the codes of the windows as numbers, how many latents of how many, and the peers'."""
    from tasks.actions.material import code_numbers
    from tasks.actions.peers import peer_codes, peered
    from tasks.codes.model import load_distiller
    from tasks.windows.sets import windows_at

    found, coding = material.found, material.coding
    net = load_distiller(Path(material.folder), f"models:/{DISTILLER}/{found.encoder}")
    asked = {
        "model": DISTILLER,
        "session_ids": sorted({one.session_id for one in found.windows}),
        "clip_ids": sorted({one.clip_id for one in found.windows}),
    }
    stored = {row["code_id"]: row for row in rows(found.snapshot, "codes_to_label", asked)}
    x = code_numbers(net, [stored[one.code_id] for one in found.windows])
    chosen = peered(found.windows, preset.judged)
    places = [
        (one.clip_id, one.first) for one, there in zip(found.windows, chosen, strict=True) if there
    ]
    windows = windows_at(material.source, coding.spec, places)
    peers = peer_codes(net, windows, found.windows, coding.precision)
    return x, net.config.latents, net.config.semantic, peers


def _judged_digest(found: ActionMaterial) -> str:
    """Name the labelled windows and the protocol: results compare only where this is equal."""
    held = sorted(f"{one.code_id} {one.label} {one.split}" for one in found.windows)
    return ids.digest(
        "heldout-action", *found.names, *held, *source_parts("tasks.actions.evaluate")
    )


def _confusion(judgement: ActionJudgement) -> npt.NDArray[np.uint8]:
    """Return who was taken for whom, rgb24: rows are the truth, columns what was said."""
    import cv2

    count, cell = len(judgement.names), 24
    table = np.zeros((count, count))
    for one in judgement.told:
        if one.method == "model":
            np.add.at(table, (np.array(one.truth), np.array(one.said)), 1)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    grey = (250 - 220 * np.kron(share, np.ones((cell, cell)))).astype(np.uint8)[:2400, :2400]
    picture = np.pad(np.stack([grey] * 3, axis=-1), ((0, 0), (220, 0), (0, 0)), constant_values=250)
    for k, name in enumerate(judgement.names[:100]):
        text = name[:28].encode("ascii", "replace").decode()
        cv2.putText(picture, text, (4, k * cell + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (32, 34, 38))
    return np.ascontiguousarray(picture)
