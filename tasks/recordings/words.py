"""The words that go with a clip, as text that a sentence model reads. Reads and writes nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.span import Span

# The longest line that is kept; sentence models read some 1000 in all.
MAX_CHARACTERS = 500
# Markup is looked for in so many: in a hostile line of megabytes it would take hours.
_LOOKED_AT = 4 * MAX_CHARACTERS
_TAGS = re.compile(r"\{[^}]*\}|<[^>]*>")


@dataclass(frozen=True, slots=True)
class Line:
    """One subtitle: when it is shown, on the recording clock, and its text in one line."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a clip: its subtitles, what the container says, what users say of it."""

    lines: tuple[Line, ...] = ()
    about: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of them, one a line, each once: labels, subtitles, container; "" if there are none.

        Who reads only so many takes the first, so what is said of this clip comes before what is
        said of the whole recording.
        """
        said = (*map(_spoken, self.labels), *(line.text for line in self.lines), *self.about)
        return "\n".join(dict.fromkeys(text for text in said if text))


def cleaned(text: str) -> str:
    """Return text in one line, without markup and control characters, of bounded length.

    It ends where a NUL does, as a string did for who wrote it.
    """
    words = _TAGS.sub(" ", text[:_LOOKED_AT].partition("\0")[0])
    # Control characters that are space part words; the others were never seen.
    kept = "".join(one for one in words if one.isprintable() or one.isspace())
    return " ".join(kept.split())[:MAX_CHARACTERS].rstrip()


def _spoken(label: str) -> str:
    """Return a label as text: of one that is JSON, its keys and values."""
    try:
        return cleaned(" ".join(_leaves(json.loads(label[:_LOOKED_AT]))))
    except (ValueError, RecursionError):
        return cleaned(label)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (str(key), *_leaves(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)
