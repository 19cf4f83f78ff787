"""A manifold from one end to the other: distilled, judged, and what reindex encodes by."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.distill import distill
from flows.promote import promote
from flows.reindex import reindex
from flows.standing import reindex_plan
from infra.settings import Settings

if TYPE_CHECKING:
    from conftest import Road

pytestmark = pytest.mark.long

MODEL = "models:/manifold/1"


@pytest.fixture(scope="module")
def home(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the road's catalog and no model of its own."""
    folder = tmp_path_factory.mktemp("manifold") / "home"
    folder.mkdir()
    (folder / "assets").symlink_to(road.settings.assets.resolve())
    shutil.copytree(road.settings.root / "catalog", folder / "catalog")
    return Settings(home=folder, cpus=2)


def test_a_manifold_is_distilled_judged_and_encodes(home: Settings) -> None:
    """It stands beside every baseline, meets or fails its gates, and gives codes without bytes."""
    made = distill("ci", str(home.home), "manifold")
    assert (made["model"], made["version"]) == ("manifold", 1)
    methods = {row["method"] for row in made["per_session"]}
    assert methods == {"model", "pixels", "pca", "mcca", "single_view", "chance"}
    again = distill("ci", str(home.home), "manifold")
    assert again["cached"] == 1
    gates = {gate["name"]: gate for gate in promote("manifold", 1, str(home.home))["gates"]}
    assert {"retrieval_over_pca", "retrieval_over_mcca", "same_answer"} <= set(gates)
    assert not any(name.startswith(("target", "view")) for name in gates)
    for name in ("same_answer", "provenance", "unseen_sessions", "encode_ms_per_step"):
        assert gates[name]["passed"], gates[name]

    plan = reindex_plan(home, MODEL)
    assert plan["windows"] > 0
    report = reindex(MODEL, str(home.home))
    assert report["done"] == report["inputs"] > 0
    snapshot = Catalog(home.catalog).snapshot()
    codes = run(snapshot, "select * from codes where model = 'manifold'").to_pylist()
    assert len(codes) == plan["windows"]
    for row in codes:
        assert (row["data"], row["bits"], row["steps"] <= 4) == (b"", 0.0, True)
        assert len(row["embedding"]) == 128
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
    assert reindex(MODEL, str(home.home))["cached"] == report["inputs"]
