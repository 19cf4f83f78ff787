"""Synthesis from one end to the other: distilled, judged, held against its gates, and asked."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.distill import distill
from flows.generate import generate
from flows.ingest import ingest
from flows.promote import promote
from infra.settings import Settings
from tasks.synthesis.evaluation import BASELINES
from tasks.synthesis.presets import PRESETS

if TYPE_CHECKING:
    from tasks.synthetic.archive import Truth

pytestmark = pytest.mark.long

NOISE = ("gauss:3", "gauss:3", "gauss:3")
ONE_CAMERA = (
    "select clip_id, cameras[1] as camera_id from current_clips where split = 'heldout' "
    "order by clip_id limit 1"
)


@pytest.fixture(scope="module")
def home(
    ray_local: Settings,  # noqa: ARG001  flows find it running
    prefect_server: None,  # noqa: ARG001  same
    truth: Truth,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """A home with the generated archive, of which no view is needed."""
    folder = tmp_path_factory.mktemp("synthesis") / "home"
    ingest(str(truth.folder), str(folder))
    return Settings(home=folder, cpus=2)


@pytest.mark.timeout(900)
def test_synthesis_is_distilled_judged_and_asked_for_by_its_version(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every baseline stands beside it; its gates say why it is or is not promoted; it makes video.

    A sixth of preset ci, on the generated archive: nothing is said of how good it is.
    """
    short = dataclasses.replace(PRESETS["ci"], steps=36, pictures=12)
    monkeypatch.setitem(PRESETS, "ci", short)
    made = distill("ci", str(home.home), "synthesis")
    assert (made["model"], made["version"]) == ("synthesis", 1)
    fused = {row["method"] for row in made["per_session"] if row["task"] == "fuse"}
    assert fused == {"model", "unguarded", *BASELINES["fuse"]}
    assert distill("ci", str(home.home), "synthesis")["cached"] == 1

    judged = promote("synthesis", 1, str(home.home))
    gates = {gate["name"]: gate for gate in judged["gates"]}
    for name in ("same_answer", "provenance", "unseen_sessions"):
        assert gates[name]["passed"], gates[name]
    assert judged["promoted"] == all(gate["passed"] for gate in gates.values())

    asked = {"damage": list(NOISE), "learned": True, "side": 96}
    found = generate(
        "synthesis", ONE_CAMERA, "models:/synthesis/1", options=asked, home=str(home.home)
    )
    assert (found["done"], found["model"]) == (1, "models:/synthesis/1")
    snapshot = Catalog(home.catalog).snapshot()
    (row,) = run(snapshot, "select * from generations").to_pylist()
    assert (row["model"], row["model_version"]) == ("synthesis", 1)
    quality = json.loads(row["quality"])
    assert quality["psnr_y"] > quality["best_source_psnr_y"]
    again = generate(
        "synthesis", ONE_CAMERA, "models:/synthesis/1", options=asked, home=str(home.home)
    )
    assert again["cached"] == 1
