"""Flow *refine*: better codes of every clip, never worse by the energy. Reads and writes codes."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.codes.refine import figures, let_serve, log_refinement, refine_codes
from tasks.codes.refine_plan import plan_refine
from tasks.runs.record import flow_record


@flow(name="refine", validate_parameters=False)
def refine(
    method: str = "refine",
    home: str | None = None,
    model: str = "distiller",
    *,
    evaluations: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Refine the codes that serve by a method of `models/refinement.py`. Safe to run again."""
    settings = load_settings(home)
    parameters = {"method": method, "model": model, "evaluations": evaluations, "seed": seed}
    with flow_record("refine", settings, parameters) as run:
        plan = plan_refine(method, run, model, evaluations, seed)
        found = refine_codes(plan, run)
        serves = let_serve(plan, run)
        mlflow_run_id = log_refinement(plan, found, run) if found.clips else None
        run.ledger.extra |= figures(found)
    how = plan.refining
    return {
        **run.report,
        "model": how.model.uri,
        "method": how.method,
        "base": how.base,
        "version": how.version,
        "serves": serves,
        "mlflow_run_id": mlflow_run_id,
    }
