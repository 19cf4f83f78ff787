"""The network that encodes: a model of the registry, read from its files or refused by name.

Reads a folder that `registry.download` kept; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import ModelArchitectureError, ModelInvalidError
from models import weights
from models.distiller import Distiller
from models.window_encoder import WindowEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def load_encoder(folder: Path, uri: str) -> WindowEncoder:
    """Return what encodes, in evaluation mode; `uri` is how the registry names it.

    Raises:
        ModelArchitectureError: it is of an architecture, or a version of one, not known here.
        ModelInvalidError: its files are damaged, it encodes nothing, or is a distiller that cannot
            write bytes.
    """
    net = _loaded(folder, uri)
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
    net = _loaded(folder, uri)
    if not isinstance(net, Distiller):
        raise ModelInvalidError(
            f"{uri} is a {type(net).__name__}, and no distiller.", command="stillhouse show models"
        )
    return _with_tables(net, uri)


def _loaded(folder: Path, uri: str) -> nn.Module:
    try:
        return weights.load(folder)
    except weights.UnknownArchitectureError as error:
        raise ModelArchitectureError(
            f"{uri} is {error.said}; this version of Stillhouse knows "
            f"{_known(error.architecture)}.",
            command=f"stillhouse distill --model {_name(uri)}",
        ) from error
    except ValueError as error:
        raise ModelInvalidError(
            f"{uri} cannot be read: {error}. Remove that copy, and it is fetched again.",
            command=f"rm -r {folder}",
        ) from error


def _with_tables(net: Distiller, uri: str) -> Distiller:
    if not all(bool(table.any()) for name, table in net.named_buffers() if name.endswith("table")):
        raise ModelInvalidError(
            f"{uri} was registered before its coder had tables, so it writes no bytes.",
            command=f"stillhouse distill --model {_name(uri)}",
        )
    return net


def _name(uri: str) -> str:
    """Return the model's name of `models:/NAME/VERSION`."""
    return uri.removeprefix("models:/").partition("/")[0]


def _known(name: str) -> str:
    found = weights.ARCHITECTURES.get(name)
    return f"{name} version {found.version}" if found else ", ".join(weights.ARCHITECTURES)
