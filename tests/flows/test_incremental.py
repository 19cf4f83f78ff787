"""Only what changed is done again: by files, by settings, and what says so beforehand."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.extract import extract
from flows.ingest import ingest
from flows.standing import extract_plan, ingest_plan, ingest_standing
from infra.errors import UsageError
from infra.settings import load_settings
from tasks.extraction.explain import explain_feature, explain_file

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.synthetic.archive import Truth

pytestmark = pytest.mark.usefixtures("ray_local", "prefect_server")


@pytest.fixture
def archive(truth: Truth, tmp_path: Path) -> Path:
    """A small archive of its own: three recordings and one file that is none."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in ("cuts", "vfr", "sound", "notes"):
        shutil.copy2(truth.folder / f"{name}.mp4", folder)
    return folder


@pytest.fixture
def home(archive: Path, weights: Path, tmp_path: Path) -> str:
    """A home that knows the archive."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "assets").symlink_to(weights)
    report = ingest(str(archive), str(folder))
    assert (report["done"], report["quarantined"]) == (3, 1)
    return str(folder)


def ask(home: str, sql: str) -> list[dict[str, Any]]:
    """Return the rows that one of our own questions gives."""
    return run(Catalog(load_settings(home).catalog).snapshot(), sql).to_pylist()


def test_a_known_archive_is_not_opened(archive: Path, home: str) -> None:
    """Nothing is read: other bytes of the same size and time of change go unseen."""
    path = archive / "cuts.mp4"
    facts = path.stat()
    path.write_bytes(bytes(facts.st_size))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    report = ingest_standing(load_settings(home), str(archive))
    assert report is not None
    assert (report["cached"], report["quarantined"], report["bytes_in"]) == (3, 1, 0)


def test_a_replaced_file_is_due_and_nothing_else_is(archive: Path, home: str) -> None:
    """The plan tells it before it is done, and what it would cost."""
    settings = load_settings(home)
    shutil.copyfile(archive / "vfr.mp4", archive / "cuts.mp4")
    assert ingest_standing(settings, str(archive)) is None
    plan = ingest_plan(settings, str(archive))
    assert (plan["to_read"], plan["known"], plan["refused_before"]) == (1, 2, 1)
    assert plan["bytes_to_read"] == (archive / "cuts.mp4").stat().st_size
    assert plan["hours"] * 3600 == pytest.approx(36 / 25, rel=0.6)
    assert plan["core_hours"] > 0
    assert not explain_file(settings, "cuts.mp4")["current"]
    report = ingest(str(archive), home)
    assert (report["done"], report["cached"], report["frames_decoded"]) == (1, 2, 0)
    assert report["duplicates"] == 1


def test_other_clip_lengths_cut_anew_and_decode_nothing(
    archive: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting of clips re-does clips; going back brings the old ones again."""
    before = ask(home, "select clip_id from current_clips order by 1")
    monkeypatch.setenv("STILLHOUSE_CLIP_MAX_NS", "500000000")
    assert ingest_plan(load_settings(home), str(archive))["to_form_again"] == 4
    report = ingest(str(archive), home)
    assert (report["cached"], report["done"], report["bytes_in"]) == (3, 0, 0)
    longest = "select max(end_ns - start_ns) as longest, count(*) as n from current_clips"
    shorter = ask(home, longest)
    assert shorter[0]["longest"] <= 500_000_000
    assert shorter[0]["n"] == report["clips"] > len(before)
    monkeypatch.delenv("STILLHOUSE_CLIP_MAX_NS")
    ingest(str(archive), home)
    assert ask(home, "select clip_id from current_clips order by 1") == before


def test_a_raised_limit_tries_what_it_had_refused(
    archive: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals hold under the limits they were made by; recordings stay as they are."""
    monkeypatch.setenv("STILLHOUSE_MAX_FRAMES", "10")
    (archive / "more.mp4").write_bytes((archive / "cuts.mp4").read_bytes() + b"\0" * 8)
    report = ingest(str(archive), home)
    assert (report["done"], report["cached"], report["quarantined"]) == (0, 3, 2)
    refused = explain_file(load_settings(home), "more.mp4")
    assert refused["current"]
    assert refused["reason"].startswith("refused, limit_frames")
    monkeypatch.delenv("STILLHOUSE_MAX_FRAMES")
    assert not explain_file(load_settings(home), "more.mp4")["current"]
    report = ingest(str(archive), home)
    assert (report["done"], report["cached"], report["quarantined"]) == (1, 3, 1)


def test_a_feature_says_why_it_is_due(archive: Path, home: str) -> None:  # noqa: ARG001  ingested
    """Never computed, computed, or stale with what changed since."""
    settings = load_settings(home)
    (clip, *_) = ask(home, "select clip_id from current_clips order by 1")
    due = explain_feature(settings, clip["clip_id"], "flow")
    assert (due["current"], due["reason"]) == (False, "cam0: never computed")
    plan = extract_plan(settings, ("flow",))
    assert plan["to_compute"] == plan["features"] == plan["clips"] > 0
    extract(("flow",), home)
    assert explain_feature(settings, clip["clip_id"], "flow")["current"]
    assert extract_plan(settings, ("flow",))["to_compute"] == 0
    with pytest.raises(UsageError, match="no clip"):
        explain_feature(settings, "nothing", "flow")


def test_names_that_no_table_can_keep_fail_alone(archive: Path, home: str) -> None:
    """A file whose name is not text is counted, said, and harms no other."""
    (archive / "sound.mp4").rename(archive / os.fsdecode(b"s\xff.mp4"))
    report = ingest(str(archive), home)
    assert (report["inputs"], report["failed"], report["cached"]) == (4, 1, 2)


def test_two_that_differ_in_their_ending_are_two_sessions(archive: Path, home: str) -> None:
    """a.mp4 and a.mkv are no two cameras of one take."""
    (archive / "cuts.mkv").write_bytes((archive / "vfr.mp4").read_bytes() + b"\0" * 8)
    assert ingest(str(archive), home)["done"] == 1
    names = [row["name"] for row in ask(home, "select name from current_sessions order by 1")]
    assert names == ["cuts", "cuts.mkv", "sound", "vfr"]
