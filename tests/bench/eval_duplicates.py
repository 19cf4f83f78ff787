"""Duplicates on real footage: `python tests/bench/eval_duplicates.py [FOLDER ...]`.

Reads every video of the folders (by default ../shared/data/single, ../shared/data/multicamera and
the sample archive, those that are there); cuts them into pieces of at most 6 s; treats each piece
in every way of `treatments`, encodes it into a temporary folder and scans it. Prints how many are
found by treatment, which pairs of pieces that are no copies are taken for such, and CPU times.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.containers.limits import Limits
from tasks.decode import Scale, Source, frames, probe
from tasks.ingest.duplicates import LEAST_MOTION, Duplicate, Footage, compare
from tasks.ingest.lookalikes import candidates, share_pictures
from tasks.ingest.motion import compare_motion
from tasks.ingest.scan import Scan, scan
from tasks.ingest.signals import NAMES, Signals
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Frames = list[npt.NDArray[np.uint8]]
    Times = npt.NDArray[np.int64]

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FOLDERS = (DATA / "single", DATA / "multicamera", ROOT / ".stillhouse" / "assets" / "sample")
PIECE_NS, LEAST_NS, MOST_PIECES = 6 * SECOND_NS, 3 * SECOND_NS // 2, 12
WIDTH = 400
# An offset further from the truth than this is counted as not found.
OFFSET_NS = 160_000_000
SCAN = Limits(pixels=1 << 26, frames=10_000)
FAST, SMALL = {"preset": "ultrafast", "crf": "20"}, {"preset": "veryfast", "crf": "33"}


@dataclass(frozen=True)
class Piece:
    """Some seconds of one recording: where they are from, and the pictures."""

    place: str
    start_s: int
    pictures: Frames
    times_ns: Times

    @property
    def name(self) -> str:
        """Its recording and where in it it starts."""
        return f"{self.place}@{self.start_s}"


def pieces(path: Path, stream: int) -> Iterator[Piece]:
    """Yield the pieces of one video stream, at most `WIDTH` wide."""
    source = Source(str(path), stream=stream)
    header = probe(source)
    width = min(WIDTH, header.picture.width // 2 * 2)
    size = (width, round(width * header.picture.height / header.picture.width / 2) * 2)
    whole = scan(source, SCAN)
    count = min(MOST_PIECES, max(1, whole.duration_ns // PIECE_NS))
    for k in range(count):
        span = Span(k * PIECE_NS, (k + 1) * PIECE_NS)
        found = list(frames(source, span, (Scale("rgb", *size),), start_pts=whole.start_pts))
        times = np.array([one.t_ns for one in found], np.int64)
        if len(times) > 1 and times[-1] - times[0] >= LEAST_NS:
            suffix = f":{stream}" if stream else ""
            place = f"{path.parent.name}/{path.stem}{suffix}"
            yield Piece(
                place, k * PIECE_NS // SECOND_NS, [f.images["rgb"] for f in found], times - times[0]
            )


def cropped(pictures: Frames, share: float) -> Frames:
    """Cut a share off every side."""
    height, width = pictures[0].shape[:2]
    top, left = round(height * share), round(width * share)
    down, right = top + (height - 2 * top) // 2 * 2, left + (width - 2 * left) // 2 * 2
    return [picture[top:down, left:right] for picture in pictures]


def scaled(pictures: Frames, width: int) -> Frames:
    """Scale to a width."""
    height = max(2, round(pictures[0].shape[0] * width / pictures[0].shape[1] / 2) * 2)
    return [cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA) for one in pictures]


def treatments(piece: Piece) -> Iterator[tuple[str, Frames, Times, dict[str, Any]]]:
    """Yield (name, pictures, their times in the piece, how to encode)."""
    given, times = piece.pictures, piece.times_ns
    end = int(times[-1])

    def between(start_s: float, end_s: float) -> npt.NDArray[np.int64]:
        return np.flatnonzero((times >= start_s * SECOND_NS) & (times < end_s * SECOND_NS))

    def some(kept: npt.NDArray[np.int64]) -> Frames:
        return [given[k] for k in kept]

    yield "crf 38", given, times, {"options": {"preset": "veryfast", "crf": "38"}}
    mpeg4 = {"codec": "mpeg4", "options": {"b": "200k"}, "time_base": (1, 1000)}
    yield "MPEG-4 at 200 kbit/s", given, times, mpeg4
    yield "160 px wide", scaled(given, 160), times, {"options": {"preset": "veryfast", "crf": "28"}}
    if end > 2.5 * SECOND_NS:
        kept = between(0.371, end / SECOND_NS - 0.29)
        yield "trim at both ends", some(kept), times[kept], {"options": FAST}
    if end > 3.2 * SECOND_NS:
        kept = between(0.871, 2.871)
        yield "two seconds of it", some(kept), times[kept], {"options": FAST}
    yield "crop 2.5 % a side", cropped(given, 0.025), times, {"options": FAST}
    yield "crop 5 % a side", cropped(given, 0.05), times, {"options": FAST}
    dimmed = [cv2.convertScaleAbs(one, alpha=0.75, beta=40) for one in given]
    yield "contrast x .75", dimmed, times, {"options": FAST}
    curve = (255 * (np.arange(256) / 255) ** 0.7).astype(np.uint8)
    yield "gamma .7", [cv2.LUT(one, curve) for one in given], times, {"options": FAST}
    rate = len(times) * SECOND_NS / (end + 1)
    every = np.arange(0, end + 1, SECOND_NS // (5 if rate < 8 else 10 if rate < 16 else 12))
    kept = np.searchsorted(times, every, side="right") - 1
    yield "5 to 12 frames/s", some(kept), every, {"options": FAST}
    kept = between(0.371 if end > 2.5 * SECOND_NS else 0, 99)
    mixed = [
        cv2.convertScaleAbs(one, alpha=0.85, beta=20)
        for one in scaled(cropped(some(kept), 0.025), 200)
    ]
    yield "all of it, crf 33", mixed, times[kept], {"options": SMALL}


def encoded(
    name: str, pictures: Frames, times: Times, how: dict[str, Any], folder: Path
) -> Footage:
    """Write pictures from time 0 on and scan them."""
    path = folder / "piece.mp4"
    timed = zip(pictures, (times - times[0]).tolist(), strict=True)
    write_video(path, timed, rate=30, **how)
    found = scan(Source(str(path)), SCAN)
    return Footage(name, found.duration_ns, found.hashes, found.signals)


def relation(one: Piece, other: Piece) -> str:
    """Say what two different pieces have in common."""
    folders = [piece.place.split("/")[0] for piece in (one, other)]
    cameras = [piece.place.split("/")[1] for piece in (one, other)]
    if one.place == other.place:
        return "same camera, other time"
    if folders == ["asl_gestures"] * 2:
        return "same wall, other gesture"
    altered = cameras[0].split("_")[0] == cameras[1].split("_")[0] == "carphone"
    takes = all(folder.startswith("take_") for folder in folders) and cameras[0] == cameras[1]
    if altered or takes or (cameras[0].split(":")[0] == cameras[1].split(":")[0] == "nasa_13013"):
        return "altered copy" if one.start_s == other.start_s else "same camera, other time"
    if folders[0] == folders[1] and ("cam" in cameras[0] and "cam" in cameras[1]):
        return "other camera of the session"
    return "unrelated"


def is_moving(footage: Footage) -> bool:
    """Tell whether a piece moves enough to be told from another time, compared with itself."""
    return compare_motion(footage.motion, footage.motion).weight >= LEAST_MOTION


def is_right(found: Duplicate | None, one: Footage, start_ns: int) -> bool:
    """Tell whether a copy was found at the offset it has."""
    if found is None:
        return False
    shift = found.span.start_ns - found.other_span.start_ns
    shift = shift if found.recording_id == one.recording_id else -shift
    return abs(shift - start_ns) <= OFFSET_NS


def print_recall(
    kept: list[tuple[Piece, Footage]], folder: Path
) -> tuple[list[tuple[Piece, Footage]], float]:
    """Treat, look for and count every piece; return the most treated ones and ms a pair."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[float]] = defaultdict(list)
    bits: dict[str, list[float]] = defaultdict(list)
    mixed, spent, pairs, missed = [], 0.0, 0, []
    for piece, original in kept:
        for name, pictures, times, how in treatments(piece):
            copy = encoded(f"{piece.name} {name}", pictures, times, how, folder)
            started = time.thread_time()
            found = compare(original, copy)
            spent, pairs = spent + time.thread_time() - started, pairs + 1
            start_ns = int(times[0] - piece.times_ns[0])
            moving = "moving" if is_moving(copy) and is_moving(original) else "still"
            right = is_right(found, original, start_ns)
            tally[name][moving] += 1
            tally[name][f"{moving} found"] += right
            tally[name]["sieve"] += bool([*candidates({"a": original.hashes}, {"b": copy.hashes})])
            if found and right:
                scores[name].append(found.score)
            elif moving == "moving":
                missed.append(f"{piece.name} {name}")
            if name == "all of it, crf 33":
                mixed.append((piece, copy))
            if start_ns == 0 and len(copy.hashes) <= len(original.hashes):
                pair = copy.hashes ^ original.hashes[: len(copy.hashes)]
                bits[name].append(float(np.bitwise_count(pair).mean()))
    print(
        f"{'treatment':<22}{'moving':>10}{'still':>9}{'sieve':>10}   score, least and median; bits"
    )
    for name, count in tally.items():
        share = f"{count['moving found']}/{count['moving']}"
        still = f"{count['still found']}/{count['still']}"
        sieve = f"{count['sieve']}/{count['moving'] + count['still']}"
        print(f"{name:<22}{share:>10}{still:>9}{sieve:>10}", end="   ")
        print(f"{min(scores[name]):.2f} {np.median(scores[name]):.2f}", end="   ")
        print(f"{np.median(bits[name]):.1f} {max(bits[name]):.1f}" if bits[name] else "")
    print("missed though moving:", "; ".join(missed) or "none")
    return mixed, 1000 * spent / pairs


