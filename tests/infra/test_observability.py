from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
import time

import pytest

from infra import observability
from infra.observability import (
    PeakMemory,
    Stopwatch,
    format_facts,
    log_facts,
    progress,
    start_logging,
)

MIB = 1 << 20


def test_facts_are_keys_and_values_on_one_line() -> None:
    """Numbers stand bare, floats get three decimals, what has spaces or quotes is quoted."""
    line = format_facts("committed", clips=412, seconds=18.23456, member="a b.mp4", why='x="y"')
    assert line == 'committed clips=412 seconds=18.235 member="a b.mp4" why="x=\\"y\\""'


def test_log_lines_go_to_stderr_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Starting the log twice does not double its lines, and stdout stays empty."""
    start_logging()
    start_logging()
    log_facts("done", clips=3)
    log_facts("detail", level=logging.DEBUG, clips=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("INFO done clips=3") == 1
    assert "detail" not in err


def test_a_stopwatch_adds_up_each_stage_also_when_it_raises() -> None:
    """Two visits of a stage are one sum; a stage that fails has its time too."""
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("decode"):
            time.sleep(0.02)
    with pytest.raises(KeyError), watch.stage("write"):
        raise KeyError
    assert 0.04 <= watch.seconds["decode"] < 0.5
    assert "write" in watch.seconds


def test_peak_memory_sees_a_child_that_came_and_went() -> None:
    """A child that held 200 MiB for a second and ended is in the peak, shared pages once."""
    with PeakMemory() as memory:
        before = memory.peak_rss_bytes
        held = f"x = bytearray(b'x') * {200 * MIB}; import time; time.sleep(1.5)"
        subprocess.run([sys.executable, "-c", held], check=True)
        during = memory.peak_rss_bytes
    assert 200 * MIB <= during - before < 260 * MIB
    assert memory.peak_rss_bytes == during


def test_a_bar_counts_and_stays_quiet_where_nobody_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a terminal nothing is written; the count is kept all the same."""
    with progress("scan", 10, "recordings") as bar:
        bar.advance(3)
        bar.advance()
        bar.set(7)
    assert bar.done == 7
    assert capsys.readouterr() == ("", "")


DRAWN = """
import time
from infra import observability
observability.SHOW_AFTER_S = 0.05
with observability.progress("scan", 10, "recordings") as bar:
    bar.advance(4)
    time.sleep(0.5)
    bar.advance(5)
    time.sleep(0.3)
"""


def drawn(script: str) -> str:
    """Run a script with a terminal for stderr; return what it drew. Stdout must stay empty."""
    screen, terminal = pty.openpty()
    found = subprocess.run(
        [sys.executable, "-c", script],
        stderr=terminal,
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert found.stdout == b""
    return shown


def test_a_bar_shows_amount_and_rate_on_a_terminal() -> None:
    """On a terminal a bar that lasts shows what is done, the whole and the rate; not on stdout."""
    shown = drawn(DRAWN)
    assert "9/10 recordings" in shown
    assert "recordings/s" in shown


def test_a_bar_of_an_unknown_whole_shows_what_is_done() -> None:
    """A listing does not know how long it is: the count and rate are shown, no "of"."""
    script = DRAWN.replace('"scan", 10, "recordings"', '"list", None, "files"')
    shown = drawn(script)
    assert "9 files" in shown
    assert "9/" not in shown


def test_a_stage_that_is_over_at_once_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that would vanish again is not drawn, not even late."""
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(observability, "SHOW_AFTER_S", 0.1)
    with progress("scan", 10, "B", enabled=True) as bar:
        bar.advance(10)
    time.sleep(0.2)
    assert screen.getvalue() == ""
