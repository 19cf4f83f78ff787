"""infra: *where it runs*. Settings, errors, assets, Ray, MLflow, disks and logs.

Imports nothing of ours. Start at `settings.py` (the only reader of the environment) and
`errors.py` (every error by name). `decisions/` says why things are as they are.
"""
