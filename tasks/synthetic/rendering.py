"""Rendered scenes with truth: a room or open ground, objects, a person, seen by any camera.

Everything follows from a seed. Renders with the CPU renderer of `pybullet` (zlib licence, the
optional extra `render`), which knows depth, what each pixel shows and where the joints are.
Writes textures to a temporary folder, reads the package's own models. World: metres, y up.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from infra.errors import RendererMissingError
from tasks.rigs.calibration import row
from tasks.rigs.pinhole import looking, opengl_matrices, project
from tasks.synthetic.humanoid import Humanoid, clip_names
from tasks.synthetic.world import texture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Matrix = npt.NDArray[np.float64]

# What a pixel shows.
ROOM, OBJECT, PERSON, SKY = range(4)
NEAR, FAR = 0.1, 60.0  # metres
_PATTERNS, _PATTERN_SIDE = 24, 128


@dataclass(frozen=True)
class Rendered:
    """One picture and what is true of it.

    `rgb` (H, W, 3) uint8; `depth` (H, W) float32 metres along the optical axis, infinite in the
    sky; `parts` (H, W) uint8 of ROOM, OBJECT, PERSON, SKY; `joints` name -> (3,) metres of the
    world, None without a person.
    """

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    parts: npt.NDArray[np.uint8]
    joints: dict[str, Matrix] | None
    camera: CameraModel

    @property
    def inverse_depth(self) -> npt.NDArray[np.float32]:
        """1 / depth, (H, W), 0 in the sky."""
        return (1 / self.depth).astype(np.float32)

    def joints_px(self) -> dict[str, Matrix]:
        """Return where each joint is in the picture, x and y in pixels, in or out of it."""
        return {name: project(self.camera, point) for name, point in (self.joints or {}).items()}


class Scene:
    """One scene of a seed, open until `close`; `person` forces one in or out.

    Raises:
        RendererMissingError: pybullet is not installed.
    """

    def __init__(self, seed: int, *, person: bool | None = None) -> None:
        self._engine = _engine()
        self._rng = np.random.default_rng([seed, 0x5CE2E])
        rng = self._rng
        self._client: int = self._engine.connect(self._engine.DIRECT)
        self._parts: dict[int, int] = {-1: SKY}
        self.half = rng.uniform([2.8, 1.2, 2.8], [5.0, 1.8, 5.0])  # of the room, metres
        self.indoors = bool(rng.random() < 0.7)
        self._sky = rng.uniform([120, 140, 160], [230, 240, 255], (2, 3))
        self._light = _light(rng)
        self._solids: list[tuple[Matrix, float]] = []
        with TemporaryDirectory() as folder:
            textures = [self._texture(Path(folder) / f"{k}.png", rng) for k in range(6)]
        self._build(textures)
        for _ in range(int(rng.integers(3, 10))):
            self._object(textures)
        has_person = bool(rng.random() < 0.6) if person is None else person
        clip, heading = str(rng.choice(clip_names())), float(rng.uniform(-np.pi, np.pi))
        self.person: Humanoid | None = None
        if has_person:
            place = rng.uniform(-0.5, 0.5, 2)
            with _quiet():
                self.person = Humanoid(
                    self._engine, self._client, clip, (float(place[0]), float(place[1])), heading
                )
            self.person.dress(rng)
            self._parts[self.person.body] = PERSON
            self._solids.append((np.array([place[0], 0.9, place[1]]), 1.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the engine's memory back."""
        self._engine.disconnect(physicsClientId=self._client)

    def random_camera(self, width: int, height: int) -> CameraModel:
        """Return a camera somewhere in the scene that looks at its middle, a little aside."""
        rng = self._rng
        for _ in range(50):
            around, away = rng.uniform(-np.pi, np.pi), rng.uniform(1.4, 5.0)
            eye = np.array([away * np.cos(around), rng.uniform(0.3, 2.3), away * np.sin(around)])
            if self.indoors:
                least, most = np.array([-1, 0, -1]), np.array([1, 2, 1])
                eye = np.clip(eye, least * (self.half - 0.25), most * self.half - 0.25)
            if all(np.linalg.norm(eye - at) > radius + 0.35 for at, radius in self._solids):
                break
        target = rng.uniform([-0.8, 0.3, -0.8], [0.8, 1.3, 0.8])
        focal = max(width, height) / 2 / np.tan(np.radians(rng.uniform(40, 80)) / 2)
        return looking(eye, target, float(focal), (width, height), float(rng.normal(0, 0.05)))

    def random_pair(
        self, width: int, height: int, baseline: float
    ) -> tuple[CameraModel, CameraModel]:
        """Return two cameras `baseline` metres apart, side by side, with equal axes."""
        left = self.random_camera(width, height)
        shift = np.array(left.translation) - [baseline, 0.0, 0.0]
        return left, replace(left, name="right", translation=row(shift))

    def render(self, camera: CameraModel, seconds: float = 0.0) -> Rendered:
        """Return what an undistorted camera sees at an instant."""
        engine = self._engine
        if self.person is not None:
            self.person.pose(seconds)
        _, _, rgba, buffer, bodies = engine.getCameraImage(
            camera.width,
            camera.height,
            *opengl_matrices(camera, NEAR, FAR),
            renderer=engine.ER_TINY_RENDERER,
            physicsClientId=self._client,
            **self._light,
        )
        shape = (camera.height, camera.width)
        body = np.asarray(bodies, np.int32).reshape(shape)
        parts = np.full(shape, ROOM, np.uint8)
        for number in np.unique(body):
            parts[body == number] = self._parts[int(number)]
        z = np.asarray(buffer, np.float64).reshape(shape)
        depth = (FAR * NEAR / (FAR - (FAR - NEAR) * z)).astype(np.float32)
        depth[parts == SKY] = np.inf
        rgb = np.asarray(rgba, np.uint8).reshape(*shape, 4)[..., :3].copy()
        share = np.linspace(0, 1, shape[0])[:, None, None]
        heaven = np.broadcast_to(self._sky[0] * (1 - share) + self._sky[1] * share, rgb.shape)
        rgb[parts == SKY] = heaven.astype(np.uint8)[parts == SKY]
        joints = None if self.person is None else self.person.joints()
        return Rendered(rgb, depth, parts, joints, camera)

    def _texture(self, file: Path, rng: np.random.Generator) -> int:
        # The engine knows textures by their file's name: each needs its own.
        pattern = _pattern(int(rng.integers(_PATTERNS)))
        tint = rng.uniform(0.6, 1.2, 3)
        cv2.imwrite(str(file), np.clip(pattern * tint, 0, 255).astype(np.uint8))
        found: int = self._engine.loadTexture(str(file), physicsClientId=self._client)
        return found

    def _build(self, textures: list[int]) -> None:
        """Lay the ground; indoors four walls and a ceiling."""
        x, y, z = self.half
        slab = 0.05
        ground = 25.0 if not self.indoors else 1.0
        plates = [((ground * x, slab, ground * z), (0, -slab, 0), textures[0])]
        if self.indoors:
            wall = textures[1]
            plates += [
                ((x, slab, z), (0, 2 * y + slab, 0), textures[2]),
                *(((slab, y, z), (side * (x + slab), y, 0), wall) for side in (-1, 1)),
                *(((x, y, slab), (0, y, side * (z + slab)), wall) for side in (-1, 1)),
            ]
        for half, at, pattern in plates:
            self._parts[self._solid("box", half, at, pattern)] = ROOM

    def _object(self, textures: list[int]) -> None:
        """Put one body on the ground or in the air, away from the middle."""
        rng = self._rng
        kind = str(rng.choice(["box", "ball", "cylinder"]))
        half = rng.uniform([0.08, 0.08, 0.08], [0.5, 0.9, 0.5])
        around, away = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, min(self.half[[0, 2]]) - 0.3)
        lift = rng.uniform(0, 1.2) if rng.random() < 0.2 else 0.0
        tall = half[0] if kind == "ball" else half[1]
        at = np.array([away * np.cos(around), tall + lift, away * np.sin(around)])
        turn = [0.0, float(rng.uniform(-np.pi, np.pi)), 0.0]
        pattern = int(rng.choice(textures)) if rng.random() < 0.7 else None
        body = self._solid(kind, half, at, pattern, turn, [*rng.uniform(0.2, 1.0, 3), 1.0])
        self._parts[body] = OBJECT
        self._solids.append((at, float(np.linalg.norm(half))))

    def _solid(
        self,
        kind: str,
        half: Any,  # noqa: ANN401  three numbers
        at: Any,  # noqa: ANN401
        pattern: int | None,
        turn: list[float] | None = None,
        colour: list[float] | None = None,
    ) -> int:
        engine, client = self._engine, self._client
        turn = turn or [0.0, 0.0, 0.0]
        if kind == "box":
            shape = {"shapeType": engine.GEOM_BOX, "halfExtents": [float(h) for h in half]}
        elif kind == "ball":
            shape = {"shapeType": engine.GEOM_SPHERE, "radius": float(half[0])}
        else:
            shape = {
                "shapeType": engine.GEOM_CYLINDER,
                "radius": float(half[0]),
                "length": float(2 * half[1]),
            }
            turn = [-np.pi / 2, 0.0, 0.0]  # a cylinder is along z, and stands
        look = engine.createVisualShape(
            **shape, rgbaColor=colour or [1, 1, 1, 1], physicsClientId=client
        )
        body: int = engine.createMultiBody(
            0,
            -1,
            look,
            [float(c) for c in at],
            engine.getQuaternionFromEuler(turn),
            physicsClientId=client,
        )
        if pattern is not None:
            engine.changeVisualShape(body, -1, textureUniqueId=pattern, physicsClientId=client)
        return body


