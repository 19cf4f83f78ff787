"""The sampling job beside its peers: `python tests/bench/bench_ingest.py [ROUNDS]`.

Real footage, fetched and coded once below `home/bench` (a minute). Two tables of ratios, each taken
in one run, engines interleaved, the median of the rounds.

The job on one core over 720p H.264, in CPU seconds, beside ffmpeg that only decodes. Its ceiling is
to decode just the packets that the plan takes; how many those are is the footage's doing (of a
sliding texture coded with x264's `veryfast` 55 %, and the ceiling is 1.43 x).

200 short clips on all cores through every engine, each in a new process. *Start-up* is from
nothing to a first clip done; *job* is the wall time of all clips less that of one clip on the
engine that now runs; rows are compared bit by bit. ffmpeg is the system's or imageio-ffmpeg's, Daft
comes with the extra `bench`; what is not there is left out and said. Daft runs a function of the
user's: its own `read_video_frames` hangs with two or more files.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ingest_engines import ENGINES, ffmpeg_binary, ffmpeg_to_null
from ingest_material import long_clips, short_clips
from sampling_job import key_rows, naive_rows, rows

from infra.settings import load_settings
from tasks.containers.stream import VideoStream
from tasks.decode import Source, decoder_build, open_container

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampling_job import Clip

ROUNDS = 3
# One engine over the clips: ten times what the slowest takes on a quiet machine.
DEADLINE_S = 300.0
# What the job is to reach on one core, relative to ffmpeg, by the way the recording was coded.
GOALS = {"GOP 60": 1.5, "GOP 12": 2.0, "GOP 60, no B-frames": 1.0}
KEYFRAME_GOAL, KEPT_GOAL, MEMORY_GOAL = 9.0, 0.85, 0.7


def main() -> None:
    """Make the material, run both tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    settings = load_settings()
    settings.prepare_process()
    print(f"{cpu_model()}, {settings.cpus} cores, Python {platform.python_version()}")
    print(decoder_build())
    names = ("numpy", "pyarrow", "ray", "daft", "imageio-ffmpeg")
    print(", ".join(f"{name} {version(name)}" for name in names))
    for coded, clips in long_clips(settings).items():
        one_core(coded, clips, rounds)
    engines(short_clips(settings), settings.cpus, rounds)


def one_core(coded: str, clips: list[Clip], rounds: int) -> None:
    """Print the job over recordings coded in one way, by each reader, on one thread."""
    binary = ffmpeg_binary()
    plans = {clip: planned_packets(clip) for clip in clips}
    ways: dict[str, Callable[[Clip], Any]] = {
        "bare PyAV, the job": lambda clip: naive_rows(clip.path),
        "ours, the job by plan": lambda clip: rows(clip, plan=True),
        "the plan's packets alone": lambda clip: decode_only(clip, plans[clip]),
        "ours, keyframes alone": key_rows,
    }
    if binary:
        ways = {"ffmpeg to null": lambda clip: ffmpeg_to_null(binary, clip.path)} | ways
    else:
        print("no ffmpeg here: bare PyAV is the unit")
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before = cpu_seconds()
            for clip in clips:
                way(clip)
            spent[name].append(cpu_seconds() - before)
    count = sum(clip.frames for clip in clips)
    same = all(rows(clip, plan=True) == naive_rows(clip.path) for clip in clips)
    same_keys = all(key_rows(clip) == naive_rows(clip.path, keys=True) for clip in clips)
    unit = median(spent[next(iter(ways))])
    goals = {"ours, the job by plan": GOALS[coded]}
    if coded == "GOP 60":
        goals["ours, keyframes alone"] = KEYFRAME_GOAL
    megabits = (
        sum(Path(clip.path).stat().st_size for clip in clips)
        * 8e3
        / sum(clip.duration_ns for clip in clips)
    )
    print(f"\nH.264 720p, {coded}, {megabits:.1f} Mbit/s, {count} frames, one thread, CPU seconds")
    for name, seconds in spent.items():
        ratio = unit / median(seconds)
        print(
            f"  {name:26}{ratio:6.2f} x {median(seconds):7.2f} s {count / median(seconds):7.0f} "
            f"frames/s{verdict(ratio, goals.get(name))}"
        )
    share = sum(map(len, plans.values())) / count
    print(f"  packets decoded: {share:.0%}; rows equal: {same}, of keys: {same_keys}")


