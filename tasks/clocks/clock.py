"""One camera's clock against its session's: where it began, and how fast it runs.

Pure integer arithmetic on nanoseconds; reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.span import Span

BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CameraClock:
    """A camera's first frame stands at `offset_ns` of the session clock.

    `drift_ppb`: while the session clock runs 1e9 ns, the camera's runs 1e9 + `drift_ppb`.
    """

    offset_ns: int = 0
    drift_ppb: int = 0

    def to_session(self, t_ns: int) -> int:
        """Return the first session time that is not before a recording time."""
        # Rounded up: what begins at a frame must not begin a nanosecond before it, where the
        # frame before is shown.
        return self.offset_ns - (-t_ns * BILLION // (BILLION + self.drift_ppb))

    def to_recording(self, t_ns: int) -> int:
        """Return the recording time of a session time, rounded down."""
        since = t_ns - self.offset_ns
        return since + since * self.drift_ppb // BILLION

    def span_to_session(self, span: Span) -> Span:
        """Return a span of the recording clock on the session clock."""
        return type(span)(self.to_session(span.start_ns), self.to_session(span.end_ns))

    def span_to_recording(self, span: Span) -> Span:
        """Return a span of the session clock on the recording clock.

        For a span that `span_to_session` gave, it lies inside the one that was given to it.
        """
        return type(span)(self.to_recording(span.start_ns), self.to_recording(span.end_ns - 1) + 1)
