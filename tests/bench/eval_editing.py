"""How well a marked region is followed, found in other cameras and changed, beside baselines.

Renders takes whose masks and exact edits are known, and, with `--home`, reads the persons of real
calibrated rigs (silhouettes of the pose model stand for the truth there). Prints tables a session;
with `--sheets FOLDER` it writes pictures to look at.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import editing_masks as em
import numpy as np
from editing_real import real_takes
from plainly import plainly

from infra.assets import member_path
from tasks.editing.changes import Change, lightness_of
from tasks.editing.evidence import background, learnt
from tasks.editing.features import PictureFeatures
from tasks.editing.following import Clip, follow
from tasks.editing.marks import Box, object_in
from tasks.editing.mask_scores import outline_f, region_j, region_psnr
from tasks.editing.plate import clean_plate, moving_in
from tasks.editing.regions import Regions, Seen, full_alpha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt
    from torch import Tensor

    Bools = npt.NDArray[np.bool_]
    Pixels = npt.NDArray[np.uint8]
    Features = Callable[[Pixels], Tensor]

Table = dict[str, list[tuple[float, ...]]]
COLOUR = (230, 40, 200)
EVERY = 4  # frames between those of which edits are compared


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=Path(".stillhouse/assets"))
    parser.add_argument("--seeds", default="0,100,200,300", help="of rendered sessions")
    parser.add_argument("--frames", type=int, default=38)
    parser.add_argument("--distiller", type=Path, help="a distiller's folder: affinity on its P2")
    parser.add_argument("--home", help="whose real calibrated sessions to judge too")
    parser.add_argument("--sheets", type=Path, help="where to write pictures")
    parser.add_argument("--only", default="time,cameras,absent,edits,box,real")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    features = PictureFeatures(member_path(given.assets, "mobilenetv2", "mobilenetv2.safetensors"))
    parts = given.only.split(",")
    seeds = [int(seed) for seed in given.seeds.split(",")]
    judged = {"time": through_time, "cameras": across_cameras, "edits": edits, "box": boxes}
    judged["absent"] = absent
    for name in [part for part in parts if part in judged]:
        total: Table = {}
        for seed in seeds:
            table: Table = {}
            judged[name](em.take(seed, given.frames), features, given, table)
            show(f"{name}, rendered session {seed}", table)
            for method, values in table.items():
                total.setdefault(method, []).extend(values)
        show(f"{name}, all rendered sessions", total)
    if "real" in parts and given.home:
        for session in real_takes(given.home):
            table = {}
            real(session.seen, session.people, features, table, given.sheets)
            show(f"real session {session.name}, persons by the pose model", table)


def show(title: str, table: Table) -> None:
    """Print the mean of each column, and how many rows it is of."""
    print(f"\n{title}")
    for method, values in table.items():
        means = "  ".join(f"{value:8.3f}" for value in np.nanmean(np.array(values), axis=0))
        print(f"  {method:<34} {means}   n {len(values)}", flush=True)


def scores(found: Iterable[Bools], truth: Iterable[Bools]) -> tuple[float, float]:
    """Return mean J and F over frames."""
    pairs = list(zip(found, truth, strict=True))
    j, f = ([measure(a, b) for a, b in pairs] for measure in (region_j, outline_f))
    return float(np.mean(j)), float(np.mean(f))


def through_time(take: em.Take, features: Features, given: argparse.Namespace, into: Table) -> None:
    """J and F over the frames after the one that was marked, one camera."""
    pictures = take.pictures[1]
    maps = [features(picture) for picture in pictures]
    p2 = _p2_maps(pictures, given.distiller) if given.distiller else None
    behind = background(pictures)
    for body in take.bodies(1, 0):
        truth = take.masks(1, body)
        mask = truth[0]
        soft = mask.astype(np.float32)
        evidence = learnt(pictures[0], mask, behind)
        rows = {
            "frozen copy": em.frozen(mask, len(pictures)),
            "homography (planar tracker)": em.planar(pictures, mask),
            "DIS chain": em.dis_chain(pictures, mask),
            "affinity, MobileNet stride 8": em.by_affinity(maps, mask),
        }
        if p2 is not None:
            rows["affinity, distiller's P2"] = em.by_affinity(p2, mask)
        clips = {"ours without features": None, "ours": maps.__getitem__}
        for name, kept in clips.items():
            since = time.perf_counter()
            soft_masks = follow(Clip(pictures, behind, kept), 0, soft, evidence)
            ms = (time.perf_counter() - since) / len(pictures) * 1e3
            rows[name] = [one > 0.5 for one in soft_masks]
            into.setdefault(f"  ms a frame, {name}", []).append((ms,))
        for name, found in rows.items():
            into.setdefault(name, []).append(scores(found[1:], truth[1:]))


def across_cameras(
    take: em.Take, features: Features, given: argparse.Namespace, into: Table
) -> None:
    """J and F in the other cameras at the marked instant, and how often it is said to be there."""
    del given
    at, models = len(take.pictures[0]) // 2, take.models()
    for camera in range(3):
        for body in take.bodies(camera, at):
            mask = take.masks(camera, body)[at]
            regions = {
                name: _regions(take, camera, at, mask, features if net else None, calibrated=known)
                for name, net, known in (
                    ("ours, calibrated", False, True),
                    ("ours, not calibrated", False, False),
                    ("ours, not calibrated, features", True, False),
                )
            }
            for other in {0, 1, 2} - {camera}:
                truth = take.masks(other, body)[at]
                if truth.sum() < 100:
                    continue
                picture = take.pictures[camera][at]
                rows = {
                    "frozen copy": mask,
                    "homography (SIFT matches)": em.by_matches(
                        picture, take.pictures[other][at], mask
                    ),
                    "homography (plane in the middle)": em.by_plane(
                        models[camera], models[other], mask
                    ),
                } | {name: found[other] for name, found in regions.items()}
                for name, found in rows.items():
                    j, f = scores([found], [truth])
                    wrong = float(found.any() and j < 0.3)
                    into.setdefault(f"{name}", []).append((j, f, float(found.any()), wrong))


def absent(take: em.Take, features: Features, given: argparse.Namespace, into: Table) -> None:
    """How often a body that was taken out of the other camera's world is said to be there."""
    del given
    at = len(take.pictures[0]) // 2
    frames = sorted({0, at, len(take.pictures[0]) - 1})
    for body in range(1, len(take.world.bodies) + 1):
        world = em.without(take.world, body)
        for other in range(3):
            shown = [world.picture(take.cameras[other], k * em.STEP_NS) for k in frames]
            changed = em.with_pictures(take, other, shown, at)
            for camera in {0, 1, 2} - {other}:
                mask = take.masks(camera, body)[at]
                if mask.sum() < em.SMALLEST_PX:
                    continue
                for name, net, known in (
                    ("ours, calibrated", None, True),
                    ("ours, not calibrated", None, False),
                    ("ours, not calibrated, features", features, False),
                ):
                    found = _regions(changed, camera, at, mask, net, calibrated=known)
                    into.setdefault(f"said to be there: {name}", []).append(
                        (float(found[other].any()),)
                    )


