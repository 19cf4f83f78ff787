"""flows: *when*. One flow a file, each a table of contents of the tasks it runs.

May import tasks, catalog and infra; never models, torch, av, ray or mlflow directly.
Start at `demo.py` (the whole road in one run) or `cli.py` (the command). Run flows by module
entrypoint (`flows.ingest.ingest`): a file entrypoint would put `flows/` on sys.path for good.
"""
