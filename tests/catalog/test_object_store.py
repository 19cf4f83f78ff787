"""A catalog in an object store: what is written is read by SQL, and a store may go away."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from object_store import ObjectStore
from small_catalog import ALL_MISSING, clip, feature, missing, small_catalog

from catalog.compaction import compact
from catalog.lookup import FeatureFiles
from catalog.migration import bring_forward
from catalog.query import run
from catalog.schemas.clips import CLIPS
from catalog.schemas.features import FEATURES
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from catalog.usersql import select_user
from infra.errors import SelectionInvalidError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An S3 server on loopback, and an environment in which clients find it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = ObjectStore("bucket")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (made.variables | {"AWS_ALLOW_HTTP": "true"}).items():
            patch.setenv(name, value)
        made.start()
        yield made
        made.stop()


@pytest.mark.usefixtures("store")
def test_a_catalog_in_a_store_answers_as_one_on_a_disk() -> None:
    """Keys are known, queries, look-ups and compaction read what was committed."""
    made = small_catalog("s3://bucket/same")  # type: ignore[arg-type]
    assert missing(made) == ALL_MISSING
    again = made.commit(CLIPS, [clip("c1", "take", 0, "cam01"), clip("c9", "take", 0, "cam01")])
    assert (again.rows_known, again.rows_added) == (1, 1)
    rows = [feature("c1", "cam01", view) | {"session_id": "take"} for view in ("flow", "sound")]
    for row in rows:
        made.commit(FEATURES, [row])
    files = FeatureFiles(made.snapshot(), {"flow": "v2"})
    assert files.rows({"c1": "take"}, ["view"])["view"].to_pylist() == ["flow"]
    assert compact(made, CLIPS, many=2) == 2
    found = run(made.snapshot(), "select clip_id from clips order by all")["clip_id"]
    assert found.to_pylist() == ["c1", "c2", "c3", "c9"]
    assert bring_forward(made) == []


def test_sql_of_a_user_reads_this_catalog_and_nothing_else_of_the_store(
    store: ObjectStore,
) -> None:
    """The list of allowed files holds for objects as it does for files."""
    made = Catalog("s3://bucket/guarded")
    made.commit(CLIPS, [clip("c1", "take", 0, "cam01")])
    store.client().put_object(Bucket="bucket", Key="secret.csv", Body=b"a,b\n1,2\n")
    assert select_user(made.snapshot(), "select clip_id from clips").num_rows == 1
    for outside in ("s3://bucket/secret.csv", "/etc/passwd"):
        with pytest.raises(SelectionInvalidError):
            select_user(made.snapshot(), f"from read_csv('{outside}')")


def test_a_store_that_is_away_is_said_and_loses_nothing(store: ObjectStore) -> None:
    """Reads and commits are typed errors with what to run; with it back the same commit is made."""
    made = Catalog("s3://bucket/away")
    made.commit(CLIPS, [clip("c1", "take", 0, "cam01")])
    snapshot = made.snapshot()
    new = [clip("c1", "take", 0, "cam01"), clip("c2", "take", 1, "cam01")]
    store.stop()
    try:
        with pytest.raises(StoreUnavailableError, match="s3://bucket/away"):
            made.commit(CLIPS, new)
        with pytest.raises(StoreUnavailableError):
            run(snapshot, "from clips")
    finally:
        store.start()
    assert made.commit(CLIPS, new).rows_added == 1
    found = run(made.snapshot(), "select clip_id from clips order by all")["clip_id"]
    assert found.to_pylist() == ["c1", "c2"]


def test_a_back_up_made_while_others_commit_is_whole(store: ObjectStore) -> None:
    """Logs first, then files, as `docs/operations/services.md` says: each named file is there."""
    page = (ROOT / "docs" / "operations" / "services.md").read_text("utf-8")
    loop = re.search(r"for table in ([\w\s\\\\]+); do", page)
    assert loop is not None
    tables = loop[1].replace("\\", " ").split()
    assert tables == [*reversed(TABLES)]

    made = Catalog("s3://bucket/busy")
    made.commit(CLIPS, [clip("c1", "take", 0, "cam01")])

    def copy(prefix: str, *, logs: bool) -> None:
        for key in store.keys("bucket"):
            if key.startswith(f"busy/{prefix}") and ("/_delta_log/" in key) == logs:
                to = key.replace("busy/", "restored/", 1)
                store.client().copy_object(
                    Bucket="bucket", Key=to, CopySource={"Bucket": "bucket", "Key": key}
                )

    for table in tables:
        copy(f"{table}/", logs=True)
        made.commit(CLIPS, [clip(f"during {table}", "take", 0, "cam01")])
    copy("", logs=False)
    restored = Catalog("s3://bucket/restored")
    found = run(restored.snapshot(), "select clip_id from clips")["clip_id"].to_pylist()
    until = tables[: tables.index("clips")]
    assert set(found) == {"c1", *(f"during {table}" for table in until)}
    assert restored.commit(CLIPS, [clip("after", "take", 0, "cam01")]).rows_added == 1
