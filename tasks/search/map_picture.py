"""A picture of the map of codes: a dot a window, the colour of its session, and what some show.

Reads stored thumbnails; writes the picture where it is told to.
"""

from __future__ import annotations

import colorsys
from collections import Counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from catalog.query import rows
from infra.storage import atomic_write_bytes
from tasks.extraction.plan import asked
from tasks.extraction.sheet_layout import FONT, GREY, INK, PAPER
from tasks.search.code_map import code_map
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from infra.settings import Settings
    from tasks.search.code_map import CodeMap

    Pixels = npt.NDArray[np.uint8]
    Colour = tuple[int, int, int]

# Drawn at twice the size and made small: cv2 places a dot by whole pixels.
FINER = 2
WIDE, TALL, LEGEND, EDGE, TOP = 1180, 880, 330, 56, 64
# Pictures: so many at the most, so wide, and no two nearer than they are wide.
PICTURES, PICTURE_PX, ROOM = 48, 76, 1.22
NAMED, DOTS = 30, 50_000
# Of what lies far out, this share at each end is drawn on the edge.
OUTSIDE = 0.002
RANKS = 0.6
# Pictures have one area, whatever their shape: this is the side of a square one on the canvas.
_SIDE = FINER * PICTURE_PX * 0.75
_AREA = cv2.INTER_AREA
OTHERS: Colour = (176, 178, 182)


def show_map(settings: Settings, *, model: str, target: Path | None, most: int) -> dict[str, Any]:
    """Draw the map of a model's codes; return where it is, its quality, and `most` points of it.

    Raises:
        CatalogEmptyError: no clip has a code.
    """
    found = code_map(settings, model)
    count = len(found.coordinates)
    sessions = len(found.codes.places["session_id"].unique())
    title = f"{count:,} windows of {sessions:,} sessions by the codes of {model}"
    path = draw_map(found, settings, target, title)
    return {
        "picture": str(path),
        "windows": count,
        "sessions": sessions,
        "model": model,
        "quality": found.quality(),
        "points": found.points(most),
    }


