"""A manifest names recordings wherever they lie; a wrong row is told by its number and column."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import ManifestInvalidError
from tasks.archives.contents import list_archive
from tasks.archives.objects import Location, file_system
from tasks.decode import probe

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Footage


def test_rows_are_the_plain_files_with_what_the_manifest_says(
    footage: Footage, tmp_path: Path
) -> None:
    """Absolute and relative paths, in CSV and Parquet; hints are kept, empty ones are none."""
    first, second, third = footage.members
    relative = os.path.relpath(footage.path(second), tmp_path)
    columns = {
        "session": ["one", "one", ""],
        "uri": [str(footage.path(first)), relative, str(footage.path(third))],
        "labels": ['{"sport": "judo, \\"open\\""}', None, "a\nb"],
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    quoted = '"{""sport"": ""judo, \\""open\\""""}"'
    (tmp_path / "m.csv").write_text(
        f"\ufeffsession,uri,labels\r\none,{footage.path(first)},{quoted}\r\n\r\n"
        f'one,{relative},\r\n,{footage.path(third)},"a\nb"\r\n'
    )
    for name in ("m.parquet", "m.csv"):
        entries = list(list_archive(tmp_path / name))
        assert [entry.member for entry in entries] == columns["uri"]
        assert [entry.session for entry in entries] == ["one", "one", None]
        assert [entry.camera for entry in entries] == [None] * 3
        assert [entry.labels for entry in entries] == columns["labels"]
        assert {entry.archive_uri for entry in entries} == {str(tmp_path / name)}
        for entry, member in zip(entries, footage.members, strict=True):
            footage.require_equal(entry, member)


def test_objects_may_be_named_and_manifests_be_objects(
    footage: Footage, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest on a store names what lies beside it; any manifest may name objects."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    from pyarrow.fs import FileSystem

    store, _ = FileSystem.from_uri("s3://lists?allow_bucket_creation=true")
    store.create_dir("lists")
    rows = {"lists/set/m.csv": b"uri,camera\n../clips/1 a.mp4,left\n"}
    rows["lists/clips/1 a.mp4"] = footage.path(footage.members[0]).read_bytes()
    for path, data in rows.items():
        with store.open_output_stream(path) as out:
            out.write(data)
    (tmp_path / "m.csv").write_text("uri,camera\ns3://lists/clips/1 a.mp4,left\n")
    for manifest in ("s3://lists/set/m.csv", tmp_path / "m.csv"):
        (entry,) = list_archive(manifest)
        assert entry.camera == "left"
        footage.require_equal(entry, footage.members[0])
    place = Location("s3", "lists", "set/m.csv", endpoint)
    assert file_system(place).get_file_info(place.path).size == len(rows["lists/set/m.csv"])


def test_what_is_not_there_fails_when_it_is_read(tmp_path: Path) -> None:
    """A row whose file is missing, or is a folder, is an input that cannot be opened."""
    (tmp_path / "m.csv").write_text("uri\nnowhere.mp4\n.\n")
    missing, folder = list_archive(tmp_path / "m.csv")
    assert (missing.size_bytes, missing.mtime_ns, folder.size_bytes) == (0, 0, 0)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4"):
        probe(missing.source)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "row 1 has no column uri"),
        ("path,camera\n", "row 1 has a column 'path'"),
        ("uri,uri\n", "row 1 has the column uri twice"),
        ("camera\nleft\n", "row 1 has no column uri"),
        ("uri\n", "it has no row"),
        ("uri,camera\na.mp4,left\n,right\n", "row 3 has no uri"),
        ("uri,camera\na.mp4\n", "row 2 has 1 columns, not 2"),
        ("uri\na.mp4\nb.mp4\na.mp4\n", "row 4, column uri: a.mp4 stands there before"),
        ("uri\nhttp://host/a.mp4\n", "row 2, column uri: http://host/a.mp4 is neither"),
        ("uri\nfile:///etc/passwd\n", "row 2, column uri: file:///etc/passwd is neither"),
        ("uri\ns3://b/a?endpoint_override=http://evil\n", "row 2, column uri: an endpoint is not"),
        ('uri\n"a.mp4\n', "is no CSV"),
        ("uri\n" + "a" * 200_000 + "\n", "is no CSV"),
        ("uri\na\0.mp4\n", "zero byte"),
    ],
)
def test_a_wrong_row_is_told_by_its_number_and_column(tmp_path: Path, text: str, told: str) -> None:
    """The error is the caller's to mend and says where."""
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestInvalidError) as refused:
        list(list_archive(tmp_path / "m.csv"))
    assert told in str(refused.value)
    assert refused.value.exit_code == 2
    assert "manifest.csv" in str(refused.value.command)


def test_other_files_with_a_manifests_name_are_refused(tmp_path: Path) -> None:
    """No text, no Parquet, or Parquet whose uri is a number."""
    (tmp_path / "m.csv").write_bytes(b"uri\ncaf\xe9.mp4\n")
    (tmp_path / "no.parquet").write_bytes(b"uri\na.mp4\n")
    pq.write_table(pa.table({"uri": [1, 2]}), tmp_path / "numbers.parquet")
    pq.write_table(pa.table({"uri": ["a", "b", "a"]}), tmp_path / "twice.parquet")
    pq.write_table(pa.table({"uri": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    for name, told in {
        "m.csv": "is no CSV",
        "no.parquet": "is no Parquet",
        "numbers.parquet": "its column uri is int64, not text",
        "twice.parquet": "row 4, column uri: a stands there before",
        "empty.parquet": "it has no row",
    }.items():
        with pytest.raises(ManifestInvalidError, match=told):
            list(list_archive(tmp_path / name))
