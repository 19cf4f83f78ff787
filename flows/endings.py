"""How commands that run flows end: what was done, or what would be, and the exit code of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import exit_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.console import Console

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done and what it would cost.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, last, on stdout.")]


def show_plan(console: Console, name: str, plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what a run would do and what it would cost."""
    rows: list[tuple[str, object]] = []
    for key, value in plan.items():
        if isinstance(value, dict):
            rows += [(f"{key.replace('_', ' ')}: {name}", count) for name, count in value.items()]
        elif key != "dry_run":
            rows.append((key.replace("_", " "), "unknown" if value is None else value))
    text = console.table(f"{name} would, nothing done yet", ("what", "how much"), rows)
    console.answer(plan, as_json=as_json, text=text)


def finish(console: Console, name: str, report: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what a run did, and end with its exit code."""
    text = console.ledger(name, report)
    if report["inputs"] == report["cached"] + report["quarantined"]:
        text += "nothing to do: everything is current\n"
    if report["quarantined"]:
        text += "refused, with reasons: stillhouse show quarantine\n"
    if "pending_until" in report:
        text += f"{report['pending']} pending until: {report['pending_until']}\n"
    if "codes_removed" in report:
        text += f"{report['codes_removed']} codes removed, {report['bytes_freed']} bytes freed\n"
    elif "vacuum" in report:
        text += f"{report['vacuum']}\n"
    if report["failed"]:
        text += "failed: see the lines above; run the same command again\n"
    console.answer(report, as_json=as_json, text=text)
    raise typer.Exit(exit_code(report))
