"""page: the catalog as people page through it; one snapshot held open, its lists kept in order.

May import what `catalog` may. Start at `latest.py` (which snapshot is shown), then `shelf.py` (what
is kept of it); `sql/` holds a file a question. The pages themselves are in `flows/page/`.
"""
