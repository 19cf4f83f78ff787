"""The table of what an hour of video costs, of the constants that `--dry-run` reckons with.

Reads `tasks/extraction/estimate.py` and the views. The constants were measured; see `make bench`.
"""

from __future__ import annotations

from generators.markdown import table
from infra.settings import Settings
from tasks.extraction.estimate import DECODE_NS_PER_PIXEL, SCAN_NS_PER_PIXEL
from tasks.views.catalogue import VIEWS

SIZES = (
    ("640 x 480, 25/s", 640 * 480 * 25),
    ("1280 x 720, 30/s", 1280 * 720 * 30),
    ("1920 x 1080, 30/s", 1920 * 1080 * 30),
    ("3840 x 2160, 30/s", 3840 * 2160 * 30),
)


def core_hours() -> str:
    """Return core-hours of ingest and extract, of one hour through one camera."""
    steps = 1e9 / Settings().grid_step_ns
    views = sum(kind.spec.cost_ms for kind in VIEWS.values()) * steps / 1e3
    rows = []
    for name, pixels in SIZES:
        ingest = pixels * SCAN_NS_PER_PIXEL / 1e9
        extract = pixels * DECODE_NS_PER_PIXEL / 1e9 + views
        rows.append((name, f"{ingest:.2f}", f"{extract:.2f}", f"{1 / (ingest + extract):.1f}"))
    columns = ("recording", "ingest", "extract, every view", "hours of video a core-hour, both")
    return table(columns, rows)
