"""What cannot be heard is silence to clocks; a storage that fails is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.clocks.listener import ListenWork, listen_to
from tasks.containers.wanted import Clock
from tasks.decode import Source

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.synthetic.archive import Truth


def work(path: Path) -> ListenWork:
    """Return the work of listening to a file."""
    return ListenWork("r", Source(str(path)), Clock(0, 1, 12_800), 1_000_000_000)


def test_a_recording_is_heard_if_it_has_sound(truth: Truth) -> None:
    """With sound there is loudness; without, or where nothing opens, there is none."""
    assert listen_to(work(truth.folder / "sound.mp4")) is not None
    assert listen_to(work(truth.folder / "cuts.mp4")) is None
    assert listen_to(work(truth.folder / "notes.mp4")) is None


def test_a_storage_that_fails_stops_the_run(tmp_path: Path) -> None:
    """A clock found without the sound would be kept as if there were none."""
    with pytest.raises(FileNotFoundError):
        listen_to(work(tmp_path / "gone.mp4"))
