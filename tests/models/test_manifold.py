"""Manifolds: exact where nothing is left out, near where landmarks stand in, whole on bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import sklearn.manifold as peers
from scipy.spatial import procrustes
from sklearn.datasets import make_swiss_roll

from models.linear_codes import CanonicalCorrelation
from models.manifold import METHODS, fit_manifold
from models.manifold_graph import build_graph, synchronised
from models.manifold_landmarks import farthest_landmarks, landmark_count
from models.manifold_quality import (
    cross_view_recall,
    kept_neighbours,
    neighbour_agreement,
    residual_variance,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

PEERS = {
    "isomap": peers.Isomap(n_neighbors=10, n_components=2),
    "mds": peers.ClassicalMDS(n_components=2),
    "lle": peers.LocallyLinearEmbedding(n_neighbors=10, n_components=2, eigen_solver="dense"),
    "ltsa": peers.LocallyLinearEmbedding(
        n_neighbors=10, n_components=2, method="ltsa", eigen_solver="dense"
    ),
}


def roll(count: int) -> Floats:
    """Return points (N, 3) of the swiss roll."""
    return np.asarray(make_swiss_roll(count, random_state=0)[0], np.float64)


def two_views(count: int, seed: int = 0) -> tuple[list[Floats], Floats]:
    """Return one hidden plane (N, 2), bent into 5 and 7 numbers by unlike maps, and the plane."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-1, 1, (count, 2))
    views = []
    for width in (5, 7):
        mix = np.random.default_rng(width).normal(size=(2, width))
        views.append(np.tanh(hidden @ mix) + 0.01 * rng.normal(size=(count, width)))
    return views, hidden


@pytest.mark.parametrize("method", PEERS)
def test_with_every_point_a_landmark_it_is_the_method_of_scikit_learn(method: str) -> None:
    """Procrustes against scikit-learn is nought, and neighbours are the same."""
    x = roll(500)
    found = fit_manifold(method, build_graph([x]), 2, 500).coordinates
    theirs = PEERS[method].fit_transform(x)
    assert procrustes(theirs, found)[2] < 1e-6
    assert neighbour_agreement(theirs, found) > 0.999


@pytest.mark.parametrize(("method", "least"), [("isomap", 0.95), ("mds", 0.99), ("ltsa", 0.8)])
def test_a_tenth_of_the_points_as_landmarks_is_near_to_it(method: str, least: float) -> None:
    """At N = 2,000 Procrustes is below .05, and of ten neighbours at least so many are the same."""
    x = roll(2000)
    found = fit_manifold(method, build_graph([x]), 2).coordinates
    theirs = PEERS[method].fit_transform(x)
    assert procrustes(theirs, found)[2] < 0.05
    assert neighbour_agreement(theirs, found) > least


def test_lle_by_landmarks_keeps_neighbours_though_not_its_shape() -> None:
    """LLE's own scale is free: neighbourhoods agree by half and more, and can be trusted."""
    x = roll(2000)
    found = fit_manifold("lle", build_graph([x]), 2).coordinates
    theirs = PEERS["lle"].fit_transform(x)
    assert neighbour_agreement(theirs, found) > 0.5
    assert min(kept_neighbours(x, found)) > 0.97


def test_the_linear_peer_is_multiset_correlation_where_all_views_see_all() -> None:
    """Its projections span what `CanonicalCorrelation` finds, with the same weights."""
    views, _ = two_views(300)
    graph = build_graph(views, [np.arange(300)] * 2)
    found = fit_manifold("mcca", graph, 3)
    theirs = CanonicalCorrelation.fit(views, np.ones((300, 2), bool), 3)
    for v, x in enumerate(views):
        one, other = found.encode(v, x), theirs.codes(v, x) * theirs.strength
        for k in range(3):
            assert abs(np.corrcoef(one[:, k], other[:, k])[0, 1]) > 0.999


