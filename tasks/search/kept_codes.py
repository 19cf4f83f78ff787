"""The codes of a catalog as one matrix on disk, so that a search maps it and reads no Parquet.

Reads the catalog; writes `home/state/search`: `codes/<snapshot>` says which code stands where,
`matrices/<content>` holds the vectors. Both are made again wherever they are not there or damaged;
a new matrix takes from the ones before what they have, and reads Parquet for the rest, files that
they have not seen first.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.ids import digest
from catalog.query import connect, named, query_text
from catalog.schemas.codes import CODES
from catalog.schemas.registry import TABLES
from infra.errors import CatalogEmptyError, DiskFullError, HomeNotWritableError
from models.nearest_groups import unit
from tasks.search.kept_lists import WORTH, keep_lists, read_lists
from tasks.search.kept_rows import (
    DamagedError,
    block_digests,
    checked_rows,
    digest_of,
    mapped,
    new_folder,
    read_facts,
    write_facts,
)
from tasks.search.searchable import PLACE, Searchable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings

    Floats = npt.NDArray[np.float32]

LAYOUT = 1
# Snapshots of each model that are kept: the one of now, and one that a process may still read.
_KEPT = 2
# Tables that say nothing of where a code stands: what they gain leaves everything as it is.
_ASIDE = ("quarantine", "view_versions", "features", "generations", "robustness", "runs")
# Vectors that stand in memory besides the matrix: 8 MB at 128 numbers.
_AT_ONCE = 16_384


def kept_codes(snapshot: Snapshot, model: str, settings: Settings) -> Searchable:
    """Return the current codes of a model, every window of every clip, to search in.

    Where the home takes no files they are read into memory.

    Raises:
        CatalogEmptyError: no clip has a code.
    """
    root = settings.state / "search"
    known = root / "codes" / _name(snapshot, model)
    try:
        places, content = _read_places(known)
        folder = root / "matrices" / content
        fresh = not folder.exists()
    except DamagedError:
        places, fresh = _places(snapshot, model), True
        folder = root / "matrices" / content_of(places)
    if fresh:
        try:
            if not folder.exists():
                _make(folder, places, snapshot, model)
            _keep_places(known, model, places, folder.name)
            clean(root)
        except (DiskFullError, HomeNotWritableError):
            vectors = _fill(places, snapshot, model, [])
            return _searchable(places, lambda: vectors)

    def load() -> Floats:
        try:
            return _vectors(folder, len(places), check=True)
        except DamagedError:
            pass
        try:
            _make(folder, places, snapshot, model)
            return _vectors(folder, len(places), check=False)
        except (DiskFullError, HomeNotWritableError):
            return _fill(places, snapshot, model, [])

    def some(first: int, last: int) -> Floats:
        try:
            blocks = mapped(folder, read_facts(folder), "blocks")
            vectors = _vectors(folder, len(places), check=False)
            return np.array(checked_rows(vectors, blocks, first, last))
        except (DamagedError, IndexError):
            return load()[first:last]

    return _searchable(places, load, folder, some)


def keep_index(snapshot: Snapshot, model: str, settings: Settings) -> bool:
    """Make what a search of the codes maps, and the index if they are very many; say if it is.

    Raises:
        CatalogEmptyError: no clip has a code.
    """
    found = kept_codes(snapshot, model, settings)
    if found.folder is None or len(found.places) < WORTH:
        return False
    return keep_lists(found.folder, found.vectors) is not None


def _vectors(folder: Path, count: int, *, check: bool) -> Floats:
    found = mapped(folder, read_facts(folder), "vectors", check=check)
    if found.shape[:1] != (count,) or found.ndim != 2 or found.dtype != np.float32:
        raise DamagedError(f"{folder} has other vectors")
    return found


def content_of(places: pa.Table) -> str:
    """Name a matrix by the codes it holds, in their order."""
    return digest("matrix", LAYOUT, digest_of(_plain(_keys(places))))


def clean(root: Path) -> None:
    """Remove what no snapshot that is kept needs; who has it mapped keeps it until then."""
    held: dict[str, list[tuple[float, Path, str]]] = {}
    for folder in _folders(root / "codes"):
        try:
            facts = read_facts(folder)
            entry = (folder.stat().st_mtime, folder, str(facts["content"]))
            held.setdefault(str(facts["model"]), []).append(entry)
        except (DamagedError, KeyError, OSError):
            shutil.rmtree(folder, ignore_errors=True)
    needed = set()
    for entries in held.values():
        entries.sort(reverse=True)
        needed |= {content for _, _, content in entries[:_KEPT]}
        for _, folder, _ in entries[_KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in _folders(root / "matrices"):
        if folder.name not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    found = root.iterdir() if root.is_dir() else ()
    return [one for one in found if not one.name.startswith(".")]


def _name(snapshot: Snapshot, model: str) -> str:
    versions = {name: v for name, v in snapshot.versions.items() if name not in _ASIDE}
    tables = sorted(set(TABLES) - set(_ASIDE))
    sql = query_text("search_codes")
    return digest("codes", LAYOUT, snapshot.catalog_uri, model, sql, tables, versions)


def _places(snapshot: Snapshot, model: str) -> pa.Table:
    table = named(snapshot, "search_codes", {"model": model})
    if not len(table):
        raise CatalogEmptyError(f"No clip has a code of {model} yet.", command="stillhouse reindex")
    for name in ("clip_id", "session_id", "session"):
        # As numbers of a dictionary: a million strings compared one by one take a second.
        column = table[name].combine_chunks().dictionary_encode()
        table = table.set_column(table.column_names.index(name), name, column)
    return table.combine_chunks()


def _keep_places(target: Path, model: str, places: pa.Table, content: str) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, places.schema) as writer:
        writer.write_table(places, max_chunksize=len(places))
    facts = {"model": model, "content": content}
    with new_folder(target) as folder:
        write_facts(folder, facts, {"places": np.frombuffer(sink.getvalue(), np.uint8)})


def _read_places(folder: Path) -> tuple[pa.Table, str]:
    """Map the places and the name of their matrix.

    A file whose digest holds is still looked over before it is believed.
    """
    facts = read_facts(folder)
    data = mapped(folder, facts, "places")
    content = str(facts.get("content"))
    if not content.isalnum():
        raise DamagedError(f"{folder}: no matrix is named")
    try:
        table = pa.ipc.open_file(pa.py_buffer(data)).read_all()
        table.validate(full=True)
        if set(table.column_names) != {*PLACE, "key"} or not len(table):
            raise DamagedError(f"{folder}: other columns")
    except pa.ArrowException as error:
        raise DamagedError(f"{folder}: {error}") from error
    return table, content


def _make(folder: Path, places: pa.Table, snapshot: Snapshot, model: str) -> None:
    before = sorted(_folders(folder.parent), key=lambda one: one.stat().st_mtime, reverse=True)
    with new_folder(folder) as part:
        vectors = _fill(places, snapshot, model, before, part / "vectors.bin")
        facts = {"model": model, "files": list(snapshot.files(CODES))}
        arrays = {"keys": _plain(_keys(places)), "blocks": block_digests(vectors)}
        write_facts(part, facts, {**arrays, "vectors": vectors})


def _fill(
    places: pa.Table,
    snapshot: Snapshot,
    model: str,
    before: list[Path],
    file: Path | None = None,
) -> Floats:
    """Return the vectors of the places' codes, of length 1; in a file where one is named."""
    keys = _keys(places)
    missing = np.ones(len(keys), bool)
    vectors: Floats | None = None
    known: set[str] = set()
    for had, rows, files in _all(before, snapshot, model, known):
        at = pc.index_in(had, value_set=keys)
        there = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        places_of = at.drop_null().to_numpy().astype(np.int64)
        known |= files
        if not len(there):
            continue
        if vectors is None:
            shape = (len(keys), rows.shape[1])
            new = np.empty if file is None else lambda s, t: np.memmap(file, t, "w+", shape=s)
            vectors = new(shape, np.float32)
            vectors[:] = 0
        if rows.shape[1] != vectors.shape[1]:
            continue
        for cut in range(0, len(there), _AT_ONCE):
            some = slice(cut, cut + _AT_ONCE)
            vectors[places_of[some]] = unit(np.nan_to_num(rows[there[some]]))
        missing[places_of] = False
        if not missing.any():
            break
    if vectors is None or missing.any():
        # A commit between two of a snapshot's files cannot be: they are of one version.
        raise RuntimeError(f"{int(missing.sum())} codes of {model} have no vector")
    return vectors


