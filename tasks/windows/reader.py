"""Windows: rows of the table `features` become the tensors that a model sees at once.

Reads the catalog, never video; writes nothing. A window is T steps of a clip's grid through all
its cameras; `window_tensors.py` says which tensors it has. The order of an epoch is a function
of the seed alone, so a reader can be resumed where another stopped, and N workers share an epoch
without talking: together they read what one would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tasks.windows.clip_index import indexed, turns_of
from tasks.windows.clip_windows import ClipWindows, runs_of
from tasks.windows.tensors import TENSORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from catalog.snapshot import Snapshot
    from tasks.windows.clip_index import ClipIndex
    from tasks.windows.clip_windows import Said
    from tasks.windows.tensors import Tensor

# Clips that are read together: neighbours lie in one row group, so a run of them is read at once;
# several runs from all over the archive are mixed before windows are drawn from them.
RUN_CAMERA_CLIPS, RUNS = 32, 4

Part = Literal["all", "earlier", "later"]
Place = tuple[str, int]  # a clip and the window's first step in it


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Which windows: their tensors, length and stride in steps, and the cameras of one at most.

    `part` is that of a session's time: see `clip_index.EARLIER`. With `by_camera` an epoch has a
    window of V cameras V times: so many pictures there are to make of it.
    """

    tensors: tuple[str, ...] = tuple(TENSORS)
    steps: int = 8
    stride: int = 8
    cameras: int = 8
    part: Part = "all"
    by_camera: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """The views they are read from."""
        return tuple(dict.fromkeys(view for name in self.tensors for view in TENSORS[name].views))


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader is: the epoch, the pool of clips in it, and the windows drawn from that."""

    epoch: int = 0
    pool: int = 0
    drawn: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows side by side.

    `tensors` maps names of the contract to (B, V, T, *shape), `mask_<name>` to (B, V, T) bool,
    without V where the session shares it and without T where time has no part in it; `camera`
    (B, V, 12) and `camera_known` (B, V), `t_ns` (B, V, T) int64. V is the most cameras of any of
    them, the rest is masked. `ids` are (session, clip, first step) of each: for the splitter,
    never for the net. `position` is where reading goes on after it.
    """

    tensors: dict[str, Tensor]
    ids: list[tuple[str, str, int]]
    position: Position


