"""Brings a label file into the catalog: rows become stretches of recordings, or quarantine.

Reads the file as kept in home; writes rows of `label_spans` and `quarantine`. Spans are stored on
each recording's own clock, so that they hold when a session is formed or its clocks found anew.
What was said can be withdrawn by the same file, and said again: each is a row more.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.ids import digest
from catalog.query import rows
from catalog.schemas.label_spans import LABEL_SPANS
from catalog.schemas.quarantine import QUARANTINE
from catalog.span import SECOND_NS
from infra.errors import CatalogEmptyError
from infra.inputs import keep_input
from tasks.clocks.clock import CameraClock
from tasks.labels.file import MOST_BYTES, BadRow, LabelRow, read_labels

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.snapshot import Snapshot
    from infra.inputs import KeptInput
    from tasks.runs.record import FlowRun

Spanned = tuple[str, str, int | None, int | None]  # recording, label, start_ns, end_ns
# A span that is withdrawn may lie so far from how it is named: clocks may have been found anew.
NEAR_NS = SECOND_NS
STAGE = "label"


@dataclass
class LabelPlan:
    """What a file asks for: spans that are new, rows that are known, rows that are refused.

    `spans` come each with its turn (see `LABEL_SPANS`).
    """

    kept: KeptInput
    named: str
    spans: list[tuple[Spanned, int]] = field(default_factory=list)
    fresh: int = 0
    cached: int = 0
    refused: list[BadRow] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return what `--dry-run` shows."""
        reasons: dict[str, int] = defaultdict(int)
        for bad in self.refused:
            reasons[bad.reason] += 1
        return {
            "rows": self.fresh + self.cached + len(self.refused),
            "would_commit": self.fresh,
            "cached": self.cached,
            "would_refuse": len(self.refused),
            "reasons": ", ".join(f"{name} {n}" for name, n in sorted(reasons.items())),
            "labels": len({span[1] for span, _ in self.spans}),
        }


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_labels(path: Path, run: FlowRun, *, withdraw: bool = False) -> LabelPlan:
    """Read a label file and find what each row names; with `withdraw` it is no longer to hold.

    Raises:
        InputFileError, LabelFileError: the file cannot be used.
        CatalogEmptyError: nothing has been ingested.
    """
    kept = keep_input(run.settings, path, MOST_BYTES)
    found = read_labels(kept.path)
    snapshot = run.catalog.snapshot()
    targets = _Targets(snapshot, [row for row in found if isinstance(row, LabelRow)])
    plan = LabelPlan(kept, str(path))
    for row in found:
        told = row if isinstance(row, BadRow) else targets.spans(row)
        if not isinstance(told, BadRow):
            told = (targets.said if withdraw else targets.unsaid)(row.line, told)
        if isinstance(told, BadRow):
            plan.refused.append(told)
            continue
        new = [span for span in told if targets.holds(span) == withdraw]
        plan.spans += [(span, targets.turn(span)) for span in new]
        plan.fresh += bool(new)
        plan.cached += not new
    run.ledger.inputs = len(found)
    return plan


@task(cache_policy=NO_CACHE, persist_result=False)
def commit_labels(plan: LabelPlan, run: FlowRun) -> None:
    """Commit the spans, and what was refused with its reasons."""
    source, now = plan.kept.digest, time.time_ns()
    run.catalog.commit(
        QUARANTINE,
        [
            {
                "item_id": digest("label", source, bad.line),
                "kind": "label",
                "stage": STAGE,
                "reason": bad.reason,
                "detail": f"line {bad.line}: {bad.detail}",
                "member": plan.named,
                "frames": 0,
                "seen_ns": now,
                "flow_run_id": run.flow_run_id,
            }
            for bad in plan.refused
        ],
    )
    names = ("recording_id", "label", "start_ns", "end_ns")
    stamp = {"source": source, "flow_run_id": run.flow_run_id}
    run.catalog.commit(
        LABEL_SPANS,
        [dict(zip(names, span, strict=True)) | {"turn": turn} | stamp for span, turn in plan.spans],
    )
    run.ledger.done, run.ledger.cached = plan.fresh, plan.cached
    run.ledger.quarantined = len(plan.refused)


