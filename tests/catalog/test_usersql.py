"""A user's SQL is hostile input: it reads the snapshot, and nothing else, and changes nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from catalog.schemas.clips import CLIPS
from catalog.store import Catalog
from catalog.usersql import Choice, select_user, selection
from infra.errors import SelectionEmptyError, SelectionInvalidError


def clip(number: int) -> dict[str, Any]:
    return {
        "clip_id": f"c{number}",
        "session_id": "s",
        "start_ns": number,
        "end_ns": number + 1,
        "cameras": ["cam01", "cam02"],
        "forming": "cut",
        "split": "train",
        "shot_index": 0,
        "flow_run_id": "run",
    }


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Four clips, and a secret beside the catalog."""
    folder = tmp_path_factory.mktemp("usersql")
    (folder / "secret.csv").write_text("word\nswordfish\n")
    made = Catalog(folder / "it's a catalog")
    made.commit(CLIPS, [clip(number) for number in range(4)])
    return made


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from clips",
        "with c as (select * from clips) select clip_id from c",
        "describe clips",
        "show tables",
        "summarize clips",
        "explain select * from clips",
        "EXPLAIN ANALYZE select * from clips",
        "explain (format json) select * from clips",
        "from clips select clip_id;",
        "-- a question\nselect 1",
        "select json_extract('{\"a\": 1}', '$.a')",
    ],
)
def test_reading_statements_run(catalog: Catalog, sql: str) -> None:
    """Everything that reads gives rows."""
    assert select_user(catalog.snapshot(), sql).num_rows >= 1


ATTACKS = [
    "copy clips to '{folder}/stolen.csv'",
    "copy (select 1 as clip_id) to '{file}' (format parquet)",
    "explain analyze copy (select 1 as clip_id) to '{file}' (format parquet)",
    "/* */ explain analyze copy (select 1) to '{file}'",
    "explain analyze -- \n copy (select 1) to '{file}'",
    "explain (analyze) copy (select 1) to '{file}'",
    "export database '{folder}/stolen'",
    "attach '{folder}/new.duckdb'",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('{folder}/secret.csv')",
    "select * from read_csv('{folder}/secret.csv')",
    "select * from read_csv('{folder}/it''s a catalog/../secret.csv')",
    "select * from read_parquet('{folder}/**/*.parquet')",
    "select * from '{folder}/secret.csv'",
    "select * from glob('/etc/*')",
    "select * from read_text('https://example.com/')",
    "select * from parquet_metadata('{folder}/secret.csv')",
    "select * from sniff_csv('{folder}/secret.csv')",
    "select * from query('copy (select 1) to ''{folder}/stolen.csv''')",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "reset lock_configuration",
    "pragma enable_external_access",
    "call pragma_version()",
    "select getenv('HOME')",
    "select * from secret_rows",
    "select 1; select 2",
    "select 1; copy clips to '{folder}/stolen.csv'",
    "create table t as select 1",
    "insert into clips select * from clips",
    "delete from clips",
    "update clips set split = 'train'",
    "drop view clips",
    "checkpoint",
    "prepare p as select 1",
    "select $1",
    "",
    "   ",
    "-- nothing",
    "selec 1",
    "select nothing from clips",
    "select error('boom')",
    "select clip_id::bigint from clips",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_everything_else_is_refused_in_one_line(catalog: Catalog, attack: str) -> None:
    """Files, settings, extensions, writes and second statements are refused; nothing changes."""
    secret_rows = [("a Python variable is not a table",)]
    snapshot = catalog.snapshot()
    (file,) = snapshot.files(CLIPS)
    folder = Path(catalog.uri).parent
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    quoted = {"folder": str(folder), "file": file.replace("'", "''")}
    sql = attack
    for name, value in quoted.items():
        sql = sql.replace(f"{{{name}}}", value)
    for limit in (5, None):
        with pytest.raises(SelectionInvalidError) as caught:
            select_user(snapshot, sql, limit)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.command
    assert "swordfish" not in str(caught.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert secret_rows


def test_a_limit_is_kept(catalog: Catalog) -> None:
    """No more rows than asked for are fetched, also of an endless answer."""
    assert select_user(catalog.snapshot(), "select clip_id from clips", 3).num_rows == 3
    assert select_user(catalog.snapshot(), "select 1 from range(100_000_000_000)", 5).num_rows == 5
    assert select_user(catalog.snapshot(), "from clips", 0).num_rows == 0


def test_a_question_without_end_is_stopped(catalog: Catalog) -> None:
    """A query that would take for ever is interrupted and says so."""
    started = time.monotonic()
    with pytest.raises(SelectionInvalidError, match=r"stopped after 0\.3 s"):
        select_user(
            catalog.snapshot(),
            "select sum(a.range * b.range) from range(10_000_000) a, range(10_000_000) b",
            timeout_s=0.3,
        )
    assert time.monotonic() - started < 10


def test_a_question_too_large_for_memory_is_refused(catalog: Catalog) -> None:
    """Nothing is spilled to disk: what does not fit the ceiling is an error."""
    with pytest.raises(SelectionInvalidError, match="Out of Memory"):
        select_user(
            catalog.snapshot(),
            "select list(range || 'some text') from range(20_000_000)",
            memory_bytes=64 << 20,
        )


def test_a_selection_is_the_users_clips_in_the_users_order(catalog: Catalog) -> None:
    """Each clip once, in the order asked for; with camera_id through that camera."""
    snapshot = catalog.snapshot()
    chosen = selection(snapshot, "select * from clips where start_ns > 1 order by start_ns desc")
    assert chosen == [Choice("c3"), Choice("c2")]
    twice = "select clip_id, unnest(cameras) as camera_id from clips where clip_id = 'c1'"
    assert selection(snapshot, f"{twice} union all {twice}") == [
        Choice("c1", "cam01"),
        Choice("c1", "cam02"),
    ]


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        ("select session_id from clips", SelectionInvalidError, "gives session_id, no column"),
        ("select clip_id from clips where false", SelectionEmptyError, "chooses no clip"),
        ("select 'c9' as clip_id", SelectionInvalidError, "not there, such as 'c9' through all"),
        ("select null::varchar as clip_id", SelectionInvalidError, "such as None through all"),
        ("select clip_id, 'x' as camera_id from clips", SelectionInvalidError, "'c0' through x"),
        ("select 7 as clip_id", SelectionInvalidError, "clip_id is int32, not one column of text"),
        ("select ['c1'] as clip_id", SelectionInvalidError, "not one column of text"),
        ("select clip_id, 1 as camera_id from clips", SelectionInvalidError, "camera_id is int32"),
        ("drop view clips", SelectionInvalidError, "One statement that reads"),
    ],
)
def test_a_selection_that_cannot_be_used_says_why(
    catalog: Catalog, sql: str, kind: type[Exception], message: str
) -> None:
    """No clip_id, no row, or a clip that is not there are errors with the command to try."""
    with pytest.raises(kind, match=message):
        selection(catalog.snapshot(), sql)
