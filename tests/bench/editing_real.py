"""Persons of real calibrated rigs: pictures at working size, and the pose model's silhouettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.query import rows
from catalog.span import grid
from catalog.store import Catalog
from infra.settings import load_settings
from tasks.decode import Scale, Source, sample
from tasks.editing.regions import Seen, work_size
from tasks.extraction.plan import asked
from tasks.pose.shared import RGB320
from tasks.recordings.sources import clip_source
from tasks.rigs.calibration import Calibration
from tasks.rigs.pinhole import resized
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked
from tasks.views.pictures import RGB224
from tasks.views.silhouette import SilhouetteKind
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tasks.recordings.sources import ClipSource
    from tasks.rigs.calibration import CameraModel
    from tasks.views.view import Feature

    Bools = npt.NDArray[np.bool_]


SMALLEST = 30  # cells of 56 x 56
STEP_NS = 80_000_000


@dataclass(frozen=True)
class RealTake:
    """One clip of a session: its cameras, and by camera the silhouettes {frame: (h, w)}."""

    name: str
    seen: list[Seen]
    people: list[dict[int, Bools]]


def real_takes(home: str) -> Iterator[RealTake]:
    """Yield the first clip of each calibrated session in which the pose model sees somebody."""
    settings = load_settings(home)
    snapshot = Catalog(settings.catalog).snapshot()
    done: set[str] = set()
    for row in rows(snapshot, "clip_sources"):
        clip_id = row["clip_id"]
        if row["session_id"] in done:
            continue
        done.add(row["session_id"])
        rig = rows(snapshot, "rig_cameras", {"clip_ids": [clip_id]})
        if len(rig) < 2:
            continue
        calibration = Calibration.from_json(rig[0]["calibration"])
        cameras = [clip_source(one) for one in rows(snapshot, "clip_cameras", {"clip_id": clip_id})]
        versions = view_versions((), settings)
        masks = {}
        for found in rows(snapshot, "clip_features", asked(versions, [clip_id])):
            if found["view"] == "silhouette":
                feature = unpacked(view_named("silhouette").spec, found)
                masks[found["camera_id"]] = feature
        if not masks:
            print(
                f"\n{row['session_name']} is not judged: it has no current feature of silhouette\n"
                f"  stillhouse --home {home} extract --views silhouette"
            )
            continue
        matched = calibration.matched([one.camera_id for one in cameras])
        seen = [_seen(clip, matched.get(clip.camera_id), settings.grid_step_ns) for clip in cameras]
        people = [
            _silhouettes(masks.get(one.camera_id), one.pictures[0].shape[1::-1]) for one in seen
        ]
        if people and people[0]:
            yield RealTake(row["session_name"], seen, people)


def _seen(clip: ClipSource, camera: CameraModel | None, step_ns: int) -> Seen:
    """Return the pictures of a camera at the steps of the grid."""
    times = grid(clip.span, step_ns)
    width, height = work_size(clip.size)
    instants = [clip.clock.to_recording(t) for t in times]
    scale = Scale("work", width, height, "rgb24")
    shown = {}
    for frame in sample(clip.source, instants, (scale,), start_pts=clip.start_pts):
        shown |= dict.fromkeys(frame.indices, frame.images["work"])
    model = resized(camera, width, height) if camera else None
    return Seen(clip.camera_id, [shown[k] for k in range(len(times))], times, model)


def _silhouettes(feature: Feature | None, size: tuple[int, ...]) -> dict[int, Bools]:
    """Return by step where the pose model sees somebody."""
    if feature is None:
        return {}
    steps = [k for k in np.flatnonzero(feature.mask) if feature.arrays[0][k].sum() > SMALLEST]
    return {int(k): cv2.resize(feature.arrays[0][k].astype(np.float32), size) > 0.5 for k in steps}


def person_of(
    path: str, camera: CameraModel, assets: Path, steps: int = 14
) -> tuple[Seen, dict[int, Bools]]:
    """Return a file's first steps of 80 ms, and by step the silhouette of the pose model."""
    width, height = work_size((camera.width, camera.height))
    times = [k * STEP_NS for k in range(steps)]
    scales = (Scale("work", width, height, "rgb24"), RGB320, RGB224)
    shown = {}
    for frame in sample(Source(path), times, scales, start_pts=0):
        shown |= dict.fromkeys(frame.indices, frame.images)
    images = {
        scale.name: np.stack([shown[k][scale.name] for k in range(steps)]) for scale in scales
    }
    view = SilhouetteKind().load(assets, 1, {})
    clip = DecodedClip(np.array(times), np.ones(steps, bool), images, (camera.width, camera.height))
    feature = view.compute(clip)
    seen = Seen(path, list(images["work"]), times, resized(camera, width, height))
    return seen, _silhouettes(feature, (width, height))
