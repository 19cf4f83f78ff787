"""How a bench says what keeps it from measuring: a sentence and the command that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import CatalogEmptyError, StillhouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sized


def plainly(main: Callable[[], None]) -> None:
    """Run a bench; an error that a user can act on ends it without a traceback.

    Raises:
        SystemExit: with the sentence and the command.
    """
    try:
        main()
    except StillhouseError as error:
        helps = f"\n  {error.command}" if error.command else ""
        raise SystemExit(f"{error}{helps}") from None


def require_footage(home: str, train: Sized, heldout: Sized) -> None:
    """Refuse a home in which there is nothing to learn from or to judge on.

    Raises:
        CatalogEmptyError: naming the side that has no clips.
    """
    for side, clips in (("learn from", train), ("judge on", heldout)):
        if not len(clips):
            raise CatalogEmptyError(
                f"{home} has no clips to {side}.", command=f"stillhouse --home {home} ingest FOLDER"
            )
