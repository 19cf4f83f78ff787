"""The digest of a catalog's contents: what is known counts, not how it came to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.contents import content_digest, content_digests
from catalog.schemas.clips import CLIPS
from catalog.store import Catalog

if TYPE_CHECKING:
    from pathlib import Path


def clip(number: int, **given: object) -> dict[str, Any]:
    return {
        "clip_id": f"c{number}",
        "session_id": "s",
        "start_ns": number,
        "end_ns": number + 1,
        "cameras": ["cam01", "cam02"],
        "forming": "cut",
        "split": "train",
        "shot_index": 0,
        "flow_run_id": "run",
    } | given


def test_order_commits_and_runs_do_not_matter(tmp_path: Path) -> None:
    """The same clips in two commits of two runs are the same contents as in one."""
    whole, parts = Catalog(tmp_path / "whole"), Catalog(tmp_path / "parts")
    whole.commit(CLIPS, [clip(1), clip(2), clip(3)])
    parts.commit(CLIPS, [clip(3, flow_run_id="other")])
    parts.commit(CLIPS, [clip(2), clip(1), clip(3)])
    assert content_digest(whole.snapshot()) == content_digest(parts.snapshot())


def test_every_other_value_matters(tmp_path: Path) -> None:
    """One changed value, or one clip less, is another digest, and the table is named."""
    variants = [[clip(1), clip(2)], [clip(1)], [clip(1), clip(2, cameras=["cam01"])], []]
    digests = []
    for index, rows in enumerate(variants):
        catalog = Catalog(tmp_path / str(index))
        catalog.commit(CLIPS, rows)
        digests.append(content_digests(catalog.snapshot()))
    assert len({each["clips"] for each in digests}) == len(variants)
    assert len({each["sessions"] for each in digests}) == 1
