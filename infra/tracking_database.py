"""The database of an embedded MLflow: made, or brought forward, one process at a time.

Writes the SQLite file that the settings name. A server's database is its operator's to upgrade.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from filelock import FileLock

from infra.moved_home import follow_home
from infra.storage import disk_errors

if TYPE_CHECKING:
    from pathlib import Path

# Looked at already by this process.
_current: set[Path] = set()


def prepare_database(file: Path, artifacts: Path) -> None:
    """Make an embedded store's tables where there are none, and bring older ones forward.

    Both are done elsewhere and moved into place. MLflow makes its tables by some fifty migrations:
    two first runs at once break both, and a kill in between leaves a database that no later run
    can open. What was there before is kept beside it, as `<name>.before`. In a home that was moved
    the paths to its `artifacts` are those of now.
    """
    if file in _current:
        return
    if not file.exists():
        with disk_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{file}.lock"):
                if not file.exists():
                    _make(file)
    elif _revision(file) != _wanted():
        with disk_errors(file), FileLock(f"{file}.lock"):
            if _revision(file) != _wanted():
                _bring_forward(file)
    # A database that several homes share is beside none of them.
    if artifacts.parent == file.parent.resolve():
        with disk_errors(file):
            follow_home(file, artifacts)
    _current.add(file)


def _make(file: Path) -> None:
    import mlflow

    part = _new_part(file)
    mlflow.MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
    part.replace(file)


def _bring_forward(file: Path) -> None:
    from mlflow.store.db import utils

    part = _new_part(file)
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(part)) as new:
        old.backup(new)
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{part}")
    try:
        utils._upgrade_db(engine)  # noqa: SLF001  what `mlflow db upgrade` calls
    finally:
        engine.dispose()
    kept = file.with_name(f"{file.name}.before")
    kept.unlink(missing_ok=True)
    kept.hardlink_to(file)
    part.replace(file)


def _new_part(file: Path) -> Path:
    part = file.with_name(f"{file.name}.partial")
    part.unlink(missing_ok=True)
    return part


def _revision(file: Path) -> str | None:
    with closing(sqlite3.connect(file)) as database:
        found = database.execute("select version_num from alembic_version").fetchone()
    return None if found is None else str(found[0])


def _wanted() -> str | None:
    from mlflow.store.db import utils

    return str(utils._get_latest_schema_revision())  # noqa: SLF001  what MLflow itself holds it to
