"""An embedded MLflow's database of an older MLflow is brought forward, and kept as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import text

from infra.settings import Settings
from infra.tracking import client, start_run

if TYPE_CHECKING:
    from pathlib import Path


def older_database(file: Path) -> str:
    """Make the database of an MLflow before the last migration, with an experiment in it."""
    file.parent.mkdir(parents=True)
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{file}")
    InitialBase.metadata.create_all(engine)
    config = utils._get_alembic_config(f"sqlite:///{file}")
    script = ScriptDirectory.from_config(config)
    before = script.get_revision(utils._get_latest_schema_revision()).down_revision
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before)
        connection.execute(
            text("insert into experiments (name, lifecycle_stage) values ('early', 'active')")
        )
    engine.dispose()
    return str(before)


def revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        (found,) = database.execute("select version_num from alembic_version").fetchone()
        return str(found)


def test_an_older_database_is_brought_forward_with_what_it_holds(tmp_path: Path) -> None:
    """Experiments stay, new runs stand beside them, and the file of before is kept."""
    file = tmp_path / "mlflow" / "mlflow.db"
    old = older_database(file)
    settings = Settings(home=tmp_path)
    with start_run(settings, "late", {}, {}):
        pass
    assert revision(file) == utils._get_latest_schema_revision() != old
    assert revision(file.with_name("mlflow.db.before")) == old
    assert not file.with_name("mlflow.db.partial").exists()
    found = client(settings).search_experiments()
    assert {one.name for one in found} >= {"early", "late"}