def _regions(
    take: em.Take, camera: int, at: int, mask: Bools, features: Features | None, *, calibrated: bool
) -> dict[int, Bools]:
    """Return what is found in the other two at frame `at`."""
    from tasks.editing.finding import Look, find

    models = take.models()
    looks = [
        Look(
            take.pictures[k][at],
            background(take.pictures[k]),
            models[k] if calibrated else None,
            features(take.pictures[k][at]) if features else None,
        )
        for k in range(3)
    ]
    others = sorted({0, 1, 2} - {camera})
    evidence = learnt(looks[camera].picture, mask, looks[camera].behind)
    found = find(looks[camera], mask.astype(np.float32), [looks[k] for k in others], evidence)
    return {k: one.mask > 0.5 for k, one in zip(others, found, strict=True)}


def edits(take: em.Take, features: Features, given: argparse.Namespace, into: Table) -> None:
    """PSNR of the edited region against the exact edit, in the marked camera and the others.

    Compared where the truth and either mask say the edit is; exact edits are rendered.
    """
    models = take.models()
    for body in take.bodies(1, 0)[:3]:
        seen = [
            Seen(
                f"cam{k}",
                take.pictures[k],
                [t * em.STEP_NS for t in range(given.frames)],
                models[k],
            )
            for k in range(3)
        ]
        mask = take.masks(1, body)[0]
        regions = Regions(seen[1], 0, mask.astype(np.float32), features)
        for camera in range(3):
            pictures, truth = take.pictures[camera], take.masks(camera, body)
            if camera == 1:
                ours = regions.marked().masks
                baselines = {
                    "frozen copy": em.frozen(mask, len(pictures)),
                    "homography": em.planar(pictures, mask),
                    "DIS chain": em.dis_chain(pictures, mask),
                }
            else:
                helpers = [one for k, one in enumerate(seen) if k not in {1, camera}]
                ours = regions.other(seen[camera], helpers).masks
                first = em.by_plane(models[1], models[camera], mask)
                baselines = {
                    "frozen copy": em.frozen(mask, len(pictures)),
                    "homography": em.planar(pictures, first),
                    "DIS chain": em.dis_chain(pictures, first),
                }
            masks = {
                name: [one.astype(np.float32) for one in found] for name, found in baselines.items()
            }
            masks |= {"ours": ours, "with the true mask": [one.astype(np.float32) for one in truth]}
            where = "marked camera" if camera == 1 else "other cameras"
            for name, found in masks.items():
                for kind in ("recolour", "replace", "blur", "remove"):
                    value = _edit_psnr(take, camera, body, found, truth, kind, name, given.sheets)
                    into.setdefault(f"{kind:<9}{where:<15}{name}", []).append((value,))


