"""tasks: *what is done to the data*. The one place where a table becomes a tensor.

May import models, catalog and infra. Prefect tasks here drive Ray from the flow's process; Ray
workers never speak to Prefect. `av` is imported by `decode.py` (reads) and `mux.py` (writes) alone.
A package a subject, in the order of the road: archives, containers, recordings, ingest, sessions,
clocks, rigs, labels; views, kernels, pose, extraction; windows, damage, training, judging, and one
for each kind of model; codes, search, generation, applications, editing. Start at
`archives/contents.py` (what is in an archive), `decode.py` (frames by packet plan) and
`extraction/features.py` (every missing view of a clip from one decode).
"""
