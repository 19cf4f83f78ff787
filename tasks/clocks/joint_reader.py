"""The worker that reads the joints of who is in one recording, for its session's clock.

Decodes a few seconds, small; writes nothing. Runs in a Ray worker and does not know it; the
networks are loaded here, never in the driver. Needs the asset `blazepose`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.clocks.joint_curves import LEAST_S, Seen
from tasks.decode import probe, sample
from tasks.pose.people import PACE, find_people
from tasks.pose.shared import RGB320, loaded_networks

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.decode import Source

# So much of each recording is read, at most so often: 360 pictures, 110 MB.
READ_NS, FINEST_NS = 6 * SECOND_NS, SECOND_NS // 60
# Joints are looked for so often and interpolated between, as extraction does within a clip.
LOOK_NS = SECOND_NS // 15


@dataclass(frozen=True, slots=True)
class JointWork:
    """One recording to read: from its start, every `step_ns` of its own clock."""

    recording_id: str
    source: Source
    start_pts: int
    duration_ns: int
    step_ns: int
    assets: Path


def read_joints(work: JointWork) -> Seen | None:
    """Return the joints at the steps of the recording's first seconds; None if it is too short.

    So it is if it cannot be read: clocks do without.

    Raises:
        OSError: the storage fails. A clock not found for that would stay so.
    """
    count = int(min(READ_NS, work.duration_ns) // work.step_ns)
    if count * work.step_ns < LEAST_S * SECOND_NS:
        return None
    # A quarter of a step late: a rounded timestamp does not show the frame before.
    times = [k * work.step_ns + work.step_ns // 4 for k in range(count)]
    try:
        picture = probe(work.source).picture
        found = sample(work.source, times, [RGB320], start_pts=work.start_pts)
        shown = [shot.images[RGB320.name] for shot in found for _ in shot.indices]
    except MediaError:
        return None
    pace = replace(PACE, look=max(1, round(LOOK_NS / work.step_ns)))
    size, present = (picture.width, picture.height), np.ones(len(shown), np.bool_)
    people = find_people(np.stack(shown), present, size, loaded_networks(work.assets, 1), pace)
    return Seen(people.joints.astype(np.float64), size)
