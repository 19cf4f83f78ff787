"""catalog.schemas: every table, one file each, declared once; `registry.py` lists them."""
