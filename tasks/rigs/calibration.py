"""Calibrated cameras: what is known of a session's lenses and places, and how it is stored.

Reads calibration files (their formats are in `calibration_files.py`) and the JSON of the table
`sessions`; writes nothing. Files come with archives and are hostile input: bounded in size, and
refused whole with the field's name when any number is not one.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.errors import CalibrationInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

Row = tuple[float, float, float]
Rows = tuple[Row, Row, Row]

# A real file has some 2 KB a camera; a rig of 1,000 cameras still fits.
MAX_BYTES = 4 << 20
MAX_CAMERAS = 1024
# Rotations as files give them, rounded to 4 digits or more, are orthogonal to about 1e-3.
ORTHOGONAL = 1e-2
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A pinhole camera in OpenCV's terms: x right, y down, z ahead, pixel centres at whole numbers.

    `x_camera = rotation X_world + translation`, pixels = `matrix` times what `distortion`
    (k1, k2, p1, p2, k3) makes of (x/z, y/z). `width` and `height` are those of the picture that
    `matrix` is for. Lengths are in the file's own unit.

    Raises:
        CalibrationInvalidError: a number is not finite or out of its range, naming the field.
    """

    name: str
    width: int
    height: int
    matrix: Rows
    distortion: tuple[float, float, float, float, float]
    rotation: Rows
    translation: Row

    def __post_init__(self) -> None:
        """Refuse what is no camera."""
        numbers = np.concatenate([np.ravel(self.matrix), np.ravel(self.rotation)])
        if not np.isfinite([*numbers, *self.distortion, *self.translation]).all():
            raise CalibrationInvalidError(f"camera {self.name!r}: a number is not finite")
        if not (0 < self.width <= 1 << 16 and 0 < self.height <= 1 << 16):
            raise CalibrationInvalidError(f"camera {self.name!r}: size is no picture's")
        k = np.array(self.matrix)
        if not (min(k[0, 0], k[1, 1]) > 0 and k[2].tolist() == [0, 0, 1] and k[1, 0] == 0):
            raise CalibrationInvalidError(f"camera {self.name!r}: matrix is no camera's")
        turn = np.array(self.rotation)
        off = np.abs(turn @ turn.T - np.eye(3)).max()
        if off > ORTHOGONAL or np.linalg.det(turn) < 0:
            raise CalibrationInvalidError(f"camera {self.name!r}: rotation is no rotation")


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibrated cameras of one rig, in the order of their file; names differ."""

    cameras: tuple[CameraModel, ...]

    def __post_init__(self) -> None:
        """Refuse none, too many, and two of one name."""
        names = [camera.name for camera in self.cameras]
        if not 0 < len(names) <= MAX_CAMERAS:
            raise CalibrationInvalidError(f"cameras: {len(names)} of them, not 1 to {MAX_CAMERAS}")
        if len(set(names)) < len(names):
            raise CalibrationInvalidError("cameras: two have one name")

    def to_json(self) -> str:
        """Return what the table `sessions` stores: `{"cameras": [{name, width, height, ...}]}`.

        A camera's keys are the fields of `CameraModel`; matrices are lists of rows.
        """
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Calibration:
        """Return what `to_json` wrote, or a person did; `distortion` may be left out or shorter.

        Raises:
            CalibrationInvalidError: naming the field.
        """
        try:
            # A number of 5,000 digits is a ValueError, a thousand brackets a RecursionError.
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CalibrationInvalidError(f"not JSON: {error}") from error
        cameras = found.get("cameras") if isinstance(found, dict) else None
        if not isinstance(cameras, list):
            raise CalibrationInvalidError("cameras: not a list")
        return cls(tuple(camera_from(given, f"cameras[{k}]") for k, given in enumerate(cameras)))

    def matched(self, camera_ids: Iterable[str]) -> dict[str, CameraModel]:
        """Return `{camera id: its model}` for the ids that name exactly one calibrated camera.

        The same name in any case, else the same last number (`cam_0`, `camera-00` and `0`) where
        no other camera on either side has it.
        """
        ids = sorted(set(camera_ids))
        by_name = _unique(ids, str.casefold)
        by_number = _unique(ids, _number)
        names = _unique([camera.name for camera in self.cameras], str.casefold)
        numbers = _unique([camera.name for camera in self.cameras], _number)
        models = {camera.name: camera for camera in self.cameras}
        found = {one: models[names[key]] for key, one in by_name.items() if key in names}
        taken = {model.name for model in found.values()}
        for key, one in by_number.items():
            if one not in found and key in numbers and numbers[key] not in taken:
                found[one] = models[numbers[key]]
        return found


def read_calibration(source: Path | bytes, name: str = "calibration") -> Calibration:
    """Read a calibration file, or its bytes, in any format that is understood.

    Qualisys `.qca.txt` (XML), TOML of caliscope or Pose2Sim, JSON as `Calibration.to_json` writes
    it, or a folder of handpose3d's `.dat` files. `name` stands for bytes in messages.

    Raises:
        CalibrationInvalidError: too large, no known format, or a field is wrong: file and field.
        OSError: the file is not there or may not be read.
    """
    from tasks.rigs.calibration_files import read_dat, read_qca, read_toml

    name = str(source) if isinstance(source, Path) else name
    try:
        if isinstance(source, Path) and source.is_dir():
            return Calibration(read_dat(source))
        data = bounded(source)
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start == b"{":
            return Calibration.from_json(data)
        return Calibration(read_qca(data) if start == b"<" else read_toml(data))
    except CalibrationInvalidError as error:
        raise CalibrationInvalidError(
            f"{name} is no calibration that can be read: {error}", command=error.command
        ) from error


def bounded(source: Path | bytes) -> bytes:
    """Return a file's bytes, or the bytes themselves.

    Raises:
        CalibrationInvalidError: there are more than `MAX_BYTES`.
        OSError: the file is not there or may not be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        raise CalibrationInvalidError(f"larger than {MAX_BYTES} bytes")
    return source


