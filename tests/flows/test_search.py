"""Search over the generated archive: what is shown is found, by code, picture, words and pose."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from registered_distillers import register_distiller

from catalog.query import run
from catalog.store import Catalog
from flows.reindex import reindex
from infra.errors import (
    AssetMissingError,
    CatalogEmptyError,
    SelectionInvalidError,
    UsageError,
)
from infra.settings import Settings
from tasks.search.find import search
from tasks.views.catalogue import view_named
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Road


@pytest.fixture(scope="module")
def searched(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with the road's catalog, and codes of every clip by an untrained distiller."""
    folder = tmp_path_factory.mktemp("searched")
    home = folder / "home"
    home.mkdir()
    (home / "assets").symlink_to(road.settings.assets.resolve())
    shutil.copytree(road.settings.root / "catalog", home / "catalog")
    settings = Settings(home=home, cpus=1)
    register_distiller(settings, folder / "first", seed=1)
    reindex(None, str(home))
    return settings


def asked(settings: Settings, sql: str) -> list[dict]:
    return run(Catalog(settings.catalog).snapshot(), sql).to_pylist()


def picture_of(settings: Settings, folder: Path) -> tuple[Path, dict]:
    """Write one stored picture of a clip as a PNG, and say of which clip and camera it is."""
    row = asked(
        settings,
        "select f.* from features as f semi join current_clips using (clip_id) "
        "where view = 'thumbnail' and absent is null order by clip_id, camera_id limit 1",
    )[0]
    shown = unpacked(view_named("thumbnail").spec, row).arrays[0]
    file = folder / "asked.png"
    cv2.imwrite(str(file), cv2.resize(shown[len(shown) // 2][..., ::-1], (320, 240)))
    return file, row


def test_a_clip_finds_others_and_never_itself(searched: Settings) -> None:
    """Every other clip comes once, best first; with `elsewhere` none of its own session."""
    clips = {row["clip_id"]: row for row in asked(searched, "select * from current_clips")}
    clip = next(iter(clips))
    found = search(searched, clip=clip, count=100)
    hits = found["hits"]
    assert found["searched"] == len(clips)
    assert {hit["clip_id"] for hit in hits} == set(clips) - {clip}
    assert len(hits) == len(clips) - 1
    assert [hit["score"] for hit in hits] == sorted((h["score"] for h in hits), reverse=True)
    for hit in hits:
        whole = clips[hit["clip_id"]]
        assert whole["start_ns"] <= hit["start_ns"] < hit["end_ns"] <= whole["end_ns"]
    session = clips[clip]["session_id"]
    others = search(searched, clip=clip, elsewhere=True, count=100)["hits"]
    assert others
    assert session not in {hit["session_id"] for hit in others}


def test_scores_are_the_cosines_that_sql_computes(searched: Settings) -> None:
    """The nearest window of each clip, as DuckDB finds it by itself."""
    clip = asked(searched, "select min(clip_id) as id from current_clips")[0]["id"]
    truth = run(
        Catalog(searched.catalog).snapshot(),
        "with c as (select clip_id, embedding::float[128] as e from current_codes where seen > 0) "
        "select b.clip_id, max(array_inner_product(a.e, b.e)) as score from c as a, c as b "
        "where a.clip_id = $clip and b.clip_id != a.clip_id group by 1",
        {"clip": clip},
    ).to_pylist()
    expected = {row["clip_id"]: row["score"] for row in truth}
    hits = search(searched, clip=clip, count=100)["hits"]
    assert {h["clip_id"]: h["score"] for h in hits} == pytest.approx(expected, abs=1e-3)


def test_a_picture_finds_the_clip_and_camera_it_is_of(searched: Settings, tmp_path: Path) -> None:
    """A thumbnail, enlarged, leads back to where it was taken: among the first, as all look alike.

    Every picture of the generated archive is of one room.
    """
    file, row = picture_of(searched, tmp_path)
    found = search(searched, picture=file, count=5)
    places = [(hit["session_id"], hit["camera_id"]) for hit in found["hits"]]
    assert (row["session_id"], row["camera_id"]) in places[:3]


def test_only_what_sql_chooses_is_found(searched: Settings, tmp_path: Path) -> None:
    """A filter by SQL; wrong SQL is refused as anywhere."""
    file, row = picture_of(searched, tmp_path)
    other = "select clip_id from current_clips where session_id != "
    other += f"'{row['session_id']}'"
    hits = search(searched, picture=file, where=other, count=100)["hits"]
    assert hits
    assert row["session_id"] not in {hit["session_id"] for hit in hits}
    with pytest.raises(SelectionInvalidError):
        search(searched, picture=file, where="drop table clips")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("not json", "no pose"),
        ("[1, 2]", "no pose"),
        ('{"left_wrist": [0, 1]}', "three joints"),
        ('{"tail": [0, 1], "nose": [0, 0], "left_hip": [1, 1]}', "no joint 'tail'"),
        ('{"nose": [0, 0], "left_hip": [0, 0], "right_hip": [0, 0]}', "one place"),
        ('{"nose": [0, 0], "left_hip": [0, NaN], "right_hip": [0, 1]}', "three joints"),
        ('{"nose": 3, "left_hip": 4, "right_hip": 5}', "three joints"),
    ],
)
def test_a_file_that_is_no_pose_is_refused(
    searched: Settings, tmp_path: Path, said: str, why: str
) -> None:
    """The message says what a pose is."""
    file = tmp_path / "pose.json"
    file.write_text(said)
    with pytest.raises(UsageError, match=why):
        search(searched, pose=file)


def test_what_cannot_be_asked_is_refused(searched: Settings, tmp_path: Path) -> None:
    """No question, two questions, no picture, no such clip, no words, no codes, no weights."""
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"\xff\xd8 no picture")
    for question in (
        {},
        {"clip": "x", "text": "y"},
        {"picture": wrong},
        {"picture": tmp_path / "absent.png"},
        {"clip": "no-such-clip"},
        {"text": " "},
    ):
        with pytest.raises(UsageError) as told:
            search(searched, **question)
        assert told.value.exit_code == 2
    with pytest.raises(CatalogEmptyError, match="has a code of nobody"):
        search(searched, clip="x", model="nobody")
    bare = Settings(home=tmp_path / "home", cpus=1)
    bare.prepare_home()
    with pytest.raises(CatalogEmptyError):
        search(bare, clip="x")
    shutil.copytree(searched.root / "catalog", bare.root / "catalog", dirs_exist_ok=True)
    file, _ = picture_of(searched, tmp_path)
    with pytest.raises(AssetMissingError):
        search(bare, picture=file)


