"""The last resort for clocks: calibrated cameras that nothing else could synchronise, by joints.

Reads a few seconds of such cameras in workers (`joint_reader.py`); writes nothing. Only where three
or more cameras are calibrated, all of a session's, and the asset `blazepose` is here.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog import ids
from catalog.span import SECOND_NS
from infra.assets import asset_state, pinned_digest
from infra.observability import log_facts
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.joint_clocks import LEAST_CAMERAS, clock_by_joints
from tasks.joint_reader import FINEST_NS, JointWork, read_joints
from tasks.pose.networks import ASSET
from tasks.sync import MeasuredClock, SessionClock
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.settings import Settings
    from tasks.calibration import Calibration
    from tasks.forming import Grouped
    from tasks.ingest_plan import IngestPlan
    from tasks.joint_curves import Seen
    from tasks.run_record import FlowRun
    from tasks.signals import Signals

# Pairs grow with the square of cameras: 120 of them take half a minute of the driver.
MOST_CAMERAS = 16


def joints_digest() -> str:
    """Name what clocks by joints depend on: source and networks, whether they are here or not."""
    source = (source_parts(module) for module in ("tasks.joint_clocks", "tasks.joint_reader"))
    return ids.digest("joints", pinned_digest(ASSET), *chain.from_iterable(source))


def is_ready(settings: Settings) -> bool:
    """Tell whether the networks are here; costs a few stats."""
    return asset_state(settings.assets, ASSET) == "present"


def is_last_resort(clock: SessionClock, calibration: Calibration | None) -> bool:
    """Tell whether a session is one of those that are tried."""
    names = [one.camera_id for one in clock.cameras]
    return (
        clock.status == "unsynchronised"
        and calibration is not None
        and LEAST_CAMERAS <= len(names) <= MOST_CAMERAS
        and len(calibration.matched(names)) == len(names)
    )


def clocks_by_joints(
    tried: Sequence[tuple[Grouped, SessionClock, Calibration]],
    members: Mapping[str, Mapping[str, Any]],
    signals: Mapping[str, Signals],
    plan: IngestPlan,
    run: FlowRun,
) -> list[SessionClock]:
    """Return the clocks of sessions, as given where joints do not tell them either.

    `members` are the listing's rows by name.
    """
    steps = [_step_ns(session, signals) for session, _, _ in tried]
    work = [
        JointWork(
            found["recording_id"],
            plan.source(members[member]),
            found["start_pts"],
            found["duration_ns"],
            step_ns,
            run.settings.assets,
        )
        for (session, _, _), step_ns in zip(tried, steps, strict=True)
        for _, member, found in session.parts
    ]
    seen = _seen(work, run) if work else {}
    return [
        _clock(session, clock, calibration, step_ns, seen, run.settings)
        for (session, clock, calibration), step_ns in zip(tried, steps, strict=True)
    ]


def _step_ns(session: Grouped, signals: Mapping[str, Signals]) -> int:
    """Return the step of the slowest camera's frames."""
    times = [signals[found["recording_id"]].times_ns for _, _, found in session.parts]
    slowest = max((int(np.median(np.diff(one))) for one in times if len(one) > 1), default=0)
    return max(FINEST_NS, slowest)


def _seen(work: Sequence[JointWork], run: FlowRun) -> dict[tuple[str, int], Seen]:
    connect(run.settings)
    outcomes = map_isolated(
        read_joints, work, timeout_s=run.settings.scan_timeout_s, concurrency=run.settings.cpus
    )
    found = {}
    for outcome in outcomes:
        if not isinstance(outcome, Finished):
            log_facts("joints_not_read", recording_id=outcome.item.recording_id, why=outcome.reason)
        elif outcome.result is not None:
            found[outcome.item.recording_id, outcome.item.step_ns] = outcome.result
    return found


def _clock(
    session: Grouped,
    clock: SessionClock,
    calibration: Calibration,
    step_ns: int,
    seen: Mapping[tuple[str, int], Seen],
    settings: Settings,
) -> SessionClock:
    """Return one session's clock, in the order of its cameras."""
    names = [camera for camera, _, _ in session.parts]
    joints = [seen.get((found["recording_id"], step_ns)) for _, _, found in session.parts]
    known = [one for one in joints if one is not None]
    if len(known) < len(names):
        return clock
    models = calibration.matched(names)
    found = clock_by_joints(
        [models[name] for name in names],
        known,
        step_ns / SECOND_NS,
        settings.sync_max_offset_ns / SECOND_NS,
    )
    sure = float(found.confidence.min())
    log_facts("clock_by_joints", session=session.name, confidence=round(sure, 3))
    if sure < settings.sync_min_confidence:
        return clock
    offsets_ns = np.round((found.offsets_s - found.offsets_s.min()) * SECOND_NS).astype(np.int64)
    clocks = tuple(
        MeasuredClock(name, int(offset), 0, float(confidence), "joints")
        for name, offset, confidence in zip(names, offsets_ns, found.confidence, strict=True)
    )
    return SessionClock(clocks, "measured")
