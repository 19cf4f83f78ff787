"""The formats that rigs leave their calibration in: Qualisys, caliscope, Pose2Sim, handpose3d.

Reads bytes, or a small folder; writes nothing. Each reader turns a file into the cameras of
`calibration.py`, in OpenCV's terms, and refuses what it does not understand by the field's name.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import cv2
import numpy as np

from infra.errors import CalibrationInvalidError
from tasks.rigs.calibration import bounded, camera_from, numbers_of

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.rigs.calibration import CameraModel

# Qualisys counts in 64ths of a pixel, and its cameras look along -z with y up.
SUBPIXELS = 64
UPRIGHT = np.diag([1.0, -1.0, -1.0])
_BEND = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2",
         "radialDistortion3")  # fmt: skip
_DAT = re.compile(r"c(\d{1,4})\.dat")


def read_qca(data: bytes) -> tuple[CameraModel, ...]:
    """Read a Qualisys `.qca.txt`: `transform` has the rotation by rows and the camera's place.

    Raises:
        CalibrationInvalidError: not well-formed, has a DOCTYPE, or a field is wrong.
    """
    return tuple(_qca_camera(found, k) for k, found in enumerate(_qca_elements(data)))


def _qca_elements(data: bytes) -> list[dict[str, dict[str, str]]]:
    """Return for each `camera` element its own attributes and its children's, by tag."""
    found: list[dict[str, dict[str, str]]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "camera":
            found.append({})
        if found:
            found[-1][tag] = attributes

    def refuse(*_: object) -> None:
        raise CalibrationInvalidError("DOCTYPE: calibration files have none")

    # No DOCTYPE, no entities: nothing to expand, nowhere else to read.
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 - positional only
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise CalibrationInvalidError(f"not well-formed XML: {error}") from error
    return found


def _qca_camera(found: dict[str, dict[str, str]], number: int) -> CameraModel:
    name = found["camera"].get("serial", "")
    where = f"camera {name or number!r}"
    if found["camera"].get("viewrotation", "0") not in ("0", "0.0"):
        raise CalibrationInvalidError(
            f"{where}: viewrotation is not 0; turned cameras are not read"
        )

    def value(tag: str, key: str, default: str | None = None) -> float:
        text = found.get(tag, {}).get(key, default)
        try:
            return float(text) if text is not None else float("nan")
        except ValueError:
            return float("nan")

    turn = np.array([[value("transform", f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
    place = np.array([value("transform", key) for key in "xyz"])
    turn = UPRIGHT @ turn
    fx, fy, cx, cy = (
        value("intrinsic", f"{key}{axis}") / SUBPIXELS
        for key in ("focalLength", "centerPoint")
        for axis in "UV"
    )
    skew = value("intrinsic", "skew", "0") / SUBPIXELS
    video = "fov_video" if "fov_video" in found else "fov_marker"
    given = {
        "name": name,
        "width": value(video, "right") - value(video, "left") + 1,
        "height": value(video, "bottom") - value(video, "top") + 1,
        "matrix": [
            [fx, skew, cx - value(video, "left")],
            [0, fy, cy - value(video, "top")],
            [0, 0, 1],
        ],
        "distortion": [value("intrinsic", key, "0") for key in _BEND],
        "rotation": turn.tolist(),
        "translation": (-turn @ place).tolist(),
    }
    return camera_from(given, where)


def read_toml(data: bytes) -> tuple[CameraModel, ...]:
    """Read caliscope's `camera_array.toml` or a Pose2Sim TOML; `rotation` is a matrix or a vector.

    Cameras without a place (caliscope writes those it could not solve) or with `ignore` are left
    out.

    Raises:
        CalibrationInvalidError: not TOML, or a field is wrong.
    """
    try:
        found = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CalibrationInvalidError(f"not TOML: {error}") from error
    tables = found.get("cameras", found)
    tables = tables if isinstance(tables, dict) else {}
    cameras = []
    for key, given in tables.items():
        placed = isinstance(given, dict) and "matrix" in given and "rotation" in given
        if placed and not given.get("ignore", False):
            cameras.append(_toml_camera(key, given))
    return tuple(cameras)


def _toml_camera(key: str, given: dict[str, Any]) -> CameraModel:
    size = numbers_of(given.get("size"), (2,), f"{key}.size")
    turn = given["rotation"]
    if isinstance(turn, list) and len(turn) == 3 and not isinstance(turn[0], list):
        vector = numbers_of(turn, (3,), f"{key}.rotation")
        turn = cv2.Rodrigues(vector)[0].tolist()
    if given.get("fisheye", False):
        raise CalibrationInvalidError(f"{key}.fisheye: lenses of this kind are not read")
    return camera_from(
        {
            "name": str(given.get("name", given.get("cam_id", key))),
            "width": float(size[0]),
            "height": float(size[1]),
            "matrix": given["matrix"],
            "distortion": given.get("distortions", []),
            "rotation": turn,
            "translation": given.get("translation"),
        },
        key,
    )


def read_dat(folder: Path) -> tuple[CameraModel, ...]:
    """Read handpose3d's `cN.dat` and `rot_trans_cN.dat`, which do not say the picture's size.

    The size is taken as twice the principal point, which is right to the lens's decentring.

    Raises:
        CalibrationInvalidError: a file is missing or a field is wrong.
    """
    numbers = sorted(
        int(named[1]) for path in folder.iterdir() if (named := _DAT.fullmatch(path.name))
    )
    cameras = []
    for n in numbers[:1024]:
        inner, outer = _dat(folder / f"c{n}.dat"), _dat(folder / f"rot_trans_c{n}.dat")
        k = inner.get("intrinsic", [])
        middle = numbers_of(k, (3, 3), f"c{n}.dat: intrinsic")[:2, 2]
        given = {
            "name": str(n),
            "width": round(2 * float(middle[0])),
            "height": round(2 * float(middle[1])),
            "matrix": k,
            "distortion": inner.get("distortion", [[]])[0],
            "rotation": outer.get("R"),
            "translation": [one for part in outer.get("T", []) for one in part],
        }
        cameras.append(camera_from(given, f"c{n}.dat"))
    return tuple(cameras)


def _dat(path: Path) -> dict[str, list[list[float]]]:
    """Return the first block of numbers under each heading of a file."""
    try:
        text = bounded(path).decode("utf-8")
    except (UnicodeDecodeError, FileNotFoundError) as error:
        raise CalibrationInvalidError(f"{path.name}: {type(error).__name__}") from error
    found: dict[str, list[list[float]]] = {}
    block: list[list[float]] | None = None
    for line in (line.strip() for line in text.splitlines()):
        if line.endswith(":"):
            # handpose3d writes a second R and T, between its cameras, behind the world's.
            block = None if line[:-1] in found else found.setdefault(line[:-1], [])
        elif block is not None and line and not line.startswith("#"):
            try:
                block.append([float(part) for part in line.split()])
            except ValueError as error:
                raise CalibrationInvalidError(f"{path.name}: {error}") from error
    return found
