"""One file inside a tar or zip, as its archive's headers tell of it. Reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Member:
    """A file that an archive holds.

    `name` is as written there, text that can be kept. `header_at` is where its header starts (in
    a compressed tar: of the unpacked bytes), `data_at` where its bytes start; None where they do
    not stand there as they are: `way` then says how they are compressed, or `refusal` why they
    cannot be had (`link_member`, `sparse_member`, `encrypted`, `unknown_packing`,
    `damaged_member`).
    """

    name: str
    size: int
    mtime_ns: int
    header_at: int
    data_at: int | None
    way: str = ""
    refusal: str | None = None


def named(members: Iterable[Member]) -> Iterator[tuple[str, Member]]:
    """Yield each member with a name of its own that cannot lead anywhere.

    Names are only names: nothing is written by them. `..`, `.`, empty parts and a leading slash
    are dropped, so that a path joined with one stays inside. A name that comes again (tar appends
    what is newer) gets `~2`, `~3`, ...: no file is passed over. 1 M names take 100 MB here.
    """
    seen: set[int] = set()
    copies: dict[str, int] = {}
    for member in members:
        name = plain = plain_name(member.name)
        while hash(name) in seen:
            # Counted on, or a tar of one name a million times would take a day.
            copies[plain] = copies.get(plain, 1) + 1
            name = f"{plain}~{copies[plain]}"
        seen.add(hash(name))
        yield name, member


def plain_name(written: str) -> str:
    """Return a name without the parts that would lead elsewhere."""
    parts = (part for part in written.split("/") if part not in ("", ".", ".."))
    return "/".join(parts) or "unnamed"


def is_known_as(written: str, name: str) -> bool:
    """Tell whether a member whose header has one name may be the one that is known as another."""
    plain = plain_name(written)
    return name == plain or name.startswith(f"{plain}~")
