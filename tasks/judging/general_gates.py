"""Gates that every model passes or not: complete provenance, unseen sessions, equal answers.

Pure: what they judge is gathered by `promotion.py` and the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.training.recipe import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.judging.repeatability import Repeatability

# What has to be on record so that a model can be made again; `git_revision` where there was one.
RUN_TAGS = (
    "snapshot_id",
    "package_version",
    "preset",
    "weights_digest",
    "cpu_flags",
    "threads",
    "torch",
)
RUN_PARAMS = ("seed",)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is on record of a model version and of the run that made it.

    `digest` is that of the version; `files` says why its files are not those, "" if they are;
    `trained_on` is None where the run did not say.
    """

    digest: str
    files: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    trained_on: Sequence[Mapping[str, str]] | None


def provenance_gate(found: Provenance) -> Gate:
    """Everything is on record, and the files are those that it is on record of.

    The value counts what is missing or untrue.
    """
    wrong = [f"no {name}" for name in RUN_TAGS if not found.tags.get(name)]
    wrong += [f"no {name}" for name in RUN_PARAMS if not found.params.get(name)]
    wrong += ["no trained_on"] if found.trained_on is None else []
    wrong += [found.files] if found.files else []
    if found.tags.get("weights_digest", found.digest) != found.digest:
        wrong.append("the run logged another weights_digest than the version has")
    said = "; ".join(wrong) or f"made by {_source(found.tags)}"
    return Gate.of("provenance", len(wrong), "at most", 0, said=said)


def _source(tags: Mapping[str, str]) -> str:
    source = f"version {tags['package_version']}"
    if "git_revision" not in tags:
        return f"{source}, which was no checkout"
    changed = ", with changes that were not committed" if tags.get("git_dirty") == "true" else ""
    return f"{source}, git revision {tags['git_revision'][:12]}{changed}"


def disjoint_gate(
    trained_on: Sequence[Mapping[str, str]] | None,
    heldout: Mapping[str, str],
    leaks: Sequence[str] = (),
) -> Gate:
    """No session that is held out now was trained on, nor one of its group.

    `trained_on` has the session_id and group_id of each session; `heldout` maps the sessions held
    out now to their groups; `leaks` names held-out sessions that show what a training session
    shows, by the pictures themselves. The value counts held-out sessions that were seen.
    """
    name = "unseen_sessions"
    if trained_on is None:
        return Gate.of(name, None, "at most", 0, said="the run did not say what it trained on")
    sessions = {one["session_id"] for one in trained_on}
    groups = {one["group_id"] for one in trained_on}
    seen = {one for one, group in heldout.items() if one in sessions or group in groups}
    seen |= set(leaks)
    said = f"trained on {len(sessions)} sessions, {len(heldout)} are held out now"
    if seen:
        said += f"; seen: {', '.join(sorted(seen)[:5])}" + (" and more" if len(seen) > 5 else "")
    return Gate.of(name, len(seen), "at most", 0, said=said)


def repeat_gate(found: Repeatability) -> Gate:
    """Equal inputs have equal answers, byte for byte.

    The value counts answers that differed: asked again, beside another input, in another process.
    """
    parts = [f"again {found.again}", f"in another process {found.fresh}"]
    if found.batched is not None:
        parts.append(f"in another batch size {found.batched}")
        parts.append(f"embeddings moved by {found.moved:.1e} with the batch size")
    said = f"of {found.cases} inputs differed: {', '.join(parts)}"
    return Gate.of("same_answer", found.differing, "at most", 0, said=said)


def unchanged_gate(compared_with: int | None, now: int | None) -> Gate:
    """Nobody became champion while this version was judged against the one before.

    The value is 1 if somebody did. Judged again, it would be held against the new one.
    """
    told = ("nobody" if number is None else f"v{number}" for number in (compared_with, now))
    said = "compared with {}; champion meanwhile: {}; promote again to be compared with that one"
    changed = int(compared_with != now)
    return Gate.of("champion_unchanged", changed, "at most", 0, said=said.format(*told))
