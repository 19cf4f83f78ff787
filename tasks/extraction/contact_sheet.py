"""A contact sheet of one clip: its cameras and views over time, as one picture to look at.

Reads the catalog, and frames of the archive for what views draw upon (the stored thumbnails where
the archive cannot be read); writes the picture where it is told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from catalog.query import rows
from catalog.span import SECOND_NS, grid
from catalog.store import Catalog
from infra.errors import MediaError, UsageError
from infra.storage import atomic_write_bytes
from tasks.decode import Scale, sample
from tasks.extraction.plan import asked
from tasks.extraction.sheet_layout import Cell, Strip, cell_size, sheet
from tasks.recordings.sources import clip_source
from tasks.views.catalogue import RIG_VIEWS, VIEWS, view_named
from tasks.views.current import view_versions, weights_of
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from infra.settings import Settings
    from tasks.recordings.sources import ClipSource
    from tasks.views.view import Drawn, Feature

    Pixels = npt.NDArray[np.uint8]

# Steps shown of each camera: a clip of one camera has room for more.
STEPS_ALONE, STEPS_OF_MANY = 10, 4
MAX_CAMERAS = 6
# Lines are drawn on a picture twice the size of its cell, and made small with it.
FINER = 2


@dataclass(frozen=True, slots=True)
class _Seen:
    """One camera of the clip: where it is, and what each view says through it."""

    clip: ClipSource
    said: Mapping[str, Feature]


def draw_clip(settings: Settings, clip_id: str, target: Path | None) -> dict[str, Any]:
    """Write the contact sheet of a clip as PNG and return where it is and what is on it.

    Raises:
        UsageError: there is no such clip, or nothing was extracted of it.
    """
    snapshot = Catalog(settings.catalog).snapshot()
    sources = [clip_source(row) for row in rows(snapshot, "clip_cameras", {"clip_id": clip_id})]
    if not sources:
        raise UsageError(f"There is no clip {clip_id!r}.", command="stillhouse show clips")
    versions = view_versions((), settings)
    found: dict[str, dict[str, Feature]] = {}
    for row in rows(snapshot, "clip_features", asked(versions, [clip_id])):
        feature = unpacked(view_named(row["view"]).spec, row)
        found.setdefault(row["camera_id"], {})[row["view"]] = feature
    if not found:
        raise UsageError(f"Nothing is known of clip {clip_id}.", command="stillhouse extract")
    seen = [_Seen(one, found.get(one.camera_id, {})) for one in sources][:MAX_CAMERAS]
    shown = [name for name in versions if any(name in camera.said for camera in seen)]
    drawers = {name: _drawer(name, settings) for name in shown}
    picture = sheet(
        f"{sources[0].session_name}  {sources[0].span.start_ns / SECOND_NS:.2f} s  clip {clip_id}",
        shown,
        [_strip(camera, drawers, settings, alone=len(seen) == 1) for camera in seen],
    )
    path = target or settings.root / "sheets" / f"{clip_id}.png"
    done, coded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"a picture of {picture.shape} is no PNG")
    atomic_write_bytes(path, coded.tobytes())
    cameras = [camera.clip.camera_id for camera in seen]
    return {"file": str(path), "clip_id": clip_id, "cameras": cameras, "views": shown}


def _drawer(name: str, settings: Settings) -> Drawn:
    if name in RIG_VIEWS:
        return RIG_VIEWS[name].load()
    return _loaded(name, settings.assets, tuple(weights_of(name, settings).items()))


@lru_cache(maxsize=len(VIEWS))
def _loaded(name: str, assets: Path, weights: tuple[tuple[str, str], ...]) -> Drawn:
    """Load a view once a process: whoever draws many sheets waits for the networks once."""
    return VIEWS[name].load(assets, 1, dict(weights))


def _strip(
    camera: _Seen, drawers: Mapping[str, Drawn], settings: Settings, *, alone: bool
) -> Strip:
    """Draw each view at a few steps spread over the clip."""
    times = grid(camera.clip.span, settings.grid_step_ns)
    count = min(len(times), STEPS_ALONE if alone else STEPS_OF_MANY)
    # Even ones: *appearance* has no others.
    steps = [(2 * k + 1) * len(times) // (4 * count) * 2 for k in range(count)]
    size = cell_size(camera.clip.size)
    backdrops = _backdrops(camera, [times[step] for step in steps], steps, size)
    columns = []
    for step, backdrop in zip(steps, backdrops, strict=True):
        cells = {}
        for name, drawer in drawers.items():
            feature = camera.said.get(name)
            if feature is None:
                cells[name] = Cell(None, "missing")
            elif not feature.mask[step]:
                cells[name] = Cell(None, feature.absent or "not at this step")
            elif name == "thumbnail":
                cells[name] = Cell(backdrop, "")
            else:
                cells[name] = Cell(drawer.draw(feature, step, backdrop), "")
        columns.append((f"{(times[step] - times[0]) / SECOND_NS:.2f} s", cells))
    return Strip(camera.clip.camera_id, size, columns)


def _backdrops(
    camera: _Seen, times_ns: list[int], steps: list[int], size: tuple[int, int]
) -> list[Pixels]:
    """Return the picture of each step at twice the size of a cell."""
    width, height = size[0] * FINER, size[1] * FINER
    clip = camera.clip
    found: list[Pixels] = [np.zeros((height, width, 3), np.uint8) for _ in steps]
    try:
        instants = [clip.clock.to_recording(t) for t in times_ns]
        scale = Scale("sheet", width, height, "rgb24")
        for frame in sample(clip.source, instants, (scale,), start_pts=clip.start_pts):
            for index in frame.indices:
                found[index] = frame.images["sheet"]
    except (MediaError, OSError):
        # The archive may be elsewhere by now; the thumbnails are here.
        if "thumbnail" in camera.said:
            pictures = camera.said["thumbnail"].arrays[0]
            found = [
                np.asarray(cv2.resize(pictures[step], (width, height)), np.uint8) for step in steps
            ]
    return found
