from __future__ import annotations

import numpy as np
import pytest

from tasks.judging.bootstrap import paired_bootstrap


def sessions_of(rng: np.random.Generator, count: int, truth: float) -> dict[str, list[float]]:
    """Differences around a known mean: sessions spread by .5, their five clips by 1."""
    return {f"s{k}": list(truth + rng.normal(0, 0.5) + rng.normal(0, 1, 5)) for k in range(count)}


def test_the_interval_covers_a_known_difference() -> None:
    """Of 200 archives of 12 sessions, nearly 95 % of intervals hold the true difference."""
    rng = np.random.default_rng(7)
    found = [paired_bootstrap(sessions_of(rng, 12, 1.0), draws=400) for _ in range(200)]
    assert 0.88 <= np.mean([one.low <= 1.0 <= one.high for one in found]) <= 0.995
    assert all(one.claimable for one in found)
    assert np.mean([one.significant for one in found]) > 0.95


def test_clips_of_one_session_do_not_pass_for_independent() -> None:
    """500 clips of 6 unlike sessions know little: the interval is far wider than by clips."""
    rng = np.random.default_rng(1)
    differences = {f"s{k}": list(rng.normal(k - 2.5, 0.01, 500)) for k in range(6)}
    found = paired_bootstrap(differences)
    assert found.high - found.low > 1.5
    assert not found.significant


def test_few_sessions_claim_nothing() -> None:
    """Five sessions of which each gains 1 dB: an interval, no claim, and the report says so."""
    found = paired_bootstrap({f"s{k}": [1.0, 1.1] for k in range(5)})
    assert found.low > 0
    assert not found.claimable
    assert not found.significant
    assert "no claim of significance" in found.sentence()
    six = paired_bootstrap({f"s{k}": [1.0, 1.1] for k in range(6)})
    assert six.significant
    assert six.sentence().endswith("; significant")


def test_the_same_seed_gives_the_same_interval() -> None:
    """In any order of sessions; another seed gives another, near it."""
    given = sessions_of(np.random.default_rng(2), 8, 0.0)
    found = paired_bootstrap(given, seed=4)
    assert paired_bootstrap(dict(reversed(given.items())), seed=4) == found
    other = paired_bootstrap(given, seed=5)
    assert other != found
    assert other.low == pytest.approx(found.low, abs=0.1)


def test_clips_that_are_not_judged_are_left_out() -> None:
    """A clip without motion has no figure; a session of nothing else is no session."""
    found = paired_bootstrap({"a": [1.0, float("nan")], "b": [3.0], "c": [float("nan")]})
    assert (found.mean, found.sessions, found.clips) == (2.0, 2, 2)
    with pytest.raises(ValueError, match="no difference"):
        paired_bootstrap({"a": []})