class WindowReader:
    """Reads windows of one split: batches epoch by epoch, or those at given places."""

    def __init__(
        self,
        snapshot: Snapshot,
        spec: WindowSpec,
        *,
        split: str,
        versions: Mapping[str, str],
        step_ns: int,
        batch: int = 16,
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
        keep_bytes: int = 0,
        sessions: Collection[str] | None = None,
    ) -> None:
        """Index the clips; `worker` of `workers` reads every so manyth pool (of few, window).

        `versions` are those of the views that are read (`tasks.views.current.view_versions`),
        `step_ns` is the step of the session grid. Of the features read, about `keep_bytes` are
        kept for the next epoch. With `sessions` those are read, and `split` is not looked at.

        Raises:
            ValueError: a tensor is not of the contract.
        """
        self._spec, self._batch, self._seed = spec, batch, seed
        self._share = (worker, workers)
        self._windows = ClipWindows(snapshot, spec, versions, step_ns)
        self.clips = indexed(snapshot, split, step_ns, sessions)
        self._turns = turns_of(self.clips, step_ns)
        # What was read first stays: the most recent would be pushed out before its next epoch.
        self._kept: dict[str, Said] = {}
        self._room = keep_bytes

    def read(self, at: Position = Position()) -> Iterator[Batch]:
        """Yield the batches of one epoch from a position on; the last may be smaller."""
        rng = np.random.default_rng([self._seed, at.epoch])
        pools = self._pools(rng)
        waiting: list[tuple[dict[str, Tensor], tuple[str, str, int]]] = []
        after = at
        worker, workers = self._share
        # A small archive is one pool: then each pool's windows are shared out.
        by_pool = len(pools) >= workers
        for number in range(at.pool, len(pools)):
            if by_pool and number % workers != worker:
                continue
            drawn = at.drawn if number == at.pool else 0
            order = self._drawn(pools[number], at.epoch, number)
            said = self._read(pools[number]) if drawn < len(order) else {}
            for count, (clip, first) in enumerate(order[drawn:], start=drawn + 1):
                if not by_pool and (count - 1) % workers != worker:
                    continue
                if len(waiting) == self._batch:
                    # Not before there is another: the last position is the next epoch's first.
                    yield _collated(waiting, after)
                    waiting = []
                window = self._windows.window(clip, first, said[clip.clip_id])
                waiting.append((window, (clip.session_id, clip.clip_id, first)))
                after = Position(at.epoch, number, count)
        if waiting:
            yield _collated(waiting, Position(at.epoch + 1))

    def places(self) -> list[Place]:
        """Return where all windows are, in order of session and time."""
        return [(clip.clip_id, first) for clip in self.clips for first in self._firsts(clip)]

    def at(self, places: Iterable[Place]) -> Iterator[tuple[ClipIndex, int, dict[str, Tensor]]]:
        """Yield the clip, the first step and the tensors (V, T, ...) of each window asked for.

        In order of session and time, so that each clip is read once.
        """
        wanted: dict[str, list[int]] = {}
        for clip_id, first in places:
            wanted.setdefault(clip_id, []).append(first)
        for clip in self.clips:
            firsts = wanted.get(clip.clip_id)
            if firsts:
                said = self._read([clip])[clip.clip_id]
                for first in sorted(firsts):
                    yield clip, first, self._windows.window(clip, first, said)

    def _firsts(self, clip: ClipIndex) -> Iterator[int]:
        """Yield the first steps of a clip's windows; a short clip gives one.

        A later window may reach past the clip's end, where all is masked, by half its length.
        """
        spec, turn = self._spec, self._turns[clip.clip_id]
        most = max(1, clip.steps - spec.steps + 1)
        if spec.part == "later":
            first, last = max(0, turn), max(most, clip.steps - spec.steps // 2 + 1)
        else:
            first, last = 0, most if spec.part == "all" else min(most, turn - spec.steps + 1)
        yield from range(first, last, spec.stride)

    def _pools(self, rng: np.random.Generator) -> list[list[ClipIndex]]:
        """Cut the clips into runs of neighbours, shuffle the runs, take several at a time."""
        runs = runs_of(self.clips, RUN_CAMERA_CLIPS)
        order = rng.permutation(len(runs))
        return [
            [clip for run in order[at : at + RUNS] for clip in runs[run]]
            for at in range(0, len(runs), RUNS)
        ]

    def _drawn(self, pool: list[ClipIndex], epoch: int, number: int) -> list[tuple[ClipIndex, int]]:
        """Return the windows of a pool in the order they are given out."""
        found = [
            (clip, first)
            for clip in pool
            for first in self._firsts(clip)
            for _ in range(len(clip.cameras) if self._spec.by_camera else 1)
        ]
        rng = np.random.default_rng([self._seed, epoch, number])
        return [found[k] for k in rng.permutation(len(found))]

    def _read(self, pool: list[ClipIndex]) -> dict[str, Said]:
        """Return what each view says of each clip through each camera."""
        absent = [clip for clip in pool if clip.clip_id not in self._kept]
        fresh = self._read_files(absent) if absent else {}
        said = {clip.clip_id: self._kept.get(clip.clip_id) or fresh[clip.clip_id] for clip in pool}
        for clip_id, cameras in fresh.items():
            if self._room <= 0:
                break
            self._kept[clip_id] = cameras
            self._room -= _bytes(cameras)
        return said

    def _read_files(self, pool: list[ClipIndex]) -> dict[str, Said]:
        found = self._windows.rows(pool)
        return {clip.clip_id: self._windows.said(clip, found[clip.clip_id]) for clip in pool}


def _bytes(said: Said) -> int:
    features = [feature for views in said.values() for feature in views.values()]
    return sum(array.nbytes for feature in features for array in feature.arrays)


def _collated(
    waiting: list[tuple[dict[str, Tensor], tuple[str, str, int]]], position: Position
) -> Batch:
    """Put windows side by side, those of fewer cameras filled up with masked ones."""
    most = max(len(window["t_ns"]) for window, _ in waiting)
    tensors = {}
    shared = {one for name in TENSORS if TENSORS[name].shared for one in (name, f"mask_{name}")}
    for name, first in waiting[0][0].items():
        if name in shared:
            tensors[name] = np.stack([window[name] for window, _ in waiting])
            continue
        whole = np.zeros((len(waiting), most, *first.shape[1:]), first.dtype)
        for k, (window, _) in enumerate(waiting):
            whole[k, : len(window[name])] = window[name]
        tensors[name] = whole
    return Batch(tensors, [ids for _, ids in waiting], position)
