"""What the view *text* says: near for what means the same, nothing where there are no words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.span import Span
from tasks.kernels.wordpiece import tokens, words
from tasks.recordings.words import Line, Words
from tasks.views.text import TextKind
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tasks.views.view import View

DOG = "A man is walking his dog in the park."
PUPPY = "Someone strolls with a puppy through a garden."
BANK = "The interest rate was raised by the central bank."
# The vector's first numbers as transformers 5.24 with torch gives them for DOG (mean, length 1).
REFERENCE = (0.0409571, -0.0304515, 0.0494573, 0.0210548)


@pytest.fixture(scope="module")
def view(weights: Path) -> View:
    """The view as a worker loads it."""
    kind = TextKind()
    kind.prepare(weights, {})
    return kind.load(weights, 2, {})


@pytest.fixture(scope="module")
def vocabulary(weights: Path) -> dict[str, int]:
    """The words that the model knows."""
    listed = (weights / "minilm/vocab.txt").read_text("utf-8").splitlines()
    return {word: number for number, word in enumerate(listed)}


def clip(found: Words | None) -> DecodedClip:
    """Return a clip of five steps with these words."""
    times = np.arange(5, dtype=np.int64) * 80_000_000
    return DecodedClip(times, np.ones(5, bool), {}, (64, 64), None, found)


def vector(view: View, text: str) -> npt.NDArray[np.float32]:
    """Return the vector of a text that the container says."""
    found = view.compute(clip(Words(about=(text,)))).vector
    assert found is not None
    return found


def test_a_paraphrase_is_nearer_than_another_matter(view: View) -> None:
    """Cosine .386 between two walks with a dog, .02 to the bank; 1 to itself; length 1."""
    dog, puppy, bank = (vector(view, text) for text in (DOG, PUPPY, BANK))
    assert dog.shape == (384,)
    assert np.linalg.norm(dog) == pytest.approx(1, abs=1e-5)
    assert dog @ puppy == pytest.approx(0.386, abs=0.002)
    assert abs(dog @ bank) < 0.05
    assert dog[:4] == pytest.approx(REFERENCE, abs=1e-5)


def test_a_text_has_its_vector_whatever_came_before(weights: Path, view: View) -> None:
    """To the bit, in another order, by a view loaded anew."""
    texts = [DOG, BANK * 9, PUPPY]
    ahead = [vector(view, text) for text in texts]
    again = TextKind().load(weights, 1, {})
    back = [vector(again, text) for text in reversed(texts)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(ahead, back, strict=True))


def test_what_is_too_long_is_cut_behind(view: View) -> None:
    """Of more than 256 tokens the last do not count: labels and subtitles come before the rest."""
    line = Line(Span(0, 10**9), "dogs and cats " * 30)
    long = Words((line,), tuple(f"number {k} of many things" for k in range(60)), ("walking",))
    longer = replace(long, about=(*long.about, BANK))
    other = replace(long, labels=("shouting",))
    one, same, unlike = (view.compute(clip(found)).vector for found in (long, longer, other))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, unlike)


def test_a_clip_without_words_says_so(view: View) -> None:
    """No words, and words of nothing but markup, are absent; their picture is black."""
    for none in (None, Words(), Words(labels=("<b></b>",))):
        found = view.compute(clip(none))
        assert (found.mask.any(), found.vector) == (False, None)
        assert found.absent == "the clip has no words"
        assert not view.draw(found, 0).any()


def test_texts_become_the_tokens_that_bert_knows(vocabulary: dict[str, int]) -> None:
    """As the `tokenizers` library has them: case, accents, signs, unknown and too many words."""
    assert tokens("Hello, World!", vocabulary, 256) == [101, 7592, 1010, 2088, 999, 102]
    assert list(words("Élan  naïve\u00a0漢字-x\u200b_y")) == [
        "elan",
        "naive",
        "漢",
        "字",
        "-",
        "x",
        "_",
        "y",
    ]
    assert tokens("unaffable", vocabulary, 256) == [101, 14477, 20961, 3468, 102]
    assert tokens("x" * 101, vocabulary, 256) == [101, 100, 102]
    assert tokens("a " * 300, vocabulary, 256) == [101, *[1037] * 254, 102]
    assert tokens("", vocabulary, 256) == [101, 102]
