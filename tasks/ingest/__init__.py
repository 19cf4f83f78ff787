"""tasks.ingest: from files to recordings: one scan of each, its shots, and its copies."""
