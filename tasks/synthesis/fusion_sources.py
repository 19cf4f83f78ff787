"""Bad sources of a known picture, by the names of corruptions; and sources made ready to be fused.

Frames in, frames and trust out. `CELLS` is what fusion is judged by. Damage is that of
`corruptions.py`, drawn for each copy apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import UnknownCorruptionError
from tasks.damage.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    TRAINING,
    Footage,
    corrupt,
    corruption_named,
)
from tasks.damage.timing import held
from tasks.synthesis.alignment import affine_onto, affinely, shifted, time_shift
from tasks.synthesis.rate_conversion import Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.synthesis.alignment import Matrix, Pixels, Trust

# What training draws from: of `TRAINING` what sources can tell of each other. Nobody knows which of
# two lights is the true one.
KINDS = tuple(name for name in TRAINING if CORRUPTIONS[name].family != "light")
# Done to a source as a whole; it needs no encoder and no noise.
PARTIAL, SHIFT = "partial", "time_shift"
# Share of each side that a partial source shows.
_SHOWN = 0.75
# Frames by which a shifted copy is late at a severity, as time_shift has them.
_MOST_SHIFT = 4


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to one copy: corruptions and their severities, in order; shift in frames."""

    steps: tuple[tuple[str, int], ...]
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """Bad copies of one camera; `trained` says that training sees damage of this kind."""

    name: str
    copies: tuple[Damage, ...]
    trained: bool = False


def _alike(name: str, severities: Sequence[int] = (2, 3, 4)) -> Cell:
    return Cell(name, tuple(Damage(((name, s),)) for s in severities), name in KINDS)


def _mixed(name: str, *steps: tuple[str, int]) -> Cell:
    return Cell(name, tuple(Damage((one,)) for one in steps), all(n in KINDS for n, _ in steps))


# Three copies of a camera. Turned or late copies stand beside an upright one in time, which is bad.
CELLS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        *(_alike(name) for name in TRAINING),
        _mixed("mixed", ("gauss", 3), ("defocus", 3), ("resolution", 3)),
        Cell(PARTIAL, tuple(Damage(((PARTIAL, 1), ("gauss", s))) for s in (1, 2, 1))),
        *(_alike(name) for name in ("shot", "impulse", "motion", "h264", "low_light", "fog")),
        *(_alike(name) for name in ("occlusion", "frame_drop", "freeze")),
        _mixed("mixed unseen", ("h264", 4), ("motion", 2), ("impulse", 2)),
        Cell(
            "rotation",
            (
                Damage((("gauss", 3),)),
                Damage((("rotation", 1), ("gauss", 2))),
                Damage((("rotation", 2), ("gauss", 2))),
            ),
        ),
        Cell(
            SHIFT,
            (
                Damage((("gauss", 2),)),
                Damage((("gauss", 1),), 1.5),
                Damage((("gauss", 1),), -1.0),
            ),
        ),
    )
}
# What is judged where a model is distilled and promoted: some of each kind, in a minute.
FEW = ("gauss", "resolution", "mixed", "h264", "occlusion", "low_light", "mixed unseen", SHIFT)


def damage_of(names: str) -> Damage:
    """Read `name[:severity][+name[:severity]...]`, such as `gauss:3+time_shift:2`; severity 3.

    Raises:
        UnknownCorruptionError: no such corruption or severity.
    """
    steps, shift = [], 0.0
    for word in names.split("+"):
        name, _, given = word.strip().partition(":")
        severity = int(given) if given.isdigit() else 3 if not given else 0
        if severity not in SEVERITIES:
            raise UnknownCorruptionError(
                f"There is no severity {given!r}; there are {', '.join(map(str, SEVERITIES))}.",
                command="stillhouse generate synthesis --help",
            )
        if name == SHIFT:
            shift += min(_MOST_SHIFT, corruption_named(SHIFT).level(severity))
        elif name in {"", "none"}:
            continue
        elif name == PARTIAL or corruption_named(name).damage is not None:
            steps.append((name, severity))
        else:
            raise UnknownCorruptionError(
                f"{name} is done to a rig, not to one source.",
                command="stillhouse generate synthesis --help",
            )
    return Damage(tuple(steps), shift)


