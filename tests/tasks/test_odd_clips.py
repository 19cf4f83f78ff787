"""Every view describes, or honestly leaves out, whatever a camera may deliver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from footage import first_pts, moving, x264

from catalog.datafile import read_columns
from catalog.schemas.features import FEATURES
from catalog.span import SECOND_NS, Span
from infra.settings import Settings
from tasks.clocks.clock import CameraClock
from tasks.decode import Source, probe
from tasks.extraction.clip_work import ClipWork, Due
from tasks.extraction.extractor import Extractor
from tasks.mux import write_video
from tasks.recordings.sources import ClipSource
from tasks.views.catalogue import VIEWS
from tasks.views.current import weights_of
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.views.view import Feature


@dataclass(frozen=True)
class Odd:
    """A kind of recording: how it is coded, and the size its frames are cut to."""

    name: str
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    frames: int = 50
    rotation: int = 0
    parameters: str = ""


FFV1 = {"codec": "ffv1"}
KINDS = [
    Odd("grey.mkv", pixel_format="gray", **FFV1),
    Odd("ten_bits.mkv", pixel_format="yuv420p10le", **FFV1),
    Odd("ten_bits_of_colour.mkv", pixel_format="gbrp10le", **FFV1),
    Odd("turned.mp4", rotation=90),
    Odd("interlaced.mp4", parameters="interlaced=1"),
    Odd("odd_sides.mkv", size=(33, 17), pixel_format="yuv444p", **FFV1),
    Odd("one_pixel.mkv", size=(1, 1), pixel_format="yuv444p", **FFV1),
    Odd("very_wide.mkv", size=(96, 2), **FFV1),
    Odd("one_frame.mp4", frames=1),
    Odd("two_frames.mp4", frames=2),
]


@pytest.fixture(scope="module")
def extractor(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    """A worker with every view loaded."""
    home = tmp_path_factory.mktemp("odd")
    (home / "assets").symlink_to(weights)
    settings = Settings(home=home)
    digests = {name: weights_of(name, settings) for name in VIEWS}
    for name, kind in VIEWS.items():
        kind.prepare(settings.assets, digests[name])
    return Extractor(settings, "test", digests)


def extracted(extractor: Extractor, path: Path, span: Span) -> dict[str, Feature]:
    """Return what each view says of a span of a recording."""
    header = probe(Source(str(path)))
    size = (header.picture.width, header.picture.height)
    where = {"archive_uri": str(path.parent), "member": path.name, "stream": 0}
    named = dict.fromkeys(["clip_id", "session_id", "session_name", "camera_id"], path.name)
    clip = ClipSource(
        **named,
        recording_id="r",
        span=span,
        clock=CameraClock(),
        start_pts=first_pts(Source(str(path))),
        size=size,
        **where,
    )
    due = tuple(Due(name, "v", "") for name in VIEWS)
    found = extractor.run([ClipWork(clip, due)])
    assert not found.quarantine
    rows = {}
    for file in found.files:
        for row in read_columns(FEATURES, file.path, extractor._settings.catalog, None).to_pylist():
            rows[row["view"]] = unpacked(VIEWS[row["view"]].spec, row)
    assert set(rows) == set(VIEWS)
    return rows


@pytest.mark.parametrize("odd", KINDS, ids=lambda odd: odd.name)
def test_odd_recordings_are_described_by_every_view(
    odd: Odd, extractor: Extractor, tmp_path: Path
) -> None:
    """No view fails; each has its steps, or says why it has none."""
    path = tmp_path / odd.name
    width, height = odd.size
    pictures = [frame[:height, :width] for frame in moving()[: odd.frames]]
    options = x264(odd.parameters or "keyint=25") if odd.codec == "libx264" else {}
    write_video(
        path,
        pictures,
        rate=25,
        codec=odd.codec,
        options=options,
        pixel_format=odd.pixel_format,
        rotation=odd.rotation,
    )
    found = extracted(extractor, path, Span(0, odd.frames * SECOND_NS // 25))
    steps = max(1, odd.frames // 2)
    for name, feature in found.items():
        assert len(feature.mask) == steps, name
        assert bool(feature.absent) != bool(feature.mask.any())
    assert found["thumbnail"].mask.all()
    assert found["appearance"].mask[::2].all()
    assert "no sound" in str(found["audio"].absent)
    # The thumbnail is the picture in its colours: no plane was taken for another.
    if odd.rotation == 0 and min(odd.size) > 16 and odd.pixel_format != "gray":
        mean = found["thumbnail"].arrays[0].mean(axis=(0, 1, 2))
        assert np.abs(mean - np.mean(pictures, axis=(0, 1, 2))).max() < 4


def test_a_grid_goes_on_past_the_last_frame(extractor: Extractor, tmp_path: Path) -> None:
    """Where a clip outlives its recording the last frame is what is shown; nothing fails."""
    path = tmp_path / "short.mp4"
    write_video(path, moving()[:5], rate=25, options=x264("keyint=25"))
    found = extracted(extractor, path, Span(0, SECOND_NS))
    assert all(len(feature.mask) == 13 for feature in found.values())
