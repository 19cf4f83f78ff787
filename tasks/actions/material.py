"""Labelled windows of the catalog: which codes that serve have which label, and the numbers.

Reads the catalog; writes nothing. A window has the label that covers half of it at least, if no
other does. Recordings of which a manifest has words are left out: words are part of their codes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import rows
from infra.errors import NothingToLearnError, TooFewClassesError
from tasks.clocks.clock import CameraClock
from tasks.distiller.presets import MODEL_NAME as DISTILLER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from models.distiller import Distiller
    from tasks.actions.presets import ActionPreset


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """One row of `codes` with its label; `group` are sessions that share footage."""

    code_id: str
    clip_id: str
    session_id: str
    session: str
    split: str
    group: str
    label: str
    first: int  # its first step in the clip


@dataclass(frozen=True)
class ActionMaterial:
    """What is learned from, and how much was left out and why."""

    windows: tuple[LabelledWindow, ...]
    names: tuple[str, ...]
    version: str  # of the codes
    encoder: int  # the version of the distiller that made them
    left_out: Mapping[str, int]
    snapshot: Snapshot


def action_material(snapshot: Snapshot, preset: ActionPreset) -> ActionMaterial:
    """Return the labelled windows.

    Raises:
        TooFewClassesError: labels of fewer than two classes are of use.
        NothingToLearnError: no labelled clip has a code.
    """
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    left: dict[str, int] = defaultdict(int)
    for row in rows(snapshot, "labelled_cameras", {}):
        if row["worded"]:
            left["worded"] += 1
        else:
            said[row["session_id"]].append(_on_session_clock(row))
    if not said:
        raise TooFewClassesError(
            "No recording has a label that can be learned from.", command="stillhouse label FILE"
        )
    asked = {"model": DISTILLER, "session_ids": sorted(said), "clip_ids": None}
    codes = rows(snapshot, "codes_to_label", asked)
    if not codes:
        raise NothingToLearnError(
            "No labelled clip has a code by a distiller.", command="stillhouse reindex"
        )
    found: list[LabelledWindow] = []
    for code in codes:
        spans = said[code["session_id"]]
        labels = {
            one["label"]
            for one in spans
            if one["camera_id"] in code["cameras"] and _covers_half(one, code)
        }
        if len(labels) != 1:
            left["contradicts" if labels else "unlabelled"] += 1
            continue
        one, (label,) = spans[0], labels
        found.append(
            LabelledWindow(
                code["code_id"], code["clip_id"], code["session_id"], one["session_name"],
                one["split"], one["group_id"], label, code["first_step"],
            )
        )  # fmt: skip
    return _usable(found, codes[0], left, snapshot, preset)


def _usable(
    found: Sequence[LabelledWindow],
    code: Mapping[str, Any],
    left: dict[str, int],
    snapshot: Snapshot,
    preset: ActionPreset,
) -> ActionMaterial:
    """Keep classes that have enough clips to learn from, on the side that is learned from."""
    clips: dict[str, set[str]] = defaultdict(set)
    for one in found:
        if one.split == "train":
            clips[one.label].add(one.clip_id)
    names = tuple(sorted(name for name, held in clips.items() if len(held) >= preset.least_clips))
    left["rare_class"] += sum(one.label not in names for one in found)
    if len(names) < 2:
        raise TooFewClassesError(
            f"{len(names)} labels have {preset.least_clips} clips or more in held-in sessions "
            f"(of {len({one.label for one in found})} labels); two are needed.",
            command="stillhouse label FILE",
        )
    if len(names) > preset.most_classes:
        raise TooFewClassesError(
            f"{len(names)} labels are more than the {preset.most_classes} that can be told apart.",
            command='stillhouse sql "select label, count(*) from label_spans group by 1"',
        )
    windows = tuple(one for one in found if one.label in names)
    return ActionMaterial(
        windows, names, code["version"], code["model_version"], dict(left), snapshot
    )


def code_numbers(net: Distiller, codes: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32]:
    """Return the latents and the embedding of rows of `codes` as numbers: (N, size) float32.

    Raises:
        ValueError: bytes are damaged, or another model's.
    """
    import torch

    parts = []
    with torch.inference_mode():
        for row in codes:
            real = net.codec.restore(net.codec.from_bytes(row["data"])).semantic[0].flatten()
            parts.append(np.concatenate([real.numpy(), np.asarray(row["embedding"], np.float32)]))
    return np.stack(parts).astype(np.float32)


def _on_session_clock(row: dict[str, Any]) -> dict[str, Any]:
    clock = CameraClock(row["offset_ns"], row["drift_ppb"] or 0)
    start, end = row["start_ns"], row["end_ns"]
    return row | {
        "start_ns": -(1 << 62) if start is None else clock.to_session(start),
        "end_ns": 1 << 62 if end is None else clock.to_session(end),
    }


def _covers_half(label: Mapping[str, Any], code: Mapping[str, Any]) -> bool:
    common = min(label["end_ns"], code["end_ns"]) - max(label["start_ns"], code["start_ns"])
    return bool(2 * common >= code["end_ns"] - code["start_ns"])