def _edit_psnr(
    take: em.Take,
    camera: int,
    body: int,
    masks: Sequence[npt.NDArray[np.float32]],
    truth: Sequence[Bools],
    kind: str,
    name: str,
    sheets: Path | None,
) -> float:
    pictures = take.pictures[camera]
    texture = take.world.bodies[body - 1].texture
    marked = take.pictures[1][0], take.masks(1, body)[0]
    change = Change(kind, COLOUR, lightness=lightness_of(*marked))  # type: ignore[arg-type]
    behind = None
    if kind == "remove":
        some = list(range(0, len(pictures), 4))
        stirred = [moving_in(pictures, k) for k in some] if name == "ours" else []
        behind, _ = clean_plate([pictures[k] for k in some], [masks[k] for k in some], stirred)
    exact_world = {
        "remove": lambda: em.without(take.world, body),
        "replace": lambda: em.painted(take.world, body, np.full_like(texture, COLOUR)),
        "recolour": lambda: em.painted(take.world, body, change._recoloured(texture)),
        "blur": lambda: take.world,
    }[kind]()
    values, shown = [], []
    for k in range(0, len(pictures), EVERY):
        picture = pictures[k]
        exact = exact_world.picture(take.cameras[camera], k * em.STEP_NS)
        if kind == "blur":
            exact = change.apply(picture, truth[k].astype(np.float32))
        alpha = full_alpha(masks[k], picture, picture) if name == "ours" else masks[k]
        made = change.apply(picture, alpha, behind)
        where = truth[k] | (masks[k] > 0.5)
        if where.any():
            values.append(region_psnr(made, exact, where))
        shown.append(np.concatenate([picture, made, exact]))
    if sheets and name == "ours":
        sheets.mkdir(parents=True, exist_ok=True)
        target = sheets / f"world-{body}-cam{camera}-{kind}.png"
        cv2.imwrite(str(target), np.concatenate(shown[:6], axis=1)[..., ::-1])
    return float(np.mean(values)) if values else np.nan


def boxes(take: em.Take, features: Features, given: argparse.Namespace, into: Table) -> None:
    """J and F of the object that GrabCut sees in a box, beside the box itself."""
    del features, given
    for camera in range(3):
        picture = take.pictures[camera][0]
        for body in take.bodies(camera, 0):
            truth = take.masks(camera, body)[0]
            rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
            left, top = max(0, int(columns[0]) - 4), max(0, int(rows[0]) - 4)
            right, low = min(truth.shape[1], columns[-1] + 5), min(truth.shape[0], rows[-1] + 5)
            box = Box(left, top, int(right) - left, int(low) - top).mask(truth.shape[::-1])
            into.setdefault("the box", []).append(scores([box], [truth]))
            into.setdefault("the object in it", []).append(
                scores([object_in(picture, box)], [truth])
            )


