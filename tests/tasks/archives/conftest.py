"""Small real recordings, and a real S3 server on loopback, for the tests of every medium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tasks.containers.limits import Limits
from tasks.decode import Decoded, Source, decode_all
from tasks.mux import write_video
from tasks.recordings.media import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.archives.contents import Entry


@dataclass(frozen=True)
class Footage:
    """A folder of recordings, by the member paths they have in any archive made of it."""

    folder: Path
    members: tuple[str, ...]

    def path(self, member: str) -> Path:
        """Return the plain file of a member."""
        return self.folder / member

    def require_equal(self, entry: Entry, member: str) -> None:
        """Require that an entry has the bytes, the id and the pictures of the plain file."""
        plain = Source(str(self.path(member)))
        assert entry.size_bytes == self.path(member).stat().st_size
        assert fingerprint(entry.source) == fingerprint(plain)
        assert pictures(entry.source) == pictures(plain)


def pictures(source: Source) -> list[tuple[int, bytes]]:
    """Return the time and luma of every frame."""
    found = decode_all(source, Limits(pixels=1 << 20, frames=100))
    return [
        (frame.pts, frame.luma(48, 32).tobytes()) for frame in found if isinstance(frame, Decoded)
    ]


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Three recordings of 12 frames: index in front, Matroska, and a name that is no ASCII."""
    folder = tmp_path_factory.mktemp("footage")
    members = ("a/cam1.mp4", "a/cam2.mkv", "b/für elise.mp4")
    for seed, member in enumerate(members):
        (folder / member).parent.mkdir(exist_ok=True)
        ground = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        write_video(folder / member, [np.roll(ground, 3 * k, 1) for k in range(12)], rate=25)
    return Footage(folder, members)


@pytest.fixture(scope="session")
def store_environment() -> Iterator[None]:
    """Credentials where stores' clients look for them, and no look beyond this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@pytest.fixture(scope="session")
def endpoint(store_environment: None) -> Iterator[str]:  # noqa: ARG001  the server is asked with it
    """The address of an S3 server on a free port of loopback (1 s to start)."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