@pytest.mark.parametrize("method", METHODS)
def test_views_of_one_thing_land_in_one_place(method: str) -> None:
    """New rows of one view find their moment among those of the other, far better than by lot."""
    views, _ = two_views(600)
    fresh, _ = two_views(100, seed=1)
    found = fit_manifold(method, build_graph(views, [np.arange(600)] * 2), 2)
    placed = [found.encode(v, x) for v, x in enumerate(fresh)]
    # MDS aligns nothing: each view keeps its own distances to shared landmarks.
    assert cross_view_recall(placed[0], placed[1], 10) > (0.2 if method == "mds" else 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_known_rows_are_encoded_where_they_lie(method: str) -> None:
    """The encoder of new rows gives a graph's own rows the coordinates they have."""
    views, _ = two_views(200)
    found = fit_manifold(method, build_graph(views, [np.arange(200)] * 2), 2)
    again = np.concatenate([found.encode(v, x) for v, x in enumerate(views)])
    assert procrustes(found.coordinates, again)[2] < 1e-2


def test_landmarks_are_far_apart_and_distances_are_shortest_paths() -> None:
    """On a line of points 1 apart the first four are its ends, its middle and a quarter."""
    x = np.arange(65.0)[:, None]
    graph = build_graph([x], neighbours=2)
    found = farthest_landmarks(graph, 4)
    assert found.chosen[:3].tolist() == [0, 64, 32]
    assert found.chosen[3] in {16, 48}
    lengths = found.away * graph.scales[0]
    np.testing.assert_allclose(lengths, np.abs(x - x[found.chosen].T), rtol=1e-5)
    assert [landmark_count(n, 2) for n in (5, 100, 1000, 50_000)] == [5, 10, 100, 256]


def test_pieces_are_joined_counted_and_said() -> None:
    """Three clusters far apart are three components; what is made of them is finite."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(40, 12)) + 100 * k for k in range(3)])
    graph = build_graph([x])
    assert graph.components == 3
    for method in ("isomap", "mds", "lle", "ltsa"):
        assert np.isfinite(fit_manifold(method, graph, 2).coordinates).all()


def test_views_that_share_no_moment_are_joined_all_the_same() -> None:
    """They cannot be measured against each other: one long edge ties them."""
    views, _ = two_views(50)
    graph = build_graph(views, [np.arange(50), np.arange(50, 100)])
    assert graph.components == 2
    assert np.isfinite(fit_manifold("isomap", graph, 2).coordinates).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_points_and_constant_views_do_no_harm(method: str) -> None:
    """Copies are counted; a view that is the same everywhere ties nothing together."""
    views, _ = two_views(60)
    copied = [np.concatenate([x, np.repeat(x[:1], 15, axis=0)]) for x in views]
    flat = np.ones((75, 3))
    graph = build_graph([*copied, flat], [np.arange(75)] * 3)
    assert graph.duplicates == 2 * 16
    assert graph.constant == (2,)
    found = fit_manifold(method, graph, 2)
    assert np.isfinite(found.coordinates).all()
    assert np.isfinite(found.encode(2, flat[:4])).all()
    alone = fit_manifold(method, build_graph(copied, [np.arange(75)] * 2), 2)
    assert residual_variance(found.coordinates[:150], alone.coordinates) < 1.0


@pytest.mark.parametrize("method", METHODS)
def test_fewer_moments_than_landmarks_are_all_landmarks(method: str) -> None:
    """Twelve points ask for 32 dimensions: what they span is there, the rest is nought."""
    views, _ = two_views(12)
    graph = build_graph(views, [np.arange(12)] * 2)
    if method in ("lle", "ltsa"):
        with pytest.raises(ValueError, match="32 coordinates need more than 10 neighbours"):
            fit_manifold(method, graph, 32)
        return
    found = fit_manifold(method, graph, 32).coordinates
    assert found.shape == (24, 32)
    assert np.isfinite(found).all()
    assert not found[:, 12:].any()


def test_what_is_no_number_is_refused_by_row() -> None:
    """The error names the view and the rows; so does one about nothing to learn."""
    views, _ = two_views(20)
    views[1][[3, 7], 2] = np.nan
    with pytest.raises(ValueError, match="view 1: not finite in rows 3, 7"):
        build_graph(views, [np.arange(20)] * 2)
    with pytest.raises(ValueError, match="every view is constant"):
        build_graph([np.ones((5, 2))])
    with pytest.raises(ValueError, match="no method 'umap'"):
        fit_manifold("umap", build_graph([roll(30)]), 2)


def test_pairs_are_all_nodes_of_a_moment_two_by_two() -> None:
    """Of moments shown once, twice and three times there are none, one and three pairs."""
    one, other = synchronised(np.array([0, 1, 2, 1, 2, 2]))
    assert sorted(zip(one.tolist(), other.tolist(), strict=True)) == [
        (1, 3),
        (2, 4),
        (2, 5),
        (4, 5),
    ]


def test_quality_is_that_of_scikit_learn_and_of_a_sample_of_it() -> None:
    """Trustworthiness is theirs, continuity is trustworthiness the other way round."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 8)), rng.normal(size=(400, 2))
    trust, continuity = kept_neighbours(x, y, 10)
    assert trust == pytest.approx(peers.trustworthiness(x, y, n_neighbors=10), abs=1e-9)
    assert continuity == pytest.approx(peers.trustworthiness(y, x, n_neighbors=10), abs=1e-9)
    some = kept_neighbours(x, y, 10, np.arange(0, 400, 2))
    np.testing.assert_allclose(some, (trust, continuity), atol=0.05)
    assert cross_view_recall(x, x) == 1.0
    assert cross_view_recall(np.zeros_like(y), np.zeros_like(y)) == 0.0