def camera_from(given: object, field: str) -> CameraModel:
    """Return the camera that a JSON object (or a TOML table, under these names) describes.

    Raises:
        CalibrationInvalidError: naming the field.
    """
    if not isinstance(given, dict):
        raise CalibrationInvalidError(f"{field}: not an object")
    name = given.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise CalibrationInvalidError(f"{field}.name: not a name")
    width, height = (_whole(given, key, field) for key in ("width", "height"))
    bent = given.get("distortion", [])
    lens = numbers_of(bent, (len(bent) if isinstance(bent, list) else 0,), f"{field}.distortion")
    if len(lens) > 5:
        raise CalibrationInvalidError(f"{field}.distortion: more than k1, k2, p1, p2, k3")
    k, turn = (numbers_of(given.get(key), (3, 3), f"{field}.{key}") for key in _SQUARE)
    shift = numbers_of(given.get("translation"), (3,), f"{field}.translation")
    lens = np.pad(lens, (0, 5 - len(lens)))
    return CameraModel(name, width, height, rows(k), _five(lens), rows(turn), row(shift))


_SQUARE = ("matrix", "rotation")


def numbers_of(given: object, shape: Sequence[int], field: str) -> Matrix:
    """Return nested lists of numbers as an array of this shape.

    Raises:
        CalibrationInvalidError: they are not that, naming the field.
    """
    flat: list[Any] = [given]
    for size in shape:
        if not all(isinstance(part, list) and len(part) == size for part in flat):
            raise CalibrationInvalidError(f"{field}: not {' x '.join(map(str, shape))} numbers")
        flat = [one for part in flat for one in part]
    if not all(type(one) in (int, float) and abs(one) < 1e12 for one in flat):
        raise CalibrationInvalidError(f"{field}: not all are finite numbers below 1e12")
    return np.array(flat, np.float64).reshape(tuple(shape))


def rows(matrix: Matrix) -> Rows:
    """Return a (3, 3) matrix as tuples."""
    return row(matrix[0]), row(matrix[1]), row(matrix[2])


def row(vector: Matrix) -> Row:
    """Return a (3,) vector as a tuple."""
    return float(vector[0]), float(vector[1]), float(vector[2])


def _five(lens: Matrix) -> tuple[float, float, float, float, float]:
    k1, k2, p1, p2, k3 = (float(one) for one in lens)
    return k1, k2, p1, p2, k3


def _whole(given: Mapping[str, Any], key: str, field: str) -> int:
    value = given.get(key)
    if isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        return int(value)
    raise CalibrationInvalidError(f"{field}.{key}: not a whole number")


def _number(name: str) -> str | None:
    found = _NUMBER.findall(name)
    return str(int(found[-1][-18:])) if found else None


def _unique(names: Sequence[str], key: Any) -> dict[str, str]:  # noqa: ANN401 - str -> str | None
    """Return `{key of a name: the name}` for keys that only one name has."""
    keys = [key(name) for name in names]
    return {k: name for k, name in zip(keys, names, strict=True) if k and keys.count(k) == 1}
