"""Windows for training, read ahead by a thread: epoch after epoch, for as long as they are wanted.

Reads the catalog, never video; writes nothing.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from infra.errors import NothingToLearnError
from tasks.distiller.targets import has_pictures
from tasks.windows.reader import Position
from tasks.windows.sets import as_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from tasks.windows.reader import WindowReader

# Batches that wait to be used: reading is bursty, a pool of clips at a time.
AHEAD = 4
# Epochs without a single window to learn from, after which there is no hope of one.
BARREN = 2


class WindowStream:
    """Batches of windows of which each has a picture. Close it, or its thread reads for ever."""

    def __init__(self, reader: WindowReader, at: Position) -> None:
        self.waited = 0.0  # seconds that the caller was kept waiting
        self._ready: queue.Queue[tuple[dict[str, Tensor], Position] | BaseException] = queue.Queue(
            AHEAD
        )
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(reader, at), daemon=True)
        self._thread.start()

    def next(self) -> tuple[dict[str, Tensor], Position]:
        """Return the next batch and the position after it.

        Raises:
            NothingToLearnError: whole epochs had no window with a picture.
        """
        started = time.perf_counter()
        found = self._ready.get()
        self.waited += time.perf_counter() - started
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        while self._thread.is_alive():
            # The thread may be waiting for room.
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _run(self, reader: WindowReader, at: Position) -> None:
        try:
            for found in _batches(reader, at):
                self._ready.put(found)
                if self._closed.is_set():
                    return
        except Exception as error:  # noqa: BLE001  it is raised where the batch was wanted
            self._ready.put(error)


def _batches(reader: WindowReader, at: Position) -> Iterator[tuple[dict[str, Tensor], Position]]:
    barren = 0
    while True:
        useful = False
        for batch in reader.read(at):
            windows = as_torch(batch.tensors)
            some = has_pictures(windows)
            if bool(some.any()):
                useful = True
                if not bool(some.all()):
                    windows = {name: x[some] for name, x in windows.items()}
                yield windows, batch.position
        barren = 0 if useful else barren + 1
        if barren == BARREN:
            raise NothingToLearnError(
                "No window of the training sessions has a picture.", command="stillhouse extract"
            )
        at = Position(at.epoch + 1)
