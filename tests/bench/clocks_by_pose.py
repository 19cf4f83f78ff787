"""How well joints tell clocks of calibrated cameras: a part of `eval_sync.py`.

Reads joints of the real takes as ingest's last resort does, by the asset `blazepose`, once; starts
are shifted by cutting them. Sessions that never were one are made by turning time round, by the
other half of a take, and by the calibration of other cameras. Prints rows of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations, product
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS, Span
from infra.assets import asset_state
from tasks.clocks.joint_clocks import LEAST_CAMERAS, clock_by_joints
from tasks.clocks.joint_curves import Seen
from tasks.clocks.joint_reader import FINEST_NS, LOOK_NS, READ_NS
from tasks.decode import Decoded, Limits, Source, decode_all, frames, probe
from tasks.pose.networks import ASSET, Networks
from tasks.pose.people import PACE, find_people
from tasks.pose.shared import RGB320

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from eval_sync import Rig

    from tasks.rigs.calibration import Calibration, CameraModel

    Times = npt.NDArray[np.int64]

SURE, FRAMES = 0.85, 1.5


@dataclass(frozen=True)
class Watched:
    """Cameras of one take with their joints at even steps of true time, all from one instant."""

    name: str
    cameras: tuple[CameraModel, ...]
    seen: tuple[Seen, ...]
    step_s: float
    shift_s: float

    def cut(self, firsts: Sequence[int], length: int | None = None) -> list[Seen]:
        """Return what cameras see that start at these steps and end after `length` more."""
        return [
            replace(one, joints=one.joints[first:][:length])
            for one, first in zip(self.seen, firsts, strict=True)
        ]

    def of(self, chosen: Sequence[int]) -> Watched:
        """Return the take of some cameras."""
        cameras, seen = (
            tuple(self.cameras[k] for k in chosen),
            tuple(self.seen[k] for k in chosen),
        )
        return replace(self, cameras=cameras, seen=seen)

    def told(self, seen: Sequence[Seen]) -> tuple[npt.NDArray[np.float64], float]:
        """Return the offsets found, in steps, and the least confidence."""
        found = clock_by_joints(self.cameras, seen, self.step_s, 60.0)
        return found.offsets_s / self.step_s, float(found.confidence.min())


def by_joints(rigs: Iterable[Rig], assets: Path) -> list[Watched]:
    """Return the joints of takes by three or more calibrated cameras, if the networks are here."""
    if asset_state(assets, ASSET) != "present":
        print(f"by joints: needs `stillhouse assets fetch {ASSET}`")
        return []
    takes = []
    for rig in rigs:
        if rig.files and rig.calibration is not None:
            each = zip(rig.cameras, rig.files, rig.offsets_ns, strict=True)
            files = {name: (file, rig.cameras[name].times_ns, start) for name, file, start in each}
            takes.append(watched(rig.name, files, rig.calibration, rig.shift_s, assets))
    return takes


def watched(
    name: str,
    files: Mapping[str, tuple[Path, Times, int]],
    calibration: Calibration,
    shift_s: float,
    assets: Path,
) -> Watched:
    """Read a take; `files` has each camera's file, its frames' times, and its true start."""
    eyes, models = Networks(assets / ASSET, 1), calibration.matched(files)
    step_ns = max(FINEST_NS, *(int(np.median(np.diff(times))) for _, times, _ in files.values()))
    begin = max(start for _, _, start in files.values())
    end = min(start + int(times[-1]) for _, times, start in files.values())
    grid = np.arange(begin, end, step_ns) + step_ns // 4
    seen = []
    for path, times, start in files.values():
        source = Source(str(path))
        first = next(decode_all(source, Limits(pixels=1 << 24, frames=1 << 20)))
        assert isinstance(first, Decoded)
        found = list(frames(source, Span(0, 1 << 50), [RGB320], start_pts=first.pts))
        at = np.searchsorted(times + start, grid, side="right") - 1
        pictures = np.stack([found[k].images[RGB320.name] for k in at])
        picture = probe(source).picture
        size = (picture.width, picture.height)
        pace = replace(PACE, look=max(1, round(LOOK_NS / step_ns)))
        people = find_people(pictures, np.ones(len(at), np.bool_), size, eyes, pace)
        seen.append(Seen(people.joints.astype(np.float64), size))
    cameras = tuple(models[camera] for camera in files)
    return Watched(name, cameras, tuple(seen), step_ns / SECOND_NS, shift_s)


def shifted(take: Watched, draws: int) -> Iterator[tuple[float, list[float], bool]]:
    """Yield confidence, errors in frames, and whether it is wrong, of starts cut at random."""
    random = np.random.default_rng(0)
    length = int(READ_NS / SECOND_NS / take.step_s)
    for _ in range(draws):
        firsts = (random.uniform(0, take.shift_s, len(take.seen)) / take.step_s).astype(int)
        found, sure = take.told(take.cut(firsts, length))
        errors = np.abs(found - (firsts - firsts[0]))[1:]
        yield sure, errors.tolist(), bool(sure >= SURE and errors.max() > FRAMES)


def unrelated(take: Watched) -> Iterator[float]:
    """Yield confidences of sessions of which some cameras saw another time, or another place."""
    count, steps = len(take.seen), len(take.seen[0].joints)
    length = int(READ_NS / SECOND_NS / take.step_s)
    half = min(steps // 2, length)
    least = [one.joints[:length] for one in take.seen]
    ways: list[Callable[[int, bool], npt.NDArray[np.float64]]] = [
        lambda k, odd: least[k][::-1] if odd else least[k],
        lambda k, odd: take.seen[k].joints[steps - half :] if odd else take.seen[k].joints[:half],
    ]
    for way, odd in product(ways, product((False, True), repeat=count)):
        if len(set(odd)) > 1:
            other = [replace(take.seen[k], joints=way(k, odd[k])) for k in range(count)]
            yield take.told(other)[1]
    for order in permutations(range(count)):
        if all(order[k] != k for k in range(count)):
            swapped = replace(take, cameras=tuple(take.cameras[k] for k in order))
            yield swapped.told(take.cut([0] * count, length))[1]


def judge_joints(takes: Sequence[Watched], draws: int) -> None:
    """Print a row for each take, of all its cameras and of three, and sessions that are none."""
    print(f"\n{'by joints':42} {'cams':>4} {'sessions':>8} {'median':>8} {'mean':>6} {'90 %':>6} "
          f"{'unsync':>8} {'wrong':>6} {'least sure':>10} {'surest':>7}")  # fmt: skip
    for take in takes:
        threes = [take.of(some) for some in combinations(range(len(take.seen)), LEAST_CAMERAS)]
        for group in ([take], threes):
            told = [one for some in group for one in shifted(some, draws)]
            sure = np.array([one[0] for one in told])
            off = np.concatenate([one[1] for one in told])
            print(f"{take.name:42} {len(group[0].seen):4} {len(told):8} {np.median(off):8.2f} "
                  f"{off.mean():6.2f} {np.percentile(off, 90):6.2f} {(sure < SURE).mean():8.0%} "
                  f"{sum(one[2] for one in told):6} {sure.min():10.2f} {sure.max():7.2f}",
                  flush=True)  # fmt: skip
            none = np.array([one for some in group for one in unrelated(some)])
            print(f"{'  unrelated':42} {len(group[0].seen):4} {len(none):8} {'':31} "
                  f"{(none < SURE).mean():8.0%} {(none >= SURE).sum():6} {'':10} {none.max():7.2f}",
                  flush=True)  # fmt: skip
