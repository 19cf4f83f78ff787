"""The network that encodes: a distiller of the registry, read from its files or refused by name.

Reads a folder that `registry.download` kept; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import ModelArchitectureError, ModelInvalidError
from models import weights
from models.distiller import Distiller

if TYPE_CHECKING:
    from pathlib import Path


def load_distiller(folder: Path, uri: str) -> Distiller:
    """Return the distiller in `folder`, in evaluation mode; `uri` is how the registry names it.

    Raises:
        ModelArchitectureError: it is of an architecture, or a version of one, not known here.
        ModelInvalidError: its files are damaged, it is no distiller, or it cannot write bytes.
    """
    try:
        net = weights.load(folder)
    except weights.UnknownArchitectureError as error:
        raise ModelArchitectureError(
            f"{uri} is {error.said}; this version of Stillhouse knows "
            f"{_known(error.architecture)}.",
            command="stillhouse distill --model distiller",
        ) from error
    except ValueError as error:
        raise ModelInvalidError(
            f"{uri} cannot be read: {error}. Remove that copy, and it is fetched again.",
            command=f"rm -r {folder}",
        ) from error
    if not isinstance(net, Distiller):
        raise ModelInvalidError(
            f"{uri} is a {type(net).__name__}, and only a distiller makes codes.",
            command="stillhouse show models",
        )
    if not all(bool(table.any()) for name, table in net.named_buffers() if name.endswith("table")):
        raise ModelInvalidError(
            f"{uri} was registered before its coder had tables, so it writes no bytes.",
            command="stillhouse distill --model distiller",
        )
    return net


def _known(name: str) -> str:
    found = weights.ARCHITECTURES.get(name)
    return f"{name} version {found.version}" if found else ", ".join(weights.ARCHITECTURES)
