"""Scans files in a process of its own, so that a decoder that dies or hangs is seen, not shared.

`Apart` starts this file as a program; the two talk in lines of JSON over its standard streams.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Apart:
    """A scanning process that is replaced when it dies or passes its deadline."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def scan(self, path: Path, *, pictures: bool = False) -> dict[str, Any]:
        """Scan a file and return what is said of it.

        `found` holds a scan or refusal a stream, `lost` says how the process died, `raised` what
        the storage is said to have done. With `pictures` each scan holds `good`: [pts, digest] of
        every frame outside bad spans.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            self._answer(30)  # it has imported
        process = self._process
        assert process.stdin is not None
        process.stdin.write(json.dumps({"path": str(path), "pictures": pictures}) + "\n")
        process.stdin.flush()
        answer = self._answer(self._deadline_s)
        if "lost" in answer:
            self.close()
        return answer

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return {"lost": "decode_timeout"}
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"lost": "decoder_crashed"}

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                # What was never read by the dead cannot be flushed to it.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def serve() -> None:
    """Answer requests until the standard input ends."""
    sys.path.insert(0, str(ROOT))
    from tasks.decode import Limits, Source
    from tasks.ingest.scanner import ScanWork, scan_file

    limits = Limits(pixels=1 << 24, frames=100_000)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        scanned = scan_file(ScanWork({}, Source(request["path"]), limits))
        if scanned.unreadable:
            print(json.dumps({"raised": scanned.unreadable}), flush=True)
            continue
        told = [_told(request, stream, result) for stream, result in enumerate(scanned.results)]
        print(json.dumps({"found": told, "cpu_s": scanned.cpu_s}), flush=True)


def _told(request: dict[str, Any], stream: int, result: Any) -> dict[str, Any]:  # noqa: ANN401
    from infra.errors import MediaError

    if isinstance(result, MediaError):
        return {"refused": result.reason}
    told = {
        "frames_header": result.frames_header,
        "frames_decoded": result.frames_decoded,
        "frames_bad": result.frames_bad,
        "bad_spans": [[span.start_ns, span.end_ns] for span in result.bad_spans],
        "reason": result.reason,
        "duration_ns": result.duration_ns,
        "promised_ns": result.header.claims.duration_ns,
        "codec": result.header.claims.codec,
        "sizes": result.sizes,
        "rising": bool((result.signals.times_ns[1:] > result.signals.times_ns[:-1]).all()),
    }
    if request["pictures"]:
        told["good"] = list(_good(request["path"], stream, result))
    return told


def _good(path: str, stream: int, result: Any) -> Any:  # noqa: ANN401  an iterator of pairs
    from catalog.span import Span
    from tasks.decode import Scale, Source, frames

    scale, source = Scale("luma", None, None, "gray"), Source(path, stream=stream)
    for frame in frames(source, Span(0, 1 << 60), [scale], start_pts=result.start_pts, plan=False):
        if not any(span.contains(frame.t_ns) for span in result.bad_spans):
            yield [frame.pts, hashlib.blake2b(frame.images["luma"].tobytes()).hexdigest()[:16]]


if __name__ == "__main__":
    serve()
