"""The drawings of the concepts, as SVG within the page: they take the colours of its theme.

Pure. Each drawing is boxes, lines and words on a grid of pixels; a test holds that no words leave
their box.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

# Widths of a letter that are reckoned with: bold at 14 px, and plain at 12 px.
LETTER = 8.7
SMALL = 6.4


@dataclass
class Drawing:
    """Collects shapes; `svg` is the picture, as wide as its page allows."""

    title: str
    width: int
    height: int
    parts: list[str] = field(default_factory=list)
    # Words, their width and the room they have: what the test asks.
    fits: list[tuple[str, float, float]] = field(default_factory=list)

    def box(
        self, x: int, y: int, w: int, h: int, *words: str, kind: str = "box", note: str = ""
    ) -> None:
        """Draw a box with words in its middle, and a small note below them."""
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>')
        lines = [(word, "word", LETTER) for word in words]
        lines += [(line, "note", SMALL) for line in note.split("\n") if note]
        top = y + h / 2 - 9 * len(lines) + 14
        for number, (line, style, size) in enumerate(lines):
            self._text(x + w / 2, top + 18 * number, line, style)
            self.fits.append((line, len(line) * size, w - 8))

    def words(self, x: float, y: float, text: str, style: str = "note", anchor: str = "") -> None:
        """Write words that stand free."""
        wide = len(text) * (SMALL if style == "note" else LETTER)
        room = {"start": self.width - x, "end": x}.get(anchor, 2 * min(x, self.width - x))
        self.fits.append((text, wide, room))
        self._text(x, y, text, style, anchor)

    def arrow(self, *points: tuple[int, int], word: str = "", style: str = "line") -> None:
        """Draw a line through points with a head at its end, and a word over its middle."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline class="{style}" points="{path}" marker-end="url(#head)"/>')
        if word:
            (x1, y1), (x2, y2) = points[0], points[-1]
            self._text((x1 + x2) / 2, (y1 + y2) / 2 - 6, word, "note")

    def bar(self, x: float, y: float, w: float, h: float, kind: str) -> None:
        """Draw a stretch of time."""
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="2"/>')

    def _text(self, x: float, y: float, text: str, style: str, anchor: str = "") -> None:
        where = f' text-anchor="{anchor}"' if anchor else ""
        self.parts.append(f'<text class="{style}" x="{x:g}" y="{y:g}"{where}>{escape(text)}</text>')

    def svg(self) -> str:
        """Return the picture; one line a shape, no empty one, so that Markdown leaves it alone."""
        title = escape(self.title)
        head = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
        )
        size = f'viewBox="0 0 {self.width} {self.height}" style="min-width:{self.width * 3 // 4}px"'
        return "\n".join(
            [
                f'<div class="drawing"><svg role="img" aria-label="{title}" {size}>',
                head,
                *self.parts,
                "</svg></div>",
            ]
        )


def rooms() -> Drawing:
    """Five rooms, one arrow."""
    d = Drawing("flows import tasks; tasks import models and catalog; all import infra", 720, 230)
    d.box(10, 70, 120, 90, "flows", note="when")
    d.box(190, 70, 150, 90, "tasks", note="what is done\nto the data")
    d.box(400, 15, 150, 80, "models", note="tensors in,\ntensors out")
    d.box(400, 135, 150, 80, "catalog", note="what we know:\ntables")
    d.box(610, 70, 100, 90, "infra", note="where it runs")
    d.arrow((130, 115), (188, 115))
    d.arrow((340, 95), (398, 62))
    d.arrow((340, 135), (398, 168))
    d.arrow((550, 168), (608, 135))
    d.words(475, 120, "never see each other")
    return d


def road() -> Drawing:
    """What becomes of a recording."""
    d = Drawing("From an archive to new video", 760, 330)
    d.box(10, 20, 120, 60, "archive", note="only read", kind="outside")
    d.arrow((130, 50), (238, 50), word="ingest")
    d.box(240, 20, 200, 60, "recordings, sessions", "shots, clips")
    d.arrow((440, 50), (548, 50), word="extract")
    d.box(550, 20, 200, 60, "features", note="every view, every camera")
    d.box(240, 135, 200, 60, "quarantine", note="refused, and why", kind="refused")
    d.arrow((340, 80), (340, 133))
    d.arrow((600, 80), (442, 155))
    d.arrow((670, 80), (670, 133))
    d.words(680, 112, "distill", anchor="start")
    d.box(590, 135, 160, 60, "model version", note="beside its baselines")
    d.arrow((670, 195), (670, 248))
    d.words(680, 227, "promote", anchor="start")
    d.box(590, 250, 160, 60, "champion", kind="good")
    d.arrow((590, 280), (442, 280), word="reindex")
    d.box(240, 250, 200, 60, "codes", note="one of a clip, all cameras")
    d.arrow((240, 280), (132, 280), word="generate")
    d.box(10, 250, 120, 60, "generations", note="new video", kind="outside")
    return d


