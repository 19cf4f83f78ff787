"""Which windows show the same moment, and which cameras show what another one shows already.

Reads windows; writes nothing. The one are the right answers of a search. The other are no answers
at all: a copy of the query's own footage, found first, is neither right nor wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.codes.camera_codes import seen_cameras
from tasks.ingest.lookalikes import share_pictures
from tasks.ingest.scan import difference_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]
    Hashes = npt.NDArray[np.uint64]
    Recording = tuple[str, str]

# Steps from one hashed picture to the next: about the quarter of a second of a recording's scan.
_HASH_EVERY = 3


def same_moment(windows: Sequence[Window]) -> Bools:
    """Tell of each two windows whether they are of one session and overlap by half: (N, N)."""
    sessions = np.unique([window.session_id for window in windows], return_inverse=True)[1]
    spans = np.array([_span(window) for window in windows], np.int64).reshape(-1, 2)
    return overlapping(sessions.astype(np.int64), spans[:, 0], spans[:, 1])


def overlapping(sessions: Ints, start_ns: Ints, end_ns: Ints) -> Bools:
    """Tell of each two of N spans whether they share half of the shorter and a session: (N, N)."""
    shared = np.minimum(end_ns[:, None], end_ns) - np.maximum(start_ns[:, None], start_ns)
    length = end_ns - start_ns
    half = np.minimum(length[:, None], length)
    return np.asarray((sessions[:, None] == sessions) & (2 * shared >= half))


@dataclass(frozen=True)
class SharedPictures:
    """Pairs of recordings (session, camera) of which half of the shorter's pictures are alike.

    By the test that splits sessions (infra/decisions/0003, 0006): copies, and other times of one
    fixed camera. Only the pictures of the windows are compared.
    """

    pairs: frozenset[tuple[Recording, Recording]]

    @classmethod
    def of(cls, windows: Sequence[Window]) -> SharedPictures:
        """Compare every two cameras of the windows."""
        hashes: dict[Recording, list[int]] = {}
        for window in windows:
            for camera, found in _hashes(window).items():
                hashes.setdefault((window.session_id, camera), []).extend(found)
        return cls.among({name: np.array(found, np.uint64) for name, found in hashes.items()})

    @classmethod
    def among(cls, hashes: Mapping[Recording, Hashes]) -> SharedPictures:
        """Compare every two recordings by their hashes."""
        return cls(
            frozenset(
                (one, other)
                for one, other in combinations(sorted(hashes), 2)
                if share_pictures(hashes[one], hashes[other])
            )
        )

    def kin(self, windows: Sequence[Window]) -> Bools:
        """Tell of each two windows whether they are of two sessions that share pictures: (N, N)."""
        sessions = {(a, b) for (a, _), (b, _) in self.pairs if a != b}
        sessions |= {(b, a) for a, b in sessions}
        found = [[(a.session_id, b.session_id) in sessions for b in windows] for a in windows]
        return np.array(found, bool).reshape(len(windows), len(windows))

    def distinct_cameras(self, window: Window, tensors: Mapping[str, Tensor]) -> Bools:
        """Tell which cameras of a window see anything that none before them shows: (V,).

        The second stream of a file that has its picture twice is no other camera.
        """
        copies = {other for (a, _), (b, other) in self.pairs if a == b == window.session_id}
        return seen_cameras(tensors) & [camera not in copies for camera in window.cameras]


def _span(window: Window) -> tuple[int, int]:
    """Return where a window begins and ends on its session's clock."""
    times = window.tensors["t_ns"][0, 0].numpy()
    step = int(times[1] - times[0]) if len(times) > 1 else 1
    return int(times[0]), int(times[-1]) + step


def _hashes(window: Window) -> dict[str, list[int]]:
    """Return difference hashes of some usable pictures of each camera."""
    if "rgb" not in window.tensors:
        return {}
    rgb, mask = (window.tensors[name][0].numpy() for name in ("rgb", "mask_rgb"))
    return {
        camera: [
            difference_hash(cv2.cvtColor(rgb[v, t].transpose(1, 2, 0), cv2.COLOR_RGB2GRAY))
            for t in np.flatnonzero(mask[v])[::_HASH_EVERY]
        ]
        for v, camera in enumerate(window.cameras)
    }
