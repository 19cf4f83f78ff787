"""catalog: *what we know*. Tables, their keys, and the SQL that asks them.

May import infra; never torch, ray, prefect, mlflow or av. Start at `table.py` (how a table is
declared), `schemas/` (one file a table), `store.py` (how rows are committed), `query.py` (SQL).
"""
