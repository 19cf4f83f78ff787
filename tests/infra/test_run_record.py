"""What a run says of its code and of what it took from the machine."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from infra import usage as usage_module
from infra.source_facts import source_facts
from infra.usage import Usage
from tasks.training.run_facts import training_facts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody in particular and return what it says."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_checkout_has_a_revision_and_an_installed_package_has_none(tmp_path: Path) -> None:
    """The commit by its full name, changes that were not committed, and no foreign repository."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    revision = git(tmp_path, "rev-parse", "HEAD")
    ours = {"package_version": version("stillhouse"), "git_revision": revision}
    assert source_facts.__wrapped__(tmp_path) == ours | {"git_dirty": "false"}
    (tmp_path / "b.py").write_text("b = 1\n")
    assert source_facts.__wrapped__(tmp_path) == ours | {"git_dirty": "true"}
    # site-packages inside somebody's repository: its revision says nothing of us.
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert source_facts.__wrapped__(inside) == {"package_version": version("stillhouse")}


def test_a_training_process_names_its_machine() -> None:
    """Code, torch, CPU and its flags, threads: what equal weights depend on."""
    found = training_facts(3)
    assert found["threads"] == "3"
    assert found["torch"] == version("torch")
    assert {"cpu", "cpu_flags", "python", "package_version"} <= set(found)
    assert all(found.values())
    assert "cache" not in found["cpu_flags"]


def test_memory_and_cpu_time_are_curves() -> None:
    """A child that held 100 MB and worked for half a second is in them; times only grow."""
    work = "import time; x = bytearray(b'x') * 100_000_000; e = time.time() + 1\n"
    work += "while time.time() < e: pass"
    with Usage(interval_s=0.05) as usage:
        child = subprocess.Popen([sys.executable, "-c", work])
        before = usage.curves()["rss_megabytes"][0]
        child.wait()
        found = usage.curves()
    assert found["times_ms"] == sorted(found["times_ms"])
    assert abs(found["times_ms"][-1] - time.time() * 1000) < 5_000
    assert max(found["rss_megabytes"]) > before + 80
    assert max(found["cpu_seconds"]) > 0.2
    assert len({len(values) for values in found.values()}) == 1


def test_a_long_run_has_no_more_samples_than_a_page_can_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Past the most of them every second one goes, the first one stays."""
    monkeypatch.setattr(usage_module, "MOST_SAMPLES", 20)
    usage = Usage()
    for _ in range(25):
        usage._sample()
    times = usage.curves()["times_ms"]
    assert 10 < len(times) <= 20
    assert times[0] == min(times)
