"""tasks.labels: what users say happens in recordings."""
