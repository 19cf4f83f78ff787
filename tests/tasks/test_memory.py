"""A worker's memory follows the size of a frame and of a group, never the length of a recording."""

from __future__ import annotations

import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from tasks.mux import write_video

ROOT = Path(__file__).parents[2]
# Scans a file, then samples it by plan at 2 frames/s; prints its own highest memory in KiB.
PROGRAM = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from tasks.decode import Limits, Scale, Source, sample
from tasks.ingest.scan import scan
source = Source(sys.argv[1])
found = scan(source, Limits())
wanted = range(0, found.duration_ns, 500_000_000)
count = sum(1 for _ in sample(source, wanted, [Scale("small", 224, 126)], start_pts=0))
assert count == len(wanted)
print(found.frames_decoded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.long
@pytest.mark.parametrize("name", ["recording.mp4", "recording.mkv"])
def test_a_recording_ten_times_as_long_needs_no_more_memory(tmp_path: Path, name: str) -> None:
    """Scan and plan of 12 s and of 2 min of 720p: the peak of the process grows by under 10 %."""
    noise = np.random.default_rng(2).integers(0, 256, (30, 45, 80, 3), np.uint8)
    pictures = [np.repeat(np.repeat(picture, 16, 0), 16, 1) for picture in noise]
    peaks = []
    for seconds in (12, 120):
        path = tmp_path / f"{seconds}_{name}"
        frames = islice(cycle(pictures), 10 * seconds)
        write_video(path, frames, rate=10, options={"preset": "ultrafast", "g": "30"})
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, path, ROOT],
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )
        count, peak = map(int, done.stdout.split())
        assert count == 10 * seconds
        peaks.append(peak)
    assert peaks[1] < 1.1 * peaks[0], peaks
