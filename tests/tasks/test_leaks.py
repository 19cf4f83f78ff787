"""A forged leak is found whatever it is forged of, and what splits make is clean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from filled_rows import filled

import tasks.sessions.leaks
from catalog.query import ask, connect
from catalog.schemas.recordings import RECORDINGS
from catalog.schemas.sessions import SESSIONS
from catalog.span import SECOND_NS
from catalog.store import Catalog
from infra.settings import Settings
from tasks.ingest.signals import NAMES, Signals
from tasks.runs.record import FlowRun
from tasks.sessions.leaks import Leaks, leaks
from tasks.sessions.splits import HELDOUT, TRAIN

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road


STEPS, PER_STEP = 40, 6


def recording(
    name: str, pictures: int, motion: int, cut: slice = slice(0, STEPS), **how: int
) -> dict[str, Any]:
    """Return a recording's row: its pictures and its motion by seed, and what was cut of them.

    `noise` are bits of hashes that differ; with `flat=1` there is nothing in any picture.
    """
    hashes = np.random.default_rng(pictures).integers(0, 2**64, STEPS, dtype=np.uint64)[cut]
    hashes ^= np.uint64(how.get("noise", 0))
    courses = np.random.default_rng(motion).normal(0, 4, (len(NAMES), STEPS * PER_STEP))
    part = slice(cut.start * PER_STEP, cut.stop * PER_STEP)
    values = courses.cumsum(axis=1)[:, part].astype(np.float32)
    times = np.arange(values.shape[1], dtype=np.int64) * (SECOND_NS // 4 // PER_STEP)
    return filled(RECORDINGS) | {
        "recording_id": name,
        "file_id": f"file of {name}",
        "duration_ns": len(hashes) * SECOND_NS // 4,
        "hashes": (hashes * np.uint64(1 - how.get("flat", 0))).astype("<u8").tobytes(),
        "signals": Signals(times, *values).pack(),
    }


def session(name: str, split: str, *recordings: str, group: str = "") -> dict[str, Any]:
    """Return a session's row, in a group of its own unless one is named."""
    cameras = [
        {"camera_id": f"cam{k}", "recording_id": one, "offset_ns": 0}
        for k, one in enumerate(recordings)
    ]
    return filled(SESSIONS) | {
        "session_id": f"id of {name}",
        "name": name,
        "cameras": cameras,
        "group_id": group or f"group of {name}",
        "split": split,
    }


def found_in(home: Path, recordings: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> Leaks:
    """Return the leaks of a catalog that holds just this."""
    run = FlowRun("ingest", Settings(home=home))
    run.catalog.commit(RECORDINGS, recordings)
    run.catalog.commit(SESSIONS, sessions)
    return leaks(run.catalog.snapshot())


HELD = [recording("held", 1, 1), recording("held-2", 2, 2)]
FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "trimmed": (recording("forged", 1, 1, slice(10, 30)), "copy"),
    "coded again": (recording("forged", 1, 1, noise=0b1011 << 20), "copy"),
    "another time of the same fixed camera": (recording("forged", 1, 9), "pictures"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_the_same_footage_on_both_sides_is_found(forgery: str, tmp_path: Path) -> None:
    """A copy by pictures and motion, another time of one camera by pictures; whose both are."""
    row, kind = FORGED[forgery]
    found = found_in(
        tmp_path,
        [*HELD, recording("own", 3, 3), row],
        [session("a", HELDOUT, "held", "held-2"), session("b", TRAIN, "own", "forged")],
    )
    assert not found.disjoint
    (leak,) = found.found
    assert (leak.kind, leak.what) == (kind, "held forged")
    assert (leak.heldout, leak.train) == (("a",), ("b",))
    assert "of a and b" in found.sentence()


def test_shared_ids_are_found_where_no_picture_tells(tmp_path: Path) -> None:
    """One recording in two sessions, two streams of one file, one group: each by its id."""
    flat = [recording(name, 1, 1, flat=1) for name in ("r", "s", "t", "u")]
    flat[1]["file_id"] = flat[2]["file_id"] = "one file"
    found = found_in(
        tmp_path,
        flat,
        [
            session("a", HELDOUT, "r", "s", group="g"),
            session("b", TRAIN, "r"),
            session("c", TRAIN, "t"),
            session("d", TRAIN, "u", group="g"),
        ],
    )
    kinds = {(leak.kind, leak.what): (leak.heldout, leak.train) for leak in found.found}
    assert kinds == {
        ("group", "g"): (("a",), ("d",)),
        ("recording", "r"): (("a",), ("b",)),
        ("file", "file of r"): (("a",), ("b",)),
        ("file", "one file"): (("a",), ("c",)),
    }
    assert found.mute == 4


def test_unrelated_footage_is_disjoint_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cameras' pictures and motion of their own; looked up one by one it is the same."""
    recordings = [*HELD, *(recording(f"own-{k}", 10 + k, 10 + k) for k in range(5))]
    sessions = [
        session("a", HELDOUT, "held", "held-2"),
        *(session(f"b{k}", TRAIN, f"own-{k}") for k in range(5)),
    ]
    found = found_in(tmp_path / "all", recordings, sessions)
    assert found.disjoint
    assert (found.heldout_sessions, found.train_sessions) == (1, 5)
    assert (found.heldout_recordings, found.train_recordings, found.mute) == (2, 5, 0)
    assert found.sentence().endswith("2 x 5 recordings: nothing is shared.")
    for name in ("NEW_AT_ONCE", "BLOCK_ROWS"):
        monkeypatch.setattr(tasks.sessions.leaks, name, 1)
    assert found_in(tmp_path / "one", recordings, sessions) == found
    forged = [*recordings, recording("copy", 2, 2, slice(5, 40))]
    again = found_in(tmp_path / "forged", forged, [*sessions, session("c", TRAIN, "copy")])
    assert [leak.what for leak in again.found] == ["held-2 copy"]


def test_one_side_alone_is_not_disjoint_from_anything(tmp_path: Path) -> None:
    """Nothing compared is nothing shown."""
    found = found_in(tmp_path, HELD, [session("a", HELDOUT, "held")])
    assert not found.disjoint
    assert not found.found


def test_what_ingest_splits_is_disjoint_until_footage_is_on_both_sides(
    road: Road, tmp_path: Path
) -> None:
    """The generated archive as ingest splits it; then with a held-out recording as other bytes."""
    snapshot = Catalog(road.settings.catalog).snapshot()
    clean = leaks(snapshot)
    assert clean.disjoint
    assert clean.heldout_recordings > 0 < clean.train_recordings
    with connect(snapshot) as connection:
        recordings = ask(connection, "from recordings").to_pylist()
        sessions = ask(connection, "from sessions").to_pylist()
    held = next(one for one in sessions if one["split"] == HELDOUT)
    known = held["cameras"][0]["recording_id"]
    row = next(one for one in recordings if one["recording_id"] == known)
    forged = row | {"recording_id": "forged", "file_id": "forged"}
    found = found_in(
        tmp_path, [*recordings, forged], [*sessions, session("copied", TRAIN, "forged")]
    )
    assert [leak.what for leak in found.found] == [f"{known} forged"]
    assert (found.found[0].heldout, found.found[0].train) == ((held["name"],), ("copied",))