class _Targets:
    """What can be named, and what is said of it already."""

    def __init__(self, snapshot: Snapshot, wanted: list[LabelRow]) -> None:
        self._by_name: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        every = rows(snapshot, "label_targets", {})
        if not every:
            raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest .")
        for row in every:
            session, recording = row["session_id"], row["recording_id"]
            for name in {row["session_name"], session}:
                self._by_name["session", name][session].append(row)
            for name in {row["member"], recording}:
                self._by_name["recording", name][recording].append(row)
        clips = {row.place for row in wanted if row.kind == "clip"}
        named = rows(snapshot, "label_clips", {"clip_ids": sorted(clips)}) if clips else []
        self._clips = {row["clip_id"]: row for row in named}
        held = [row["recording_id"] for row in every]
        known = rows(snapshot, "known_label_spans", {"recording_ids": held})
        self._turns: dict[str, dict[Spanned, int]] = defaultdict(dict)
        for row in known:
            span = (row["recording_id"], row["label"], row["start_ns"], row["end_ns"])
            self._turns[span[0]][span] = row["turn"]

    def holds(self, span: Spanned) -> bool:
        """Whether a span was said and not withdrawn."""
        return self._turns[span[0]].get(span, 1) % 2 == 0

    def turn(self, span: Spanned) -> int:
        """Say a span, or withdraw it if it holds; return which turn that is."""
        turns = self._turns[span[0]]
        turns[span] = turns.get(span, -1) + 1
        return turns[span]

    def spans(self, row: LabelRow) -> list[Spanned] | BadRow:
        """Return the spans a row means, on the clock of each recording; or why it means none."""
        start_ns, end_ns, place, kind = row.start_ns, row.end_ns, row.place, row.kind
        if kind == "clip":
            clip = self._clips.get(place)
            if clip is None:
                return BadRow(row.line, "clip_unknown", f"no current clip {place[:80]!r}")
            start_ns = clip["start_ns"] if start_ns is None else start_ns
            end_ns = clip["end_ns"] if end_ns is None else end_ns
            if not clip["start_ns"] <= start_ns < end_ns <= clip["end_ns"]:
                return BadRow(row.line, "span_outside", f"the clip is {_seconds(clip)}")
            place, kind = clip["session_id"], "session"
        found = self._by_name.get((kind, place), {})
        if len(found) != 1:
            reason = f"{kind}_ambiguous" if found else f"{kind}_unknown"
            return BadRow(row.line, reason, f"{len(found)} current {kind}s are {place[:80]!r}")
        (recordings,) = found.values()
        chosen = [one for one in recordings if row.camera in (None, one["camera_id"])]
        if not chosen:
            cameras = ", ".join(one["camera_id"] for one in recordings)
            return BadRow(row.line, "camera_unknown", f"no camera {row.camera!r}: {cameras}"[:200])
        spans = [
            span for one in chosen if (span := _on_own_clock(one, row.label, start_ns, end_ns))
        ]
        return spans or BadRow(row.line, "span_outside", "no recording shows any of it")

    def said(self, line: int, spans: list[Spanned]) -> list[Spanned] | BadRow:
        """Return what was said, or withdrawn, about where these spans are."""
        found = [one for span in spans for one in self._turns[span[0]] if _same(one, span)]
        return found or BadRow(line, "label_unsaid", f"nobody said {spans[0][1][:80]!r} of it")

    def unsaid(self, line: int, spans: list[Spanned]) -> list[Spanned] | BadRow:
        """Return the spans, if none contradicts what holds."""
        for span in spans:
            for other in self._turns[span[0]]:
                if other[1] != span[1] and self.holds(other) and _overlap(span[2:], other[2:]):
                    detail = f"{span[1]!r} where {other[1]!r} was said"
                    return BadRow(line, "label_contradicts", detail[:200])
        return spans


def _on_own_clock(
    row: dict[str, Any], label: str, start_ns: int | None, end_ns: int | None
) -> Spanned | None:
    """Return a span of the session's clock on a recording's, cut to it; None if outside."""
    clock = CameraClock(row["offset_ns"], row["drift_ppb"] or 0)
    start = None if start_ns is None else max(clock.to_recording(start_ns), 0)
    end = None if end_ns is None else min(clock.to_recording(end_ns), row["duration_ns"])
    if (start or 0) >= (row["duration_ns"] if end is None else end):
        return None
    return row["recording_id"], label, start, end


def _same(said: Spanned, named: Spanned) -> bool:
    """Whether a span that was said, or withdrawn, is the one named."""
    return said[1] == named[1] and all(
        (one is None) == (other is None) and abs((one or 0) - (other or 0)) <= NEAR_NS
        for one, other in zip(said[2:], named[2:], strict=True)
    )


def _overlap(one: tuple[int | None, int | None], other: tuple[int | None, int | None]) -> bool:
    last = 1 << 62
    starts = max(one[0] or 0, other[0] or 0)
    return starts < min(*(last if end is None else end for end in (one[1], other[1])))


def _seconds(clip: dict[str, Any]) -> str:
    return f"{clip['start_ns'] / SECOND_NS:.3f} to {clip['end_ns'] / SECOND_NS:.3f} s"
