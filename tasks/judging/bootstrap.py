"""How sure a difference between two methods is: paired bootstrap over sessions, then clips.

Pure. Clips of one session are not independent: sessions are drawn first, with replacement, then
as many clips of each as it has (Davison and Hinkley 1997, section 3.8). Both methods are scored on
the same clips, so that their differences are drawn and not their scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Fewer held-out sessions than this support a table, not a claim of significance: of 5 sessions
# there are 126 different draws, and a percentile of them is that of one or two.
SESSIONS_FOR_A_CLAIM = 6
DRAWS = 2000
COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean difference over sessions and the interval around it.

    `claimable` is false under `SESSIONS_FOR_A_CLAIM` sessions: the interval may then be shown,
    and nothing be concluded from it.
    """

    mean: float
    low: float
    high: float
    sessions: int
    clips: int

    @property
    def claimable(self) -> bool:
        """Whether there are sessions enough to speak of significance."""
        return self.sessions >= SESSIONS_FOR_A_CLAIM

    @property
    def significant(self) -> bool:
        """Whether it may be claimed, and the interval lies on one side of 0."""
        return self.claimable and (self.low > 0 or self.high < 0)

    def sentence(self) -> str:
        """Say it as a report does."""
        said = f"{self.mean:+.4g} [{self.low:+.4g}, {self.high:+.4g}] over {self.sessions} sessions"
        if not self.claimable:
            return f"{said}; fewer than {SESSIONS_FOR_A_CLAIM}, no claim of significance is made"
        return f"{said}; {'significant' if self.significant else 'not significant'}"


def paired_bootstrap(
    differences: Mapping[str, Sequence[float]],
    *,
    seed: int = 0,
    draws: int = DRAWS,
    coverage: float = COVERAGE,
) -> Interval:
    """Return the percentile interval of the mean over sessions of the means over their clips.

    `differences` maps a session to ours minus theirs, one number a clip. What is not a number (a
    clip without motion) is left out, and so is a session of nothing else. The same input and seed
    give the same interval, in whatever order the sessions come.

    Raises:
        ValueError: there is no difference to draw from.
    """
    clips = [
        found
        for session in sorted(differences)
        if (found := np.array([x for x in differences[session] if not math.isnan(x)])).size
    ]
    if not clips:
        raise ValueError("there is no difference to draw from")
    rng = np.random.default_rng(seed)
    # Each session's own means over drawn clips, for every place it may be drawn to.
    sessions = rng.integers(len(clips), size=(draws, len(clips)))
    means = np.empty(sessions.shape)
    for k, values in enumerate(clips):
        here = sessions == k
        drawn = rng.integers(values.size, size=(int(here.sum()), values.size))
        means[here] = values[drawn].mean(axis=1)
    tail = (1 - coverage) / 2
    low, high = np.quantile(means.mean(axis=1), [tail, 1 - tail])
    mean = float(np.mean([values.mean() for values in clips]))
    return Interval(mean, float(low), float(high), len(clips), sum(map(len, clips)))
