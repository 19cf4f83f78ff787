"""Edit lists: what is read of them, and that whatever cannot be cut is refused by name."""

from __future__ import annotations

import json
from typing import Any

import opentimelineio as otio
import pytest
from editing_sources import otio_clip, otio_join, otio_list, seconds
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import EditListInvalidError
from tasks.editing.edit_list import MAX_BYTES, parse_edit_list


def test_clips_gaps_and_sessions_are_read() -> None:
    """Names are quoted as in URLs, ranges are on the session clock, a gap shows nothing."""
    gap = otio.schema.Gap(
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(25, 25)
        )
    )
    found = parse_edit_list(
        otio_list([otio_clip("stillhouse:a%2Fb/cam01", 1, 2), gap, otio_clip("stillhouse:c", 5, 1)])
    )
    first, second = found.shots
    assert (first.session, first.camera, first.session_span) == ("a/b", "cam01", seconds(1, 3))
    assert (second.session, second.camera, second.session_span) == ("c", None, seconds(5, 6))
    assert second.span == seconds(3, 4)
    assert found.duration_ns == seconds(0, 4).end_ns


def test_a_broadcast_rate_is_what_it_means() -> None:
    """1001 frames at 29.97 are 33.4 s and 1/30000 of it is not lost."""
    clip = otio_clip("stillhouse:a", 0, 1)
    clip.source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 29.97), otio.opentime.RationalTime(30_000, 29.97)
    )
    assert parse_edit_list(otio_list([clip])).duration_ns == 1001 * 10**9


def _effect(clip: otio.schema.Clip) -> otio.schema.Clip:
    clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    return clip


A, B = otio_clip("stillhouse:a", 1, 2, "first"), otio_clip("stillhouse:a", 4, 2, "second")


def _copies(*items: Any) -> list[Any]:  # noqa: ANN401
    return [item.deepcopy() for item in items]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([otio_clip("stillhouse:a", -1, 2, "x")], r"entry 1 'x': begins at -1.000 s"),
        ([otio_clip("stillhouse:a", 0, 0)], "entry 1: lasts 0.000 s"),
        ([otio_clip("stillhouse:a", 0, -3)], "lasts -3.000 s"),
        ([otio_clip("stillhouse:a", 0, 1e8)], "over six hours"),
        ([otio_clip("file:///etc/passwd", 0, 1)], "refers to 'file:///etc/passwd'"),
        ([otio_clip("stillhouse:a/b/c", 0, 1)], "quote '/'"),
        ([otio_clip("stillhouse:", 0, 1)], "is not 'stillhouse:SESSION"),
        ([otio.schema.Clip("lost")], "entry 1 'lost': refers to no media"),
        ([_effect(otio_clip("stillhouse:a", 0, 1))], "has effects"),
        ([otio.schema.Stack()], "is a Stack"),
        ([A, otio_join("Star_Wipe", 0.1, 0.1), B], "'Star_Wipe'; known are"),
        ([A, otio_join("fade", -0.1, 0.1), B], "negative"),
        ([A, otio_join("fade", 0, 0), B], "no length"),
        ([A, otio_join("fade", 3, 0.1), B], "longer than what it stands beside"),
        ([A, otio_join("dissolve", 0.1, 0.1)], "one side only"),
        ([A, otio_join("fade", 0.1, 0.1), otio_join("fade", 0.1, 0.1), B], "another transition"),
        (
            [B, otio_join("dissolve", 1.5, 0.1), otio_clip("stillhouse:a", 1, 4)],
            "footage before the start",
        ),
        (
            [A, otio_join("fade", 0.1, 1.5), B, otio_join("fade", 1.5, 0.1), A],
            "shorter than the transitions",
        ),
        ([], "shows nothing"),
    ],
)
def test_an_entry_that_cannot_be_cut_is_refused_by_name(items: list[Any], said: str) -> None:
    """Nothing that a list asks for is left out without a word."""
    with pytest.raises(EditListInvalidError, match=said):
        parse_edit_list(otio_list(_copies(*items)))


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"mix": "kaleidoscope"}, "'kaleidoscope'; known are"),
        ({"mix": "weighted", "weights": [1.0]}, "needs 2 weights"),
        ({"mix": "weighted", "weights": [1.0, -1.0]}, "needs 2 weights"),
        ({"mix": "weighted", "weights": [0.0, 0.0]}, "needs 2 weights"),
        ({"mix": "weighted", "weights": ["a", 1.0]}, "needs 2 weights"),
    ],
)
def test_a_mix_that_is_not_known_is_refused(ours: dict[str, Any], said: str) -> None:
    """Weights are one a track, none negative, not all nothing."""
    with pytest.raises(EditListInvalidError, match=said):
        parse_edit_list(otio_list(_copies(A), _copies(B), **ours))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"OTIO_SCHEMA": "Timeline.1", "tracks": 5}',
        b'{"OTIO_SCHEMA": "Nonsense.9"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b" " * (MAX_BYTES + 1),
        otio_list([A.deepcopy()]).replace(b"1000.0", b"Infinity"),
        otio_list([A.deepcopy()]).replace(b"1000.0", b"1e999"),
        otio_list([A.deepcopy()]).replace(b"1000.0", b"0.0"),
    ],
)
def test_what_is_no_edit_list_is_refused(raw: bytes) -> None:
    """Whatever the bytes: one typed error, no crash of the library below."""
    with pytest.raises(EditListInvalidError, match="Edit list: "):
        parse_edit_list(raw)


def test_a_track_of_sound_is_refused() -> None:
    """Sound comes with its picture; a list that says otherwise is not obeyed by half."""
    raw = otio_list(_copies(A)).replace(b'"kind": "Video"', b'"kind": "Audio"')
    with pytest.raises(EditListInvalidError, match="track 1: is of kind 'Audio'"):
        parse_edit_list(raw)


_SOUND_LIST = json.loads(otio_list(_copies(A, otio_join("dissolve", 0.1, 0.1), B)))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=3,
)


def _places(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    inner = found.items() if isinstance(found, dict) else enumerate(found)
    paths = []
    for key, value in inner:
        paths.append((*path, key))
        if isinstance(value, dict | list):
            paths += _places(value, (*path, key))
    return paths


@given(place=st.sampled_from(_places(_SOUND_LIST)), value=_JSON)
@settings(max_examples=300, deadline=None)
def test_any_value_anywhere_gives_a_list_or_a_typed_error(
    place: tuple[Any, ...],
    value: Any,  # noqa: ANN401
) -> None:
    """A list of which one value was replaced by anything is read, or refused in one sentence."""
    made = json.loads(json.dumps(_SOUND_LIST))
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        found = parse_edit_list(json.dumps(made).encode())
    except EditListInvalidError:
        return
    assert found.duration_ns > 0
    assert all(shot.span.duration_ns > 0 for shot in found.shots)