def _light(rng: np.random.Generator) -> dict[str, Any]:
    """Draw where the light is, its colour, and how soft; one scene in three has hard shadows."""
    direction = rng.uniform([-2, 1, -2], [2, 3, 2])
    ambient = float(rng.uniform(0.35, 0.7))
    return {
        "lightDirection": direction.tolist(),
        "lightColor": rng.uniform(0.75, 1.0, 3).tolist(),
        "lightAmbientCoeff": ambient,
        "lightDiffuseCoeff": 1.0 - ambient,
        "lightSpecularCoeff": float(rng.uniform(0, 0.3)),
        # Shadows cost 40 ms a picture of 256 px, without them it is 16.
        "shadow": int(rng.random() < 1 / 3),
    }


@cache
def _pattern(number: int) -> npt.NDArray[np.uint8]:
    """Return one of the textures: noise, plain colour, stripes, checks, planks."""
    rng = np.random.default_rng([number, 0x7E27])
    side = _PATTERN_SIDE
    noise = texture(rng, side, base=rng.uniform(60, 200, 3), contrast=float(rng.uniform(5, 45)))
    if number % 2:
        return noise
    y, x = np.mgrid[:side, :side]
    period = int(rng.choice([8, 16, 32]))
    drawn = {
        0: (x // period) % 2,
        1: (x // period + y // period) % 2,
        2: ((x + (y // period % 2) * period) // (2 * period) % 2) * 0.6 + (y % period < 2) * 0.4,
    }[number // 2 % 3]
    colours = rng.uniform(30, 230, (2, 3))
    lines = colours[0] + (colours[1] - colours[0]) * drawn[..., None]
    mixed = np.clip(lines + 0.5 * (noise - noise.mean()), 0, 255)
    return np.asarray(mixed, np.uint8)


@cache
def _engine() -> Any:  # noqa: ANN401  a C module
    try:
        with _quiet():
            return importlib.import_module("pybullet")
    except ModuleNotFoundError as error:
        raise RendererMissingError(
            "Rendered scenes need the package pybullet.",
            command="pip install 'stillhouse[render]'",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what the engine's C code says to nowhere: stdout belongs to results."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C still holds would come out afterwards
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)
        os.close(nowhere)
