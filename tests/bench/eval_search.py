"""How well served codes find copies: `python tests/bench/eval_search.py --home HOME --copies DIR`.

DIR holds videos `copy_<name>`, each a re-encoded copy of the recording `<name>` that the home has
too. Where the home has not ingested them (and encoded them by `--model`), that is to be done first:
`stillhouse ingest DIR`, `extract`, `reindex`. With `--make VIDEO ...` the copies are written: four
fifths of the size, H.264 at crf 30.

Each clip of a copy asks, all clips that are no copies answer, its original's clip of the same time
is right. By the codes, and beside them by the view appearance, its 64 principal components, and
pixels of thumbnails (16 x 16). Then the groups of `search --duplicates --elsewhere`, by bound.

`--joint` prints instead what an embedding that codes and sentences share would gain for a search
by words (`joint_embedding.py`): over the home's labels, and over rendered motion-capture clips.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import torch
from eval_actions import session_windows
from joint_embedding import Coded, print_joint
from plainly import plainly

from catalog.query import rows
from catalog.store import Catalog
from infra import registry
from infra.errors import CatalogEmptyError, StillhouseError
from infra.settings import Settings
from models.linear_codes import PrincipalComponents
from models.nearest_groups import unit
from models.precision import cpu_precision
from tasks.actions.codes import action_codes
from tasks.actions.material import action_material
from tasks.actions.presets import PRESETS
from tasks.codes.model import load_distiller
from tasks.extraction.plan import asked
from tasks.search.find import sentence_vectors
from tasks.search.kept_codes import kept_codes
from tasks.search.near_duplicates import near_duplicates, neighbours_apart
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from tasks.actions.material import ActionMaterial

    Vectors = Mapping[str, npt.NDArray[np.float32]]

MARK, SHRUNK, CRF = "copy_", 0.8, 30


def main() -> None:
    """Make copies, or print what finds them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--copies", type=Path, help="a folder of copies")
    parser.add_argument("--joint", action="store_true", help="words instead of copies")
    parser.add_argument("--sessions", type=int, default=8, help="rendered by --joint; 0: none")
    parser.add_argument("--make", type=Path, nargs="+", default=())
    parser.add_argument("--model", default="distiller")
    given = parser.parse_args()
    if given.joint:
        joint(Settings(home=given.home), given.model, given.sessions)
        return
    if given.copies is None:
        parser.error("--copies DIR, or --joint")
    if given.make:
        given.copies.mkdir(parents=True, exist_ok=True)
        for video in given.make:
            copy(video, given.copies / f"{MARK}{video.stem}.mp4")
        return
    evaluate(Settings(home=given.home), given.model)


