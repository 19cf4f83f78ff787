"""Pictures and video by id: the bytes are the archive's, in ranges, and nothing else's."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_home import PageHome, make_home
from starlette.testclient import TestClient

from flows.page.app import make_app
from flows.page.byte_ranges import CHUNK_BYTES, requested, stream
from flows.page.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "http://127.0.0.1:8410"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> PageHome:
    """A home of known contents."""
    return make_home(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def client(home: PageHome) -> Iterator[TestClient]:
    """A browser without scripts."""
    with TestClient(make_app(home.settings), BASE) as made:
        yield made


@pytest.mark.parametrize(("name", "file"), [("left", "left.mp4"), ("in-tar", "left.mp4")])
def test_a_recording_is_sent_as_it_lies_there(
    home: PageHome, client: TestClient, name: str, file: str
) -> None:
    """The whole, or exactly the range asked for, also from inside a tar."""
    there = home.bytes_of(file)
    path = f"/media/recordings/{name}"
    found = client.get(path)
    assert (found.status_code, found.content) == (200, there)
    assert found.headers["accept-ranges"] == "bytes"
    assert found.headers["content-type"] == "video/mp4"
    size = len(there)
    for header, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=100-", 100, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size * 9}", 5, size),
        (f"bytes=-{size * 9}", 0, size),
    ):
        part = client.get(path, headers={"range": header})
        assert (part.status_code, part.content) == (206, there[start:end]), header
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"


def test_ranges_that_cannot_be_are_refused_or_passed_over(
    home: PageHome, client: TestClient
) -> None:
    """Outside the file is 416; what is malformed, or several at once, is answered by the whole."""
    there = home.bytes_of("left.mp4")
    for header in (f"bytes={len(there)}-", "bytes=999999999999-", "bytes=-0"):
        found = client.get("/media/recordings/left", headers={"range": header})
        assert (found.status_code, found.headers["content-range"]) == (416, f"bytes */{len(there)}")
    odd = ["bytes=9-3", "bytes=a-b", "bytes=0-1,4-5", "items=0-1", "bytes=", "bytes=-", "bytes=--1"]
    for header in [*odd, f"bytes={'9' * 400}-", "bytes=٣-"]:
        found = client.get("/media/recordings/left", headers={"range": header.encode()})
        assert (found.status_code, found.content) == (200, there), header


def test_a_range_of_another_version_is_answered_by_the_whole(client: TestClient) -> None:
    """If-Range holds the recording's id; another one gets all bytes."""
    same = {"range": "bytes=0-9", "if-range": '"left"'}
    assert client.get("/media/recordings/left", headers=same).status_code == 206
    other = {"range": "bytes=0-9", "if-range": '"right"'}
    assert client.get("/media/recordings/left", headers=other).status_code == 200


def test_head_tells_the_size_and_sends_nothing(home: PageHome, client: TestClient) -> None:
    """A browser may ask first."""
    found = client.head("/media/recordings/left")
    assert found.content == b""
    assert found.headers["content-length"] == str(len(home.bytes_of("left.mp4")))


def test_what_cannot_be_sent_is_said(home: PageHome, client: TestClient) -> None:
    """Unknown, gone and compressed recordings are 404; a file that changed since is 409."""
    for name in ("nobody", "gone", "in-zip", "..%2f..%2fetc%2fpasswd", "%2e%2e", "left%00"):
        assert client.get(f"/media/recordings/{name}").status_code == 404
    file = home.archive / "right.mp4"
    before = file.read_bytes()
    file.write_bytes(before + b"more")
    try:
        assert client.get("/media/recordings/right").status_code == 409
    finally:
        file.write_bytes(before)


