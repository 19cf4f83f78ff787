"""What a log line looks like: plain or JSON, with the runs it belongs to, without secrets.

Pure but for what `bound` holds for this process. A worker is told by its driver which runs it
works for (`context`, `resume`).
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN, JSON = "plain", "json"
# Which runs the process is working for; one road at a time runs in a process, its threads too.
_bound: dict[str, str] = {}

# scheme://user:password@host keeps its scheme and host; a user alone is no secret.
_USERINFO = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s:@\"']*:[^/\s\"']*@")
# Values of what is called a secret: in an address's query, in a fact, in a header.
_NAMED = re.compile(
    r"(?P<name>(?<![A-Za-z])(?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|"
    r"(?:aws_)?(?:secret_access_key|session_token)|access_token|auth_token|access_key(?:_id)?|password|passwd|secret(?:_key)?|"
    r"api_?key|sig(?:nature)?|token)(?:\\*[\"']?\s*[=:]\s*\\*[\"']?))(?P<value>[^&\s\"'\\,}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<kind>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
HIDDEN = "***"


def redacted(text: str) -> str:
    """Return a text without the credentials that addresses, queries and headers carry in it."""
    text = _USERINFO.sub(rf"\g<before>{HIDDEN}@", text)
    text = _BEARER.sub(rf"\g<kind>{HIDDEN}", text)
    return _NAMED.sub(rf"\g<name>{HIDDEN}", text)


@contextmanager
def bound(**runs: str | None) -> Iterator[None]:
    """Have every line inside the block say which runs it is of: flow_run_id, mlflow_run_id."""
    before = dict(_bound)
    _bound.update({name: run for name, run in runs.items() if run is not None})
    try:
        yield
    finally:
        _bound.clear()
        _bound.update(before)


def context() -> dict[str, str]:
    """Return which runs lines are of now, for a worker that works for them."""
    return dict(_bound)


def resume(runs: Mapping[str, str]) -> None:
    """Have every line of this worker say that it is of these runs."""
    _bound.clear()
    _bound.update(runs)


class LineFormatter(logging.Formatter):
    """One line a record: `time LEVEL event key=value ...`, or one JSON object.

    Times are UTC. The object has time, level, event, then the runs, then the facts by their keys.
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if self._form == JSON:
            return self._object(record)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        runs = "".join(f" {name}={run}" for name, run in _bound.items())
        line = f"{stamp} {record.levelname} {record.getMessage()}{runs}"
        return redacted(line + self._trace(record))

    def _object(self, record: logging.LogRecord) -> str:
        seconds, millis = int(record.created), int(record.msecs)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        found: dict[str, Any] = {
            "time": f"{stamp}.{millis:03}Z",
            "level": record.levelname.lower(),
            "event": getattr(record, "event", None) or record.getMessage(),
            **_bound,
        }
        for name, fact in getattr(record, "facts", {}).items():
            # A fact may not take the place of what every line has.
            found[f"fact_{name}" if name in found else name] = _plain(fact)
        trace = self._trace(record)
        if trace:
            found["trace"] = trace.strip()
        return json.dumps(_without_secrets(found), ensure_ascii=False, default=str)

    def _trace(self, record: logging.LogRecord) -> str:
        return f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""


def _plain(fact: object) -> object:
    if isinstance(fact, float):
        # JSON has neither infinity nor NaN.
        return round(fact, 6) if abs(fact) < float("inf") else str(fact)
    if isinstance(fact, bool | int | str) or fact is None:
        return fact
    if isinstance(fact, dict):
        return {str(name): _plain(one) for name, one in fact.items()}
    if isinstance(fact, list | tuple):
        return [_plain(one) for one in fact]
    return str(fact)


def _without_secrets(value: object, name: str = "") -> object:
    """Redact every text of a nested value; one that is called a secret as a whole."""
    if isinstance(value, str):
        told = redacted(f"{name}={value}")
        return HIDDEN if told == f"{name}={HIDDEN}" else redacted(value)
    if isinstance(value, dict):
        return {key: _without_secrets(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    return value