def joint(settings: Settings, model: str, sessions: int) -> None:
    """Print what a joint embedding gains on real labels, then on rendered actions."""
    torch.set_num_threads(1)

    def read(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return sentence_vectors(texts, settings)

    snapshot = Catalog(settings.catalog).snapshot()
    try:
        found = action_material(snapshot, PRESETS["ci"])
    except StillhouseError as error:
        print(f"no real labels: {error}")
    else:
        clips = sorted({one.clip_id for one in found.windows})
        ids = sorted({one.session_id for one in found.windows})
        wanted = {"model": model, "session_ids": ids, "clip_ids": clips}
        stored = {
            row["code_id"]: row["embedding"] for row in rows(snapshot, "codes_to_label", wanted)
        }
        print_joint(
            "real labels", *(_coded(found, stored, side) for side in (TRAIN, HELDOUT)), read
        )
    if not sessions:
        return
    version = registry.champion(settings, model)
    net = load_distiller(registry.download(settings, version), version.uri)
    windows, labels = [], []
    for seed in range(sessions):
        for name, window in session_windows(seed):
            windows.append(window)
            labels.append(name)
    codes = action_codes(net, windows, labels, cpu_precision())
    every = codes.of(np.ones(codes.sets.shape[1], bool)).astype(np.float32)
    whole = Coded(every, np.array(labels), np.array([one.session_id for one in windows]))
    # A quarter of the rooms is asked.
    names = np.unique(whole.sessions)
    heldout = np.isin(whole.sessions, names[: max(1, len(names) // 4)])
    print_joint(f"RENDERED, {version.uri}", whole.some(~heldout), whole.some(heldout), read)


def _coded(found: ActionMaterial, stored: Mapping[str, list[float]], side: str) -> Coded:
    some = [one for one in found.windows if one.split == side]
    return Coded(
        np.array([stored[one.code_id] for one in some], np.float32),
        np.array([one.label for one in some]),
        np.array([one.session for one in some]),
    )


def copy(source: Path, target: Path) -> None:
    """Write a video again, smaller and coarser, with its own times."""
    with av.open(str(source)) as into, av.open(str(target), "w") as out:
        video = into.streams.video[0]
        options = {"crf": str(CRF), "threads": "1"}
        made = out.add_stream("libx264", rate=video.average_rate or 25, options=options)
        made.width, made.height = (int(n * SHRUNK) // 2 * 2 for n in (video.width, video.height))
        made.pix_fmt, made.time_base = "yuv420p", video.time_base
        for frame in into.decode(video):
            small = frame.reformat(made.width, made.height, "yuv420p")
            small.pts, small.time_base = frame.pts, frame.time_base
            out.mux(made.encode(small))
        out.mux(made.encode())


def evaluate(settings: Settings, model: str) -> None:
    """Print both tables."""
    snapshot = Catalog(settings.catalog).snapshot()
    found = kept_codes(snapshot, model, settings)
    ends = np.append(found.starts, len(found.places))
    clips = found.places.take(found.starts).to_pylist()
    by_codes = {
        clip["clip_id"]: found.vectors[ends[k] : ends[k + 1]] for k, clip in enumerate(clips)
    }
    appearance = global_vectors(settings, by_codes)
    flat = np.concatenate(list(appearance.values()))
    fit = PrincipalComponents.fit(flat, 64)
    pca = {name: unit(fit.codes(x).astype(np.float32)) for name, x in appearance.items()}
    kinds = {
        f"codes of {model}": by_codes,
        "appearance": appearance,
        "PCA of it": pca,
        "pixels": pixel_vectors(settings, by_codes),
    }
    originals = [clip for clip in clips if MARK not in clip["session"]]
    pairs = []
    for clip in clips:
        if MARK in clip["session"]:
            name = clip["session"].rsplit(MARK, 1)[-1]
            right = [
                one
                for one in originals
                if one["session"].rsplit("/", 1)[-1] == name
                and abs(one["start_ns"] - clip["start_ns"]) < 50_000_000
            ]
            pairs += [(clip, right[0])] if right else []
    print(f"\n{len(pairs)} clips of copies ask, {len(originals)} clips answer")
    print(f"{'by':20}    R@1    R@5   R@10    mAP")
    ranks: dict[str, dict[str, list[int]]] = {}
    for kind, vectors in kinds.items():
        ranks[kind] = defaultdict(list)
        for clip, right in pairs:
            if clip["clip_id"] in vectors:
                scores = {
                    one["clip_id"]: best(vectors[clip["clip_id"]], vectors[one["clip_id"]])
                    for one in originals
                    if one["clip_id"] in vectors
                }
                true = scores[right["clip_id"]]
                # A tie is lost: what maps everything to one point finds nothing.
                ranks[kind][clip["session"]].append(sum(x >= true for x in scores.values()))
        line(kind, [r for some in ranks[kind].values() for r in some])
    for session in sorted({clip["session"] for clip, _ in pairs}):
        print(f"\n{session}")
        for kind in kinds:
            line(kind, ranks[kind][session])
    groups(settings, model, found, {(a["session"], b["session"]) for a, b in pairs})


def best(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Return the cosine of the two nearest vectors of two clips, as exactly as fp32 knows it."""
    return float((one.astype(np.float64) @ other.T.astype(np.float64)).max())


def line(kind: str, some: list[int]) -> None:
    """Print one row: of ranks from 1, the share that are in the first, and the mean of 1 / rank."""
    r = np.array(some, float)
    told = [f"{np.mean(r <= k):6.3f}" for k in (1, 5, 10)]
    print(f"{kind:20} {' '.join(told)} {np.mean(1 / r):6.3f}")


def groups(settings: Settings, model: str, found: object, true: set[tuple[str, str]]) -> None:
    """Print how many sessions and their copies share a group, and how many strangers do."""
    own = neighbours_apart(found)
    print(f"\nbetween sessions, neighbours in time are {own:.2g} apart (median)")
    print("within     groups   copies tied   strangers tied")
    for within in (own / 100, own / 10, own, 10 * own):
        told = near_duplicates(settings, within=within, elsewhere=True, model=model, count=10**6)
        tied = set()
        for group in told["groups"]:
            names = {one["session"] for one in group}
            tied |= {(a, b) for a in names for b in names if MARK in a and MARK not in b}
        print(
            f"{within:8.2g} {told['found']:8}   {len(tied & true):4} of {len(true)}"
            f"   {len(tied - true):8}"
        )


def global_vectors(settings: Settings, clips: Vectors) -> dict[str, npt.NDArray[np.float32]]:
    """Return what appearance says of each clip, a vector a camera."""
    from tasks.search.searchable import view_vectors

    found = view_vectors(Catalog(settings.catalog).snapshot(), "appearance", settings)
    ids = found.places["clip_id"].to_pylist()
    made = defaultdict(list)
    for name, vector in zip(ids, found.vectors, strict=True):
        if name in clips:
            made[name].append(vector)
    return {name: np.stack(some) for name, some in made.items()}


def pixel_vectors(settings: Settings, clips: Vectors) -> dict[str, npt.NDArray[np.float32]]:
    """Return the mean thumbnail of each clip through each camera, 16 x 16, grey, less its mean."""
    versions = view_versions(("thumbnail",), settings)
    snapshot = Catalog(settings.catalog).snapshot()
    made = defaultdict(list)
    for row in rows(snapshot, "clip_features", asked(versions, list(clips))):
        if row["absent"] is None:
            feature = unpacked(view_named("thumbnail").spec, row)
            mean = feature.arrays[0][feature.mask].mean(axis=(0, 3)).astype(np.float32)
            small = cv2.resize(mean, (16, 16), interpolation=cv2.INTER_AREA).ravel()
            made[row["clip_id"]].append(small - small.mean())
    if not made:
        raise CatalogEmptyError(
            "No clip has a current feature of the view thumbnail.",
            command=f"stillhouse --home {settings.home} extract --views thumbnail",
        )
    return {name: unit(np.stack(some)) for name, some in made.items()}


if __name__ == "__main__":
    plainly(main)