def clock() -> Drawing:
    """A session of two cameras, its shots, clips and windows, on one clock."""
    d = Drawing("A session: two cameras on one clock, cut into shots, clips and windows", 760, 290)
    left, per = 130, 60
    for second in range(11):
        x = left + second * per
        d.parts.append(f'<line class="tick" x1="{x}" y1="24" x2="{x}" y2="270"/>')
        d.words(x, 16, f"{second} s")
    rows = (
        (36, "camera cam01"),
        (72, "camera cam02"),
        (120, "shots"),
        (160, "clips"),
        (200, "grid"),
        (240, "windows"),
    )
    for y, name in rows:
        d.words(left - 12, y + 17, name, "label", "end")
    d.bar(left, 36, 9.5 * per, 24, "film")
    d.bar(left + 1.5 * per, 72, 8 * per, 24, "film")
    d.bar(left, 120, 4.5 * per, 24, "span")
    d.bar(left + 4.5 * per, 120, 5 * per, 24, "span")
    d.words(left + 4.5 * per, 158, "a cut", "note")
    for start, end in ((0, 2), (2, 4), (4, 4.5), (4.5, 6.5), (6.5, 8.5), (8.5, 9.5)):
        d.bar(left + start * per + 1, 164, (end - start) * per - 2, 24, "clip")
    for step in range(119):
        x = left + step * 0.08 * per
        d.parts.append(f'<line class="step" x1="{x:.1f}" y1="204" x2="{x:.1f}" y2="222"/>')
    for number in range(3):
        d.bar(left + (2 + number * 0.64) * per, 242, 0.62 * per, 20, "window")
    d.words(left + 4.2 * per, 257, "eight steps of 80 ms, never stored", anchor="start")
    return d


def key() -> Drawing:
    """What names a feature, and what makes one stale."""
    d = Drawing("The key of a feature", 760, 250)
    d.box(10, 20, 150, 50, "bytes", note="of the recordings", kind="outside")
    d.box(10, 90, 150, 50, "clocks, span", kind="outside")
    d.box(220, 45, 140, 60, "clip_id", note="a hash of content")
    d.arrow((160, 45), (218, 65))
    d.arrow((160, 115), (218, 90))
    d.box(10, 170, 170, 60, "parameters", "and source", kind="outside")
    d.box(200, 170, 160, 60, "weights", note="their digest", kind="outside")
    d.box(380, 170, 160, 60, "decoder", note="its build", kind="outside")
    d.box(400, 45, 140, 60, "version", note="of the view")
    d.arrow((95, 170), (95, 144), (440, 144), (440, 107))
    d.arrow((280, 170), (280, 157), (470, 157), (470, 107))
    d.arrow((500, 170), (500, 107))
    d.box(600, 20, 150, 110, "feature", kind="good", note="clip, camera, view,\nversion, given")
    d.arrow((540, 75), (598, 75))
    d.arrow((360, 60), (380, 60), (380, 32), (598, 32))
    d.box(600, 170, 150, 60, "given", note="labels, calibration", kind="outside")
    d.arrow((675, 170), (675, 132))
    return d


def log() -> Drawing:
    """How a commit begins to count, and what a reader sees."""
    d = Drawing("Workers write files, the driver adds them to the log in one commit", 760, 250)
    d.box(10, 20, 130, 50, "worker", kind="outside")
    d.box(10, 100, 130, 50, "worker", kind="outside")
    for number, y in enumerate((14, 48, 94, 128)):
        d.box(210, y, 170, 28, f"part-{number}.parquet", kind="box")
    d.arrow((140, 40), (208, 30))
    d.arrow((140, 50), (208, 60))
    d.arrow((140, 120), (208, 110))
    d.arrow((140, 130), (208, 140))
    d.box(10, 180, 130, 50, "killed", kind="refused")
    d.box(210, 191, 170, 28, "part-4.parquet", kind="faint")
    d.arrow((140, 205), (208, 205), style="faintline")
    d.words(392, 210, "in no log: it does not count", anchor="start")
    d.box(470, 50, 110, 70, "log", note="one commit,\nall or nothing", kind="good")
    d.arrow((380, 28), (468, 70))
    d.arrow((380, 62), (468, 80))
    d.arrow((380, 108), (468, 90))
    d.arrow((380, 142), (468, 102))
    d.arrow((580, 85), (628, 85))
    d.box(630, 50, 120, 70, "snapshot", note="what a run reads")
    return d


def law() -> Drawing:
    """The conservation law."""
    d = Drawing("Inputs are done, cached, quarantined, failed or pending", 760, 190)
    d.box(10, 70, 110, 50, "inputs")
    names = (
        ("done", "good", "by this run"),
        ("cached", "good", "before"),
        ("quarantined", "refused", "with a reason"),
        ("failed", "faint", "tried again"),
        ("pending", "faint", "not reached"),
    )
    for number, (name, kind, note) in enumerate(names):
        x = 150 + number * 122
        d.box(x, 65, 106, 60, name, kind=kind, note=note)
        if number:
            d.words(x - 8, 100, "+", "label", "middle")
    d.words(135, 101, "=", "label", "middle")
    d.words(
        380, 165, "checked at the end of every flow, for inputs and for frames", "note", "middle"
    )
    return d


DRAWINGS = {made.__name__: made for made in (rooms, road, clock, key, log, law)}
