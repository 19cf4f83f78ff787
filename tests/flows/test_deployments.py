"""What runs by itself: schedules, what a promotion sets off, how a failure in the night ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.store import Catalog
from flows import scheduled
from flows.cli_deploy import _wishes
from flows.deployments import DEPLOYMENTS, Wishes, described
from infra.errors import (
    ArchiveEmptyError,
    ScheduledWorkError,
    UnknownApplicationError,
    UnknownModelError,
    UnknownPresetError,
    UsageError,
)
from infra.prefect_server import answers
from infra.settings import Settings
from tasks.runs.upkeep import compact_tables, folders_of

if TYPE_CHECKING:
    from conftest import Road

ROOT = Path(__file__).parents[2]
NOTHING: dict[str, Any] = {
    "archives": None,
    "models": None,
    "generations": None,
    "time_zone": "UTC",
    "most_refused": 0.05,
}


def test_the_readme_says_what_runs_when() -> None:
    """Its table is that of the code, row for row."""
    readme = (ROOT / "README.md").read_text("utf-8")
    for name, trigger, doc in described():
        assert f"| {name} | {trigger} | {doc} |" in readme


def test_every_deployment_is_a_flow_that_takes_its_parameters() -> None:
    """What a server starts at night is called with names that are there."""
    for one in DEPLOYMENTS:
        flow = getattr(scheduled, one.flow)
        given = Wishes(home="/home").parameters(one.flow)
        assert set(given) <= set(flow.parameters.properties), one.flow
        assert flow.name == one.flow


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"time_zone": "Mars/Olympus"}, UsageError),
        ({"models": ["hope"]}, UnknownModelError),
        ({"models": ["super-resolution=huge"]}, UnknownPresetError),
        ({"generations": ["teleportation"]}, UnknownApplicationError),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_scheduled(
    tmp_path: Path, changed: dict[str, Any], error: type[Exception]
) -> None:
    """A wrong name is said at once, not by a failed run in the night."""
    with pytest.raises(error):
        _wishes(Settings(home=tmp_path), **NOTHING | changed)


def test_a_model_is_trained_by_the_laptops_preset_unless_told(tmp_path: Path) -> None:
    """Archives get their one name, so that a nightly run finds what a first ingest knew."""
    given = NOTHING | {"models": ["super-resolution"], "archives": [f"{tmp_path}/a/../b"]}
    found = _wishes(Settings(home=tmp_path), **given)
    assert found.models == {"super-resolution": "laptop"}
    assert found.archives == (f"{tmp_path}/b",)


def test_an_archive_that_is_away_does_not_keep_the_others(road: Road) -> None:
    """The others are ingested and extracted; the run fails at its end and names the one."""
    with pytest.raises(ScheduledWorkError, match="ingest /nowhere: No archive at /nowhere"):
        scheduled.nightly.fn(["/nowhere", str(road.truth.folder)], road.home)
    newest = _last_run(road, "extract")
    assert newest["inputs"] == newest["cached"] + newest["quarantined"] > 0


def test_what_serves_is_made_anew_by_a_promotion(road: Road) -> None:
    """Of the configured generations those whose model was promoted; current ones are cached."""
    select = "select clip_id from current_clips where split = 'heldout' limit 1"
    asked = {"super-resolution": select}
    assert scheduled.promoted.fn("depth", 1, asked, road.home) == {}
    reports = scheduled.promoted.fn("super-resolution", "1", asked, road.home)
    assert reports["generate super-resolution"]["done"] > 0
    again = scheduled.promoted.fn("super-resolution", 1, asked, road.home)
    assert (
        again["generate super-resolution"]["cached"] == again["generate super-resolution"]["inputs"]
    )


def test_too_much_in_quarantine_fails_the_check(road: Road) -> None:
    """The generated archive has broken recordings: 1 % is too few for it, all of it is not."""
    with pytest.raises(ScheduledWorkError, match="ingest"):
        scheduled.quality.fn(0.01, road.home)
    assert scheduled.quality.fn(1.0, road.home)["shares"]["ingest"] > 0.01


def test_upkeep_changes_no_row(road: Road) -> None:
    """Files become fewer; what the tables say stays."""
    from catalog.contents import content_digest

    before = content_digest(Catalog(road.settings.catalog).snapshot())
    compact_tables(road.settings)
    assert content_digest(Catalog(road.settings.catalog).snapshot()) == before
    assert compact_tables(road.settings) == {"files_compacted": {}}


def test_a_backfill_goes_by_folders_in_order_of_their_names(tmp_path: Path) -> None:
    """A range of names is a range of dates; none in it is an error."""
    for name in ("2026-01-03", "2026-01-01", "2026-02-01"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("no folder")
    settings = Settings(home=tmp_path / "home")
    found = folders_of(settings, str(tmp_path), "2026-01-01", "2026-01-31")
    assert [Path(one).name for one in found] == ["2026-01-01", "2026-01-03"]
    assert len(folders_of(settings, str(tmp_path), None, None)) == 3
    # As Prefect hands over `--param first=2025`.
    assert len(folders_of(settings, str(tmp_path), 2025, 9999)) == 3
    with pytest.raises(ArchiveEmptyError, match="no folder between 2027"):
        folders_of(settings, str(tmp_path), "2027", None)


def test_nobody_answers_where_no_server_is() -> None:
    """A wrong address is an answer of no, and nothing that is no web address is opened."""
    assert not answers("http://127.0.0.1:9/api", timeout_s=1)
    assert not answers("file:///etc/hostname")


def _last_run(road: Road, flow: str) -> dict[str, Any]:
    from catalog.query import rows

    found = rows(Catalog(road.settings.catalog).snapshot(), "runs_latest")
    return next(row for row in found if row["flow"] == flow)
