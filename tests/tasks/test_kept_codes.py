"""The matrix of codes on disk: the same as the catalog says, made again whenever it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from coded_catalog import add_codes, add_sessions, codes_of, two_sessions

from catalog.query import run
from catalog.store import Catalog
from infra.errors import CatalogEmptyError, UsageError
from models.nearest_groups import unit
from tasks.search import kept_codes as room
from tasks.search import kept_lists
from tasks.search.code_map import code_map
from tasks.search.find import search
from tasks.search.kept_codes import keep_index, kept_codes

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings
    from tasks.search.searchable import Searchable


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return two_sessions(tmp_path / "home")


def kept(settings: Settings) -> Searchable:
    return kept_codes(Catalog(settings.catalog).snapshot(), "distiller", settings)


def check(settings: Settings) -> Searchable:
    """Hold what is kept against what SQL says of the catalog."""
    sql = "select clip_id, start_ns, embedding from current_codes where seen > 0 order by all"
    truth = run(Catalog(settings.catalog).snapshot(), sql)
    found = kept(settings)
    assert found.places["clip_id"].cast("string").to_pylist() == truth["clip_id"].to_pylist()
    assert found.places["start_ns"].to_pylist() == truth["start_ns"].to_pylist()
    expected = unit(np.array(truth["embedding"].to_pylist(), np.float32))
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    return found


def matrices(settings: Settings) -> list[Path]:
    return sorted((settings.state / "search" / "matrices").iterdir())


def test_what_is_kept_is_what_the_catalog_says(settings: Settings) -> None:
    """All current codes in order of clip; asked again nothing is written."""
    check(settings)
    before = {x: x.stat().st_mtime_ns for x in (settings.state / "search").rglob("*")}
    check(settings)
    assert {x: x.stat().st_mtime_ns for x in (settings.state / "search").rglob("*")} == before


def test_only_files_that_are_new_are_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes that a matrix before has are taken from it; new clips come from their own file."""
    check(settings)
    opened: list[int] = []
    connect = room.connect
    monkeypatch.setattr(
        room,
        "connect",
        lambda s, files, names: (
            opened.append(len(files["codes"])) or connect(s, files=files, names=names)
        ),
    )
    add_sessions(settings, {"three": 5})
    add_codes(settings, codes_of("three", 5))
    assert len(check(settings).starts) == 45
    assert opened == [1]
    add_codes(settings, codes_of("one", 20) | codes_of("two", 20), version="w")
    assert len(check(settings).starts) == 40  # the new version has none of session three


def test_what_says_nothing_of_codes_leaves_the_matrix(settings: Settings) -> None:
    """A commit to another table names the same entry."""
    from small_catalog import refusal

    from catalog.schemas.registry import TABLES

    first = kept(settings).folder
    Catalog(settings.catalog).commit(TABLES["quarantine"], [refusal("one-0000")])
    assert kept(settings).folder == first
    assert len(list((settings.state / "search" / "codes").iterdir())) == 1


def test_old_snapshots_are_cleaned_away(settings: Settings) -> None:
    """However often the catalog grows, two entries and their matrices stay."""
    for k in range(5):
        kept(settings)
        add_sessions(settings, {f"more{k}": 1})
        add_codes(settings, codes_of(f"more{k}", 1))
    check(settings)
    assert len(matrices(settings)) == 2
    assert len(list((settings.state / "search" / "codes").iterdir())) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "facts", "huge", "empty"])
@pytest.mark.parametrize("which", ["vectors", "places", "blocks"])
def test_a_damaged_file_is_made_again(settings: Settings, which: str, damage: str) -> None:
    """Whatever was done to a file, the answer is that of the catalog."""
    kept(settings)
    (file,) = (settings.state / "search").rglob(f"{which}.bin")
    facts = file.parent / "facts.json"
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0x55
        file.write_bytes(data)
    elif damage == "cut":
        file.write_bytes(data[:-4])
    elif damage == "gone":
        file.unlink()
    elif damage == "facts":
        facts.write_text("[1, 2")
    elif damage == "huge":
        facts.write_text(facts.read_text().replace('"shape": [', '"shape": [99999999999, '))
    else:
        facts.write_text('{"arrays": {}}')
    found = kept(settings)
    part, session = found.of_clip("two-0003") or (None, None)
    check(settings)
    assert session == "two"
    np.testing.assert_allclose(part, check(settings).vectors[69:72], atol=1e-6)


