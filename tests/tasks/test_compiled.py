"""What a compiled network answers does not depend on how its inputs lie in memory."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from tasks.views.compiled import Compiled

SHAPE = (64, 96, 32)


@pytest.fixture(scope="module")
def difference() -> Compiled:
    """A network whose answer is known: the first input less the second."""
    one, other = (ops.parameter(SHAPE, np.float32, name=name) for name in "ab")
    model = openvino.Model([ops.subtract(one, other)], [one, other], "difference")
    return Compiled(model, 1, [np.zeros(SHAPE, np.float32)] * 2)


def test_inputs_that_are_not_contiguous_are_read_as_they_are(difference: Compiled) -> None:
    """Both are views: the copy that is made of the first must outlive that of the second."""
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = random.normal(size=(2, *SHAPE[::-1])).astype(np.float32)
        (found,) = difference(one.transpose(), other.transpose())
        assert np.array_equal(found, (one - other).transpose())


def test_an_answer_is_not_changed_by_the_next_call(difference: Compiled) -> None:
    """It is a copy, not the request's own memory."""
    ones, zeros = np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    (first,) = difference(ones, zeros)
    difference(zeros, ones)
    assert np.array_equal(first, ones)
