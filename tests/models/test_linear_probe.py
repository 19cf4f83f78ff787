"""The probe is ridge regression on one-hot labels, chosen by groups, fair to rare classes."""

from __future__ import annotations

import numpy as np
import pytest

from models.linear_probe import RIDGE, RIDGES, LinearProbe


@pytest.mark.parametrize("shape", [(40, 6), (12, 30)])
def test_the_weights_solve_the_ridge_problem(shape: tuple[int, int]) -> None:
    """Whichever of the two problems is the smaller: the gradient of the loss is zero."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * rng.uniform(0.1, 10, shape[1]) + 3
    labels = np.arange(shape[0]) % 3 + 5
    probe = LinearProbe.fit(x, labels, np.zeros(shape[0], np.int64))
    assert probe.ridge == RIDGE
    assert probe.classes.tolist() == [5, 6, 7]
    weight = 1 / (3 * np.array([(labels == one).sum() for one in labels]))
    rows = (x - probe.mean) / probe.spread
    off = probe.scores(x) - np.eye(3)[labels - 5]
    power = (weight[:, None] * rows**2).sum() / min(shape)
    slope = rows.T @ (weight[:, None] * off) + RIDGE * power * probe.weights
    assert np.abs(slope).max() < 1e-9
    np.testing.assert_allclose(weight @ off, 0, atol=1e-9)


def test_separable_classes_are_told_however_rare_one_is() -> None:
    """Three clusters, one with a twentieth of the items; constant columns harm nothing."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [60, 60, 6])
    middles = rng.normal(size=(3, 8)) * 3
    x = np.concatenate([middles[labels] + 0.3 * rng.normal(size=(126, 8)), np.ones((126, 2))], 1)
    probe = LinearProbe.fit(x, labels, np.arange(126) % 4)
    assert (probe.said(x) == labels).all()
    assert (LinearProbe.fit(x, labels, np.arange(126) % 4).weights == probe.weights).all()
    assert LinearProbe.fit(x[:60], labels[:60], np.arange(60)).said(x[:2]).tolist() == [0, 0]


def test_left_out_groups_ask_for_a_ridge_where_many_columns_are_weak() -> None:
    """Forty columns that each tell a little: the weakest ridge is not the best on new groups."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), 20)
    labels = np.tile([0, 1], 60)
    sign = 2 * labels - 1
    honest = sign[:, None] * 0.5 + rng.normal(size=(120, 40))
    probe = LinearProbe.fit(honest, labels, groups)
    assert probe.ridge in RIDGES
    assert probe.ridge > RIDGES[0]
    with pytest.raises(ValueError, match="needs"):
        LinearProbe.fit(honest[:0], labels[:0], groups[:0])
