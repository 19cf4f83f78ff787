"""page: what `stillhouse page` serves. Server-rendered pages over a snapshot; nothing is written.

May import what `flows` may. Start at `app.py`; `guard.py` is who may ask, `pages.py` the catalog,
`registry_pages.py` the models, `asking.py` search and SQL, `media.py` pictures and video by id. The
questions themselves are in `catalog/page/`. `static/player.js` plays cameras in step.
"""
