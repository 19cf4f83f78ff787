"""Damages small recordings in hundreds of ways and holds every outcome against the law.

Every file ends as a scan or a refusal within a deadline; header, decoded and bad frames add up;
no process dies. Beside it, how many frames that were called good are wrong pictures (damage that no
decoder notices, of single bits and of whole bursts), or right ones at another time than theirs
(containers without timestamps). Run by `make fuzz`: [--count 560] [--seed 0] [--json].
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from apart import ROOT, Apart

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(ROOT))
from tasks.mux import write_video

SHARED = ROOT.parent / "shared" / "data" / "odd"
FRAMES, DEADLINE_S = 60, 60
X264 = {"preset": "veryfast", "x264-params": "scenecut=0:keyint=20:min-keyint=20:bframes=2"}
NO_B = {"preset": "veryfast", "x264-params": "scenecut=0:keyint=20:min-keyint=20:bframes=0"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=20:bframes=3"}
VPX = {"deadline": "realtime", "cpu-used": "8", "g": "20"}
WRITTEN: dict[str, tuple[str, dict[str, str], str]] = {
    "h264.mp4": ("libx264", X264, "yuv420p"),
    "h264.mkv": ("libx264", X264, "yuv420p"),
    "h264.ts": ("libx264", X264, "yuv420p"),
    "h264.flv": ("libx264", X264, "yuv420p"),
    "h264.avi": ("libx264", NO_B, "yuv420p"),
    "hevc.mp4": ("libx265", X265, "yuv420p"),
    "hevc.ts": ("libx265", X265, "yuv420p"),
    "vp9.webm": ("libvpx-vp9", VPX, "yuv420p"),
    "vp8.webm": ("libvpx", VPX, "yuv420p"),
    "mpeg4.avi": ("mpeg4", {"g": "12"}, "yuv420p"),
    "mpeg4.mp4": ("mpeg4", {"g": "12", "bf": "2"}, "yuv420p"),
    "mpeg2.vob": ("mpeg2video", {"g": "12", "bf": "2"}, "yuv420p"),
    "mjpeg.avi": ("mjpeg", {}, "yuvj420p"),
    "ffv1.mkv": ("ffv1", {"level": "3", "g": "1"}, "yuv420p"),
}
# Real files of other makers, small enough to be damaged many times.
REAL = (
    "androidx/mp4/sample_av1.mp4",
    "androidx/mp4/h265_bframes.mp4",
    "androidx/mp4/sample_fragmented.mp4",
    "androidx/mp4/bbb_176x144_128kbps_15fps_h263.3gp",
    "androidx/ts/sample_h262_mpeg_audio.ts",
    "androidx/flv/sample-with-key-frame-index.flv",
)


@dataclass(frozen=True)
class Victim:
    """A sound recording: its bytes, and the digest of each frame by pts, stream by stream."""

    name: str
    data: bytes
    truth: list[dict[int, str]]


def pictures() -> list[Any]:
    """Return frames 96 wide and 64 high: a square that circles over a sliding texture."""
    noise = np.random.default_rng(3).integers(0, 256, (2, 96, 260, 3)).astype(np.float32)
    ground, square = (
        cv2.normalize(cv2.GaussianBlur(part, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        for part in noise
    )
    made = []
    for k in range(FRAMES):
        frame = ground[10:74, 2 * k : 2 * k + 96].astype(np.uint8)
        top, left = int(20 + 18 * np.sin(k / 7)), int(36 + 34 * np.cos(k / 9))
        frame[top : top + 24, left : left + 24] = square[:24, :24]
        made.append(frame)
    return made


def victims(folder: Path, apart: Apart) -> Iterator[Victim]:
    """Write the recordings, add the real ones that are there, and learn their frames."""
    frames = pictures()
    for name, (codec, options, pixel_format) in WRITTEN.items():
        path = folder / name
        write_video(path, frames, rate=25, codec=codec, options=options, pixel_format=pixel_format)
    paths = [folder / name for name in WRITTEN]
    for path in paths + [SHARED / name for name in REAL if (SHARED / name).exists()]:
        found = apart.scan(path, pictures=True)["found"]
        yield Victim(path.name, path.read_bytes(), [dict(scan["good"]) for scan in found])


def mutated(victim: Victim, others: list[Victim], kind: str, rng: random.Random) -> bytes:
    """Return a recording with one kind of damage."""
    data = bytearray(victim.data)
    size = len(data)
    length = min(rng.choice((16, 300, 2000, size // 10)), size // 3)
    at = rng.randrange(size - length)
    if kind == "flip":
        for _ in range(rng.choice((1, 4, 32))):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == "noise":
        data[at : at + length] = rng.randbytes(length)
    elif kind == "zeros":
        data[at : at + length] = bytes(length)
    elif kind == "cut":
        del data[rng.randrange(1, size) :]
    elif kind == "gap":
        del data[at : at + length]
    elif kind == "splice":
        piece = rng.choice(others).data
        start = rng.randrange(len(piece))
        data[at:at] = piece[start : start + length]
    else:  # head: where sizes, tables and codec parameters stand
        for _ in range(rng.choice((1, 8))):
            data[rng.randrange(min(size, 1500))] = rng.randrange(256)
    return bytes(data)


KINDS = ("flip", "noise", "zeros", "cut", "gap", "splice", "head")


def breaches(answer: dict[str, Any]) -> list[str]:
    """Return how an outcome breaks the law."""
    if "found" not in answer:
        return [str(answer)]
    broken = []
    for scan in answer["found"]:
        if "refused" in scan:
            continue
        bad, total = scan["frames_bad"], scan["frames_decoded"] + scan["frames_bad"]
        if total < scan["frames_header"]:
            broken.append(f"{total} of {scan['frames_header']} frames accounted for")
        if bool(bad) != bool(scan["bad_spans"]) or bool(bad) != bool(scan["reason"]):
            broken.append(f"{bad} bad frames, spans {scan['bad_spans']}, {scan['reason']}")
        if scan["frames_decoded"] < 1 or scan["duration_ns"] < 1 or not scan["rising"]:
            broken.append("times do not rise")
    return broken if answer["found"] else ["no outcome"]


def outcome(answer: dict[str, Any]) -> str:
    """Name what became of a file."""
    if "found" not in answer:
        return str(answer.get("lost", "raised"))
    scans = [scan for scan in answer["found"] if "refused" not in scan]
    if not scans:
        return "refused"
    return "salvaged" if any(scan["frames_bad"] for scan in scans) else "ok"


def main() -> int:
    """Damage, scan, print; 1 if the law was broken."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=560)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    table: dict[str, Counter[str]] = {}
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as name, Apart(DEADLINE_S) as apart:
        folder = Path(name)
        whole = list(victims(folder, apart))
        for number in range(options.count):
            victim = whole[number % len(whole)]
            kind = KINDS[number // len(whole) % len(KINDS)]
            rng = random.Random(f"{options.seed} {number}")
            path = folder / f"damaged_{victim.name}"
            path.write_bytes(mutated(victim, whole, kind, rng))
            answer = apart.scan(path, pictures=True)
            found = breaches(answer)
            broken += [f"{victim.name} {kind} number {number}: {breach}" for breach in found]
            row = table.setdefault(victim.name, Counter())
            row.update({"files": 1, outcome(answer): 1, "broken": len(found)})
            for scan, truth in zip(answer.get("found", []), victim.truth, strict=False):
                known = set(truth.values())
                for pts, digest in scan.get("good", []):
                    wrong = digest not in known
                    moved = not wrong and truth.get(pts) != digest
                    side = "flip" if kind == "flip" else "burst"
                    row.update({"good": 1, "moved": moved, f"wrong_{side}": wrong})
    if options.json:
        print(json.dumps({"rows": table, "broken": broken}))
    else:
        _print(table, broken)
    return 1 if broken else 0


def _print(table: dict[str, Counter[str]], broken: list[str]) -> None:
    columns = ("files", "ok", "salvaged", "refused", "raised", "decoder_crashed", "decode_timeout")
    columns += ("broken", "good", "wrong_flip", "wrong_burst", "moved")
    total: Counter[str] = Counter()
    print(f"{'':44}" + "".join(f"{column:>16}" for column in columns))
    for name, row in table.items():
        total.update(row)
        print(f"{name:44}" + "".join(f"{row[column]:>16}" for column in columns))
    print(f"{'all':44}" + "".join(f"{total[column]:>16}" for column in columns))
    print(*broken, sep="\n")


if __name__ == "__main__":
    os.environ.setdefault("SVT_LOG", "0")
    sys.exit(main())
