"""An embedded MLflow's paths follow its home when that was moved, or copied to another place.

MLflow keeps where artifacts are as absolute URIs in its database, and nothing of its own changes
them. Writes that database.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every column that leads to a file; where a data set was read from stays as it was.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
# How the end of every home's folder of artifacts is called.
_FOLDER = "/mlflow/artifacts/"


def follow_home(database: Path, artifacts: Path) -> None:
    """Have what the database says is in another home's artifacts be in these, if it is there.

    What is not there and still is in the other home stays the other's.
    """
    own = f"{artifacts.as_uri()}/"
    # Every command that opens the registry looks: a millisecond where nothing was moved.
    with closing(sqlite3.connect(database)) as found, found:
        for table, column in _COLUMNS:
            for old, new in _strangers(found, table, column, own):
                if _path(new).exists() or not _path(old).exists():
                    sql = f"update {table} set {column} = ? where {column} = ?"  # noqa: S608
                    found.execute(sql, (new, old))


def _strangers(
    database: sqlite3.Connection, table: str, column: str, own: str
) -> Iterator[tuple[str, str]]:
    """Yield each URI in artifacts that are not these, and what it is in these."""
    pattern = f"file:%{_FOLDER}%"
    sql = f"select distinct {column} from {table} where {column} like ?"  # noqa: S608
    for (uri,) in database.execute(sql, (pattern,)).fetchall():
        if not uri.startswith(own):
            yield uri, own + uri.rpartition(_FOLDER)[2]


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))
