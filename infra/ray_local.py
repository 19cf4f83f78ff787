"""A private Ray for one process: loopback only, a token of its own, files that go when it goes.

Starts and stops Ray's processes; writes a folder below the system's temporary folder (Ray's socket
paths may not pass 107 bytes, so not below home, which may be deep).
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types

from infra.errors import ComputeUnavailableError
from infra.settings import WORKER_ENVIRONMENT, child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings

# Ray adds 64 bytes to this ("/session_<time>_<pid>/sockets/plasma_store"); Linux allows 107.
LONGEST_FOLDER = 43
_FOLDER = re.compile(r"stillhouse-ray-(\d+)-\w+")


def start_local(settings: Settings) -> None:
    """Start Ray for this process and its workers; stopped at exit or by `stop_local`.

    About 5 s on two cores. It listens on loopback, and whoever connects needs the token of this
    process: without both, anyone who reaches a port of Ray's may run code as this user.

    Raises:
        ComputeUnavailableError: Ray does not start.
    """
    settings.prepare_process()
    import ray

    _remove_orphans()
    folder = tempfile.mkdtemp(prefix=f"stillhouse-ray-{os.getpid()}-", dir=_temporary_root())
    # Before Ray's own (last in, first out): its files go after its processes.
    atexit.register(stop_local)
    try:
        # A runtime environment would do the same for .8 s a worker.
        with _loopback(), child_environment(WORKER_ENVIRONMENT):
            ray.init(
                num_cpus=settings.cpus,
                object_store_memory=settings.object_store_bytes,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
            )
    except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        raise ComputeUnavailableError(
            f"Ray does not start here: {str(error).splitlines()[0]}", command="stillhouse doctor"
        ) from error


def stop_local() -> None:
    """Stop the Ray of this process (1.5 s) and remove its files."""
    import ray

    ray.shutdown()
    for folder in Path(_temporary_root()).glob(f"stillhouse-ray-{os.getpid()}-*"):
        _remove(str(folder))


def _temporary_root() -> str:
    found = tempfile.gettempdir()
    fits = len(f"{found}/stillhouse-ray-{os.getpid()}-12345678") <= LONGEST_FOLDER
    return found if fits else "/tmp"  # noqa: S108  mkdtemp makes a folder nobody else can enter


@contextmanager
def _loopback() -> Iterator[None]:
    """Have Ray listen on 127.0.0.1, as it does by itself on macOS and Windows.

    On Linux it replaces a loopback address by the machine's own and then listens on every
    interface; `tests/infra/test_ray_cluster.py` looks at the ports.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _remove_orphans() -> None:
    """Remove the folders of processes of ours that were killed."""
    for folder in Path(_temporary_root()).glob("stillhouse-ray-*"):
        named = _FOLDER.fullmatch(folder.name)
        if named and not psutil.pid_exists(int(named.group(1))):
            _remove(str(folder))  # another user's cannot be removed and stays


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
