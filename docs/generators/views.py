"""The page of views: what each says of a clip, needs and stores, of its own declaration.

Reads `tasks/views/`.
"""

from __future__ import annotations

import sys
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from generators.decisions import decisions
from generators.markdown import Pages, literal, plain, table
from tasks.views.catalogue import RIG_VIEWS, VIEWS

if TYPE_CHECKING:
    from tasks.views.rig import RigKind
    from tasks.views.view import ArraySpec, ViewKind, ViewSpec

# Which decisions are about which view; a test asks that none is left out.
DECISIONS: dict[str, tuple[int, ...]] = {
    "thumbnail": (),
    "appearance": (5,),
    "flow": (15,),
    "audio": (16,),
    "text": (16,),
    "skeleton": (5, 13),
    "silhouette": (13,),
    "tracks": (13,),
    "depth": (5, 14),
    "skeleton3d": (13,),
    "stereo": (14,),
}
_CODINGS = {"raw": "as it is", "bits": "packed bits", "jpeg": "JPEG"}


def pages() -> Pages:
    """Return the one page."""
    rows = [(f"[{name}](#{name})", _first(kind), kind.spec.cost_ms) for name, kind in _every()]
    parts = [
        "# Views\n",
        (
            "A view is a named, versioned way to describe a clip. One decode of a clip computes "
            "all that is missing of it; a row of [features](/reference/tables/features.md) holds "
            "what one view says of one clip through one camera, on a grid of 80 ms. "
            "[How to add one](/guides/add-a-view.md).\n"
        ),
        table(("view", "what it is", "CPU, ms a step"), rows),
        (
            "Views of a rig are computed of other views' features, where a session is calibrated; "
            "no video is decoded for them. The CPU is what estimates reckon with "
            "(`stillhouse extract --dry-run`).\n"
        ),
    ]
    for name, kind in _every():
        parts += [f"## {name}\n", *_section(kind)]
    return {"reference/views.md": "\n".join(parts)}


def _every() -> list[tuple[str, ViewKind | RigKind]]:
    return [*VIEWS.items(), *RIG_VIEWS.items()]


def _doc(kind: ViewKind | RigKind) -> str:
    # "View *flow*: what it says": the name stands in the heading already.
    doc = sys.modules[type(kind).__module__].__doc__ or ""
    return doc.partition(": ")[2]


def _first(kind: ViewKind | RigKind) -> str:
    return plain(_doc(kind).partition(".\n")[0].replace("\n", " ").rstrip(". "))


def _section(kind: ViewKind | RigKind) -> list[str]:
    spec = kind.spec
    doc = _doc(kind).strip()
    parts = [doc[0].upper() + doc[1:], ""]
    parts += [f"*Computed from* {_needs(spec)}.\n"]
    parts += [
        table(
            ("array", "shape of a step", "type", "stored", "bytes a step"),
            [
                (literal(a.name), " x ".join(map(str, a.shape)) or "1", literal(a.dtype), how, size)
                for a in spec.arrays
                for how, size in [_stored(a)]
            ],
        )
    ]
    if spec.parameters:
        named = ", ".join(f"`{key}` {value}" for key, value in spec.parameters.items())
        parts.append(f"Its version is a digest of {named}; of its source, weights and decoder.\n")
    numbers = DECISIONS[spec.name]
    if numbers:
        parts.append(f"Why so: {decisions(numbers)}.\n")
    return parts


def _needs(spec: ViewSpec) -> str:
    found = [f"the asset {literal(one)}" for one in spec.assets]
    found += [f"pictures of {one.width} x {one.height}, {one.format}" for one in spec.scales]
    if spec.sound:
        found.append("sound")
    if spec.words:
        found.append("words")
    if spec.model:
        found.append(f"the champion of the model {literal(spec.model)}, if there is one")
    found += [f"the features of *{one}*" for one in spec.inputs]
    if spec.given:
        found.append(f"the {spec.given}")
    return ", ".join(found) or "nothing"


def _stored(array: ArraySpec) -> tuple[str, str]:
    count = prod(array.shape)
    if array.coding == "jpeg":
        return _CODINGS["jpeg"], "as JPEG makes it"
    if array.coding == "bits":
        return _CODINGS["bits"], f"{count / 8:g}"
    scaled = ", times a scale of the clip" if array.dtype == "int8" else ""
    return _CODINGS["raw"] + scaled, f"{count * np.dtype(array.dtype).itemsize}"