def _all(
    before: list[Path], snapshot: Snapshot, model: str, known: set[str]
) -> Iterator[tuple[pa.Array, Floats, set[str]]]:
    """Yield keys and vectors: of matrices before, of files that are in none, of the others."""
    for folder in before:
        try:
            facts = read_facts(folder)
            if facts["model"] != model:
                continue
            keys, rows = mapped(folder, facts, "keys"), mapped(folder, facts, "vectors")
            had = pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), len(keys) // 16, [None, pa.py_buffer(keys)]
            )
            if len(had) == len(rows) and rows.ndim == 2 and rows.dtype == np.float32:
                yield had, rows, set(facts["files"])
        except (DamagedError, KeyError, TypeError):
            continue
    files = snapshot.files(CODES)
    nothing: dict[str, tuple[str, ...]] = dict.fromkeys(TABLES, ())
    # The set is the caller's, who adds to it what the matrices had seen.
    for some in ([x for x in files if x not in known], [x for x in files if x in known]):
        if not some:
            continue
        those = {**nothing, CODES.name: some}
        with connect(snapshot, files=those, names={CODES.name}) as connection:
            asked = connection.sql(query_text("code_vectors"), params={"model": model})
            for batch in asked.to_arrow_reader(_AT_ONCE):
                if len(batch):
                    lists = batch["vector"]
                    rows = np.asarray(lists.flatten(), np.float32).reshape(len(lists), -1)
                    yield batch["key"].cast(pa.binary(16)), rows, set()


def _keys(places: pa.Table) -> pa.Array:
    return places["key"].combine_chunks().cast(pa.binary(16))


def _plain(keys: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of keys of 16 bytes each."""
    start = 16 * keys.offset
    return np.frombuffer(keys.buffers()[1], np.uint8)[start : start + 16 * len(keys)]


def _searchable(
    places: pa.Table,
    load: Callable[[], Floats],
    folder: Path | None = None,
    some: Callable[[int, int], Floats] | None = None,
) -> Searchable:
    clips = places["clip_id"].combine_chunks().indices.to_numpy()
    starts = np.flatnonzero(np.diff(clips, prepend=-1)).astype(np.int64)
    lists = None if folder is None else read_lists(folder, len(places))
    return Searchable(starts, places.select(PLACE), load, lists, folder, some)
