"""What a long piece of work takes of the machine while it runs: memory and CPU time, as curves.

Reads this process and its descendants from the system; writes nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

import psutil  # type: ignore[import-untyped]  # ships no types

if TYPE_CHECKING:
    from types import TracebackType

INTERVAL_S = 2.0
# Past so many samples every second one is dropped and they are taken half as often.
MOST_SAMPLES = 720


class Usage:
    """Samples from entering the block to leaving it; `curves` may be asked for at any time."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._samples: list[tuple[int, float, float]] = []
        self._used_before_s = 0.0
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="usage", daemon=True)

    def __enter__(self) -> Self:
        # A worker that is used again has used CPU before.
        _, self._used_before_s = _measured()
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def curves(self) -> dict[str, list[float]]:
        """Return `times_ms` (of the epoch), `rss_megabytes` (10^6) and `cpu_seconds` so far."""
        self._sample()
        with self._lock:
            times, rss, used = (list(one) for one in zip(*self._samples, strict=True))
        return {"times_ms": times, "rss_megabytes": rss, "cpu_seconds": used}

    def _watch(self) -> None:
        while not self._done.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        rss, used_s = _measured()
        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            self._samples.append((now_ms, rss / 1e6, max(0.0, used_s - self._used_before_s)))
            if len(self._samples) > MOST_SAMPLES:
                del self._samples[1::2]
                self._interval_s *= 2


def _measured() -> tuple[int, float]:
    """Return resident bytes and CPU seconds of this process and those it started."""
    me = psutil.Process()
    rss, used_s = 0, 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            with process.oneshot():
                times = process.cpu_times()
                rss += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
        used_s += times.user + times.system
    return rss, used_s
