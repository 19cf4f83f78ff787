"""The snapshot that pages show: the latest, without a restart and without a wait.

Reads the tables' logs; writes nothing. A look at whether anyone has committed costs one `stat` a
table. What is new is laid out in the background; a page waits for it a moment, and shows
the snapshot before where that is not enough.
"""

from __future__ import annotations

import time
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

from catalog.page.shelf import Shelf
from catalog.schemas.registry import TABLES
from catalog.snapshot import Snapshot
from infra.errors import StillhouseError

if TYPE_CHECKING:
    from collections.abc import Hashable

# How long a page waits for a newer snapshot: a small catalog is laid out in half of it.
PATIENCE_S = 0.25
# A log in an object store is asked for at most so often.
STORE_EVERY_S = 10.0


class Latest:
    """Gives the newest shelf there is; any number of threads may ask."""

    def __init__(
        self, catalog_uri: str, *, patience_s: float = PATIENCE_S, threads: int = 1
    ) -> None:
        self._uri, self._patience_s, self._threads = catalog_uri, patience_s, threads
        self._changed = Condition()
        self._shelf: Shelf | None = None
        self._mark: Hashable = None  # what the logs looked like when the shelf was begun
        self._error: Exception | None = None
        self._busy = False

    def shelf(self) -> Shelf:
        """Return the newest shelf; the first call waits until there is one.

        Raises:
            StillhouseError: the catalog cannot be read, and never could.
        """
        mark = self._look()
        with self._changed:
            if mark != self._mark and not self._busy:
                self._busy, self._error = True, None
                Thread(target=self._lay_out, args=(mark,), daemon=True).start()
            if self._busy:
                wait_s = None if self._shelf is None else self._patience_s
                self._changed.wait_for(lambda: not self._busy, wait_s)
            if self._shelf is None:
                raise StillhouseError(
                    f"The catalog {self._uri} cannot be read: {self._error}.",
                    command="stillhouse doctor",
                ) from self._error
            return self._shelf

    def _lay_out(self, mark: Hashable) -> None:
        shelf, error = None, None
        try:
            shelf = Shelf(Snapshot.take(self._uri), threads=self._threads)
        except Exception as caught:  # noqa: BLE001  the page that waits raises it
            error = caught
        with self._changed:
            self._busy, self._error = False, error
            self._shelf = shelf or self._shelf
            # A failure is tried again at the next page, what was laid out is not.
            self._mark = mark if shelf else None
            self._changed.notify_all()

    def _look(self) -> Hashable:
        """Return something that changes when anyone commits."""
        if "://" in self._uri:
            return int(time.monotonic() / STORE_EVERY_S)
        return tuple(_changed_ns(Path(self._uri, name, "_delta_log")) for name in TABLES)


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
