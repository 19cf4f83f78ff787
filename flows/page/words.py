"""Numbers and times as people read them: the filters of the templates. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_NS = 1_000_000_000
MOST_CHARACTERS = 300


def count(number: float | None) -> str:
    """Return a number with thin spaces between thousands."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\u202f")  # noqa: RUF001


def size(number: float | None) -> str:
    """Return bytes in the largest unit that leaves a digit before the point."""
    value, units = float(number or 0), ["bytes", "KB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.3g} {units[0]}"


def seconds(ns: float | None) -> str:
    """Return nanoseconds as seconds, or as minutes and hours where there are many."""
    if ns is None:
        return ""
    total = ns / SECOND_NS
    if total < 120:
        return f"{total:.2f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def moment(ns: int | None) -> str:
    """Return nanoseconds since 1970 as a time, UTC."""
    if not ns:
        return ""
    return datetime.fromtimestamp(ns / SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: Any) -> str:  # noqa: ANN401  any JSON value
    """Return a measured value with four digits."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not measured"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def cell(value: Any) -> str:  # noqa: ANN401  any SQL value
    """Return a value of any kind as one short line."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else number(value)
    if isinstance(value, list | dict):
        text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def parsed(text: str | None) -> dict[str, Any]:
    """Return the object that a column holds as JSON, {} if it holds none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def pretty(value: object) -> str:
    """Return JSON on several lines; what a page does with it is escaped like any text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def plural(number: int, word: str) -> str:
    """Return a count with its noun."""
    return f"{count(number)} {word}" if number == 1 else f"{count(number)} {word}s"


FILTERS: dict[str, Callable[..., Any]] = {
    "count": count,
    "size": size,
    "seconds": seconds,
    "moment": moment,
    "number": number,
    "cell": cell,
    "parsed": parsed,
    "plural": plural,
    "pretty": pretty,
}
