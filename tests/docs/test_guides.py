"""The worked examples of the guides are run: what stands on the page is what is tested."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from footage import COUNT, RATE, Case, moving, write_case, x264

from catalog.span import SECOND_NS, Span
from tasks.applications.application import ChosenClip, Context, Draft
from tasks.applications.catalogue import APPLICATIONS, application_of
from tasks.archives.contents import list_archive
from tasks.clocks.clock import CameraClock
from tasks.decode import Scale, Source, frames
from tasks.extraction.clip_decoding import decoded_clips
from tasks.extraction.clip_work import ClipWork, Due, Extracted
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.recordings.sources import ClipSource
from tasks.views.catalogue import VIEWS
from tasks.views.packing import packed, unpacked
from tasks.views.view import DecodedClip

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SIZE = (96, 64)
_CODE = re.compile(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^The line in `[\w/.]+`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(guide: str) -> dict[str, str]:
    """Return the files that a guide shows, by their path."""
    found = dict(_CODE.findall((GUIDES / guide).read_text("utf-8")))
    assert found, f"{guide} shows no code"
    return found


def loaded(path: str, code: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run a file of a guide as the module that it would be."""
    name = path.removesuffix(".py").replace("/", ".")
    module = ModuleType(name)
    module.__file__ = path
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, path, "exec"), vars(module))  # noqa: S102  it is ours, and on the page
    return module


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Four seconds of a square that circles over a sliding texture, nearly without loss."""
    return write_case(tmp_path, Case("square.mp4", "libx264", x264("keyint=25:qp=4")))


@pytest.fixture
def clip(source: Source) -> ClipSource:
    """All of it as a clip."""
    path = Path(source.uri)
    span = Span(0, COUNT * SECOND_NS // RATE)
    where = (str(path.parent), path.name, 0)
    return ClipSource("c", "s", "s", "cam0", "r", span, CameraClock(), 0, *where, size=SIZE)


def test_the_view_of_the_guide_says_what_is_true(
    clip: ClipSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoded as archives are, its cells are the means of the pictures that were put in."""
    guide = "add-a-view.md"
    for path, code in blocks(guide).items():
        module = loaded(path, code, monkeypatch)
    line = _LINE.search((GUIDES / guide).read_text("utf-8"))
    assert line is not None
    monkeypatch.setitem(VIEWS, "brightness", module.BrightnessKind())
    exec(line[1], {"VIEWS": VIEWS, "BrightnessKind": module.BrightnessKind})  # noqa: S102

    kind = VIEWS["brightness"]
    work = ClipWork(clip, (Due("brightness", "v", ""),))
    ((_, decoded),) = decoded_clips([work], 80_000_000, Extracted())
    kind.prepare(Path(), {})
    feature = kind.load(Path(), 2, {}).compute(decoded)
    assert feature.mask.all()
    cells = feature.arrays[0]
    pictures = moving()
    for step in (0, 20, 49):
        rgb = pictures[2 * step].astype(float)
        luma = rgb @ (0.299, 0.587, 0.114)
        means = luma.reshape(4, 16, 4, 24).mean((1, 3))
        # Video range and chroma are what is lost on the way.
        assert np.abs(cells[step] - means).max() < 6
    np.testing.assert_allclose(feature.vector, cells.mean(0).ravel(), atol=0.51)

    row = packed(kind.spec, feature)
    again = unpacked(kind.spec, row | {"steps": len(feature.mask)})
    np.testing.assert_array_equal(again.arrays[0], cells)
    assert kind.load(Path(), 1, {}).draw(feature, 3).shape == (112, 112, 3)


def test_what_does_not_show_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The promise that most views forget first."""
    ((path, code),) = blocks("add-a-view.md").items()
    module = loaded(path, code, monkeypatch)
    dark = {"luma32": np.zeros((5, 32, 32), np.uint8)}
    nothing = DecodedClip(np.arange(5, dtype=np.int64), np.zeros(5, bool), dark)
    assert module.Brightness().compute(nothing).absent == "no frame is shown"


def test_the_application_of_the_guide_makes_what_it_says(
    clip: ClipSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned from its options and made by its worker, every frame is its source's, mirrored."""
    guide = "add-an-application.md"
    modules = {
        path: loaded(path, code, monkeypatch)
        for path, code in sorted(blocks(guide).items(), reverse=True)
    }
    mirror = modules["tasks/applications/mirror.py"].Mirror
    line = _LINE.search((GUIDES / guide).read_text("utf-8"))
    assert line is not None
    monkeypatch.setitem(APPLICATIONS, "mirror", mirror)
    exec(line[1], {"APPLICATIONS": APPLICATIONS, "Mirror": mirror})  # noqa: S102

    asked = application_of("mirror", {})
    assert application_of("mirror", asked.parameters()) == asked
    camera = CameraSource(clip, None, None, (RATE, 1), (1, 12800))
    chosen = ChosenClip((camera,), (camera,))
    context: Context = None  # type: ignore[assignment]  # this one looks at nothing
    (draft,) = asked.drafts([chosen], context)
    assert isinstance(draft, Draft)
    target = tmp_path / "out" / "mirror.mp4"
    fine = Encoding(crf=4)
    request = Request("mirror", draft.sources, draft.span, (), None, fine, str(target))
    made = asked.maker(None).make(request)
    assert (made.width, made.height) == SIZE
    assert made.picture is not None
    assert Path(made.picture).exists()
    scale = (Scale("all", None, None, "rgb24"),)
    shown = frames(Source(str(target)), Span(0, 10 * SECOND_NS), scale, start_pts=0)
    turned = [frame.images["all"].astype(int) for frame in shown]
    assert len(turned) == COUNT
    for k in (0, 50, 99):
        # What chroma at half the size loses; unmirrored it is more than three times as much.
        near = np.abs(turned[k] - moving()[k][:, ::-1].astype(int)).mean()
        far = np.abs(turned[k] - moving()[k].astype(int)).mean()
        assert near * 3 < far


def test_the_manifest_of_the_guide_is_an_archive(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the recorder knew is what Stillhouse lists: sessions, cameras, labels, no rehearsal."""
    (code,) = blocks("add-a-source.md").values()
    module = loaded("recorder_manifest.py", code, monkeypatch)
    name = Path(source.uri).name
    takes = [
        {"name": "day1", "rehearsal": False, "tags": ["walk", "dog"], "files": {"left": name}},
        {"name": "day0", "rehearsal": True, "tags": [], "files": {"left": "none.mp4"}},
    ]
    (tmp_path / "index.json").write_text(json.dumps({"takes": takes}))
    manifest = module.write_manifest(tmp_path / "index.json")
    (entry,) = list_archive(manifest)
    assert (entry.session, entry.camera, entry.labels) == ("day1", "left", "walk; dog")
    assert entry.size_bytes == Path(source.uri).stat().st_size
    assert entry.source.uri == source.uri