def print_false(kept: list[tuple[Piece, Footage]], mixed: list[tuple[Piece, Footage]]) -> None:
    """Compare every piece with every other, and with the copies that were treated most."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    named, spent, pairs = [], 0.0, 0
    treated = [(a, b) for a in kept for b in mixed if a[0].name != b[0].name]
    for (piece, one), (other_piece, other) in [*combinations(kept, 2), *treated]:
        kind = relation(piece, other_piece)
        started = time.thread_time()
        found = compare(one, other)
        spent, pairs = spent + time.thread_time() - started, pairs + 1
        tally[kind]["pairs"] += 1
        tally[kind]["found"] += found is not None
        tally[kind]["linked"] += share_pictures(one.hashes, other.hashes)
        if found and kind != "altered copy":
            named.append(f"{one.recording_id} = {other.recording_id} ({found.score:.2f})")
    print(f"\n{'pairs that are no copies':<30}{'pairs':>8}{'found':>8}{'share pictures':>16}")
    for kind, count in sorted(tally.items()):
        print(f"{kind:<30}{count['pairs']:>8}{count['found']:>8}{count['linked']:>16}")
    print("taken for copies:", "; ".join(named) or "none")
    print(f"CPU {1000 * spent / pairs:.2f} ms a pair")


def window(name: str, found: Scan, start_s: float, seconds: float) -> Footage:
    """Cut some seconds out of a scan, from a quarter of a second on, as if scanned alone."""
    times = found.signals.times_ns
    kept = (times >= start_s * SECOND_NS) & (times < (start_s + seconds) * SECOND_NS)
    signals = Signals(
        times[kept] - times[kept][0], *(getattr(found.signals, part)[kept] for part in NAMES)
    )
    hashes = found.hashes[round(start_s * 4) : round((start_s + seconds) * 4)]
    return Footage(name, round(seconds * SECOND_NS), hashes, signals)


def print_other_times(folder: Path) -> None:
    """Compare windows of many lengths and starts of long films of one fixed camera each."""
    print(f"\n{'windows of one fixed camera':<34}{'seconds':>8}{'pairs':>8}{'found':>8}")
    for path in sorted(folder.glob("*-detection.mp4")):
        whole = scan(Source(str(path)), SCAN)
        for seconds, phases in ((3, 4), (5, 4), (8, 4), (15, 3)):
            pairs = found = 0
            for phase in range(phases):
                starts = np.arange(phase * 1.25, whole.duration_ns / SECOND_NS - seconds, seconds)
                cut = [window(f"{start:07.2f}", whole, start, seconds) for start in starts]
                for one, other in combinations(cut, 2):
                    pairs, found = pairs + 1, found + (compare(one, other) is not None)
            print(f"{path.stem:<34}{seconds:>8}{pairs:>8}{found:>8}")


def print_speed() -> None:
    """Look one minute up in 2,000 known ones of random hashes; say what 100,000 would take."""
    random = np.random.default_rng(0)
    known = {str(k): random.integers(0, 2**64, 240, dtype=np.uint64) for k in range(2000)}
    new = {"new": random.integers(0, 2**64, 240, dtype=np.uint64)}
    taken = []
    for _ in range(3):
        started = time.thread_time()
        list(candidates(new, known))
        taken.append(time.thread_time() - started)
    each = min(taken) / 2000
    print(f"\nsieve: {each * 1e9 / 240**2:.2f} ns a pair of hashes, {each * 1e5:.1f} s of CPU")
    print("for a new minute against 100,000 known ones")


def main() -> None:
    """Print everything."""
    cv2.setNumThreads(1)
    folders = [Path(name) for name in sys.argv[1:]] or list(FOLDERS)
    for folder in folders:
        if not folder.exists():
            print(f"not there, left out: {folder}")
    paths = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".mp4", ".mkv", ".mov")
    ]
    with tempfile.TemporaryDirectory() as name:
        kept = []
        for path in paths:
            try:
                streams = probe(Source(str(path))).claims.video_streams
                found = [piece for k in range(streams) for piece in pieces(path, k)]
            except MediaError as refused:
                print(f"left out: {refused}")
                continue
            whole = {"options": {"preset": "ultrafast", "crf": "12"}}
            kept += [(p, encoded(p.name, p.pictures, p.times_ns, whole, Path(name))) for p in found]
        moving = sum(is_moving(footage) for _, footage in kept)
        print(f"{len(kept)} pieces of {len(paths)} files, {moving} of them moving\n")
        mixed, milliseconds = print_recall(kept, Path(name))
        print(f"CPU {milliseconds:.2f} ms a pair")
    print_false(kept, mixed)
    print_other_times(DATA / "single" / "intel")
    print_speed()


if __name__ == "__main__":
    main()
