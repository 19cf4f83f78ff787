"""What share of an archive keeps what share of its variety: `tests/bench/eval_coreset.py --home H`.

Reads codes that `stillhouse reindex --model URI` stored, whether they serve or not. Clips are
chosen under budgets of bytes by the methods of `models/coreset.py` from their even windows alone;
the odd windows, which no choice has seen, ask.
Recall: of how many odd windows the nearest kept even window is of the same session, mean over
sessions. Distance: 1 - cosine to it, mean over sessions. Prints a table, all clips in its last row.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from catalog.query import run
from catalog.store import Catalog
from infra import registry
from infra.settings import load_settings
from models.coreset import SELECTIONS, distances
from tasks.codes.keep import read_archive, unit_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.coreset import Floats, Ints
    from tasks.codes.keep import Archive

NEWEST = """
    select c.version from codes as c join runs as r using (flow_run_id)
    where c.model = $model and c.model_version = $number
    group by c.version order by max(r.started_ns) desc limit 1
"""
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
SEEDS = 20
# Of all clips' recall: the least bytes that keep so much of it are looked for.
WANTED = 0.9
FINE = np.arange(0.01, 1.001, 0.01)


class Score(NamedTuple):
    """How a choice answers the odd windows."""

    recall: float
    distance: float


class Questions:
    """The odd windows of all clips, and how near each is to every clip's even windows."""

    def __init__(self, archive: Archive) -> None:
        self._sessions = np.array([clip["session_id"] for clip in archive.clips])
        asked = [(k, one) for k, some in enumerate(archive.windows) for one in some[1::2]]
        self._asking = self._sessions[[k for k, _ in asked]]
        vectors = np.stack([one for _, one in asked])
        # (questions, clips): the nearest even window of each clip.
        self._apart = np.stack(
            [1 - (vectors @ some[::2].T).max(axis=1) for some in archive.windows], axis=1
        )
        self.count = len(asked)

    def score(self, kept: Ints) -> Score:
        """Answer from the kept clips alone."""
        apart = self._apart[:, kept]
        right = self._sessions[kept][apart.argmin(axis=1)] == self._asking
        names = np.unique(self._asking)
        return Score(
            float(np.mean([right[self._asking == name].mean() for name in names])),
            float(np.mean([apart.min(axis=1)[self._asking == name].mean() for name in names])),
        )


def main() -> None:
    """Print the table and what each method needs to keep most of the recall."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", required=True, help="a home with codes")
    parser.add_argument("--model", default="models:/distiller@champion")
    given = parser.parse_args()
    settings = load_settings(given.home)
    model = registry.resolve(settings, given.model)
    snapshot = Catalog(settings.catalog).snapshot()
    stored = run(snapshot, NEWEST, {"model": model.name, "number": model.version}).to_pylist()
    archive = read_archive(snapshot, model.name, stored[0]["version"] if stored else None)
    questions = Questions(archive)
    apart = distances(np.stack([unit_mean(some[::2]) for some in archive.windows]))
    whole = questions.score(np.arange(len(archive.clips)))
    total = archive.costs.sum()
    sessions = {clip["session_id"] for clip in archive.clips}
    print(
        f"{len(archive.clips)} clips of {len(sessions)} sessions, {total / 1e6:.1f} MB; "
        f"{questions.count} odd windows ask; random is the mean of {SEEDS} draws.\n"
    )
    print(
        "| kept bytes | " + " | ".join(f"{m}: clips, recall, distance" for m in SELECTIONS) + " |"
    )
    print("|" + "---|" * (1 + len(SELECTIONS)))
    for share in SHARES:
        cells = [
            _cell(chosen(m, apart, archive.costs, share * total), questions) for m in SELECTIONS
        ]
        print(f"| {share:.0%} | " + " | ".join(cells) + " |")
    every = f"{len(archive.clips)}, {whole.recall:.3f}, {whole.distance:.4f}"
    print("| 100% | " + " | ".join([every] * len(SELECTIONS)) + " |\n")
    for method in SELECTIONS:
        since = time.process_time()
        share = least(method, apart, archive.costs, questions, WANTED * whole.recall)
        said = "never" if share is None else f"from {share:.0%} of the bytes on"
        took = (time.process_time() - since) / len(FINE)
        print(f"- {method} keeps {WANTED:.0%} of the recall {said}; {took * 1e3:.0f} ms a choice")


def chosen(method: str, apart: Floats, costs: Floats, budget: float) -> list[Ints]:
    """Return the choices of a method: of random as many as there are seeds."""
    seeds = range(SEEDS if method == "random" else 1)
    return [SELECTIONS[method](apart, costs, budget, seed) for seed in seeds]


def least(
    method: str, apart: Floats, costs: Floats, questions: Questions, recall: float
) -> float | None:
    """Return the least share of bytes from which on, in steps of 1 %, the recall is kept."""
    found = None
    for share in FINE[::-1]:
        made = chosen(method, apart, costs, share * costs.sum())
        if _mean([questions.score(one) for one in made if len(one)]).recall < recall:
            break
        found = float(share)
    return found


def _cell(made: Sequence[Ints], questions: Questions) -> str:
    some = [one for one in made if len(one)]
    if not some:
        return "none fits"
    score = _mean([questions.score(one) for one in some])
    return f"{np.mean([len(one) for one in some]):.0f}, {score.recall:.3f}, {score.distance:.4f}"


def _mean(scores: Sequence[Score]) -> Score:
    if not scores:
        return Score(0.0, 2.0)
    return Score(*(float(np.mean(part)) for part in zip(*scores, strict=True)))


if __name__ == "__main__":
    main()
