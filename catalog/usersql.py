"""Runs SQL that a user typed, as hostile input: one statement that reads, and nothing outside.

Reads the snapshot's Parquet files and no other; writes nothing, sets nothing, loads nothing. The
engine's own locks do it (no file system but the snapshot's files, a locked configuration, no
extensions), and the kind of statement is checked before, because a listed file could otherwise
be written.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from catalog.query import connect, literal, run, table_files
from infra.errors import SelectionEmptyError, SelectionInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.snapshot import Snapshot

MEMORY_BYTES = 1 << 30
TIMEOUT_S = 60.0
HINT = 'stillhouse sql "show tables"'
EXAMPLE = 'stillhouse sql "select clip_id from current_clips"'
# DESCRIBE, SHOW and SUMMARIZE are SELECT to the parser; EXPLAIN ANALYZE runs what it explains, so
# what stands behind it must be a SELECT too.
_EXPLAIN = re.compile(
    r"\s*explain\s+(analyze\s+)?(\([^)]*\)\s*)?(?P<explained>.*)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A clip that a user's SQL chose, through one camera or (None) through all of its own."""

    clip_id: str
    camera_id: str | None = None


def select_user(
    snapshot: Snapshot,
    sql: str,
    limit: int | None = None,
    *,
    threads: int = 1,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> pa.Table:
    """Return what a user's SQL gives, at most `limit` rows of it.

    Raises:
        SelectionInvalidError: not one reading statement, or the engine refuses it, or it takes
            longer than `timeout_s` or more than `memory_bytes`.
    """
    _require_reading(sql)
    with _guarded(snapshot, threads, memory_bytes) as connection:
        timer = Timer(timeout_s, connection.interrupt)
        timer.start()
        try:
            relation = connection.sql(sql)
            if relation is None:
                raise SelectionInvalidError("The SQL gives no rows to show.", command=HINT)
            return relation.to_arrow_table() if limit is None else _first(relation, limit)
        except duckdb.InterruptException as error:
            raise SelectionInvalidError(
                f"The SQL was stopped after {timeout_s:g} s: ask for less.", command=HINT
            ) from error
        except (duckdb.Error, pa.ArrowException) as error:
            raise SelectionInvalidError(_one_line(error), command=HINT) from error
        finally:
            timer.cancel()


def selection(snapshot: Snapshot, sql: str, *, threads: int = 1) -> list[Choice]:
    """Return the clips that a user's SQL chooses, in its order, each once.

    It gives a column clip_id, and camera_id where a camera is meant rather than all.

    Raises:
        SelectionInvalidError: it does not run, has no clip_id, or names a clip that is not there.
        SelectionEmptyError: it gives no row.
    """
    chosen = select_user(snapshot, sql, threads=threads)
    _require_names(chosen)
    cameras = chosen["camera_id"] if "camera_id" in chosen.column_names else pa.nulls(len(chosen))
    pairs = zip(chosen["clip_id"].to_pylist(), cameras.to_pylist(), strict=True)
    choices = list(dict.fromkeys(Choice(clip_id, camera_id) for clip_id, camera_id in pairs))
    if not choices:
        raise SelectionEmptyError("The SQL chooses no clip.", command=f"stillhouse sql {sql!r}")
    there = {
        row["clip_id"]: {None, *row["cameras"]}
        for row in run(snapshot, "select clip_id, cameras from clips").to_pylist()
    }
    unknown = [
        choice for choice in choices if choice.camera_id not in there.get(choice.clip_id, ())
    ]
    if unknown:
        raise SelectionInvalidError(
            f"The SQL chooses {len(unknown)} clips or cameras that are not there, such as "
            f"{unknown[0].clip_id!r} through {unknown[0].camera_id or 'all'}.",
            command=EXAMPLE,
        )
    return choices


def _require_names(chosen: pa.Table) -> None:
    """Refuse an answer whose clip_id, or camera_id if there is one, is not one column of text."""
    for name in ("clip_id", "camera_id"):
        found = [field.type for field in chosen.schema if field.name == name]
        if not found and name == "clip_id":
            given = ", ".join(chosen.column_names)
            raise SelectionInvalidError(
                f"The SQL gives {given}, no column clip_id.", command=EXAMPLE
            )
        if found and found != [pa.string()]:
            given = ", ".join(map(str, found))
            raise SelectionInvalidError(
                f"The SQL's {name} is {given}, not one column of text.", command=EXAMPLE
            )


@contextmanager
def _guarded(
    snapshot: Snapshot, threads: int, memory_bytes: int
) -> Iterator[duckdb.DuckDBPyConnection]:
    files = table_files(snapshot)
    with connect(snapshot, threads=threads, memory_bytes=memory_bytes, files=files) as connection:
        listed = ", ".join(literal(path) for paths in files.values() for path in paths)
        # In this order: what is locked cannot be set any more. Nothing is spilled to disk.
        connection.execute("set temp_directory = ''")
        connection.execute(f"set allowed_paths = [{listed}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _require_reading(sql: str) -> None:
    kinds = _kinds(sql)
    if kinds == [duckdb.StatementType.EXPLAIN]:
        explained = _EXPLAIN.fullmatch(sql)
        kinds = _kinds(explained["explained"]) if explained else []
    if kinds != [duckdb.StatementType.SELECT]:
        given = ", ".join(kind.name for kind in kinds) or "none"
        raise SelectionInvalidError(
            f"One statement that reads is run (SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN), "
            f"not {given}.",
            command=HINT,
        )


def _kinds(sql: str) -> list[duckdb.StatementType]:
    try:
        return [statement.type for statement in duckdb.extract_statements(sql)]
    except duckdb.Error as error:
        raise SelectionInvalidError(_one_line(error), command=HINT) from error


def _first(relation: duckdb.DuckDBPyRelation, limit: int) -> pa.Table:
    reader = relation.to_arrow_reader(max(1, min(limit, 2048)))
    batches, rows = [], 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        if rows >= limit:
            break
    return pa.Table.from_batches(batches, schema=reader.schema).slice(0, limit)


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
