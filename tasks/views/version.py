"""The version of a view: a digest of everything that can change what it computes.

version = digest(parameters x transitive source of the view x weight digests x decoder build).
Reads our own source files; writes nothing. Comments, docstrings and layout are left out of the
source, so that explaining a view better does not recompute an archive.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.ids import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.views.rig import RigKind
    from tasks.views.view import ViewKind

ROOT = Path(__file__).parents[2]
# Where a view runs (infra) and how its rows are kept (catalog) do not change what it computes.
ROOMS = ("tasks", "models")


def view_version(kind: ViewKind | RigKind, weights: Mapping[str, str], decoder_build: str) -> str:
    """Return the version of a view as a short hex digest.

    `weights` maps each of its assets to the digest that the asset list pins, its model to that of
    the champion, and each of its inputs to that view's version.
    """
    return version_of(key_parts(kind, weights, decoder_build))


def version_of(parts: Mapping[str, str]) -> str:
    """Return the version that is made of these parts."""
    return digest("view", *parts.values())[:16]


def key_parts(
    kind: ViewKind | RigKind, weights: Mapping[str, str], decoder_build: str
) -> dict[str, str]:
    """Return what the version is made of, by name: what `explain` compares."""
    spec = kind.spec
    return {
        "parameters": digest(spec.name, sorted((k, str(v)) for k, v in spec.parameters.items())),
        "source": digest(*source_parts(type(kind).__module__)),
        "weights": digest(*[f"{name}={weights[name]}" for name in sorted(weights)]),
        "decoder": decoder_build,
    }


@cache
def source_parts(module: str) -> tuple[str, ...]:
    """Return the code of a module and of every module of ours that it imports, in name order."""
    pending, found = [module], {}
    while pending:
        name = pending.pop()
        code = None if name in found else _code(name)
        if code is not None:
            found[name], imported = code
            pending += imported
    return tuple(f"{name}:{found[name]}" for name in sorted(found))


def own_source(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the code of these modules of ours, without that of what they import."""
    found = ((name, _code(name)) for name in modules)
    return tuple(f"{name}:{code[0]}" for name, code in found if code is not None)


@cache
def _code(module: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a module's code and what it imports of ours; None if it is no module of ours.

    Kept: an ingest asks for what sessions are formed by in a dozen modules that share most.
    """
    path = ROOT / (module.replace(".", "/") + ".py")
    if not path.exists():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    code = ast.dump(_without_docstrings(tree))
    return code, tuple(_imports(tree))


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] in ROOMS]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
