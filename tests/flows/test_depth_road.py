"""Depth from one end to the other: distilled, promoted, extracted, and as good as it is said."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.query import rows, run
from catalog.span import grid
from catalog.store import Catalog
from flows.distill import distill
from flows.extract import extract
from flows.ingest import ingest
from flows.promote import promote
from infra.settings import load_settings
from tasks.depth.presets import PRESETS
from tasks.depth.scores import depth_errors, fitted, plane_at_median
from tasks.extraction.plan import asked
from tasks.rigs.calibration import Calibration, CameraModel
from tasks.rigs.calibration import row as numbers
from tasks.rigs.calibration import rows as square
from tasks.synthetic.archive import ArchiveSpec, write_archive
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked, values

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tasks.synthetic.archive import Truth
    from tasks.views.view import Feature

FRAME_NS = 40_000_000
FLAT = (0.0, 0.0, 0.0, 0.0, 0.0)


def calibrate(truth: Truth, take: str) -> None:
    """Write the true calibration of a take beside its recordings."""
    cameras = []
    for member, recording in truth.recordings.items():
        if recording.session == take:
            k, rotation, shift = truth.calibration_truth(member)
            size = (recording.width, recording.height)
            cameras.append(
                CameraModel(
                    recording.camera_id, *size, square(k), FLAT, square(rotation), numbers(shift)
                )
            )
    text = Calibration(tuple(cameras)).to_json()
    (truth.folder / take / "calibration.json").write_text(text, encoding="utf-8")


def said(home: Path, view: str) -> list[tuple[str, str, int, Feature]]:
    """Return (session, camera, start_ns, feature) of every current clip."""
    settings = load_settings(home)
    snapshot = Catalog(settings.catalog).snapshot()
    found = run(snapshot, "select clip_id, session_id from current_clips").to_pylist()
    names = {
        row["session_id"]: row["name"]
        for row in run(snapshot, "select session_id, name from current_sessions").to_pylist()
    }
    sessions = {row["clip_id"]: names[row["session_id"]] for row in found}
    wanted = asked(view_versions([view], settings), list(sessions))
    return [
        (sessions[row["clip_id"]], row["camera_id"], row["start_ns"], _feature(view, row))
        for row in rows(snapshot, "clip_features", wanted)
    ]


def _feature(view: str, row: dict[str, object]) -> Feature:
    return unpacked(view_named(view).spec, row)


def true_inverse(truth: Truth, member: str, t_ns: int) -> npt.NDArray[np.float32] | None:
    """Return the true inverse depth (28, 28) of what a recording shows at an instant."""
    import cv2

    recording = truth.recordings[member]
    frame = (t_ns - recording.offset_ns) // FRAME_NS
    if not 0 <= frame < recording.frames:
        return None
    inverse = (1 / truth.depth_truth(member, int(frame))).astype(np.float32)
    return np.asarray(cv2.resize(inverse, (28, 28), interpolation=cv2.INTER_AREA), np.float32)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_depth_is_distilled_promoted_and_extracted(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent before a champion is there; then below the plane's error, and stereo far below."""
    spec = ArchiveSpec(take_frames=60, single_frames=26)
    truth = write_archive(tmp_path / "archive", spec)
    calibrate(truth, "take_1")
    home = tmp_path / "home"
    home.mkdir()
    (home / "assets").symlink_to(weights)
    ingest(str(truth.folder), str(home))
    extract(("depth", "stereo"), str(home))
    assert all("stillhouse distill" in (f.absent or "") for *_, f in said(home, "depth"))

    # Half the ci preset: enough for our own renderer.
    short = dataclasses.replace(PRESETS["ci"], steps=120, world_scenes=24)
    monkeypatch.setitem(PRESETS, "ci", short)
    made = distill("ci", str(home), "depth")
    assert made["model"] == "depth"
    assert (
        made["metrics"]["heldout.world.abs_rel"] < made["baselines"]["heldout.world.plane.abs_rel"]
    )
    assert distill("ci", str(home), "depth")["cached"] == 1
    judged = promote("depth", home=str(home))
    assert [gate["name"] for gate in judged["gates"]] == [
        "abs_rel_under_plane",
        "abs_rel_under_ramp",
        "abs_rel_under_champion",
        "same_answer",
        "provenance",
        "unseen_sessions",
    ]
    assert judged["promoted"], judged["gates"]
    assert promote("depth", home=str(home))["cached"] == 1

    again = extract(("depth", "stereo"), str(home))
    assert again["done"] == len(said(home, "depth"))  # stereo does not depend on the champion
    ours, plane = [], []
    for session, camera, start_ns, feature in said(home, "depth"):
        member = f"{session}/{camera}.mp4" if session.startswith("take") else f"{session}.mp4"
        if member not in truth.recordings or truth.recordings[member].rotation:
            continue
        inverse = true_inverse(truth, member, start_ns)
        if inverse is None or not feature.mask[0]:
            continue
        ours.append(depth_errors(fitted(values(feature, 0)[0, 0], inverse), inverse)[0])
        plane.append(depth_errors(plane_at_median(inverse), inverse)[0])
    assert len(ours) > 5
    assert np.mean(ours) < np.mean(plane)

    errors, known = [], []
    for session, camera, start_ns, feature in said(home, "stereo"):
        assert session == "take_1"
        assert not feature.absent
        # Fewer steps than the clip has need be usable; the first one that all cameras see is.
        step = int(np.flatnonzero(feature.mask)[0])
        t_ns = grid_time(start_ns, step, load_settings(home).grid_step_ns)
        inverse = true_inverse(truth, f"take_1/{camera}.mp4", t_ns)
        if inverse is not None:
            there = values(feature, 1)[step, 0] > 0.3
            errors.append(depth_errors(values(feature, 0)[step, 0], inverse, there)[0])
            known.append(there.mean())
    assert errors
    assert np.nanmean(errors) < 0.15
    assert np.mean(known) > 0.1


def grid_time(start_ns: int, step: int, step_ns: int) -> int:
    """Return when a step of a clip is."""
    from catalog.span import Span

    return grid(Span(start_ns, start_ns + (step + 1) * step_ns), step_ns)[step]
