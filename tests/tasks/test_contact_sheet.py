"""A clip can be looked at: every camera, every view, where the archive is and where it is not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.query import run
from catalog.store import Catalog
from infra.errors import UsageError
from infra.settings import Settings
from tasks.extraction.contact_sheet import draw_clip
from tasks.extraction.sheet_layout import Cell, Strip, cell_size, sheet

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road


def take(road: Road) -> str:
    """Return a clip that several cameras saw."""
    sql = "select clip_id from current_clips where len(cameras) > 1 order by clip_id"
    return str(run(Catalog(road.settings.catalog).snapshot(), sql)["clip_id"][0].as_py())


def test_a_clip_is_drawn_with_all_its_cameras_and_views(road: Road, tmp_path: Path) -> None:
    """The picture has a row for each view and a block for each camera, none of them blank."""
    found = draw_clip(road.settings, take(road), tmp_path / "sheet.png")
    picture = cv2.imread(found["file"])
    assert len(found["cameras"]) > 1
    assert {"thumbnail", "flow"} <= set(found["views"])
    height, width = picture.shape[:2]
    assert width > 400
    assert height > 300
    assert picture.std() > 20


def test_an_archive_that_is_gone_leaves_the_thumbnails(road: Road, tmp_path: Path) -> None:
    """Where the videos cannot be read any more, what is drawn upon is what was stored."""
    home = tmp_path / "home"
    shutil.copytree(road.settings.home, home, symlinks=True)
    moved = road.truth.folder.with_name("elsewhere")
    road.truth.folder.rename(moved)
    try:
        found = draw_clip(Settings(home=home), take(road), None)
    finally:
        moved.rename(road.truth.folder)
    assert found["file"].startswith(str(home))
    assert cv2.imread(found["file"]).std() > 20


def test_a_clip_that_is_not_there_is_refused(road: Road) -> None:
    """The error says where the names of clips are."""
    with pytest.raises(UsageError) as refused:
        draw_clip(road.settings, "nothing", None)
    assert refused.value.command == "stillhouse show clips"


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (1, 1), (5000, 10), (10, 5000)])
def test_cells_have_the_shape_of_the_camera_within_reason(size: tuple[int, int]) -> None:
    """A tall camera has tall cells; one pixel by five thousand is still a picture."""
    width, height = cell_size(size)
    assert min(width, height) >= 50
    assert (width > height) == (size[0] > size[1]) or size[0] == size[1]


def test_what_is_not_there_says_why() -> None:
    """A cell without a picture is grey with its reason, however long that is."""
    blank = {"depth": Cell(None, "no depth model is promoted " * 9)}
    drawn = sheet("title", ["depth"], [Strip("cam", (80, 80), [("0.0 s", blank)])])
    assert drawn.dtype == np.uint8
    assert len(np.unique(drawn)) > 8
