"""What ties the cameras of a session together: one clock, and their calibration if there is one.

Reads signals, sound and calibration files, and where those do not tell, joints; writes nothing. A
clock that was found for the same cameras and recordings before is taken from the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from catalog import ids
from catalog.query import rows
from infra.observability import log_facts
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.clocks.by_joints import clocks_by_joints, is_last_resort, is_ready, joints_digest
from tasks.clocks.listener import ListenWork, listen_to
from tasks.clocks.sync import CameraTrack, MeasuredClock, SessionClock, align
from tasks.rigs.calibration import Calibration
from tasks.rigs.calibration_search import calibration_beside
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.settings import Settings
    from tasks.ingest.plan import IngestPlan
    from tasks.ingest.signals import Signals
    from tasks.recordings.loudness import Loudness
    from tasks.runs.record import FlowRun
    from tasks.sessions.forming import Grouped


@dataclass(frozen=True, slots=True)
class Rig:
    """The clock of a session, its cameras in order of name, and its calibration if known."""

    clock: SessionClock
    calibration: Calibration | None = None


def clocking_digest(settings: Settings) -> str:
    """Name what clocks are found by: settings and source, joints' too.

    Not whether the networks are here: a clock that was measured stands without them, one that was
    not is tried by joints again whenever its session is formed, as it is when they are fetched.
    """
    limits = (settings.sync_max_offset_ns, str(settings.sync_min_confidence))
    return ids.digest("clocking", *limits, joints_digest(), *source_parts("tasks.clocks.sync"))


def find_rigs(
    sessions: Sequence[Grouped],
    members: Mapping[str, Mapping[str, Any]],
    signals: Mapping[str, Signals],
    plan: IngestPlan,
    run: FlowRun,
) -> list[Rig]:
    """Return the rig of each session; `members` are the listing's rows by name."""
    known = _known(sessions, plan, run)
    fresh = [one for one in sessions if len(one.parts) > 1 and one.identity not in known]
    sounds = _sounds(fresh, members, plan, run)
    rigs = [
        known[one.identity] if one.identity in known else _found(one, signals, sounds, plan, run)
        for one in sessions
    ]
    return _last_resort(sessions, rigs, members, signals, plan, run)


def _last_resort(
    sessions: Sequence[Grouped],
    rigs: list[Rig],
    members: Mapping[str, Mapping[str, Any]],
    signals: Mapping[str, Signals],
    plan: IngestPlan,
    run: FlowRun,
) -> list[Rig]:
    """Return the rigs with clocks by joints, where nothing else told them and joints do."""
    tried = {
        k: (session, rig.clock, rig.calibration)
        for k, (session, rig) in enumerate(zip(sessions, rigs, strict=True))
        if rig.calibration is not None and is_last_resort(rig.clock, rig.calibration)
    }
    if tried and is_ready(run.settings):
        clocks = clocks_by_joints(list(tried.values()), members, signals, plan, run)
        for k, clock in zip(tried, clocks, strict=True):
            rigs[k] = Rig(clock, rigs[k].calibration)
    return rigs


def _found(
    session: Grouped,
    signals: Mapping[str, Signals],
    sounds: Mapping[str, Loudness],
    plan: IngestPlan,
    run: FlowRun,
) -> Rig:
    cameras = [camera for camera, _, _ in session.parts]
    calibration: Calibration | None = None
    if len(cameras) > 1:
        folders = {member for _, member, _ in session.parts}
        calibration = calibration_beside(plan.listing.uri, folders, cameras)
    tracks = [
        CameraTrack(
            camera_id=camera,
            signals=signals[found["recording_id"]],
            duration_ns=found["duration_ns"],
            loudness=sounds.get(found["recording_id"]),
        )
        for camera, _, found in session.parts
    ]
    clock = align(
        tracks,
        calibration=calibration,
        max_offset_ns=run.settings.sync_max_offset_ns,
        min_confidence=run.settings.sync_min_confidence,
    )
    return Rig(clock, calibration)


def _known(
    sessions: Sequence[Grouped], plan: IngestPlan, run: FlowRun
) -> dict[frozenset[tuple[str, str]], Rig]:
    """Return the rigs that the catalog has for these cameras and recordings."""
    wanted = [found["recording_id"] for one in sessions for _, _, found in one.parts]
    asked = {"recording_ids": wanted, "clocking": plan.clocking}
    found: dict[frozenset[tuple[str, str]], Rig] = {}
    for row in rows(run.catalog.snapshot(), "session_clocks", asked):
        cameras = sorted(row["cameras"], key=lambda camera: str(camera["camera_id"]))
        identity = frozenset((one["camera_id"], one["recording_id"]) for one in cameras)
        clocks = tuple(
            MeasuredClock(
                one["camera_id"],
                one["offset_ns"],
                one["drift_ppb"] or 0,
                one["clock_confidence"] or 0.0,
                "assumed",
            )
            for one in cameras
        )
        stored = row["calibration"]
        calibration = None if stored is None else Calibration.from_json(stored)
        rig = Rig(SessionClock(clocks, row["clock_status"]), calibration)
        # What joints told of late stands beside what could not be told before.
        if identity not in found or rig.clock.status == "measured":
            found[identity] = rig
    return found


def _sounds(
    sessions: Sequence[Grouped],
    members: Mapping[str, Mapping[str, Any]],
    plan: IngestPlan,
    run: FlowRun,
) -> dict[str, Loudness]:
    """Listen to the sessions of which at least two cameras have sound, each in its own process."""
    heard: list[list[tuple[str, Mapping[str, Any]]]] = []
    for one in sessions:
        loud = [(member, found) for _, member, found in one.parts if found["has_audio"]]
        heard += [loud] if len(loud) > 1 else []
    work = [
        ListenWork.of(found, plan.source(members[member]))
        for member, found in chain.from_iterable(heard)
    ]
    if not work:
        return {}
    connect(run.settings)
    outcomes = map_isolated(
        listen_to, work, timeout_s=run.settings.scan_timeout_s, concurrency=run.settings.cpus
    )
    found = {}
    for outcome in outcomes:
        if not isinstance(outcome, Finished):
            log_facts("not_heard", recording_id=outcome.item.recording_id, why=outcome.reason)
        elif outcome.result is not None:
            found[outcome.item.recording_id] = outcome.result
    return found
