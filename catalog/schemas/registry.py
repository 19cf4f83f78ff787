"""The list of tables, in the order in which a flow commits them. Reads and writes nothing.

What a row needs to be of use stands before it: a session counts once its clips are there,
a file once its session is. Writers commit in this order and snapshots
are taken in the opposite one, so a snapshot never holds a row whose reference it does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.schemas.actions import ACTIONS
from catalog.schemas.clips import CLIPS
from catalog.schemas.code_versions import CODE_VERSIONS
from catalog.schemas.codes import CODES
from catalog.schemas.duplicates import DUPLICATES
from catalog.schemas.features import FEATURES
from catalog.schemas.files import FILES
from catalog.schemas.generations import GENERATIONS
from catalog.schemas.label_spans import LABEL_SPANS
from catalog.schemas.labels import LABELS
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.recordings import RECORDINGS
from catalog.schemas.robustness import ROBUSTNESS
from catalog.schemas.runs import RUNS
from catalog.schemas.sessions import SESSIONS
from catalog.schemas.shots import SHOTS
from catalog.schemas.view_versions import VIEW_VERSIONS
from infra.errors import UnknownTableError

if TYPE_CHECKING:
    from catalog.table import Table

TABLES = {
    table.name: table
    for table in (
        RECORDINGS,
        QUARANTINE,
        DUPLICATES,
        CLIPS,
        SHOTS,
        SESSIONS,
        LABELS,
        FILES,
        LABEL_SPANS,
        VIEW_VERSIONS,
        FEATURES,
        CODES,
        CODE_VERSIONS,
        ACTIONS,
        GENERATIONS,
        ROBUSTNESS,
        RUNS,
    )
}


def table_named(name: str) -> Table:
    """Return a table by its name.

    Raises:
        UnknownTableError: naming the tables there are.
    """
    if name not in TABLES:
        raise UnknownTableError(
            f"There is no table {name}: there are {', '.join(sorted(TABLES))}.",
            command="stillhouse show",
        )
    return TABLES[name]
