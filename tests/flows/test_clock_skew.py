"""Machines whose clocks disagree: what is seen later counts, and nothing is lost."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from catalog.query import run
from catalog.store import Catalog
from flows.ingest import ingest
from infra.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tasks.synthetic.archive import Truth

DAY_NS = 86_400 * 10**9


def test_a_clock_that_is_a_day_ahead_hides_nothing_that_is_seen_later(
    ray_local: object,  # noqa: ARG001  flows find it running
    prefect_server: None,  # noqa: ARG001  same
    truth: Truth,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that went, and one that changed, are so at once, though first seen tomorrow."""
    archive, home = tmp_path / "archive", tmp_path / "home"
    archive.mkdir()
    for name in ("cuts", "vfr", "sound"):
        shutil.copy2(truth.folder / f"{name}.mp4", archive)

    def members() -> dict[str, str]:
        snapshot = Catalog(load_settings(home).catalog).snapshot()
        found = run(snapshot, "select member, file_id from current_files").to_pylist()
        return {row["member"]: row["file_id"] for row in found}

    now = time.time_ns
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: now() + DAY_NS)
        report = ingest(str(archive), str(home))
    assert report["done"] == report["inputs"] == 3
    before = members()

    (archive / "sound.mp4").unlink()
    shutil.copy2(truth.folder / "bframes.mp4", archive / "vfr.mp4")
    report = ingest(str(archive), str(home))
    assert (report["inputs"], report["done"], report["cached"]) == (2, 1, 1)
    after = members()
    assert set(after) == {"cuts.mp4", "vfr.mp4"}
    assert after["cuts.mp4"] == before["cuts.mp4"]
    assert after["vfr.mp4"] != before["vfr.mp4"]
    again = ingest(str(archive), str(home))
    assert (again["cached"], again["done"]) == (2, 0)
