"""The notebook opens a home with nothing of Stillhouse, and draws what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from conftest import Road

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.py"


def test_the_notebook_runs_over_a_home(road: Road, tmp_path: Path) -> None:
    """Its tables name the home's sessions and views, its picture has a curve a camera."""
    picture = tmp_path / "motion.png"
    # Outside the repository: what it imports is what anybody has.
    ran = subprocess.run(
        [sys.executable, str(NOTEBOOK), road.home, str(picture)],
        cwd=tmp_path,
        env={"PATH": "", "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for words in ("take_1", "heldout", "thumbnail", "appearance"):
        assert words in ran.stdout
    assert "2 camera(s)" in ran.stdout or "3 camera(s)" in ran.stdout
    drawn = cv2.imread(str(picture))
    colours = {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()}
    # Matplotlib's first two colours, as BGR.
    assert {(180, 119, 31), (14, 127, 255)} <= colours
    text = NOTEBOOK.read_text("utf-8")
    assert not any(f"\nimport {room}" in text for room in ("catalog", "tasks", "flows", "infra"))
