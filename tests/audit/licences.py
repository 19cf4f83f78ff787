"""Holds the licences of everything that Stillhouse needs to run against what it may carry.

Reads the metadata of installed packages; writes nothing. `make audit` runs it: exit code 1 where a
package that is needed is under the GPL or AGPL, or says nothing, and is no exception by name.

    python tests/audit/licences.py
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Why each may stay although its metadata says what is refused, or nothing.
EXCEPTIONS = {
    "huey": "its licence file is the text of the MIT licence; MLflow brings it",
    "skops": "its licence file is the MIT licence; MLflow brings it",
    "text-unidecode": "Artistic License or GPL, as one likes: the former; Prefect brings it",
}

_COPYLEFT = re.compile(
    r"\bA?GPL|affero|(?<!lesser )(?<!library )general public licen[cs]e", re.IGNORECASE
)
_LESSER = re.compile(r"\bLGPL|lesser general public|library or lesser", re.IGNORECASE)
# Whoever takes the package may choose another than the one refused.
_CHOICE = re.compile(r"\bOR\b|dual|/", re.IGNORECASE)
_PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|MPL|Mozilla|Unlicense|CC0|HPND"
    r"|0BSD|Boost|BSL-1\.0|Zope|Public Domain)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Licence:
    """What a package says of its licence; `refused`, why it may not be carried, is else empty."""

    package: str
    version: str
    said: str
    refused: str


def needed(root: str, found: Iterable[Distribution]) -> list[Distribution]:
    """Return the package and what it needs to run, and what that needs, without extras."""
    there = {canonicalize_name(one.metadata["Name"]): one for one in found}
    wanted: list[tuple[str, frozenset[str]]] = [(canonicalize_name(root), frozenset())]
    seen: dict[str, frozenset[str]] = {}
    while wanted:
        name, extras = wanted.pop()
        if name not in there or (name in seen and extras <= seen[name]):
            continue
        seen[name] = seen.get(name, frozenset()) | extras
        for line in there[name].requires or ():
            one = Requirement(line)
            markers = [{"extra": extra} for extra in (*extras, "")]
            if one.marker is None or any(one.marker.evaluate(marker) for marker in markers):
                wanted.append((canonicalize_name(one.name), frozenset(one.extras)))
    return [there[name] for name in sorted(seen)]


def licence_of(one: Distribution, exceptions: Mapping[str, str] = EXCEPTIONS) -> Licence:
    """Return what a package says, and whether that is refused."""
    name = canonicalize_name(one.metadata["Name"])
    said = _said(one)
    refused = ""
    if name not in exceptions:
        if not said:
            refused = "it does not say under which licence it is"
        elif _COPYLEFT.search(_LESSER.sub("", said)) and not (
            _CHOICE.search(said) and _PERMISSIVE.search(said)
        ):
            refused = "what is made with it would have to be under it too"
    return Licence(name, one.version, said, refused)


def _said(one: Distribution) -> str:
    """The expression if there is one, else the classifiers, else the first line of the field."""
    meta = one.metadata
    expression = meta.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in meta.get_all("Classifier") or ()
        if line.startswith("License ::") and line.rpartition("::")[2].strip() != "OSI Approved"
    ]
    if classifiers:
        return ", ".join(classifiers)
    field = str(meta.get("License") or "").strip()
    # Some put the whole text there.
    return field.splitlines()[0][:200] if field and field != "UNKNOWN" else ""


def main(arguments: Sequence[str] = ()) -> int:
    """Print what is refused, and how many packages there are; return the exit code."""
    path = list(arguments) or None
    found = distributions(path=path) if path else distributions()
    every = [licence_of(one) for one in needed("stillhouse", found) if one.name != "stillhouse"]
    refused = [one for one in every if one.refused]
    for one in refused:
        print(f"{one.package} {one.version}: {one.said or '(nothing)'}: {one.refused}")
    print(f"{len(every)} packages are needed, {len(refused)} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
