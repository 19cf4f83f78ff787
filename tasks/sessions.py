"""Forms sessions of an archive's recordings, gives them a split, and cuts them into clips.

Reads the catalog; writes the tables `sessions`, `shots`, `clips`, and last of all `files`: a run
that is killed before that finds its files unfinished and does the rest.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import rows
from catalog.schemas.clips import CLIPS
from catalog.schemas.files import FILES
from catalog.schemas.sessions import SESSIONS
from catalog.schemas.shots import SHOTS
from catalog.span import Span
from tasks.clips import Take, cut_clips
from tasks.layout import Place, places
from tasks.shots import shots
from tasks.splits import assign_splits

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot
    from tasks.recordings import Listing
    from tasks.run_record import FlowRun


@task(cache_policy=NO_CACHE, persist_result=False)
def form_sessions(listing: Listing, run: FlowRun) -> None:
    """Bring sessions, shots, clips and the record of files up to what the archive is now."""
    snapshot = run.catalog.snapshot()
    recordings = _recordings_of(listing, snapshot)
    primary, duplicates = _primary_members(listing, recordings)
    members = _session_members(primary, recordings)
    takes = {name: _takes(parts) for name, parts in members.items()}
    session_ids = {name: _session_id(parts) for name, parts in takes.items()}
    held = {row["session_id"] for row in rows(snapshot, "known_sessions", {})}
    new = {name for name, session_id in session_ids.items() if session_id not in held}
    clips = _commit_sessions(listing.uri, new, takes, session_ids, members, snapshot, run)
    session_of = {
        member: session_ids[name] for name, parts in members.items() for _, member, _ in parts
    }
    _commit_files(listing, primary, recordings, session_of, run)
    run.ledger.extra |= {
        "recordings": sum(len(found) for found in recordings.values()),
        "sessions": len(set(session_ids.values())),
        "clips": clips,
        "duplicates": len(duplicates),
    }


def _recordings_of(listing: Listing, snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """Return `{file_id: its recordings}` for every file of the listing that has any."""
    wanted = set(listing.file_ids.values())
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(snapshot, "recordings_for_sessions", {"file_ids": sorted(wanted)}):
        found[row["file_id"]].append(row)
    return found


def _primary_members(
    listing: Listing, recordings: dict[str, list[dict[str, Any]]]
) -> tuple[dict[str, str], set[str]]:
    """Return `{member: file_id}` with one member for each content, and the other members.

    A member that already stood for its content goes on doing so; else the first by name.
    """
    before = {k.file_id: k.member for k in listing.known.values() if k.status == "present"}
    chosen: dict[str, str] = {}
    for member, file_id in sorted(listing.file_ids.items()):
        if file_id not in recordings:
            continue
        if before.get(file_id) == member or file_id not in chosen:
            chosen[file_id] = member
    primary = {member: file_id for file_id, member in chosen.items()}
    duplicates = {
        member
        for member, file_id in listing.file_ids.items()
        if file_id in recordings and member not in primary
    }
    return primary, duplicates


def _session_members(
    primary: dict[str, str], recordings: dict[str, list[dict[str, Any]]]
) -> dict[str, list[tuple[Place, str, dict[str, Any]]]]:
    """Return `{session name: [(place, member, recording)]}`; more streams are more cameras."""
    found: dict[str, list[tuple[Place, str, dict[str, Any]]]] = defaultdict(list)
    for member, place in places(sorted(primary)).items():
        for row in recordings[primary[member]]:
            camera = place.camera if row["stream"] == 0 else f"{place.camera}.{row['stream']}"
            found[place.session].append((Place(place.session, camera), member, row))
    return found


def _takes(parts: list[tuple[Place, str, dict[str, Any]]]) -> list[Take]:
    # Clocks are taken as equal until they are measured: see `clock_status`.
    return [
        Take(
            camera=place.camera,
            recording_id=row["recording_id"],
            offset_ns=0,
            duration_ns=row["duration_ns"],
            cuts_ns=tuple(row["cuts_ns"]),
            bad_spans=tuple(Span(bad["start_ns"], bad["end_ns"]) for bad in row["bad_spans"]),
        )
        for place, _, row in sorted(parts, key=lambda part: part[0].camera)
    ]


def _session_id(takes: list[Take]) -> str:
    return ids.session_id([(take.camera, take.recording_id, take.offset_ns) for take in takes])


def _commit_sessions(
    uri: str,
    new: set[str],
    takes: dict[str, list[Take]],
    session_ids: dict[str, str],
    members: dict[str, list[tuple[Place, str, dict[str, Any]]]],
    snapshot: Snapshot,
    run: FlowRun,
) -> int:
    """Commit what is new and return how many clips the archive's sessions have in all."""
    settings = run.settings
    hashes = {
        session_ids[name]: [np.frombuffer(row["hashes"], "<u8") for _, _, row in members[name]]
        for name in new
    }
    known: dict[str, list[Any]] = {}
    groups: dict[str, tuple[str, str]] = {}
    if new:
        for row in rows(snapshot, "session_hashes", {}):
            known[row["session_id"]] = [np.frombuffer(one, "<u8") for one in row["hashes"]]
            groups[row["session_id"]] = (row["group_id"], row["split"])
    splits = assign_splits(hashes, known, groups, settings.heldout_fraction)
    session_rows: list[dict[str, Any]] = []
    shot_rows: list[dict[str, Any]] = []
    clip_rows: list[dict[str, Any]] = []
    total = 0
    for name in sorted(takes):
        session_id, parts = session_ids[name], takes[name]
        clips = cut_clips(parts, settings.clip_max_ns, settings.clip_min_ns)
        total += len(clips)
        if name not in new:
            continue
        group_id, split = splits[session_id]
        stamp = {"session_id": session_id, "flow_run_id": run.flow_run_id}
        session_rows.append(
            stamp
            | {
                "archive_uri": uri,
                "name": name,
                "cameras": [
                    {
                        "camera_id": take.camera,
                        "recording_id": take.recording_id,
                        "offset_ns": take.offset_ns,
                        "drift_ppm": None,
                    }
                    for take in parts
                ],
                "duration_ns": max(take.offset_ns + take.duration_ns for take in parts),
                "group_id": group_id,
                "split": split,
                "clock_status": "sole" if len(parts) == 1 else "assumed",
            }
        )
        shot_rows += [
            stamp
            | {
                "camera_id": take.camera,
                "recording_id": take.recording_id,
                "start_ns": shot.start_ns + take.offset_ns,
                "end_ns": shot.end_ns + take.offset_ns,
                "kind": "cut" if shot.end_ns in take.cuts_ns else "end",
            }
            for take in parts
            for shot in shots(take.duration_ns, list(take.cuts_ns), list(take.bad_spans))
        ]
        clip_rows += [
            stamp
            | {
                "clip_id": ids.clip_id(session_id, clip.span),
                "start_ns": clip.span.start_ns,
                "end_ns": clip.span.end_ns,
                "cameras": list(clip.cameras),
                "split": split,
                "shot_index": clip.shot_index,
            }
            for clip in clips
        ]
    # Sessions last: a session whose clips were not committed yet is formed again.
    run.catalog.commit(CLIPS, clip_rows)
    run.catalog.commit(SHOTS, shot_rows)
    run.catalog.commit(SESSIONS, session_rows)
    return total


