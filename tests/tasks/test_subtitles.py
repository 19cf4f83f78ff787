"""The words of a clip are those that are shown during it, cleaned, and never a file's name."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from tasks.decode import Source
from tasks.recordings.subtitles import clip_words
from tasks.recordings.words import MAX_CHARACTERS, Words, cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ODD = DATA / "odd/androidx"
# What encoders of subtitles want to be told of fonts.
HEADER = b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\n\r\n[Events]\r\n"


def spans(*seconds: tuple[float, float]) -> list[Span]:
    """Return spans of the recording clock."""
    return [Span(int(a * SECOND_NS), int(b * SECOND_NS)) for a, b in seconds]


def coded(codec: str, text: str) -> bytes:
    """Return a line as its codec stores it."""
    data = text.encode()
    if codec == "ass":
        return b"0,0,Default,,0,0,0,," + data
    return len(data).to_bytes(2, "big") + data if codec == "mov_text" else data


def write(
    path: Path,
    codec: str,
    lines: Mapping[str, Sequence[tuple[int, int, str]]],
    about: Mapping[str, str] | None = None,
    seconds: int = 8,
) -> Source:
    """Write a picture a second with subtitles: of each language (start, end in ms, text)."""
    with av.open(str(path), "w") as out:
        out.metadata.update(about or {})
        video = out.add_stream("libvpx" if path.suffix == ".webm" else "libx264", rate=1)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        streams = {}
        for language in lines:
            streams[language] = stream = out.add_stream(codec)
            stream.codec_context.subtitle_header = HEADER
            stream.time_base, stream.metadata["language"] = Fraction(1, 1000), language
        for k in range(seconds):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), k, np.uint8), format="rgb24")
            frame.pts = k
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for language, shown in lines.items():
            for start, end, text in shown:
                packet = av.Packet(coded(codec, text))
                packet.stream, packet.time_base = streams[language], Fraction(1, 1000)
                packet.pts = packet.dts = start
                packet.duration = end - start
                out.mux(packet)
    return Source(str(path))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "subrip"), ("a.mp4", "mov_text"), ("b.mkv", "ass"), ("a.webm", "webvtt")],
)
def test_a_clip_has_the_lines_that_are_shown_during_it(
    tmp_path: Path, name: str, codec: str
) -> None:
    """Each kind of text, on its span, without markup; of two languages the English one."""
    line = "Hello {\\i1}world{\\i0}" if codec == "ass" else "Hello <i>world</i>"
    lines = {
        "deu": [(500, 1500, "Hallo Welt")],
        "eng": [(500, 1500, line), (2000, 3000, "Good bye")],
    }
    source = write(tmp_path / name, codec, lines)
    found = clip_words(source, spans((0, 1), (1, 2.5), (3, 5)), start_pts=0)
    said = [[line.text for line in one.lines] for one in found]
    assert said == [["Hello world"], ["Hello world", "Good bye"], []]
    assert found[0].lines[0].span == Span(500_000_000, 1_500_000_000)


def test_lines_do_not_depend_on_which_clips_are_asked_for(tmp_path: Path) -> None:
    """Far into a recording one clip has the same words alone as among others."""
    shown = [(1000 * k, 1000 * k + 40_000 * (k == 60) + 800, f"line {k}") for k in range(0, 118, 2)]
    source = write(tmp_path / "a.mkv", "subrip", {"eng": shown}, seconds=120)
    wanted = spans((3, 5), (80, 82), (99, 102))
    together = clip_words(source, wanted, start_pts=0)
    alone = [clip_words(source, [span], start_pts=0)[0] for span in wanted]
    assert together == alone
    # Shown from 60 s to 100.8 s; after half a minute it is taken for forgotten.
    assert [one.text.split("\n")[0] for one in alone] == ["line 4", "line 60", "line 100"]


def test_what_a_container_says_is_kept_and_a_files_name_is_not(tmp_path: Path) -> None:
    """Title and comment are words; what a camera called the file, and who wrote it, are not."""
    about = {"title": "IMG_0042.MOV", "comment": "A day\tat  the\nlake", "encoder": "Lavf"}
    source = write(tmp_path / "a.mkv", "subrip", {}, about)
    assert clip_words(source, spans((0, 1)), start_pts=0) == [Words(about=("A day at the lake",))]
    named = write(tmp_path / "take 7.mkv", "subrip", {}, {"title": "Take 7"})
    assert clip_words(named, spans((0, 1)), start_pts=0)[0].text == ""


def test_hostile_words_are_cut_to_size(tmp_path: Path) -> None:
    """A line of a megabyte is no line, a long one is cut, and markup without end ends."""
    lines = [(0, 900, "x" * 1_000_000), (1000, 1900, "a" * 3000), (2000, 2900, "{" * 30_000)]
    source = write(tmp_path / "a.mkv", "subrip", {"eng": lines}, {"comment": "b" * 100_000})
    (found,) = clip_words(source, spans((0, 4)), start_pts=0)
    assert [len(line.text) for line in found.lines[:1]] == [MAX_CHARACTERS]
    assert len(found.about[0]) == MAX_CHARACTERS
    assert len(found.text) < 4 * MAX_CHARACTERS


def test_text_is_cleaned() -> None:
    """Markup, controls and what stands behind a NUL go, space is one space, letters stay."""
    assert cleaned(" a<b>b</b>\r\n{\\an8}c\x07\u200b  d\0e ") == "a b c d"
    assert cleaned("Größe 漢字 ok") == "Größe 漢字 ok"


def test_what_users_say_stands_first_and_each_word_once() -> None:
    """Labels, JSON or text, come before subtitles and the container's words."""
    words = Words(about=("film", "walk"), labels=("walk", json.dumps({"action": ["wave", 2]})))
    assert words.text == "walk\naction wave 2\nfilm"
    assert Words().text == ""
    assert Words(labels=("[" * 5000, "{}")).text == "[" * MAX_CHARACTERS


def test_real_files_say_what_they_are_known_to_say() -> None:
    """NASA's narrator on his span; lines that end in NULs; pictures of text are no text."""
    if not ODD.exists():
        pytest.skip(f"{DATA} is not here")
    nasa = clip_words(Source(str(DATA / "single/nasa_13013.mp4")), spans((5, 8)), start_pts=0)
    assert nasa[0].text == "space telescope in one of the largest cleanrooms in the world"
    torn = ODD / "mkv/sample_with_null_terminated_srt.mkv"
    assert clip_words(Source(str(torn)), spans((0, 1)), start_pts=0)[0].text == "This is the first"
    drawn = ODD / "mkv/sample_with_vobsub.mkv"
    assert clip_words(Source(str(drawn)), spans((0, 1)), start_pts=0)[0].lines == ()
