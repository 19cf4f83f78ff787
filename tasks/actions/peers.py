"""Codes for the peers of a head of actions: of each camera alone, and of the place without motion.

Reads the catalog's features and the distiller; writes nothing. Sound and text are masked, as a
camera has neither by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.linear_probe import LinearProbe
from tasks.actions.codes import still
from tasks.codes.camera_codes import camera_codes, own_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from models.distiller import Distiller
    from models.precision import Precision
    from tasks.actions.material import LabelledWindow
    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# A linear probe each: on the first camera, the mean of all cameras' answers, all cameras' codes
# side by side, and the code of each camera's median picture: what the place alone tells.
PEERS = ("first_camera", "late_mean", "early_concat", "background")


@dataclass(frozen=True, eq=False)
class PeerCodes:
    """Of N labelled windows those that are `there` (N,), and their codes; of the others zeros.

    `single` (N, V, E) is of each camera alone, zeros where there is none; `background` (N, E).
    """

    there: Bools
    single: Floats
    background: Floats

    def said(self, labels: Ints, groups: Ints, learns: Bools, asked: Ints) -> dict[str, Ints]:
        """Return what each peer says of the windows `asked`, having learned from `learns` (N,)."""
        taught = np.flatnonzero(learns & self.there)
        cameras = np.abs(self.single).max(axis=2) > 0
        rows, which = np.nonzero(cameras[taught])
        rows = taught[rows]
        alone = LinearProbe.fit(self.single[rows, which], labels[rows], groups[rows])
        count, most, size = self.single[asked].shape
        scores = alone.scores(self.single[asked].reshape(-1, size)).reshape(count, most, -1)
        used = cameras[asked][..., None]
        mean = (scores * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
        found = {
            "first_camera": alone.classes[scores[:, 0].argmax(axis=1)],
            "late_mean": alone.classes[mean.argmax(axis=1)],
        }
        joined = {
            "early_concat": self.single.reshape(len(self.single), -1),
            "background": self.background,
        }
        for name, x in joined.items():
            probe = LinearProbe.fit(x[taught], labels[taught], groups[taught])
            found[name] = probe.said(x[asked])
        return found


def peered(windows: Sequence[LabelledWindow], per_session: int) -> Bools:
    """Choose at most so many windows of each session and class, evenly over its time: (N,)."""
    held: dict[tuple[str, str], list[int]] = defaultdict(list)
    for k, one in enumerate(windows):
        held[one.session_id, one.label].append(k)
    chosen = np.zeros(len(windows), bool)
    for places in held.values():
        most = min(per_session, len(places))
        spread = np.linspace(0, len(places) - 1, most).round().astype(int)
        chosen[[places[k] for k in spread]] = True
    return chosen


def peer_codes(
    net: Distiller,
    found: Iterable[Window],
    windows: Sequence[LabelledWindow],
    precision: Precision,
) -> PeerCodes:
    """Encode the labelled windows that are `found`, each camera by itself and without motion."""
    at = {(one.clip_id, one.first): k for k, one in enumerate(windows)}
    single: dict[int, Floats] = {}
    background = np.zeros((len(windows), net.config.embedding))
    for window in found:
        k = at[window.clip_id, window.first]
        own, count = own_tensors(window), len(window.cameras)
        single[k] = camera_codes(net, own, np.eye(count, dtype=bool), precision)
        background[k] = camera_codes(net, still(own), np.ones((1, count), bool), precision)[0]
    most = max((len(codes) for codes in single.values()), default=1)
    every = np.zeros((len(windows), most, net.config.embedding))
    there = np.zeros(len(windows), bool)
    for k, codes in single.items():
        every[k, : len(codes)] = codes
        there[k] = True
    return PeerCodes(there, every, background)
