"""A humanoid of capsules and balls that plays motion-capture clips, in a physics engine's world.

Reads the model and the clips that the package `pybullet` ships (zlib licence); writes nothing.
The engine's world is in metres, y up. Nothing is simulated: each instant is set from the clip.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

# Standard joints by name, each with its link in humanoid.urdf; a link's frame lies in its joint.
JOINTS = {
    "pelvis": 0,
    "neck": 2,
    "right_shoulder": 3,
    "right_elbow": 4,
    "right_wrist": 5,
    "left_shoulder": 6,
    "left_elbow": 7,
    "left_wrist": 8,
    "right_hip": 9,
    "right_knee": 10,
    "right_ankle": 11,
    "left_hip": 12,
    "left_knee": 13,
    "left_ankle": 14,
}
_HEAD_LINK, _HEAD = 2, np.array([0.0, 0.175, 0.0])  # the ball's middle, metres from the neck
_LINKS = 15
# The model is four times as large as a person.
_SCALING = 0.25
# A frame of a clip: seconds, root position, root turn, then these links' turns: four numbers of a
# quaternion (w first) for a ball joint, one angle for a hinge.
_ORDER: tuple[tuple[int, int], ...] = (
    *((1, 4), (2, 4), (9, 4), (10, 1), (11, 4), (3, 4), (4, 1)),
    *((12, 4), (13, 1), (14, 4), (6, 4), (7, 1)),
)


def clip_names() -> tuple[str, ...]:
    """Return the names of the humanoid's motion clips: backflip, cartwheel, ..., walk."""
    found = sorted((_data() / "data" / "motions").glob("humanoid3d_*.txt"))
    return tuple(file.stem.removeprefix("humanoid3d_") for file in found)


@cache
def _clip(name: str) -> Matrix:
    """Return a clip's frames (F, 44)."""
    text = (_data() / "data" / "motions" / f"humanoid3d_{name}.txt").read_text("utf-8")
    return np.array(json.loads(text)["Frames"], np.float64)


def _data() -> Path:
    import pybullet_data

    return Path(pybullet_data.getDataPath())


class Humanoid:
    """One person in the world of the engine's client `client`; `clothes` colours each link.

    `place` is (x, z) on the floor and `heading` an angle about the vertical, in radians.
    """

    def __init__(
        self,
        engine: Any,  # noqa: ANN401  a C module
        client: int,
        clip: str,
        place: tuple[float, float],
        heading: float,
    ) -> None:
        self._engine, self._client = engine, client
        self.perform(clip)
        self._place, self._heading = place, heading
        self.body: int = engine.loadURDF(
            str(_data() / "humanoid" / "humanoid.urdf"),
            globalScaling=_SCALING,
            useFixedBase=True,
            physicsClientId=client,
        )

    def perform(self, clip: str) -> None:
        """Play another clip from now on, from the same place."""
        self._frames = _clip(clip)
        self._ends = np.cumsum(self._frames[:, 0])

    @property
    def seconds(self) -> float:
        """How long its clip is; it begins anew after that."""
        return float(self._ends[-1])

    def dress(self, rng: np.random.Generator) -> None:
        """Give skin to head and hands, one colour each to trunk, arms and legs."""
        skin = np.array([0.95, 0.78, 0.65]) * rng.uniform(0.35, 1.0)
        top, trousers = rng.uniform(0.05, 1.0, (2, 3))
        colours = {2: skin, 5: skin, 8: skin} | dict.fromkeys((-1, 0, 1, 3, 4, 6, 7), top)
        for link in range(-1, _LINKS):
            colour = [*colours.get(link, trousers), 1.0]
            self._engine.changeVisualShape(
                self.body, link, rgbaColor=colour, physicsClientId=self._client
            )

    def pose(self, seconds: float) -> None:
        """Stand as the clip does at an instant, between its frames linearly."""
        engine, client = self._engine, self._client
        frame = self._at(seconds % self.seconds)
        turn = engine.getQuaternionFromEuler([0.0, self._heading, 0.0])
        at = frame[1:4] - self._frames[0, 1:4] * [1, 0, 1]  # from where the clip begins
        position, facing = engine.multiplyTransforms(
            [self._place[0], 0.0, self._place[1]], turn, at.tolist(), _xyzw(frame[4:8])
        )
        engine.resetBasePositionAndOrientation(self.body, position, facing, physicsClientId=client)
        column = 8
        for link, size in _ORDER:
            value = frame[column : column + size]
            column += size
            turned = _xyzw(value) if size == 4 else [float(value[0])]
            engine.resetJointStateMultiDof(self.body, link, turned, physicsClientId=client)

    def joints(self) -> dict[str, Matrix]:
        """Return where each standard joint and the head's middle are: (3,) metres, y up."""
        engine, client = self._engine, self._client
        states = engine.getLinkStates(
            self.body, list(range(_LINKS)), computeForwardKinematics=True, physicsClientId=client
        )
        found = {name: np.array(states[link][4]) for name, link in JOINTS.items()}
        neck = states[_HEAD_LINK]
        found["head"] = np.array(
            engine.multiplyTransforms(neck[4], neck[5], _HEAD.tolist(), [0, 0, 0, 1])[0]
        )
        return found

    def _at(self, seconds: float) -> Matrix:
        after = min(int(np.searchsorted(self._ends, seconds, "right")), len(self._frames) - 1)
        one, two = self._frames[after], self._frames[min(after + 1, len(self._frames) - 1)]
        share = (seconds - (self._ends[after] - one[0])) / max(one[0], 1e-9)
        frame = one + np.clip(share, 0, 1) * (two - one)
        # Quaternions that mean nearly the same turn may have opposite signs.
        for column, size in _quaternions():
            a, b = one[column : column + size], two[column : column + size]
            mixed = a + np.clip(share, 0, 1) * (np.copysign(1, a @ b) * b - a)
            frame[column : column + size] = mixed / np.linalg.norm(mixed)
        return np.asarray(frame)


@cache
def _quaternions() -> tuple[tuple[int, int], ...]:
    """Return (column, 4) of every quaternion of a frame."""
    found, column = [(4, 4)], 8
    for _, size in _ORDER:
        if size == 4:
            found.append((column, size))
        column += size
    return tuple(found)


def _xyzw(quaternion: Matrix) -> list[float]:
    return [float(quaternion[k]) for k in (1, 2, 3, 0)]
