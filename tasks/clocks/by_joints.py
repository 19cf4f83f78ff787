"""The last resort for clocks: calibrated cameras that nothing else could synchronise, by joints.

Reads a few seconds of such cameras in workers (`joint_reader.py`), which search too (7 s for four
cameras that see two people for 6 s); writes nothing. Only where all of a session's cameras, three
or more, are calibrated, and the asset `blazepose` is here.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from catalog import ids
from catalog.span import SECOND_NS
from infra.assets import asset_state, pinned_digest
from infra.observability import log_facts
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.clocks.joint_clocks import LEAST_CAMERAS, ClockWork, tell_clock
from tasks.clocks.joint_reader import FINEST_NS, JointWork, read_joints
from tasks.clocks.sync import MeasuredClock, SessionClock
from tasks.pose.networks import ASSET
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from infra.settings import Settings
    from tasks.clocks.joint_clocks import JointClock
    from tasks.ingest.plan import IngestPlan
    from tasks.ingest.signals import Signals
    from tasks.rigs.calibration import Calibration
    from tasks.runs.record import FlowRun
    from tasks.sessions.forming import Grouped

T = TypeVar("T")
R = TypeVar("R")

# Pairs grow with the square of cameras: 28 of them take half a minute of a worker.
MOST_CAMERAS = 8


def joints_digest() -> str:
    """Name what clocks by joints depend on: source and networks, whether they are here or not."""
    source = (
        source_parts(module)
        for module in ("tasks.clocks.joint_clocks", "tasks.clocks.joint_reader")
    )
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
    if not work:
        return []
    connect(run.settings)
    read = _results(read_joints, work, run, "joints_not_read")
    seen = {(one.recording_id, one.step_ns): joints for one, joints in read if joints is not None}
    sessions = []
    for number, ((session, _, calibration), step_ns) in enumerate(zip(tried, steps, strict=True)):
        keys = [(found["recording_id"], step_ns) for _, _, found in session.parts]
        if all(key in seen for key in keys):
            models = calibration.matched(camera for camera, _, _ in session.parts)
            sessions.append(
                ClockWork(
                    number,
                    tuple(models[camera] for camera, _, _ in session.parts),
                    tuple(seen[key] for key in keys),
                    step_ns / SECOND_NS,
                    run.settings.sync_max_offset_ns / SECOND_NS,
                )
            )
    clocks = [clock for _, clock, _ in tried]
    for one, found in _results(tell_clock, sessions, run, "clock_not_told"):
        clocks[one.number] = _clock(tried[one.number][0], clocks[one.number], found, run.settings)
    return clocks


def _results(
    function: Callable[[T], R], work: Sequence[T], run: FlowRun, lost: str
) -> Iterator[tuple[T, R]]:
    """Yield each item with what a worker made of it; what a worker died of is left out."""
    outcomes = map_isolated(
        function, work, timeout_s=run.settings.scan_timeout_s, concurrency=run.settings.cpus
    )
    for outcome in outcomes:
        if isinstance(outcome, Finished):
            yield outcome.item, outcome.result
        else:
            log_facts(lost, why=outcome.reason)


def _step_ns(session: Grouped, signals: Mapping[str, Signals]) -> int:
    """Return the step of the slowest camera's frames."""
    times = [signals[found["recording_id"]].times_ns for _, _, found in session.parts]
    slowest = max((int(np.median(np.diff(one))) for one in times if len(one) > 1), default=0)
    return max(FINEST_NS, slowest)


def _clock(
    session: Grouped, clock: SessionClock, found: JointClock, settings: Settings
) -> SessionClock:
    """Return one session's clock, in the order of its cameras; as it was if joints are not sure."""
    sure = float(found.confidence.min())
    log_facts("clock_by_joints", session=session.name, confidence=round(sure, 3))
    if sure < settings.sync_min_confidence:
        return clock
    offsets_ns = np.round((found.offsets_s - found.offsets_s.min()) * SECOND_NS).astype(np.int64)
    clocks = tuple(
        MeasuredClock(camera, int(offset), 0, float(confidence), "joints")
        for (camera, _, _), offset, confidence in zip(
            session.parts, offsets_ns, found.confidence, strict=True
        )
    )
    return SessionClock(clocks, "measured")
