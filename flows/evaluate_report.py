"""What a person reads of an evaluation: the held-out tables, or what damage costs.

Writes nothing; returns text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from infra.errors import UsageError
from tasks.robustness.cells import cells_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flows.console import Console

UNITS = {"fg_psnr": "foreground PSNR in dB", "psnr_y": "luma PSNR in dB"}
UNITS |= {"map": "mean average precision", "top1": "top-1"}
WHOSE = {"one": "one camera", "all": "all", "view": "rgb alone"}
ACCURATE = ("undamaged", "mPC", "rPC", "worst loss", "peer's mPC", "floor's")
DECIBELS = ("undamaged", "mean loss", "worst loss", "over peer", "worst over peer", "no harm")


class Asked(TypedDict):
    """What is asked of robustness: which set, and which part of it."""

    robustness: str | None
    corruptions: Sequence[str]
    severities: Sequence[int]
    windows: int | None


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers_of(text: str) -> tuple[int, ...]:
    """Return the whole numbers in a comma-separated option.

    Raises:
        UsageError: one is none.
    """
    names = names_of(text)
    if wrong := [name for name in names if not name.isdecimal()]:
        raise UsageError(
            f"Severities are 1 to 5, not {', '.join(wrong)}.",
            command="stillhouse evaluate --robustness core --severities 1,3,5",
        )
    return tuple(map(int, names))


def require_asked(asked: Asked) -> None:
    """Refuse what there is not, before anything is started.

    Raises:
        UsageError: no such set, or something is chosen of none.
        UnknownCorruptionError: no such corruption or severity.
    """
    corruptions, severities = asked["corruptions"], asked["severities"]
    if asked["robustness"] is not None:
        cells_of(asked["robustness"], corruptions, severities)
    elif corruptions or severities or asked["windows"]:
        raise UsageError(
            "Corruptions, severities and windows are chosen for --robustness.",
            command="stillhouse evaluate --robustness core",
        )


def evaluation_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return the tables and remarks of an evaluation."""
    from flows.demo_report import judged_text

    text = console.ledger("evaluate", found) + "\n"
    if found["robustness"] is None:
        return text + judged_text(console, found)
    return text + robustness_text(console, found)


def robustness_text(console: Console, found: Mapping[str, Any]) -> str:
    """Return, for each application, its cells and what they come to; then the remarks."""
    text = ""
    for application in dict.fromkeys(row["application"] for row in found["cells"]):
        text += _cells(console, found, application) + "\n"
        text += _summary(console, found, application) + "\n"
    text += "".join(f"{remark}\n" for remark in found["remarks"])
    for picture in found["pictures"]:
        text += f"heat map: {picture} in MLflow run {found['mlflow_run_id']}\n"
    return text


def _cells(console: Console, found: Mapping[str, Any], application: str) -> str:
    """One row a corruption: the model's score, its loss, and what it is over its peer."""
    rows = [row for row in found["cells"] if row["application"] == application]
    peer = _peer(found, application)
    cells = {(row["corruption"], row["scope"], row["severity"], row["method"]): row for row in rows}
    severities = sorted({row["severity"] for row in rows})
    types = {row["corruption"]: row["types"] for row in rows}
    kinds = dict.fromkeys((row["corruption"], row["scope"]) for row in rows)
    digits = 2 if rows[0]["measure"] in ("fg_psnr", "psnr_y") else 3
    table = []
    for kind in kinds:
        ours = [cells.get((*kind, s, "model")) for s in severities]
        theirs = [cells.get((*kind, s, peer)) for s in severities]
        lost = [_minus(one, one, "undamaged") for one in ours]
        over = [_minus(*pair, "value") for pair in zip(ours, theirs, strict=True)]
        table.append(
            (
                kind[0],
                types[kind[0]],
                "some cameras" if kind[0] == "view_drop" else WHOSE[kind[1]],
                *("-" if one is None else f"{one['value']:.{digits}f}" for one in ours),
                *(_signed(x, digits) for x in (*lost, *over)),
            )
        )
    unit = UNITS[rows[0]["measure"]]
    title = (
        f"{found['model']} v{found['version']}, {application} under damage, {unit}: "
        f"score, difference to undamaged, difference to {peer} under the same damage"
    )
    columns = (
        "corruption",
        "type",
        "of",
        *(f"at {s}" for s in severities),
        *(f"lost {s}" for s in severities),
        *(f"over {s}" for s in severities),
    )
    return console.table(title, columns, table, numbers=columns[3:])


def _summary(console: Console, found: Mapping[str, Any], application: str) -> str:
    """One row a group of corruptions and a session."""
    rows = [row for row in found["summary"] if row["application"] == application]
    accuracy = rows[0]["no_harm_rate"] is None
    table = []
    for row in rows:
        start = (row["types"], row["corruptions"], row["session"])
        if accuracy:
            figures = (row["undamaged"], row["damaged"], row["rpc"])
            told = (*(_plain(x, 3) for x in figures), _signed(row["worst_loss"], 3))
            peers = (_plain(row[name], 3) for name in ("peer_damaged", "floor"))
            table.append((*start, *told, *peers))
        else:
            names = ("mean_loss", "worst_loss", "mean_over_peer", "worst_over_peer")
            told = tuple(_signed(row[name], 2) for name in names)
            table.append(
                (*start, _plain(row["undamaged"], 2), *told, _plain(row["no_harm_rate"], 2))
            )
    columns = ("types", "n", "session", *(ACCURATE if accuracy else DECIBELS))
    peer = _peer(found, application)
    title = f"{application}: corruptions that training never saw, and those it did; peer: {peer}"
    if accuracy:
        title += f", floor: {rows[0]['floor_is']}"
    return console.table(title, columns, table, numbers=("n", *columns[3:]))


def _peer(found: Mapping[str, Any], application: str) -> str:
    peers: Iterable[str] = (
        row["peer"] for row in found["summary"] if row["application"] == application
    )
    return next(iter(peers))


def _minus(
    one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, column: str
) -> float | None:
    if one is None or other is None:
        return None
    return float(one["value"] - other[column])


def _signed(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    # Nothing is neither more nor less.
    shown = round(value, digits)
    return f"{shown:+.{digits}f}" if shown else f"{0:.{digits}f}"


def _plain(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
