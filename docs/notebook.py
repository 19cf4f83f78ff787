"""A notebook over a home: `python docs/notebook.py HOME [PICTURE]`, or cell by cell in an editor.

Reads the catalog's Parquet files and writes one picture. Needs DuckDB, pandas and matplotlib, which
are in the environment of Stillhouse, and nothing of Stillhouse itself.
"""

# %% [markdown]
# # Notebook
#
# The catalog is plain Parquet with a log, so that anything can open it. This page is
# `docs/notebook.py`: run it as `python docs/notebook.py HOME`, or cell by cell in Jupyter
# (jupytext), VS Code or Spyder. The tests run it over a small home. Nothing of Stillhouse is
# imported.

# %%
import sys
from pathlib import Path

import duckdb
import matplotlib as mpl
import numpy as np
from deltalake import DeltaTable

mpl.use("Agg")
from matplotlib import pyplot as plt

home = Path(sys.argv[1] if len(sys.argv) > 1 else ".stillhouse")
picture = Path(sys.argv[2]) if len(sys.argv) > 2 else home / "sheets" / "notebook.png"

# %% [markdown]
# ## Open the tables
#
# Which files count is said by each table's log; a file that a killed run left behind is in none.

# %%
db = duckdb.connect()
for name in ("sessions", "clips", "features", "quarantine"):
    folder = home / "catalog" / name
    if not folder.exists():
        continue  # nothing was ever committed to it
    files = DeltaTable(str(folder)).file_uris()
    db.execute(f"create view {name} as from read_parquet({files!r}, union_by_name = true)")

# %% [markdown]
# ## Ask
#
# What is there of each session, as a pandas frame (`.pl()` gives polars, where that is
# installed):

# %%
clips = db.sql("""
    select s.name, s.split, s.clock_status, len(s.cameras) as cameras,
           count(distinct c.clip_id) as clips, round(s.duration_ns / 1e9, 1) as seconds
    from sessions as s left join clips as c using (session_id)
    group by all order by name
""").df()
print(clips.to_string(index=False))

# %% [markdown]
# How much of the footage each view has something to say of, and if nothing, why not:

# %%
said = db.sql("""
    select view, count(*) as features, count(*) filter (absent is null) as usable,
           round(sum(octet_length(data)) / 1e6, 1) as megabytes,
           mode(absent) as mostly_absent_because
    from features group by view order by view
""").df()
print(said.to_string(index=False))

# %% [markdown]
# ## Read an array
#
# Dense arrays are bytes in the column `data`; [Views](/reference/views.md) says the shape and
# type of each. Flow is `int8` of 2 x 28 x 28 a step, times the clip's scale, in pixels of the 112
# px picture.

# %%
flow = db.sql("""
    select session_id, camera_id, start_ns, steps, data, scales
    from features where view = 'flow' and absent is null
    qualify dense_rank() over (partition by session_id order by version) = 1
    order by session_id, camera_id, start_ns
""").df()
STEP_S = 0.08


def motion(row):
    """Mean length of the flow vectors of each step, in pixels."""
    field = np.frombuffer(row.data, np.int8).reshape(row.steps, 2, 28, 28) * row.scales[0]
    return np.hypot(field[:, 0], field[:, 1]).mean((1, 2))


flow["motion"] = [motion(row) for row in flow.itertuples()]
flow["seconds"] = [row.start_ns / 1e9 + STEP_S * np.arange(row.steps) for row in flow.itertuples()]

# %% [markdown]
# ## Draw
#
# How much moves, through each camera of one session, on its one clock: the session that most
# cameras saw, and of those the one where most moves. Where clocks were measured, cameras rise and
# fall together.

# %%
flow["peak"] = [found.max() for found in flow.motion]
seen = flow.groupby("session_id").agg(cameras=("camera_id", "nunique"), most=("peak", "mean"))
session = seen.sort_values(["cameras", "most"]).index[-1]
cameras = int(seen.cameras[session])
names = db.sql("select session_id, name from sessions").df().set_index("session_id").name
title = names[session]
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
for camera, rows in flow[flow.session_id == session].groupby("camera_id"):
    axes.plot(np.concatenate([*rows.seconds]), np.concatenate([*rows.motion]), label=camera)
axes.set(xlabel="seconds of the session", ylabel="motion, pixels a step", title=title)
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
picture.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(picture, dpi=110)
print(f"{cameras} camera(s) of {title}: {picture}")

# %% [markdown]
# ![How much moves through each of two cameras of one session, over 12 seconds](/notebook.png)
#
# *Two webcams of handpose3d (MIT), which started together: one hand, seen from two sides.*
#
# ## The same with Stillhouse's own views
#
# Tables keep what was; `current_clips` and its kin say what counts now. From Python they come
# with `connect`:
#
# ```python
# from catalog.query import connect
# from catalog.store import Catalog
#
# with connect(Catalog(".stillhouse/catalog").snapshot()) as db:
#     clips = db.sql("select * from current_clips").df()
# ```
