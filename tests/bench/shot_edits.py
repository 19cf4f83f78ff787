"""Edited video with known truth: shots of rendered worlds or of given pictures, joined in each way.

Everything follows from a seed; reads and writes nothing. For measuring how well boundaries are
found, and how often something else is taken for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]
    Random = np.random.Generator

WIDTH, HEIGHT, RATE = 160, 96, 25
# A shaking camera is a window of this much less than the picture that wanders over it.
MARGIN = 16
JOINS = ("cut", "cut", "fade", "dissolve")


@dataclass(frozen=True, slots=True)
class Join:
    """A boundary: its kind, and the first and last frame at which it may be said to stand.

    A cut has one frame, the first of its new shot; a fade the frames of its flat colour (the two
    around it if none is flat); a dissolve all frames that are a mixture.
    """

    kind: str
    first: int
    last: int


@dataclass(slots=True)
class Edited:
    """Frames (H, W, 3) as they are to be encoded, and the truth about their boundaries."""

    frames: list[Pixels] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    flashes: int = 0
    quantiser: int = 26  # the encoder's crf


def edited(seed: int, footage: Sequence[Sequence[Pixels]] = (), shots: int = 5) -> Edited:
    """Make a video of so many shots: rendered, or cut from `footage`, takes of 60 pictures each."""
    random = np.random.default_rng([seed, 0x5407])
    made = Edited(quantiser=int(random.integers(20, 36)))
    noise = float(random.choice([0, 0, 2, 5]))
    for number in range(shots):
        material = (_given if footage else _rendered)(
            random, int(random.integers(60, 100)), footage
        )
        shot = _exposed(random, _moved(random, material))
        made.flashes += _flash(random, shot)
        _append(random, made, shot, "start" if number == 0 else str(random.choice(JOINS)))
    grain = random.normal(0, 1, (4, HEIGHT, WIDTH, 1)).astype(np.float32)
    made.frames = [
        np.clip(frame + noise * grain[random.integers(4), :, ::-1][..., :], 0, 255).astype(np.uint8)
        for frame in made.frames
    ]
    return made


def _rendered(random: Random, count: int, _: Sequence[Sequence[Pixels]]) -> list[Pixels]:
    world = World(int(random.integers(1 << 30)))
    camera = Camera(
        WIDTH + MARGIN,
        HEIGHT + MARGIN,
        azimuth=float(random.uniform(-3, 3)),
        elevation=float(random.uniform(-0.4, 0.1)),
        # Still, slow, and so fast that the picture is another one after a second.
        orbit=float(random.choice([0, 0, 0.15, 0.7])),
    )
    start = int(random.integers(60)) * 10**9
    # Objects at life's speed and at four times that.
    step_ns = 10**9 // RATE * int(random.choice([1, 1, 4])) if camera.orbit < 0.5 else 10**9 // RATE
    return [world.picture(camera, start + k * step_ns) for k in range(count)]


def _given(random: Random, count: int, footage: Sequence[Sequence[Pixels]]) -> list[Pixels]:
    source = footage[int(random.integers(len(footage)))]
    # At life's speed, and at three times that where there are pictures enough.
    step = int(random.choice([1, 1, 3])) if len(source) > 3 * count else 1
    count = min(count, len(source))
    first = int(random.integers(len(source) - (count - 1) * step))
    zoom = float(random.uniform(1, 2))
    size = (round((WIDTH + MARGIN) * zoom), round((HEIGHT + MARGIN) * zoom))
    left, top = (
        int(random.integers(side + 1))
        for side in (size[0] - WIDTH - MARGIN, size[1] - HEIGHT - MARGIN)
    )
    return [
        cv2.resize(source[first + k * step], size, interpolation=cv2.INTER_AREA)[
            top : top + HEIGHT + MARGIN, left : left + WIDTH + MARGIN
        ]
        for k in range(count)
    ]


def _moved(random: Random, frames: list[Pixels]) -> list[Pixels]:
    """Cut a window out of each picture: still in half the shots, else held by a shaking hand."""
    reach = float(random.choice([0, 0, 1.5, 4]))
    steps = random.normal(0, reach, (len(frames), 2))
    for k in range(1, len(steps)):
        steps[k] += 0.6 * steps[k - 1]
    at = np.clip(MARGIN / 2 + steps, 0, MARGIN).astype(int)
    return [frame[y : y + HEIGHT, x : x + WIDTH] for frame, (x, y) in zip(frames, at, strict=True)]


def _exposed(random: Random, frames: list[Pixels]) -> list[Floats]:
    gain, gamma = random.uniform(0.6, 1.3), random.uniform(0.7, 1.5)
    curve = np.clip(255 * gain * (np.arange(256) / 255) ** gamma, 0, 255).astype(np.float32)
    return [curve[frame] for frame in frames]


def _flash(random: Random, shot: list[Floats]) -> int:
    """Let one to three frames of every third shot be lit by a flash, or go dark."""
    if random.random() > 0.34:
        return 0
    first, length = int(random.integers(24, len(shot) - 30)), int(random.integers(1, 4))
    strength = float(random.uniform(0.5, 1))
    light = float(random.choice([255, 255, 0]))
    for k in range(first, first + length):
        shot[k] = shot[k] + strength * (light - shot[k])
        strength *= float(random.choice([1, 0.6]))
    return 1


def _append(random: Random, made: Edited, shot: list[Floats], kind: str) -> None:
    at = len(made.frames)
    if kind == "cut":
        made.joins.append(Join("cut", at, at))
    elif kind == "dissolve":
        length = int(random.integers(6, 26))
        shares = [(k + 1) / (length + 1) for k in range(length)]
        before = made.frames[-length:]
        del made.frames[-length:]
        mixed = [(1 - s) * a + s * b for s, a, b in zip(shares, before, shot, strict=False)]
        made.joins.append(Join("dissolve", at - length, at))
        shot = [*mixed, *shot[length:]]
    elif kind == "fade":
        flat = np.full((HEIGHT, WIDTH, 3), random.choice([0, 0, 255]), np.float32)
        out, back = (int(length) for length in random.integers(5, 22, 2))
        for k in range(out):
            share = (k + 1) / (out + 1)
            made.frames[at - out + k] = (1 - share) * made.frames[at - out + k] + share * flat
        for k in range(back):
            share = 1 - (k + 1) / (back + 1)
            shot[k] = (1 - share) * shot[k] + share * flat
        hold = int(random.integers(0, 8))
        made.joins.append(Join("fade", at - (hold == 0), at + max(0, hold - 1)))
        shot = [*[flat] * hold, *shot]
    made.frames += shot
