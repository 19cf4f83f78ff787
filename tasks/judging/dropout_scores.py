"""Application *dropout*: the code of some of the cameras finds the moment that all of them saw.

Reads windows; writes nothing. Of each window the cameras are seen once, and a code is made of
every set of them. It is searched in two galleries: the codes of all cameras of every window, and
those of the *rest*, which leave the cameras of the query's set out. In the first, a late mean or a
concatenation finds numbers that the query itself put there; in the second no method does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from catalog.ids import digest
from models.ranking import chance, cosine, retrieval
from tasks.codes.camera_codes import camera_codes, own_tensors
from tasks.judging.retrieval_scores import CHANCE
from tasks.judging.window_score import MODEL, WindowScore
from tasks.windows.camera_sets import concat_zeros, late_mean, sets_of
from tasks.windows.moments import SharedPictures, same_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from models.distiller import Distiller
    from models.precision import Precision
    from models.ranking import Retrieval
    from tasks.judging.window_score import Setting
    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Measures = dict[str, float]

BASELINES = ("late_mean", "concat_zeros")
REST = "rest_"


@dataclass(frozen=True, eq=False)
class CameraSets:
    """M sets of cameras of W windows: the window's number (M,), the cameras' names.

    Of each window the last set is all of them. `same` and `admitted` are (W, W): which windows
    show the same moment, and which may be found at all.
    """

    windows: Sequence[Window]
    window: Ints
    names: list[frozenset[str]]
    same: Bools
    admitted: Bools

    def session(self, row: int) -> str:
        """Return the session of a set."""
        return self.windows[int(self.window[row])].session_id

    def whole(self) -> Ints:
        """Return the row of each window's set of all cameras, in order of windows."""
        return np.flatnonzero(np.diff(self.window, append=-1))

    def rest(self, session: str, names: frozenset[str]) -> Ints:
        """Return what is left of each window without cameras of a session: rows of sets.

        A window of the session of which nothing is left, or whose rest was not made, has none.
        """
        at = {
            (int(w), one): row
            for row, (w, one) in enumerate(zip(self.window, self.names, strict=True))
        }
        found = []
        for row in self.whole():
            left = self.names[row] - names if self.session(row) == session else self.names[row]
            found.append(at.get((int(self.window[row]), left), -1))
        return np.array([row for row in found if row >= 0], np.int64)

    def search(self, code: Floats | None, asking: Ints, answering: Ints) -> Retrieval:
        """Rank some rows for others by their codes (M, D), or by lot where there are none."""
        pair = np.ix_(self.window[asking], self.window[answering])
        right, admitted = self.same[pair], self.admitted[pair]
        if code is None:
            return chance(right, admitted)
        return retrieval(cosine(code[asking], code[answering]), right, admitted)


def dropout_scores(
    model: Distiller,
    fit: Sequence[Window],  # noqa: ARG001  as every application is called; nothing is fitted here
    judged: Sequence[Window],
    setting: Setting,
    precision: Precision,
) -> list[WindowScore]:
    """Score every set of cameras (see `sets_of`) of each judged window of two or more.

    Measures are `r_at_1`, `r_at_5`, `r_at_10` and `map` among the codes of all cameras and, of a
    set that is not all of them, the same with `rest_` before it; `given` is the size of the set.
    Windows of one camera are searched and ask nothing. The baselines are made of the model's codes
    of single cameras.
    """
    shared = SharedPictures.of(judged)
    codes: list[dict[str, Floats]] = []
    names: list[frozenset[str]] = []
    numbers: list[int] = []
    for number, window in enumerate(judged):
        tensors = own_tensors(window)
        seen = shared.distinct_cameras(window, tensors)
        if seen.any():
            masks = sets_of(seen, int(digest(window.session_id)[:8], 16))
            code = camera_codes(model, tensors, masks, precision)
            plain = {"late_mean": late_mean(masks, code), "concat_zeros": concat_zeros(masks, code)}
            codes.append({MODEL: code} | plain)
            names += [frozenset(window.cameras[k] for k in np.flatnonzero(one)) for one in masks]
            numbers += [number] * len(masks)
    if not any(len(one) > 1 for one in names):
        return []
    sets = CameraSets(
        judged, np.array(numbers, np.int64), names, same_moment(judged), ~shared.kin(judged)
    )
    found = {name: np.concatenate([one[name] for one in codes]) for name in codes[0]}
    return [
        _score(sets, row, method, measures, setting)
        for method, code in (*found.items(), (CHANCE, None))
        for row, measures in sorted(set_measures(sets, code).items())
    ]


def set_measures(sets: CameraSets, code: Floats | None) -> dict[int, Measures]:
    """Return the measures of each set of a window of two or more cameras, by its row.

    `code` is (M, D); without it, what ranking by lot is expected to score.
    """
    whole = sets.whole()
    several = sets.window[whole][[len(sets.names[row]) > 1 for row in whole]]
    asking = np.flatnonzero(np.isin(sets.window, several))
    found = sets.search(code, asking, whole)
    measures = {int(row): found.of(k) for k, row in enumerate(asking)}

    def what(row: int) -> tuple[str, list[str]]:
        return sets.session(row), sorted(sets.names[row])

    part = sorted(set(asking.tolist()) - set(whole.tolist()), key=what)
    for (session, cameras), group in groupby(part, key=what):
        rows = np.array(list(group), np.int64)
        found = sets.search(code, rows, sets.rest(session, frozenset(cameras)))
        for k, row in enumerate(rows):
            if np.isfinite(found.precision[k]):
                measures[int(row)] |= {REST + name: one for name, one in found.of(k).items()}
    return measures


def _score(
    sets: CameraSets, row: int, method: str, measures: Measures, setting: Setting
) -> WindowScore:
    window = sets.windows[int(sets.window[row])]
    return WindowScore.of(
        window,
        setting=setting,
        application="dropout",
        method=method,
        camera_id="+".join(one for one in window.cameras if one in sets.names[row]),
        given=len(sets.names[row]),
        measures=measures,
    )
