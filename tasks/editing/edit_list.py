"""Edit lists in OpenTimelineIO's JSON (`.otio`, Apache-2.0, Academy Software Foundation).

Reads one file; writes nothing. A clip's media reference names a session and, if wanted, a camera:
`stillhouse:SESSION/CAMERA`, each by name or id and quoted as in URLs; its source range is on the
session clock. Lists are hostile input: bounded before and after the library reads them, and
refused with the entry's name. What a list asks for and cannot be had is refused, never left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from catalog.span import SECOND_NS, Span
from infra.errors import EditListInvalidError
from tasks.editing.timeline import Join, Mix, Piece, Shot, shots_of

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES, MAX_DEPTH = 4 << 20, 32
MAX_TRACKS, MAX_ENTRIES = 8, 2_000
MAX_NS = 6 * 3600 * SECOND_NS
# A rate is at most that of the fastest cameras, and ticks may be finer: nanoseconds.
MAX_RATE = 1e9
SCHEME = "stillhouse:"
OURS = "stillhouse"  # the key of `metadata` that is ours
TRANSITIONS = {"SMPTE_Dissolve": "dissolve", "dissolve": "dissolve", "fade": "fade"}
MIXES = ("over", "side_by_side", "picture_in_picture", "weighted")


@dataclass(frozen=True, slots=True)
class EditList:
    """What is to be shown: the shots of each track, the lowest first, and how tracks are mixed."""

    tracks: tuple[tuple[Shot, ...], ...]
    mix: Mix
    duration_ns: int

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All shots of all tracks."""
        return tuple(shot for track in self.tracks for shot in track)


def read_edit_list(path: Path) -> EditList:
    """Return the edit list of a file.

    Raises:
        EditListInvalidError: it is none, or an entry cannot be cut, naming the entry.
    """
    if path.stat().st_size > MAX_BYTES:
        raise _refused("the file", f"is larger than {MAX_BYTES} bytes")
    return parse_edit_list(path.read_bytes())


def parse_edit_list(raw: bytes) -> EditList:
    """Return the edit list of the bytes of a file (see `read_edit_list`)."""
    import opentimelineio as otio

    text = _bounded(raw)
    try:
        timeline = otio.core.deserialize_json_from_string(text)
    except (ValueError, otio.exceptions.OTIOError) as error:
        raise _refused("the file", f"is no OpenTimelineIO: {str(error)[:200]}") from error
    if not isinstance(timeline, otio.schema.Timeline):
        raise _refused("the file", f"holds a {type(timeline).__name__}, no Timeline")
    tracks = list(timeline.tracks or ())  # a file may say that they are null
    if not 0 < len(tracks) <= MAX_TRACKS:
        raise _refused("the timeline", f"has {len(tracks)} tracks, not 1 to {MAX_TRACKS}")
    made, ends = [], []
    for number, track in enumerate(tracks, start=1):
        shots, end = _track(track, f"track {number}")
        made.append(shots)
        ends.append(end)
    if not any(made):
        raise _refused("the timeline", "shows nothing")
    duration = max(ends)
    if duration > MAX_NS:
        raise _refused("the timeline", f"lasts {duration / SECOND_NS:.0f} s, over six hours")
    return EditList(tuple(made), _mix(timeline.tracks, len(made)), duration)


