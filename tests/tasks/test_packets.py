"""The plan never leaves out what a wanted frame is predicted from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.containers.packets import (
    Nature,
    PacketFacts,
    is_hollow,
    leans_back,
    nal_length_size,
    nature_of,
    select,
)

KEY = Nature(clean=True, resets=True)


@dataclass(frozen=True)
class Coded:
    """One packet of an imagined stream, and which frames (by pts) it is predicted from."""

    facts: PacketFacts
    sources: frozenset[int]


@st.composite
def streams(draw: st.DrawFn) -> list[list[Coded]]:
    """Three groups as a lawful encoder makes them, open or closed, declared leading or not."""
    groups: list[list[Coded]] = []
    declared = draw(st.booleans())
    for number in range(3):
        start = 1000 * number + 500
        key_resets = declared or draw(st.booleans()) or number == 0
        nature = KEY._replace(resets=key_resets)
        group = [Coded(PacketFacts(start, nature), frozenset())]
        before = [
            c.facts
            for c in (groups[-1] if groups else [])
            if c.facts.nature.is_reference and c.facts.pts >= 1000 * number - 500
        ]
        leading: list[PacketFacts] = []
        leads = draw(st.integers(0, 4)) if number else 0
        for k in range(leads):
            reference = draw(st.booleans())
            layer = draw(st.integers(0, 1))
            pool = [group[0].facts, *before, *[f for f in leading if f.nature.is_reference]]
            lead = PacketFacts(
                start - 10 * leads + 10 * k - 1,
                Nature(
                    clean=False,
                    resets=False,
                    is_reference=reference,
                    layer=layer if not reference else 0,
                    leading=declared,
                ),
            )
            group.append(Coded(lead, _some(draw, pool)))
            leading.append(lead)
        trailing = [group[0].facts]
        if not declared:
            trailing += [f for f in leading if f.nature.is_reference]
        for k in range(draw(st.integers(0, 8))):
            reference = draw(st.booleans())
            nature = Nature(clean=False, resets=False, is_reference=reference)
            facts = PacketFacts(start + 10 * (k + 1) + draw(st.integers(0, 8)), nature)
            group.append(Coded(facts, _some(draw, trailing)))
            if reference:
                trailing.append(facts)
        groups.append(group)
    return groups


def _some(draw: st.DrawFn, pool: list[PacketFacts]) -> frozenset[int]:
    return frozenset(f.pts for f in draw(st.lists(st.sampled_from(pool), max_size=3)))


@given(streams(), st.data())
def test_whatever_is_wanted_everything_it_needs_is_kept(
    groups: list[list[Coded]], data: st.DataObject
) -> None:
    """Decoding only the kept packets gives every wanted frame whole."""
    every = [coded.facts.pts for group in groups for coded in group]
    wanted = data.draw(st.sets(st.sampled_from(every)))
    kept: list[Coded] = []
    whole = False
    for group in reversed(groups):
        facts = [coded.facts for coded in group]
        chosen = select(facts, wanted, whole=whole)
        kept = [group[at] for at in chosen] + kept
        # Going on past a group whose frames are not wanted costs its references: as walking does.
        whole = leans_back(facts, wanted) and bool(wanted & {f.pts for f in facts} or whole)
    decoded: set[int] = set()
    for coded in kept:
        if coded.sources <= decoded:
            decoded.add(coded.facts.pts)
    assert wanted <= decoded


def test_what_nobody_needs_is_left_out() -> None:
    """Unwanted frames nobody refers to, and the tail after the last wanted one, are dropped."""
    b = Nature(clean=False, resets=False, is_reference=False)
    p = Nature(clean=False, resets=False)
    group = [PacketFacts(pts, n) for pts, n in ((0, KEY), (40, p), (10, b), (20, b), (80, p))]
    assert select(group, {20}, whole=False) == [0, 1, 3]
    assert select(group, set(), whole=False) == []
    assert select(group, set(), whole=True) == [0, 1, 4]


def test_a_higher_sub_layer_may_refer_to_a_sub_layer_non_reference_picture() -> None:
    """A non-reference picture is kept while a higher temporal layer stands in its group."""
    low = Nature(clean=False, resets=False, is_reference=False, layer=0)
    high = Nature(clean=False, resets=False, is_reference=False, layer=1)
    group = [PacketFacts(0, KEY), PacketFacts(20, low), PacketFacts(10, high)]
    assert select(group, {10}, whole=False) == [0, 1, 2]


def test_declared_leading_pictures_are_dropped_when_nobody_wants_them() -> None:
    """In HEVC no frame after the keyframe needs them, so neither do we, nor the group before."""
    lead = Nature(clean=False, resets=False, leading=True)
    p = Nature(clean=False, resets=False)
    group = [PacketFacts(100, KEY), PacketFacts(80, lead), PacketFacts(90, lead)]
    group.append(PacketFacts(120, p))
    assert select(group, {120}, whole=False) == [0, 3]
    assert select(group, {80, 120}, whole=False) == [0, 1, 3]
    assert not leans_back(group, {120})
    assert leans_back(group, {80})


def test_a_keyframe_that_does_not_reset_leans_on_the_group_before() -> None:
    """A gap in frame numbers before it would make the decoder invent references."""
    key = Nature(clean=True, resets=False)
    assert leans_back([PacketFacts(100, key)], {100})
    assert not leans_back([PacketFacts(100, KEY)], {100})


def nal(*units: bytes) -> bytes:
    """Join NAL units, each after its length in four bytes."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ((b"\x65slice",), KEY),
        ((b"\x41slice",), Nature(clean=False, resets=False)),
        ((b"\x01slice",), Nature(clean=False, resets=False, is_reference=False)),
        # Two fields in one packet: the second is a reference.
        ((b"\x01slice", b"\x21slice"), Nature(clean=False, resets=False)),
        # A recovery point after 0 frames starts cleanly but does not reset; after 3 it does not.
        ((b"\x06\x06\x01\xc4\x80", b"\x41slice"), Nature(clean=True, resets=False)),
        ((b"\x06\x06\x01\x24\x80", b"\x41slice"), Nature(clean=False, resets=False)),
        ((b"\x06\x05\x02ab\x80",), Nature(clean=False, resets=False)),
    ],
)
def test_h264_packets_say_what_they_are(units: tuple[bytes, ...], expected: Nature) -> None:
    """The nature is read from NAL units, by length or by start code, alike."""
    assert nature_of("h264", nal(*units), 4, key=True) == expected
    coded = b"".join(b"\x00\x00\x01" + unit for unit in units)
    assert nature_of("h264", coded, 0, key=True) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (19, KEY),
        (21, KEY),
        (1, Nature(clean=False, resets=False, layer=1)),
        (0, Nature(clean=False, resets=False, is_reference=False, layer=1)),
        (8, Nature(clean=False, resets=False, is_reference=False, layer=1, leading=True)),
        (9, Nature(clean=False, resets=False, layer=1, leading=True)),
    ],
)
def test_hevc_packets_say_what_they_are(kind: int, expected: Nature) -> None:
    """The first picture NAL unit tells type and temporal layer; parameter sets are passed over."""
    layer = expected.layer + 1
    data = nal(bytes([40 << 1, 1]) + b"parameters", bytes([kind << 1, layer]) + b"slice")
    assert nature_of("hevc", data, 4, key=True) == expected


