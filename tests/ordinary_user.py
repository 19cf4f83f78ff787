"""Runs a piece of a test as a user who may not read everything, also where tests run as root.

`run_as_ordinary_user` starts a process that loads what it needs, gives up root if it has it, and
answers in JSON. `open_folder` makes a folder that such a user can reach (`tmp_path` is not).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
NOBODY = 65534
# The interpreter may lie where only root may read: all that is used is loaded first, what libraries
# load only once they are asked by asking them once as root.
_FRAME = f"""
import json, os, sys
{{program}}
if os.geteuid() == 0:
    try:
        answer(*sys.argv[1:])
    except Exception:
        pass
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
assert os.geteuid() != 0
print(json.dumps(answer(*sys.argv[1:])))
"""


def run_as_ordinary_user(program: str, *arguments: object) -> Any:  # noqa: ANN401  of JSON
    """Run `answer(*arguments)` of a program's text, its arguments strings; return what it says."""
    done = subprocess.run(
        [sys.executable, "-c", _FRAME.format(program=program), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="stillhouse-open-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)
