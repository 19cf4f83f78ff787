"""What `stillhouse distill --method` does: refines stored codes, or says which clips to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.console import Console
    from infra.settings import Settings

CORESET = "coreset"
# What `--model` says if nobody says anything; codes are another model's.
TRAINED_BY_DEFAULT, CODES_BY_DEFAULT = "super-resolution", "distiller"


def by_method(
    console: Console,
    settings: Settings,
    method: str | None,
    model: str,
    evaluations: int,
    keep_bytes: int | None,
    *,
    dry_run: bool,
) -> tuple[bool, dict[str, Any]]:
    """Do what the options of `distill` ask for; return whether a flow ran, and what is to be said.

    Raises:
        UsageError: the options do not go together, or there is no such method.
        StillhouseError: there are no codes, or not such ones.
    """
    name = CODES_BY_DEFAULT if model == TRAINED_BY_DEFAULT else model
    if method is None:
        raise UsageError(
            "--dry-run and --bytes go with --method.",
            command="stillhouse distill --method refine --dry-run",
        )
    if (method == CORESET) != (keep_bytes is not None):
        raise UsageError(
            "--bytes says how much of the archive --method coreset keeps: the one needs the other.",
            command="stillhouse distill --method coreset --bytes 100000000",
        )
    if keep_bytes is not None:
        from tasks.codes.keep import clips_to_keep

        return False, clips_to_keep(settings, name, keep_bytes)
    if dry_run:
        from flows.standing import refine_plan

        return False, refine_plan(settings, method, name, evaluations, 0)
    from flows.refine import refine

    found = refine(method, console.home, name, evaluations=evaluations)
    if found["codes"]:
        console.say(
            f"{found['codes_changed']} of {found['codes']} codes are better by {found['method']}: "
            f"energy {found['energy_before']:.4f} -> {found['energy_after']:.4f}, bytes "
            f"{found['code_bytes_before']} -> {found['code_bytes_after']}"
        )
    return True, found


def selection_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return a choice of clips as text: what it keeps, and the clips, one a line."""
    title = (
        f"{len(found['clips'])} of {found['of_clips']} clips, {found['bytes']} of "
        f"{found['of_bytes']} bytes; mean distance of a clip to the nearest kept: "
        f"{found['distance']:.4f}, of as many bytes at random {found['distance_random']:.4f}"
    )
    columns = ("clip_id", "session", "start_s", "bytes")
    rows = [
        (clip["clip_id"], clip["session_name"], clip["start_ns"] / 1e9, clip["bytes"])
        for clip in found["clips"]
    ]
    return console.table(title, columns, rows, numbers=columns[2:])
