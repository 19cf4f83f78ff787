"""Windows as torch takes them, and the sets of them that the distiller is judged on.

Reads the catalog, never video; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.conditioning import MOST_CAMERAS
from tasks.windows.reader import WindowReader, WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from tasks.windows.reader import Part, Place


@dataclass(frozen=True, slots=True)
class WindowSource:
    """What windows are read from; small enough to travel to another process.

    `versions` are those of the views, `names` what people call each session. With `sessions`
    windows are of exactly those, whatever split they are on: who asks so answers for the split.
    """

    snapshot: Snapshot
    versions: Mapping[str, str]
    step_ns: int
    names: Mapping[str, str]
    sessions: frozenset[str] | None = None

    def reader(
        self,
        spec: WindowSpec,
        split: str,
        *,
        batch: int = 8,
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
        keep_bytes: int = 0,
    ) -> WindowReader:
        """Return a reader of one split."""
        return WindowReader(
            self.snapshot,
            spec,
            split=split,
            versions=self.versions,
            step_ns=self.step_ns,
            batch=batch,
            seed=seed,
            worker=worker,
            workers=workers,
            keep_bytes=keep_bytes,
            sessions=self.sessions,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """One window, with every camera of its clip.

    `tensors` are as `Distiller.encode` takes them: a batch of 1, so (1, V, T, ...), `slot` (1, V)
    included. `first` is its first step in the clip; `aspects` are width / height of the cameras'
    pictures, 1 where no calibration says: windows have them squashed to squares.
    """

    session_id: str
    session_name: str
    clip_id: str
    first: int
    cameras: tuple[str, ...]
    tensors: dict[str, torch.Tensor]
    aspects: tuple[float, ...] = ()


def as_torch(tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Return a reader's batch as the distiller takes it; cameras have their place as slot.

    Half-precision views become fp32: they are small, and the extractor's stems would otherwise
    each convert them.
    """
    found = {
        name: torch.from_numpy(x.astype(np.float32) if x.dtype == np.float16 else x)
        for name, x in tensors.items()
    }
    batch, cameras = found["camera_known"].shape
    found["slot"] = (torch.arange(cameras) % MOST_CAMERAS).expand(batch, cameras).clone()
    return found


def judged_windows(
    source: WindowSource,
    spec: WindowSpec,
    split: str,
    *,
    per_session: int,
    part: Part = "all",
) -> list[Window]:
    """Return at most so many windows of each session, spread evenly over its time."""
    return list(spread_windows(source, spec, split, per_session=per_session, part=part))


def spread_windows(
    source: WindowSource,
    spec: WindowSpec,
    split: str,
    *,
    per_session: int,
    part: Part = "all",
) -> Iterator[Window]:
    """Yield them one by one: a window of four cameras and 8 steps takes 5 MB."""
    reader = source.reader(replace(spec, part=part), split)
    sessions = {clip.clip_id: clip.session_id for clip in reader.clips}
    places: dict[str, list[Place]] = {}
    for place in reader.places():
        places.setdefault(sessions[place[0]], []).append(place)
    chosen = [place for found in places.values() for place in _spread(found, per_session)]
    yield from _windows(source, reader, chosen)


def windows_at(source: WindowSource, spec: WindowSpec, places: Sequence[Place]) -> Iterator[Window]:
    """Yield the windows at clips and first steps of the source's own sessions, one by one."""
    yield from _windows(source, source.reader(spec, ""), places)


def _windows(
    source: WindowSource, reader: WindowReader, chosen: Sequence[Place]
) -> Iterator[Window]:
    for clip, first, tensors in reader.at(chosen):
        cameras = clip.cameras[: len(tensors["camera_known"])]
        yield Window(
            session_id=clip.session_id,
            session_name=source.names.get(clip.session_id, clip.session_id),
            clip_id=clip.clip_id,
            first=first,
            cameras=cameras,
            tensors=as_torch({name: x[None] for name, x in tensors.items()}),
            aspects=tuple(clip.aspects.get(camera, 1.0) for camera in cameras),
        )


def _spread(places: Sequence[Place], count: int) -> list[Place]:
    """Return at most `count` of them, the first and the last among them."""
    if len(places) <= count:
        return list(places)
    return [
        places[k] for k in np.unique(np.linspace(0, len(places) - 1, count).round().astype(int))
    ]