def real(
    seen: Sequence[Seen],
    people: Sequence[dict[int, Bools]],
    features: Features,
    into: Table,
    sheets: Path | None,
) -> None:
    """J and F against the pose model's silhouettes: from the first camera through time and to all.

    `people` holds, a camera, the silhouette of some frames.
    """
    start = min(people[0])
    mask = people[0][start]
    soft = mask.astype(np.float32)
    regions = Regions(seen[0], start, soft)
    with_net = Regions(seen[0], start, soft, features)
    plain = [Seen(one.camera_id, one.pictures, one.times_ns) for one in seen]
    blind = Regions(plain[0], start, soft)
    blind_with_net = Regions(plain[0], start, soft, features)
    for camera, (one, truth) in enumerate(zip(seen, people, strict=True)):
        if not truth:
            continue
        frames = sorted(truth)
        if camera == 0:
            rest = one.pictures[start:]
            rows = {
                "frozen copy": em.frozen(mask, len(rest)),
                "homography (planar tracker)": em.planar(rest, mask),
                "DIS chain": em.dis_chain(rest, mask),
            }
            rows = {name: [mask] * start + found for name, found in rows.items()}
            rows["ours"] = [m > 0.5 for m in regions.marked().masks]
            rows["ours with features"] = [m > 0.5 for m in with_net.marked().masks]
        else:
            helpers = [other for k, other in enumerate(seen) if k not in {0, camera}]
            found = regions.other(one, helpers)
            alone = blind.other(plain[camera])
            print(f"  {one.camera_id}: calibrated {found.reason}, not calibrated {alone.reason}")
            size = one.pictures[0].shape[1::-1]
            frozen = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            rows = {
                "frozen copy": em.frozen(frozen, len(one.pictures)),
                "ours, calibrated": [m > 0.5 for m in found.masks],
                "ours, not calibrated": [m > 0.5 for m in alone.masks],
                "ours, not calibrated, features": [
                    m > 0.5 for m in blind_with_net.other(plain[camera]).masks
                ],
            }
        for name, masks in rows.items():
            pair = scores([masks[k] for k in frames], [truth[k] for k in frames])
            into.setdefault(f"{one.camera_id} {name}", []).append(pair)
        if sheets:
            ours = rows.get("ours", rows.get("ours, calibrated"))
            _real_sheet(one, ours or [], truth, sheets)


def _real_sheet(one: Seen, masks: Sequence[Bools], truth: dict[int, Bools], sheets: Path) -> None:
    sheets.mkdir(parents=True, exist_ok=True)
    change, columns = Change("recolour", (230, 40, 200)), []
    for k in np.linspace(0, len(masks) - 1, 5).round().astype(int):
        picture = one.pictures[k]
        alpha = full_alpha(masks[k].astype(np.float32), picture, picture)
        there = picture.copy()
        if int(k) in truth:
            there[truth[int(k)]] = there[truth[int(k)]] // 2 + np.array([0, 127, 0], np.uint8)
        columns.append(np.concatenate([there, change.apply(picture, alpha)]))
    name = one.camera_id.replace("/", "_")
    cv2.imwrite(str(sheets / f"real-{name}.png"), np.concatenate(columns, axis=1)[..., ::-1])


def _p2_maps(pictures: Sequence[Pixels], folder: Path) -> list[Tensor]:
    """Return the distiller's P2 map of each picture, from its pixels alone."""
    import torch

    from models import weights

    model = weights.load(folder)
    side = model.config.side
    small = [cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in pictures]
    rgb = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = model.extractor({"rgb": rgb}, {"rgb": torch.ones(len(rgb), dtype=torch.bool)})
    return list(found.p2)


if __name__ == "__main__":
    plainly(main)
