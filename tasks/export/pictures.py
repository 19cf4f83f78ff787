"""Pictures that int8 takes its ranges from, and those it is held against fp32 on.

Reads the catalog's features, never video; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.distiller.material import distiller_material
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import judged_windows

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.runs.record import FlowRun
    from tasks.windows.sets import WindowSource

STEPS = 8
# Windows a session, each through one camera in turn: ranges of 30 sessions take some seconds.
EACH = 4


def calibration_pictures(run: FlowRun) -> list[Tensor]:
    """Return pictures (T, 3, 112, 112) uint8 of training sessions.

    Raises:
        CatalogEmptyError, SplitImpossibleError, NothingToLearnError: there are none.
    """
    return pictures_of(distiller_material(run).source, TRAIN)


def heldout_pictures(run: FlowRun) -> list[Tensor]:
    """Return the same of held-out sessions."""
    return pictures_of(distiller_material(run).source, HELDOUT)


def pictures_of(source: WindowSource, split: str, each: int = EACH) -> list[Tensor]:
    """Return the pictures that are there of some windows of each session of a split."""
    spec = WindowSpec(tensors=("rgb",), steps=STEPS, stride=STEPS)
    found = []
    for number, window in enumerate(judged_windows(source, spec, split, per_session=each)):
        camera = number % len(window.cameras)
        there = window.tensors["mask_rgb"][0, camera]
        if bool(there.any()):
            found.append(window.tensors["rgb"][0, camera][there])
    return found
