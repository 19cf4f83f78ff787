"""Calibration files are read as they are meant, and hostile ones refused by the field's name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import CalibrationInvalidError
from tasks.rigs.calibration import MAX_BYTES, Calibration, CameraModel, read_calibration

RIGS = Path(__file__).parents[2].parent / "shared" / "data" / "multicamera"
TURN = ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
MODEL = CameraModel(
    "cam01", 1280, 720, ((900.0, 0.0, 640.0), (0.0, 901.0, 360.0), (0.0, 0.0, 1.0)),
    (0.1, -0.2, 0.001, 0.002, 0.0), TURN, (1.0, 2.0, 3.0),
)  # fmt: skip
QCA = """<?xml version='1.0'?>
<calibration><cameras><camera serial="m1" viewrotation="0">
<fov_video left="0" top="0" right="1087" bottom="1919"/>
<transform x="0" y="-4000" z="1000" r11="1" r12="0" r13="0" r21="0" r22="0" r23="1"
 r31="0" r32="-1" r33="0"/>
<intrinsic focalLengthU="107520" focalLengthV="107520" centerPointU="34752" centerPointV="61376"
 skew="0" radialDistortion1="-0.05" radialDistortion2="0.1" tangentalDistortion1="0.001"
 tangentalDistortion2="0.002"/>
