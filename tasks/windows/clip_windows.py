"""Windows of given clips: rows of `features` become tensors, wherever in a clip a window begins.

Reads the catalog, never video; writes nothing. `windows.py` decides which windows are read in which
order; here each is a function of its clip and first step alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.lookup import FeatureFiles
from tasks.views.catalogue import specs, view_named
from tasks.views.packing import STORED, unpacked
from tasks.windows.tensors import TENSORS, read_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catalog.snapshot import Snapshot
    from tasks.views.view import Feature
    from tasks.windows.clip_index import ClipIndex
    from tasks.windows.reader import WindowSpec
    from tasks.windows.tensors import Tensor

Row = dict[str, Any]
Said = dict[str, dict[str, "Feature"]]  # of one clip: cameras to views to features


class ClipWindows:
    """Reads the features of clips and cuts windows from them; views without a version are absent.

    Raises:
        ValueError: a tensor is not of the contract.
    """

    def __init__(
        self, snapshot: Snapshot, spec: WindowSpec, versions: Mapping[str, str], step_ns: int
    ) -> None:
        """Look where the features of these versions lie; `step_ns` is that of the session grid."""
        unknown = [name for name in spec.tensors if name not in TENSORS]
        if unknown:
            raise ValueError(f"no tensor {unknown}; there are {list(TENSORS)}")
        self._spec, self._step_ns = spec, step_ns
        self._givens = {one.name: one.given for one in specs(spec.views)}
        read = {view: versions[view] for view in spec.views if view in versions}
        self._files = FeatureFiles(snapshot, read)

    def rows(self, clips: Iterable[ClipIndex]) -> dict[str, list[Row]]:
        """Return the rows of the table `features` of each clip; neighbours are best read together.

        Raises:
            OSError: a file of the catalog cannot be read.
        """
        pool = list(clips)
        found: dict[str, list[Row]] = {clip.clip_id: [] for clip in pool}
        sessions = {clip.clip_id: clip.session_id for clip in pool}
        starts = {clip.clip_id: clip.start_ns for clip in pool}
        for row in self._files.rows(sessions, STORED, starts).to_pylist():
            found[row["clip_id"]].append(row)
        return found

    def said(self, clip: ClipIndex, found: Iterable[Row]) -> Said:
        """Return what each view says of a clip through each camera, given what it was given.

        Raises:
            ValueError: the bytes of a row are not what its view says they are.
        """
        said: Said = {camera: {} for camera in clip.cameras}
        givens = dict(clip.givens)
        for row in found:
            given = givens.get(row["camera_id"], {})
            if given.get(self._givens[row["view"]]) == row["given"]:
                feature = unpacked(view_named(row["view"]).spec, row)
                said[row["camera_id"]][row["view"]] = feature
        return said

    def window(
        self, clip: ClipIndex, first: int, said: Mapping[str, Mapping[str, Feature]]
    ) -> dict[str, Tensor]:
        """Return the tensors (V, T, ...) of the window from step `first` on.

        It may reach past the clip's end, where all is masked.
        """
        spec, cut = self._spec, slice(first, first + self._spec.steps)
        cameras = clip.cameras[: spec.cameras]
        window: dict[str, Tensor] = {}
        for name in spec.tensors:
            parts = [_cut(said[camera], name, cut) for camera in cameras]
            if TENSORS[name].shared:
                heard = next((part for part in parts if part[1].any()), parts[0])
                window[name], window[f"mask_{name}"] = heard
                continue
            window[name] = np.stack([tensor for tensor, _ in parts])
            window[f"mask_{name}"] = np.stack([mask for _, mask in parts])
        known = [camera in clip.vectors for camera in cameras]
        none = np.zeros(12, np.float32)
        window["camera"] = np.stack([clip.vectors.get(camera, none) for camera in cameras])
        window["camera_known"] = np.array(known)
        times = clip.start_ns + (first + np.arange(spec.steps, dtype=np.int64)) * self._step_ns
        window["t_ns"] = np.tile(times, (len(cameras), 1))
        return window


def runs_of(clips: Sequence[ClipIndex], camera_clips: int) -> list[list[ClipIndex]]:
    """Cut clips, in order of session and time, into runs of at most so many cameras' clips."""
    runs: list[list[ClipIndex]] = []
    size = camera_clips
    for clip in clips:
        if size + len(clip.cameras) > camera_clips:
            runs.append([])
            size = 0
        runs[-1].append(clip)
        size += len(clip.cameras)
    return runs


def _cut(said: Mapping[str, Feature], name: str, cut: slice) -> tuple[Tensor, Tensor]:
    """Return the steps of a cut of one camera's tensor; past the clip's end all is masked."""
    steps = cut.stop - cut.start
    short = {view: _steps(feature, cut) for view, feature in said.items()}
    tensor, mask = read_tensor(name, short, steps)
    lacking = steps - len(mask) if TENSORS[name].stepped else 0
    if lacking:
        tensor = np.pad(tensor, [(0, lacking), *[(0, 0)] * (tensor.ndim - 1)])
        mask = np.pad(mask, (0, lacking))
    return tensor, mask


def _steps(feature: Feature, cut: slice) -> Feature:
    mask = feature.mask[cut]
    why = None if mask.any() else feature.absent or "no step of this window is usable"
    return replace(feature, arrays=tuple(a[cut] for a in feature.arrays), mask=mask, absent=why)
