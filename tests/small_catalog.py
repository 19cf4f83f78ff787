"""A small catalog whose every answer is known, and rows to add to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import named
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from catalog.table import describe

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.table import Table

FILLERS: dict[str, Any] = {"varchar": "x", "bigint": 1, "integer": 1, "boolean": False}
FILLERS |= {"double": 0.0, "blob": b""}


def filled(table: Table, **given: object) -> dict[str, Any]:
    """Return a row with what a test does not care about filled in."""
    row = {
        col.name: [] if col.type.endswith("[]") else FILLERS[col.type]
        for col in describe(table)
        if not col.nullable
    }
    return row | given


def sighting(
    member: str, status: str = "present", seen_ns: int = 1, **given: object
) -> dict[str, Any]:
    where = {"archive_uri": "/archive", "member": member, "status": status, "seen_ns": seen_ns}
    where["forming"] = "x"
    return filled(TABLES["files"], **where, **given)


def member_of(session: str, *recordings: str) -> dict[str, Any]:
    """Return the columns of a sighting that say whose recording it is."""
    return {"session_id": session, "recordings": list(recordings)}


def camera(name: str, recording: str, offset_ns: int) -> dict[str, Any]:
    return {"camera_id": name, "recording_id": recording, "offset_ns": offset_ns}


def clip(name: str, session: str, start_ns: int, *cameras: str) -> dict[str, Any]:
    span = {"start_ns": start_ns, "end_ns": start_ns + 10}
    return filled(TABLES["clips"], clip_id=name, session_id=session, cameras=list(cameras), **span)


def feature(clip_id: str, camera_id: str, view: str, version: str = "v2") -> dict[str, Any]:
    key = {"clip_id": clip_id, "camera_id": camera_id, "view": view, "version": version}
    key["given"] = ""
    return filled(TABLES["features"], **key)


def refusal(clip_id: str, **given: object) -> dict[str, Any]:
    what = {"item_id": clip_id, "kind": "clip", "stage": "extract", "frames": 5}
    return filled(TABLES["quarantine"], **what, **given)


def small_catalog(folder: Path) -> Catalog:
    """One take of two cameras (two clips) and one recording alone (one clip), which has a copy.

    The second camera joins late, so it is in the second clip only.
    """
    made = Catalog(folder)
    hashes = np.arange(3, dtype="<u8").tobytes()
    for name in ("left", "right", "alone"):
        row = filled(TABLES["recordings"], recording_id=name, hashes=hashes, member=f"{name}.mp4")
        made.commit(TABLES["recordings"], [row])
    cameras = {
        "take": [camera("cam01", "left", 0), camera("cam02", "right", 12)],
        "solo": [camera("cam0", "alone", 0)],
    }
    sessions = [
        filled(TABLES["sessions"], session_id=name, name=name, cameras=cameras[name], split=split)
        for name, split in (("take", "train"), ("solo", "heldout"))
    ]
    made.commit(TABLES["sessions"], sessions)
    clips = [clip("c1", "take", 0, "cam01"), clip("c2", "take", 12, "cam01", "cam02")]
    made.commit(TABLES["clips"], [*clips, clip("c3", "solo", 0, "cam0")])
    made.commit(
        TABLES["files"],
        [
            sighting("take/cam01.mp4", **member_of("take", "left")),
            sighting("take/cam02.mp4", **member_of("take", "right")),
            sighting("alone.mp4", **member_of("solo", "alone")),
            sighting("a_copy.mp4", "duplicate", **member_of("solo", "alone")),
            sighting("notes.mp4", "quarantined"),
        ],
    )
    return made


def missing(catalog: Catalog, clip_ids: list[str] | None = None) -> list[tuple[str, ...]]:
    """Return which features are missing of those that are wanted: clip, camera, view."""
    wanted = {"views": ["flow", "sound"], "versions": ["v2", "v7"], "givens": ["", ""]}
    wanted["clip_ids"] = clip_ids
    found = named(catalog.snapshot(), "missing_features", wanted)
    return [(r["clip_id"], r["camera_id"], r["view"]) for r in found.to_pylist()]


ALL_MISSING = [
    (clip_id, camera_id, view)
    for clip_id, camera_id in (("c3", "cam0"), ("c1", "cam01"), ("c2", "cam01"), ("c2", "cam02"))
    for view in ("flow", "sound")
]
