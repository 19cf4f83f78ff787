"""Credentials open stores and stand nowhere afterwards: no log, no table, no Prefect, no MLflow."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from pydantic import ValidationError

from flows.cli import main
from infra import registry
from infra.settings import Settings
from tasks.archives.objects import Location, parse
from tests.tasks.archives.test_ingest import put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Footage

SECRET = "Zq9-hunter2-never-told"  # noqa: S105  of nothing


def kept(*roots: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below some folders, and what is in it."""
    for root in roots:
        for path in (root, *root.rglob("*")):
            if stat.S_ISREG(path.lstat().st_mode):
                yield path, path.read_bytes()


def prefect_files() -> list[Path]:
    """Return the database of the Prefect server of these tests, with its log of writes."""
    file = Path(str(PREFECT_API_DATABASE_CONNECTION_URL.value()).partition("///")[2])
    return [file, *file.parent.glob(f"{file.name}-*")]


def ray_files() -> list[Path]:
    """Return the folders in which the Ray of this process keeps its logs."""
    roots = {Path(tempfile.gettempdir()), Path("/tmp")}  # noqa: S108  where Ray's short paths are
    return [one for root in roots for one in root.glob(f"stillhouse-ray-{os.getpid()}-*/*/logs")]


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_credentials_stand_nowhere_after_a_run(
    footage: Footage,
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ingest of a store whose keys are in the environment; the same search finds the bucket."""
    place = Location("s3", "bucket-that-is-told", "night", endpoint)
    for member in footage.members:
        put(place.child(member), footage.path(member).read_bytes())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET)
    monkeypatch.setenv("STILLHOUSE_PAGE_TOKEN", SECRET)
    monkeypatch.setenv("STILLHOUSE_LOG_FORMAT", "json")
    home = tmp_path / "home"
    said = ""
    for arguments in (["ingest", place.uri], ["doctor"], ["show", "runs"]):
        monkeypatch.setattr(sys, "argv", ["stillhouse", "--home", str(home), *arguments, "--json"])
        with pytest.raises(SystemExit):
            main()
        said += "".join(capsys.readouterr())
    settings = Settings(home=home)
    with registry.start_run(settings, "secrets", {"archive": place.uri}, {}) as run:
        run.log_input_snapshot(settings.catalog, {"files": 0})
    everywhere = list(kept(home, *prefect_files(), *ray_files()))
    told = {str(path) for path, data in everywhere if b"bucket-that-is-told" in data}
    assert any("prefect" in path or path in map(str, prefect_files()) for path in told)
    assert any("mlflow" in path for path in told)
    assert "ingest_done" in said
    assert not [path for path, data in everywhere if SECRET.encode() in data]
    assert SECRET not in said


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    "archive",
    [
        f"s3://AKIA123:{SECRET}@bucket/night",
        f"s3://bucket/night?access_key=AKIA123&secret_key={SECRET}",
        f"gs://bucket/night?access_token={SECRET}",
        f"s3://bucket/night?endpoint_override=http://me:{SECRET}@127.0.0.1:9000",
    ],
)
def test_an_archive_that_carries_credentials_is_refused_before_prefect_hears_of_it(
    archive: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sentence says where they belong and does not repeat them."""
    monkeypatch.setattr(sys, "argv", ["stillhouse", "--home", str(tmp_path), "ingest", archive])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = "".join(capsys.readouterr())
    assert "credentials in the environment" in said
    assert SECRET not in said
    found = [path for path, data in kept(tmp_path, *prefect_files()) if SECRET.encode() in data]
    assert not found


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("mlflow_tracking_uri", f"https://me:{SECRET}@mlflow.example.org"),
        ("mlflow_tracking_uri", f"postgresql+psycopg2://me:{SECRET}@db/mlflow"),
        ("catalog_uri", f"s3://AKIA:{SECRET}@bucket/catalog"),
        ("s3_endpoint", f"http://127.0.0.1:9000?secret_key={SECRET}"),
        ("ray_address", f"ray://me:{SECRET}@head:10001"),
    ],
)
def test_settings_take_no_credentials(name: str, address: str, tmp_path: Path) -> None:
    """They travel to workers and stand in Prefect's pages; the error does not repeat them."""
    with pytest.raises(ValidationError) as refused:
        Settings(home=tmp_path, **{name: address})
    assert SECRET not in str(refused.value)
    assert "AWS_" in str(refused.value)


def test_addresses_without_credentials_are_taken(tmp_path: Path) -> None:
    """Users, ports and prefixes are no secrets."""
    settings = Settings(
        home=tmp_path,
        mlflow_tracking_uri="postgresql+psycopg2://me@db:5432/mlflow",
        s3_endpoint="http://127.0.0.1:9000",
        ray_address="ray://head:10001",
        catalog_uri="s3://bucket/catalog",
    )
    assert settings.catalog == "s3://bucket/catalog"
    assert parse("s3://bucket/a b").uri == "s3://bucket/a b"
