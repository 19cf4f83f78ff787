"""Nearest neighbours are exact, whichever way they are found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from models.nearest import nearest


@pytest.mark.parametrize("dims", [2, 40])
@pytest.mark.parametrize("count", [30, 700])
def test_they_are_those_of_all_distances(dims: int, count: int) -> None:
    """By tree and by blocks, of other points and of the points themselves."""
    rng = np.random.default_rng(0)
    # Far from the origin, where squares of single precision lose what tells points apart.
    points = rng.normal(size=(count, dims)) + 1e3
    queries = rng.normal(size=(50, dims)) + 1e3
    for asked, same in ((queries, False), (points, True)):
        away = cdist(asked, points)
        if same:
            np.fill_diagonal(away, np.inf)
        index, found = nearest(asked, points, 10, same=same)
        np.testing.assert_allclose(found, np.sort(away, axis=1)[:, :10], rtol=1e-7)
        np.testing.assert_allclose(np.take_along_axis(away, index, 1), found, rtol=1e-7)


@pytest.mark.parametrize("dims", [2, 40])
def test_equal_points_are_neighbours_of_each_other_and_never_of_themselves(dims: int) -> None:
    """Of thirty copies each has ten others at distance nought."""
    points = np.concatenate([np.zeros((30, dims)), np.ones((30, dims))])
    index, away = nearest(points, points, 10, same=True)
    assert not away.any()
    assert not (index == np.arange(60)[:, None]).any()
    with pytest.raises(ValueError, match="59 points have no 60 neighbours"):
        nearest(points, points, 60, same=True)