def test_other_codecs_say_what_they_can() -> None:
    """MPEG-4 tells its B pictures, VP8 its hidden frames; of the rest the tail alone is dropped."""
    vop = b"\x00\x00\x01\xb6"
    assert not nature_of("mpeg4", vop + b"\x80rest", 0, key=False).is_reference
    assert nature_of("mpeg4", vop + b"\x40rest", 0, key=False).is_reference
    assert nature_of("mpeg4", vop + b"\x80x" + vop + b"\x80", 0, key=False).is_reference
    assert not nature_of("vp8", b"\x01", 0, key=False).is_shown
    assert nature_of("vp9", b"\x82", 0, key=True) == KEY


@given(st.sampled_from(["h264", "hevc", "vp8", "vp9", "av1", "mpeg4"]), st.binary(max_size=64))
def test_damaged_packets_have_a_nature_too(codec: str, data: bytes) -> None:
    """No bytes make the reading fail, whatever way of parting the units is believed."""
    for length_size in (0, 1, 2, 4):
        nature_of(codec, data, length_size, key=True)


def test_the_length_size_comes_from_the_decoder_record() -> None:
    """The records avcC and hvcC say how long a length is; without them there are start codes."""
    assert nal_length_size("h264", b"\x01\x64\x00\x1f\xff\xe1") == 4
    assert nal_length_size("h264", b"\x01\x64\x00\x1f\xfd\xe1") == 2
    assert nal_length_size("hevc", b"\x01" + b"\x00" * 20 + b"\x03") == 4
    assert nal_length_size("h264", b"\x00\x00\x00\x01") == 0
    assert nal_length_size("h264", None) == 0


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4"])
def test_a_hole_of_zeros_is_seen_where_no_encoder_leaves_one(codec: str) -> None:
    """32 zeros in a row are a hole; 31 are not, nor are zeros between units with start codes."""
    assert is_hollow(codec, b"\x01" + bytes(32) + b"\x01", 4)
    assert not is_hollow(codec, b"\x01" + bytes(31) + b"\x01", 4)
    assert is_hollow(codec, bytes(40), 0) == (codec not in ("h264", "hevc"))
    assert not is_hollow("ffv1", bytes(40), 0)
