"""Style pictures made by arithmetic: strokes, mosaics, waves and the like in random colours.

Reads and writes nothing. What a network learns styles from must be ours to use: these are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]
    Random = np.random.Generator

SIDE = 256


def texture(kind: str, seed: int, side: int = SIDE) -> Pixels:
    """Return a picture (side, side, 3) uint8 of one of `KINDS`; equal arguments, equal picture."""
    random = np.random.default_rng([seed, *kind.encode()])
    field = KINDS[kind](random, side)
    return _coloured(field, random)


def _coloured(field: Floats, random: Random) -> Pixels:
    """Colour a field 0..1 by a palette of 3 to 5 random colours, light ones beside dark ones."""
    count = int(random.integers(3, 6))
    palette = random.uniform(0, 1, (count, 3))
    palette *= np.linspace(0.15, 1.0, count)[:, None] / palette.max(axis=1, keepdims=True)
    if random.random() < 0.5:
        random.shuffle(palette)
    at = np.clip(field, 0, 1) * (count - 1)
    if random.random() < 0.5:
        at = np.round(at)  # flat colours, as of a print
    channels = [np.interp(at, np.arange(count), palette[:, k]) for k in range(3)]
    return (np.stack(channels, axis=-1) * 255).astype(np.uint8)


def _noise(random: Random, side: int, sigma: float) -> Floats:
    found = cv2.GaussianBlur(random.normal(size=(side, side)).astype(np.float32), (0, 0), sigma)
    return np.asarray(cv2.normalize(found, None, 0, 1, cv2.NORM_MINMAX), np.float32)


def _clouds(random: Random, side: int) -> Floats:
    layers = [_noise(random, side, s) * s for s in (2.0, 6.0, 18.0)]
    return np.asarray(np.sum(layers, axis=0) / 26, np.float32)


def _waves(random: Random, side: int) -> Floats:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle, period = random.uniform(0, np.pi), random.uniform(8, 28)
    bent = 40 * _noise(random, side, 20.0)
    phase = (x * np.cos(angle) + y * np.sin(angle) + bent) * 2 * np.pi / period
    return np.asarray(0.5 + 0.5 * np.sin(phase), np.float32)


def _mosaic(random: Random, side: int) -> Floats:
    cells = int(random.integers(40, 220))
    points = random.uniform(0, side, (cells, 2))
    pixels = np.moveaxis(np.mgrid[:side, :side], 0, -1)
    near, nearest = cKDTree(points).query(pixels, k=2)
    value = random.uniform(0.2, 1, cells)[nearest[..., 0]]
    return np.where(near[..., 1] - near[..., 0] < 2.5, 0.0, value).astype(np.float32)


def _strokes(random: Random, side: int) -> Floats:
    field = _clouds(random, side)
    length, broad = int(random.integers(8, 30)), int(random.integers(2, 6))
    turn = 2 * np.pi * _noise(random, side, 30.0)
    for _ in range(side * side // (length * broad)):
        y, x = (int(n) for n in random.integers(0, side, 2))
        step = length * np.array([np.cos(turn[y, x]), np.sin(turn[y, x])])
        value = float(np.clip(field[y, x] + random.normal() * 0.2, 0, 1))
        end = (int(x + step[0]), int(y + step[1]))
        cv2.line(field, (x, y), end, value, broad, cv2.LINE_AA)
    return field


def _dots(random: Random, side: int) -> Floats:
    field = np.full((side, side), random.uniform(0, 0.3), np.float32)
    pitch = int(random.integers(7, 20))
    size = _noise(random, side, 25.0)
    for y in range(0, side, pitch):
        for x in range((y // pitch % 2) * pitch // 2, side, pitch):
            cv2.circle(field, (x, y), int(1 + size[y, x] * pitch * 0.6), 0.9, -1, cv2.LINE_AA)
    return field


def _hatching(random: Random, side: int) -> Floats:
    tone, field = _clouds(random, side), np.ones((side, side), np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    for k, angle in enumerate(random.uniform(0, np.pi, 3)):
        phase = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / random.uniform(4, 9)
        field[(np.sin(phase) > 0.4) & (tone < 0.65 - 0.12 * k)] = 0.05
    return np.asarray(cv2.GaussianBlur(field, (0, 0), 0.7), np.float32)


def _weave(random: Random, side: int) -> Floats:
    pitch = int(random.integers(8, 24))
    y, x = np.mgrid[:side, :side]
    over = (y // pitch + x // pitch) % 2 == 0
    across = 0.5 + 0.5 * np.cos(2 * np.pi * (np.where(over, y, x) % pitch) / pitch)
    return np.asarray(0.8 * across + 0.2 * over, np.float32)


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "clouds": _clouds,
    "waves": _waves,
    "mosaic": _mosaic,
    "strokes": _strokes,
    "dots": _dots,
    "hatching": _hatching,
    # Never trained on: what a user's own picture is to the network.
    "weave": _weave,
}
UNSEEN = ("weave",)
