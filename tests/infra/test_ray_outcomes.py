"""What is known of the machines of a Ray that this process has joined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.settings import PROCESS_ENVIRONMENT

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
# In a process of its own: that of the tests shares one Ray, and this one's is lost.
LOSES_ITS_MACHINE = """
import sys, time
import psutil, ray
from infra.errors import ComputeUnavailableError
from infra.ray_cluster import connect, fitting_cpus
from infra.settings import Settings

connect(Settings(home=sys.argv[1], cpus=2))
assert fitting_cpus(4) == (2, 1)
for one in psutil.Process().children(recursive=True):
    if one.name() == "raylet":
        one.kill()
until = time.monotonic() + 120
while any(node["Alive"] for node in ray.nodes()) and time.monotonic() < until:
    time.sleep(0.2)
try:
    fitting_cpus(4)
except ComputeUnavailableError as error:
    print(error, flush=True)
"""


def test_a_ray_without_machines_is_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for cores then gets an error with a command, no fault of arithmetic."""
    for name, value in PROCESS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = subprocess.run(
        [sys.executable, "-c", LOSES_ITS_MACHINE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Ray has no machine left" in found.stdout, found.stderr[-3000:]
