"""The ledger of one flow run: what came in, what became of it, and the law that it adds up.

Reads and writes nothing itself; `Ledger.row` is a row of the table `runs`, `Ledger.report` the
object that `--json` prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from infra.errors import ConservationError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fields that hold several things by their names.
_BY_NAME = ("extra", "cpu_seconds")


@dataclass
class Ledger:
    """Counts of one flow run. Inputs are files, features, models or generations, by flow.

    done: made in this run; cached: already there and current; quarantined: refused, with a reason
    on record; failed: could not be tried (permission, lost worker); pending: left for a later run.
    """

    inputs: int = 0
    done: int = 0
    cached: int = 0
    quarantined: int = 0
    failed: int = 0
    pending: int = 0
    frames_header: int = 0
    frames_decoded: int = 0
    frames_bad: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    peak_rss_bytes: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    extra: dict[str, int | float | str | list[str]] = field(default_factory=dict)

    def spend(self, seconds: Mapping[str, float]) -> None:
        """Add CPU seconds that workers told of, by stage."""
        for stage, spent in seconds.items():
            self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + spent

    def check(self) -> None:
        """Hold the conservation law, of inputs and of frames.

        Decoded and bad frames may be more than headers promised, never fewer.

        Raises:
            ConservationError: naming the counts, if inputs are not the sum of their outcomes.
        """
        outcomes = self.done + self.cached + self.quarantined + self.failed + self.pending
        if outcomes != self.inputs:
            raise ConservationError(
                f"{self.inputs} inputs, but {self.done} done + {self.cached} cached + "
                f"{self.quarantined} quarantined + {self.failed} failed + {self.pending} pending "
                f"= {outcomes}.",
                command="stillhouse show runs",
            )
        if self.frames_decoded + self.frames_bad < self.frames_header:
            raise ConservationError(
                f"{self.frames_header} frames promised, but {self.frames_decoded} decoded + "
                f"{self.frames_bad} bad.",
                command="stillhouse show recordings",
            )

    def counts(self) -> dict[str, int | float]:
        """Return every count by its name in the contract."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _BY_NAME}

    def report(self) -> dict[str, Any]:
        """Return what `--json` prints: the counts, `cpu_<stage>_s`, and what the flow adds."""
        spent = {f"cpu_{name}_s": round(s, 3) for name, s in sorted(self.cpu_seconds.items())}
        return self.counts() | spent | self.extra
