"""Files that a user hands to a run, kept by content so that what was made can be made again.

Copies into `<home>/state/inputs/<digest><suffix>`; reads nothing of what is in them.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import InputFileError

if TYPE_CHECKING:
    from infra.settings import Settings

MOST_BYTES = 256 << 20
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class KeptInput:
    """A file as it was when it was handed over."""

    digest: str
    suffix: str
    path: Path

    @property
    def name(self) -> str:
        """What names it from now on, in parameters and rows: `<digest><suffix>`."""
        return self.digest + self.suffix


def keep_input(settings: Settings, path: Path | str, most_bytes: int = MOST_BYTES) -> KeptInput:
    """Copy a file into the home, once; a name of a kept one gives that one.

    Raises:
        InputFileError: no such regular file, or larger than `most_bytes`.
    """
    folder = settings.state / "inputs"
    path = Path(path)
    known = folder / path.name
    if path.name == str(path) and known.is_file() and not path.exists():
        return KeptInput(known.stem, known.suffix, known)
    try:
        # Not to wait for a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InputFileError(f"{path} is no file.", command=f"ls -l {path}")
            if found.st_size > most_bytes:
                raise InputFileError(
                    f"{path} has {found.st_size} bytes; at most {most_bytes} are read.",
                    command=f"ls -l {path}",
                )
            digest = sha256()
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{os.getpid()}.partial"
            with partial.open("wb") as copy:
                while block := file.read(1 << 20):
                    digest.update(block)
                    copy.write(block)
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}.", command=f"ls -l {path}"
        ) from error
    name = digest.hexdigest()[:_DIGITS]
    suffix = path.suffix.lower()[:8]
    kept = folder / f"{name}{suffix}"
    shutil.move(partial, kept)
    return KeptInput(name, suffix, kept)
