"""One picture a person can judge synthesis by: what was given, plain, ours, the truth.

Reads pictures in memory and a model; returns pixels, writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.metrics import PSNR_CEILING_DB
from tasks.synthesis.fuser import Fuser
from tasks.synthesis.fusing import PLAIN
from tasks.synthesis.fusion_sources import CELLS, aligned, copies_of
from tasks.synthesis.rate_conversion import Sources, plain_between, rate_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from models.synthesis import Synthesis
    from tasks.synthesis.alignment import Pixels
    from tasks.synthesis.material import Piece

SHOWN_CELLS = ("mixed", "occlusion", "mixed unseen")
CELL_WIDTH, GAP, CAPTION = 208, 6, 20
PAPER, INK = (250, 250, 248), (32, 34, 38)


def synthesis_picture(model: Synthesis, pieces: Sequence[Piece]) -> Pixels:
    """Rows of the first piece of up to three sessions, a cell each, and one of rate conversion.

    The figures are PSNR over rgb of the shown frame.

    Raises:
        ValueError: there is no piece.
    """
    first = {piece.session_id: piece for piece in reversed(pieces)}
    if not first:
        raise ValueError("no piece to show")
    fuser = Fuser(model)
    some = [first[s] for s in dict.fromkeys(piece.session_id for piece in pieces)]
    rows = [
        _row(*_fusion(fuser, some[k % len(some)], cell), cell) for k, cell in enumerate(SHOWN_CELLS)
    ]
    moving = [piece for piece in some if len(piece.frames) >= 3]
    rows += [_row(*_rate(fuser, piece), "rate x2") for piece in moving[-1:]]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([_wide(row, width) for row in rows])


def _fusion(fuser: Fuser, piece: Piece, cell: str) -> tuple[Pixels, dict[str, Pixels]]:
    truth, copies = copies_of(piece.frames, CELLS[cell], f"{piece.clip_id}/{piece.camera_id}")
    t = len(truth) // 2
    parts = [(one.pictures[t], one.trust[t]) for one in aligned(copies)]
    moment = Sources(*(np.stack(some) for some in zip(*parts, strict=True)))
    shown = {f"source {k + 1}": one for k, one in enumerate(moment.pictures)}
    shown["robust"] = PLAIN["robust"](*moment)
    return truth[t], shown | {"made": fuser.fuse(moment, "fuse").guarded}


def _rate(fuser: Fuser, piece: Piece) -> tuple[Pixels, dict[str, Pixels]]:
    k = len(piece.frames) // 2
    sources = rate_sources(piece.frames[k - 1], piece.frames[k + 1])
    shown = {"before": piece.frames[k - 1], **plain_between(sources)}
    return piece.frames[k], shown | {"made": fuser.fuse(sources, "rate").guarded}


def _row(truth: Pixels, shown: Mapping[str, Pixels], title: str) -> Pixels:
    return np.concatenate(list(_cells(truth, shown, title)), axis=1)


def _cells(truth: Pixels, shown: Mapping[str, Pixels], title: str) -> Iterator[Pixels]:
    for name, picture in {**shown, "truth": truth}.items():
        said = title if name == "truth" else f"{name} {_psnr(picture, truth):.1f}"
        height = round(picture.shape[0] * CELL_WIDTH / picture.shape[1])
        small = cv2.resize(picture, (CELL_WIDTH, height), interpolation=cv2.INTER_AREA)
        bar = np.full((CAPTION, CELL_WIDTH, 3), PAPER, np.uint8)
        where = (2, CAPTION - 6)
        cv2.putText(bar, said, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
        cell = np.concatenate([bar, np.asarray(small, np.uint8)])
        yield np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER[0])


def _psnr(ours: Pixels, truth: Pixels) -> float:
    square = float(np.square(ours.astype(np.float32) - truth).mean())
    return min(PSNR_CEILING_DB, 10 * float(np.log10(255**2 / max(square, 1e-9))))


def _wide(row: Pixels, width: int) -> Pixels:
    space = ((0, 0), (0, width - row.shape[1]), (0, 0))
    return np.pad(row, space, constant_values=PAPER[0])
