"""WordPiece (Wu et al., 2016, arXiv:1609.08144) as uncased BERT uses it: text to tokens.

Pure. Its peer is the `tokenizers` library, whose five further packages (a hub's client among them)
are not worth these lines. Equal to it but for two things: `[SEP]` and its like in a text are text
and not marks, and letters that are newer than Python's own tables are dropped.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A longer word is unknown as a whole.
MAX_WORD = 100
# Scripts written without spaces: every sign is a word.
_SIGNS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def tokens(text: str, vocabulary: Mapping[str, int], most: int) -> list[int]:
    """Return the numbers of a text's tokens, at most `most` with the marks around them."""
    found = [vocabulary["[CLS]"]]
    for word in words(text):
        found += pieces(word, vocabulary)
        if len(found) >= most:
            break
    return [*found[: most - 1], vocabulary["[SEP]"]]


def words(text: str) -> Iterator[str]:
    """Yield words and signs of punctuation, in small letters without accents."""
    spaced = "".join(map(_spaced, text))
    bare = (c for c in unicodedata.normalize("NFD", spaced) if unicodedata.category(c) != "Mn")
    # One by one: a sigma at the end of a word is a sigma.
    for run in "".join(c.lower() for c in bare).split():
        start = 0
        for at, sign in enumerate(run):
            if _is_punctuation(sign):
                yield from filter(None, (run[start:at], sign))
                start = at + 1
        if run[start:]:
            yield run[start:]


def pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Return the longest pieces that make up a word from its start, or "unknown"."""
    found, start = [], 0
    while start < len(word) <= MAX_WORD:
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            break
        found.append(vocabulary[prefix + word[start:end]])
        start = end
    return found if start == len(word) else [vocabulary["[UNK]"]]


def _spaced(sign: str) -> str:
    if sign.isspace() and (sign in "\t\n\r" or not unicodedata.category(sign).startswith("C")):
        return " "
    if sign == "\ufffd" or unicodedata.category(sign).startswith("C"):
        return ""
    return f" {sign} " if any(a <= ord(sign) <= b for a, b in _SIGNS) else sign


def _is_punctuation(sign: str) -> bool:
    # Of ASCII the signs of mathematics and money too.
    ascii_sign = sign.isascii() and sign.isprintable() and not sign.isalnum()
    return ascii_sign or unicodedata.category(sign).startswith("P")