def _commit_files(
    listing: Listing,
    primary: dict[str, str],
    recordings: dict[str, list[dict[str, Any]]],
    session_of: dict[str, str],
    run: FlowRun,
) -> None:
    """Record what each member is now, where that differs from before, and count the outcomes."""
    stamp = {
        "archive_uri": listing.uri,
        "seen_ns": time.time_ns(),
        "flow_run_id": run.flow_run_id,
    }
    changed = []
    for member, entry in sorted(listing.entries.items()):
        if member in listing.unread:
            continue
        held = [row["recording_id"] for row in recordings.get(listing.file_ids[member], [])]
        status = ("present" if member in primary else "duplicate") if held else "quarantined"
        session_id = session_of.get(member)
        before = listing.known.get(member)
        fresh = not listing.unchanged(entry)
        if status == "quarantined":
            run.ledger.quarantined += 1
        elif fresh:
            run.ledger.done += 1
        else:
            run.ledger.cached += 1
        if fresh or before is None or (before.status, before.session_id) != (status, session_id):
            changed.append(
                stamp
                | {
                    "member": member,
                    "size_bytes": entry.size_bytes,
                    "mtime_ns": entry.mtime_ns,
                    "file_id": listing.file_ids[member],
                    "recordings": held,
                    "session_id": session_id,
                    "status": status,
                }
            )
    changed += [
        stamp
        | {
            "member": known.member,
            "size_bytes": known.size_bytes,
            "mtime_ns": known.mtime_ns,
            "file_id": known.file_id,
            "recordings": [],
            "session_id": None,
            "status": "gone",
        }
        for known in listing.gone
    ]
    run.catalog.commit(FILES, changed)
