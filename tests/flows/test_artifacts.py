"""What a flow shows in Prefect: how far it is, a table of what became of what, a picture of it."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from shown_artifacts import shown

from flows import scheduled
from infra.errors import CatalogEmptyError, ScheduledWorkError
from infra.observability import progress
from infra.settings import Settings
from tasks.runs import artifacts as run_artifacts
from tasks.runs.artifacts import COLOURS, drawn
from tasks.runs.record import flow_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Road

SVG = "{http://www.w3.org/2000/svg}"


def picture(shows: str) -> ET.Element:
    """Return the drawing of a picture."""
    kind, _, data = shows.partition(",")
    assert kind == "data:image/svg+xml;base64"
    return ET.fromstring(base64.b64decode(data))  # noqa: S314  our own


@pytest.mark.parametrize("name", ["ingest", "extract", "distill", "promote", "generate"])
def test_every_flow_shows_its_ledger_and_a_picture(road: Road, name: str) -> None:
    """The table holds the numbers of the report, the picture says them in words."""
    report = road.reports[name]
    found = road.artifacts[name]
    table = {row["what"]: row["how much"] for row in json.loads(found[f"{name}-ledger"])}
    for column in ("inputs", *COLOURS, "seconds", "bytes_out"):
        assert table[column] == report[column]
    words = " ".join(one.text or "" for one in picture(found[f"{name}-picture"]).iter(f"{SVG}text"))
    for outcome in COLOURS:
        assert (f"{outcome} {report[outcome]:,}" in words) == bool(report[outcome])


@pytest.mark.usefixtures("prefect_server")
def test_progress_is_told_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half way is 50, at its end it is 100; each thing that is counted has its own."""
    monkeypatch.setattr(run_artifacts, "LOOK_EVERY_S", 0.05)
    halfway: dict[str, Any] = {}

    @flow
    def counts() -> str:
        with (
            flow_record("extract", Settings(home=tmp_path), {}),
            progress("extract", 10, "features") as bar,
            progress("form sessions", 4, "files"),
        ):
            bar.advance(5)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                halfway.update(shown(str(flow_run.id)))
                if len(halfway) == 2 and halfway["extract-progress"].data == 50:
                    break
                time.sleep(0.1)
        return str(flow_run.id)

    run_id = counts()
    assert halfway["extract-progress"].data == 50
    assert halfway["extract-progress-form-sessions"].data == 0
    found = shown(run_id)
    assert found["extract-progress"].data == 100
    assert found["extract-progress"].type == "progress"
    assert {"extract-ledger", "extract-picture"} <= found.keys()


@pytest.mark.usefixtures("prefect_server")
def test_a_flow_of_flows_shows_its_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a stage, those that failed too, without what an address holds of credentials."""
    row = dict.fromkeys(("inputs", *COLOURS), 0) | {"inputs": 3, "done": 3, "seconds": 1.5}

    def ingested(archive: str, home: str | None) -> dict[str, Any]:
        del home
        if archive == "bad":
            raise CatalogEmptyError("nothing at https://me:hunter2@example.org")
        seen.append(str(flow_run.id))
        return row

    seen: list[str] = []
    # What the stages do other tests say; here only that they are told of.
    monkeypatch.setattr(scheduled, "ingest", ingested)
    monkeypatch.setattr(scheduled, "extract", lambda *_: row)
    with pytest.raises(ScheduledWorkError):
        scheduled.nightly.with_options(retries=0)(["good", "bad"], str(tmp_path))
    found = shown(seen[0])
    table = json.loads(found["nightly-stages"].data)
    assert [one["stage"] for one in table[:2]] == ["ingest good", "extract"]
    assert (table[0]["done"], table[0]["seconds"]) == (3, 1.5)
    assert "example.org" in table[2]["stage"]
    assert "hunter2" not in found["nightly-stages"].data
    assert "nightly-picture" in found


def test_bars_are_as_wide_as_their_parts_and_text_is_text() -> None:
    """Widths are shares of the whole; names are escaped; nothing is drawn of nothing."""
    parts = [("done", 30, "#000"), ("<script>", 10, "#111"), ("failed", 0, "#222")]
    text = drawn([("inputs", parts), ("none", [("done", 0, "#000")])])
    assert "<script>" not in text
    bars = [float(one.get("width", 0)) for one in ET.fromstring(text).iter(f"{SVG}rect")]  # noqa: S314
    whole, *wide = bars
    assert wide[:2] == pytest.approx([0.75 * (whole - 8), 0.25 * (whole - 8)], abs=0.1)
    assert sum(wide) == pytest.approx(whole - 8, abs=0.2)


@pytest.mark.usefixtures("prefect_server")
def test_a_server_that_goes_away_costs_the_picture_and_not_the_run(tmp_path: Path) -> None:
    """The run ends as ever; a line says what was not shown."""

    @flow
    def goes_on() -> int:
        with flow_record("extract", Settings(home=tmp_path), {}) as run:
            run.ledger.inputs = run.ledger.done = 1
            with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
                run_artifacts.show_ending(run, "done")
        return run.ledger.done

    assert goes_on() == 1


def test_outside_of_prefect_nothing_is_shown(tmp_path: Path) -> None:
    """A test of one task, or a plan, needs no server."""
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        flow_record("extract", Settings(home=tmp_path), {}) as run,
    ):
        run.ledger.inputs = run.ledger.done = 1
    assert run.report["done"] == 1
