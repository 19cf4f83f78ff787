"""What training draws from: true pictures, each beside sources that were made bad or warped.

Pixels in, pools out. Made once, before training: a step then only cuts and turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.damage.corruptions import CORRUPTIONS, TRAINING, Footage, damage
from tasks.synthesis.fusion_sources import KINDS
from tasks.synthesis.rate_conversion import rate_sources
from tasks.synthesis.view_sources import view_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.judging.window_baselines import ViewBaselines
    from tasks.synthesis.alignment import Pixels, Trust
    from tasks.synthesis.material import Piece
    from tasks.windows.pictures import WindowPictures

# Shares of copies: untouched, damaged twice, and moved as alignment may leave them, by so much.
CLEAN, TWICE, MOVED, MOST_MOVED_PX = 0.12, 0.3, 0.2, 1
# Frames between those that a moment is made from: near ones teach little of motion.
GAPS = (1, 1, 2, 3)


@dataclass(frozen=True, eq=False)
class Example:
    """A true picture (H, W, 3) and sources of it (N, H, W, 3) with trust (N, H, W).

    Of a `loose` example any two or more of the sources are shown at a time.
    """

    truth: Pixels
    sources: Pixels
    trust: Trust
    loose: bool = False


def fusion_pool(
    pieces: Sequence[Piece], count: int, copies: int, rng: np.random.Generator
) -> list[Example]:
    """Return `count` pictures with copies damaged by `KINDS`, between the levels of `TRAINING`."""
    found = []
    for piece, k in _moments(pieces, count, 1, rng):
        truth = piece.frames[k]
        made = [_copy(piece, k, f"copy{n}", rng) for n in range(copies)]
        flat = np.ones((copies, *truth.shape[:2]), np.float32)
        found.append(Example(truth, np.stack(made), flat, loose=True))
    return found


def rate_pool(pieces: Sequence[Piece], count: int, rng: np.random.Generator) -> list[Example]:
    """Return `count` moments between frames, with those warped to them."""
    found = []
    for piece, k in _moments(pieces, count, 3, rng):
        gap = min(int(rng.choice(GAPS)), k, len(piece.frames) - 1 - k)
        sources = rate_sources(piece.frames[k - gap], piece.frames[k + gap])
        found.append(Example(piece.frames[k], *sources))
    return found


def view_pool(
    rigs: Sequence[WindowPictures],
    baselines: ViewBaselines,
    count: int,
    rng: np.random.Generator,
) -> list[Example]:
    """Return pictures of cameras of rigs with what is warped of the others; half lack a background.

    None where no rig has two cameras.
    """
    places = [(rig, k, step) for rig in rigs for k in rig.lit() for step in usable_steps(rig, k)]
    found = []
    for at in rng.permutation(len(places))[:count]:
        rig, camera, step = places[int(at)]
        others = rig.others(camera)
        if not others:
            continue
        known = bool(rng.random() < 0.5)
        sources = view_sources(baselines, rig, camera, others, step, background=known)
        truth = rig.frames[camera, step].transpose(1, 2, 0)
        found.append(Example(np.ascontiguousarray(truth), *sources))
    return found


def usable_steps(rig: WindowPictures, camera: int) -> list[int]:
    """Return the steps at which a camera and another were there."""
    others = rig.others(camera)
    if not others:
        return []
    there = rig.usable[camera] & rig.usable[others].any(axis=0)
    return [int(step) for step in np.flatnonzero(there)]


def _moments(
    pieces: Sequence[Piece], count: int, least: int, rng: np.random.Generator
) -> Iterator[tuple[Piece, int]]:
    """Draw frames, of each session as many; not the first or last where `least` is 3."""
    sessions: dict[str, list[Piece]] = {}
    for piece in pieces:
        if len(piece.frames) >= least:
            sessions.setdefault(piece.session_id, []).append(piece)
    if not sessions:
        return
    names = list(sessions)
    for n in range(count):
        some = sessions[names[n % len(names)]]
        piece = some[int(rng.integers(len(some)))]
        edge = least // 2
        yield piece, int(rng.integers(edge, len(piece.frames) - edge))


def _copy(piece: Piece, k: int, name: str, rng: np.random.Generator) -> Pixels:
    frame: Pixels = piece.frames[k]
    if rng.random() < MOVED:
        move = rng.integers(-MOST_MOVED_PX, MOST_MOVED_PX + 1, 2).tolist()
        frame = np.roll(frame, move, axis=(0, 1))
    if rng.random() < CLEAN:
        return frame
    turns = 2 if rng.random() < TWICE else 1
    for kind in rng.choice(KINDS, turns, replace=False):
        level = float(rng.uniform(*TRAINING[str(kind)]))
        footage = Footage(piece.clip_id, f"{name}/{rng.integers(1 << 30)}", (k,))
        frame = damage(frame[None], CORRUPTIONS[str(kind)], level, footage).frames[0]
    return frame
