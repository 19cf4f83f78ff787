"""The tables of `eval_annealing.py`: what is left of the energy, who wins, how sure that is.

Rows of measurements in, Markdown out. Differences are paired: one number a clip, the mean over its
seeds; means are of the means of sessions.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from models.code_energy import BYTE_WEIGHT
from tasks.judging.bootstrap import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, Any]
# Of a clip and a seed, what each method made of it.
Runs = dict[tuple[str, int], dict[str, Row]]
CONTROLS = ("cold", "annealing")


def report(done: Sequence[Row], methods: Sequence[str], evaluations: int, model: str) -> str:
    """Return all tables, of the clips and seeds that every method has been through."""
    table: Runs = defaultdict(dict)
    for row in done:
        if row["method"] in methods:
            table[row["clip_id"], row["seed"]][row["method"]] = row
    whole = {key: rows for key, rows in table.items() if len(rows) == len(methods)}
    if not whole:
        return "nothing has been measured by every method yet"
    parts = [
        _head(whole, evaluations, model),
        *_by_method(whole, methods),
        "",
        "Paired bootstrap of energy / start:",
        "",
        *_bootstrapped(whole, methods),
        "",
        "Energy / start by session:",
        "",
        *_sessions(whole, methods),
        "",
        "CPU s a clip of at most 8 windows, median and most, by its cameras:",
        "",
        *_times(whole, methods),
    ]
    return "\n".join(parts)


def _head(whole: Runs, evaluations: int, model: str) -> str:
    clips = {clip for clip, _ in whole}
    rows = [next(iter(one.values())) for one in whole.values()]
    seeds = sorted({seed for _, seed in whole})
    return (
        f"{model}, {evaluations} evaluations a clip, {len(clips)} held-out clips of "
        f"{len({row['session'] for row in rows})} sessions, seeds {seeds} ({len(whole)} runs a "
        f"method), {BYTE_WEIGHT:g} of the variance a byte.\n"
    )


def _by_method(whole: Runs, methods: Sequence[str]) -> list[str]:
    head = (
        "| method | energy / start | error / start | bytes / start | better than cold, clips "
        "| better than annealing, clips | evaluations | pictures | CPU s a clip |"
    )
    lines = [head, "|" + "---|" * 9]
    for method in methods:
        rows = [runs[method] for runs in whole.values()]
        cells = [method]
        for name in ("", "error_", "bytes_"):
            shares = [(r["session"], r[f"{name}after"] / r[f"{name}before"]) for r in rows]
            cells.append(f"{_by_session(shares):.4f}")
        cells += [_wins(whole, method, other) for other in CONTROLS]
        cells += [f"{np.mean([r[n] for r in rows]):.0f}" for n in ("spent", "pictures")]
        cells.append(f"{np.mean([r['cpu_s'] for r in rows]):.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _bootstrapped(whole: Runs, methods: Sequence[str]) -> list[str]:
    lines = []
    for other in CONTROLS:
        for method in methods:
            # Annealing and cold are compared once.
            if other not in methods or method in CONTROLS[: CONTROLS.index(other) + 1]:
                continue
            found = paired_bootstrap(_differences(whole, method, other))
            lines.append(f"- {method} - {other}: {found.sentence()}")
    return lines


def _sessions(whole: Runs, methods: Sequence[str]) -> list[str]:
    lines = ["| session | cameras | clips | windows a clip | " + " | ".join(methods) + " |"]
    lines.append("|" + "---|" * (4 + len(methods)))
    sessions: dict[str, list[Mapping[str, Row]]] = defaultdict(list)
    for rows in whole.values():
        sessions[rows[methods[0]]["session"]].append(rows)
    for name, mine in sorted(sessions.items()):
        first = [rows[methods[0]] for rows in mine]
        cells = [name, str(first[0]["cameras"]), str(len({row["clip_id"] for row in first}))]
        cells.append(f"{np.mean([row['windows'] for row in first]):.1f}")
        for method in methods:
            shares = [rows[method]["after"] / rows[method]["before"] for rows in mine]
            cells.append(f"{np.mean(shares):.4f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _times(whole: Runs, methods: Sequence[str]) -> list[str]:
    lines = []
    rows = [row for runs in whole.values() for row in runs.values() if row["windows"] <= 8]
    for cameras in sorted({row["cameras"] for row in rows}):
        said = []
        for method in methods:
            spent = [r["cpu_s"] for r in rows if (r["cameras"], r["method"]) == (cameras, method)]
            said.append(f"{method} {np.median(spent):.1f} ({max(spent):.1f})")
        lines.append(f"- {cameras}: {', '.join(said)}")
    return lines


def _by_session(pairs: Sequence[tuple[str, float]]) -> float:
    """Return the mean over sessions of their means."""
    found = defaultdict(list)
    for session, value in pairs:
        found[session].append(value)
    return float(np.mean([np.mean(values) for values in found.values()]))


def _differences(whole: Runs, method: str, other: str) -> dict[str, list[float]]:
    """Return by session one difference of energy / start a clip: the mean over its seeds."""
    clips: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (clip, _), rows in whole.items():
        difference = (rows[method]["after"] - rows[other]["after"]) / rows[other]["before"]
        clips[rows[method]["session"], clip].append(difference)
    found: dict[str, list[float]] = defaultdict(list)
    for (session, _), values in clips.items():
        found[session].append(float(np.mean(values)))
    return found


def _wins(whole: Runs, method: str, other: str) -> str:
    """Return of how many clips a method's energy is lower, and of how many it is the same."""
    if method == other or any(other not in rows for rows in whole.values()):
        return "-"
    values = [x for some in _differences(whole, method, other).values() for x in some]
    tied = sum(x == 0 for x in values)
    return f"{sum(x < 0 for x in values)} of {len(values)}" + (f", {tied} equal" if tied else "")


def curves(
    done: Sequence[Row], methods: Sequence[str]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return of each method the mean curve over clips, as a share of the start."""
    found = []
    for method in methods:
        rows = [row for row in done if row["method"] == method]
        at = np.linspace(0, max((row["spent"] for row in rows), default=1), 60)
        shares = [
            np.interp(at, *np.array(row["curve"], np.float64).T) / row["curve"][0][1]
            for row in rows
        ]
        if shares:
            mean = np.mean(shares, axis=0).tolist()
            found.append((method, list(zip(at.astype(int).tolist(), mean, strict=True))))
    return found
