"""Energy curves as a picture: how far each clip's best code has come after so many evaluations.

Numbers in, a picture out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 60, 24, 150, 40
# Ten colours that stay apart, after ColorBrewer's Set1 and Dark2.
COLOURS = (
    (228, 26, 28),
    (55, 126, 184),
    (77, 175, 74),
    (152, 78, 163),
    (255, 127, 0),
    (166, 86, 40),
    (247, 129, 191),
    (27, 158, 119),
    (102, 102, 102),
    (230, 171, 2),
)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def energy_picture(
    curves: Sequence[tuple[str, Sequence[tuple[int, float]]]],
) -> npt.NDArray[np.uint8]:
    """Draw at most ten curves of (evaluations, energy), each as a share of its start: rgb uint8."""
    drawn = [(name[:16], [p for p in curve if p[1] == p[1]]) for name, curve in curves[:10]]
    shares = [
        (name, [(x, y / (points[0][1] or 1.0)) for x, y in points])
        for name, points in drawn
        if points
    ]
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    if not shares:
        return picture
    most = max(x for _, points in shares for x, _ in points) or 1
    low = min(y for _, points in shares for _, y in points)
    low = min(low, 0.99)
    # A twentieth of the range is left free at the bottom.
    low -= (1 - low) * 0.05
    for k in range(5):
        share = low + (1 - low) * k / 4
        _, y = _place(0, share, most, low)
        cv2.line(picture, (LEFT, y), (WIDTH - RIGHT, y), (225, 225, 225), 1)
        cv2.putText(picture, f"{share:.3f}", (6, y + 4), FONT, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
        x, _ = _place(most * k / 4, low, most, low)
        label = f"{round(most * k / 4)}"
        cv2.putText(picture, label, (x - 12, HEIGHT - 20), FONT, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
    said = "energy of the best code, share of the start / evaluations"
    cv2.putText(picture, said, (LEFT, 16), FONT, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    for k, (name, points) in enumerate(shares):
        places = np.array([_place(x, y, most, low) for x, y in points], np.int32)
        cv2.polylines(picture, [places], False, COLOURS[k], 2, cv2.LINE_AA)  # noqa: FBT003
        at = (WIDTH - RIGHT + 8, TOP + 14 + 18 * k)
        cv2.putText(picture, name, at, FONT, 0.4, COLOURS[k], 1, cv2.LINE_AA)
    return picture


def _place(x: float, share: float, most: int, low: float) -> tuple[int, int]:
    across = LEFT + (WIDTH - LEFT - RIGHT) * x / most
    down = TOP + (HEIGHT - TOP - BOTTOM) * (1 - (share - low) / (1 - low))
    return round(across), round(down)
