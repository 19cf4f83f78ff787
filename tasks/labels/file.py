"""Reads a label file: CSV, JSON lines or Parquet, row by row; hostile input.

A row names a `session`, a `recording` or a `clip`, each by name or id, and a `label`; it may name
a `camera`, and `start_s` and `end_s`, seconds on the session's clock. Reads one file.
"""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.span import SECOND_NS
from infra.errors import LabelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A million rows of a hundred bytes; beyond it a catalog is better written by a program.
MOST_BYTES, MOST_ROWS = 64 << 20, 1_000_000
MOST_CHARACTERS = 200
PLACES = ("session", "recording", "clip")
COLUMNS = (*PLACES, "camera", "start_s", "end_s", "label")
# Session clocks are int64 nanoseconds: 292 years.
_MOST_SECONDS = 9e9


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What one row says. `kind` is which of `PLACES` `place` names; times are of the session."""

    line: int
    kind: str
    place: str
    label: str
    camera: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that says nothing usable: a stable reason, and the evidence."""

    line: int
    reason: str
    detail: str


def read_labels(path: Path) -> list[LabelRow | BadRow]:
    """Return every row of a label file, in order, lines counted from 1 (a CSV's header is one).

    Raises:
        LabelFileError: it is not of these formats, not UTF-8, too large, or lacks a column.
    """
    if path.stat().st_size > MOST_BYTES:
        raise LabelFileError(f"{path.name} has {path.stat().st_size} bytes; {MOST_BYTES} are read.")
    kind = path.suffix.lower()
    if kind == ".parquet":
        return list(_checked(_parquet(path)))
    if kind not in {".csv", ".jsonl", ".ndjson"}:
        raise LabelFileError(f"{path.name} is no .csv, .jsonl, .ndjson or .parquet file.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelFileError(
            f"{path.name} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}."
        ) from error
    return list(_checked(_csv(path, text) if kind == ".csv" else _json_lines(text)))


def _csv(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _require_columns(path, reader.fieldnames or ())
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise LabelFileError(f"{path.name}, line {reader.line_num}: {error}.") from error


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for line, one in enumerate(text.split("\n"), start=1):
        if one.strip():
            try:
                yield line, json.loads(one)
            except (ValueError, RecursionError) as error:
                yield line, f"no JSON: {error}"


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            _require_columns(path, file.schema_arrow.names)
            groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
            if file.metadata.num_rows > MOST_ROWS or (
                sum(group.total_byte_size for group in groups) > 8 * MOST_BYTES
            ):
                raise LabelFileError(f"{path.name} holds more than {MOST_ROWS} rows of labels.")
            names = [name for name in file.schema_arrow.names if name in COLUMNS]
            line = 0
            for batch in file.iter_batches(4096, columns=names):
                for row in batch.to_pylist():
                    line += 1
                    yield line, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise LabelFileError(f"{path.name} is no readable Parquet: {error}.") from error


def _require_columns(path: Path, names: Iterable[str]) -> None:
    held = set(names)
    if "label" not in held or not held & set(PLACES):
        raise LabelFileError(
            f"{path.name} needs a column label and one of {', '.join(PLACES)}; "
            f"it has {', '.join(sorted(map(str, held)))[:200] or 'none'}."
        )


def _checked(rows: Iterable[tuple[int, Any]]) -> Iterator[LabelRow | BadRow]:
    for number, (line, row) in enumerate(rows):
        if number >= MOST_ROWS:
            raise LabelFileError(f"It has more than {MOST_ROWS} rows: split it.")
        yield _row(line, row)


def _row(line: int, row: Any) -> LabelRow | BadRow:  # noqa: ANN401, PLR0911  whatever JSON has, a reason each
    if not isinstance(row, dict):
        return BadRow(line, "row_malformed", str(row)[:MOST_CHARACTERS])
    if None in row:
        return BadRow(line, "row_malformed", "it has more fields than the header")
    texts: dict[str, str] = {}
    for name in (*PLACES, "camera", "label"):
        value = row.get(name)
        if value is not None and not isinstance(value, str | int):
            return BadRow(line, "row_malformed", f"{name} is {str(value)[:80]!r}")
        texts[name] = unicodedata.normalize("NFC", "" if value is None else str(value)).strip()
    label = texts["label"]
    named = [name for name in PLACES if texts[name]]
    fault = _fault(label, named)
    if fault is not None:
        return BadRow(line, *fault)
    try:
        start_ns, end_ns = (_instant(row.get(name)) for name in ("start_s", "end_s"))
    except ValueError as error:
        return BadRow(line, "span_invalid", str(error)[:MOST_CHARACTERS])
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        return BadRow(line, "span_invalid", f"it ends at {end_ns} ns and starts at {start_ns} ns")
    kind, camera = named[0], texts["camera"] or None
    return LabelRow(line, kind, texts[kind], label, camera, start_ns, end_ns)


def _fault(label: str, named: list[str]) -> tuple[str, str] | None:
    if not label:
        return "label_empty", "the label is empty"
    if len(label) > MOST_CHARACTERS or not label.isprintable():
        return "label_unusable", f"{len(label)} characters: {label[:40]!r}"
    if len(named) != 1:
        return "place_unclear", f"it names {' and '.join(named) or 'no session, recording or clip'}"
    return None


def _instant(value: Any) -> int | None:  # noqa: ANN401  whatever JSON has
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no number of seconds")  # noqa: TRY004  a row's fault
    seconds = float(value)
    if not math.isfinite(seconds) or abs(seconds) > _MOST_SECONDS:
        raise ValueError(f"{value!r} is no instant in seconds")
    return round(seconds * SECOND_NS)
