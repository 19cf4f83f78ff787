"""Lets the SQL engine read the files of a catalog on an object store.

Reads what the engine asks for, through Arrow's file system; writes nothing. The engine's own way
to S3 is an extension that would be fetched from the network, with credentials of its own; through
Arrow there is one client for reading and writing, and the engine's list of allowed files holds for
it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from catalog.datafile import filesystem

if TYPE_CHECKING:
    import duckdb


def reach(connection: duckdb.DuckDBPyConnection, uri: str) -> None:
    """Let a connection read files of the store that a URI is in; of a path, do nothing."""
    if "://" not in uri:
        return
    from fsspec.implementations.arrow import ArrowFSWrapper

    class Store(ArrowFSWrapper):  # type: ignore[misc]  # ships no types
        # Arrow calls the file system of gs:// gcs; the engine goes by what stands in the URI.
        protocol = urlsplit(uri).scheme

    store: Any = Store(filesystem(uri)[0])
    connection.register_filesystem(store)
