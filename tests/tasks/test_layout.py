"""How member paths become sessions and cameras."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sessions.layout import SOLE_CAMERA, Hint, Place, places


def test_cameras_of_one_folder_share_a_session() -> None:
    """Four files named after cameras are one session of four cameras."""
    found = places([f"take_1/cam0{k}.mp4" for k in range(1, 5)])
    assert set(found.values()) == {Place("take_1", f"cam0{k}") for k in range(1, 5)}


@pytest.mark.parametrize(
    ("members", "session"),
    [
        (["a/videos/cam01.mp4", "a/videos/cam02.mp4"], "a"),
        (["rig/cam_0.mp4", "rig/cam_1.mp4"], "rig"),
        (["cam0_test.mp4", "cam1_test.mp4"], "test"),
        (["s/walk-camera1.mkv", "s/walk-camera2.mkv"], "s/walk"),
        (["x/GoPro1.mp4", "x/gopro2.mp4"], "x"),
    ],
)
def test_usual_ways_to_name_cameras_are_understood(members: list[str], session: str) -> None:
    """Folders that only say `videos`, prefixes and suffixes do not split a session."""
    assert {place.session for place in places(members).values()} == {session}


def test_takes_in_one_folder_are_told_apart() -> None:
    """What surrounds the camera's name tells the takes of one folder apart."""
    members = [f"d/run{t}_cam{c}.mp4" for t in (1, 2) for c in (1, 2)]
    found = places(members)
    assert found["d/run1_cam1.mp4"].session == found["d/run1_cam2.mp4"].session
    assert found["d/run1_cam1.mp4"].session != found["d/run2_cam1.mp4"].session


def test_a_file_named_after_nothing_is_a_session_alone() -> None:
    """A single clip is its own session, with the one camera it has."""
    assert places(["clips/bikes.mp4"]) == {"clips/bikes.mp4": Place("clips/bikes", SOLE_CAMERA)}


def test_one_camera_is_not_a_rig() -> None:
    """A lone `cam01.mp4` is no multi-camera session."""
    assert places(["a/cam01.mp4"])["a/cam01.mp4"] == Place("a/cam01", SOLE_CAMERA)


def test_two_files_of_one_camera_do_not_hide_each_other() -> None:
    """`cam01.mp4` and `cam01.mkv` cannot both be camera 1: each stands alone, none is lost."""
    found = places(["a/cam01.mp4", "a/cam01.mkv", "a/cam02.mp4"])
    assert found["a/cam02.mp4"] == Place("a", "cam02")
    assert found["a/cam01.mp4"].camera == found["a/cam01.mkv"].camera == SOLE_CAMERA
    assert found["a/cam01.mp4"].session != found["a/cam01.mkv"].session


def test_what_a_manifest_says_goes_before_the_layout() -> None:
    """Files of two folders are one session, as the cameras the manifest names or their own."""
    members = ["left/GX010042.mp4", "right/cam7.mp4", "right/cam8.mp4", "right/cam9.mp4"]
    hints = {members[0]: Hint("derby", "goal"), members[1]: Hint("derby")}
    found = places(members, hints)
    assert found[members[0]] == Place("derby", "goal")
    assert found[members[1]] == Place("derby", "cam7")
    assert found[members[2]] == Place("right", "cam8")


def test_a_manifest_may_name_the_camera_alone() -> None:
    """Files whose names say nothing are cameras of their folder's session if they are told so."""
    hints = {f"take/{name}.mp4": Hint(camera=f"c{k}") for k, name in enumerate(("door", "yard"))}
    found = places(list(hints), hints)
    assert set(found.values()) == {Place("take", "c0"), Place("take", "c1")}


def test_a_manifest_may_say_that_a_session_has_one_camera() -> None:
    """A told session keeps its name and camera though it is alone."""
    hints = {"a/x.mp4": Hint("interview", "close")}
    assert places(["a/x.mp4"], hints) == {"a/x.mp4": Place("interview", "close")}


def test_a_told_session_does_not_swallow_a_file_of_its_name() -> None:
    """A file alone is not drawn into a session that a manifest happened to call like it."""
    hints = {"a/x.mp4": Hint("b/y", SOLE_CAMERA)}
    found = places(["a/x.mp4", "b/y.mp4"], hints)
    assert found["a/x.mp4"] != found["b/y.mp4"]


@given(
    st.lists(st.from_regex(r"([a-z]{1,3}/){0,2}(cam[0-9]|[a-z]{1,4})\.(mp4|mkv)", fullmatch=True))
)
def test_every_member_has_exactly_one_place(members: list[str]) -> None:
    """No member is lost, and no two members are the same camera of the same session."""
    members = sorted(set(members))
    found = places(members)
    assert set(found) == set(members)
    assert len(found) == len(set(found.values()))
