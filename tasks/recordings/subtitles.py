"""Reads the words of a clip: subtitles that are shown during it, and what the container says.

Reads subtitle streams and metadata through `decode.py`, no pictures and no sound; writes nothing.
Names of files and folders are no words: they would tell a model where a clip comes from.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from catalog.span import SECOND_NS, Span
from tasks.containers.soundtrack import demuxed
from tasks.containers.stream import raise_if_storage_failed
from tasks.decode import DAMAGE, keep_only, open_container, video_clock
from tasks.recordings.words import Line, Words, cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.containers.wanted import Clock
    from tasks.decode import Container
    from tasks.recordings.media import Source

# Of a container's metadata, what people write for people; the most telling first.
KEYS = (
    "title",
    "description",
    "synopsis",
    "comment",
    "keywords",
    "show",
    "artist",
    "album",
    "genre",
)
# Streams of text; pictures of text (DVD, DVB, Blu-ray) would have to be read by eye.
TEXT_CODECS = frozenset({"mov_text", "subrip", "webvtt", "ass", "text", "microdvd"})
# A line that has been on the screen this long when a clip begins is no part of it. So far before a
# clip a file is read: which lines a clip has does not depend on what else was asked for.
MAX_SHOWN_NS = 30 * SECOND_NS
# Where a file does not say how long a line is shown.
UNTOLD_NS = 3 * SECOND_NS
# Of hostile files: bytes of a packet, lines of a clip, packets of a pass (a film has some 2000).
MAX_BYTES, MAX_LINES, MAX_PACKETS = 1 << 16, 200, 100_000
_IS_DEFAULT = 1  # av.stream.Disposition.default
_FILE_NAME = re.compile(
    r"\S*\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|wmv|flv|3gp|mxf)", re.IGNORECASE
)


def clip_words(source: Source, spans: Sequence[Span], *, start_pts: int) -> list[Words]:
    """Return the words of each clip of a recording, without labels; it may have none.

    `spans` are the clips on the recording clock, in order of time. Subtitles are taken from one
    stream: the English one if one is tagged (the sentence model knows English), else the one
    flagged as default, else the first. Damage ends them, and is no error.

    Raises:
        MediaError: `empty_file`, `not_a_video`, `no_video_stream`, `encrypted`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    if not spans:
        return []
    with open_container(source) as container:
        keep_only(container, "subtitle")
        about = tuple(_about(container, source))
        lines = list(_lines(container, source, spans, video_clock(container, source, start_pts)))
    return [Words(tuple(_shown(lines, span)), about) for span in spans]


def _about(container: Container, source: Source) -> Iterator[str]:
    said = {key.lower(): text for key, text in container.metadata.items()}
    stem = PurePath(source.member or source.uri).stem.casefold()
    for key in KEYS:
        text = cleaned(said.get(key, ""))
        if text and not _FILE_NAME.fullmatch(text) and text.casefold() != stem:
            yield text


def _lines(
    container: Container, source: Source, spans: Sequence[Span], clock: Clock
) -> Iterator[Line]:
    """Yield every line that may be shown during a clip, in the order they are stored."""
    stream = _chosen(container)
    if stream is None:
        return
    zero = Fraction(clock.start_pts * clock.num, clock.den)
    begin = Fraction(spans[0].start_ns - MAX_SHOWN_NS, SECOND_NS)
    try:
        if begin > 0:
            container.seek(round((zero + begin) * 1_000_000))
        for count, packet in enumerate(demuxed(container, stream)):
            if packet.pts is None or packet.size > MAX_BYTES:
                continue
            start_ns = int((packet.pts * packet.time_base - zero) * SECOND_NS)
            if start_ns >= spans[-1].end_ns or count >= MAX_PACKETS:
                return
            text = cleaned(" ".join(_texts(packet)))
            shown_ns = int((packet.duration or 0) * packet.time_base * SECOND_NS)
            if text:
                yield Line(Span(start_ns, start_ns + max(0, shown_ns) or UNTOLD_NS), text)
    except DAMAGE as error:
        raise_if_storage_failed(error, source)


def _chosen(container: Container) -> Any:  # noqa: ANN401 - av.SubtitleStream, or None
    streams = [
        stream
        for stream in container.streams.subtitles
        # The context is None where there is no decoder.
        if stream.codec_context and stream.codec_context.codec.canonical_name in TEXT_CODECS
    ]
    return min(
        streams,
        key=lambda one: (
            not str(one.language).startswith("en"),
            not one.disposition & _IS_DEFAULT,
            one.index,
        ),
        default=None,
    )


def _texts(packet: Any) -> Iterator[str]:  # noqa: ANN401 - av.Packet
    try:
        found = packet.decode()
    except DAMAGE:
        return
    for shown in found:
        if shown.type != b"bitmap":
            yield (shown.dialogue or shown.text).decode("utf-8", "replace")


def _shown(lines: Sequence[Line], span: Span) -> list[Line]:
    """Return the lines that are on the screen during a span."""
    first_ns = span.start_ns - MAX_SHOWN_NS
    found = [x for x in lines if x.span.start_ns >= first_ns and x.span.intersect(span)]
    return found[:MAX_LINES]
