"""The page's /metrics: the catalog's numbers and the last runs', for whoever may see the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_home import PageHome, make_home
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from catalog.query import rows, run
from catalog.store import Catalog
from flows.page.app import make_app
from infra import metrics
from tasks.runs.record import flow_record

if TYPE_CHECKING:
    from pathlib import Path

BASE = "http://127.0.0.1:8410"
TOKEN = "correct-horse-battery-staple"  # noqa: S105  it guards nothing


@pytest.fixture
def home(tmp_path: Path) -> PageHome:
    """A home of known contents, in which one flow ran."""
    made = make_home(tmp_path)
    with flow_record("extract", made.settings, {}) as one:
        one.ledger.inputs = one.ledger.cached = 4
    return made


def scraped(client: TestClient) -> dict[tuple[str, ...], float]:
    """Return the samples of an answer, each by its name and its labels' values."""
    found = client.get("/metrics")
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (one.name, *(one.labels[name] for name in metrics.METRICS[one.name].labels)): one.value
        for family in text_string_to_metric_families(found.text)
        for one in family.samples
    }


def test_the_catalogs_numbers_are_those_of_its_tables(home: PageHome) -> None:
    """Clips, hours, refusals, stale clips, newest runs: as SQL over the catalog counts."""
    given = rows(Catalog(home.settings.catalog).snapshot(), "clip_givens")
    home.commit("code_versions", {"model": "distiller", "version": "v", "chosen_ns": 1})
    coded = {"clip_id": given[0]["clip_id"], "given": given[0]["given"]}
    home.commit("codes", {"code_id": "one", "model": "distiller", "version": "v", **coded})
    snapshot = Catalog(home.settings.catalog).snapshot()
    with TestClient(make_app(home.settings), BASE) as client:
        found = scraped(client)
    count = "select (select count(*) from current_clips) as clips, sum(duration_ns) as ns, "
    (there,) = run(snapshot, count + "count(*) as seen from current_recordings").to_pylist()
    assert found["stillhouse_catalog_clips",] == there["clips"] == len(given)
    assert found["stillhouse_catalog_recordings",] == there["seen"]
    assert found["stillhouse_catalog_video_seconds",] == pytest.approx(int(there["ns"]) / 1e9)
    refused = run(snapshot, "from quarantine select stage, reason, count(*) as n group by all")
    for row in refused.to_pylist():
        key = ("stillhouse_catalog_quarantine_rows", row["stage"], row["reason"])
        assert found[key] == row["n"]
    assert found["stillhouse_catalog_stale_clips", "distiller"] == len(given) - 1
    assert found["stillhouse_catalog_newest_run_timestamp_seconds", "extract", "done"] > 1e9
    assert found["stillhouse_items_total", "extract", "cached"] == 4


def test_every_metric_of_ours_is_declared(home: PageHome) -> None:
    """Names, kinds and labels are those of the declaration, each with help and unit."""
    with TestClient(make_app(home.settings), BASE) as client:
        text = client.get("/metrics").text
    names = set()
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            declared = metrics.METRICS[one.name]
            assert family.type == declared.kind
            assert set(one.labels) == set(declared.labels)
            assert declared.unit in family.documentation
            names.add(one.name)
    assert "stillhouse_catalog_clips" in names
    assert "stillhouse_run_seconds_total" in names


def test_a_new_snapshot_has_new_numbers(home: PageHome) -> None:
    """What is kept is of one snapshot."""
    with TestClient(make_app(home.settings), BASE) as client:
        before = scraped(client)
        home.commit("quarantine", {"item_id": "x", "stage": "ingest", "reason": "brand_new"})
        for _ in range(20):
            after = scraped(client)
            if after != before:
                break
    assert after["stillhouse_catalog_quarantine_rows", "ingest", "brand_new"] == 1


def test_an_empty_home_is_scraped_too(tmp_path: Path) -> None:
    """Nothing is zero, not an error."""
    from infra.settings import Settings

    with TestClient(make_app(Settings(home=tmp_path)), BASE) as client:
        assert scraped(client)["stillhouse_catalog_clips",] == 0


def test_metrics_are_guarded_as_the_page_is(home: PageHome) -> None:
    """Without the token nothing, with it as Bearer everything; to no other name, no other site."""
    guarded = TestClient(make_app(home.settings, TOKEN), "http://archive.example")
    assert guarded.get("/metrics").status_code == 401
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/metrics", headers=bearer).status_code == 200
    local = TestClient(make_app(home.settings), BASE)
    assert local.get("/metrics", headers={"host": "evil.example"}).status_code == 421
    assert local.get("/metrics", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert local.post("/metrics").status_code == 405
