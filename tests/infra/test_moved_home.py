"""A home with trained models may be moved, or copied: its registry leads to its own files."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from registered_distillers import register_distiller

from infra import registry
from infra.settings import Settings
from infra.tracking import start_run

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "distiller"


@pytest.fixture
def first(tmp_path: Path) -> Settings:
    """Settings of a home, in a folder with a blank in its name, that has a champion."""
    settings = Settings(home=tmp_path / "first home")
    settings.prepare_home()
    register_distiller(settings, tmp_path / "net", seed=1)
    return settings


def told(settings: Settings) -> str:
    """Return all that the database says, as text."""
    file = settings.root / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(file)) as database:
        return "\n".join(database.iterdump())


def test_a_moved_home_has_its_models(first: Settings, tmp_path: Path) -> None:
    """The champion's files are read, new runs are written there, nothing comes back at the old."""
    digest = registry.champion(first, MODEL).digest
    moved = Settings(home=tmp_path / "away" / "second")
    (tmp_path / "away").mkdir()
    first.root.rename(moved.root)
    shutil.rmtree(moved.root / "state", ignore_errors=True)  # no kept copy of the model
    champion = registry.champion(moved, MODEL)
    assert champion.digest == digest
    assert (registry.download(moved, champion) / "weights.safetensors").exists()
    with start_run(moved, "tiny", {}, {}) as run:
        run.log_json({"a": 1}, "said.json")
    assert list(moved.mlflow_artifacts.rglob("said.json"))
    assert not first.root.exists()
    assert "first%20home/mlflow/artifacts" not in told(moved)


def test_a_copy_of_a_home_reads_its_own_files(first: Settings, tmp_path: Path) -> None:
    """What is lost in the copy is missing there; the first home says what it said before."""
    before = told(first)
    copy = Settings(home=tmp_path / "copy")
    shutil.copytree(first.root, copy.root)
    assert registry.champion(copy, MODEL).digest == registry.champion(first, MODEL).digest
    assert told(first) == before
    assert "first%20home/mlflow/artifacts" not in told(copy)


def test_a_home_that_borrows_its_models_changes_nothing(first: Settings, tmp_path: Path) -> None:
    """A link to another home's models leads to that home, whose paths are right."""
    before = told(first)
    borrower = Settings(home=tmp_path / "borrower")
    borrower.root.mkdir()
    (borrower.root / "mlflow").symlink_to(first.root / "mlflow")
    assert registry.champion(borrower, MODEL).version == 1
    assert told(first) == before


def test_what_stayed_behind_stays_the_other_homes(first: Settings, tmp_path: Path) -> None:
    """A copy of the database alone goes on reading the files that are still there."""
    alone = Settings(home=tmp_path / "alone")
    (alone.root / "mlflow").mkdir(parents=True)
    shutil.copy(first.root / "mlflow" / "mlflow.db", alone.root / "mlflow")
    champion = registry.champion(alone, MODEL)
    assert (registry.download(alone, champion) / "weights.safetensors").exists()
