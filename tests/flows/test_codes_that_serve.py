"""Which codes serve: after a rollback, while features are missing, beside models that fail."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from registered_distillers import register_distiller

from catalog.query import rows, run
from catalog.store import Catalog
from flows.reindex import reindex
from flows.standing import reindex_plan
from infra import registry
from infra.errors import ModelArchitectureError, ModelInvalidError
from infra.settings import Settings, load_settings
from models import weights
from tasks.distiller.presets import MODEL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road

# What may become of a clip.
SETTLED = ("done", "cached", "quarantined", "failed", "pending")


@pytest.fixture(scope="module")
def features(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the features of the generated archive, and no distiller."""
    home = tmp_path_factory.mktemp("reindex")
    shutil.copytree(road.settings.catalog, home / "catalog")
    (home / "assets").symlink_to(road.settings.assets)
    return load_settings(home)


def promoted(settings: Settings, seed: int, preset: str = "ci") -> int:
    """Make a network of this seed the champion; return its version."""
    return register_distiller(settings, settings.root / f"net-{seed}", seed, preset=preset)


def asked(settings: Settings, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query over the catalog as it is now."""
    found: list[dict[str, Any]] = run(Catalog(settings.catalog).snapshot(), sql).to_pylist()
    return found


def settled(report: dict[str, Any]) -> dict[str, int]:
    """Return the outcomes of a run that are not 0."""
    return {name: report[name] for name in SETTLED if report[name]}


@pytest.fixture(scope="module")
def encoded(features: Settings) -> Settings:
    """The home after a first run by its first champion."""
    promoted(features, 1)
    report = reindex(home=str(features.home))
    assert settled(report) == {"done": report["inputs"]}
    return features


def test_after_a_rollback_the_codes_of_before_serve_again(encoded: Settings) -> None:
    """Nothing is encoded: they were never removed. Vacuum then ends those of after."""
    second = promoted(encoded, 2)
    report = reindex(home=str(encoded.home))
    assert settled(report) == {"done": report["inputs"]}
    serving = asked(encoded, "select distinct model_version from current_codes")
    assert serving == [{"model_version": second}]
    _, back = registry.rollback(encoded, MODEL_NAME)
    again = reindex(home=str(encoded.home))
    assert settled(again) == {"cached": report["inputs"]}
    serving = asked(encoded, "select distinct model_version from current_codes")
    assert serving == [{"model_version": back}]
    swept = reindex(home=str(encoded.home), vacuum=True)
    assert swept["codes_removed"] == report["codes"]
    assert asked(encoded, "select distinct model_version from codes") == serving


def test_clips_without_features_are_pending_and_what_served_goes_on_serving(
    encoded: Settings, tmp_path: Path
) -> None:
    """The report says `stillhouse extract`; nothing is served or removed until then."""
    from deltalake import DeltaTable

    shutil.copytree(encoded.root, tmp_path / "home", symlinks=True)
    settings = load_settings(tmp_path / "home")
    serving = asked(settings, "select code_id from current_codes order by all")
    assert serving
    DeltaTable(f"{settings.catalog}/features").delete("view = 'thumbnail'")
    promoted(settings, 7)
    report = reindex(home=str(settings.home), vacuum=True)
    assert settled(report) == {"pending": report["inputs"]}
    assert report["pending_until"] == "stillhouse extract"
    assert asked(settings, "select code_id from current_codes order by all") == serving
    assert rows(Catalog(settings.catalog).snapshot(), "serving_codes")


def test_explain_says_why_a_code_is_current_or_not(encoded: Settings) -> None:
    """A code that is there is current; under a new champion the reason names the model."""
    from tasks.codes.explain import explain_code

    clip = asked(encoded, "select min(clip_id) as clip_id from current_clips")[0]["clip_id"]
    assert explain_code(encoded, clip)["current"]
    promoted(encoded, 5)
    found = explain_code(encoded, clip)
    assert not found["current"]
    assert "model" in found["reason"]


def test_a_model_of_another_architecture_version_is_refused(
    encoded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a later version of this application registered is said by name; nothing is written."""
    shutil.copytree(encoded.root, tmp_path / "home", symlinks=True)
    settings = load_settings(tmp_path / "home")
    before = asked(settings, "select count(*) as n from codes")
    mine = weights.ARCHITECTURES["distiller"]
    with monkeypatch.context() as later:
        later.setitem(weights.ARCHITECTURES, "distiller", mine._replace(version=mine.version + 1))
        promoted(settings, 8)
    for ask in (lambda: reindex_plan(settings, None), lambda: reindex(home=str(settings.home))):
        with pytest.raises(ModelArchitectureError, match="distiller version") as caught:
            ask()
        assert caught.value.command == "stillhouse distill --model distiller"
    assert asked(settings, "select count(*) as n from codes") == before


def test_a_damaged_weight_file_is_refused_and_its_command_mends_it(
    encoded: Settings, tmp_path: Path
) -> None:
    """The command removes the damaged copy, and the registry's own is fetched again."""
    shutil.copytree(encoded.root, tmp_path / "home", symlinks=True)
    settings = load_settings(tmp_path / "home")
    promoted(settings, 9)
    kept = registry.download(settings, registry.champion(settings, MODEL_NAME))
    file = kept / weights.WEIGHTS_FILE
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ModelInvalidError, match="cannot be read") as caught:
        reindex(home=str(settings.home))
    assert caught.value.command == f"rm -r {kept}"
    shutil.rmtree(kept)
    planned = reindex_plan(settings, None)
    assert planned["to_encode"] == planned["clips"] > 0
