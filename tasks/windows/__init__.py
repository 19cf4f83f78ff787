"""tasks.windows: rows of `features` become tensors: the one way from the catalog to a network."""
