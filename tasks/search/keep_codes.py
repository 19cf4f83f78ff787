"""Makes what a search of the codes maps, and the index if they are very many. Writes no table.

Reads the catalog; writes below `home/state/search`, as `kept_codes.py` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.errors import CatalogEmptyError
from tasks.search.kept_codes import keep_index

if TYPE_CHECKING:
    from tasks.codes.encode_plan import EncodePlan
    from tasks.runs.record import FlowRun


@task(cache_policy=NO_CACHE, persist_result=False)
def keep_codes(plan: EncodePlan, run: FlowRun) -> None:
    """Keep the codes that serve as one matrix, so that the first search need not make it."""
    try:
        run.ledger.extra["indexed"] = keep_index(
            run.catalog.snapshot(), plan.coding.model.name, run.settings
        )
    except CatalogEmptyError:
        # Codes of no champion, or all are still pending: nothing serves yet.
        run.ledger.extra["indexed"] = False
