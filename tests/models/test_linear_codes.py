from __future__ import annotations

import numpy as np
import pytest

from models.linear_codes import CanonicalCorrelation, PrincipalComponents


def planted(rows: int, columns: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that lie in a subspace but for noise of 1 %, and an orthonormal base of it."""
    rng = np.random.default_rng(3)
    base = np.linalg.qr(rng.normal(size=(columns, rank)))[0].T
    x = rng.normal(size=(rows, rank)) * np.arange(rank, 0, -1) @ base
    return x + 0.01 * rng.normal(size=x.shape) + 5, base


@pytest.mark.parametrize(("rows", "columns"), [(200, 30), (25, 300)])
def test_pca_finds_a_planted_subspace(rows: int, columns: int) -> None:
    """Its axes span the planted ones and are orthonormal, whichever side is longer."""
    x, base = planted(rows, columns, 3)
    found = PrincipalComponents.fit(x, 3)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-8)
    assert np.linalg.svd(found.axes @ base.T)[1].min() > 0.999
    np.testing.assert_allclose(found.codes(x) @ found.axes + found.mean, x, atol=0.1)


def test_pca_completes_a_row_of_which_half_is_gone() -> None:
    """Rank 3 and 15 known numbers of 30: the rest follows; junk in the gap changes nothing."""
    x, _ = planted(200, 30, 3)
    found = PrincipalComponents.fit(x[:150], 3)
    known = np.arange(30) < 15
    for row in x[150:160]:
        whole = found.completed(np.where(known, row, 1e9), known)
        assert np.abs(whole - row).max() < 0.25 < np.abs(found.mean - row).max()
    np.testing.assert_allclose(found.completed(x[0], np.zeros(30, bool)), found.mean)


def test_pca_has_no_more_components_than_there_are() -> None:
    """Two different rows make one component; no row makes none."""
    assert PrincipalComponents.fit(np.array([[0.0, 1, 2], [3, 4, 5]]), 8).axes.shape == (1, 3)
    with pytest.raises(ValueError, match="N >= 1"):
        PrincipalComponents.fit(np.zeros((0, 3)), 1)


def shared_and_private(rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """One shared signal in three blocks of 12, each with louder private signals."""
    rng = np.random.default_rng(5)
    signal = rng.normal(size=rows)
    blocks = []
    for _ in range(3):
        private = 4 * rng.normal(size=(rows, 4)) @ rng.normal(size=(4, 12))
        noise = 0.1 * rng.normal(size=(rows, 12))
        blocks.append(signal[:, None] * rng.normal(size=12) + private + noise)
    return signal, blocks


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return |r|."""
    return abs(float(np.corrcoef(a, b)[0, 1]))


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_mcca_finds_what_is_shared_and_not_what_is_private(share: float) -> None:
    """On rows it never saw, every block tells the signal, also learned from rows with gaps."""
    signal, blocks = shared_and_private(900)
    rng = np.random.default_rng(1)
    present = rng.random((600, 3)) < share
    train = [
        np.where(there[:, None], x[:600], 1e6) for x, there in zip(blocks, present.T, strict=True)
    ]
    found = CanonicalCorrelation.fit(train, present, 3)
    held = [x[600:] for x in blocks]
    for v, x in enumerate(held):
        assert correlation(found.codes(v, x)[:, 0], signal[600:]) > 0.9
    # PCA of the same rows takes the loudest, which is private.
    loudest = PrincipalComponents.fit(np.hstack([x[:600] for x in blocks]), 1)
    assert correlation(loudest.codes(np.hstack(held))[:, 0], signal[600:]) < 0.5
    assert found.strength[0] > 0.5
    assert found.strength[1] < 0.3
    there = np.array([[True, False, False]] * 299 + [[False] * 3])
    joint = found.joint(held, there)
    np.testing.assert_allclose(joint[:299], found.codes(0, held[0])[:299])
    assert not joint[299].any()


def test_mcca_needs_rows_of_every_block() -> None:
    """A camera that was hardly ever there is named by its count."""
    with pytest.raises(ValueError, match=r"\[4, 1\]"):
        CanonicalCorrelation.fit(
            [np.eye(4), np.eye(4)], np.array([[1, 1], [1, 0], [1, 0], [1, 0]], bool), 2
        )
