"""Whatever is done to a recording, it has one lawful outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[1] / "fuzz" / "fuzz_scan.py"


def test_fifty_damaged_recordings_end_lawfully() -> None:
    """Each ends as a scan that adds up or a refusal; none dies, hangs, or is passed over."""
    done = subprocess.run(
        [sys.executable, FUZZ, "--count", "50", "--seed", "7", "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = json.loads(done.stdout)
    assert told["broken"] == []
    assert done.returncode == 0
    rows = told["rows"].values()
    assert sum(row["files"] for row in rows) == 50
    ends = ("ok", "salvaged", "refused")
    assert sum(row.get(end, 0) for row in rows for end in ends) == 50
    # The damage is real: most files lose something, few lose all.
    assert sum(row.get("salvaged", 0) for row in rows) > 15
    assert sum(row.get("refused", 0) for row in rows) < 25
