"""Which packets a decoder must see so that the wanted frames come out bit-identical.

Pure: reads packet bytes and timestamps, opens nothing, writes nothing. A *group* is the run of
packets from one place where decoding may start (a clean keyframe) up to the next. Dropping what
no wanted frame needs makes sampling at 2 frames/s 1.3-2 x faster than decoding everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

# Containers whose packets carry a pts each, one frame a packet, and an exact index of keyframes.
PLANNED_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
# Codecs for which a test proves the plan equal to plain decoding; all others decode everything.
PLANNED_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "prores"})

_H264_SLICES, _H264_IDR, _H264_SEI = frozenset({1, 2, 3, 4, 5}), 5, 6
_SEI_RECOVERY_POINT = 6
_HEVC_LEADING, _HEVC_IRAP, _HEVC_VCL = range(6, 10), range(16, 24), range(32)
# Codecs that escape runs of zeros or code arithmetically.
_NEVER_HOLLOW = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4"})
_HOLE = bytes(32)
_MPEG4_VOP = b"\x00\x00\x01\xb6"


class Nature(NamedTuple):
    """What a packet's own bytes say about it.

    `clean`: every frame shown at or after it decodes when decoding starts here. `resets`: nothing
    before it can disturb it, so the previous group's tail may be dropped. `is_reference`: others
    may be predicted from it. `layer`: temporal sub-layer. `leading`: declared as shown before its
    keyframe, and never a reference of frames shown after that. `is_shown`: gives a frame.
    """

    clean: bool
    resets: bool
    is_reference: bool = True
    layer: int = 0
    leading: bool = False
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class PacketFacts:
    """One packet of a group: its presentation time in ticks, and its nature."""

    pts: int
    nature: Nature


def select(group: Sequence[PacketFacts], wanted: AbstractSet[int], *, whole: bool) -> list[int]:
    """Return which packets of a group to decode, as ascending positions.

    `group` is in decoding order and starts with its keyframe; `wanted` holds the pts of the frames
    to get; `whole` says that the next group is predicted from this one (see `leans_back`), which
    keeps every reference to the end. Otherwise decoding stops at the last wanted packet. On the
    way there a packet is left out if nobody refers to it and nobody wants it.
    """
    key_pts = group[0].pts
    last = last_leading = -1
    for at, packet in enumerate(group):
        if packet.pts in wanted:
            last = at
            if packet.nature.leading and packet.pts < key_pts:
                last_leading = at
    if whole:
        last = len(group) - 1
    # A sub-layer non-reference picture may still be referred to by a higher sub-layer.
    top = max(packet.nature.layer for packet in group)
    kept = []
    for at, packet in enumerate(group[: last + 1]):
        nature = packet.nature
        is_leading = nature.leading and packet.pts < key_pts
        if is_leading and at > last_leading:
            continue
        if packet.pts in wanted or nature.is_reference or nature.layer < top:
            kept.append(at)
    return kept


def leans_back(group: Sequence[PacketFacts], wanted: AbstractSet[int]) -> bool:
    """Tell whether decoding this group needs the previous one to its end.

    The open-GOP rule: so it is if a packet that will be kept is shown before the group's keyframe
    (without it 4 of 6 HEVC cases broke), or if the keyframe does not reset the decoder: a gap in
    H.264's frame numbers before a plain I picture makes the decoder invent references.
    `wanted` need only know of frames shown before the keyframe.
    """
    key = group[0]
    if not key.nature.resets:
        return True
    return any(
        packet.pts < key.pts
        and (packet.pts in wanted or (packet.nature.is_reference and not packet.nature.leading))
        for packet in group
    )


def nal_length_size(codec: str, extradata: bytes | None) -> int:
    """Return how many bytes give a NAL unit's length; 0 where start codes part the units."""
    if extradata and extradata[0] == 1:
        if codec == "h264" and len(extradata) > 4:
            return (extradata[4] & 3) + 1
        if codec == "hevc" and len(extradata) > 21:
            return (extradata[21] & 3) + 1
    return 0


