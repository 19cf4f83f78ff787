"""Codes over the catalog: made once, stale when the model changes, old ones readable beside."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from catalog.query import run
from catalog.store import Catalog
from flows.reindex import reindex
from flows.standing import reindex_plan
from infra import registry
from infra.errors import ModelInvalidError, NoChampionError
from infra.settings import load_settings
from models import weights
from models.distiller import Distiller
from models.distiller_config import DistillerConfig
from tasks.distiller_presets import MODEL_NAME
from tasks.distiller_recipe import DistillerRecipe
from tasks.encoder import load_distiller

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from conftest import Road

    from infra.settings import Settings

SMALL = DistillerConfig(
    side=64, channels=(8, 8, 16, 16), pyramid=16, width=48, heads=2, layers=1, decoder=48
)


@pytest.fixture(scope="module")
def home(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the features of the generated archive, and no model."""
    folder = tmp_path_factory.mktemp("reindex") / "home"
    folder.mkdir()
    shutil.copytree(road.settings.catalog, folder / "catalog")
    (folder / "assets").symlink_to(road.settings.assets)
    return load_settings(folder)


def promote_new(settings: Settings, seed: int) -> int:
    """Register a distiller that nothing trained and make it champion."""
    torch.manual_seed(seed)
    net = Distiller(SMALL)
    net.codec.tabulate()
    folder = settings.root / f"made-{seed}"
    digest = weights.save(folder, net)
    with registry.start_run(settings, MODEL_NAME, {"seed": seed}, {}) as tracked:
        version = registry.register_model(
            tracked,
            MODEL_NAME,
            folder,
            example=DistillerRecipe().example(),
            tags={"preset": "ci", "weights_digest": digest},
        )
    registry.set_champion(settings, MODEL_NAME, version)
    return version


def asked(settings: Settings, query: str) -> pa.Table:
    """Return the answer of a query over the catalog as it is now."""
    return run(Catalog(settings.catalog).snapshot(), query)


def test_without_a_champion_nothing_is_encoded(home: Settings) -> None:
    """The error says which command makes one."""
    with pytest.raises(NoChampionError) as caught:
        reindex_plan(home, None)
    assert caught.value.command == "stillhouse promote distiller"


@pytest.fixture(scope="module")
def encoded(home: Settings) -> Settings:
    """The home after a first run, in which every clip was encoded."""
    promote_new(home, 1)
    planned = reindex_plan(home, None)
    assert (planned["current"], planned["to_encode"]) == (0, planned["clips"])
    assert planned["core_hours"] is None
    report = reindex(home=str(home.home))
    assert report["done"] == report["inputs"] == planned["clips"] > 0
    assert report["codes"] == planned["windows"]
    return home


def test_codes_cover_every_clip_and_say_what_the_model_says(encoded: Settings) -> None:
    """Windows lie side by side to the clip's end; bytes decode; embeddings have length 1."""
    found = asked(
        encoded,
        "select k.*, c.end_ns as clip_end_ns, c.start_ns as clip_start_ns, len(c.cameras) as many "
        "from codes as k join current_clips as c using (clip_id) order by clip_id, first",
    ).to_pylist()
    net = load_distiller(registry.download(encoded, registry.champion(encoded, MODEL_NAME)))
    ends: dict[str, int] = {}
    for row in found:
        assert row["start_ns"] == ends.get(row["clip_id"], row["clip_start_ns"])
        ends[row["clip_id"]] = row["end_ns"]
        assert len(row["cameras"]) == row["many"]
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
        symbols = net.codec.from_bytes(row["data"])
        assert float(net.codec.bits(symbols)) == pytest.approx(row["bits"], rel=1e-4)
        assert net.codec.to_bytes(symbols) == row["data"]
    for row in found:
        step_ns = encoded.grid_step_ns
        assert 0 <= ends[row["clip_id"]] - row["clip_end_ns"] < step_ns
    assert len({row["code_id"] for row in found}) == len(found)


def test_a_second_run_has_nothing_to_do(encoded: Settings) -> None:
    """Every clip is cached, and the estimate knows how long the first run took."""
    report = reindex(home=str(encoded.home))
    assert report["cached"] == report["inputs"]
    assert (report["done"], report["codes"]) == (0, 0)
    planned = reindex_plan(encoded, None)
    assert (planned["to_encode"], planned["core_hours"]) == (0, 0.0)


