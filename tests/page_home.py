"""A home for the page with known contents: real video files, real tables, a real registry.

A take of four cameras that browsers play, one in a codec they do not, one inside a plain tar, one
inside a compressed zip; names that would be markup if they were not escaped.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from footage import moving
from small_catalog import camera, filled

from catalog.schemas.registry import TABLES
from catalog.span import SECOND_NS
from catalog.store import Catalog
from infra.settings import Settings
from tasks.mux import write_video

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.table import Table

HOSTILE = "<script>alert(1)</script>"
RATE, FRAMES = 25, 100
DURATION_NS = FRAMES * SECOND_NS // RATE
# The recordings of the take, and how much later than the first each of them starts.
TAKE = {"left": 0, "right": 500_000_000, "third": 240_000_000, "fourth": 0}
MP4 = {"container": "mov,mp4,m4a,3gp,3g2,mj2", "codec": "h264", "pixel_format": "yuv420p"}


@dataclass(frozen=True)
class PageHome:
    """The home, and the folder of its archive."""

    settings: Settings
    archive: Path

    def commit(self, table: str, *rows: dict[str, Any]) -> None:
        """Commit rows that are filled up with what nobody asks for."""
        declared: Table = TABLES[table]
        Catalog(self.settings.catalog).commit(declared, [filled(declared, **row) for row in rows])

    def bytes_of(self, name: str) -> bytes:
        """Return what a file of the archive holds."""
        return (self.archive / name).read_bytes()


def make_home(folder: Path) -> PageHome:
    """Make the home below a folder; half a second."""
    home = PageHome(Settings(home=folder / "home"), folder / "archive")
    home.archive.mkdir()
    for name in TAKE:
        write(home.archive / f"{name}.mp4")
    write(home.archive / "old.mp4", codec="mpeg4")
    with tarfile.open(home.archive / "plain.tar", "w") as tar:
        tar.add(home.archive / "left.mp4", "inside.mp4")
    with tarfile.open(home.archive / "plain.tar") as tar:
        offset = tar.getmembers()[0].offset_data
    with zipfile.ZipFile(home.archive / "packed.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(home.archive / "left.mp4", "inside.mp4")
    folder_uri = str(home.archive)
    places = [
        *[(name, folder_uri, f"{name}.mp4", {}) for name in TAKE],
        ("old", folder_uri, "old.mp4", {}),
        ("in-tar", f"{folder_uri}/plain.tar", "inside.mp4", {"byte_offset": offset}),
        ("in-zip", f"{folder_uri}/packed.zip", "inside.mp4", {"byte_offset": 0, "packed": True}),
        ("gone", folder_uri, "removed.mp4", {}),
    ]
    for name, archive, member, where in places:
        made = MP4 | ({"codec": "mpeg4"} if name == "old" else {})
        file = home.archive / (member if name in (*TAKE, "old") else "left.mp4")
        home.commit(
            "recordings",
            {
                "recording_id": name,
                "archive_uri": archive,
                "member": member,
                "byte_size": file.stat().st_size,
                "width": 96,
                "height": 64,
                "stream": 0,
                "rotation": 0,
                "start_pts": 0,
                "duration_ns": DURATION_NS,
                "frames_decoded": FRAMES,
                "frames_bad": 0,
                "reason": None,
                "status": "ok",
                **made,
            },
        )
        session = "take" if name in TAKE else name
        home.commit(
            "files",
            {
                "archive_uri": archive,
                "member": member,
                "recordings": [name],
                "session_id": session,
                "status": "present",
                "forming": "x",
                **where,
            },
        )
    cameras = [camera(f"cam{k:02}", name, late) for k, (name, late) in enumerate(TAKE.items(), 1)]
    takes = {"take": cameras}
    for name, *_ in places[len(TAKE) :]:
        takes[name] = [camera("cam0", name, 0)]
    for number, (name, cameras) in enumerate(sorted(takes.items())):
        home.commit(
            "sessions",
            {
                "session_id": name,
                "name": f"{name} {HOSTILE}",
                "archive_uri": folder_uri,
                "cameras": cameras,
                "duration_ns": DURATION_NS,
                "split": "heldout" if number % 2 else "train",
                "clock_status": "measured" if name == "take" else "sole",
            },
        )
        home.commit(
            "clips",
            *[
                {
                    "clip_id": f"{name}-{k}",
                    "session_id": name,
                    "start_ns": (2 * k + 1) * SECOND_NS,
                    "end_ns": (2 * k + 2) * SECOND_NS,
                    "cameras": [one["camera_id"] for one in cameras],
                }
                for k in range(2)
            ],
        )
    _refuse_run_and_generate(home)
    return home


def _refuse_run_and_generate(home: PageHome) -> None:
    home.commit(
        "quarantine",
        *[
            {
                "item_id": f"f{k}",
                "kind": "file",
                "stage": "ingest",
                "reason": "not_a_video" if k % 3 else "empty_file",
                "detail": f"{HOSTILE} number {k}",
                "member": f"bad{k}.mp4",
                "archive_uri": str(home.archive),
                "seen_ns": k * SECOND_NS,
            }
            for k in range(60)
        ],
    )
    counts = {"inputs": 9, "done": 5, "cached": 1, "quarantined": 3, "failed": 0, "pending": 0}
    home.commit(
        "runs",
        {"flow_run_id": "run-1", "flow": "ingest", "status": "done", **counts}
        | {"parameters": json.dumps({"archive": HOSTILE}), "snapshot": "{}", "seconds": 2.5},
    )
    made = home.settings.generations / "made.mp4"
    made.parent.mkdir(parents=True)
    write(made)
    (home.settings.generations / "made.jpg").write_bytes(picture())
    home.commit(
        "generations",
        {
            "generation_id": "made",
            "application": "super-resolution",
            "clip_id": "take-0",
            "session_id": "take",
            "camera_id": "cam01",
            "start_ns": SECOND_NS,
            "end_ns": 2 * SECOND_NS,
            "sources": [{"recording_id": "left", "start_ns": SECOND_NS, "end_ns": 2 * SECOND_NS}],
            # Where the home was when it was made: it has been moved since.
            "uri": "/elsewhere/generations/made.mp4",
            "picture": "/elsewhere/generations/made.jpg",
            "quality": json.dumps({"psnr_y": 31.25, "reference": HOSTILE}),
            "parameters": json.dumps({"input_side": 64}),
        },
        {
            "generation_id": "outside",
            "application": "style",
            "clip_id": "take-0",
            "session_id": "take",
            "sources": [],
            "uri": "../../etc/passwd",
            "picture": "/etc/passwd",
            "parameters": "not JSON",
        },
    )


def write(path: Path, codec: str = "libx264") -> None:
    """Write a hundred small frames."""
    write_video(path, moving(), rate=RATE, codec=codec, pixel_format="yuv420p")


def picture() -> bytes:
    """Return a JPEG."""
    import cv2

    done, coded = cv2.imencode(".jpg", np.full((8, 16, 3), 90, np.uint8))
    assert done
    return bytes(coded.tobytes())
