"""tasks.synthetic: archives and scenes with known truth."""
