"""What a run shows of itself: log lines, a progress bar, seconds by stage, peak memory.

Writes to stderr only (stdout belongs to results); reads this process's tree from the system.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import psutil  # type: ignore[import-untyped]  # ships no types

from infra.log_lines import LineFormatter, resume
from infra.settings import asked_log_format

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from rich.progress import Progress, TaskID

LOGGER_NAME = "stillhouse"
# A bar that would be gone at once is noise.
SHOW_AFTER_S = 2.0
_PLAIN = re.compile(r"[^\s\"=]+")


def start_logging(level: int = logging.INFO, form: str | None = None) -> None:
    """Send our log lines to stderr, plain or JSON (`form`; else as the environment asks).

    Safe to call again. `log_lines.py` says what a line has.
    """
    logger = logging.getLogger(LOGGER_NAME)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(form or asked_log_format()))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


def log_for(runs: Mapping[str, str]) -> None:
    """Begin a worker's log: it tells, as its driver does, which runs it works for."""
    start_logging()
    resume(runs)


def log_facts(event: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Write one log line: what happened, then facts with keys in the order given."""
    logger = logging.getLogger(LOGGER_NAME)
    if logger.isEnabledFor(level):
        both = {"event": event, "facts": facts}
        logger.log(level, "%s", format_facts(event, **facts), extra=both)


def format_facts(event: str, **facts: object) -> str:
    """Return `event key=value ...`; floats get three decimals, values with spaces get quotes."""
    return " ".join([event, *(f"{key}={_value(found)}" for key, found in facts.items())])


def _value(found: object) -> str:
    text = f"{found:.3f}" if isinstance(found, float) else str(found)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class Stopwatch:
    """Adds up wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to `name`, also if it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + taken


class PeakMemory:
    """Samples the memory of this process and all its descendants; `peak_rss_bytes` is the most.

    Summing resident sizes counts shared pages (libraries, Ray's object store) once a process;
    the exact share (PSS) costs 15 times as much. This adds what each process has alone and once
    the largest shared part of any: within 1 % of PSS on seven processes that share numpy, where
    the plain sum was 34 % over. Processes on other machines of a cluster are not seen.
    """

    INTERVAL_S = 0.2
    # Finding the descendants reads every process of the system: 2 ms per 80 of them.
    TREE_EVERY = 5

    def __init__(self) -> None:
        self._peak = 0
        self._tree: list[psutil.Process] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)
        self._sampling = threading.Lock()

    @property
    def peak_rss_bytes(self) -> int:
        """The most so far, this moment included."""
        self._sample(find=True)
        return self._peak

    def __enter__(self) -> Self:
        self._sample(find=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sample(find=True)
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        turn = 0
        while not self._done.wait(self.INTERVAL_S):
            turn += 1
            self._sample(find=turn % self.TREE_EVERY == 0)

    def _sample(self, *, find: bool) -> None:
        if self._done.is_set():
            return
        with self._sampling:
            if find:
                me = psutil.Process()
                self._tree = [me, *me.children(recursive=True)]
            alone, shared = 0, 0
            for process in self._tree:
                try:
                    found = process.memory_info()
                except psutil.Error:  # it ended meanwhile
                    continue
                # Only Linux tells; elsewhere the sum of resident sizes is what there is.
                common = getattr(found, "shared", 0)
                alone += found.rss - common
                shared = max(shared, common)
            self._peak = max(self._peak, alone + shared)


class Bar:
    """Counts what is done of a whole; drawn or not is not the caller's business.

    A whole that is not known beforehand is None.
    """

    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self.done = 0
        self.total = total
        self.description = description
        self._unit = unit
        self._started = time.monotonic()
        self._drawn: tuple[Progress, TaskID] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def advance(self, count: int = 1) -> None:
        """Add to what is done."""
        self.set(self.done + count)

    def set(self, done: int) -> None:
        """Say how much is done."""
        self.done = done
        if self._drawn is not None:
            display, task = self._drawn
            display.update(task, completed=done, rate=self._rate())

    def _rate(self) -> str:
        rate = self.done / max(time.monotonic() - self._started, 1e-9)
        if self._unit == "B":
            return f"{rate / 2**20:,.1f} MiB/s"
        return f"{rate:,.1f} {self._unit}/s"

    def _amount(self) -> str:
        if self._unit == "B":
            return "{task.fields[rate]}"
        if self.total is None:
            return f"{{task.completed:.0f}} {self._unit}  {{task.fields[rate]}}"
        return f"{{task.completed:.0f}}/{{task.total:.0f}} {self._unit}  {{task.fields[rate]}}"

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        with self._lock:
            if self._closed:
                return
            display = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn(self._amount()),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            task = display.add_task(
                self.description, total=self.total, completed=self.done, rate=self._rate()
            )
            display.start()
            self._drawn = (display, task)

    def _close(self) -> None:
        with self._lock:
            # A timer that fires after this draws nothing.
            self._closed = True
            if self._drawn is not None:
                self._drawn[0].stop()


_OPEN: list[Bar] = []


def open_bars() -> tuple[Bar, ...]:
    """Return what is being counted in this process now, outermost first."""
    return tuple(_OPEN)


@contextmanager
def progress(
    description: str, total: int | None, unit: str, *, enabled: bool | None = None
) -> Iterator[Bar]:
    """Count a stage's progress; after two seconds draw it on stderr with rate and time left.

    `unit` is what is counted, in the plural; `"B"` shows bytes as MiB. Nothing is drawn if stderr
    is no terminal, unless `enabled` says otherwise.
    """
    bar = Bar(description, total, unit)
    shown = sys.stderr.isatty() if enabled is None else enabled
    timer = threading.Timer(SHOW_AFTER_S, bar._draw)  # noqa: SLF001  the bar's other half
    timer.daemon = True
    if shown:
        timer.start()
    _OPEN.append(bar)
    try:
        yield bar
    finally:
        _OPEN.remove(bar)
        timer.cancel()
        bar._close()  # noqa: SLF001
