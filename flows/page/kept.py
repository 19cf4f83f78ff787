"""The last few things that were made, by what they were made of; one maker of each at a time."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Kept:
    """Keeps the `entries` used last; any number of threads may ask."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = Lock()
        self._found: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return what was made of `key`, made now if it is not there; a failure keeps nothing."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
            mine = self._making.setdefault(key, Lock())
        try:
            with mine:
                with self._lock:
                    if key in self._found:
                        return self._found[key]
                made = make()
                with self._lock:
                    self._found[key] = made
                    if len(self._found) > self._entries:
                        self._found.popitem(last=False)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)