def _bounded(raw: bytes) -> str:
    """Return the text once it is known that the library's parser can take it."""
    if len(raw) > MAX_BYTES:
        raise _refused("the file", f"is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
        # Its own parser recurses without a limit: depth is looked at first.
        deep = _depth(json.loads(text, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise _refused("the file", f"is not JSON: {str(error)[:120]}") from error
    if deep > MAX_DEPTH:
        raise _refused("the file", f"is nested {deep} deep, over {MAX_DEPTH}")
    return text


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _depth(found: Any) -> int:  # noqa: ANN401  JSON
    """Return how deep lists and objects are nested, without recursion."""
    deepest, level = 0, [found]
    while level:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        deepest, level = deepest + 1, inner
    return deepest


def _track(track: Any, where: str) -> tuple[tuple[Shot, ...], int]:  # noqa: ANN401  of the library
    """Return the shots of a track, and when it ends."""
    import opentimelineio as otio

    if not isinstance(track, otio.schema.Track):
        raise _refused(where, f"is a {type(track).__name__}, no Track")
    if track.kind != otio.schema.TrackKind.Video:
        raise _refused(where, f"is of kind {track.kind!r}: sound comes with its picture")
    if track.source_range is not None or list(track.effects):
        raise _refused(where, "has a range or effects of its own, which are not known")
    if len(track) > MAX_ENTRIES:
        raise _refused(where, f"has {len(track)} entries, over {MAX_ENTRIES}")
    pieces: list[Piece] = []
    joins: list[Join] = []
    for number, item in enumerate(track, start=1):
        name = f"{where}, entry {number}" + (f" {item.name[:60]!r}" if item.name else "")
        if isinstance(item, otio.schema.Transition):
            joins.append(_join(item, len(pieces) - 1, name))
        elif isinstance(item, otio.schema.Gap):
            pieces.append(Piece(name, _range(item, name).duration_ns))
        elif isinstance(item, otio.schema.Clip):
            pieces.append(_piece(item, name))
        else:
            raise _refused(name, f"is a {type(item).__name__}, which is not known")
    _check(pieces, joins)
    return shots_of(pieces, joins), sum(piece.duration_ns for piece in pieces)


def _piece(clip: Any, name: str) -> Piece:  # noqa: ANN401  of the library
    import opentimelineio as otio

    if list(clip.effects):
        raise _refused(name, f"has effects ({clip.effects[0].effect_name!r}), which are not known")
    if not clip.enabled:
        raise _refused(name, "is disabled: take it out, or put a gap in its place")
    media = clip.media_reference
    if not isinstance(media, otio.schema.ExternalReference):
        raise _refused(name, f"refers to no media: '{SCHEME}SESSION/CAMERA' is what is known")
    url = media.target_url
    if not url.startswith(SCHEME):
        raise _refused(name, f"refers to {url[:80]!r}, not to '{SCHEME}SESSION/CAMERA'")
    parts = [unquote(part) for part in url.removeprefix(SCHEME).split("/")]
    if len(parts) > 2 or not all(parts):
        raise _refused(name, f"{url[:80]!r} is not '{SCHEME}SESSION/CAMERA'; quote '/' as %2F")
    span = _range(clip, name)
    camera = parts[1] if len(parts) == 2 else None
    return Piece(name, span.duration_ns, parts[0], camera, span)


def _range(item: Any, name: str) -> Span:  # noqa: ANN401  of the library
    """Return an item's source range in nanoseconds."""
    found = item.source_range
    if found is None:
        raise _refused(name, "has no source range")
    start = _ns(found.start_time, f"{name}: start")
    duration = _ns(found.duration, f"{name}: duration")
    if start < 0:
        raise _refused(name, f"begins at {start / SECOND_NS:.3f} s, before its session does")
    if duration <= 0:
        raise _refused(name, f"lasts {duration / SECOND_NS:.3f} s")
    return Span(start, start + duration)


def _join(item: Any, after: int, name: str) -> Join:  # noqa: ANN401  of the library
    kind = TRANSITIONS.get(item.transition_type)
    if kind is None:
        known = ", ".join(sorted(TRANSITIONS))
        raise _refused(name, f"is a transition {item.transition_type[:40]!r}; known are {known}")
    before, behind = _ns(item.in_offset, f"{name}: in"), _ns(item.out_offset, f"{name}: out")
    if min(before, behind) < 0 or before + behind == 0:
        raise _refused(name, "has no length, or a negative one")
    return Join(name, after, kind, before, behind)  # type: ignore[arg-type]


def _ns(time: Any, name: str) -> int:  # noqa: ANN401  of the library
    """Return a rational time in nanoseconds, rounded to the nearest."""
    if not (math.isfinite(time.value) and 0 < time.rate <= MAX_RATE):
        raise _refused(name, f"{time.value} at a rate of {time.rate} is no time")
    # Rates such as 23.976 stand for 24000/1001: they are binary fractions, taken as written.
    exact = Fraction(time.value) * SECOND_NS / _rate(time.rate)
    if abs(exact) > MAX_NS:
        raise _refused(name, f"{float(exact) / SECOND_NS:.0f} s is over six hours")
    return round(exact)


def _rate(written: float) -> Fraction:
    """Return a rate as broadcasters mean it: 29.97 is 30000/1001."""
    for whole in (24, 30, 48, 60, 120):
        if abs(written - whole / 1.001) < 6e-3:
            return Fraction(whole * 1000, 1001)
    return Fraction(written)


def _check(pieces: list[Piece], joins: list[Join]) -> None:
    """Refuse transitions that overlap, stand side by side, or ask for footage before time 0."""
    places = [join.after for join in joins]
    for join in joins:
        if places.count(join.after) > 1:
            raise _refused(join.name, "follows another transition at once")
        before = pieces[join.after] if join.after >= 0 else None
        behind = pieces[join.after + 1] if join.after + 1 < len(pieces) else None
        _check_join(join, before, behind)
    by_place = {join.after: join for join in joins}
    for k, piece in enumerate(pieces):
        into, out = by_place.get(k - 1), by_place.get(k)
        taken = (into.behind_ns if into else 0) + (out.before_ns if out else 0)
        if taken > piece.duration_ns:
            raise _refused(piece.name, "is shorter than the transitions at its ends")


def _check_join(join: Join, before: Piece | None, behind: Piece | None) -> None:
    shown = [one for one in (before, behind) if one is not None and one.span is not None]
    if not shown:
        raise _refused(join.name, "has nothing on either side")
    if join.kind == "dissolve":
        if len(shown) < 2:
            raise _refused(join.name, "is a dissolve with one side only: use a fade")
        if shown[1].span is not None and shown[1].span.start_ns < join.before_ns:
            raise _refused(join.name, f"needs footage before the start of {shown[1].name}")
    for side, length in ((before, join.before_ns), (behind, join.behind_ns)):
        if length and (side is None or length > side.duration_ns):
            raise _refused(join.name, "is longer than what it stands beside")


def _mix(stack: Any, count: int) -> Mix:  # noqa: ANN401  of the library
    """Return how tracks are mixed: `metadata.stillhouse.mix`, and `weights` where by weight."""
    asked = stack.metadata.get(OURS)
    if asked is None:
        return Mix()
    kind = asked.get("mix", "over") if hasattr(asked, "get") else None
    if kind not in MIXES:
        raise _refused("the timeline", f"mixes tracks by {kind!r}; known are {', '.join(MIXES)}")
    if kind != "weighted":
        return Mix(kind)
    weights = [
        float(w) if isinstance(w, int | float) else math.nan for w in asked.get("weights", ())
    ]
    if len(weights) != count or not all(0 <= w < math.inf for w in weights) or not sum(weights):
        raise _refused("the timeline", f"needs {count} weights of 0 and more, one a track")
    total = sum(weights)
    return Mix("weighted", tuple(w / total for w in weights))


def _refused(name: str, why: str) -> EditListInvalidError:
    return EditListInvalidError(
        f"Edit list: {name}: {why}.", command="stillhouse generate cut --help"
    )
