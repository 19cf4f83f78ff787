"""A generated archive in which something is done: a ball that sways or hops, known when and where.

Each recording is a room of its own before one camera that stands still; the ball sways in one half
of it and hops in the other, so that no picture of the place alone tells which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.mux import write_video
from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tasks.synthetic.world import Body

RATE = 25
# Metres to either side, and radians a second.
ACTIONS = {"sway": ((1.1, 0.0, 0.0), 9.0), "hop": ((0.0, 0.9, 0.0), 9.0)}
CAMERA = Camera(160, 120)


@dataclass(frozen=True)
class Acted:
    """What is true of one recording: `actions` in the order of its halves, of `frames` each."""

    file: Path
    seed: int
    actions: tuple[str, str]
    frames: int

    @property
    def name(self) -> str:
        """Of its session."""
        return self.file.stem

    @property
    def seconds(self) -> float:
        """Of each half."""
        return self.frames / RATE

    def world(self, action: str) -> World:
        """Return the room with its ball doing something."""
        world = World(self.seed, objects=1)
        world.bodies = [_doing(world.bodies[0], action)]
        return world

    def box(self, t_ns: int) -> npt.NDArray[np.float64]:
        """Return where the ball is seen at an instant: x0, y0, x1, y1 of 0 to 1."""
        action = self.actions[int(t_ns / 1e9 >= self.seconds)]
        rows, columns = np.nonzero(self.world(action).hits(CAMERA, t_ns).ids)
        corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return np.array(corners) / np.tile([CAMERA.width, CAMERA.height], 2)


def _doing(body: Body, action: str) -> Body:
    swing, pace = ACTIONS[action]
    return replace(
        body,
        kind="ball",
        half=np.full(3, 0.5),
        middle=np.zeros(3),
        swing=np.array(swing),
        pace=np.full(3, pace),
        phase=np.zeros(3),
        spin=0.0,
    )


def write_acted(folder: Path, recordings: int, frames: int = 50) -> list[Acted]:
    """Write so many recordings, every other one with the halves changed over; return the truth."""
    folder.mkdir()
    found = []
    for seed in range(recordings):
        order = tuple(ACTIONS)[:: 1 if seed % 2 else -1]
        acted = Acted(folder / f"room_{seed}.mp4", seed, (order[0], order[1]), frames)
        worlds = [acted.world(action) for action in acted.actions]
        pictures = (
            worlds[k >= frames].picture(CAMERA, k * 1_000_000_000 // RATE)
            for k in range(2 * frames)
        )
        write_video(acted.file, pictures, rate=RATE)
        found.append(acted)
    return found


def labels_of(recordings: list[Acted]) -> str:
    """Return the label file that tells all of it."""
    lines = ["session,start_s,end_s,label"]
    for one in recordings:
        for k, action in enumerate(one.actions):
            lines.append(f"{one.name},{k * one.seconds},{(k + 1) * one.seconds},{action}")
    return "\n".join(lines)
