"""Which code runs here: the package's version and, in a checkout, its git revision.

Reads the git repository that this source tree is the root of, if it is one, by git itself.
"""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
# git answers in .05 s; a network drive that does not should not hold up a run.
_TIMEOUT_S = 10


@cache
def source_facts(root: Path = ROOT) -> dict[str, str]:
    """Return `package_version` and, of a checkout, `git_revision` and `git_dirty`.

    Dirty is "true" where a tracked file differs from the revision or a new one is not ignored. An
    installed package inside somebody else's repository has no revision of ours.
    """
    found = {"package_version": version("stillhouse")}
    # A worktree has a file of that name.
    if not (root / ".git").exists():
        return found
    revision = _git(root, "rev-parse", "HEAD")
    if revision:
        changes = _git(root, "status", "--porcelain")
        found |= {"git_revision": revision, "git_dirty": str(changes != "").lower()}
    return found


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git says, None if it is not installed or refuses."""
    try:
        done = subprocess.run(  # noqa: S603  our own words only
            ["git", "-C", str(root), *arguments],  # noqa: S607  the user's git
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
