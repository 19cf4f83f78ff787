"""Rows of a label file in a small catalog: where they land, and that none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from small_catalog import small_catalog

from catalog.query import rows
from infra.settings import Settings
from tasks.labelling import commit_labels, plan_labels
from tasks.run_record import FlowRun

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
    whole = {(one["recording_id"], one["label"]) for one in said if one["start_ns"] is None}
    assert whole == {("left", "walk"), ("right", "walk"), ("alone", "run")}
    # The clip begins at 12 of the session's clock, where the right camera's own is 0.
    assert [(one["start_ns"], one["end_ns"]) for one in said if one["start_ns"] is not None] == [
        (0, 1)
    ]
