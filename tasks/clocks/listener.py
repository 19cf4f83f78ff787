"""The worker that listens to one recording for its session's clock. Reads its sound, no pictures.

Runs in a Ray worker and does not know it; imports no engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from infra.errors import MediaError
from tasks.containers.wanted import Clock
from tasks.decode import loudness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.decode import Source
    from tasks.recordings.loudness import Loudness


@dataclass(frozen=True, slots=True)
class ListenWork:
    """One recording to listen to, on its own clock."""

    recording_id: str
    source: Source
    clock: Clock
    duration_ns: int

    @classmethod
    def of(cls, found: Mapping[str, Any], source: Source) -> Self:
        """Make it of a recording as `members_to_form.sql` gives it."""
        clock = Clock(found["start_pts"], found["time_base_num"], found["time_base_den"])
        return cls(found["recording_id"], source, clock, found["duration_ns"])


def listen_to(work: ListenWork) -> Loudness | None:
    """Return how loud it is; None if it has no sound that can be read: clocks do without.

    Raises:
        OSError: the storage fails. A clock found without the sound would stay for good.
    """
    try:
        return loudness(work.source, work.clock, work.duration_ns)
    except MediaError:
        return None
