# ruff: noqa: S608 - SQL of our own, of names that are made here
"""A catalog of millions of clips that were never there, whose plan is known by arithmetic.

Writes real data files of the real tables, columns by DuckDB, with the columns that say which row
is which; what a plan does not read (pictures, vectors, bytes) is not in the files, which a table
allows. A session is 200 s in 100 clips of 2 s; every tenth has four calibrated cameras.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb

from catalog.datafile import WrittenFile
from catalog.query import literal
from catalog.schemas.clips import CLIPS
from catalog.schemas.code_versions import CODE_VERSIONS
from catalog.schemas.codes import CODES
from catalog.schemas.features import FEATURES
from catalog.schemas.files import FILES
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.recordings import RECORDINGS
from catalog.schemas.sessions import SESSIONS
from catalog.store import Catalog
from tasks.views.catalogue import view_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.table import Table

CLIPS_A_SESSION = 100
CLIP_NS = 2_000_000_000
# By the number of the clip: so many of a thousand.
DONE, REFUSED, LACKING = 300, 1, 10
# Files of a compacted table; a group of features is 128 rows of 10-100 KB in truth, here 2,048.
ROWS_A_FILE, GROUP = 2_000_000, 2048
RIG = json.dumps({"cameras": []})


@dataclass(frozen=True)
class Truth:
    """How many clips are in which state."""

    clips: int
    cached: int
    refused: int
    pending: int

    @property
    def to_encode(self) -> int:
        """Clips that a reindex has to encode."""
        return self.clips - self.cached - self.refused - self.pending


def truth_of(clips: int) -> Truth:
    """Return the states of so many clips, a multiple of a thousand."""
    of = clips // 1000
    return Truth(of * 1000, of * DONE, of * REFUSED, of * LACKING)


def make_catalog(
    catalog_uri: str,
    clips: int,
    views: Mapping[str, str],
    model: str,
    version: str,
    old: Mapping[str, str | int],
    threads: int,
) -> None:
    """Commit clips, the features of these views in these versions, and codes of two versions.

    Of `version` there are those of three clips in ten, as an interrupted reindex leaves them; of
    the one that serves, `old` (a row of `code_versions`), of all clips.
    """
    made = _Maker(catalog_uri, threads)
    made.base(clips)
    made.recordings()
    made.write(
        CLIPS,
        "select clip_id, session_id, start_ns, end_ns, cameras, 'train' as split, "
        "'f' as forming, 0 as shot_index, 'r' as flow_run_id from clip",
    )
    for view, its in views.items():
        given = view_named(view).spec.given
        where = "calibrated" if given == "calibration" else "true"
        # One clip in a hundred lacks one view, so that it has to wait.
        lacks = f"k % 1000 < {DONE + REFUSED + LACKING} and k % 1000 >= {DONE + REFUSED}"
        where += f" and not ({lacks})" if view == "flow" else ""
        calibrated = f"md5({literal(RIG)})" if given == "calibration" else "''"
        made.write(
            FEATURES,
            f"select clip_id, session_id, unnest(cameras) as camera_id, '{view}' as view, "
            f"'{its}' as version, {calibrated} as given, start_ns, end_ns from clip where {where}",
            {"view": view, "version": its},
        )
    new = {"version": version, "where": f"k % 1000 < {DONE}"}
    for what in (new, {"version": old["version"], "where": "true"}):
        made.write(
            CODES,
            f"select clip_id, session_id, '{model}' as model, '{what['version']}' as version, "
            "given, unnest([0, 8, 16, 24])::int as first_step, start_ns, end_ns from clip "
            f"where {what['where']}",
            {"model": model, "version": str(what["version"])},
        )
    made.write(
        QUARANTINE,
        "select clip_id as item_id, 'clip' as kind, 'reindex' as stage, 'encoding_failed' as "
        f"reason, '' as detail, '{version}' as version, 0 as frames, 1 as seen_ns, 'r' as "
        f"flow_run_id from clip where k % 1000 >= {DONE} and k % 1000 < {DONE + REFUSED}",
    )
    made.catalog.commit(CODE_VERSIONS, [dict(old)])
    made.close()


class _Maker:
    """Writes files by DuckDB and commits them, past the look for known keys."""

    def __init__(self, uri: str, threads: int) -> None:
        self.catalog = Catalog(uri)
        self._folder = Path(uri)
        self._spill = self._folder / "made.duckdb"
        self._folder.mkdir(parents=True, exist_ok=True)
        limits = {"threads": threads, "memory_limit": "4GiB"}
        self._sql = duckdb.connect(str(self._spill), config=limits)

    def close(self) -> None:
        """Remove what was only needed for making."""
        self._sql.close()
        self._spill.unlink()

    def base(self, clips: int) -> None:
        """Make the clips: k counts them, s their sessions."""
        self._sql.execute(
            f"""create table clip as
            select k, s, calibrated, cameras, md5('clip' || k) as clip_id, session_id,
                (k % {CLIPS_A_SESSION}) * {CLIP_NS} as start_ns,
                (k % {CLIPS_A_SESSION} + 1) * {CLIP_NS} as end_ns, given
            from range({clips}) as t(k) join (
                select *, md5('session' || s) as session_id, md5(array_to_string(list_transform(
                    cameras, lambda x: concat_ws(chr(1), x, '', if(calibrated,
                    md5({literal(RIG)}), '-'))), chr(0))) as given
                from (select s, s % 10 = 0 as calibrated, if(s % 10 = 0,
                    ['cam01', 'cam02', 'cam03', 'cam04'], ['cam0']) as cameras
                    from range({-(-clips // CLIPS_A_SESSION)}) as r(s))
            ) on s = k // {CLIPS_A_SESSION}"""
        )

    def recordings(self) -> None:
        """Write recordings, sessions and files."""
        self._sql.execute(
            "create temp table one as select distinct s, session_id, cameras, calibrated from clip"
        )
        self._sql.execute(
            "create temp table seen as select s, session_id, camera_id, calibrated, "
            "md5(session_id || camera_id) as recording_id from "
            "(select *, unnest(cameras) as camera_id from one)"
        )
        where = "'/archive' as archive_uri, 's' || s || '/' || camera_id || '.mp4' as member"
        self.write(
            RECORDINGS,
            f"select recording_id, recording_id as file_id, {where}, 0::int as stream, 0::bigint "
            "as byte_offset, 40000000::bigint as byte_size, 1280::int as width, 720::int as "
            "height, 0::int as rotation, 200000000000 as duration_ns, 'ok' as status, "
            "'r' as flow_run_id from seen",
        )
        self.write(
            SESSIONS,
            "select session_id, '/archive' as archive_uri, 's' || s as name, list({'camera_id': "
            "camera_id, 'recording_id': recording_id, 'offset_ns': 0::bigint, 'drift_ppb': "
            "0::bigint, 'clock_confidence': null::double} order by camera_id) as cameras, "
            "200000000000 as duration_ns, session_id as group_id, 'train' as split, "
            f"if(any_value(calibrated), {literal(RIG)}, null) as calibration, 'r' as flow_run_id "
            "from seen group by session_id, s",
        )
        self.write(
            FILES,
            f"select {where}, recording_id as file_id, 40000000::bigint as size_bytes, 1::bigint "
            "as mtime_ns, [recording_id] as recordings, session_id, 'f' as forming, 'present' as "
            "status, 1::bigint as seen_ns, 'r' as flow_run_id from seen",
        )

    def write(self, table: Table, sql: str, partition: Mapping[str, str] | None = None) -> None:
        """Write the rows that a query gives as files of a table, and commit them."""
        folder = "".join(f"{name}={value}/" for name, value in (partition or {}).items())
        (self._folder / table.name / folder).mkdir(parents=True, exist_ok=True)
        mark = self._folder / table.name / folder / f"{uuid4().hex}"
        self._sql.execute(
            f"copy ({sql}) to {literal(str(mark))} (format parquet, compression zstd, "
            f"compression_level 1, row_group_size {GROUP}, row_groups_per_file "
            f"{ROWS_A_FILE // GROUP}, filename_pattern '{uuid4().hex}_{{i}}')"
        )
        written = []
        found = sorted(mark.glob("*.parquet")) if mark.is_dir() else [mark]
        for number, file in enumerate(found):
            name = f"{mark.name}{number}.parquet"
            file.rename(mark.parent / name)
            rows = self._sql.execute(
                f"select num_rows from parquet_file_metadata({literal(str(mark.parent / name))})"
            ).fetchall()[0][0]
            size = (mark.parent / name).stat().st_size
            stats = json.dumps({"numRecords": rows})
            if rows:
                written.append(WrittenFile(f"{folder}{name}", rows, size, partition or {}, stats))
        if mark.is_dir():
            mark.rmdir()
        with self.catalog.locked():
            self.catalog._add(table, self.catalog._log(table), written, 0)
