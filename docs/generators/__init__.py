"""docs.generators: pages that are made of the code when the site is built, and never committed.

Each module reads one kind of thing (commands, tables, views, ...) and returns Markdown pages by
their path; `build.py` beside this folder puts them among the written ones. Start there.
"""
