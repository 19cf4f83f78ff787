"""How the cores of a machine are shared out among workers of extraction."""

from __future__ import annotations

import pytest

from tasks.extraction.features import MOST_THREADS, shares


@pytest.mark.parametrize("cores", [0.5, *range(1, 130)])
def test_no_core_is_idle_and_no_worker_has_too_many_threads(cores: float) -> None:
    """As many workers as fit have a thread a core, at most one worker's share of threads more."""
    held, threads = shares(cores)
    workers = int(cores / held)
    assert 1 <= threads <= MOST_THREADS
    assert held == cores or held == int(held)  # Ray takes whole cores only, where it is not one
    assert int(cores) <= workers * threads <= cores + max(1, workers)


def test_few_cores_are_one_worker() -> None:
    """Threads of one worker are nearer to bare ones than workers are to each other."""
    assert [shares(cores) for cores in (1, 2, 4, 6)] == [(1, 1), (2, 2), (4, 4), (3, 3)]
