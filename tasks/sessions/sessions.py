"""Forms sessions of an archive's recordings, gives them a split, and cuts them into clips.

Reads the catalog; writes the tables `clips`, `shots`, `sessions`, and last of all `files`: a run
that is killed before that finds its files unfinished and does the rest. Only places where a file
came, went or changed are formed, or all of them when what forms them changed; no media is opened.
"""

from __future__ import annotations

import json
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.schemas.clips import CLIPS
from catalog.schemas.files import FILES
from catalog.schemas.labels import LABELS
from catalog.schemas.sessions import SESSIONS
from catalog.schemas.shots import SHOTS
from infra.observability import progress
from tasks.ingest.signals import Signals
from tasks.rigs.rig import find_rigs
from tasks.sessions.forming import Formed, Grouped, form, group_place
from tasks.sessions.simultaneous import join_simultaneous
from tasks.sessions.splitting import split_sessions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from tasks.ingest.plan import IngestPlan
    from tasks.runs.record import FlowRun

Member = dict[str, Any]
COUNTED = ("recordings", "sessions", "clips", "duplicates", "near_duplicates")
# What a listing says of a member and `files` keeps.
MEMBER = ("member", "size_bytes", "mtime_ns", "byte_offset", "packed")


@task(cache_policy=NO_CACHE, persist_result=False)
def form_sessions(plan: IngestPlan, fingerprints: pa.Table, run: FlowRun) -> None:
    """Bring sessions, shots, clips and the record of files up to what the archive is now.

    `fingerprints` are (member, file_id) of the files that were read.
    """
    if not plan.is_idle:
        some = plan.counts["fresh"] + plan.counts["to_form"]
        with (
            plan.listing.compare(run.catalog.snapshot(), plan.refusing) as found,
            progress("form sessions", some, "files") as bar,
        ):
            run.catalog.commit(FILES, [_gone(known, plan, run) for known in found.gone()])
            by_time = run.settings.group_by_time
            for page in found.to_form(fingerprints, plan.forming, group_by_time=by_time):
                _form_page(page, plan, run)
                bar.advance(len(page))
    counted = rows(run.catalog.snapshot(), "archive_counts", {"archive_uri": plan.listing.uri})
    none = dict.fromkeys(COUNTED, 0)
    run.ledger.extra |= counted[0] if counted else none


def _form_page(page: list[Member], plan: IngestPlan, run: FlowRun) -> None:
    """Form the sessions of some places and commit them, then the record of their files."""
    signals = _signals(page, run)
    sessions: list[Grouped] = []
    for _, rows_of_block in groupby(page, key=lambda row: row["block"]):
        found: list[Grouped] = []
        for _, members in groupby(rows_of_block, key=lambda row: row["place"]):
            found += group_place(list(members))
        if run.settings.group_by_time:
            found = join_simultaneous(found, run.settings.sync_max_offset_ns)
        sessions += found
    rigs = find_rigs(sessions, {row["member"]: row for row in page}, signals, plan, run)
    formed = [
        form(one, rig, signals, run.settings) for one, rig in zip(sessions, rigs, strict=True)
    ]
    _commit_sessions(formed, plan, run)
    session_of = {name: one.session_id for one in formed for name in one.members}
    _commit_files(page, session_of, plan, run)


def _signals(page: Iterable[Member], run: FlowRun) -> Mapping[str, Signals]:
    wanted = [
        found["recording_id"] for row in page if row["is_primary"] for found in row["recordings"]
    ]
    found = rows(run.catalog.snapshot(), "recording_signals", {"recording_ids": wanted})
    return {row["recording_id"]: Signals.unpack(row["signals"]) for row in found}


def _commit_sessions(formed: list[Formed], plan: IngestPlan, run: FlowRun) -> None:
    splits = split_sessions(formed, run)
    stamp = {"forming": plan.forming, "flow_run_id": run.flow_run_id}
    clip_rows, shot_rows, session_rows = [], [], []
    for one in formed:
        group_id, split = splits[one.session_id]
        clip_rows += [row | stamp | {"split": split} for row in one.clip_rows()]
        shot_rows += [row | stamp for row in one.shot_rows()]
        session_rows.append(
            one.session_row()
            | {
                "archive_uri": plan.listing.uri,
                "group_id": group_id,
                "split": split,
                "clocking": plan.clocking,
                "flow_run_id": run.flow_run_id,
            }
        )
    # Sessions last: a session whose clips were not committed yet is formed again.
    run.catalog.commit(CLIPS, clip_rows)
    run.catalog.commit(SHOTS, shot_rows)
    run.catalog.commit(SESSIONS, session_rows)


def _commit_files(
    page: list[Member], session_of: Mapping[str, str], plan: IngestPlan, run: FlowRun
) -> None:
    """Record what each member is now, where that differs from before, and count the outcomes."""
    changed, labels = [], []
    for row in page:
        held = [found["recording_id"] for found in row["recordings"]]
        status = ("present" if row["is_primary"] else "duplicate") if held else "quarantined"
        now = {
            "status": status,
            "session_id": session_of.get(row["member"]),
            "forming": plan.forming,
            "place": row["place"],
            "hint": row["hint"],
        }
        if row["is_fresh"]:
            run.ledger.done += status != "quarantined"
            run.ledger.quarantined += status == "quarantined"
        elif now == _before(row):
            continue
        changed.append(
            _sighting(plan, run)
            | now
            | {name: row[name] for name in MEMBER}
            | {"file_id": row["file_id"], "recordings": held}
        )
        said = json.loads(row["hint"] or "{}").get("labels")
        if said is not None:
            stamp = {"archive_uri": plan.listing.uri, "flow_run_id": run.flow_run_id}
            labels += [stamp | {"recording_id": one, "label": said} for one in held]
    run.catalog.commit(LABELS, labels)
    run.catalog.commit(FILES, changed)


def _before(row: Member) -> dict[str, Any]:
    names = {name: name for name in ("status", "session_id", "forming")}
    names |= {name: f"known_{name}" for name in ("place", "hint")}
    return {name: row[column] for name, column in names.items()}


def _gone(known: Member, plan: IngestPlan, run: FlowRun) -> dict[str, Any]:
    return _sighting(plan, run) | {
        "member": known["member"],
        "size_bytes": known["known_size_bytes"],
        "mtime_ns": known["known_mtime_ns"],
        "file_id": known["file_id"],
        "place": known["known_place"],
        "recordings": [],
        "status": "gone",
    }


def _sighting(plan: IngestPlan, run: FlowRun) -> dict[str, Any]:
    return {
        "archive_uri": plan.listing.uri,
        # Clocks of two machines may disagree: what is seen later stands later.
        "seen_ns": max(time.time_ns(), plan.seen_ns + 1),
        "flow_run_id": run.flow_run_id,
    }
