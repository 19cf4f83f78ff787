"""Ids are functions of content: the same on every machine, different for different content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from catalog.ids import clip_id, digest, file_id, generation_id, recording_id, session_id
from catalog.span import Span

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(max_size=6)
CLOCK = (st.integers(-(2**62), 2**62), st.integers(-(10**6), 10**6))
MEMBERS = st.dictionaries(TEXT, st.tuples(TEXT, *CLOCK), min_size=1)


def test_digest_is_the_same_on_every_machine() -> None:
    """The digest of known parts is a known value: catalogs outlive machines and versions."""
    canonical = '["clip","abc",0,2000000000]'
    assert digest("clip", "abc", 0, 2_000_000_000) == blake3(canonical.encode()).hexdigest()[:32]


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_no_two_lists_of_strings_share_a_digest(one: list[str], other: list[str]) -> None:
    """No character acts as a separator: only equal lists of parts give equal digests."""
    assert (digest(*one) == digest(*other)) == (one == other)


def test_parts_of_different_types_differ() -> None:
    """1, "1", True, None and nested lists are different parts."""
    parts: list[object] = [1, "1", True, "true", None, "null", [1], [[1]], ["1"], {"1": 1}]
    assert len({digest(part) for part in parts}) == len(parts)


def test_order_of_a_mapping_does_not_matter() -> None:
    """Parameters in another order are the same parameters."""
    assert digest({"a": 1, "b": [2]}) == digest({"b": (2,), "a": 1})


@pytest.mark.parametrize("part", [1.0, float("nan"), np.float32(1), b"x", {1: 2}, {"a": [0.5]}])
def test_floats_and_unknown_types_are_refused(part: object) -> None:
    """A float's text depends on how it was computed, so no id is made of one."""
    with pytest.raises(TypeError, match="an id takes"):
        digest(part)


def test_numpy_integers_count_as_integers() -> None:
    """A time that came out of an array names the same clip as a plain integer."""
    assert digest(np.int64(7)) == digest(7)


def test_file_id_is_the_hash_of_the_bytes_wherever_they_lie(tmp_path: Path) -> None:
    """A file, a copy of it and the same bytes inside an archive have one id: b3sum's prefix."""
    content = np.random.default_rng(0).bytes(5_000_000)
    (tmp_path / "a.mp4").write_bytes(content)
    (tmp_path / "b.mkv").write_bytes(content)
    (tmp_path / "archive.tar").write_bytes(b"head" + content + b"tail")
    inside = file_id(tmp_path / "archive.tar", offset=4, size=len(content))
    expected = blake3(content).hexdigest()[:32]
    assert {file_id(tmp_path / "a.mp4"), file_id(str(tmp_path / "b.mkv")), inside} == {expected}


def test_a_member_that_ends_early_has_no_id(tmp_path: Path) -> None:
    """An archive cut short raises rather than naming a part as if it were the whole."""
    (tmp_path / "archive.tar").write_bytes(b"0123456789")
    with pytest.raises(OSError, match="ended 6 bytes before byte 16"):
        file_id(tmp_path / "archive.tar", offset=4, size=12)


def test_an_empty_file_has_an_id(tmp_path: Path) -> None:
    """No bytes are content too: quarantine names an empty file."""
    (tmp_path / "empty.mp4").touch()
    assert file_id(tmp_path / "empty.mp4") == blake3(b"").hexdigest()[:32]


def test_streams_of_one_file_are_different_recordings() -> None:
    """The first stream bears the file's id; others are named apart."""
    assert recording_id("abc") == "abc"
    assert len({recording_id("abc", stream) for stream in range(4)}) == 4


@given(MEMBERS, st.randoms())
def test_a_session_does_not_depend_on_the_order_of_its_cameras(
    members: dict[str, tuple[str, int, int]], random: object
) -> None:
    """Cameras listed in any order are the same session."""
    listed = [(camera, *rest) for camera, rest in members.items()]
    shuffled = list(listed)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own Random
    assert session_id(listed) == session_id(shuffled)


@given(MEMBERS, MEMBERS)
def test_other_members_make_another_session(
    one: dict[str, tuple[str, int, int]], other: dict[str, tuple[str, int, int]]
) -> None:
    """Another camera, recording or clock is another session, whatever the names contain."""
    ids = [session_id((camera, *rest) for camera, rest in each.items()) for each in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)


@pytest.mark.parametrize("members", [[], [("cam1", "a", 0, 0), ("cam1", "b", 0, 0)]])
def test_a_session_has_one_recording_a_camera(members: list[tuple[str, str, int, int]]) -> None:
    """No members, or two for one camera, are not a session."""
    with pytest.raises(ValueError, match="one recording a camera"):
        session_id(members)


def test_kinds_of_ids_never_meet() -> None:
    """A clip and a generation of equal parts have different ids, and each part counts."""
    span, shifted = Span(0, 10), Span(1, 10)
    made = [
        generation_id("superresolution", "weights", "clip", "cam1", at, parameters={"scale": scale})
        for at in (span, shifted)
        for scale in (2, 4)
    ]
    ids = [*made, clip_id("s", span), clip_id("s", shifted), clip_id("t", span)]
    assert len(set(ids)) == len(ids)
