"""The conservation law: inputs and frames add up, or the run fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.ledger import Ledger
from infra.errors import ConservationError

COUNTS = st.integers(0, 10**9)
OUTCOMES = ("done", "cached", "quarantined", "failed", "pending")


@given(st.fixed_dictionaries(dict.fromkeys(OUTCOMES, COUNTS)), st.integers(-3, 3))
def test_inputs_are_the_sum_of_their_outcomes(outcomes: dict[str, int], off: int) -> None:
    """One input more or less than its outcomes breaks the law."""
    ledger = Ledger(inputs=sum(outcomes.values()) + off, **outcomes)
    if off:
        with pytest.raises(ConservationError, match="pending"):
            ledger.check()
    else:
        ledger.check()


@given(COUNTS, COUNTS, COUNTS)
def test_no_frame_is_lost(header: int, decoded: int, bad: int) -> None:
    """A frame that a header promised was decoded or is bad; there may be more than promised."""
    ledger = Ledger(frames_header=header, frames_decoded=decoded, frames_bad=bad)
    if decoded + bad < header:
        with pytest.raises(ConservationError, match="promised"):
            ledger.check()
    else:
        ledger.check()
