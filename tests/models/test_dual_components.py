from __future__ import annotations

import numpy as np
import pytest

from models.dual_components import DualComponents
from models.linear_codes import PrincipalComponents


def rows(count: int, blocks: int, size: int, rank: int) -> np.ndarray:
    """Rows of bytes that are mixtures of a few, (count, blocks, size)."""
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, (rank, blocks, size))
    weights = rng.dirichlet(np.ones(rank), count)
    return np.einsum("nr,rbp->nbp", weights, base).round().astype(np.uint8)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_it_completes_as_principal_components_do(count: int) -> None:
    """Same rows, same floats, the same blocks known: the same numbers as the primal form."""
    x = rows(20, 4, 30, 12)
    known = np.array([True, False, True, False])
    dual = DualComponents.fit(x, np.ones((20, 4), bool), count)
    primal = PrincipalComponents.fit(x.reshape(20, -1) / 255, count)
    for row in x[:3]:
        weights = dual.weights(dual.products(row, known), known, count)
        ours = np.concatenate([dual.block(weights, b) for b in range(4)])
        theirs = primal.completed(row.ravel() / 255, np.repeat(known, 30))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_rows_of_a_subspace_are_completed() -> None:
    """Of a mixture of three rows two blocks of four are known, the rest follows to 3 levels."""
    x = rows(40, 4, 200, 3)
    known = np.array([True, True, False, False])
    found = DualComponents.fit(x[:30], np.ones((30, 4), bool), 2)
    for row in x[30:]:
        spoilt = np.where(known[:, None], row, 255 - row)
        weights = found.weights(found.products(spoilt, known), known, 2)
        for b in (2, 3):
            assert np.abs(found.block(weights, b) - row[b] / 255).max() < 3 / 255
    nothing = np.zeros(4, bool)
    weights = found.weights(found.products(x[0], nothing), nothing, 2)
    np.testing.assert_allclose(found.block(weights, 1), found.mean[1], atol=1e-6)


def test_blocks_that_rows_lack_are_no_zeros() -> None:
    """What is not there changes neither the mean nor the answer; a block of no row has a mean."""
    x = rows(30, 3, 50, 2)
    present = np.ones((30, 3), bool)
    present[::3, 1] = False
    present[:, 2] = False
    junk = np.where(present[..., None], x, 255)
    found = DualComponents.fit(junk, present, 1)
    np.testing.assert_allclose(found.mean[1], x[present[:, 1], 1].mean(axis=0) / 255, atol=1e-6)
    np.testing.assert_allclose(found.mean[2], found.mean[:2].mean(axis=0), atol=1e-6)
    known = np.array([True, False, False])
    errors = []
    for one in (found, DualComponents.fit(junk, np.ones((30, 3), bool), 1)):
        weights = one.weights(one.products(x[0], known), known, 1)
        errors.append(np.abs(one.block(weights, 1) - x[0, 1] / 255).mean())
    assert errors[0] < errors[1] / 2


def test_one_row_is_its_mean_and_none_is_refused() -> None:
    """There is no component in a single row."""
    x = rows(1, 2, 10, 1)
    known = np.ones(2, bool)
    found = DualComponents.fit(x, np.ones((1, 2), bool), 8)
    assert found.maps.shape == (1, 0)
    weights = found.weights(found.products(x[0], known), known, 8)
    np.testing.assert_allclose(found.block(weights, 0), x[0, 0] / 255, atol=1e-6)
    with pytest.raises(ValueError, match="needs"):
        DualComponents.fit(x[:0], np.ones((0, 2), bool), 1)
