"""tasks: *what is done to the data*. The one place where a table becomes a tensor.

May import models, catalog and infra. Prefect tasks here drive Ray from the flow's process; Ray
workers never speak to Prefect. `av` is imported by `decode.py` (reads) and `mux.py` (writes) alone.
Start at `archive.py` (what is in an archive; its kinds are in `archives/`), `decode.py` (frames by
packet plan) and `features.py` (every missing view of a clip from one decode).
"""