def nature_of(codec: str, data: bytes | memoryview, length_size: int, *, key: bool) -> Nature:
    """Read a packet's nature from its first bytes (about 2 us); `key` is the container's word.

    `packet.is_disposable` is not to be trusted (mp4 does not carry it), nor is the container's
    keyframe flag for H.264, where an intra-refresh recovery point is flagged too.
    """
    if codec == "h264":
        return _h264(data, length_size, key=key)
    if codec == "hevc":
        return _hevc(data, length_size, key=key)
    if codec == "vp8" and len(data) > 0:
        return Nature(key, key, is_shown=bool(data[0] & 0x10))
    if codec == "mpeg4":
        return _mpeg4(bytes(data), key=key)
    return Nature(key, key)


def is_hollow(codec: str, data: bytes | memoryview, length_size: int) -> bool:
    """Tell whether a packet has a hole: so many zeros in a row as its codec never writes (4 us).

    Unwritten blocks of a broken download or a lost disk read as zeros, and arithmetic decoders go
    through them without a word. Where start codes part the units, zeros may lie between them.
    """
    if codec not in _NEVER_HOLLOW or (codec in ("h264", "hevc") and not length_size):
        return False
    return _HOLE in bytes(data)


def _h264(data: bytes | memoryview, length_size: int, *, key: bool) -> Nature:
    idr = reference = recovery = seen = False
    for start, end in _nal_units(data, length_size):
        kind = data[start] & 31
        if kind == _H264_SEI and key and not seen:
            recovery = recovery or _recovers_at_once(data, start + 1, end)
        elif kind in _H264_SLICES:
            # Every slice counts: of two fields in one packet the second may be the reference.
            seen = True
            reference = reference or bool(data[start] >> 5 & 3)
            idr = idr or kind == _H264_IDR
    return Nature(idr or (key and recovery), idr, is_reference=reference or not seen)


def _hevc(data: bytes | memoryview, length_size: int, *, key: bool) -> Nature:
    for start, end in _nal_units(data, length_size):
        kind = data[start] >> 1 & 63
        if kind not in _HEVC_VCL or end - start < 2:
            continue
        irap = kind in _HEVC_IRAP
        # Even types below 16 are sub-layer non-reference pictures.
        return Nature(
            irap,
            irap,
            is_reference=kind >= 16 or kind % 2 == 1,
            layer=max(0, (data[start + 1] & 7) - 1),
            leading=kind in _HEVC_LEADING,
        )
    return Nature(key, key)


def _mpeg4(data: bytes, *, key: bool) -> Nature:
    at = data.find(_MPEG4_VOP)
    if at < 0 or at + 4 >= len(data) or data.find(_MPEG4_VOP, at + 4) >= 0:
        # No picture, or two packed into one: nothing can be said of it.
        return Nature(key, key, is_shown=at >= 0)
    return Nature(key, key, is_reference=data[at + 4] >> 6 != 2)  # 2: a B picture


def _nal_units(data: bytes | memoryview, length_size: int) -> Iterator[tuple[int, int]]:
    """Yield where each NAL unit starts and ends (exclusive); damage ends the walk."""
    size = len(data)
    if length_size:
        at = 0
        while at + length_size < size:
            start = at + length_size
            at = start + int.from_bytes(data[at:start], "big")
            if at > start:
                yield start, min(at, size)
        return
    raw = bytes(data)
    at = raw.find(b"\x00\x00\x01")
    while 0 <= at < size - 3:
        following = raw.find(b"\x00\x00\x01", at + 3)
        yield at + 3, following if following >= 0 else size
        at = following


def _recovers_at_once(data: bytes | memoryview, at: int, end: int) -> bool:
    """Tell whether an H.264 SEI unit says that every frame from here on decodes."""
    while at + 2 < end:
        kind = size = 0
        while at < end and data[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + data[at], at + 1
        while at < end and data[at] == 255:
            size, at = size + 255, at + 1
        if at + 1 >= end:
            return False
        size, at = size + data[at], at + 1
        if kind == _SEI_RECOVERY_POINT:
            # recovery_frame_cnt is ue(v): a leading one bit is zero frames to wait.
            return bool(data[at] & 0x80)
        at += size
    return False
