"""A picture to judge a student by: who finds which moment of a held-out rig, beside its teacher.

Reads windows in memory and models; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.ranking import cosine
from tasks.judging.gallery import Gallery
from tasks.student.evaluate import student_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from models.distiller import Distiller
    from models.precision import Precision
    from models.student import Student
    from tasks.windows.sets import Window

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float64]

CELL, GAP, HEADER, NAME = 320, 12, 30, 24  # px
PAPER, INK = (250, 250, 248), (32, 34, 38)
MAX_ROWS = 4


def student_picture(
    model: Student,
    scratch: Student,
    teacher: Distiller,
    windows: Sequence[Window],
    precision: Precision = "fp32",
    teacher_precision: Precision = "fp32",
) -> Bytes:
    """One row for each session of several cameras (the first four): how like its items are.

    Columns are what is right, the student, its teacher, the student's network without a teacher;
    items are cameras of windows, in order of camera, then time. Likeness is drawn by rank, so that
    what is found first is as bright for all. rgb uint8 (H, W, 3).
    """
    columns = ("the same moment", "student", "teacher", "without a teacher")
    by_session: dict[str, list[Window]] = {}
    for window in windows:
        if len(window.cameras) > 1:
            by_session.setdefault(window.session_id, []).append(window)
    rows = [_heading(columns)]
    for some in list(by_session.values())[:MAX_ROWS]:
        gallery = Gallery.of(some)
        if not gallery.asks.any():
            continue
        codes = (
            student_codes(model, gallery, precision),
            gallery.codes(teacher, teacher_precision),
            student_codes(scratch, gallery, precision),
        )
        order = np.lexsort((gallery.window, gallery.camera))
        pair = np.ix_(order, order)
        drawn = [gallery.right.astype(np.float64)[pair]]
        drawn += [_ranked(cosine(code, code))[pair] for code in codes]
        rows.append(_row(some[0].session_name, drawn))
    return np.concatenate(rows)


def _ranked(near: Floats) -> Floats:
    """Replace each row by its ranks, 0..1."""
    ranks: Floats = near.argsort(axis=1).argsort(axis=1) / max(1, near.shape[1] - 1)
    return ranks


def _blank(height: int, columns: int = 4) -> Bytes:
    return np.full((height, columns * (CELL + GAP) + GAP, 3), PAPER, np.uint8)


def _heading(columns: Sequence[str]) -> Bytes:
    found = _blank(HEADER, len(columns))
    for k, name in enumerate(columns):
        _write(found, name, GAP + k * (CELL + GAP), 20)
    return found


def _row(name: str, drawn: Sequence[Floats]) -> Bytes:
    found = _blank(NAME + CELL + GAP, len(drawn))
    _write(found, name, GAP, 16)
    for k, one in enumerate(drawn):
        left = GAP + k * (CELL + GAP)
        grey = cv2.resize((255 * one).astype(np.uint8), (CELL, CELL), interpolation=cv2.INTER_AREA)
        found[NAME : NAME + CELL, left : left + CELL] = grey[..., None]
    return found


def _write(picture: Bytes, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
