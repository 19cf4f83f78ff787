"""Fusion without learning: the best source, the mean, the median, and a robust mean.

Frames in, frames out. Sources are uint8 (N, H, W, 3) of one moment, aligned; trust is float32
(N, H, W). These are what the network is compared with, and what stands where it does not win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.synthesis.rate_conversion import Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.synthesis.alignment import Floats, Pixels, Trust

# Side of the box over which a source's distance from the middle is averaged.
_BOX = 7
# Variance that every source has at least, in squared grey levels: that of rounding is 1 / 12.
_LEAST = 1.0


def noise_variance(picture: Pixels) -> float:
    """Variance of the noise of a picture, in squared grey levels (Immerkaer 1996)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    high = cv2.filter2D(grey, -1, mask)[1:-1, 1:-1]
    return float((np.sqrt(np.pi / 2) / 6 * np.abs(high).mean()) ** 2)


def likely_best(sources: Pixels, trust: Trust) -> int:
    """Return the source that is likely the best: little noise, near the middle, all there."""
    middle = cv2.GaussianBlur(median(sources, trust), (0, 0), 1.5).astype(np.float32)
    cost = []
    for one, held in zip(sources, trust, strict=True):
        far = np.square(cv2.GaussianBlur(one, (0, 0), 1.5) - middle).mean()
        lost = 1 - float((held > 0).mean())
        cost.append(noise_variance(one) + float(far) + lost * 255**2)
    return int(np.argmin(cost))


def best(sources: Pixels, trust: Trust) -> Pixels:
    """Return the source that is likely the best."""
    return np.asarray(sources[likely_best(sources, trust)])


def mean(sources: Pixels, trust: Trust) -> Pixels:
    """Mean of what is trusted, of all where nothing is."""
    return _weighted(sources.astype(np.float32), _some(trust))


def median(sources: Pixels, trust: Trust) -> Pixels:
    """Median of what is trusted, pixel by pixel; the middle two are averaged."""
    held = _some(trust) > 0
    ordered = np.where(held[..., None], sources, np.inf)
    ordered.sort(axis=0)
    count = held.sum(axis=0)
    places = np.stack([(count - 1) // 2, count // 2])[..., None]
    found = np.take_along_axis(ordered, np.repeat(places, 3, axis=-1), axis=0).mean(axis=0)
    return np.asarray(np.rint(found), np.uint8)


def robust(sources: Pixels, trust: Trust) -> Pixels:
    """Mean in which a source weighs by its noise and its distance from the middle around a pixel.

    Two turns of reweighting from the median (an M-estimator of Geman and McClure's kind).
    """
    some = _some(trust)
    light = sources.astype(np.float32)
    noise = np.array([noise_variance(one) for one in sources], np.float32)
    middle = median(sources, trust).astype(np.float32)
    for _ in range(2):
        far = np.square(light - middle).mean(axis=-1)
        around = np.stack([cv2.blur(one, (_BOX, _BOX)) for one in far])
        weight = some / (noise[:, None, None] + around + _LEAST)
        made = _weighted(light, weight)
        middle = made.astype(np.float32)
    return made


def with_plain(sources: Sources) -> Sources:
    """Add the robust mean to the sources: what the network starts from and may fall back on."""
    plain = robust(*sources)[None]
    whole = np.ones((1, *sources.trust.shape[1:]), np.float32)
    return Sources(
        np.concatenate([sources.pictures, plain]), np.concatenate([sources.trust, whole])
    )


def _weighted(light: Floats, weight: Floats) -> Pixels:
    total = weight.sum(axis=0)
    found = (light * weight[..., None]).sum(axis=0) / total[..., None]
    return np.asarray(np.rint(found), np.uint8)


def _some(trust: Trust) -> Trust:
    """Trust in all where there is none in any."""
    return np.where(trust.max(axis=0) > 0, trust, np.float32(1))


# What plain fusion is judged and asked for by.
PLAIN: dict[str, Callable[[Pixels, Trust], Pixels]] = {
    "best": best,
    "mean": mean,
    "median": median,
    "robust": robust,
}
