"""The network that encodes: a model of the registry, read from its files or refused by name.

Reads a folder that `registry.download` kept; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import ModelInvalidError
from models.distiller import Distiller
from models.window_encoder import WindowEncoder
from tasks.training.served_network import load_any, load_network, model_of

if TYPE_CHECKING:
    from pathlib import Path


def load_encoder(folder: Path, uri: str) -> WindowEncoder:
    """Return what encodes, in evaluation mode; `uri` is how the registry names it.

    Raises:
        ModelArchitectureError: it is of an architecture, or a version of one, not known here.
        ModelInvalidError: its files are damaged, it encodes nothing, or is a distiller that cannot
            write bytes.
    """
    net = load_any(folder, uri)
    if isinstance(net, Distiller):
        return _with_tables(net, uri)
    if not isinstance(net, WindowEncoder):
        raise ModelInvalidError(
            f"{uri} is a {type(net).__name__}, which makes no codes of windows.",
            command="stillhouse show models",
        )
    return net


def load_distiller(folder: Path, uri: str) -> Distiller:
    """Return the distiller in `folder`, in evaluation mode.

    Raises:
        ModelArchitectureError, ModelInvalidError: see `load_encoder`; also if it is no distiller.
    """
    return _with_tables(load_network(folder, Distiller, uri), uri)


def _with_tables(net: Distiller, uri: str) -> Distiller:
    if not all(bool(table.any()) for name, table in net.named_buffers() if name.endswith("table")):
        raise ModelInvalidError(
            f"{uri} was registered before its coder had tables, so it writes no bytes.",
            command=f"stillhouse distill --model {model_of(uri)}",
        )
    return net
