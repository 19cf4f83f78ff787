"""Rows of a label file in a small catalog: where they land, and that none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from small_catalog import small_catalog

from catalog.query import rows
from infra.settings import Settings
from tasks.labels.labelling import commit_labels, plan_labels
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

FILE = """session,recording,clip,camera,start_s,end_s,label
take,,,,,,walk
,alone.mp4,,,,,run
,,c2,cam02,,,walk
,,gone,,,,walk
elsewhere,,,,,,walk
take,,,cam09,,,walk
take,,,cam01,,,jump
"""


def test_every_row_is_committed_cached_or_refused(tmp_path: Path) -> None:
    """What contradicts is refused; a second run finds all cached."""
    settings = Settings(home=tmp_path / "home")
    small_catalog(settings.catalog)
    (tmp_path / "labels.csv").write_text(FILE, "utf-8")
    for done, cached in ((3, 0), (0, 3)):
        run = FlowRun("label", settings)
        commit_labels.fn(plan_labels.fn(tmp_path / "labels.csv", run), run)
        run.ledger.check()
        assert (run.ledger.inputs, run.ledger.done, run.ledger.cached) == (7, done, cached)
    snapshot = run.catalog.snapshot()
    asked = {"recording_ids": ["left", "right", "alone"]}
    said = rows(snapshot, "known_label_spans", asked)
    assert {one["turn"] for one in said} == {0}
    whole = {(one["recording_id"], one["label"]) for one in said if one["start_ns"] is None}
    assert whole == {("left", "walk"), ("right", "walk"), ("alone", "run")}
    # The clip begins at 12 of the session's clock, where the right camera's own is 0.
    assert [(one["start_ns"], one["end_ns"]) for one in said if one["start_ns"] is not None] == [
        (0, 1)
    ]


def test_what_was_said_is_withdrawn_and_said_again(tmp_path: Path) -> None:
    """A withdrawal is a row more; it may be of one camera alone, and of what was said only."""
    settings = Settings(home=tmp_path / "home")
    small_catalog(settings.catalog)
    head = "session,recording,clip,camera,start_s,end_s,label\n"

    def told(text: str, *, withdraw: bool = False) -> tuple[int, int, int]:
        (tmp_path / "labels.csv").write_text(head + text, "utf-8")
        run = FlowRun("label", settings)
        commit_labels.fn(plan_labels.fn(tmp_path / "labels.csv", run, withdraw=withdraw), run)
        run.ledger.check()
        return run.ledger.done, run.ledger.cached, run.ledger.quarantined

    def held() -> set[tuple[str, str]]:
        found = rows(
            FlowRun("label", settings).catalog.snapshot(), "show_label_spans", {"limit": 9}
        )
        return {(one["camera"], one["label"]) for one in found}

    assert told("take,,,,,,walk\n") == (1, 0, 0)
    both = held()
    assert {label for _, label in both} == {"walk"}
    assert len(both) == 2
    assert told("take,,,,,,run\n") == (0, 0, 1)  # it contradicts
    assert told("take,,,cam01,,,walk\n", withdraw=True) == (1, 0, 0)
    assert held() == {one for one in both if one[0] != "cam01"}
    assert told("take,,,cam01,,,walk\n", withdraw=True) == (0, 1, 0)
    assert told("take,,,cam01,,,fall\n", withdraw=True) == (0, 0, 1)  # nobody said that
    assert told("take,,,cam01,,,run\n") == (1, 0, 0)
    assert told("take,,,cam01,,,run\n", withdraw=True) == (1, 0, 0)
    assert told("take,,,,,,walk\n") == (1, 0, 0)
    assert held() == both
