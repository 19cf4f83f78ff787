"""What is searched: every camera of every window by itself, and what is right for each of them.

Reads windows; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.extractor import FRAME_VIEWS
from models.ranking import Retrieval, cosine, retrieval
from tasks.codes.camera_codes import camera_codes, own_tensors
from tasks.windows.features import stacked
from tasks.windows.moments import SharedPictures, same_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from models.precision import Precision
    from models.window_encoder import WindowEncoder
    from tasks.windows.features import Rows
    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Gallery:
    """N items: item k is camera `camera[k]` of window `window[k]`, one of which something is seen.

    `right` and `admitted` are (N, N), of an item as query and one as answer: right is the same
    moment; not admitted are the query's own recording, so also the query, and sessions that share
    pictures with its own. `asks` (N,) are the items that are queries: those of windows in which
    two cameras see.
    """

    windows: Sequence[Window]
    tensors: list[dict[str, Tensor]]
    window: Ints
    camera: Ints
    right: Bools
    admitted: Bools
    asks: Bools

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Gallery:
        """Take every camera of the windows that sees anything by itself, copies once."""
        tensors = [own_tensors(window) for window in windows]
        shared = SharedPictures.of(windows)
        seen = [shared.distinct_cameras(*one) for one in zip(windows, tensors, strict=True)]
        items = [(w, int(c)) for w, there in enumerate(seen) for c in np.flatnonzero(there)]
        window, camera = np.array(items, np.int64).reshape(-1, 2).T
        names = [f"{windows[w].session_id}/{windows[w].cameras[c]}" for w, c in items]
        recording = np.unique(names, return_inverse=True)[1]
        pair = np.ix_(window, window)
        right = same_moment(windows)[pair]
        admitted = (recording[:, None] != recording) & ~shared.kin(windows)[pair]
        asks = np.array([seen[w].sum() > 1 for w in window], bool)
        return cls(windows, tensors, window, camera, right, admitted, asks)

    def codes(
        self, model: WindowEncoder, precision: Precision, views: Iterable[str] = FRAME_VIEWS
    ) -> Floats:
        """Return the model's embedding of each item, made of those views alone: (N, E).

        Zeros where the camera has none of them.
        """
        kept = tuple(views)
        found = []
        for number, window in enumerate(self.windows):
            cameras = self.camera[self.window == number]
            masks = np.eye(len(window.cameras), dtype=bool)[cameras]
            found.append(camera_codes(model, own_tensors(window, kept), masks, precision))
        return np.concatenate(found)

    def rows(self) -> Rows:
        """Return every view of each item as numbers."""
        counts = [len(window.cameras) for window in self.windows]
        at = np.cumsum([0, *counts])[self.window] + self.camera
        return {name: (x[at], known[at]) for name, (x, known) in stacked(self.tensors).items()}

    def search(self, asking: Floats, answering: Floats | None = None) -> Retrieval:
        """Rank all items for each query, by the cosine of (N, D) and (N, D), or of one to itself.

        The result has a row for each item of `asks`.
        """
        answering = asking if answering is None else answering
        near = cosine(asking[self.asks], answering)
        return retrieval(near, self.right[self.asks], self.admitted[self.asks])
