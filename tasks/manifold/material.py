"""What a manifold is read off: every view of every camera of many windows, as plain numbers.

Reads the catalog, never video; writes nothing. Windows are read one after the other and kept as
pooled numbers alone: 20 KB a camera instead of a megabyte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import NonFiniteFeaturesError, NothingToLearnError
from models.manifold_graph import build_graph
from models.pooled_views import pooled
from tasks.codes.camera_codes import own_tensors
from tasks.manifold.presets import VIEWS
from tasks.windows.sets import spread_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from models.manifold_graph import Graph
    from tasks.windows.reader import Part, WindowSpec
    from tasks.windows.sets import Window, WindowSource

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ViewRows:
    """The nodes of one view: its numbers (N, T D), and the window and camera of each (N,)."""

    view: str
    rows: Floats
    window: Ints
    camera: Ints

    def of(self, windows: Iterable[int]) -> ViewRows:
        """Return the nodes of some windows."""
        kept = np.isin(self.window, np.fromiter(windows, np.int64))
        return replace(
            self, rows=self.rows[kept], window=self.window[kept], camera=self.camera[kept]
        )


@dataclass(frozen=True, eq=False)
class ManifoldRows:
    """All nodes: a window is a moment.

    `sessions`, `clips` and `firsts` (W,) are of the windows: ids, and the first step in the clip.
    """

    views: tuple[ViewRows, ...]
    sessions: tuple[str, ...]
    clips: tuple[str, ...]
    firsts: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return sum(len(one.rows) for one in self.views)

    def of(self, windows: Iterable[int]) -> ManifoldRows:
        """Return the nodes of some windows, which keep their numbers; views of under two go."""
        chosen = list(windows)
        views = (one.of(chosen) for one in self.views)
        return replace(self, views=tuple(one for one in views if len(one.rows) > 1))

    def graph(self, neighbours: int, cross: float) -> Graph:
        """Return the graph of all views of all cameras; those of one window are synchronised.

        Raises:
            NothingToLearnError: there is no view with two unlike nodes.
            NonFiniteFeaturesError: a node has what is no number, naming the clips.
        """
        wrong = [
            self.clips[window]
            for one in self.views
            for window in one.window[~np.isfinite(one.rows).all(axis=1)]
        ]
        if wrong:
            named = ", ".join(sorted(set(wrong))[:5])
            raise NonFiniteFeaturesError(
                f"Features of {len(set(wrong))} clips are not finite: {named}."
            )
        try:
            return build_graph(
                [one.rows for one in self.views],
                [one.window for one in self.views],
                neighbours=neighbours,
                cross=cross,
            )
        except ValueError as error:
            raise NothingToLearnError(
                f"There is no manifold in these features: {error}.", command="stillhouse extract"
            ) from error


def manifold_rows(
    source: WindowSource, spec: WindowSpec, split: str, *, per_session: int, part: Part = "all"
) -> ManifoldRows:
    """Read at most so many windows of each session, spread evenly over its time."""
    spec = replace(spec, tensors=VIEWS)
    windows = spread_windows(source, spec, split, per_session=per_session, part=part)
    return rows_of_windows(windows)


def rows_of_windows(windows: Iterable[Window]) -> ManifoldRows:
    """Return the nodes of windows, of what each camera saw by itself."""
    found: dict[str, list[tuple[Floats, Ints, Ints]]] = {}
    sessions: list[str] = []
    clips: list[str] = []
    firsts: list[int] = []
    for number, window in enumerate(windows):
        sessions.append(window.session_id)
        clips.append(window.clip_id)
        firsts.append(window.first)
        tensors = own_tensors(window)
        for view in VIEWS:
            if view not in tensors:
                continue
            x, there = pooled(tensors, view)
            cameras = np.flatnonzero(there[0].numpy())
            rows = x[0].flatten(1).numpy()[cameras]
            found.setdefault(view, []).append((rows, np.full(len(cameras), number), cameras))
    views = (_stacked(view, parts) for view, parts in found.items())
    return ManifoldRows(
        tuple(one for one in views if len(one.rows) > 1),
        tuple(sessions),
        tuple(clips),
        tuple(firsts),
    )


def _stacked(view: str, parts: Sequence[tuple[Floats, Ints, Ints]]) -> ViewRows:
    rows, window, camera = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ViewRows(view, rows, window, camera)
