"""One method on one number of points, in a process of its own: seconds, memory, quality.

`python tests/bench/manifold_cell.py ours|sklearn METHOD N` prints one JSON object. Quality is asked
of 500 points and is no part of the seconds.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from manifold_truth import surface
from scipy.spatial import procrustes

from models.manifold import fit_manifold
from models.manifold_graph import build_graph
from models.manifold_quality import cross_view_recall, kept_neighbours

if TYPE_CHECKING:
    import numpy.typing as npt
    from manifold_truth import Surface

    from models.manifold import Manifold

    Floats = npt.NDArray[np.float64]

NEIGHBOURS, DIMS, ASKED = 10, 2, 500


def main() -> None:
    """Measure and print."""
    who, method, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    truth = surface(count)
    before = (time.monotonic(), time.process_time())
    if method == "mcca":
        # One view has nothing to agree with: half the points, through both.
        truth = surface(count // 2)
        placed = two_views(method, truth).coordinates[: count // 2]
    else:
        placed = ours(method, truth.rolled) if who == "ours" else theirs(method, truth.rolled)
    spent = (time.monotonic() - before[0], time.process_time() - before[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    asked = np.random.default_rng(1).choice(len(placed), min(ASKED, len(placed)), replace=False)
    trust, continuity = kept_neighbours(truth.rolled, placed, NEIGHBOURS, asked)
    found: dict[str, Any] = {
        "seconds": spent[0],
        "cpu": spent[1],
        "gib": peak,
        "trust": trust,
        "continuity": continuity,
        "procrustes": float(procrustes(truth.plane, placed)[2]),
    }
    if who == "ours":
        found["r_at_1"] = across_views(method, count)
    sys.stdout.write(json.dumps(found) + "\n")


def ours(method: str, rows: Floats) -> Floats:
    """Place the points of one view."""
    return fit_manifold(method, build_graph([rows], neighbours=NEIGHBOURS), DIMS).coordinates


def theirs(method: str, rows: Floats) -> Floats:
    """Place them by scikit-learn."""
    import sklearn.manifold as peers

    near = {"n_neighbors": NEIGHBOURS, "n_components": DIMS}
    made = {
        "isomap": lambda: peers.Isomap(**near),
        "mds": lambda: peers.ClassicalMDS(n_components=DIMS),
        "lle": lambda: peers.LocallyLinearEmbedding(**near, random_state=0),
        "ltsa": lambda: peers.LocallyLinearEmbedding(**near, method="ltsa", random_state=0),
    }
    return np.asarray(made[method]().fit_transform(rows), np.float64)


def across_views(method: str, count: int) -> float:
    """Return R@1 between the views of 500 new points; the graph has `count` nodes, half a view."""
    found, fresh = two_views(method, surface(count // 2)), surface(ASKED, seed=1)
    placed = [found.encode(v, x) for v, x in enumerate((fresh.rolled, fresh.waved))]
    return cross_view_recall(placed[0], placed[1])


def two_views(method: str, truth: Surface) -> Manifold:
    """Read a manifold off both views of points."""
    moments = [np.arange(len(truth.plane))] * 2
    graph = build_graph([truth.rolled, truth.waved], moments, neighbours=NEIGHBOURS)
    return fit_manifold(method, graph, DIMS)


if __name__ == "__main__":
    main()
