"""Machines that share a catalog and no lock: who comes second looks again, and nothing is lost."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import small_catalog

from catalog.compaction import compact
from catalog.datafile import write_file
from catalog.overtaken import OvertakenError
from catalog.query import run
from catalog.schemas.clips import CLIPS
from catalog.store import Catalog
from catalog.table import conform
from catalog.tablelog import append, open_log, replace_all, stored_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deltalake import DeltaTable

    from catalog.datafile import WrittenFile
    from catalog.tablelog import StoredFile


def clip(number: int) -> dict[str, Any]:
    return small_catalog.clip(f"clip{number:04d}", "session", number * 10, "cam01", "cam02")


def ids(catalog: Catalog) -> list[str]:
    found = run(catalog.snapshot(), "select clip_id from clips order by all")
    return [str(value) for value in found["clip_id"].to_pylist()]


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Catalog]:
    """What opens a catalog as one more machine does: nobody else sees its lock."""
    monkeypatch.setattr(Catalog, "_lock_path", lambda _: f"{tempfile.mkdtemp(dir=tmp_path)}/lock")
    return Catalog


def at_once(*works: Callable[[], int]) -> list[int]:
    """Do all of it in the same moment."""
    begin = threading.Barrier(len(works))

    def one(work: Callable[[], int]) -> int:
        begin.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def test_a_catalog_that_four_machines_begin_at_once_has_every_row_once(
    machines: Callable[[Path], Catalog], tmp_path: Path
) -> None:
    """Of first commits to one table in one moment none fails, and no row is there twice."""
    for number in range(4):
        uri = tmp_path / f"catalog{number}"

        def first_commit(first: int, uri: Path = uri) -> int:
            return machines(uri).commit(CLIPS, [clip(first), clip(first + 1)]).rows_added

        added = at_once(*(lambda n=n: first_commit(n) for n in range(4)))
        assert ids(machines(uri)) == [f"clip{n:04d}" for n in range(5)]
        assert sum(added) == 5


def test_small_files_that_two_machines_gather_at_once_are_gathered_once(
    machines: Callable[[Path], Catalog], tmp_path: Path
) -> None:
    """While a third adds rows: each row is there once, and no file is left that nobody reads."""
    for number in range(4):
        uri = tmp_path / f"catalog{number}"
        for n in range(4):
            machines(uri).commit(CLIPS, [clip(n)])

        def gather(uri: Path = uri) -> int:
            return compact(machines(uri), CLIPS, many=2)

        def add(uri: Path = uri) -> int:
            return machines(uri).commit(CLIPS, [clip(n) for n in range(3, 6)]).rows_added

        assert at_once(gather, gather, add)[2] == 2
        assert ids(machines(uri)) == [f"clip{n:04d}" for n in range(6)]


@pytest.mark.parametrize("change", ["gathered", "lossy", "overwritten"])
def test_a_rewrite_of_what_another_has_rewritten_is_refused(tmp_path: Path, change: str) -> None:
    """What was looked at before another machine gathered the files can be replaced no more."""
    catalog = Catalog(tmp_path / "catalog")
    for n in range(3):
        catalog.commit(CLIPS, [clip(n)])
    log = open_log(catalog.uri, CLIPS)
    assert log is not None
    seen, mine = stored_files(log), rewritten(catalog)
    assert compact(catalog, CLIPS, many=2) == 3
    with pytest.raises(OvertakenError):
        rewrite(catalog, change, log, mine, seen)
    assert ids(catalog) == [f"clip{n:04d}" for n in range(3)]


@pytest.mark.parametrize("change", ["lossy", "overwritten"])
def test_rows_go_only_if_nobody_has_taken_them_for_known(tmp_path: Path, change: str) -> None:
    """Rows are taken out, or all are overwritten, only where no row came since."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.commit(CLIPS, [clip(0)])
    log = open_log(catalog.uri, CLIPS)
    assert log is not None
    seen, mine = stored_files(log), rewritten(catalog)
    catalog.commit(CLIPS, [clip(0), clip(1)])
    with pytest.raises(OvertakenError):
        rewrite(catalog, change, log, mine, seen)
    assert ids(catalog) == ["clip0000", "clip0001"]


def rewritten(catalog: Catalog) -> list[WrittenFile]:
    """Write a file of the first clip that is in no version yet."""
    return [write_file(CLIPS, conform(CLIPS, [clip(0)]), catalog.uri)]


def rewrite(
    catalog: Catalog,
    change: str,
    log: DeltaTable,
    mine: list[WrittenFile],
    seen: list[StoredFile],
) -> int:
    """Change what `log` says in one of three ways."""
    if change == "overwritten":
        return replace_all(catalog.uri, CLIPS, log, mine)
    return append(catalog.uri, CLIPS, log, mine, seen, lossy=change == "lossy")
