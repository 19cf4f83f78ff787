"""tasks.training: what the recipes of all models share, from the first step to the registry."""
