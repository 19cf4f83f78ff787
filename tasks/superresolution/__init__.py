"""tasks.superresolution: how enlarging networks are trained, on what damage, and judged."""