def draw_map(found: CodeMap, settings: Settings, target: Path | None, title: str) -> Path:
    """Write the map as PNG (1510 x 944) and return where it is."""
    points = found.points(DOTS)
    places = _on_paper(np.array([[point["x"], point["y"]] for point in points]))
    sessions = Counter(point["session"] for point in points).most_common()
    colours = {name: _colour(k) for k, (name, _) in enumerate(sessions[:NAMED])}
    canvas = np.full((FINER * (TALL + TOP), FINER * (WIDE + LEGEND), 3), PAPER, np.uint8)
    _write(canvas, title, (EDGE, 40), INK, 0.62)
    radius = FINER * (5 if len(points) < 3000 else 3 if len(points) < 20_000 else 2)
    _dots(canvas, places, [colours.get(point["session"], OTHERS) for point in points], radius)
    chosen = _chosen(points, places)
    shown = _thumbnails(found, settings, [points[k]["clip_id"] for k in chosen])
    for k in chosen:
        point = points[k]
        if point["clip_id"] in shown:
            clip = shown[point["clip_id"]]
            colour = colours.get(point["session"], OTHERS)
            _picture(canvas, clip, places[k], colour)
    _legend(canvas, sessions, colours)
    small = cv2.resize(
        canvas, (canvas.shape[1] // FINER, canvas.shape[0] // FINER), interpolation=cv2.INTER_AREA
    )
    path = target or settings.root / "sheets" / "map.png"
    done, data = cv2.imencode(".png", small[..., ::-1])
    if not done:  # pragma: no cover  an encoder of what is in memory
        raise RuntimeError("the picture cannot be encoded")
    atomic_write_bytes(path, data.tobytes())
    return path


def _on_paper(flat: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return pixels (N, 2) of the canvas: order is kept along each axis, dense parts are widened.

    Half of where a code lies is its coordinate, half its rank: codes crowd, and one far out would
    leave the rest a tenth of the paper.
    """
    low, high = np.quantile(flat, [OUTSIDE, 1 - OUTSIDE], axis=0)
    share = np.clip((flat - low) / np.maximum(high - low, 1e-9), 0, 1)
    rank = np.stack([np.searchsorted(np.sort(x), x, side="left") for x in flat.T], axis=1)
    share = (1 - RANKS) * share + RANKS * rank / max(1, len(flat) - 1)
    share = (share - share.min(axis=0)) / np.maximum(np.ptp(share, axis=0), 1e-9)
    share[:, 1] = 1 - share[:, 1]
    room = np.array([WIDE - 2 * EDGE, TALL - 2 * EDGE])
    found: npt.NDArray[np.int64] = (
        (FINER * (np.array([EDGE, TOP + EDGE // 2]) + share * room)).round().astype(np.int64)
    )
    return found


def _colour(k: int) -> Colour:
    """Return hues that are far apart, however many: steps of the golden ratio."""
    hue, light = (0.61 + k * 0.618034) % 1, (0.86, 0.66, 0.76)[k % 3]
    r, g, b = colorsys.hsv_to_rgb(hue, (0.72, 0.85, 0.55)[k % 3], light)
    return int(255 * r), int(255 * g), int(255 * b)


def _dots(
    canvas: Pixels, places: npt.NDArray[np.int64], colours: Sequence[Colour], radius: int
) -> None:
    # In an order that has nothing to do with sessions: none lies on top of all others.
    for k in np.random.default_rng(0).permutation(len(places)).tolist():
        x, y = places[k].tolist()
        cv2.circle(canvas, (x, y), radius + FINER // 2, PAPER, -1, cv2.LINE_AA)
        cv2.circle(canvas, (x, y), radius, colours[k], -1, cv2.LINE_AA)


def _chosen(points: Sequence[Mapping[str, Any]], places: npt.NDArray[np.int64]) -> list[int]:
    """Choose windows whose pictures do not touch: the middle one of each session, then far ones."""
    of: dict[str, list[int]] = {}
    for k, point in enumerate(points):
        of.setdefault(point["session"], []).append(k)
    order = []
    for some in sorted(of.values(), key=len, reverse=True):
        away = np.abs(places[some] - np.median(places[some], axis=0)).sum(axis=1)
        order.append(some[int(away.argmin())])
    order += np.random.default_rng(0).permutation(len(points)).tolist()
    apart = FINER * PICTURE_PX * ROOM
    kept: list[int] = []
    for k in order:
        if len(kept) == PICTURES:
            break
        gap = np.abs(places[kept] - places[k]) if kept else np.empty((0, 2))
        if not ((gap[:, 0] < apart) & (gap[:, 1] < 0.72 * apart)).any():
            kept.append(k)
    return kept


def _thumbnails(found: CodeMap, settings: Settings, clips: Sequence[str]) -> dict[str, Pixels]:
    """Return the middle stored picture of each clip that has one, through its first camera."""
    spec = view_named("thumbnail").spec
    versions = view_versions(("thumbnail",), settings)
    sizes = rows(found.snapshot, "clip_sizes", {"clip_ids": list(clips)})
    shapes = {(x["clip_id"], x["camera_id"]): _shape(x) for x in sizes}
    shown: dict[str, Pixels] = {}
    for row in rows(found.snapshot, "clip_features", asked(versions, clips)):
        if row["clip_id"] in shown or row["absent"] is not None:
            continue
        feature = unpacked(spec, row)
        there = np.flatnonzero(feature.mask)
        if len(there):
            picture = feature.arrays[0][there[len(there) // 2]]
            # Stored square, shown as its camera sees.
            shape = shapes.get((row["clip_id"], row["camera_id"]), 1.0)
            size = (round(_SIDE * shape**0.5), round(_SIDE / shape**0.5))
            shown[row["clip_id"]] = np.asarray(cv2.resize(picture, size, interpolation=_AREA))
    return shown


def _shape(size: Mapping[str, Any]) -> float:
    """Return width by height, as wide as twice or as tall as one and a half at the most."""
    wide, tall = size["width"] or 1, size["height"] or 1
    if (size["rotation"] or 0) % 180:
        wide, tall = tall, wide
    return float(min(2.0, max(0.67, wide / tall)))


def _picture(canvas: Pixels, picture: Pixels, place: npt.NDArray[np.int64], colour: Colour) -> None:
    tall, wide = picture.shape[:2]
    height, width = FINER * (TOP + TALL), FINER * WIDE
    left = int(np.clip(place[0] - wide // 2, 0, width - wide))
    top = int(np.clip(place[1] - tall // 2, FINER * TOP, height - tall))
    edge = 2 * FINER
    first, last = (left - edge, top - edge), (left + wide + edge - 1, top + tall + edge - 1)
    cv2.rectangle(canvas, first, last, colour, -1)
    canvas[top : top + tall, left : left + wide] = picture


def _legend(
    canvas: Pixels, sessions: Sequence[tuple[str, int]], colours: Mapping[str, Colour]
) -> None:
    left, top = WIDE + 8, TOP + 16
    for k, (name, count) in enumerate(sessions[:NAMED]):
        y = top + 27 * k
        cv2.circle(
            canvas, (FINER * left, FINER * (y - 5)), FINER * 6, colours[name], -1, cv2.LINE_AA
        )
        short = name if len(name) <= 32 else f"..{name[-30:]}"
        _write(canvas, short, (left + 14, y), INK, 0.42)
        _write(canvas, str(count), (WIDE + LEGEND - 44, y), GREY, 0.42)
    more = len(sessions) - NAMED
    if more > 0:
        y = top + 27 * NAMED
        cv2.circle(canvas, (FINER * left, FINER * (y - 5)), FINER * 6, OTHERS, -1, cv2.LINE_AA)
        _write(canvas, f"{more} sessions more", (left + 14, y), GREY, 0.42)


def _write(canvas: Pixels, text: str, at: tuple[int, int], colour: Colour, size: float) -> None:
    # The font has ASCII only.
    plain = text.encode("ascii", "replace").decode()
    place = (FINER * at[0], FINER * at[1])
    cv2.putText(canvas, plain, place, FONT, FINER * size, colour, FINER, cv2.LINE_AA)
