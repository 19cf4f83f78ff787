"""What tests of every room share: one local Ray for the whole session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.ray_cluster import cluster
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def ray_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home with a running local Ray of two cores (5 s to start)."""
    settings = Settings(home=tmp_path_factory.mktemp("ray-home"), cpus=2)
    with cluster(settings):
        yield settings
