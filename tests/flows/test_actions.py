"""What happens in a clip, when and where: told by the application, held against what is true.

The codes are of a distiller that nothing trained: what is tested is the road from labels to rows
and video, not how good a trained model is (`tests/bench/eval_actions.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest
from acted_archive import ACTIONS, labels_of, write_acted
from registered_distillers import TINY_OF_ACTIONS, register_distiller

from catalog.query import run
from catalog.span import SECOND_NS
from catalog.store import Catalog
from flows.distill import distill
from flows.extract import extract
from flows.generate import generate
from flows.ingest import ingest
from flows.label import label
from flows.reindex import reindex
from infra.settings import load_settings
from tasks.mux import write_video
from tasks.search.find import search
from tasks.views.drawing import COLOURS, to_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from acted_archive import Acted

    from infra.settings import Settings

pytestmark = pytest.mark.usefixtures("ray_local", "prefect_server")

# A worktree stands a folder deeper than a clone.
SHARED = next((p for p in Path(__file__).parents if (p / "shared/data").is_dir()), Path("/absent"))
INTEL = SHARED / "shared/data/single/intel"
# Without loss, so that what is drawn has the colour it was drawn in.
EXACT = {"codec": "ffv1", "pixel_format": "yuv444p"}
TABLE = (
    "select s.name, s.split, c.start_ns as begin_ns, g.uri, g.quality, a.* from actions a "
    "join current_sessions s using (session_id) join current_clips c using (clip_id) "
    "join generations g using (generation_id) order by s.name, a.start_ns"
)


@dataclass(frozen=True)
class Told:
    """A home in which actions were told of every clip: what is on record, and what was made."""

    settings: Settings
    learned: dict[str, Any]
    made: dict[str, Any]

    def rows(self, sql: str = TABLE) -> list[dict[str, Any]]:
        """Return the rows of a query, the told actions by default."""
        found: list[dict[str, Any]] = run(
            Catalog(self.settings.catalog).snapshot(), sql
        ).to_pylist()
        return found

    def share_right(self, name: str, start_s: float, end_s: float, said: str) -> float:
        """Return for how much of a span of a session the label that is said is the true one."""
        start, end = round(start_s * SECOND_NS), round(end_s * SECOND_NS)
        right = sum(
            max(0, min(end, row["end_ns"]) - max(start, row["start_ns"]))
            for row in self.rows()
            if row["name"] == name and row["label"] == said
        )
        return right / (end - start)


def told(archive: Path, labels: str, home: Path, weights: Path) -> Told:
    """Bring an archive all the way: its views, codes, labels, a head of them, and new video."""
    home.mkdir()
    (home / "assets").symlink_to(weights)
    settings = load_settings(home)
    ingest(str(archive), str(home))
    extract((), str(home))
    register_distiller(settings, home / "net", 1, preset="ci", config=TINY_OF_ACTIONS)
    reindex(home=str(home))
    (home / "labels.csv").write_text(labels, "utf-8")
    label(str(home / "labels.csv"), str(home))
    learned = distill("ci", str(home), "action")
    model = f"models:/action/{learned['version']}"
    made = generate("action", model=model, encoding=EXACT, home=str(home))
    return Told(settings, learned, made)


def overlap(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the intersection of two boxes over their union."""
    common = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = common.clip(0).prod()
    return float(shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> list[Acted]:
    """Eight rooms; what is done changes in the middle of a clip, at 1.6 s of 3.2."""
    return write_acted(tmp_path_factory.mktemp("acted") / "archive", 8, frames=40)


@pytest.fixture(scope="module")
def acted(rooms: list[Acted], weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Everything told of the rooms."""
    folder = tmp_path_factory.mktemp("told")
    return told(rooms[0].file.parent, labels_of(rooms), folder / "home", weights)


def test_what_is_done_in_rooms_never_seen_is_named_at_its_time(
    acted: Told, rooms: list[Acted]
) -> None:
    """Nine tenths of each held-out room's time; the majority and the place alone have half."""
    figures = acted.learned["metrics"] | acted.learned["baselines"]
    assert figures["heldout.top1"] > 0.8
    assert figures["heldout.top1"] > figures["heldout.majority.top1"] + 0.2
    assert figures["heldout.top1"] > figures["heldout.background.top1"]
    heldout = {row["name"] for row in acted.rows() if row["split"] == "heldout"}
    assert len(heldout) > 1
    right = [
        acted.share_right(room.name, k * room.seconds, (k + 1) * room.seconds, action)
        for room in rooms
        if room.name in heldout
        for k, action in enumerate(room.actions)
    ]
    assert np.mean(right) > 0.9


def test_every_instant_of_a_clip_is_told_once(acted: Told, rooms: list[Acted]) -> None:
    """Stretches of a clip follow each other from its start to its end, with scores of 0 to 1."""
    for clip in acted.rows("select * from current_clips"):
        mine = sorted(
            (row for row in acted.rows() if row["clip_id"] == clip["clip_id"]),
            key=lambda row: row["start_ns"],
        )
        assert (mine[0]["start_ns"], mine[-1]["end_ns"]) == (clip["start_ns"], clip["end_ns"])
        assert [row["start_ns"] for row in mine[1:]] == [row["end_ns"] for row in mine[:-1]]
        assert all(one["label"] != two["label"] for one, two in pairwise(mine))
        assert all(0.5 <= row["score"] <= 1 for row in mine)  # of two classes
    assert acted.made["done"] == acted.made["inputs"] > len(rooms)


def test_the_box_is_around_what_moves(acted: Told, rooms: list[Acted]) -> None:
    """At the step half-way through a stretch; where the background is not known there is none."""
    step_ns = acted.settings.grid_step_ns
    known = {room.name: room for room in rooms}
    shared, elsewhere = [], []
    told = acted.rows()
    for row in told:
        if row["box"]:
            middle = (row["start_ns"] + row["end_ns"]) // 2 - row["begin_ns"]
            at = row["begin_ns"] + middle // step_ns * step_ns
            shared.append(overlap(np.array(row["box"]), known[row["name"]].box(at)))
            elsewhere.append(
                overlap(np.array(row["box"]), known[row["name"]].box(at + 2 * step_ns))
            )
    assert len(shared) > 0.7 * len(told)
    assert np.median(shared) > 0.5
    # Two steps on it is elsewhere: a box of another step would be told by this.
    assert np.median(shared) > np.median(elsewhere) + 0.2


def test_the_video_shows_the_box_of_its_row(acted: Told) -> None:
    """In the frame half-way through a stretch most of the box's outline has its colour."""
    outlines = []
    for row in acted.rows():
        if not row["box"]:
            continue
        middle = (row["start_ns"] + row["end_ns"]) // 2 - row["begin_ns"]
        shown = next(f for f in _frames(Path(row["uri"])) if f.time >= middle / 1e9 - 1e-6)
        picture = shown.to_ndarray(format="rgb24").astype(int)
        coloured = (np.abs(picture - COLOURS[2]).max(axis=2) < 40).astype(np.uint8)
        near = cv2.dilate(coloured, np.ones((3, 3), np.uint8))
        low, high = to_pixels(np.array(row["box"]).reshape(2, 2), picture).tolist()
        line = np.zeros_like(near)
        cv2.rectangle(line, low, high, 1)
        outlines.append(near[line > 0].mean())
        assert json.loads(row["quality"])["label"] in ACTIONS
    assert np.median(outlines) > 0.8


@pytest.fixture(scope="module")
def room(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A room that people enter, 30 s; its first 18.5 s are labelled, and two recordings beside."""
    if not INTEL.exists():
        pytest.skip("needs the footage of ../shared/data")
    folder = tmp_path_factory.mktemp("people")
    archive = folder / "archive"
    archive.mkdir()
    for name, seconds in (
        ("one-by-one-person-detection", 30),
        ("bottle-detection", 5),
        ("car-detection", 5),
    ):
        write_video(archive / f"{name}.mp4", _small(INTEL / f"{name}.mp4", seconds), rate=10)
    labels = [
        "session,start_s,end_s,label",
        "one-by-one-person-detection,0,5.5,nobody",
        "one-by-one-person-detection,7,18.5,somebody",
        "bottle-detection,0,5,nobody",
        "car-detection,0,5,nobody",
    ]
    return told(archive, "\n".join(labels), folder / "home", weights)


def _small(path: Path, seconds: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield ten frames a second, 216 high."""
    shown = 0
    for frame in _frames(path):
        if frame.time >= seconds:
            return
        if frame.time >= shown / 10:
            shown += 1
            picture = frame.to_ndarray(format="rgb24")
            yield cv2.resize(picture, (384, 216), interpolation=cv2.INTER_AREA)


def _frames(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


@pytest.mark.long
def test_who_enters_a_real_room_later_is_told(room: Told) -> None:
    """Another person, in other clothes, than the one who was learned; and the empty room between.

    By eye: nobody is there from 20.2 to 22.5 s, and a man from 24 s on, at the table from 25 s.
    """
    name = "one-by-one-person-detection"
    assert room.share_right(name, 20.2, 22.5, "nobody") > 0.8
    assert room.share_right(name, 24, 30, "somebody") > 0.8
    man = np.array([0.49, 0.0, 0.70, 0.90])
    boxes = [
        np.array(row["box"])
        for row in room.rows()
        if row["name"] == name and row["label"] == "somebody" and row["start_ns"] >= 25 * SECOND_NS
    ]
    assert boxes
    assert all(len(box) and overlap(box, man) > 0.5 for box in boxes)


@pytest.mark.long
def test_what_was_told_is_found_by_words(room: Told) -> None:
    """Nothing but the head says that somebody is there after 24 s: a search by words finds it."""
    late = "select clip_id from current_clips where start_ns >= 24000000000"
    found = search(room.settings, text="a person stands there", where=late)["hits"]
    assert {(hit["said"], hit["label"]) for hit in found[:2]} == {("predicted", "somebody")}
