"""How well clocks are found: `python tests/bench/eval_sync.py`.

Reads the real multi-camera takes in `../shared/data` and the sample archive under STILLHOUSE_HOME
(what is absent is left out), writes synthetic archives into a temporary folder, and prints a
table. Starts are shifted by cutting the signals, so the truth is known to the frame.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS
from infra.settings import load_settings
from tasks.clocks.sync import CameraTrack, align
from tasks.containers.limits import Limits
from tasks.decode import Source
from tasks.ingest.scan import scan
from tasks.ingest.signals import NAMES, Signals
from tasks.mux import write_video
from tasks.rigs.calibration import Calibration, read_calibration
from tasks.synthetic.archive import ArchiveSpec, write_archive

sys.path.insert(0, str(Path(__file__).parent))
from clocks_by_pose import by_joints, judge_joints  # the path is set just above

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "multicamera"
DRAWS, SURE, FRAMES = 20, 0.85, 1.5


@dataclass(frozen=True)
class Rig:
    """Cameras of one take, where their clocks truly stand, and how far they may be shifted."""

    name: str
    cameras: dict[str, Signals]
    offsets_ns: tuple[int, ...]
    shift_s: float
    calibration: Calibration | None = None
    files: tuple[Path, ...] = ()
    drift_ppm: tuple[float, ...] | None = None


@dataclass
class Tally:
    """What came out for one row of the table."""

    errors: list[float]
    wrong: int = 0
    unsynchronised: int = 0
    sessions: int = 0


def signals_of(path: Path) -> Signals:
    """Return what a scan notes of a recording."""
    return scan(Source(str(path)), Limits(pixels=1 << 26, frames=1 << 20)).signals


def cut(signals: Signals, first: int, last: int | None = None) -> Signals:
    """Return the signals of a recording that starts at frame `first`, and ends before `last`."""
    part = {name: getattr(signals, name)[first:last].copy() for name in NAMES}
    part["change"][:1] = 0
    part["centre_x"][:1] = part["centre_y"][:1] = np.nan
    times = signals.times_ns[first:last]
    keys = None if signals.keys is None else signals.keys[first:last]
    return Signals(times - times[0], **part, keys=keys)


def end_ns(signals: Signals) -> int:
    """Return the end of the last frame."""
    return int(signals.times_ns[-1] + np.median(np.diff(signals.times_ns)))


def tracks_of(cameras: dict[str, Signals]) -> list[CameraTrack]:
    """Return cameras as they are aligned."""
    return [CameraTrack(name, one, end_ns(one)) for name, one in cameras.items()]


def real_rigs() -> Iterator[Rig]:
    """Yield what is there of the real takes."""
    hands = SHARED / "handpose3d"
    if hands.is_dir():
        cameras = {f"cam{k}": signals_of(hands / f"cam{k}_test.mp4") for k in (0, 1)}
        known = read_calibration(hands / "camera_parameters")
        yield Rig("handpose3d", cameras, (0, 0), 5.0, known)
    for take, shift in (("charuco_calibration", 5.0), ("4_cam_recording", 2.5)):
        folder = SHARED / "caliscope" / take
        if folder.is_dir():
            yield _caliscope(folder, shift)
    sample = load_settings().home / "assets" / "sample" / "pose2sim"
    for take in ("take_1", "take_2"):
        if (sample / take).is_dir():
            names = [f"cam0{k}" for k in range(1, 5)]
            cameras = {name: signals_of(sample / take / f"{name}.mp4") for name in names}
            known = read_calibration(sample / "Calib.qca.txt")
            files = tuple(sample / take / f"{name}.mp4" for name in names)
            yield Rig(f"pose2sim {take}", cameras, (0, 0, 0, 0), 0.5, known, files)


def _caliscope(folder: Path, shift: float) -> Rig:
    """Return a take whose every frame has the time at which its camera's driver gave it."""
    times: dict[str, list[float]] = defaultdict(list)
    with (folder / "timestamps.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            times[line["cam_id"]].append(float(line["frame_time"]))
    cameras, starts = {}, []
    for name in sorted(times):
        clock = np.round(np.array(times[name]) * SECOND_NS).astype(np.int64)
        found = signals_of(folder / f"cam_{name}.mp4")
        cameras[f"cam_{name}"] = replace(found, times_ns=clock - clock[0])
        starts.append(int(clock[0]))
    known = read_calibration(folder / "camera_array.toml")
    files = tuple(folder / f"cam_{name}.mp4" for name in sorted(times))
    return Rig(f"caliscope {folder.name}", cameras, tuple(starts), shift, known, files)


def synthetic_rigs(folder: Path) -> Iterator[Rig]:
    """Yield the takes of two synthetic archives, of 3 and 12 seconds."""
    for seed, (frames, shift) in enumerate(((75, 0.8), (300, 5.0))):
        truth = write_archive(
            folder / str(seed), ArchiveSpec(seed=seed, take_frames=frames, single_frames=4)
        )
        for take in ("take_1", "take_2"):
            found = [one for one in truth.recordings.values() if one.session == take]
            cameras = {one.camera_id: signals_of(truth.folder / one.member) for one in found}
            starts = tuple(one.offset_ns for one in found)
            yield Rig(f"synthetic {frames // 25} s {take}", cameras, starts, shift)


def moved(
    seconds: float, views: int, noise: float, drift_ppm: tuple[float, ...], seed: int
) -> tuple[dict[str, Signals], tuple[int, ...]]:
    """Return cameras that see one irregular movement, each with noise of its own.

    The movement is a slow wandering of half a second's memory; a camera's noise is `noise` times
    as strong, of the same memory, so that it does not average out from frame to frame.
    """
    random = np.random.default_rng(seed)
    fine = 100

    def wander(count: int) -> npt.NDArray[np.float64]:
        steps = random.standard_normal(count + 400)
        kernel = np.exp(-np.arange(400) / (0.5 * fine))
        spectrum = np.fft.rfft(steps, 2 * len(steps)) * np.fft.rfft(kernel, 2 * len(steps))
        found = np.fft.irfft(spectrum)[400 : 400 + count]
        return np.asarray(found / found.std())

    count = int((seconds + 20) * fine)
    shared, at = wander(count), np.arange(count) / fine
    cameras, starts = {}, []
    for view in range(views):
        rate = (25, 30, 24)[view % 3]
        start_s = float(random.uniform(0, 5))
        own_s = np.arange(int(seconds * rate)) / rate
        session_s = start_s + own_s / (1 + 1e-6 * drift_ppm[view])
        seen = np.interp(session_s, at, shared + noise * wander(count))
        change = np.exp(0.6 * seen + 0.1 * random.standard_normal(len(own_s)))
        flat = np.full(len(own_s), 100, np.float32)
        nowhere = np.full(len(own_s), np.nan, np.float32)
        times = np.round(own_s * SECOND_NS).astype(np.int64)
        change[0] = 0
        cameras[f"cam{view}"] = Signals(
            times, change.astype(np.float32), flat, flat, nowhere, nowhere
        )
        starts.append(round(start_s * SECOND_NS))
    return cameras, tuple(starts)


def judge(rig: Rig, draws: int, *, calibrated: bool, seed: int = 0) -> Tally:
    """Shift a rig's cameras `draws` times and hold what is found against the truth."""
    random = np.random.default_rng(seed)
    tally = Tally([])
    for _ in range(draws):
        cameras, starts = {}, []
        for (name, whole), start in zip(rig.cameras.items(), rig.offsets_ns, strict=True):
            shift_ns = random.uniform(0, rig.shift_s) * SECOND_NS
            first = int(np.searchsorted(whole.times_ns, shift_ns))
            cameras[name] = cut(whole, first)
            starts.append(start + int(whole.times_ns[first]))
        given = rig.calibration if calibrated else None
        reach = round(1.2 * rig.shift_s * SECOND_NS) + SECOND_NS // 2
        clock = align(
            tracks_of(cameras), calibration=given, max_offset_ns=reach, min_confidence=0.0
        )
        found = np.array([one.offset_ns for one in clock.cameras])
        frame = max(float(np.median(np.diff(one.times_ns))) for one in cameras.values())
        errors = np.abs((found - found[0]) - (np.array(starts) - starts[0]))[1:] / frame
        sure = min(one.confidence for one in clock.cameras) >= SURE
        tally.sessions += 1
        tally.unsynchronised += not sure
        tally.wrong += int(sure and errors.max() > FRAMES)
        tally.errors += errors.tolist()
    return tally


def unrelated(rigs: list[Rig]) -> Iterator[tuple[str, list[tuple[dict[str, Signals], float]]]]:
    """Yield sessions of cameras that never saw one thing at one time, and how far to look."""
    whole = [(rig.name.split()[0], one) for rig in rigs for one in rig.cameras.values()]
    pairs = [
        ({"a": one, "b": other}, 6.0)
        for (name, one), (of, other) in combinations(whole, 2)
        if name != of
    ]
    yield "unrelated, 2 cameras", pairs
    random = np.random.default_rng(0)
    mixed = []
    for _ in range(60):
        chosen = random.permutation(len(whole))
        named = {whole[k][0]: whole[k][1] for k in chosen}  # one of each place
        mixed.append((dict(list(named.items())[:4]), 6.0))
    yield "unrelated, 4 cameras", mixed
    apart = []
    for rig in rigs:
        for (_, one), (_, other) in combinations(rig.cameras.items(), 2):
            half = min(len(one), len(other)) // 2
            reach = 0.8 * float(one.times_ns[half]) / SECOND_NS
            apart += [
                ({"a": cut(one, 0, half), "b": cut(other, half)}, reach),
                ({"a": cut(one, half), "b": cut(other, 0, half)}, reach),
            ]
    yield "same take, other half", apart


def coded(folder: Path) -> list[tuple[dict[str, Signals], float]]:
    """Return pairs of still scenes that jump at random, coded at one rhythm of keyframes."""
    found = []
    for rhythm in ({"g": "50"}, {"g": "25", "crf": "38"}):
        scenes = []
        for scene in range(4):
            random = np.random.default_rng(scene + 5)
            ground = cv2.GaussianBlur(random.uniform(0, 256, (180, 320, 3)), (0, 0), 4)
            ground = cv2.normalize(ground, None, 30, 220, cv2.NORM_MINMAX)
            path = np.cumsum(random.normal(0, 1, 600) * (random.random(600) < 0.04)).astype(int)
            pictures = [
                np.clip(np.roll(ground, by, 1) + random.normal(0, 4, ground.shape), 0, 255)
                for by in path
            ]
            file = folder / f"{rhythm['g']}_{scene}.mp4"
            shown = [one.astype(np.uint8) for one in pictures]
            write_video(file, shown, rate=25, options={"preset": "veryfast"} | rhythm)
            scenes.append(signals_of(file))
        found += [
            ({"a": cut(one, 13), "b": cut(other, 61)}, 5.0)
            for one, other in combinations(scenes, 2)
        ]
    return found


def show(name: str, cameras: int, shift: str, tally: Tally) -> None:
    """Print a row."""
    middle, high = np.percentile(tally.errors, [50, 90]) if tally.errors else (np.nan, np.nan)
    print(
        f"{name:42} {cameras:4} {shift:>9} {tally.sessions:8} {middle:8.2f} {high:8.2f} "
        f"{tally.unsynchronised / tally.sessions:8.0%} {tally.wrong / tally.sessions:8.1%}"
    )


def drifting() -> None:
    """Print what is found of drift, on signals of a shared movement."""
    print(
        f"\n{'drift of 100 ppm':42} {'noise':>6} {'claimed':>8} {'ppm off':>8} {'frames off':>11}"
    )
    for seconds, noise in ((120, 1), (600, 0.5), (600, 1), (600, 2), (1800, 1), (3600, 2)):
        drift, end, claimed, tries = [], [], 0, 4 if seconds > 1000 else 8
        for seed in range(tries):
            true_ppm = (0.0, 100.0 if seed % 2 else -100.0)
            cameras, starts = moved(seconds, 2, noise, true_ppm, seed)
            clock = align(tracks_of(cameras), max_offset_ns=10 * SECOND_NS, min_confidence=0)
            one = clock.cameras[1]
            claimed += one.drift_ppb != 0
            drift.append(abs(one.drift_ppb / 1e3 - true_ppm[1]))
            for at_ns in (0, seconds * SECOND_NS):
                found = one.offset_ns - clock.cameras[0].offset_ns - at_ns * one.drift_ppb * 1e-9
                true = starts[1] - starts[0] - at_ns * true_ppm[1] * 1e-6
                end.append(abs(found - true) / (SECOND_NS / 25))
        print(
            f"{f'{seconds // 60} min, 25 and 30 a second':42} {noise:6} {claimed / tries:8.0%} "
            f"{np.median(drift):8.1f} {np.median(end):6.2f} {max(end):4.1f}"
        )


def main() -> None:
    """Print the table; with the word `joints`, only what joints tell."""
    if sys.argv[1:] == ["joints"]:
        judge_joints(by_joints(real_rigs(), load_settings().assets), DRAWS)
        return
    print(
        f"{'set':42} {'cams':>4} {'shift s':>9} {'sessions':>8} {'median':>8} {'90 %':>8} "
        f"{'unsync':>8} {'wrong':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        rigs = [*real_rigs(), *synthetic_rigs(Path(folder))]
        still = coded(Path(folder))
    for rig in rigs:
        for calibrated in (False, True) if rig.calibration else (False,):
            name = rig.name + (", calibrated" if calibrated else "")
            tally = judge(rig, DRAWS, calibrated=calibrated)
            show(name, len(rig.cameras), f"0-{rig.shift_s:g}", tally)
    for name, sessions in [*unrelated(rigs), ("unrelated, still, one GOP", still)]:
        tally = Tally([])
        for cameras, reach_s in sessions:
            reach = round(reach_s * SECOND_NS)
            clock = align(tracks_of(cameras), max_offset_ns=reach, min_confidence=SURE)
            tally.sessions += 1
            tally.unsynchronised += clock.status == "unsynchronised"
            tally.wrong += clock.status == "measured"
        show(name, max(len(cameras) for cameras, _ in sessions), "-", tally)
    drifting()
    judge_joints(by_joints(rigs, load_settings().assets), DRAWS)


if __name__ == "__main__":
    main()
