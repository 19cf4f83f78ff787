"""Search by words finds what label files and the model of actions say of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from coded_catalog import SECOND, add_sessions
from small_catalog import filled

from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from infra.errors import CatalogEmptyError
from infra.settings import Settings
from tasks.labels.labelling import commit_labels, plan_labels
from tasks.runs.record import FlowRun
from tasks.search.find import search

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path, weights: Path) -> Settings:
    """Three sessions of two clips, 2 s each, without words of their own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "assets").symlink_to(weights)
    found = Settings(home=home)
    add_sessions(found, {"kitchen": 2, "street": 2, "field": 2})
    return found


def label(settings: Settings, *lines: str) -> None:
    """Commit a label file."""
    file = settings.home / "labels.csv"
    file.write_text("\n".join(["session,start_s,end_s,label", *lines]), "utf-8")
    run = FlowRun("label", settings)
    commit_labels.fn(plan_labels.fn(file, run), run)


def tell(settings: Settings, clip_id: str, said: str, created_ns: int) -> None:
    """Commit what a model of actions told of a clip at some time."""
    name = f"{clip_id} {created_ns}"
    place = {"generation_id": name, "clip_id": clip_id, "session_id": clip_id[:-5]}
    place |= {"camera_id": "cam", "start_ns": 0, "end_ns": SECOND}
    made = {"application": "action", "created_ns": created_ns}
    catalog = Catalog(settings.catalog)
    catalog.commit(TABLES["generations"], [filled(TABLES["generations"], **place, **made)])
    catalog.commit(TABLES["actions"], [filled(TABLES["actions"], **place, label=said)])


def hits(settings: Settings, text: str, **asked: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return what is found by words."""
    found: list[dict[str, Any]] = search(settings, text=text, **asked)["hits"]
    return found


def test_a_label_file_is_found_by_what_it_means(settings: Settings) -> None:
    """Other words for the same: the clips and stretches that the label is of, before others."""
    label(settings, "kitchen,,,cooking a meal", "street,1,2.5,riding a bicycle")
    found = hits(settings, "cyclists")
    assert [hit["clip_id"] for hit in found[:2]] == ["street-0000", "street-0001"]
    assert [hit["start_ns"] for hit in found[:2]] == [SECOND, 2 * SECOND]
    assert [hit["end_ns"] for hit in found[:2]] == [2 * SECOND, 5 * SECOND // 2]
    assert {hit["said"] for hit in found} == {"label"}
    assert {hit["clip_id"] for hit in found[2:]} == {"kitchen-0000", "kitchen-0001"}
    assert hits(settings, "preparing food")[0]["label"] == "cooking a meal"


def test_what_was_told_last_of_a_clip_is_found(settings: Settings) -> None:
    """A prediction of an older model is not: that clip is now told otherwise."""
    tell(settings, "field-0000", "somebody plays football", created_ns=1)
    tell(settings, "field-0000", "a cow grazes", created_ns=2)
    tell(settings, "street-0001", "somebody plays football", created_ns=1)
    found = hits(settings, "a soccer match")
    assert (found[0]["clip_id"], found[0]["said"]) == ("street-0001", "predicted")
    assert {hit["label"] for hit in found if hit["clip_id"] == "field-0000"} == {"a cow grazes"}


def test_sql_filters_what_is_found_by_label(settings: Settings) -> None:
    """The best clip is left out where SQL leaves it out."""
    label(settings, "kitchen,,,cooking a meal")
    tell(settings, "field-0001", "cooking over a fire", created_ns=1)
    where = "select clip_id from current_clips where clip_id like 'field%'"
    assert {hit["clip_id"] for hit in hits(settings, "cooking")} > {"field-0001"}
    assert [hit["clip_id"] for hit in hits(settings, "cooking", where=where)] == ["field-0001"]


def test_labels_that_say_nothing_are_passed_over(settings: Settings) -> None:
    """A label of markup alone has no words; without any there is nothing to search."""
    label(settings, "kitchen,,,<b></b>")
    with pytest.raises(CatalogEmptyError):
        hits(settings, "cooking")
    label(settings, "street,,,walking")
    assert {hit["label"] for hit in hits(settings, "cooking")} == {"walking"}
