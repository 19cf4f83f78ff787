"""Says why the code of a clip is current or not: what its key is made of, and what changed.

Reads the catalog, the registry and our own source; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.query import rows
from catalog.store import Catalog
from infra import registry
from infra.errors import UsageError
from tasks.codes.coding import coding_by
from tasks.codes.refining import base_of
from tasks.codes.serving import PARTS
from tasks.distiller.presets import MODEL_NAME
from tasks.extraction.plan import asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.settings import Settings

CODE = "code"


def explain_code(settings: Settings, clip_id: str) -> dict[str, Any]:
    """Return `current`, `reason` and `key` of the champion's code of one clip.

    Raises:
        NoChampionError: no distiller has been promoted.
        UsageError: no such clip.
    """
    snapshot = Catalog(settings.catalog).snapshot()
    model = registry.champion(settings, MODEL_NAME)
    coding = coding_by(model, snapshot, settings)
    version = coding.version
    clips = rows(snapshot, "explain_code_clip", {"clip_id": clip_id, "version": version})
    if not clips:
        raise UsageError(f"There is no clip {clip_id!r}.", command="stillhouse show clips")
    (clip,) = clips
    there = rows(snapshot, "explain_codes", {"clip_id": clip_id, "model": model.name})
    mine = [r for r in there if (r["version"], r["given"]) == (version, clip["given"])]
    current = clip["given"] is not None and bool(mine)
    if clip["given"] is None:
        reason = "the clip is of an earlier cutting, or its files are gone: nothing is due"
    elif mine:
        serves = "" if mine[0]["serves"] else _instead(there, version, clip["given"])
        reason = f"{mine[0]['windows']} windows encoded by {model.uri}{serves}"
    elif clip["refusals"]:
        reason = f"refused, {'; '.join(clip['refusals'])}"
    else:
        names = {"model": model.name, "version": version}
        wanted = names | asked(dict(coding.views), [clip_id])
        lacking = any(row["is_lacking"] for row in rows(snapshot, "code_state", wanted))
        reason = _why_missing(there, coding.parts, clip["given"])
        if lacking or not coding.views:
            reason += "; it waits for features: stillhouse extract"
    key = {
        "clip_id": clip_id,
        "model": model.uri,
        "version": version,
        "given": clip["given"],
        **coding.parts,
        "cameras": clip["cameras"],
        "codes": [f"{r['version']} by version {r['model_version']}" for r in there],
    }
    return {"current": current, "reason": reason, "key": key}


def _instead(there: list[dict[str, Any]], version: str, given: str) -> str:
    """Say what serves in the place of a code that is there: what it was refined to, or another."""
    for row in there:
        refined = {"windows": row["cut"]}
        if row["serves"] and row["given"] == given and base_of(refined) == version:
            how = row["cut"].split(", refined by ")[1].rsplit(", of ")[0]
            return f"; refined by {how}, and so it serves as {row['version']}"
    return "; it serves when a reindex has ended"


def _why_missing(there: list[dict[str, Any]], parts: Mapping[str, str], given: str) -> str:
    """Name what changed since the version that differs least."""
    wanted = {"cut" if name == "windows" else name: (name, value) for name, value in parts.items()}
    changes = [
        [PARTS[name] for column, (name, value) in wanted.items() if row[column] != value]
        + (["cameras, labels or calibration"] if row["given"] != given else [])
        for row in there
        if row["views"] is not None
    ]
    if changes:
        names = min((len(names), names) for names in changes)[1]
        return f"stale, since then changed: {', '.join(names)}"
    return "stale, of a version that never served" if there else "never encoded"