def test_generated_video_is_found_by_name_in_its_home_only(client: TestClient) -> None:
    """A moved home plays; a row that names a file elsewhere opens nothing."""
    assert client.get("/media/generations/made").headers["content-type"] == "video/mp4"
    part = client.get("/media/generations/made", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert client.get("/pictures/generations/made").content[:2] == b"\xff\xd8"
    for path in ("/media/generations/outside", "/pictures/generations/outside"):
        assert client.get(path).status_code == 404
    for name in ("nobody", "..%2fcatalog", "%2fetc%2fpasswd"):
        assert client.get(f"/media/generations/{name}").status_code == 404


def test_a_link_out_of_the_home_is_not_followed(home: PageHome) -> None:
    """A file of generations that is a link to elsewhere is no generated video."""
    (home.settings.generations / "link.mp4").symlink_to("/etc/hostname")
    home.commit(
        "generations",
        {"generation_id": "linked", "uri": "/x/link.mp4", "parameters": "{}", "sources": []},
    )
    client = TestClient(make_app(home.settings), BASE)
    assert client.get("/media/generations/linked").status_code == 404


def test_stills_are_frames_of_the_recording(client: TestClient) -> None:
    """Any instant of any codec, also inside a zip, is the frame that the archive shows there."""
    from footage import RATE, moving

    pictures = moving()
    for name in ("left", "old", "in-tar", "in-zip"):
        for at_ms in (0, 1000, 3000):
            found = client.get(f"/pictures/recordings/{name}/{at_ms}?side=640")
            assert found.headers["content-type"] == "image/jpeg"
            shown = cv2.imdecode(np.frombuffer(found.content, np.uint8), cv2.IMREAD_COLOR)
            truth = pictures[at_ms * RATE // 1000]
            assert shown.shape == truth.shape
            errors = [np.abs(shown[..., ::-1].astype(int) - one).mean() for one in pictures]
            assert abs(int(np.argmin(errors)) - at_ms * RATE // 1000) <= 1


def test_stills_that_cannot_be_are_refused(client: TestClient) -> None:
    """No archive and no thumbnail is 404; instants that are none 400; sizes are those we have."""
    assert client.get("/pictures/recordings/gone/0").status_code == 404
    assert client.get("/pictures/recordings/left/-1").status_code in (400, 404)
    assert client.get("/pictures/recordings/left/1e9").status_code == 400
    assert client.get("/pictures/recordings/left/0?side=x").status_code == 400
    huge = client.get("/pictures/recordings/left/99999999?side=99999999")
    assert huge.status_code == 200
    assert client.get("/pictures/sheets/nobody").status_code == 404


def test_a_thumbnail_stands_in_where_the_archive_is_away(home: PageHome) -> None:
    """What extraction kept of a recording is shown when its file is not there."""
    from tasks.views.packing import packed
    from tasks.views.thumbnail import SPEC
    from tasks.views.view import Feature

    grey = np.full((2, 112, 112, 3), 40, np.uint8)
    grey[1] = 200
    columns = packed(SPEC, Feature((grey,), (1.0,), np.ones(2, bool)))
    where = {"session_id": "gone", "camera_id": "cam0", "view": "thumbnail", "version": "v"}
    span = {"start_ns": 0, "end_ns": 2_000_000_000, "clip_id": "gone-0"}
    home.commit("features", where | span | columns)
    client = TestClient(make_app(home.settings), BASE)
    for at_ms, level in ((0, 40), (1200, 200)):
        found = client.get(f"/pictures/recordings/gone/{at_ms}")
        shown = cv2.imdecode(np.frombuffer(found.content, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape[1] / shown.shape[0] == pytest.approx(96 / 64, abs=0.05)
        assert abs(shown.mean() - level) < 3


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/%2e%2e/guard.py",
        "/static/..%2fguard.py",
        "/static//etc/passwd",
        "/media/../static/page.css/..",
    ],
)
def test_no_address_leads_to_a_path(client: TestClient, path: str) -> None:
    """Nothing outside `static` is served by it, however its name is written."""
    found = client.get(path)
    assert found.status_code in (403, 404, 405)
    assert "def " not in found.text


@given(st.integers(1, 3 * CHUNK_BYTES), st.data())
def test_ranges_together_are_the_file(size: int, data: st.DataObject) -> None:
    """Any range that is granted lies inside the file, and its bytes are those of the file."""
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, 2 * size))
    found = requested(f"bytes={first}-{last}", size)
    assert found == (first, min(last + 1, size))
    whole = bytes(range(256)) * (size // 256 + 1)
    file = BytesIO(whole[:size])
    assert b"".join(stream(file, *found)) == whole[first : found[1]]
    assert file.closed


@given(st.text(max_size=40))
def test_any_range_header_is_survived(header: str) -> None:
    """Whatever a header holds, the answer is a range inside the file, the whole, or a refusal."""
    try:
        found = requested(header, 1000)
    except ValueError:
        return
    assert found is None or 0 <= found[0] < found[1] <= 1000


def test_one_of_a_kind_is_made_once_and_failures_are_not_kept() -> None:
    """What is asked for again is not made again; the eldest goes; a failure is tried anew."""
    kept, made = Kept(entries=2), []

    def make(key: str) -> bytes:
        made.append(key)
        if key == "bad" and made.count("bad") == 1:
            raise ValueError(key)
        return key.encode()

    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(key, lambda key=key: make(key)) == key.encode()
    assert made == ["a", "b", "c", "b"]
    with pytest.raises(ValueError, match="bad"):
        kept.get("bad", lambda: make("bad"))
    assert kept.get("bad", lambda: make("bad")) == b"bad"
