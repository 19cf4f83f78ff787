"""Says why a feature or a file is current or not: what its key is made of, and what changed.

Reads the catalog and our own source; writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.query import rows
from catalog.store import Catalog
from infra.errors import UsageError
from tasks.ingest.plan import forming_digest, refusing_digest
from tasks.views.catalogue import view_named
from tasks.views.current import current_parts
from tasks.views.version import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.settings import Settings

PARTS = ("parameters", "source", "weights", "decoder")
COMPUTED = "computed"


def explain_feature(settings: Settings, clip_id: str, view: str) -> dict[str, Any]:
    """Return `current`, `reason` and `key` of one view of one clip, over all its cameras.

    Raises:
        UnknownViewError: no such view.
        UsageError: no such clip.
    """
    parts, kind = current_parts(view, settings), view_named(view).spec.given
    version = version_of(parts)
    snapshot = Catalog(settings.catalog).snapshot()
    asked = {"clip_id": clip_id, "view": view}
    clips = rows(snapshot, "explain_clip", asked | {"version": version, "given": kind})
    if not clips:
        raise UsageError(f"There is no clip {clip_id!r}.", command="stillhouse show clips")
    (clip,) = clips
    there = rows(snapshot, "explain_feature", asked)
    given = {row["camera_id"]: row["given"] for row in clip["givens"] or []}
    refused = {
        camera: f"refused, {row['reason']}: {row['detail']}"
        for row in clip["refusals"] or []
        for camera in ([row["camera_id"]] if row["camera_id"] else clip["cameras"])
    }
    cameras = {
        camera: _computed([r for r in there if r["camera_id"] == camera], version, given[camera])
        or refused.get(camera)
        or _why_missing([row for row in there if row["camera_id"] == camera], parts)
        for camera in clip["cameras"]
        if given.get(camera) is not None
    }
    current = clip["is_current"] and all(said.startswith(COMPUTED) for said in cameras.values())
    if not clip["is_current"]:
        reason = "the clip is of an earlier cutting, or its files are gone: nothing is due"
    elif not cameras:
        reason = "its session is not calibrated: nothing is due"
    elif current:
        reason = "computed under the current version through every camera"
    else:
        late = {cam: said for cam, said in cameras.items() if not said.startswith(COMPUTED)}
        reason = "; ".join(f"{camera}: {said}" for camera, said in late.items())
    key = {"clip_id": clip_id, "view": view, "version": version, **parts, "cameras": cameras}
    return {"current": current, "reason": reason, "key": key}


def _computed(there: list[dict[str, Any]], version: str, given: str) -> str | None:
    """Return what the feature of the current key says of itself, None if there is none."""
    for row in there:
        if (row["version"], row["given"]) == (version, given):
            return f"{COMPUTED}: absent, {row['absent']}" if row["absent"] else COMPUTED
    return None


def _why_missing(there: list[dict[str, Any]], parts: Mapping[str, str]) -> str:
    """Name what changed since the version that differs least."""
    if any(all(row[name] == parts[name] for name in PARTS) for row in there):
        return "stale, since then changed: labels or calibration"
    changes = [
        [name for name in PARTS if row[name] != parts[name]]
        for row in there
        if row["parameters"] is not None
    ]
    if changes:
        names = min((len(names), names) for names in changes)[1]
        return f"stale, since then changed: {', '.join(names)}"
    return "stale, of a version not on record" if there else "never computed"


def explain_file(settings: Settings, path: str) -> dict[str, Any]:
    """Return `current`, `reason` and `key` of a member of an archive, as last seen.

    `path` is the member as the catalog names it, or a path that leads there.

    Raises:
        UsageError: the catalog knows no such file.
    """
    snapshot = Catalog(settings.catalog).snapshot()
    found = rows(snapshot, "explain_file", {"path": path})
    found = found or rows(snapshot, "explain_file", {"path": str(Path(path).resolve())})
    if not found:
        raise UsageError(
            f"The catalog knows no clip and no file {path!r}.", command="stillhouse show files"
        )
    (row,) = found
    refusals = row.pop("refusals") or []
    forming, refusing = forming_digest(settings), refusing_digest(settings)
    current, reason = _file_state(row, refusals, forming, refusing)
    return {"current": current, "reason": reason, "key": row | {"refusing": refusing}}


def _file_state(
    row: Mapping[str, Any], refusals: list[dict[str, Any]], forming: str, refusing: str
) -> tuple[bool, str]:
    said = "; ".join(f"{one['reason']}: {one['detail']}" for one in refusals)
    if row["status"] == "quarantined":
        if any(one["version"] == refusing for one in refusals):
            return True, f"refused, {said}"
        return (
            False,
            f"refused under other limits or another decoder, due again ({said})",
        )
    local = Path(row["archive_uri"]) / row["member"]
    if Path(row["archive_uri"]).is_dir():
        if not local.exists():
            return False, "the file is gone since it was last seen"
        now = local.stat()
        if (now.st_size, now.st_mtime_ns) != (row["size_bytes"], row["mtime_ns"]):
            return False, "size or time of change differ from when it was last read"
    if row["forming"] != forming:
        return False, "its session and clips are to be formed again: settings or source changed"
    what = "a copy of another file" if row["status"] == "duplicate" else "known and unchanged"
    return True, f"{what}; {said}" if said else what
