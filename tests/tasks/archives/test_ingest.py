"""An archive is the same archive in a folder, a tar, a zip and an object store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.extract import extract
from flows.ingest import ingest
from infra.settings import load_settings
from tasks.archives.objects import Location

if TYPE_CHECKING:
    from conftest import Footage


def known(home: Path) -> list[dict]:
    """Return what is known of every current recording, its archive apart."""
    sql = """
        select member, recording_id, frames_decoded, duration_ns, hashes, session_name, camera_id
        from current_recordings order by member"""
    return run(Catalog(load_settings(home).catalog).snapshot(), sql).to_pylist()


def packed(footage: Footage, folder: Path) -> list[Path]:
    """Return a tar, a compressed tar, a zip and a compressed zip of the footage."""
    made = []
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        made.append(folder / name)
        with tarfile.open(made[-1], mode) as archive:  # type: ignore[call-overload]
            for member in footage.members:
                archive.add(footage.path(member), member)
    for name, how in (("a.zip", zipfile.ZIP_STORED), ("b.zip", zipfile.ZIP_DEFLATED)):
        made.append(folder / name)
        with zipfile.ZipFile(made[-1], "w", how) as archive:
            for member in footage.members:
                archive.write(footage.path(member), member)
    return made


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_a_packed_archive_is_ingested_and_extracted_as_a_folder(
    footage: Footage, weights: Path, tmp_path: Path
) -> None:
    """Recordings, sessions and cameras are the same, and features are read from inside."""
    plain = tmp_path / "plain"
    assert ingest(str(footage.folder), str(plain))["done"] == len(footage.members)
    for archive in packed(footage, tmp_path):
        home = tmp_path / f"home-{archive.name}"
        home.mkdir()
        (home / "assets").symlink_to(weights)
        report = ingest(str(archive), str(home))
        assert (report["inputs"], report["done"]) == (len(footage.members),) * 2
        assert known(home) == known(plain)
        features = extract(("flow",), str(home))
        assert features["done"] == features["inputs"] > 0
        assert features["frames_bad"] == 0
        assert ingest(str(archive), str(home))["bytes_in"] == 0
    # The same bytes in another wrapping are the same recordings: nothing is decoded again.
    again = ingest(str(footage.folder), str(home))
    assert (again["done"], again["frames_decoded"]) == (len(footage.members), 0)


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_a_prefix_of_a_store_is_ingested_by_the_command(
    footage: Footage, endpoint: str, tmp_path: Path
) -> None:
    """What a user types, against a real S3 server; the second run opens nothing."""
    place = Location("s3", "archive", "night 1", endpoint)
    for member in footage.members:
        put(place.child(member), footage.path(member).read_bytes())
    home = tmp_path / "home"
    plain = tmp_path / "plain"
    first = stillhouse(home, "ingest", place.uri)
    assert (first["done"], first["inputs"]) == (len(footage.members),) * 2
    ingest(str(footage.folder), str(plain))
    assert known(home) == known(plain)
    again = ingest(place.uri, str(home))
    assert (again["cached"], again["bytes_in"]) == (len(footage.members), 0)


def put(place: Location, data: bytes) -> None:
    """Write an object, and its bucket if need be."""
    from pyarrow.fs import FileSystem

    scheme, _, address = (place.endpoint or "").partition("://")
    options = f"scheme={scheme}&endpoint_override={address}&allow_bucket_creation=true"
    store, _ = FileSystem.from_uri(f"s3://{place.bucket}?{options}")
    store.create_dir(place.bucket)
    with store.open_output_stream(place.path, compression=None) as out:
        out.write(data)


def stillhouse(home: Path, *arguments: str) -> dict:
    """Run the command with --json and return what it printed."""
    command = [str(Path(sys.executable).parent / "stillhouse"), "--home", str(home), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW"))}
    done = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "leaked" not in done.stderr
    found: dict = json.loads(done.stdout)
    return found
