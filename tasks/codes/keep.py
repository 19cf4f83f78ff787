"""Which clips to keep when not all can be: a coreset of the archive by the codes that serve.

Reads the catalog; writes nothing, and removes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import rows
from catalog.store import Catalog
from infra.errors import NoCodesError, UsageError
from tasks.codes.serving import serving_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings

# What keeps most for its bytes on real footage: infra/decisions/0021-coresets.md.
SELECTION = "medoids"
RANDOM_DRAWS = 20


@dataclass(frozen=True, eq=False)
class Archive:
    """The clips that have codes: `vectors` (N, D) of length 1, `costs` (N,) bytes, rows for people.

    `windows` are the embeddings (windows, D) of each, in order of time.
    """

    clips: list[dict[str, Any]]
    vectors: npt.NDArray[np.float64]
    costs: npt.NDArray[np.float64]
    windows: list[npt.NDArray[np.float64]]


def read_archive(snapshot: Snapshot, model: str, version: str | None = None) -> Archive:
    """Return the clips with codes of a model; a clip's vector is its windows' mean.

    `version` is of `codes`: of what is stored, whether it serves or not; else of what serves.

    Raises:
        NoCodesError: there are none.
    """
    serves = serving_of(snapshot, model)
    chosen = version or (serves or {}).get("version")
    found = rows(snapshot, "clip_costs", {"model": model, "version": chosen})
    if not found:
        raise NoCodesError(
            f"No codes of the model {model!r} serve yet.", command="stillhouse reindex"
        )
    windows = [np.array(row.pop("embeddings"), np.float64) for row in found]
    return Archive(
        clips=found,
        vectors=np.stack([unit_mean(one) for one in windows]),
        costs=np.array([row["bytes"] for row in found], np.float64),
        windows=windows,
    )


def unit_mean(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean of (N, D), made of length 1."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def clips_to_keep(settings: Settings, model: str, keep_bytes: int) -> dict[str, Any]:
    """Return which clips stand best for all that have codes, in at most so many bytes.

    `distance` is the mean over all clips of 1 - cosine to the nearest kept, `distance_random` that
    of random choices of as many bytes.

    Raises:
        NoCodesError: no codes serve.
        UsageError: not one clip fits.
    """
    from models.coreset import SELECTIONS, cost_of, distances

    archive = read_archive(Catalog(settings.catalog).snapshot(), model)
    apart = distances(archive.vectors)
    kept = SELECTIONS[SELECTION](apart, archive.costs, keep_bytes, 0)
    if not len(kept):
        raise UsageError(
            f"No clip fits into {keep_bytes} bytes; the smallest takes {archive.costs.min():.0f}.",
            command=f"stillhouse distill --method coreset --bytes {archive.costs.min():.0f}",
        )
    by_chance = [
        cost_of(apart, SELECTIONS["random"](apart, archive.costs, keep_bytes, seed))
        for seed in range(RANDOM_DRAWS)
    ]
    return {
        "method": SELECTION,
        "model": model,
        "clips": [archive.clips[k] for k in kept.tolist()],
        "bytes": int(archive.costs[kept].sum()),
        "of_clips": len(archive.clips),
        "of_bytes": int(archive.costs.sum()),
        "distance": round(cost_of(apart, kept), 6),
        "distance_random": round(float(np.mean(by_chance)), 6),
    }
