"""The map of a catalog's codes: two coordinates a window, which stay where they are as clips come.

Reads the catalog and the kept codes; writes `maps/<codes' version>` (the projection, fitted once
and then only turned onto itself) and `map` beside a matrix (its coordinates), below
`home/state/search`. `map_picture.py` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.ids import digest
from catalog.store import Catalog
from models.linear_codes import PrincipalComponents
from models.manifold_quality import kept_neighbours
from tasks.codes.serving import serving_of
from tasks.distiller.presets import MODEL_NAME
from tasks.search.kept_codes import kept_codes
from tasks.search.kept_rows import (
    DamagedError,
    digest_of,
    mapped,
    new_folder,
    read_facts,
    write_facts,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.search.searchable import Searchable

    Floats = npt.NDArray[np.float32]

# Codes that a projection is fitted to, evenly spread: of more, the axes no longer change.
FITTED = 65_536
# It is fitted anew once there are so many times the codes that it was fitted to.
OUTGROWN = 4
# Codes that the figures of quality are of, and those of them that are asked for neighbours.
_JUDGED, _ASKED, NEIGHBOURS = 20_000, 512, 10


@dataclass(frozen=True, eq=False)
class CodeMap:
    """Where codes lie: `coordinates` (N, 2), in the order of `codes.places`."""

    codes: Searchable
    coordinates: Floats
    snapshot: Snapshot

    def quality(self) -> dict[str, float | int] | None:
        """Return trustworthiness and continuity, None of fewer codes than that takes."""
        count = len(self.coordinates)
        if count <= 2 * NEIGHBOURS:
            return None
        some = _spread(count, _JUDGED)
        asked = _spread(len(some), _ASKED)
        vectors = np.asarray(self.codes.vectors[some])
        trust, kept = kept_neighbours(vectors, self.coordinates[some], NEIGHBOURS, asked)
        return {
            "trustworthiness": round(trust, 4),
            "continuity": round(kept, 4),
            "neighbours": NEIGHBOURS,
            "codes": len(some),
        }

    def points(self, most: int) -> list[dict[str, Any]]:
        """Return windows with their `x` and `y`, evenly spread over all if they are more."""
        some = _spread(len(self.coordinates), most)
        rows = self.codes.places.drop_columns("camera_id").take(some).to_pylist()
        there = self.coordinates[some].tolist()
        return [
            row | {"x": round(x, 4), "y": round(y, 4)}
            for row, (x, y) in zip(rows, there, strict=True)
        ]


def code_map(settings: Settings, model: str = MODEL_NAME) -> CodeMap:
    """Return the map of the current codes of a model.

    The two widest directions of the codes. Those of a version of codes are fitted once: new codes
    are placed by them, old ones stay. When the catalog has outgrown them they are fitted anew, and
    turned (or mirrored) to lie on those before as well as they can.

    Raises:
        CatalogEmptyError: no clip has a code.
    """
    snapshot = Catalog(settings.catalog).snapshot()
    codes = kept_codes(snapshot, model, settings)
    if codes.folder is None:  # the home takes no files
        mean, axes = _fitted(codes.vectors, None)
        return CodeMap(codes, _placed(codes.vectors, mean, axes), snapshot)
    serving = serving_of(snapshot, model)
    version = digest("map", model, serving["version"] if serving else "")
    mean, axes = _projection(codes, settings.state / "search" / "maps" / version)
    return CodeMap(codes, _kept(codes, codes.folder / "map", mean, axes), snapshot)


def _projection(codes: Searchable, folder: Path) -> tuple[Floats, Floats]:
    """Return the mean (D,) and the axes (2, D) that are kept, or newly fitted ones."""
    before = None
    count = len(codes.places)
    try:
        facts = read_facts(folder)
        mean, axes = mapped(folder, facts, "mean"), mapped(folder, facts, "axes")
        if mean.shape == codes.vectors.shape[1:] and axes.shape == (2, *mean.shape):
            before = np.array(mean), np.array(axes)
            if count < OUTGROWN * int(facts["count"]):
                return before
    except (DamagedError, KeyError, TypeError, ValueError):
        before = None
    mean, axes = _fitted(codes.vectors, before)
    with new_folder(folder) as part:
        write_facts(part, {"count": count}, {"mean": mean, "axes": axes})
    return mean, axes


def _fitted(vectors: Floats, before: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
    some = np.asarray(vectors[_spread(len(vectors), FITTED)])
    found = PrincipalComponents.fit(some, 2)
    axes = np.pad(found.axes, ((0, 2 - len(found.axes)), (0, 0)))
    # Which way an axis points is for the solver to say: the largest entry is made positive.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes *= np.where(largest < 0, -1.0, 1.0)
    if before is not None:
        # Orthogonal Procrustes (Schoenemann 1966), of where the same codes lie in both.
        old = _placed(some, *before).astype(np.float64)
        new = (some - found.mean) @ axes.T
        left, _, right = np.linalg.svd((old - old.mean(axis=0)).T @ new)
        axes = left @ right @ axes
    return found.mean.astype(np.float32), axes.astype(np.float32)


def _placed(vectors: Floats, mean: Floats, axes: Floats) -> Floats:
    placed: Floats = (vectors @ axes.T - axes @ mean).astype(np.float32)
    return placed


def _kept(codes: Searchable, folder: Path, mean: Floats, axes: Floats) -> Floats:
    """Return where the codes of a matrix lie, from the file beside it, made if it is not there."""
    by = digest_of(np.concatenate([mean[None], axes]))
    try:
        facts = read_facts(folder)
        there = mapped(folder, facts, "coordinates")
        if facts.get("by") == by and there.shape == (len(codes.places), 2):
            return there
    except DamagedError:
        pass
    placed = _placed(codes.vectors, mean, axes)
    with new_folder(folder) as part:
        write_facts(part, {"by": by}, {"coordinates": placed})
    return placed


def _spread(count: int, most: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