def test_a_pose_finds_who_stands_so() -> None:
    """Moved and enlarged it is the same pose; mirrored it is another."""
    from models.nearest_groups import unit
    from tasks.search.searchable import pose_vectors

    rng = np.random.default_rng(0)
    pose = rng.random((6, 2)).astype(np.float32)
    moved, mirrored = pose * 3 + 5, pose * np.array([-1, 1], np.float32)
    a, b, c = unit(pose_vectors(np.stack([pose, moved, mirrored])))
    assert a @ b == pytest.approx(1, abs=1e-5)
    assert a @ c < 0.9


def test_names_of_joints_are_those_of_the_skeleton() -> None:
    """A name for each joint; odd numbers from 11 are left, as `joints.py` says."""
    from tasks.pose.joints import JOINTS
    from tasks.pose.names import NAMES

    assert len(NAMES) == len(set(NAMES)) == JOINTS
    assert all(
        name.startswith("left" if k % 2 else "right") for k, name in enumerate(NAMES) if k > 10
    )


def test_words_that_nothing_has_are_said_to_be_absent(searched: Settings) -> None:
    """The generated archive says nothing: there is nothing to search by words."""
    with pytest.raises(CatalogEmptyError) as told:
        search(searched, text="a person walks")
    assert told.value.command == "stillhouse extract --views text"


def test_json_has_the_contract(searched: Settings) -> None:
    """A hit has what DESIGN promises, and goes into JSON as it is."""
    clip = asked(searched, "select min(clip_id) as id from current_clips")[0]["id"]
    found = json.loads(json.dumps(search(searched, clip=clip, count=1)))
    (hit,) = found["hits"]
    assert {"clip_id", "session_id", "camera_id", "start_ns", "end_ns", "score"} <= set(hit)
