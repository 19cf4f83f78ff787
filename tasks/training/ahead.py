"""Runs an iterator in a thread of its own, a few items ahead of whoever asks for them.

PyAV and torch let go of the interpreter while they work, so what decodes, what computes and what
encodes keep a core each as long as none waits for another.
"""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Item = TypeVar("Item")

DEPTH = 2  # two frames wait at each joint: memory does not grow with the clip
_LOOK_S = 0.05  # how often a waiting thread looks whether it is still wanted


class _Ended:
    """The last thing in a queue: why there is no more."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(source: Iterable[Item], depth: int = DEPTH) -> Generator[Item]:
    """Yield what `source` yields, in order; it runs in a thread, at most `depth` items ahead.

    What it raises is raised here, at its place. It ends, and is closed in its own thread, when the
    returned iterator is closed or nobody holds it any longer.

    Raises:
        ValueError: if `depth` is not positive.
    """
    if depth < 1:
        raise ValueError(f"a pipe holds one item at least, got {depth}")
    return _taken(source, depth)


def _taken(source: Iterable[Item], depth: int) -> Generator[Item]:
    held: Queue[Item | _Ended] = Queue(depth)
    unwanted = threading.Event()
    thread = threading.Thread(target=_fill, args=(source, held, unwanted), daemon=True)
    thread.start()
    try:
        while True:
            item = held.get()
            if isinstance(item, _Ended):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        unwanted.set()
        while thread.is_alive():
            # A put that waits for room is let go at once.
            try:
                held.get_nowait()
            except Empty:
                thread.join(_LOOK_S)


def _fill(source: Iterable[Item], held: Queue[Item | _Ended], unwanted: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in source:
            if not _put(held, item, unwanted):
                break
    except BaseException as raised:  # noqa: BLE001 - it is raised where the items are asked for
        error = raised
    close = getattr(source, "close", None)
    if close is not None:
        close()
    _put(held, _Ended(error), unwanted)


def _put(held: Queue[Item | _Ended], item: Item | _Ended, unwanted: threading.Event) -> bool:
    """Wait for room as long as anybody wants it."""
    while not unwanted.is_set():
        try:
            held.put(item, timeout=_LOOK_S)
        except Full:
            continue
        return True
    return False
