"""What a flow run shows in Prefect: its progress, a table of what became of what, a picture of it.

Writes artifacts of the flow run; outside of Prefect nothing. A server that does not answer costs
the picture, not the run.
"""

from __future__ import annotations

import base64
import threading
import warnings
from contextlib import contextmanager
from contextvars import copy_context
from html import escape
from typing import TYPE_CHECKING, Any

import httpx
from prefect.artifacts import (
    create_image_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from infra.log_lines import redacted
from infra.observability import log_facts, open_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from uuid import UUID

    from tasks.runs.record import FlowRun

# Each look that finds something new is a request of some 10 ms.
LOOK_EVERY_S = 5.0
COLOURS = {
    "done": "#2f7d4f",
    "cached": "#8fb8a0",
    "quarantined": "#c0504d",
    "failed": "#7a1f1d",
    "pending": "#c9c9c9",
}
CPU_COLOUR = "#4f6d9a"
WIDTH, BAR, GAP = 480, 18, 6


@contextmanager
def shown_progress(flow: str) -> Iterator[None]:
    """Show in Prefect, inside the block, how far what is being counted has come (0 to 100)."""
    if flow_run.id is None:
        yield
        return
    progress = _Progress(flow)
    # Who asks Prefect must say for which run: that stands in this thread's context.
    thread = threading.Thread(
        target=copy_context().run, args=(progress.watch,), name="artifacts", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        progress.done.set()
        thread.join()


class _Progress:
    """Looks at the bars of this process now and then, and tells Prefect of each that is open."""

    def __init__(self, flow: str) -> None:
        self.done = threading.Event()
        self._flow = flow
        self._told: dict[str, tuple[UUID, float]] = {}

    def watch(self) -> None:
        """Tell until the run ends; what was begun is then whole."""
        while not self.done.wait(LOOK_EVERY_S):
            for bar in open_bars():
                if bar.total:
                    self._tell(bar.description, min(100.0, 100 * bar.done / bar.total))
        for what in self._told:
            self._tell(what, 100.0)

    def _tell(self, what: str, share: float) -> None:
        told = self._told.get(what)
        if told is None:
            key = _key(self._flow, "progress", "" if what == self._flow else what)
            made = _asked(lambda: create_progress_artifact(share, key, f"{self._flow}: {what}"))
            if made is not None:
                self._told[what] = (made, share)
        elif told[1] != share:
            _asked(lambda: update_progress_artifact(told[0], share))
            self._told[what] = (told[0], share)


def show_ending(run: FlowRun, status: str) -> None:
    """Show what became of a run's inputs: a table of its report, and a picture of its counts."""
    if flow_run.id is None:
        return
    report = run.ledger.report()
    rows = [{"what": name, "how much": _cell(value)} for name, value in report.items()]
    said = f"{run.flow} {status}: {report['inputs']} inputs"
    _asked(lambda: create_table_artifact(rows, _key(run.flow, "ledger"), said))
    show_picture(run.flow, said, [("inputs", _outcomes(report)), ("CPU s", _cpu(run))])


def show_stages(flow: str, reports: Mapping[str, Mapping[str, Any]], failed: Sequence[str]) -> None:
    """Show what became of the stages of a flow that is made of flows: a table and a picture."""
    if flow_run.id is None:
        return
    columns = ("inputs", *COLOURS, "seconds")
    rows = [
        {"stage": name, **{column: _cell(report.get(column, "")) for column in columns}}
        for name, report in reports.items()
    ]
    rows += [{"stage": redacted(one), **dict.fromkeys(columns, "")} for one in failed]
    said = f"{flow}: {len(reports)} stages done, {len(failed)} failed"
    _asked(lambda: create_table_artifact(rows, _key(flow, "stages"), said))
    show_picture(flow, said, [(name, _outcomes(report)) for name, report in reports.items()])


def show_picture(
    flow: str, said: str, bars: Sequence[tuple[str, Sequence[tuple[str, float, str]]]]
) -> None:
    """Show bars of (name, amount, colour) parts, each as wide as its whole."""
    address = f"data:image/svg+xml;base64,{base64.b64encode(drawn(bars).encode()).decode()}"
    _asked(lambda: create_image_artifact(address, _key(flow, "picture"), said))


def drawn(bars: Sequence[tuple[str, Sequence[tuple[str, float, str]]]]) -> str:
    """Return bars of (name, amount, colour) parts as SVG, with what each part is in words."""
    lines, at = [], GAP
    for title, parts in bars:
        whole = sum(amount for _, amount, _ in parts)
        told = ", ".join(f"{name} {amount:,.6g}" for name, amount, _ in parts if amount)
        lines.append(
            f'<text x="4" y="{at + 12}">{escape(redacted(f"{title}: {told or 0}"))}</text>'
        )
        at, left = at + BAR, 4.0
        for _, amount, colour in parts if whole else ():
            wide = (WIDTH - 8) * amount / whole
            lines.append(
                f'<rect x="{left:.1f}" y="{at}" width="{wide:.1f}" height="{BAR}" fill="{colour}" '
                'stroke="#fff"/>'
            )
            left += wide
        at += BAR + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {at}" width="{WIDTH}" '
        f'height="{at}" font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{at}" fill="#fff"/>{"".join(lines)}</svg>'
    )


def _outcomes(report: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    return [(name, report.get(name, 0), colour) for name, colour in COLOURS.items()]


def _cpu(run: FlowRun) -> list[tuple[str, float, str]]:
    spent = sorted(run.ledger.cpu_seconds.items(), key=lambda one: -one[1])
    return [(name, round(seconds, 3), CPU_COLOUR) for name, seconds in spent]


def _cell(value: object) -> str | int | float:
    return value if isinstance(value, int | float) else redacted(str(value))


def _key(*words: str) -> str:
    """Return a key as Prefect takes it: lower-case letters, digits and dashes."""
    text = "-".join(word for word in words if word).lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)


def _asked(call: Callable[[], Any]) -> Any:  # noqa: ANN401  whatever Prefect answers
    """Ask Prefect; None where it cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except (httpx.HTTPError, PrefectException, OSError, RuntimeError) as error:
        log_facts("artifact_not_shown", why=f"{type(error).__name__}: {error}")
        return None
