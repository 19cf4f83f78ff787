from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.depth.scenes import render_views
from tasks.rigs.pinhole import looking, opengl_matrices, project, resized
from tasks.synthetic.humanoid import JOINTS, clip_names
from tasks.synthetic.rendering import OBJECT, PERSON, ROOM, SKY, Scene

pytest.importorskip("pybullet", reason="rendered scenes need the extra `render`")

SIZE = (160, 120)


def person_scene() -> Scene:
    """A scene with a person, of which cameras at 3 m see enough."""
    return Scene(3, person=True)


def test_joints_fall_on_the_person() -> None:
    """Seen from all sides, joints lie in the person or in the gap between two of its capsules."""
    on, told = 0, 0
    with person_scene() as scene:
        for around in np.linspace(0, 2 * np.pi, 6, endpoint=False):
            eye = np.array([2.2 * np.cos(around), 1.2, 2.2 * np.sin(around)])
            camera = looking(eye, np.array([0.0, 0.8, 0.0]), 150.0, SIZE)
            seen = scene.render(camera, 0.7)
            person = cv2.dilate((seen.parts == PERSON).astype(np.uint8), np.ones((9, 9)))
            assert set(seen.joints_px()) == {*JOINTS, "head"}
            for name, (x, y) in seen.joints_px().items():
                column, row = round(x), round(y)
                if not (0 <= column < SIZE[0] and 0 <= row < SIZE[1]):
                    continue
                point = np.array(camera.rotation) @ (seen.joints or {})[name]
                z = point[2] + camera.translation[2]
                hidden = seen.depth[row, column] < z - 0.25
                told += not hidden
                on += not hidden and person[row, column]
    assert told > 40
    assert on / told > 0.95


def test_depth_is_along_the_axis_and_metric() -> None:
    """A point of one picture, moved by its depth to another camera, is there at that depth."""
    with Scene(11, person=False) as scene:
        left, right = scene.random_pair(*SIZE, 0.3)
        one, two = scene.render(left), scene.render(right)
    k = np.array(left.matrix)
    y, x = np.mgrid[10:110:5, 50:150:5]
    z = one.depth[y, x]
    moved = x - k[0, 0] * 0.3 / z
    inside = np.isfinite(z) & (moved > 0)
    there = two.depth[y[inside], np.rint(moved[inside]).astype(int)]
    assert np.median(np.abs(there / z[inside] - 1)) < 0.01
    assert (np.abs(there / z[inside] - 1) < 0.03).mean() > 0.75


def test_the_same_seed_is_the_same_scene() -> None:
    """Pictures, depth and joints come from the seed alone."""
    found = []
    for seed in (5, 5, 6):
        with Scene(seed) as scene:
            found.append(scene.render(scene.random_camera(*SIZE), 0.4))
    assert np.array_equal(found[0].rgb, found[1].rgb)
    assert np.array_equal(found[0].depth, found[1].depth)
    assert not np.array_equal(found[0].rgb, found[2].rgb)


def test_what_a_pixel_shows_is_said() -> None:
    """Over several scenes there are rooms, objects, people and sky, and sky is infinitely far."""
    parts = set()
    for seed in range(8):
        with Scene(seed) as scene:
            seen = scene.render(scene.random_camera(*SIZE))
        parts |= set(np.unique(seen.parts).tolist())
        assert np.array_equal(seen.parts == SKY, np.isinf(seen.depth))
        assert (seen.parts == PERSON).any() <= (seen.joints is not None)
        assert not seen.inverse_depth[seen.parts == SKY].any()
    assert parts == {ROOM, OBJECT, PERSON, SKY}


def test_a_person_plays_its_clip() -> None:
    """Joints move, limbs keep their length, and the clip begins anew after its end."""
    assert {"walk", "run", "backflip"} <= set(clip_names())
    with person_scene() as scene:
        assert scene.person is not None
        poses = []
        for seconds in (0.0, 0.3, scene.person.seconds):
            scene.person.pose(seconds)
            poses.append(scene.person.joints())
    shins = [np.linalg.norm(p["left_knee"] - p["left_ankle"]) for p in poses]
    assert shins == pytest.approx([shins[0]] * 3, rel=1e-3)
    moved = [np.linalg.norm(poses[0][name] - poses[1][name]) for name in JOINTS]
    assert max(moved) > 0.05
    again = [np.linalg.norm(poses[0][name] - poses[2][name]) for name in JOINTS]
    assert max(again) < 1e-3


def test_cameras_of_another_size_see_the_same() -> None:
    """A squashed picture's camera sees a point where its pixel went; OpenGL agrees with OpenCV."""
    camera = looking(np.array([1.0, 1.5, -3.0]), np.array([0.0, 0.5, 0.0]), 140.0, SIZE, 0.1)
    point = np.array([0.3, 0.9, 0.2])
    x, y = project(camera, point)
    small = project(resized(camera, 40, 60), point)
    assert small == pytest.approx([(x + 0.5) / 4 - 0.5, (y + 0.5) / 2 - 0.5])
    assert np.isnan(project(camera, np.array([2.0, 2.0, -9.0]))).all()
    view, projection = (np.array(m).reshape(4, 4).T for m in opengl_matrices(camera, 0.1, 50.0))
    clip = projection @ view @ np.append(point, 1)
    across, up = clip[:2] / clip[3]
    assert x == pytest.approx((across + 1) / 2 * SIZE[0] - 0.5)
    assert y == pytest.approx((1 - up) / 2 * SIZE[1] - 0.5)


@pytest.mark.parametrize("renderer", ["world", "engine"])
def test_training_pictures_come_with_their_truth(renderer: str) -> None:
    """Equal numbers give equal pictures; truth is positive or sky, and not flat."""
    one, two = (render_views(renderer, [7, 8], 2) for _ in range(2))  # type: ignore[arg-type]
    assert one.rgb.shape == (4, 112, 112, 3)
    assert one.inverse.shape == (4, 28, 28)
    assert one.scenes.tolist() == [7, 7, 8, 8]
    assert np.array_equal(one.rgb, two.rgb)
    assert np.array_equal(one.inverse, two.inverse)
    assert (one.inverse >= 0).all()
    assert np.isfinite(one.inverse).all()
    assert one.inverse.std(axis=(1, 2)).min() > 0