</camera></cameras></calibration>"""
TOML = """
[cameras.0]
cam_id = 0
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 901.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [0.1, -0.2, 0.001, 0.002, 0.0]
rotation = [[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
translation = [1.0, 2.0, 3.0]
[cameras.1]
cam_id = 1
ignore = true
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 901.0, 360.0], [0.0, 0.0, 1.0]]
rotation = [0.0, 0.0, 0.0]
translation = [0.0, 0.0, 0.0]
[cameras.2]
cam_id = 2
"""


def test_what_is_stored_comes_back() -> None:
    """JSON gives back the very numbers, and is read as a file of its own."""
    found = Calibration((MODEL,))
    assert Calibration.from_json(found.to_json()) == found
    assert read_calibration(found.to_json().encode()) == found


def test_a_qualisys_camera_looks_where_it_looks() -> None:
    """A camera 4 m before the origin, level and upright, sees it ahead and up as up."""
    (camera,) = read_calibration(QCA.encode()).cameras
    turn, shift = np.array(camera.rotation), np.array(camera.translation)
    assert (turn @ [0, 0, 1000] + shift).tolist() == pytest.approx([0, 0, 4000])
    assert (turn @ [0, 0, 2000] + shift)[1] < 0  # above: a picture's y is down
    assert (camera.name, camera.width, camera.height) == ("m1", 1088, 1920)
    assert camera.matrix == ((1680, 0, 543), (0, 1680, 959), (0, 0, 1))
    assert camera.distortion == (-0.05, 0.1, 0.001, 0.002, 0)


def test_toml_gives_the_cameras_that_have_a_place() -> None:
    """Cameras that are ignored or not solved are left out; a vector is a turn about itself."""
    (camera,) = read_calibration(TOML.encode()).cameras
    assert camera == CameraModel("0", *(getattr(MODEL, name) for name in MODEL.__slots__[1:]))
    vector = TOML.replace("ignore = true", "").replace(
        "rotation = [0.0, 0.0, 0.0]", f"rotation = [0.0, {np.pi / 2}, 0.0]"
    )
    other = read_calibration(vector.encode()).cameras[1]
    assert np.array(other.rotation) == pytest.approx(
        np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float), abs=1e-12
    )


def test_handpose3d_folders_are_read(tmp_path: Path) -> None:
    """Two small files a camera, of which the first block under a heading counts."""
    (tmp_path / "c0.dat").write_text(
        "intrinsic:\n900 0 360\n0 901 350\n0 0 1\ndistortion:\n0.1 0.2 0 0 0\n"
    )
    turn = "\n".join(" ".join(map(str, one)) for one in TURN)
    (tmp_path / "rot_trans_c0.dat").write_text(
        f"R:\n{turn}\nT:\n1\n2\n3\n\n#between\nR:\n1 0 0\n0 1 0\n0 0 1\nT:\n9\n9\n9\n"
    )
    (camera,) = read_calibration(tmp_path).cameras
    assert (camera.name, camera.width, camera.height) == ("0", 720, 700)
    assert (camera.rotation, camera.translation) == (TURN, (1, 2, 3))
    (tmp_path / "rot_trans_c0.dat").unlink()
    with pytest.raises(CalibrationInvalidError, match=r"rot_trans_c0\.dat"):
        read_calibration(tmp_path)


def test_cameras_are_matched_by_name_then_by_number() -> None:
    """The same name in any case wins; a number counts where only one camera has it."""
    named = [json.loads(Calibration((MODEL,)).to_json())["cameras"][0] for _ in range(3)]
    for camera, name in zip(named, ("CAM01", "2", "rig-7b"), strict=True):
        camera["name"] = name
    found = Calibration.from_json(json.dumps({"cameras": named}))
    matched = found.matched(["cam01", "cam_02", "cam7", "cam8"])
    assert {one: model.name for one, model in matched.items()} == {
        "cam01": "CAM01", "cam_02": "2", "cam7": "rig-7b",
    }  # fmt: skip
    assert "cam_2" not in found.matched(["cam_2", "view2"])  # which of them is 2?


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("matrix", [[900, 0, 640], [0, float("nan"), 360], [0, 0, 1]]),
        ("matrix", [[-900, 0, 640], [0, 901, 360], [0, 0, 1]]),
        ("matrix", [[900, 0, 640], [0, 901, 360]]),
        ("rotation", [[1, 0, 0], [0, 1, 0], [0, 0, 2]]),
        ("rotation", [[1, 0, 0], [0, 1, 0], [0, 0, -1]]),
        ("translation", [0, 0, float("inf")]),
        ("translation", [0, 0, True]),
        ("translation", "abc"),
        ("distortion", [0] * 6),
        ("distortion", {"k1": 0}),
        ("width", 0),
        ("width", 1.5),
        ("name", ""),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    """Whatever is wrong, the message has the file and the field."""
    given = json.loads(Calibration((MODEL,)).to_json())
    given["cameras"][0][field] = value
    said = "size" if value == 0 else field
    with pytest.raises(CalibrationInvalidError, match=f"rig.json.*{said}|rig.json.*finite"):
        read_calibration(json.dumps(given).encode(), "rig.json")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cameras"),
        (b"{" * 100_000, "JSON"),
        (b'{"cameras": [' + b"1" * 5000 + b"]}", "JSON"),
        (b"a = " + b"[" * 100_000, "TOML"),
        (b"\xff\xfe\x00", "TOML"),
        (b"{" + b" " * MAX_BYTES, "larger"),
        (b"<calibration><camera>", "XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        (b"<a><camera serial='x'/></a>", "width"),
        (QCA.replace('r11="1"', 'r11="nan"').encode(), "rotation"),
        (QCA.replace('viewrotation="0"', 'viewrotation="90"').encode(), "viewrotation"),
    ],
)
def test_hostile_files_are_refused(data: bytes, said: str) -> None:
    """No entity is expanded, nothing is followed, nothing deep or large is parsed."""
    with pytest.raises(CalibrationInvalidError, match=said):
        read_calibration(data)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input raises anything but the typed error."""
    for prefix in (b"", b"<", b"{"):
        try:
            read_calibration(prefix + data)
        except CalibrationInvalidError as error:
            assert "calibration" in str(error)  # noqa: PT017 - most inputs, not all, are refused


@pytest.mark.skipif(not RIGS.is_dir(), reason=f"no real calibrations at {RIGS}")
@pytest.mark.parametrize(
    "file", ["caliscope/4_cam_recording/camera_array.toml", "handpose3d/camera_parameters"]
)
def test_real_cameras_look_at_one_place(file: str) -> None:
    """The point nearest to all optical axes lies before every camera, near its middle."""
    cameras = read_calibration(RIGS / file).cameras
    turns = [np.array(camera.rotation) for camera in cameras]
    shifts = [np.array(camera.translation) for camera in cameras]
    aside = [np.eye(3) - np.outer(turn[2], turn[2]) for turn in turns]
    centres = [-turn.T @ shift for turn, shift in zip(turns, shifts, strict=True)]
    middle = np.linalg.solve(
        sum(aside), sum(one @ at for one, at in zip(aside, centres, strict=True))
    )
    for turn, shift in zip(turns, shifts, strict=True):
        x, y, z = turn @ middle + shift
        assert z > 0
        assert np.hypot(x, y) < 0.35 * z
