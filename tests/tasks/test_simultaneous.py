"""Recordings are joined by time where it can be read in one way only."""

from __future__ import annotations

from tasks.sessions.forming import Grouped
from tasks.sessions.simultaneous import join_simultaneous

SECOND = 10**9
REACH = 60 * SECOND


def single(member: str, start_s: float | None, length_s: float = 100) -> Grouped:
    """Return a session of one recording that claims to have run then."""
    created = None if start_s is None else int(start_s * SECOND)
    facts = {"recording_id": member, "created_ns": created, "duration_ns": int(length_s * SECOND)}
    return Grouped(member.rpartition(".")[0], (("cam0", member, facts),))


def joined(*sessions: Grouped) -> list[list[str]]:
    """Return the members of every session of several cameras, whatever order they come in."""
    found = join_simultaneous(sessions, REACH)
    assert join_simultaneous(sessions[::-1], REACH) == found
    assert sorted(part for one in found for part in one.parts if part[0] == "cam0") == sorted(
        one.parts[0] for one in sessions if one in found
    )
    assert sum(len(one.parts) for one in found) == len(sessions)
    return [[member for _, member, _ in one.parts] for one in found if len(one.parts) > 1]


def test_cameras_of_other_folders_that_ran_together_are_one_session() -> None:
    """Three that began within seconds are; one of the same hour, or without a time, is not."""
    together = [single("a/1.mp4", 0), single("b/7.mp4", 3), single("c/x.mp4", 1, 120)]
    apart = [single("d/2.mp4", 200), single("e/3.mp4", None)]
    assert joined(*together, *apart) == [["a/1.mp4", "b/7.mp4", "c/x.mp4"]]
    (session,) = join_simultaneous(together, REACH)
    assert [camera for camera, _, _ in session.parts] == ["a", "b", "c"]
    assert session.name == "a/1"


def test_a_little_overlap_or_a_late_start_joins_nothing() -> None:
    """Half of the longer must be shared, and the clock search must reach from one to the other."""
    assert joined(single("a/1.mp4", 0), single("b/1.mp4", 51)) == []
    assert joined(single("a/1.mp4", 0), single("b/1.mp4", 1, 49)) == []
    assert joined(single("a/1.mp4", 0, 1000), single("b/1.mp4", 61, 939)) == []
    assert joined(single("a/1.mp4", 0, 1000), single("b/1.mp4", 59, 941)) != []


def test_one_camera_is_never_joined_with_itself() -> None:
    """Files of one folder are not, though they claim one time; cameras named apart are."""
    assert joined(single("a/1.mp4", 0), single("a/2.mp4", 0)) == []
    named = [single("a/x_cam1.mp4", 0), single("a/y_cam2.mp4", 0)]
    assert joined(*named) == [["a/x_cam1.mp4", "a/y_cam2.mp4"]]
    (session,) = join_simultaneous(named, REACH)
    assert [camera for camera, _, _ in session.parts] == ["cam1", "cam2"]


def test_times_that_are_those_of_an_export_join_nothing() -> None:
    """A camera that claims two recordings at once has no times, nor is its partner guessed."""
    export = [single(f"a/{k}.mp4", 0) for k in range(3)]
    assert joined(*export, single("b/1.mp4", 0)) == []
    assert joined(*export, *[single(f"b/{k}.mp4", 0) for k in range(3)]) == []
    # Others in the same second are told apart from it.
    assert joined(*export, single("b/1.mp4", 0), single("c/1.mp4", 0)) == [["b/1.mp4", "c/1.mp4"]]


def test_what_could_belong_to_two_is_left_alone() -> None:
    """A runs with B and B with C, but A not with C: no pair of them is chosen."""
    chain = [single("a/1.mp4", 0), single("b/1.mp4", 40), single("c/1.mp4", 80)]
    assert joined(*chain) == []
