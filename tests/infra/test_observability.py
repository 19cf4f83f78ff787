from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
import time

import pytest

from infra import observability
from infra.log_lines import bound, redacted
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
from infra.log_lines import bound, redacted
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


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return each line on stderr as the one JSON object that it is."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_lines_name_their_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, event and the runs stand first; facts keep their types; lines stay lines."""
    start_logging(form="json")
    with bound(flow_run_id="f1"):
        log_facts("committed", clips=3, seconds=0.5, member='a "b"\nc', time="mine")
        with bound(mlflow_run_id="m1"):
            log_facts("trained", level=logging.WARNING)
        log_facts("done")
    log_facts("alone")
    committed, trained, done, alone = lines_of(capsys)
    assert list(committed)[:4] == ["time", "level", "event", "flow_run_id"]
    facts = {"clips": 3, "seconds": 0.5, "member": 'a "b"\nc', "fact_time": "mine"}
    assert {name: committed[name] for name in facts} == facts
    assert (committed["event"], committed["level"]) == ("committed", "info")
    told = {"level": "warning", "event": "trained", "flow_run_id": "f1", "mlflow_run_id": "m1"}
    assert {name: trained[name] for name in told} == told
    assert "mlflow_run_id" not in done
    assert "flow_run_id" not in alone


def test_plain_lines_name_their_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As keys with values, last."""
    start_logging(form="plain")
    with bound(flow_run_id="f1"):
        log_facts("done", clips=3)
    assert capsys.readouterr().err.endswith("INFO done clips=3 flow_run_id=f1\n")


SECRET = "hunter2-Zq9"  # noqa: S105  of nothing


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize(
    "said",
    [
        f"https://user:{SECRET}@mlflow.example.org/api",
        f"postgresql+psycopg://stillhouse:{SECRET}@db/mlflow",
        f"https://store.example.org/a.mp4?X-Amz-Credential=me&X-Amz-Signature={SECRET}&x=1",
        f"aws_secret_access_key = {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"password={SECRET}",
    ],
)
def test_no_line_holds_a_secret(capsys: pytest.CaptureFixture[str], form: str, said: str) -> None:
    """In facts, nested ones, facts that are called a secret, and what an exception says."""
    start_logging(form=form)
    log_facts("asked", where=said, inside={"uris": [said]}, password=SECRET)
    try:
        raise OSError(said)  # noqa: TRY301  to be caught
    except OSError:
        logging.getLogger("stillhouse").exception("%s", said)
    told = capsys.readouterr().err
    assert told.count("***") >= 4
    assert SECRET not in told


def test_what_is_no_secret_is_kept() -> None:
    """Hosts, users, digests and names stay readable."""
    for text in (
        "s3://bucket/day/a.mp4?endpoint=http://127.0.0.1:9000",
        "postgresql://stillhouse@db/mlflow",
        "member=day/design.mp4 tokens=12 digest=4f2a",
    ):
        assert redacted(text) == text