def test_a_new_champion_makes_all_codes_stale_and_old_ones_stay(encoded: Settings) -> None:
    """Both models' codes can be read; those of the new one serve; vacuum takes the old away."""
    before = asked(encoded, "select count(*) as n from codes")["n"][0].as_py()
    second = promote_new(encoded, 2)
    (clip_id,) = asked(encoded, "select min(clip_id) as c from codes")["c"].to_pylist()
    report = reindex(home=str(encoded.home))
    assert report["done"] == report["inputs"]
    after = asked(encoded, "from codes")
    assert after.num_rows == 2 * before
    serving = asked(encoded, "select distinct model_version from current_codes")
    assert serving["model_version"].to_pylist() == [second]
    old = asked(encoded, f"from codes where clip_id = '{clip_id}' and model_version = 1")
    assert old.num_rows
    named = reindex("models:/distiller/1", str(encoded.home))
    assert named["cached"] == named["inputs"]
    swept = reindex(home=str(encoded.home), vacuum=True)
    assert swept["removed"] == before
    left = asked(encoded, "select distinct model_version from codes")
    assert left["model_version"].to_pylist() == [second]


def test_codes_are_the_same_in_any_company(encoded: Settings) -> None:
    """A clip encoded by itself has the bytes that it had among the others."""
    from tasks.encode import plan_encode
    from tasks.encoder import Encoder, EncoderModel
    from tasks.run_record import FlowRun

    version = promote_new(encoded, 3)
    plan = plan_encode.fn(None, FlowRun("reindex", encoded))
    folder = registry.download(encoded, plan.version)
    model = EncoderModel(str(folder), MODEL_NAME, version, plan.version.digest)
    encoder = Encoder(model, plan.source, plan.steps, "test")
    together = encoder.run(plan.work).codes.to_pylist()
    apart = [row for clip in plan.work[:6] for row in encoder.run([clip]).codes.to_pylist()]
    whole = {row["code_id"]: row for row in together}
    for row in apart:
        assert row["data"] == whole[row["code_id"]]["data"]
        assert row["embedding"] == pytest.approx(whole[row["code_id"]]["embedding"], abs=1e-6)


def test_a_clip_that_cannot_be_encoded_is_refused_and_the_others_are_not(
    encoded: Settings,
) -> None:
    """A damaged feature costs its clip, which says why; it is not tried again by this model."""
    from catalog.schemas.features import FEATURES
    from tasks.encode import encode_clips, plan_encode
    from tasks.run_record import FlowRun

    promote_new(encoded, 4)
    run_now = FlowRun("reindex", encoded)
    plan = plan_encode.fn(None, run_now)
    victim = plan.work[0].clip_id
    catalog = Catalog(encoded.catalog)
    damaged = 0
    for file in catalog.snapshot().files(FEATURES):
        damaged += _damage(file, victim)
    assert damaged
    encode_clips.fn(plan, run_now)
    run_now.ledger.check()
    assert run_now.ledger.quarantined == 1
    assert run_now.ledger.done == run_now.ledger.inputs - 1
    refused = asked(encoded, "from quarantine where stage = 'reindex'").to_pylist()
    assert [(row["item_id"], row["reason"]) for row in refused] == [(victim, "not_encoded")]
    again = reindex(home=str(encoded.home))
    assert (again["quarantined"], again["done"]) == (1, 0)


def _damage(file: str, clip_id: str) -> int:
    """Cut the thumbnails of a clip short in a stored file, in place."""
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    rows = table.to_pylist()
    hit = 0
    for row in rows:
        if row["clip_id"] == clip_id and row["view"] == "thumbnail":
            row["data"], hit = row["data"][: len(row["data"]) // 2], hit + 1
    if hit:
        pq.write_table(type(table).from_pylist(rows, table.schema), file)
    return hit


def test_a_model_of_another_architecture_is_refused_in_words(tmp_path: Path) -> None:
    """So is one whose file was damaged; both name a command."""
    net = Distiller(SMALL)
    weights.save(tmp_path, net)
    file = tmp_path / weights.CONFIG_FILE
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"version": 99}))
    with pytest.raises(ModelInvalidError, match="cannot be used"):
        load_distiller(tmp_path)
    weights.save(tmp_path, net)
    blob = (tmp_path / weights.WEIGHTS_FILE).read_bytes()
    (tmp_path / weights.WEIGHTS_FILE).write_bytes(blob[:-8])
    with pytest.raises(ModelInvalidError, match="cannot be used"):
        load_distiller(tmp_path)