def test_places_that_lie_are_not_believed(settings: Settings) -> None:
    """A file of other columns with a digest that holds is no file of places."""
    import pyarrow as pa

    from tasks.search.kept_rows import new_folder, write_facts

    kept(settings)
    (entry,) = (settings.state / "search" / "codes").iterdir()
    for data in (b"ARROW1 no", b"", b"\x00" * 64):
        with new_folder(entry) as part:
            facts = {"model": "distiller", "content": "x"}
            write_facts(part, facts, {"places": np.frombuffer(data, np.uint8)})
        check(settings)
    sink = pa.BufferOutputStream()
    table = pa.table({"clip_id": ["x"]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with new_folder(entry) as part:
        facts = {"model": "distiller", "content": "../../.."}
        write_facts(part, facts, {"places": np.frombuffer(sink.getvalue(), np.uint8)})
    check(settings)


def test_a_home_that_takes_no_files_is_searched_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codes are read into memory then."""
    from infra.errors import HomeNotWritableError

    def refuse(*_: object) -> None:
        raise HomeNotWritableError("read-only")

    # As root, whom the tests may run as, no folder refuses a file.
    monkeypatch.setattr(room, "new_folder", refuse)
    assert check(settings).folder is None
    assert not (settings.state / "search" / "matrices").exists()
    assert len(code_map(settings).coordinates) == 120


@pytest.fixture
def indexed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the catalog with an index, of which there is usually none this small."""
    for module in (room, kept_lists):
        monkeypatch.setattr(module, "WORTH", 100, raising=False)
    assert keep_index(Catalog(settings.catalog).snapshot(), "distiller", settings)
    return settings


def test_an_index_answers_and_says_so(indexed: Settings) -> None:
    """By the index, exactly where asked to, and where a filter leaves next to nothing."""
    near = search(indexed, clip="one-0003", count=5)
    true = search(indexed, clip="one-0003", count=5, exact=True)
    assert (near["by"], true["by"]) == ("approximate", "exact")
    found = [{hit["clip_id"] for hit in one["hits"]} for one in (near, true)]
    assert len(found[0] & found[1]) >= 4
    few = search(indexed, clip="one-0003", where="select 'two-0001' as clip_id")
    assert few["by"] == "exact"
    assert [hit["clip_id"] for hit in few["hits"]] == ["two-0001"]


@pytest.mark.parametrize("name", ["centres", "starts", "rows", "digests", "halves"])
@pytest.mark.parametrize("damage", ["flip", "cut", "lie"])
def test_a_damaged_index_is_not_asked(indexed: Settings, name: str, damage: str) -> None:
    """The answer is exact then; the index is gone and made again by the next reindex."""
    true = search(indexed, clip="one-0003", exact=True)["hits"]
    (folder,) = [x for x in (indexed.state / "search").rglob("lists") if x.is_dir()]
    file = folder / f"{name}.bin"
    data = bytearray(file.read_bytes())
    # All of it: whichever lists are asked for.
    data = data[: len(data) // 2] if damage == "cut" else bytearray(b"\x7f") * len(data)
    file.write_bytes(data)
    if damage == "lie":
        import json

        from blake3 import blake3

        facts = json.loads((folder / "facts.json").read_text())
        facts["arrays"][name]["digest"] = blake3(data).hexdigest()
        (folder / "facts.json").write_text(json.dumps(facts))
    found = search(indexed, clip="one-0003")
    assert found["by"] == "exact"
    assert found["hits"] == true
    assert not folder.exists()
    assert keep_index(Catalog(indexed.catalog).snapshot(), "distiller", indexed)


def test_no_codes_and_no_clip_are_told_apart(settings: Settings) -> None:
    """Which clip is not there, which has no code yet, and where nothing has one."""
    add_sessions(settings, {"new": 1})
    with pytest.raises(UsageError, match="no clip 'nobody'") as told:
        search(settings, clip="nobody")
    assert told.value.command == "stillhouse show clips"
    with pytest.raises(UsageError, match="new-0000 has no code") as told:
        search(settings, clip="new-0000")
    assert told.value.command == "stillhouse reindex"
    with pytest.raises(CatalogEmptyError):
        kept_codes(Catalog(settings.catalog).snapshot(), "student", settings)
