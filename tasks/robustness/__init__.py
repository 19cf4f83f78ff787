"""tasks.robustness: models judged under damage, cell by cell."""
