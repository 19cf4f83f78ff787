"""Networks out of the folders that the registry gave, as the kind that is expected; reads files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from infra.errors import ModelArchitectureError, ModelInvalidError
from models import weights

if TYPE_CHECKING:
    from torch import nn

Kind = TypeVar("Kind", bound="nn.Module")


def load_network(folder: Path | str, kind: type[Kind], uri: str = "") -> Kind:
    """Return the network in `folder`, in evaluation mode; `uri` is how the registry names it.

    Raises:
        ModelArchitectureError: this version of Stillhouse does not know what it is.
        ModelInvalidError: its files are damaged, or it is of another kind.
    """
    net = load_any(folder, uri)
    if not isinstance(net, kind):
        raise ModelInvalidError(
            f"{uri or folder} is a {type(net).__name__}, not a {kind.__name__}.",
            command="stillhouse show models",
        )
    return net


def load_any(folder: Path | str, uri: str = "") -> nn.Module:
    """Do the same for a network of whatever kind.

    Raises:
        ModelArchitectureError, ModelInvalidError: see `load_network`.
    """
    name = uri or str(folder)
    try:
        return weights.load(Path(folder))
    except weights.UnknownArchitectureError as error:
        known = weights.ARCHITECTURES.get(error.architecture)
        here = f"{error.architecture} version {known.version}" if known else ""
        raise ModelArchitectureError(
            f"{name} is {error.said}; this version of Stillhouse knows "
            f"{here or ', '.join(weights.ARCHITECTURES)}.",
            command=f"stillhouse distill --model {model_of(uri)}" if uri else "stillhouse distill",
        ) from error
    except ValueError as error:
        raise ModelInvalidError(
            f"{name} cannot be read: {error}. Remove that copy, and it is fetched again.",
            command=f"rm -r {folder}",
        ) from error


def model_of(uri: str) -> str:
    """Return the model's name of `models:/NAME/VERSION`."""
    return uri.removeprefix("models:/").partition("/")[0]
