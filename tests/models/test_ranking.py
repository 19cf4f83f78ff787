from __future__ import annotations

import numpy as np
import pytest

from models.label_scores import macro_f1, top1
from models.ranking import cosine, retrieval


def test_a_ranking_by_hand() -> None:
    """Right ones at places 1, 3 and 4 of 5: AP = (1 + 2/3 + 3/4) / 3; a second query's is 1/3."""
    near = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.5, 0.6, 0.7, 0.8, 0.9]])
    right = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 0]], bool)
    found = retrieval(near, right, np.ones_like(right))
    np.testing.assert_allclose(found.precision, [(1 + 2 / 3 + 3 / 4) / 3, 1 / 3])
    assert found.figures() == pytest.approx(
        {"r_at_1": 0.5, "r_at_5": 1.0, "r_at_10": 1.0, "map": (29 / 36 + 1 / 3) / 2}
    )


def test_items_of_the_same_recording_are_not_in_the_gallery() -> None:
    """The nearest item is of the query's own recording: neither a hit nor in anyone's way."""
    near = np.array([[0.9, 0.8, 0.7]])
    right = np.array([[True, False, True]])
    found = retrieval(near, right, np.array([[False, True, True]]))
    assert found.hits[1].tolist() == [0.0]
    assert found.precision.tolist() == [0.5]


def test_a_query_without_an_answer_does_not_count() -> None:
    """Its only right item is of its own recording: the mean is over the other query."""
    near = np.array([[0.9, 0.1], [0.2, 0.8]])
    right = np.eye(2, dtype=bool)
    found = retrieval(near, right, np.array([[False, True], [True, True]]))
    assert found.answerable == 1
    assert found.figures()["r_at_1"] == 1.0
    nothing = retrieval(near, right, ~right)
    assert nothing.answerable == 0
    assert np.isnan(nothing.figures()["map"])


def test_equal_codes_for_everything_find_nothing() -> None:
    """Ties, up to what float32 loses, are ranked against the method."""
    rng = np.random.default_rng(0)
    codes = np.ones((20, 8)) + 1e-9 * rng.normal(size=(20, 8))
    right = np.eye(20, dtype=bool)
    found = retrieval(cosine(codes, codes), right, np.ones_like(right)).figures()
    assert found["r_at_10"] == 0
    assert found["map"] == pytest.approx(1 / 20)


def test_a_zero_vector_is_like_nothing() -> None:
    """Its cosine is 0, not a division by 0; what is not finite or of one shape is refused."""
    found = cosine(np.array([[0.0, 0], [3, 4]]), np.array([[3.0, 4]]))
    np.testing.assert_allclose(found, [[0], [1]])
    all_of = np.ones((2, 1), bool)
    with pytest.raises(ValueError, match="not finite"):
        retrieval(found * np.nan, all_of, all_of)
    with pytest.raises(ValueError, match="shapes differ"):
        retrieval(found, all_of.T, all_of)


def test_labels_by_hand() -> None:
    """Macro-F1 weighs classes alike, and one that is said but never true counts as 0."""
    truth = np.array([0, 0, 0, 0, 1, 1])
    said = np.array([0, 0, 0, 1, 1, 2])
    assert top1(said, truth) == pytest.approx(4 / 6)
    assert macro_f1(said, truth) == pytest.approx((6 / 7 + 1 / 2 + 0) / 3)
    with pytest.raises(ValueError, match="with items"):
        top1(truth[:0], truth[:0])
