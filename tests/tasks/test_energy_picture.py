"""The picture of energy curves, and the tables of the bench, say what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from refinement_tables import curves, report

from tasks.codes.energy_picture import COLOURS, HEIGHT, WIDTH, energy_picture


def test_a_curve_falls_from_left_to_right_in_its_colour() -> None:
    """Evaluations go to the right, a lower energy is lower; each curve has a colour of its own."""
    falling = [(k, 2.0 - k / 100) for k in range(0, 101, 10)]
    picture = energy_picture([("one", falling), ("two", [(0, 1.0), (100, 0.9)])])
    assert picture.shape == (HEIGHT, WIDTH, 3)
    rows, columns = np.nonzero((picture[:, : WIDTH - 150] == COLOURS[0]).all(axis=2))
    left, right = columns.argmin(), columns.argmax()
    assert rows[left] < rows[right]
    assert (picture == COLOURS[1]).all(axis=2).any()


def test_without_a_curve_the_picture_is_empty() -> None:
    """A clip without pictures has none: nothing is drawn and nothing fails."""
    assert (energy_picture([]) == 255).all()
    assert (energy_picture([("none", [])]) == 255).all()
    assert (energy_picture([("unknown", [(0, float("nan"))])]) == 255).all()


def row(clip: str, method: str, after: float, seed: int = 0) -> dict[str, Any]:
    """One measurement of a clip whose start is 1."""
    same = dict.fromkeys(("before", "error_before", "bytes_before", "bytes_after"), 1.0)
    facts = {"session": clip[0], "clip_id": clip, "cameras": 1, "windows": 7, "seed": seed}
    spent = {"spent": 2000, "pictures": 8000, "cpu_s": 5.0, "curve": [(0, 1.0), (2000, after)]}
    return facts | same | spent | {"method": method, "after": after, "error_after": after}


def test_wins_are_of_clips_that_every_method_has_been_through() -> None:
    """Means are of sessions; a clip that one method has not seen yet counts for none."""
    rows = [
        *(row("a1", "annealing", x, seed) for seed, x in enumerate((0.9, 0.8))),
        *(row("a1", "cold", 0.9, seed) for seed in range(2)),
        row("b1", "annealing", 0.7),
        row("b1", "cold", 0.7),
        row("b2", "annealing", 0.1),
    ]
    found = report(rows, ["annealing", "cold"], 2000, "models:/m/1")
    assert "2 held-out clips of 2 sessions, seeds [0, 1] (3 runs a method)" in found
    # (.85 + .7) / 2, one clip better and one equal.
    assert "| annealing | 0.7750 | 0.7750 | 1.0000 | 1 of 2, 1 equal | - | 2000 |" in found
    assert "- annealing - cold: -0.025" in found
    assert "no claim of significance" in found
    names = [name for name, _ in curves(rows, ["annealing", "cold"])]
    assert names == ["annealing", "cold"]
    assert "nothing has been measured" in report(rows[:1], ["annealing", "cold"], 1, "m")