def damaged(frames: Pixels, damage: Damage, recording: str, copy: str) -> tuple[Pixels, Trust]:
    """Return frames (T, H, W, 3) after damage, and what is known to be shown, (T, H, W).

    Lost frames show the last one before, untrusted. `copy` tells copies of one recording apart.
    """
    footage = Footage(recording, copy, tuple(range(len(frames))))
    trust = np.ones(frames.shape[:3], np.float32)
    for name, severity in damage.steps:
        if name == PARTIAL:
            trust *= _part(frames.shape[1:3], footage)
            continue
        found = corrupt(frames, name, severity, footage)
        frames = held(found)
        trust[~found.usable] = 0
    return np.where(trust[..., None] > 0, frames, np.uint8(0)) if _holes(trust) else frames, trust


def late(frames: Pixels, shift: float) -> Pixels:
    """Return frames as a copy that is late by so many shows them; before the first, that one."""
    at = np.rint(np.arange(len(frames)) - shift).astype(int)
    return np.asarray(frames[at.clip(0, len(frames) - 1)])


def copies_of(frames: Pixels, cell: Cell, recording: str) -> tuple[Pixels, list[Sources]]:
    """Return the truth and the copies of a cell, each (T, H, W, 3) with its trust.

    For a part of a frame every other frame is taken as truth: a copy that is late by an odd
    number of the others shows what no frame of the truth does.
    """
    moved = any(one.shift for one in cell.copies)
    truth = frames[::2] if moved else frames
    found = []
    for k, damage in enumerate(cell.copies):
        at = (2 * np.arange(len(truth)) - round(2 * damage.shift)).clip(0, len(frames) - 1)
        shown = frames[at] if moved else truth
        found.append(Sources(*damaged(shown, damage, recording, f"copy{k}")))
    return truth, found


def aligned(copies: Sequence[Sources]) -> list[Sources]:
    """Bring copies onto the first: in time, then in place; each is (T, H, W, 3) and its trust.

    What fits no better than it did stays as it is.
    """
    first, *others = copies
    count = len(first.pictures)
    found = [first]
    for one in others:
        pictures, trust = one
        shift = time_shift(first.pictures, pictures, _MOST_SHIFT)
        if shift:
            pictures, reach = shifted(pictures, shift, count)
            trust = shifted_trust(trust, shift, count) * reach
        turn = affine_onto(list(first.pictures), list(pictures))
        if turn is not None:
            pictures, reach = affinely(pictures, turn)
            trust = affinely_trust(trust, turn) * reach
        found.append(Sources(pictures, trust))
    return found


def shifted_trust(trust: Trust, shift: float, count: int) -> Trust:
    """Return the trust in frames shown at t + `shift`: that of the less trusted neighbour."""
    at = np.arange(count) + shift
    low, high = (np.clip(part(at).astype(int), 0, len(trust) - 1) for part in (np.floor, np.ceil))
    return np.asarray(np.minimum(trust[low], trust[high]))


def affinely_trust(trust: Trust, turn: Matrix) -> Trust:
    """Return trust moved as its pictures are."""
    if not _holes(trust):
        return trust
    moved, _ = affinely(np.repeat((trust * 255).astype(np.uint8)[..., None], 3, axis=-1), turn)
    return np.asarray(moved[..., 0] > 254, np.float32)


def _part(shape: tuple[int, ...], footage: Footage) -> Trust:
    """Return a mask of the part that a partial source shows; copies show different ones."""
    shown = np.zeros(shape, np.float32)
    room = footage.of_camera(PARTIAL).random(2) * (1 - _SHOWN)
    top, left = (round(float(r) * side) for r, side in zip(room, shape, strict=True))
    height, width = (round(_SHOWN * side) for side in shape)
    shown[top : top + height, left : left + width] = 1
    return shown


def _holes(trust: Trust) -> bool:
    return bool((trust <= 0).any())