def planned_packets(clip: Clip) -> set[int]:
    """Return the pts of the packets that the plan has decoded."""
    fed: set[int] = set()
    feed = VideoStream.feed

    def noted(stream: VideoStream, packet: Any) -> Any:  # noqa: ANN401  PyAV's
        if packet is not None:
            fed.add(packet.pts)
        return feed(stream, packet)

    VideoStream.feed = noted  # type: ignore[method-assign]
    try:
        rows(clip, plan=True)
    finally:
        VideoStream.feed = feed  # type: ignore[method-assign]
    return fed


def decode_only(clip: Clip, chosen: set[int]) -> None:
    """Decode some packets on one thread and do nothing else: what no reader can pass."""
    with open_container(Source(clip.path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            if packet.pts in chosen:
                stream.codec_context.decode(packet)
        stream.codec_context.decode(None)


def engines(clips: list[Clip], cpus: int, rounds: int) -> None:
    """Print the job over the short clips by each engine, in a process of its own."""
    missing = {"Daft": importlib.util.find_spec("daft"), "ffmpeg to null": ffmpeg_binary()}
    chosen = [name for name in ENGINES if missing.get(name, "here") is not None]
    for name in set(ENGINES) - set(chosen):
        print(f"{name} is not installed: left out (pip install -e '.[bench]')")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        manifest = Path(folder) / "clips.json"
        manifest.write_text(json.dumps([asdict(clip) for clip in clips]), "utf-8")
        for k in range(rounds):
            for name in chosen:
                out = Path(folder) / f"{k}-{name}"
                found[name].append(run_engine(name, manifest, out, cpus))
    count = sum(clip.frames for clip in clips)
    middle = {
        name: {key: median(one[key] for one in each) for key in each[0] if key != "digest"}
        for name, each in found.items()
    }
    unit = middle["bare PyAV"]
    truth = found["bare PyAV"][0]["digest"]
    print(f"\n{len(clips)} clips, {count} frames, {unit['rows']} rows, {cpus} cores")
    print(f"  {'':18}    job  of bare  frames/s      CPU  start-up    memory  rows equal")
    for name, one in middle.items():
        equal = all(each["digest"] == truth for each in found[name])
        goal = KEPT_GOAL if name == "ours, all frames" else None
        print(
            f"  {name:18}{one['job_s']:6.1f}s {unit['job_s'] / one['job_s']:7.2f}x "
            f"{count / one['job_s']:9.0f} {one['job_cpu_s']:7.1f}s {one['start_s']:8.1f}s "
            f"{one['peak_bytes'] / 2**20:6.0f}MiB  {equal if one['rows'] else 'no rows'}"
            f"{verdict(unit['job_s'] / one['job_s'], goal)}"
        )
    judge_peers(middle)


def judge_peers(middle: Mapping[str, Mapping[str, float]]) -> None:
    """Print how much faster we are than each engine that writes rows."""
    mine = middle["ours, by plan"]["job_s"]
    for name in ("bare PyAV", "Ray Data", "Daft"):
        if name in middle:
            ratio = middle[name]["job_s"] / mine
            print(f"  ours by plan, beside {name:12}{ratio:5.2f} x{verdict(ratio, 1.0)}")
    if "Ray Data" in middle:
        share = middle["ours, by plan"]["peak_bytes"] / middle["Ray Data"]["peak_bytes"]
        good = "met" if share <= MEMORY_GOAL else "MISSED"
        print(f"  its memory, beside Ray Data {share:8.2f} x   goal <= {MEMORY_GOAL:g}: {good}")


def run_engine(name: str, manifest: Path, out: Path, cpus: int) -> dict[str, Any]:
    """Run one engine once and return what it said of itself."""
    script = str(Path(__file__).with_name("ingest_engines.py"))
    command = [sys.executable, script, name, str(manifest), str(out), str(cpus)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def verdict(ratio: float, goal: float | None) -> str:
    """Return what to print beside a ratio that has a goal."""
    return "" if goal is None else f"   goal {goal:g}: {'met' if ratio >= goal else 'MISSED'}"


def cpu_seconds() -> float:
    """Return the CPU time of this process and its children: a busy machine does not count."""
    return sum(os.times()[:4])


def cpu_model() -> str:
    """Return the processor's name."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def version(name: str) -> str:
    """Return a package's version, or that it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    main()
