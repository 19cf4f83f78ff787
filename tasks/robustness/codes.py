"""Judges a distiller under damage, one cell at a time.

Reads windows and the model's files; writes nothing. A cell is a function of itself alone: how many
workers there are, and which of them had it, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import MissingBaselineError
from models.precision import precision_of
from tasks.damage.corruptions import corruption_named
from tasks.distiller.material import judged_side
from tasks.robustness.cells import Scores, rows_of
from tasks.robustness.scorers import ActionScorer, DropScorer, PictureScorer, SearchScorer
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.windows.damaged import READ, ROOM, Eyes, Undamaged, stretches, why_not
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import judged_windows

if TYPE_CHECKING:
    from tasks.damage.corruptions import Corruption
    from tasks.distiller.presets import DistillerPreset
    from tasks.robustness.cells import Cell
    from tasks.windows.sets import WindowSource

# Views that baselines are fitted to: those that are seen again of damaged pictures.
FITTED_VIEWS = ("rgb", "appearance", "flow")
SEVERAL = "no held-out session has two cameras that show something else"


@dataclass(frozen=True, slots=True)
class CodeWork:
    """Everything a worker needs; `assets` is None where *appearance* cannot be computed."""

    folder: str
    uri: str
    source: WindowSource
    preset: DistillerPreset
    assets: str | None
    judged_per_session: int
    fitted_per_session: int


class CodeCells:
    """Holds the model, its windows without damage, and what it scores on those."""

    def __init__(self, work: CodeWork) -> None:
        """Read windows and weights, fit the baselines.

        Raises:
            MissingBaselineError: no training window has a picture.
            ModelInvalidError: the model's files are damaged.
        """
        import torch

        from tasks.codes.model import load_distiller

        torch.set_num_threads(1)
        preset, steps = work.preset, work.preset.window_steps
        model = load_distiller(Path(work.folder), work.uri)
        precision = precision_of(bf16=preset.bf16)
        held = judged_windows(
            work.source,
            WindowSpec(READ, steps + ROOM, steps, preset.cameras),
            HELDOUT,
            per_session=work.judged_per_session,
        )
        fit = judged_windows(
            work.source,
            WindowSpec(FITTED_VIEWS, steps, steps, preset.cameras),
            TRAIN,
            per_session=work.fitted_per_session,
            part="earlier",
        )
        if not any(bool(window.tensors["mask_rgb"].any()) for window in fit):
            raise MissingBaselineError("There are no training windows to fit baselines on.")
        self._names = {window.session_id: window.session_name for window in held}
        eyes = Eyes.load(None if work.assets is None else Path(work.assets))
        self._clean = Undamaged(list(stretches(held, steps)), eyes)
        windows = self._clean.windows
        self._unlit = len(held) - len(windows)
        self._pictures = PictureScorer(model, precision, fit, windows, judged_side(preset))
        self._search = SearchScorer(model, precision, fit, windows)
        self._drop = DropScorer(model, precision, windows)
        self._action = ActionScorer(model, precision, fit, windows, work.source.snapshot)
        self._before = Scores()
        self._pictures.score(self._before, windows)
        self._search.score(self._before, windows, alone=True)
        self._drop.score(self._before, None)
        self._action.score(self._before, windows)

    def run(self, cell: Cell, /) -> list[dict[str, Any]]:
        """Return the rows of one cell, without what says whose they are."""
        one = corruption_named(cell.corruption)
        level = one.level(cell.severity)
        found = self._clean.damaged(one, level, cell.scope)
        scores = Scores(absent=self._absent(one, level))
        self._pictures.score(scores, found.scoped)
        self._action.score(scores, found.scoped)
        if one.name == "view_drop":
            self._drop.score(scores, level)
        else:
            self._search.score(scores, found.whole, alone=cell.scope == "one")
        return rows_of(scores, self._before, self._names)

    def _absent(self, one: Corruption, level: float) -> dict[str, str]:
        """Say why an application may have no score in a cell; those that have do not show it."""
        whys = {why for each in self._clean.stretches if (why := why_not(each, one, level))}
        said = "; ".join(sorted(whys))
        if not self._clean.stretches:
            said = "no held-out window has thumbnails" if self._unlit else "no window is held out"
        found = {"target": said or "nothing moves in any window", "view": said or SEVERAL}
        found["action"] = self._action.absent or said
        found["dropout" if one.name == "view_drop" else "retrieval"] = said or SEVERAL
        return found
